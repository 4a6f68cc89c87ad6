"""Progressive growing: the listings' nets at every stage, fading, inheriting, restarting, exact resuming in a fade."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import boceto
from boceto import archs, recipe, starting
from boceto.archs.progan import ProGAN
from boceto.clock import Clock
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.device import choose
from boceto.errors import UsageError
from boceto.gan import Batch, Origin
from boceto.recipe import Recipe
from boceto.runs import Run
from boceto.state import State
from boceto.training import steps

CPU = choose("cpu", "float32")


def build(**sections: Any) -> ProGAN:
    torch.manual_seed(0)
    arch = {"name": "progan", "stage_kimg": [1.0], **sections.pop("arch", {})}
    gan = archs.build(recipe.parse({"arch": arch, **sections}, "test"))
    assert isinstance(gan, ProGAN)
    return gan


def tiny(**arch: Any) -> ProGAN:
    """8 → 16 → 32 with few filters, 10 batches of 8 a stage."""
    sizes = {"resolution": 32, "z_dim": 8, "width": 8, "stage_kimg": [0.08]}
    return build(arch={**sizes, **arch}, train={"batch": 8})


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


# base 4 / base 5: D, G at α = 1, G while the old picture is kept (the thesis's table)
STAGES = [
    ((2_367_745, 2_774_787, 2_774_787), (2_370_049, 3_007_491, 3_007_491)),
    ((3_252_481, 3_954_947, 3_955_718), (3_254_785, 4_187_651, 4_188_422)),
    ((3_473_665, 4_397_187, 4_397_958), (3_475_969, 4_629_891, 4_630_662)),
    ((3_547_521, 4_507_715, 4_508_102), (3_549_825, 4_740_419, 4_740_806)),
    ((3_621_377, 4_581_571, 4_581_766), (3_623_681, 4_814_275, 4_814_470)),
]


@pytest.mark.parametrize("base", [4, 5])
def test_parameters_of_every_stage(base: int) -> None:
    gan = build(arch={"base": base, "resolution": base * 32})
    for stage, expected in enumerate(STAGES):
        d, g, g_fading = expected[base - 4]
        gan.reach(Clock(nimg=1024 * stage))
        assert gan.generator.side == base * 2 ** (stage + 1)
        assert (count(gan.discriminator), count(gan.generator)) == (d, g_fading)
        gan.generator.fade(1.0)
        assert count(gan.generator) == g


def test_alpha_comes_from_a_count() -> None:
    """0.2 + 0.00008 a batch: 0.6 after 5,000, 1 after 10,000 and never more (summed in floats it went beyond)."""
    gan = build(arch={"resolution": 16, "stage_kimg": [8, 200]}, train={"batch": 8})
    found = {}
    for batches in (0, 1, 5_000, 9_999, 10_000, 10_001, 20_000):
        gan.reach(Clock(nimg=8_000 + 8 * batches))
        found[batches] = gan.generator.alpha
    assert found[0] == 0.2 and found[5_000] == pytest.approx(0.6, abs=1e-12)
    assert found[1] == pytest.approx(0.20008, abs=1e-12) and found[9_999] < 1
    assert found[10_000] == found[10_001] == found[20_000] == 1.0


def test_the_first_stage_needs_no_fading() -> None:
    gan = tiny()
    gan.reach(Clock())
    assert gan.status() == {"resolution": 8, "alpha": 1.0}


def test_fading_over_a_share_of_the_stage() -> None:
    gan = tiny(fade_share=0.5, alpha_start=0.0)
    alphas = []
    for batches in range(10, 20):
        gan.reach(Clock(nimg=8 * batches))
        alphas.append(gan.generator.alpha)
    assert alphas == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("transition", [1, 2])
@pytest.mark.parametrize("options", [{}, {"fade_d": True, "equalised": True, "max_norm": 0.0}], ids=["thesis", "paper"])
def test_what_is_inherited(transition: int, options: dict[str, Any]) -> None:
    """After growth the old weights stand where they stood, at α = 0 the picture is the old one enlarged, and everything
    gets a gradient."""
    gan = tiny(alpha_start=0.0, **options)
    gan.reach(Clock(nimg=80 * (transition - 1)))
    for net in (gan.generator, gan.discriminator):
        net.fade(1.0)
    z, before = torch.randn(4, 8), {name: p.detach().clone() for name, p in gan.named_parameters()}
    old = gan.generator(z)
    logits_before = gan.discriminator(old)
    assert gan.reach(Clock(nimg=80 * transition)), "it grew"
    for name, value in gan.named_parameters():
        proxy = "to_image" in name or "from_image" in name
        if name in before and not proxy:
            assert torch.equal(value, before[name]), name
    way_out = before["generator.to_image.0.layer.weight" if options else "generator.to_image.0.weight"]
    assert torch.equal(next(gan.generator.to_image_before.parameters()), way_out)  # type: ignore[union-attr]
    new = gan.generator(z)
    assert torch.equal(new, F.interpolate(old, scale_factor=2.0))
    if options:
        torch.testing.assert_close(gan.discriminator(new), logits_before)
    gan.reach(Clock(nimg=80 * transition + 8))  # with α above 0, and logits that are not all but 0:
    nn.init.normal_(last_weight(gan.discriminator))
    batch = Batch(torch.rand(4, 3, 32, 32), torch.randn(4, 8))
    gan.d_terms(batch, Clock()).total.backward()
    gan.g_terms(batch, Clock()).total.backward()
    assert not [name for name, p in gan.named_parameters() if p.grad is None or not p.grad.abs().sum()]


def last_weight(net: nn.Module) -> Tensor:
    return [p for p in net.parameters() if p.dim() == 2][-1]


def test_the_picture_between_old_and_new() -> None:
    gan = tiny(alpha_start=0.25, alpha_step=0.01)
    gan.reach(Clock(nimg=80))
    z, g = torch.randn(2, 8), gan.generator
    x = g.base(z)
    middle = g.blocks["8"](x)
    old, new = g.to_image_before(middle), g.to_image(g.blocks["16"](middle))  # type: ignore[misc]
    expected = 0.75 * old.repeat_interleave(2, 2).repeat_interleave(2, 3) + 0.25 * new
    torch.testing.assert_close(g(z), expected)


def test_real_pictures_are_reduced_by_averaging_and_blended_on_request() -> None:
    real = torch.rand(2, 3, 32, 32)
    gan = tiny(alpha_start=0.25, blend_reals=True)
    torch.testing.assert_close(gan.shown(real), real.view(2, 3, 8, 4, 8, 4).mean(dim=(3, 5)))
    gan.reach(Clock(nimg=80))
    sharp = real.view(2, 3, 16, 2, 16, 2).mean(dim=(3, 5))
    soft = F.interpolate(F.avg_pool2d(sharp, 2), scale_factor=2.0)
    torch.testing.assert_close(gan.shown(real), 0.75 * soft + 0.25 * sharp)
    assert tiny(fade_d=True).shown(real).shape == (2, 3, 8, 8)


def test_batches_and_stages_are_functions_of_images_seen() -> None:
    gan = tiny(stage_batch=[8, 4, 2], stage_kimg=[0.05, 0.02])
    begins = dict(gan._begins())
    assert begins == {0: 0, 1: 56, 2: 76}, "whole batches: 7 of 8, then 5 of 4"
    assert [gan.batch_at(n) for n in (0, 55, 56, 75, 76, 10_000)] == [8, 8, 4, 4, 2, 2]


def pictures(gan: ProGAN, begin: int, count: int) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Batches as the loop gets them: a function of the images seen."""
    found, nimg = [], begin
    for _ in range(count):
        n = gan.batch_at(nimg)
        random = np.random.Generator(np.random.PCG64(nimg))
        found.append(random.integers(0, 256, (n, 3, 32, 32), np.uint8))
        nimg += n
    return found


