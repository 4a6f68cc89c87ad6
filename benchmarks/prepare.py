"""How quick is preparing, and does it stay within its memory? Beside the plain loop that one would write.

    .venv/bin/python benchmarks/prepare.py speed [FOLDER …]       # per core, against Pillow alone; and on all cores
    .venv/bin/python benchmarks/prepare.py memory [--most 300000] # resident memory and rate along the way

``speed`` without folders draws 500 characters each at 96, 256 and 512 pixels. The contenders take turns on the same
files and are timed in CPU seconds of one process: trust the ratios. ``memory`` writes small JPEGs in Danbooru's folders
with a line of metadata each, and prepares them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from boceto.data import sketchbook, sources
from boceto.data.examining import Options, examine
from boceto.data.preparing import Progress, prepare

LIMIT = 1000  # pictures of a folder; more change nothing


def plain(paths: list[Path]) -> list[NDArray[np.uint8]]:
    """Open, convert, crop and resize: what every tutorial does, with no screening at all."""
    pictures = []
    for path in paths:
        with Image.open(path) as image:
            pictures.append(np.asarray(ImageOps.fit(image.convert("RGB"), (64, 64), Image.Resampling.LANCZOS)))
    return pictures


def cpu_ms(work: Callable[[], object], count: int) -> float:
    began = time.process_time()
    work()
    return 1000 * (time.process_time() - began) / count


def speed(folders: list[Path], rounds: int) -> None:
    print(f"{os.cpu_count()} cores; median of {rounds} rounds; ms of CPU a picture, framed at 64 px")
    print(f"{'pictures':38} {'Pillow alone':>13} {'boceto':>9} {'ratio':>7}   {'wall, 1 core → all cores':>26}")
    for folder in folders:
        source = sources.read(folder)
        records = source.records[:LIMIT]
        paths = [source.root / record.path for record in records]
        theirs, ours = [], []
        for _ in range(rounds):
            theirs.append(cpu_ms(lambda: plain(paths), len(paths)))  # noqa: B023  called at once
            ours.append(cpu_ms(lambda: list(examine(source, records, Options(), 1)), len(paths)))  # noqa: B023
        a, b = statistics.median(theirs), statistics.median(ours)
        wall = []
        for workers in (1, None):
            with tempfile.TemporaryDirectory() as out:
                began = time.monotonic()
                prepare(folder, Path(out, "data"), workers=workers)
                wall.append(len(source.records) / (time.monotonic() - began))
        rates = f"{wall[0]:,.0f} → {wall[1]:,.0f} pictures/s"
        print(
            f"{folder.name[:26]:26} {len(records):>11,} {a:>13.2f} {b:>9.2f} {b / a:>6.2f}×   {rates:>26}", flush=True
        )


def drawn(folder: Path) -> list[Path]:
    """The sketchbook's characters at three sizes."""
    sizes = {size: folder / f"sketchbook-{size}" for size in (96, 256, 512)}
    for size, place in sizes.items():
        sketchbook.write(place, 500, size=size, faults=False)
    return list(sizes.values())


def resident_mb() -> float:
    """Resident memory of this process, in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory(most: int, folder: Path) -> None:
    source = folder / "many"
    random = np.random.Generator(np.random.PCG64(0))
    for bucket in range(1000):
        (source / f"{bucket:04d}").mkdir(parents=True)
    with (source / "metadata.jsonl").open("w") as lines:
        for number in range(most):
            blots = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            blots.resize((80, 80), Image.Resampling.BICUBIC).save(source / f"{number % 1000:04d}" / f"{number}.jpg")
            tags = [{"name": f"tag_{tag}"} for tag in random.integers(0, 4000, 20)]
            lines.write(json.dumps({"id": str(number), "tags": tags}) + "\n")
    print(f"{most:,} files with metadata; resident memory of the main process (it reads the list first)", flush=True)
    began = time.monotonic()
    marks = iter([0.001, *np.linspace(0.1, 1, 10)])
    due = next(marks)

    def tell(progress: Progress) -> None:
        nonlocal due
        if progress.done >= due * progress.total:
            spent = time.monotonic() - began
            print(f"  {progress.done:>9,} pictures  {spent:>8.1f} s  {resident_mb():>8.0f} MB", flush=True)
            due = next(marks, 2.0)

    data = prepare(source, folder / "data", workers=None, progress=tell)
    print(data.summary())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    quick = verbs.add_parser("speed")
    quick.add_argument("folders", nargs="*", type=Path)
    quick.add_argument("--rounds", type=int, default=5)
    long = verbs.add_parser("memory")
    long.add_argument("--most", type=int, default=300_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if chosen.verb == "speed":
            speed(chosen.folders or drawn(Path(place)), chosen.rounds)
        else:
            memory(chosen.most, Path(place))


if __name__ == "__main__":
    main()
