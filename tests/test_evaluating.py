"""Scores of a run: told by whom and on how many, beside a floor; kept features; wrong use in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from boceto import evaluating, recipe, starting
from boceto.cli import main
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.errors import Fault, UsageError
from boceto.evaluating import Reference, evaluate, in_features, real_features
from boceto.metrics.features import Network
from conftest import TINY, drawing


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run on 110 drawings."""
    folder = tmp_path_factory.mktemp("evaluating")
    (folder / "drawings").mkdir()
    for i in range(110):
        drawing(i).save(folder / "drawings" / f"{i:03d}.png")
    prepare(folder / "drawings", folder / "data", size=16, workers=1)
    (folder / "tiny.toml").write_text(recipe.parse(TINY, "tests").to_toml(), "utf-8")
    return starting.train(folder / "tiny.toml", folder / "data", folder / "run", device_name="cpu").folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOCETO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_run_is_scored_beside_real_drawings(run: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--samples", "50", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["features"], found["count"], found["nimg"], found["seed"]) == ("lite0", 50, 64, 0)
    assert len(found["data"]) == 64 and "no more than the 1,280 features" in found["left_out"]["fid"]
    names = ["kid", "precision", "recall", "density", "coverage", "diversity", "inception", "ms-ssim", "swd-16"]
    assert list(found["scores"]) == names
    for score in found["scores"].values():
        assert score["found"]["low"] <= score["found"]["value"] <= score["found"]["high"]
        assert set(score["floor"]) == {"value", "low", "high", "error"}
    assert found["scores"]["kid"]["found"]["low"] > found["scores"]["kid"]["floor"]["high"], "noise is no drawing"
    assert found["scores"]["precision"]["found"]["value"] < found["scores"]["precision"]["floor"]["value"]
    (kept,) = (cache / "features").iterdir()
    before = kept.stat().st_mtime_ns
    assert main(["evaluate", str(run), "--samples", "50"]) == 0
    said = capsys.readouterr().out
    assert "by lite0, of 50 generated and as many real pictures" in said and "fid is not told" in said
    assert kept.stat().st_mtime_ns == before and len(list((cache / "features").iterdir())) == 1


def test_a_damaged_cache_is_none(cache: Path) -> None:
    features = np.ones((2, 3), np.float32)
    assert np.array_equal(evaluating.kept("a", lambda: features), features)
    (file,) = (cache / "features").iterdir()
    file.write_bytes(b"nonsense")
    assert np.array_equal(evaluating.kept("a", lambda: 2 * features), 2 * features)
    assert np.array_equal(evaluating.kept("a", lambda: 3 * features), 2 * features), "and mended"


def test_more_pictures_than_features_have_a_fid() -> None:
    random = np.random.default_rng(0)
    real, other, fake = (random.normal(shift, 1, (120, 6)).astype(np.float32) for shift in (0, 0, 1))
    net = Network("toy", 8, lambda images: torch.zeros(len(images), 6))
    found, floor = in_features(real, fake, net), in_features(real, other, net)
    assert set(found) == {"kid", "precision", "recall", "density", "coverage", "diversity", "fid"}
    for name in ("kid", "fid"):
        assert found[name].low > floor[name].high
    assert found["fid"].value == pytest.approx(6, rel=0.4)
    assert floor["precision"].high <= 1 and floor["precision"].low < floor["precision"].value
    far = in_features(real, fake + 50, net, fid=False)
    assert "fid" not in far and far["precision"].value == 0 < far["precision"].high < 0.1, (
        "none of 120 is not none ever"
    )


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"samples": 10}, "scores of 10 pictures say nothing"),
        ({"features": "vgg"}, "no feature network 'vgg'"),
        ({"snapshot": "000000001"}, "no snapshot"),
        ({"data": "nowhere"}, "does not exist"),
    ],
)
def test_wrong_use(run: Path, how: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        evaluate(run, **{"samples": 50, **how})  # type: ignore[arg-type]


def test_too_few_drawings_and_other_colours(run: Path, tmp_path: Path) -> None:
    for name, count, grey in (("few", 60, False), ("grey", 110, True)):
        (tmp_path / f"{name}-drawings").mkdir()
        for i in range(count):
            drawing(i).save(tmp_path / f"{name}-drawings" / f"{i:03d}.png")
        prepare(tmp_path / f"{name}-drawings", tmp_path / name, size=16, grey=grey, workers=1)
    with pytest.raises(UsageError, match="holds 60 pictures; scores want 100"):
        evaluate(run, data=tmp_path / "few", samples=50)
    with pytest.raises(UsageError, match=r"holds grey pictures, those to score have colours"):
        evaluate(run, data=tmp_path / "grey", samples=50)


def test_pictures_are_scored_without_a_run(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a training does it: real pictures are looked at once, for any number of sets of generated ones."""
    monkeypatch.setattr(evaluating, "FEWEST", 20)
    looked: list[int] = []

    def features(images: torch.Tensor) -> torch.Tensor:
        looked.append(len(images))
        return images.mean(dim=(2, 3))

    reference = Reference(data, Network("means", 8, features), data.shape, 1000)
    assert reference.count == 20 and sum(looked) == 40 and not reference.left_out
    alike, same = reference.scores(data.gather(range(20))), reference.scores(data.gather([7] * 20))
    assert sum(looked) == 80 and alike["kid"].floor is same["kid"].floor
    assert same["diversity"].found.value < 1e-6 < alike["diversity"].found.low
    assert same["ms-ssim"].found.value == pytest.approx(1) and alike["ms-ssim"].found.high < 1
    assert "at 3 scales" in same["ms-ssim"].about
    assert min(score.found.low for name, score in alike.items() if name != "kid") >= 0
    assert Reference(data, Network("means", 8, features), (8, 8, 1), 20).count == 20, "smaller and grey is fine"
    with pytest.raises(ValueError, match="pictures to score"):
        reference.scores(np.zeros((20, 8, 8, 3), np.uint8))


def test_no_real_picture_is_looked_at_twice(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever chooses them, in blocks that stay though the rest is broken off; another shape or network is another."""
    monkeypatch.setattr(evaluating, "_BLOCK", 16)
    looked: list[int] = []

    def features(images: torch.Tensor) -> torch.Tensor:
        looked.append(len(images))
        if broken and sum(looked) > 12:
            raise KeyboardInterrupt
        return images.mean(dim=(2, 3))

    def ask(numbers: list[int], shape: tuple[int, int, int] = data.shape, name: str = "means") -> np.ndarray:
        looked.clear()
        return real_features(data, np.array(numbers), shape, Network(name, 8, features))

    broken = True
    with pytest.raises(KeyboardInterrupt):
        ask(list(range(40)))
    broken = False
    whole = ask(list(range(40)))
    assert sum(looked) == 40, "less than a block was done"
    broken = True
    assert np.array_equal(ask([39, 3, 3, 17]), whole[[39, 3, 3, 17]]) and not looked
    with pytest.raises(KeyboardInterrupt):
        ask(list(range(40)), (8, 8, 3))
    broken = False
    ask([5, 20], name="other")
    assert sum(looked) == 2
    again = ask([20, 5, 6], name="other")
    assert sum(looked) == 1 and np.array_equal(again, whole[[20, 5, 6]])


def test_a_damaged_block_is_looked_at_again(data: Prepared, cache: Path) -> None:
    net = Network("means", 8, lambda images: images.mean(dim=(2, 3)))
    whole = real_features(data, np.arange(40), data.shape, net)
    (file,) = (cache / "features").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert np.array_equal(real_features(data, np.arange(40), data.shape, net), whole)
    assert list((cache / "features").iterdir()) == [file] and file.stat().st_size > 100, "and mended"
    other: dict[str, np.ndarray] = {"numbers": np.arange(40), "features": np.full((40, 3), np.nan, np.float32)}
    for written in (other, {"features": other["features"]}):
        save_file(written, file)
        assert np.array_equal(real_features(data, np.arange(40), data.shape, net), whole), (
            "nor is what it did not write"
        )


def test_a_cache_that_cannot_be_written_is_none(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BOCETO_CACHE", str(tmp_path / "file"))
    net = Network("means", 8, lambda images: images.mean(dim=(2, 3)))
    assert real_features(data, np.arange(40), data.shape, net).shape == (40, 3)


def test_features_that_are_no_numbers(data: Prepared, cache: Path) -> None:
    net = Network("broken", 8, lambda images: torch.full((len(images), 4), torch.nan))
    with pytest.raises(Fault, match="feature network broken gives numbers that are not finite"):
        real_features(data, np.arange(40), data.shape, net)
    assert not (cache / "features").exists(), "and none are kept"


def test_smaller_drawings_are_not_enlarged(run: Path, tmp_path: Path) -> None:
    (tmp_path / "drawings").mkdir()
    for i in range(110):
        drawing(i).save(tmp_path / "drawings" / f"{i:03d}.png")
    prepare(tmp_path / "drawings", tmp_path / "small", size=8, workers=1)
    with pytest.raises(UsageError, match=r"8×8, too small for 16×16; prepare .* again with --size 16x16"):
        evaluate(run, data=tmp_path / "small", samples=50)
