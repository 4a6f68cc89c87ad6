"""Differentiable augmentation: what D sees is jittered the same way for real and fake, so that a small set of
drawings cannot be learned by heart and G is still pulled by gradients through the jitter.

DiffAugment (Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training", §3.2). Images are
(N, C, H, W) in [-1, 1]; each picture draws its own jitter from PyTorch's global generator.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def diff_augment(x: Tensor, policy: Sequence[str]) -> Tensor:
    """Apply the named jitters in order: ``colour``, ``translation``, ``cutout``."""
    for name in policy:
        x = POLICIES[name](x)
    return x


def colour(x: Tensor) -> Tensor:
    """Brightness ±0.5, then saturation ×[0, 2) (nothing to do in grey), then contrast ×[0.5, 1.5)."""
    shift, saturation, contrast = (_uniform(x) for _ in range(3))
    x = x + (shift - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = (x - grey) * (saturation * 2) + grey
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (contrast + 0.5) + mean


def translation(x: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift by up to ``ratio`` of the side, whole pixels; what comes in from outside is 0 (mid grey)."""
    n, _, height, width = x.shape
    limit_y, limit_x = round(height * ratio), round(width * ratio)
    dy = torch.randint(-limit_y, limit_y + 1, (n, 1, 1), device=x.device)
    dx = torch.randint(-limit_x, limit_x + 1, (n, 1, 1), device=x.device)
    rows = (torch.arange(height, device=x.device)[None, :, None] + dy).clamp(-1, height) + 1
    columns = (torch.arange(width, device=x.device)[None, None, :] + dx).clamp(-1, width) + 1
    padded = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)  # (N, H+2, W+2, C)
    picture = torch.arange(n, device=x.device)[:, None, None]
    return padded[picture, rows, columns].permute(0, 3, 1, 2)  # (N, C, H, W)


def cutout(x: Tensor, ratio: float = 0.5) -> Tensor:
    """Blank (to 0, mid grey) a rectangle of ``ratio`` of the sides, centred anywhere, cut at the border."""
    n, _, height, width = x.shape
    cut_y, cut_x = round(height * ratio), round(width * ratio)
    y0 = torch.randint(0, height + 1 - cut_y % 2, (n, 1), device=x.device) - cut_y // 2
    x0 = torch.randint(0, width + 1 - cut_x % 2, (n, 1), device=x.device) - cut_x // 2
    y, z = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    rows = (y >= y0) & (y < y0 + cut_y)  # (N, H)
    columns = (z >= x0) & (z < x0 + cut_x)  # (N, W)
    hole = rows[:, :, None] & columns[:, None, :]  # (N, H, W)
    return x * (~hole[:, None])


def _uniform(x: Tensor) -> Tensor:
    return torch.rand((len(x), 1, 1, 1), dtype=x.dtype, device=x.device)


POLICIES = {"colour": colour, "translation": translation, "cutout": cutout}
