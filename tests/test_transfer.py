"""A run that begins with another: what fits is taken, the rest is fresh, and what is frozen stays as it came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from boceto import archs, origins, probing, recipe, starting
from boceto.cli import main
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.device import choose
from boceto.doctor import Finding
from boceto.errors import UsageError
from boceto.files import load_tensors
from boceto.gan import take
from boceto.runs import Run
from boceto.state import State
from boceto.training import _treatable
from conftest import drawing

TABLE: dict[str, Any] = {
    "arch": {
        "name": "r3gan",
        "resolution": 32,
        "channels": 3,
        "z_dim": 8,
        "width": 8,
        "most": 8,
        "group": 4,
        "blocks": 1,
    },
    "objective": {"loss": "relativistic", "r1_gamma": 1.0, "r2_gamma": 1.0, "r1_every": 1},
    "train": {"batch": 8, "kimg": 0.032, "precision": "float32", "g_lr": 1e-3, "d_lr": 1e-3, "ema_kimg": 0.05},
    "watch": {"log_kimg": 0.008, "sample_kimg": 0.032, "snapshot_kimg": 0.016, "samples": 4, "scored": 0},
}
DCGAN = {**TABLE, "arch": {"name": "dcgan", "resolution": 16, "channels": 3, "z_dim": 8, "g_width": 4, "d_width": 4}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer")


@pytest.fixture(scope="module")
def sized(drawings: Path, folder: Path) -> dict[int, Prepared]:
    """The drawings at 32 and at 64 px."""
    return {side: prepare(drawings, folder / f"{side}", size=side, workers=1) for side in (32, 64)}


@pytest.fixture(scope="module")
def others(folder: Path) -> Prepared:
    """Other drawings, at 32 px."""
    (source := folder / "others").mkdir()
    for i in range(24):
        drawing(100 + i).save(source / f"{i}.png")
    return prepare(source, folder / "others-32", size=32, workers=1)


@pytest.fixture(scope="module")
def first(sized: dict[int, Prepared], folder: Path) -> Run:
    return go(sized[32], folder / "first")


def go(data: Prepared, out: Path, *changes: str, table: dict[str, Any] = TABLE, **how: Any) -> Run:
    """Train into ``out``; ``origin``: what it begins with."""
    out.parent.mkdir(parents=True, exist_ok=True)
    file = out.with_suffix(".toml")
    file.write_text(recipe.parse(table, "tests").to_toml(), "utf-8")
    return starting.train(file, data.folder, out, changes=changes, device_name="cpu", **how)


def weights(run: Run, snapshot: str = "last") -> dict[str, torch.Tensor]:
    return load_tensors(run.snapshot(snapshot))[0]


def begun(run: Run, wanted: recipe.Recipe | None = None) -> State:
    """The state that a run began in."""
    setting = wanted or run.recipe
    return State.fresh(setting, choose("cpu", "float32"), origins.load(run.about, setting))


# ── what is taken ──


def test_other_drawings_begin_with_all_of_it(first: Run, others: Prepared, tmp_path: Path) -> None:
    said: list[str] = []
    run = go(others, tmp_path / "run", origin=first.folder, announce=said.append)
    assert f"all weights come from {first.folder} (000000032)" in said
    assert run.about["origin"] == {"run": str(first.folder), "snapshot": "000000032"}
    came, now = weights(first), begun(run).nets()
    assert came.keys() == now.keys() and not [name for name in came if not torch.equal(came[name], now[name])]
    averaged = [name for name in came if name.startswith("ema.")]
    assert averaged and any((came[name] != came[f"generator.{name[4:]}"]).any() for name in averaged), "no average"
    moved = weights(run)
    assert all((moved[name] != came[name]).any() for name in came if "from_image" in name or "to_image" in name)


def test_a_larger_one_takes_what_fits(first: Run, sized: dict[int, Prepared], tmp_path: Path) -> None:
    said: list[str] = []
    run = go(sized[64], tmp_path / "run", "arch.resolution=64", origin=first.folder, announce=said.append)
    state, came = begun(run), weights(first)
    now = state.nets()
    torch.manual_seed(0)
    untouched = archs.build(run.recipe)
    fresh = {name for name in now if ".stages.64." in name}
    assert len(fresh) == 3 * 5  # G's, its average's and D's new block: three weights, two biases
    assert now.keys() - came.keys() == fresh
    assert not [name for name in came if not torch.equal(came[name], now[name])]
    for name in fresh:
        assert torch.equal(now[name], untouched.state_dict()[name.replace("ema.", "generator.")]), name
    sizes = {name: weight.numel() for name, weight in untouched.named_parameters()}
    share = 1 - sum(size for name, size in sizes.items() if name in fresh) / sum(sizes.values())
    assert f"{100 * share:.0f} % of the weights come from {first.folder} (000000032), the others begin fresh" in said


def test_a_smaller_one_takes_what_fits(sized: dict[int, Prepared], tmp_path: Path) -> None:
    large = go(sized[64], tmp_path / "large", "arch.resolution=64", "train.kimg=0.016")
    small = go(sized[32], tmp_path / "small", "train.kimg=0.008", origin=large.folder)
    came, now = weights(large), begun(small).nets()
    assert now.keys() < came.keys() and not [name for name in now if not torch.equal(came[name], now[name])]


def test_a_layer_is_taken_whole_or_not_at_all() -> None:
    a = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 4))
    b = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), nn.Linear(3, 4, bias=False))
    before = {name: value.clone() for name, value in b.state_dict().items()}
    with torch.no_grad():
        for parameter in a.parameters():
            parameter.fill_(2)
    assert take(b, a) == {name for name in before if name.startswith("1.")}
    changed = {name for name, value in b.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"1.weight", "1.bias"} and (b.get_parameter("1.weight") == 2).all()


def test_a_dcgan_of_another_size_takes_its_like(data: Prepared, tmp_path: Path, drawings: Path) -> None:
    """D's layers from the picture on, G's from the latents on."""
    small = go(data, tmp_path / "small", "objective.r1_gamma=0", "objective.r2_gamma=0", table=DCGAN)
    twice = prepare(drawings, tmp_path / "data", size=32, workers=1)
    changes = ["arch.resolution=32", "objective.r1_gamma=0", "objective.r2_gamma=0", "train.kimg=0.008"]
    run = go(twice, tmp_path / "large", *changes, table=DCGAN, origin=small.folder)
    came, now = weights(small), begun(run).nets()
    for name in ("discriminator.layers.0.weight", "discriminator.layers.2.weight"):
        assert torch.equal(came[name], now[name])


def test_a_run_of_which_nothing_fits_is_refused(first: Run, sized: dict[int, Prepared], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"other sizes .*arch\.width.*and no layer fits; start from one"):
        go(sized[32], tmp_path / "a", "arch.width=12", "arch.most=12", "arch.z_dim=6", origin=first.folder)
    with pytest.raises(UsageError, match="a r3gan cannot start from a dcgan"):
        other = go(sized[32], tmp_path / "dcgan", "arch.resolution=32", table=DCGAN)
        go(sized[32], tmp_path / "b", origin=other.folder)
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


# ── what is frozen ──


def test_frozen_layers_stay_and_the_others_learn(first: Run, others: Prepared, tmp_path: Path) -> None:
    run = go(others, tmp_path / "run", "train.freeze_d=4", origin=first.folder)
    assert run.recipe.train.freeze_d == 4 and "freeze_d = 4" in (run.folder / "recipe.toml").read_text()
    came, now = weights(first), weights(run)
    d = {name for name in came if name.startswith("discriminator.")}
    stay = {name for name in d if torch.equal(came[name], now[name])}
    block = "discriminator.stages.32.block1"
    assert stay == {
        "discriminator.from_image.weight",
        *(f"{block}.{layer}.{kind}" for layer in ("expand", "mix") for kind in ("weight", "bias")),
        f"{block}.contract.weight",
    }
    assert not [name for name in came if name.startswith("generator.") and torch.equal(came[name], now[name])]
    logged = {key for line in run.read_log() for key in line if key.startswith("d/gradient/")}
    assert logged == {f"d/gradient/{name}" for name in list(begun(run).layers["discriminator"])[4:]}
    state = begun(run)
    optimised = {id(weight) for group in state.d_optimiser.param_groups for weight in group["params"]}
    assert len(state.frozen) == 6 and not optimised & {id(weight) for weight in state.frozen}
    moments = {key for key in load_tensors(run.state)[0] if key.startswith("optimiser.discriminator.")}
    assert moments and not [key for key in moments if key.removeprefix("optimiser.").rpartition(".")[0] in stay]


def test_norms_and_biases_belong_to_the_layer_before_them() -> None:
    gan = archs.build(recipe.parse({"arch": DCGAN["arch"]}, "tests"))
    images = torch.zeros(2, 3, 16, 16)
    assert list(probing.lower(gan.discriminator, 0, images)) == []
    assert list(probing.lower(gan.discriminator, 1, images)) == ["layers.0.weight"]
    assert list(probing.lower(gan.discriminator, 2, images)) == [
        *("layers.0.weight", "layers.2.weight", "layers.3.weight", "layers.3.bias")
    ]


def test_stopped_and_resumed_it_ends_the_same(first: Run, others: Prepared, tmp_path: Path) -> None:
    """Bit for bit, moments too, though what it began with has gone meanwhile."""
    whole = go(others, tmp_path / "whole", "train.freeze_d=3", origin=first.folder)
    halves = go(others, tmp_path / "halves", "train.freeze_d=3", "train.kimg=0.008", origin=first.folder)
    hidden = first.folder.rename(tmp_path / "hidden")
    try:
        starting.resume(halves.folder, changes=["train.kimg=0.032"], device_name="cpu")
    finally:
        hidden.rename(first.folder)
    a, b = (load_tensors(run.state)[0] for run in (whole, halves))
    assert a.keys() == b.keys() and len(a) > 40
    assert not [name for name in a if not torch.equal(a[name], b[name])]


def test_it_thaws_when_told(first: Run, others: Prepared, tmp_path: Path) -> None:
    run = go(others, tmp_path / "run", "train.freeze_d=4", "train.kimg=0.016", origin=first.folder)
    thawed = starting.resume(run.folder, changes=["train.freeze_d=0", "train.kimg=0.032"], device_name="cpu")
    name = "discriminator.from_image.weight"
    before, after = (weights(thawed, snapshot)[name] for snapshot in ("000000016", "000000032"))
    assert torch.equal(before, weights(first)[name]) and not torch.equal(after, before)


def test_what_cannot_be_frozen_is_refused(
    first: Run, sized: dict[int, Prepared], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def says(*changes: str, origin: Path | None = first.folder, side: int = 32, table: dict[str, Any] = TABLE) -> str:
        with pytest.raises(UsageError) as caught:
            go(sized[side], tmp_path / "run", *changes, table=table, origin=origin)
        assert not (tmp_path / "run").exists() and "\n" not in str(caught.value)
        return str(caught.value)

    assert "this one comes from none; give a trained one with --from" in says("train.freeze_d=1", origin=None)
    assert "which has 15 layers; freeze 14 at most" in says("train.freeze_d=15")  # 1, four blocks of 3, the head's 2
    large = says("train.freeze_d=2", "arch.resolution=64", side=64)
    assert f"layer 2 of D does not come from {first.folder}; freeze 1 at most" in large
    wide = says("train.freeze_d=1", "arch.width=4")
    assert f"layer 1 of D does not come from {first.folder}; leave train.freeze_d out" in wide
    assert "freeze_d = -1" in says("train.freeze_d=-1")
    grown = {**TABLE, "arch": {"name": "progan", "resolution": 32, "z_dim": 8, "width": 8, "stage_kimg": [0.008]}}
    grown["objective"] = {}
    stage = go(sized[32], tmp_path / "stage", "train.kimg=0.008", table=grown)
    assert "the D of a progan grows" in says("train.freeze_d=1", "arch.start=16", origin=stage.folder, table=grown)
    run = go(sized[32], tmp_path / "alone", "train.kimg=0.008")
    assert main(["resume", str(run.folder), "--set", "train.freeze_d=1"]) == 2
    assert "this one comes from none" in capsys.readouterr().err


def test_a_run_that_goes_on_is_not_taken_back_to_nothing(first: Run, others: Prepared, tmp_path: Path) -> None:
    """A roll-back to before the first snapshot would need what the run began with; without, frozen layers were random."""
    run = go(others, tmp_path / "run", "doctor.act=roll-back", origin=first.folder)
    state, origin = begun(run), origins.load(run.about, run.recipe)

    class Sick:
        def since(self) -> int:
            return 1

    ill = Finding("collapse", 8, 1, 8, "one picture", "", grave=True)
    assert not _treatable(run, ill, Sick(), state, None)  # type: ignore[arg-type]
    assert _treatable(run, ill, Sick(), state, origin)  # type: ignore[arg-type]
