"""Named sets of pictures from Kaggle and Hugging Face → a folder that ``prepare`` reads.

The libraries that download (``kagglehub``, ``huggingface_hub``) are optional (the extra ``fetch``). What
they download stays in their own cache, so that an interrupted download goes on where it stopped; from there it is put
together beside its place (as links where the disk allows, which takes no room twice), and moved there whole.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import importlib
import json
import os
import posixpath
import re
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from boceto.data.sources import SUFFIXES
from boceto.errors import Fault, UsageError, nearest, os_errors, os_fault

METADATA = "metadata.jsonl"
Told = Callable[[int, int], None]  # files placed, and in all
_HANDLE = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Set:
    """A set of pictures: where it is, what it holds, under which terms, and how to prepare it.

    ``holds`` names the folders of the download that belong to it (none: all of it). With ``flat`` all its pictures
    come into one folder, where the first of a name stays: folders that split a set are no classes.
    """

    name: str
    kind: Literal["kaggle", "kaggle competition", "hf"]
    handle: str
    about: str
    licence: str
    prepare: str = "--size 64"
    holds: tuple[str, ...] = ()
    flat: bool = False

    @property
    def page(self) -> str:
        """Where to read about it, and to accept its terms."""
        site = {
            "kaggle": "www.kaggle.com/datasets",
            "kaggle competition": "www.kaggle.com/competitions",
            "hf": "huggingface.co/datasets",
        }
        return f"https://{site[self.kind]}/{self.handle}"


SETS = {
    known.name: known
    for known in (
        Set(
            name="danbooru-tagged",
            kind="kaggle",
            handle="mylesoneill/tagged-anime-illustrations",
            about="about 337,000 illustrations of Danbooru2017, at most 512 px a side, with all their tags",
            licence="each picture belongs to its artist; for research, not to be passed on",
            prepare='--tags "(1girl | solo) & white_background & full_body" --grey --size 48',
            holds=("danbooru-images", "danbooru-metadata"),
        ),
        Set(
            name="moeimouto",
            kind="kaggle",
            handle="mylesoneill/tagged-anime-illustrations",
            about="about 17,000 faces of cartoon characters, 160 px, in a folder a character",
            licence="each picture belongs to its artist; for research, not to be passed on",
            prepare="--size 64",
            holds=("moeimouto-faces",),
        ),
        Set(
            name="painter-by-numbers",
            kind="kaggle competition",
            handle="painter-by-numbers",
            about="about 103,000 paintings of WikiArt with genre, style and artist as tags; a large download",
            licence="as the competition's rules say, which have to be accepted; some paintings are still in copyright",
            prepare="--tags landscape --size 64",
            flat=True,  # replacements_for_corrupted_files comes before test and train
        ),
    )
}


@dataclass(frozen=True)
class Fetched:
    """What was fetched: the set, where it is now, how many pictures and how many of them with tags, and the cache."""

    set: Set
    out: Path
    pictures: int
    tagged: int
    cache: Path


def find(name: str) -> Set:
    """A set by its name, ``hf:OWNER/NAME`` or ``kaggle:OWNER/NAME``. Raises UsageError naming the nearest."""
    if name in SETS:
        return SETS[name]
    site, colon, handle = name.partition(":")
    if not colon:
        raise UsageError(f"there is no set '{name}'{nearest(name, SETS)}, or give hf:OWNER/NAME or kaggle:OWNER/NAME")
    if site not in ("hf", "kaggle") or not _HANDLE.fullmatch(handle):
        raise UsageError(f"'{name}' names no set; write hf:OWNER/NAME, kaggle:OWNER/NAME, or one of {', '.join(SETS)}")
    kind: Literal["hf", "kaggle"] = "hf" if site == "hf" else "kaggle"
    return Set(name=name, kind=kind, handle=handle, about="", licence="see its page")


def fetch(name: str, out: Path | str, *, progress: Told | None = None) -> Fetched:
    """Download a set into ``out``, a new or empty folder: its pictures, and their tags in ``metadata.jsonl``.

    ``progress`` is told the files put in place and in all, once they are downloaded. Raises UsageError (unknown name,
    folder not empty, library absent, terms not accepted, nothing in it to use) or Fault (no connection, no space).
    """
    wanted, out = find(name), Path(out).absolute()
    _check_place(out)
    cache = _download(wanted)
    unfinished = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    try:
        with os_errors("write", out):
            unfinished.mkdir(parents=True)
            pictures = _place(cache, unfinished, wanted, progress)
            if not pictures:
                raise UsageError(_no_pictures(wanted, cache))
            tagged = _describe(cache, unfinished, wanted, pictures)
            _check_place(out)  # again: it may have been filled meanwhile
            if out.exists():
                out.rmdir()
            unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return Fetched(wanted, out, len(pictures), tagged, cache)


def _check_place(out: Path) -> None:
    if out.is_file():
        raise UsageError(f"{out} is a file; give a new folder (-o)")
    with os_errors("read folder", out):
        if out.exists() and any(out.iterdir()):
            raise UsageError(f"folder {out} is not empty, and nothing in it shall be mixed or lost; give another (-o)")


# ── downloading ────────────────────────────────────────────────────────────────────────────────────────────────────


def _download(wanted: Set) -> Path:
    """The folder in the library's cache that holds the set; what goes wrong ends in one sentence."""
    library = _library("huggingface_hub" if wanted.kind == "hf" else "kagglehub", wanted)
    try:
        if wanted.kind == "hf":
            # What cannot be used (Parquet, weights) is not worth its download.
            found = library.snapshot_download(wanted.handle, repo_type="dataset", allow_patterns=_usable())
        elif wanted.kind == "kaggle":
            found = library.dataset_download(wanted.handle)
        else:
            found = library.competition_download(wanted.handle)
    except Exception as error:  # each library has its own kinds, which cannot be named without importing it
        raise _as_sentence(wanted, error) from error
    return Path(found)


