"""The prepared dataset: a folder that other tools can read, and the one form in which the loop takes pictures.

DATA/manifest.json      what it is: shape, counts per stage, options, shards with their SHA-256, content hash
DATA/images-00000.npy   uint8 (n, H, W, C), opened memory-mapped
DATA/records.jsonl      one line a picture, in order: path in the source, tags, label
DATA/quarantine.csv     every picture left out: stage, reason, path
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from boceto.data import sources
from boceto.errors import BocetoError, Fault, UsageError, os_errors

FORMAT = 1
MANIFEST = "manifest.json"
_LEAST_HELD_OUT, _MOST_HELD_OUT = 16, 1000
_CHUNK = 2**23  # bytes read between two words on how far it is
_LEFT_OUT = {"tags": "by the tag query"}  # as people say it


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Pictures(Protocol):
    """What can be learned from: so many pictures of one shape (H, W, C), by their numbers."""

    shape: tuple[int, int, int]

    def __len__(self) -> int: ...

    def gather(self, indices: Iterable[int]) -> NDArray[np.uint8]:
        """Copy the pictures of these numbers (0 … len−1): uint8 (n, H, W, C)."""
        ...


class Part:
    """Some pictures of others, in their order there; ``numbers`` are those they have there."""

    def __init__(self, whole: Pictures, numbers: NDArray[np.int64]) -> None:
        self.shape = whole.shape
        self._whole, self.numbers = whole, np.sort(numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def gather(self, indices: Iterable[int]) -> NDArray[np.uint8]:
        """Copy the pictures of these numbers (0 … len−1): uint8 (n, H, W, C)."""
        return self._whole.gather(self.numbers[_numbers(indices)])


class Prepared:
    """An opened prepared dataset: ``len()``, ``shape`` (H, W, C), ``gather(indices)`` → uint8 (n, H, W, C)."""

    def __init__(self, folder: Path | str) -> None:
        """Open and check against the manifest. Raises UsageError if it is no dataset, Fault if a shard is damaged."""
        self.folder = Path(folder)
        self.manifest = _read_manifest(self.folder)
        try:
            height, width, channels = self.manifest["shape"]
            self.shape: tuple[int, int, int] = (height, width, channels)
            self._shards = [self._open(shard) for shard in self.manifest["shards"]]
            self._ends = list(np.cumsum([len(shard) for shard in self._shards]))
            len(self)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise Fault(f"{self.folder / MANIFEST} is damaged ({error}); prepare the dataset again") from error

    def _open(self, entry: dict[str, Any]) -> NDArray[np.uint8]:
        path = self.folder / Path(entry["file"]).name
        remedy = f"prepare {self.manifest['source']} again"
        if not path.is_file() or path.stat().st_size != entry["bytes"]:
            raise Fault(f"shard {path} is missing or cut short; {remedy}")
        try:
            shard: NDArray[np.uint8] = np.asarray(np.lib.format.open_memmap(path, mode="r"))
        except (ValueError, OSError, EOFError) as error:
            raise Fault(f"shard {path} cannot be read ({error}); {remedy}") from error
        height, width, channels = self.shape
        stored = (entry["count"], height, width, channels * (2 if self.paired else 1))
        if shard.dtype != np.uint8 or shard.shape != stored:
            raise Fault(f"shard {path} holds {shard.dtype} {shard.shape}, not what the manifest says; {remedy}")
        return shard

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def content_hash(self) -> str:
        return str(self.manifest["content_hash"])

    @property
    def paired(self) -> bool:
        """Does every picture (the target) have a source?"""
        return bool(self.manifest.get("pair", False))

    def gather(self, indices: Iterable[int]) -> NDArray[np.uint8]:
        """Copy the pictures of these numbers (0 … len−1), of pairs the targets: uint8 (n, H, W, C)."""
        return self._stored(indices)[..., -self.shape[2] :]

    def split(self, held_out: int) -> tuple[Part, Part]:
        """The pictures to learn from, and so many held out: the same ones whenever and for whomever it is asked."""
        order = np.random.Generator(np.random.PCG64(0)).permutation(len(self))
        return Part(self, order[held_out:]), Part(self, order[:held_out])

    def gather_pairs(self, indices: Iterable[int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Copy (sources, targets) of these numbers: uint8 (n, H, W, C) each. Raises UsageError without pairs."""
        if not self.paired:
            raise UsageError(f"{self.folder} holds no pairs; prepare it with --pairs-from or --side-by-side")
        both = self._stored(indices)
        return both[..., : self.shape[2]], both[..., self.shape[2] :]

    def _stored(self, indices: Iterable[int]) -> NDArray[np.uint8]:
        chosen = _numbers(indices)
        if len(self._shards) == 1:
            return self._shards[0][chosen]
        out = np.empty((len(chosen), *self._shards[0].shape[1:]), dtype=np.uint8)
        places = np.searchsorted(self._ends, chosen, side="right")
        for place in np.unique(places):
            here, begin = places == place, self._ends[place - 1] if place else 0
            out[here] = self._shards[place][chosen[here] - begin]
        return out

    def records(self) -> list[sources.Record]:
        """Path, tags and label of every picture, in order. Raises Fault if they are damaged, too few or too many."""
        path, remedy = self.folder / "records.jsonl", f"prepare {self.manifest['source']} again"
        with os_errors("read", path):
            lines = path.read_bytes().splitlines()
        try:
            entries = [json.loads(line) for line in lines]
            records = [sources.Record(entry["path"], tuple(entry["tags"]), entry["label"]) for entry in entries]
        except (ValueError, KeyError, TypeError) as error:
            raise Fault(f"{path} is damaged ({error}); {remedy}") from error
        if len(records) != len(self):
            raise Fault(f"{path} tells of {len(records):,} pictures, the manifest of {len(self):,}; {remedy}")
        return records

    def verify(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Compare every byte of pictures and records with the manifest's SHA-256; returns how many bytes those are.

        ``progress`` is told the bytes read and the bytes in all. Raises Fault naming the file that differs.
        """
        entries = [*self.manifest["shards"], self.manifest["records"]]
        paths = [self.folder / Path(entry["file"]).name for entry in entries]
        for path in paths:
            if not path.is_file():
                raise Fault(f"{path} is missing; prepare {self.manifest['source']} again")
        total, done = sum(path.stat().st_size for path in paths), 0
        for entry, path in zip(entries, paths, strict=True):
            digest = hashlib.sha256()
            with os_errors("read", path), path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    done += len(chunk)
                    if progress:
                        progress(done, total)
            if digest.hexdigest() != entry["sha256"]:
                raise Fault(f"{path} is not what was written; prepare {self.manifest['source']} again")
        return done

    def summary(self) -> str:
        """One line for people: how many, how big, what was left out."""
        m = self.manifest
        height, width, channels = self.shape
        what, colour = "pairs" if self.paired else "pictures", "colour" if channels == 3 else "grey"
        left = [f"{count:,} {_LEFT_OUT.get(stage, stage)}" for stage, count in m["left_out"].items() if count]
        said = [f"{m['count']:,} of {m['found']:,} {what}, {width}×{height}, {colour}"]
        said.append(f"left out: {', '.join(left)} (reasons in quarantine.csv)" if left else "none left out")
        if m["cropped_bars"]:
            said.append(f"bars cropped off {m['cropped_bars']}")
        if m["orphans"]:
            said.append(f"{m['orphans']:,} orphans (listed in quarantine.csv)")
        if stretch := m.get("stretch"):
            said.append(f"sides stretched by {stretch['mean']:.2f} on average, {stretch['largest']:.2f} at most")
        return "; ".join(said)


def _numbers(indices: Iterable[int]) -> NDArray[np.int64]:
    return np.asarray(indices if isinstance(indices, np.ndarray) else list(indices), dtype=np.int64)


def held_out(count: int, share: float) -> int:
    """How many of ``count`` pictures are held out when such a share is wanted: too few to tell from are none."""
    wanted = min(round(share * count), _MOST_HELD_OUT)
    return wanted if wanted >= _LEAST_HELD_OUT else 0


def is_prepared(folder: Path) -> bool:
    """Is this a folder that ``prepare`` has written, and nothing else in it?"""
    try:
        manifest = _read_manifest(folder)
        ours = {MANIFEST, "records.jsonl", "quarantine.csv", *(shard["file"] for shard in manifest["shards"])}
    except (BocetoError, KeyError, TypeError):
        return False
    return {path.name for path in folder.iterdir()} <= ours


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if folder.is_file():
        raise UsageError(f"dataset {folder} is a file; give the folder that boceto prepare has made")
    if not folder.is_dir():
        raise UsageError(f"dataset {folder} does not exist; make it with: boceto prepare FOLDER -o {folder}")
    if not path.is_file():
        raise UsageError(
            f"{folder} is no prepared dataset (no manifest.json); boceto prepare {folder} -o DATA makes one"
        )
    try:
        manifest = json.loads(path.read_bytes())
        version = manifest["format"]
        manifest["shape"], manifest["shards"], manifest["content_hash"], manifest["source"], manifest["records"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Fault(f"{path} is damaged ({type(error).__name__}: {error}); prepare the dataset again") from error
    if version != FORMAT:
        raise UsageError(f"{folder} is in format {version}, this boceto reads {FORMAT}; prepare it again")
    found: dict[str, Any] = manifest
    return found
