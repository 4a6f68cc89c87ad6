"""The tagger's folder: a trained tagger as plain data, and what it makes of pictures.

    TAGGER/tagger.json          what it tells and from what on, what it was trained on, how well it does
    TAGGER/weights.safetensors  its network; the name tagger-1a2b3c4d is from their hash
    TAGGER/tagger.html          the page, and figures/

A threshold in tagger.json may be changed by hand: lower finds more, higher is wrong less often.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator
from torch import Tensor

from boceto import device
from boceto.data.deriving import reduced
from boceto.data.framing import Fit
from boceto.data.screening import Pixels
from boceto.errors import Fault, UsageError, os_errors
from boceto.files import load_tensors, save_tensors, write_text
from boceto.nn.classifier import SMALLEST, Classifier
from boceto.recipe import Section
from boceto.tagger.judging import Judgement, Told
from boceto.tagger.learning import outputs

ABOUT, WEIGHTS = "tagger.json", "weights.safetensors"
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=SMALLEST, le=2048)]


class Framing(Section):
    """How a picture is brought to the tagger's shape: as those were that it has learned from."""

    fit: Fit = "crop"
    paper: str = "white"
    enlarge: bool = False
    crop_bars: bool = True


class Learnt(Section):
    """What it has learned from: dataset, parts, how long."""

    data: str = Field(description="content hash")
    pictures: Count
    train: Count
    validation: Count
    test: Count
    repeated: Count = Field(description="pictures that show the drawing of another, and stay with it")
    seed: int = Field(ge=0, lt=2**63)
    flip: bool
    epochs: Count
    best_epoch: Count


class About(Section):
    """All of ``tagger.json``."""

    format: Literal[1] = 1
    kind: Literal["tags", "classes"]
    tags: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    thresholds: tuple[Share, ...] = Field(description="from which probability on a tag is said; of classes none")
    shape: tuple[Side, Side, Literal[1, 3]] = Field(description="height, width, channels")
    framing: Framing
    weights: str = Field(pattern="[0-9a-f]{64}", description="hash of the network's")
    learnt: Learnt
    software: dict[str, str]
    judgement: Judgement

    @model_validator(mode="after")
    def _as_many(self) -> About:
        wanted = len(self.tags) if self.kind == "tags" else 0
        if len(self.thresholds) != wanted or len(self.judgement.tags) != len(self.tags):
            raise ValueError("tags, thresholds and judgement do not go together")
        if len(set(self.tags)) < len(self.tags):
            raise ValueError("a tag stands there twice")
        return self

    def rows(self) -> list[tuple[Told, float | None]]:
        """How well each tag is told, and its threshold, the commonest first; classes in the order of their rule."""
        thresholds: Sequence[float | None] = self.thresholds or [None] * len(self.tags)
        found = list(zip(self.judgement.tags, thresholds, strict=True))
        return found if self.kind == "classes" else sorted(found, key=lambda row: -row[0].support)


class Tagger:
    """An opened tagger: what pictures show, and their features."""

    def __init__(self, folder: Path | str, device_name: str = "cpu") -> None:
        """Raises UsageError if ``folder`` is no tagger's, Fault if it is damaged."""
        self.folder = Path(folder)
        if not self.exists(self.folder):
            raise UsageError(
                f"{folder} is no tagger's folder (no {ABOUT}); boceto tagger train DATA -o {folder} --tags … makes one"
            )
        self.about = _read(self.folder / ABOUT)
        self.net = _restored(self.folder / WEIGHTS, self.about).eval().requires_grad_(False)
        self.compute = device.choose(device_name, "float32")
        self.compute.place(self.net)

    @staticmethod
    def exists(folder: Path | str) -> bool:
        """Is this a tagger's folder?"""
        return (Path(folder) / ABOUT).is_file()

    @property
    def name(self) -> str:
        """As results name it: ``tagger-1a2b3c4d``."""
        return f"tagger-{self.about.weights[:8]}"

    @property
    def tags(self) -> tuple[str, ...]:
        return self.about.tags

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the pictures that it looks at: (H, W, C)."""
        return self.about.shape

    def probabilities(self, images: Pixels) -> NDArray[np.float32]:
        """Of every tag, or class, on pictures of its shape: uint8 (N, H, W, C) → (N, K)."""
        return probabilities(outputs(self.net, images, self.compute), self.about.kind)

    def said(self, probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
        """What it says: the tags whose thresholds are reached, or the likeliest class; (N, K) → bool (N, K)."""
        return said(probabilities, self.about.thresholds)

    def fitted(self, images: Pixels) -> Pixels:
        """Pictures of any size and colour, uint8 (N, h, w, c), in its shape; raises UsageError if that distorts."""
        height, width, channels = self.shape
        has = images.shape[1:3]
        if abs(height * has[1] - width * has[0]) > max(*has, height, width):  # over a pixel
            raise UsageError(
                f"{self.folder} looks at pictures of {width}×{height}, and those of {has[1]}×{has[0]} cannot become so "
                f"undistorted; train a tagger on pictures of their shape"
            )
        if channels > images.shape[3]:
            images = images.repeat(channels, axis=3)
        return reduced(images, self.shape)

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Colour pictures (N, 3, S, S), 0 … 255 → (N, 64): what its last layer tells tags from, not negative."""
        height, width, channels = self.shape
        images = images.to(self.compute.device).float()
        if channels == 1:
            images = (images * images.new_tensor((0.299, 0.587, 0.114))[:, None, None]).sum(dim=1, keepdim=True)
        if images.shape[2:] != (height, width):
            images = F.interpolate(images, (height, width), mode="bilinear", align_corners=False, antialias=True)
        features: Tensor = self.net.trunk(images.div(127.5).sub(1))
        return features

    @property
    def side(self) -> int:
        """Of the square pictures that ``features`` takes."""
        return max(self.shape[:2])

    def logits(self, features: Tensor) -> Tensor:
        """(N, 64) → (N, K): of classes, or of tags one by one."""
        logits: Tensor = self.net.last(features.to(self.compute.device))
        return logits


