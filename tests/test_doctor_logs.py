"""The doctor on logs of trainings that really went well or wrong (``benchmarks/doctor.py`` has made and described them)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

HERE = Path(__file__).parent
LOGS = sorted((HERE / "doctor").glob("*.json.gz"))


def _bench() -> Any:
    spec = importlib.util.spec_from_file_location("bench_doctor", HERE.parent / "benchmarks" / "doctor.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


BENCH = _bench()
TOLD = {path.name.partition(".")[0]: BENCH.read(path) for path in LOGS}


def test_there_are_enough_of_both_kinds() -> None:
    assert set(TOLD) == set(BENCH.CASES)
    healthy = [name for name, one in TOLD.items() if not one.expected]
    assert len(healthy) >= 12 and len(TOLD) - len(healthy) >= 20


@pytest.mark.parametrize("name", sorted(TOLD))
def test_the_sick_are_found_and_the_healthy_are_not(name: str) -> None:
    one = TOLD[name]
    assert not one.early, "a false alarm"
    if one.expected:
        assert one.right, f"found {[finding.name for finding in one.findings]}, not {one.expected}"


def test_every_fault_has_a_run_that_shows_it() -> None:
    from boceto.doctor import RULES

    shown = {finding.name for one in TOLD.values() for finding in one.right}
    assert shown >= {rule.name for rule in RULES} - {"partial-collapse", "jitter-bound"}


def test_what_is_found_is_found_soon() -> None:
    delays = [one.right[0].sure_at - one.onset for one in TOLD.values() if one.right]
    assert median(delays) <= 5000


def test_thresholds_matter() -> None:
    """A doctor that is blunted misses most of them, one that is too keen cries wolf."""
    blunt = ["certain=1", "collapse=0", "partial_collapse=0", "explosion=1e30", "vanishing=1e-30", "rate_high=1e9"]
    blunt += [
        "rate_low=0",
        "starvation=1",
        "frozen=0",
        "overfit=9",
        "plateau=0",
        "memorising=1",
        "memorising_epochs=1e9",
    ]
    keen = ["certain=0.51", "collapse=0.6", "partial_collapse=0.9", "warm_up_kimg=0", "rate_high=0.01", "patience=1"]
    missed, alarms = 0, 0
    for path in LOGS:
        missed += (
            bool(TOLD[path.name.partition(".")[0]].expected)
            and not BENCH.read(path, *(f"doctor.{change}" for change in blunt)).right
        )
        alarms += bool(BENCH.read(path, *(f"doctor.{change}" for change in keen)).early)
    assert missed >= 12 and alarms >= 10
