"""The game of Goodfellow et al. 2014 between any G and any D, with no pictures and no run folder.

    V(D, G) = E[ ln D(x) ] + E[ ln(1 − D(G(z))) ],   G makes it small, D makes it large    (eq. 1)

`play` is Algorithm 1. On finitely many outcomes the expectations are exact: a distribution whose probabilities are
multiples of 1/N is N pictures, and then V is minus the loss of D on those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from boceto import objectives
from boceto.theory.divergences import Values

_SURE = 60.0  # the logit that stands for infinity: exp(-60) is 9e-27


@dataclass(frozen=True)
class Rules:
    """How a game is played: the losses, how many turns each has in a step, and what D is penalised for."""

    loss: str = "non-saturating"  # a name of objectives.NAMES
    d_turns: int = 1  # k of Algorithm 1
    g_turns: int = 1
    r1_gamma: float = 0.0
    gp_weight: float = 0.0
    simultaneous: bool = False  # both gradients are taken before either moves; one turn each


def play(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Callable[[], Tensor],
    latents: Callable[[], Tensor],
    d_optimiser: torch.optim.Optimizer,
    g_optimiser: torch.optim.Optimizer,
    rules: Rules,
    steps: int,
) -> Iterator[int]:
    """Algorithm 1 of Goodfellow et al. 2014, §4; yields how many steps have been played, after each of them.

    ``real()`` and ``latents()`` give a batch each time they are called; G takes latents to what D takes to logits
    (N,) or (N, 1). Only D moves in D's turn, only G in G's.
    """

    def d_total() -> Tensor:
        x = real()
        if rules.r1_gamma:
            x = x.detach().requires_grad_(True)
        with torch.no_grad():
            fake = generator(latents())
        said = discriminator(x).flatten()
        total = objectives.d_loss(rules.loss, said, discriminator(fake).flatten())
        if rules.r1_gamma:
            total = total + objectives.r1(said, x, rules.r1_gamma)
        if rules.gp_weight:
            total = total + objectives.gradient_penalty(discriminator, x, fake, rules.gp_weight)
        return total

    def g_total() -> Tensor:
        said = discriminator(generator(latents())).flatten()
        beside = discriminator(real()).flatten() if rules.loss in objectives.NEEDS_REAL else None
        return objectives.g_loss(rules.loss, said, beside)

    d_weights, g_weights = list(discriminator.parameters()), list(generator.parameters())
    for step in range(steps):
        if rules.simultaneous:
            slopes = torch.autograd.grad(d_total(), d_weights), torch.autograd.grad(g_total(), g_weights)
            _move(d_optimiser, d_weights, slopes[0])
            _move(g_optimiser, g_weights, slopes[1])
        else:
            for _ in range(rules.d_turns):
                _move(d_optimiser, d_weights, torch.autograd.grad(d_total(), d_weights))
            for _ in range(rules.g_turns):
                _move(g_optimiser, g_weights, torch.autograd.grad(g_total(), g_weights))
        yield step + 1


def _move(optimiser: torch.optim.Optimizer, weights: list[nn.Parameter], slopes: tuple[Tensor, ...]) -> None:
    for weight, slope in zip(weights, slopes, strict=True):
        weight.grad = slope
    optimiser.step()


# ── finitely many outcomes ──


def counted(p: Values, pictures: int) -> NDArray[np.int64]:
    """So many pictures shared out by p (K,): whole numbers that sum to ``pictures``, each within 1 of its share."""
    shares = p * pictures
    counts = np.floor(shares).astype(np.int64)
    first = np.argsort(counts - shares, kind="stable")[: pictures - counts.sum()]
    counts[first] += 1
    return counts


def optimal(p: Values, q: Values) -> Values:
    """D*(x) = p(x) / (p(x) + q(x)) (Goodfellow et al. 2014, Prop. 1), p real, q generated; NaN where neither lies."""
    with np.errstate(invalid="ignore"):
        best: Values = p / (p + q)
    return best


def optimal_logits(p: Values, q: Values) -> Tensor:
    """The logits ln p − ln q of that, float64 (K,); ±60 stands for ±∞, 0 where neither lies."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.log(p) - np.log(q)
    return torch.from_numpy(np.nan_to_num(logits, nan=0.0).clip(-_SURE, _SURE))


def value(logits: Tensor, p: NDArray[np.int64], q: NDArray[np.int64]) -> Tensor:
    """V(D, G), 0-d, of logits (K,) and of how many of the real (``p``) and generated pictures are each outcome."""
    real, fake = (logits.repeat_interleave(torch.from_numpy(counts)) for counts in (p, q))
    return -objectives.d_loss("minimax", real, fake)


class Table(nn.Module):
    """A D without limits: one logit for each of K outcomes, which are numbers 0 … K − 1; at random to begin with."""

    def __init__(self, outcomes: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.randn(outcomes, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:  # (N,) → (N,)
        return self.logits[x]


class Fixed(nn.Module):
    """A G that does not learn: what it is given is what it draws."""

    def forward(self, z: Tensor) -> Tensor:
        return z
