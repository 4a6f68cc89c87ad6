"""``boceto runs``: every run folder below a folder and how it stands, in the terminal or on one page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image
from rich.table import Table

from boceto.errors import BocetoError, UsageError, os_errors, os_fault, printable
from boceto.files import read_metadata, write_text
from boceto.reporting.html import Command, embedded, render, require_page
from boceto.reporting.standing import Standing, network, standing
from boceto.reporting.tables import digits, duration, table
from boceto.runs import ABOUT, LOG, RECIPE, STATE, Run, by_nimg

DEPTH = 6  # folders below each other that are looked into
_TRACES = {STATE, LOG, "samples", "snapshots"}  # what only a training leaves
_THUMBNAIL = 480  # pixels a side at most


@dataclass(frozen=True)
class Listed:
    """A run folder: its name below the folder that was searched, how it stands, and what is damaged, if anything."""

    name: str
    folder: Path
    begun: str  # UTC, ISO 8601; of one that cannot be opened, when it was last changed
    standing: Standing | None
    damage: str = ""

    @property
    def state(self) -> str:
        """training, finished, stopped or damaged."""
        return "damaged" if self.damage or self.standing is None else self.standing.state

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        known = {} if self.standing is None else self.standing.as_dict()
        named = {"name": self.name, "folder": str(self.folder), "state": self.state, "damage": self.damage or None}
        return {**named, **{key: value for key, value in known.items() if key != "state"}, "begun": self.begun}


@dataclass(frozen=True)
class Found:
    """The runs, newest first, and what was not looked into, each with the reason."""

    folder: Path
    runs: Sequence[Listed]
    passed_over: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {"runs": [run.as_dict() for run in self.runs], "passed_over": list(self.passed_over)}

    def require_some(self) -> None:
        """Raises UsageError if there is no run."""
        if not self.runs:
            more = "".join(f"; {reason}" for reason in self.passed_over)
            raise UsageError(
                f"there is no run folder in {self.folder} or below it{more}; "
                "boceto train RECIPE --data DATA --out RUN makes one"
            )


def find(folder: Path, depth: int = DEPTH) -> Found:
    """Every run folder in ``folder`` and so many folders below it; links and hidden folders are not followed.

    One that is damaged is told as such and hides no other. Raises UsageError if there is no such folder, Fault if it
    cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give the one that your run folders lie in")
    with os_errors("read", folder):
        os.scandir(folder).close()
    found: list[Listed] = []
    passed_over: list[str] = []
    deep = 0

    def unread(error: OSError) -> None:
        passed_over.append(str(os_fault("look into", error.filename, error)))

    for place, folders, files in os.walk(folder, onerror=unread):
        here, names = Path(place), {*folders, *files}
        level = len(here.relative_to(folder).parts)
        if {RECIPE, ABOUT} <= names or ({RECIPE, ABOUT} & names and _TRACES & names):
            found.append(_look(here, here.relative_to(folder).as_posix() if level else here.resolve().name))
            folders.clear()
        elif level == depth:
            deep += any(not name.startswith(".") for name in folders)
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
    if deep and not found:
        passed_over.append(f"{deep:,} folders lie more than {depth} deep; give a folder nearer to them")
    return Found(folder, sorted(found, key=lambda run: run.begun, reverse=True), passed_over)


def _look(folder: Path, name: str) -> Listed:
    """A run as far as it can be told. Raises nothing: whatever is wrong with it is its damage."""
    begun, found = "", None
    try:
        with os_errors("read", folder):
            begun = datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat(timespec="seconds")
            if missing := [file for file in (RECIPE, ABOUT) if not (folder / file).is_file()]:
                return Listed(
                    name, folder, begun, None, f"it has no {missing[0]}; copy it from a backup, or train anew"
                )
            run = Run(folder)
            begun, found = str(run.about["begun"]), standing(run)
            if run.snapshots():
                read_metadata(run.snapshot())
            if run.state.exists():
                read_metadata(run.state)
    except BocetoError as error:
        return Listed(name, folder, begun, found, str(error))
    return Listed(name, folder, begun, found)


def rows(found: Found) -> Table:
    """The runs as a table for a terminal of 80 columns or more."""
    names = ("run", "network", ">images", ">time", ">images/s", "state")
    return table(names, [(run.name, *_cells(run.standing), run.state) for run in found.runs])


def _cells(one: Standing | None) -> tuple[str, str, str, str]:
    if one is None:
        return "–", "–", "–", "–"
    rate = one.images_per_second
    return (
        network(one.run.recipe),
        f"{one.nimg:,}",
        duration(one.seconds),
        "–" if rate is None else digits(rate),
    )


def remarks(found: Found) -> list[str]:
    """What the table has no room for: what is damaged and why, and what was not looked into."""
    return [*(f"{printable(run.name)}: {run.damage}" for run in found.runs if run.damage), *found.passed_over]


def write(found: Found, out: Path, command: Command) -> Path:
    """Write one page that stands alone: of each run the newest sheet, the facts and the command that goes on with it.

    Raises UsageError if nothing was found or ``out`` is no name of a page, Fault if it cannot be written.
    """
    require_page(out)
    found.require_some()
    html = render(
        "listing.html.j2",
        folder=printable(str(found.folder.resolve())),
        runs=[{**_card(run, command), "sheet": _thumbnail(run)} for run in found.runs],
        counts=_counts(found),
        passed_over=found.passed_over,
    )
    write_text(out, html)
    return out


def _counts(found: Found) -> str:
    states = [run.state for run in found.runs]
    told = [f"{states.count(s)} {s}" for s in ("training", "finished", "stopped", "damaged") if s in states]
    return f"{len(states)} run{'s' * (len(states) > 1)}: {', '.join(told)}"


def _card(run: Listed, command: Command) -> dict[str, Any]:
    """What the page says of a run."""
    facts: dict[str, str] = {}
    onward = ""
    if one := run.standing:
        height, width, channels = one.shape
        about, rate = one.run.about, one.images_per_second
        facts = {
            "network": f"{one.run.recipe.arch['name']}, {width}×{height} {'grey' if channels == 1 else 'colour'}",
            "drawings": f"{Path(str(about['data']['folder'])).name}, {int(about['data']['pictures']):,}",
            "begun": printable(run.begun[:16].replace("T", " ")) + " UTC",
            "images seen": f"{one.nimg:,} ({one.epochs:.1f} epochs)",
            "training time": duration(one.seconds) + ("" if rate is None else f", {digits(rate)} images/s"),
        }
    if one and run.state == "stopped":
        onward = command("resume", run.folder)
    elif one and run.state == "finished":
        onward = command("resume", run.folder, "--set", one.run.further())
    return {
        "name": printable(run.name),
        "state": run.state,
        "damage": run.damage,
        "facts": {term: printable(value) for term, value in facts.items()},
        "command": onward,
    }


def _thumbnail(run: Listed) -> dict[str, Any] | None:
    """The newest sheet, small; small sheets are enlarged pixel by pixel. None if there is none, or a damaged one."""
    try:
        sheets = by_nimg(run.folder / "samples", ".png")
        if not sheets:
            return None
        with Image.open(sheets[max(sheets)]) as opened:
            sheet = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    times = _THUMBNAIL // max(sheet.size)
    if times > 1:
        sheet = sheet.resize((sheet.width * times, sheet.height * times), Image.Resampling.NEAREST)
    sheet.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    return {**embedded(sheet, lossy=True), "nimg": max(sheets)}
