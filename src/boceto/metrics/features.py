"""Feature networks behind one interface: pictures → numbers in which likeness can be measured.

A score says by which network it was told. Pictures of any size and colour are brought to what it was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from boceto.errors import UsageError, nearest
from boceto.metrics import lite0
from boceto.tagger.folder import Tagger

Images = NDArray[np.uint8]
_BATCH = 64  # pictures at once


@dataclass(frozen=True)
class Network:
    """``name`` as scores tell it, the side of its pictures, and what it makes of them: (N, 3, side, side) → (N, D)."""

    name: str
    side: int
    features: Callable[[Tensor], Tensor]
    logits: Callable[[Tensor], Tensor] | None = None  # (N, D) → (N, K) of classes, where it knows some


def network(name: str = "lite0", device: torch.device | str = "cpu") -> Network:
    """A feature network by name, or by the folder of a tagger.

    Raises UsageError if there is none of that name, Fault if its weights are missing.
    """
    if Tagger.exists(name):
        return _tagger(Path(name), device)
    if name not in _MAKERS:
        raise UsageError(f"there is no feature network '{name}'{nearest(name, _MAKERS)}")
    return _MAKERS[name](device)


def _lite0(device: torch.device | str) -> Network:
    net = lite0.load(device)
    return Network("lite0", lite0.SIDE, net.features, net.logits)


def _tagger(folder: Path, device: torch.device | str) -> Network:
    own = Tagger(folder, torch.device(device).type)
    return Network(own.name, own.side, own.features, own.logits if own.about.kind == "classes" else None)


_MAKERS: dict[str, Callable[[torch.device | str], Network]] = {"lite0": _lite0}


def extract(images: Images, net: Network, progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
    """Features of pictures, uint8 (N, H, W, C) with one or three channels → float32 (N, D)."""
    found = []
    for batch in _batches(images):
        found.append(net.features(resized(batch, net.side)).float().cpu())
        if progress is not None:
            progress(sum(map(len, found)), len(images))
    features: NDArray[np.float32] = torch.cat(found).numpy()
    return features


def _batches(images: Images) -> Iterator[Tensor]:
    for start in range(0, len(images), _BATCH):
        yield torch.from_numpy(np.ascontiguousarray(images[start : start + _BATCH]))


def resized(images: Tensor, side: int) -> Tensor:
    """uint8 (N, H, W, C) → (N, 3, side, side), 0 … 255, float32; bicubic, and of large ones first what vanishes anyway.

    Grey becomes three equal channels. A picture that is not square is stretched, as published scores do it.
    """
    pictures = images.permute(0, 3, 1, 2).float().expand(-1, 3, -1, -1)
    larger = F.interpolate(pictures, (side, side), mode="bicubic", align_corners=False, antialias=True)
    return larger.clamp(0, 255)
