"""Scores of a run: told by whom and on how many, beside a floor; kept features; wrong use in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from boceto import evaluating, recipe, starting
from boceto.cli import main
from boceto.data.preparing import prepare
from boceto.errors import UsageError
from boceto.evaluating import evaluate, told
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
    assert len(found["data"]) == 64 and "fewer than the 1,280 features" in found["left_out"]["fid"]
    names = ["kid", "precision", "recall", "density", "coverage", "diversity", "inception", "swd-16"]
    assert list(found["scores"]) == names
    for score in found["scores"].values():
        assert score["found"]["low"] <= score["found"]["value"] <= score["found"]["high"]
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
    scores, left_out = told(real, other, fake, net)
    assert not left_out and set(scores) == {"kid", "precision", "recall", "density", "coverage", "diversity", "fid"}
    for name in ("kid", "fid"):
        assert scores[name].lower_is_better and scores[name].found.low > scores[name].floor.high
    assert scores["fid"].found.value == pytest.approx(6, rel=0.4)


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"samples": 10}, "fewer than 50"),
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
    with pytest.raises(UsageError, match=r"holds grey pictures, .* draws colour ones"):
        evaluate(run, data=tmp_path / "grey", samples=50)
