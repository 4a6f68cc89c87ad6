"""Experiments that play the whole game with two small nets: on a line, on a ring, on a grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
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

BATCH = 256
COUNTED = 2000  # points that modes are counted by
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
            g, d, lambda: mixture.sample(BATCH), lambda: self.latents(BATCH), d_optimiser, g_optimiser, self.rules,
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
        fixed = match.latents(COUNTED)  # the same latents in every frame
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
        sample = mixture.sample(COUNTED)
        with torch.no_grad():
            loss = objectives.d_loss(match.rules.loss, d(sample).flatten(), d(g(match.latents(COUNTED))).flatten())
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
    kind = f"LeakyReLU {match.slope:g}" if match.slope else "ReLU"
    return (
        f"Both nets have two hidden layers of {match.wide} with {kind}; latents are from N(0, 1) in dimension "
        f"{match.z_dim}, batches of {BATCH}, k = {match.rules.d_turns}. {match.steps:,} steps of Adam "
        f"(β = {match.betas[0]:g}, {match.betas[1]:g}) at a rate of {match.rate:g}, which falls to 0; the "
        f"non-saturating loss of boceto.objectives, with R1 of weight {match.rules.r1_gamma:g}. Counted on {COUNTED:,} "
        "points."
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
    question="And does it still, when there are twenty-five?",
    claims=(_ALGORITHM, _MODES),
    method=_how(_GRID),
    reading=(
        "All modes are reached long before they are hit: modes alone say little. The share of high quality goes on "
        "rising to the end."
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
                frames.append(_line_frame(data, drawn, (x, said), (z, where), f"step {step:,}"))
    with torch.no_grad():
        answers = d(mixture.sample(_MANY)).sigmoid()
        loss = objectives.d_loss("minimax", d(mixture.sample(_MANY)).flatten(), d(g(_LINE.latents(_MANY))).flatten())
    late = [
        float(np.mean([apart for step, (apart, _) in one.items() if step > 0.75 * _LINE.steps]))
        for one in curves.values()
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
    method=_how(_LINE).replace(f"{COUNTED:,}", f"{_MANY:,}")
    + " The same with k = 1 beside it. Distances are those of histograms of 80 bins from −4 to 4.",
    reading=(
        "D answers what G does now: where G draws too much D falls, and that slope is what moves G away. At the end "
        "D is level at ½, and its loss at ln 4 is no sign of failure. G stretches the line where the data are thin "
        "and bunches it where they are dense."
    ),
    steps=_ONE_TURN.steps + _LINE.steps,
    run=_on_the_line,
)
