"""Run folders that are damaged or were tampered with: a sentence instead of a traceback, and nothing else is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boceto import recipe, sampling, starting
from boceto.cli import main
from boceto.data.prepared import Prepared
from boceto.doctor import Doctor
from boceto.errors import BocetoError, Fault, UsageError
from boceto.files import load_tensors, save_tensors
from boceto.recipe import Recipe
from boceto.runs import Run
from boceto.training import _healthy
from conftest import TINY
from test_training import go

TREATED = {
    "name": "certain-d",
    "nimg": 32,
    "finding": "certain-d since 48 images: sure",
    "changes": ["train.d_lr=1e-5"],
}
DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def trained(data: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was scored, treated once, and holds drawings out."""
    wanted = recipe.parse(TINY, "tests").changed(["data.held_out=0.5", "watch.scored=16", "doctor.act=roll-back"])
    run = go(wanted, data, tmp_path_factory.mktemp("damage") / "run")
    run.note_treatment(TREATED)
    return run.folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    return Run(shutil.copytree(trained, tmp_path / "runs" / "run"))


def _about(change: Callable[[dict[str, Any]], Any]) -> Callable[[Run], None]:
    def damage(run: Run) -> None:
        about = json.loads((run.folder / "run.json").read_text())
        change(about)
        (run.folder / "run.json").write_text(json.dumps(about))

    return damage


def _file(name: str, text: str) -> Callable[[Run], None]:
    def damage(run: Run) -> None:
        (run.folder / name).write_text(text)

    return damage


def _treated(**other: Any) -> Callable[[Run], None]:
    return _file("treatments.json", json.dumps([{**TREATED, **other}]))


