"""What a benchmark found, for the terminal; and several beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from boceto.bench.account import Account, Machine, Row
from boceto.errors import UsageError, printable
from boceto.reporting.tables import digits, table

_SHORT = ("recipe", ">train", ">ceil.", ">GB", ">first", ">wait", ">draw", ">one", ">hours")


def rows(account: Account) -> Table:
    """A line a recipe, for a terminal of 80 columns."""
    return table(_SHORT, [_line(row) for row in account.recipes])


def _line(row: Row) -> list[str]:
    found = row.found
    if found is None:
        return [row.name, "failed", *[""] * (len(_SHORT) - 2)]
    return [
        row.name,
        digits(found.images_per_second),
        f"{found.share:.0%}",
        f"{found.memory_mb / 1000:.2f}",
        digits(found.first_step_s),
        f"{found.waiting:.0%}",
        digits(found.drawn_per_second),
        digits(found.drawn_alone_per_second),
        "<0.1" if (row.hours or 0) < 0.1 else digits(row.hours),
    ]


def remarks(account: Account) -> Iterator[str]:
    """What the table does not say."""
    it = account.machine
    if account.recipes:
        tops = ", ".join(f"{top / 1e12:.3g} TFLOP/s in {name}" for name, top in account.ceilings.items())
        yield "train  images/s in training"
        yield f"ceil.  share of what a large matrix product reaches here{f': {tops}' if tops else ''}"
        yield "GB     the most that the process held"
        yield "first  seconds from nothing to the end of the first step"
        yield "wait   share of the time in which the next pictures were waited for"
        yield "draw   images/s drawn, 64 at a time; one: one at a time"
        yield "hours  for all images of the recipe, at this rate"
        few = [f"{row.name} ({row.found.steps})" for row in account.recipes if row.found and row.found.steps < 5]
        if few:
            yield f"few steps were timed, so this is rough: {', '.join(few)}"
        yield from (printable(f"{row.name}: {row.failed}") for row in account.recipes if row.failed)
    for device in dict.fromkeys(point.device for point in account.convolution):
        last = [point for point in account.convolution if point.device == device][-1]
        yield f"convolution on {device}: {digits(last.seconds)} s for ten runs at N = {last.n}"
    if account.convolution_ended:
        yield account.convolution_ended
    if account.data:
        yield (
            f"pictures, on one core: {digits(account.data.prepared_per_second)} a second prepared, "
            f"{digits(account.data.batched_per_second)} a second in batches"
        )
    yield f"for comparison: {account.thesis}"
    machine = f"{it.device}; {it.cpu}, {it.cores} cores, {it.ram_gb:g} GB; {it.system}"
    yield f"{machine}; PyTorch {it.torch}, boceto {it.boceto}"


# ── several beside each other ──


def compare(paths: Sequence[Path], accounts: Sequence[Account]) -> dict[str, Any]:
    """Rates of each, and how many times as quick as the first each other is; what one lacks is None.

    Raises UsageError for fewer than two, or if they have nothing in common.
    """
    if len(accounts) < 2:
        raise UsageError("comparing takes two benchmarks or more; give their bench.json")
    rates = [_rates(account) for account in accounts]
    common = [name for name in rates[0] if any(name in other for other in rates[1:])]
    if not common:
        raise UsageError(f"{paths[0]} and the others have measured nothing in common; run boceto bench alike on both")
    return {
        "files": [str(path) for path in paths],
        "machines": [account.machine.model_dump() for account in accounts],
        "dates": [account.date for account in accounts],
        "rows": [
            {
                "what": name,
                "rates": [other.get(name) for other in rates],
                "ratios": [other[name] / rates[0][name] if name in other else None for other in rates],
            }
            for name in common
        ],
    }


def _rates(account: Account) -> dict[str, float]:
    """Everything by which machines can be compared, a second: more is quicker."""
    known = {row.name: row.found for row in account.recipes if row.found is not None}
    found = {f"train {name}": one.images_per_second for name, one in known.items()}
    for name, one in known.items():
        found |= {f"draw {name}": one.drawn_per_second, f"draw {name}, one": one.drawn_alone_per_second}
    found |= {f"convolve on {p.device}, N = {p.n}": 10 / p.seconds for p in account.convolution}
    if account.data:
        found["prepare"] = account.data.prepared_per_second
        found["batches"] = account.data.batched_per_second
    return found


def compared(told: dict[str, Any]) -> Table:
    """Rates of the first, and how many times as quick the others are."""
    names = [_letter(number) for number in range(len(told["files"]))]
    lines = [
        [row["what"], digits(row["rates"][0]), *("–" if one is None else f"{one:.2f}×" for one in row["ratios"][1:])]
        for row in told["rows"]
    ]
    return table(("images/s", f">{names[0]}", *(f">{name}" for name in names[1:])), lines)


def legend(told: dict[str, Any]) -> Iterator[str]:
    """Which letter is which machine."""
    for number, (file, it, date) in enumerate(zip(told["files"], told["machines"], told["dates"], strict=True)):
        machine = Machine.model_validate(it)
        yield printable(f"{_letter(number)}  {file}: {machine.told}, boceto {machine.boceto}, {date[:10]}")


def _letter(number: int) -> str:
    """0 → A, 25 → Z, 26 → AA."""
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)
