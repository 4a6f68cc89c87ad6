"""Small worlds to play in: mixtures of Gaussians on a line and in the plane, the nets for them, and what is reached."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from boceto.theory.divergences import Values

_NEAR = 3.0  # standard deviations within which a point is of high quality (Srivastava et al. 2017, §4.1)


@dataclass(frozen=True)
class Mixture:
    """Gaussians alike in all but their ``centres`` (M, D), each with the standard deviation ``sd``."""

    centres: Tensor
    sd: float

    def sample(self, n: int) -> Tensor:
        """(n, D), from torch's own generator."""
        which = torch.randint(len(self.centres), (n,))
        return self.centres[which] + self.sd * torch.randn(n, self.centres.shape[1])


def line() -> Mixture:
    """Three on a line, at −2, 0 and 2."""
    return Mixture(torch.tensor([[-2.0], [0.0], [2.0]]), 0.5)


def ring(modes: int = 8) -> Mixture:
    """So many on a circle of radius 2 (Metz et al. 2017, §3.2, there with a standard deviation of 0.02)."""
    angle = 2 * math.pi * torch.arange(modes) / modes
    return Mixture(2 * torch.stack([angle.cos(), angle.sin()], dim=1), 0.05)


def grid(side: int = 5) -> Mixture:
    """side² on a square grid of step 2 about the middle (Srivastava et al. 2017, §4.1, there with 0.05)."""
    place = 2.0 * (torch.arange(side) - (side - 1) / 2)
    return Mixture(torch.cartesian_prod(place, place), 0.1)


@dataclass(frozen=True)
class Reached:
    """What points reach of a mixture."""

    modes: int  # of which there is at least one point of high quality
    quality: float  # share of points within three standard deviations of a centre
    unevenness: float  # KL of the points' shares among the centres from equal ones, in nats: 0 … ln M


def reached(points: Tensor, mixture: Mixture) -> Reached:
    """Of points (N, D), as Srivastava et al. 2017, §4.1, count; a point belongs to its nearest centre."""
    apart, nearest = torch.cdist(points, mixture.centres).min(dim=1)
    near = apart <= _NEAR * mixture.sd
    shares = torch.bincount(nearest, minlength=len(mixture.centres)).double() / len(points)
    return Reached(
        modes=len(nearest[near].unique()),
        quality=float(near.double().mean()),
        unevenness=float(torch.special.xlogy(shares, shares * len(shares)).sum()),
    )


def perceptron(given: int, wide: int, wanted: int, *, slope: float = 0.0) -> nn.Sequential:
    """Two hidden layers: (N, given) → (N, wanted). ``slope``: of LeakyReLU below 0; without one it is ReLU."""
    return nn.Sequential(
        nn.Linear(given, wide),
        nn.LeakyReLU(slope),
        nn.Linear(wide, wide),
        nn.LeakyReLU(slope),
        nn.Linear(wide, wanted),
    )


def histogram(points: Tensor, edges: Values) -> Values:
    """Shares of points (N, 1) between ``edges`` (K + 1,); what lies beyond counts to the outer ones."""
    inside = points.flatten().double().numpy().clip(edges[0], edges[-1])
    counts, _ = np.histogram(inside, edges)
    shares: Values = counts / counts.sum()
    return shares
