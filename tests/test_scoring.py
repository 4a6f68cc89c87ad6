"""Scores of snapshots: what they measure, which snapshot is best, which are kept, and when they stand still."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from boceto import doctor, evaluating, recipe, sampling, scoring, starting
from boceto.clock import Clock
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.device import choose
from boceto.errors import Fault, UsageError
from boceto.metrics.distances import Interval
from boceto.metrics.swd import swd
from boceto.recipe import Recipe
from boceto.reporting import figures
from boceto.reporting.page import report
from boceto.runs import Run, ranking
from boceto.scoring import Evaluation, Score
from conftest import drawing


def go(tiny: Recipe, data: Prepared, out: Path, *changes: str) -> Run:
    file = out.parent / "tiny.toml"
    file.write_text(tiny.to_toml(), "utf-8")
    return starting.train(file, data.folder, out, changes=changes, device_name="cpu")


class Fixed(torch.nn.Module):
    """A G that draws what it is given."""

    def __init__(self, pictures: torch.Tensor) -> None:
        super().__init__()
        self.pictures, self.at = pictures, 0

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        part = self.pictures[self.at : self.at + len(z)]
        self.at += len(z)
        return part


def test_a_score_is_the_distance_of_what_is_drawn(tiny: Recipe, data: Prepared) -> None:
    noise = torch.rand(len(data), 3, 16, 16) * 2 - 1
    score = scoring.sliced(data, tiny.changed(["watch.scored=256"]), choose("cpu", "float32"), 8)
    ((name, value),) = score(Fixed(noise), Clock())
    fake = ((noise + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    levels = swd(data.gather(np.arange(len(data))), fake, patches=32, directions=128)
    assert name == "swd" and value == pytest.approx(np.mean(list(levels.values())), rel=0.02)
    own = torch.from_numpy(data.gather(np.arange(len(data)))).permute(0, 3, 1, 2) / 127.5 - 1
    assert dict(score(Fixed(own), Clock()))["swd"] < value / 20
    assert not dict(score(Fixed(own[:, :, ::2, ::2]), Clock())), "nothing is told of pictures below 16 pixels"


def test_scores_stand_in_the_log_and_the_best_can_be_drawn_from(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run", "watch.scored=16")
    scores = run.scores()
    assert list(scores) == list(run.snapshots()) == [32, 64] and all(set(told) == {"swd"} for told in scores.values())
    best = min(scores, key=lambda nimg: scores[nimg]["swd"])
    assert run.best() == best and run.snapshot("best") == run.snapshots()[best]
    assert sampling.load(run.folder, "best").nimg == best
    assert not go(tiny, data, tmp_path / "unscored", "watch.scored=0").scores()


@pytest.mark.parametrize(
    ("keep", "left"), [(0, [8, 16, 24, 32, 40, 48, 56, 64]), (2, [16, 56, 64]), (7, [16, *range(24, 72, 8)])]
)
def test_the_newest_and_the_best_are_kept(
    keep: int, left: list[int], tiny: Recipe, data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sliced(*_: Any) -> Any:
        return lambda ema, now: [("swd", 1.0 if now.nimg == 16 else 2.0)]

    monkeypatch.setattr(scoring, "sliced", sliced)
    run = go(tiny, data, tmp_path / "run", "watch.scored=16", "watch.snapshot_kimg=0.008", f"watch.keep={keep}")
    assert list(run.snapshots()) == left


def test_snapshots_that_end_a_stage_are_kept(data: Prepared, tmp_path: Path) -> None:
    arch = {"name": "progan", "resolution": 16, "channels": 3, "z_dim": 8, "width": 8, "stage_kimg": [0.064]}
    watch = {"snapshot_kimg": 0.016, "samples": 4, "keep": 1, "scored": 0}
    train = {"batch": 8, "kimg": 0.128, "precision": "float32"}
    table = {"arch": arch, "train": train, "watch": watch, "doctor": {"act": "off"}}
    run = go(recipe.parse(table, "tests"), data, tmp_path / "run")
    assert list(run.snapshots()) == [64, 128]


def scored(values: list[float], *, resolution: float = 64) -> list[doctor.Finding]:
    """What the doctor says of a run with these scores, one every quarter of an hour."""
    lines: list[dict[str, float]] = []
    for i, value in enumerate(values):
        lines.append({"nimg": 1000 * i + 500, "step": 10 * i + 5, "resolution": resolution})
        lines.append({"nimg": 1000 * i + 500, "seconds": 900.0 * i, "swd": value})
    lines.append({"nimg": 1000 * len(values), "step": 10 * len(values), "resolution": resolution})
    return doctor.examine(lines, recipe.load("dcgan-64-quick"), 1000)


def test_a_score_that_stands_still_is_a_plateau() -> None:
    assert not scored([100 * 0.9**i for i in range(12)])
    (finding,) = scored([100.0, 80, 60, 50, 45, 44, 44.1, 43.9, 44, 44.1, 44, 43.95])
    assert finding.name == "plateau" and not finding.grave and "% an hour" in finding.evidence
    assert not scored([44.0] * 7), "too few to tell"


def test_scores_by_a_network_are_told_on_schedule(
    tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(120):
        drawing(i).save(tmp_path / f"{i}.png")
    data = prepare(tmp_path, tmp_path / "data", size=16, workers=1)
    run = go(tiny, data, tmp_path / "run", "watch.scored=50", "watch.features=lite0")
    for told in run.scores().values():
        assert set(told) == {"swd", "kid-lite0", "precision-lite0", "recall-lite0", "diversity-lite0"}
    by_kid = {nimg: told["kid-lite0"] for nimg, told in run.scores().items()}
    assert run.best() == min(by_kid, key=lambda nimg: by_kid[nimg]), "it counts before swd"
    line = next(line for line in run.read_log() if "kid-lite0" in line)
    assert line["kid-lite0-error"] > 0 and abs(line["kid-lite0-floor"]) < line["kid-lite0"]
    evaluation = evaluating.evaluate(run.folder, samples=50)
    assert evaluation.scores["kid"].floor.value == pytest.approx(line["kid-lite0-floor"], abs=1e-4)
    monkeypatch.setenv("BOCETO_INCEPTION", str(tmp_path / "0.png"))
    with pytest.raises(Fault, match=r"0\.png"):
        go(tiny, data, tmp_path / "refused", "watch.scored=50", "watch.features=inception")
    assert not (tmp_path / "refused").exists(), "weights are looked at before anything is written"
    chart = figures.distance(run.read_log()).axes[0]
    assert np.allclose(chart.lines[0].get_ydata(), list(by_kid.values())) and len(chart.lines) == 2


def test_evaluations_are_kept_and_shown(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run")
    floor = Interval(1.5, 1.0, 2.0, 0.25)
    first = Evaluation(
        "run", 64, "lite0", 100, "abc", 0, {"kid": Score("a distance", True, Interval(30.25, 29, 31, 0.5), floor)}, {}
    )
    again = replace(first, scores={"kid": Score("a distance", True, Interval(40.5, 29, 31, 0.5), floor)})
    other = replace(first, nimg=32, left_out={"fid": "too few pictures"})
    for one in (first, other, again):
        scoring.note(run, one)
    assert scoring.noted(run) == [other, again], "one told again takes its place"
    page = report(run.folder).read_text("utf-8")
    assert "Scores by lite0" in page and "<td>40.5</td>" in page
    assert "<td>30.2</td>" not in page and "too few pictures" not in page
    (run.folder / scoring.NOTED).write_text('[{"run": NaN}]')
    with pytest.raises(Fault, match=r"evaluations\.json is damaged; remove it"):
        report(run.folder)


def test_the_ranking_score_is_the_one_that_counts_most() -> None:
    assert ranking({"swd": 1, "precision-lite0": 1, "kid-lite0-error": 1, "kid-lite0": 1}) == "kid-lite0"
    assert ranking({"kid-lite0": 1, "fid-inception": 1}) == "fid-inception"
    assert ranking({"recall-lite0": 1, "kid-lite0-error": 1}) is None


def test_scores_that_cannot_be_told_are_refused_before_anything_is_written(
    tiny: Recipe, data: Prepared, tmp_path: Path
) -> None:
    for changes, said in (
        (
            ["watch.features=lite1", "watch.scored=60"],
            "no feature network 'lite1', and no tagger in a folder of that name; did you mean 'lite0'",
        ),
        (["watch.features=lite0", "watch.scored=8"], "scores of 8 pictures say nothing"),
        (["watch.features=lite0", "watch.scored=60"], "holds 40 pictures; scores want 100"),
    ):
        with pytest.raises(UsageError, match=said):
            go(tiny, data, tmp_path / "run", *changes)
        assert not (tmp_path / "run").exists()
