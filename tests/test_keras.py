"""The theses' networks as Keras builds them: with our weights they give our pictures, logits and gradients.

Skipped where there is no TensorFlow; no other test needs it. In a virtual environment of its own (PyTorch first):

    pip install torch && pip install -e '.[dev]' tensorflow-cpu && python -m pytest tests/test_keras.py -n 0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from boceto import archs, recipe
from boceto.archs import convolutional, dcgan, progan, vanilla
from boceto.nn import layers

tf: Any = pytest.importorskip("tensorflow", reason="TensorFlow is not installed: see the head of tests/test_keras.py")
keras: Any = tf.keras
k: Any = keras.layers

if int(keras.__version__.split(".")[0]) < 3:
    pytest.skip("Keras 3 is wanted", allow_module_level=True)

Net = tuple[Any, list[Any]]  # a model and its layers, those with weights in the order of ours
Array = NDArray[Any]


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    """The number type of both sides."""
    for set_up in (keras.config.set_floatx, keras.config.set_dtype_policy):
        set_up(request.param)
    yield getattr(torch, request.param)
    for set_up in (keras.config.set_floatx, keras.config.set_dtype_policy):
        set_up("float32")


# ── the listings, in Keras ──


def chain(shape: tuple[int, ...], *steps: Any) -> Net:
    model = keras.Sequential([keras.Input(shape), *steps])
    return model, list(model.layers)


def vanilla_d() -> Net:
    hidden = [
        layer
        for units in (48 * 48, 4098, 2046, 1024, 512, 256)
        for layer in (k.Dense(units), k.LeakyReLU(negative_slope=0.2))
    ]
    return chain((48, 48, 1), k.Flatten(), *hidden, k.Dense(1))


def vanilla_g() -> Net:
    return chain(
        (100,),
        *(k.Dense(256 * 6 * 6, activation="relu"), k.BatchNormalization(), k.Reshape((6, 6, 256))),
        *(k.UpSampling2D(), k.Conv2D(128, 3, padding="same", activation="relu"), k.BatchNormalization()),
        *(k.UpSampling2D(), k.Conv2D(64, 5, padding="same", activation="relu"), k.BatchNormalization()),
        *(k.UpSampling2D(), k.Conv2D(1, 5, padding="same", activation="tanh")),
    )


def convolutional_d(side: int, *filters: int) -> Net:
    steps: list[Any] = []
    for width in filters:
        # no slope is named: Keras's own
        steps += [k.Conv2D(width, 5, strides=2, padding="same"), k.BatchNormalization(), k.LeakyReLU()]
    return chain((side, side, 1), *steps, k.Flatten(), k.Dense(1))


def convolutional_g(side: int, first: int, *maps: tuple[int, int]) -> Net:
    """``maps``: (filters, stride) of each transposed convolution before the picture's, whose stride is 1."""
    steps = [
        k.Dense(side * side * first, use_bias=False),
        k.BatchNormalization(),
        k.ReLU(),
        k.Reshape((side, side, first)),
    ]
    for width, stride in maps:
        larger = k.Conv2DTranspose(width, 5, strides=stride, padding="same", use_bias=False)
        steps += [larger, k.BatchNormalization(), k.ReLU()]
    return chain((100,), *steps, k.Conv2DTranspose(1, 5, padding="same", use_bias=False, activation="tanh"))


def pixel_norm() -> Any:
    ops = keras.ops
    return k.Lambda(lambda a: a / ops.sqrt(ops.mean(ops.square(a), axis=-1, keepdims=True) + 1e-8))


def minibatch_std() -> Any:
    def more(x: Any) -> Any:
        ops = keras.ops
        spread = ops.sqrt(ops.mean(ops.square(x - ops.mean(x, axis=0, keepdims=True)), axis=0) + 1e-8)
        return ops.concatenate([x, ops.ones_like(x[..., :1]) * ops.mean(spread)], axis=-1)

    return k.Lambda(more)


def leaky() -> Any:
    return k.LeakyReLU(negative_slope=0.2)