def test_optimisers_begin_anew_with_each_stage_unless_kept() -> None:
    for keep in (False, True):
        gan = tiny(keep_optimiser=keep)
        state = State.fresh(gan.recipe, CPU)
        list(steps(state, pictures(gan, 0, 11), CPU, gan.recipe))
        inherited = state.gan.generator.base[1].weight  # type: ignore[index,union-attr]
        new = state.gan.generator.blocks["16"][1].weight  # type: ignore[index,union-attr]
        assert state.g_optimiser.state[inherited]["step"].item() == (11 if keep else 1)
        assert state.g_optimiser.state[new]["step"].item() == 1


def test_the_average_grows_with_g() -> None:
    gan = tiny()
    state = State.fresh(gan.recipe, CPU)
    list(steps(state, pictures(gan, 0, 10), CPU, gan.recipe))
    inherited = {name: t.clone() for name, t in state.ema.state_dict().items() if "to_image" not in name}
    state.reach(state.now)
    for name, tensor in state.ema.state_dict().items():
        if name in inherited:
            assert torch.equal(tensor, inherited[name]), "the average of old weights goes on"
        elif name.startswith(("blocks.16", "to_image.")):
            assert torch.equal(tensor, state.gan.generator.state_dict()[name]), "that of new ones begins with them"
    assert not any(p.requires_grad for p in state.ema.parameters())


