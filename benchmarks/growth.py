"""How does the cost grow with the work? Time and memory an image against size of the pictures, batch, channels, width,
and number of pictures.

    .venv/bin/python benchmarks/growth.py OUT [--seconds 3] [--most 1000000] [--device cpu] [--quick]

Every point is measured in a process of its own, on noise. 1,000,000 pictures of 64 px are 12.3 GB, written to a folder
of their own in OUT and removed again; --most caps them, and what the disk has no room for is left out. Written:
growth.json, .png, .svg. The exponent of time against pixels is that of the straight line through log and log.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from boceto import archs, device, recipe
from boceto.bench import pictures, throughput
from boceto.bench.machine import machine
from boceto.bench.throughput import Task
from boceto.cli import ended
from boceto.data.batches import batches
from boceto.data.prepared import Prepared, held_out
from boceto.errors import Fault, UsageError, os_errors
from boceto.files import write_image, write_text
from boceto.reporting import figures
from boceto.reporting.figures import GRID, INK
from boceto.reporting.tables import digits
from boceto.workers import apart

DCGAN, PROGAN = "dcgan-64-quick", "progan-64"
SIDE, SHAPE = 64, (64, 64, 3)
COUNTS = (1_000, 10_000, 100_000, 1_000_000)
_ROOM = 2e9  # bytes that shall stay free on the disk
_COLOURS = ("#2f6fb0", "#d08a1e")


@dataclass(frozen=True)
class Point:
    """``x`` of a series (pixels, pictures, …), and what an image costs there; memory beyond Python and PyTorch."""

    series: str
    of: str
    x: float
    ms: float
    memory_mb: float
    mflop: float = 0.0


def training(scratch: Path, where: str, seconds: float, quick: bool) -> Iterator[Point]:
    """Everything that is a training, with only one thing changed at a time."""
    sides = (16, 32) if quick else (16, 32, 64, 128, 256)
    small = [] if not quick else ["arch.g_width=4", "arch.d_width=4", "arch.z_dim=8"]
    measure = partial(_points, scratch, where, seconds)
    for side in sides:
        yield from measure("resolution", "dcgan", side**2, DCGAN, [f"arch.resolution={side}", "train.batch=16", *small])
    growing = [f"arch.resolution={16 if quick else 256}", "arch.stage_batch=[16]", *(["arch.width=8"] if quick else [])]
    yield from measure("resolution", "progan", None, PROGAN, growing)
    small += ["arch.resolution=16"] if quick else []
    for batch in (1, 8) if quick else (1, 4, 16, 64, 256):
        yield from measure("batch", "dcgan", batch, DCGAN, [f"train.batch={batch}", *small])
    for channels in (1, 3):
        yield from measure("channels", "dcgan", channels, DCGAN, [f"arch.channels={channels}", *small])
    for width in (4, 8) if quick else (16, 32, 64, 128):
        yield from measure("width", "dcgan", width, DCGAN, [*small, f"arch.g_width={width}", f"arch.d_width={width}"])


def _points(
    scratch: Path, where: str, seconds: float, series: str, of: str, x: float | None, name: str, changes: Sequence[str]
) -> Iterator[Point]:
    """The point of a recipe, or of each of its stages by its pixels where ``x`` is None."""
    stages = archs.build(recipe.load(name).changed(changes)).stages()
    for stage in stages:
        data = scratch / "x".join(map(str, stage.shape))
        if not data.exists():
            pictures.noise(data, 256, stage.shape)
        try:
            found = apart(throughput.measure, Task(name, stage, len(stages) > 1, where, seconds), data)
        except Fault as error:
            print(f"{series:10} {of:7} {x or stage.side**2:>9,}  {error}", flush=True)
            continue
        memory = found.memory_mb - found.memory_before_mb if found.gpu_memory_mb is None else found.gpu_memory_mb
        place = stage.side**2 if x is None else x
        yield Point(series, of, place, 1000 / found.images_per_second, memory, found.flops_per_image / 1e6)


def dataset(scratch: Path, most: int, seconds: float) -> Iterator[Point]:
    """Batches of 64 from ever more pictures: written, read for some seconds, and removed."""
    for count in COUNTS if most >= COUNTS[0] else (most,):
        folder, needed = scratch / "many", count * math.prod(SHAPE) * 1.02
        if count > most:
            break
        if shutil.disk_usage(scratch).free < needed + _ROOM:
            print(f"{count:,} pictures take {needed / 1e9:.1f} GB, which this disk has no room for: left out")
            break
        try:
            apart(_write, folder, count)
            ms, memory = apart(_read, folder, seconds)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        yield Point("dataset", "batches", count, ms, memory)


def _write(folder: Path, count: int) -> None:
    pictures.noise(folder, count, SHAPE)


def _read(folder: Path, seconds: float) -> tuple[float, float]:
    """Milliseconds an image, over the end of an epoch too; and megabytes that are no mapped files, at the end."""
    before, whole = _own_mb(), Prepared(folder)
    data, _ = whole.split(held_out(len(whole), 0.05))
    near = max(0, len(data) - 64 * 8)  # the end of an epoch comes after eight batches
    stream, count = batches(data, seed=0, nimg=near, batch=64, flip=True), 0
    began = time.perf_counter()
    while not count or time.perf_counter() - began < seconds:
        count += sum(len(next(stream)) for _ in range(16))
    return 1000 * (time.perf_counter() - began) / count, _own_mb() - before


def _own_mb() -> float:
    """Memory of this process without the files that are mapped into it, which the system takes back when it likes."""
    memory = psutil.Process().memory_info()
    own = memory.rss - memory.shared if hasattr(memory, "shared") else psutil.Process().memory_full_info().uss
    return float(own) / 1e6


# ── what came of it ──


def exponent(points: Sequence[Point]) -> float:
    """By which power of ``x`` time grows: the slope of the straight line through their logarithms."""
    return float(np.polyfit(np.log([p.x for p in points]), np.log([p.ms for p in points]), 1)[0])


def chart(points: Sequence[Point], told: str) -> Figure:
    """Time above, memory below; a column for each thing that grows."""
    columns = {"resolution": "pixels", "batch": "batch", "width": "width", "dataset": "pictures in the dataset"}
    columns = {name: label for name, label in columns.items() if any(p.series == name for p in points)}
    figure = Figure(figsize=(3.1 * len(columns), 5.4), layout="constrained")
    axes = figure.subplots(2, len(columns), squeeze=False)
    for column, (name, label) in enumerate(columns.items()):
        for of, colour in zip(dict.fromkeys(p.of for p in points if p.series == name), _COLOURS, strict=False):
            line = [p for p in points if p.series == name and p.of == of]
            power = f" ∝ {label}^{exponent(line):.2f}" if name == "resolution" and len(line) > 2 else ""
            for row, values in enumerate(([p.ms for p in line], [max(p.memory_mb, 0.1) for p in line])):
                axes[row, column].plot([p.x for p in line], values, "o-", color=colour, markersize=4, label=of + power)
        axes[0, column].set_title(name, fontsize=10, loc="left", color=INK)
        axes[1, column].set_xlabel(label, fontsize=9)
        if name == "resolution":
            axes[0, column].legend(frameon=False, fontsize=8)
        for one in axes[:, column]:
            _logarithmic(one)
    axes[0, 0].set_ylabel("ms an image", fontsize=9)
    axes[1, 0].set_ylabel("memory, MB", fontsize=9)
    figure.supxlabel(told, fontsize=8, color="#8a8494", x=0.01, ha="left")
    return figure


def _logarithmic(axes: Axes) -> None:
    """Both ways; where nothing else would be written, 1, 2 and 5 are."""
    axes.set(xscale="log", yscale="log")
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        axis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 1000 else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(_short))
        axis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.5, high * 1.5)  # at least one of them is then in sight
    axes.grid(color=GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _short(value: float, _: int) -> str:
    return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each point is timed")
    parser.add_argument("--most", type=int, default=COUNTS[-1], help="pictures of the largest dataset")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--quick", action="store_true", help="tiny nets and 1,000 pictures: does it all work?")
    arguments = parser.parse_args()
    out, seconds = arguments.out, 0.05 if arguments.quick else arguments.seconds
    if arguments.most < 1 or not 0 < seconds < math.inf:
        parser.error("--most and --seconds are more than 0")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; give the name of a folder")
    with os_errors("write to", out):
        out.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(prefix=".growth-", dir=out, ignore_cleanup_errors=True)
    most = min(arguments.most, COUNTS[0]) if arguments.quick else arguments.most
    about = machine(device.choose(arguments.device))
    points = []
    print(f"{about.told}\n\n{'grows':10} {'net':7} {'to':>9} {'ms/image':>9} {'MB':>8} {'GFLOP/image':>12}")
    with place as folder:
        scratch = Path(folder)
        for series in (training(scratch, arguments.device, seconds, arguments.quick), dataset(scratch, most, seconds)):
            for p in series:
                points.append(p)
                work = digits(p.mflop / 1000) if p.mflop else ""
                line = f"{p.series:10} {p.of:7} {p.x:>9,.0f} {digits(p.ms):>9} {p.memory_mb:>8.1f} {work:>12}"
                print(line, flush=True)
    print()
    exponents = {}
    for of in ("dcgan", "progan"):
        larger = [p for p in points if p.series == "resolution" and p.of == of]
        if len(larger) > 1:
            exponents[of] = exponent(larger)
            print(f"{of}: time grows as pixels to the power of {exponents[of]:.2f}, {len(larger)} points")
    many = [p for p in points if p.series == "dataset"]
    if len(many) > 1:
        each = (many[-1].memory_mb - many[0].memory_mb) * 1e6 / (many[-1].x - many[0].x)
        print(f"dataset: {each:.0f} bytes of memory a picture (the order of an epoch is 8 each), on disk 12,288")
    date = datetime.now(UTC).isoformat(timespec="seconds")
    account = {"date": date, "machine": about.model_dump(), "exponents": exponents, "points": [*map(asdict, points)]}
    figure = chart(points, f"{about.told} · {date[:10]}")
    write_image(out / "growth.png", figures.raster(figure))
    write_text(out / "growth.svg", figures.svg(figure))
    write_text(out / "growth.json", json.dumps(account, indent=2) + "\n")
    print(f"\n{out / 'growth.png'}")


if __name__ == "__main__":
    sys.exit(ended(main))
