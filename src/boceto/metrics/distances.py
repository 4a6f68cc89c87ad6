"""How far two sets of pictures lie apart in a feature space: pure functions of features (N, D), float.

FID and KID say how near the whole is, precision and density how good a picture is, recall and coverage how much of the
real ones is reached. None means anything without the name of the feature network and N.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]
_AT_ONCE = 1024  # rows of a distance matrix


def frechet(real: Features, fake: Features) -> float:
    """Fréchet distance of two Gaussians fitted to the sets (Heusel et al. 2017, eq. 6): ≥ 0, lower is nearer.

    ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2·(Σ₁Σ₂)^½).   Biased upwards by about 1/N, and worse than that below D pictures.
    """
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    a, b = real - real.mean(axis=0), fake - fake.mean(axis=0)
    a, b = a / np.sqrt(max(len(a) - 1, 1)), b / np.sqrt(max(len(b) - 1, 1))
    # tr((Σ₁Σ₂)^½) is the sum of the singular values of a·bᵀ, which are as many as the smaller of the sets has pictures.
    if min(len(a), len(b)) < a.shape[1]:
        cross = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    else:
        root = _root(a.T @ a)
        cross = np.sqrt(np.linalg.eigvalsh(root @ (b.T @ b) @ root).clip(0)).sum()
    apart = real.mean(axis=0) - fake.mean(axis=0)
    return float(max(apart @ apart + (a * a).sum() + (b * b).sum() - 2 * cross, 0.0))


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric square root."""
    values, vectors = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return root


def kernel(real: Features, fake: Features) -> float:
    """Kernel distance: unbiased MMD² with k(x, y) = (x·y/D + 1)³ (Bińkowski et al. 2018, eq. 4).

    0 on average for two sets of one source, so it may be a little below; lower is nearer.
    """
    a, b = real.astype(np.float64), fake.astype(np.float64)
    same = 0.0
    for x in (a, b):
        itself = ((x * x).sum(axis=1) / x.shape[1] + 1) ** 3  # a picture with itself is no pair
        same += (_kernel_sum(x, x) - itself.sum()) / (len(x) * (len(x) - 1))
    return float(same - 2 * _kernel_sum(a, b) / (len(a) * len(b)))