def progan_d(side: int) -> Net:
    """``side`` 10 or 20: listings 5 and 7."""

    def pair() -> list[Any]:
        return [k.Conv2D(256, 3, padding="same"), leaky(), k.Conv2D(256, 3, padding="same"), leaky()]

    newest = [k.Conv2D({10: 256, 20: 128}[side], 1), leaky(), *pair(), k.AveragePooling2D(2)]
    older = [*pair(), k.AveragePooling2D(2)] if side == 20 else []
    model, steps = chain((side, side, 3), *newest, *older, minibatch_std(), *pair(), k.Flatten(), k.Dense(1))
    with_weights = [step for step in steps if step.weights]
    if side == 20:  # ours has its blocks in the order in which they grew, then the way in
        way_in, new, old, end = with_weights[:1], with_weights[1:3], with_weights[3:5], with_weights[5:]
        return model, [*old, *new, *way_in, *end]
    return model, [*with_weights[1:3], with_weights[0], *with_weights[3:]]


def progan_g(side: int, alpha: float = 1.0, new: str = "tanh") -> Net:
    """``side`` 10 or 20: listings 6 and 8; below α = 1 the old picture is there too."""

    def pair() -> list[Any]:
        one, two = (k.Conv2DTranspose(256, 3, padding="same") for _ in range(2))
        return [one, leaky(), pixel_norm(), two, leaky(), pixel_norm()]

    start = [pixel_norm(), k.Dense(5 * 5 * 256), leaky(), pixel_norm(), k.Reshape((5, 5, 256)), *pair()]
    blocks = [[k.UpSampling2D(), *pair()] for _ in range({10: 1, 20: 2}[side])]
    picture, old_picture = k.Conv2D(3, 1, activation=new), k.Conv2D(3, 1, activation="tanh")
    steps = [*start, *(step for block in blocks for step in block), picture]
    if alpha == 1:
        return chain((100,), *steps)
    z = keras.Input((100,))
    x = before = z
    for step in [*start, *blocks[0]]:
        before = step(before)
    x = before
    for step in blocks[1]:
        x = step(x)
    image = (1 - alpha) * k.UpSampling2D()(old_picture(before)) + alpha * picture(x)
    return keras.Model(z, image), [*steps, old_picture]


def dcgan_d() -> Net:
    steps: list[Any] = [k.Conv2D(64, 4, strides=2, padding="same", use_bias=False), leaky()]
    for width in (128, 256, 512):
        steps += [k.Conv2D(width, 4, strides=2, padding="same", use_bias=False)]
        steps += [k.BatchNormalization(momentum=0.9, epsilon=1e-5), leaky()]
    return chain((64, 64, 3), *steps, k.Conv2D(1, 4, use_bias=False), k.Flatten())


def dcgan_g() -> Net:
    steps: list[Any] = [k.Reshape((1, 1, 100))]
    for width, stride, padding in ((512, 1, "valid"), (256, 2, "same"), (128, 2, "same"), (64, 2, "same")):
        steps += [k.Conv2DTranspose(width, 4, strides=stride, padding=padding, use_bias=False)]
        steps += [k.BatchNormalization(momentum=0.9, epsilon=1e-5), k.ReLU()]
    picture = k.Conv2DTranspose(3, 4, strides=2, padding="same", use_bias=False, activation="tanh")
    return chain((100,), *steps, picture)


# ── ours ──


def grown(net: progan.Generator | progan.Discriminator, side: int, alpha: float = 1.0) -> nn.Module:
    while net.side < side:
        net.grow()
    net.fade(alpha)
    return net


def progan_config(**options: Any) -> progan.Config:
    return progan.Config(resolution=20, base=5, **options)


@dataclass(frozen=True)
class Case:
    """A network on both sides."""

    ours: Callable[[], nn.Module]
    theirs: Callable[[], Net]
    shape: tuple[int, ...]  # of what goes in, channels first
    parameters: int
    statistics: int = 0
    maps: tuple[int, int, int] = (0, 0, 0)  # those that a dense layer makes or reads, channels first


