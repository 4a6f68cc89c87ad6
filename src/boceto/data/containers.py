"""What drawings come in: a folder, a ZIP or a TAR archive → names, and the bytes behind them.

Names are relative, with ``/``, and none leads out of its container: links, absolute paths and ``..`` are refused by
name. Nothing is unpacked to the disk, and nothing is read beyond ``LARGEST`` bytes a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import os
import stat
import struct
import tarfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, Self, cast

from boceto.data.screening import Rejected
from boceto.errors import Fault, UsageError, os_errors

LARGEST = 256 * 2**20  # bytes of one file
_BOMB = 250  # no archive of pictures unpacks to so many times its size
_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_LONGEST_HEADER = 32 * 2**10  # bytes; names and notes before an entry of a TAR, which Python reads whole
_ARCHIVES = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError)
DAMAGE = (*_ARCHIVES, NotImplementedError, ValueError, ArithmeticError, LookupError)  # readers raise nearly anything


@dataclass(frozen=True)
class Listing:
    """The files of a container in their order, what was refused (reason, name), and a digest of names, sizes, times."""

    files: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    digest: str


class Container(Protocol):
    """A place that holds files; small, and can be sent to another process."""

    @property
    def root(self) -> Path:
        """The folder or archive itself."""

    @property
    def any_order(self) -> bool:
        """Can files be read in any order at no cost? If not, only ``streams`` reads them, in the listing's order."""

    def listing(self) -> Listing:
        """All regular files. Raises UsageError or Fault if the container cannot be read."""

    def streams(self, names: Sequence[str]) -> Iterator[tuple[str, BinaryIO | Rejected]]:
        """Each of these files, opened for reading until the next one is asked for; or why it cannot be."""


def open_container(place: Path) -> Container:
    """Raises UsageError if ``place`` is neither a folder nor an archive that is known here."""
    with os_errors("read", place):
        there = place.exists()
    if not there:
        raise UsageError(f"folder {place} does not exist; give the folder (or ZIP, or TAR) that holds your drawings")
    if place.is_dir():
        return Folder(place)
    if place.suffix.lower() == ".zip":
        return Zip(place)
    if place.name.lower().endswith(_TAR_ENDINGS):
        return Tar(place)
    raise UsageError(f"{place} is a file; give the folder that holds your drawings, or a .zip or .tar of them")


def read_all(container: Container, names: Sequence[str]) -> Iterator[tuple[str, bytes | Rejected]]:
    """The bytes of each of these files, or why they cannot be had; one at a time in memory."""
    for name, stream in container.streams(names):
        yield name, stream if isinstance(stream, Rejected) else _content(stream)


def _content(stream: BinaryIO) -> bytes | Rejected:
    try:
        content = stream.read(LARGEST + 1)
    except DAMAGE as error:
        return Rejected("unreadable", f"damaged in its archive: {_short(error)}")
    except OSError as error:
        return Rejected("unreadable", f"cannot be read: {error.strerror or _short(error)}")
    if len(content) > LARGEST:
        return Rejected("unreadable", f"too large a file (over {LARGEST // 2**20} MB)")
    return content


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


@dataclass(frozen=True)
class Folder:
    """A folder with all its sub-folders; hidden files are passed over."""

    root: Path
    any_order = True

    def listing(self) -> Listing:
        digest, files, refused = hashlib.sha256(), [], []
        with os_errors("read folder", self.root):
            for name, told, leaves in sorted(self._walk()):
                if leaves:
                    refused.append(("link that leaves the folder", name))
                else:
                    files.append(name)
                    digest.update(f"{name!r} {told}\n".encode())
        return Listing(tuple(files), tuple(refused), digest.hexdigest())

    def _walk(self) -> Iterator[tuple[str, str, bool]]:
        """(name, size and time, does it leave the folder) of regular files."""
        root = self.root.resolve()
        for here, folders, files in os.walk(root, onerror=_fail):
            folders[:] = [name for name in folders if not name.startswith(".")]
            prefix = Path(here).relative_to(root).as_posix()
            for file in files:
                if file.startswith("."):
                    continue
                path = os.path.join(here, file)  # noqa: PTH118  quick: there may be millions
                name = file if prefix == "." else f"{prefix}/{file}"
                try:
                    about = os.stat(path)  # noqa: PTH116
                except OSError:  # a link to nowhere
                    continue
                leaves = os.path.islink(path) and not Path(path).resolve().is_relative_to(root)  # noqa: PTH114
                if leaves or stat.S_ISREG(about.st_mode):  # pipes and sockets would never end
                    yield name, f"{about.st_size} {about.st_mtime_ns}", leaves

    def streams(self, names: Sequence[str]) -> Iterator[tuple[str, BinaryIO | Rejected]]:
        for name in names:
            try:
                stream = (self.root / name).open("rb")
            except OSError as error:
                yield name, Rejected("unreadable", f"cannot be read: {error.strerror}")
                continue
            with stream:
                yield name, stream


def _fail(error: OSError) -> None:
    """A folder that cannot be read is said, not passed over."""
    raise Fault(f"cannot read folder {error.filename}: {error.strerror}; change its permissions or move it away")


