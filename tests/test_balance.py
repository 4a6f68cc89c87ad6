"""Fake-as-real (eq. 2), turns and the order of updates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from boceto import archs, recipe
from boceto.balance import accuracy, most, plant, share
from boceto.clock import Clock, at
from boceto.device import choose
from boceto.errors import UsageError
from boceto.gan import Batch
from boceto.recipe import Recipe
from boceto.state import State
from boceto.training import steps

CPU = choose("cpu", "float32")


@pytest.mark.parametrize(("right", "expected"), [(0.5, 0.0), (0.75, 0.05), (1.0, 0.1), (0.3, 0.0)])
def test_equation_2(right: float, expected: float) -> None:
    assert share(torch.tensor(right), 0.1).item() == pytest.approx(expected)


@pytest.mark.parametrize(("n", "planted"), [(128, 13), (64, 6)])
def test_how_many_are_planted_at_first(n: int, planted: int) -> None:
    real, fakes = torch.ones(n, 1, 2, 2), -torch.ones(most(n, 0.1), 1, 2, 2)
    mixed, where = plant(real, fakes, torch.ones(()), 0.1)
    assert where.sum() == planted == most(n, 0.1)
    assert torch.equal(mixed[:, 0, 0, 0] == -1, where)
    assert (real == 1).all(), "the batch that was given stays as it was"


def test_none_are_planted_where_d_guesses() -> None:
    mixed, where = plant(torch.ones(64, 1, 2, 2), torch.zeros(6, 1, 2, 2), torch.tensor(0.5), 0.1)
    assert not where.any() and (mixed == 1).all()


def test_accuracy_counts_the_true_origin() -> None:
    real, fake = torch.tensor([3.0, 3.0, -3.0, -3.0]), torch.tensor([-3.0, -3.0, 3.0, 3.0])
    assert accuracy(real, fake).item() == 0.5
    planted = torch.tensor([False, False, True, True])
    assert accuracy(real, fake, planted).item() == 0.75


def test_turns_over_time() -> None:
    turns = {"0": 2, "0.5": 3, "100": 1}
    assert [at(Clock(nimg=n), turns) for n in (0, 499, 500, 99_999, 100_000, 10**9)] == [2, 2, 3, 3, 1, 1]
    assert at(Clock(nimg=5), 4) == 4


def tiny(**sections: Any) -> Recipe:
    arch = {"name": "dcgan", "resolution": 16, "z_dim": 8, "g_width": 4, "d_width": 4}
    train = {"batch": 8, "precision": "float32", **sections.pop("train", {})}
    return recipe.parse({"arch": arch, "train": train, **sections}, "test")


def pictures(count: int) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    random = np.random.Generator(np.random.PCG64(0))
    return [random.integers(0, 256, (8, 3, 16, 16), np.uint8) for _ in range(count)]


def counted(setting: Recipe, batches: int, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], State]:
    """Which net took a turn or moved, in order."""
    state, told = State.fresh(setting, CPU), []

    def note(owner: Any, method: str, word: str) -> None:
        whole = getattr(owner, method)

        def noted(*arguments: Any, **named: Any) -> Any:
            told.append(word)
            return whole(*arguments, **named)

        monkeypatch.setattr(owner, method, noted)

    note(state.gan, "d_terms", "d")
    note(state.gan, "g_terms", "g")
    note(state.d_optimiser, "step", "D")
    note(state.g_optimiser, "step", "G")
    list(steps(state, pictures(batches), CPU, setting))
    return told, state


def test_two_turns_of_g_for_one_of_d(monkeypatch: pytest.MonkeyPatch) -> None:
    told, state = counted(tiny(balance={"g_turns": 2}), 3, monkeypatch)
    assert "".join(told) == "dDgGgG" * 3
    assert (state.now.step, state.now.nimg) == (3, 24)


def test_several_turns_of_d_see_pictures_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told, state = counted(tiny(balance={"d_turns": 3}), 7, monkeypatch)
    assert "".join(told) == "dDdDdDgG" * 2 + "dDgG", "a last step makes do with what is left"
    assert (state.now.step, state.now.nimg) == (3, 56)


def test_the_ratio_changes_during_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = counted(tiny(balance={"g_turns": {"0": 2, "0.016": 1}}), 4, monkeypatch)
    assert "".join(told) == "dDgGgG" * 2 + "dDgG" * 2


def test_simultaneous_takes_both_gradients_before_either_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = counted(tiny(balance={"update": "simultaneous"}), 2, monkeypatch)
    assert "".join(told) == "dgGD" * 2


def test_simultaneous_g_learns_from_the_old_d() -> None:
    """With a huge rate for D, G's first gradient is that of the untouched D only if the update is simultaneous."""
    found: dict[str, list[Tensor]] = {}
    for update in ("simultaneous", "alternating"):
        for rate in (1e-30, 1.0):
            setting = tiny(balance={"update": update}, train={"d_lr": rate, "g_lr": 1e-3})
            state = State.fresh(setting, CPU)
            list(steps(state, pictures(1), CPU, setting))
            found.setdefault(update, []).append(next(state.gan.generator.parameters()).detach().clone())
    assert torch.equal(*found["simultaneous"])
    assert not torch.equal(*found["alternating"])
    torch.testing.assert_close(found["simultaneous"][0], found["alternating"][0])


