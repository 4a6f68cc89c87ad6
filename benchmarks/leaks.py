"""How far ``boceto leaks`` can be trusted: pictures of which none, a fifth, and all were jittered on purpose.

    python benchmarks/leaks.py DATA [RUN] [--jitters cutout,hue]

Detectors learn from and are judged by up to 1,000 pictures of a dataset (``boceto prepare``). In the place of generated
ones stand 300 others of it, and, if a RUN is given that was trained on them without jitter, 300 that it draws.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from boceto import sampling
from boceto.data.deriving import reduced
from boceto.data.prepared import Prepared
from boceto.leaks import Known, Leak, sought_in
from boceto.metrics import features as networks
from boceto.metrics.jittered import jittered, looks
from boceto.nn.augment import NAMES

REAL, COUNT, SHARES = 1000, 300, (0, 20, 100)


def said(leak: Leak) -> str:
    """A share with its interval, bold where it is told as a leak."""
    share = leak.share
    words = f"{100 * share.value:.0f} ({100 * share.low:.0f} … {100 * share.high:.0f})"
    return {"cannot tell": "–", "leaks": f"**{words}**", "no leak": words}[leak.verdict]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--jitters", default=",".join(NAMES))
    given = parser.parse_args()
    data = Prepared(given.data)
    sets = {}
    if given.run:
        sets["generated"] = sampling.load(given.run).sample(COUNT, 0)
    shape = next(iter(sets.values())).shape[1:] if sets else data.shape
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(data))[: REAL + COUNT]
    images = reduced(data.gather(order), shape)
    sets = {"others": images[-COUNT:]} | sets
    known = Known(images[:-COUNT], looks(networks.network()), seed=0)
    heads = ["jitter", "found", *(f"{name}, {share} %" for name in sets for share in SHARES)]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    jitters = given.jitters.split(",")
    clean = {name: sought_in(pictures, known, jitters) for name, pictures in sets.items()}
    for jitter in jitters:
        told = []
        for name, pictures in sets.items():
            told.append(next(clean[name]))
            moved = jittered(pictures, jitter, seed=9)
            for every in (5, 1):
                some = pictures.copy()
                some[::every] = moved[::every]
                told += sought_in(some, known, [jitter])
        cells = [jitter, f"{100 * told[0].jittered:.0f}", *map(said, told)]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
