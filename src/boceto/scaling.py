"""Grey levels and what networks compute with: 0 … 255 ↔ [-1, 1] (GANs, as tanh gives it) or [0, 1] (classifiers).

    signed = level / 127.5 − 1        unit = level / 255

There and back every one of the 256 levels is met exactly; any other value comes back within half a level.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_signed(levels: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    """uint8 of any shape → new float32 in [-1, 1]. Raises TypeError for any other type than uint8.

    ``memory_format`` is that of the result; ``channels_last`` asks for (N, C, H, W).
    """
    return _as_float(levels, memory_format).div_(127.5).sub_(1)


def to_unit(levels: Tensor, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    """uint8 of any shape → new float32 in [0, 1]; the rest as in ``to_signed``."""
    return _as_float(levels, memory_format).div_(255)


def levels_from_signed(image: Tensor) -> Tensor:
    """float of any shape in [-1, 1] → uint8, rounded to the nearest level; what lies outside is clipped."""
    return _as_levels(image.float() * 127.5 + 127.5)


def levels_from_unit(image: Tensor) -> Tensor:
    """float of any shape in [0, 1] → uint8, rounded to the nearest level; what lies outside is clipped."""
    return _as_levels(image.float() * 255)


def _as_float(levels: Tensor, memory_format: torch.memory_format) -> Tensor:
    if levels.dtype != torch.uint8:  # scaled twice, a picture is black without any complaint
        raise TypeError(f"grey levels are uint8, not {levels.dtype}; scale a picture once only")
    return levels.to(torch.float32, memory_format=memory_format)


def _as_levels(scaled: Tensor) -> Tensor:
    return scaled.round().clamp(0, 255).to(torch.uint8)
