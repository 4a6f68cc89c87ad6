"""StyleGAN: its layers counted, styles, mixing, truncation, labels; growing at any shape, exact resuming in a fade."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import boceto
from boceto import archs, recipe, starting
from boceto.archs.stylegan import Block, Generator, StyleGAN
from boceto.cli import main
from boceto.clock import AT_LAST, Clock
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.errors import UsageError
from boceto.gan import Batch
from boceto.nn.styles import AdaIN, Constant, Noise
from boceto.reporting import networks
from boceto.reporting.standing import network, shape
from boceto.runs import Run

SMALL = {"name": "stylegan", "resolution": 16, "z_dim": 8, "w_dim": 8, "depth": 2, "width": 8, "stage_kimg": [0.08]}


def build(*labels: str, **arch: Any) -> StyleGAN:
    """8 → 16 with few filters unless said otherwise, 10 batches of 8 a stage."""
    torch.manual_seed(0)
    table = {"arch": {**SMALL, **arch}, "train": {"batch": 8}, "data": {"labels": list(labels)}}
    gan = archs.build(recipe.parse(table, "test"))
    assert isinstance(gan, StyleGAN)
    return gan


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


# ── layers ──


@pytest.mark.parametrize(
    ("resolution", "base", "sizes"),
    [
        (32, None, [(8, 8), (16, 16), (32, 32)]),
        (40, 5, [(10, 10), (20, 20), (40, 40)]),
        ([48, 32], None, [(12, 8), (24, 16), (48, 32)]),
        ([16, 40], [4, 10], [(8, 20), (16, 40)]),
    ],
)
def test_shapes_of_every_stage(resolution: Any, base: Any, sizes: list[tuple[int, int]]) -> None:
    gan = build(resolution=resolution, **({} if base is None else {"base": base}))
    assert gan.image_shape == (3, *sizes[-1])
    assert [stage.shape for stage in gan.stages()] == [(*sizes[-1], 3)] * len(sizes)
    real = torch.rand(2, *gan.image_shape) * 2 - 1
    for stage, size in enumerate(sizes):
        gan.reach(Clock(nimg=80 * stage + 16))  # in the midst of a fade
        assert gan.status()["resolution"] == size[0] and (gan.generator.alpha < 1 or not stage)
        images = gan.generator(torch.randn(2, 8))
        assert images.shape == (2, 3, *size) == gan.shown(real).shape
        assert gan.discriminator(images).shape == (2,)
        gan.d_terms(Batch(real, torch.randn(2, 8)), Clock()).total.backward()


def test_parameters_counted_by_hand() -> None:
    mapping = 2 * (8 * 8 + 8)
    convolution, styled = 9 * 8 * 8 + 8, 8 + 8 * 16 + 16  # noise; from w to a scale and a shift
    block, to_image = 2 * (convolution + styled), 3 * 8 + 3
    g = mapping + 8 * 4 * 4 + convolution + 2 * styled + block + to_image
    from_image, end = 3 * 8 + 8, (9 * 9 * 8 + 8) + (8 * 16 * 8 + 8) + 9
    d = from_image + 2 * convolution + end
    gan = build()
    assert (count(gan.generator), count(gan.discriminator)) == (g, d) == (2659, 2897)
    gan.reach(Clock(nimg=80))
    assert (count(gan.generator), count(gan.discriminator)) == (g + block + to_image, d + 2 * convolution + from_image)
    gan.reach(AT_LAST)
    assert (count(gan.generator), count(gan.discriminator)) == (g + block, d + 2 * convolution)


def test_the_paper_s_widths() -> None:
    """At 1024 px the official G has 26,219,627 parameters: eight ways out of smaller pictures more, and a bias."""
    with torch.device("meta"):
        gan = build(resolution=1024, z_dim=512, w_dim=512, depth=8, width=512)
        gan.reach(AT_LAST)
    assert [gan.config.filters(level) for level in range(9)] == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    others = sum(3 * width + 3 for width in (512, 512, 512, 512, 256, 128, 64, 32))
    assert count(gan.generator) == 26_219_627 - others - 512


def test_adain_gives_a_map_the_statistics_that_w_asks_for() -> None:
    torch.manual_seed(0)
    norm, w = AdaIN(5, 3), torch.randn(4, 5)
    x = 7 * torch.randn(4, 3, 16, 16) + torch.arange(3.0)[:, None, None]
    scale, shift = norm.style(w).chunk(2, dim=1)
    y = norm(x, w)
    torch.testing.assert_close(y.mean((2, 3)), shift, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(y.std((2, 3), correction=0), (1 + scale).abs(), atol=1e-4, rtol=1e-4)
    expected = F.instance_norm(x) * (1 + scale)[:, :, None, None] + shift[:, :, None, None]
    torch.testing.assert_close(y, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(norm(x, torch.zeros(4, 5)), F.instance_norm(x), atol=1e-4, rtol=1e-4)


def test_it_begins_with_ones_and_silent_noise() -> None:
    gan = build()
    (constant,) = (part for part in gan.modules() if isinstance(part, Constant))
    noises = [part for part in gan.modules() if isinstance(part, Noise)]
    assert torch.equal(constant.values, torch.ones(8, 4, 4)) and len(noises) == 4
    assert not any(noise.strength.any() for noise in noises)
    assert all(noise.strength.shape == (8,) for noise in noises), "a strength for each channel"


def test_noise_is_new_while_training_and_still_when_drawing() -> None:
    net, z = build(mixing=0).generator, torch.randn(2, 8)
    for part in net.modules():
        if isinstance(part, Noise):
            nn.init.ones_(part.strength)
    assert not torch.equal(net(z), net(z))
    net.eval()
    assert torch.equal(net(z), net(z))


# ── growing ──


def test_growth_is_continuous() -> None:
    """At α = 0 the picture is the old one enlarged, D says of it what it said, and weights stand where they stood."""
    gan = build()
    before = {name: value.clone() for name, value in gan.state_dict().items()}
    z = torch.randn(4, 8)
    gan.eval()
    old = gan.generator(z)
    said = gan.discriminator(old)
    assert gan.reach(Clock(nimg=80)) and gan.generator.alpha == 0
    gan.eval()
    new = gan.generator(z)
    assert torch.equal(new, F.interpolate(old, scale_factor=2.0))
    torch.testing.assert_close(gan.discriminator(new), said)
    after = gan.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(after[name], value)}
    assert changed and all("to_image" in name or "from_image" in name for name in changed)
    gan.reach(Clock(nimg=120))
    assert gan.generator.alpha == pytest.approx(1.0) and gan.generator.to_image_before is None, "half a stage later"


def test_the_picture_between_old_and_new() -> None:
    gan = build()
    gan.reach(Clock(nimg=96))
    net, w = gan.generator, torch.randn(2, 6, 8)
    assert net.alpha == pytest.approx(0.4)
    net.eval()
    middle = net.blocks["8"](net.base(w, w[:, :2]), w[:, 2:4])
    old, new = net.to_image_before(middle), net.to_image(net.blocks["16"](middle, w[:, 4:]))  # type: ignore[misc]
    torch.testing.assert_close(net.draw(w), 0.6 * F.interpolate(old, scale_factor=2.0) + 0.4 * new)


@pytest.mark.parametrize(
    ("arch", "says"),
    [
        ({"resolution": 100}, "100×100 cannot be halved down to a map with a shorter side of 4 to 7"),
        ({"resolution": 7}, "from base 7 stylegan draws at 14, 28"),
        ({"resolution": 64, "base": 5}, "from base 5 stylegan draws at 10, 20, 40"),
        ({"resolution": [96, 64], "base": 4}, r"\[96, 64\]: from base 4 stylegan draws at 8, 16"),
        ({"resolution": [96, 64], "base": [3, 4]}, r"from base \[3, 4\] stylegan draws at \[6, 8\]"),
        ({"resolution": 64, "base": 32}, "the smallest map has sides from 2 to 16"),
        ({"resolution": [96, 64, 3]}, r"give a side in pixels, or two in brackets: \[height, width\]"),
        ({"resolution": "large"}, r"arch\.resolution = 'large': give a side in pixels"),
        ({"resolution": 64.5}, "give a side in pixels"),
        ({"resolution": [96, 64], "start": 16}, "start = 16: the stages are 12, 24, 48, 96"),
    ],
)
def test_sizes_that_cannot_be_are_refused_in_a_sentence(arch: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says) as told:
        build(**arch)
    assert "\n" not in str(told.value) and str(told.value).count("arch.resolution") <= 1


def test_a_fade_that_a_stage_cuts_short_lasts_as_long_as_the_stage() -> None:
    table = {"name": "progan", "resolution": 32, "width": 8, "stage_kimg": [0.08]}  # α from 0.2 by 0.00008 a batch
    gan = archs.build(recipe.parse({"arch": table, "train": {"batch": 8}}, "test"))
    assert [gan.lasts(nimg) for nimg in (0, 80, 152, 160)] == [80, 80 + 80, 160, 160 + 8 * 10_000]
    grown = build(resolution=32)
    assert [grown.lasts(nimg) for nimg in (0, 80, 112, 120, 160, 200)] == [80, 120, 120, 160, 200, float("inf")]


# ── styles ──


def test_mixing_changes_the_layers_after_a_cut_only() -> None:
    gan = build(mixing=1.0)
    gan.reach(AT_LAST)
    net, z = gan.generator, torch.randn(64, 8)
    torch.manual_seed(1)
    styles = net.styles(z)
    assert styles.shape == (64, 6, 8)
    own = net.mapping(z)
    is_own = (styles == own[:, None]).all(dim=2)  # (64, 6)
    cuts = is_own.sum(dim=1)
    assert torch.equal(is_own, torch.arange(6) < cuts[:, None]), "its own w first, then the other"
    assert set(cuts.tolist()) == {1, 2, 3, 4, 5}, "any layer but the first"
    assert all(len(row[cut:].unique(dim=0)) == 1 for row, cut in zip(styles, cuts.tolist(), strict=True))
    net.eval()
    assert torch.equal(net.styles(z), net.mapping(z)[:, None].expand(-1, 6, -1)), "none when drawing"


def test_a_style_reaches_its_own_layers_only() -> None:
    """Coarse styles fixed and fine ones exchanged: the maps before the cut stay as they are."""
    gan = build()
    gan.reach(AT_LAST)
    net = gan.generator.eval()
    maps: list[Tensor] = []
    for part in net.modules():
        if isinstance(part, Block):
            part.register_forward_hook(lambda _, inputs, out: maps.append(out))
    w = torch.randn(2, 6, 8)
    mixed = torch.cat((w[:, :4], torch.randn(2, 2, 8)), dim=1)
    pictures = net.draw(w), net.draw(mixed)
    same = [torch.equal(a, b) for a, b in zip(maps[:3], maps[3:], strict=True)]
    assert same == [True, True, False] and not torch.equal(*pictures)


def test_the_other_styles_are_of_latents_drawn_alike() -> None:
    """Labels stay as they are, and latents from U(0, 1) are mixed with such."""
    for uniform in (False, True):
        net, seen = Generator(build().config, c_dim=2, uniform=uniform), list[Tensor]()
        net.mapping.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        labels = torch.eye(2).repeat(32, 1)
        net.styles(torch.cat((torch.rand(64, 8), labels), dim=1))
        latents, told = seen[0][64:, :8], seen[0][64:, 8:]
        assert torch.equal(told, labels) and bool((latents < 0).any()) != uniform


def test_truncation_at_0_draws_one_picture() -> None:
    gan = build()
    gan.reach(AT_LAST)
    net, z = gan.generator, torch.randn(3, 8)
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(64, 8))  # the mean of w comes to be
    net.eval()
    assert net.mapping.mean.abs().sum() > 0
    whole, spread = net(z), []
    for psi in (0.0, 0.5, 1.0):
        net.mapping.psi = psi
        spread.append((net(z) - net(z)[:1]).abs().max().item())
    assert spread[0] == 0 < spread[1] < spread[2] and torch.equal(net(z), whole)


# ── labels ──


def test_labels_change_the_picture_and_what_d_says_of_it() -> None:
    gan = build("hat", "smile")
    gan.reach(AT_LAST)
    z, labels = torch.randn(3, 8), torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    gan.eval()
    plain, told = (gan.generator(torch.cat((z, of), dim=1)) for of in (torch.zeros(3, 2), labels))
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(plain, told, strict=True))
    net = gan.discriminator
    assert net.labels is not None
    said, unsaid = gan.judge(told, labels), gan.judge(told)
    features = net.base(net.blocks["8"](net.blocks["16"](net.from_image(told))))
    expected = (net.labels(labels) * features).sum(dim=1) / 8**0.5
    torch.testing.assert_close(said - unsaid, expected)
    assert expected.abs().min() > 0


def test_labels_are_learned_by_both_nets() -> None:
    gan = build("hat", "smile")
    labels = torch.eye(2).repeat(4, 1)
    batch = Batch(torch.rand(8, 3, 16, 16), torch.cat((torch.randn(8, 8), labels), dim=1), labels=labels)
    gan.d_terms(batch, Clock()).total.backward()
    gan.g_terms(batch, Clock()).total.backward()
    silent = [name for name, p in gan.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent and sum("labels" in name for name, _ in gan.named_parameters()) == 3


# ── runs ──

TINY: dict[str, Any] = {
    "arch": {**SMALL, "channels": 3, "stage_kimg": [0.064], "fade_share": 0.75},
    "objective": {"loss": "wasserstein", "gp_lambda": 10, "drift": 0.001},
    "train": {"batch": 8, "kimg": 0.128, "precision": "float32", "d_lr": 1e-3, "g_lr": 1e-3, "beta1": 0.0},
    "watch": {"log_kimg": 0.016, "sample_kimg": 0.032, "snapshot_kimg": 0.032, "samples": 4, "scored": 0},
}


def go(data: Prepared, out: Path, *changes: str, **how: Any) -> Run:
    file = out.parent / "tiny.toml"
    file.write_text(recipe.parse(TINY, "tests").to_toml(), "utf-8")
    return starting.train(file, data.folder, out, changes=changes, device_name="cpu", **how)


@pytest.mark.parametrize("options", [[], ["arch.keep_optimiser=true", "objective.loss=non-saturating"]])
def test_resumed_inside_a_fade_equals_uninterrupted(data: Prepared, tmp_path: Path, options: list[str]) -> None:
    """Stopped at the growth and twice in the fade: bit for bit the same in the end, the mean of W too."""
    whole = go(data, tmp_path / "whole", *options)
    for kimg in ("0.064", "0.072", "0.088"):
        half = go(data, tmp_path / "half", *options, f"train.kimg={kimg}")
    assert 0 < half.read_log()[-1]["alpha"] < 1
    resumed = go(data, tmp_path / "half", *options)
    first, second = (safetensors.torch.load_file(run.state) for run in (whole, resumed))
    assert set(first) == set(second) and first["ema.mapping.mean"].any()
    assert not [name for name in first if not torch.equal(first[name], second[name])]


def test_a_stage_restarts_from_its_predecessor(data: Prepared, tmp_path: Path) -> None:
    first = go(data, tmp_path / "first", "train.kimg=0.064")
    second = go(data, tmp_path / "second", "arch.start=16", "train.kimg=0.016", origin=first.folder)
    assert {line["resolution"] for line in second.read_log()} == {16}
    with pytest.raises(UsageError, match=r"arch\.start = 16 goes on from a trained stage of 8 pixels; give its run"):
        go(data, tmp_path / "third", "arch.start=16")


def test_not_square_from_drawings_to_the_report(
    drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """12×8 → 24×16 by way of what a person gives; a size that does not fit names the one that does."""
    data, run = prepare(drawings, tmp_path / "data", size="16x24", workers=1), tmp_path / "run"
    with pytest.raises(UsageError, match=r"or use --set arch\.resolution=\[24,16\]"):
        go(data, run)
    log = go(data, run, "arch.resolution=[24,16]").read_log()
    assert {line["resolution"] for line in log} == {12, 24} and log[-1]["alpha"] == 1
    assert boceto.load(run).sample(3).shape == (3, 24, 16, 3)
    assert (shape(Run(run).recipe), network(Run(run).recipe)) == ((24, 16, 3), "stylegan 16×24")
    capsys.readouterr()
    alone = tmp_path / "alone"
    words = ["sample", str(run), "-n", "4", "--psi", "0", "-o", str(tmp_path / "s.png"), "--separate", str(alone)]
    assert main([*words, "--json"]) == 0
    pictures = [Path(path).read_bytes() for path in json.loads(capsys.readouterr().out)["pictures"]]
    assert len(pictures) == 4 and len(set(pictures)) == 1, "psi is truncation in W: at 0 there is one picture"
    assert main(["report", str(run)]) == 0 and (run / "report.html").stat().st_size > 10_000


def test_the_diagram_tells_noise_and_adain_with_their_layer() -> None:
    gan = build()
    rows = networks.merged(networks.both(gan)["generator"][1])
    assert [row.text.removesuffix(", equalised") for row in rows[-6:]] == [
        *("learned map", "convolution 3×3"),
        *("enlarge ×2", "convolution 3×3", "convolution 3×3"),
        "convolution 1×1",
    ]
    assert rows[-2].then == ("noise", "LeakyReLU 0.2", "AdaIN") and rows[-1].shape == (3, 8, 8)
    assert sum(row.parameters for row in rows) == count(gan.generator)


def test_the_recipe_of_the_thesis() -> None:
    wanted = recipe.load("stylegan-64-thesis")
    objective, train = wanted.objective, wanted.train
    assert (objective.loss, objective.gp_lambda, objective.drift) == ("wasserstein", 10, 0.001)
    assert (train.d_lr, train.g_lr, train.beta1, train.beta2, train.eps) == (1e-3, 1e-3, 0, 0.99, 1e-8)
    with torch.device("meta"):
        large = archs.build(wanted.changed(["arch.resolution=1024"]))
        gan = archs.build(wanted)
    assert large.batch_sizes == (16, 16, 16, 16, 8, 4, 2, 1)
    assert [stage.kimg for stage in gan.stages()] == [80, 160, 160, 160] and not gan.notice
    gan.reach(Clock(nimg=80_000 + 16 * 2500))
    assert gan.status() == {"resolution": 16, "alpha": 0.5}
