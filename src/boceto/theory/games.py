"""Experiments that play the whole game: on a line, on a ring, on a grid; a loss that saturates; a G that collapses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from boceto import objectives
from boceto.reporting.figures import INK, raster
from boceto.theory import charts
from boceto.theory.divergences import Values, gaussian, js, wasserstein
from boceto.theory.divergences import mixture as mixed
from boceto.theory.experiment import Claim, Drawing, Experiment, Outcome, Tick, at_least, at_most, near
from boceto.theory.game import Rules, optimal, play
from boceto.theory.mixtures import Mixture, Reached, grid, histogram, line, perceptron, reached, ring

_BATCH = 256
_COUNTED = 2000  # points that modes are counted by
_FRAMES = 36
_FIELD = 61  # places a side at which D is asked


@dataclass(frozen=True)
class Match:
    """Two nets and how they are trained; ``falling``: the rates fall to 0 in the course of it."""

    rules: Rules
    steps: int
    rate: float = 4e-3
    betas: tuple[float, float] = (0.0, 0.9)
    wide: int = 96
    z_dim: int = 2
    slope: float = 0.0  # of LeakyReLU below 0
    falling: bool = True

    def play(self, mixture: Mixture, tick: Tick) -> Iterator[tuple[int, nn.Module, nn.Module]]:
        """Algorithm 1 on batches of a mixture: (steps played, G, D), from 0 on."""
        size = mixture.centres.shape[1]
        g, d = (perceptron(*ends, slope=self.slope) for ends in ((self.z_dim, self.wide, size), (size, self.wide, 1)))
        d_optimiser, g_optimiser = (
            torch.optim.Adam(net.parameters(), lr=self.rate, betas=self.betas, fused=True) for net in (d, g)
        )
        yield 0, g, d
        game = play(
            g, d, lambda: mixture.sample(_BATCH), lambda: self.latents(_BATCH), d_optimiser, g_optimiser, self.rules,
            self.steps,
        )  # fmt: skip
        for step in game:
            if self.falling:
                for optimiser in (d_optimiser, g_optimiser):
                    optimiser.param_groups[0]["lr"] = self.rate * (1 - step / self.steps)
            tick(1)
            yield step, g, d

    def latents(self, n: int) -> Tensor:
        """(n, z_dim) from N(0, 1)."""
        return torch.randn(n, self.z_dim)


def _moments(steps: int, count: int) -> set[int]:
    """So many of the steps, from 0 to the last, closer together at first, where most happens."""
    return {0, *np.round(np.geomspace(1, steps, count - 1)).astype(int).tolist()}


# ── the plane ──


def _in_the_plane(
    mixture: Mixture, match: Match, reach: float, modes: int, quality: float
) -> Callable[[int, Tick], Outcome]:
    """The game on a mixture, which should end with so many modes and so large a share of high quality."""

    def run(seed: int, tick: Tick) -> Outcome:
        frames: list[Image.Image] = []
        shown: dict[int, tuple[Tensor, Values]] = {}
        curve: dict[int, Reached] = {}
        film, stills = _moments(match.steps, _FRAMES), _evenly(match.steps, 5)
        fixed = match.latents(_COUNTED)  # the same latents in every frame
        for step, g, d in match.play(mixture, tick):
            if step % 50 and step not in film and step not in stills:
                continue
            with torch.no_grad():
                points = g(fixed)
            if step % 50 == 0:
                curve[step] = reached(points, mixture)
            if step in film:
                frames.append(_frame(mixture, points, _says(d, reach), reach, step))
            if step in stills:
                shown[step] = points, _says(d, reach)
        last = curve[match.steps]
        sample = mixture.sample(_COUNTED)
        with torch.no_grad():
            loss = objectives.d_loss(match.rules.loss, d(sample).flatten(), d(g(match.latents(_COUNTED))).flatten())
        return Outcome(
            (
                at_least(f"modes reached of {len(mixture.centres)}", last.modes, modes),
                at_least("share of points of high quality", last.quality, quality),
                at_most("unevenness among the modes, nats", last.unevenness, 0.2),
                near("loss of D at the end, ln 4 where it sees no difference", float(loss), math.log(4), 0.15),
                at_least(
                    "for comparison, share of high quality among the data themselves",
                    reached(sample, mixture).quality,
                    0.98,
                ),
            ),
            (
                Drawing(
                    "film",
                    "What G draws of the same latents (points) as the training goes on. Rings: the data. The ground "
                    "is what D says of every place: green real, orange generated, white ½; its colours go as far as "
                    "D does.",
                    frames,
                ),
                Drawing("stills", "The same at five moments.", _stills(mixture, shown, reach)),
                Drawing(
                    "reached",
                    "Modes with at least one point within three standard deviations, as a share of all; share of "
                    "points so near to one; and how unevenly the points are shared out, where 0 is even.",
                    _reached(curve, len(mixture.centres)),
                ),
            ),
        )

    return run


def _evenly(steps: int, count: int) -> list[int]:
    """So many moments, each about three times as late as the one before."""
    return [0, *(max(1, round(steps / 3**power)) for power in range(count - 2, -1, -1))]


def _says(d: nn.Module, reach: float) -> Values:
    """D's answer, 0 … 1, on a square: (rows, columns)."""
    side = torch.linspace(-reach, reach, _FIELD)
    places = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1)
    with torch.no_grad():
        said: Values = d(places.flatten(0, 1)).sigmoid().reshape(_FIELD, _FIELD).double().numpy()
    return said


