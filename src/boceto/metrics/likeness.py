"""The nearest of many pictures to a picture, even if it is mirrored, shifted, cropped or a little lighter: two views.

    pixels     the colours where they stand: RMS difference after the best alignment, in grey levels
    outlines   gradient orientations in cells (Dalal & Triggs 2005, §6): where lines run, whatever their colours

Of a known picture one window is looked at, its middle; of a picture asked about, all windows in which a copy could show
the same: mirrored, off the middle by as much as the margin, larger, smaller. The nearest of them counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Images = NDArray[np.uint8]
MARGIN = 1 / 16  # of the side: how far a copy may be shifted
COARSE, FINE = 32, 48  # pixels of a window's side, at first and in the end
_CELL, _ORIENTATIONS = 4, 8  # pixels and directions of outlines
_GAIN, _OFFSET = 1.25, 32.0  # by what contrast and lightness (grey levels) a copy may differ
_AT_ONCE = 64  # pictures asked about


@dataclass(frozen=True)
class Window:
    """A part of a picture, its middle if not ``down`` and ``right`` of it; these and ``size`` are shares of a side."""

    mirrored: bool = False
    size: float = 1 - 2 * MARGIN
    down: float = 0.0
    right: float = 0.0


MIDDLE = Window()


def windows() -> list[Window]:
    """Where a copy is looked for at first."""
    off, sizes = (0.0, -0.75 * MARGIN, 0.75 * MARGIN), (MIDDLE.size, MIDDLE.size - MARGIN, MIDDLE.size + MARGIN)
    return [Window(*form) for form in product((False, True), sizes, off, off)]


def around(window: Window, step: float, sizes: Sequence[float]) -> list[Window]:
    """The window and those a ``step`` beside it, each as many ``sizes`` larger."""
    moves = (0.0, -step, step)
    return [
        replace(window, size=window.size + size, down=window.down + down, right=window.right + right)
        for size, down, right in product(sizes, moves, moves)
    ]


def whole(images: Images, side: int) -> Tensor:
    """uint8 (N, H, W, C) → float32 (N, C, S, S) of such a size that the middle window has ``side`` pixels a side."""
    pictures = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    size = round(side / MIDDLE.size)
    return F.interpolate(pictures, (size, size), mode="bilinear", antialias=True, align_corners=False)


def shown(pictures: Tensor, forms: Sequence[Window], side: int) -> Tensor:
    """What windows show of each: (N, C, S, S) → (N, V, C, side, side); beyond its border a picture goes on alike."""
    half = (torch.arange(side) * 2 + 1) / side - 1  # the pixels' middles, -1 … 1
    grids = []
    for form in forms:
        y = 2 * form.down + form.size * half
        x = 2 * form.right + form.size * (-half if form.mirrored else half)
        grids.append(torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1))
    grid = torch.cat(grids).expand(len(pictures), -1, -1, -1)  # (N, V·side, side, 2)
    found = F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
    views: Tensor = found.unflatten(2, (len(forms), side)).transpose(1, 2)
    return views


# ── what is compared: (N, C, side, side) → (N, D) ──


def pixels(views: Tensor) -> Tensor:
    """Colours at half the size, each channel's mean counted by half; distances are RMS differences in grey levels."""
    small: Tensor = F.avg_pool2d(views, 2)
    small = small - 0.5 * small.mean(dim=(2, 3), keepdim=True)
    return small.flatten(1) / math.sqrt(small[0].numel())


