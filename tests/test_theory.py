"""The theory as experiments: divergences as mathematics has them, D* and C(G) reached, pages whose statements can fail."""

from __future__ import annotations

import errno
import json
import math
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from boceto import objectives
from boceto.cli import main
from boceto.errors import Fault, UsageError
from boceto.theory import equilibria, optimum, running
from boceto.theory.divergences import (
    Values,
    distribution,
    gaussian,
    integrate,
    js,
    js_density,
    kl,
    kl_density,
    mixture,
    uniform,
    wasserstein,
    wasserstein_density,
)
from boceto.theory.experiment import Check, Experiment, Outcome, at_least, at_most, near
from boceto.theory.game import Rules, Table, counted, optimal, optimal_logits, play, value
from boceto.theory.mixtures import grid, perceptron, reached, ring
from boceto.theory.optimum import fit_d
from boceto.theory.running import EXPERIMENTS, account, equation, perform, theory

LN2 = math.log(2)
EXACT = 1e-12
EXAMPLES = settings(derandomize=True, deadline=None, database=None)


def nothing(steps: int) -> None:
    """A tick that nobody hears."""


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Values, Values]:
    """Two distributions on the same 2 to 9 outcomes, with gaps and very small probabilities among them."""
    n = draw(st.integers(2, 9))
    weights = st.one_of(st.just(0.0), st.floats(1e-12, 1.0))
    found = [np.array(draw(st.lists(weights, min_size=n, max_size=n).filter(any))) for _ in range(2)]
    return found[0] / found[0].sum(), found[1] / found[1].sum()


@given(pairs())
@EXAMPLES
def test_divergences_are_what_they_are_defined_to_be(pair: tuple[Values, Values]) -> None:
    p, q = pair
    assert js(p, q) == js(q, p) and -EXACT <= js(p, q) <= LN2 + EXACT
    assert js(p, p) == 0 and kl(p, p) == 0 and kl(p, q) >= -EXACT
    assert math.isinf(kl(p, q)) == bool(((p > 0) & (q == 0)).any())
    apart = float(np.abs(p - q).sum() / 2)
    assert apart**2 / 2 - EXACT <= js(p, q) <= apart * LN2 + EXACT, "Pinsker's bound, and Lin's (theorem 3)"
    places = np.arange(len(p))
    assert wasserstein(p, q, places) == pytest.approx(wasserstein(q, p, places))
    assert apart - EXACT <= wasserstein(p, q, places) <= (len(p) - 1) * apart + EXACT


@given(pairs(), st.integers(1, 8))
@EXAMPLES
def test_less_seen_is_less_apart(pair: tuple[Values, Values], groups: int) -> None:
    """Data processing: whatever function outcomes go through, here a merging of them, no divergence grows."""
    merged = [np.bincount(np.arange(len(p)) % groups, weights=p, minlength=groups) for p in pair]
    assert js(*merged) <= js(*pair) + EXACT
    assert kl(*merged) <= kl(*pair) + EXACT


@given(pairs())
@EXAMPLES
def test_the_value_at_the_best_d_is_js(pair: tuple[Values, Values]) -> None:
    """Theorem 1, with the loss that trainings use; and no other D does better."""
    p, q = (counted(values, 500) for values in pair)
    best = optimal_logits(p / 500, q / 500)
    reached_value = float(value(best, p, q))
    assert reached_value == pytest.approx(-math.log(4) + 2 * js(p / 500, q / 500), abs=1e-9)
    assert reached_value >= -math.log(4) - EXACT
    for shift in (-0.3, 0.3):
        assert float(value(best + shift, p, q)) <= reached_value + EXACT


