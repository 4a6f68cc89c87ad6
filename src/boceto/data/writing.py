"""Writing a prepared dataset: picture by picture, so that it can be gone on with after a kill.

Everything is appended; a checkpoint says how long each file was. Going on cuts the files to those lengths.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from boceto.data import screening, sources
from boceto.data.examining import Options, Verdict
from boceto.data.prepared import FORMAT, MANIFEST, sha256
from boceto.data.screening import Pixels
from boceto.version import __version__

SHARD_BYTES = 256 * 2**20
CHECKPOINT_SECONDS = 10.0
STAGES = ("tags", "unreadable", "too small", "animated", "bars", "duplicate")
CHECKPOINT, HASHES, LOCK = "checkpoint.json", "hashes.bin", ".lock"
RECORDS, QUARANTINE = "records.jsonl", "quarantine.csv"


def is_ours(folder: Path) -> bool:
    """Is this an unfinished dataset of ours, with nothing else in it?"""
    if folder.is_symlink() or not folder.is_dir():
        return False
    own = {CHECKPOINT, f".{CHECKPOINT}", HASHES, LOCK, RECORDS, QUARANTINE, MANIFEST}
    return all(path.name in own or (path.name[:7] == "images-" and path.suffix == ".npy") for path in folder.iterdir())


class Writer:
    """Takes verdicts in order; ``done`` is how many it has taken, an earlier attempt's included."""

    def __init__(self, folder: Path, options: Options, key: str, asked: Sequence[sources.Record]) -> None:
        """Begin in ``folder``, or go on with what is there if it was begun with the same ``key``.

        ``asked``: the pictures whose verdicts will be taken, in order.
        """
        self.folder, self.options, self._key, self._asked = folder, options, key, asked
        how = options.frame
        self.shape = (how.height, how.width, 1 if how.grey else 3)
        self._stored = (*self.shape[:2], self.shape[2] * (2 if options.paired else 1))
        self._bytes = int(np.prod(self._stored))
        self._per_shard = max(1, SHARD_BYTES // self._bytes)
        self.done = self.count = self.cropped = 0
        self._left_out: Counter[str] = Counter()
        self._stretch = [0.0, 1.0, 0.0]  # sum, largest, how many over 1.5
        self._shards: list[dict[str, Any]] = []
        self._shard: BinaryIO | None = None
        self._kept = array("Q")  # of each kept picture, its number among the asked
        earlier = self._earlier()
        if earlier:
            self._go_on(earlier)
        else:
            for path in folder.iterdir():
                if path.name != LOCK:
                    path.unlink()
        self._records = (folder / RECORDS).open("ab")
        self._quarantine = (folder / QUARANTINE).open("ab")
        self._hashes = (folder / HASHES).open("ab")
        kept = np.fromfile(folder / HASHES, np.uint64).reshape(-1, 2)
        self._kept.extend(kept[:, 1].tolist())
        self._duplicates = screening.Duplicates(self._pixels, kept[:, 0])
        if not earlier:
            self._row("stage", "reason", "path")
            self.checkpoint()
        self._saved = time.monotonic()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        for file in (self._records, self._quarantine, self._hashes, self._shard):
            if file is not None:
                file.close()

    # ── going on ──

    def _earlier(self) -> dict[str, Any] | None:
        """The checkpoint of an earlier attempt at the same, if there is a whole one."""
        try:
            found = json.loads((self.folder / CHECKPOINT).read_bytes())
            sizes = found["sizes"]
            if found["key"] != self._key:
                return None
            whole = all((self.folder / name).stat().st_size >= size for name, size in sizes.items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return found if whole else None

    def _go_on(self, earlier: dict[str, Any]) -> None:
        self.done, self.count, self.cropped = earlier["done"], earlier["count"], earlier["cropped"]
        self._left_out, self._stretch = Counter(earlier["left_out"]), earlier["stretch"]
        self._shards = earlier["shards"]
        for name, size in earlier["sizes"].items():
            os.truncate(self.folder / name, size)
        known = {*earlier["sizes"], CHECKPOINT, LOCK, *(shard["file"] for shard in self._shards)}
        for path in self.folder.iterdir():
            if path.name not in known:
                path.unlink()
        if self._shard_path().exists():
            self._shard = self._shard_path().open("r+b")
            self._shard.seek(0, io.SEEK_END)

    def checkpoint(self) -> None:
        """Make what was taken so far outlast a kill."""
        files = [self._records, self._quarantine, self._hashes, *([self._shard] if self._shard else [])]
        for file in files:
            file.flush()
            os.fsync(file.fileno())
        state = {
            "key": self._key,
            "done": self.done,
            "count": self.count,
            "cropped": self.cropped,
            "left_out": self._left_out,
            "stretch": self._stretch,
            "shards": self._shards,
            "sizes": {Path(file.name).name: file.tell() for file in files},
        }
        temporary = self.folder / f".{CHECKPOINT}"
        temporary.write_text(json.dumps(state), "utf-8")
        temporary.replace(self.folder / CHECKPOINT)
        self._saved = time.monotonic()

    # ── taking ──

    def take(self, verdict: Verdict) -> None:
        """The next verdict: kept, or listed with its reason."""
        self._take(verdict)
        self.done += 1
        if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self.checkpoint()

    def _take(self, verdict: Verdict) -> None:
        if verdict.pixels is None:
            self._leave_out(verdict.stage, verdict.reason, verdict.record.path)
            return
        if self.options.duplicates == "drop":
            earlier = self._duplicates.find(verdict.fingerprint, self._beside(verdict.pixels))
            if earlier is not None:
                path = self._asked[self._kept[earlier]].path
                self._leave_out("duplicate", f"repeats {path}", verdict.record.path)
                return
            self._duplicates.add(verdict.fingerprint)
            self._hashes.write(np.array([verdict.fingerprint, self.done], np.uint64).tobytes())
            self._kept.append(self.done)
        self._records.write(json.dumps(asdict(verdict.record)).encode() + b"\n")
        if self._shard is None:
            self._shard = self._shard_path().open("w+b")
            self._shard.write(self._header(0))
        self._shard.write(np.ascontiguousarray(verdict.pixels).data)
        self.count += 1
        self.cropped += verdict.cropped
        total, largest, strong = self._stretch
        self._stretch = [total + verdict.stretch, max(largest, verdict.stretch), strong + (verdict.stretch > 1.5)]
        if self.count % self._per_shard == 0:
            self._end_shard()

    def _leave_out(self, stage: str, reason: str, path: str) -> None:
        self._left_out[stage] += 1
        self._row(stage, reason, path)

    def _row(self, *row: str) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerow(row)
        self._quarantine.write(text.getvalue().encode("utf-8", "backslashreplace"))

    # ── shards ──

    def _shard_path(self) -> Path:
        return self.folder / f"images-{len(self._shards):05d}.npy"

    def _header(self, count: int) -> bytes:
        """NumPy's header; it leaves room for the count to grow, so its length is always the same."""
        header = io.BytesIO()
        about = {"descr": "|u1", "fortran_order": False, "shape": (count, *self._stored)}
        np.lib.format.write_array_header_1_0(header, about)
        return header.getvalue()

    def _end_shard(self) -> None:
        if self._shard is None:
            return
        count = self.count - sum(shard["count"] for shard in self._shards)
        self._shard.seek(0)
        self._shard.write(self._header(count))
        self._shard.close()
        self._shard = None
        path = self._shard_path()
        about = {"file": path.name, "count": count, "bytes": path.stat().st_size, "sha256": sha256(path)}
        self._shards.append(about)
        self.checkpoint()

    def _pixels(self, number: int) -> Pixels:
        """An earlier kept picture, read back from its shard."""
        shard, place = divmod(number, self._per_shard)
        offset = len(self._header(0)) + place * self._bytes
        if shard == len(self._shards) and self._shard is not None:
            self._shard.seek(offset)
            content = self._shard.read(self._bytes)
            self._shard.seek(0, io.SEEK_END)
        else:
            with (self.folder / self._shards[shard]["file"]).open("rb") as file:
                file.seek(offset)
                content = file.read(self._bytes)
        return self._beside(np.frombuffer(content, np.uint8).reshape(self._stored))

    def _beside(self, pixels: Pixels) -> Pixels:
        """A pair as one picture, source and target beside each other; a single picture as it is."""
        if not self.options.paired:
            return pixels
        channels = self.shape[2]
        return np.concatenate([pixels[..., :channels], pixels[..., channels:]], axis=1)

    # ── the end ──

    def why_nothing(self) -> str:
        """Counts per stage, for when nothing was kept."""
        return ", ".join(f"{self._left_out[stage]} {stage}" for stage in STAGES if self._left_out[stage])

    def finish(self, source: sources.Source, unasked: Sequence[sources.Record]) -> None:
        """Write what is left; ``unasked`` are the pictures that the tag query left out."""
        self._end_shard()
        self._orphans_and_unasked(source.orphans, unasked)
        self._left_out["tags"] = len(unasked)
        self.__exit__(None, None, None)
        records = sha256(self.folder / RECORDS)
        options = asdict(self.options)
        digest = json.dumps([FORMAT, options, [s["sha256"] for s in self._shards], records], sort_keys=True)
        manifest = {
            "format": FORMAT,
            "software": f"boceto {__version__}",
            "content_hash": hashlib.sha256(digest.encode()).hexdigest(),
            "source": str(source.root.resolve()),
            "count": self.count,
            "shape": list(self.shape),
            "pair": self.options.paired,
            "found": len(source.records),
            "left_out": {stage: self._left_out[stage] for stage in STAGES},
            "stages": self._stages(len(source.records)),
            "cropped_bars": self.cropped,
            "orphans": len(source.orphans),
            "other_files": source.others,
            "options": options,
            "shards": self._shards,
            "records": {"file": RECORDS, "sha256": records},
        }
        if self.options.frame.fit == "squish":
            total, largest, strong = self._stretch
            manifest["stretch"] = {"mean": total / self.count, "largest": largest, "over_1.5": int(strong)}
        for name in (CHECKPOINT, HASHES):
            (self.folder / name).unlink()
        (self.folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")

    def _orphans_and_unasked(self, orphans: Iterable[tuple[str, str]], unasked: Iterable[sources.Record]) -> None:
        """After the faults: what a query leaves out can be very long."""
        for reason, name in orphans:
            self._row("orphan", reason, name)
        for record in unasked:
            self._row("tags", f"does not match {self.options.tags}", record.path)

    def _stages(self, found: int) -> list[dict[str, Any]]:
        """Each stage in turn: how many pictures came in, how many were left out, how many went on."""
        table, coming = [], found
        for stage in STAGES:
            out = self._left_out[stage]
            table.append({"stage": stage, "came": coming, "left_out": out, "kept": coming - out})
            coming -= out
        return table
