"""Looking into a source or a prepared dataset before training: tags, sizes, bars, duplicates, and pictures to show.

Everything is counted that can be known from the records alone; of a large source only a random sample, the same for
one seed, is opened. Computes only: ``boceto.reporting.study`` draws the page.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from boceto.data import framing, screening, sources, tags
from boceto.data.framing import Fit, Frame
from boceto.data.prepared import MANIFEST, Prepared, is_prepared
from boceto.data.screening import Bars, Pixels, Rejected
from boceto.data.sources import Record, Source
from boceto.data.tags import Group, Grouping, Step, TagCounts, plain
from boceto.errors import UsageError
from boceto.workers import spread

GROUPED = 100  # commonest tags that are put into groups
COLUMNS = 8  # pictures in a row of a sheet
LINES = 6  # of the random pictures
CELL = 112  # pixels on the page; 28, 48, 64 and 128 all go well into twice that
EXAMPLES = 12  # commonest tags that are shown with a row of pictures
REDUCED_TO = (28, 48, 64, 128)  # pixels
FITS: tuple[Fit, ...] = ("letterbox", "squish", "crop", "fill")
GROUND = "#ece6dc"  # beside a picture that does not fill its cell
_FRAME = Frame()
_LARGE = Frame(height=256, width=256)
_CHUNK = 32


@dataclass(frozen=True)
class Look:
    """What one file is like: width and height in pixels, turned as EXIF says; bars in the same pixels."""

    path: str
    width: int
    height: int
    format: str  # as Pillow calls it: PNG, JPEG, …
    mode: str  # likewise: RGB, L, RGBA, …
    bars: Bars

    @property
    def stretch(self) -> float:
        """By how much squishing it to a square would change the ratio of its sides: max(w/h, h/w), ≥ 1."""
        return max(self.width / self.height, self.height / self.width)

    @property
    def bars_kind(self) -> str:
        """``frame``, ``top and bottom``, ``left and right``, or nothing."""
        across, upright = self.bars.top > 0, self.bars.left > 0
        return "frame" if across and upright else "top and bottom" if across else "left and right" if upright else ""


@dataclass(frozen=True)
class Row:
    """Pictures that belong beside each other: uint8 (n, S, S, 3), with a label and a note for each (or none)."""

    label: str
    pictures: Pixels
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Study:
    """What was found. Names are as ``tags.plain`` gives them, so they can be shown anywhere."""

    place: Path
    found: int  # pictures in the source
    pictures: int  # of them, those that match the query
    tagged: int  # of those, with at least one tag
    opened: int  # of those, how many were opened, the unreadable ones included
    query: str | None
    steps: tuple[Step, ...]  # what each part of the query costs
    tags: TagCounts
    at_least: tuple[tuple[int, int], ...]
    labels: TagCounts
    groups: tuple[Group, ...]  # of the commonest ``GROUPED`` tags
    grouping: Grouping
    looks: tuple[Look, ...]  # none of a prepared dataset
    unreadable: tuple[tuple[str, str], ...]  # (path, reason)
    duplicates: tuple[tuple[str, str], ...]  # (path, path of the one that repeats it)
    orphans: tuple[tuple[str, int], ...]  # (what does not fit together, how often)
    manifest: Mapping[str, Any] | None  # of a prepared dataset
    sheets: Mapping[str, tuple[Row, ...]]

    def bars(self) -> dict[str, int]:
        """Kind → how many of the opened pictures have such bars."""
        counts = Counter(look.bars_kind for look in self.looks if look.bars)
        return {kind: counts[kind] for kind in ("top and bottom", "left and right", "frame")}

    def summary(self) -> dict[str, Any]:
        """The figures alone, as plain data."""
        return {
            "found": self.found,
            "pictures": self.pictures,
            "tagged": self.tagged,
            "opened": self.opened,
            "tags": len(self.tags),
            "at_least": {str(limit): count for limit, count in self.at_least},
            "groups": {group.name: group.pictures for group in self.groups},
            "labels": dict(self.labels),
            "unreadable": len(self.unreadable),
            "bars": self.bars(),
            "duplicates": len(self.duplicates),
            "orphans": dict(self.orphans),
        }


def columns(cell: int) -> int:
    """How many cells of so many pixels go beside each other on the page: eight, of small pictures more."""
    shown = CELL if cell > CELL else cell * (CELL // cell)
    return COLUMNS * (CELL + 8) // (shown + 8)


def conduct(
    place: Path | str,
    *,
    query: str | None = None,
    groups: Path | str | None = None,
    sample: int = 5000,
    metadata: Path | str | None = None,
    seed: int = 0,
    workers: int | None = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Study a source (folder or archive) or a prepared dataset.

    ``query``: only pictures whose tags match. ``groups``: a YAML file of one's own. ``sample``: how many pictures of a
    source are opened at most. ``metadata``: as in ``sources.read``. The result does not depend on ``workers`` (None:
    one a core). ``progress`` is called with (opened, to be opened). Raises UsageError (no such place, a query or
    groups that cannot be read, nothing that matches) or Fault.
    """
    place = Path(place)
    if sample < 1:
        raise UsageError(f"a sample of {sample} pictures shows nothing; give 1 or more")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers cannot work; give 1 or more")
    grouping = tags.load_groups(Path(groups) if groups is not None else None)
    data = open_prepared(place)
    source = None if data else sources.read(place, metadata=_path(metadata))
    if data and metadata is not None:
        raise UsageError(f"{place} is a prepared dataset, which has its tags already; leave the metadata out")
    records = source.records if source else tuple(data.records() if data else ())
    steps = tags.query_steps(records, query) if query is not None else ()
    asks = screening.tag_query(query) if query is not None else None
    asked = [(number, record) for number, record in enumerate(records) if asks is None or asks(record.tags)]
    if not asked:
        raise UsageError(f'no picture of {place} matches the tags "{query}"; boceto tags {place} lists them')
    random = np.random.Generator(np.random.PCG64(seed))
    chosen = sorted(random.choice(len(asked), min(sample, len(asked)), replace=False).tolist())
    opened = [asked[i] for i in chosen]
    if source:
        looked = _look_at_all(source, [record for _, record in opened], workers, progress)
        album = _Album.of_source(looked, [record for _, record in opened], random)
        wanted = [record for record in records if record.path in album.wanted]
        for record, content in source.contents(wanted):
            album.fill(record.path, content)
    else:
        looked = _Looked()
        album = _Album.of_pictures([record for _, record in opened], data.shape[:2] if data else (0, 0), random)
        for number, record in opened:
            if data and record.path in album.wanted:
                album.fill(record.path, data.gather([number])[0])
    matching = [record for _, record in asked]
    counts = tags.count_tags(matching)
    return Study(
        place=place,
        found=len(records),
        pictures=len(asked),
        tagged=sum(bool(record.tags) for record in matching),
        opened=len(opened) if source else 0,
        query=query,
        steps=steps,
        tags=_plain_counts(counts),
        at_least=tags.at_least(counts, len(asked)),
        labels=_plain_counts(Counter(record.label for record in matching if record.label is not None).most_common()),
        groups=tuple(
            replace(group, tags=_plain_counts(group.tags))
            for group in tags.group_tags(matching, counts[:GROUPED], grouping)
        ),
        grouping=grouping,
        looks=tuple(replace(look, path=plain(look.path)) for look in looked.looks),
        unreadable=tuple((plain(path), plain(reason)) for path, reason in looked.unreadable),
        duplicates=tuple((plain(first), plain(again)) for first, again in looked.duplicates),
        orphans=tuple(sorted(Counter(what for what, _ in source.orphans).items())) if source else (),
        manifest=data.manifest if data else None,
        sheets=album.sheets(),
    )


