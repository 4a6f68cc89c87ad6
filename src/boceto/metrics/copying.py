"""Do generated pictures lie nearer to the training pictures than unseen real ones do? Pure functions of distances.

The test of Meehan, Chaudhuri & Dasgupta 2020, *A Non-Parametric Test to Detect Data-Copying in Generative Models*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Numbers = NDArray[np.floating]
FEWEST_IN_CELL = 20  # generated pictures, τ·m in the paper
_ROUNDS = 25  # of k-means at most


def mann_whitney(real: Numbers, fake: Numbers) -> float:
    """Z_U (§3): (U − mn/2) / √(mn(m + n + 1)/12), U = how often a fake distance is larger; below 0: fakes are nearer.

    Standard normal where both come from one source. Equal distances count half, and make σ as much smaller as they
    must; where all are equal it is 0.
    """
    m, n = len(real), len(fake)
    every = np.concatenate([real, fake])
    _, place, counts = np.unique(every, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    u = ranks[m:].sum() - n * (n + 1) / 2
    ties = (counts.astype(float) ** 3 - counts).sum() / ((m + n) * (m + n - 1))
    variance = m * n / 12 * (m + n + 1 - ties)
    return float((u - m * n / 2) / np.sqrt(variance)) if variance > 0 else 0.0


@dataclass(frozen=True)
class DataCopying:
    """C_T: ≪ 0 copying, about 0 as unseen real ones, ≫ 0 farther than they are; ``error`` where nothing is copied."""

    c_t: float
    error: float
    cells: int  # that count
    left_out: int  # cells with too few generated pictures

    @property
    def z(self) -> float:
        """In standard errors."""
        return self.c_t / self.error


def data_copying(
    real: Numbers, fake: Numbers, real_cells: NDArray[np.int64], fake_cells: NDArray[np.int64]
) -> DataCopying | None:
    """C_T = Σ Pₙ(π)·Z_U(π) / Σ Pₙ(π) over the cells π with enough generated pictures (§3); None if there is none.

    ``real``, ``fake``: the distance of every unseen real and every generated picture to its nearest training picture;
    ``…_cells``: the cell each lies in. Pₙ(π) is the share of unseen real pictures in it, so that a cell without any has
    no weight. Z_U being standard normal where nothing is copied, the standard error of C_T is √Σ Pₙ² / Σ Pₙ.
    """
    weights, scores, left_out = [], [], 0
    for cell in np.unique(np.concatenate([real_cells, fake_cells])):
        a, b = real[real_cells == cell], fake[fake_cells == cell]
        if len(b) < FEWEST_IN_CELL or not len(a):
            left_out += 1
            continue
        weights.append(len(a) / len(real))
        scores.append(mann_whitney(a, b))
    if not weights:
        return None
    share = np.array(weights)
    c_t = float(share @ np.array(scores) / share.sum())
    return DataCopying(c_t, float(np.sqrt((share**2).sum()) / share.sum()), len(weights), left_out)


def centres(points: NDArray[np.float32], count: int, seed: int = 0) -> NDArray[np.float32]:
    """The middles of ``count`` cells, (count, D), by k-means (Lloyd 1982) begun as k-means++ does."""
    random = np.random.Generator(np.random.PCG64(seed))
    x = torch.from_numpy(points)
    chosen = [int(random.integers(len(x)))]
    least = (x - x[chosen[0]]).square().sum(dim=1)
    while len(chosen) < count:
        share = least.double().numpy().clip(0)
        if not share.sum():
            break  # no more pictures that differ
        chosen.append(int(random.choice(len(x), p=share / share.sum())))
        least = torch.minimum(least, (x - x[chosen[-1]]).square().sum(dim=1))
    middles = x[chosen]
    for _ in range(_ROUNDS):
        cell = torch.cdist(x, middles).argmin(dim=1)
        sums = torch.zeros_like(middles).index_add_(0, cell, x)
        sizes = torch.bincount(cell, minlength=len(middles))[:, None]
        moved = torch.where(sizes > 0, sums / sizes.clamp(min=1), middles)
        if torch.equal(moved, middles):
            break
        middles = moved
    return middles.numpy()


def cells(points: NDArray[np.float32], middles: NDArray[np.float32]) -> NDArray[np.int64]:
    """The cell (0 … k − 1) each point lies in: (N, D), (k, D) → (N,)."""
    found: NDArray[np.int64] = torch.cdist(torch.from_numpy(points), torch.from_numpy(middles)).argmin(dim=1).numpy()
    return found


def surplus(found: int, of: int, among: int, others: int) -> float:
    """Fisher's exact test: how likely at least ``found`` of ``of`` are, if ``among`` of ``others`` are by nature."""
    every, marked = of + others, found + among
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, every + 1)))])

    def choose(n: int, k: int) -> float:
        return float(logs[n] - logs[k] - logs[n - k])

    ways = [
        choose(marked, k) + choose(every - marked, of - k) - choose(every, of)
        for k in range(found, min(of, marked) + 1)
        if of - k <= every - marked
    ]
    return float(min(np.exp(ways).sum(), 1.0))
