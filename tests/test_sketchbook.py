"""The sketchbook draws the same set again and again, tags what it draws, and plants the faults it names."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from boceto.data.sketchbook import METADATA, Character, Written, draw, invent, write
from boceto.data.sketchbook.book import FAULTS, plan
from boceto.data.sketchbook.pen import luma
from boceto.data.sketchbook.wardrobe import CLOTHES, FRINGES, HAIR_STYLES, HATS, LIDS, MOUTHS, POSE_WEIGHTS

COUNT, SIZE = 72, 64


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(tmp_path_factory.mktemp("sketchbook") / "book", COUNT, seed=3, size=SIZE, workers=1)


@pytest.fixture(scope="module")
def crowd() -> list[Character]:
    return [invent(1, index) for index in range(800)]


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _entries(written: Written) -> list[dict[str, Any]]:
    lines = (written.folder / METADATA).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _kind_of(path: Path, healthy: set[bytes]) -> str:
    """What is wrong with a file, told from nothing but the file (and the healthy ones for a double)."""
    data = path.read_bytes()
    if not data:
        return "empty"
    if data in healthy:
        return "duplicate"
    try:
        picture = Image.open(path)
    except UnidentifiedImageError:
        return "not_an_image"
    try:
        picture.load()
    except OSError:
        return "truncated"
    if max(picture.size) <= 16:
        return "tiny"
    if picture.mode != "RGB":
        return {"RGBA": "rgba", "L": "greyscale", "CMYK": "cmyk"}[picture.mode]
    if picture.width < SIZE:
        return "near_duplicate"
    grey = np.asarray(picture.convert("L"))
    rows = max(grey[:3].max(), grey[-3:].max()) < 48
    columns = max(grey[:, :3].max(), grey[:, -3:].max()) < 48
    if rows and columns:
        return "letterbox_frame"
    return "letterbox_horizontal" if rows else "letterbox_vertical" if columns else "nothing"


def test_invent_is_a_pure_function() -> None:
    assert invent(5, 17) == invent(5, 17)
    assert invent(5, 17) != invent(5, 18)
    assert invent(5, 17) != invent(6, 17)


def test_draw_gives_the_same_rgb_square_of_the_size_asked_for() -> None:
    who = invent(0, 0)
    for size in (32, 128):
        picture = draw(who, size)
        assert picture.mode == "RGB"
        assert picture.size == (size, size)
        assert picture.tobytes() == draw(who, size).tobytes()


def test_workers_do_not_change_a_byte(tmp_path: Path) -> None:
    one = write(tmp_path / "one", 40, seed=9, size=32, workers=1)
    two = write(tmp_path / "two", 40, seed=9, size=32, workers=2)
    assert _digests(one.folder) == _digests(two.folder)
    assert one.faults == two.faults


def test_every_option_is_drawn_and_none_breaks(crowd: list[Character]) -> None:
    fields: dict[str, Iterable[str]] = {
        "hair_style": HAIR_STYLES, "fringe": FRINGES, "hat": HATS, "clothes": CLOTHES, "mouth": MOUTHS, "lids": LIDS,
        "pose": POSE_WEIGHTS,
    }  # fmt: skip
    chosen: dict[tuple[str, str], Character] = {}
    for who in crowd:
        for name in fields:
            chosen.setdefault((name, getattr(who, name)), who)
    missing = [(name, option) for name, options in fields.items() for option in options if (name, option) not in chosen]
    assert not missing
    for who in chosen.values():
        # Never a blank picture.
        assert np.asarray(draw(who, 24), dtype=np.float64).std() > 10


def test_tags_follow_the_fields(crowd: list[Character]) -> None:
    for who in crowd:
        tags = set(who.tags)
        assert len(tags) == len(who.tags)
        assert {"solo", who.framing, f"1{who.figure}", who.hair_colour} <= tags
        assert ("glasses" in tags) == (who.glasses != "none")
        assert ("hat" in tags) == (who.hat.endswith(("hat", "cap", "beret", "beanie")))
        assert ("closed_eyes" in tags) == (who.lids in ("happy", "calm", "squeezed"))
        assert (who.eye_colour in tags) == (who.lids in ("open", "half", "wink"))
        assert ("smile" in tags) == (who.mouth in ("smile", "open_smile", "grin"))
        assert ("open_mouth" in tags) == (who.mouth in ("open_smile", "o"))
        assert ("twintails" in tags) == (who.hair_style == "twintails")
        assert ("white_background" in tags) == (who.background == "white")
        assert ("standing" in tags) <= (who.framing == "full_body")
        assert ("freckles" in tags) == who.freckles


def test_the_shares_are_as_told(crowd: list[Character]) -> None:
    portraits = sum(who.framing == "portrait" for who in crowd) / len(crowd)
    white = sum(who.background == "white" for who in crowd) / len(crowd)
    assert 0.69 < portraits < 0.81
    assert 0.29 < white < 0.41


def test_no_beard_is_much_paler_than_the_skin() -> None:
    beards = [who for who in (invent(2, index) for index in range(3000)) if who.facial_hair == "beard"]
    assert len(beards) > 50
    assert all(luma(who.hair_rgb) < max(luma(who.skin_rgb) + 10, 125) for who in beards)


def test_portraits_keep_the_eyes_at_one_height(crowd: list[Character]) -> None:
    heights = [who.place[1] for who in crowd if who.framing == "portrait"]
    assert np.std(heights) < 2.5
    assert all(abs(who.tilt) <= 6 for who in crowd)


def test_the_set_is_varied(crowd: list[Character]) -> None:
    assert len({who.tags for who in crowd}) > 0.98 * len(crowd)
    sheet = np.stack([np.asarray(draw(who, 32), dtype=np.float64) for who in crowd[:60]])
    distance = np.abs(sheet[:, None] - sheet[None]).mean(axis=(2, 3, 4))
    assert distance[~np.eye(len(sheet), dtype=bool)].mean() > 40
    assert distance[~np.eye(len(sheet), dtype=bool)].min() > 8


def test_each_fault_is_planted_and_is_what_it_is_called(book: Written) -> None:
    images = sorted((book.folder / "images").iterdir())
    healthy = {path.read_bytes() for path in images if int(path.stem) < COUNT}
    assert len(healthy) == COUNT == book.pictures
    assert all(_kind_of(path, set()) == "nothing" for path in images if int(path.stem) < COUNT)
    found = Counter(_kind_of(path, healthy) for path in images if int(path.stem) >= COUNT)
    named = [entry["file_name"] for entry in _entries(book)]
    found["orphan"] = sum(not (book.folder / name).exists() for name in named)
    assert dict(found) == book.faults
    assert set(book.faults) == set(FAULTS)


def test_a_cut_out_has_clear_ground_and_a_solid_figure(book: Written) -> None:
    cut_outs = [path for path in (book.folder / "images").glob("*.png") if Image.open(path).mode == "RGBA"]
    alpha = np.asarray(Image.open(cut_outs[0]))[:, :, 3]
    assert (alpha == 0).mean() > 0.1
    assert (alpha == 255).mean() > 0.1


def test_large_sets_hold_each_fault_twice_or_more() -> None:
    for count in (200, 1000, 4000):
        planted = Counter(page.fault for page in plan(count, 0, True) if page.fault)
        assert set(planted) == set(FAULTS)
        assert min(planted.values()) >= 2
    assert 0.02 < sum(planted.values()) / 4000 < 0.03


def test_metadata_reads_like_a_danbooru_dump(book: Written) -> None:
    entries = _entries(book)
    assert [entry["id"] for entry in entries] == [str(number) for number in range(len(entries))]
    assert len(entries) == COUNT + sum(book.faults.values())
    for entry in entries:
        assert set(entry) == {"id", "file_name", "rating", "score", "image_width", "image_height", "tags"}
        assert all(isinstance(value, str) for key, value in entry.items() if key != "tags")
        assert all(list(tag) == ["name"] and " " not in tag["name"] for tag in entry["tags"])
        if int(entry["id"]) < COUNT:
            with Image.open(book.folder / entry["file_name"]) as picture:
                assert picture.size == (int(entry["image_width"]), int(entry["image_height"]))
            assert tuple(tag["name"] for tag in entry["tags"]) == invent(3, int(entry["id"])).tags
    files = {f"images/{path.name}" for path in (book.folder / "images").iterdir()}
    assert files <= {entry["file_name"] for entry in entries}
    assert {Path(name).suffix for name in files} == {".jpg", ".png"}


def test_without_faults_there_are_only_pictures(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    written = write(
        tmp_path, 6, size=24, faults=False, workers=1, progress=lambda done, total: seen.append((done, total))
    )
    assert written == Written(folder=tmp_path, pictures=6, faults={})
    assert len(list((tmp_path / "images").iterdir())) == 6
    assert seen[-1] == (6, 6)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        write(tmp_path, 2, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
