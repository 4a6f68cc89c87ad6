"""R3GAN: the network of the paper, layer by layer; it begins as nothing but resampling, and both penalties pass."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boceto import archs, objectives, recipe
from boceto.archs.r3gan import R3GAN, Block, Config
from boceto.clock import Clock
from boceto.errors import UsageError
from boceto.gan import Batch, take

SMALL = {"resolution": 32, "z_dim": 8, "width": 4, "most": 16, "group": 4}


def build(**sections: Any) -> R3GAN:
    torch.manual_seed(0)
    arch = {"name": "r3gan", **SMALL, **sections.pop("arch", {})}
    gan = archs.build(recipe.parse({"arch": arch, **sections}, "test"))
    assert isinstance(gan, R3GAN)
    return gan


def loosened(gan: R3GAN) -> R3GAN:
    """As after some steps: no branch is 0 any more."""
    for block in (module for module in gan.modules() if isinstance(module, Block)):
        nn.init.normal_(block.contract.weight, std=0.1)
    return gan


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("resolution", "smallest"),
    [(32, (4, 4)), (40, (5, 5)), ([32, 48], (4, 6)), ([64, 48], (8, 6)), ([56, 120], (7, 15))],
)
def test_shapes(resolution: int | list[int], smallest: tuple[int, int]) -> None:
    gan = build(arch={"resolution": resolution, "channels": 1})
    height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    images = gan.generator(torch.randn(3, 8))
    assert images.shape == (3, 1, height, width) == (3, *gan.image_shape)
    assert gan.discriminator(images).shape == (3,)
    assert gan.generator.basis.maps.shape[2:] == gan.discriminator.basis.maps.shape[2:] == smallest


def test_parameters_as_counted_by_hand() -> None:
    """32 px in grey, 4, 8, 16 and 16 filters from the largest map to the smallest, twice as wide inside, 4 a group."""
    gan = build(arch={"channels": 1})

    def block(f: int) -> int:
        wide = 2 * f
        return (f * wide + wide) + (wide * 4 * 9 + wide) + wide * f

    stages = 2 * (block(4) + block(8) + block(16) + block(16))
    changes = 4 * 8 + 8 * 16  # none between 16 and 16
    assert count(gan.generator) == 8 * 16 + 16 * 4 * 4 + stages + changes + 4 * 1
    assert count(gan.discriminator) == 1 * 4 + stages + changes + 16 * 4 * 4 + 16
    assert set(gan.generator.stages.keys()) == {"4", "8", "16", "32"}
    assert gan.config.filters() == [16, 16, 8, 4]


def test_a_block_begins_as_nothing_and_learns() -> None:
    block = Block(Config(), 64)
    x = torch.randn(2, 64, 8, 8)
    assert torch.equal(block(x), x)
    block(x).square().sum().backward()
    assert block.contract.weight.grad is not None and block.contract.weight.grad.abs().sum() > 0
    assert isinstance(block.mix, nn.Conv2d) and block.mix.groups == 128 // 16


def test_first_weights_are_those_of_fix_up() -> None:
    """√(2 / (1.04 · fan-in)) · L^(−¼), L = 10 blocks at 64 px; where nothing bends, √(1 / fan-in)."""
    gan = build(arch={"resolution": 64, "width": 64, "most": 512, "group": 16, "z_dim": 64})
    net = gan.discriminator
    expand, mix, change = (net.get_submodule(f"stages.16.{name}") for name in ("block1.expand", "block2.mix", "change"))
    bent = math.sqrt(2 / 1.04) * 10**-0.25
    for layer, std in ((expand, bent / 16), (mix, bent / 12), (change, 1 / math.sqrt(128))):
        assert isinstance(layer, nn.Conv2d)
        assert layer.weight.std().item() == pytest.approx(std, rel=0.02)
        assert layer.bias is None or not layer.bias.any()


def test_it_begins_as_nothing_but_resampling() -> None:
    """So D is linear in its pictures at first, and G's picture an enlargement of its smallest maps."""
    gan = build(arch={"most": 4}).double()  # one width: no 1×1 between the stages
    x, y = torch.randn(2, 2, 3, 32, 32, dtype=torch.float64)
    assert torch.allclose(gan.discriminator(x + 2 * y), gan.discriminator(x) + 2 * gan.discriminator(y))
    generator, z = gan.generator, torch.randn(2, 8, dtype=torch.float64)
    maps = generator.to_image(generator.basis(generator.linear(z)))
    for _ in range(3):
        maps = F.interpolate(maps, scale_factor=2, mode="bilinear")
    assert torch.allclose(generator(z), maps)


