"""Preparing: a folder of drawings → a prepared dataset, with every picture that is left out named and reasoned.

It is written beside its place and moved there whole, so a folder of that name is always a complete dataset.
"""

from __future__ import annotations

import csv
import hashlib
import json
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from boceto.data import framing, screening, sources
from boceto.data.framing import Fit, Frame
from boceto.data.prepared import FORMAT, MANIFEST, Prepared, is_prepared, sha256
from boceto.data.screening import Pixels, Rejected
from boceto.errors import Fault, UsageError, os_errors
from boceto.version import __version__
from boceto.workers import spread

SHARD_BYTES = 256 * 2**20
Bars = Literal["drop", "crop", "keep"]
Duplicates = Literal["drop", "keep"]
STAGES = ("tags", "unreadable", "too small", "bars", "duplicate")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What decides which pictures are kept and how they look. Same pictures and options → same content hash."""

    frame: Frame = Frame()  # noqa: RUF009  frozen
    tags: str | None = None
    bars: Bars = "crop"
    duplicates: Duplicates = "drop"
    min_side: int | None = None  # None: half the frame's shorter side

    @property
    def smallest(self) -> int:
        return min(self.frame.height, self.frame.width) // 2 if self.min_side is None else self.min_side


@dataclass(frozen=True)
class Progress:
    """How far preparing has come: of ``total`` pictures ``done`` were looked at, ``kept`` of them kept."""

    done: int
    total: int
    kept: int


@dataclass(frozen=True)
class _Verdict:
    record: sources.Record
    pixels: Pixels | None = None
    fingerprint: int = 0
    cropped: bool = False
    stage: str = ""
    reason: str = ""


def prepare(
    source: Path | str,
    out: Path | str,
    *,
    size: int | str = 64,
    fit: Fit = "crop",
    grey: bool = False,
    tags: str | None = None,
    bars: Bars = "crop",
    duplicates: Duplicates = "drop",
    paper: str = "white",
    min_side: int | None = None,
    enlarge: bool = False,
    workers: int | None = 1,
    force: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Prepared:
    """Prepare the drawings of the folder ``source`` into the new folder ``out``; the options in everyday terms.

    ``size`` is a side or ``"WIDTHxHEIGHT"`` in pixels; ``paper`` lies under transparency; the rest is as in ``Frame``,
    ``Options`` and ``write``. More than one worker (None: one a core) starts Python anew for each, so the calling
    script then needs ``if __name__ == "__main__":``.
    """
    height, width = framing.parse_size(str(size))
    how = Frame(height=height, width=width, fit=fit, grey=grey, paper=framing.parse_colour(paper), enlarge=enlarge)
    if min_side is not None and min_side < 1:
        raise UsageError(f"the smallest side cannot be {min_side}; give 1 or more pixels")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers cannot work; give 1 or more")
    options = Options(frame=how, tags=tags, bars=bars, duplicates=duplicates, min_side=min_side)
    return write(Path(source), Path(out), options, workers=workers, force=force, progress=progress)


def write(
    source: Path,
    out: Path,
    options: Options = Options(),
    *,
    workers: int | None = None,
    force: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Prepared:
    """Prepare the drawings of ``source`` into the new folder ``out``.

    The result does not depend on ``workers`` (None: all cores). An existing ``out`` is replaced only with ``force``,
    and only if it is a prepared dataset. Raises UsageError (bad source, query or place; nothing left to keep) or Fault.
    """
    out = out.resolve()
    _check_place(source, out, force)
    asks = screening.tag_query(options.tags) if options.tags else None
    listing = sources.read(source)
    asked = [record for record in listing.records if asks is None or asks(record.tags)]
    left_out = [
        _Verdict(record, stage="tags", reason=f"does not match {options.tags}")
        for record in listing.records
        if asks is not None and not asks(record.tags)
    ]
    if not asked:
        raise UsageError(f'no picture of {source} matches the tags "{options.tags}"; check the names and the query')
    unfinished = _beside(out, "partial")
    with os_errors("write", out):
        unfinished.mkdir(parents=True)
    try:
        with os_errors("write", out):
            writer = _Writer(unfinished, options)
            for done, verdict in enumerate(_examined(listing.root, asked, options, workers), 1):
                writer.take(verdict)
                if progress:
                    progress(Progress(done, len(asked), writer.count))
            if not writer.count:
                raise UsageError(_nothing_kept(source, [*left_out, *writer.rejected]))
            if not listing.root.is_dir():
                raise Fault(f"the source {source} has gone away while it was read; bring it back and run again")
            writer.finish(listing, left_out)
            _check_place(source, out, force)  # again: it may have appeared meanwhile
            _put_in_place(unfinished, out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return Prepared(out)


def _beside(out: Path, what: str) -> Path:
    """A hidden name of our own beside ``out``."""
    return out.with_name(f".{out.name}.{secrets.token_hex(4)}.{what}")


def _put_in_place(finished: Path, out: Path) -> None:
    """Move a finished dataset to its place; one that is there is put aside first and removed last."""
    if not out.exists():
        finished.rename(out)
        return
    aside = _beside(out, "old")
    out.rename(aside)
    try:
        finished.rename(out)
    except BaseException:
        aside.rename(out)
        raise
    shutil.rmtree(aside)


def _check_place(source: Path, out: Path, force: bool) -> None:
    """Refuse places where writing would lose or mix something."""
    if source.resolve().is_relative_to(out):
        raise UsageError(f"the prepared dataset {out} cannot take the place of its source {source}; give another -o")
    if not out.exists():
        return
    if not force:
        raise UsageError(f"{out} exists already; give another place (-o), or ask for it anew (--force, force=True)")
    if not is_prepared(out):
        raise UsageError(f"{out} is no prepared dataset, or holds other files, so it is left alone; give another -o")


def _nothing_kept(source: Path, rejected: Sequence[_Verdict]) -> str:
    counts = Counter(verdict.stage for verdict in rejected)
    why = ", ".join(f"{counts[stage]} {stage}" for stage in STAGES if counts[stage])
    return f"no picture of {source} is left to train on ({why}); relax the options or check the pictures"


# ── examining, in worker processes ─────────────────────────────────────────────────────────────────────────────────


def _examine(root: Path, options: Options, records: Sequence[sources.Record]) -> list[_Verdict]:
    return [_examine_one(root, record, options) for record in records]


def _examine_one(root: Path, record: sources.Record, options: Options) -> _Verdict:
    """Read, screen and frame one picture; a pure function of the file and the options."""
    try:
        image = screening.open_picture(root / record.path)
        screening.require_size(image, options.smallest)
        try:
            image, times = framing.upright(image, options.frame)
        except MemoryError:
            raise
        except Exception as error:
            raise Rejected("unreadable", f"cannot be converted to RGB: {error}") from error
        cropped = False
        if options.bars != "keep":
            bars = screening.find_bars(np.asarray(image))
            if bars and options.bars == "drop":
                raise Rejected("bars", str(bars.enlarged(times)))
            if bars:
                image = image.crop((bars.left, bars.top, image.width - bars.right, image.height - bars.bottom))
                screening.require_size(image, options.smallest, times)
                cropped = True
        pixels = framing.frame(image, options.frame)
        return _Verdict(record, pixels, screening.fingerprint(pixels), cropped)
    except Rejected as verdict:
        return _Verdict(record, stage=verdict.stage, reason=verdict.reason)


def _examined(
    root: Path, records: Sequence[sources.Record], options: Options, workers: int | None
) -> Iterator[_Verdict]:
    """Verdicts in the order of the records, whatever the number of workers."""
    chunks = [records[i : i + 64] for i in range(0, len(records), 64)]
    for verdicts in spread(partial(_examine, root, options), chunks, workers):
        yield from verdicts


# ── writing ────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Writer:
    """Takes verdicts in order; writes shards, records, quarantine and at last the manifest."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder, self.options = folder, options
        self.count = self.cropped = 0
        self.kept_paths: list[str] = []
        self.rejected: list[_Verdict] = []
        self._duplicates = screening.Duplicates()
        how = options.frame
        self._shape = (how.height, how.width, 1 if how.grey else 3)
        self._per_shard = max(1, SHARD_BYTES // int(np.prod(self._shape)))
        self._shards: list[dict[str, Any]] = []
        self._buffer: list[Pixels] = []
        self._records = (folder / "records.jsonl").open("w", encoding="utf-8", newline="\n")

    def take(self, verdict: _Verdict) -> None:
        if verdict.pixels is None:
            self.rejected.append(verdict)
            return
        if self.options.duplicates == "drop":
            earlier = self._duplicates.find(verdict.fingerprint, verdict.pixels)
            if earlier is not None:
                reason = f"repeats {self.kept_paths[earlier]}"
                self.rejected.append(replace(verdict, pixels=None, stage="duplicate", reason=reason))
                return
            self._duplicates.add(verdict.fingerprint, verdict.pixels)
        self._records.write(json.dumps(asdict(verdict.record)) + "\n")
        self.kept_paths.append(verdict.record.path)
        self._buffer.append(verdict.pixels)
        self.count += 1
        self.cropped += verdict.cropped
        if len(self._buffer) == self._per_shard:
            self._flush()

    def _flush(self) -> None:
        """Write the buffered pictures as one .npy shard."""
        if not self._buffer:
            return
        path = self.folder / f"images-{len(self._shards):05d}.npy"
        pixels = np.stack(self._buffer)
        with path.open("wb") as file:  # np.save would hide the system's reason (a full disk) from us
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(pixels))
            file.write(pixels.data)
        size = path.stat().st_size
        self._shards.append({"file": path.name, "count": len(self._buffer), "bytes": size, "sha256": sha256(path)})
        self._buffer.clear()

    def finish(self, listing: sources.Source, left_out: Sequence[_Verdict]) -> None:
        self._flush()
        self._records.close()
        faults = sorted(self.rejected, key=lambda verdict: verdict.record)
        rejected = [*faults, *left_out]  # faults first: what a query leaves out can be very long
        with (self.folder / "quarantine.csv").open(
            "w", encoding="utf-8", errors="backslashreplace", newline=""
        ) as file:
            table = csv.writer(file)
            table.writerow(("stage", "reason", "path"))
            table.writerows((verdict.stage, verdict.reason, verdict.record.path) for verdict in faults)
            table.writerows(("orphan", reason, name) for reason, name in listing.orphans)
            table.writerows((verdict.stage, verdict.reason, verdict.record.path) for verdict in left_out)
        counts = Counter(verdict.stage for verdict in rejected)
        options = asdict(self.options)
        records_hash = sha256(self.folder / "records.jsonl")
        digest = json.dumps([FORMAT, options, [s["sha256"] for s in self._shards], records_hash], sort_keys=True)
        manifest = {
            "format": FORMAT,
            "software": f"boceto {__version__}",
            "content_hash": hashlib.sha256(digest.encode()).hexdigest(),
            "source": str(listing.root.resolve()),
            "count": self.count,
            "shape": list(self._shape),
            "found": len(listing.records),
            "left_out": {stage: counts[stage] for stage in STAGES},
            "cropped_bars": self.cropped,
            "orphans": len(listing.orphans),
            "other_files": listing.others,
            "options": options,
            "shards": self._shards,
            "records": {"file": "records.jsonl", "sha256": records_hash},
        }
        (self.folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
