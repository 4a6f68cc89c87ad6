"""Where drawings come from: a folder tree, class folders, or a folder with metadata → records.

Metadata is JSON lines (``metadata.jsonl``), one object a picture, as Danbooru and Hugging Face's imagefolder write it:
``file_name`` or ``id``, and tags as ``tags: [{"name": …}]``, ``tags: ["…"]`` or ``tag_string: "a b c"``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from boceto.errors import Fault, UsageError, os_errors

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
METADATA = "metadata.jsonl"


@dataclass(frozen=True, order=True)
class Record:
    """One picture: its path relative to the source (with ``/``), its tags, and its class folder if there are any."""

    path: str
    tags: tuple[str, ...] = ()
    label: str | None = None


@dataclass(frozen=True)
class Source:
    """A folder of drawings: what is there, and what does not fit together (reason, name)."""

    root: Path
    records: tuple[Record, ...]
    orphans: tuple[tuple[str, str], ...] = ()
    others: int = 0  # files that are no pictures by their ending


def read(folder: Path) -> Source:
    """List a source, sorted by path; reads no picture.

    Raises UsageError if the folder is missing, is a file, or holds no picture.
    """
    if not folder.exists():
        raise UsageError(f"folder {folder} does not exist; give the folder that holds your drawings")
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file; give the folder that holds your drawings")
    with os_errors("read folder", folder):
        files = sorted(_walk(folder))
    pictures = [path for path in files if PurePosixPath(path).suffix.lower() in SUFFIXES]
    if not pictures:
        known = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise UsageError(f"folder {folder} holds no picture ({len(files)} files, none of them {known})")
    labels = _class_folders(pictures)
    metadata = folder / METADATA
    described = METADATA in files
    others = len(files) - len(pictures) - described
    if not described:
        return Source(folder, tuple(Record(path, (), labels.get(path)) for path in pictures), (), others)
    tags, orphans = _tags(metadata, pictures)
    orphans += [("picture without metadata", path) for path in pictures if path not in tags]
    records = tuple(Record(path, tags.get(path, ()), labels.get(path)) for path in pictures)
    return Source(folder, records, tuple(orphans), others)


def _walk(folder: Path) -> Iterator[str]:
    """Files below a folder, relative, with ``/``; hidden ones and links that leave the folder are passed over."""
    root = folder.resolve()
    for here, folders, files in os.walk(root, onerror=_fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            path = Path(here, name)
            if name.startswith(".") or not path.is_file():  # pipes and sockets would never end
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                continue
            yield path.relative_to(root).as_posix()


def _fail(error: OSError) -> None:
    """A folder that cannot be read is said, not passed over."""
    raise Fault(f"cannot read folder {error.filename}: {error.strerror}; change its permissions or move it away")


def _class_folders(pictures: list[str]) -> dict[str, str]:
    """Path → class, if every picture lies in one of at least two folders; otherwise nothing has a class."""
    tops = {path: path.split("/")[0] for path in pictures if "/" in path}
    return tops if len(tops) == len(pictures) and len(set(tops.values())) > 1 else {}


def _tags(metadata: Path, pictures: list[str]) -> tuple[dict[str, tuple[str, ...]], list[tuple[str, str]]]:
    """Tags by path, and every line that belongs to no picture with the reason."""
    known, by_stem = set(pictures), {PurePosixPath(path).stem: path for path in pictures}
    tags: dict[str, tuple[str, ...]] = {}
    orphans: list[tuple[str, str]] = []
    with os_errors("read", metadata):
        lines = metadata.read_bytes().splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError):
            orphans.append(("metadata line is not a JSON object", f"{metadata.name}:{number}"))
            continue
        name = entry.get("file_name")
        path = name if isinstance(name, str) and name in known else by_stem.get(str(entry.get("id")))
        if path is None:
            orphans.append(
                ("metadata without picture", f"{metadata.name}:{number} ({str(name or entry.get('id'))[:100]})")
            )
        elif path in tags:
            orphans.append(("second metadata line for a picture", f"{metadata.name}:{number} ({path})"))
        else:
            tags[path] = _tag_names(entry)
    return tags, orphans


def _tag_names(entry: Mapping[str, Any]) -> tuple[str, ...]:
    found = entry.get("tags", entry.get("tag_string", ()))
    if isinstance(found, str):
        found = found.split()
    if not isinstance(found, list | tuple):
        return ()
    names = (tag.get("name") if isinstance(tag, dict) else tag for tag in found)
    return tuple(dict.fromkeys(name.strip() for name in names if isinstance(name, str) and name.strip()))
