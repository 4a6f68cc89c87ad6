"""What does watching cost? The same training watched as usual, and not watched at all.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/watching.py [--recipe dcgan-64-quick] [--lines 60]

Watched: the closer look, the log, the doctor, the energy. Both run the real loop in one process and take turns step by
step, so that whatever else the machine does falls on both: trust the ratio, not the absolute figures. Sheets, snapshots
and their scores are left out on both sides: they are what a training is for. So is the page that is kept up to date; it
takes a two-hundredth of the time at most, by its own watch (``LivePage``).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

from boceto import archs, device, recipe
from boceto.data import preparing, sketchbook
from boceto.data.prepared import Prepared, held_out
from boceto.runs import Run
from boceto.training import fit

_NEVER = ("watch.sample_kimg=1e9", "watch.snapshot_kimg=1e9", "watch.scored=0")
_UNWATCHED = ("watch.log_kimg=1e9", "doctor.act=off", "data.held_out=0")


class Turns:
    """Two trainings that go on one step at a time, one after the other; the seconds of each step."""

    def __init__(self, steps: int) -> None:
        self.seconds: dict[str, list[float]] = {"watched": [], "plain": []}
        self._steps = steps
        self._may = {name: threading.Semaphore(0) for name in self.seconds}
        self._began = time.perf_counter()

    def begin(self) -> None:
        self._may["watched"].release()

    def stop(self, name: str) -> bool:
        """What ``fit`` asks after each step: hand over, and come back when the other has done one."""
        self.seconds[name].append(time.perf_counter() - self._began)
        self._may["plain" if name == "watched" else "watched"].release()
        if len(self.seconds[name]) >= self._steps:
            return True
        self.wait(name)
        return False

    def wait(self, name: str) -> None:
        self._may[name].acquire()
        self._began = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="dcgan-64-quick")
    parser.add_argument("--lines", type=int, default=60, help="lines of the log")
    arguments = parser.parse_args()
    wanted = recipe.load(arguments.recipe).changed([*_NEVER, "train.kimg=1e9"])
    compute = device.choose("auto", wanted.train.precision)
    a_line = round(wanted.watch.log_kimg * 1000 / wanted.train.batch)
    turns = Turns((arguments.lines + 1) * a_line)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        sketchbook.write(out / "book", 1000)
        channels, height, width = archs.build(wanted).image_shape
        preparing.prepare(out / "book", out / "data", size=f"{width}x{height}", grey=channels == 1)
        data = Prepared(out / "data")
        about = {
            "begun": "",
            "parameters": {"generator": 1, "discriminator": 1},
            "software": {},
            "hardware": {"device": compute.label},
        }

        def go(name: str, changes: tuple[str, ...]) -> None:
            what = wanted.changed(changes)
            counts = {"pictures": len(data), "held_out": held_out(len(data), what.data.held_out)}
            of = {"folder": str(data.folder), "content_hash": data.content_hash, **counts}
            run = Run.create(out / name, what, about | {"data": of})
            turns.wait(name)
            fit(run, data, compute, stop=lambda: turns.stop(name))

        threads = [threading.Thread(target=go, args=pair) for pair in (("watched", ()), ("plain", _UNWATCHED))]
        for thread in threads:
            thread.start()
        turns.begin()
        for thread in threads:
            thread.join()
    lines = range(a_line, (arguments.lines + 1) * a_line, a_line)  # the first one is slow
    watched, plain = ([sum(turns.seconds[name][at : at + a_line]) for at in lines] for name in ("watched", "plain"))
    ratio = statistics.median(a / b for a, b in zip(watched, plain, strict=True))
    print(f"{arguments.recipe}, {compute.label}: {arguments.lines} lines of {a_line} steps")
    print(f"watched {sum(watched):.2f} s, plain {sum(plain):.2f} s; median of the lines' ratios {ratio:.3f}×")


if __name__ == "__main__":
    main()
