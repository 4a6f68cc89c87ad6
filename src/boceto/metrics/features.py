"""Feature networks behind one interface: pictures → numbers in which likeness can be measured.

A score says by which network it was told. Pictures of any size and colour are brought to what it was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from boceto.errors import Fault, UsageError, nearest
from boceto.metrics import inception, lite0
from boceto.tagger.folder import Tagger

Images = NDArray[np.uint8]
_BATCH = 4  # pictures at once: of more, a layer's numbers pass the 32 MB that are handed round without the system


def resized(images: Tensor, side: int) -> Tensor:
    """uint8 (N, H, W, C) → (N, 3, side, side), 0 … 255, float32; bicubic, and of large ones first what vanishes anyway.

    Grey becomes three equal channels. A picture that is not square is stretched, as published scores do it.
    """
    pictures = images.permute(0, 3, 1, 2).float().expand(-1, 3, -1, -1)
    larger = F.interpolate(pictures, (side, side), mode="bicubic", align_corners=False, antialias=True)
    return larger.clamp(0, 255)


@dataclass(frozen=True)
class Network:
    """``name`` as scores tell it, the side of its pictures, and what it makes of them: (N, 3, side, side) → (N, D)."""

    name: str
    side: int
    features: Callable[[Tensor], Tensor]
    logits: Callable[[Tensor], Tensor] | None = None  # (N, D) → (N, K) of classes, where it knows some
    resize: Callable[[Tensor, int], Tensor] = resized


def network(
    name: str = "lite0", device: torch.device | str = "cpu", progress: Callable[[int, int], None] | None = None
) -> Network:
    """A feature network by name, or by the folder of a tagger.

    ``lite0``; ``inception`` as FID's authors use it; ``inception-clean`` as clean-fid.

    ``progress`` is told the megabytes of weights loaded from the network and all, where they have to be.
    Raises UsageError if there is none of that name, Fault if its weights are missing.
    """
    require(name)
    if Tagger.exists(name):
        own = Tagger(name, torch.device(device).type)
        return Network(own.name, own.side, own.features, own.logits if own.about.kind == "classes" else None)
    if name == "lite0":
        small = lite0.load(device)
        return Network(name, lite0.SIDE, small.features, small.logits)
    net = inception.load(device, progress)
    resize = inception.resized if name == "inception" else resized
    return Network(name, inception.SIDE, net.features, net.logits, resize)


NAMES = ("lite0", "inception", "inception-clean")


def require(name: str) -> None:
    """Raises UsageError if there is no feature network of that name, and no tagger in a folder of that name."""
    if name not in NAMES and not Tagger.exists(name):
        raise UsageError(
            f"there is no feature network '{name}', and no tagger in a folder of that name{nearest(name, NAMES)}"
        )


def extract(images: Images, net: Network, progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
    """Features of pictures, uint8 (N, H, W, C) with one or three channels → float32 (N, D).

    Raises UsageError if there are none, Fault if the network gives numbers that are not finite.
    """
    if not len(images):
        raise UsageError("there are no pictures to look at; prepare a dataset of some")
    found, done = [], 0
    for batch in _batches(images):
        found.append(net.features(net.resize(batch, net.side)).float().cpu())
        if not found[-1].isfinite().all():
            raise Fault(f"the feature network {net.name} gives numbers that are not finite; its weights are damaged")
        done += len(batch)
        if progress is not None:
            progress(done, len(images))
    features: NDArray[np.float32] = torch.cat(found).numpy()
    return features


def _batches(images: Images) -> Iterator[Tensor]:
    for start in range(0, len(images), _BATCH):
        yield torch.from_numpy(np.ascontiguousarray(images[start : start + _BATCH]))