TINY: dict[str, Any] = {
    "arch": {
        "name": "progan",
        "resolution": 16,
        "channels": 3,
        "z_dim": 8,
        "width": 8,
        "stage_kimg": [0.064],
        "fade_share": 0.75,
        "fade_d": True,
        "blend_reals": True,
    },
    "train": {"batch": 8, "kimg": 0.128, "precision": "float32"},
    "watch": {"log_kimg": 0.016, "sample_kimg": 0.032, "snapshot_kimg": 0.032, "samples": 4, "scored": 0},
}


def go(data: Prepared, out: Path, *changes: str, **how: Any) -> Run:
    file = out.parent / "tiny.toml"
    file.write_text(recipe.parse(TINY, "tests").to_toml(), "utf-8")
    return starting.train(file, data.folder, out, changes=changes, device_name="cpu", **how)


def tensors(run: Run) -> dict[str, Tensor]:
    return safetensors.torch.load_file(run.state)


@pytest.mark.parametrize("kimg", ["0.04", "0.064", "0.072", "0.088", "0.12"])
@pytest.mark.parametrize("options", [[], ["arch.keep_optimiser=true", "train.optimiser=rmsprop", "balance.d_turns=2"]])
def test_resumed_inside_a_fade_equals_uninterrupted(
    data: Prepared, tmp_path: Path, kimg: str, options: list[str]
) -> None:
    """Stopped in the first stage, at the growth, in the fade twice, after it: bit for bit the same in the end."""
    whole = go(data, tmp_path / "whole", *options)
    go(data, tmp_path / "half", *options, f"train.kimg={kimg}")
    resumed = go(data, tmp_path / "half", *options)
    first, second = tensors(whole), tensors(resumed)
    assert set(first) == set(second) and len(first) > 60
    assert not [name for name in first if not torch.equal(first[name], second[name])]
    assert [entry["nimg"] for entry in resumed.read_log()] == sorted({entry["nimg"] for entry in resumed.read_log()})


def test_every_stage_is_saved_and_samples_as_it_was(data: Prepared, tmp_path: Path) -> None:
    run = go(data, tmp_path / "run", "watch.snapshot_kimg=1000")
    assert list(run.snapshots()) == [64, 128]
    assert boceto.load(run.folder, "000000064").sample(3).shape == (3, 8, 8, 3)
    assert boceto.load(run.folder).sample(3).shape == (3, 16, 16, 3)
    sizes = {path.stat().st_size > 0 and Image_size(path) for path in run.samples().values()}
    assert len(sizes) == 1, "sheets of all stages have one size"
    log = run.read_log()
    assert {entry["resolution"] for entry in log} == {8, 16}
    assert log[-1]["alpha"] == 1.0


def Image_size(path: Path) -> tuple[int, int]:  # noqa: N802
    from PIL import Image

    return Image.open(path).size


def test_a_snapshot_inside_a_fade_shows_the_blended_picture(data: Prepared, tmp_path: Path) -> None:
    run = go(data, tmp_path / "run", "train.kimg=0.088")
    model = boceto.load(run.folder)
    entry = run.read_log()[-1]
    assert 0.2 < entry["alpha"] < 1
    assert model.generator.alpha == pytest.approx(entry["alpha"])  # type: ignore[arg-type]


def test_a_stage_restarts_from_its_predecessor(data: Prepared, tmp_path: Path) -> None:
    first = go(data, tmp_path / "first", "train.kimg=0.064")
    changes = ["arch.start=16", "train.kimg=0.064"]
    second = go(data, tmp_path / "second", *changes, origin=first.folder)
    assert second.about["origin"]["snapshot"] == "000000064"
    assert second.read_log()[0]["resolution"] == 16 and second.read_log()[0]["alpha"] < 1
    again = go(data, tmp_path / "again", *changes, "train.kimg=0.024", origin=first.folder)
    resumed = go(data, again.folder, *changes)
    a, b = tensors(second), tensors(resumed)
    assert not [name for name in a if not torch.equal(a[name], b[name])]
    # with nothing trained yet it draws what its predecessor drew
    fresh = State.fresh(second.recipe, CPU, Origin(sampling_gan(first)))
    z = torch.randn(2, 8)
    assert torch.allclose(fresh.gan.generator(z), sampling_gan(first).generator(z), atol=1e-6)  # in two memory orders


def sampling_gan(run: Run) -> Any:
    from boceto.sampling import load_gan

    return load_gan(run.folder)


