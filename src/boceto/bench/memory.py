"""How much memory a process has held."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in 10⁶ bytes, files mapped into it included."""
    try:  # ru_maxrss would begin with that of the process that started this one
        for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    peak = getattr(psutil.Process().memory_info(), "peak_wset", None)  # Windows
    if peak is not None:
        return float(peak) / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024) / 1e6
