"""Convolutions in their quicker form: PyTorch's, or one matrix product.

A kernel that covers its whole map is a dense layer, and so is a transposed convolution of a single pixel: same weights,
same result, same gradients, several times faster at the ends of a DCGAN. And any convolution is a product: with P(x)
the patches of x, a row a place, and W the kernels, a column an output channel,

    convolution  y = P(x)·W          its transpose  x = Pᵀ(y·Wᵀ)          gradient of W  P(x)ᵀ·∂y

P is linear and Pᵀ, which adds up what overlaps, is its adjoint; so each is the other's gradient, and gradients of
gradients (R1) follow by themselves. Equal to PyTorch's convolutions to 1e-13 in float64.

``suits`` says where that is used: for heavy layers on small maps, on a CPU. PyTorch's kernels are slow there, above all
at the gradient of the weights; elsewhere copying the patches costs more than it spares (benchmarks/layers.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx

Pair = tuple[int, int]
SMALL, HEAVY = 4, 2**20  # side of the smaller map at most; numbers in the weights at least


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: Pair) -> Tensor:
    """``F.conv2d``: (N, C, H, W), (O, C, k, l) → (N, O, h, w)."""
    kernel: Pair = (weight.shape[2], weight.shape[3])
    if tuple(x.shape[2:]) == kernel and not any(padding):
        return F.linear(x.flatten(1), weight.flatten(1), bias)[:, :, None, None]
    small = [(side + 2 * pad - k) // stride + 1 for side, k, pad in zip(x.shape[2:], kernel, padding, strict=True)]
    if not suits(x, weight, max(small)):
        return F.conv2d(x, weight, bias, stride, padding)
    patches: Tensor = _Patches.apply(x, kernel, stride, padding)  # type: ignore[no-untyped-call]
    y = F.linear(patches.flatten(3).flatten(0, 2), weight.permute(0, 2, 3, 1).flatten(1), bias)
    return y.view(len(x), *small, -1).permute(0, 3, 1, 2)


def conv_transpose2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: Pair) -> Tensor:
    """``F.conv_transpose2d``: (N, C, h, w), (C, O, k, l) → (N, O, H, W)."""
    n, channels, *small = x.shape
    out, *kernel = weight.shape[1:]
    if small == [1, 1] and not any(padding):
        y = F.linear(x.flatten(1), weight.flatten(1).t()).view(n, out, *kernel)
    elif not suits(x, weight, max(small)):
        return F.conv_transpose2d(x, weight, bias, stride, padding)
    else:
        large = tuple((side - 1) * stride + k - 2 * pad for side, k, pad in zip(small, kernel, padding, strict=True))
        rows = F.linear(x.permute(0, 2, 3, 1).reshape(-1, channels), weight.permute(2, 3, 1, 0).flatten(0, 2))
        patches = rows.view(n, *small, *kernel, out)
        y = _Overlapped.apply(patches, large, stride, padding)  # type: ignore[no-untyped-call]
    return y if bias is None else y + bias[:, None, None]


def suits(x: Tensor, weight: Tensor, small: int) -> bool:
    """Is a matrix product the quicker form for these weights, where the smaller map has that side?"""
    return x.device.type == "cpu" and small <= SMALL and weight.numel() >= HEAVY


class _Patches(torch.autograd.Function):
    """P: (N, C, H, W) → (N, h, w, k, l, C)."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, kernel: Pair, stride: int, padding: Pair) -> Tensor:
        ctx.how = (tuple(x.shape[2:]), stride, padding)  # type: ignore[attr-defined]
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding[1], padding[1], padding[0], padding[0]))
        windows = padded.unfold(1, kernel[0], stride).unfold(
            2, kernel[1], stride
        )  # (N, h, w, C, k, l), nothing copied yet
        return windows.permute(0, 1, 2, 4, 5, 3).contiguous()

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _Overlapped.apply(gradients[0], *ctx.how), None, None, None  # type: ignore[attr-defined, no-untyped-call]


class _Overlapped(torch.autograd.Function):
    """Pᵀ: (N, h, w, k, l, C) → (N, C, H, W); ``large`` is (H, W)."""

    @staticmethod
    def forward(ctx: FunctionCtx, patches: Tensor, large: Pair, stride: int, padding: Pair) -> Tensor:
        n, h, w, *kernel, channels = patches.shape
        ctx.how = (tuple(kernel), stride, padding)  # type: ignore[attr-defined]
        # The result as cells of stride × stride pixels, of which a patch covers ⌈k / stride⌉ a side: all patches are
        # added to their first cells at once, then to their second, and so on.
        rows, columns = (
            max(side - 1 - (-k // stride), -(-(whole + 2 * pad) // stride))
            for side, k, whole, pad in zip((h, w), kernel, large, padding, strict=True)
        )
        cells = patches.new_zeros(n, rows, stride, columns, stride, channels)
        for i, top in enumerate(range(0, kernel[0], stride)):
            for j, left in enumerate(range(0, kernel[1], stride)):
                part = patches[:, :, :, top : top + stride, left : left + stride].transpose(2, 3)
                cells[:, i : i + h, : part.shape[2], j : j + w, : part.shape[4]] += part
        y = cells.view(n, rows * stride, columns * stride, channels).permute(0, 3, 1, 2)
        (height, width), (above, before) = large, padding
        return y[:, :, above : above + height, before : before + width]

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _Patches.apply(gradients[0], *ctx.how), None, None, None  # type: ignore[attr-defined, no-untyped-call]
