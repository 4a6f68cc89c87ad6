"""boceto bench: small but whole, on this machine; what is counted, what is refused, what is compared."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from itertools import repeat
from pathlib import Path
from subprocess import PIPE

import numpy as np
import psutil
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from boceto import archs, device, recipe
from boceto.bench import account, charts, convolution, running, telling, throughput
from boceto.bench.machine import ceiling, machine
from boceto.bench.pictures import noise
from boceto.cli import main
from boceto.clock import Clock
from boceto.data.batches import batches, indices, mirrored
from boceto.data.prepared import Prepared
from boceto.errors import Fault
from boceto.gan import Stage
from boceto.recipe import Recipe
from boceto.state import State
from boceto.training import steps
from boceto.trial import trial
from boceto.workers import alone

GROWS = {
    "arch": {"name": "progan", "resolution": 16, "z_dim": 8, "width": 8, "stage_kimg": [1, 2]},
    "train": {"batch": 4, "kimg": 10, "precision": "float32"},
}


def boceto(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def benched(tmp_path: Path) -> Path:
    """What a benchmark has written, by hand."""
    training = account.Training(
        batch=8,
        format="float32",
        images_per_second=345.6,
        steps=40,
        seconds=1.0,
        first_step_s=1.234,
        waiting=0.01,
        flops_per_image=1e9,
        flops_per_second=3.456e11,
        share=0.25,
        memory_mb=512.0,
        memory_before_mb=250.0,
        gpu_memory_mb=None,
        drawn_per_second=2345.0,
        drawn_alone_per_second=678.9,
    )
    found = account.Account(
        date="2026-11-28T10:00:00+00:00",
        machine=machine(device.choose("cpu")),
        seconds=1.0,
        ceilings={"float32": 1.4e12},
        recipes=(account.Row(recipe="tiny", side=16, grows=False, kimg=1000, found=training),),
        convolution=(account.Point(device="cpu", n=10, seconds=0.02),),
        convolution_ended=None,
        data=account.Data(prepared_per_second=300.0, batched_per_second=90_000.0),
    )
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / account.FILE).write_text(found.model_dump_json(), "utf-8")
    return tmp_path / "bench"


def test_a_benchmark_is_whole_and_can_be_read_again(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.to_toml(), "utf-8")
    monkeypatch.setattr("boceto.bench.running.CONVOLUTION_S", 0.05)
    monkeypatch.setattr("boceto.bench.running._DRAWINGS", 6)
    out = tmp_path / "out"
    words = ["--recipes", tmp_path / "tiny.toml", "--seconds", 0.1, "--device", "cpu", "-o", out, "--json"]
    assert boceto("bench", *words) == 0
    found = account.read(out)
    assert json.loads(capsys.readouterr().out) == found.model_dump(mode="json")
    names = {"bench.json", "bench.png", "bench.svg", "convolution.csv", "convolution.png", "convolution.svg"}
    assert {path.name for path in out.iterdir()} == {*names, ".bench.lock"}
    (row,) = found.recipes
    assert row.name == "tiny" and row.side == 16 and row.found and row.found.batch == 8
    assert row.found.steps > 1 and row.found.format == "float32"
    assert row.found.memory_mb > row.found.memory_before_mb > 50
    assert row.hours == pytest.approx(64 / row.found.images_per_second / 3600)
    assert row.found.share == pytest.approx(row.found.flops_per_second / found.ceilings["float32"])
    assert found.data and found.data.batched_per_second > found.data.prepared_per_second > 0
    assert found.machine.threads == torch.get_num_threads() and found.machine.ram_gb > 0
    lines = (out / "convolution.csv").read_text().splitlines()
    assert lines[0] == "device,n,seconds" and lines[1].startswith("cpu,10,")
    assert len(lines) == 1 + len(found.convolution) < 1 + len(convolution.SIDES) and found.convolution_ended


def test_the_table_fits_a_terminal_of_80_columns(benched: Path) -> None:
    from rich.console import Console

    found = account.read(benched)
    (row,) = found.recipes
    assert row.found
    large = row.found.model_copy(update={"images_per_second": 2345.0, "drawn_per_second": 12345.0})
    longest = max(recipe.names(), key=len)
    wide = row.model_copy(update={"found": large, "recipe": longest, "kimg": 5e6})
    console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(telling.rows(found.model_copy(update={"recipes": (wide,)})))
    lines = console.export_text().splitlines()
    assert len(lines) == 2 and longest in lines[1] and "12,345" in lines[1]


def test_machines_are_compared(benched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = json.loads((benched / "bench.json").read_text("utf-8"))
    other["recipes"][0]["found"]["images_per_second"] *= 2
    other["new key"] = "of a later version"
    file = tmp_path / "other.json"
    file.write_text(json.dumps(other))
    assert boceto("bench", "compare", benched, file, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    ratios = {row["what"]: row["ratios"] for row in told["rows"]}
    assert ratios["train tiny"] == [1.0, 2.0] and ratios["draw tiny"] == [1.0, 1.0]
    assert {"prepare", "batches", "convolve on cpu, N = 10"} <= set(ratios)
    assert boceto("bench", "compare", benched, file) == 0
    assert "2.00×" in capsys.readouterr().out


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1e308, 5e-324])
def test_rates_that_are_none_are_refused(rate: float, benched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = json.loads((benched / "bench.json").read_text("utf-8"))
    other["recipes"][0]["found"]["images_per_second"] = rate
    (benched / "other.json").write_text(json.dumps(other))
    assert boceto("bench", "compare", benched, benched / "other.json") == 2
    assert "images_per_second" in capsys.readouterr().err


def test_a_file_of_any_shell_is_read_and_no_name_reaches_the_terminal(
    benched: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = json.loads((benched / "bench.json").read_text("utf-8"))
    other["machine"]["cpu"] = "\x1b[2Jcpu"
    (benched / "other.json").write_text(json.dumps(other), "utf-16")
    assert boceto("bench", "compare", benched, benched / "other.json") == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said and "\\x1b[2Jcpu" in said


def test_thirty_machines_stand_beside_each_other(benched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert boceto("bench", "compare", *[benched] * 30) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[-4:] == ["AA", "AB", "AC", "AD"]
    assert sum(line.count("1.00×") for line in lines) == 29 * 6


def test_charts_take_names_of_any_signs(benched: Path, tmp_path: Path) -> None:
    found = account.read(benched)
    rows = tuple(found.recipes[0].model_copy(update={"recipe": name}) for name in (r"a$\foo$", "漫画"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        charts.write(tmp_path / "charts", found.model_copy(update={"recipes": rows}))
    assert {path.name for path in (tmp_path / "charts").iterdir()} == set(charts.NAMES)


def test_an_earlier_benchmark_outlives_a_disk_that_fills(benched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, before = account.read(benched), (benched / "bench.json").read_bytes()

    def full(folder: Path, account: account.Account) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(charts, "write", full)
        with pytest.raises(Fault, match="no space is left"):
            running._write(benched, found)
    assert [path.name for path in benched.iterdir()] == ["bench.json"]
    assert (benched / "bench.json").read_bytes() == before
    running._write(benched, found.model_copy(update={"convolution": ()}))
    assert {path.name for path in benched.iterdir()} == {"bench.json", "bench.png", "bench.svg"}


def test_two_benchmarks_into_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with alone(tmp_path / ".bench.lock", ""):
        assert boceto("bench", "--conv", "-o", tmp_path) == 2
    assert "another benchmark" in capsys.readouterr().err


def test_without_a_place_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("boceto.bench.running._require_folder", lambda folder: folder.mkdir())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nosuch"))
    assert boceto("bench", "--conv", "-o", tmp_path / "out") == 1
    assert "set TMPDIR" in capsys.readouterr().err


WRONG = [
    ("--recipes nosuch", 2, "no recipe 'nosuch'"),
    ("--recipes ,", 2, "names none"),
    ("--recipes {tmp}/nosuch.toml", 1, "nosuch.toml: it does not exist"),
    ("--seconds 0", 2, "--seconds 0"),
    ("--seconds -3", 2, "--seconds -3"),
    ("--seconds nan", 2, "--seconds nan"),
    ("--seconds 1e9", 2, "--seconds 1e+09"),
    ("--seconds soon", 2, "soon"),
    ("--conv --recipes dcgan-64", 2, "--conv measures the convolution alone"),
    ("-o {tmp}/file.json", 2, "file.json is a file"),
    ("-o {tmp}/file.json/out", 1, "a part of that path is a file"),
    ("--device tpu", 2, "tpu"),
    ("compare {tmp}/file.json", 2, "is not what boceto bench writes"),
    ("compare {tmp}/foreign.json {tmp}/foreign.json", 2, "is not what boceto bench writes"),
    ("compare {tmp}/nosuch.json {tmp}/nosuch.json", 1, "nosuch.json"),
    ("--recipes {tmp}/told.toml,{tmp}/other/told.toml", 2, "2 that are called told"),
    ("--recipes vae-64 -o {tmp}/taken", 2, "bench.png is a folder"),
    ("compare {tmp}/large.json {bench}", 2, "too large"),
    ("compare {bench}", 2, "two benchmarks or more"),
    ("compare", 2, "two benchmarks or more"),
]


@pytest.mark.parametrize(("line", "code", "says"), WRONG, ids=[line for line, _, _ in WRONG])
def test_wrong_use_ends_in_one_sentence(
    line: str, code: int, says: str, benched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file.json").write_text("{")
    (tmp_path / "foreign.json").write_text('{"kind": "another"}')
    (tmp_path / "told.toml").write_text('arch = {name = "stylegan2", resolution = 16}\ndata = {labels = ["smile"]}')
    (tmp_path / "large.json").write_bytes(bytes(16 * 2**20 + 1))
    (tmp_path / "taken" / "bench.png").mkdir(parents=True)
    assert boceto("bench", *(word.format(tmp=tmp_path, bench=benched) for word in line.split())) == code
    complaint = capsys.readouterr().err
    assert says in complaint and complaint.count("\n") == 1 and "Traceback" not in complaint


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_device_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert boceto("bench", "--device", "cuda", "-o", tmp_path / "out") == 2
    assert "not available" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="no signals as these")
def test_ctrl_c_ends_it_quietly_and_leaves_nothing(tiny: Recipe, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.to_toml(), "utf-8")
    words = ["bench", "--recipes", tmp_path / "tiny.toml", "--seconds", 600, "-o", tmp_path / "out"]
    place = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "boceto", *map(str, words)]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True, env=place, start_new_session=True) as process:
        assert process.stdout and "tiny" in process.stdout.readline()
        time.sleep(1)  # the process that measures is starting, or measures
        os.killpg(process.pid, signal.SIGINT)  # all of them, as a terminal does
        _, complaint = process.communicate(timeout=240)
    assert process.returncode == 1 and complaint == "boceto: interrupted; what was saved before stands\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {".bench.lock"}
    assert not list((tmp_path / "tmp").iterdir())
    deadline = time.monotonic() + 240
    while any(alive(other, process.pid) for other in psutil.process_iter()):
        assert time.monotonic() < deadline, "a process goes on"
        time.sleep(0.1)


def alive(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


# ── what is measured ──


def state_of(wanted: Recipe) -> State:
    return State.fresh(wanted, device.choose("cpu", "float32"))


def test_operations_are_those_that_pytorch_counts(tiny: Recipe) -> None:
    state = state_of(tiny)
    pixels = np.zeros((8, *state.gan.image_shape), np.uint8)
    with FlopCounterMode(display=False) as counter:
        next(steps(state, repeat(pixels), state.compute, tiny))
    assert throughput.training_flops(state_of(tiny), tiny) == counter.get_total_flops() / 8 > 0


def test_operations_are_counted_where_pictures_are_planted_and_g_has_batch_norm() -> None:
    wanted = recipe.load("vanilla-48-thesis").changed(["arch.d_widths=[8]", "arch.g_widths=[8,8,4]"])
    assert wanted.balance.fake_as_real == 0.1
    assert throughput.training_flops(state_of(wanted), wanted) > 0


def test_what_is_told_labels_is_measured_without_any(tmp_path: Path) -> None:
    nets = {"name": "dcgan", "resolution": 16, "g_width": 4, "d_width": 4}
    told = recipe.parse({"arch": nets, "data": {"labels": ["smile"]}, "train": {"batch": 4}}, "test")
    (stage,) = archs.build(told).stages()
    noise(tmp_path / "noise", 16, stage.shape)
    found = throughput.measure(throughput.Task("told", stage, False, "cpu", 0.05), tmp_path / "noise")
    assert found.images_per_second > 0 and found.drawn_per_second > 0


def test_a_lazy_penalty_is_counted_as_often_as_it_comes(tiny: Recipe) -> None:
    plain = throughput.training_flops(state_of(tiny), tiny)
    always, seldom = (tiny.changed(["objective.r1_gamma=1", f"objective.r1_every={n}"]) for n in (1, 16))
    more = throughput.training_flops(state_of(always), always) - plain
    assert more > 0.1 * plain
    assert throughput.training_flops(state_of(seldom), seldom) == pytest.approx(plain + more / 16)


def test_a_trial_weighs_steps_as_often_as_they_come(tiny: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that a batch takes a second of, and one with the penalty 17: two a step on average."""
    wanted = tiny.changed(["objective.r1_gamma=1"])
    state, now = state_of(wanted), [0.0]
    pixels = np.zeros((8, *state.gan.image_shape), np.uint8)
    wait = type(state.compute).wait

    def computed(compute: device.Compute) -> None:
        wait(compute)
        now[0] += 17 if (state.now.step - 1) % 16 == 0 else 1

    monkeypatch.setattr(type(state.compute), "wait", computed)
    monkeypatch.setattr("boceto.trial.time.perf_counter", lambda: now[0])
    found = trial(state, repeat(pixels), wanted, 10.0)
    assert found.first_s == 17 and found.steps >= 2 and found.waiting == 0
    assert found.images_per_second == pytest.approx(8 / 2)
    quick = trial(state_of(tiny), repeat(pixels), tiny, 0.001)
    assert quick.steps >= 1