def _kernel_sum(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    total = 0.0
    for start in range(0, len(a), _AT_ONCE):
        inner = a[start : start + _AT_ONCE] @ b.T / a.shape[1] + 1
        total += float((inner * inner * inner).sum())
    return total


@dataclass(frozen=True)
class Reach:
    """Precision, recall (Kynkäänniemi et al. 2019, eq. 1–2), density, coverage (Naeem et al. 2020, eq. 5–6)."""

    precision: float  # share of generated pictures within the real ones' neighbourhood
    recall: float  # share of real ones within the generated ones'
    density: float  # in how many real neighbourhoods a generated picture lies, over k; may pass 1
    coverage: float  # share of real pictures that have a generated one in their neighbourhood


def reach(real: Features, fake: Features, nearest: int = 5) -> Reach:
    """Of two sets; a picture's neighbourhood reaches to its ``nearest``-th neighbour in its own set."""
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    among_real, among_fake = _radii(real, nearest), _radii(fake, nearest)
    inside_real = np.zeros(len(fake))  # in how many real neighbourhoods each generated picture lies
    covered = np.zeros(len(real), bool)
    recalled = np.zeros(len(real), bool)
    for start in range(0, len(real), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        apart = _distances(real[rows], fake)
        inside = apart <= among_real[rows, None]
        inside_real += inside.sum(axis=0)
        covered[rows] = inside.any(axis=1)
        recalled[rows] = (apart <= among_fake[None]).any(axis=1)
    return Reach(
        precision=float((inside_real > 0).mean()),
        recall=float(recalled.mean()),
        density=float(inside_real.mean() / nearest),
        coverage=float(covered.mean()),
    )


def _radii(features: Features, nearest: int) -> NDArray[np.float64]:
    """The distance of each picture to its ``nearest``-th neighbour, itself not counted."""
    if len(features) <= nearest:
        raise ValueError(f"{len(features)} pictures have no {nearest}-th neighbour")
    found = [
        np.partition(_distances(features[start : start + _AT_ONCE], features), nearest, axis=1)[:, nearest]
        for start in range(0, len(features), _AT_ONCE)
    ]
    return np.concatenate(found)


def _distances(a: Features, b: Features) -> NDArray[np.float64]:
    """(N, D), (M, D) → (N, M), Euclidean."""
    a, b = a.astype(np.float64, copy=False), b.astype(np.float64, copy=False)
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * (a @ b.T)
    root: NDArray[np.float64] = np.sqrt(squared.clip(0))
    return root


def inception_score(probabilities: Features) -> float:
    """exp E[ KL(p(y|x) ‖ p(y)) ] of class probabilities (N, K) (Salimans et al. 2016, §4): 1 … K, higher is better."""
    p = probabilities.astype(np.float64).clip(1e-16)
    divergence = (p * (np.log(p) - np.log(p.mean(axis=0)))).sum(axis=1)
    return float(np.exp(divergence.mean()))


def diversity(features: Features) -> float:
    """The mean distance of two pictures of a set; 0 = they are all the same."""
    features = features.astype(np.float64)
    total = sum(
        _distances(features[start : start + _AT_ONCE], features).sum() for start in range(0, len(features), _AT_ONCE)
    )
    return float(total / (len(features) * (len(features) - 1)))


@dataclass(frozen=True)
class Interval:
    """A value, where it lies with 95 % confidence, and its standard error."""

    value: float
    low: float
    high: float
    error: float


Measures = Callable[[NDArray[np.int64], NDArray[np.int64]], Mapping[str, float]]


def intervals(
    measures: Measures, real: int, fake: int, *, subsets: int = 20, share: float = 0.5, seed: int = 0
) -> dict[str, Interval]:
    """Of what is measured together, by subsampling (Politis & Romano 1994): ``subsets`` halves without replacement.

    A bootstrap repeats pictures, and repeated pictures are what distances among neighbours and FID take for a fault.
    The spread of halves about the whole is just the standard error of the whole: σ = sd · √(share / (1 − share)).
    It is about what as many other pictures would give: a bias that comes of their number (FID's) it does not know.
    """
    whole = measures(np.arange(real), np.arange(fake))
    random = np.random.Generator(np.random.PCG64(seed))
    parts = [
        measures(
            np.sort(random.permutation(real)[: max(2, round(share * real))]),
            np.sort(random.permutation(fake)[: max(2, round(share * fake))]),
        )
        for _ in range(subsets)
    ]
    spread = {name: np.std([part[name] for part in parts], ddof=1) for name in whole}
    scale = np.sqrt(share / (1 - share))
    return {name: around(value, float(spread[name] * scale), subsets - 1) for name, value in whole.items()}


def around(value: float, error: float, degrees: int) -> Interval:
    """The 95 % interval of a value whose standard error was told with so many degrees of freedom (Student's t)."""
    z = 1.959964
    t = z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)  # Fisher & Cornish 1960
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    return Interval(value, value - t * error, value + t * error, error)


def of_share(found: Interval, count: int) -> Interval:
    """The interval of a share of ``count`` pictures: within 0 … 1, and never narrower than chance (Wilson 1927).

    Where all pictures agree, so do all halves, and their spread of 0 would promise too much.
    """
    p, z2 = found.value, 1.959964**2
    middle, half = p + z2 / (2 * count), np.sqrt(z2 * p * (1 - p) / count + (z2 / (2 * count)) ** 2)
    low, high = float((middle - half) / (1 + z2 / count)), float((middle + half) / (1 + z2 / count))
    return replace(found, low=max(0.0, min(found.low, low)), high=min(1.0, max(found.high, high)))
