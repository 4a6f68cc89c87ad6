"""What the terminal shows: one bar with rate and time left; where there is no terminal, a plain line now and then."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from PIL import Image

    from boceto import watching
    from boceto.runs import Run
    from boceto.sampling import Layout


class _Console(Console):
    """A console whose reader may go away: what is shown never stops the work."""

    def on_broken_pipe(self) -> None:
        self.file = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  for the rest of the process


console = _Console(highlight=False, soft_wrap=True)
_PLAIN_EVERY_S = 10.0


def show(table: Table) -> None:
    """A table; where the terminal is too narrow for its words, its lines run over the edge rather than lose figures."""
    if (least := Measurement.get(console, console.options.update(width=10_000), table).minimum) > console.width:
        table.width = least
    console.print(table, soft_wrap=False, crop=False)


class Bar:
    """``with Bar("Preparing") as bar: bar.show(done, total, "kept 120")``."""

    def __init__(self, title: str, unit: str = "pictures") -> None:
        self.title, self.unit = title, unit
        self._began = self._said = time.monotonic()
        self.progress = Progress(
            TextColumn("     [bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f}%  {task.fields[note]}"),
            console=console,
        )
        self._task = self.progress.add_task(title, total=1.0, note="")

    def __enter__(self) -> Bar:
        if console.is_terminal:
            self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if console.is_terminal:
            self.progress.stop()

    def turn_to(self, unit: str) -> None:
        """Count something else from here on, if it is not counted already."""
        if unit != self.unit:
            self.unit, self._began = unit, time.monotonic()

    def show(
        self,
        done: int,
        total: int,
        note: str = "",
        *,
        share: float | None = None,
        rate: float | None = None,
        seconds_left: float | None = None,
    ) -> None:
        """``done`` of ``total``; the share of the way, the rate and the time left are worked out unless given."""
        now = time.monotonic()
        share = done / max(total, 1) if share is None else share
        rate = done / max(now - self._began, 1e-9) if rate is None else rate
        left = (total - done) / max(rate, 1e-9) if seconds_left is None else seconds_left
        line = f"{done:,} {self.unit} · {rate:,.0f}/s · {clock(left)} left" + (f" · {note}" if note else "")
        self.progress.update(self._task, completed=share, note=line)
        if not console.is_terminal and (now - self._said >= _PLAIN_EVERY_S or share >= 1):
            self._said = now
            say(f"     {self.title} {100 * share:3.0f}%  {line}")


_SPARKS = "▁▂▃▄▅▆▇█"
_CURVES = {  # row → what stands in it: name, key of the log, how it is written
    "loss": (("D", "d/loss", "{:#.3g}"), ("G", "g/loss", "{:#.3g}")),
    "D is right": (("real", "d/real_right", "{:.0%}"), ("generated", "d/fake_right", "{:.0%}")),
    "variety": (("", "g/variety", "{:.0%}"),),
}
_BUCKETS, _SHOWN, _CELL = 16, 4, 16  # characters of a curve; pictures, and their side in characters


class TrainingView:
    """``with TrainingView() as view``: ``view.show`` for the progress, ``view.follow`` as a tracker.

    In a terminal a bar, curves, what the doctor says, and some pictures where the terminal has the colours for them;
    elsewhere plain lines.
    """

    def __init__(self) -> None:
        self._bar = Bar("Training", unit="images")
        self._curves: dict[str, list[float]] = {}
        self._doctor, self._pictures = "", Text()
        self._laid: Layout | None = None
        self._nets: Mapping[str, str] = {}  # "D" and "G" → what they are called
        self._live: Live | None = None

    def __enter__(self) -> TrainingView:
        if console.is_terminal:
            self._live = Live(self._rendered(), console=console, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self._live:
            self._live.update(self._rendered())
            self._live.stop()

    def show(self, p: watching.Progress) -> None:
        """How far it is, and what the doctor has just said."""
        for finding in p.told:
            self._doctor = finding
            say(f"     doctor: {finding}", "yellow")
        drawn = self._live and self._curves  # what the curves show need not be said
        self._nets = {net.upper(): name for net, name in p.nets.items()}
        told = ", ".join(f"of {name} {p.latest[f'{net}/loss']:#.3g}" for net, name in p.nets.items() if p.latest)
        note = f"loss {told}" if told and not drawn else ""
        self._bar.show(p.nimg, p.target, note, share=p.share, rate=p.images_per_second, seconds_left=p.seconds_left)
        if self._live:
            self._live.update(self._rendered())

    def follow(self, run: Run, nimg: int) -> TrainingView:
        """Itself as a tracker of the run."""
        from boceto.sampling import layout

        self._laid = layout(run.recipe)
        for line in run.read_log():
            self.line(line)
        return self

    def line(self, line: Mapping[str, float]) -> None:
        """A line of the log: one point more on the curves."""
        for key in (key for row in _CURVES.values() for _, key, _ in row):
            if key in line:
                self._curves.setdefault(key, []).append(line[key])

    def sheet(self, nimg: int, picture: Image.Image) -> None:
        """The first pictures of a sheet, two pixels a character."""
        if not self._live or self._laid is None or console.color_system != "truecolor":
            return
        left, top, right, bottom = self._laid.cells(picture)[0]
        cell, shown = right - left, min(_SHOWN, self._laid.columns)
        row = picture.convert("RGB").crop((0, top, shown * cell, bottom))
        rows = max(1, round(_CELL * row.height / cell / 2))  # of characters
        self._pictures = half_blocks(row.resize((shown * _CELL, 2 * rows)))

    def finding(self, nimg: int, text: str) -> None:
        """Nothing: it comes with the progress."""

    def close(self) -> None:
        """Nothing: it is left with the context."""

    def _rendered(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for name, curves in _CURVES.items():
            known = [(label, self._curves[key], how) for label, key, how in curves if self._curves.get(key)]
            if known:
                told = [
                    f"{self._nets.get(label, label)} {spark(values)} {how.format(values[-1])}".strip()
                    for label, values, how in known
                ]
                table.add_row(f"     {name}", *told)
        doctor = Text(f"     doctor: {self._doctor}", "yellow", overflow="ellipsis", no_wrap=True)
        more = [part for part, there in ((doctor, self._doctor), (self._pictures, self._pictures)) if there]
        return Group(self._bar.progress, table, *more)


@contextlib.contextmanager
def training_bar() -> Iterator[Callable[[watching.Progress], None]]:
    """The view of a training that is only shown how far it is."""
    with TrainingView() as view:
        yield view.show


def spark(values: Sequence[float], buckets: int = _BUCKETS) -> str:
    """A curve in one line of text, the latest on the right: ``▂▄▇``."""
    size = max(1, math.ceil(len(values) / buckets))
    means = [sum(part) / len(part) for part in (values[i : i + size] for i in range(0, len(values), size))]
    low, high = min(means), max(means)
    scale = (len(_SPARKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_SPARKS[round((mean - low) * scale)] for mean in means)


def half_blocks(picture: Image.Image) -> Text:
    """A small RGB picture of an even height as text: two pixels a character, one above the other."""
    text = Text()
    for y in range(0, picture.height - 1, 2):
        text.append("     ")
        for x in range(picture.width):
            above, below = ("#{:02x}{:02x}{:02x}".format(*picture.getpixel((x, y + i))) for i in (0, 1))  # type: ignore[misc]
            text.append("▀", f"{above} on {below}")
        text.append("\n")
    return text


def clock(seconds: float) -> str:
    """75.2 → ``1:15``; 3,700 → ``1:01:40``."""
    whole = max(0, round(seconds))
    minutes, seconds_ = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds_:02d}" if hours else f"{minutes}:{seconds_:02d}"


def program() -> str:
    """How to call boceto here: its name if the shell knows it, else its path beside this Python."""
    if shutil.which("boceto"):
        return "boceto"
    path = Path(sys.executable).with_name("boceto")
    return quoted(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def quoted(path: Path) -> str:
    """A path as one word of a command that can be copied into a shell."""
    if os.name == "nt":
        return f'"{path}"' if " " in str(path) else str(path)
    return shlex.quote(str(path))


def say(text: str = "", style: str = "") -> None:
    """Print a line, as it stands."""
    with contextlib.suppress(OSError, ValueError):
        console.print(Text(text, style=style))
