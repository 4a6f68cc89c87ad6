"""How far two probability distributions lie apart, in nats: sums over outcomes, integrals on the line.

KL has no bound and is infinite where q says "never" and p does not. JS lies in [0, ln 2] and is symmetric. Neither
knows how far apart two outcomes are; the Wasserstein-1 distance knows nothing else, and has the unit of the places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boceto.errors import UsageError

Values = NDArray[np.float64]

_OFF = 1e-6  # from 1, that a sum of probabilities may be by rounding
_REACH = 12.0  # standard deviations of a Gaussian that are integrated over; 4e-33 of it lie outside
_HALVINGS = 40  # of a piece of the line, at most
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


# ── finitely many outcomes ──


def distribution(values: ArrayLike, name: str = "p") -> Values:
    """Probabilities of outcomes as float64 (K,), their sum 1 to the last digit. Raises UsageError for what is none."""
    p = np.asarray(values, np.float64)
    if p.ndim != 1 or not p.size or not np.isfinite(p).all():
        raise UsageError(f"{name} is no distribution; give a list of probabilities, all of them finite")
    if (p < 0).any():
        raise UsageError(f"{name} holds the negative probability {p.min():g}; give numbers of 0 or more that sum to 1")
    if abs(p.sum() - 1) > _OFF:
        raise UsageError(f"{name} sums to {p.sum():g}, not to 1; divide it by its sum")
    whole: Values = p / p.sum()
    return whole


def kl(p: ArrayLike, q: ArrayLike) -> float:
    """Kullback–Leibler divergence Σ p·ln(p/q) (Kullback & Leibler 1951, §2): ≥ 0, 0 iff p = q, may be infinite."""
    p, q = _pair(p, q)
    if (q[p > 0] == 0).any():
        return math.inf
    met = p > 0
    return math.fsum(p[met] * (np.log(p[met]) - np.log(q[met])))


def js(p: ArrayLike, q: ArrayLike) -> float:
    """Jensen–Shannon divergence ½·KL(p ‖ m) + ½·KL(q ‖ m), m = ½·(p + q) (Lin 1991, §IV): in [0, ln 2], symmetric."""
    p, q = _pair(p, q)
    middle = 0.5 * (p + q)
    return 0.5 * kl(p, middle) + 0.5 * kl(q, middle)


def wasserstein(p: ArrayLike, q: ArrayLike, places: ArrayLike) -> float:
    """Wasserstein-1 distance Σ |P(x) − Q(x)|·Δx of outcomes that lie at growing ``places`` (K,): ≥ 0, in their unit."""
    p, q = _pair(p, q)
    steps = np.diff(np.asarray(places, np.float64))
    if len(steps) != len(p) - 1 or not (steps > 0).all():
        raise UsageError(f"{len(p)} outcomes want as many places, from left to right")
    return math.fsum(np.abs(np.cumsum(p - q))[:-1] * steps)


def _pair(p: ArrayLike, q: ArrayLike) -> tuple[Values, Values]:
    p, q = distribution(p, "p"), distribution(q, "q")
    if len(p) != len(q):
        raise UsageError(f"p has {len(p)} outcomes and q has {len(q)}; give both the same ones")
    return p, q


# ── the line ──


@dataclass(frozen=True)
class Density:
    """A density on the line. ``log`` and ``below`` take float64 of any shape."""

    log: Callable[[Values], Values]  # ln p(x), -inf where nothing lies
    below: Callable[[Values], Values]  # P(X ≤ x)
    cuts: tuple[float, ...]  # growing; smooth between two of them, nothing (less than 1e-32) beyond the outer ones


def gaussian(mean: float, sd: float) -> Density:
    """N(mean, sd²)."""
    if not (math.isfinite(mean) and 0 < sd < math.inf):
        raise UsageError(f"a Gaussian of mean {mean:g} and standard deviation {sd:g} is none; the latter is above 0")
    scale = -math.log(sd) - 0.5 * math.log(2 * math.pi)

    def below(x: Values) -> Values:
        found: Values = np.vectorize(lambda z: 0.5 * math.erfc(-z / math.sqrt(2)), otypes=[float])((x - mean) / sd)
        return found

    cuts = (mean - _REACH * sd, mean, mean + _REACH * sd)
    return Density(lambda x: scale - 0.5 * ((x - mean) / sd) ** 2, below, cuts)


def uniform(low: float, high: float) -> Density:
    """U(low, high)."""
    if not -math.inf < low < high < math.inf:
        raise UsageError(f"a uniform density from {low:g} to {high:g} is none; give the lower end first")
    height = -math.log(high - low)
    return Density(
        lambda x: np.where((x >= low) & (x <= high), height, -math.inf),
        lambda x: np.clip((x - low) / (high - low), 0.0, 1.0),
        (low, high),
    )


def mixture(parts: Sequence[Density], shares: ArrayLike | None = None) -> Density:
    """Σ share·part; all alike if no ``shares`` (K,) are given."""
    weights = distribution(np.full(len(parts), 1 / len(parts)) if shares is None else shares, "shares")
    if len(weights) != len(parts):
        raise UsageError(f"{len(parts)} parts of a mixture want as many shares")
    met = [(float(w), part) for w, part in zip(weights, parts, strict=True) if w > 0]

    def log(x: Values) -> Values:
        found: Values = np.logaddexp.reduce([math.log(w) + part.log(x) for w, part in met])
        return found

    def below(x: Values) -> Values:
        found: Values = np.sum([w * part.below(x) for w, part in met], axis=0)
        return found

    return Density(log, below, tuple(sorted({cut for _, part in met for cut in part.cuts})))


@dataclass(frozen=True)
class Integral:
    """A value, and by how much it may be wrong: the sum of what halving the pieces once more has changed."""

    value: float
    error: float


def integrate(f: Callable[[Values], Values], cuts: Sequence[float], tolerance: float = 1e-10) -> Integral:
    """∫ f(x) dx from the first to the last of the growing ``cuts``, infinite as soon as f is.

    Gauss–Legendre of 20 nodes; a piece is halved until its two halves sum to what the whole said, within its part of
    ``tolerance``.
    """

    def piece(low: float, high: float) -> float:
        half = 0.5 * (high - low)
        return float(half * (_WEIGHTS @ f(low + half * (1 + _NODES))))

    length = cuts[-1] - cuts[0]
    waiting = [(low, high, piece(low, high), 0) for low, high in pairwise(cuts)]
    values, errors = [], []
    while waiting:
        low, high, whole, depth = waiting.pop()
        if math.isinf(whole):
            return Integral(whole, 0.0)
        middle = 0.5 * (low + high)
        left, right = piece(low, middle), piece(middle, high)
        error = abs(left + right - whole)
        if error <= tolerance * (high - low) / length or depth == _HALVINGS:
            values.append(left + right)
            errors.append(error)
        else:
            waiting += [(low, middle, left, depth + 1), (middle, high, right, depth + 1)]
    return Integral(math.fsum(values), math.fsum(errors))


def kl_density(p: Density, q: Density) -> Integral:
    """∫ p·ln(p/q) dx; infinite if p lies where q does not."""

    def integrand(x: Values) -> Values:
        log_p, log_q = p.log(x), q.log(x)
        density = np.exp(log_p)
        with np.errstate(invalid="ignore"):  # where neither lies: 0
            return np.where(density > 0, density * (log_p - log_q), 0.0)

    return integrate(integrand, _within(p, q))


def js_density(p: Density, q: Density) -> Integral:
    """½·KL(p ‖ m) + ½·KL(q ‖ m), m = ½·(p + q): in [0, ln 2] up to the error."""
    middle = mixture([p, q])
    a, b = kl_density(p, middle), kl_density(q, middle)
    return Integral(0.5 * (a.value + b.value), 0.5 * (a.error + b.error))


def wasserstein_density(p: Density, q: Density) -> Integral:
    """∫ |P(x) − Q(x)| dx."""
    return integrate(lambda x: np.abs(p.below(x) - q.below(x)), sorted({*p.cuts, *q.cuts}))


def _within(p: Density, q: Density) -> list[float]:
    """The cuts of p, and those of q between them."""
    return sorted({*p.cuts, *(cut for cut in q.cuts if p.cuts[0] < cut < p.cuts[-1])})
