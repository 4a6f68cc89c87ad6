"""Does speed cost quality? The same recipe, seed and drawings, trained plainly and in the fast ways, and scored.

    .venv/bin/python benchmarks/quality.py train plain   OUT --data DATA --recipe dcgan-64 [--kimg 50] [--set …]
    .venv/bin/python benchmarks/quality.py train fast    OUT …      # and, where it says more, rounded
    .venv/bin/python benchmarks/quality.py compare OUT              # → OUT/quality.json, OUT/quality.png, a table

plain     float32, contiguous pictures, no layer as a matrix product that is not a dense one anyway
fast      as boceto trains on this machine
rounded   float32 whose convolutions and dense layers take, give and pass back numbers rounded to bfloat16, but add up
          in float32, as units for bfloat16 do: on a machine without them it tells how training fares on one that has

The runs lie in OUT/plain, OUT/fast, OUT/rounded; stopped, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor
from torch.overrides import TorchFunctionMode

import boceto
from boceto import device
from boceto.cli import ended
from boceto.errors import UsageError
from boceto.files import write_image, write_text
from boceto.nn import products
from boceto.reporting.figures import GRID, raster
from boceto.runs import Run

WAYS = {"plain": "#8a8f98", "fast": "#2f6fb0", "rounded": "#c6493b"}
SCORES = ("kid", "precision", "recall", "diversity")


class _Rounded(torch.autograd.Function):
    """A tensor with the numbers bfloat16 has, and a gradient with them too."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        return x.bfloat16().float()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> Any:
        return _Rounded.apply(gradients[0])  # type: ignore[no-untyped-call]


class Bfloat16(TorchFunctionMode):
    """Convolutions and dense layers with rounded operands, results and gradients."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in (F.conv2d, F.conv_transpose2d, F.linear):
            return func(*args, **(kwargs or {}))
        x, weight, *rest = args
        y = func(_Rounded.apply(x), _Rounded.apply(weight), *rest, **(kwargs or {}))  # type: ignore[no-untyped-call]
        return _Rounded.apply(y)  # type: ignore[no-untyped-call]


@contextmanager
def trained(way: str) -> Iterator[None]:
    """Within, networks compute in that way."""
    if way == "plain":
        order = property(lambda compute: torch.contiguous_format)
        with (
            mock.patch.object(device.Compute, "memory_format", order),
            mock.patch.object(products, "suits", lambda *_: False),
        ):
            yield
    elif way == "rounded":
        with Bfloat16():
            yield
    else:
        yield


def train(way: str, out: Path, data: Path, recipe: str, changes: Sequence[str]) -> None:
    """Train OUT/way, or go on with it."""
    precision = [] if way == "fast" else ["train.precision=float32"]
    with trained(way):
        boceto.train(recipe, data, out / way, changes=[*changes, *precision], device_name="cpu")


def curve(run: Run, key: str, width: int = 5) -> tuple[list[float], Any]:
    """(thousand images, a logged number's mean over ``width`` lines)."""
    lines = [line for line in run.read_log() if key in line]
    values = np.convolve([line[key] for line in lines], np.ones(width) / width, "valid")
    return [line["nimg"] / 1000 for line in lines[width - 1 :]], values


def chart(runs: dict[str, Run]) -> Figure:
    """Losses of both nets, each way over the others."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    for axes, key, title in zip(figure.subplots(1, 2), ("d/loss", "g/loss"), ("D's loss", "G's loss"), strict=True):
        for way, run in runs.items():
            axes.plot(*curve(run, key), color=WAYS[way], linewidth=1.4, label=way, alpha=0.85)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("thousand images")
        axes.grid(color=GRID, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    return figure


def compare(out: Path, samples: int, say: Callable[[str], None] = print) -> None:
    """Scores and curves of the ways that are there."""
    runs = {way: Run(out / way) for way in WAYS if (out / way).exists()}
    if not runs:
        raise UsageError(
            f"{out} has none of {', '.join(WAYS)} in it; train one: quality.py train fast {out} --data DATA"
        )
    found: dict[str, Any] = {}
    say(f"{'':9}" + "".join(f"{name:>26}" for name in SCORES))
    for way, run in runs.items():
        scores = boceto.evaluate(run.folder, samples=samples).scores
        found[way] = {name: vars(scores[name].found) for name in SCORES} | {"nimg": run.seen()}
        cells = (
            f"{scores[name].found.value:.3f} ({scores[name].found.low:.3f} … {scores[name].found.high:.3f})"
            for name in SCORES
        )
        say(f"{way:9}" + "".join(f"{cell:>26}" for cell in cells))
    write_text(out / "quality.json", json.dumps(found, indent=2))
    write_image(out / "quality.png", raster(chart(runs)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("train")
    one.add_argument("way", choices=WAYS)
    one.add_argument("out", type=Path)
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--recipe", default="dcgan-64")
    one.add_argument("--kimg", type=float, default=50)
    one.add_argument("--set", action="append", default=[], dest="changes")
    other = verbs.add_parser("compare")
    other.add_argument("out", type=Path)
    other.add_argument("--samples", type=int, default=1000)
    asked = parser.parse_args()
    if asked.verb == "train":
        train(asked.way, asked.out, asked.data, asked.recipe, [f"train.kimg={asked.kimg}", *asked.changes])
    else:
        compare(asked.out, asked.samples)


if __name__ == "__main__":
    sys.exit(ended(main))
