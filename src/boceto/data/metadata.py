"""What is known of pictures: tags and labels, out of the usual forms of metadata.

    metadata.jsonl, any other .jsonl or .json of lines   one object a picture (Danbooru, Hugging Face imagefolder)
    metadata.csv, metadata.parquet                       one row a picture (Hugging Face imagefolder)
    PICTURE.json or PICTURE.jpg.json                     one file a picture
    dataset.json                                         labels (StyleGAN)

An entry names its picture by ``file_name`` (beside the metadata), or by ``id`` or ``md5``, which is then the file's
name without its ending; of several such files the one in the folder of Danbooru's copies is taken, id modulo 1000.
Tags are ``tags: [{"name": …}]``, ``["…"]``, ``{"…": score}``, ``"a b c"`` or ``"a, b, c"``, or ``tag_string``.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from boceto.data.containers import DAMAGE, LARGEST, Container
from boceto.data.screening import Rejected
from boceto.errors import UsageError, os_errors

LONGEST_LINE = 16 * 2**20  # bytes; a longer one is no metadata of one picture
_LONGEST_ROW = 2**20  # characters of a CSV
_LARGEST_LABELS = 64 * 2**20  # bytes of a dataset.json
_MOST_VALUES = 6_000_000  # in a dataset.json, since a value of two bytes takes a hundred in memory
_MOST_JUNK = 10_000  # lines that are no objects, after which a file is read no further
_FILE_KEYS = ("file_name", "filename", "file", "image", "path")
_ENTRY = tuple[str, "Mapping[str, Any] | None"]  # where it stands, and what it says; None: no JSON object


@dataclass
class Described:
    """What metadata says of known pictures, by path; ``orphans`` are (reason, where) of what fits nothing."""

    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    orphans: list[tuple[str, str]] = field(default_factory=list)
    files: set[str] = field(default_factory=set)  # that were metadata


def describe(container: Container, pictures: Sequence[str], others: Iterable[str], extra: Path | None) -> Described:
    """Read all metadata of a container, or the one file ``extra`` instead. Raises UsageError if that has none."""
    found = Described()
    names = _Names(pictures)
    if extra is not None:
        with os_errors("read metadata", extra), extra.open("rb") as file:
            _take(found, names, "", extra.name, file)
        if not found.files:
            raise UsageError(f"{extra} holds no metadata; give JSON lines, CSV or Parquet with file_name or id")
        return found
    candidates = [name for name in others if name.lower().endswith((".jsonl", ".json", ".csv", ".parquet"))]
    candidates = [
        name for name in candidates if not name.lower().endswith((".csv", ".parquet")) or _stem(name) == "metadata"
    ]
    for name, stream in container.streams(candidates):
        if isinstance(stream, Rejected):
            found.orphans.append(("unreadable metadata", name))
            continue
        folder = name.rpartition("/")[0]
        try:
            _take(found, names, folder, name, stream)
        except (*DAMAGE, OSError):  # in its archive; what was read of it before stands
            found.files.add(name)
            found.orphans.append(("unreadable metadata", name))
    return found


class _Names:
    """Finds the picture that an entry speaks of."""

    def __init__(self, pictures: Sequence[str]) -> None:
        self.known = set(pictures)
        self._by_stem: dict[str, str | list[str]] = {}
        for path in pictures:
            stem = _stem(path)
            other = self._by_stem.get(stem)
            if other is None:
                self._by_stem[stem] = path
            else:
                self._by_stem[stem] = [*([other] if isinstance(other, str) else other), path]

    def of(self, entry: Mapping[str, Any], folder: str) -> str | None:
        """The path, or None."""
        for key in _FILE_KEYS:
            name = entry.get(key)
            if isinstance(name, str) and (path := self.beside(name, folder)):
                return path
        for key in ("id", "md5"):
            name = entry.get(key)
            if isinstance(name, str | int) and not isinstance(name, bool) and (path := self._stemmed(str(name))):
                return path
        return None

    def beside(self, name: str, folder: str) -> str | None:
        """A name relative to the metadata's folder, or to the whole source; none leads out of it."""
        near = f"{folder}/{name}" if folder else name
        return near if near in self.known else name if name in self.known else None

    def _stemmed(self, stem: str) -> str | None:
        found = self._by_stem.get(stem)
        if found is None or isinstance(found, str):
            return found
        bucket = f"{int(stem) % 1000:04d}" if stem.isdecimal() and len(stem) < 20 else None
        right = [path for path in found if PurePosixPath(path).parent.name == bucket]
        return right[0] if len(right) == 1 else None

    def sidecar(self, name: str) -> str | None:
        """The picture that ``a/1.json`` or ``a/1.jpg.json`` lies beside."""
        whole = name[: -len(".json")]
        if whole in self.known:
            return whole
        found = self._by_stem.get(_stem(name))
        paths = [found] if isinstance(found, str) else found or []
        beside = [path for path in paths if path.rpartition("/")[0] == name.rpartition("/")[0]]
        return beside[0] if len(beside) == 1 else None


def _stem(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0]


def _take(found: Described, names: _Names, folder: str, name: str, stream: BinaryIO) -> None:
    """Add what one metadata file says."""
    lower = name.lower()
    if lower.rpartition("/")[2] == "dataset.json":
        _take_dataset_json(found, names, folder, name, stream)
    elif lower.endswith(".csv"):
        _take_entries(found, names, folder, name, _csv(name, stream))
    elif lower.endswith(".parquet"):
        _take_entries(found, names, folder, name, _parquet(name, stream))
    elif lower.endswith(".json") and (path := names.sidecar(name)):
        content = stream.read(LONGEST_LINE + 1)
        entry = _object(content) if len(content) <= LONGEST_LINE else None
        if entry is not None:
            found.files.add(name)
            _add(found, path, entry, name)
        else:  # lines whose file happens to be called like a picture
            _take_entries(found, names, folder, name, _json_lines(name, io.BytesIO(content)))
    else:
        _take_entries(found, names, folder, name, _json_lines(name, stream))