def outlines(views: Tensor) -> Tensor:
    """How strongly lines run in each of 8 orientations, in overlapping cells, relative to all lines about a cell."""
    dy = F.pad(views[:, :, 2:] - views[:, :, :-2], (0, 0, 1, 1))
    dx = F.pad(views[..., 2:] - views[..., :-2], (1, 1))
    squared, channel = (dx.square() + dy.square()).max(dim=1, keepdim=True)
    angle = torch.atan2(dy.gather(1, channel), dx.gather(1, channel)) * (_ORIENTATIONS / torch.pi)
    apart = angle - torch.arange(_ORIENTATIONS).view(1, -1, 1, 1)
    apart = (apart + _ORIENTATIONS / 2) % _ORIENTATIONS - _ORIENTATIONS / 2  # a line points neither way: modulo π
    votes = squared.sqrt() * (1 - apart.abs()).clamp(min=0)
    cells: Tensor = F.avg_pool2d(votes, 2 * _CELL, _CELL, _CELL // 2, count_include_pad=False)
    about = F.avg_pool2d(cells.square().sum(dim=1, keepdim=True), 3, 1, 1, count_include_pad=False)
    cells = (cells / (about + 4.0).sqrt()).clamp(max=1.0)  # 4: two grey levels are no line
    return cells.flatten(1) / math.sqrt(cells.shape[2] * cells.shape[3])


# ── search ──


class Search:
    """The ``count`` nearest known pictures to each picture asked about, (Q, V, D) in V forms, by Euclidean distance.

    Known ones are added in chunks, (n, D), none of which is kept. ``own`` (Q,): the number that a picture itself has
    among them, which is passed over; -1 if it has none. Afterwards ``distances``, ``numbers`` and ``forms`` (the
    nearest of the V) are (Q, K), the nearest first.
    """

    def __init__(self, asked: Tensor, count: int, own: NDArray[np.int64]) -> None:
        self._asked, self._count, self._own = asked, count, torch.from_numpy(own)
        self._norms = asked.square().sum(dim=2, keepdim=True)
        self._squared = torch.full((len(asked), count), torch.inf)
        self._numbers = torch.zeros((len(asked), count), dtype=torch.int64)
        self._forms = torch.zeros_like(self._numbers)
        self._seen = 0

    def add(self, known: Tensor) -> None:
        """Look through the next chunk (n, D)."""
        norms = known.square().sum(dim=1)
        for first in range(0, len(self._asked), _AT_ONCE):
            rows = slice(first, first + _AT_ONCE)
            asked = self._asked[rows]
            squared = torch.addmm(norms, asked.flatten(0, 1), known.T, alpha=-2).unflatten(0, asked.shape[:2])
            least, form = squared.add_(self._norms[rows]).min(dim=1)  # (q, n)
            own = self._own[rows] - self._seen
            here = ((own >= 0) & (own < len(known))).nonzero()[:, 0]
            least[here, own[here]] = torch.inf
            number = torch.arange(self._seen, self._seen + len(known)).expand_as(least)
            least = torch.cat([self._squared[rows], least], dim=1)
            best = least.topk(self._count, dim=1, largest=False).indices
            self._squared[rows] = least.gather(1, best)
            self._numbers[rows] = torch.cat([self._numbers[rows], number], dim=1).gather(1, best)
            self._forms[rows] = torch.cat([self._forms[rows], form], dim=1).gather(1, best)
        self._seen += len(known)

    @property
    def distances(self) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._squared.clamp(min=0).sqrt().numpy()
        return found

    @property
    def numbers(self) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self._numbers.numpy()
        return found

    @property
    def forms(self) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self._forms.numpy()
        return found


# ── alignment ──


@dataclass(frozen=True)
class Aligned:
    """How a picture lies upon a known one: their distance, and the window that shows what the other's middle does."""

    distance: float
    window: Window
    gain: float = 1.0  # its contrast over the other's
    lighter: float = 0.0  # grey levels


def compared(asked: Tensor, known: Tensor, forms: Sequence[Window]) -> Aligned:
    """The best of ``forms`` in which a picture (C, S, S) shows what a known middle (C, FINE, FINE) does.

    Contrast and the lightness of each channel may differ as a copy's do; what differs beyond that counts.
    """
    views = shown(asked[None], forms, FINE)[0]  # (V, C, side, side)
    means, mean = views.mean(dim=(2, 3)), known.mean(dim=(1, 2))
    a, b = views - means[:, :, None, None], known - mean[:, None, None]
    gain = (a * b).sum(dim=(1, 2, 3)) / b.square().sum().clamp(min=1e-6)
    gain = gain.clamp(1 / _GAIN, _GAIN)
    beyond = ((means - mean).abs() - _OFFSET).clamp(min=0)
    squared = (a - gain[:, None, None, None] * b).square().mean(dim=(1, 2, 3)) + beyond.square().mean(dim=1)
    best = int(squared.argmin())
    return Aligned(float(squared[best].sqrt()), forms[best], float(gain[best]), float((means[best] - mean).mean()))


def aligned(asked: Tensor, known: Tensor, start: Window) -> Aligned:
    """The best alignment near ``start``: by a pixel of the fine window and by a half, a little larger and smaller."""
    step = MIDDLE.size / FINE
    found = compared(asked, known, around(start, 1.5 * step, (0.0, -MARGIN / 2, MARGIN / 2)))
    for finer in (0.75 * step, 0.375 * step):
        found = compared(asked, known, around(found.window, finer, (0.0, -finer, finer)))
    return found