def _frame(mixture: Mixture, points: Tensor, says: Values, reach: float, step: int) -> Image.Image:
    figure, (one,) = charts.chart(size=(3.4, 3.6))
    title = f"step {step:,}, D from {says.min():.2f} to {says.max():.2f}"
    charts.board(one, mixture, points, reach, says)
    one.set_title(title, fontsize=10, color=INK, loc="left")
    return raster(figure)


def _stills(mixture: Mixture, shown: Mapping[int, tuple[Tensor, Values]], reach: float) -> Figure:
    figure, axes = charts.chart(len(shown), size=(2.2, 2.4))
    for one, (step, (points, says)) in zip(axes, shown.items(), strict=True):
        charts.board(one, mixture, points, reach, says)
        one.set_title(f"{step:,} steps", fontsize=10, color=INK)
    return figure


def _reached(curve: Mapping[int, Reached], modes: int) -> Figure:
    figure, (one,) = charts.chart(size=(6.4, 3.1))
    steps = list(curve)
    one.plot(steps, [found.modes / modes for found in curve.values()], color=charts.REAL, linewidth=1.8, label="modes")
    one.plot(steps, [found.quality for found in curve.values()], color=charts.FAKE, linewidth=1.8, label="high quality")
    one.plot(
        steps,
        [found.unevenness for found in curve.values()],
        color=charts.SOFT,
        linewidth=1.4,
        label="unevenness, nats",
    )
    one.set(xlabel="steps", ylabel="share", ylim=(-0.03, 1.05))
    charts.legend(one, 3)
    return figure


_ALGORITHM = Claim(
    r"\min_G\,\max_D\;E_{x\sim p_\mathrm{data}}\left[\ln D(x)\right]+E_{z\sim p_z}\left[\ln(1-D(G(z)))\right]",
    "Played in turns: D ascends the gradient of a batch k times, then G descends its own once.",
    "Goodfellow et al. 2014, eq. 1 and Algorithm 1",
)
_MODES = Claim(
    r"\|G(z)-\mu_m\|\leq 3\,\sigma",
    "A point is of high quality within three standard deviations of a mode; a mode is reached if one such point is "
    "its.",
    "Srivastava et al. 2017, §4.1",
)
_RING = Match(Rules(r1_gamma=0.1), steps=2000)
_GRID = Match(Rules(r1_gamma=1.0), steps=3000)


