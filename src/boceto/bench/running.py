"""The benchmark as a whole: what is measured in which order, each part in a process of its own, and what is written.

OUT/bench.json                     everything, with the machine: what ``boceto bench compare`` reads
OUT/bench.png, bench.svg           training and drawing, recipe beside recipe
OUT/convolution.csv, .png, .svg    the thesis's convolution test
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from boceto import archs, device, recipe
from boceto.bench import charts, convolution, pictures, throughput
from boceto.bench.account import FILE, Account, Data, Point, Row
from boceto.bench.machine import machine
from boceto.bench.throughput import Shape, Task
from boceto.errors import Fault, UsageError, os_errors, printable
from boceto.files import write_text
from boceto.workers import alone, apart

SECONDS = 3.0
_MOST_SECONDS = 3600.0
CONVOLUTION_S, CONVOLUTION_ALONE_S = 30.0, 120.0  # for the sweep of a device, beside recipes and alone
CSV = "convolution.csv"
_NOISE, _DRAWINGS = 512, 200  # pictures to train on, and to prepare
_ROOM = 2 * 2**20  # bytes: more than all that is written
_LOCK = ".bench.lock"

Announce = Callable[[str], None]


def bench(
    out: Path | str,
    *,
    recipes: Sequence[str] | None = None,
    seconds: float = SECONDS,
    conv: bool = False,
    stages: bool = False,
    device_name: str = "auto",
    announce: Announce = lambda line: None,
) -> Account:
    """Measure this machine, and write what was found into the folder ``out``.

    ``recipes``: names or ``.toml`` files, all that come with boceto if None. Each is timed for ``seconds``, one that
    grows at its last stage or at all ``stages``. ``conv``: the convolution test alone. ``announce`` is told what comes
    next. Raises UsageError or Fault; a recipe that memory does not suffice for is noted instead.
    """
    folder = Path(out)
    if not 0 < seconds <= _MOST_SECONDS:
        raise UsageError(f"--seconds {seconds:g}: each recipe is timed for more than 0 and at most 3,600 seconds")
    if conv and (recipes is not None or stages):
        raise UsageError("--conv measures the convolution alone; leave out --recipes and --stages, or --conv")
    if recipes is not None and not recipes:
        raise UsageError(f"--recipes names none; known: {', '.join(recipe.names())}")
    compute = device.choose(device_name)
    names = [] if conv else recipe.names() if recipes is None else dict.fromkeys(recipes)
    _require_names_that_differ(list(names))
    tasks = [task for name in names for task in _tasks(name, seconds, stages, device_name)]
    _require_folder(folder)
    busy = f"another benchmark is on its way to {folder}, and both would be slowed; wait for it"
    with alone(folder / _LOCK, busy), _scratch() as scratch:
        if crowd := device.crowded(compute):
            announce(crowd)
        rows = _trained(tasks, scratch, announce)
        points, ended = _swept(device_name, CONVOLUTION_ALONE_S if conv else CONVOLUTION_S, announce)
        data = None if conv else _data(scratch, announce)
        account = Account(
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=machine(compute),
            seconds=seconds,
            ceilings=_ceilings(rows),
            recipes=_judged(rows),
            convolution=tuple(points),
            convolution_ended=ended,
            data=data,
        )
        _write(folder, account)
    return account


def _tasks(source: str, seconds: float, every_stage: bool, device_name: str) -> list[Task]:
    """What is to be measured of a recipe. Raises UsageError if there is none of that name, or it cannot run here."""
    wanted, name = recipe.load(source), _name(source)
    device.choose(device_name, wanted.train.precision)
    with device.memory_errors(f"build {name}", "smaller nets, or leave it out of --recipes"):
        found = archs.build(wanted).stages()
    whole = wanted.train.kimg
    chosen = found if every_stage else [replace(found[-1], kimg=whole)]
    return [Task(name, stage, len(found) > 1, device_name, seconds) for stage in chosen]


def _name(source: str) -> str:
    """What a recipe is called in tables: its name, or that of its file."""
    return printable(Path(source).stem) if source.endswith(".toml") else source


def _require_names_that_differ(sources: Sequence[str]) -> None:
    for name, count in Counter(map(_name, sources)).items():
        if count > 1:
            raise UsageError(f"--recipes has {count} that are called {name}, which a table would mix up; rename a file")


def _require_folder(folder: Path) -> None:
    """Know now rather than after minutes that nothing can be written there."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file; give the name of a folder")
    with os_errors("write to", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_ROOM))
            file.flush()
    for name in (*charts.NAMES, CSV, FILE):
        if (folder / name).is_dir():
            raise UsageError(
                f"{folder / name} is a folder, where a file is to be written; move it, or give another --out"
            )


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for pictures to measure with, gone at the end."""
    try:
        made = tempfile.TemporaryDirectory(prefix="boceto-bench-", ignore_cleanup_errors=True)
    except OSError as error:
        raise Fault("no temporary folder can be made; set TMPDIR to a folder that can be written to") from error
    with made as folder:
        yield Path(folder)


# ── measuring, each in a process of its own ──


def _trained(tasks: Sequence[Task], scratch: Path, announce: Announce) -> list[Row]:
    """A row for each; one that fails for want of memory says so."""
    rows = []
    for task in tasks:  # a disk without room for them is known before anything is measured
        _noise(scratch, task.stage.shape)
    for number, task in enumerate(tasks, 1):
        row = Row(recipe=task.name, side=task.stage.side, grows=task.grows, kimg=task.stage.kimg)
        announce(f"{number}/{len(tasks)}  {row.name}")
        try:
            found = apart(throughput.measure, task, _noise(scratch, task.stage.shape))
            row = row.model_copy(update={"found": found})
        except Fault as error:  # memory ran out, or the system ended the process for that reason
            row = row.model_copy(update={"failed": str(error)})
            announce(f"     {error}")
        rows.append(row)
    return rows


def _swept(device_name: str, seconds: float, announce: Announce) -> tuple[list[Point], str | None]:
    """The points of all devices, and why any ended early."""
    points, reasons = list[Point](), list[str]()
    for name in convolution.devices(device_name):
        announce(f"convolution on {name}, {seconds:g} s at most")
        found, ended = apart(convolution.sweep, name, seconds)
        points += found
        reasons += [ended] if ended else []
    return points, "; ".join(reasons) or None


def _data(scratch: Path, announce: Announce) -> Data:
    announce("preparing drawings")
    pictures.draw(scratch, _DRAWINGS)
    return apart(pictures.rates, scratch, _DRAWINGS, _noise(scratch, (64, 64, 3)), 1.0)


def _noise(scratch: Path, shape: Shape) -> Path:
    """A dataset of noise of (H, W, C), made when it is first asked for."""
    folder = scratch / "x".join(map(str, shape))
    if not folder.exists():
        pictures.noise(folder, _NOISE, shape)
    return folder


# ── what came of it ──


def _ceilings(rows: Sequence[Row]) -> dict[str, float]:
    """The best product of each number format, of all processes: another program may have slowed one of them."""
    best: dict[str, float] = {}
    for found in (row.found for row in rows if row.found):
        best[found.format] = max(best.get(found.format, 0.0), found.flops_per_second / found.share)
    return best


def _judged(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Every share as that of the best ceiling."""
    best = _ceilings(rows)
    return tuple(
        row
        if row.found is None
        else row.model_copy(
            update={
                "found": row.found.model_copy(update={"share": row.found.flops_per_second / best[row.found.format]})
            }
        )
        for row in rows
    )


def _write(folder: Path, account: Account) -> None:
    """All of it beside its place first, so that a full disk leaves an earlier benchmark whole; the account last."""
    with os_errors("write to", folder), tempfile.TemporaryDirectory(prefix=".bench-", dir=folder) as beside:
        fresh = Path(beside)
        if account.convolution:
            lines = ["device,n,seconds", *(f"{p.device},{p.n},{p.seconds:.6f}" for p in account.convolution)]
            write_text(fresh / CSV, "\n".join(lines) + "\n")
        charts.write(fresh, account)
        write_text(fresh / FILE, account.model_dump_json(indent=2) + "\n")
        for name in (*charts.NAMES, CSV, FILE):
            if (fresh / name).exists():
                (fresh / name).replace(folder / name)
            else:  # of an earlier benchmark, which measured more
                (folder / name).unlink(missing_ok=True)