@pytest.mark.parametrize(("update", "passes"), [("simultaneous", 2), ("alternating", 3)])
@pytest.mark.parametrize("loss", ["non-saturating", "least-squares", "relativistic"])
def test_learning_at_once_d_looks_at_gs_pictures_once(update: str, passes: int, loss: str) -> None:
    setting = tiny(balance={"update": update}, objective={"loss": loss}, watch={"log_kimg": 1e9})
    state = State.fresh(setting, CPU)
    seen = []
    state.gan.discriminator.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    list(steps(state, pictures(1), CPU, setting))
    assert len(seen) == passes + (loss == "relativistic")  # which looks at the real ones again


def test_fresh_fakes_are_drawn_for_g(monkeypatch: pytest.MonkeyPatch) -> None:
    """R3: alternating, D's fakes and G's are two draws; by default one serves both."""
    for fresh in (False, True):
        setting = tiny(balance={"fresh_fakes": fresh})
        state = State.fresh(setting, CPU)
        shown: list[tuple[Tensor, Tensor | None]] = []

        def note(terms: Any, shown: list[tuple[Tensor, Tensor | None]] = shown) -> Any:
            def noted(batch: Batch, now: Clock) -> Any:
                shown.append((batch.z.clone(), batch.fake))
                return terms(batch, now)

            return noted

        for name in ("d_terms", "g_terms"):
            monkeypatch.setattr(state.gan, name, note(getattr(state.gan, name)))
        list(steps(state, pictures(1), CPU, setting))
        (d_z, _), (g_z, fake) = shown
        assert torch.equal(d_z, g_z) is not fresh
        assert fake is not None and fake.requires_grad is not fresh


@pytest.mark.parametrize("g_turns", [1, 2])
def test_planting_is_logged_and_real_scores_are_of_real_pictures(g_turns: int) -> None:
    setting = tiny(balance={"fake_as_real": 0.25, "g_turns": g_turns})
    state = State.fresh(setting, CPU)
    ticks = list(steps(state, pictures(2), CPU, setting))
    assert ticks[0].watched["d/planted"].item() == 0.25, "the most in the first step"
    assert 0 <= ticks[1].watched["d/planted"].item() <= 0.25
    assert state.d_accuracy.shape == () and 0 <= state.d_accuracy <= 1


@pytest.mark.parametrize(
    ("section", "table", "says"),
    [
        ("balance", {"update": "simultaneous", "g_turns": 2}, "leave d_turns and g_turns at 1"),
        ("balance", {"g_turns": 0}, "from 1 to 100 turns"),
        ("balance", {"g_turns": {"10": 2}}, "beginning at 0"),
        ("balance", {"g_turns": {"soon": 2}}, "beginning at 0"),
        ("balance", {"g_turns": {}}, "beginning at 0"),
        ("balance", {"d_turns": 1.5}, "d_turns = 1.5: give a whole number of turns"),
        ("balance", {"d_turns": {"0": "two"}}, "give a whole number of turns"),
        ("balance", {"fake_as_real": 0.9}, "fake_as_real"),
        ("objective", {"loss": "hinge", "real_label": 0.9}, "hinge loss knows no labels"),
        ("objective", {"loss": "hings"}, "hings"),
        ("objective", {"loss": "wasserstein"}, "set gp_lambda, usually 10"),
    ],
)
def test_impossible_settings_are_refused(section: str, table: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        tiny(**{section: table})


@pytest.mark.parametrize(
    "objective",
    [
        *({"loss": name} for name in ("minimax", "least-squares", "hinge", "relativistic", "relativistic-average")),
        {"loss": "wasserstein", "gp_lambda": 10.0, "drift": 0.001},
        {"r1_gamma": 1.0, "r2_gamma": 1.0, "r1_every": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_objective_trains(objective: dict[str, Any], precision: str) -> None:
    setting = tiny(objective=objective, balance={"g_turns": 2, "fake_as_real": 0.25}).changed(["arch.d_norm=none"])
    compute = choose("cpu", precision)
    state = State.fresh(setting, compute)
    before = {name: p.detach().clone() for name, p in state.gan.named_parameters()}
    for tick in steps(state, pictures(3), compute, setting):
        assert all(torch.isfinite(value) for value in tick.watched.values())
    assert all((p != before[name]).any() for name, p in state.gan.named_parameters())
    assert set(archs.names()) >= {"dcgan", "vanilla", "convolutional", "progan"}