def test_what_cannot_be_started_from(data: Prepared, tmp_path: Path, tiny: Recipe) -> None:
    with pytest.raises(UsageError, match=r"arch\.start = 16 goes on from a trained stage of 8 pixels; give its run"):
        go(data, tmp_path / "a", "arch.start=16")
    full = go(data, tmp_path / "full")
    with pytest.raises(UsageError, match=r"draws at 16 pixels, and arch\.start = 16 goes on from .* 8 pixels"):
        go(data, tmp_path / "b", "arch.start=16", origin=full.folder)
    go(data, tmp_path / "c", "arch.start=16", "train.kimg=0.008", origin=full.folder, origin_snapshot="000000064")
    with pytest.raises(UsageError, match=r"other sizes than this recipe asks for \(they differ in .*arch\.width"):
        go(data, tmp_path / "d", "arch.start=16", "arch.width=4", origin=full.folder, origin_snapshot="000000064")
    with pytest.raises(UsageError, match="no snapshot '000000063'"):
        go(data, tmp_path / "e", "arch.start=16", origin=full.folder, origin_snapshot="000000063")
    file = tmp_path / "dcgan.toml"
    file.write_text(tiny.to_toml(), "utf-8")
    other = starting.train(file, data.folder, tmp_path / "dcgan", device_name="cpu")
    with pytest.raises(UsageError, match="a progan cannot start from a dcgan"):
        go(data, tmp_path / "f", origin=other.folder)
    with pytest.raises(UsageError, match="nowhere does not exist"):
        go(data, tmp_path / "g", origin=tmp_path / "nowhere")
    assert not [name for name in "abdefg" if (tmp_path / name).exists()], "nothing is left of what was refused"


def test_any_stage_restarts(data: Prepared, drawings: Path, tmp_path: Path) -> None:
    """The third stage from the second: the nets it is built with have come to the end of theirs."""
    large = prepare(drawings, tmp_path / "data", size=32, workers=1)
    table = {**TINY, "arch": {**TINY["arch"], "resolution": 32, "stage_kimg": [0.032]}}
    file = tmp_path / "three.toml"
    file.write_text(recipe.parse(table, "tests").to_toml(), "utf-8")
    whole = starting.train(file, large.folder, tmp_path / "whole", changes=["train.kimg=0.096"], device_name="cpu")
    parameters = {name: sum(p.numel() for p in net.parameters()) for name, net in complete(whole).items()}
    assert whole.about["parameters"] == parameters, "those of the net that it becomes"
    changes = ["arch.start=32", "train.kimg=0.032"]
    how = {"origin": whole.folder, "origin_snapshot": "000000064", "device_name": "cpu"}
    again = starting.train(file, large.folder, tmp_path / "again", changes=changes, **how)  # type: ignore[arg-type]
    assert {line["resolution"] for line in again.read_log()} == {32}


def complete(run: Run) -> dict[str, torch.nn.Module]:
    gan = archs.build(run.recipe)
    gan.reach(Clock(nimg=10**9))
    return {"generator": gan.generator, "discriminator": gan.discriminator}


def test_what_a_run_began_with_stands(data: Prepared, tmp_path: Path) -> None:
    first = go(data, tmp_path / "first", "train.kimg=0.064")
    changes = ["arch.start=16", "train.kimg=0.016"]
    second = go(data, tmp_path / "second", *changes, origin=first.folder)
    assert go(data, second.folder, *changes, "train.kimg=0.024", origin=first.folder).id == second.id
    with pytest.raises(UsageError, match=r"second was begun from .*first, not from .*other; leave --from out"):
        go(data, second.folder, *changes, origin=tmp_path / "other")
    with pytest.raises(UsageError, match=r"first was begun from nothing, not from .*first; leave --from out"):
        go(data, first.folder, "train.kimg=0.064", origin=first.folder)