def test_stages_are_what_they_say() -> None:
    gan = archs.build(recipe.parse(GROWS, "tests"))
    found = gan.stages()
    assert [(stage.side, stage.kimg) for stage in found] == [(8, 1.0), (16, 9.0)]
    for stage in found:
        state = state_of(stage.recipe)
        state.now = Clock(nimg=stage.nimg)
        ticks = steps(state, repeat(np.zeros((4, 3, 16, 16), np.uint8)), state.compute, stage.recipe)
        for _ in range(3):
            next(ticks)
        assert state.gan.status()["resolution"] == stage.side
    small, large = (throughput.training_flops(_at(stage), stage.recipe) for stage in found)
    assert large > 1.5 * small


def _at(stage: Stage) -> State:
    state = state_of(stage.recipe)
    state.now = Clock(nimg=stage.nimg)
    return state


def test_the_sweep_ends_by_its_time() -> None:
    found, ended = convolution.sweep("cpu", 1e-6)
    assert [point.n for point in found] == [10] and ended and "N = 10" in ended
    found, ended = convolution.sweep("cpu", 60, (8, 10))
    assert [point.n for point in found] == [8, 10] and ended is None and all(p.seconds > 0 for p in found)


def test_the_ceiling_is_of_this_world() -> None:
    assert 1e8 < ceiling(device.choose("cpu", "float32")) < 1e16


