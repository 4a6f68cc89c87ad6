"""Multi-scale structural similarity (Wang, Simoncelli & Bovik 2003), by which Odena et al. 2017 and Karras et al. 2018
(*Progressive Growing of GANs*, §5) tell variety: the more alike two pictures of a set are, the fewer it holds.

    MS-SSIM(x, y) = l_M^w_M · Π_j (c·s)_j^w_j      l = (2·μx·μy + C₁) / (μx² + μy² + C₁)
                                                  c·s = (2·σxy + C₂) / (σx² + σy² + C₂)

Means and (co)variances are those under a Gaussian window of 11×11 (σ = 1.5) that lies wholly in the picture; from scale
to scale the picture is halved. As Karras et al. do it, a window never is larger than the picture, and c·s is the
mean over places and colours. The five scales of the paper want 64 pixels a side; a smaller picture has fewer, until its
shorter side is below 4 pixels, and their weights are made to add up to 1.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, the finest first (§3.2)
SMALLEST = 4  # pixels: the shorter side of the coarsest scale
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_AT_ONCE = 64  # pairs

Images = NDArray[np.uint8]


def scales(height: int, width: int) -> int:
    """How many of the five scales pictures of that size have: at least one."""
    fitting = [number for number in range(len(WEIGHTS)) if min(height, width) >> number >= SMALLEST]
    return max(len(fitting), 1)


def ms_ssim(a: Images, b: Images) -> NDArray[np.float64]:
    """Of pairs of pictures, uint8 (N, H, W, C) twice → (N,), 0 … 1; 1 = the same.

    Raises ValueError for sets that make no pairs.
    """
    if a.shape != b.shape or a.dtype != np.uint8 or b.dtype != np.uint8 or a.ndim != 4:
        raise ValueError(
            f"pairs are two sets of as many uint8 pictures, not {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        )
    parts = [_of(a[start : start + _AT_ONCE], b[start : start + _AT_ONCE]) for start in range(0, len(a), _AT_ONCE)]
    return np.concatenate(parts) if parts else np.empty(0)


def _of(a: Images, b: Images) -> NDArray[np.float64]:
    x, y = (torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).double() for images in (a, b))
    weights = np.array(WEIGHTS[: scales(*a.shape[1:3])])
    weights /= weights.sum()
    found = torch.ones(len(a), dtype=torch.float64)
    for weight in weights[:-1]:
        found *= _structure(x, y)[1].mean(dim=(1, 2, 3)).clamp(min=0) ** weight
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    luminance, structure = _structure(x, y)
    found *= (luminance * structure).mean(dim=(1, 2, 3)).clamp(min=0) ** weights[-1]
    return found.numpy()


def _structure(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance l, and contrast with structure c·s, at every place: (N, C, H′, W′) each."""
    mx, my = _smoothed(x), _smoothed(y)
    vx, vy, both = _smoothed(x * x) - mx * mx, _smoothed(y * y) - my * my, _smoothed(x * y) - mx * my
    return (2 * mx * my + _C1) / (mx * mx + my * my + _C1), (2 * both + _C2) / (vx + vy + _C2)


def _smoothed(x: Tensor) -> Tensor:
    """Means under the window, where it lies in the picture."""
    n, channels, height, width = x.shape
    size = min(_WINDOW, height, width)
    places = torch.arange(size, dtype=x.dtype) - (size - 1) / 2
    bell = torch.exp(-0.5 * (places / (_SIGMA * size / _WINDOW)) ** 2)
    bell /= bell.sum()
    x = F.conv2d(x.reshape(n * channels, 1, height, width), bell[None, None, :, None])
    x = F.conv2d(x, bell[None, None, None, :])
    return x.reshape(n, channels, *x.shape[2:])