def test_a_snapshot_of_no_run_is_refused(data: Prepared, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="000000064 is a snapshot of which run"):
        go(data, tmp_path / "run", origin_snapshot="000000064")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["arch.stage_kimg=5"], r"stage_kimg = 5: input should be a list in brackets"),
        (["arch.stage_batch=[8, 64]"], r"40 pictures, fewer than a batch of 64; .* --set arch\.stage_batch=\[20\]"),
        (["arch.stage_batch=[8, 4]", "data.order=fixed"], r"one size throughout, but they are of 8 → 4"),
        (["arch.stage_batch=[1, 2]", "data.order=random-single", "train.batch=1"], r"but they are of 1 → 2"),
    ],
)
def test_stages_that_cannot_be(changes: list[str], says: str, data: Prepared, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        go(data, tmp_path / "run", *changes)
    assert not (tmp_path / "run").exists()


def test_a_training_that_ends_before_the_last_stage_says_so(data: Prepared, tmp_path: Path) -> None:
    said: list[str] = []
    go(data, tmp_path / "run", "train.kimg=0.064", announce=said.append)
    assert said[1:] == [
        "16 pixels would come after 0.064 thousand images (arch.stage_kimg), but train.kimg = 0.064 ends it before"
    ]
    said.clear()
    go(data, tmp_path / "whole", announce=said.append)
    assert len(said) == 1


def test_another_architecture_starts_from_its_like_too(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(tiny.to_toml(), "utf-8")
    first = starting.train(file, data.folder, tmp_path / "first", device_name="cpu")
    second = starting.train(
        file, data.folder, tmp_path / "second", changes=["train.kimg=0.008"], origin=first.folder, device_name="cpu"
    )
    fresh = State.fresh(second.recipe, CPU, Origin(sampling_gan(first)))
    expected = safetensors.torch.load_file(first.snapshot())
    assert torch.equal(fresh.nets()["generator.layers.0.weight"], expected["generator.layers.0.weight"])


def test_weights_are_bounded_after_every_update() -> None:
    gan = tiny(max_norm=0.05)
    state = State.fresh(gan.recipe.changed(["train.d_lr=0.1", "train.g_lr=0.1"]), CPU)
    list(steps(state, pictures(gan, 0, 3), CPU, state.gan.recipe))
    for weight in (p for p in state.gan.parameters() if p.dim() > 1):
        norm = torch.linalg.vector_norm(weight, dim=2 if weight.dim() == 4 else 1)
        assert norm.max() <= 0.05 + 1e-6


def test_kimg_is_shared_out_evenly_and_then_stands(data: Prepared, tmp_path: Path) -> None:
    """A run that goes further keeps the stages it began with."""
    table = {**TINY, "arch": {key: value for key, value in TINY["arch"].items() if key != "stage_kimg"}}
    file = tmp_path / "open.toml"
    file.write_text(recipe.parse(table, "tests").to_toml(), "utf-8")
    run = starting.train(file, data.folder, tmp_path / "run", device_name="cpu")
    assert run.recipe.arch["stage_kimg"] == [0.064, 0.064]
    assert starting.train(file, data.folder, run.folder, device_name="cpu").is_finished()
    further = starting.resume(run.folder, changes=["train.kimg=0.16"], device_name="cpu")
    assert further.recipe.arch["stage_kimg"] == [0.064, 0.064]
    again = starting.train(file, data.folder, run.folder, changes=["train.kimg=0.2"], device_name="cpu")
    assert again.recipe.arch["stage_kimg"] == [0.064, 0.064] and again.seen() == 200


def test_minutes_are_shared_out_by_measured_speed(data: Prepared, tmp_path: Path) -> None:
    gan = build(arch={"resolution": 64, "stage_kimg": []}, train={"batch": 8, "minutes": 15})
    asked: list[tuple[int, int]] = []

    def speed(trial: Recipe, nimg: int) -> float:
        there = archs.build(trial)
        for later in (nimg, nimg + 100_000):  # the trial does not grow meanwhile
            there.reach(Clock(nimg=later))
        asked.append((int(there.status()["resolution"]), nimg))
        return 100.0 / len(asked)

    lengths = gan.settle(speed)["stage_kimg"]
    assert asked == [(8, 0), (16, 8), (32, 16), (64, 24)], "each stage in its own size"
    assert lengths == pytest.approx([22.5 * 0.1, 67.5 * 0.05, 202.5 * 0.1 / 3, 607.5 * 0.025], abs=1e-3)
    short = build(arch={"resolution": 64, "stage_kimg": []}, train={"batch": 8, "minutes": 15, "kimg": 16})
    assert short.settle(lambda trial, nimg: 100.0)["stage_kimg"] == pytest.approx(
        [16 / 40 * 3**i for i in range(4)], abs=1e-3
    )
    table = {**TINY, "arch": {key: value for key, value in TINY["arch"].items() if key != "stage_kimg"}}
    file = tmp_path / "open.toml"
    file.write_text(recipe.parse(table, "tests").to_toml(), "utf-8")
    changes = ["train.minutes=0.05", "train.kimg=1000"]
    run = starting.train(file, data.folder, tmp_path / "run", changes=changes, device_name="cpu")
    assert len(run.recipe.arch["stage_kimg"]) == 2
    assert starting.train(file, data.folder, run.folder, changes=changes, device_name="cpu").is_finished()
