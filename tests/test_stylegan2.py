"""StyleGAN2: its layers do what their formulas say, its styles act where they should, its regulariser is the paper's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boceto import archs, recipe
from boceto.archs import stylegan2
from boceto.clock import Clock
from boceto.device import choose
from boceto.errors import UsageError
from boceto.gan import Batch
from boceto.nn.sizes import maps
from boceto.nn.styles import Mapping, Noise, mixed
from boceto.recipe import Recipe
from boceto.state import State
from boceto.training import steps

CPU = choose("cpu", "float32")
TABLE: dict[str, Any] = {
    "arch": {"name": "stylegan2", "resolution": 16, "z_dim": 8, "w_dim": 8, "depth": 2, "width": 4, "most": 8},
    "train": {"batch": 8, "kimg": 0.064, "precision": "float32"},
    "watch": {"log_kimg": 0.016, "sample_kimg": 0.032, "snapshot_kimg": 0.032, "samples": 4, "scored": 0},
}


def tiny(*changes: str) -> Recipe:
    return recipe.parse(TABLE, "tests").changed(changes)


def built(*changes: str) -> stylegan2.StyleGAN2:
    torch.manual_seed(0)
    gan = archs.build(tiny(*changes))
    assert isinstance(gan, stylegan2.StyleGAN2)
    return gan


# ── sizes ──


@pytest.mark.parametrize(
    ("size", "smallest", "count"),
    [((64, 64), (4, 4), 5), ((48, 64), (6, 8), 4), ((96, 64), (6, 4), 5), ((40, 56), (5, 7), 4)],
)
def test_maps_double_from_the_smallest_to_the_picture(
    size: tuple[int, int], smallest: tuple[int, int], count: int
) -> None:
    sides = maps(*size)
    assert sides[0] == smallest and sides[-1] == size and len(sides) == count


@pytest.mark.parametrize(
    ("size", "near"), [((50, 50), "48×48 or 56×56"), ((36, 36), "32×32 or 40×40"), ((512, 32), "32×128")]
)
def test_other_sizes_are_refused_with_those_near_them(size: tuple[int, int], near: str) -> None:
    with pytest.raises(ValueError, match=near):
        maps(*size)
    height, width = map(int, near.split(" or ")[0].split("×")[::-1])
    maps(height, width)


@pytest.mark.parametrize("patch", [1, 2])
@pytest.mark.parametrize("resolution", ["16", "[16, 24]", "[32, 16]"])
def test_pictures_have_the_size_asked_for(resolution: str, patch: int) -> None:
    gan = built(f"arch.resolution={resolution}", f"arch.patch={patch}")
    images = gan.generator(torch.randn(4, 8))
    assert images.shape == (4, *gan.image_shape)
    assert gan.discriminator(images).shape == (4,)


def test_weights_are_as_many_as_the_layers_say() -> None:
    """At 16 px the maps are 4, 8, 16 with 8, 8, 4 filters."""
    gan, w = built(), 8
    mapping = 2 * (8 * w + w)
    styled = [(8, 8), (8, 8), (8, 8), (8, 4), (4, 4)]  # one on the smallest map, two on each other
    convolutions = sum(w * i + i + i * o * 9 + o + 1 for i, o in styled)  # style, kernel, bias, strength of the noise
    images = sum(w * i + i + i * 3 + 3 for i in (8, 8, 4))
    assert sum(p.numel() for p in gan.generator.parameters()) == mapping + 8 * 16 + convolutions + images
    blocks = sum(i * i * 9 + i + i * o * 9 + o + i * o for i, o in [(4, 8), (8, 8)])
    end = 9 * 8 * 9 + 8 + 8 * 16 * 8 + 8 + 8 + 1
    assert sum(p.numel() for p in gan.discriminator.parameters()) == 3 * 4 + 4 + blocks + end


def test_patches_spare_the_largest_maps() -> None:
    plain, spared = built(), built("arch.patch=2")
    assert spared.config.maps() == plain.config.maps()[:-1] == [(4, 4), (8, 8)] and spared.config.filters() == [8, 4]
    assert spared.generator.to_image[-1](torch.randn(2, 4, 8, 8), torch.randn(2, 8)).shape == (2, 3, 16, 16)
    assert spared.discriminator.from_image(torch.randn(2, 3, 16, 16)).shape == (2, 4, 8, 8)


# ── layers ──


def test_scaling_maps_is_modulating_weights() -> None:
    """Karras et al. 2020, eq. 1 and 3: for each picture its own weights, w' = s·w, w'' = w' / ‖w'‖."""
    torch.manual_seed(1)
    layer = stylegan2.Styled(built("arch.noise=false").config, 8, 4, (6, 6))
    x, w = torch.randn(3, 8, 6, 6), torch.randn(3, 8)
    nn.init.normal_(layer.bias)
    for i in range(3):
        weight = layer.weight * layer.scale * layer.style(w[i : i + 1]).view(1, 8, 1, 1)
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        y = F.conv2d(x[i : i + 1], weight, padding=1) * math.sqrt(2) + layer.bias[:, None, None]
        torch.testing.assert_close(layer(x, w)[i : i + 1], F.leaky_relu(y, 0.2), rtol=1e-4, atol=1e-5)


