"""Looking at one picture: open, screen, frame; a pure function of its bytes and the options, in worker processes."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Literal

import numpy as np
from PIL import Image

from boceto.data import framing, screening
from boceto.data.containers import Container, read_all
from boceto.data.framing import Frame
from boceto.data.screening import Pixels, Rejected
from boceto.data.sources import Record, Source
from boceto.errors import Fault
from boceto.workers import spread

Bars = Literal["drop", "crop", "keep"]
Duplicates = Literal["drop", "keep"]
Animated = Literal["first", "skip"]
SideBySide = Literal["source-left", "source-right"]
_CHUNK_BYTES = 8 * 2**20
_ENOUGH = 4  # a JPEG of so many frames a side holds all that a frame can show


@dataclass(frozen=True, kw_only=True)
class Options:
    """What decides which pictures are kept and how they look. Same pictures and options → same content hash."""

    frame: Frame = Frame()  # noqa: RUF009  frozen
    tags: str | None = None
    bars: Bars = "crop"
    duplicates: Duplicates = "drop"
    animated: Animated = "first"
    min_side: int | None = None  # None: half the frame's shorter side
    side_by_side: SideBySide | None = None  # pairs: source and target in one picture
    sources: bool = False  # pairs: sources in a place of their own

    @property
    def smallest(self) -> int:
        return min(self.frame.height, self.frame.width) // 2 if self.min_side is None else self.min_side

    @property
    def paired(self) -> bool:
        return self.sources or self.side_by_side is not None


@dataclass(frozen=True)
class Verdict:
    """What became of a picture: framed pixels (H, W, C; of a pair 2C, source first), or the stage that left it out."""

    record: Record
    pixels: Pixels | None = None
    fingerprint: int = 0
    cropped: bool = False  # bars were cut off
    stretch: float = 1.0  # of the sides' ratio, ≥ 1; by squish alone
    stage: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Item:
    """A picture to look at; its bytes are None where the worker reads them itself."""

    record: Record
    content: bytes | Rejected | None = None
    partner: str = ""  # the source's path, of a pair


def examine(
    source: Source, records: Sequence[Record], options: Options, workers: int | None, partners: Source | None = None
) -> Generator[Verdict]:
    """Verdicts in the order of ``records``, whatever the number of workers; memory stays bounded.

    ``partners``: of pairs, where the source of each picture lies, under the same path but for the ending.
    """
    how = options.frame
    pixel_bytes = how.height * how.width * (1 if how.grey else 3) * (2 if options.paired else 1)
    length = max(1, min(64, _CHUNK_BYTES // pixel_bytes))
    look = partial(_examine_chunk, source.container, partners.container if partners else None, options)
    if source.container.any_order:
        by_name = {without_ending(record.path): record.path for record in partners.records} if partners else {}
        items = [_Item(record, None, by_name.get(without_ending(record.path), "")) for record in records]
        chunks = [items[i : i + length] for i in range(0, len(items), length)]
        results = spread(look, chunks, workers)
    else:
        results = spread(look, _read_ahead(source, records, length), workers)
    with contextlib.closing(results):
        for verdicts in results:
            yield from verdicts


def without_ending(path: str) -> str:
    """``a/b.png`` → ``a/b``: what the two pictures of a pair have in common."""
    folder, slash, name = path.rpartition("/")
    return folder + slash + name.rpartition(".")[0]


def _read_ahead(source: Source, records: Sequence[Record], length: int) -> Iterator[list[_Item]]:
    """Chunks with their bytes, of archives that are read from front to back."""
    contents = (_Item(record, content) for record, content in source.contents(records))
    while chunk := _next_chunk(contents, length):
        yield chunk


def _next_chunk(items: Iterator[_Item], length: int) -> list[_Item]:
    chunk, size = [], 0
    for item in islice(items, length):
        chunk.append(item)
        size += len(item.content) if isinstance(item.content, bytes) else 0
        if size > _CHUNK_BYTES:
            break
    return chunk


def _examine_chunk(
    container: Container, partners: Container | None, options: Options, items: Sequence[_Item]
) -> list[Verdict]:
    verdicts = []
    unread = iter(read_all(container, [item.record.path for item in items if item.content is None]))
    sketches = iter(read_all(partners, [item.partner for item in items]) if partners else ())
    for item in items:
        content = item.content if item.content is not None else next(unread)[1]
        sketch = next(sketches)[1] if partners else None
        try:
            verdicts.append(_examine_one(item.record, content, sketch, options))
        except Rejected as verdict:
            verdicts.append(Verdict(item.record, stage=verdict.stage, reason=verdict.reason))
        except MemoryError as error:
            raise Fault(
                f"memory ran out over picture {item.record.path}; run the same command with fewer workers "
                f"(--workers 1), close other programs, or leave that picture out"
            ) from error
    return verdicts


def _examine_one(
    record: Record, content: bytes | Rejected, sketch: bytes | Rejected | None, options: Options
) -> Verdict:
    """Raises Rejected."""
    target, times = _opened(content, options)
    source: Image.Image | None = None
    if sketch is not None:
        try:
            source, _ = _opened(sketch, options)
        except Rejected as verdict:
            raise Rejected(verdict.stage, f"its source: {verdict.reason}") from verdict
    elif options.side_by_side:
        source, target = _halves(target, options.side_by_side)
    cropped = False
    if options.bars != "keep" and source is None:  # cropping one picture of a pair would part it from the other
        bars = screening.bars_of(target)
        if bars and options.bars == "drop":
            raise Rejected("bars", str(bars.enlarged(times)))
        if bars:
            target = target.crop((bars.left, bars.top, target.width - bars.right, target.height - bars.bottom))
            screening.require_size(target, options.smallest, times)
            cropped = True
    stretch = framing.stretch(target, options.frame)
    pixels = framing.frame(target, options.frame)
    seen = pixels
    if source is not None:
        sketched = framing.frame(source, options.frame)
        seen = np.concatenate([sketched, pixels], axis=1)  # as one picture, beside each other
        pixels = np.concatenate([sketched, pixels], axis=2)
    return Verdict(record, pixels, screening.fingerprint(seen), cropped, stretch)


def _opened(content: bytes | Rejected, options: Options) -> tuple[Image.Image, int]:
    """(RGB, how many times smaller than the file's)."""
    if isinstance(content, Rejected):
        raise content
    how = options.frame
    image, times = screening.open_scaled(content, options.smallest, (_ENOUGH * how.width, _ENOUGH * how.height))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a broken EXIF entry, between our own lines
            if options.animated == "skip" and screening.is_animated(image):  # looks for a second frame
                raise Rejected("animated", f"{getattr(image, 'n_frames', 2)} frames")
            upright, more = framing.upright(image, how)
    except (MemoryError, Rejected):
        raise
    except Exception as error:
        raise Rejected("unreadable", f"cannot be converted to RGB: {error}") from error
    return upright, times * more


def _halves(image: Image.Image, order: SideBySide) -> tuple[Image.Image, Image.Image]:
    """(source, target) of two pictures in one, side by side."""
    half = image.width // 2
    if half < 1:
        raise Rejected("too small", "not wide enough for two pictures side by side")
    left, right = image.crop((0, 0, half, image.height)), image.crop((image.width - half, 0, image.width, image.height))
    return (left, right) if order == "source-left" else (right, left)
