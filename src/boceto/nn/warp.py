"""A picture moved, turned and stretched by one affine map, smooth at 64 pixels: a linear operator and its adjoint.

    Up: pixels and what lies halfway between them, by Lanczos's kernel → M: bilinear, mirrored at the borders

Between points half a pixel apart a bilinear step costs little sharpness; and the pixels are among these points, so that
a picture that stays, is mirrored, turned by quarters or moved by whole pixels keeps every number. Where a picture is
made smaller, the kernel is as much wider, each way by itself, and nothing aliases. (Karras et al. 2020, "Training GANs
with Limited Data", appendix B, take a wavelet's filters, and go back from twice as many pixels.)

A = M·Up is linear in the picture, so that its gradient is Aᵀ, whose gradient is A again: R1 and R2, which differentiate
twice, need no more. PyTorch's ``grid_sample`` has no second gradient.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

_REACH = 3  # pixels to each side that Lanczos's kernel sees
_LEVELS = 4  # kernels: for pictures made 1, √2, 2, 2√2 times as small; in between, a mean of two
_HOW = (0, 2, True)  # of PyTorch's sampler: bilinear, mirrored at the outermost points, which lie at -1 and 1


def warped(x: Tensor, places: Tensor) -> Tensor:
    """Pictures (N, C, H, W), float, whose pixels are taken from elsewhere in them; differentiable without end in ``x``.

    ``places`` (N, 3, 3) or (N, 2, 3): where from, in pixels to the right and downwards of the middle, as an affine map
    of the place they go to. Computed in float32, or float64 if ``x`` is that.
    """
    x = x if x.dtype == torch.float64 else x.float()
    with torch.no_grad(), exactly(x.device):
        places = places[:, :2].to(x.dtype)
        smaller = places[:, :, :2].norm(dim=2)  # (N, 2): across and down
        up_x, up_y = (_finer(side, smaller[:, i]) for i, side in enumerate((x.shape[3], x.shape[2])))
        grid = _grid(places, x.shape[2], x.shape[3])
    moved: Tensor = _Warped.apply(x, up_y, up_x, grid)  # type: ignore[no-untyped-call]
    return moved


def exactly(device: torch.device) -> AbstractContextManager[object]:
    """Inside, products keep the format of their numbers, whatever a training's is."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


class _Warped(torch.autograd.Function):
    """A: (N, C, H, W) → (N, C, H, W)."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, up_y: Tensor, up_x: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(up_y, up_x, grid)
        with exactly(x.device):
            fine = _both(up_y, x, up_x.mT)  # (N, C, 2·H + 1, 2·W + 1)
            result: Tensor = torch.ops.aten.grid_sampler_2d(fine, grid, *_HOW)
        return result

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        kept = ctx.saved_tensors  # type: ignore[attr-defined]
        return _Unwarped.apply(gradients[0], *kept), None, None, None  # type: ignore[no-untyped-call]


class _Unwarped(torch.autograd.Function):
    """Aᵀ: (N, C, H, W) → (N, C, H, W)."""

    @staticmethod
    def forward(ctx: FunctionCtx, y: Tensor, up_y: Tensor, up_x: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(up_y, up_x, grid)
        with exactly(y.device):
            # What was sampled is asked for, but counts for the gradient of the grid alone.
            sampled = y.new_zeros(*y.shape[:2], up_y.shape[1], up_x.shape[1])
            wanted = (True, False)
            spread = torch.ops.aten.grid_sampler_2d_backward(y.contiguous(), sampled, grid, *_HOW, wanted)[0]
            return _both(up_y.mT, spread, up_x)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        kept = ctx.saved_tensors  # type: ignore[attr-defined]
        return _Warped.apply(gradients[0], *kept), None, None, None  # type: ignore[no-untyped-call]


def _both(down: Tensor, x: Tensor, across: Tensor) -> Tensor:
    """Matrices of each picture from both sides, (N, h, H) · (N, C, H, W) · (N, W, w); a colour at a time."""
    return torch.stack([down @ (part @ across) for part in x.unbind(1)], dim=1)


def _grid(places: Tensor, height: int, width: int) -> Tensor:
    """(N, H, W, 2): the places of all pixels as PyTorch counts them, -1 … 1 from border to border."""
    scale = torch.stack([places.new_full((), 2 / side) for side in (width, height)])
    pixels = _pixels(height, width, places.device, places.dtype)
    return (pixels @ (places * scale[:, None]).mT).view(-1, height, width, 2)


@lru_cache(maxsize=32)
def _pixels(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(H·W, 3): each pixel's x and y, counted from the middle of the picture, and 1."""
    x, y = (torch.arange(side, device=device, dtype=dtype) - (side - 1) / 2 for side in (width, height))
    down, across = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((across, down, torch.ones_like(down)), dim=2).flatten(0, 1)


def _finer(side: int, smaller: Tensor) -> Tensor:
    """Up along one axis, (N, 2·side + 1, side), for pictures that become ``smaller`` (N,) so many times."""
    known = _kernels(side, smaller.device, smaller.dtype)
    place = (2 * smaller.clamp(min=1e-6).log2()).clamp(0, _LEVELS - 1)  # among the kernels
    shares = (1 - (place[:, None] - torch.arange(_LEVELS, device=place.device)).abs()).clamp(min=0)
    return (shares @ known.flatten(1)).view(-1, *known.shape[1:])


@lru_cache(maxsize=32)
def _kernels(side: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(_LEVELS, 2·side + 1, side): from pixels to points half a pixel apart, the picture mirrored at its borders."""
    made = []
    for level in range(_LEVELS):
        wide = 2 ** (level / 2)
        points = np.arange(2 * side + 1) / 2 - 0.5
        taps = np.floor(points)[:, None] + np.arange(-np.ceil(_REACH * wide), np.ceil(_REACH * wide) + 2)
        apart = (points[:, None] - taps) / wide
        weights = np.sinc(apart) * np.sinc(apart / _REACH) * (np.abs(apart) < _REACH)
        weights /= weights.sum(axis=1, keepdims=True)
        taps = taps % (2 * side)
        taps = np.minimum(taps, 2 * side - 1 - taps).astype(int)
        up = np.zeros((2 * side + 1, side))
        np.add.at(up, (np.arange(2 * side + 1)[:, None], taps), weights)
        made.append(up)
    return torch.from_numpy(np.stack(made)).to(dtype).to(device, non_blocking=device.type != "mps")
