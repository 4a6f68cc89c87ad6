"""The DCGAN of the second thesis, number for number."""

from __future__ import annotations

import pytest
import torch

from boceto import archs, recipe
from boceto.clock import Clock
from boceto.gan import GAN, Batch


@pytest.fixture(scope="module")
def thesis() -> GAN:
    torch.manual_seed(0)
    return archs.build(recipe.load("dcgan-64"))


def test_parameter_counts(thesis: GAN) -> None:
    assert sum(p.numel() for p in thesis.generator.parameters()) == 3_576_704
    assert sum(p.numel() for p in thesis.discriminator.parameters()) == 2_765_568


def test_shapes_on_the_way(thesis: GAN) -> None:
    sizes = []
    hooks = [
        layer.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
        for net in (thesis.generator, thesis.discriminator)
        for layer in net.modules()
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d)
    ]
    thesis.discriminator(thesis.generator(torch.randn(2, 100)))
    for hook in hooks:
        hook.remove()
    assert sizes == [
        *((512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)),
        *((64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (1, 1, 1)),
    ]


def test_initial_weights(thesis: GAN) -> None:
    for module in thesis.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            assert module.bias is None
        elif isinstance(module, torch.nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.5)
            assert not module.bias.any()


def test_settings_of_the_thesis() -> None:
    r = recipe.load("dcgan-64")
    assert (r.objective.real_label, r.objective.g_label) == (0.9, 0.9)
    assert (r.train.d_lr, r.train.g_lr, r.train.beta1, r.train.beta2, r.train.batch) == (2e-4, 2e-4, 0.5, 0.999, 128)
    assert r.objective.r1_gamma == 0 and r.augment.policy == ()


def test_both_turns_use_the_same_fakes(thesis: GAN) -> None:
    batch = Batch(real=torch.rand(2, 3, 64, 64), z=torch.randn(2, 100))
    thesis.d_terms(batch, Clock())
    made = batch.fake
    assert made is not None and made.requires_grad
    seen = []
    hook = thesis.discriminator.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    thesis.g_terms(batch, Clock())
    hook.remove()
    assert len(seen) == 1 and seen[0] is made


def test_real_and_fake_never_share_batch_norm(thesis: GAN) -> None:
    sizes = []
    hook = thesis.discriminator.register_forward_pre_hook(lambda _, arguments: sizes.append(len(arguments[0])))
    thesis.d_terms(Batch(real=torch.rand(4, 3, 64, 64), z=torch.randn(4, 100)), Clock())
    hook.remove()
    assert sizes == [4, 4]


def test_r1_is_lazy() -> None:
    r = recipe.load("dcgan-64").changed(["arch.d_norm=none", "objective.r1_gamma=1.0", "objective.r1_every=4"])
    gan = archs.build(r.changed(["arch.resolution=16", "arch.g_width=4", "arch.d_width=4"]))
    found = []
    for step in range(8):
        batch = Batch(real=torch.rand(4, 3, 16, 16), z=torch.randn(4, 100))
        found.append("r1" in gan.d_terms(batch, Clock(step=step)).losses)
    assert found == [True, False, False, False] * 2


@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_every_size_it_names(resolution: int, upsampling: str) -> None:
    table = {"resolution": resolution, "upsampling": upsampling, "g_width": 2, "d_width": 2, "d_norm": "none"}
    gan = archs.build(recipe.parse({"arch": {"name": "dcgan", **table}}, "test"))
    image = gan.generator(torch.randn(2, 100))
    assert image.shape == (2, 3, resolution, resolution)
    assert gan.discriminator(image).shape == (2,)
