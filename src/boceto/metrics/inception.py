"""The Inception network of published FIDs (Szegedy et al. 2016; Heusel et al. 2017): pictures → 2048 numbers.

299×299 → five convolutions → blocks 5b … 5d (35×35) → 6a … 6e (17×17) → 7a … 7c (8×8) → mean over the map → 2048

It is TensorFlow's ``inception-2015-12-05``, and what is peculiar to it counts: mean pools that leave the border out, a
maximum in their place in the last block, 1008 classes, an Inception score told without their biases, and pictures
enlarged from their corner instead of their middle. The weights are one file of 91 MB that pytorch-fid and
torch-fidelity publish, known by its SHA-256; it is read as plain tensors. Batch norms are folded into the convolutions.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from boceto.data.prepared import sha256
from boceto.errors import Fault, os_errors
from boceto.files import replacing

SIDE, FEATURES, CLASSES = 299, 2048, 1008
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
NAME = "pt_inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{NAME}"
_NAMES = (NAME, "weights-inception-2015-12-05-6726825d.pth")  # the second is torch-fidelity's
_MEGABYTES, _PIECE, _PATIENCE_S = 96, 10**6, 30
_EPS = 1e-3  # of its batch norms

# Blocks → branches side by side → convolutions one after the other; a | b: both of the same, side by side.
_5 = ("branch1x1", "branch5x5_1 branch5x5_2", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3", "mean branch_pool")
_6A = ("branch3x3", "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3", "halved")
_6 = (
    "branch1x1",
    "branch7x7_1 branch7x7_2 branch7x7_3",
    "branch7x7dbl_1 branch7x7dbl_2 branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5",
    "mean branch_pool",
)
_7A = ("branch3x3_1 branch3x3_2", "branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4", "halved")
_7B = (
    "branch1x1",
    "branch3x3_1 branch3x3_2a|branch3x3_2b",
    "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3a|branch3x3dbl_3b",
    "mean branch_pool",
)
_7C = (*_7B[:3], "max branch_pool")
_BLOCKS = {
    **{f"Mixed_5{letter}": _5 for letter in "bcd"},
    "Mixed_6a": _6A,
    **{f"Mixed_6{letter}": _6 for letter in "bcde"},
    "Mixed_7a": _7A,
    "Mixed_7b": _7B,
    "Mixed_7c": _7C,
}
_STEM = "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 halved Conv2d_3b_1x1 Conv2d_4a_3x3 halved"
_HALVING = (
    "Conv2d_1a_3x3",
    *("Mixed_6a.branch3x3", "Mixed_6a.branch3x3dbl_3"),
    *("Mixed_7a.branch3x3_2", "Mixed_7a.branch7x7x3_4"),
)
_UNPADDED = (*_HALVING, "Conv2d_2a_3x3", "Conv2d_4a_3x3")
_POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "halved": lambda x: F.max_pool2d(x, 3, 2),
    "mean": lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
    "max": lambda x: F.max_pool2d(x, 3, 1, 1),
}


class Inception:
    """The network with its weights: ``features`` and ``logits``."""

    def __init__(self, weights: Mapping[str, Tensor], device: torch.device | str = "cpu") -> None:
        """``weights``: those of the published file by name (``tests/inception.json`` lists names and shapes)."""
        self._device = torch.device(device)
        self._convs: dict[str, tuple[Tensor, Tensor]] = {}
        for key in weights:
            if key.endswith(".conv.weight"):
                name = key.removesuffix(".conv.weight")
                mean, variance, gain, bias = (
                    weights[f"{name}.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
                )
                scale = gain / (variance + _EPS).sqrt()
                weight = (weights[key] * scale[:, None, None, None]).to(device, memory_format=torch.channels_last)
                self._convs[name] = weight, (bias - mean * scale).to(device)
        self._classes = weights["fc.weight"].to(device)

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Colour pictures (N, 3, 299, 299), 0 … 255 → (N, 2048), float32."""
        x = ((images.to(self._device).float() - 128) / 128).contiguous(memory_format=torch.channels_last)
        x = self._along(_STEM, "", x)
        for block, branches in _BLOCKS.items():
            x = torch.cat([self._along(branch, f"{block}.", x) for branch in branches], dim=1)
        return x.mean(dim=(2, 3))

    def _along(self, steps: str, block: str, x: Tensor) -> Tensor:
        for step in steps.split():
            if step in _POOLS:
                x = _POOLS[step](x)
            else:
                x = torch.cat([self._conv(block + name, x) for name in step.split("|")], dim=1)
        return x

    def _conv(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self._convs[name]
        padding = (0, 0) if name in _UNPADDED else (weight.shape[2] // 2, weight.shape[3] // 2)
        return F.conv2d(x, weight, bias, 2 if name in _HALVING else 1, padding).relu_()

    def logits(self, features: Tensor) -> Tensor:
        """(N, 2048) → (N, 1008): of its classes without their biases, as Inception scores are told."""
        return F.linear(features.to(self._device), self._classes)


def resized(images: Tensor, side: int = SIDE) -> Tensor:
    """uint8 (N, H, W, C) → (N, 3, side, side), 0 … 255, float32: bilinear as TensorFlow 1 does it, without smoothing.

    Pixel i of the result stands at i · H / side of the picture, so that its last row and column are repeated.
    """
    pictures = images.permute(0, 3, 1, 2).float().expand(-1, 3, -1, -1)
    rows, columns = (_between(size, side).to(images.device) for size in images.shape[1:3])
    return rows @ pictures @ columns.T


def _between(size: int, side: int) -> Tensor:
    """(side, size): what each pixel takes of its two neighbours."""
    place = torch.arange(side, dtype=torch.float32) * (size / side)
    first = place.long()
    share = (place - first)[:, None]
    return (1 - share) * torch.eye(size)[first] + share * torch.eye(size)[(first + 1).clamp(max=size - 1)]


def load(device: torch.device | str = "cpu", progress: Callable[[int, int], None] | None = None) -> Inception:
    """The network with its published weights, from the file of ``BOCETO_INCEPTION``, PyTorch's cache, or the network.

    ``progress`` is told the megabytes loaded from the network and all. Raises Fault if they cannot be had, or are
    not what they were.
    """
    path = _found()
    if path is None:
        path = _folder() / NAME
        _download(path, progress or (lambda done, of: None))
    elif sha256(path) != SHA256:
        raise Fault(f"{path} is not the file of that name that is published; remove it, and take that from {URL}")
    weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)  # tensors alone, no pickle
    return Inception(weights, device)


def _folder() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"  # where pytorch-fid, torchmetrics and torch-fidelity look too


def _found() -> Path | None:
    """The file that is to be used, if there is one. Raises Fault if the one that was named is missing."""
    if named := os.environ.get("BOCETO_INCEPTION"):
        with os_errors("read", named):
            Path(named).open("rb").close()
        return Path(named)
    return next((path for path in (_folder() / name for name in _NAMES) if path.is_file()), None)


def _download(path: Path, progress: Callable[[int, int], None]) -> None:
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            for piece in _pieces():
                file.write(piece)
                progress(min(file.tell() // _PIECE, _MEGABYTES), _MEGABYTES)
        if sha256(temporary) != SHA256:
            raise Fault(f"what came from {URL} is not the file it was; run again, or name it with BOCETO_INCEPTION")


def _pieces() -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(URL, timeout=_PATIENCE_S) as answer:
            while piece := answer.read(_PIECE):
                yield piece
    except (OSError, HTTPException) as error:
        why = getattr(error, "reason", error)
        raise Fault(
            f"the weights of the feature network inception cannot be downloaded ({why}); put {URL} into "
            f"{_folder()}, or name the file with BOCETO_INCEPTION, or take --features lite0"
        ) from error
