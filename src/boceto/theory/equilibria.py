"""Experiments on the way to a Nash equilibrium: two players of one number each, who circle, and what ends it."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from boceto.reporting.figures import GRID, INK
from boceto.theory import charts
from boceto.theory.divergences import Values
from boceto.theory.experiment import Claim, Drawing, Experiment, Outcome, Tick, at_least, at_most, near
from boceto.theory.game import Rules, play

# ── min_x max_y x·y ──

_RATE = 0.1
_TURNS = 400  # steps of each


def simultaneous(start: tuple[float, float], rate: float, steps: int) -> Values:
    """Both gradients of x·y taken before either moves: (steps + 1, 2). The radius grows by √(1 + rate²) a step."""
    way = np.empty((steps + 1, 2))
    way[0] = start
    for step in range(steps):
        x, y = way[step]
        way[step + 1] = x - rate * y, y + rate * x
    return way


def alternating(start: tuple[float, float], rate: float, steps: int) -> Values:
    """x moves first, y sees where it went: (steps + 1, 2). x² + y² − rate·x·y stays what it was, so it goes round."""
    way = np.empty((steps + 1, 2))
    way[0] = start
    for step in range(steps):
        x, y = way[step]
        x = x - rate * y
        way[step + 1] = x, y + rate * x
    return way


def _bilinear(seed: int, tick: Tick) -> Outcome:
    angle = 2 * math.pi * float(np.random.Generator(np.random.PCG64(seed)).random())
    start = (math.cos(angle), math.sin(angle))
    ways = {"simultaneous": simultaneous(start, _RATE, _TURNS), "alternating": alternating(start, _RATE, _TURNS)}
    tick(2 * _TURNS)
    together, in_turn = ways.values()
    x, y = in_turn.T
    kept = x * x + y * y - _RATE * x * y
    return Outcome(
        (
            near(
                f"simultaneous: distance from the equilibrium after {_TURNS} steps",
                float(np.hypot(*together[-1])),
                (1 + _RATE**2) ** (_TURNS / 2),
                1e-9,
            ),
            at_least("simultaneous: the least growth of a step", float(np.diff(np.hypot(*together.T)).min()), 1e-3),
            near("alternating: largest change of x² + y² − h·x·y", float(np.abs(kept - kept[0]).max()), 0.0, 1e-12),
            at_most("alternating: furthest from the equilibrium", float(np.hypot(x, y).max()), 1.06),
            at_least("and nearest: it does not arrive either", float(np.hypot(x, y).min()), 0.94),
        ),
        (
            Drawing(
                "trajectories",
                "The arrows are what both gradients say together: nowhere do they point at the equilibrium in the "
                "middle. Followed at the same time they lead outward; followed in turn, on a closed curve.",
                _circles(ways),
            ),
        ),
    )


def _circles(ways: Mapping[str, Values]) -> Figure:
    figure, axes = charts.chart(2, size=(3.6, 3.8))
    reach = 8.0, 1.6
    for one, (name, way), side in zip(axes, ways.items(), reach, strict=True):
        place = np.linspace(-side, side, 13)[1:-1]
        x, y = np.meshgrid(place, place)
        one.quiver(x, y, -y, x, color=GRID, angles="xy", width=0.005)
        one.plot(*way.T, color=charts.G, linewidth=1.2)
        one.plot(*way[0], "o", color=charts.FAKE, markersize=6)
        one.plot(0, 0, "+", color=INK, markersize=10)
        ticks = np.linspace(-side, side, 5)
        one.set(xlim=(-side, side), ylim=(-side, side), aspect="equal", xlabel="x: makes x·y small")
        one.set(xticks=ticks, yticks=ticks)
        one.set_title(name, fontsize=10, color=INK)
        one.grid(visible=False)
    axes[0].set_ylabel("y: makes x·y large")
    return figure


BILINEAR = Experiment(
    name="bilinear",
    title="Two players who circle each other",
    question="Does descending one's own gradient lead to a Nash equilibrium?",
    claims=(
        Claim(
            r"\min_x\,\max_y\;x\cdot y",
            "The only Nash equilibrium is (0, 0): there neither gains by moving alone.",
            "Goodfellow 2016, §7.2",
        ),
        Claim(
            r"x_{t+1}=x_t-h\,y_t,\quad y_{t+1}=y_t+h\,x_t\;\;\Rightarrow\;\;r_{t+1}=\sqrt{1+h^2}\;r_t",
            "Both at once: further away with every step, however small the rate h.",
            "Mescheder et al. 2018, §2; Gidel et al. 2019",
        ),
        Claim(
            r"x_{t+1}=x_t-h\,y_t,\quad y_{t+1}=y_t+h\,x_{t+1}\;\;\Rightarrow\;\;x^2+y^2-h\,x\,y\;\;\mathrm{stays}",
            "In turn: round and round on an ellipse.",
            "by substitution",
        ),
    ),
    method=f"{_TURNS} steps of h = {_RATE} from a point at distance 1, which the seed chooses, in float64.",
    reading=(
        "A gradient of two players is no slope of anything: there need be no quantity that falls. Curves of loss "
        "that swing for ever are what one sees of it in a training. That D and G move in turn is part of Algorithm 1 "
        "for a reason."
    ),
    steps=2 * _TURNS,
    run=_bilinear,
)


# ── the Dirac-GAN ──

_H = 0.1
_STEPS = 600
_R1 = 0.3  # γ
_GP = 0.3  # λ
_CLOSE = 0.01  # a beginning so near the equilibrium that only what is linear counts


class Place(nn.Module):
    """The G of the Dirac-GAN: all it draws lies at θ. (N, 1) → (N, 1)."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta + 0 * z