CASES = {
    "vanilla-d-48": Case(
        lambda: vanilla.Discriminator(vanilla.Config(d_dropout=0)), vanilla_d, (1, 48, 48), 25_895_677, 0, (1, 48, 48)
    ),
    "vanilla-g-48": Case(
        lambda: vanilla.Generator(vanilla.Config()), vanilla_g, (100,), 1_451_137, 18_816, (256, 6, 6)
    ),
    "convolutional-d-64": Case(
        lambda: convolutional.Discriminator(convolutional.Config(d_dropout=0)),
        lambda: convolutional_d(64, 32, 64, 128, 128),
        *((1, 64, 64), 669_505, 704, (128, 4, 4)),
    ),
    "convolutional-d-48": Case(
        lambda: convolutional.Discriminator(convolutional.Config(resolution=48, d_dropout=0)),
        lambda: convolutional_d(48, 32, 64, 128),
        *((1, 48, 48), 262_081, 448, (128, 6, 6)),
    ),
    "convolutional-d-28": Case(
        lambda: convolutional.Discriminator(convolutional.Config(resolution=28, d_dropout=0)),
        lambda: convolutional_d(28, 32, 64),
        *((1, 28, 28), 55_425, 192, (64, 7, 7)),
    ),
    "convolutional-g-64": Case(
        lambda: convolutional.Generator(convolutional.Config()),
        lambda: convolutional_g(8, 128, (128, 2), (128, 2), (64, 2)),
        *((100,), 1_861_824, 17_024, (128, 8, 8)),
    ),
    "convolutional-g-48": Case(
        lambda: convolutional.Generator(convolutional.Config(resolution=48)),
        lambda: convolutional_g(12, 128, (128, 2), (64, 2)),
        *((100,), 2_496_448, 2 * (128 * 12 * 12 + 128 + 64), (128, 12, 12)),
    ),
    "convolutional-g-28": Case(
        lambda: convolutional.Generator(convolutional.Config(resolution=28)),
        lambda: convolutional_g(7, 128, (128, 2), (64, 2)),
        *((100,), 1_256_128, 12_928, (128, 7, 7)),
    ),
    "progan-d-10": Case(
        lambda: grown(progan.Discriminator(progan_config()), 10),
        lambda: progan_d(10),
        *((3, 10, 10), 2_370_049, 0, (256, 5, 5)),
    ),
    "progan-d-20": Case(
        lambda: grown(progan.Discriminator(progan_config()), 20),
        lambda: progan_d(20),
        *((3, 20, 20), 3_254_785, 0, (256, 5, 5)),
    ),
    "progan-g-10": Case(
        lambda: grown(progan.Generator(progan_config()), 10),
        lambda: progan_g(10),
        *((100,), 3_007_491, 0, (256, 5, 5)),
    ),
    "progan-g-20": Case(
        lambda: grown(progan.Generator(progan_config()), 20),
        lambda: progan_g(20),
        *((100,), 4_187_651, 0, (256, 5, 5)),
    ),
    "progan-g-20-at-0.2": Case(
        lambda: grown(progan.Generator(progan_config()), 20, 0.2),
        lambda: progan_g(20, 0.2),
        *((100,), 4_188_422, 0, (256, 5, 5)),
    ),
    "progan-g-20-at-0.2-listing": Case(
        lambda: grown(progan.Generator(progan_config(new_tanh=False)), 20, 0.2),
        lambda: progan_g(20, 0.2, "linear"),
        *((100,), 4_188_422, 0, (256, 5, 5)),
    ),
    "dcgan-d-64": Case(lambda: dcgan.Discriminator(dcgan.Config()), dcgan_d, (3, 64, 64), 2_765_568, 1_792),
    "dcgan-g-64": Case(lambda: dcgan.Generator(dcgan.Config()), dcgan_g, (100,), 3_576_704, 1_920),
}


# ── from one to the other ──


