"""Work shared out to processes: in order, and nobody outlives anybody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from boceto.bench.memory import peak_memory_mb
from boceto.errors import Fault, UsageError
from boceto.workers import apart, spread

SLOW = """
import os, sys, time
from pathlib import Path
from boceto.workers import spread

def work(i):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    list(spread(work, range(8), 2))
"""


def square(x: int) -> int:
    return x * x


def die(x: int) -> int:
    if x == 3:
        os._exit(9)
    return x


def test_results_come_in_order_whatever_the_number_of_workers() -> None:
    expected = [x * x for x in range(40)]
    assert list(spread(square, range(40), 1)) == list(spread(square, range(40), 2)) == expected
    assert list(spread(square, [], 4)) == []


def test_a_killed_worker_ends_in_one_sentence() -> None:
    with pytest.raises(Fault, match="memory ran out"):
        list(spread(die, range(8), 2))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes through /proc")
def test_workers_leave_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    seen = tmp_path / "seen"
    seen.mkdir()
    with subprocess.Popen([sys.executable, str(script), str(seen)], stderr=subprocess.DEVNULL) as parent:
        wait(lambda: len(list(seen.iterdir())) == 2)
        parent.send_signal(signal.SIGKILL)
    workers = [Path("/proc", path.name) for path in seen.iterdir()]
    wait(lambda: not any(alive(worker) for worker in workers))


def alive(process: Path) -> bool:
    try:
        return "\nState:\tZ" not in (process / "status").read_text()
    except OSError:
        return False


def wait(until: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.05)


# ── a process for one thing alone ──


def hold(megabytes: int) -> float:
    kept = np.ones(megabytes * 10**6, np.uint8)
    return peak_memory_mb() if kept.all() else 0.0


def fail() -> None:
    raise UsageError("as it should")


def die_at_once() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_memory_of_a_process_is_its_own() -> None:
    large = apart(hold, 300)
    kept = np.ones(400 * 10**6, np.uint8)  # here
    small = apart(hold, 10)
    assert kept.all() and large - small > 200


def test_what_fails_apart_fails_here() -> None:
    with pytest.raises(UsageError, match="as it should"):
        apart(fail)
    with pytest.raises(Fault, match="did memory run out"):
        apart(die_at_once)
