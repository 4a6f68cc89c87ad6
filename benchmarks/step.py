"""How quick is a training step? Ours against the plain float32 DCGAN step that one would write, same net and batch.

    .venv/bin/python benchmarks/step.py [--batch 128] [--rounds 7]

The contenders take turns, step by step, in one process: trust the ratios, not the absolute figures.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from boceto import device, recipe
from boceto.cli import ended
from boceto.state import State
from boceto.training import steps


def plain(batch: int, width: int = 64, name: str = "cpu") -> Callable[[], None]:
    """The DCGAN step of the textbooks: float32, default layout, default Adam, D's gradients kept in G's turn."""

    def up(a: int, b: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]

    def down(a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, True)]

    w = width
    head = [nn.ConvTranspose2d(100, 8 * w, 4, bias=False), nn.BatchNorm2d(8 * w), nn.ReLU(True)]
    tail = [nn.ConvTranspose2d(w, 3, 4, 2, 1, bias=False), nn.Tanh()]
    g = nn.Sequential(*head, *up(8 * w, 4 * w), *up(4 * w, 2 * w), *up(2 * w, w), *tail).to(name)
    start = [nn.Conv2d(3, w, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    end = [nn.Conv2d(8 * w, 1, 4, bias=False), nn.Flatten(0)]
    d = nn.Sequential(*start, *down(w, 2 * w), *down(2 * w, 4 * w), *down(4 * w, 8 * w), *end).to(name)
    g_adam, d_adam = (torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (g, d))
    real = torch.rand(batch, 3, 64, 64, device=name) * 2 - 1
    ones, zeros = torch.ones(batch, device=name), torch.zeros(batch, device=name)

    def step() -> None:
        fake = g(torch.randn(batch, 100, 1, 1, device=name))
        d.zero_grad()
        (bce(d(real), 0.9 * ones) + bce(d(fake.detach()), zeros)).backward()
        d_adam.step()
        g.zero_grad()
        bce(d(fake), ones).backward()
        g_adam.step()

    return step


def ours(batch: int, precision: str, width: int = 64) -> Callable[[], None]:
    """boceto's own loop on the same net."""
    sizes = [f"arch.g_width={width}", f"arch.d_width={width}"]
    chosen = recipe.load("dcgan-64").changed([f"train.batch={batch}", f"train.precision={precision}", *sizes])
    compute = device.choose("cpu", precision)
    pixels = np.random.default_rng(0).integers(0, 256, (batch, 3, 64, 64), dtype=np.uint8)

    def pictures() -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
        while True:
            yield pixels

    ticks = steps(State.fresh(chosen, compute), pictures(), compute, chosen)

    def step() -> None:
        next(ticks)

    return step


def race(
    contenders: dict[str, Callable[[], None]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Seconds a step, the median of so many; they take turns, and the first step of each is not counted."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for round_ in range(rounds + 1):
        for name, step in contenders.items():
            began = clock()
            step()
            if round_:
                times[name].append(clock() - began)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    if not 1 <= arguments.batch <= 65536 or arguments.rounds < 1:
        parser.error("--batch is from 1 to 65,536, --rounds 1 or more")
    contenders = {
        "plain float32": plain(arguments.batch),
        "boceto float32": ours(arguments.batch, "float32"),
        "boceto auto": ours(arguments.batch, "auto"),
    }
    device.reuse_freed_memory()  # all contenders have it, though only ours would in its own process
    print(f"{device.choose('cpu').label}; DCGAN 64, batch {arguments.batch}, median of {arguments.rounds} rounds")
    medians = race(contenders, arguments.rounds)
    for name, median in medians.items():
        print(f"{name:16} {arguments.batch / median:7.1f} images/s   {medians['plain float32'] / median:5.2f}×")


if __name__ == "__main__":
    sys.exit(ended(main))
