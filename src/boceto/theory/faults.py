"""Experiments that go wrong on purpose: a loss that saturates, a G that collapses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from boceto import objectives
from boceto.reporting.figures import INK
from boceto.theory import charts
from boceto.theory.experiment import Claim, Drawing, Experiment, Outcome, Tick, at_least, at_most, near
from boceto.theory.game import Rules, play
from boceto.theory.games import BATCH, COUNTED, Match
from boceto.theory.mixtures import Mixture, Reached, perceptron, reached, ring

# ── a loss that saturates ──

_AWAY, _SLIM = 4.0, 0.5  # of G from the data, and the standard deviation of both
_BEFORE = 400  # steps of D alone
_PLAYED = 600  # steps of the game that follows
_G_RATE = 0.05
_LOSSES = {"minimax": charts.D, "non-saturating": charts.REAL}


class Shift(nn.Module):
    """A G of one number: z (N, 1) → θ + σ·z."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta + _SLIM * z


def _saturation(seed: int, tick: Tick) -> Outcome:
    data = Mixture(torch.zeros(1, 1), _SLIM)
    slopes: dict[str, list[float]] = {name: [] for name in _LOSSES}
    ways: dict[str, list[float]] = {}
    d = perceptron(1, 64, 1)
    g = Shift(_AWAY)
    fixed = torch.randn(COUNTED, 1)

    def rate(net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

    def game(g: Shift, d: nn.Module, rules: Rules, steps: int) -> Iterator[int]:
        sgd = torch.optim.SGD(g.parameters(), lr=_G_RATE)
        return play(g, d, lambda: data.sample(BATCH), lambda: torch.randn(BATCH, 1), rate(d), sgd, rules, steps)

    for _ in game(g, d, Rules(g_turns=0), _BEFORE):
        for name, found in slopes.items():
            (slope,) = torch.autograd.grad(objectives.g_loss(name, d(g(fixed)).flatten()), [g.theta])
            found.append(abs(float(slope)))
        tick(1)
    with torch.no_grad():
        sure = float(d(g(fixed)).sigmoid().mean())
    for name in _LOSSES:
        mover, other = Shift(_AWAY), perceptron(1, 64, 1)
        other.load_state_dict(d.state_dict())
        ways[name] = [_AWAY]
        for _ in game(mover, other, Rules(name), _PLAYED):
            ways[name].append(mover.theta.item())
            tick(1)
    doubt = torch.tensor([math.log(0.01 / 0.99)], requires_grad=True)
    at = {name: float(torch.autograd.grad(objectives.g_loss(name, doubt), [doubt])[0]) for name in _LOSSES}
    return Outcome(
        (
            near("D(G(z)) = 0.01: slope of the minimax loss in the logit, −D", at["minimax"], -0.01, 1e-6),
            near("and of the non-saturating loss, −(1 − D)", at["non-saturating"], -0.99, 1e-6),
            at_most("what D says of generated points when it has trained alone", sure, 1e-2),
            at_most("slope of the minimax loss in θ then", slopes["minimax"][-1], 1e-2),
            at_least("slope of the non-saturating loss in θ then", slopes["non-saturating"][-1], 0.5),
            at_least("then both play: distance from the data at the end, minimax", ways["minimax"][-1], 0.9 * _AWAY),
            at_most("and non-saturating", abs(ways["non-saturating"][-1]), 1.0),
        ),
        (
            Drawing(
                "slopes",
                "Left: how steep each loss is against what D says of a generated picture. Right: the gradient that "
                "reaches G while D alone is trained, data and generated points lying eight standard deviations "
                "apart.",
                _slopes(slopes),
            ),
            Drawing(
                "ways",
                "Then both play on. With the minimax loss G stands where it stood; with the non-saturating one it "
                "comes to the data at 0.",
                _walked(ways),
            ),
        ),
    )


def _slopes(slopes: Mapping[str, Sequence[float]]) -> Figure:
    figure, axes = charts.chart(2, size=(4.2, 3.2))
    said = torch.linspace(0.001, 0.999, 200)
    for name, colour in _LOSSES.items():
        logits = said.logit().requires_grad_(True)
        total = torch.stack([objectives.g_loss(name, logit[None]) for logit in logits]).sum()
        (slope,) = torch.autograd.grad(total, logits)
        axes[0].plot(said, slope.abs(), color=colour, linewidth=2, label=name)
        axes[1].plot(np.arange(1, _BEFORE + 1), slopes[name], color=colour, linewidth=2, label=name)
    axes[0].set(xlabel="D(G(z))", ylabel="slope in the logit")
    axes[1].set(xlabel="steps of D alone", ylabel="slope in θ", yscale="log")
    for one in axes:
        charts.legend(one)
    return figure


def _walked(ways: Mapping[str, Sequence[float]]) -> Figure:
    figure, (one,) = charts.chart(size=(6.4, 2.9))
    for name, way in ways.items():
        one.plot(way, color=_LOSSES[name], linewidth=2, label=name)
    one.axhline(0, color=charts.SOFT, linewidth=1, linestyle=":")
    one.set(xlabel="steps of the game", ylabel="θ: where G draws")
    charts.legend(one)
    return figure


SATURATION = Experiment(
    name="saturation",
    title="A loss that goes silent",
    question="Why does nobody train G with the loss of the proof?",
    claims=(
        Claim(
            r"\frac{\partial}{\partial C}\ln(1-D)=-D,\qquad \frac{\partial}{\partial C}(-\ln D)=-(1-D),"
            r"\qquad D=\frac{1}{1+e^{-C}}",
            "Where D is sure that a picture is generated, the first says nothing, the second speaks up.",
            "Goodfellow et al. 2014, §3; Arjovsky and Bottou 2017, §2.2",
        ),
    ),
    method=(
        f"Data N(0, {_SLIM}²), a G of one number that draws N(θ, {_SLIM}²) with θ = {_AWAY:g}. D, two hidden layers "
        f"of 64, is trained alone for {_BEFORE} steps; from there D and G play for {_PLAYED} steps with each loss, G "
        f"by plain gradient descent with rate {_G_RATE}, no penalty."
    ),
    reading=(
        "A D that is too far ahead is no teacher by the minimax loss. Adam, which divides a gradient by its own "
        "size, hides some of this, until the gradients are lost in rounding. The non-saturating loss has the same "
        "equilibrium and another way to it."
    ),
    steps=_BEFORE + len(_LOSSES) * _PLAYED,
    run=_saturation,
)


# ── mode collapse ──

_SICK = Match(Rules(), steps=600, rate=2e-3, betas=(0.5, 0.999), falling=False)
_MATCHES = {
    "10 turns of G": replace(_SICK, rules=Rules(g_turns=10)),
    "1 turn each": _SICK,
    "k = 5 turns of D": replace(_SICK, rules=Rules(d_turns=5)),
    "1 turn each, R1": replace(_SICK, rules=Rules(r1_gamma=0.1)),
}
_COLOURS = (charts.D, charts.FAKE, charts.G, charts.REAL)


def _collapse(seed: int, tick: Tick) -> Outcome:
    mixture = ring()
    curves: dict[str, dict[int, Reached]] = {}
    shown: dict[str, dict[int, Tensor]] = {}
    stills = [round(_SICK.steps * part) for part in (0.2, 0.4, 0.6, 0.8, 1.0)]
    for name, match in _MATCHES.items():
        torch.manual_seed(seed)  # the same nets to begin with
        curves[name], shown[name] = {}, {}
        fixed = match.latents(COUNTED)
        for step, g, _ in match.play(mixture, tick):
            if step % 20:
                continue
            with torch.no_grad():
                points = g(fixed)
            curves[name][step] = reached(points, mixture)
            if step in stills:
                shown[name][step] = points
    late = {name: [found for step, found in curve.items() if step > _SICK.steps / 2] for name, curve in curves.items()}
    sick, *_, healthy = late.values()
    return Outcome(
        (
            at_most("10 turns of G: modes reached, mean over the second half", _mean(sick, "modes"), 2.0),
            at_least("10 turns of G: unevenness, mean over the second half, nats", _mean(sick, "unevenness"), 1.0),
            at_least("1 turn each, R1: modes reached at the end", healthy[-1].modes, 7),
            at_most("1 turn each, R1: unevenness at the end, nats", healthy[-1].unevenness, 0.5),
        ),
        (
            Drawing(
                "stills",
                "The same nets from the same beginning on the same data, with another number of turns or a penalty. "
                "In the first row everything lies in one place, and jumps.",
                _rows(mixture, shown),
            ),
            Drawing("reached", "Modes reached, and how unevenly: ln 8 = 2.08 is one mode for all.", _modes(curves)),
        ),
    )


def _mean(found: Sequence[Reached], what: str) -> float:
    return float(np.mean([getattr(one, what) for one in found]))


def _rows(mixture: Mixture, shown: Mapping[str, Mapping[int, Tensor]]) -> Figure:
    columns = len(next(iter(shown.values())))
    figure, axes = charts.chart(columns, len(shown), size=(2.0, 2.0))
    places = iter(axes)
    for row, (name, stills) in enumerate(shown.items()):
        for column, (step, points) in enumerate(stills.items()):
            one = next(places)
            charts.board(one, mixture, points, 3.2)
            if column == 0:
                one.set_ylabel(name, fontsize=10, color=INK)
            if row == 0:
                one.set_title(f"{step:,} steps", fontsize=10, color=INK)
    return figure


def _modes(curves: Mapping[str, Mapping[int, Reached]]) -> Figure:
    figure, (modes, uneven) = charts.chart(2, size=(4.3, 3.2))
    for colour, (name, curve) in zip(_COLOURS, curves.items(), strict=True):
        modes.plot(list(curve), [found.modes for found in curve.values()], color=colour, linewidth=1.6, label=name)
        uneven.plot(list(curve), [found.unevenness for found in curve.values()], color=colour, linewidth=1.6)
    modes.set(xlabel="steps", ylabel="modes reached", ylim=(-0.2, 8.3))
    uneven.set(xlabel="steps", ylabel="unevenness, nats", ylim=(-0.05, 2.2))
    charts.legend(modes)
    return figure


COLLAPSE = Experiment(
    name="collapse",
    title="Mode collapse, provoked",
    question="What happens if G is let run while D stands still?",
    claims=(
        Claim(
            r"\min_G\,\max_D\,V\;\neq\;\max_D\,\min_G\,V",
            "The order matters: against a D that stands still the best G draws one point over and over, the one "
            "that D likes most.",
            "Goodfellow 2016, §5.1.1; Metz et al. 2017",
        ),
    ),
    method=(
        f"The ring of eight, {_SICK.steps} steps, batches of {BATCH}, Adam (β = 0.5, 0.999) at a rate of "
        f"{_SICK.rate:g}, nets of two hidden layers of {_SICK.wide}. From one beginning, G or D has more turns, or D "
        "is penalised (R1, weight 0.1)."
    ),
    reading=(
        "Collapse is a matter of who waits for whom: a G that runs to where D is highest leaves with D when it turns "
        "away, all at once. With one turn each the modes are found, late, and lost now and then; with R1 sooner and "
        "for good. boceto doctor names the fault in a real training, where there are no modes to count, by the "
        "variety of what is drawn."
    ),
    steps=len(_MATCHES) * _SICK.steps,
    run=_collapse,
)
