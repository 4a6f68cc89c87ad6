"""Tables for the terminal, and figures in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from boceto.errors import printable
from boceto.tagger.judging import Share


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], fold: Iterable[int] = (0,)) -> Table:
    """Rows of texts under their names; a name that begins with ``>`` stands to the right.

    Where a terminal is too narrow, the columns ``fold`` are broken into lines, and the others kept whole.
    """
    breaking = set(fold)
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, name in enumerate(columns):
        made.add_column(
            Text(printable(name.removeprefix(">"))),
            justify="right" if name.startswith(">") else "left",
            no_wrap=number not in breaking,
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(Text("\n".join(map(printable, cell.split("\n")))) for cell in row))
    return made


def digits(value: float | None) -> str:
    """Three significant digits, never in powers of ten; two below 1."""
    if value is None:
        return "unknown"
    if 0 < abs(value) < 1:
        return f"{value:.{1 - math.floor(math.log10(abs(value)))}f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def duration(seconds: float) -> str:
    """75.2 → ``0:01:15``; a day and more in hours."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def share(count: int, total: int) -> str:
    """A share of pictures in per cent with its 95 % interval: ``82 % (78 … 86)``."""
    if not total:
        return "none"
    found = Share.of(count, total)
    return f"{100 * found.value:.0f} % ({100 * found.low:.0f} … {100 * found.high:.0f})"