@given(pairs(), st.integers(1, 2000))
@EXAMPLES
def test_pictures_are_shared_out_to_the_last(pair: tuple[Values, Values], pictures: int) -> None:
    counts = counted(pair[0], pictures)
    assert counts.sum() == pictures and (np.abs(counts - pair[0] * pictures) < 1 + 1e-9).all()


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([0.5, 0.4], r"p sums to 0\.9, not to 1; divide"),
        ([1.5, -0.5], r"p holds the negative probability -0\.5"),
        ([0.5, math.nan], "all of them finite"),
        ([], "give a list of probabilities"),
        ([[0.5, 0.5]], "give a list of probabilities"),
    ],
)
def test_what_is_no_distribution(values: list[float], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        kl(values, [0.5, 0.5])


def test_pairs_that_do_not_go_together() -> None:
    with pytest.raises(UsageError, match="p has 2 outcomes and q has 3"):
        js([0.5, 0.5], [0.2, 0.3, 0.5])
    with pytest.raises(UsageError, match="2 outcomes want as many places"):
        wasserstein([0.5, 0.5], [1.0, 0.0], [0.0])
    with pytest.raises(UsageError, match="from left to right"):
        wasserstein([0.5, 0.5], [1.0, 0.0], [1.0, 0.0])
    with pytest.raises(UsageError, match="standard deviation 0 is none"):
        gaussian(0.0, 0.0)
    with pytest.raises(UsageError, match="give the lower end first"):
        uniform(1.0, 1.0)
    with pytest.raises(UsageError, match="want as many shares"):
        mixture([uniform(0, 1)], [0.5, 0.5])
    assert distribution(np.array([0.1, 0.2, 0.7], np.float32)).sum() == pytest.approx(1, abs=EXACT), (
        "rounding is forgiven"
    )


# ── the line ──


@given(st.floats(-5, 5), st.floats(0.05, 4), st.floats(-5, 5), st.floats(0.3, 4))
@settings(EXAMPLES, max_examples=25)
def test_gaussians_against_closed_forms(a: float, s: float, b: float, t: float) -> None:
    p, q = gaussian(a, s), gaussian(b, t)
    known = math.log(t / s) + (s * s + (a - b) ** 2) / (2 * t * t) - 0.5
    found = kl_density(p, q)
    assert found.value == pytest.approx(known, abs=1e-8) and 0 <= found.error < 1e-8
    both = js_density(p, q)
    assert -1e-9 <= both.value <= LN2 + 1e-9
    assert both.value == pytest.approx(js_density(q, p).value, abs=1e-9)


@given(st.floats(0.05, 3.0), st.floats(0.5, 2.0))
@settings(EXAMPLES, max_examples=25)
def test_uniform_densities_are_exact(shift: float, wide: float) -> None:
    p, q = uniform(0.0, wide), uniform(shift, shift + wide)
    apart = min(shift / wide, 1.0)  # the share of each that the other has nothing of
    assert js_density(p, q).value == pytest.approx(apart * LN2, abs=1e-9)
    assert wasserstein_density(p, q).value == pytest.approx(shift, abs=1e-8)
    assert kl_density(p, q).value == math.inf
    assert kl_density(p, uniform(-1.0, wide + 1)).value == pytest.approx(math.log((wide + 2) / wide), abs=1e-9)


def test_one_may_be_infinite_and_the_other_not() -> None:
    assert kl_density(gaussian(0, 1), uniform(-3, 3)).value == math.inf
    assert math.isfinite(kl_density(uniform(-3, 3), gaussian(0, 1)).value)
    far = js_density(gaussian(0, 0.01), gaussian(1000, 0.01))
    assert far.value == pytest.approx(LN2, abs=1e-9)


def test_a_mixture_is_seen_however_narrow_its_parts() -> None:
    needle = mixture([gaussian(0, 1), gaussian(3, 1e-4)], [0.7, 0.3])
    mass = integrate(lambda x: np.exp(needle.log(x)), needle.cuts)
    assert mass.value == pytest.approx(1, abs=1e-8)
    assert wasserstein_density(needle, gaussian(0, 1)).value == pytest.approx(0.3 * 3, abs=0.02)


@pytest.mark.parametrize(
    ("f", "exact"),
    [(np.exp, math.e - 1), (np.sqrt, 2 / 3), (lambda x: np.abs(x - 0.3), 0.29), (lambda x: 1.0 * (x > 0.7), 0.3)],
)
def test_the_error_that_is_stated_is_the_error(f: Callable[[Values], Values], exact: float) -> None:
    found = integrate(f, (0.0, 1.0))
    assert abs(found.value - exact) <= max(10 * found.error, 1e-13) and found.error < 1e-8


# ── D and the game ──


def test_a_trained_d_comes_to_the_ratio() -> None:
    torch.manual_seed(0)
    p, q = np.array([10, 20, 70, 0]), np.array([40, 20, 20, 20])
    fit = fit_d(p, q, Table(4), nothing, steps=200)
    assert np.abs(fit.said - [0.2, 0.5, 7 / 9, 0.0]).max() < 0.01
    assert fit.errors[-1] < 0.01 < fit.errors[0]
    assert fit.value == pytest.approx(-math.log(4) + 2 * js(p / 100, q / 100), abs=0.01)
    assert math.isnan(optimal(np.array([0.0, 1.0]), np.array([0.0, 1.0]))[0])


class Counting(nn.Module):
    """A net of one weight that counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.asked = nn.Parameter(torch.ones(2, 1)), 0

    def forward(self, x: Tensor) -> Tensor:
        self.asked += 1
        return x @ self.weight if x.shape[1] == 2 else x @ self.weight.T


def batches(seed: int = 0) -> Callable[[], Tensor]:
    random = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(6, 2, generator=random)


def game(g: nn.Module, d: nn.Module, rules: Rules, steps: int = 1, d_lr: float = 0.1, g_lr: float = 0.1) -> list[int]:
    d_optimiser, g_optimiser = torch.optim.SGD(d.parameters(), lr=d_lr), torch.optim.SGD(g.parameters(), lr=g_lr)
    latents = batches(1)
    return list(play(g, d, batches(), lambda: latents()[:, :1], d_optimiser, g_optimiser, rules, steps))


def test_turns_are_taken_and_each_moves_its_own() -> None:
    g, d = Counting(), Counting()
    assert game(g, d, Rules(d_turns=3, g_turns=2), 4) == [1, 2, 3, 4]
    assert (d.asked, g.asked) == (4 * (3 * 2 + 2), 4 * (3 + 2))
    for rules, still in ((Rules(g_turns=0), "g"), (Rules(d_turns=0), "d")):
        nets = {"g": Counting(), "d": Counting()}
        game(nets["g"], nets["d"], rules)
        moved = {name: not torch.equal(net.weight, torch.ones(2, 1)) for name, net in nets.items()}
        assert moved == {"g": still != "g", "d": still != "d"}


def test_simultaneous_means_that_g_sees_the_d_from_before() -> None:
    after = []
    for rules, d_lr in ((Rules(simultaneous=True), 0.1), (Rules(), 0.1), (Rules(), 1e-30)):
        g, d = Counting(), Counting()
        game(g, d, rules, d_lr=d_lr)
        after.append(g.weight.detach().clone())
    assert torch.allclose(after[0], after[2]) and not torch.allclose(after[0], after[1])


@pytest.mark.parametrize("loss", objectives.NAMES)
def test_every_loss_can_be_played(loss: str) -> None:
    torch.manual_seed(0)
    g, d = perceptron(1, 8, 2), perceptron(2, 8, 1)
    before = [p.detach().clone() for net in (g, d) for p in net.parameters()]
    game(g, d, Rules(loss, r1_gamma=0.1, gp_weight=1.0), 2)
    after = [p for net in (g, d) for p in net.parameters()]
    assert all(p.isfinite().all() for p in after)
    assert sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) >= len(after) - 1


def test_the_gradient_penalty_knows_points_as_well_as_pictures() -> None:
    weight = torch.tensor([[3.0], [4.0]])
    found = objectives.gradient_penalty(lambda x: x @ weight, torch.randn(5, 2), torch.randn(5, 2), 2.0)
    assert float(found) == pytest.approx(2 * (5 - 1) ** 2)


# ── equilibria ──


@given(st.floats(0.01, 0.5), st.floats(0, 6.28))
@EXAMPLES
def test_two_players_go_outward_or_round(rate: float, angle: float) -> None:
    start = math.cos(angle), math.sin(angle)
    way = equilibria.simultaneous(start, rate, 50)
    assert np.hypot(*way.T) == pytest.approx((1 + rate**2) ** (np.arange(51) / 2))
    x, y = equilibria.alternating(start, rate, 50).T
    kept = x * x + y * y - rate * x * y
    assert kept == pytest.approx(np.full(51, kept[0]))


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.8])
def test_the_dirac_gan_moves_as_its_eigenvalues_say(gamma: float) -> None:
    way = equilibria.dirac(Rules("minimax", simultaneous=True, r1_gamma=gamma), nothing, start=0.01, steps=60)
    matrix = np.linalg.lstsq(way[:-1], way[1:], rcond=None)[0]
    assert np.abs(np.linalg.eigvals(matrix)).max() == pytest.approx(equilibria.approach(gamma, 0.1), abs=1e-6)


# ── what is reached ──


def test_modes_are_counted() -> None:
    torch.manual_seed(0)
    world = ring()
    whole = reached(world.sample(8000), world)
    assert whole.quality == pytest.approx(1 - math.exp(-4.5), abs=4e-3), "of a Gaussian in the plane within 3 σ"
    assert whole.modes == 8 and whole.unevenness < 0.01
    one = reached(world.centres[:1].repeat(100, 1), world)
    assert (one.modes, one.quality) == (1, 1.0) and one.unevenness == pytest.approx(math.log(8))
    nowhere = reached(torch.zeros(10, 2), world)
    assert (nowhere.modes, nowhere.quality) == (0, 0.0)
    assert len(grid().centres) == 25 and grid().centres.abs().max() == 4


# ── statements ──


def test_a_check_can_fail() -> None:
    good, bad = near("a", 1.3862, math.log(4), 1e-3), near("a", 1.4, math.log(4), 1e-3)
    assert good.held and not bad.held
    assert good.told() == "measured 1.3862, expected 1.3863, error 9e-05 (at most 0.001)"
    assert not near("a", math.nan, 0.0, 1.0).held and near("a", math.inf, math.inf, 0.0).held
    assert at_most("a", 1.0, 2.0).held and not at_most("a", 3.0, 2.0).held
    assert at_least("a", 3.0, 2.0).held and not at_least("a", 1.0, 2.0).held
    assert not Outcome((good, bad), ()).held
    for check in (good, bad, near("a", math.inf, math.inf, 0.0), near("a", math.nan, 0.0, 1.0), at_most("a", 1, 2)):
        json.dumps(check.as_dict(), allow_nan=False)
    assert Check("a", 1.0, 0.0, 2.0).told() == "measured 1 (from 0 to 2)"


def test_a_broken_loss_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """D asked for the opposite: the experiment says that its D is not D*."""
    right = objectives.d_loss
    pairs = optimum._pairs(0)
    monkeypatch.setattr(optimum, "_pairs", lambda seed: {name: pairs[name] for name in ("shifted", "equal")})
    monkeypatch.setattr(objectives, "d_loss", lambda name, real, fake: right(name, fake, real))
    outcome = perform(EXPERIMENTS["optimal-d"])
    assert not outcome.held and not outcome.checks[0].held


@pytest.mark.slow
def test_a_broken_penalty_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objectives, "r1", lambda real, images, gamma: torch.zeros((), dtype=real.dtype))
    outcome = perform(EXPERIMENTS["dirac-gan"])
    failing = [check.says for check in outcome.checks if not check.held]
    assert len(failing) == 3 and all(says.startswith("R1") for says in failing)


# ── pages ──


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_page_stands_alone_and_the_seed_gives_it_again(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    accounts = theory(tmp_path / "a", ["bilinear"], seed=3, progress=lambda *how: told.append(how))
    assert told[-1][0] == told[-1][1] == EXPERIMENTS["bilinear"].steps and told[-1][2] == "bilinear"
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
    theory(tmp_path / "b", ["bilinear"], seed=3)
    theory(tmp_path / "c", ["bilinear"], seed=4)
    a, b, c = (files(tmp_path / name) for name in "abc")
    assert a == b and a["bilinear.html"] != c["bilinear.html"]
    drawn = ["figures/bilinear-trajectories.png", "figures/bilinear-trajectories.svg"]
    assert list(a) == ["bilinear.html", "bilinear.json", *drawn, "index.html"]
    page = a["bilinear.html"].decode()
    assert "seed 3" in page and "boceto theory bilinear --seed 3" in page and page.count("<svg") == 4
    assert not re.search(r"""(src|href)=["'](https?:)?//|<link|<script|@import""", page)
    assert json.loads(a["bilinear.json"]) == accounts[0] and accounts[0]["held"] is True


def test_the_index_lists_what_stands_there(tmp_path: Path) -> None:
    theory(tmp_path, ["bilinear"])
    first = (tmp_path / "bilinear.json").read_bytes()
    theory(tmp_path, ["divergences", "divergences"], seed=1)
    index = (tmp_path / "index.html").read_text("utf-8")
    assert index.count("<h2>") == 2 and "16 of 16 statements hold" in index
    assert (tmp_path / "bilinear.json").read_bytes() == first
    for damage in (b"", b"[1]", b"\xff", b'{"checks": 3}', b"[" * 100_000):
        (tmp_path / "bilinear.json").write_bytes(damage)
        running._index(tmp_path)
        assert (tmp_path / "index.html").read_text("utf-8").count("<h2>") == 1
    (tmp_path / "bilinear.json").write_text(json.dumps({**json.loads(first), "title": "<script>"}), "utf-8")
    running._index(tmp_path)
    assert "<script>" not in (tmp_path / "index.html").read_text("utf-8")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["theory", "bilinear", "-o", str(tmp_path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["experiment"] == "bilinear" and found["seed"] == 0 and all(c["held"] for c in found["checks"])
    assert found["checks"][0]["measured"] == pytest.approx(1.01**200)
    assert {"low", "high", "expected", "says", "told"} <= found["checks"][0].keys()
    assert main(["theory", "bilinear", "-o", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "holds  alternating: largest change" in said and "index.html: open it in a browser" in said


def test_a_statement_that_does_not_hold_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(EXPERIMENTS["bilinear"], run=lambda seed, tick: Outcome((near("two is one", 2, 1, 0.1),), ()))
    monkeypatch.setitem(EXPERIMENTS, "bilinear", broken)
    assert main(["theory", "bilinear", "-o", str(tmp_path), "--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)[0]["held"] is False
    assert printed.err.startswith("boceto: 1 statements do not hold") and "bilinear: two is one" in printed.err
    page = (tmp_path / "bilinear.html").read_text("utf-8")
    assert "Not all statements hold" in page and "0 of 1 statements hold" in (tmp_path / "index.html").read_text(
        "utf-8"
    )


def refused(**how: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


def test_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no experiment 'dirac'; did you mean 'dirac-gan'"):
        theory(tmp_path / "no", ["dirac"])
    with pytest.raises(UsageError, match="--seed -1"):
        theory(tmp_path / "no", seed=-1)
    assert not (tmp_path / "no").exists(), "nothing is made for a command that cannot be"
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Fault, match=r"cannot write to .*choose another"):
            theory(place, ["bilinear"])
    with monkeypatch.context() as patched:  # a folder that may be entered and not written to
        patched.setattr(tempfile, "TemporaryFile", refused)
        patched.setattr(running, "perform", lambda *how: pytest.fail("it computes before it knows"))
        with pytest.raises(Fault, match="permission is denied; choose another place"):
            theory(tmp_path, ["bilinear"])
    assert main(["theory", "../ring", "-o", str(tmp_path)]) == 2
    assert "no experiment '../ring'" in capsys.readouterr().err


def test_interrupted_nothing_is_half_written(tmp_path: Path) -> None:
    def stop(done: int, total: int, name: str) -> None:
        if name == "optimal-d" and done > EXPERIMENTS["bilinear"].steps + 20:
            raise KeyboardInterrupt

    threads = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        theory(tmp_path, ["bilinear", "optimal-d"], progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bilinear.html",
        "bilinear.json",
        "figures",
        "index.html",
    ]
    assert len(list((tmp_path / "figures").iterdir())) == 2 and torch.get_num_threads() == threads


def test_every_experiment_has_a_source_and_an_equation() -> None:
    assert len(EXPERIMENTS) == 10
    for name, experiment in EXPERIMENTS.items():
        assert name == experiment.name and experiment.claims and experiment.steps > 0
        for claim in experiment.claims:
            assert equation(claim.tex).startswith("<svg") and claim.source


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=list(EXPERIMENTS))
def test_every_statement_holds(experiment: Experiment) -> None:
    steps: list[int] = []
    outcome = perform(experiment, 0, steps.append)
    assert not [check.told() for check in outcome.checks if not check.held]
    assert sum(steps) == experiment.steps and outcome.drawings
    json.dumps(account(experiment, outcome, 0), allow_nan=False)
