"""What the terminal shows: one bar with rate and time left; where there is no terminal, a plain line now and then."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from boceto import watching


class _Console(Console):
    """A console whose reader may go away: what is shown never stops the work."""

    def on_broken_pipe(self) -> None:
        self.file = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  for the rest of the process


console = _Console(highlight=False, soft_wrap=True)
_PLAIN_EVERY_S = 10.0


class Bar:
    """``with Bar("Preparing") as bar: bar.show(done, total, "kept 120")``."""

    def __init__(self, title: str, unit: str = "pictures") -> None:
        self.title, self.unit = title, unit
        self._began = self._said = time.monotonic()
        self._progress = Progress(
            TextColumn("     [bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f}%  {task.fields[note]}"),
            console=console,
        )
        self._task = self._progress.add_task(title, total=1.0, note="")

    def __enter__(self) -> Bar:
        if console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if console.is_terminal:
            self._progress.stop()

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
        self._progress.update(self._task, completed=share, note=line)
        if not console.is_terminal and (now - self._said >= _PLAIN_EVERY_S or share >= 1):
            self._said = now
            say(f"     {self.title} {100 * share:3.0f}%  {line}")


@contextlib.contextmanager
def training_bar() -> Iterator[Callable[[watching.Progress], None]]:
    """A bar for ``fit``: images seen, images/s, time left, the two losses."""
    with Bar("Training", unit="images") as bar:

        def show(p: watching.Progress) -> None:
            for finding in p.told:
                say(f"     doctor: {finding}", "yellow")
            note = f"loss of D {p.latest['d/loss']:.2f}, of G {p.latest['g/loss']:.2f}" if p.latest else ""
            bar.show(p.nimg, p.target, note, share=p.share, rate=p.images_per_second, seconds_left=p.seconds_left)

        yield show


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
