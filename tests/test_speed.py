"""A guard against growing slow: our step beside a plain one of the same network, in one run. Ratios, never seconds.

CPU time of one thread is compared, which other work on the machine disturbs least. What the ratios are is measured by
benchmarks/step.py; here they have only to be on the right side.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from boceto import device

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "step.py"
BATCH, WIDTH, ROUNDS, TRIES = 16, 64, 3, 3


@pytest.fixture(scope="module")
def step() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_step", BENCHMARK)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def best_ratio(step: ModuleType, slow: str, quick: str) -> float:
    """How many times as quick ``quick`` is: the best of a few tries, since noise only ever takes away."""
    make = {"plain": lambda: step.plain(BATCH, WIDTH)} | {
        precision: (lambda precision=precision: step.ours(BATCH, precision, WIDTH))
        for precision in ("float32", "bfloat16")
    }
    contenders = {name: make[name]() for name in (slow, quick)}
    best = 0.0
    for _ in range(TRIES):
        medians = step.race(contenders, ROUNDS, time.process_time)
        best = max(best, medians[slow] / medians[quick])
        if best > 1.02:
            break
    return best


def test_a_step_is_quicker_than_a_plain_one(step: ModuleType) -> None:
    assert best_ratio(step, "plain", "float32") > 1.0


@pytest.mark.skipif(device.choose("cpu").dtype != torch.bfloat16, reason="this CPU has no units for bfloat16")
def test_bfloat16_is_quicker_than_float32(step: ModuleType) -> None:
    assert best_ratio(step, "float32", "bfloat16") > 1.0
