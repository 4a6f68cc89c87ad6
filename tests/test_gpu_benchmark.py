"""The benchmark for GPUs runs where there is none, tiny, so that it will run where there is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def test_the_benchmark_runs() -> None:
    command = [sys.executable, str(BENCHMARK), "--device", "cpu", "--quick", "--plain", "--seconds", "280"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert "failed" not in said
    rows = [
        "large products, bfloat16",
        "DCGAN 64 plain float32",
        "DCGAN 64 boceto bfloat16",
        "ProGAN 8 px, batch 4 bfloat16",
    ]
    rows += ["drawing 8 at once", "data alone", "DCGAN 64 from a file", "waiting for data"]
    assert all(row in said for row in rows), said
    assert said.count("reached") == 3 and "a DCGAN step ≥ 2 × the plain one" in said