def open_prepared(place: Path) -> Prepared | None:
    """A prepared dataset, also one that somebody has put other files into; None if it is none."""
    if place.is_dir() and (is_prepared(place) or all((place / n).is_file() for n in (MANIFEST, "images-00000.npy"))):
        return Prepared(place)
    return None


def read_records(place: Path, metadata: Path | None = None) -> tuple[Record, ...]:
    """The records of a source or a prepared dataset; raises UsageError or Fault."""
    data = open_prepared(place)
    return tuple(data.records()) if data else sources.read(place, metadata=metadata).records


def _path(name: Path | str | None) -> Path | None:
    return None if name is None else Path(name)


def _plain_counts(counts: Iterable[tuple[str, int]]) -> TagCounts:
    return tuple((plain(name), count) for name, count in counts)


# ── looking at files, in worker processes ──────────────────────────────────────────────────────────────────────────


@dataclass
class _Looked:
    """What was found in the opened files, in their order."""

    looks: list[Look] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Seen:
    look: Look
    fingerprint: int
    cells: Pixels  # (32, 32, 3): what near-duplicates are told by


def _look_at_all(
    source: Source, records: Sequence[Record], workers: int | None, progress: Callable[[int, int], None] | None
) -> _Looked:
    """Open every one of these, and find those that repeat another."""
    looked, cells = _Looked(), list[Pixels]()
    duplicates = screening.Duplicates(cells.__getitem__)
    for done, (record, seen) in enumerate(zip(records, _each(source, records, workers), strict=True), 1):
        if isinstance(seen, _Seen):
            looked.looks.append(seen.look)
            earlier = duplicates.find(seen.fingerprint, seen.cells)
            if earlier is not None:
                looked.duplicates.append((looked.looks[earlier].path, record.path))
            duplicates.add(seen.fingerprint)
            cells.append(seen.cells)
        else:
            looked.unreadable.append((record.path, seen))
        if progress:
            progress(done, len(records))
    return looked


