"""The layers of the theses' networks, against their formulas written out; test_keras.py holds them against Keras."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boceto.nn import layers
from boceto.nn.layers import Equalised, MinibatchStd, PixelNorm, SameConv2d, SameConvTranspose2d


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Float64, the same for the same seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(a: Tensor, b: Tensor, atol: float = 1e-12) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


# ── SAME ──


@pytest.mark.parametrize(
    ("kernel", "stride", "height", "width", "pads"),
    [
        (5, 2, 8, 12, (1, 2, 1, 2)),  # left, right, top, bottom
        (5, 2, 7, 9, (2, 2, 2, 2)),
        (5, 2, 8, 7, (2, 2, 1, 2)),
        (5, 2, 7, 8, (1, 2, 2, 2)),
        (3, 2, 8, 8, (0, 1, 0, 1)),
        (4, 2, 8, 8, (1, 1, 1, 1)),
        (4, 1, 8, 8, (1, 2, 1, 2)),
        (3, 1, 8, 7, (1, 1, 1, 1)),
        (5, 1, 8, 7, (2, 2, 2, 2)),
        (5, 1, 2, 1, (2, 2, 2, 2)),  # a kernel larger than the map
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_same_convolution_is_zero_padding_and_a_plain_one(
    kernel: int, stride: int, height: int, width: int, pads: tuple[int, ...], bias: bool
) -> None:
    conv, x = SameConv2d(3, 4, kernel, stride, bias=bias).double(), noise(2, 3, height, width)
    y = conv(x)
    assert y.shape == (2, 4, math.ceil(height / stride), math.ceil(width / stride))
    close(y, F.conv2d(F.pad(x, pads), conv.weight, conv.bias, stride))


def test_padding_by_two_has_the_shape_only() -> None:
    torch.manual_seed(0)
    conv, x = SameConv2d(1, 1, 5, 2).double(), noise(1, 1, 8, 8)
    centred = F.conv2d(x, conv.weight, conv.bias, 2, padding=2)
    assert conv(x).shape == centred.shape and (conv(x) - centred).abs().max() > 0.1


@pytest.mark.parametrize(("kernel", "stride", "before", "after"), [(5, 2, 1, 2), (5, 1, 2, 2), (3, 1, 1, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_same_transposed_is_the_whole_one_cropped(
    kernel: int, stride: int, before: int, after: int, bias: bool
) -> None:
    conv, x = SameConvTranspose2d(3, 4, kernel, stride, bias=bias).double(), noise(2, 3, 5, 6)
    whole = F.conv_transpose2d(x, conv.weight, conv.bias, stride)
    y = conv(x)
    assert y.shape == (2, 4, 5 * stride, 6 * stride)
    close(y, whole[:, :, before : whole.shape[2] - after, before : whole.shape[3] - after])


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (3, 2), (4, 2), (5, 2), (7, 2), (5, 3), (2, 2)])
def test_same_transposed_is_the_adjoint_of_the_convolution(kernel: int, stride: int) -> None:
    """⟨conv(x), y⟩ = ⟨x, transposed(y)⟩ for the same weights: what TensorFlow makes it of."""
    torch.manual_seed(0)
    conv = SameConv2d(3, 4, kernel, stride, bias=False).double()
    transposed = SameConvTranspose2d(4, 3, kernel, stride, bias=False).double()
    transposed.load_state_dict(conv.state_dict())
    x, y = noise(2, 3, 4 * stride, 6 * stride), noise(2, 4, 4, 6, seed=1)
    left, right = (conv(x) * y).sum(), (x * transposed(y)).sum()
    assert left.abs() > 0.1, "another seed"
    close(left, right)


# ── PixelNorm ──


@pytest.mark.parametrize("shape", [(4, 100), (2, 16, 5, 3)])
def test_pixel_norm_is_equation_3(shape: tuple[int, ...]) -> None:
    a = noise(*shape) * 3 + 1
    b = PixelNorm()(a)
    close(b, a / (a.square().mean(dim=1, keepdim=True) + 1e-8).sqrt())
    close(b.square().mean(dim=1), torch.ones_like(b[:, 0]), atol=1e-7)
    small = PixelNorm()(a * 1e-4)  # where ε counts: half the mean square of 1e-8
    close(small, 1e-4 * a / (1e-8 * a.square().mean(dim=1, keepdim=True) + 1e-8).sqrt())


@pytest.mark.parametrize("shape", [(2, 8), (2, 8, 3, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pixel_norm_of_nothing_is_nothing(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    a = torch.zeros(shape, dtype=dtype, requires_grad=True)
    b = PixelNorm()(a)
    assert not b.any()
    b.sum().backward()
    assert a.grad is not None
    torch.testing.assert_close(a.grad, torch.full_like(a, 1e4))  # 1 / √ε


# ── MinibatchStd ──


def test_a_batch_of_look_alikes_has_the_least_deviation() -> None:
    x = torch.randn(1, 3, 4, 4).expand(8, -1, -1, -1)
    y = MinibatchStd()(x)
    assert y.shape == (8, 4, 4, 4) and torch.equal(y[:, :3], x)
    torch.testing.assert_close(y[:, 3], torch.full((8, 4, 4), 1e-4), rtol=1e-5, atol=0)


def test_deviation_of_a_known_batch() -> None:
    """Of 0 and 2 it is 1 (of all, not of all but one); where nothing varies 1e-4; then the mean of both."""
    x = torch.zeros(4, 2, 3, 5)
    x[1::2, 0] = 2
    y = MinibatchStd()(x)
    torch.testing.assert_close(y[:, 2], torch.full((4, 3, 5), (1 + 1e-4) / 2))


def test_each_group_has_its_own_deviation() -> None:
    x = torch.zeros(8, 1, 2, 2)
    x[1], x[3] = 2, -2  # of 0, 2, 0, -2 it is √2; the other four are alike
    channel = MinibatchStd(4)(x)[:, 1, 0, 0]
    torch.testing.assert_close(channel, torch.tensor([2**0.5] * 4 + [1e-4] * 4), rtol=1e-5, atol=0)
    real, fake = torch.randn(4, 3, 2, 2), torch.randn(4, 3, 2, 2) * 5
    layer = MinibatchStd(4)
    torch.testing.assert_close(layer(torch.cat((real, fake))), torch.cat((layer(real), layer(fake))))
    whole = MinibatchStd()(torch.cat((real, fake)))[:, 3]
    assert whole.min() == whole.max() > 1.2 * layer(real)[0, 3, 0, 0], "one batch, one number: real and fake apart"
    six = torch.randn(6, 2, 2, 2)
    torch.testing.assert_close(MinibatchStd(4)(six), MinibatchStd(2)(six))  # as many as divide 6


def test_deviation_is_what_a_discriminator_can_learn_from() -> None:
    x = torch.zeros(4, 2, 2, 2, requires_grad=True)
    MinibatchStd()(x)[:, -1].sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    y = torch.randn(4, 2, 2, 2, requires_grad=True)
    MinibatchStd()(y)[:, -1].sum().backward()
    assert y.grad is not None and y.grad.abs().min() > 0


# ── weights ──


@pytest.mark.parametrize(
    ("layer", "shape", "fan_in"),
    [
        (nn.Linear(50, 40), (3, 50), 50),
        (nn.Conv2d(12, 30, 3, padding=1), (2, 12, 5, 5), 108),
        (nn.Conv2d(12, 300, 1, stride=2), (2, 12, 6, 6), 12),
    ],
)
@pytest.mark.parametrize("gain", [None, 1.0, 0.25])
def test_equalised_is_the_layer_with_scaled_weights(
    layer: nn.Linear | nn.Conv2d, shape: tuple[int, ...], fan_in: int, gain: float | None
) -> None:
    torch.manual_seed(0)
    equalised = (Equalised(layer) if gain is None else Equalised(layer, gain)).double()
    constant = (2**0.5 if gain is None else gain) / fan_in**0.5
    weight, bias = layer.weight.detach().clone(), layer.bias
    assert bias is not None and not bias.any()
    assert abs(weight.std().item() - 1) < 0.1 and abs(weight.mean().item()) < 0.1
    nn.init.normal_(bias)  # so that a scaled bias would be seen
    x = noise(*shape).requires_grad_(True)
    y = equalised(x)
    if isinstance(layer, nn.Linear):
        close(y, F.linear(x, weight * constant, bias))
    else:
        close(y, F.conv2d(x, weight * constant, bias, layer.stride, layer.padding))
    y.sum().backward()
    assert bias.grad is not None and layer.weight.grad is not None  # both learn
    assert {name for name, _ in equalised.named_parameters()} == {"layer.weight", "layer.bias"}
    if gain is None and isinstance(layer, nn.Linear):  # He: mean square in, so much out before ReLU halves it
        close((weight * constant).square().sum(dim=1).mean(), torch.tensor(2.0).double(), atol=0.2)


def test_keras_init() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(100, 300),
        nn.Conv2d(16, 48, 5),
        nn.ConvTranspose2d(16, 48, 5),
        SameConv2d(16, 48, 3),
        nn.Linear(90, 90),
    )
    norm = nn.BatchNorm2d(7)
    nn.Sequential(net, norm, nn.Linear(3, 3, bias=False)).apply(layers.keras_init)
    fans = [100 + 300, 25 * (16 + 48), 25 * (16 + 48), 9 * (16 + 48), 180]
    for layer, fan in zip(net, fans, strict=True):
        weight, bias, bound = layer.weight, layer.bias, (6 / fan) ** 0.5
        assert isinstance(weight, Tensor) and isinstance(bias, Tensor) and not bias.any()
        assert 0.99 * bound < weight.max() <= bound and -bound <= weight.min() < -0.99 * bound
        assert abs(weight.std().item() / (bound / 3**0.5) - 1) < 0.03, "uniform"
    assert torch.equal(norm.weight, torch.ones(7)) and torch.equal(norm.bias, torch.zeros(7))


@pytest.mark.parametrize("limit", [1.0, 0.5])
def test_max_norm(limit: float) -> None:
    """Of convolutions the kernel's columns (dim 2), of dense layers the rows (dim 1), as Keras's axis 0 has it."""
    torch.manual_seed(0)
    convolution, dense, pointwise = torch.randn(6, 5, 3, 4), torch.randn(7, 9), torch.randn(8, 4, 1, 1)
    dense[::2] *= 0.05
    short = torch.full((2, 3, 2, 2), 0.1)
    before = [w.clone() for w in (convolution, dense, pointwise, short)]
    layers.max_norm((convolution, dense, pointwise, short), limit)
    for after, old, dim in zip((convolution, dense), before, (2, 1), strict=False):
        old_norm, norm = old.norm(dim=dim), after.norm(dim=dim)
        assert old_norm.max() > limit > old_norm.min(), "some are too long, some are not"
        torch.testing.assert_close(norm, old_norm.clamp(max=limit))
        torch.testing.assert_close(F.normalize(after, dim=dim), F.normalize(old, dim=dim))  # shorter, not turned
    torch.testing.assert_close(pointwise, before[2].clamp(-limit, limit))
    torch.testing.assert_close(short, before[3])


def test_max_norm_of_nothing() -> None:
    weight = torch.zeros(2, 3, requires_grad=True)
    layers.max_norm([weight])
    assert not weight.any() and weight.requires_grad


# ── activations ──


@pytest.mark.parametrize(
    ("name", "at_minus_one", "at_two"),
    [
        ("relu", 0.0, 2.0),
        ("leaky-relu", -0.2, 2.0),
        ("elu", math.exp(-1) - 1, 2.0),
        ("selu", 1.0507010 * 1.6732632 * (math.exp(-1) - 1), 1.0507010 * 2),
        ("tanh", math.tanh(-1), math.tanh(2)),
        ("sigmoid", 1 / (1 + math.e), 1 / (1 + math.exp(-2))),
    ],
)
def test_activations(name: layers.Activation, at_minus_one: float, at_two: float) -> None:
    y = layers.activation(name)(torch.tensor([-1.0, 2.0]))
    torch.testing.assert_close(y, torch.tensor([at_minus_one, at_two]), rtol=0, atol=1e-6)


def test_every_activation_has_its_name_and_leaky_relu_its_slope() -> None:
    assert all(isinstance(layers.activation(name), nn.Module) for name in get_args(layers.Activation))
    assert len(get_args(layers.Activation)) == 6
    torch.testing.assert_close(layers.activation("leaky-relu", 0.3)(torch.tensor([-1.0])), torch.tensor([-0.3]))


@pytest.mark.parametrize("p", [0.5, 0.25, 0.3])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_dropout_leaves_out_its_share_and_keeps_the_mean(p: float, memory_format: torch.memory_format) -> None:
    layer, x = layers.Dropout(p), torch.full((16, 8, 24, 24), 3.0).to(memory_format=memory_format).requires_grad_()
    torch.manual_seed(0)
    y = layer(x)
    out = y == 0
    assert abs(out.float().mean() - p) < 0.01 and abs(y.mean() - 3) < 0.05
    assert y.unique().numel() == 2 and y.stride() == x.stride()
    for axis in range(4):  # in no direction any pattern
        shares = out.float().movedim(axis, 0).flatten(1).mean(1)
        assert (shares - p).abs().max() < 0.05
    y.sum().backward()
    assert x.grad is not None and torch.equal(x.grad == 0, out)
    assert torch.equal(layer.eval()(x), x)
    torch.manual_seed(0)
    assert torch.equal(layer.train()(x), y)
