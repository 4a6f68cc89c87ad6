"""A run folder and a dataset of the first version, kept as they were, do all that new ones do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import boceto
from boceto import starting
from boceto.cli import main
from boceto.runs import Run

OLD = Path(__file__).parent / "old"  # dcgan at 16 px, 16 images seen, by boceto 0.1.0 of 2026-11-22


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of it that may be changed."""
    shutil.copytree(OLD, tmp_path / "old")
    return tmp_path / "old" / "run"


COMMANDS = [
    "sample RUN -o OUT.png",
    "report RUN",
    "doctor RUN --json",
    "snapshots RUN",
    "runs RUN/..",
    "compare RUN OTHER",
]
COMMANDS += ["figure losses RUN -o OUT.svg", "figure confusion RUN -o OUT.png", "figure network RUN -o OUT.svg"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_reads_it(old: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(old, old.parent / "other")
    places = {"RUN": str(old), "OTHER": str(old.parent / "other"), "OUT": str(old.parent / "out")}
    words = command.split()
    for name, place in places.items():
        words = [word.replace(name, place) for word in words]
    assert main(words) == 0, capsys.readouterr().err


def test_it_goes_on_with_all_its_drawings(old: Path) -> None:
    run = starting.resume(old, changes=["train.kimg=0.032"], data=old.parent / "data", device_name="cpu")
    assert run.seen() == 32 and run.held_out == 0 and run.pictures == 12
    first, *_, last = (line for line in run.read_log() if "step" in line)
    assert "d/gradient" not in first and "d/gradient" in last and "d/held_out_score" not in last
    assert boceto.load(old).sample(2).shape == (2, 16, 16, 3)


def test_one_of_a_later_format_is_refused(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    about = json.loads((old / "run.json").read_text("utf-8"))
    (old / "run.json").write_text(json.dumps(about | {"format": 2}), "utf-8")
    assert main(["sample", str(old), "-o", str(old / "x.png")]) == 1
    complaint = capsys.readouterr().err
    assert "format 2" in complaint and "newer" in complaint and complaint.count("\n") == 1
    assert Run.exists(old)