def _how(match: Match) -> str:
    return (
        f"Both nets have two hidden layers of {match.wide} with "
        f"{f'LeakyReLU {match.slope:g}' if match.slope else 'ReLU'}; latents are of {match.z_dim} numbers from N(0, "
        f"1), batches of {_BATCH}, k = {match.rules.d_turns}. {match.steps:,} steps of Adam (β = {match.betas[0]:g}, "
        f"{match.betas[1]:g}) at a rate of {match.rate:g}, which falls to 0; the non-saturating loss of "
        f"boceto.objectives, with R1 of weight {match.rules.r1_gamma:g}. Counted on {_COUNTED:,} points."
    )


RING = Experiment(
    name="ring",
    title="Eight Gaussians on a ring",
    question="Does a generator find all modes of the data, and hit them?",
    claims=(_ALGORITHM, _MODES),
    method=_how(_RING),
    reading=(
        "First the cloud spreads to where the data are, then it parts. Between the modes threads remain: G is "
        "continuous, and what it draws of a plane of latents cannot be torn into eight pieces. In pictures these "
        "threads are the ghosts between two faces."
    ),
    steps=_RING.steps,
    run=_in_the_plane(ring(), _RING, 3.2, modes=8, quality=0.75),
)
GRID_GAME = Experiment(
    name="grid",
    title="Twenty-five Gaussians on a grid",
    question="And if there are more modes than nets of this size find at once?",
    claims=(_ALGORITHM, _MODES),
    method=_how(_GRID),
    reading=(
        "All modes are reached long before they are hit: modes alone say little. The share of high quality goes on "
        "rising to the end, and would rise further."
    ),
    steps=_GRID.steps,
    run=_in_the_plane(grid(), _GRID, 5.6, modes=24, quality=0.5),
)


# ── the line ──

_LINE = Match(Rules(d_turns=3, r1_gamma=0.002), steps=800, rate=2e-3, wide=64, z_dim=1, slope=0.2)
_ONE_TURN = replace(_LINE, rules=Rules(d_turns=1, r1_gamma=0.002))
_EDGES = np.linspace(-4.0, 4.0, 81)
_MIDDLES = 0.5 * (_EDGES[1:] + _EDGES[:-1])
_MANY = 20_000  # points of a histogram


def _on_the_line(seed: int, tick: Tick) -> Outcome:
    mixture = line()
    shares = np.diff(mixed([gaussian(float(centre), mixture.sd) for centre in mixture.centres[:, 0]]).below(_EDGES))
    data = shares / shares.sum()
    x, z = torch.linspace(-4, 4, 200)[:, None], torch.linspace(-2, 2, 25)[:, None]
    moments, frames = _moments(_LINE.steps, _FRAMES), []
    curves: dict[str, dict[int, tuple[float, float]]] = {}
    for match in (_ONE_TURN, _LINE):
        torch.manual_seed(seed)  # the same nets to begin with
        curve = curves.setdefault(f"k = {match.rules.d_turns}", {})
        fixed = match.latents(_MANY)
        for step, g, d in match.play(mixture, tick):
            if step % 20 and (match is _ONE_TURN or step not in moments):
                continue
            with torch.no_grad():
                drawn, said, where = histogram(g(fixed), _EDGES), d(x).sigmoid(), g(z)
            if step % 20 == 0:
                curve[step] = js(data, drawn), wasserstein(data, drawn, _MIDDLES)
            if match is _LINE and step in moments:
                frames.append(_line_frame(data, drawn, (x, said), (z, where), f"{step:,} steps"))
    with torch.no_grad():
        answers = d(mixture.sample(_MANY)).sigmoid()
        loss = objectives.d_loss("minimax", d(mixture.sample(_MANY)).flatten(), d(g(_LINE.latents(_MANY))).flatten())
    late = [
        float(np.mean([js for step, (js, _) in one.items() if step > 0.75 * _LINE.steps])) for one in curves.values()
    ]
    return Outcome(
        (
            at_most("JS between what is generated and the data at the end, nats", curve[_LINE.steps][0], 0.05),
            at_most("Wasserstein-1 distance at the end", curve[_LINE.steps][1], 0.2),
            near("what D says of the data at the end: mean", float(answers.mean()), 0.5, 0.05),
            at_most("and its standard deviation", float(answers.std()), 0.05),
            near("loss of D at the end", float(loss), math.log(4), 0.02),
            at_least("JS in the last quarter with k = 1, in multiples of that with k = 3", late[0] / late[1], 1.5),
        ),
        (
            Drawing(
                "film",
                "Green the density of the data, orange that of what G draws, red what D says, grey the D* that "
                "would be best against this G. Below, where G takes latents: the lines go from z to G(z).",
                frames,
            ),
            Drawing(
                "distances",
                "JS and Wasserstein-1 distance against steps, with one turn of D a step and with three. With one, D "
                "is no longer near its best against a G that moves, and what G descends is no longer C(G).",
                _line_curves(curves),
            ),
        ),
    )


