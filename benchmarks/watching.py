"""What does watching cost? The same steps with all that is looked at and written for the log, and with none of it.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/watching.py [--recipe dcgan-64-quick] [--lines 20] [--rounds 4]

Watched: the closer look, the held-out drawings, the log line, the doctor, the energy. Both take turns step by step in
one process, so that whatever else the machine does falls on both, and begin by turns: trust the ratio, not the absolute
figures. Sheets, snapshots and their scores are left out: they are what a training is for. So is the page that is kept
up to date; it takes half a percent of the time at most, by its own watch (``LivePage``).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boceto import device, recipe
from boceto.device import Compute
from boceto.doctor import Doctor
from boceto.energy import Meter
from boceto.recipe import Recipe
from boceto.runs import Run
from boceto.state import State
from boceto.training import steps
from boceto.watching import Means, Pace


def training(wanted: Recipe, compute: Compute, folder: Path, *, watched: bool) -> Callable[[], None]:
    """A function that does the next step, and with ``watched`` what ``fit`` does for the log."""
    what = wanted if watched else wanted.changed(["watch.log_kimg=1e9"])
    state = State.fresh(what, compute)
    pixels = np.random.default_rng(0).integers(0, 256, (what.train.batch, *state.gan.image_shape), dtype=np.uint8)

    def pictures() -> Iterator[NDArray[np.uint8]]:
        while True:
            yield pixels

    ticks = steps(state, pictures(), compute, what, (lambda nimg: pixels[:64]) if watched else None)
    if not watched:
        return lambda: (next(ticks), None)[1]
    counts = {"folder": "", "content_hash": "", "pictures": 1000}
    about = {"begun": "", "parameters": {"generator": 1, "discriminator": 1}, "software": {}, "data": counts}
    run = Run.create(folder, what, about | {"hardware": {"device": compute.label}})
    means, pace, doctor, meter = Means(), Pace(what.train, 0, 0.0), Doctor(what, 1000), Meter()

    def step() -> None:
        tick = next(ticks)
        means.add(tick.watched)
        if tick.now.due(what.watch.log_kimg):
            latest = means.take()
            run.note_spent(spent := meter.used())
            costs = {"joules": spent.joules, **compute.memory(), **pace.rate(tick.now.nimg)}
            line = {"nimg": tick.now.nimg, "step": tick.now.step, "seconds": pace.seconds(), **costs, **latest}
            doctor.see(line)
            run.log(line)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="dcgan-64-quick")
    parser.add_argument("--lines", type=int, default=20, help="lines of the log in each round")
    parser.add_argument("--rounds", type=int, default=4, help="pairs of trainings")
    arguments = parser.parse_args()
    wanted = recipe.load(arguments.recipe)
    compute = device.choose("auto", wanted.train.precision)
    each = round(arguments.lines * wanted.watch.log_kimg * 1000 / wanted.train.batch)
    ratios = []
    for number in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            both = {on: training(wanted, compute, Path(folder) / "run", watched=on) for on in (True, False)}
            order = [bool(number % 2), not number % 2]
            seconds: dict[bool, list[float]] = {True: [], False: []}
            for _ in range(each):
                for on in order:
                    began = time.perf_counter()
                    both[on]()
                    seconds[on].append(time.perf_counter() - began)
        watched, plain = (sum(seconds[on][2:]) for on in (True, False))  # the first steps are slow
        ratios.append(watched / plain)
        print(f"watched {watched:.2f} s, plain {plain:.2f} s: {ratios[-1]:.3f}×", flush=True)
    print(
        f"{arguments.recipe}, {compute.label}: {arguments.rounds} rounds of {each} steps and {arguments.lines} lines, "
        f"median {statistics.median(ratios):.3f}×"
    )


if __name__ == "__main__":
    main()
