"""Where drawings come from: a folder tree, class folders, a ZIP or TAR, with or without metadata → records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from boceto.data.containers import Container, open_container, read_all
from boceto.data.metadata import describe
from boceto.data.screening import Rejected
from boceto.errors import UsageError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


@dataclass(frozen=True, order=True, slots=True)
class Record:
    """One picture: its path relative to the source (with ``/``), its tags, and its label (class) if it has one."""

    path: str
    tags: tuple[str, ...] = ()
    label: str | None = None


@dataclass(frozen=True)
class Source:
    """A place with drawings: what is there, and what does not fit together (reason, name)."""

    container: Container
    records: tuple[Record, ...]
    orphans: tuple[tuple[str, str], ...] = ()
    others: int = 0  # files that are neither pictures by their ending nor metadata
    digest: str = ""  # of names, sizes and times

    @property
    def root(self) -> Path:
        """The folder or archive."""
        return self.container.root

    def contents(self, records: Sequence[Record]) -> Iterator[tuple[Record, bytes | Rejected]]:
        """The bytes of these pictures, in the order of ``records``, or why they cannot be had; one at a time.

        ``records`` must stand in the order of ``self.records``, since some archives are read from front to back.
        """
        by_path = {record.path: record for record in records}
        for name, content in read_all(self.container, [record.path for record in records]):
            yield by_path[name], content


def read(place: Path, *, metadata: Path | None = None) -> Source:
    """List a source; reads no picture. Folders and ZIPs are sorted by path, TARs stay as they are.

    ``metadata``: a file that describes the pictures, if it does not lie among them.
    Raises UsageError if the place is missing, is no folder or archive, or holds no picture; Fault if it is damaged.
    """
    container = open_container(place)
    listing = container.listing()
    pictures = [name for name in listing.files if PurePosixPath(name).suffix.lower() in SUFFIXES]
    if not pictures:
        known = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        kind = "folder" if place.is_dir() else "archive"
        if (place / "manifest.json").is_file():
            raise UsageError(f"{place} is a prepared dataset already; give the place of the drawings themselves")
        refused = f"; refused: {len(listing.refused):,}, the first {listing.refused[0][0]}" if listing.refused else ""
        raise UsageError(f"{kind} {place} holds no picture ({len(listing.files)} files, none of them {known}{refused})")
    known_pictures = set(pictures)
    others = [name for name in listing.files if name not in known_pictures]
    found = describe(container, pictures, others, metadata)
    orphans = [*found.orphans, *listing.refused]
    if found.tags or found.labels or found.orphans:
        described = found.tags.keys() | found.labels.keys()
        orphans += [("picture without metadata", path) for path in pictures if path not in described]
    labels = found.labels or class_folders(pictures)
    records = tuple(Record(path, found.tags.get(path, ()), labels.get(path)) for path in pictures)
    left = len(others) - len(found.files - ({metadata.name} if metadata else set()))
    return Source(container, records, tuple(orphans), left, listing.digest)


def class_folders(pictures: Sequence[str]) -> dict[str, str]:
    """Path → class, if every picture lies in one of at least two folders beside each other; else nothing has a class.

    Danbooru's thousand folders, named by id modulo 1000, are no classes.
    """
    parts = [path.split("/")[:-1] for path in pictures]
    depth = 0
    while all(len(folders) > depth and folders[depth] == parts[0][depth] for folders in parts):
        depth += 1
    if not all(len(folders) > depth for folders in parts):
        return {}
    classes = {path: folders[depth] for path, folders in zip(pictures, parts, strict=True)}
    if all(_in_bucket(path, folder) for path, folder in classes.items()):
        return {}
    return classes if len(set(classes.values())) > 1 else {}


def _in_bucket(path: str, folder: str) -> bool:
    stem = PurePosixPath(path).stem
    return stem.isdecimal() and folder == f"{int(stem[-3:]):04d}"
