"""A prepared dataset in other tools' forms: the same pixels, losslessly.

imagefolder   OUT/metadata.jsonl, OUT/[LABEL/]00000000.png …      Hugging Face datasets, and boceto prepare
stylegan      OUT.zip: dataset.json, 00000/img00000000.png …      StyleGAN2-ADA and StyleGAN3, --data=OUT.zip

Equal datasets give equal bytes. It is written beside its place and moved there whole.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from boceto.data.prepared import Prepared
from boceto.data.sources import Record
from boceto.errors import UsageError, os_errors

Form = Literal["imagefolder", "stylegan"]
METADATA = "metadata.jsonl"
_CHUNK = 256  # pictures in memory at once
_NO_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a ZIP can hold


@dataclass(frozen=True)
class Exported:
    """What was written: where, in which form, how many pictures, and the class names in the order of their numbers."""

    out: Path
    form: Form
    pictures: int
    classes: tuple[str, ...]
    pairs: bool = False


def export(
    folder: Path | str, out: Path | str, form: Form, *, progress: Callable[[int, int], None] | None = None
) -> Exported:
    """Write the prepared dataset ``folder`` to the new ``out``: a folder (imagefolder) or a ``.zip`` (stylegan).

    ``progress`` is told the pictures done and in all. Pairs are exported as one picture each, source left, target
    right, and as imagefolder only. Raises UsageError (a place or a form that cannot be) or Fault.
    """
    data, out = Prepared(folder), Path(out).absolute()
    pairs = data.paired
    _check_place(data, out)
    if form == "stylegan":
        _check_stylegan(data, out, pairs)
    records = data.records()
    labels = [record.label for record in records]
    classes = tuple(sorted({label for label in labels if label is not None}))
    unfinished = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    pictures = _told(_pictures(data, pairs), len(data), progress)
    try:
        with os_errors("write", out):
            out.parent.mkdir(parents=True, exist_ok=True)
            if form == "stylegan":
                _write_stylegan(unfinished, pictures, labels, classes)
            else:
                _write_imagefolder(unfinished, pictures, records, classes)
            _check_place(data, out)  # again: it may have appeared meanwhile
            unfinished.rename(out)
    except BaseException:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        else:
            unfinished.unlink(missing_ok=True)
        raise
    return Exported(out, form, len(data), classes, pairs)


def _check_place(data: Prepared, out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out} exists already, and nothing in it shall be overwritten; give another place (-o)")
    if out.resolve().is_relative_to(data.folder.resolve()):
        raise UsageError(
            f"{out} lies inside the dataset {data.folder}, where only its own files belong; give another -o"
        )


def _check_stylegan(data: Prepared, out: Path, pairs: bool) -> None:
    """What StyleGAN's own tools would refuse is refused here, before anything is written."""
    if pairs:
        raise UsageError(f"{data.folder} holds pairs, which StyleGAN has no form for; use --as imagefolder")
    if out.suffix.lower() != ".zip":
        raise UsageError(f"{out.name} would be a ZIP file, and StyleGAN knows it by its name; let it end in .zip")
    height, width, _ = data.shape
    if height != width or height & (height - 1):
        raise UsageError(
            f"{data.folder} holds pictures of {width}×{height}, but StyleGAN takes squares whose side is a power of "
            f"two; prepare again with --size {_power_of_two(max(height, width))}, or use --as imagefolder"
        )


def _power_of_two(side: int) -> int:
    return 1 << (side - 1).bit_length()


# ── pictures ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _pictures(data: Prepared, pairs: bool) -> Iterator[Image.Image]:
    for start in range(0, len(data), _CHUNK):
        chosen = range(start, min(start + _CHUNK, len(data)))
        if pairs:
            sources, targets = data.gather_pairs(chosen)
            pixels = np.concatenate([sources, targets], axis=2)  # (n, H, 2W, C)
        else:
            pixels = data.gather(chosen)
        yield from map(_as_image, pixels)


def _as_image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _told(
    pictures: Iterable[Image.Image], total: int, progress: Callable[[int, int], None] | None
) -> Iterator[Image.Image]:
    for done, picture in enumerate(pictures, 1):
        yield picture
        if progress:
            progress(done, total)


# ── Hugging Face imagefolder ───────────────────────────────────────────────────────────────────────────────────────


def _write_imagefolder(
    folder: Path, pictures: Iterable[Image.Image], records: Sequence[Record], classes: Sequence[str]
) -> None:
    """Numbered pictures in a folder a class, if there are classes; one line a picture in metadata.jsonl."""
    folder.mkdir()
    folders = _class_folders(classes)
    for name in folders.values():
        (folder / name).mkdir()
    with (folder / METADATA).open("w", encoding="utf-8", newline="\n") as metadata:
        for number, (picture, record) in enumerate(zip(pictures, records, strict=True)):
            name = f"{number:08d}.png"
            if record.label is not None:
                name = f"{folders[record.label]}/{name}"
            picture.save(folder / name, format="PNG")
            metadata.write(json.dumps(_entry(name, record)) + "\n")


def _entry(name: str, record: Record) -> dict[str, Any]:
    label = None if record.label is None else _printable(record.label)
    tags = [_printable(tag) for tag in record.tags]
    return {"file_name": name, "tags": tags, "label": label, "source": _printable(record.path)}


def _class_folders(classes: Iterable[str]) -> dict[str, str]:
    """Class → a folder's name that every system takes; no two differ by case alone."""
    taken, folders = {METADATA}, {}
    for label in classes:
        name = re.sub(r'[<>:"/\\|?*\x00-\x1f]|^\.|[. ]$', "_", _printable(label)) or "_"
        while name.casefold() in taken:
            name += "_"
        taken.add(name.casefold())
        folders[label] = name
    return folders


def _printable(text: str) -> str:
    """A file's name may hold bytes that are no text; other tools' readers take text only."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


# ── StyleGAN ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _write_stylegan(
    path: Path, pictures: Iterable[Image.Image], labels: Sequence[str | None], classes: Sequence[str]
) -> None:
    """Pictures and class numbers as StyleGAN's loader reads them: nothing in the ZIP is compressed, for speed.

    ``labels`` in dataset.json is null unless every picture has one. The names of the classes, by number, stand beside.
    """
    numbers = {label: number for number, label in enumerate(classes)}
    listed: list[tuple[str, int]] = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
            name = f"{index:08d}"
            name = f"{name[:5]}/img{name}.png"
            content = BytesIO()
            picture.save(content, format="PNG", compress_level=0)
            archive.writestr(_member(name), content.getvalue())
            if label is not None:
                listed.append((name, numbers[label]))
        table: dict[str, Any] = {"labels": listed if listed and len(listed) == len(labels) else None}
        if table["labels"]:
            table["class_names"] = [_printable(label) for label in classes]
        archive.writestr(_member("dataset.json"), json.dumps(table))


def _member(name: str) -> zipfile.ZipInfo:
    """The same bytes on every system and at every hour."""
    member = zipfile.ZipInfo(name, _NO_TIME)
    member.create_system = 3
    member.external_attr = 0o644 << 16
    return member
