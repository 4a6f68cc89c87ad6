"""Derived datasets: the same pictures in the same order, smaller or grey, made once and whole."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from boceto.data import deriving
from boceto.data.deriving import derive, reduced
from boceto.data.prepared import MANIFEST, Prepared, is_prepared
from boceto.data.preparing import prepare
from boceto.errors import Fault, UsageError


@pytest.fixture(scope="module")
def origin(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The drawings at 32 px, and one that is none."""
    folder = tmp_path_factory.mktemp("origin")
    shutil.copytree(drawings, folder / "drawings")
    (folder / "drawings" / "empty.png").touch()
    return prepare(folder / "drawings", folder / "data", size=32, workers=1)


def test_the_same_pictures_smaller_and_grey(origin: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deriving, "SHARD_BYTES", 16 * 16 * 15)
    monkeypatch.setattr(deriving, "_AT_ONCE", 7)
    told: list[tuple[int, int]] = []
    made = derive(
        origin, tmp_path / "deep" / "small", height=16, width=16, grey=True, progress=lambda *n: told.append(n)
    )
    assert made.shape == (16, 16, 1) and len(made) == len(origin) == 40 and told[-1] == (40, 40)
    assert [shard["count"] for shard in made.manifest["shards"]] == [15, 15, 10]
    small, large = made.gather(range(40)), origin.gather(range(40)).astype(float)
    luma = large @ [0.299, 0.587, 0.114]
    means = luma.reshape(40, 16, 2, 16, 2).mean(axis=(2, 4))
    assert np.abs(small[..., 0] - means).mean() < 2, "each picture is its own, reduced"
    assert made.records() == origin.records()
    quarantine = (made.folder / "quarantine.csv").read_text()
    assert quarantine == (origin.folder / "quarantine.csv").read_text() and "empty.png" in quarantine
    assert made.manifest["derived"]["content_hash"] == origin.content_hash != made.content_hash
    assert made.manifest["left_out"] == origin.manifest["left_out"]
    assert made.manifest["options"]["frame"]["grey"] and made.manifest["options"]["frame"]["height"] == 16
    assert is_prepared(made.folder) and made.verify() > 40 * 256
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["small"]


def test_it_equals_what_prepare_gives_but_for_rounding(origin: Prepared) -> None:
    pixels = origin.gather(range(5))
    once, twice = reduced(pixels, (8, 8, 3)), reduced(reduced(pixels, (16, 16, 3)), (8, 8, 3))
    assert np.abs(once.astype(int) - twice.astype(int)).mean() < 2
    assert reduced(pixels, (32, 32, 3)) is pixels


def test_what_is_there_is_used_again(origin: Prepared, tmp_path: Path) -> None:
    first = derive(origin, tmp_path / "a", height=16, width=16)
    written = (tmp_path / "a" / MANIFEST).stat().st_mtime_ns
    again = derive(origin, tmp_path / "a", height=16, width=16)
    assert (tmp_path / "a" / MANIFEST).stat().st_mtime_ns == written
    assert again.content_hash == first.content_hash
    assert derive(origin, tmp_path / "b", height=16, width=16).content_hash == first.content_hash
    assert derive(origin, tmp_path / "c", height=32, width=32) is origin
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_pairs_stay_pairs(drawings: Path, tmp_path: Path) -> None:
    pairs = prepare(drawings, tmp_path / "pairs", size=16, pairs_from=drawings)
    made = derive(pairs, tmp_path / "small", height=8, width=8, grey=True)
    sources, targets = made.gather_pairs(range(40))
    assert sources.shape == (40, 8, 8, 1) and np.array_equal(sources, targets)


def test_it_never_enlarges_distorts_or_colours(origin: Prepared, drawings: Path, tmp_path: Path) -> None:
    grey = prepare(drawings, tmp_path / "grey", size=16, grey=True)
    for data, height, width, says in (
        (origin, 64, 64, r"too small for 64×64; prepare .* with --size 64x64"),
        (origin, 16, 33, "too small"),
        (origin, 0, 0, "too small"),
        (origin, 16, 24, "undistorted"),
    ):
        with pytest.raises(UsageError, match=says):
            derive(data, tmp_path / "out", height=height, width=width)
    with pytest.raises(UsageError, match="colour is wanted"):
        deriving.require(grey, (8, 8, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["grey"]


def test_what_is_in_the_way_is_left_alone(origin: Prepared, data: Prepared, tmp_path: Path) -> None:
    small = derive(origin, tmp_path / "small", height=8, width=8)
    for other, side in ((data, 8), (origin, 16)):  # of other pictures, of another size
        with pytest.raises(UsageError, match="was not derived from"):
            derive(other, small.folder, height=side, width=side)
    with pytest.raises(UsageError, match="was not derived from"):
        derive(origin, data.folder, height=16, width=16)
    (tmp_path / ".new.partial").mkdir()
    (tmp_path / ".new.partial" / "diary.txt").write_text("mine")
    with pytest.raises(UsageError, match="in the way"):
        derive(origin, tmp_path / "new", height=8, width=8)
    assert (tmp_path / ".new.partial" / "diary.txt").read_text() == "mine"
    (small.folder / "images-00000.npy").write_bytes(b"cut")
    with pytest.raises(Fault, match="damaged; remove it"):
        derive(origin, small.folder, height=8, width=8)


def test_it_is_whole_or_not_there(origin: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        derive(origin, tmp_path / "small", height=8, width=8, progress=give_up)
    assert not list(tmp_path.iterdir())
    left = tmp_path / ".small.partial"  # as a kill leaves it
    left.mkdir()
    (left / "images-00007.npy").write_bytes(b"half")
    made = derive(origin, tmp_path / "small", height=8, width=8)
    assert made.verify() and not left.exists()
    assert json.loads((made.folder / MANIFEST).read_text())["count"] == 40
    if os.name != "nt":
        (tmp_path / "file").touch()
        with pytest.raises(Fault, match="cannot write"):
            derive(origin, tmp_path / "file" / "small", height=8, width=8)
