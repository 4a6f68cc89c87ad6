"""Objectives against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from boceto import objectives


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