def _each(source: Source, records: Sequence[Record], workers: int | None) -> Iterator[_Seen | str]:
    """What each file is like, or why it cannot be read."""
    if not source.container.any_order:  # read from front to back, here
        for record, content in source.contents(records):
            yield _look_or_reason(content, record.path)
        return
    chunks = [records[i : i + _CHUNK] for i in range(0, len(records), _CHUNK)]
    lean = replace(source, records=(), orphans=())  # it travels with every chunk
    for found in spread(partial(_look_at, lean), chunks, workers):
        yield from found


def _look_at(source: Source, records: Sequence[Record]) -> list[_Seen | str]:
    return [_look_or_reason(content, record.path) for record, content in source.contents(records)]


def _look_or_reason(content: bytes | Rejected, path: str) -> _Seen | str:
    try:
        return _look(content, path)
    except Rejected as verdict:
        return verdict.reason


def _look(content: bytes | Rejected, path: str) -> _Seen:
    """Raises Rejected."""
    image, times, file = _opened(content, _FRAME)
    width, height = file.size
    if (image.width - image.height) * (width - height) < 0:  # turned, as EXIF says
        width, height = height, width
    found = screening.bars_of(image)
    look = Look(path, width, height, file.format or "?", file.mode, found.enlarged(times))
    inner = image.crop((found.left, found.top, image.width - found.right, image.height - found.bottom))
    pixels = framing.frame(inner, _FRAME)  # as prepare compares them
    cells = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BOX)
    return _Seen(look, screening.fingerprint(pixels), np.asarray(cells))


def _opened(content: bytes | Rejected, how: Frame) -> tuple[Image.Image, int, Image.Image]:
    """(upright RGB, how many times smaller than the file's, the file's own picture); raises Rejected."""
    if isinstance(content, Rejected):
        raise content
    file = screening.open_picture(content)
    try:
        image, times = framing.upright(file, how)
    except MemoryError:
        raise
    except Exception as error:
        raise Rejected("unreadable", f"cannot be converted to RGB: {error}") from error
    return image, times, file