@torch.no_grad()
def randomise(net: nn.Module) -> None:
    """Numbers that matter everywhere: outputs of size 1, no zero bias, no batch norm that changes nothing."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.weight.uniform_(0.5, 1.5)
            layer.bias.normal_(0, 0.3)
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
        elif isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            fan_in = layer.weight[0].numel()
            if isinstance(layer, nn.ConvTranspose2d):
                fan_in = layer.weight[:, 0].numel() // math.prod(layer.stride)
            layer.weight.normal_(0, (2 / fan_in) ** 0.5)
            if layer.bias is not None:
                layer.bias.normal_(0, 0.3)


def with_weights(net: nn.Module) -> list[nn.Module]:
    return [layer for layer in net.modules() if list(layer.parameters(recurse=False))]


def as_keras(ours: nn.Module, theirs: Any, maps: tuple[int, int, int], read: Callable[[Tensor], Tensor]) -> list[Array]:
    """What ``read`` finds in a layer's parameters, in the order and with the axes of Keras's layer."""
    order = np.arange(math.prod(maps)).reshape(maps).transpose(1, 2, 0).ravel()  # channels go last

    def flat(a: Array, axis: int) -> Array:
        return np.take(a, order, axis) if order.size == a.shape[axis] else a

    found = {name: read(p).numpy().copy() for name, p in ours.named_parameters(recurse=False)}
    weight = found.pop("weight")
    match ours:
        case nn.BatchNorm1d():
            return [flat(weight, 0), flat(found["bias"], 0)]
        case nn.BatchNorm2d():
            return [weight, found["bias"]]
        case nn.Linear():
            return [flat(flat(weight.T, 0), 1), *(flat(bias, 0) for bias in found.values())]
        case nn.Conv2d() if isinstance(theirs, k.Conv2DTranspose):  # of stride 1: the kernel turned round
            return [weight[:, :, ::-1, ::-1].transpose(2, 3, 0, 1), *found.values()]
        case nn.Conv2d() | nn.ConvTranspose2d():
            return [weight.transpose(2, 3, 1, 0), *found.values()]
    raise TypeError(type(ours))


def copy(net: nn.Module, steps: list[Any], maps: tuple[int, int, int]) -> list[tuple[nn.Module, Any]]:
    """Our weights and running statistics into Keras's layers; the pairs."""
    pairs = list(zip(with_weights(net), [step for step in steps if step.weights], strict=True))
    for ours, theirs in pairs:
        arrays = as_keras(ours, theirs, maps, lambda p: p.detach())
        if isinstance(ours, nn.BatchNorm1d | nn.BatchNorm2d):
            statistics = {"weight": ours.running_mean, "bias": ours.running_var}
            stand_in = type(ours)(ours.num_features)
            for name, value in statistics.items():
                assert value is not None
                setattr(stand_in, name, nn.Parameter(value))
            arrays += as_keras(stand_in, theirs, maps, lambda p: p.detach())
        theirs.set_weights(arrays)
    return pairs


def last(x: Tensor) -> Any:
    """Channels last, for Keras."""
    return tf.constant((x.permute(0, 2, 3, 1) if x.dim() == 4 else x).detach().numpy())


def first(y: Any) -> Tensor:
    """Channels first, a logit without its axis, for PyTorch."""
    out = torch.from_numpy(np.array(y))
    return out.permute(0, 3, 1, 2) if out.dim() == 4 else out[:, 0] if out.shape[1:] == (1,) else out


def gradient(x: Tensor) -> Tensor:
    assert x.grad is not None
    return x.grad