@dataclass(frozen=True)
class Zip:
    """A ZIP archive."""

    root: Path
    any_order = True

    def listing(self) -> Listing:
        digest, refused, size = hashlib.sha256(), [], 0
        files: set[str] = set()
        for info in _zip(self.root).infolist():
            name, reason = info.filename, _refusal(info.filename)
            if name.endswith("/") or _hidden(name):
                continue
            if info.flag_bits & 1:
                reason = "encrypted"
            elif stat.S_ISLNK(info.external_attr >> 16):
                reason = "link"
            elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                reason = "unusual compression"  # which Python unpacks whole into memory, however large
            elif name in files:
                reason = "second file of that name"
            if reason:
                refused.append((f"{reason} in the archive", name[:200]))
                continue
            files.add(name)
            size += info.file_size
            digest.update(f"{name!r} {info.file_size} {info.CRC}\n".encode())
        _refuse_bomb(self.root, size)
        return Listing(tuple(sorted(files)), tuple(refused), digest.hexdigest())

    def streams(self, names: Sequence[str]) -> Iterator[tuple[str, BinaryIO | Rejected]]:
        archive = _zip(self.root)
        for name in names:
            try:
                stream = archive.open(name)
            except (*DAMAGE, OSError, RuntimeError) as error:
                yield name, Rejected("unreadable", f"damaged in its archive: {_short(error)}")
                continue
            with stream:
                yield name, cast("BinaryIO", stream)


def _zip(path: Path) -> zipfile.ZipFile:
    """The archive, kept open as long as it is the same file."""
    with os_errors("read", path):
        about = path.stat()
        return _open_zip(path, (about.st_ino, about.st_size, about.st_mtime_ns))


@lru_cache(maxsize=1)
def _open_zip(path: Path, _version: tuple[int, int, int]) -> zipfile.ZipFile:
    """One open archive a process: its directory may be long."""
    file = path.open("rb")
    try:
        archive = zipfile.ZipFile(file)
    except BaseException as error:
        file.close()
        if isinstance(error, DAMAGE):
            raise UsageError(f"{path} is no ZIP archive, or is damaged ({_short(error)}); fetch it again") from error
        raise
    weakref.finalize(archive, file.close)  # when another archive takes its place
    return archive


@dataclass(frozen=True)
class Tar:
    """A TAR archive, compressed or not: read from front to back."""

    root: Path
    any_order = False

    def listing(self) -> Listing:
        digest, files, refused, seen = hashlib.sha256(), [], [], set[str]()
        for _, member in self._members():
            name, reason = member.name, _refusal(member.name)
            if member.isdir() or _hidden(name):
                continue
            if not member.isreg():
                reason = "link" if member.islnk() or member.issym() else "special file"
            elif name in seen:
                reason = "second file of that name"
            if reason:
                refused.append((f"{reason} in the archive", name[:200]))
                continue
            seen.add(name)
            files.append(name)
            digest.update(f"{name!r} {member.size} {member.mtime}\n".encode())
        return Listing(tuple(files), tuple(refused), digest.hexdigest())

    def streams(self, names: Sequence[str]) -> Iterator[tuple[str, BinaryIO | Rejected]]:
        wanted = set(names)
        for archive, member in self._members():
            if member.name not in wanted or not member.isreg():
                continue
            wanted.discard(member.name)
            stream = archive.extractfile(member)
            assert stream is not None, "only a folder has none"
            with stream:
                yield member.name, cast("BinaryIO", stream)
            if not wanted:
                return

    def _members(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        """Every entry, from front to back; raises Fault where the archive ends before its time."""
        count, before = 0, -1
        with os_errors("read", self.root), contextlib.ExitStack() as closing:
            size = self.root.stat().st_size
            try:
                archive = closing.enter_context(tarfile.open(self.root, "r:*", tarinfo=_Member))
            except DAMAGE as error:
                raise UsageError(f"{self.root} is no TAR archive, or is damaged; fetch it again") from error
            while True:
                try:
                    member = archive.next()
                    if member and (member.offset <= before or member.size < 0):  # it would go round in circles
                        raise tarfile.ReadError("an entry that ends before it begins")
                except (*DAMAGE, OSError) as error:
                    raise Fault(
                        f"archive {self.root} is damaged or cut short after {count} files ({_short(error)}); "
                        f"fetch it again, or unpack what can be unpacked and give the folder"
                    ) from error
                if member is None:
                    return
                has_data = member.isreg() or member.type not in tarfile.SUPPORTED_TYPES
                _refuse_bomb(self.root, member.offset_data + (member.size if has_data else 0), size)
                count, before = count + 1, member.offset
                archive.members.clear()  # type: ignore[attr-defined]  # it would remember every one
                yield archive, member


class _Member(tarfile.TarInfo):
    """An entry, refused where Python would take damage for the end, or unpack what a header says into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            member = super().frombuf(buf, encoding, errors)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error
        if member.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse file")
        if member.type in _NOTES and not 0 <= member.size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {member.size:,} bytes")
        return member

    def _proc_gnusparse_10(self, *_: object) -> None:
        """A list of holes that may be as long as the archive; drawings have none."""
        raise tarfile.ReadError("a sparse file")


_NOTES = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)


def _refuse_bomb(path: Path, unpacked: int, packed: int | None = None) -> None:
    packed = path.stat().st_size if packed is None else packed
    if unpacked > _BOMB * packed + 100 * 2**20:
        raise UsageError(
            f"{path} would unpack to more than {min(unpacked, 2**63) // 2**20:,} MB from {packed / 2**20:,.1f} MB, "
            f"which no archive of pictures does; if you trust it, unpack it yourself and give the folder"
        )


def _refusal(name: str) -> str:
    """Why a name in an archive is not taken, or ''."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or name[1:2] == ":":
        return "path that leaves the archive"
    return ""


def _hidden(name: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in PurePosixPath(name).parts) or (
        name.startswith("__MACOSX/")
    )
