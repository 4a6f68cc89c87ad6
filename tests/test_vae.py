"""The variational autoencoder: its bound is the paper's, both nets climb it, and nothing anywhere asks for a D."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from boceto import archs, ladder, recipe, sampling, starting
from boceto.archs import vae
from boceto.cli import main
from boceto.clock import Clock
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.device import choose
from boceto.doctor import examine, treatment
from boceto.energy import SPAIN_2020
from boceto.errors import UsageError
from boceto.gan import Batch, Origin
from boceto.recipe import Recipe
from boceto.reporting import networks
from boceto.reporting.page import real_pictures
from boceto.runs import Run
from boceto.state import State
from boceto.training import steps

TABLE: dict[str, Any] = {
    "arch": {"name": "vae", "resolution": 16, "channels": 3, "z_dim": 8, "g_width": 8, "d_width": 8},
    "balance": {"update": "simultaneous"},
    "data": {"held_out": 0.4},
    "train": {"batch": 8, "kimg": 0.064, "precision": "float32", "d_lr": 1e-3, "g_lr": 1e-3},
    "watch": {"log_kimg": 0.016, "sample_kimg": 0.032, "snapshot_kimg": 0.032, "samples": 4, "scored": 0},
}


def tiny(*changes: str) -> Recipe:
    return recipe.parse(TABLE, "tests").changed(changes)


def built(*changes: str) -> vae.VAE:
    torch.manual_seed(0)
    gan = archs.build(tiny(*changes))
    assert isinstance(gan, vae.VAE)
    return gan


def levels(n: int = 4, side: int = 16) -> Tensor:
    """Pictures (n, 3, side, side) on the 256 levels."""
    return torch.randint(0, 256, (n, 3, side, side)) / 127.5 - 1


def boceto(*words: object) -> int:
    return main([str(word) for word in words])


# ── the bound ──


def test_the_divergence_is_the_closed_form_and_what_is_drawn() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    found = vae.divergence(mean, log_variance)
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    assert torch.allclose(found, torch.distributions.kl_divergence(posterior, prior).sum(dim=1))
    z = posterior.sample((200_000,))
    drawn = (posterior.log_prob(z) - prior.log_prob(z)).sum(dim=2)
    error = drawn.std(dim=0) / math.sqrt(len(z))
    assert ((drawn.mean(dim=0) - found).abs() < 5 * error).all()
    assert vae.divergence(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


def test_what_is_sampled_has_that_mean_and_spread_and_lets_gradients_pass() -> None:
    torch.manual_seed(0)
    mean, log_variance = (
        torch.tensor([[2.0, -1.0]], requires_grad=True),
        torch.tensor([[0.5, -3.0]], requires_grad=True),
    )
    noise = torch.randn(100_000, 2)
    z = vae.sampled(mean, log_variance, noise)
    spread = (0.5 * log_variance).exp()
    assert torch.allclose(z.mean(dim=0), mean[0], atol=0.02) and torch.allclose(z.std(dim=0), spread[0], rtol=0.02)
    z.sum().backward()
    assert torch.allclose(mean.grad, torch.full((1, 2), 100_000.0))  # type: ignore[arg-type]
    assert torch.allclose(log_variance.grad, 0.5 * spread * noise.sum(dim=0), rtol=1e-3)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [0.5, 0.05, 0.001])
def test_the_levels_of_a_pixel_have_probability_one_together(scale: float) -> None:
    every = (torch.arange(256, dtype=torch.float64) / 127.5 - 1)[:, None, None, None]
    log_scale = torch.tensor(math.log(scale), dtype=torch.float64)
    for middle in (-1.0, -0.301, 0.0, 0.77, 1.0):
        found = vae.log_likelihood(every, torch.full_like(every, middle), log_scale)
        assert found.exp().sum().item() == pytest.approx(1)
        assert (found <= 0).all() and found.isfinite().all()
        near = int((every.flatten() - middle).abs().argmin())
        if abs(middle) < 1 and scale < 0.1:
            assert int(found.argmax()) == near
    sigmoid = torch.sigmoid
    x, m = every[100], 0.2
    by_hand = (sigmoid((x + 1 / 255 - m) / 0.5) - sigmoid((x - 1 / 255 - m) / 0.5)).log()
    known = vae.log_likelihood(x[None], torch.full_like(x[None], m), torch.tensor(math.log(0.5), dtype=torch.float64))
    assert known.item() == pytest.approx(by_hand.item(), abs=1e-9)


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_both_turns_take_the_gradients_of_one_bound(beta: float) -> None:
    gan, real, noise = built(f"arch.beta={beta}"), levels(), torch.randn(4, 8)
    mean, log_variance = gan.posterior(real)
    drawn = gan.generator(vae.sampled(mean, log_variance, noise))
    kl = vae.divergence(mean, log_variance).mean()
    missed = -vae.log_likelihood(real, drawn, gan.generator.log_scale).mean()
    bits = (missed + beta * kl) / (3 * 16 * 16 * math.log(2))
    names, weights = zip(*gan.named_parameters(), strict=True)
    whole = dict(zip(names, torch.autograd.grad(bits, weights), strict=True))
    d = gan.d_terms(Batch(real, noise), Clock())
    d.total.backward()
    assert all(weight.grad is None for weight in gan.generator.parameters())
    g = gan.g_terms(Batch(real, noise), Clock())
    g.total.backward()
    assert d.total.item() == pytest.approx(bits.item(), rel=1e-5)
    assert g.total.item() == pytest.approx((missed / (3 * 16 * 16 * math.log(2))).item(), rel=1e-5)
    assert d.told["kl"].item() == pytest.approx(kl.item(), rel=1e-5)
    assert d.told["elbo"].item() == pytest.approx(-(missed + kl).item(), rel=1e-5), "the bound is that of β = 1"
    for name, weight in gan.named_parameters():
        assert torch.allclose(weight.grad, whole[name], rtol=1e-4, atol=1e-7), name  # type: ignore[arg-type]


def test_it_learns_a_handful_of_drawings_by_heart(data: Prepared) -> None:
    """What it draws again comes nearer and nearer to what it was shown."""
    setting, compute = tiny("train.d_lr=2e-3", "train.g_lr=2e-3", "watch.log_kimg=1000"), choose("cpu", "float32")
    state = State.fresh(setting, compute)
    shown = data.gather(range(8)).transpose(0, 3, 1, 2)
    images = torch.from_numpy(shown) / 127.5 - 1

    def off() -> float:
        with torch.no_grad():
            return float((state.gan.generator(state.gan.encode(images)) - images).abs().mean())

    before, elbo = off(), []
    for tick in steps(state, [shown] * 250, compute, setting):
        elbo.append(float(tick.watched["d/elbo"]))
    assert off() < 0.4 * before
    assert np.mean(elbo[-20:]) > 0.6 * np.mean(elbo[:20]), "the bound rises"  # both are below 0


# ── the run ──


@pytest.fixture(scope="module")
def run(data: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("vae")
    return go(data, folder / "run")


def go(data: Prepared, out: Path, *changes: str) -> Run:
    file = out.parent / "tiny.toml"
    file.write_text(tiny().to_toml(), "utf-8")
    return starting.train(file, data.folder, out, changes=changes, device_name="cpu")


@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
def test_resumed_equals_uninterrupted_bit_for_bit(data: Prepared, tmp_path: Path, update: str) -> None:
    changes = [f"balance.update={update}", "watch.snapshot_kimg=0.024", "data.flip=true"]
    whole = go(data, tmp_path / "whole", *changes)
    half = go(data, tmp_path / "half", *changes, "train.kimg=0.032")
    assert half.seen() == 32
    go(data, tmp_path / "half", *changes)
    first, second = (safetensors.torch.load_file(run.state) for run in (whole, half))
    assert set(first) == set(second) and "optimiser.generator.log_scale.exp_avg" in first
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [line["d/elbo"] for line in whole.read_log()] == [line["d/elbo"] for line in half.read_log()]


def test_the_log_tells_the_bound_and_nothing_of_a_d(run: Run) -> None:
    log = run.read_log()
    assert [line["nimg"] for line in log] == [16, 32, 48, 64]
    for line in log:
        numbers = 3 * 16 * 16 * math.log(2)
        assert line["d/loss"] * numbers == pytest.approx(-line["d/elbo"], rel=1e-4), "bits a number, nats a picture"
        assert (line["d/loss"] - line["g/loss"]) * numbers == pytest.approx(line["d/kl"], abs=0.1)
        assert line["d/kl"] > 0 > line["d/elbo"] and line["d/held_out_elbo"] < 0
        assert {"d/gradient", "g/gradient", "d/update", "g/update", "g/variety", "g/distinct"} <= line.keys()
    assert abs(log[0]["g/variety"] - 1) > 0.01, "of what it draws, not of what it is shown"
    told = {key for line in log for key in line}
    assert not {key for key in told if "right" in key or "score" in key or "planted" in key}


def test_a_batch_in_parts_gives_the_same_bound(data: Prepared, tmp_path: Path) -> None:
    parts = go(data, tmp_path / "parts", "train.micro_batch=3", "train.kimg=0.016")
    whole = go(data, tmp_path / "whole", "train.kimg=0.016")
    for key in ("d/loss", "g/loss", "d/kl", "d/elbo"):
        found = [found.read_log()[-1][key] for found in (parts, whole)]
        assert found[0] == pytest.approx(found[1], rel=0.05), key


def test_the_doctor_is_silent_about_d_and_names_the_nets() -> None:
    wanted = recipe.parse(TABLE, "tests")
    well = {"d/loss": 4.0, "g/loss": 3.9, "d/kl": 90.0, "d/elbo": -9e3, "d/held_out_elbo": -9.9e3, "waiting": 0.01}
    well |= {
        "d/gradient": 1.0,
        "g/gradient": 0.5,
        "d/update": 2e-3,
        "g/update": 2e-3,
        "g/variety": 0.8,
        "g/distinct": 1,
    }

    def found(change: dict[str, float]) -> dict[str, str]:
        lines = [
            {"nimg": 1000 * i, "step": 30 * i, **well, "d/loss": 4 + 0.1 * (i % 5), **(change if i > 30 else {})}
            for i in range(1, 61)
        ]
        return {finding.name: str(finding) for finding in examine(lines, wanted, 100)}

    assert not found({}), "600 epochs of 100 drawings, and no D that could be too certain"
    large = [{"nimg": 1000 * i, "step": i, **well, "d/loss": 40 + i % 5} for i in range(1, 40)]
    assert not examine(large, wanted, 100), "it is no D's certainty, so that it may be large"
    collapsed = found({"g/variety": 0.01})["collapse"]
    assert "the decoder draws one picture" in collapsed and "beta" in collapsed and "r1_gamma" not in collapsed
    exploded = found({"d/gradient": 100.0})["explosion"]
    assert "the encoder's gradient" in exploded and "D's" not in exploded
    (sick,) = (
        finding
        for finding in examine(
            [{"nimg": 1000 * i, "step": i, **well, "g/variety": 0.01} for i in range(1, 40)], wanted, 100
        )
        if finding.name == "collapse"
    )
    assert treatment(sick, wanted) == ["train.d_lr=0.0005", "train.g_lr=0.0005"], "there is no slope of D to hold"


def test_a_run_that_explodes_is_taken_back_with_settings_that_it_heeds(data: Prepared, tmp_path: Path) -> None:
    changes = ["doctor.act=roll-back", "doctor.patience=1", "train.g_lr=1", "train.d_lr=1", "train.kimg=0.128"]
    try:
        run = go(data, tmp_path / "run", *changes)
    except Exception as error:  # given up: but with its own words, not for a setting that no VAE has
        assert "has no discriminator" not in str(error)
        run = Run(tmp_path / "run")
    assert run.treatments()
    assert all("objective" not in change for entry in run.treatments() for change in entry["changes"])


# ── what is shown of it ──


def test_the_report_leaves_out_what_there_is_not(run: Run) -> None:
    assert boceto("report", run.folder) == 0
    page = (run.folder / "report.html").read_text("utf-8")
    drawn = {path.stem for path in (run.folder / "figures").iterdir()}
    assert {"losses", "gradients", "variety", "reconstructions", "sheet", "evolution"} <= drawn
    assert not {"scores", "confusion", "confusions"} & drawn
    for said in ("Drawn again", "that it never learned from", "in the decoder", "in the encoder", "nats a picture"):
        assert said in page, said
    for missing in ("How often D is right", "What D took for what", "in D", "Of D,"):
        assert missing not in page, missing


def test_reconstructions_stand_below_the_drawings_they_are_of(run: Run, data: Prepared, tmp_path: Path) -> None:
    assert boceto("figure", "reconstructions", run.folder, "-o", tmp_path / "again.png") == 0
    assert Image.open(tmp_path / "again.png").height > 2 * 96
    held_out = data.split(run.held_out)[1]
    unseen = {picture.tobytes() for picture in held_out.gather(range(len(held_out)))}
    assert len(unseen) == 16 and {picture.tobytes() for picture in real_pictures(run, None, 8, unseen=True)} <= unseen
    shown = data.gather(range(5))
    again = sampling.reconstruct(run.folder, shown, device_name="cpu")
    assert again.shape == shown.shape and again.dtype == np.uint8
    assert np.array_equal(again[3:], sampling.reconstruct(run.folder, shown[3:], device_name="cpu"))


def test_it_is_sampled_from_as_any_run(run: Run) -> None:
    model = sampling.load(run.folder, device_name="cpu")
    pictures = model.sample(6, seed=1)
    assert pictures.shape == (6, 16, 16, 3)
    assert np.array_equal(pictures[:3], model.sample(3, seed=1))
    assert len({picture.tobytes() for picture in pictures}) == 6


def test_beside_a_gan_each_is_called_by_its_name(
    run: Run, data: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gan.toml"
    table = {key: value for key, value in TABLE.items() if key != "balance"}
    gan = {"name": "dcgan", "resolution": 16, "channels": 3, "z_dim": 8, "g_width": 4, "d_width": 4}
    file.write_text(recipe.parse({**table, "arch": gan}, "tests").to_toml(), "utf-8")
    other = starting.train(file, data.folder, tmp_path / "gan", device_name="cpu").folder
    assert boceto("compare", run.folder, other, "--json") == 0
    first, second = json.loads(capsys.readouterr().out)["runs"]
    assert "d/elbo" in first["means"] and "d/real_right" not in first["means"]
    assert "d/real_right" in second["means"] and "d/elbo" not in second["means"]
    assert boceto("compare", run.folder, other, "-o", tmp_path / "page.html") == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("<svg") == 3, "losses of both, and how often the one D there is was right"
    assert (
        "loss of D or the encoder" in page
        and "parameters of G or the decoder" in page
        and "bound (ELBO), nats a picture" in page
    )
    assert boceto("figure", "scores", other, "-o", tmp_path / "scores.png") == 0
    assert boceto("figure", "reconstructions", other, "-o", tmp_path / "no.png") == 2
    assert "a dcgan has no encoder" in capsys.readouterr().err and not (tmp_path / "no.png").exists()


@pytest.mark.parametrize("name", ["scores", "confusion", "confusions"])
def test_figures_of_a_d_are_refused(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert boceto("figure", name, run.folder, "-o", tmp_path / "a.png") == 2
    complaint = capsys.readouterr().err
    assert "is of a vae, which has no D" in complaint and complaint.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_summary_counts_every_parameter_once() -> None:
    gan = built()
    told = networks.both(gan)
    assert list(told) == ["decoder", "encoder"]
    for (_, found), net in zip(told.values(), (gan.generator, gan.discriminator), strict=True):
        assert sum(layer.parameters for layer in networks.merged(found)) == sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("name", ["losses", "epochs", "gradients", "variety", "network", "sheet", "rows", "evolution"])
def test_all_others_can_be_drawn(run: Run, tmp_path: Path, name: str) -> None:
    assert boceto("figure", name, run.folder, "-o", tmp_path / "a.png") == 0
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_ladder_has_it_beside_the_others(drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ladder.RUNGS[-1] == "vae-64" and ladder.RUNGS[:4] == (
        "vanilla-48",
        "convolutional-64",
        "dcgan-64-quick",
        "progan-64",
    )
    prepare(drawings, tmp_path / "data", size=32, workers=1)
    for name, arch in (("encoded", "vae"), ("judged", "dcgan")):
        table = {**TABLE, "arch": {"name": arch, "resolution": 32, "z_dim": 8, "g_width": 4, "d_width": 4}}
        (tmp_path / f"{name}.toml").write_text(recipe.parse(table, "tests").to_toml(), "utf-8")
    rungs = f"{tmp_path / 'encoded.toml'},{tmp_path / 'judged.toml'}"
    words = ["ladder", tmp_path / "data", "-o", tmp_path / "out", "--rungs", rungs, "--kimg", 0.016, "--device", "cpu"]
    assert boceto(*words) == 0
    page = (tmp_path / "out" / "comparison.html").read_text("utf-8")
    assert (
        page.count("<svg") == 3
        and "parameters of D or the encoder" in page
        and "In encoded there is no contest" in page
    )
    assert "loss of the encoder" in capsys.readouterr().out


def test_a_usual_ladder_passes_over_it_where_settings_are_of_a_d(drawings: Path, tmp_path: Path) -> None:
    prepared, said = prepare(drawings, tmp_path / "data", size=64, workers=1), list[str]()
    changes = ("objective.r1_gamma=0.5",)
    usual = ladder._Ladder(
        prepared, tmp_path / "out", None, 0.1, 0, changes, "cpu", SPAIN_2020, said.append, ladder._unseen
    )
    assert [rung.name for rung in usual.plan(None)] == list(ladder.RUNGS[:4])
    assert said == ["without vae-64: a vae has no discriminator to heed objective.r1_gamma; leave that out"]
    with pytest.raises(UsageError, match="no discriminator"):
        usual.plan(["vae-64"])


WRONG = [
    ("arch.resolution=48", "vae draws at 16, 32, 64, 128 or 256 pixels"),
    ("arch.resolution=63", "vae draws at"),
    ("arch.z_dim=0", "arch.z_dim"),
    ("arch.beta=0", "arch.beta"),
    ("arch.beta=nan", "arch.beta"),
    ("arch.beta=-1", "arch.beta"),
    ("arch.channels=2", "arch.channels"),
    ("arch.d_norm=none", "unknown key 'arch.d_norm'"),
    ("objective.loss=hinge", "no discriminator to heed objective.loss"),
    ("objective.real_label=0.9", "no discriminator to heed objective.real_label"),
    ('augment.policy=["cutout"]', "no discriminator to heed augment.policy"),
    ("balance.fake_as_real=0.1", "no discriminator to heed balance.fake_as_real"),
    ("train.latents=uniform", "use train.latents=normal"),
]


@pytest.mark.parametrize(("change", "says"), WRONG, ids=[change for change, _ in WRONG])
def test_what_makes_no_sense_is_refused_in_one_sentence(
    change: str, says: str, data: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny().to_toml(), "utf-8")
    words = ["train", tmp_path / "tiny.toml", "--data", data.folder, "--out", tmp_path / "run", "--set", change]
    assert boceto(*words) == 2
    complaint = capsys.readouterr().err
    assert says in complaint and complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_it_starts_from_a_vae_and_from_no_gan(run: Run, data: Prepared, tmp_path: Path) -> None:
    state = State.fresh(tiny(), choose("cpu", "float32"), Origin(sampling.load_gan(run.folder)))
    assert torch.equal(next(state.gan.parameters()), next(sampling.load_gan(run.folder).parameters()))
    gan = archs.build(recipe.parse({"arch": {"name": "dcgan", "resolution": 16}}, "tests"))
    with pytest.raises(UsageError, match="a dcgan cannot start from a vae"):
        gan.adopt(sampling.load_gan(run.folder))


def test_the_recipe_is_small() -> None:
    gan = archs.build(recipe.load("vae-64"))
    counts = [sum(p.numel() for p in net.parameters()) for net in (gan.generator, gan.discriminator)]
    assert counts == [952_292, 1_214_560]
