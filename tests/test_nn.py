"""Layers equal PyTorch's own; augmentation is what it says, for real and fake alike."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from boceto.nn import augment, layers


@pytest.mark.parametrize("bias", [True, False])
def test_dense_forms_equal_the_convolutions(bias: bool) -> None:
    torch.manual_seed(0)
    pairs = [
        (layers.Conv2d(6, 5, 4, bias=bias), nn.Conv2d(6, 5, 4, bias=bias), (2, 6, 4, 4)),
        (layers.ConvTranspose2d(6, 5, 4, bias=bias), nn.ConvTranspose2d(6, 5, 4, bias=bias), (2, 6, 1, 1)),
    ]
    for ours, theirs, shape in pairs:
        ours.double(), theirs.double()
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        y = torch.randn_like(x).copy_(x.detach()).requires_grad_(True)
        a, b = ours(x), theirs(y)
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, rtol=0, atol=1e-13)
        for result, image, net in ((a, x, ours), (b, y, theirs)):  # through second gradients too
            (gradient,) = torch.autograd.grad(result.square().sum(), image, create_graph=True)
            gradient.square().sum().backward()
            assert net.weight.grad is not None
        torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(x.grad, y.grad, rtol=1e-12, atol=1e-12)


def test_other_shapes_go_the_usual_way() -> None:
    conv, transposed = layers.Conv2d(3, 5, 4, 2, 1), layers.ConvTranspose2d(3, 5, 4, 2, 1)
    x = torch.randn(2, 3, 8, 8)
    assert conv(x).shape == (2, 5, 4, 4)
    assert transposed(x).shape == (2, 5, 16, 16)
    assert conv(torch.randn(2, 3, 4, 4)).shape == (2, 5, 2, 2)  # covers the map, but padded: no dense layer
    assert transposed(torch.randn(2, 3, 1, 1)).shape == (2, 5, 2, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("policy", [["colour"], ["translation"], ["cutout"], ["colour", "translation", "cutout"]])
def test_augmentation_keeps_shape_and_passes_gradients(policy: list[str], channels: int) -> None:
    torch.manual_seed(1)
    x = (torch.rand(8, channels, 16, 12) * 2 - 1).requires_grad_(True)
    y = augment.augmented(x, policy)
    assert y.shape == x.shape
    y.sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


def test_translation_moves_each_picture_whole() -> None:
    torch.manual_seed(0)
    x = torch.zeros(64, 1, 16, 16)
    x[:, :, 8, 8] = 1
    y = augment.translation(x)
    assert torch.equal(y.sum(dim=(1, 2, 3)), torch.ones(64))
    rows = y.sum(dim=(1, 3)).argmax(dim=1)
    assert rows.min() == 6 and rows.max() == 10, "by up to an eighth of the side"
    edge = torch.ones(64, 1, 16, 16)
    assert augment.translation(edge).min() == 0, "nothing wraps round"


def test_cutout_blanks_a_quarter_at_most() -> None:
    torch.manual_seed(0)
    y = augment.cutout(torch.ones(64, 3, 16, 16))
    blank = (y == 0).float().mean(dim=(1, 2, 3))
    assert blank.min() > 0 and blank.max() == 0.25


def test_no_policy_changes_nothing() -> None:
    x = torch.randn(2, 3, 8, 8)
    assert augment.augmented(x, []) is x