def _library(name: str, wanted: Set) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f"{wanted.name} is fetched with {name}, which is not installed: pip install {name}") from error


def _usable() -> list[str]:
    endings = [*sorted(SUFFIXES), ".zip", ".jsonl", ".json", ".csv"]
    return [f"*{form}" for ending in endings for form in (ending, ending.upper())] + ["README*", "LICENSE*"]


_OFFLINE = {"ConnectionError", "Timeout", "TransportError", "OfflineModeIsEnabled", "LocalEntryNotFoundError"}
_NO_TOKEN = {"UnauthenticatedError", "CredentialError", "LocalTokenNotFoundError"}


def _as_sentence(wanted: Set, error: Exception) -> UsageError | Fault:
    """A library's error as one sentence with the remedy, told by its kind's name and by the server's answer."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    name, page = wanted.name, wanted.page
    if wanted.kind == "hf":
        token = "log in with: hf auth login (a token from https://huggingface.co/settings/tokens)"
    else:
        token = "make an API token at https://www.kaggle.com/settings and save it as it says there"
    if "GatedRepoError" in kinds:
        return UsageError(f"{name} asks for its terms to be accepted: do so at {page}, then {token}")
    if wanted.kind == "kaggle competition" and (status in (401, 403) or kinds & _NO_TOKEN):
        missing = "its rules are not accepted yet, or there is no valid token" if status else "there is no token"
        return UsageError(f"{name} cannot be had: {missing}; accept the rules at {page}/rules, and {token}")
    if "RepositoryNotFoundError" in kinds or "HFValidationError" in kinds or status == 404:
        return UsageError(f"{name} was not found at {page}; check its name, or if it is private, {token}")
    if kinds & _NO_TOKEN or status in (401, 403):
        return UsageError(f"{name} is not open to everybody, and there is no valid token for it; {token}")
    if kinds & _OFFLINE:
        return Fault(f"{name} cannot be downloaded: {page} cannot be reached; check the connection and run again")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        return os_fault("download to", error.filename or "the cache", error)
    what = " ".join(str(error).split())[:200] or type(error).__name__
    return Fault(f"{name} could not be downloaded ({what}); run the same command again to go on")


# ── putting together ───────────────────────────────────────────────────────────────────────────────────────────────


def _place(cache: Path, folder: Path, wanted: Set, progress: Told | None) -> list[str]:
    """Put the set's files into ``folder``, ZIPs unpacked; returns the pictures, relative, sorted."""
    files = [path for path in _files(cache) if _belongs(path, wanted)]
    top = _common_folder(files) if wanted.holds else ""
    inside = {path: _members(cache / path) for path in files if path.lower().endswith(".zip")}
    total, done = sum(len(inside.get(path, "1")) for path in files), 0
    pictures = set()
    for path in files:
        name = path[len(top) :]
        for placed in _placed(cache / path, folder, name, inside.get(path), wanted.flat):
            done += 1
            if _is_picture(placed):
                pictures.add(placed)
            if progress:
                progress(done, total)
    return sorted(pictures)


def _placed(source: Path, folder: Path, name: str, members: dict[str, str] | None, flat: bool) -> Iterator[str]:
    """Link one file, or unpack a ZIP's; yields the name of each in ``folder``. What is there already stays."""

    def place(name: str) -> tuple[str, Path]:
        if flat and _is_picture(name):
            name = f"pictures/{PurePosixPath(name).name}"
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return name, target

    if members is None:
        name, target = place(name)
        if not target.exists():
            _link(source.resolve(), target)
        yield name
        return
    beneath = PurePosixPath(name).with_suffix("")
    with _zip(source) as archive:
        for member, inner in members.items():
            name, target = place(str(beneath / inner))
            if not target.exists():
                with archive.open(member) as content, target.open("wb") as sink:
                    shutil.copyfileobj(content, sink)
            yield name


def _files(cache: Path) -> list[str]:
    """Files below the cache's folder, relative, with ``/``, sorted; hidden ones are the libraries' own."""
    found = []
    for here, folders, files in os.walk(cache):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        found += [Path(here, name).relative_to(cache).as_posix() for name in files if not name.startswith(".")]
    return sorted(found)