def test_small_weights_draw_the_same_fainter_and_turn_further_with_a_step() -> None:
    large = built("arch.noise=false", "arch.mixing=0").generator
    small = built("arch.noise=false", "arch.mixing=0", "arch.init_std=0.1").generator
    z = torch.randn(4, 8)
    torch.testing.assert_close(small(z), 0.1 * large(z), rtol=1e-3, atol=1e-4)
    turned = []
    for net in (large, small):
        weight = net.get_parameter("convolve.1.weight")
        before = weight.detach().flatten().clone()
        step = torch.optim.Adam([weight], 0.01, betas=(0.0, 0.99))
        net(z).square().mean().backward()
        step.step()
        turned.append(1 - torch.cosine_similarity(before, weight.detach().flatten(), dim=0))
    assert turned[1] > 20 * turned[0] > 0


def test_noise_is_drawn_anew_while_training_only() -> None:
    noise, x = Noise(4, 4), torch.zeros(2, 3, 4, 4)
    assert torch.equal(noise(x), x), "it has no strength at first"
    nn.init.ones_(noise.strength)
    assert not torch.equal(noise(x), noise(x))
    still = noise.eval()(x)
    assert torch.equal(still, noise(x)) and torch.equal(still[0, 0], still[1, 2])


# ── styles ──


def test_mixed_styles_change_the_layers_after_a_cut() -> None:
    torch.manual_seed(0)
    a, b = torch.zeros(200, 2), torch.ones(200, 2)
    w = mixed(a, b, 6, 0.5)[:, :, 0]  # (200, 6) of 0, then of 1
    assert torch.equal(w, w.sort(dim=1).values), "no way back to the first style"
    assert not w[:, 0].any()
    assert 70 < (w[:, -1] == 1).sum() < 130
    assert set(w.sum(dim=1).int().tolist()) == {0, 1, 2, 3, 4, 5}


def test_fine_styles_leave_the_coarse_image_alone() -> None:
    gan = built().generator.eval()
    w = gan.styles(torch.randn(1, 8)).clone()
    seen: list[Tensor] = []
    gan.to_image[0].register_forward_hook(lambda _, inputs, out: seen.append(out))
    first = gan.draw(w)
    w[:, 2:] = gan.styles(torch.randn(1, 8))[:, 2:]
    second = gan.draw(w)
    assert torch.equal(seen[0], seen[1]) and not torch.allclose(first, second)


def test_truncation_draws_towards_the_mean_of_w() -> None:
    mapping, z = Mapping(8, 0, 6, 2).train(), torch.randn(256, 8)
    for _ in range(50):
        mapping(z)
    assert mapping.mean.abs().sum() > 0
    w = mapping.eval()(z)
    mapping.psi = 0.0
    assert torch.equal(mapping(z), mapping.mean.expand(256, 6))
    mapping.psi = 0.5
    torch.testing.assert_close(mapping(z), (w + mapping.mean) / 2)


def test_labels_act_on_both_nets() -> None:
    gan = built('data.labels=["hat", "cat"]').eval()
    z, hat, cat = torch.randn(1, 8), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    a, b = (gan.generator(torch.cat((z, label), dim=1)) for label in (hat, cat))
    assert not torch.allclose(a, b)
    assert gan.discriminator(a, hat) != gan.discriminator(a, cat)


# ── what it minimises ──


def test_path_length_is_that_of_the_slope() -> None:
    """For image = w·A the slope of Σ image·y is A·y, whatever w is: its length is known."""
    gan = built("arch.mixing=0.0")
    a = torch.randn(8, 3 * 16 * 16)
    net = gan.generator
    net.draw = lambda w: (w.mean(dim=1) @ a).view(-1, 3, 16, 16)  # type: ignore[method-assign]
    torch.manual_seed(3)
    found = gan._path_length(torch.randn(4, 8))
    torch.manual_seed(3)
    torch.randn(4, 8)
    noise = torch.randn(4, 3, 16, 16) / 16
    lengths = ((noise.flatten(1) @ a.t() / net.layers).square().sum(dim=1)).sqrt()
    mean = lengths.mean() * 0.01
    torch.testing.assert_close(found, (lengths - mean).square().mean())
    torch.testing.assert_close(net.path_mean, mean)


def test_path_length_is_lazy_and_can_be_left_out() -> None:
    for changes, due in (("arch.path_every=2",), [True, False, True]), (("arch.path_weight=0",), [False] * 3):
        gan = built(*changes)
        batch = Batch(torch.randn(4, 3, 16, 16), torch.randn(4, 8))
        assert ["path" in gan.g_terms(batch, Clock(step=step)).losses for step in range(3)] == due


@pytest.mark.parametrize("patch", [1, 2])
def test_it_learns_with_every_regulariser_and_finite_gradients(patch: int, tmp_path: Path) -> None:
    setting = tiny("objective.r1_gamma=1", "objective.r1_every=2", "arch.path_every=2", f"arch.patch={patch}")
    state = State.fresh(setting, CPU)
    before = {name: p.detach().clone() for name, p in state.gan.named_parameters()}
    pixels = torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8).numpy()
    ticks = list(steps(state, [pixels] * 3, CPU, setting))
    assert {"d/r1", "g/path"} <= ticks[0].watched.keys() and "g/path" not in ticks[1].watched
    assert state.is_finite()
    assert all(not torch.equal(p, before[name]) for name, p in state.gan.named_parameters())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("arch.resolution=50", "near it: 48×48 or 56×56"),
        ("arch.resolution=[64, 500]", "cannot be halved down"),
        ("arch.resolution=8", "resolution"),
        ("arch.mixing=2", "mixing"),
    ],
)
def test_what_it_cannot_do_is_refused(change: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        archs.build(tiny(change))