def _take_entries(found: Described, names: _Names, folder: str, name: str, entries: Iterable[_ENTRY]) -> None:
    """Add entries; a file without a single object in it is no metadata but some other file."""
    orphans: list[tuple[str, str]] = []
    objects = junk = 0
    for where, entry in entries:
        if entry is None:
            orphans.append(("metadata line is not a JSON object", where))
            junk += 1
            if junk == _MOST_JUNK:
                orphans.append(("metadata read no further, too many such lines", where))
                break
            continue
        objects += 1
        path = names.of(entry, folder)
        if path is None:
            what = next((entry[key] for key in (*_FILE_KEYS, "id", "md5") if key in entry), "")
            orphans.append(("metadata without picture", f"{where} ({_shown(what)})"))
        else:
            _add(found, path, entry, where)
    if objects or name.lower().rpartition("/")[2] == "metadata.jsonl":
        found.files.add(name)
        found.orphans += orphans


def _add(found: Described, path: str, entry: Mapping[str, Any], where: str) -> None:
    if path in found.tags:
        found.orphans.append(("second metadata line for a picture", f"{where} ({path})"))
        return
    found.tags[path] = tag_names(entry)
    label = entry.get("label")
    if isinstance(label, str | int) and not isinstance(label, bool) and str(label).strip():
        found.labels[path] = sys.intern(str(label).strip()[:200])


def _shown(value: object) -> str:
    try:
        return str(value)[:100]
    except RecursionError:  # read a little less deep in the stack than it is shown
        return type(value).__name__


def _object(text: bytes) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _json_lines(name: str, stream: BinaryIO) -> Iterator[_ENTRY]:
    """One object a line; also a file that is one list of objects."""
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        where = f"{name}:{number}"
        if len(line) > LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE + 1)
            yield where, None
            continue
        text = line.strip().removeprefix(b"\xef\xbb\xbf")
        if number == 1 and text.startswith(b"["):
            yield from _json_list(name, line + stream.read(LONGEST_LINE))
            return
        if text:
            yield where, _object(text)


def _json_list(name: str, content: bytes) -> Iterator[_ENTRY]:
    try:
        entries = json.loads(content)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list):
        yield name, None
        return
    for number, entry in enumerate(entries, 1):
        yield f"{name}:{number}", entry if isinstance(entry, dict) else None


def _csv(name: str, stream: BinaryIO) -> Iterator[_ENTRY]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    rows = csv.DictReader(iter(lambda: text.readline(_LONGEST_ROW), ""))
    number = 1
    try:
        while True:
            number += 1
            try:
                row = next(rows, None)
            except csv.Error:
                yield f"{name}:{number}", None
                continue
            if row is None:
                return
            yield f"{name}:{number}", {key: value for key, value in row.items() if isinstance(key, str)}
    finally:
        text.detach()  # the stream is its container's to close


def _parquet(name: str, stream: BinaryIO) -> Iterator[_ENTRY]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UsageError(f"{name} is a Parquet file, which needs pyarrow: pip install pyarrow") from error
    try:
        content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            yield name, None
            return
        file = ParquetFile(io.BytesIO(content))
        wanted = [
            key for key in (*_FILE_KEYS, "id", "md5", "tags", "tag_string", "label") if key in file.schema_arrow.names
        ]
        number = 0
        for batch in file.iter_batches(1000, columns=wanted):
            for row in batch.to_pylist():
                number += 1
                yield f"{name}:{number}", row
    except (ArrowException, OSError, ValueError, *DAMAGE):
        yield name, None


def _take_dataset_json(found: Described, names: _Names, folder: str, name: str, stream: BinaryIO) -> None:
    """StyleGAN's labels: {"labels": [["00000/img00000000.png", 3], …]} or null."""
    text = stream.read(_LARGEST_LABELS + 1)
    if len(text) > _LARGEST_LABELS or sum(text.count(sign) for sign in (b"[", b"{", b",")) > _MOST_VALUES:
        found.orphans.append(("dataset.json is too large", name))
        return
    content = _object(text)
    if content is None:
        found.orphans.append(("dataset.json is not a JSON object", name))
        return
    found.files.add(name)
    pairs = content.get("labels")
    for number, pair in enumerate(pairs if isinstance(pairs, list) else [], 1):
        ok = isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], int | str)
        path = names.beside(pair[0], folder) if ok else None
        if path is None:
            found.orphans.append(("label without picture", f"{name}:{number} ({_shown(pair)})"))
        else:
            found.labels[path] = sys.intern(str(pair[1])[:200])


def tag_names(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags of an entry in any of the usual forms, without repetition, in their order."""
    found = entry.get("tags")
    if found is None:
        found = entry.get("tag_string", ())
    if isinstance(found, str):
        found = _split(found)
    if isinstance(found, dict):  # {"hat": 0.98}, or {"general": ["hat"], "artist": […]}
        lists = [value for value in found.values() if isinstance(value, list)]
        found = [name for value in lists for name in value] if lists else list(found)
    if not isinstance(found, list | tuple):
        return ()
    words = (tag.get("name") if isinstance(tag, dict) else tag for tag in found)
    clean = (word.strip()[:200] for word in words if isinstance(word, str))
    return tuple(dict.fromkeys(sys.intern(word) for word in clean if word))


def _split(text: str) -> list[Any]:
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
            return found if isinstance(found, list) else []
        except (ValueError, RecursionError):
            pass
    return text.split(",") if ", " in text else text.split()
