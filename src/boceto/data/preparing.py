"""Preparing: a place with drawings → a prepared dataset, with every picture that is left out named and reasoned.

It is written beside its place and moved there whole, so a folder of that name is always a complete dataset. What a
kill or Ctrl-C leaves beside it is gone on with by the same command.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from boceto.data import framing, screening, sources, tags
from boceto.data.examining import Animated, Bars, Duplicates, Options, SideBySide, examine, without_ending
from boceto.data.framing import Fit, Frame
from boceto.data.prepared import Prepared, is_prepared
from boceto.data.writing import LOCK, Writer, is_ours
from boceto.errors import Fault, UsageError, os_errors
from boceto.workers import alone


@dataclass(frozen=True)
class Progress:
    """How far preparing has come: of ``total`` pictures ``done`` were looked at, ``kept`` of them kept."""

    done: int
    total: int
    kept: int


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
    animated: Animated = "first",
    paper: str = "white",
    min_side: int | None = None,
    enlarge: bool = False,
    metadata: Path | str | None = None,
    pairs_from: Path | str | None = None,
    side_by_side: SideBySide | None = None,
    workers: int | None = 1,
    force: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Prepared:
    """Prepare the drawings of ``source`` (a folder, ZIP or TAR) into the new folder ``out``.

    ``size`` is a side or ``"WIDTHxHEIGHT"`` in pixels; ``paper`` lies under transparency; the rest is as in ``Frame``,
    ``Options`` and ``write``. Of pairs (source picture → target picture), ``pairs_from`` is where the sources lie under
    the same names, or ``side_by_side`` says that both stand in one picture. More than one worker (None: one a core)
    starts Python anew for each, so the calling script then needs ``if __name__ == "__main__":``.
    """
    height, width = framing.parse_size(str(size))
    how = Frame(height=height, width=width, fit=fit, grey=grey, paper=framing.parse_colour(paper), enlarge=enlarge)
    if min_side is not None and min_side < 1:
        raise UsageError(f"the smallest side cannot be {min_side}; give 1 or more pixels")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers cannot work; give 1 or more")
    if pairs_from is not None and side_by_side is not None:
        raise UsageError("pairs come from another place (--pairs-from) or side by side (--side-by-side), not both")
    options = Options(
        frame=how,
        tags=tags,
        bars=bars,
        duplicates=duplicates,
        animated=animated,
        min_side=min_side,
        side_by_side=side_by_side,
        sources=pairs_from is not None,
    )
    return write(
        Path(source),
        Path(out),
        options,
        metadata=Path(metadata) if metadata is not None else None,
        pairs_from=Path(pairs_from) if pairs_from is not None else None,
        workers=workers,
        force=force,
        progress=progress,
    )


def write(
    source: Path,
    out: Path,
    options: Options,
    *,
    metadata: Path | None = None,
    pairs_from: Path | None = None,
    workers: int | None = None,
    force: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Prepared:
    """Prepare the drawings of ``source`` into the new folder ``out``.

    The result does not depend on ``workers`` (None: all cores). An existing ``out`` is replaced only with ``force``,
    and only if it is a prepared dataset. After a kill or Ctrl-C the same call goes on. Raises UsageError (bad source,
    query or place; nothing left to keep) or Fault.
    """
    with os_errors("write", out):
        out = out.resolve()
        _check_place(source, out, force)
    asks = screening.tag_query(options.tags) if options.tags else None
    listing = sources.read(source, metadata=metadata)
    partners = None
    if pairs_from is not None:
        partners = sources.read(pairs_from)
        listing = _paired(listing, partners)
    asked = [record for record in listing.records if asks is None or asks(record.tags)]
    if not asked:
        raise UsageError(f'no picture of {source} matches the tags "{options.tags}"; {_hint(listing, options.tags)}')
    key = _key(listing, partners, options)
    with _unfinished(out) as folder, Writer(folder, options, key, asked) as writer:
        try:
            verdicts = examine(listing, asked[writer.done :], options, workers, partners)
            with contextlib.closing(verdicts):  # the workers end before anything else is done
                for verdict in verdicts:
                    writer.take(verdict)
                    if progress:
                        progress(Progress(writer.done, len(asked), writer.count))
        except KeyboardInterrupt:
            writer.checkpoint()
            raise
        if not writer.count:
            raise UsageError(
                f"no picture of {source} is left to train on ({writer.why_nothing()}); "
                f"relax the options or check the pictures"
            )
        if not listing.root.exists():
            raise Fault(f"the source {source} has gone away while it was read; bring it back and run again")
        writer.finish(listing, [] if asks is None else [r for r in listing.records if not asks(r.tags)])
        _check_place(source, out, force)  # again: it may have appeared meanwhile
        _put_in_place(folder, out)
    return Prepared(out)


def _hint(listing: sources.Source, query: str | None) -> str:
    """What a query that finds nothing may have meant."""
    steps = tags.query_steps(listing.records, query) if query else ()
    meant = [f"{step.hint} instead of {step.expression}" for step in steps if step.hint]
    return (
        f"did you mean {', '.join(meant)}?"
        if meant
        else f"boceto tags {listing.root} --query shows what each part costs"
    )


def _paired(listing: sources.Source, partners: sources.Source) -> sources.Source:
    """Only the pictures that have a source of the same name; the others on both sides are orphans."""
    if not (listing.container.any_order and partners.container.any_order):
        raise UsageError("pairs cannot be read from a TAR; unpack it and give the folders")
    names = {without_ending(record.path) for record in partners.records}
    records = tuple(record for record in listing.records if without_ending(record.path) in names)
    have = {without_ending(record.path) for record in records}
    if not records:
        raise UsageError(
            f"no picture of {listing.root} has one of the same name in {partners.root}; check the two places"
        )
    orphans = [("target without source", r.path) for r in listing.records if without_ending(r.path) not in names]
    orphans += [("source without target", r.path) for r in partners.records if without_ending(r.path) not in have]
    return replace(listing, records=records, orphans=(*listing.orphans, *orphans))


def _key(listing: sources.Source, partners: sources.Source | None, options: Options) -> str:
    """What must be the same for an attempt to be gone on with: options, files, their sizes and times, tags."""
    digests = [str(listing.root.resolve()), listing.digest, partners.digest if partners else "", asdict(options)]
    records = hashlib.sha256()
    for record in listing.records:
        records.update(repr(record).encode("utf-8", "surrogatepass"))
    return hashlib.sha256(json.dumps([*digests, records.hexdigest()]).encode()).hexdigest()


@contextlib.contextmanager
def _unfinished(out: Path) -> Iterator[Path]:
    """The folder in which ``out`` grows, ours alone; kept on Ctrl-C (and by a kill), removed on any other error."""
    folder = out.with_name(f".{out.name}.partial")
    with os_errors("write", out):
        folder.mkdir(parents=True, exist_ok=True)
        if not is_ours(folder):
            raise UsageError(f"{folder} is in the way; move it elsewhere and run again")
        busy = f"{out} is being prepared by another process; wait for it, or give another -o"
        with contextlib.ExitStack() as locked:
            locked.enter_context(alone(folder / LOCK, busy))
            try:
                yield folder
            except KeyboardInterrupt:
                raise KeyboardInterrupt("interrupted; the same command goes on where it stopped") from None
            except BaseException:
                locked.close()
                shutil.rmtree(folder, ignore_errors=True)
                raise
        (out / LOCK).unlink(missing_ok=True)


def _put_in_place(finished: Path, out: Path) -> None:
    """Move a finished dataset to its place; one that is there is put aside first and removed last."""
    if not out.exists():
        finished.rename(out)
        return
    aside = out.with_name(f".{out.name}.{secrets.token_hex(4)}.old")
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