def sizes(weights: list[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


# ── the networks ──


@pytest.mark.parametrize("name", CASES)
def test_network_equals_kerass(name: str, dtype: torch.dtype, record_property: Callable[[str, object], None]) -> None:
    case = CASES[name]
    torch.manual_seed(0)
    net = case.ours().to(dtype)
    randomise(net)
    model, steps = case.theirs()
    assert sizes(model.trainable_weights) == sum(p.numel() for p in net.parameters()) == case.parameters
    assert sizes(model.non_trainable_weights) == case.statistics
    pairs = copy(net, steps, case.maps)
    x = torch.randn(4, *case.shape, dtype=dtype)
    if len(case.shape) == 3:
        x = x.clamp(-1, 1)  # a picture
    tolerance = 1e-4 if dtype == torch.float32 else 1e-6
    seen = {}
    for training in (False, True):  # in this order: a forward in training changes the running statistics
        net.train(training)
        x.requires_grad_(training)
        ours = net(x)
        with tf.GradientTape() as tape:
            given = last(x)
            tape.watch(given)
            answer = model(given, training=training)
            theirs = first(answer)
            probe = torch.randn(ours.shape, dtype=dtype)
            loss = tf.reduce_sum(answer * tf.reshape(last(probe), answer.shape))
        assert ours.dtype == theirs.dtype == dtype and ours.shape == theirs.shape
        assert ours.std() > 0.02 and ours.abs().max() > 0.1, "numbers that say something"
        seen["training" if training else "eval"] = (ours - theirs).abs().max().item()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)
    if dtype == torch.float64:  # float32 may fall on the other side of a ReLU's corner
        (ours * probe).sum().backward()
        variables = [variable for _, step in pairs for variable in step.trainable_weights]
        of_input, *of_weights = tape.gradient(loss, [given, *(variable.value for variable in variables)])
        mine = [array for layer, step in pairs for array in as_keras(layer, step, case.maps, gradient)]
        mine.insert(0, last(gradient(x)).numpy())
        largest, seen["gradient"] = max(np.abs(a).max() for a in mine), 0.0
        for a, b in zip(mine, [of_input, *of_weights], strict=True):
            scale = max(np.abs(a).max(), 1e-9 * largest)  # a bias before a batch norm has none
            seen["gradient"] = max(seen["gradient"], float(np.abs(a - b.numpy()).max() / scale))
        assert seen["gradient"] < 1e-5
    print(name, dtype, seen)
    for key, value in seen.items():
        record_property(key, value)


# ── the layers ──


@pytest.mark.parametrize("kernel", [3, 4, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("side", [5, 6, 7, 8, 9, 12])
def test_same_convolutions(kernel: int, stride: int, side: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, side, side + 1)
    pairs: list[tuple[nn.Module, Any]] = [
        (layers.SameConv2d(3, 4, kernel, stride), k.Conv2D(4, kernel, stride, padding="same")),
        (layers.SameConvTranspose2d(3, 4, kernel, stride), k.Conv2DTranspose(4, kernel, stride, padding="same")),
    ]
    for ours, theirs in pairs:
        theirs.build((None, None, None, 3))
        copy(ours, [theirs], (0, 0, 0))
        torch.testing.assert_close(ours(x), first(theirs(last(x))), rtol=0, atol=1e-5)


def test_batch_norm_keeps_kerass_averages(dtype: torch.dtype) -> None:
    """The mean exactly; the variance but for n/(n-1): Keras 3 averages the biased one, PyTorch (and TensorFlow's fused
    kernel, which Keras 2 called for maps) the unbiased one. Of 128 pictures that is 0.8 % in a dense layer's, less in a
    map's."""
    torch.manual_seed(0)
    for ours, x in (
        (nn.BatchNorm1d(5, eps=1e-3, momentum=0.01), torch.randn(4, 5)),
        (nn.BatchNorm2d(5, eps=1e-3, momentum=0.01), torch.randn(4, 5, 3, 2)),
    ):
        ours.to(dtype)
        x = x.to(dtype) * 3 + 1
        randomise(ours)
        assert ours.running_mean is not None and ours.running_var is not None
        variance, n = ours.running_var.clone(), x.numel() // 5
        theirs = k.BatchNormalization()
        theirs.build((None, *x.shape[2:], 5))
        copy(ours, [theirs], (0, 0, 0))
        ours(x), theirs(last(x), training=True)
        torch.testing.assert_close(ours.running_mean, torch.from_numpy(theirs.moving_mean.numpy()))
        unbiased = ours.running_var - 0.99 * variance
        biased = torch.from_numpy(theirs.moving_variance.numpy()) - 0.99 * variance
        torch.testing.assert_close(biased, unbiased * (n - 1) / n, rtol=1e-4, atol=1e-6)
        if x.dim() == 4 and dtype == torch.float32:
            ones, zeros = tf.ones(5), tf.zeros(5)
            fused = tf.compat.v1.nn.fused_batch_norm(last(x), ones, zeros, epsilon=1e-3, is_training=True)[2]
            torch.testing.assert_close(0.01 * torch.from_numpy(fused.numpy()), unbiased, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("limit", [1.0, 0.5])
def test_max_norm_is_kerass(limit: float) -> None:
    torch.manual_seed(0)
    for ours, theirs in (
        (nn.Conv2d(5, 6, 3), k.Conv2D(6, 3)),
        (nn.Conv2d(5, 6, 1), k.Conv2D(6, 1)),
        (nn.ConvTranspose2d(5, 6, 3), k.Conv2DTranspose(6, 3)),
        (nn.Conv2d(5, 6, 3, padding=1), k.Conv2DTranspose(6, 3, padding="same")),
        (nn.Linear(5, 6), k.Dense(6)),
    ):
        nn.init.normal_(ours.weight)
        before, *_ = as_keras(ours, theirs, (0, 0, 0), lambda p: p.detach())
        layers.max_norm([ours.weight], limit)
        after, *_ = as_keras(ours, theirs, (0, 0, 0), lambda p: p.detach())
        wanted = np.array(keras.constraints.MaxNorm(limit)(tf.constant(before)))
        assert np.abs(wanted - before).max() > 0.1
        np.testing.assert_allclose(after, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("vanilla", "generator"),
        ("vanilla", "discriminator"),
        ("convolutional", "generator"),
        ("convolutional", "discriminator"),
    ],
)
def test_weights_begin_as_kerass(name: str, part: str) -> None:
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    net = archs.build(recipe.parse({"arch": {"name": name}}, "test")).get_submodule(part)
    size = {"vanilla": 48, "convolutional": 64}[name]
    _, steps = CASES[f"{name}-{part[0]}-{size}"].theirs()
    compared = 0
    for ours, theirs in zip(with_weights(net), [step for step in steps if step.weights], strict=True):
        first_weights = as_keras(ours, theirs, (0, 0, 0), lambda p: p.detach())
        for a, variable in zip(first_weights, theirs.trainable_weights, strict=True):
            b = variable.numpy()
            assert a.shape == b.shape
            if a.ndim == 1:
                np.testing.assert_array_equal(a, b)  # biases 0, batch norm 1 and 0
            elif a.size > 1000:
                compared += 1
                assert abs(np.abs(a).max() / np.abs(b).max() - 1) < 0.01, "the bound"
                assert abs(a.std() / b.std() - 1) < 0.05, "the form"
    assert compared >= 3


def test_adam_steps_as_kerass() -> None:
    """With the thesis's numbers; ε apart: Keras adds it to √v as it is, PyTorch to √v without its bias, so that Keras's
    counts 1/√(1 - β2^t) times, 32 in the first step. It shows in gradients below 1e-4."""
    train = recipe.load("vanilla-48-thesis").train
    random = np.random.Generator(np.random.PCG64(0))
    start = random.normal(size=50).astype(np.float32)
    gradients = random.normal(size=(5, 50)).astype(np.float32)

    def ours(steps: int, scale: float, eps: float) -> Array:
        weight = nn.Parameter(torch.from_numpy(start.copy()))
        optimiser = torch.optim.Adam([weight], train.d_lr, (train.beta1, train.beta2), eps)
        for gradient in gradients[:steps] * np.float32(scale):
            weight.grad = torch.from_numpy(gradient.copy())
            optimiser.step()
        return (weight.detach().numpy() - start) / train.d_lr

    def theirs(steps: int, scale: float) -> Array:
        weight = keras.Variable(start)
        optimiser = keras.optimizers.Adam(train.d_lr, train.beta1, train.beta2, epsilon=1e-7)
        optimiser.build([weight])
        for gradient in gradients[:steps] * np.float32(scale):
            optimiser.apply([tf.constant(gradient)], [weight])
        return np.asarray((weight.numpy() - start) / train.d_lr)

    assert train.eps == 1e-7 == keras.optimizers.Adam().epsilon
    rounding = 2e-3  # of float32 weights of size 1, in steps of 2e-4
    for steps in (1, 5):
        np.testing.assert_allclose(ours(steps, 1, train.eps), theirs(steps, 1), atol=rounding)
    small = np.abs(ours(1, 1e-6, train.eps) - theirs(1, 1e-6)).max()
    assert small > 0.5, "gradients of 1e-6 take another step"
    same = ours(1, 1e-6, train.eps / (1 - train.beta2) ** 0.5)
    np.testing.assert_allclose(same, theirs(1, 1e-6), atol=rounding)