def test_a_stage_more_begins_as_the_smaller_net() -> None:
    """Trained at 32 px, taken over at 64: where all maps have one width, both nets do what they did, resampled."""
    small = loosened(build(arch={"most": 4})).double()
    large = build(arch={"most": 4, "resolution": 64}).double()
    fresh = set(large.state_dict()) - take(large, small)
    assert fresh and all(".stages.64." in name for name in fresh)
    images, z = torch.randn(2, 3, 64, 64, dtype=torch.float64), torch.randn(2, 8, dtype=torch.float64)
    assert torch.allclose(large.discriminator(images), small.discriminator(F.avg_pool2d(images, 2)))
    before = small.generator(z)
    assert torch.allclose(large.generator(z), F.interpolate(before, scale_factor=2, mode="bilinear"))


@pytest.mark.parametrize("group", [0, 4])
def test_both_penalties_differentiate_twice(group: int) -> None:
    """The gradient of a slope is right: beside finite differences, in float64."""
    gan = loosened(build(arch={"group": group, "channels": 1})).double()
    net = gan.discriminator
    images = torch.randn(2, 1, 32, 32, dtype=torch.float64, requires_grad=True)
    weights = [net.get_parameter(f"stages.{name}.weight") for name in ("16.block1.mix", "8.block2.expand")]

    def penalty() -> Tensor:
        return objectives.r1(net(images), images, 2.0)

    for weight in weights:
        (slope,) = torch.autograd.grad(penalty(), weight)
        way = torch.randn_like(weight)
        with torch.no_grad():
            weight.add_(way, alpha=1e-5)
        above = penalty().item()
        with torch.no_grad():
            weight.sub_(way, alpha=2e-5)
        below = penalty().item()
        assert (slope * way).sum().item() == pytest.approx((above - below) / 2e-5, rel=1e-4)


def test_the_recipe_asks_for_both_penalties_at_every_step() -> None:
    wanted = recipe.load("r3gan-64")
    gan = archs.build(wanted.changed(["arch.width=4", "arch.most=8", "arch.group=4"]))
    batch = Batch(torch.rand(4, *gan.image_shape) * 2 - 1, torch.randn(4, gan.z_dim))
    for step in (0, 1):
        assert gan.d_terms(batch, Clock(step=step)).losses.keys() == {"loss", "r1", "r2"}
    assert gan.g_terms(batch, Clock()).losses["loss"].isfinite()


def test_labels_act_on_both_nets() -> None:
    gan = loosened(build(data={"labels": ["a", "b", "c"]}))
    z, none, one = torch.randn(2, 8), torch.zeros(2, 3), torch.eye(3)[:2]
    with torch.no_grad():
        plain, told = (gan.generator(torch.cat((z, labels), dim=1)) for labels in (none, one))
        assert (plain - told).abs().amax(dim=(1, 2, 3)).min() > 1e-3
        # D by projection: no label, nothing added; two labels add up what each adds.
        logit = gan.discriminator(plain)
        assert torch.equal(gan.judge(plain, none), logit) and (gan.judge(plain, one) - logit).abs().min() > 1e-5
        parts = [gan.judge(plain, torch.eye(3)[[i, i]]) - logit for i in (0, 2)]
        assert torch.allclose(gan.judge(plain, torch.tensor([[1.0, 0, 1]] * 2)), logit + sum(parts), atol=1e-6)
    batch = Batch(torch.rand(2, 3, 32, 32), torch.cat((z, one), dim=1), labels=one)
    gan.d_terms(batch, Clock()).total.backward()
    gan.g_terms(batch, Clock()).total.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in gan.parameters())


@pytest.mark.parametrize(
    ("arch", "says"),
    [
        (
            {"resolution": 50},
            "resolution: 50×50 cannot be halved down to a map with a shorter side of 4 to 7; near it: 48×48 or",
        ),
        ({"resolution": [48, 60]}, "resolution: 60×48 cannot be halved down"),
        ({"resolution": [512, 32]}, "resolution: 32×512 cannot be halved down"),
        ({"resolution": 16}, "r3gan draws at a side of 32 to 512 pixels, or at [height, width] of such sides"),
        ({"resolution": [1024, 64]}, "r3gan draws at a side of 32 to 512 pixels"),
        ({"resolution": [64]}, "or two in brackets: [height, width]"),
        ({"resolution": "large"}, "or two in brackets: [height, width]"),
        ({"resolution": [32, 64.0]}, "or two in brackets: [height, width]"),
        ({"width": 32, "most": 16}, "most = 16 is less than width = 32"),
        ({"width": 6, "group": 8}, "group = 8 does not divide the 12 channels inside a block on maps 32 high"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(arch: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(arch=arch)
    assert says in str(caught.value) and "\n" not in str(caught.value)
