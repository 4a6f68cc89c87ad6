"""What ``boceto leaks`` says of real pictures, of which none, and of which a fifth, were jittered on purpose.

    python benchmarks/leaks.py DATA [DATA …] --side 64

Of each dataset (``boceto prepare``) up to 1,000 pictures are what the detectors learn from and are judged by, and 512
others stand for generated ones: first as they are, then a fifth of them with one jitter, for each jitter by itself. The
former are looked at by all detectors, the latter by that of their jitter.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from boceto.data.deriving import reduced
from boceto.data.prepared import Prepared
from boceto.leaks import Leak, judged, learned
from boceto.metrics import features as networks
from boceto.metrics.jittered import jittered, looks
from boceto.nn.augment import NAMES

REAL, COUNT, FIFTH = 1000, 512, 5


def measured(data: Prepared, side: int) -> tuple[dict[str, tuple[Leak, Leak]], float]:
    """Jitter → what is found where none was jittered and where a fifth was; pictures looked at a second."""
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(data))[: REAL + COUNT]
    images = reduced(data.gather(order), (side, side, data.shape[2]))
    real, others = images[:-COUNT], images[-COUNT:]
    seen = [0]

    def looked(count: int) -> None:
        seen[0] += count

    look, began = looks(networks.network(), looked), time.monotonic()
    detectors = learned(real, list(NAMES), look, 0)
    clean = look(others)
    found = {}
    torch.manual_seed(1)
    for name, detector in detectors.items():
        spoilt = clean.copy()
        spoilt[::FIFTH] = look(jittered(others[::FIFTH], name))
        found[name] = judged(name, detector, clean), judged(name, detector, spoilt)
    return found, seen[0] / (time.monotonic() - began)


def said(leak: Leak) -> str:
    """A share with its interval; in brackets where the verdict is that nothing can be told."""
    share = leak.share
    words = f"{100 * share.value:.0f} % ({100 * share.low:.0f} … {100 * share.high:.0f})"
    return {"cannot tell": "–", "leaks": f"**{words}**", "no leak": words}[leak.verdict]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--side", type=int, default=64)
    given = parser.parse_args()
    tables = {}
    for folder in given.data:
        tables[folder.name], speed = measured(Prepared(folder), given.side)
        print(f"{folder.name}: {speed:.0f} pictures/s")
    heads = ["jitter", *(f"{name}: {what}" for name in tables for what in ("finds", "none", "a fifth"))]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name in NAMES:
        cells = [name]
        for table in tables.values():
            clean, spoilt = table[name]
            cells += [f"{100 * clean.jittered:.0f} %", said(clean), said(spoilt)]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
