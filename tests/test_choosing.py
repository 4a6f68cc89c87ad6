"""``boceto train auto``: the recipe follows from the drawings, the device and the time, and says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from boceto import archs, choosing
from boceto.bench.pictures import noise
from boceto.choosing import choose
from boceto.cli import main
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.device import Compute
from boceto.device import choose as on
from boceto.errors import UsageError
from boceto.nn.sizes import can_be_drawn
from boceto.recipe import Recipe
from boceto.runs import Run
from conftest import drawing

CPU = on("cpu", "float32")


def pace(at_width_8: float) -> Callable[[Recipe, Compute], float]:
    """A machine whose images/s fall with the square of the width."""
    return lambda recipe, compute: at_width_8 * (8 / recipe.arch["width"]) ** 2


@pytest.fixture
def some(tmp_path: Path) -> Callable[..., Prepared]:
    def make(count: int, shape: tuple[int, int, int] = (16, 16, 3)) -> Prepared:
        return noise(tmp_path / f"{count}-{shape}", count, shape)

    return make


def test_more_time_and_faster_machines_give_wider_nets(some: Callable[..., Prepared]) -> None:
    data = some(200)
    widths = [
        choose(data, CPU, minutes, pace(rate)).recipe.arch["width"]
        for minutes, rate in [(5, 300), (60, 300), (60, 5000)]
    ]
    assert widths == sorted(widths) and len(set(widths)) == 3


def test_the_widest_that_sees_enough_is_taken(some: Callable[..., Prepared]) -> None:
    asked: list[int] = []

    def speed(recipe: Recipe, compute: Compute) -> float:
        asked.append(recipe.arch["width"])
        return pace(500)(recipe, compute)

    choice = choose(some(200), CPU, 60, speed)
    width = choice.recipe.arch["width"]
    assert 500 * (8 / width) ** 2 * 3600 >= 25_000 * 60**0.5 > 500 * (8 / asked[-1]) ** 2 * 3600
    assert asked[-2] == width and any(f"width {width}" in reason for reason in choice.reasons)


@pytest.mark.parametrize(
    ("count", "minutes", "policy"), [(60, 1, 3), (200, 60, 2), (3_000, 60, 2), (3_000, 1, 0)], ids=str
)
def test_the_oftener_a_drawing_is_shown_the_more_jitter(
    some: Callable[..., Prepared], count: int, minutes: float, policy: int
) -> None:
    choice = choose(some(count), CPU, minutes, pace(1000))
    assert len(choice.recipe.augment.policy) == policy and choice.recipe.data.flip
    assert choice.recipe.augment.adaptive is (policy == 2)
    assert ("only 60 drawings" in " ".join(choice.reasons)) is (count < 100)


@pytest.mark.parametrize("size", [(16, 16), (28, 28), (20, 24), (18, 18), (16, 100)])
def test_what_prepare_proposes_can_be_chosen(some: Callable[..., Prepared], size: tuple[int, int]) -> None:
    data = some(60, (*size, 1))
    if can_be_drawn(*size):
        assert archs.build(choose(data, CPU, 10, pace(1000)).recipe).image_shape == (1, *size)
    else:
        with pytest.raises(UsageError, match="near it"):
            choose(data, CPU, 10, pace(1000))


def test_r1_follows_pixels_and_batch(some: Callable[..., Prepared]) -> None:
    small, large = (choose(some(200, shape), CPU, 10, pace(1000)).recipe for shape in ((16, 16, 3), (32, 16, 3)))
    assert small.train.batch == large.train.batch == 16
    assert large.objective.r1_gamma == pytest.approx(2 * small.objective.r1_gamma, rel=1e-3)
    assert archs.build(large).image_shape == (3, 32, 16)
    assert choose(some(20), CPU, 10, pace(1000)).recipe.train.batch == 4


def test_classes_are_drawn_by_class_if_each_has_enough(tmp_path: Path) -> None:
    for name, count in (("cat", 31), ("dog", 33)):
        for i in range(count):
            path = tmp_path / "pictures" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            drawing(i + 100 * len(name) + (name == "cat") * 1000).save(path)
    data = prepare(tmp_path / "pictures", tmp_path / "data", size=16, workers=1)
    choice = choose(data, CPU, 10, pace(1000))
    assert choice.recipe.data.labels and any("2 classes" in reason for reason in choice.reasons)


def test_what_cannot_be_is_said(some: Callable[..., Prepared]) -> None:
    with pytest.raises(UsageError, match=r"near it: 16×16 or 20×20; prepare the drawings again with --size"):
        choose(some(60, (18, 18, 3)), CPU, 10, pace(1000))
    with pytest.raises(UsageError, match=r"wants 0\.5 minutes or more"):
        choose(some(61), CPU, 0.1, pace(1000))
    with pytest.raises(UsageError, match=r"sees only 600 pictures of this size here.*give it 17 minutes or prepare"):
        choose(some(62), CPU, 1, pace(10))


def test_auto_trains_goes_on_and_tells_why(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choosing, "_measured", pace(300))
    short = ["--set", "train.kimg=0.064", "--set", "arch.width=4", "--set", "arch.most=4", "--set", "watch.scored=0"]
    command = ["train", "auto", "--data", str(data.folder), "--out", str(tmp_path / "run"), "--minutes", "5", *short]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "40 drawings" in said and "width 8" in said
    run = Run(tmp_path / "run")
    assert run.recipe.arch["name"] == "stylegan2" and run.seen() == 64
    about = json.loads((run.folder / "run.json").read_text())
    assert "only 40 drawings" in " ".join(about["chosen"])
    assert main(command) == 0 and run.seen() == 64, "the same command goes on with the same recipe"
    assert main(["report", str(run.folder)]) == 0
    assert "only 40 drawings" in (run.folder / "report.html").read_text()
    assert main([*command[:4], "--out", str(tmp_path / "other")]) == 2
    assert "say how long it may train" in capsys.readouterr().err