# ── pictures to show ───────────────────────────────────────────────────────────────────────────────────────────────

_Make = Callable[[Image.Image], Pixels]


@dataclass
class _Cell:
    make: _Make
    note: str
    pixels: Pixels | None = None


class _Album:
    """Which pictures are to be shown on which sheet and how; each is then read once, and only its cells are kept."""

    def __init__(self) -> None:
        self._sheets: dict[str, dict[str, list[_Cell]]] = {}
        self._by_path: dict[str, list[_Cell]] = {}

    @property
    def wanted(self) -> frozenset[str]:
        """The paths of the pictures that are shown somewhere."""
        return frozenset(self._by_path)

    def want(self, sheet: str, row: str, path: str, make: _Make, note: str = "") -> None:
        cell = _Cell(make, note)
        self._sheets.setdefault(sheet, {}).setdefault(row, []).append(cell)
        self._by_path.setdefault(path, []).append(cell)

    def fill(self, path: str, content: bytes | Rejected | Pixels) -> None:
        """Make all cells of a picture; of one that has become unreadable since, none."""
        if isinstance(content, np.ndarray):
            image = Image.fromarray(content[:, :, 0] if content.shape[2] == 1 else content).convert("RGB")
        else:
            try:
                image, _, _ = _opened(content, _LARGE)
            except Rejected:
                return
        for cell in self._by_path[path]:
            cell.pixels = cell.make(image)

    def sheets(self) -> dict[str, tuple[Row, ...]]:
        """Sheet → rows, without those that stayed empty."""
        made = {name: tuple(self._rows(rows)) for name, rows in self._sheets.items()}
        return {name: rows for name, rows in made.items() if rows}

    @staticmethod
    def _rows(rows: Mapping[str, Sequence[_Cell]]) -> Iterator[Row]:
        for label, cells in rows.items():
            pictures = [(cell.pixels, cell.note) for cell in cells if cell.pixels is not None]
            if pictures:
                notes = tuple(plain(note) for _, note in pictures)
                yield Row(plain(label), np.stack([p for p, _ in pictures]), notes if any(notes) else ())

    @classmethod
    def of_pictures(cls, records: Sequence[Record], size: tuple[int, int], random: np.random.Generator) -> _Album:
        """Composition, examples and reduction of pictures that are all ``size`` (height, width)."""
        album = cls()
        shuffled = [records[i] for i in random.permutation(len(records))]
        cell = _cell_size([size])
        album._composition(shuffled, cell)
        album._examples(shuffled, cell)
        album._reduction([record.path for record in shuffled], min(size))
        return album

    @classmethod
    def of_source(cls, looked: _Looked, records: Sequence[Record], random: np.random.Generator) -> _Album:
        """All sheets, of the files that could be read."""
        album = cls()
        looks = {look.path: look for look in looked.looks}
        if not looks:
            return album
        readable = [record for record in records if record.path in looks]
        shuffled = [readable[i] for i in random.permutation(len(readable))]
        cell = _cell_size([(look.height, look.width) for look in looks.values()])
        album._composition(shuffled, cell)
        album._examples(shuffled, cell)
        for look in _mixed(looked.looks):
            album._before_and_after(look, cell)
        for first, again in looked.duplicates[:COLUMNS]:
            album.want("duplicates", "first", first, partial(_thumbnail, cell))
            album.want("duplicates", "again", again, partial(_thumbnail, cell))
        for side in reversed(REDUCED_TO):  # pictures that are large enough for all sizes, if there are such
            paths = [r.path for r in shuffled if min(looks[r.path].width, looks[r.path].height) >= side]
            if len(paths) >= min(COLUMNS, len(shuffled)):
                album._reduction(paths, side)
                break
        uneven = sorted((look for look in looked.looks if look.stretch >= 1.05), key=lambda look: -look.stretch)
        for fit in FITS:
            for look in uneven[:COLUMNS]:
                how = Frame(height=cell, width=cell, fit=fit, enlarge=True)
                note = f"×{look.stretch:.2f}" if fit == "squish" else ""
                album.want("fits", fit, look.path, partial(_framed, how), note)
        return album

    def _composition(self, shuffled: Sequence[Record], cell: int) -> None:
        for record in shuffled[: LINES * columns(cell)]:
            self.want("composition", "", record.path, partial(_thumbnail, cell))

    def _examples(self, shuffled: Sequence[Record], cell: int) -> None:
        """A row of pictures for each of the commonest tags, or classes where there are no tags; few are shown twice."""
        tagged = any(record.tags for record in shuffled)
        features = {r.path: r.tags if tagged else (r.label,) if r.label is not None else () for r in shuffled}
        common = tags.count_tags(Record(path, found) for path, found in features.items())[:EXAMPLES]
        having: dict[str, list[str]] = {name: [] for name, _ in common}
        for record in shuffled:
            for name in features[record.path]:
                if name in having:
                    having[name].append(record.path)
        shown: Counter[str] = Counter()
        for name, paths in having.items():
            for path in sorted(paths, key=lambda path: shown[path])[: columns(cell)]:  # stable: else as shuffled
                shown[path] += 1
                self.want("examples", name, path, partial(_thumbnail, cell))

    def _reduction(self, paths: Sequence[str], smallest: int) -> None:
        """The same drawings at every size that none of them is smaller than; one size alone shows nothing."""
        sides = [side for side in REDUCED_TO if side <= smallest]
        for side in sides if len(sides) > 1 else ():
            for path in paths[:COLUMNS]:
                self.want("reduction", f"{side} pixels", path, partial(_framed, Frame(height=side, width=side)))

    def _before_and_after(self, look: Look, cell: int) -> None:
        found = [side for side in (look.bars.top, look.bars.bottom, look.bars.left, look.bars.right) if side]
        thickness = f"{min(found)}–{max(found)}" if min(found) < max(found) else f"{min(found)}"
        note = f"{look.bars_kind}: {thickness} px"
        self.want("bars", "before", look.path, partial(_thumbnail, cell), note)
        self.want("bars", "after", look.path, partial(_without_bars, cell, look))