class Slope(nn.Module):
    """The D of the Dirac-GAN: ψ·x. (N, 1) → (N, 1)."""

    def __init__(self, psi: float) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.tensor(psi, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.psi * x


def dirac(rules: Rules, tick: Tick, start: float = 1.0, steps: int = _STEPS, rate: float = _H) -> Values:
    """(θ, ψ) from (start, 0) on: (steps + 1, 2), by Algorithm 1 with gradient descent (Mescheder et al. 2018, §2)."""
    g, d = Place(start), Slope(0.0)
    zero = torch.zeros(1, 1, dtype=torch.float64)
    optimisers = torch.optim.SGD(d.parameters(), lr=rate), torch.optim.SGD(g.parameters(), lr=rate)
    way = [(start, 0.0)]
    for _ in play(g, d, lambda: zero, lambda: zero, *optimisers, rules, steps):
        way.append((g.theta.item(), d.psi.item()))
        tick(1)
    return np.array(way)


_RULES = {
    "no penalty, simultaneous": Rules("minimax", simultaneous=True),
    "no penalty, alternating": Rules("minimax"),
    "Wasserstein, alternating": Rules("wasserstein"),
    "WGAN-GP, 5 turns of D": Rules("wasserstein", d_turns=5, gp_weight=_GP),
    "R1, simultaneous": Rules("minimax", simultaneous=True, r1_gamma=_R1),
    "R1, alternating": Rules("minimax", r1_gamma=_R1),
}


def approach(gamma: float, rate: float) -> float:
    """By what one simultaneous step with R1 of weight γ multiplies the distance, near the equilibrium of the Dirac-GAN.

    The larger |1 + h·λ| of the eigenvalues λ = −γ/2 ± √(γ²/4 − f'(0)²), f'(0) = ½ (Mescheder et al. 2018, §3).
    """
    root = cmath.sqrt(gamma**2 / 4 - 0.25)
    return max(abs(1 + rate * (-gamma / 2 + sign * root)) for sign in (-1, 1))


def _dirac_gan(seed: int, tick: Tick) -> Outcome:
    ways = {name: dirac(rules, tick) for name, rules in _RULES.items()}
    far = {name: np.hypot(*way.T) for name, way in ways.items()}
    free, turn, critic, penalised, r1, r1_turn = far.values()
    close = [_factor(dirac(_RULES[f"{name}, simultaneous"], tick, _CLOSE)) for name in ("no penalty", "R1")]
    return Outcome(
        (
            at_least("no penalty, simultaneous: distance at the end, 1 at the beginning", float(free[-1]), 1.0),
            at_least("and no step of it leads nearer: the least growth", float(np.diff(free).min()), 0.0),
            at_least("no penalty, alternating: nearest in the second half", float(turn[_STEPS // 2 :].min()), 0.8),
            at_least("Wasserstein, no penalty: nearest in the second half", float(critic[_STEPS // 2 :].min()), 0.8),
            at_least("WGAN-GP: furthest in the last fifth", float(penalised[-_STEPS // 5 :].max()), 0.2),
            at_most("R1, simultaneous: distance at the end", float(r1[-1]), 1e-3),
            at_most("R1, alternating: distance at the end", float(r1_turn[-1]), 1e-3),
            near("no penalty, simultaneous, near the equilibrium: factor of a step", close[0], approach(0.0, _H), 1e-6),
            near("R1, simultaneous, near the equilibrium: factor of a step", close[1], approach(_R1, _H), 1e-6),
        ),
        (
            Drawing(
                "trajectories",
                "The place θ of what G draws, sideways, and the slope ψ of D, upwards; the data lie at 0, and the "
                "equilibrium is the cross. Only R1 arrives.",
                _ways(ways),
            ),
            Drawing(
                "distance",
                "The distance from the equilibrium. The dotted line falls as the eigenvalues say.",
                _distances(far),
            ),
        ),
    )


def _factor(way: Values) -> float:
    """The spectral radius of the matrix that takes each point of a way (N, 2) to the next, by least squares."""
    matrix = np.linalg.lstsq(way[:-1], way[1:], rcond=None)[0]
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def _ways(ways: Mapping[str, Values]) -> Figure:
    figure, axes = charts.chart(3, 2, size=(3.2, 3.3))
    for one, (name, way) in zip(axes, ways.items(), strict=True):
        one.plot(*way.T, color=_colour(name), linewidth=1.2)
        one.plot(*way[0], "o", color=charts.FAKE, markersize=6)
        one.plot(0, 0, "+", color=INK, markersize=10)
        one.set(xlim=(-2.1, 2.1), ylim=(-2.1, 2.1), aspect="equal")
        one.set_title(name, fontsize=10, color=INK)
    for one in axes[3:]:
        one.set_xlabel("θ: where G draws")
    for one in axes[::3]:
        one.set_ylabel("ψ: slope of D")
    return figure


def _distances(far: Mapping[str, Values]) -> Figure:
    figure, (one,) = charts.chart(size=(6.6, 3.4))
    steps = np.arange(_STEPS + 1)
    for name, distance in far.items():
        dashes = "--" if name in ("no penalty, alternating", "R1, alternating") else "-"
        one.plot(steps, distance, dashes, color=_colour(name), linewidth=1.6, label=name)
    one.plot(steps, approach(_R1, _H) ** steps, ":", color=INK, linewidth=1.2, label="eigenvalues, R1")
    one.set(yscale="log", xlabel="steps", ylabel="distance from (0, 0)", ylim=(5e-5, 6))
    charts.legend(one, 2)
    return figure


def _colour(name: str) -> str:
    colours = {"no": charts.D, "Wasserstein": charts.FAKE, "WGAN-GP": charts.OTHER, "R1": charts.REAL}
    return colours[name.replace(",", " ").split()[0]]


DIRAC_GAN = Experiment(
    name="dirac-gan",
    title="The smallest GAN that does not converge",
    question="Which penalties make a GAN arrive at its equilibrium?",
    claims=(
        Claim(
            r"p_\mathrm{data}=\delta_0,\quad p_g=\delta_\theta,\quad C(x)=\psi\cdot x",
            "The Dirac-GAN: one picture, one number to move it, one number to see it by.",
            "Mescheder et al. 2018, definition 2.1",
        ),
        Claim(
            r"\lambda=-\frac{\gamma}{2}\pm\sqrt{\frac{\gamma^2}{4}-f\,'(0)^2},\qquad f\,'(0)=\frac{1}{2}",
            "What moves it near the equilibrium: without a penalty (γ = 0) both λ are imaginary, and it circles; R1 "
            "with weight γ gives them a negative part, and it arrives. Neither Wasserstein's loss nor WGAN-GP does "
            "that.",
            "Mescheder et al. 2018, §2 and §3",
        ),
    ),
    method=(
        f"Algorithm 1 with the losses and penalties of boceto.objectives, {_STEPS} steps of plain gradient descent "
        f"with rate {_H} from θ = 1, ψ = 0; γ = {_R1} for R1, λ = {_GP} for WGAN-GP. From θ = {_CLOSE} on, the matrix "
        "that takes one step to the next is fitted, and its spectral radius compared with |1 + h·λ|. Nothing here is "
        "random."
    ),
    reading=(
        "A penalty on the slope of D at real pictures (--set objective.r1_gamma=…) is no matter of taste: at the "
        "equilibrium D should be flat, and R1 is what flattens it. WGAN-GP asks for a slope of 1 there, and so has "
        "no rest."
    ),
    steps=(len(_RULES) + 2) * _STEPS,
    run=_dirac_gan,
)
