"""``boceto snapshots``: every snapshot of a run with its figures, and what each draws from the same latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from boceto import sampling
from boceto.data.describing import size
from boceto.errors import BocetoError, Fault, UsageError, os_errors, printable
from boceto.files import read_metadata, write_text
from boceto.reporting.figures import in_a_row
from boceto.reporting.html import Command, embedded, render, require_page
from boceto.reporting.standing import network
from boceto.reporting.tables import digits, table
from boceto.runs import Run, scores
from boceto.sampling import Images
from boceto.scoring import explained

DRAWN = 8  # pictures in a row of the page
_LEAST, _MOST = 128, 256  # pixels a side that the page holds of a picture
_APART = 3  # scores that have a column each in the terminal; more share one


@dataclass(frozen=True)
class Snapshot:
    """A snapshot: its name, what the log says at that moment, and what is damaged, if anything."""

    name: str
    nimg: int
    minutes: float | None  # of training until then; None: the log has no such line
    bytes: int
    scores: dict[str, float]
    last: bool  # what --snapshot last means
    best: bool  # what --snapshot best means
    damage: str | None = None


def find(run: Run) -> list[Snapshot]:
    """Every snapshot of a run, from the first to the last. Raises Fault if its log cannot be read."""
    log, found = run.read_log(), run.snapshots()
    seconds = {line["nimg"]: float(line["seconds"]) for line in log if "seconds" in line}
    scored, best = scores(log), run.best()
    told = []
    for nimg, path in found.items():
        with os_errors("read", path):
            bytes_ = path.stat().st_size
        minutes = round(seconds[nimg] / 60, 2) if nimg in seconds else None
        marks = {"last": nimg == max(found), "best": nimg == best}
        told.append(Snapshot(path.stem, nimg, minutes, bytes_, scored.get(nimg, {}), damage=_damage(path), **marks))
    return told


def _damage(path: Path) -> str | None:
    try:
        if "recipe" not in read_metadata(path):
            raise Fault(f"{path} carries no recipe, so it is no snapshot of boceto's")
    except BocetoError as error:
        return str(error)
    return None


def require_some(run: Run, found: Sequence[Snapshot]) -> None:
    """Raises UsageError if there is no snapshot."""
    if not found:
        run.snapshot()


def newest_sound(found: Sequence[Snapshot]) -> Snapshot | None:
    """The last one that can be drawn with, if there is any."""
    return next((one for one in reversed(found) if one.damage is None), None)


def as_dicts(found: Sequence[Snapshot]) -> list[dict[str, Any]]:
    """All of it as plain data."""
    return [asdict(one) for one in found]


def score_names(found: Sequence[Snapshot]) -> list[str]:
    """The scores that some of them have."""
    return list(dict.fromkeys(key for one in found for key in one.scores))


def rows(found: Sequence[Snapshot]) -> Table:
    """The snapshots as a table for a terminal."""
    keys = score_names(found)
    apart = len(keys) <= _APART
    names = ["snapshot", ">images", ">minutes", ">size", *([f">{key}" for key in keys] if apart else ["scores"]), ""]
    lines = []
    for one in found:
        told = [digits(one.scores[key]) if key in one.scores else "–" for key in keys]
        pairs = ", ".join(f"{key}={value}" for key, value in zip(keys, told, strict=True) if key in one.scores)
        marks = {"best": one.best, "last": one.last, "damaged": one.damage}
        mark = ", ".join(word for word, true in marks.items() if true)
        lines.append([one.name, f"{one.nimg:,}", _minutes(one), size(one.bytes), *(told if apart else [pairs]), mark])
    return table(names, lines, fold=range(4, len(names) - 1))


def _minutes(one: Snapshot) -> str:
    return "–" if one.minutes is None else f"{one.minutes:.1f}"


def write(
    run: Run,
    found: Sequence[Snapshot],
    out: Path,
    command: Command,
    *,
    seed: int = 0,
    device_name: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write one page that stands alone: a row a snapshot with the same ``DRAWN`` latents of ``seed``.

    A damaged one is told in its row. Raises UsageError if there is no snapshot, ``seed`` is below 0 or ``out`` is no
    name of a page; Fault if it cannot be written.
    """
    require_page(out)
    require_some(run, found)
    if seed < 0:
        raise UsageError(f"--seed {seed}: a seed is 0 or more")
    drawn = []
    for number, one in enumerate(found, 1):
        drawn.append(_row(run, one, command, seed, device_name))
        if progress is not None:
            progress(number, len(found))
    html = render(
        "snapshots.html.j2",
        name=printable(run.folder.resolve().name),
        network=network(run.recipe),
        seed=seed,
        rows=drawn,
        explained=explained(score_names(found)),
    )
    write_text(out, html)
    return out


def _row(run: Run, one: Snapshot, command: Command, seed: int, device_name: str) -> dict[str, Any]:
    marks = {"last": one.last, "best": one.best, "damage": one.damage}
    told: dict[str, Any] = {"name": one.name, "strip": None, **marks}
    facts = [
        f"{one.nimg:,} images",
        *([f"{_minutes(one)} minutes"] if one.minutes is not None else []),
        size(one.bytes),
    ]
    if one.damage is None:
        try:
            images = sampling.load(run.folder, one.name, device_name).sample(DRAWN, seed)
            told |= {"strip": strip(images), "command": command("sample", run.folder, "--snapshot", one.name)}
            facts.insert(0, f"{images.shape[2]}×{images.shape[1]}")
        except BocetoError as error:
            told["damage"] = str(error)
    return {**told, "facts": facts, "scores": {key: digits(value) for key, value in one.scores.items()}}


def strip(images: Images) -> dict[str, Any]:
    """Pictures in a row for a page, uint8 (N, H, W, C): small ones enlarged, large ones not below their own size."""
    return embedded(in_a_row(images, min(_MOST, max(_LEAST, *images.shape[1:3]))), lossy=True)