def _cell_size(sizes: Sequence[tuple[int, int]]) -> int:
    """Pixels of a cell. Large drawings are shown twice as fine, for screens that can; small ones would only blur."""
    large = np.median([min(size) for size in sizes]) >= 2 * CELL
    return 2 * CELL if large else min(CELL, max(max(size) for size in sizes))


def _mixed(looks: Sequence[Look]) -> list[Look]:
    """Some pictures with bars, of every kind in turn."""
    kinds: dict[str, deque[Look]] = {}
    for look in looks:
        if look.bars:
            kinds.setdefault(look.bars_kind, deque()).append(look)
    chosen: list[Look] = []
    while any(kinds.values()) and len(chosen) < COLUMNS:
        chosen += [queue.popleft() for _, queue in sorted(kinds.items()) if queue]
    return chosen[:COLUMNS]


def _thumbnail(cell: int, image: Image.Image) -> Pixels:
    """All of a picture in a square cell; a small one is not enlarged."""
    return framing.frame(image, Frame(height=cell, width=cell, fit="letterbox", bars=GROUND))


def _framed(how: Frame, image: Image.Image) -> Pixels:
    return framing.frame(image, how)


def _without_bars(cell: int, look: Look, image: Image.Image) -> Pixels:
    across, down = image.width / look.width, image.height / look.height
    bars = look.bars
    box = (
        round(bars.left * across),
        round(bars.top * down),
        image.width - round(bars.right * across),
        image.height - round(bars.bottom * down),
    )
    return _thumbnail(cell, image.crop(box))