def _log(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Callable[[Run], None]:
    def damage(run: Run) -> None:
        lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
        text = "".join(json.dumps(line) + "\n" for line in change(lines))
        (run.folder / "log.jsonl").write_text(text)

    return damage


def _every(**other: Any) -> Callable[[Run], None]:
    return _log(lambda lines: [{**line, **other} for line in lines])


FATAL = {
    "pictures without end": _about(lambda a: a["data"].update(pictures=float("inf"))),
    "all held out": _about(lambda a: a["data"].update(held_out=float("inf"))),
    "more held out than there are": _about(lambda a: a["data"].update(held_out=100)),
    "a folder that is a number": _about(lambda a: a["data"].update(folder=5)),
    "software in a list": _about(lambda a: a.update(software=[])),
    "hardware without end": _about(lambda a: a["hardware"].update(memory=float("inf"))),
    "an origin in a list": _about(lambda a: a.update(origin=[1])),
    "a deep account": _file("run.json", DEEP),
    "no recipe": _file("recipe.toml", "arch = 5"),
}
READ = {
    "deep treatments": _file("treatments.json", DEEP),
    "a treatment at no time": _treated(nimg=None),
    "a treatment at a word": _treated(nimg="x"),
    "a treatment at a list": _treated(nimg=[]),
    "no changes": _treated(changes=None),
    "a number of changes": _treated(changes=5),
    "changes that are numbers": _treated(changes=[1]),
    "changes that cannot be": _treated(changes=["train.d_lr=0"]),
    "a terminal's codes": _treated(finding="\x1b[2J\nboceto: all is well"),
    "energy deep": _file("energy.json", DEEP),
    "energy without end": _file("energy.json", '{"joules": Infinity, "sources": []}'),
    "energy of 400 digits": _file("energy.json", '{"joules": 1' + 400 * "0" + ', "sources": []}'),
    "a step that is null": _every(step=None),
    "a loss that is null": _every(**{"g/loss": None}),
    "thirty thousand years": _every(seconds=1e300),
    "huge numbers": _log(
        lambda ls: [{k: v if k in ("nimg", "step") else 1e308 for k, v in line.items()} for line in ls]
    ),
    "huge whole numbers": _every(nimg=10**308),
    "losses far apart": _log(lambda ls: [{**line, "d/loss": (-1) ** i * 1e308} for i, line in enumerate(ls)]),
    "losses as far as floats go": _log(lambda ls: [{**line, "d/loss": (-1) ** i * 3e38} for i, line in enumerate(ls)]),
    "D right less than never": _every(**{"d/real_right": -0.5}),
    "the log three times": _log(lambda lines: 3 * lines),
    "the log backwards": _log(lambda lines: lines[::-1]),
    "twenty huge scores": _log(
        lambda lines: lines + [{"nimg": 16 * i, "seconds": i / 10, "swd": 1e308} for i in range(20)]
    ),
    "an empty log": _file("log.jsonl", ""),
}
COMMANDS = [
    "doctor {run}",
    "doctor {run} --json",
    "runs {runs} --json",
    "snapshots {run} --json",
    "compare {run} {sound} --json",
    "compare {run} {sound} -o {tmp}/compared.html",
    "report {run}",
    *(f"figure {name} {{run}} -o {{tmp}}/{name}.png" for name in ("losses", "epochs", "confusion", "confusions")),
    "resume {run} --set train.kimg=0.096 --device cpu",
]


def _no_number(text: str) -> float:
    raise AssertionError(f"{text} is no JSON")


@pytest.mark.parametrize("name", [*FATAL, *READ])
def test_every_command_copes(
    name: str, run: Run, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ({**FATAL, **READ}[name])(run)
    places = {"run": run.folder, "runs": run.folder.parent, "sound": trained, "tmp": tmp_path}
    for command in COMMANDS:
        code = main(command.format(**places).split())
        told = capsys.readouterr()
        assert "\x1b[2J" not in told.out + told.err
        if code:
            assert code in (1, 2) and told.err.count("\n") == 1, f"{command}: {told.err}"
        elif "--json" in command:
            json.loads(told.out, parse_constant=_no_number)
        if command.startswith("runs"):
            assert not code, "one damaged run hides no other"
        elif name in FATAL:
            assert code == 1, command


def test_a_log_is_read_in_order_and_each_line_once(run: Run) -> None:
    sound = run.read_log()
    for damage in ("the log three times", "the log backwards"):
        READ[damage](run)
        assert run.read_log() == sound


def test_damaged_energy_costs_no_training(run: Run) -> None:
    for damage in ("energy without end", "energy of 400 digits", "energy deep"):
        READ[damage](run)
        assert run.spent().joules == 0
    further = starting.resume(run.folder, changes=["train.kimg=0.08"], device_name="cpu")
    assert not Doctor(further.treated, further.pictures, further.read_log()).findings
    assert 0 < further.spent().joules < 1e6


def test_what_is_missing_is_named(run: Run) -> None:
    (run.folder / "run.json").unlink()
    with pytest.raises(UsageError, match=r"no run\.json"):
        Run(run.folder)


def test_a_cut_state_says_what_is_left(run: Run) -> None:
    run.state.write_bytes(run.state.read_bytes()[:999])
    with pytest.raises(Fault, match="its snapshots can draw; train with another --out"):
        starting.resume(run.folder, changes=["train.kimg=1"], device_name="cpu")


def test_links_that_lead_nowhere_are_no_empty_log(run: Run) -> None:
    log = run.folder / "log.jsonl"
    log.unlink()
    log.symlink_to(run.folder / "gone")
    with pytest.raises(BocetoError, match=r"log\.jsonl: it does not exist"):
        run.read_log()


def test_a_refused_resume_changes_nothing(run: Run) -> None:
    before = {path: path.read_bytes() for path in run.folder.glob("*.*") if path.suffix != ".lock"}
    with run.alone(), pytest.raises(UsageError, match="is being trained"):
        starting.resume(run.folder, changes=["train.d_lr=1e-4"], device_name="cpu")
    assert before == {path: path.read_bytes() for path in before}


def test_a_last_step_that_breaks_the_weights_is_not_saved(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"training diverged: a weight is not finite"):
        go(tiny, data, tmp_path / "run", "train.g_lr=1e39", "train.kimg=0.008")
    assert not Run(tmp_path / "run").state.exists()


def test_where_to_go_back_to_is_never_pruned(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    """With one snapshot kept, the one from before a fault is kept beside it from the fault's first line on."""
    run = go(tiny, data, tmp_path / "run", "watch.snapshot_kimg=0.016", "train.kimg=0.064")
    doctor = Doctor(run.treated, run.pictures)
    sick = {"d/update": 0.4, "g/update": 0.4}
    for nimg, told in ((16, {}), (32, sick), (48, sick), (64, sick)):
        doctor.see({"nimg": nimg, "step": nimg // 8, "d/update": 0.001, "g/update": 0.001, **told})
    assert not doctor.findings and doctor.since() == 32, "seen, and not sure yet"
    healthy = _healthy(run, doctor)
    assert healthy == 16, "the snapshot of the line that it was first seen on is sick already"
    run.prune(1, healthy)
    assert list(run.snapshots()) == [16, 64]


def test_no_time_left_is_no_reason_to_throw_all_away(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    ill = [
        "doctor.act=roll-back",
        "doctor.patience=1",
        "doctor.rate_high=1e-9",
        "train.minutes=0.0001",
        "watch.log_kimg=0.008",
    ]
    with pytest.raises(Fault, match="goes on with"):
        go(tiny, data, tmp_path / "run", *ill)
    assert Run(tmp_path / "run").snapshots()


def test_many_can_begin_one_run_and_one_trains_it(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.to_toml())
    command = [sys.executable, "-m", "boceto", "train", str(tmp_path / "tiny.toml"), "--data", str(data.folder)]
    begun = [
        subprocess.Popen(
            [*command, "--out", str(tmp_path / "run"), "--device", "cpu"], stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in begun:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0 or "is being trained" in said, said
    run = starting.resume(tmp_path / "run", device_name="cpu")
    assert run.seen() == 64


def test_a_snapshot_of_no_numbers_draws_nothing(run: Run) -> None:
    path = run.snapshot()
    tensors, about = load_tensors(path)
    name = next(name for name in tensors if name.startswith("ema.") and tensors[name].is_floating_point())
    tensors[name][...] = float("nan")
    save_tensors(path, tensors, about)
    with pytest.raises(Fault, match=r"are not all numbers, so it draws nothing; try another --snapshot"):
        sampling.load(run.folder)
