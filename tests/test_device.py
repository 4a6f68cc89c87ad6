"""What is told of the device that is computed on."""

from __future__ import annotations

import pytest
import torch

from boceto.device import choose, crowded


def test_a_crowded_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = [[100.0, 3.0, 0.0, 2.0]]
    monkeypatch.setattr("boceto.device.psutil.cpu_percent", lambda interval, percpu: busy[0])
    monkeypatch.setattr("boceto.device.psutil.cpu_count", lambda: 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert "keep 1.1 of 4 cores busy" in (said := crowded(choose("cpu"))) and "OMP_NUM_THREADS=3 before" in said
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert not crowded(choose("cpu")), "there are cores for all threads"
    busy[0] = [20.0, 10.0, 5.0, 3.0]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert not crowded(choose("cpu")), "nobody else computes"