def _belongs(path: str, wanted: Set) -> bool:
    """Of a named set only its folders' pictures: its tags are written anew, and a download may hold several sets."""
    if wanted.holds:
        top = path.partition("/")[0].removesuffix(".zip")
        return top in wanted.holds and (_is_picture(path) or (path.endswith(".zip") and "metadata" not in top))
    return True


def _common_folder(files: Iterable[str]) -> str:
    """The folder that all files lie in, with a ``/`` at the end: archives like to repeat their own name."""
    folders = [path.rpartition("/")[0] for path in files]
    common = posixpath.commonpath(folders) if folders else ""
    return f"{common}/" if common else ""


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _link(source: Path, target: Path) -> None:
    """A link to the file itself where the disk allows it, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _members(path: Path) -> dict[str, str]:
    """A ZIP's pictures and metadata, by their names in it: where they go. None leads out of its folder."""
    found = {}
    with _zip(path) as archive:
        for member in archive.infolist():
            parts = PurePosixPath(member.filename.replace("\\", "/")).parts
            usable = _is_picture(member.filename) or member.filename.lower().endswith((".jsonl", ".json", ".csv"))
            if member.is_dir() or not usable:
                continue
            if any(part[0] in "./" or ":" in part or part == "__MACOSX" for part in parts):  # hidden, or leads away
                continue
            repeats = len(parts) > 1 and parts[0] == path.stem  # archives like to repeat their own name
            found[member.filename] = "/".join(parts[1:] if repeats else parts)
    return found


@contextlib.contextmanager
def _zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """An opened ZIP; damage inside becomes a Fault naming it."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Fault(f"{path} is damaged ({error}); delete it and run the same command again") from error


def _no_pictures(wanted: Set, cache: Path) -> str:
    endings = sorted({PurePosixPath(path).suffix for path in _files(cache)} - {""})
    held = f"only {', '.join(endings[:8])}" if endings else "nothing of use"
    return (
        f"{wanted.name} holds no picture files ({held}); look at {wanted.page} for a set of pictures in folders or ZIPs"
    )


# ── tags ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _describe(cache: Path, folder: Path, wanted: Set, pictures: list[str]) -> int:
    """Write ``metadata.jsonl`` of the named sets that tell tags in a way of their own; returns the pictures with tags.

    The originals speak of millions of pictures that are not there, and would be read at each preparing.
    """
    if wanted.name == "danbooru-tagged":
        entries = _danbooru(cache, pictures)
    elif wanted.name == "painter-by-numbers":
        entries = _painters(folder, pictures)
    else:
        return 0
    tags: dict[str, list[str]] = {}
    for path, names in entries:
        tags.setdefault(path, names)
    if not tags:
        raise Fault(f"{wanted.name} came without its tags, so its form must have changed; see {wanted.page}")
    with (folder / METADATA).open("w", encoding="utf-8", newline="\n") as file:
        for path in sorted(tags):
            file.write(json.dumps({"file_name": path, "tags": tags[path]}) + "\n")
    return sum(1 for names in tags.values() if names)


def _danbooru(cache: Path, pictures: list[str]) -> Iterator[tuple[str, list[str]]]:
    """(path, tags) from Danbooru's JSON lines, one a post: its ``id`` is the file's name."""
    by_id = {PurePosixPath(path).stem: path for path in pictures}
    for stream in _streams(cache / "danbooru-metadata", ".json"):
        for line in stream:
            try:
                post = json.loads(line)
                path, tags = by_id.get(str(post["id"])), post["tags"]
                if path is not None:
                    yield path, [str(tag["name"]) for tag in tags]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue


def _painters(folder: Path, pictures: list[str]) -> Iterator[tuple[str, list[str]]]:
    """(path, tags) from Painter by Numbers' tables: genre, style and artist, as tags without spaces."""
    by_name: dict[str, list[str]] = {}
    for path in pictures:
        by_name.setdefault(PurePosixPath(path).name, []).append(path)
    tables = sorted(
        filter(Path.is_file, folder.rglob("*.csv")), key=lambda path: (path.name != "all_data_info.csv", path)
    )
    for table in tables:
        with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            for row in csv.DictReader(file):
                for path in by_name.get(row.get("new_filename") or row.get("filename") or "", ()):
                    yield path, _words(row)


def _words(row: Mapping[str, str | None]) -> list[str]:
    words = (re.sub(r"[\s&|!()\"]+", "_", (row.get(key) or "").strip().lower()) for key in ("genre", "style", "artist"))
    return [word for word in dict.fromkeys(words) if word]


def _streams(place: Path, ending: str) -> Iterator[Iterable[bytes]]:
    """The files below a folder, or in the ZIP of that name, opened one after the other."""
    archive = place.with_name(f"{place.name}.zip")
    if archive.is_file():
        with _zip(archive) as file:
            for name in sorted(file.namelist()):
                if name.endswith(ending):
                    with file.open(name) as stream:
                        yield stream
        return
    for path in sorted(place.rglob(f"*{ending}")):
        with path.open("rb") as plain:
            yield plain
