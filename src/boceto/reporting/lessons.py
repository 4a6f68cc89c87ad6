"""Figures that explain: powers over depth (Fig. 10 of the first thesis), resizing by stride or by pooling (Fig. 29)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from boceto.data import sketchbook
from boceto.reporting.figures import GRID, INK
from boceto.scaling import levels_from_signed, to_signed

_DEPTH = 50
_BASES = {1.2: "#c6493b", 1.1: "#d08a1e", 1.0: "#8a8494", 0.9: "#2e8b63", 0.8: "#2f6fb0"}


def exponentials() -> Figure:
    """aⁿ for a around 1: what a gradient is multiplied by on its way through n layers that each scale it by a."""
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    depth = np.arange(_DEPTH + 1)
    for axes, scale in zip(figure.subplots(1, 2), ("linear", "log"), strict=True):
        for base, colour in _BASES.items():
            axes.plot(depth, base**depth, color=colour, linewidth=2)
        axes.set(xlabel="layers", ylabel="factor of the gradient", yscale=scale, xlim=(0, _DEPTH))
        axes.grid(color=GRID, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    left, right = figure.axes
    left.set(ylim=(0, 20), title="above 1 it explodes, below 1 it vanishes")
    right.set(title="the same, logarithmic: straight lines")
    for base, colour in _BASES.items():
        right.annotate(
            f"a = {base:g}", (_DEPTH, base**_DEPTH), (6, 0), textcoords="offset points", color=colour, va="center"
        )
    return figure


# ── resizing ──

_SMALL = torch.tensor([[1.0, 3.0, 2.0, 0.0], [5.0, 7.0, 4.0, 2.0], [0.0, 2.0, 9.0, 5.0], [2.0, 4.0, 1.0, 1.0]])
_TINY = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
_KERNEL = torch.tensor(
    [[0.0, 0.5], [0.5, 0.0]]
)  # of the convolution that reduces: its weights are learned, these are some
_SPREAD = torch.tensor([[1.0, 0.5], [0.5, 0.25]])  # of the transposed one that enlarges

Resize = Callable[[Tensor], Tensor]
REDUCING: dict[str, Resize] = {
    "average pool 2×2": lambda x: F.avg_pool2d(x, 2),
    "max pool 2×2": lambda x: F.max_pool2d(x, 2),
    "convolution 2×2, stride 2": lambda x: F.conv2d(
        x, _KERNEL[None, None].repeat(x.shape[1], 1, 1, 1), stride=2, groups=x.shape[1]
    ),
}
ENLARGING: dict[str, Resize] = {
    "nearest ×2": lambda x: F.interpolate(x, scale_factor=2.0),
    "transposed convolution 2×2, stride 2": lambda x: F.conv_transpose2d(
        x, _SPREAD[None, None].repeat(x.shape[1], 1, 1, 1), stride=2, groups=x.shape[1]
    ),
}


def stride() -> Figure:
    """Numbers and a drawing, reduced by pooling or by stride and enlarged by repeating or by stride.

    Pooling and repeating know no weights; a convolution of stride 2 resizes by a rule that is learned, and drops the
    layer in between (Springenberg et al. 2015). The kernels here are fixed examples.
    """
    figure = Figure(figsize=(14.4, 10.2), layout="constrained")
    grid = figure.subplots(4, 5)
    picture = _drawing()
    parts = ((_SMALL, REDUCING, _KERNEL, picture), (_TINY, ENLARGING, _SPREAD, F.avg_pool2d(picture, 4)))
    for part, (numbers, ways, kernel, given) in enumerate(parts):
        above, below = grid[2 * part], grid[2 * part + 1]
        for axes in (*above, *below):
            axes.axis("off")
        _numbers(above[0], numbers, "given")
        _picture(below[0], given)
        for column, (name, way) in enumerate(ways.items(), 1):
            _numbers(above[column], way(numbers[None, None])[0, 0], name)
            _picture(below[column], way(given))
        _numbers(above[len(ways) + 1], kernel, f"kernel of the {list(ways)[-1].rpartition(' 2×2')[0]}")
    return figure


def _drawing() -> Tensor:
    """A face of the sketchbook, (1, 3, 64, 64) in [-1, 1]."""
    who = next(
        who
        for who in (sketchbook.invent(0, i) for i in range(100))
        if who.framing == "portrait" and who.figure == "girl"
    )
    levels = np.asarray(sketchbook.draw(who, 64).convert("RGB"))
    return to_signed(torch.from_numpy(levels.copy()).permute(2, 0, 1)[None])


def _numbers(axes: Axes, values: Tensor, title: str) -> None:
    """A grid of numbers, the darker the larger."""
    axes.axis("on")
    axes.imshow(values.numpy(), cmap="Purples", vmin=0, vmax=14)
    for (y, x), value in np.ndenumerate(values.numpy()):
        axes.text(x, y, f"{value:g}", ha="center", va="center", color=INK, fontsize=11)
    axes.set_xticks(np.arange(values.shape[1] - 1) + 0.5, [])
    axes.set_yticks(np.arange(values.shape[0] - 1) + 0.5, [])
    axes.grid(color="white", linewidth=1.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=10.5, color=INK)


def _picture(axes: Axes, image: Tensor) -> None:
    """A picture as large as its neighbours, its side in pixels above it."""
    axes.imshow(levels_from_signed(image.clamp(-1, 1))[0].permute(1, 2, 0).numpy(), interpolation="nearest")
    axes.set_title(f"{image.shape[-1]} px", fontsize=9.5, color=INK)
