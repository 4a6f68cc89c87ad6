"""Distances in a feature space: against closed forms, and against what the words promise."""

from __future__ import annotations

import numpy as np
import pytest

from boceto.metrics import distances
from boceto.metrics.distances import (
    Interval,
    around,
    diversity,
    frechet,
    inception_score,
    intervals,
    kernel,
    of_share,
    reach,
)


def gaussian(n: int, seed: int, mean: float = 0.0, scale: float = 1.0, d: int = 8) -> np.ndarray:
    return mean + scale * np.random.default_rng(seed).normal(size=(n, d))


def test_frechet_is_that_of_two_gaussians() -> None:
    """‖Δμ‖² + d·(σ₁ − σ₂)² for isotropic ones; by both ways to the trace, and for features of few pictures exactly 0."""
    many = frechet(gaussian(40_000, 0), gaussian(40_000, 1, mean=0.5, scale=2.0))
    assert many == pytest.approx(8 * 0.25 + 8 * 1.0, rel=0.03)
    a, b = gaussian(300, 0, d=200), gaussian(250, 1, 0.3, d=200)
    wide = np.pad(a, ((0, 0), (0, 200))), np.pad(b, ((0, 0), (0, 200)))  # zeros beside: fewer pictures than features
    assert frechet(*wide) == pytest.approx(frechet(a, b), rel=1e-9)
    assert frechet(a, a) == pytest.approx(0, abs=1e-8) and frechet(wide[0], wide[0]) == pytest.approx(0, abs=1e-8)
    assert frechet(a, b) == pytest.approx(frechet(b, a))


def test_frechet_equals_the_formula_with_a_matrix_root() -> None:
    a, b = gaussian(500, 0), gaussian(400, 1, 0.2, 1.3) @ np.random.default_rng(2).normal(size=(8, 8))
    product = np.cov(a.T) @ np.cov(b.T)
    trace = np.sqrt(np.linalg.eigvals(product).real.clip(0)).sum()
    apart = a.mean(axis=0) - b.mean(axis=0)
    assert frechet(a, b) == pytest.approx(apart @ apart + np.cov(a.T).trace() + np.cov(b.T).trace() - 2 * trace)


def test_kernel_is_unbiased_and_equals_the_sums_written_out() -> None:
    a, b = gaussian(5, 0, d=3), gaussian(4, 1, 0.5, d=3)

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 3 + 1) ** 3)

    by_hand = sum(k(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j) / 20
    by_hand += sum(k(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j) / 12
    by_hand -= 2 * sum(k(x, y) for x in a for y in b) / 20
    assert kernel(a, b) == pytest.approx(by_hand)
    same = [kernel(gaussian(100, 2 * seed), gaussian(100, 2 * seed + 1)) for seed in range(40)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(40) and min(same) < 0 < max(same)


def test_reach_tells_good_from_varied() -> None:
    real = gaussian(400, 0)
    alike = reach(real, gaussian(400, 1))
    assert min(alike.precision, alike.recall, alike.coverage) > 0.8 and alike.density == pytest.approx(1, abs=0.15)
    near = reach(real, gaussian(400, 2, scale=0.2))  # every picture a good one, of one kind
    assert near.precision > 0.99 and near.recall < 0.2 and near.coverage < 0.5
    wild = reach(real, gaussian(400, 3, scale=4.0))  # all kinds, few of them good
    assert wild.precision < 0.5 and wild.recall > 0.9
    far = reach(real, gaussian(400, 4, mean=50.0))
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)
    with pytest.raises(ValueError, match="5-th neighbour"):
        reach(real[:5], real)


def test_nothing_depends_on_how_it_is_cut_up(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = gaussian(150, 0), gaussian(130, 1, 0.4)
    whole, spread, apart = reach(real, fake), diversity(real), kernel(real, fake)
    monkeypatch.setattr(distances, "_AT_ONCE", 17)
    assert reach(real, fake) == whole and diversity(real) == pytest.approx(spread)
    assert kernel(real, fake) == pytest.approx(apart)


def test_inception_score_counts_sure_and_even_classes() -> None:
    sure = np.eye(10)[np.arange(1000) % 10]
    assert inception_score(sure) == pytest.approx(10)
    assert inception_score(np.full((50, 10), 0.1)) == pytest.approx(1)
    assert inception_score(np.eye(10)[np.zeros(50, int)]) == pytest.approx(1)


def test_diversity_is_the_mean_distance_of_two() -> None:
    square = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    assert diversity(square) == pytest.approx((4 + 2 * np.sqrt(2)) / 6)
    assert diversity(np.ones((7, 3))) == 0


def test_an_interval_holds_what_it_promises() -> None:
    """Of the mean's difference, whose standard error is known: √(1/n + 1/m)."""
    covered = 0
    for seed in range(60):
        a, b = gaussian(200, 2 * seed, d=1)[:, 0], gaussian(300, 2 * seed + 1, d=1)[:, 0]
        found = intervals(lambda i, j, a=a, b=b: {"": float(a[i].mean() - b[j].mean())}, 200, 300, seed=seed)[""]  # type: ignore[misc]
        covered += found.low <= 0 <= found.high
        assert found.error == pytest.approx(np.sqrt(1 / 200 + 1 / 300), rel=0.6)
    assert covered >= 52
    assert intervals(lambda i, j: {"one": 1.0}, 9, 9) == {"one": Interval(1.0, 1.0, 1.0, 0.0)}


def test_an_interval_is_as_wide_as_student_says() -> None:
    """t of 0.975 for 3, 7, 9, 19 and 1000 degrees of freedom, out of a table."""
    for degrees, t in {3: 3.182, 7: 2.365, 9: 2.262, 19: 2.093, 1000: 1.962}.items():
        found = around(5.0, 2.0, degrees)
        assert found.high - 5 == pytest.approx(2 * t, rel=0.01) and found.low - 5 == pytest.approx(-2 * t, rel=0.01)
        assert (found.value, found.error) == (5, 2)


def test_a_share_of_all_may_be_less_than_all() -> None:
    """Wilson's interval of 20 out of 20 is 0.8389 … 1; a wider one by halves stays, but within 0 … 1."""
    sure = of_share(Interval(1.0, 1.0, 1.0, 0.0), 20)
    assert sure.low == pytest.approx(0.8389, abs=1e-4) and sure.high == 1 and sure.error == 0
    assert of_share(Interval(0.5, 0.1, 0.9, 0.2), 1000) == Interval(0.5, 0.1, 0.9, 0.2)
    assert of_share(Interval(0.9, 0.7, 1.1, 0.1), 1000).high == 1
    assert of_share(Interval(0.0, 0.0, 0.0, 0.0), 20).high == pytest.approx(1 - 0.8389, abs=1e-4)


def test_what_is_measured_together_has_the_interval_of_each() -> None:
    a, b = gaussian(60, 0, d=1)[:, 0], gaussian(80, 1, d=1)[:, 0]
    both = intervals(lambda i, j: {"mean": a[i].mean() - b[j].mean(), "n": float(len(i))}, 60, 80, seed=3)
    assert both["mean"] == intervals(lambda i, j: {"": float(a[i].mean() - b[j].mean())}, 60, 80, seed=3)[""]
    assert both["n"].value == 60 and both["n"].error == 0
