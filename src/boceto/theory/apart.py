"""Experiment: what KL, JS and the Wasserstein-1 distance say of two distributions that move apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from boceto.reporting.figures import INK
from boceto.theory import charts
from boceto.theory.divergences import (
    Density,
    Integral,
    gaussian,
    js,
    js_density,
    kl,
    kl_density,
    mixture,
    uniform,
    wasserstein_density,
)
from boceto.theory.experiment import Check, Claim, Drawing, Experiment, Outcome, Tick, at_least, at_most, near

_PAIRS = 1000  # of random distributions
_ROUNDING = 1e-12
_APART = np.linspace(0.0, 8.0, 41)
_SHOWN = (0.5, 2.0, 6.0)
_HALF, _SLIM = 1.0, 0.5  # half the width of the uniform ones; standard deviation of the Gaussian ones
_STEP = 0.01  # of the distance, for slopes

_Curves = Mapping[str, Mapping[str, Sequence[Integral]]]


def _gaussians(apart: float) -> tuple[Density, Density]:
    return gaussian(0.0, _SLIM), gaussian(apart, _SLIM)


def _uniforms(apart: float) -> tuple[Density, Density]:
    return uniform(-_HALF, _HALF), uniform(apart - _HALF, apart + _HALF)


def _run(seed: int, tick: Tick) -> Outcome:
    kinds = {"two Gaussians": _gaussians, "two uniform distributions": _uniforms}
    curves: dict[str, dict[str, list[Integral]]] = {name: {"KL": [], "JS": [], "W1": []} for name in kinds}
    for apart in _APART:
        for name, pair in kinds.items():
            p, q = pair(float(apart))
            curves[name]["KL"].append(kl_density(p, q))
            curves[name]["JS"].append(js_density(p, q))
            curves[name]["W1"].append(wasserstein_density(p, q))
        tick(1)
    checks = [*_discrete(seed), *_integrated(curves)]
    return Outcome(
        tuple(checks),
        (
            Drawing(
                "apart",
                "The same two distributions at three distances, green the data and orange what is generated. From the "
                "second to the third JS has nothing left to gain; the Wasserstein-1 distance goes on counting.",
                _pairs(),
            ),
            Drawing(
                "saturation",
                "The three against the distance. JS comes to ln 2 and is level from there, exactly so for the "
                "uniform distributions once they no longer touch; what is level gives G no direction. KL is "
                "infinite as soon as the data lie where nothing is generated. The Wasserstein-1 distance has slope "
                "1 everywhere.",
                _curves(curves),
            ),
        ),
    )


def _discrete(seed: int) -> list[Check]:
    """Of random distributions on 2 to 12 outcomes, some of them with gaps, and of two with nothing in common."""
    random = np.random.Generator(np.random.PCG64(seed))
    found, lopsided, gained = [], 0.0, -math.inf
    for _ in range(_PAIRS):
        outcomes = int(random.integers(2, 13))
        p, q = random.dirichlet(np.full(outcomes, 0.3), 2) * (random.random((2, outcomes)) < 0.8) + 1e-12
        p, q = p / p.sum(), q / q.sum()
        found.append((js(p, q), kl(p, q)))
        lopsided = max(lopsided, abs(js(p, q) - js(q, p)))
        gained = max(gained, js(np.append(p[2:], p[:2].sum()), np.append(q[2:], q[:2].sum())) - js(p, q))
    (least_js, least_kl), (most_js, _) = np.min(found, axis=0), np.max(found, axis=0)
    apart = [1.0, 0.0], [0.0, 1.0]
    return [
        at_least(f"the smallest KL(p ‖ q) of {_PAIRS:,} random pairs is not negative", float(least_kl), -_ROUNDING),
        at_least("nor is the smallest JS(p, q)", float(least_js), -_ROUNDING),
        at_most("the largest JS(p, q) of them does not pass ln 2", float(most_js), math.log(2) + _ROUNDING),
        at_most("two outcomes taken for one: JS never grows, by more than", gained, _ROUNDING),
        near("JS is symmetric: the largest |JS(p, q) − JS(q, p)|", lopsided, 0.0, _ROUNDING),
        near("two distributions with no outcome in common: JS = ln 2", js(*apart), math.log(2), _ROUNDING),
        near("and KL is infinite", kl(*apart), math.inf, 0.0),
    ]


def _integrated(curves: _Curves) -> list[Check]:
    a, b = gaussian(0.0, 1.0), gaussian(1.5, 2.0)
    known = math.log(2.0) + (1.0 + 1.5**2) / (2 * 2.0**2) - 0.5
    numeric = kl_density(a, b)
    far = next(i for i, apart in enumerate(_APART) if apart >= 2 * _HALF)
    uniforms = curves["two uniform distributions"]
    worst = max(max(one.error for one in curve) for kind in curves.values() for curve in kind.values())
    by_kl = 0.5 * (kl_density(a, mixture([a, b])).value + kl_density(b, mixture([a, b])).value)
    return [
        at_most("integrals on the line: the largest error stated", worst, 1e-8),
        near("KL of N(0, 1) from N(1.5, 2²) against its closed form", numeric.value, known, 1e-9),
        near("JS of the two is the mean of two KL", js_density(a, b).value, by_kl, 1e-9),
        near("uniform, not touching: JS = ln 2", uniforms["JS"][far].value, math.log(2), 1e-9),
        near("slope of JS there", (uniforms["JS"][-1].value - uniforms["JS"][far].value), 0.0, 1e-9),
        near("two Gaussians six apart: slope of JS", _slope(js_density, 6.0), 0.0, 1e-6),
        near("and slope of W1", _slope(wasserstein_density, 6.0), 1.0, 1e-6),
        near("two Gaussians six apart: W1 is the distance", curves["two Gaussians"]["W1"][30].value, _APART[30], 1e-8),
        near("uniform, half apart: KL is infinite", uniforms["KL"][1].value, math.inf, 0.0),
    ]


def _slope(measure: Callable[[Density, Density], Integral], apart: float) -> float:
    nearer, further = (measure(*_gaussians(apart + sign * _STEP)).value for sign in (-1, 1))
    return (further - nearer) / (2 * _STEP)


def _pairs() -> Figure:
    figure, axes = charts.chart(3, size=(3.4, 2.3))
    x = np.linspace(-2.2, 8.2, 240)
    for one, apart in zip(axes, _SHOWN, strict=True):
        p, q = _gaussians(apart)
        for density, colour in ((p, charts.REAL), (q, charts.FAKE)):
            y = np.exp(density.log(x))
            one.fill_between(x, y, color=colour, alpha=0.25, linewidth=0)
            one.plot(x, y, color=colour, linewidth=1.6)
        told = f"JS {js_density(p, q).value:.3f}   W1 {wasserstein_density(p, q).value:.2f}"
        one.set_title(told, fontsize=10, color=INK)
        one.set(ylim=(0, 1.0), yticks=[], xlabel=f"{apart:g} apart")
    return figure


def _curves(curves: _Curves) -> Figure:
    figure, axes = charts.chart(2, size=(4.4, 3.2))
    styles = {"KL": charts.D, "JS": charts.OTHER, "W1": charts.G}
    for one, (kind, found) in zip(axes, curves.items(), strict=True):
        for name, curve in found.items():
            values = np.array([point.value for point in curve])
            finite = np.isfinite(values)
            one.plot(_APART[finite], values[finite], color=styles[name], linewidth=2, label=name)
        one.axhline(math.log(2), color=charts.SOFT, linewidth=1, linestyle=":")
        charts.note(one, 6.9, math.log(2) + 0.1, "ln 2", charts.SOFT)
        one.set(xlabel=f"{kind}: distance of their middles", ylim=(-0.05, 4.2))
        charts.legend(one, 3)
    charts.note(axes[1], 2.6, 1.6, "KL: infinite from the first step", charts.D)
    axes[0].set_ylabel("nats; W1 in units of x")
    return figure


EXPERIMENT = Experiment(
    name="divergences",
    title="What a divergence sees",
    question="How far apart are two distributions, and does the answer tell a generator which way to go?",
    claims=(
        Claim(
            r"\mathrm{KL}(p\,\|\,q)=\sum_x p(x)\,\ln\frac{p(x)}{q(x)}\;\geq\;0",
            "0 only for p = q; infinite where q is 0 and p is not.",
            "Kullback and Leibler 1951, §2",
        ),
        Claim(
            r"\mathrm{JS}(p\,\|\,q)=\frac{1}{2}\mathrm{KL}(p\,\|\,m)+\frac{1}{2}\mathrm{KL}(q\,\|\,m)"
            r"\,\in\,[0,\ln 2],\quad m=\frac{p+q}{2}",
            "Symmetric, and ln 2 as soon as p and q share no outcome, however far apart they lie.",
            "Lin 1991, §IV; Goodfellow et al. 2014, eq. 5",
        ),
        Claim(
            r"W_1(p,q)=\int |P(x)-Q(x)|\,dx",
            "On the line, with distribution functions P and Q: the mean way that probability has to be carried.",
            "Arjovsky et al. 2017, eq. 1 and example 1",
        ),
    ),
    method=(
        "Random distributions on 2 to 12 outcomes are compared by the sums themselves. Densities on the line are "
        "integrated by Gauss–Legendre quadrature, piece by piece, each piece halved until halving changes nothing; "
        "what it still changed is the error stated."
    ),
    reading=(
        "JS is what the generator of the original game descends. While data and generated pictures share nothing, "
        "which is where every training begins, it is level: a D without limits is sure everywhere and G learns "
        "nothing from it. A D that is kept smooth, by a penalty or as a Wasserstein critic, still says in which "
        "direction the data lie."
    ),
    steps=len(_APART),
    run=_run,
)
