"""What is watched of the nets: equal to what one computes by hand, in the order of the layers, and without side effects."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from boceto import archs, probing, recipe
from boceto.device import choose
from boceto.state import State


def test_an_update_is_measured() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    net(torch.randn(5, 3)).sum().backward()
    weights = probing.layers(net, torch.zeros(2, 3))
    assert list(weights) == ["0", "2"]
    grads = {name: weight.grad.norm() for name, weight in weights.items() if weight.grad is not None}
    sizes = {name: weight.detach().norm() for name, weight in weights.items()}
    seen: dict[str, torch.Tensor] = {}
    with probing.update(weights, "g", seen):
        optimiser.step()
    assert seen["g/gradient"] == pytest.approx((grads["0"] ** 2 + grads["2"] ** 2).sqrt().item())
    for name in weights:
        assert seen[f"g/gradient/{name}"] == pytest.approx(grads[name].item())
        assert seen[f"g/update/{name}"] == pytest.approx(0.1 * grads[name].item() / sizes[name].item(), rel=1e-4)
    whole = (sizes["0"] ** 2 + sizes["2"] ** 2).sqrt()
    assert seen["g/update"] == pytest.approx(0.1 * seen["g/gradient"].item() / whole.item(), rel=1e-4)


@pytest.mark.parametrize("name", archs.names())
def test_layers_stand_from_input_to_output(name: str) -> None:
    """Of every architecture: all weights, once; G begins with what reads z, D with what reads the picture."""
    gan = archs.build(recipe.parse({"arch": {"name": name}}, "tests"))
    before = {key: value.clone() for key, value in gan.state_dict().items()}
    images = torch.zeros(2, gan.image_shape[0], *gan.image_shape[1:])
    if name in ("progan", "stylegan"):
        images = images[:, :, :8, :8]
    found = {
        "g": probing.layers(gan.generator, torch.zeros(2, gan.z_dim)),
        "d": probing.layers(gan.discriminator, images),
    }
    for net, weights in (("g", gan.generator), ("d", gan.discriminator)):
        assert len(found[net]) == sum(weight.dim() > 1 for weight in weights.parameters()) > 2
    first, *_, last = found["d"].values()
    assert first.shape[1] in (gan.image_shape[0], gan.image_shape[0] * images[0, 0].numel())
    assert last.shape[0] == (1 if gan.adversarial else 2 * gan.z_dim)
    assert gan.z_dim in next(iter(found["g"].values())).shape
    assert all(torch.equal(value, before[key]) for key, value in gan.state_dict().items())
    assert gan.training and gan.discriminator.training and not any(m._forward_pre_hooks for m in gan.modules())


def test_a_grown_net_has_its_newest_layers_in_their_places() -> None:
    wanted = recipe.load("progan-64").changed(["arch.width=8", "arch.stage_kimg=[0.032]", "arch.fade_d=true"])
    state = State.fresh(wanted, choose("cpu", "float32"))
    assert [name.split(".")[:2] for name in state.layers["discriminator"]][:2] == [["from_image", "0"], ["blocks", "8"]]
    state.now = state.now.tick(32)
    state.reach(state.now)
    order = [".".join(name.split(".")[:2]) for name in state.layers["discriminator"]]
    assert order.index("from_image.0") < order.index("blocks.16") < order.index("blocks.8") < order.index("base.1")
    assert next(iter(state.layers["generator"])).startswith("base.1")
    assert any(name.startswith("blocks.16") for name in state.layers["generator"])


def test_variety_tells_alike_from_different() -> None:
    torch.manual_seed(0)
    real = torch.rand(16, 3, 32, 32).repeat_interleave(1, 0) * torch.rand(16, 1, 1, 1)
    same = probing.variety(real[:1].expand(16, -1, -1, -1), real)
    assert same["g/variety"] == pytest.approx(0.0, abs=1e-6) and same["g/distinct"] == pytest.approx(1 / 16)
    alike = probing.variety(real, real.flip(0))
    assert alike["g/variety"] == pytest.approx(1.0, abs=1e-5) and alike["g/distinct"] > 0.6
    two = probing.variety(torch.cat([real[:1], -real[:1]]).repeat(8, 1, 1, 1), real)
    assert two["g/distinct"] == pytest.approx(2 / 16)
    assert probing.variety(real[:1], real) == {}
    assert torch.isfinite(probing.variety(real, real[:1].expand(16, -1, -1, -1))["g/variety"])


def test_held_out_drawings_are_looked_at_and_not_learned_from() -> None:
    """By halves D takes them for real and for generated; batch norm's statistics stay as they were."""
    gan = archs.build(recipe.parse({"arch": {"name": "dcgan", "resolution": 16, "d_norm": "batch"}}, "tests"))
    torch.manual_seed(0)
    pictures = torch.rand(8, 3, 16, 16) * 2 - 1
    statistics = {key: value.clone() for key, value in gan.discriminator.named_buffers()}
    assert statistics
    outputs = gan.discriminator(pictures).detach()
    for key, value in gan.discriminator.named_buffers():
        value.copy_(statistics[key])
    seen = probing.held_out(gan, pictures, torch.zeros(()))
    assert seen["d/held_out_score"] == pytest.approx(outputs.sigmoid().mean().item(), abs=1e-5)
    assert seen["d/held_out_right"] == (outputs > 0).float().mean()
    assert probing.held_out(gan, pictures, outputs.median() + 1e-6)["d/held_out_right"] == 0.5
    assert all(torch.equal(value, statistics[key]) for key, value in gan.discriminator.named_buffers())