def probabilities(logits: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    """Logits (N, K) as probabilities: of tags each by itself, of classes 1 together."""
    found = torch.from_numpy(logits)
    told: NDArray[np.float32] = (found.sigmoid() if kind == "tags" else found.softmax(dim=1)).numpy()
    return told


def said(probabilities: NDArray[np.float32], thresholds: tuple[float, ...]) -> NDArray[np.bool_]:
    """The tags that reach their thresholds; without thresholds the likeliest class: (N, K) → bool (N, K)."""
    if thresholds:
        reached: NDArray[np.bool_] = probabilities >= np.array(thresholds, np.float32)
        return reached
    likeliest: NDArray[np.bool_] = np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1)[:, None]
    return likeliest


def save_weights(folder: Path, net: Classifier) -> str:
    """Write the network; the hash of its weights."""
    save_tensors(folder / WEIGHTS, net.state_dict(), {})
    return _digest(net.state_dict())


def _restored(path: Path, about: About) -> Classifier:
    """The network with its weights. Raises Fault if the file is missing, or holds others than it should."""
    height, width, channels = about.shape
    with torch.device("meta"):  # nothing is drawn, and nothing allocated that the file does not hold
        net = Classifier(channels, height, width, len(about.tags))
    with os_errors("read", path), path.open("rb"):
        pass
    try:
        tensors, _ = load_tensors(path)
        net.load_state_dict(tensors, assign=True)
    except (Fault, RuntimeError) as error:
        raise Fault(_OTHERS.format(path=path)) from error
    if _digest(tensors) != about.weights or not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise Fault(_OTHERS.format(path=path))
    return net


_OTHERS = f"{{path}} is damaged, or not what {ABOUT} tells of; copy the folder anew, or train another tagger"


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, in the order of the names."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        values = tensors[name].detach().cpu().contiguous().numpy()
        found.update(f"{name} {values.dtype.str} {values.shape} ".encode())
        found.update(values.tobytes())
    return found.hexdigest()


def save_about(folder: Path, about: About) -> None:
    """Write ``tagger.json``: with it the folder is a tagger's."""
    write_text(folder / ABOUT, about.model_dump_json(indent=2) + "\n")


@contextlib.contextmanager
def making(out: Path) -> Iterator[Path]:
    """A new folder beside ``out`` that takes its place in the end; on any error, and on Ctrl-C, nothing is left."""
    if out.exists():
        raise UsageError(f"{out} exists already; give the tagger another place (-o)")
    folder = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    with os_errors("write", out):
        folder.mkdir(parents=True)
        try:
            yield folder
            folder.rename(out)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _read(path: Path) -> About:
    with os_errors("read", path):
        content = path.read_bytes()
    try:
        return About.model_validate_json(content)
    except (ValidationError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "nested too deeply"}
        place = ".".join(map(str, first["loc"]))
        raise Fault(
            f"{path} is damaged, or of another boceto ({f'{place}: ' if place else ''}{first['msg']}); "
            f"train the tagger again"
        ) from error
