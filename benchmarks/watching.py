"""What does watching cost? The same steps with the closer look at every log line, and without any.

    .venv/bin/python benchmarks/watching.py [--recipe dcgan-64-quick] [--rounds 7]

Both take turns, a log line's worth of steps each, in one process: trust the ratio, not the absolute figures.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from boceto import device, recipe
from boceto.state import State
from boceto.training import Tick, steps
from boceto.watching import Means


def ticks(name: str, changes: list[str]) -> tuple[Iterator[Tick], float]:
    """Endless steps on noise, and the images between two log lines."""
    wanted = recipe.load(name).changed(changes)
    compute = device.choose("auto", wanted.train.precision)
    state = State.fresh(wanted, compute)
    pixels = np.random.default_rng(0).integers(0, 256, (wanted.train.batch, *state.gan.image_shape), dtype=np.uint8)

    def pictures() -> Iterator[NDArray[np.uint8]]:
        while True:
            yield pixels

    return steps(state, pictures(), compute, wanted), wanted.watch.log_kimg * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="dcgan-64-quick")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    watched, line = ticks(arguments.recipe, [])
    plain, _ = ticks(arguments.recipe, ["watch.log_kimg=1e9"])
    means, times = Means(), {"watched": list[float](), "plain": list[float]()}
    for number in range(arguments.rounds + 1):
        for name, run in (("watched", watched), ("plain", plain)):
            began, tick = time.perf_counter(), next(run)
            while tick.now.nimg < (number + 1) * line:
                if name == "watched":
                    means.add(tick.watched)
                tick = next(run)
            if name == "watched":
                means.add(tick.watched)
                means.take()
            if number:  # the first round is slow
                times[name].append(time.perf_counter() - began)
    ratio = statistics.median(a / b for a, b in zip(times["watched"], times["plain"], strict=True))
    print(f"{arguments.recipe}: a log line of {line:g} images, median of {arguments.rounds} rounds")
    seconds = {name: statistics.median(taken) for name, taken in times.items()}
    print(f"watched {seconds['watched']:.2f} s, plain {seconds['plain']:.2f} s: {ratio:.3f}×")


if __name__ == "__main__":
    main()
