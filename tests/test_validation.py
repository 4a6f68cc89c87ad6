"""Do the scores mean what they say? Real drawings, spoilt in known ways: every score moves as it should, or is known not to.

What is done, and the same in large with charts: ``benchmarks/scores.py``, docs/scores.md.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boceto.metrics import features

COUNT, STRENGTHS = 32, (1, 3)  # pictures of each kind; the second and the strongest of four


def _bench() -> Any:
    path = Path(__file__).parents[1] / "benchmarks" / "scores.py"
    spec = importlib.util.spec_from_file_location("bench_scores", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BENCH = _bench()
Scores = dict[str, float]


@pytest.fixture(scope="module")
def found() -> dict[str, list[Scores]]:
    """What is done to drawings → their scores untouched, spoilt, and spoilt as much as can be."""
    drawn, net = BENCH.portraits(5 * COUNT), features.network("lite0")
    real, pool = drawn[:COUNT], drawn[COUNT:]
    seen: dict[bytes, np.ndarray] = {}

    def scored(fake: np.ndarray) -> Scores:
        return BENCH.scored(real, fake, net, seen)  # type: ignore[no-any-return]

    untouched = scored(pool[:COUNT])
    strengths = {name: how[1] for name, how in BENCH.SPOILING.items()} | BENCH.DROPPING
    return {
        what: [untouched] + [scored(BENCH.spoilt(what, of[k], real, pool, COUNT)) for k in STRENGTHS]
        for what, of in strengths.items()
    }


@pytest.mark.parametrize("what", ["blur", "noise", "tint", "jpeg", "torn", "halves swapped", "repeats"])
def test_the_worse_the_drawings_the_farther_they_are(found: dict[str, list[Scores]], what: str) -> None:
    for score in ("kid", "fid"):
        first, second, third = (scores[score] for scores in found[what])
        assert first < second < third, score
    assert found[what][2]["coverage"] < found[what][0]["coverage"]


@pytest.mark.parametrize("what", ["blur", "noise", "torn", "jpeg"])
def test_spoilt_drawings_are_no_longer_among_the_real_ones(found: dict[str, list[Scores]], what: str) -> None:
    assert found[what][2]["precision"] < found[what][0]["precision"] - 0.2
    assert found[what][2]["density"] < found[what][1]["density"] * 1.1 < found[what][0]["density"] * 1.2


def test_repeats_are_good_drawings_without_variety(found: dict[str, list[Scores]]) -> None:
    untouched, _, one = found["repeats"]
    assert one["precision"] >= untouched["precision"] - 0.1, "each is as good as ever"
    assert one["recall"] < 0.1 and one["coverage"] < 0.5 and one["diversity"] < 1e-6
    assert one["ms-ssim"] == pytest.approx(1) and untouched["ms-ssim"] < 0.5


def test_texture_and_colour_show_in_the_levels_of_the_pyramid(found: dict[str, list[Scores]]) -> None:
    blur, tint = found["blur"], found["tint"]
    assert blur[0]["swd-64"] < blur[1]["swd-64"] < blur[2]["swd-64"], "the finest level loses its texture"
    assert tint[0]["swd-16"] < tint[1]["swd-16"] < tint[2]["swd-16"], "the coarsest has the colours"
    swapped = found["halves swapped"]
    assert swapped[2]["swd-64"] < 1.5 * swapped[0]["swd-64"] < blur[2]["swd-64"], "it does not see what stands where"


def test_no_score_finds_fault_with_copies(found: dict[str, list[Scores]]) -> None:
    """Copied drawings look better than new ones to every score: whether it copied, another instrument must tell."""
    untouched, some, all_ = found["copies"]
    for score in ("kid", "fid", "swd-64"):
        assert all_[score] < some[score] < untouched[score]
    for score in ("precision", "recall", "coverage"):
        assert all_[score] == 1
    assert all_["fid"] == pytest.approx(0, abs=1e-3) and all_["diversity"] == pytest.approx(1)
