"""Jitter that follows D: the warp and its adjoint, ADA's jitters, what moves their probability, APA, and leaks."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from boceto import leaks as room
from boceto import recipe, starting
from boceto.balance import Feedback, pseudo
from boceto.cli import main
from boceto.data import sketchbook
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.device import Compute, choose
from boceto.doctor import examine
from boceto.errors import UsageError
from boceto.files import save_tensors
from boceto.metrics import features as networks
from boceto.metrics.distances import Interval
from boceto.metrics.features import Network
from boceto.metrics.jittered import jittered, looks, share
from boceto.nn import augment
from boceto.nn.augment import augmented
from boceto.nn.warp import warped
from boceto.recipe import Recipe
from boceto.runs import Run
from boceto.state import State
from boceto.training import steps
from conftest import drawing
from test_waiting import NothingBuilt, NothingWaits

CPU = choose("cpu", "float32")
BGC = ["geometry", "tone"]


def turned(angle: float, x: float = 0.0, y: float = 0.0, size: float = 1.0) -> Tensor:
    """One affine map (1, 3, 3)."""
    c, s = size * math.cos(angle), size * math.sin(angle)
    return torch.tensor([[[c, -s, x], [s, c, y], [0.0, 0.0, 1.0]]], dtype=torch.float64)


# ── the warp ──


@pytest.mark.parametrize(("height", "width"), [(12, 12), (10, 16), (16, 7)])
def test_what_needs_no_new_pixels_keeps_every_number(height: int, width: int) -> None:
    x = torch.randn(1, 3, height, width, dtype=torch.float64)
    close: dict[str, Any] = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(warped(x, turned(0)), x, **close)
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))[None]
    torch.testing.assert_close(warped(x, mirror), x.flip(3), **close)
    torch.testing.assert_close(warped(x, turned(math.pi)), x.flip(2, 3), **close)
    if height == width:
        torch.testing.assert_close(warped(x, turned(math.pi / 2)), x.rot90(1, (2, 3)), **close)
    outside = x[:, :, :, :2].flip(3)  # the picture mirrored
    moved = torch.cat([outside, x[:, :, :, :-2]], dim=3)
    torch.testing.assert_close(warped(x, turned(0, x=-2)), moved, **close)
    assert (warped(x, turned(0.3)) - x).abs().max() > 0.1


def test_a_smooth_picture_is_turned_as_it_should_be() -> None:
    """A wave of eight pixels, moved by parts of pixels, turned and made smaller, is the wave at those places."""

    def wave(x: Tensor, y: Tensor) -> Tensor:
        return torch.sin(2 * math.pi * x / 8 + 1) * torch.cos(2 * math.pi * y / 11)

    side = 64
    middle = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    picture = wave(x, y)[None, None]
    for places in (turned(0.0, 0.37, -1.6), turned(0.5), turned(1.1, 2.3, 0.4, 0.9)):
        (a, b, c), (d, e, f) = places[0, :2].tolist()
        expected = wave(a * x + b * y + c, d * x + e * y + f)
        inside = slice(20, -20)  # what was in the picture before
        off = (warped(picture, places)[0, 0] - expected)[inside, inside].abs().max()
        assert off < 0.03


def test_made_smaller_a_picture_does_not_alias() -> None:
    """Stripes of two pixels, at half the size too fine to be shown, become their mean, not other stripes."""
    x = torch.ones(1, 1, 64, 64, dtype=torch.float64)
    x[:, :, :, ::2] = -1
    small = warped(x, turned(0, size=1.7))[:, :, 20:-20, 20:-20]
    assert small.abs().max() < 0.35
    nearest = torch.nn.functional.grid_sample(
        x,
        torch.nn.functional.affine_grid(turned(0, size=1.7)[:, :2], [1, 1, 64, 64], align_corners=False),
        padding_mode="reflection",
        align_corners=False,
    )
    assert nearest[:, :, 20:-20, 20:-20].abs().max() > 0.9


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_of_the_warp_and_theirs(channels: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, channels, 4, 3, dtype=torch.float64, requires_grad=True)
    places = torch.cat([turned(0.4, 0.7, -0.2, 1.2), turned(2.0, 1.5, 1.0, 0.8)])
    assert torch.autograd.gradcheck(lambda x: warped(x, places), (x,))
    assert torch.autograd.gradgradcheck(lambda x: warped(x, places), (x,))
    assert torch.autograd.gradgradcheck(lambda x: warped(x, places).square(), (x,))
    y = torch.randn_like(x)
    moved = warped(x, places)
    (back,) = torch.autograd.grad(moved, x, y)
    assert (moved * y).sum().item() == pytest.approx((x * back).sum().item()), "⟨A·x, y⟩ = ⟨x, Aᵀ·y⟩"


def test_within_bfloat16_the_warp_keeps_its_numbers() -> None:
    x = torch.randn(2, 3, 16, 16)
    places = turned(0.4).repeat(2, 1, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = warped(x.requires_grad_(True), places)
        (slope,) = torch.autograd.grad(inside.square().sum(), x, create_graph=True)
        torch.manual_seed(1)
        jittery = augmented(x.detach(), BGC)
    assert torch.equal(inside, warped(x, places)) and slope.dtype == torch.float32
    torch.manual_seed(1)
    assert torch.equal(jittery, augmented(x.detach(), BGC))


# ── the jitters ──


@pytest.mark.parametrize("shape", [(3, 16, 12), (1, 9, 16)])
@pytest.mark.parametrize("name", [*augment.NAMES, "geometry", "tone"])
def test_every_jitter_on_every_form(name: str, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(3)
    x = (torch.rand(8, *shape) * 2 - 1).requires_grad_(True)
    y = augmented(x, [name])
    assert y.shape == x.shape and y.isfinite().all()
    changed = (y - x).abs().amax(dim=(1, 2, 3)) > 1e-4
    assert changed.any() or (shape[0] == 1 and name in ("hue", "saturation")), "grey has neither"
    weights = torch.randn_like(y)
    (slope,) = torch.autograd.grad((y * y.detach() * weights).sum(), x, create_graph=True)
    assert slope.abs().sum() > 0
    torch.testing.assert_close(augmented(x, [name], 0.0), x, rtol=0, atol=1e-5)


def test_the_recipe_knows_all_names_and_no_others() -> None:
    assert set(get_args(recipe.Jitter)) == {*augment.NAMES, *augment.GROUPS}
    assert augment.expanded(["cutout", "tone"]) == ["cutout", *augment.GROUPS["tone"]]
    assert len(augment.NAMES) == 15


@pytest.mark.parametrize("name", sorted(set(augment.NAMES) - {"fractional-shift"}))
def test_a_jitter_acts_as_often_as_it_is_to(name: str) -> None:
    """Of 3,000 pictures, among which some are drawn to stay: a half of flips, a quarter of quarter turns."""
    torch.manual_seed(0)
    stays = {"flip": 0.5, "rotate90": 0.25, "luma-flip": 0.5}.get(name, 0.0)
    x = torch.rand(3000, 3, 8, 8) * 2 - 1
    for p in (0.3, torch.tensor(0.3)):
        changed = (augmented(x, [name], p) - x).abs().amax(dim=(1, 2, 3)) > 1e-3
        slack = 0.25 if name in ("shift", "translation", "cutout") else 0.0  # may be of no pixels
        assert 0.3 * (1 - stays) - 0.03 - slack * 0.3 < changed.float().mean() < 0.3 * (1 - stays) + 0.03


def test_what_present_recipes_draw_stays_as_it_was() -> None:
    """p = 1 draws no further random number."""
    x = torch.rand(4, 3, 16, 16)
    torch.manual_seed(5)
    expected = augment.cutout(augment.translation(augment.colour(x)))
    torch.manual_seed(5)
    assert torch.equal(augmented(x, ["colour", "translation", "cutout"]), expected)


def test_tones_do_what_they_are_called() -> None:
    x = torch.rand(1, 3, 4, 4).repeat(64, 1, 1, 1) * 2 - 1
    grey, luma = x[:, :1].repeat(1, 3, 1, 1), x.mean(dim=1)
    for name in ("hue", "saturation"):
        torch.manual_seed(0)
        torch.testing.assert_close(augmented(grey, [name]), grey, rtol=0, atol=1e-5)
        torch.testing.assert_close(augmented(x, [name]).mean(dim=1), luma, rtol=0, atol=1e-5)
    torch.manual_seed(0)
    flipped = augmented(x, ["luma-flip"]).mean(dim=1)
    turned_over = (flipped + luma).abs().amax(dim=(1, 2)) < 1e-5
    assert 16 < turned_over.sum() < 48
    chroma = augmented(x, ["hue"]) - luma[:, None]
    torch.testing.assert_close(chroma.norm(dim=1), (x - luma[:, None]).norm(dim=1), rtol=0, atol=1e-4)
    shift = augmented(x, ["brightness"]) - x
    assert shift.std(dim=(1, 2, 3)).max() < 1e-5 and 0.13 < shift.mean(dim=(1, 2, 3)).std() < 0.27
    one, three = x[:, :1], x[:, :1].repeat(1, 3, 1, 1)
    torch.manual_seed(2)
    first = augmented(one, ["tone"])
    torch.manual_seed(2)
    torch.testing.assert_close(first, augmented(three, ["tone"]).mean(dim=1, keepdim=True), rtol=0, atol=1e-5)


def test_a_figure_shows_every_jitter_on_drawings(data: Prepared, tmp_path: Path) -> None:
    assert main(["figure", "jitter", str(data.folder), "-o", str(tmp_path / "jitter.png")]) == 0
    picture = Image.open(tmp_path / "jitter.png")
    assert picture.height == 16 * (96 + 6) + 6, "the drawings, and a row a jitter"
    assert main(["figure", "jitter", str(tmp_path), "-o", str(tmp_path / "no.png")]) == 2


# ── what moves p ──


def feedback(**how: Any) -> Feedback:
    settings: dict[str, Any] = {
        "target": 0.6,
        "images": 100.0,
        "every": 2,
        "largest": {"augment_p": 0.85, "pseudo_p": 0.25},
    }
    return Feedback(**(settings | how), device=torch.device("cpu"))


def test_p_follows_d_and_keeps_to_its_bounds() -> None:
    moving, sure, unsure = feedback(), torch.tensor([3.0] * 9 + [-1.0]), torch.tensor([2.0] * 5 + [-0.1] * 5)
    moving.see(sure)
    moving.move(1)
    assert moving.p["augment_p"] == 0, "not before two steps"
    moving.see(sure)
    moving.move(2)
    assert moving.told()["sign"].item() == pytest.approx(0.8)
    assert moving.p["augment_p"].item() == moving.p["pseudo_p"].item() == pytest.approx(0.2)
    for step in range(3, 20):
        moving.see(sure)
        moving.move(step)
    assert moving.p["augment_p"].item() == pytest.approx(0.85) and moving.p["pseudo_p"].item() == pytest.approx(0.25)
    for step in range(20, 22):
        moving.see(unsure)
        moving.move(step)
    assert moving.p["augment_p"].item() < 0.85 and moving.p["pseudo_p"].item() < 0.25
    for step in range(22, 60):
        moving.see(unsure)
        moving.move(step)
    assert moving.p["augment_p"] == 0


def test_planted_pictures_tell_nothing_of_how_well_d_knows_real_ones() -> None:
    moving = feedback()
    moving.see(torch.tensor([1.0, 1.0, -9.0, -9.0]), torch.tensor([False, False, True, True]))
    assert moving.told()["sign"] == 1


def test_pseudo_plants_p_of_them_on_average() -> None:
    torch.manual_seed(0)
    real, fakes = torch.ones(7, 1, 2, 2), torch.zeros(4, 1, 2, 2)
    counts = [int(pseudo(real, fakes, torch.tensor(0.3))[1].sum()) for _ in range(500)]
    assert set(counts) == {2, 3} and np.mean(counts) == pytest.approx(2.1, abs=0.06)
    mixed, planted = pseudo(real, fakes, torch.tensor(0.3))
    assert torch.equal(mixed[:, 0, 0, 0] == 0, planted) and (real == 1).all()
    assert not pseudo(real, fakes, torch.tensor(0.0))[1].any()


def tiny(**sections: Any) -> Recipe:
    arch = {"name": "dcgan", "resolution": 16, "z_dim": 8, "g_width": 4, "d_width": 4, "d_norm": "none"}
    train = {"batch": 8, "precision": "float32", **sections.pop("train", {})}
    return recipe.parse({"arch": arch, "train": train, **sections}, "test")


ADAPTIVE = {"policy": [*BGC, "cutout"], "adaptive": True, "adapt_kimg": 0.1, "every": 2, "pseudo": True, "target": 0.05}


@pytest.mark.parametrize("loss", ["non-saturating", "least-squares", "relativistic", "wasserstein"])
def test_it_is_logged_and_moves_d(loss: str) -> None:
    objective = {"loss": loss, "r1_gamma": 1.0, "r2_gamma": 1.0, "r1_every": 2}
    setting = tiny(augment=ADAPTIVE, objective=objective, train={"d_lr": 3e-3})
    state = State.fresh(setting, CPU)
    pictures = np.random.Generator(np.random.PCG64(0)).integers(0, 90, (24, 8, 3, 16, 16), np.uint8)
    ticks = [tick.watched for tick in steps(state, pictures, CPU, setting)]
    assert {"d/sign", "d/augment_p", "d/pseudo_p", "d/planted"} <= ticks[0].keys()
    assert ticks[0]["d/augment_p"] == 0 and ticks[0]["d/planted"] == 0
    p = [float(tick["d/augment_p"]) for tick in ticks]
    assert max(p) > 0.1 and p[0] == 0 and len(set(p)) > 2
    assert all(-1 <= float(tick["d/sign"]) <= 1 for tick in ticks)
    assert max(float(tick["d/planted"]) for tick in ticks) > 0
    assert state.feedback is not None and state.gan.augment_p is state.feedback.p["augment_p"], (
        "D's pictures are jittered with that p"
    )
    assert all(torch.isfinite(value) for tick in ticks for value in tick.values())


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_nothing_of_it_waits_for_the_device(device: str) -> None:
    setting = tiny(augment=ADAPTIVE, objective={"r1_gamma": 1.0, "r1_every": 2})
    compute = Compute(torch.device(device), torch.float32, device)
    state = State.fresh(setting, compute)
    ticks = steps(state, (np.full((8, 3, 16, 16), i, np.uint8) for i in range(4)), compute, setting)
    next(ticks)
    with NothingWaits(device), NothingBuilt():
        assert len(list(ticks)) == 3


def test_a_fixed_p_is_heeded() -> None:
    """At p = 0 D sees what it sees without a policy, but for the rounding of the warp."""
    seen = []
    for table in ({"policy": ["geometry", "tone", "cutout"], "p": 0.0}, {}):
        setting = tiny(augment=table)
        gan = State.fresh(setting, CPU).gan
        torch.manual_seed(0)
        seen.append(gan.judge(torch.rand(4, 3, 16, 16)))
    torch.testing.assert_close(*seen, rtol=1e-3, atol=1e-4)


def go(data: Prepared, out: Path, *changes: str) -> Run:
    """Train the tiny recipe into ``out``."""
    file = out.parent / "tiny.toml"
    watch = {"log_kimg": 0.016, "sample_kimg": 1.0, "snapshot_kimg": 0.024, "samples": 4, "scored": 0}
    table = {"objective": {"r1_gamma": 1.0, "r1_every": 3}, "train": {"kimg": 0.08}, "watch": watch}
    file.write_text(tiny(augment=ADAPTIVE, **table).to_toml(), "utf-8")  # type: ignore[arg-type]
    return starting.train(file, data.folder, out, changes=changes, device_name="cpu")


def test_resumed_equals_uninterrupted_bit_for_bit(data: Prepared, tmp_path: Path) -> None:
    whole = go(data, tmp_path / "whole")
    go(data, tmp_path / "half", "train.kimg=0.04")  # in the midst of two steps
    resumed = go(data, tmp_path / "half")
    first, second = (safetensors.torch.load_file(run.state) for run in (whole, resumed))
    assert {"balance.augment_p", "balance.pseudo_p", "balance.signs", "balance.seen"} <= first.keys()
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert first["balance.augment_p"] > 0
    a, b = (
        [{k: line[k] for k in ("d/loss", "d/augment_p", "d/sign")} for line in run.read_log()]
        for run in (whole, resumed)
    )
    assert a[-3:] == b[-3:]


def test_a_state_from_before_goes_on(data: Prepared, tmp_path: Path) -> None:
    run = go(data, tmp_path / "run", "train.kimg=0.04")
    tensors = safetensors.torch.load_file(run.state)
    with safetensors.safe_open(run.state, "pt") as file:
        about = file.metadata()
    save_tensors(
        run.state, {k: v for k, v in tensors.items() if k[:9] not in ("balance.a", "balance.p", "balance.s")}, about
    )
    again = go(data, tmp_path / "run")
    assert again.seen() == 80
    assert 0 <= again.read_log()[-1]["d/augment_p"] < 0.5, "it has begun at 0 again"


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"augment": {"adaptive": True}}, "policy names none"),
        ({"augment": {"adaptive": True, "policy": ["tone"], "p": 0.5}}, "leave p at 1"),
        ({"augment": {"p": 1.5}}, "augment.p"),
        ({"augment": {"pseudo": 0.7}}, "augment.pseudo"),
        ({"augment": {"pseudo": True}, "balance": {"fake_as_real": 0.1}}, "both plant generated pictures"),
        ({"augment": {"policy": ["geometri"]}}, "augment.policy"),
    ],
)
def test_impossible_settings_are_refused(sections: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        tiny(**sections)


def test_a_share_may_be_said_as_a_word() -> None:
    assert tiny(augment={"pseudo": True}).augment.pseudo == 0.5
    assert tiny(augment={"pseudo": False}).augment.pseudo == 0
    assert tiny().changed(["augment.pseudo=true"]).augment.pseudo == 0.5
    again = recipe.parse(__import__("tomllib").loads(tiny(augment=ADAPTIVE).to_toml()), "again")
    assert again.augment == tiny(augment=ADAPTIVE).augment


def test_the_doctor_sees_a_p_at_its_bound() -> None:
    def findings(p: float, sign: float) -> list[str]:
        well = {
            "d/loss": 1.2,
            "g/loss": 1.0,
            "d/augment_p": p,
            "d/sign": sign,
            "d/real_right": 0.8,
            "d/fake_right": 0.8,
        }
        log = [{"nimg": 1000 * i, "step": 30 * i, **well, "d/loss": 1.2 + 0.1 * (i % 3)} for i in range(1, 40)]
        setting = recipe.load("dcgan-64-quick").changed(["augment.policy=['tone']", "augment.adaptive=true"])
        return [finding.name for finding in examine(log, setting, 3000)]

    assert findings(0.85, 0.8) == ["jitter-bound"]
    assert not findings(0.4, 0.8) and not findings(0.85, 0.5)


# ── leaks ──


def _eyes(images: Tensor) -> Tensor:
    """Stands for a feature network: a picture's colours and edges at 8 px, and how much of it is mid grey."""
    small = torch.nn.functional.avg_pool2d(images, 4) / 10
    edges = [small.diff(dim=axis).abs().mean(dim=(2, 3)) for axis in (2, 3)]
    grey = ((images - 127.5).abs().amax(dim=1) < 8).float().mean(dim=(1, 2))
    return torch.cat([small.flatten(1), small.amax(dim=(2, 3)), *edges, grey[:, None]], dim=1)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """300 portraits of the sketchbook at 32 px, all different."""
    invented = (sketchbook.invent(5, i) for i in range(1000))
    portraits = itertools.islice((one for one in invented if one.framing == "portrait"), 300)
    return np.stack([np.asarray(sketchbook.draw(one, 32).convert("RGB")) for one in portraits])


