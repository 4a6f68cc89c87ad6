"""Objectives against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from boceto import objectives
from boceto.recipe import ObjectivePart


def test_equilibrium_values() -> None:
    level = torch.zeros(16)  # D(x) = ½ everywhere
    assert objectives.d_non_saturating(level, level).item() == pytest.approx(math.log(4))
    assert objectives.g_non_saturating(level).item() == pytest.approx(math.log(2))


def test_smoothed_loss_has_the_floor_of_its_label() -> None:
    best = torch.full((16,), math.log(0.9 / 0.1))
    floor = objectives.d_non_saturating(best, torch.full((16,), -50.0), real_label=0.9)
    assert floor.item() == pytest.approx(-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)))
    assert floor.item() == pytest.approx(0.325, abs=1e-3)


def test_losses_equal_their_equations() -> None:
    real, fake = torch.randn(64, dtype=torch.float64), torch.randn(64, dtype=torch.float64)
    p, q = real.sigmoid(), fake.sigmoid()
    expected = -(0.9 * p.log() + 0.1 * (1 - p).log()).mean() - (1 - q).log().mean()
    assert objectives.d_non_saturating(real, fake, 0.9).item() == pytest.approx(expected.item())
    assert objectives.g_non_saturating(fake).item() == pytest.approx(-q.log().mean().item())


def test_no_overflow_at_extreme_logits() -> None:
    huge = torch.tensor([1e4, -1e4])
    assert torch.isfinite(objectives.d_non_saturating(huge, huge))
    assert torch.isfinite(objectives.g_non_saturating(huge))


def test_r1_of_a_linear_discriminator_is_its_squared_norm() -> None:
    weight = torch.randn(3 * 4 * 4, dtype=torch.float64)
    images = torch.randn(5, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    penalty = objectives.r1(images.flatten(1) @ weight, images, gamma=10.0)
    assert penalty.item() == pytest.approx(5.0 * weight.square().sum().item(), rel=1e-6)


def test_r1_reaches_the_weights() -> None:
    net = torch.nn.Conv2d(1, 1, 3)
    images = torch.randn(2, 1, 5, 5, requires_grad=True)
    objectives.r1((net(images) ** 2).sum(dim=(1, 2, 3)), images, 1.0).backward()
    assert net.weight.grad is not None and net.weight.grad.abs().sum() > 0


def pair(n: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(n, dtype=torch.float64), torch.randn(n, dtype=torch.float64)


def test_the_recipe_knows_every_objective_and_no_other() -> None:
    assert ObjectivePart.model_fields["loss"].annotation.__args__ == objectives.NAMES  # type: ignore[union-attr]
    for name in objectives.NAMES:
        labelled = name in objectives.LABELS
        try:
            ObjectivePart(loss=name, real_label=0.9)  # type: ignore[arg-type]
        except ValueError:
            assert not labelled
        else:
            assert labelled


def test_least_squares_hinge_and_wasserstein_equal_their_equations() -> None:
    real, fake = pair()
    found = objectives.d_loss("least-squares", real, fake, 0.9).item()
    assert found == pytest.approx((((real - 0.9) ** 2).mean() / 2 + (fake**2).mean() / 2).item())
    assert objectives.g_loss("least-squares", fake).item() == pytest.approx((((fake - 1) ** 2).mean() / 2).item())
    expected = torch.clamp(1 - real, min=0).mean() + torch.clamp(1 + fake, min=0).mean()
    assert objectives.d_loss("hinge", real, fake).item() == pytest.approx(expected.item())
    assert objectives.d_loss("wasserstein", real, fake).item() == pytest.approx((fake.mean() - real.mean()).item())
    for name in ("hinge", "wasserstein"):
        assert objectives.g_loss(name, fake).item() == pytest.approx(-fake.mean().item())


def test_values_where_d_cannot_tell() -> None:
    level = torch.zeros(8)
    values = {name: objectives.d_loss(name, level, level).item() for name in objectives.NAMES}
    expected = {"non-saturating": math.log(4), "minimax": math.log(4), "least-squares": 0.5, "hinge": 2.0}
    expected |= {"wasserstein": 0.0, "relativistic": math.log(2), "relativistic-average": math.log(4)}
    assert values == pytest.approx(expected)
    half = torch.full((8,), 0.5)
    assert objectives.d_loss("least-squares", half, half).item() == pytest.approx(0.25)
    assert objectives.g_loss("least-squares", half).item() == pytest.approx(0.125)
    assert objectives.g_loss("minimax", level).item() == pytest.approx(-math.log(2))
    for name in sorted(objectives.NEEDS_REAL):
        assert objectives.g_loss(name, level, level).item() == pytest.approx(
            objectives.d_loss(name, level, level).item()
        )


def test_hinge_leaves_alone_what_is_beyond_its_margin() -> None:
    real, fake = torch.tensor([1.0, 5.0]), torch.tensor([-1.0, -7.0])
    assert objectives.d_loss("hinge", real, fake).item() == 0


@pytest.mark.parametrize("name", sorted(objectives.NEEDS_REAL))
def test_relativistic_losses_know_differences_only(name: str) -> None:
    real, fake = pair()
    for loss in (objectives.d_loss(name, real, fake), objectives.g_loss(name, fake, real)):
        assert torch.isfinite(loss)
    assert torch.allclose(objectives.d_loss(name, real + 7, fake + 7), objectives.d_loss(name, real, fake))
    assert torch.allclose(objectives.g_loss(name, fake - 7, real - 7), objectives.g_loss(name, fake, real))
    assert torch.allclose(objectives.g_loss(name, fake, real), objectives.d_loss(name, fake, real))


@pytest.mark.parametrize("name", objectives.NAMES)
def test_d_and_g_pull_the_fakes_apart(name: str) -> None:
    """D pushes the score of generated pictures down and of real ones up, G pushes its own up, stably so."""
    for scale in (1.0, 1e4):
        real, fake = torch.tensor([0.3, -0.2]) * scale, torch.tensor([0.1, -0.4]) * scale
        real.requires_grad_(True), fake.requires_grad_(True)
        d = objectives.d_loss(name, real, fake)
        g = objectives.g_loss(name, fake, real)
        assert torch.isfinite(d) and torch.isfinite(g)
        if scale == 1:
            up, down = torch.autograd.grad(d, (real, fake))
            (lifted,) = torch.autograd.grad(g, fake)
            assert up.sum() < 0 < down.sum() or name == "least-squares"
            assert lifted.sum() < 0


def test_minimax_vanishes_where_d_is_sure_and_the_usual_form_does_not() -> None:
    sure = torch.full((4,), -12.0, requires_grad=True)
    (flat,) = torch.autograd.grad(objectives.g_loss("minimax", sure), sure)
    (steep,) = torch.autograd.grad(objectives.g_loss("non-saturating", sure), sure)
    assert flat.abs().max() < 1e-5 and steep.abs().min() > 0.2
    assert flat.max() < 0 and steep.max() < 0, "both descend towards fooling D"


@pytest.mark.parametrize("length", [0.5, 1.0, 3.0])
def test_gradient_penalty_of_a_linear_critic(length: float) -> None:
    weight = torch.randn(3 * 4 * 4)
    weight *= length / weight.norm()
    real, fake = torch.randn(5, 3, 4, 4), torch.randn(5, 3, 4, 4)
    penalty = objectives.gradient_penalty(lambda x: x.flatten(1) @ weight, real, fake, 10.0)
    assert penalty.item() == pytest.approx(10 * (length - 1) ** 2, abs=1e-5)


def test_gradient_penalty_looks_between_the_pairs_and_reaches_the_critic() -> None:
    seen = []
    net = torch.nn.Conv2d(1, 1, 3)

    def critic(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        score: torch.Tensor = net(x).square().sum(dim=(1, 2, 3))
        return score

    real, fake = torch.zeros(32, 1, 5, 5), torch.ones(32, 1, 5, 5)
    objectives.gradient_penalty(critic, real, fake).backward()
    values = seen[0].flatten(1)
    assert (values == values[:, :1]).all(), "one share a picture"
    assert values.min() >= 0 and values.max() <= 1 and len(values[:, 0].unique()) > 20
    assert net.weight.grad is not None and net.weight.grad.abs().sum() > 0


def test_r2_and_drift() -> None:
    weight = torch.randn(12, dtype=torch.float64)
    images = torch.randn(5, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    penalty = objectives.r2(images.flatten(1) @ weight, images, 4.0)
    assert penalty.item() == pytest.approx(2 * weight.square().sum().item())
    assert objectives.drift(torch.tensor([1.0, -3.0]), 0.1).item() == pytest.approx(0.5)
