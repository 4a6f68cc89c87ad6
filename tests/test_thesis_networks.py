"""The vanilla and the convolutional GAN of the first thesis, number for number, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from boceto import archs, recipe
from boceto.errors import UsageError
from boceto.gan import GAN


def build(name: str, **arch: Any) -> GAN:
    torch.manual_seed(0)
    return archs.build(recipe.parse({"arch": {"name": name, **arch}}, "test"))


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def buffers(net: nn.Module) -> int:
    """Running statistics of batch norm, without PyTorch's counters."""
    return sum(b.numel() for name, b in net.named_buffers() if not name.endswith("num_batches_tracked"))


@pytest.mark.parametrize(
    ("arch", "parameters"),
    [
        ({}, 25_895_677),
        ({"d_widths": "round"}, 25_897_217),
        ({"d_widths": "halving"}, 8_848_513),
        ({"resolution": 28}, 14_971_437),
        ({"resolution": 64}, 44_709_885),
    ],
)
def test_vanilla_discriminators(arch: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        assert count(build("vanilla", **arch).discriminator) == parameters


def test_vanilla_generator() -> None:
    generator = build("vanilla", d_widths="halving").generator
    assert (count(generator), buffers(generator)) == (1_451_137, 18_816)


@pytest.mark.parametrize(
    ("arch", "parameters", "statistics"),
    [
        ({}, 669_505, 704),
        ({"resolution": 48}, 262_081, 448),
        ({"resolution": 28}, 55_425, 192),
        ({"resolution": 28, "d_widths": (64, 128)}, 213_249, 384),
    ],
)
def test_convolutional_discriminators(arch: dict[str, Any], parameters: int, statistics: int) -> None:
    net = build("convolutional", **arch).discriminator
    assert (count(net), buffers(net)) == (parameters, statistics)


@pytest.mark.parametrize(
    ("arch", "parameters", "statistics"),
    [
        ({}, 1_861_824, 17_024),
        ({"resolution": 28}, 1_256_128, 12_928),
        ({"resolution": 48}, 2_496_448, None),
        ({"resolution": 48, "base": 6}, 1_086_400, None),
    ],
)
def test_convolutional_generators(arch: dict[str, Any], parameters: int, statistics: int | None) -> None:
    net = build("convolutional", **arch).generator
    assert count(net) == parameters
    assert statistics is None or buffers(net) == statistics


def shapes(net: nn.Module, x: torch.Tensor, kinds: tuple[type[nn.Module], ...]) -> list[tuple[int, ...]]:
    """Output shapes of a net's layers of these kinds, in order."""
    found: list[tuple[int, ...]] = []
    hooks = [
        layer.register_forward_hook(lambda _, __, out: found.append(tuple(out.shape[1:])))
        for layer in net.modules()
        if isinstance(layer, kinds)
    ]
    net(x)
    for hook in hooks:
        hook.remove()
    return found


def test_shapes_on_the_way_in_listings_1_and_2() -> None:
    gan = build("vanilla")
    z = torch.randn(2, 100)
    assert shapes(gan.generator, z, (nn.Linear, nn.Conv2d)) == [(9216,), (128, 12, 12), (64, 24, 24), (1, 48, 48)]
    widths = [(2304,), (4098,), (2046,), (1024,), (512,), (256,), (1,)]
    assert shapes(gan.discriminator, gan.generator(z), (nn.Linear,)) == widths


def test_shapes_on_the_way_in_listings_3_and_4() -> None:
    gan = build("convolutional")
    z, kinds = torch.randn(2, 100), (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    images = gan.generator(z)
    assert [layer.stride for layer in gan.generator.modules() if isinstance(layer, nn.ConvTranspose2d)] == [
        *[(2, 2)] * 3,
        (1, 1),
    ]
    found = shapes(gan.discriminator, images, kinds)
    assert found == [(32, 32, 32), (64, 16, 16), (128, 8, 8), (128, 4, 4), (1,)]


def kinds(net: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in net.modules() if not list(layer.children())]


def test_layers_stand_in_the_order_of_the_listings() -> None:
    vanilla, convolutional = build("vanilla", d_widths="halving"), build("convolutional")
    assert kinds(vanilla.generator)[:4] == ["Linear", "ReLU", "BatchNorm1d", "Unflatten"]
    assert kinds(vanilla.generator)[4:8] == ["Upsample", "SameConv2d", "ReLU", "BatchNorm2d"]
    assert kinds(vanilla.generator)[-2:] == ["SameConv2d", "Tanh"]
    assert kinds(convolutional.generator)[:4] == ["Linear", "BatchNorm1d", "ReLU", "Unflatten"]
    assert kinds(convolutional.discriminator)[:4] == ["SameConv2d", "BatchNorm2d", "LeakyReLU", "Dropout"]
    text = build("convolutional", norm_order="after")
    assert kinds(text.discriminator)[:4] == ["SameConv2d", "LeakyReLU", "BatchNorm2d", "Dropout"]


def test_constants_of_keras() -> None:
    for name, slope in (("vanilla", 0.2), ("convolutional", 0.3)):
        gan = build(name, **({"d_widths": "halving"} if name == "vanilla" else {}))
        norms = [layer for layer in gan.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
        assert norms and {(layer.momentum, layer.eps) for layer in norms} == {(0.01, 1e-3)}
        leaky = [layer for layer in gan.discriminator.modules() if isinstance(layer, nn.LeakyReLU)]
        assert leaky and {layer.negative_slope for layer in leaky} == {slope}
        assert {layer.p for layer in gan.discriminator.modules() if isinstance(layer, nn.Dropout)} == {0.5}
        for layer in gan.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and layer.weight.numel() > 4000:
                ins, outs = nn.init._calculate_fan_in_and_fan_out(layer.weight)
                bound = (6 / (ins + outs)) ** 0.5
                assert bound * 0.98 < layer.weight.abs().max().item() <= bound
                assert layer.bias is None or not layer.bias.any()


@pytest.mark.parametrize(
    ("name", "arch", "says"),
    [
        ("vanilla", {"resolution": 50}, "28 pixels or a multiple of 8"),
        ("vanilla", {"d_widths": "wide"}, "d_widths"),
        ("convolutional", {"resolution": 32}, "28, 48 or 64"),
        ("convolutional", {"base": 7}, "base = 7 doubled does not make 64; use one of 32, 16, 8, 4"),
        ("convolutional", {"g_widths": (64, 128)}, "none larger than the one before"),
        ("convolutional", {"channels": 2}, "channels"),
        ("progan", {"resolution": 100}, "from base 4 progan draws at 8, 16, 32"),
        ("progan", {"start": 24}, "the stages are 8, 16, 32, 64"),
        ("progan", {"stage_kimg": [1, 2, 3, 4, 5]}, "there are 4 stages"),
        ("progan", {"stage_kimg": [0]}, "stage_kimg"),
    ],
)
def test_what_they_cannot_do_is_said_in_a_sentence(name: str, arch: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says) as told:
        build(name, **arch)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("resolution", [28, 48, 64])
@pytest.mark.parametrize("downsampling", ["stride", "average", "max"])
@pytest.mark.parametrize("upsampling", ["stride", "nearest"])
def test_every_way_of_resizing(resolution: int, downsampling: str, upsampling: str) -> None:
    gan = build("convolutional", resolution=resolution, downsampling=downsampling, upsampling=upsampling)
    images = gan.generator(torch.randn(2, 100))
    assert images.shape == (2, 1, resolution, resolution) and gan.discriminator(images).shape == (2,)


@pytest.mark.parametrize("upsampling", ["nearest", "stride"])
@pytest.mark.parametrize("resolution", [16, 28, 48, 64])
def test_vanilla_at_other_sizes(resolution: int, upsampling: str) -> None:
    gan = build("vanilla", resolution=resolution, upsampling=upsampling, d_widths=(8,), channels=3)
    images = gan.generator(torch.randn(2, 100))
    assert images.shape == (2, 3, resolution, resolution) and gan.discriminator(images).shape == (2,)


def test_the_thesis_recipes() -> None:
    vanilla = recipe.load("vanilla-48-thesis")
    assert vanilla.balance.g_turns == 2 and vanilla.balance.fake_as_real == 0.1 and vanilla.balance.fresh_fakes
    for name in ("vanilla-48-thesis", "convolutional-64-thesis", "progan-64-thesis"):
        train = recipe.load(name).train
        assert (train.d_lr, train.g_lr, train.beta1, train.beta2, train.eps) == (2e-4, 2e-4, 0.5, 0.999, 1e-7)
        assert train.batch == 128 and train.ema_kimg == 0
        archs.configure(recipe.load(name))
    for name in ("convolutional-64-thesis", "progan-64-thesis"):
        assert recipe.load(name).balance.update == "simultaneous"
