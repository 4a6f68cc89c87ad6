"""Experiments with D at its best: D* of Proposition 1 is reached by training, and C(G) of Theorem 1 is what remains."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from boceto import objectives
from boceto.reporting.figures import INK
from boceto.theory import charts
from boceto.theory.divergences import Values, js
from boceto.theory.experiment import Claim, Drawing, Experiment, Outcome, Tick, at_least, at_most, near
from boceto.theory.game import Fixed, Rules, Table, counted, optimal, optimal_logits, play, value
from boceto.theory.mixtures import perceptron

_PICTURES = 1000  # that make a distribution: its probabilities are multiples of 1/1,000
_OUTCOMES = 12
_STEPS = 500


# ── Proposition 1 ──


@dataclass(frozen=True)
class Fit:
    """A D trained against a G that stands still."""

    p: Values
    q: Values
    said: Values  # D(x) of the trained D, (K,)
    errors: Values  # Σ ½·(p + q)·|D − D*| after every step
    value: float  # V of the trained D


def fit_d(
    p: NDArray[np.int64], q: NDArray[np.int64], d: nn.Module, tick: Tick, *, rate: float = 0.3, steps: int = _STEPS
) -> Fit:
    """Train D alone, G standing still, on all of the real (``p``) and generated (``q``) pictures of each outcome (K,).

    D takes outcomes 0 … K − 1. The batch is the whole distribution, so that the loss is the expectation itself. The
    rate falls to 0.
    """
    outcomes = torch.arange(len(p))
    real, fake = (outcomes.repeat_interleave(torch.from_numpy(counts)) for counts in (p, q))
    shares, generated = p / p.sum(), q / q.sum()
    best, weight = optimal(shares, generated), 0.5 * (shares + generated)
    optimiser = torch.optim.Adam(d.parameters(), lr=rate, fused=True)
    game = play(Fixed(), d, lambda: real, lambda: fake, optimiser, optimiser, Rules("minimax", g_turns=0), steps)
    errors = []
    for step in game:
        with torch.no_grad():
            logits = d(outcomes).flatten().double()
        errors.append(float(np.nansum(weight * np.abs(logits.sigmoid().numpy() - best))))
        optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
        tick(1)
    return Fit(shares, generated, logits.sigmoid().numpy(), np.array(errors), float(value(logits, p, q)))


class Places(nn.Module):
    """An MLP that is told where on the line an outcome lies, from -1 to 1, rather than which one it is."""

    def __init__(self, outcomes: int) -> None:
        super().__init__()
        self.outcomes, self.net = outcomes, perceptron(1, 64, 1)

    def forward(self, x: Tensor) -> Tensor:  # (N,) → (N, 1)
        logits: Tensor = self.net(2 * x[:, None].float() / (self.outcomes - 1) - 1)
        return logits


def _pairs(seed: int) -> dict[str, tuple[Values, Values]]:
    """Pairs of distributions of different kinds, (K,) each."""
    k = np.arange(_OUTCOMES)

    def bump(middle: float, wide: float) -> Values:
        heights = np.exp(-0.5 * ((k - middle) / wide) ** 2)
        shares: Values = heights / heights.sum()
        return shares

    left = np.where(k < _OUTCOMES // 2, 2.0 / _OUTCOMES, 0.0)
    random = np.random.Generator(np.random.PCG64(seed))
    a, b = random.dirichlet(np.ones(_OUTCOMES), 2)
    return {
        "equal": (bump(5, 2), bump(5, 2)),
        "shifted": (bump(4, 2), bump(7, 2)),
        "random": (a, b),
        "one mode of two": (0.5 * bump(2, 1) + 0.5 * bump(9, 1), bump(9, 1)),
        "nothing in common": (left, left[::-1].copy()),
    }


def _optimal_d(seed: int, tick: Tick) -> Outcome:
    fits, checks = {}, []
    for name, (p, q) in _pairs(seed).items():
        counts = counted(p, _PICTURES), counted(q, _PICTURES)
        fits[name] = fit_d(*counts, Table(_OUTCOMES), tick)
        checks.append(near(f"{name}: largest |D − D*| of an outcome", _furthest(fits[name]), 0.0, 5e-3))
    counts = counted(_pairs(seed)["shifted"][0], _PICTURES), counted(_pairs(seed)["shifted"][1], _PICTURES)
    mlp = fit_d(*counts, Places(_OUTCOMES), tick, rate=0.01)
    checks.append(near("shifted, D a net of two hidden layers: the same", _furthest(mlp), 0.0, 0.05))
    equal = fits["equal"]
    checks.append(near("equal: D says ½ wherever there is something", float(equal.said[equal.p > 0].mean()), 0.5, 1e-3))
    return Outcome(
        tuple(checks),
        (
            Drawing(
                "fits",
                "Bars: how probable each of 12 outcomes is, in the data and among what is generated. Lines: the D* "
                "of the formula; points: the trained D. Where neither lies D* is not defined and nothing is drawn.",
                _fitted(fits),
            ),
            Drawing(
                "error",
                "The error against steps of training, averaged over what D is shown. Distributions with something in "
                "common are fitted to the last digits; where D* is 0 or 1 its logit is infinite, and D comes near "
                "for ever. A net that is told only where on the line an outcome lies comes less near.",
                _errors({**fits, "shifted, a net": mlp}),
            ),
        ),
    )


def _furthest(fit: Fit) -> float:
    return float(np.nanmax(np.abs(fit.said - optimal(fit.p, fit.q))))


def _fitted(fits: Mapping[str, Fit]) -> Figure:
    figure, axes = charts.chart(3, 2, size=(3.4, 2.4))
    k = np.arange(_OUTCOMES)
    for one, (name, fit) in zip(axes, fits.items(), strict=False):
        one.bar(k - 0.2, fit.p, 0.4, color=charts.REAL, alpha=0.75, label="data")
        one.bar(k + 0.2, fit.q, 0.4, color=charts.FAKE, alpha=0.75, label="generated")
        one.set(ylim=(0, 0.62), yticks=[], xticks=[])
        one.set_title(name, fontsize=10, color=INK, loc="left")
        beside = one.twinx()
        best = optimal(fit.p, fit.q)
        beside.step(k, best, where="mid", color=charts.SOFT, linewidth=1.4, label="D*")
        beside.plot(k[~np.isnan(best)], fit.said[~np.isnan(best)], "o", color=charts.D, markersize=4, label="trained D")
        beside.set(ylim=(-0.04, 1.04), yticks=[0, 0.5, 1])
        beside.spines[["top", "left"]].set_visible(False)
        handles = [*one.get_legend_handles_labels()[0], *beside.get_legend_handles_labels()[0]]
    axes[-1].axis("off")
    axes[-1].legend(handles, ["data", "generated", "D* of the formula", "trained D"], frameon=False, loc="center")
    return figure


def _errors(fits: Mapping[str, Fit]) -> Figure:
    figure, (one,) = charts.chart(size=(6.4, 3.3))
    colours = [charts.SOFT, charts.G, charts.REAL, charts.FAKE, charts.D, charts.OTHER]
    for colour, (name, fit) in zip(colours, fits.items(), strict=False):
        one.plot(
            np.arange(1, len(fit.errors) + 1), np.maximum(fit.errors, 1e-9), color=colour, linewidth=1.6, label=name
        )
    one.set(xscale="log", yscale="log", xlabel="steps of D", ylabel="mean |D − D*|", ylim=(1e-8, 1))
    charts.legend(one, 3)
    return figure


OPTIMAL_D = Experiment(
    name="optimal-d",
    title="The best D is a ratio",
    question="Does a D that is really trained come to the D* that the proof writes down?",
    claims=(
        Claim(
            r"D^*_G(x)=\frac{p_\mathrm{data}(x)}{p_\mathrm{data}(x)+p_g(x)}",
            "For a G that stands still, the best D says how likely it is that x is from the data.",
            "Goodfellow et al. 2014, Proposition 1, eq. 2",
        ),
    ),
    method=(
        f"Five pairs of distributions on {_OUTCOMES} outcomes. D is a table of logits, or a net of two hidden layers "
        f"of 64; it is trained for {_STEPS} steps of Adam with the loss of boceto.objectives, on {_PICTURES:,} real "
        "and as many generated pictures that make up the distributions exactly, so that there is no chance in the "
        "loss."
    ),
    reading=(
        "D does not measure how good a picture is. It estimates a ratio of densities: ½ means that the two are equally "
        "frequent here, in a good training and, if D is too weak to see the difference, in a bad one."
    ),
    steps=6 * _STEPS,
    run=_optimal_d,
)


# ── Theorem 1 ──

_SHARES = np.linspace(0.0, 1.0, 11)


def _family(seed: int) -> Callable[[float], tuple[Values, Values]]:
    """(p_data, p_g), p_g going from p_data at 0 to a distribution that has nothing in common with it at 1."""
    data = np.zeros(_OUTCOMES)
    data[: _OUTCOMES // 2] = np.random.Generator(np.random.PCG64(seed)).dirichlet(np.full(_OUTCOMES // 2, 2.0))
    return lambda share: (data, (1 - share) * data + share * data[::-1])


def _value(seed: int, tick: Tick) -> Outcome:
    family = _family(seed)
    rows: list[tuple[float, float, float]] = []  # the formula, V at D*, V at a trained D
    for share in _SHARES:
        p, q = (counted(values, _PICTURES) for values in family(float(share)))
        fit = fit_d(p, q, Table(_OUTCOMES), tick)
        best = float(value(optimal_logits(fit.p, fit.q), p, q))
        rows.append((-math.log(4) + 2 * js(fit.p, fit.q), best, fit.value))
    formula, best, trained = np.array(rows).T
    fine = np.linspace(0, 1, 201)
    curve = np.array([2 * js(*family(float(share))) for share in fine]) - math.log(4)
    ways, costs = _descents(tick)
    checks = [
        near("p_g = p_data: V(D*, G)", best[0], -math.log(4), 1e-9),
        near("p_g = p_data: V of the trained D", trained[0], -math.log(4), 1e-3),
        near("largest difference of V(D*, G) from −ln 4 + 2·JS over the family", _most(best - formula), 0.0, 1e-9),
        near("largest difference of V of the trained D from it", _most(trained - formula), 0.0, 5e-3),
        at_most("no trained D has a larger V than D*: largest difference", float((trained - best).max()), 1e-9),
        at_least("p_g ≠ p_data: the smallest C(G) + ln 4", float(formula[1:].min()) + math.log(4), 1e-4),
        near("nothing in common: C(G)", best[-1], 0.0, 1e-9),
        near("G descends C(G) from 6 beginnings: largest distance from p_data", _far(ways), 0.0, 5e-3),
        near("and C(G) at the end", float(max(cost[-1] for cost in costs)), -math.log(4), 1e-4),
        at_most("C(G) never rises on the way", max(float(np.diff(cost).max()) for cost in costs), 1e-9),
    ]
    return Outcome(
        tuple(checks),
        (
            Drawing(
                "value",
                "p_g moves from the data (left) to a distribution that shares no outcome with them (right). The "
                "line is the formula, circles are V at D*, points V at a D that was trained. The value is −ln 4 on "
                "the left, nowhere less, and 0 on the right.",
                _valued(fine, curve, best, trained),
            ),
            Drawing(
                "simplex",
                "C(G) of every distribution p_g on three outcomes; the corners are those that always draw one outcome, "
                "the green point is p_data. From six beginnings G descends the gradient of its loss with D at D* "
                "(Proposition 2): all ways lead to p_data.",
                _simplex(ways),
            ),
        ),
    )


_THREE = np.array([0.5, 0.3, 0.2])
_BEGINNINGS = np.array(
    [
        [0.97, 0.01, 0.02],
        [0.02, 0.96, 0.02],
        [0.02, 0.02, 0.96],
        [0.03, 0.5, 0.47],
        [0.49, 0.02, 0.49],
        [0.5, 0.48, 0.02],
    ]
)
_DESCENT = 400
_RATE = 1.0


def _descents(tick: Tick) -> tuple[list[Values], list[Values]]:
    """Ways of p_g (steps + 1, 3) when G descends its minimax loss with D at D* in every step, and C(G) along them."""
    ways, costs = [], []
    for start in _BEGINNINGS:
        scores = torch.from_numpy(np.log(start)).requires_grad_(True)  # p_g is their softmax
        way = [start]
        for _ in range(_DESCENT):
            q = scores.softmax(0)
            logits = optimal_logits(_THREE, q.detach().numpy())
            losses = torch.stack([objectives.g_loss("minimax", logit[None]) for logit in logits])
            (slope,) = torch.autograd.grad(q @ losses, scores)
            scores = (scores - _RATE * slope).detach().requires_grad_(True)
            way.append(scores.detach().softmax(0).numpy())
        tick(_DESCENT)
        ways.append(np.array(way))
        costs.append(np.array([2 * js(_THREE, q) for q in way]) - math.log(4))
    return ways, costs


def _most(differences: Values) -> float:
    return float(np.abs(differences).max())


def _far(ways: list[Values]) -> float:
    return max(float(np.abs(way[-1] - _THREE).max()) for way in ways)


def _valued(fine: Values, curve: Values, best: Values, trained: Values) -> Figure:
    figure, (one,) = charts.chart(size=(6.4, 3.4))
    one.plot(fine, curve, color=charts.SOFT, linewidth=2, label="−ln 4 + 2·JS")
    one.plot(_SHARES, best, "o", markersize=10, markerfacecolor="none", color=charts.G, label="V at D*")
    one.plot(_SHARES, trained, "o", markersize=4, color=charts.D, label="V at the trained D")
    one.axhline(-math.log(4), color=charts.SOFT, linewidth=1, linestyle=":")
    charts.note(one, 0.72, -math.log(4) + 0.03, "−ln 4 = −1.3863", charts.SOFT)
    one.set(xlabel="share of $p_g$ that is not of the data", ylabel="value of the game, nats")
    charts.legend(one, 3)
    return figure


def _flat(p: Values) -> tuple[Values, Values]:
    """(N, 3) → where they lie in a triangle of side 1."""
    return p[:, 1] + 0.5 * p[:, 2], math.sqrt(3) / 2 * p[:, 2]


def _simplex(ways: list[Values]) -> Figure:
    figure, (one,) = charts.chart(size=(5.4, 4.4))
    side = 60
    points = np.array([(i, j, side - i - j) for i in range(side + 1) for j in range(side + 1 - i)]) / side
    cost = [2 * js(_THREE, q) - math.log(4) for q in points]
    filled = one.tricontourf(*_flat(points), cost, levels=14, cmap="Blues_r")
    figure.colorbar(filled, ax=one, shrink=0.75, label="C(G), nats", format="%.1f")
    for way in ways:
        one.plot(*_flat(way), color=charts.FAKE, linewidth=1.8)
        one.plot(*_flat(way[:1]), "o", color=charts.FAKE, markersize=5)
    one.plot(*_flat(_THREE[None]), "o", color=charts.REAL, markersize=9, markeredgecolor="white")
    for corner, (x, y), (dx, dy) in zip(
        "abc", [(0, 0), (1, 0), (0.5, math.sqrt(3) / 2)], [(1, -1), (-1, -1), (0, 1)], strict=True
    ):
        one.text(x + 0.03 * dx, y + 0.03 * dy, f"always {corner}", fontsize=9, color=INK, ha="center", va="center")
    one.axis("off")
    one.set_aspect("equal")
    return figure


VALUE = Experiment(
    name="value",
    title="What G is asked to make small",
    question="Is the value of the game, with D at its best, really the Jensen–Shannon divergence and nothing else?",
    claims=(
        Claim(
            r"C(G)=\max_D V(D,G)=-\ln 4+2\cdot\mathrm{JS}(p_\mathrm{data}\,\|\,p_g)",
            "Its least value is −ln 4, and is reached if and only if p_g = p_data.",
            "Goodfellow et al. 2014, Theorem 1, eq. 4–6",
        ),
        Claim(
            r"p_g\,\rightarrow\,p_\mathrm{data}",
            "If D comes to its best in every step, and p_g moves so that C(G) improves, it converges to the data: "
            "C(G) is convex in p_g.",
            "Goodfellow et al. 2014, Proposition 2",
        ),
    ),
    method=(
        f"For {len(_SHARES)} distributions p_g the value V of boceto.objectives is taken at D* and at a D that was "
        "trained against them, and compared with the formula. Then p_g itself, on three outcomes, descends the "
        f"gradient of G's loss for {_DESCENT} steps, with D at D* in each."
    ),
    reading=(
        "A loss of D near ln 4 = 1.386 says that D sees no difference: either there is none, or D is too weak. The "
        "theorem is about distributions, not about nets: that p_g finds its way holds where D is at its best in "
        "every step and G can become anything, and the other experiments show what happens where this is not so."
    ),
    steps=len(_SHARES) * _STEPS + len(_BEGINNINGS) * _DESCENT,
    run=_value,
)
