"""What this machine is, and the most it can do: figures that others are read against."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import psutil
import torch

from boceto.bench.account import Machine
from boceto.device import Compute
from boceto.version import __version__

_LARGEST, _ENOUGH_S, _TRIES = 8192, 0.02, 5


def machine(compute: Compute) -> Machine:
    """This machine, and what is computed with on it."""
    return Machine(
        device=compute.label.rpartition(", ")[0],
        cpu=_cpu(),
        cores=psutil.cpu_count(logical=False) or os.cpu_count() or 1,
        logical_cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        ram_gb=round(psutil.virtual_memory().total / 1e9, 1),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        torch=str(torch.__version__),
        boceto=__version__,
    )


def _cpu() -> str:
    """The CPU's name, as well as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@torch.inference_mode()
def ceiling(compute: Compute) -> float:
    """FLOP/s of the quickest of a few large square matrix products, in the number format that is computed in.

    Sizes double from 512 until a product takes a fiftieth of a second; the best of five tries at the last two counts.
    """
    best, n = 0.0, 512
    while n <= _LARGEST:
        a, b = (torch.randn(n, n, device=compute.device).to(compute.dtype) for _ in range(2))
        took = []
        for _ in range(_TRIES + 1):  # the first warms up
            compute.wait()
            began = time.perf_counter()
            a @ b
            compute.wait()
            took.append(time.perf_counter() - began)
        best = max(best, 2 * n**3 / min(took[1:]))
        if min(took) >= _ENOUGH_S:
            break
        n *= 2
    return best
