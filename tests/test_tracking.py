"""Trackers are told everything that is logged, once; TensorBoard's own files hold it, where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from boceto import starting, tracking
from boceto.cli import main
from boceto.data.prepared import Prepared
from boceto.errors import UsageError
from boceto.recipe import Recipe
from boceto.runs import Run

WATCHED = ["train.kimg=0.064", "train.g_lr=3", "doctor.patience=2"]


class Recorder:
    """Keeps what it is told."""

    made: list[Recorder] = []  # noqa: RUF012

    def __init__(self, run: Run, nimg: int) -> None:
        self.run, self.begun, self.closed = run, nimg, False
        self.lines: list[Mapping[str, float]] = []
        self.sheets: list[tuple[int, tuple[int, int]]] = []
        self.findings: list[tuple[int, str]] = []
        self.made.append(self)

    def line(self, line: Mapping[str, float]) -> None:
        self.lines.append(line)

    def sheet(self, nimg: int, picture: Image.Image) -> None:
        self.sheets.append((nimg, picture.size))

    def finding(self, nimg: int, text: str) -> None:
        self.findings.append((nimg, text))

    def close(self) -> None:
        self.closed = True


def recorded(tiny: Recipe, data: Prepared, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that train into ``folder/run``, with a tracker called recorder there."""
    monkeypatch.setitem(tracking.KINDS, "recorder", Recorder)
    Recorder.made.clear()
    (folder / "tiny.toml").write_text(tiny.to_toml(), "utf-8")
    return ["train", str(folder / "tiny.toml"), "--data", str(data.folder), "--out", str(folder / "run")]


def test_a_tracker_is_told_what_the_run_holds(
    tiny: Recipe, data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = recorded(tiny, data, tmp_path, monkeypatch)
    sets = [word for change in WATCHED for word in ("--set", change)]
    assert main([*words, *sets, "--track", "recorder", "--device", "cpu"]) == 0
    run, (told,) = Run(tmp_path / "run"), Recorder.made
    assert told.lines == run.read_log() and [nimg for nimg, _ in told.sheets] == [32, 64]
    assert told.begun == 0 and told.closed and any("rate-high" in text for _, text in told.findings)
    assert main(["resume", str(run.folder), "--set", "train.kimg=0.08", "--track", "recorder", "--device", "cpu"]) == 0
    assert Recorder.made[1].begun == 64 and [line["nimg"] for line in Recorder.made[1].lines] == [80]


def test_a_tracker_is_closed_when_the_training_goes_wrong(
    tiny: Recipe, data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = recorded(tiny, data, tmp_path, monkeypatch)
    assert main([*words, "--set", "train.g_lr=1e30", "--track", "recorder", "--device", "cpu"]) == 1
    assert Recorder.made[0].closed


def test_an_unknown_tracker_is_refused_before_anything_is_written(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.to_toml(), "utf-8")
    with pytest.raises(UsageError, match="no tracker 'tensorbord'; did you mean 'tensorboard'"):
        starting.train(tmp_path / "tiny.toml", data.folder, tmp_path / "run", track=["tensorbord"])
    assert not (tmp_path / "run").exists()


def test_tensorboard_holds_the_log(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed"
    )
    (tmp_path / "tiny.toml").write_text(tiny.to_toml(), "utf-8")
    how = {"device_name": "cpu", "track": ["tensorboard"]}
    run = starting.train(tmp_path / "tiny.toml", data.folder, tmp_path / "run", **how)  # type: ignore[arg-type]
    events = reading.EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    losses = [(event.step, event.value) for event in events.Scalars("d/loss")]
    assert losses == [(line["nimg"], pytest.approx(line["d/loss"], rel=1e-5)) for line in run.read_log()]
    assert [image.step for image in events.Images("samples")] == [32, 64]
