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
    huge = torch.tensor([1e4, -1e4, 1e4, -1e4])
    for name in objectives.NAMES:
        real, fake = huge.clone().requires_grad_(True), huge.sort().values.requires_grad_(True)
        for loss in (objectives.d_loss(name, real, fake), objectives.g_loss(name, fake, real)):
            slopes = torch.autograd.grad(loss, (real, fake), allow_unused=True)
            assert torch.isfinite(loss) and all(slope is None or slope.isfinite().all() for slope in slopes), name


def test_a_sure_d_costs_what_its_logit_says_and_g_still_learns() -> None:
    """A sigmoid taken before the loss would stop at 100, and its gradient at 0."""
    real, fake = torch.full((4,), 1e4), torch.full((4,), -1e4, requires_grad=True)
    for name in ("non-saturating", "relativistic"):
        loss = objectives.g_loss(name, fake, real)
        (slope,) = torch.autograd.grad(loss, fake)
        assert loss.item() == pytest.approx(1e4 if name == "non-saturating" else 2e4)
        assert slope.tolist() == pytest.approx([-0.25] * 4)
    assert objectives.d_loss("minimax", -real, -fake).item() == pytest.approx(2e4)


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


def test_minimax_equals_its_equation() -> None:
    real, fake = pair()
    p, q = real.sigmoid(), fake.sigmoid()
    assert objectives.d_loss("minimax", real, fake).item() == pytest.approx(-(p.log() + (1 - q).log()).mean().item())
    assert objectives.g_loss("minimax", fake).item() == pytest.approx((1 - q).log().mean().item())
    smoothed = (0.9 * (1 - q).log() + 0.1 * q.log()).mean()
    assert objectives.g_loss("minimax", fake, target=0.9).item() == pytest.approx(smoothed.item())


def test_relativistic_losses_equal_their_equations() -> None:
    real, fake = pair()
    found = []
    for name in ("relativistic", "relativistic-average"):
        found += [objectives.d_loss(name, real, fake).item(), objectives.g_loss(name, fake, real).item()]
    x, y = (real - fake.mean()).sigmoid(), (fake - real.mean()).sigmoid()
    expected = [
        -(real - fake).sigmoid().log().mean(),
        -(fake - real).sigmoid().log().mean(),
        -x.log().mean() - (1 - y).log().mean(),
        -y.log().mean() - (1 - x).log().mean(),
    ]
    assert found == pytest.approx([value.item() for value in expected])


@pytest.mark.parametrize("name", objectives.NAMES)
def test_labels_count_where_the_loss_knows_them_and_nowhere_else(name: str) -> None:
    real, fake = pair()
    d, g = objectives.d_loss(name, real, fake), objectives.g_loss(name, fake, real)
    labelled = name in objectives.LABELS
    assert (objectives.d_loss(name, real, fake, 0.9) != d) == labelled
    assert (objectives.g_loss(name, fake, real, 0.9) != g) == labelled
    assert (objectives.g_loss(name, fake, real + torch.arange(64)) != g) == (name in objectives.NEEDS_REAL)


def test_every_name_has_both_losses() -> None:
    assert tuple(objectives._D) == tuple(objectives._G) == objectives.NAMES
    assert len(objectives.NAMES) == 7 and set(objectives.NAMES) >= objectives.LABELS | objectives.NEEDS_REAL


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
    """D pushes the score of every generated picture down and of every real one up, G pushes its own up."""
    real, fake = torch.tensor([0.4, 0.2], requires_grad=True), torch.tensor([0.3, 0.1], requires_grad=True)
    up, down = torch.autograd.grad(objectives.d_loss(name, real, fake), (real, fake))
    (lifted,) = torch.autograd.grad(objectives.g_loss(name, fake, real), fake)
    assert (up < 0).all() and (down > 0).all() and (lifted < 0).all()


def test_minimax_vanishes_where_d_is_sure_and_the_usual_form_does_not() -> None:
    sure = torch.full((4,), -12.0, requires_grad=True)
    (flat,) = torch.autograd.grad(objectives.g_loss("minimax", sure), sure)
    (steep,) = torch.autograd.grad(objectives.g_loss("non-saturating", sure), sure)
    assert flat.abs().max() < 1e-5 and steep.abs().min() > 0.2
    assert flat.max() < 0 and steep.max() < 0, "both descend towards fooling D"


@pytest.mark.parametrize("length", [0.5, 1.0, 3.0])
def test_gradient_penalty_of_a_linear_critic(length: float) -> None:
    weight = torch.randn(3 * 4 * 4, dtype=torch.float64)
    weight *= length / weight.norm()
    real, fake = torch.randn(5, 3, 4, 4, dtype=torch.float64), torch.randn(5, 3, 4, 4, dtype=torch.float64)
    for dtype, error in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        line = weight.to(dtype)
        penalty = objectives.gradient_penalty(lambda x, w=line: x.flatten(1) @ w, real.to(dtype), fake.to(dtype), 10.0)  # type: ignore[misc]
        assert penalty.dtype == dtype and penalty.item() == pytest.approx(10 * (length - 1) ** 2, abs=error)