def _line_frame(
    data: Values, drawn: Values, d: tuple[Tensor, Tensor], g: tuple[Tensor, Tensor], title: str
) -> Image.Image:
    figure = Figure(figsize=(4.4, 3.9), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    wide = _EDGES[1] - _EDGES[0]
    above.fill_between(_MIDDLES, data / wide, color=charts.REAL, alpha=0.3, linewidth=0)
    above.step(_MIDDLES, drawn / wide, where="mid", color=charts.FAKE, linewidth=1.4)
    beside = above.twinx()
    beside.plot(_MIDDLES, np.where(data + drawn > 1e-3, optimal(data, drawn), np.nan), color=charts.SOFT, linewidth=1.2)
    beside.plot(*(values.flatten().numpy() for values in d), color=charts.D, linewidth=1.8)
    beside.set(ylim=(-0.02, 1.02), yticks=[0, 0.5, 1])
    above.set(ylim=(0, 0.75), yticks=[], xlim=(-4, 4))
    above.set_title(title, fontsize=10, color=INK, loc="left")
    below.plot(torch.cat(g, dim=1).T.numpy(), [0, 1], color=charts.FAKE, linewidth=0.8)
    below.set(ylim=(0, 1), yticks=[0, 1], yticklabels=["z", "G(z)"])
    for one in (above, beside, below):
        one.spines[["top"]].set_visible(False)
    return raster(figure)


def _line_curves(curves: Mapping[str, Mapping[int, tuple[float, float]]]) -> Figure:
    figure, axes = charts.chart(2, size=(4.2, 3.0))
    for place, (one, name) in enumerate(zip(axes, ("JS, nats", "Wasserstein-1 distance"), strict=True)):
        for (turns, curve), colour in zip(curves.items(), (charts.FAKE, charts.REAL), strict=True):
            one.plot(list(curve), [found[place] for found in curve.values()], color=colour, linewidth=1.8, label=turns)
        one.set(xlabel="steps", ylabel=name, yscale="log")
        charts.legend(one)
    return figure


LINE = Experiment(
    name="line",
    title="Three Gaussians on a line",
    question="What do D and G look like, as functions, while they play?",
    claims=(_ALGORITHM,),
    method=_how(_LINE).replace(f"{_COUNTED:,}", f"{_MANY:,}")
    + " Distances are those of histograms of 80 bins from −4 to 4.",
    reading=(
        "D answers what G does now: where G draws too much D falls, and that slope is what moves G away. At the end "
        "D is level at ½, and its loss at ln 4 is no sign of failure. G stretches the line where the data are thin "
        "and bunches it where they are dense."
    ),
    steps=_ONE_TURN.steps + _LINE.steps,
    run=_on_the_line,
)


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
    fixed = torch.randn(_COUNTED, 1)

    def rate(net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)

    def game(g: Shift, d: nn.Module, rules: Rules, steps: int) -> Iterator[int]:
        sgd = torch.optim.SGD(g.parameters(), lr=_G_RATE)
        return play(g, d, lambda: data.sample(_BATCH), lambda: torch.randn(_BATCH, 1), rate(d), sgd, rules, steps)

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
        fixed = match.latents(_COUNTED)
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
            "Goodfellow 2016, §5.1.1; Metz et al. 2017, §2.3",
        ),
    ),
    method=(
        f"The ring of eight, {_SICK.steps} steps, batches of {_BATCH}, Adam (β = 0.5, 0.999) at a rate of "
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
