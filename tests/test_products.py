"""Convolutions as matrix products: the same numbers as PyTorch's, gradients of gradients too; and only where they pay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from boceto import archs, recipe
from boceto.nn import products

# kernel (k, l), stride, padding, H, W, bias
SHAPES = [
    ((4, 4), 2, (1, 1), 8, 8, False),
    ((4, 4), 2, (1, 1), 8, 6, True),
    ((3, 3), 1, (1, 1), 4, 4, True),
    ((5, 5), 2, (2, 2), 8, 8, True),
    ((6, 5), 2, (2, 2), 7, 8, True),
    ((2, 3), 3, (0, 1), 8, 7, False),
    ((1, 1), 1, (0, 0), 3, 4, True),
]


@pytest.fixture(autouse=True)
def everywhere(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """The product even where it does not pay."""
    if "as_it_is" not in request.keywords:
        monkeypatch.setattr(products, "suits", lambda x, weight, small: True)
    yield


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def all_gradients(y: Tensor, x: Tensor, weight: Tensor) -> list[Tensor]:
    """Of a sum with uneven weights: the first gradients, and those of their squared length (as R1 takes them)."""
    uneven = numbers(*y.shape, seed=3)
    first = torch.autograd.grad((y.tanh() * uneven).sum(), [x, weight], create_graph=True)
    second = torch.autograd.grad(first[0].square().sum() + first[1].square().sum(), [x, weight])
    return [y, *first, *second]


@pytest.mark.parametrize(("kernel", "stride", "padding", "height", "width", "biased"), SHAPES)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_equals_pytorchs(
    kernel: tuple[int, int],
    stride: int,
    padding: tuple[int, int],
    height: int,
    width: int,
    biased: bool,
    transposed: bool,
    memory_format: torch.memory_format,
) -> None:
    x = numbers(3, 5, height, width, seed=0).to(memory_format=memory_format).requires_grad_()
    weight = numbers(*((5, 6) if transposed else (6, 5)), *kernel, seed=1).requires_grad_()
    bias = numbers(6, seed=2) if biased else None
    ours, theirs = (products.conv_transpose2d, F.conv_transpose2d) if transposed else (products.conv2d, F.conv2d)
    mine = all_gradients(ours(x, weight, bias, stride, padding), x, weight)
    reference = all_gradients(theirs(x, weight, bias, stride, padding), x, weight)
    assert len(mine) == 5
    for a, b in zip(mine, reference, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_bfloat16_keeps_its_format() -> None:
    x, weight = numbers(2, 4, 8, 8, seed=0).float(), numbers(6, 4, 4, 4, seed=1).float()
    with torch.autocast("cpu", torch.bfloat16):
        y = products.conv2d(x, weight, None, 2, (1, 1))
        back = products.conv_transpose2d(y, weight, None, 2, (1, 1))
    assert y.dtype == back.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), F.conv2d(x, weight, None, 2, 1), rtol=0.03, atol=0.1)


@pytest.mark.as_it_is
def test_only_heavy_layers_on_small_maps_are_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the documented DCGAN: the layer to and the layer from 4×4, at the heavy end of each net."""
    asked = []
    suits = products.suits

    def listening(x: Tensor, weight: Tensor, small: int) -> bool:
        asked.append((answer := suits(x, weight, small), small, tuple(weight.shape)))
        return answer

    monkeypatch.setattr(products, "suits", listening)
    gan = archs.build(recipe.load("dcgan-64"))
    gan.discriminator(gan.generator(torch.randn(2, gan.z_dim)))
    assert [entry[1:] for entry in asked if entry[0]] == [(4, (512, 256, 4, 4)), (4, (512, 256, 4, 4))]
    assert len(asked) == 8