def test_gradient_penalty_is_the_mean_over_pictures_of_their_own_slope() -> None:
    real = torch.stack([torch.full((1, 2, 2), level) for level in (1.0, 3.0)])
    # ½‖x‖² has the slope ‖x‖, here 2 and 6; real = fake, so that x̂ is known.
    penalty = objectives.gradient_penalty(lambda x: 0.5 * x.square().sum(dim=(1, 2, 3)), real, real.clone(), 3.0)
    assert penalty.item() == pytest.approx(3 * (1 + 25) / 2)


def test_gradient_penalty_has_a_finite_gradient_where_the_critic_is_flat() -> None:
    weight = torch.zeros(4, requires_grad=True)
    penalty = objectives.gradient_penalty(
        lambda x: x.flatten(1) @ weight, torch.ones(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    )
    penalty.backward()
    assert penalty.item() == pytest.approx(10) and weight.grad is not None and weight.grad.isfinite().all()


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


def test_penalties_differentiate_twice_under_autocast() -> None:
    """In bf16, as a training computes, they are float32 and pull D's weights where float32 does."""

    def pulls(penalty_name: str, low: bool) -> torch.Tensor:
        torch.manual_seed(1)
        below, above = torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.Conv2d(8, 1, 4)
        net = torch.nn.Sequential(below, torch.nn.LeakyReLU(0.2), above, torch.nn.Flatten(0))
        images, others = torch.randn(6, 3, 8, 8, requires_grad=True), torch.randn(6, 3, 8, 8)
        dtypes = []

        def critic(x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = net(x)
            dtypes.append(logits.dtype)
            return logits.float()

        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
            if penalty_name == "gp":
                penalty = objectives.gradient_penalty(critic, images, others)
            else:
                penalty = getattr(objectives, penalty_name)(critic(images), images, 10.0)
        penalty.backward()
        assert dtypes == [torch.bfloat16 if low else torch.float32] and penalty.dtype == torch.float32
        assert penalty_name != "gp" or images.grad is None, "pictures are not what learns"
        assert below.weight.grad is not None and above.weight.grad is not None
        return torch.cat([below.weight.grad.flatten(), above.weight.grad.flatten()])

    for penalty_name in ("r1", "r2", "gp"):
        low, full = pulls(penalty_name, True), pulls(penalty_name, False)
        assert torch.cosine_similarity(low, full, dim=0) > 0.99, penalty_name
        assert low.norm().item() == pytest.approx(full.norm().item(), rel=0.05), penalty_name


def test_r2_is_r1_of_other_pictures() -> None:
    net = torch.nn.Conv2d(3, 1, 2)
    images = torch.randn(5, 3, 2, 2, requires_grad=True)
    logits = net(images).flatten().square()
    two, one = objectives.r2(logits, images, 4.0), objectives.r1(logits, images, 4.0)
    assert two.item() == one.item() > 0
    two.backward()
    assert net.weight.grad is not None and net.weight.grad.abs().sum() > 0
    line = torch.randn(12, dtype=torch.float64)
    images = torch.randn(5, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert objectives.r2(images.flatten(1) @ line, images, 4.0).item() == pytest.approx(2 * line.square().sum().item())


def test_drift_is_the_mean_square() -> None:
    scores = torch.tensor([1.0, -3.0], requires_grad=True)
    objectives.drift(scores, 0.1).backward()
    assert objectives.drift(scores, 0.1).item() == pytest.approx(0.5)
    assert objectives.drift(scores).item() == pytest.approx(0.005)
    assert scores.grad is not None and scores.grad.tolist() == pytest.approx([0.1, -0.3])


def test_what_d_says_is_positive_for_real_whatever_the_loss() -> None:
    real, fake = torch.tensor([0.9, 0.8, 0.4]), torch.tensor([0.1, 0.2, 0.6])
    for name in objectives.NAMES:
        zero = objectives.zero(name, real, fake)
        told = objectives.said(name, real, zero), objectives.said(name, fake, zero)
        if name in ("least-squares", "relativistic", "relativistic-average", "wasserstein"):
            assert zero == pytest.approx(0.5)
            assert (told[0] > 0).tolist() == [True, True, False] and (told[1] > 0).tolist() == [False, False, True]
        else:
            assert zero == 0 and torch.equal(told[0], real)
    zero = objectives.zero("least-squares", real, fake)
    assert torch.allclose(objectives.said("least-squares", real, zero).sigmoid(), real), "it is the probability"
    assert objectives.said("least-squares", torch.tensor([-5.0, 9.0]), zero).abs().max() < 7
    far = objectives.zero("wasserstein", real + 100, fake + 100)
    assert torch.allclose(objectives.said("wasserstein", real + 100, far), real - 0.5, atol=1e-4)
