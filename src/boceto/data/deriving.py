"""Deriving: a prepared dataset → the same pictures in the same order, smaller, or grey; once, for every later use.

It is written beside its place and moved there whole. Its manifest says what it was derived from.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from boceto.data.prepared import FORMAT, MANIFEST, Prepared, sha256
from boceto.data.writing import LOCK, QUARANTINE, RECORDS, SHARD_BYTES, is_ours
from boceto.errors import Fault, UsageError, os_errors
from boceto.version import __version__
from boceto.workers import alone

_AT_ONCE = 256  # pictures between two words on how far it is
_GAP = 2.0  # as in framing: halve by whole numbers down to twice the size, then filter


def derive(
    origin: Prepared,
    out: Path | str,
    *,
    height: int,
    width: int,
    grey: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """The pictures of ``origin`` at ``height`` × ``width`` pixels, grey (luma) if asked, as a dataset in ``out``.

    An ``out`` that was derived in the same way from the same pictures is used as it is; and if ``origin`` is of that
    form already, it is returned itself and nothing is written. Records and quarantine come along; of pairs both
    pictures are reduced. ``progress`` is told the pictures done and all. Raises UsageError if that would enlarge,
    distort or colour them, or if ``out`` is something else; Fault if it cannot be written.
    """
    out = Path(out)
    shape = height, width, 1 if grey else origin.shape[2]
    require(origin, shape)
    if origin.shape == shape:
        return origin
    derived = {"content_hash": origin.content_hash, "shape": list(origin.shape), "folder": str(origin.folder.resolve())}
    if out.exists():
        return _earlier(origin, out, shape)
    with _whole(out) as folder:
        shards = _write_shards(origin, folder, shape, progress)
        for name in (RECORDS, QUARANTINE):
            shutil.copyfile(origin.folder / name, folder / name)
        manifest = _manifest(origin, shape, shards, sha256(folder / RECORDS), derived)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    return Prepared(out)


def require(origin: Prepared, shape: tuple[int, int, int]) -> None:
    """Raises UsageError unless pictures of ``shape`` (H, W, C) can be derived from these."""
    (height, width, channels), (has_height, has_width, has_channels) = shape, origin.shape
    wanted, has = f"{width}×{height}", f"{has_width}×{has_height}"
    if min(height, width) < 1 or height > has_height or width > has_width:
        raise UsageError(
            f"{origin.folder} holds pictures of {has}, too small for {wanted}; "
            f"prepare {origin.manifest['source']} again with --size {wanted.replace('×', 'x')}"
        )
    if abs(height * has_width - width * has_height) > max(has_height, has_width):  # over a pixel
        raise UsageError(
            f"pictures of {has} cannot become {wanted} undistorted; "
            f"prepare {origin.manifest['source']} again with --size {wanted.replace('×', 'x')}"
        )
    if channels > has_channels:
        raise UsageError(
            f"{origin.folder} holds grey pictures, but colour is wanted; "
            f"prepare {origin.manifest['source']} again without --grey, or use --set arch.channels=1"
        )


def reduced(images: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """uint8 (N, H, W, C) → (N, *shape), with Pillow's Lanczos filter, grey as luma: as ``prepare`` frames them."""
    height, width, channels = shape
    if images.shape[1:] == shape:
        return images
    out = np.empty((len(images), *shape), np.uint8)
    for i, pixels in enumerate(images):
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=_GAP)
        if channels == 1:
            image = image.convert("L")
        out[i] = np.asarray(image).reshape(shape)
    return out


def _earlier(origin: Prepared, out: Path, shape: tuple[int, int, int]) -> Prepared:
    """What an earlier call has derived."""
    try:
        found = Prepared(out)
    except Fault as error:
        raise Fault(f"{out} is damaged; remove it and run again") from error
    of = found.manifest.get("derived")
    if found.shape != shape or not isinstance(of, dict) or of.get("content_hash") != origin.content_hash:
        raise UsageError(f"{out} was not derived from {origin.folder}; give another place, or remove it")
    return found


@contextlib.contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A folder beside ``out``, ours alone, that takes its place in the end; on any error nothing is left."""
    folder = out.with_name(f".{out.name}.partial")
    with os_errors("write", out):
        folder.mkdir(parents=True, exist_ok=True)
        if not is_ours(folder):
            raise UsageError(f"{folder} is in the way; move it elsewhere and run again")
        with alone(folder / LOCK, f"{out} is being derived by another process; wait for it"):
            for path in folder.iterdir():
                if path.name != LOCK:  # what a kill has left
                    path.unlink()
            try:
                yield folder
                folder.rename(out)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        (out / LOCK).unlink(missing_ok=True)


def _write_shards(
    origin: Prepared, folder: Path, shape: tuple[int, int, int], progress: Callable[[int, int], None] | None
) -> list[dict[str, Any]]:
    """All pictures, reduced, in shards; their entries of the manifest."""
    stored = (*shape[:2], shape[2] * (2 if origin.paired else 1))
    per_shard = max(1, SHARD_BYTES // int(np.prod(stored)))
    shards = []
    for number, first in enumerate(range(0, len(origin), per_shard)):
        path, end = folder / f"images-{number:05d}.npy", min(first + per_shard, len(origin))
        shard = np.lib.format.open_memmap(path, "w+", np.uint8, (end - first, *stored))
        for start in range(first, end, _AT_ONCE):
            part = range(start, min(start + _AT_ONCE, end))
            parts = origin.gather_pairs(part) if origin.paired else (origin.gather(part),)
            pixels = np.concatenate([reduced(images, shape) for images in parts], axis=3)
            shard[start - first : start - first + len(part)] = pixels
            if progress:
                progress(part.stop, len(origin))
        shard.flush()
        del shard
        shards.append({"file": path.name, "count": end - first, "bytes": path.stat().st_size, "sha256": sha256(path)})
    return shards


def _manifest(
    origin: Prepared,
    shape: tuple[int, int, int],
    shards: list[dict[str, Any]],
    records: str,
    derived: dict[str, Any],
) -> dict[str, Any]:
    """The origin's, with what is different."""
    height, width, channels = shape
    options = dict(origin.manifest.get("options", {}))
    options["frame"] = {**options.get("frame", {}), "height": height, "width": width, "grey": channels == 1}
    digest = json.dumps([FORMAT, options, derived["content_hash"], [s["sha256"] for s in shards], records])
    return {
        **origin.manifest,
        "software": f"boceto {__version__}",
        "content_hash": hashlib.sha256(digest.encode()).hexdigest(),
        "shape": list(shape),
        "options": options,
        "shards": shards,
        "records": {"file": RECORDS, "sha256": records},
        "derived": derived,
    }