# ── pictures ──


def test_noise_is_a_prepared_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boceto.data.writing.SHARD_BYTES", 8 * 8 * 3 * 7)
    data = noise(tmp_path / "noise", 20, (8, 8, 3))
    assert len(data) == 20 and data.shape == (8, 8, 3) and len(data.manifest["shards"]) == 3
    assert data.verify() > 20 * 192
    order = np.array([19, 0, 7, 6, 13, 14, 7])
    one_by_one = np.concatenate([data.gather([int(i)]) for i in order])
    assert np.array_equal(data.gather(order), one_by_one) and np.array_equal(data.gather(iter(order)), one_by_one)
    assert len({picture.tobytes() for picture in data.gather(range(20))}) == 20


def test_mirrored_pictures_are_those_that_were_drawn(data: Prepared) -> None:
    """As it was when pictures were mirrored before they were brought into the order of channels."""
    stream = batches(data, seed=3, nimg=0, batch=24, flip=True)  # 40 pictures: over the end of an epoch
    for step in range(4):
        pixels = data.gather(indices(3, step * 24, 24, len(data)))
        chosen = mirrored(3, step * 24, 24)
        pixels[chosen] = pixels[chosen, :, ::-1]
        assert chosen.any() and not chosen.all()
        found = next(stream)
        assert found.flags.c_contiguous and np.array_equal(found, pixels.transpose(0, 3, 1, 2))
