"""Training: exact resuming, clean stopping, an honest log, atomic files."""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

import boceto
from boceto import doctor, starting, training
from boceto.data.batches import batches, look
from boceto.data.prepared import Prepared
from boceto.device import choose
from boceto.errors import Fault, UsageError
from boceto.recipe import Recipe
from boceto.runs import Run
from boceto.state import State
from boceto.training import steps


def go(tiny: Recipe, data: Prepared, out: Path, *changes: str, **how: Any) -> Run:
    """Train the tiny recipe, changed, into ``out``."""
    file = out.parent / "tiny.toml"
    file.write_text(tiny.to_toml(), "utf-8")
    return starting.train(file, data.folder, out, changes=changes, device_name="cpu", **how)


def tensors(run: Run) -> dict[str, Tensor]:
    return safetensors.torch.load_file(run.state)


def assert_equal_states(a: Run, b: Run) -> None:
    """Every tensor of nets, average and optimisers, bit for bit, and the clock."""
    first, second = tensors(a), tensors(b)
    assert set(first) == set(second) and len(first) > 60
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert not different
    assert a.seen() == b.seen()


EVERYTHING = ["arch.d_norm=none", "objective.r1_gamma=1.0", "objective.r1_every=3", "data.flip=true"]
EVERYTHING += ['augment.policy=["colour","translation","cutout"]', "watch.snapshot_kimg=0.024"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("changes", [[], EVERYTHING], ids=["plain", "everything"])
def test_resumed_equals_uninterrupted_bit_for_bit(
    tiny: Recipe, data: Prepared, tmp_path: Path, changes: list[str], precision: str
) -> None:
    changes = [*changes, f"train.precision={precision}"]
    whole = go(tiny, data, tmp_path / "whole", *changes)
    half = go(tiny, data, tmp_path / "half", *changes, "train.kimg=0.032")
    assert half.seen() == 32
    resumed = go(tiny, data, tmp_path / "half", *changes)
    assert_equal_states(whole, resumed)
    again = [entry["nimg"] for entry in resumed.read_log()]
    assert again == sorted(set(again)), "no line twice"


def test_killed_equals_uninterrupted_bit_for_bit(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    """SIGKILL somewhere after a saved state; the same command goes on from there."""
    changes = ["train.kimg=4", "watch.snapshot_kimg=0.16", "watch.log_kimg=0.08", "watch.sample_kimg=100"]
    whole = go(tiny, data, tmp_path / "whole", *changes)
    code = (
        "import sys; from boceto import starting\n"
        "starting.train(sys.argv[1], sys.argv[2], sys.argv[3], changes=sys.argv[4:], device_name='cpu')"
    )
    out = tmp_path / "killed"
    command = [sys.executable, "-c", code, str(tmp_path / "tiny.toml"), str(data.folder), str(out), *changes]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 120
        while not list((out / "snapshots").glob("0*.safetensors")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
    killed = Run(out)
    assert 0 < killed.seen() < 4000, "it was killed on the way"
    resumed = go(tiny, data, out, *changes)
    assert_equal_states(whole, resumed)
    for name in ("d/loss", "g/loss"):
        assert [e[name] for e in resumed.read_log()] == [e[name] for e in whole.read_log()]


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_interrupting_saves_and_says_how_to_go_on(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    file, out = tmp_path / "tiny.toml", tmp_path / "run"
    file.write_text(tiny.changed(["train.kimg=1000"]).to_toml(), "utf-8")
    command = [sys.executable, "-m", "boceto", "train", str(file), "--data", str(data.folder), "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (out / "log.jsonl").exists() or not (out / "log.jsonl").read_text():
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=240)
    assert process.returncode == 0, complained
    assert "boceto resume" in said and not complained
    run = Run(out)
    before = run.seen()
    assert run.read_log()[-1]["nimg"] == before > 0
    more = starting.resume(out, changes=[f"train.kimg={(before + 16) / 1000}"], device_name="cpu")
    assert more.seen() == before + 16


def test_a_finished_run_stays_as_it_is(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run")
    before = {path: path.read_bytes() for path in sorted(run.folder.rglob("*")) if path.is_file()}
    assert go(tiny, data, tmp_path / "run").is_finished()
    assert {path: path.read_bytes() for path in sorted(run.folder.rglob("*")) if path.is_file()} == before


def test_what_a_run_leaves_behind(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run")
    assert list(run.snapshots()) == [32, 64]
    assert list(run.samples()) == [0, 32, 64]
    log = run.read_log()
    assert [entry["nimg"] for entry in log] == [16, 32, 48, 64]
    expected = {"nimg", "step", "seconds", "images_per_second", "waiting", "joules", "memory_mb", "d/loss", "g/loss"}
    expected |= {"d/real_score", "d/real_right", "d/fake_score", "d/fake_right"}
    expected |= {"d/gradient", "g/gradient", "d/update", "g/update", "g/variety", "g/distinct"}
    assert {key for key in log[0] if key.count("/") < 2} == expected
    assert [key for key in log[0] if key.startswith("d/gradient/")] == [f"d/gradient/layers.{i}" for i in (0, 2, 5)]
    assert run.about["data"]["content_hash"] == data.content_hash
    assert set(run.about["parameters"]) == {"generator", "discriminator"}
    assert not list(run.folder.rglob("*.partial")) and not list(run.folder.rglob("*.pt"))


def test_log_lines_are_means_of_the_steps_between(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run")
    compute = choose("cpu", "float32")
    state = State.fresh(run.recipe, compute)
    stream = batches(data, seed=0, nimg=0, batch=8)
    ticks = [tick for tick, _ in zip(steps(state, stream, compute, run.recipe), range(8), strict=False)]
    for i, entry in enumerate(run.read_log()):
        pair = [float(tick.watched["d/loss"]) for tick in ticks[2 * i : 2 * i + 2]]
        assert entry["d/loss"] == pytest.approx(np.mean(pair), abs=1e-5)


def test_what_is_held_out_is_never_learned_from(
    tiny: Recipe, data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned, held_out = data.split(16)
    known, unknown = ({part.gather([i]).tobytes() for i in range(len(part))} for part in (learned, held_out))
    assert len(known) == 24 and len(unknown) == 16 and not known & unknown
    shown: dict[str, set[bytes]] = {"batches": set(), "look": set()}

    def noting_batches(*args: Any, **how: Any) -> Any:
        for pixels in batches(*args, **how):
            shown["batches"] |= {picture.transpose(1, 2, 0).tobytes() for picture in pixels}
            yield pixels

    def noting_look(*args: Any, **how: Any) -> Any:
        pixels: Any = look(*args, **how)
        shown["look"] |= {picture.transpose(1, 2, 0).tobytes() for picture in pixels}
        return pixels

    monkeypatch.setattr(training, "batches", noting_batches)
    monkeypatch.setattr(training, "look", noting_look)
    run = go(tiny, data, tmp_path / "run", "data.held_out=0.4", "train.kimg=0.24")
    assert shown["batches"] == known and shown["look"] == unknown
    assert (run.pictures, run.held_out) == (24, 16)
    assert all({"d/held_out_score", "d/held_out_right"} <= entry.keys() for entry in run.read_log())
    with pytest.raises(UsageError, match="held_out cannot change"):
        starting.resume(run.folder, changes=["data.held_out=0.45"])


def test_a_run_begun_before_there_was_holding_out_goes_on_with_all(
    tiny: Recipe, data: Prepared, tmp_path: Path
) -> None:
    run = go(tiny, data, tmp_path / "run", "data.held_out=0.4", "train.kimg=0.032")
    about = json.loads((run.folder / "run.json").read_text())
    del about["data"]["held_out"]
    (run.folder / "run.json").write_text(json.dumps(about))
    old = starting.resume(run.folder, changes=["train.kimg=0.064"])
    assert (old.pictures, old.held_out) == (40, 0)
    assert "d/held_out_score" not in old.read_log()[-1]


def test_minutes_stop_a_run(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run", "train.kimg=1000000", "train.minutes=0.02")
    assert 0 < run.seen() < 1e8
    assert run.is_finished()


def test_training_learns(tiny: Recipe, tmp_path: Path) -> None:
    """On pictures of one colour, G finds that colour within a few hundred small steps."""
    from PIL import Image

    folder = tmp_path / "red"
    folder.mkdir()
    for i in range(32):
        Image.new("RGB", (16, 16), (200 + i, 40, 30 + i)).save(folder / f"{i}.png")
    data = boceto.prepare(folder, tmp_path / "data", size=16, duplicates="keep", bars="keep")
    run = go(tiny, data, tmp_path / "run", "train.kimg=3", "train.g_lr=2e-3", "train.d_lr=2e-3", "train.ema_kimg=0.2")
    colour = boceto.load(run.folder).sample(16).mean(axis=(0, 1, 2))
    assert np.abs(colour - (215, 40, 45)).max() < 50


def test_divergence_ends_in_one_sentence_and_keeps_the_last_state(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run")
    before = run.state.read_bytes()
    with pytest.raises(Fault, match=r"training diverged: .*not finite"):
        starting.resume(run.folder, changes=["train.kimg=5", "train.g_lr=1e30"], device_name="cpu")
    assert run.state.read_bytes() == before
    log, kept = run.read_log(broken=True), run.read_log()
    assert [line["nimg"] for line in log] == [16, 32, 48, 64, 80] and math.isnan(log[-1]["g/loss"])
    assert "g/loss" not in kept[-1] and "NaN" not in (run.folder / "log.jsonl").read_text("utf-8")
    assert "explosion" in [finding.name for finding in doctor.examine(log, run.recipe, 40)]
    again = starting.resume(run.folder, changes=["train.kimg=0.08", "train.g_lr=1e-4"], device_name="cpu")
    assert [line["nimg"] for line in again.read_log(broken=True)] == [16, 32, 48, 64, 80]
    assert math.isfinite(again.read_log()[-1]["g/loss"])


def test_a_run_refuses_another_recipe_and_other_pictures(
    tiny: Recipe, data: Prepared, drawings: Path, tmp_path: Path
) -> None:
    run = go(tiny, data, tmp_path / "run")
    with pytest.raises(UsageError, match=r"begun with train\.batch = 8, not 4"):
        go(tiny, data, tmp_path / "run", "train.batch=4")
    other = boceto.prepare(drawings, tmp_path / "other", size=16, fit="squish", paper="black")
    with pytest.raises(UsageError, match="other pictures"):
        go(tiny, other, tmp_path / "run")
    for change in ("arch.g_width=8", "train.seed=1"):
        with pytest.raises(UsageError, match=f"{change.partition('=')[0]} cannot change"):
            starting.resume(run.folder, changes=[change])


def test_data_that_do_not_fit_are_refused_before_anything_is_written(
    tiny: Recipe, drawings: Path, data: Prepared, tmp_path: Path
) -> None:
    other = boceto.prepare(drawings, tmp_path / "other", size="32x16")
    with pytest.raises(UsageError, match="32×16 colour, but the recipe draws 16×16 colour"):
        go(tiny, other, tmp_path / "run")
    with pytest.raises(UsageError, match=r"40 pictures, fewer than a batch of 64"):
        go(tiny, data, tmp_path / "run", "train.batch=64")
    assert not (tmp_path / "run").exists()


def test_what_a_network_and_a_training_forbid_each_other(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"batch norm in D mixes them .*arch\.d_norm=none"):
        go(tiny, data, tmp_path / "run", "objective.loss=wasserstein", "objective.gp_lambda=10")
    vanilla = tiny.model_copy(update={"arch": {"name": "vanilla", "resolution": 16, "channels": 3}})
    with pytest.raises(UsageError, match=r"vanilla's batch norm can measure; use two or more"):
        go(vanilla, data, tmp_path / "run", "train.batch=1")
    assert not (tmp_path / "run").exists()
    single = go(tiny, data, tmp_path / "run", "train.batch=1", "train.kimg=0.004", "data.order=random-single")
    assert single.is_finished(), "a DCGAN's batch norm has 4×4 numbers to measure even then"


def test_grey_data_make_a_grey_network(tiny: Recipe, drawings: Path, tmp_path: Path) -> None:
    grey = boceto.prepare(drawings, tmp_path / "grey", size=16, grey=True)
    table = tiny.model_dump()
    del table["arch"]["channels"]
    run = go(Recipe.model_validate(table), grey, tmp_path / "run")
    assert boceto.load(run.folder).sample(3).shape == (3, 16, 16, 1)
    boceto.report(run.folder)


@pytest.mark.parametrize("part", ["state.safetensors", "snapshots/000000064.safetensors"])
@pytest.mark.parametrize("keep", [0, 5, 0.5, 0.99])
def test_files_cut_short_are_named(tiny: Recipe, data: Prepared, tmp_path: Path, part: str, keep: float) -> None:
    run = go(tiny, data, tmp_path / "run")
    path = run.folder / part
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    with pytest.raises(Fault, match=f"{path.name} is damaged or cut short"):
        if part.startswith("state"):
            starting.resume(run.folder, changes=["train.kimg=1"])
        else:
            boceto.load(run.folder)


def test_a_torn_last_log_line_is_passed_over(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run")
    with (run.folder / "log.jsonl").open("a") as file:
        file.write('{"nimg": 72, "st')
    assert [entry["nimg"] for entry in run.read_log()] == [16, 32, 48, 64]
    starting.resume(run.folder, changes=["train.kimg=0.08"])
    assert [json.loads(line)["nimg"] for line in (run.folder / "log.jsonl").read_text().splitlines()][-1] == 80


def test_samples_are_a_function_of_the_seed(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    model = boceto.load(go(tiny, data, tmp_path / "run").folder)
    first = model.sample(9, seed=3)
    assert first.shape == (9, 16, 16, 3) and first.dtype == np.uint8
    assert np.array_equal(model.sample(4, seed=3), first[:4])
    assert not np.array_equal(model.sample(9, seed=4), first)
    alike = model.sample(9, seed=3, psi=0.0)
    assert (alike == alike[0]).all()


def test_the_quickest_format_draws_nearly_the_same(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    folder = go(tiny, data, tmp_path / "run").folder
    exact, rounded = (boceto.load(folder, precision=kind).sample(9) for kind in ("float32", "bfloat16"))  # type: ignore[arg-type]
    assert not np.array_equal(exact, rounded)
    assert np.abs(exact.astype(int) - rounded).max() <= 8


def test_snapshots_by_name(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    folder = go(tiny, data, tmp_path / "run").folder
    assert boceto.load(folder, "000000032").nimg == 32
    assert boceto.load(folder).nimg == 64
    with pytest.raises(UsageError, match="no snapshot '000000031'"):
        boceto.load(folder, "000000031")
    with pytest.raises(UsageError, match="no scores"):
        boceto.load(folder, "best")
    with pytest.raises(UsageError, match="no snapshot"):
        boceto.load(folder, "../../etc/passwd")


@pytest.mark.parametrize("part", ["state.safetensors", "snapshots/000000064.safetensors", "run.json", "recipe.toml"])
def test_folders_in_the_place_of_files_are_named(tiny: Recipe, data: Prepared, tmp_path: Path, part: str) -> None:
    run = go(tiny, data, tmp_path / "run")
    (run.folder / part).unlink()
    (run.folder / part).mkdir()
    with pytest.raises(boceto.BocetoError, match="folder"):
        starting.resume(run.folder, changes=["train.kimg=1"]) if part.startswith("state") else boceto.load(run.folder)


def test_pickles_are_not_loaded(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run")
    torch.save({"step": torch.zeros(1)}, run.state)
    with pytest.raises(Fault, match="damaged or cut short"):
        starting.resume(run.folder, changes=["train.kimg=1"])


@pytest.mark.parametrize("about", ["{}", '{"format": 1}', '{"format": 1, "data": []}', "[", '{"format": "1"}'])
def test_a_damaged_account_of_the_run_is_named(tiny: Recipe, data: Prepared, tmp_path: Path, about: str) -> None:
    run = go(tiny, data, tmp_path / "run")
    (run.folder / "run.json").write_text(about)
    with pytest.raises(Fault, match=r"run\.json is damaged"):
        Run(run.folder)


def test_damage_in_the_log_is_passed_over(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run")
    good = (run.folder / "log.jsonl").read_bytes()
    damage = b'{"nimg": "a"}\n\xff\xfe\x00\n{"nimg": 5, "d/loss": "x"}\n[1]\n'
    (run.folder / "log.jsonl").write_bytes(damage + good)
    assert [entry["nimg"] for entry in run.read_log()] == [16, 32, 48, 64]
    boceto.report(run.folder)
    starting.resume(run.folder, changes=["train.kimg=0.08"], device_name="cpu")


def test_too_little_memory_is_named(
    tiny: Recipe, data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1000000000000 bytes")

    monkeypatch.setattr(starting, "fit", refuse)
    with pytest.raises(Fault, match=r"not enough memory .* train\.batch=4"):
        go(tiny, data, tmp_path / "run")


def test_short_of_memory_a_batch_is_computed_in_parts(
    tiny: Recipe, data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory for two pictures: the run goes on from where it was, and ends as one that was told so from the start."""
    batch_norm_free = tiny.changed(["arch.d_norm=none"])
    learn, said = training._learn, list[str]()

    def narrow(state: Any, name: Any, batch: Any) -> Any:
        if state.now.nimg >= 32 and max(len(part.real) for part in batch.split(state.gan.recipe.train.parts(8))) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return learn(state, name, batch)

    monkeypatch.setattr(training, "_learn", narrow)
    run = go(batch_norm_free, data, tmp_path / "run", announce=said.append)
    assert run.is_finished() and run.treated.train.micro_batch == 2 and run.recipe.train.micro_batch == 0
    assert [line for line in said if "memory" in line] == [
        "not enough memory: going on with 4 pictures at once, a batch in parts",
        "not enough memory: going on with 2 pictures at once, a batch in parts",
    ]
    assert [entry["nimg"] for entry in run.read_log()] == [16, 32, 48, 64]
    assert [entry["nimg"] for entry in run.treatments()] == [32, 32]


def test_parts_add_up_to_the_whole(tiny: Recipe, data: Prepared) -> None:
    """Without batch norm a step in three parts, uneven ones, moves the weights as the whole batch does."""
    ways = {}
    for at_once in (0, 3):
        wanted = tiny.changed(["arch.d_norm=none", f"train.micro_batch={at_once}", "objective.r1_gamma=1", *_SGD])
        state = State.fresh(wanted, choose("cpu", "float32"))
        for layer in state.gan.generator.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.eval().requires_grad_(False)
        stream = batches(data, seed=0, nimg=0, batch=8)
        ticks = list(itertools.islice(steps(state, stream, state.compute, wanted), 2))
        ways[at_once] = state.nets(), ticks
    whole, parts = ways[0], ways[3]
    moved = [name for name, tensor in whole[0].items() if tensor.is_floating_point()]
    assert max((whole[0][name] - parts[0][name]).abs().max().item() for name in moved) < 2e-5
    assert parts[1][0].watched["d/real_right"] == whole[1][0].watched["d/real_right"]


_SGD = ["train.optimiser=sgd", "train.beta1=0", "train.d_lr=0.1", "train.g_lr=0.1"]


def test_a_missing_state_is_no_new_start(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run")
    log = (run.folder / "log.jsonl").read_bytes()
    run.state.unlink()
    with pytest.raises(Fault, match="is missing"):
        starting.resume(run.folder, changes=["train.kimg=1"], device_name="cpu")
    assert (run.folder / "log.jsonl").read_bytes() == log
    assert boceto.load(run.folder).nimg == 64


def test_a_start_cut_short_can_be_made_again(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    for name in ("run.json", ".run.json.partial", ".recipe.toml.partial"):
        (out / name).write_text("{")
    assert go(tiny, data, out).seen() == 64


def test_stopped_between_state_and_snapshot(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run")
    (run.folder / "snapshots" / "000000064.safetensors").unlink()
    assert go(tiny, data, tmp_path / "run").seen() == 64


def test_two_cannot_train_one_run(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run")
    recipe_before = (run.folder / "recipe.toml").read_bytes()
    with run.alone(), pytest.raises(UsageError, match=rf"being trained by process {os.getpid()} on .*; wait for it"):
        starting.resume(run.folder, changes=["train.kimg=1"], device_name="cpu")
    assert (run.folder / "recipe.toml").read_bytes() == recipe_before
    assert starting.resume(run.folder, changes=["train.kimg=0.08"], device_name="cpu").seen() == 80


def test_the_state_of_another_run_is_refused(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run, other = go(tiny, data, tmp_path / "run"), go(tiny, data, tmp_path / "other", "train.seed=1")
    shutil.copy(other.state, run.state)
    with pytest.raises(Fault, match="belongs to another run"):
        starting.resume(run.folder, changes=["train.kimg=0.08"], device_name="cpu")


def test_a_moved_dataset_is_asked_for(tiny: Recipe, drawings: Path, tmp_path: Path) -> None:
    data = boceto.prepare(drawings, tmp_path / "data", size=16)
    run = go(tiny, data, tmp_path / "run")
    moved = (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(UsageError, match="say where it is with --data"):
        starting.resume(run.folder, changes=["train.kimg=0.08"], device_name="cpu")
    more = starting.resume(run.folder, changes=["train.kimg=0.08"], data=moved, device_name="cpu")
    assert more.seen() == 80


def test_data_of_another_shape_is_refused_with_the_remedy(
    tiny: Recipe, data: Prepared, drawings: Path, tmp_path: Path
) -> None:
    grey = boceto.prepare(drawings, tmp_path / "grey", size=16, grey=True)
    with pytest.raises(UsageError, match=r"arch\.channels=1, or prepare again without --grey"):
        go(tiny, grey, tmp_path / "run")
    wide = boceto.prepare(drawings, tmp_path / "wide", size="32x16")
    with pytest.raises(UsageError, match=r"32×16 colour, .* with --size 16x16$"):
        go(tiny, wide, tmp_path / "run")
    assert not (tmp_path / "run").exists()