def test_a_fifth_of_jittered_pictures_is_found_and_clean_ones_are_not_accused(
    faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they are unlike the real ones: paler, and with a line down the middle."""
    monkeypatch.setattr(room, "_VIEWS", 150)
    known, names = room.Known(faces[:150], looks(Network("toy", 32, _eyes)), seed=0), ["cutout", "rotate"]
    fakes = (50 + 0.8 * faces[150:]).astype(np.uint8)
    fakes[:, :, 15:17] = 0
    for leak in room.sought_in(fakes, known, names):
        assert leak.jittered > 0.5 and leak.share.value < 0.1 and leak.verdict == "no leak", leak
    for name in names:
        spoilt = fakes.copy()
        spoilt[::5] = jittered(fakes[::5], name, seed=9)
        (leak,) = room.sought_in(spoilt, known, [name])
        assert leak.share.low < 0.2 < leak.share.high and 0.1 < leak.share.value < 0.3 and leak.verdict == "leaks", name


def test_a_jitter_that_changes_nothing_is_not_judged(faces: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_VIEWS", 50)
    grey = faces[:150].mean(axis=3, keepdims=True).repeat(3, axis=3).astype(np.uint8)
    known = room.Known(grey[:100], looks(Network("toy", 32, _eyes)), seed=0)
    (leak,) = room.sought_in(grey[100:], known, ["hue"])
    assert leak.verdict == "cannot tell"


def test_the_share_is_told_with_an_interval_that_holds_it() -> None:
    """Drawn 300 times, with a detector that finds 80 % and errs in 5 %."""
    random = np.random.Generator(np.random.PCG64(0))
    held = 0
    for _ in range(300):
        f, t = (random.binomial(500, rate) / 500 for rate in (0.05, 0.8))
        called = random.binomial(512, 0.2 * 0.8 + 0.8 * 0.05) / 512
        told = share(called, 512, f, t, 500)
        held += told.low <= 0.2 <= told.high
    assert 275 <= held <= 297


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with cutout that has hardly begun."""
    folder = tmp_path_factory.mktemp("leaks")
    (folder / "drawings").mkdir()
    for number in range(100):
        drawing(number, (16, 16)).save(folder / "drawings" / f"{number:03d}.png")
    prepared = prepare(folder / "drawings", folder / "data", size=16, workers=1, duplicates="keep")
    return go(
        prepared, folder / "run", "augment.policy=['cutout', 'flip']", "data.flip=true", "train.kimg=0.016"
    ).folder


def test_leaks_of_a_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_VIEWS", 50)
    monkeypatch.setattr(networks, "network", lambda *given: Network("toy", 16, _eyes))
    assert main(["leaks", str(run), "-n", "64", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [leak["jitter"] for leak in told["jitters"]] == ["cutout"] == list(told["verdicts"])
    assert told["left_out"] == {"flip": "data.flip mirrors the drawings themselves"}
    assert told["p"] == 0.85 and told["count"] == 64 and told["evidence"][-1].startswith("flip is not looked for")
    assert Image.open(run / "figures" / "leaks.png").width > 1000
    assert main(["leaks", str(run), "-n", "64", "-o", str(tmp_path / "seen.jpg")]) == 0
    assert "cutout" in capsys.readouterr().out and (tmp_path / "seen.jpg").is_file()


def test_what_leaks_is_named_with_the_remedy() -> None:
    def leak(jitter: str, q: float, found: float = 0.9) -> room.Leak:
        return room.Leak(jitter, "layout", q, 0.05, found, Interval(q, q - 0.03, q + 0.03, 0.015), ())

    jitters = (leak("hue", 0.1), leak("scale", 0.01), leak("cutout", 0.3), leak("shift", 0.5, found=0.1))
    told = room.Leaks("run", 1000, "lite0", 512, "abc", 0, 1.0, jitters, {}, "leaks.png")
    assert told.evidence[0] == (
        "jitter leaks into 512 generated pictures: cutout in 30 % (27 … 33) of them, hue in 10 % (7 … 13) of them; "
        "train with a lower augment.p (it was 1), or leave cutout or hue out of augment.policy"
    )
    assert told.evidence[1] == "of shift nothing can be told: drawings look alike with it and without"
    assert told.as_dict()["verdicts"] == {"hue": "leaks", "scale": "no leak", "cutout": "leaks", "shift": "cannot tell"}


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"n": 10}, "say nothing of a share"),
        ({"out": "a.txt"}, "cannot write"),
        ({"features": "vgg"}, "no feature network"),
    ],
)
def test_wrong_use(run: Path, how: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        room.leaks(run, device_name="cpu", **how)


def test_where_nothing_can_leak_it_is_said(data: Prepared, run: Path, tmp_path: Path) -> None:
    plain = go(data, tmp_path / "run", "augment.policy=[]", "augment.adaptive=false", "train.kimg=0.016")
    with pytest.raises(UsageError, match=r"nothing can leak .*augment.policy is empty"):
        room.leaks(plain.folder, device_name="cpu")
    with pytest.raises(UsageError, match="takes 64 or more"):
        room.leaks(run, data=data.folder, device_name="cpu")
