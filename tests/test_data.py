"""From a folder of drawings to a prepared dataset: sources, screening, framing, batches."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from boceto.data import framing, preparing, screening, sources, writing
from boceto.data.batches import batches, indices, mirrored
from boceto.data.framing import Frame
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.errors import Fault, UsageError
from conftest import drawing

# ── sources ──


def test_metadata_gives_tags_in_every_usual_form_and_orphans_are_named(tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "sub/3.png", "4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        drawing(1).save(tmp_path / name)
    lines = [
        json.dumps({"id": "1", "tags": [{"name": "hat"}, {"name": "smile"}]}),
        json.dumps({"file_name": "2.png", "tags": ["hat"]}),
        json.dumps({"id": 3, "tag_string": "smile blue_eyes"}),
        json.dumps({"id": "77", "tags": []}),
        json.dumps({"id": "1", "tags": ["again"]}),
        "[1, 2]",
        '{"broken',
        "",
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines), "utf-8")
    (tmp_path / "notes.txt").write_text("not a picture")
    found = sources.read(tmp_path)
    tags = {record.path: record.tags for record in found.records}
    expected = {"1.png": ("hat", "smile"), "2.png": ("hat",), "4.png": (), "sub/3.png": ("smile", "blue_eyes")}
    assert tags == expected
    assert sorted(reason for reason, _ in found.orphans) == [
        "metadata line is not a JSON object",
        "metadata line is not a JSON object",
        "metadata without picture",
        "picture without metadata",
        "second metadata line for a picture",
    ]
    assert found.others == 1


def test_class_folders_are_labels_only_if_every_picture_has_one(tmp_path: Path) -> None:
    for name in ("cats/1.png", "dogs/1.png", "dogs/old/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        drawing(1).save(tmp_path / name)
    assert [record.label for record in sources.read(tmp_path).records] == ["cats", "dogs", "dogs"]
    drawing(2).save(tmp_path / "loose.png")
    assert {record.label for record in sources.read(tmp_path).records} == {None}


def test_links_out_of_the_folder_are_passed_over(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    drawing(1).save(outside / "secret.png")
    drawing(2).save(inside / "mine.png")
    try:
        (inside / "link.png").symlink_to(outside / "secret.png")
    except OSError:
        pytest.skip("this system makes no links")
    assert [record.path for record in sources.read(inside).records] == ["mine.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipes_and_folders_called_like_pictures_are_passed_over(tmp_path: Path) -> None:
    drawing(1).save(tmp_path / "good.png")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    assert [record.path for record in sources.read(tmp_path).records] == ["good.png"]


# ── screening ──


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty file"), (b"a text, not a picture", "not a picture"), (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "")],
)
def test_unreadable_files_are_rejected_with_the_reason(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(screening.Rejected) as caught:
        screening.open_picture(path.read_bytes())
    assert caught.value.stage == "unreadable"
    assert caught.value.reason and reason in caught.value.reason


def test_truncated_pictures_are_rejected(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG"):
        out = io.BytesIO()
        drawing(1, (200, 200)).save(out, kind)
        (tmp_path / "x").write_bytes(out.getvalue()[: len(out.getvalue()) // 2])
        with pytest.raises(screening.Rejected, match=r"cut short|damaged"):
            screening.open_picture((tmp_path / "x").read_bytes())


def test_decompression_bombs_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    drawing(1).save(tmp_path / "x.png")
    with pytest.raises(screening.Rejected, match="too many pixels"):
        screening.open_picture((tmp_path / "x.png").read_bytes())


def barred(inner: Image.Image, top: int, bottom: int, left: int, right: int, colour: str = "black") -> Image.Image:
    """A drawing between bars, with the noise a JPEG leaves."""
    whole = Image.new("RGB", (inner.width + left + right, inner.height + top + bottom), colour)
    whole.paste(inner, (left, top))
    out = io.BytesIO()
    whole.save(out, "JPEG", quality=85)
    return Image.open(out).convert("RGB")


@pytest.mark.parametrize("colour", ["black", "white", "#406080"])
@pytest.mark.parametrize("sides", [(20, 20, 0, 0), (0, 0, 16, 16), (12, 14, 10, 10), (30, 24, 0, 0)])
def test_bars_are_found_to_the_pixel(sides: tuple[int, int, int, int], colour: str) -> None:
    inner = drawing(5, (120, 100))
    found = screening.find_bars(np.asarray(barred(inner, *sides, colour=colour)))
    assert np.abs(np.subtract((found.top, found.bottom, found.left, found.right), sides)).max() <= 2


def test_margins_of_a_drawing_are_no_bars() -> None:
    paper = Image.new("RGB", (120, 120), "white")
    ImageDraw.Draw(paper).ellipse((30, 20, 90, 110), fill="red", outline="black")
    assert not screening.find_bars(np.asarray(paper))
    assert not screening.find_bars(np.asarray(Image.new("RGB", (64, 64), "black")))
    landscape = Image.new("RGB", (120, 120), "skyblue")
    ImageDraw.Draw(landscape).rectangle((0, 70, 120, 120), fill="green")
    assert not screening.find_bars(np.asarray(landscape))


@pytest.mark.parametrize(
    ("query", "yes", "no"),
    [
        ("a", {"a"}, {"b"}),
        ("a & b", {"a", "b"}, {"a"}),
        ("a | b & c", {"a"}, {"b"}),
        ("(a | b) & !c", {"b"}, {"b", "c"}),
        ("!(a|b)", set(), {"b"}),
        ("!!a", {"a"}, set()),
        ('"saber_(fate)" & a', {"saber_(fate)", "a"}, {"a"}),
    ],
)
def test_tag_queries(query: str, yes: set[str], no: set[str]) -> None:
    asks = screening.tag_query(query)
    assert asks(yes) and not asks(no)


@pytest.mark.parametrize("query", ["", "a &", "a b", "(a", "a)", "& a", "!", '"a', "a | | b", "(" * 5000])
def test_bad_tag_queries_end_in_one_sentence(query: str) -> None:
    with pytest.raises(UsageError, match="tag query"):
        screening.tag_query(query)


def test_duplicates_are_found_again_but_sisters_are_not() -> None:
    how = Frame(height=64, width=64)
    face = drawing(3, (128, 128))
    out = io.BytesIO()
    face.resize((150, 150)).save(out, "JPEG", quality=70)
    sister = face.copy()
    ImageDraw.Draw(sister).ellipse((50, 50, 62, 62), fill="blue")
    kept: list[screening.Pixels] = []
    seen = screening.Duplicates(kept.__getitem__)

    def known(image: Image.Image) -> int | None:
        pixels = framing.frame(image, how)
        return seen.find(screening.fingerprint(pixels), pixels)

    pixels = framing.frame(face, how)
    assert known(face) is None
    seen.add(screening.fingerprint(pixels))
    kept.append(pixels)
    assert known(face) == 0
    assert known(Image.open(out).convert("RGB")) == 0
    assert known(sister) is None
    assert known(drawing(4, (128, 128))) is None


# ── framing ──


def test_every_mode_becomes_rgb() -> None:
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    sixteen = Image.fromarray(np.full((8, 8), 32768, dtype=np.uint16))
    cases = {
        "RGBA": (clear, (255, 255, 255)),
        "LA": (Image.new("LA", (8, 8), (0, 0)), (255, 255, 255)),
        "P": (red.convert("P"), (255, 0, 0)),
        "CMYK": (red.convert("CMYK"), (255, 0, 0)),
        "1": (Image.new("1", (8, 8), 1), (255, 255, 255)),
        "L": (Image.new("L", (8, 8), 100), (100, 100, 100)),
        "I;16": (sixteen, (128, 128, 128)),
        "YCbCr": (red.convert("YCbCr"), (254, 0, 0)),
    }
    for mode, (image, expected) in cases.items():
        flat, _ = framing.upright(image, Frame())
        assert flat.mode == "RGB"
        assert np.abs(np.subtract(flat.getpixel((4, 4)), expected)).max() <= 2, mode  # type: ignore[arg-type]


def test_paper_lies_under_transparency() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert framing.upright(clear, Frame(paper="#102030"))[0].getpixel((0, 0)) == (16, 32, 48)


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (20, 10), "white")
    exif = image.getexif()
    exif[0x0112] = 6  # turned by a quarter
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    assert framing.upright(Image.open(out), Frame())[0].size == (10, 20)


def test_scans_are_reduced_before_anything_else() -> None:
    page = drawing(1, (100, 100)).resize((2000, 2400))
    small, times = framing.upright(page, Frame())
    assert times == 3 and small.size == (667, 800)
    whole, once = framing.upright(page.resize((1000, 1000)), Frame())
    assert once == 1 and whole.size == (1000, 1000)
    reduced, direct = framing.frame(small, Frame()), framing.frame(page, Frame())
    assert np.abs(reduced.astype(int) - direct).max() <= 2
    lines = Image.new("1", (2000, 2000), 1)
    assert framing.upright(lines, Frame())[0].size == (667, 667)


def test_bars_of_scans_are_named_in_the_pixels_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    barred(drawing(1, (2000, 1600)), 201, 201, 0, 0).save(tmp_path / "scans" / "barred.png")
    drawing(2).save(tmp_path / "scans" / "other.png")
    prepare(tmp_path / "scans", tmp_path / "data", bars="drop")
    assert quarantine(tmp_path / "data")["barred.png"] == ("bars", "top 201 px, bottom 201 px")
    cropped = prepare(tmp_path / "scans", tmp_path / "cropped")
    assert cropped.manifest["cropped_bars"] == 1


def test_floating_point_pictures_keep_their_greys() -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(64, axis=0)
    for values in (ramp, ramp * 255, ramp * 65535):
        grey = np.asarray(framing.upright(Image.fromarray(values), Frame())[0])
        assert grey[0, 0].max() == 0 and grey[0, -1].min() == 255 and abs(int(grey[0, 32, 0]) - 129) <= 1


def test_colour_profiles_are_applied_and_broken_ones_ignored() -> None:
    image = Image.new("RGB", (8, 8), (200, 100, 50))
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(np.subtract(framing.upright(image, Frame())[0].getpixel((0, 0)), (200, 100, 50))).max() <= 1  # type: ignore[arg-type]
    image.info["icc_profile"] = b"nonsense"
    assert framing.upright(image, Frame())[0].getpixel((0, 0)) == (200, 100, 50)


@pytest.mark.parametrize("fit", ["letterbox", "squish", "crop", "fill"])
@pytest.mark.parametrize("size", [(200, 100), (64, 300), (20, 30), (64, 48)])
def test_frames_have_the_asked_shape(fit: framing.Fit, size: tuple[int, int]) -> None:
    for grey in (False, True):
        pixels = framing.frame(drawing(1, size), Frame(height=64, width=48, fit=fit, grey=grey))
        assert pixels.shape == (64, 48, 1 if grey else 3) and pixels.dtype == np.uint8


def test_fits_do_what_they_say() -> None:
    wide = Image.new("RGB", (80, 40), "red")
    ImageDraw.Draw(wide).rectangle((0, 0, 9, 39), fill="blue")
    square = {
        fit: framing.frame(wide, Frame(height=40, width=40, fit=fit)) for fit in ("letterbox", "squish", "crop", "fill")
    }
    assert (square["letterbox"][2] == 0).all(), "black bars"
    assert (square["fill"][2] == (255, 0, 0)).all(), "bars in the drawing's own border colour"
    assert square["squish"][20, 2, 2] > 250, "all of it, distorted"
    assert (square["crop"][:, :, 2] == 0).all(), "the centre only"


def test_every_size_can_be_cropped_to_every_size() -> None:
    for side in range(28, 200):
        for frame in (28, 48):
            pixels = framing.frame(Image.new("RGB", (side, side + side % 3)), Frame(height=frame, width=frame))
            assert pixels.shape == (frame, frame, 3)


def test_small_originals_are_framed_not_enlarged_unless_asked() -> None:
    small = Image.new("RGB", (20, 20), "red")
    framed = framing.frame(small, Frame(fit="letterbox"))
    assert (framed[:22] == 0).all() and (framed[32, 32] == (255, 0, 0)).all()
    assert (framing.frame(small, Frame(fit="letterbox", enlarge=True)) == (255, 0, 0)).all()


@pytest.mark.parametrize(("text", "size"), [("64", (64, 64)), ("48x64", (64, 48)), ("48×64", (64, 48))])
def test_sizes(text: str, size: tuple[int, int]) -> None:
    assert framing.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "64x", "0", "-4", "1e3", "64x64x64", "99999"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="size"):
        framing.parse_size(text)


# ── preparing ──


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    """Good drawings and one of every fault."""
    folder = tmp_path / "faulty"
    folder.mkdir()
    for i in range(20):
        drawing(100 + i).save(folder / f"good-{i:02d}.png")
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("no picture")
    drawing(100).save(folder / "twice.bmp")
    drawing(1, (6, 6)).save(folder / "tiny.png")
    barred(drawing(50, (60, 60)), 15, 15, 0, 0).save(folder / "barred.png")
    drawing(51).convert("CMYK").save(folder / "cmyk.jpg")
    drawing(52).convert("L").save(folder / "grey.jpg")
    return folder


def quarantine(folder: Path) -> dict[str, tuple[str, str]]:
    with (folder / "quarantine.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: (row["stage"], row["reason"]) for row in csv.DictReader(file)}


def test_faults_are_quarantined_with_stage_and_reason(faulty: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in faulty.iterdir()}
    data = prepare(faulty, tmp_path / "data", size=32)
    out = quarantine(tmp_path / "data")
    assert {path: stage for path, (stage, _) in out.items()} == {
        "empty.jpg": "unreadable",
        "text.png": "unreadable",
        "tiny.png": "too small",
        "twice.bmp": "duplicate",
    }
    assert out["twice.bmp"][1] == "repeats good-00.png"
    assert len(data) == 23 and data.manifest["cropped_bars"] == 1
    expected = {"tags": 0, "unreadable": 2, "too small": 1, "animated": 0, "bars": 0, "duplicate": 1}
    assert data.manifest["left_out"] == expected
    stages = data.manifest["stages"]
    assert [stage["stage"] for stage in stages] == list(expected)
    assert stages[0]["came"] == data.manifest["found"] == 27 and stages[-1]["kept"] == len(data)
    assert all(stage["came"] - stage["left_out"] == stage["kept"] for stage in stages)
    assert [stage["came"] for stage in stages[1:]] == [stage["kept"] for stage in stages[:-1]]
    assert {path.name: path.read_bytes() for path in faulty.iterdir()} == before, "originals are untouched"
    assert not list(tmp_path.glob("*.partial"))


def test_bars_and_duplicates_by_option(faulty: Path, tmp_path: Path) -> None:
    prepare(faulty, tmp_path / "a", size=32, bars="drop", duplicates="keep")
    assert quarantine(tmp_path / "a")["barred.png"][0] == "bars"
    assert "twice.bmp" not in quarantine(tmp_path / "a")
    kept = prepare(faulty, tmp_path / "b", size=32, bars="keep", fit="squish")
    names = [record.path for record in kept.records()]
    assert kept.gather([names.index("barred.png")])[0, 0].max() < 30


def test_the_result_does_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(260):
        drawing(i, (24, 24)).save(folder / f"{i}.png")
    hashes = {prepare(folder, tmp_path / f"w{n}", size=16, workers=n).content_hash for n in (1, 2, 3)}
    assert len(hashes) == 1
    assert prepare(folder, tmp_path / "grey", size=16, grey=True).content_hash not in hashes


def test_tag_query_selects(tmp_path: Path) -> None:
    folder = tmp_path / "tagged"
    folder.mkdir()
    lines = []
    for i in range(6):
        drawing(i).save(folder / f"{i}.png")
        lines.append(json.dumps({"id": str(i), "tags": [{"name": "even" if i % 2 == 0 else "odd"}]}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    data = prepare(folder, tmp_path / "data", size=16, tags="even")
    assert [record.path for record in data.records()] == ["0.png", "2.png", "4.png"]
    assert data.manifest["left_out"]["tags"] == 3
    with pytest.raises(UsageError, match=r"no picture .* matches"):
        prepare(folder, tmp_path / "none", size=16, tags="blue")


def test_shards(drawings: Path, data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SHARD_BYTES", 16 * 16 * 3 * 7)
    sharded = prepare(drawings, tmp_path / "data", size=16)
    assert len(sharded.manifest["shards"]) == 6
    chosen = [39, 0, 6, 7, 13, 14, 39]
    assert np.array_equal(sharded.gather(chosen), data.gather(chosen))
    sharded.verify()


def test_damaged_datasets_are_named(drawings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shard, manifest = folder / "images-00000.npy", folder / "manifest.json"

    def fresh() -> None:
        prepare(drawings, folder, size=16, force=True)

    fresh()
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(Fault, match=r"images-00000\.npy is missing or cut short"):
        Prepared(folder)
    fresh()
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(Fault, match=r"images-00000\.npy is not what was written"):
        Prepared(folder).verify()
    fresh()
    content[:6] = b"nonsen"
    shard.write_bytes(content)
    with pytest.raises(Fault, match=r"images-00000\.npy"):
        Prepared(folder)
    fresh()
    manifest.write_text(manifest.read_text()[:-20])
    with pytest.raises(Fault, match=r"manifest\.json is damaged"):
        Prepared(folder)
    manifest.write_text("[]")
    with pytest.raises(Fault, match=r"manifest\.json is damaged"):
        Prepared(folder)


def test_places_are_protected(drawings: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot take the place of its source"):
        prepare(drawings, drawings)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "novel.txt").write_text("years of work")
    for force in (False, True):
        with pytest.raises(UsageError, match=r"exists|left alone"):
            prepare(drawings, precious, force=force)
    assert (precious / "novel.txt").read_text() == "years of work"


def test_nothing_of_anybody_else_is_removed(drawings: Path, tmp_path: Path) -> None:
    """Not with --force, not for a name that looks like ours, not for what appears meanwhile."""
    data = prepare(drawings, tmp_path / "data", size=16).folder
    (data / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="left alone"):
        prepare(drawings, data, size=16, force=True)
    (data / "notes.txt").unlink()
    inside = data / "originals"
    inside.mkdir()
    drawing(1).save(inside / "1.png")
    with pytest.raises(UsageError, match="cannot take the place of its source"):
        prepare(inside, data, size=16, force=True)
    assert (inside / "1.png").exists()
    site = tmp_path / "site"
    site.mkdir()
    (site / "manifest.json").write_text('{"name": "my site"}')
    with pytest.raises(UsageError, match="left alone"):
        prepare(drawings, site, size=16, force=True)
    partial = tmp_path / "new.partial"
    partial.mkdir()
    (partial / "mine").touch()

    def intrude(progress: preparing.Progress) -> None:
        (tmp_path / "new").mkdir(exist_ok=True)
        (tmp_path / "new" / "mine").touch()

    with pytest.raises(UsageError, match="exists already"):
        prepare(drawings, tmp_path / "new", size=16, progress=intrude)
    assert (partial / "mine").exists() and (tmp_path / "new" / "mine").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_source_that_goes_away_is_no_source_full_of_faults(
    drawings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    source = Path(shutil.copytree(drawings, tmp_path / "stick"))
    first = drawing(0)

    def pull_out(*_: object) -> tuple[Image.Image, int]:
        shutil.rmtree(source, ignore_errors=True)
        return first, 1

    monkeypatch.setattr(screening, "open_scaled", pull_out)
    with pytest.raises(Fault, match="gone away"):
        prepare(source, tmp_path / "data", size=16)
    assert not list(tmp_path.iterdir())


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    for i, name in enumerate((b"good\xff.png", "line\u2028.png".encode(), b"plain.png")):
        drawing(i).save(tmp_path / "x.png")
        (tmp_path / "x.png").rename(folder / os.fsdecode(name))
    (folder / os.fsdecode(b"bad\xfe.png")).touch()
    (folder / "loop.png").symlink_to("loop.png")
    data = prepare(folder, tmp_path / "data", size=16)
    assert len(data) == len(data.records()) == 3
    assert data.manifest["left_out"]["unreadable"] == 1


def test_nothing_left_to_keep_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.png").touch()
    with pytest.raises(UsageError, match=r"no picture .* is left .*1 unreadable"):
        prepare(folder, tmp_path / "data")
    assert not (tmp_path / "data").exists() and not (tmp_path / "data.partial").exists()


# ── batches ──


def test_every_epoch_shows_every_picture_once() -> None:
    seen = np.concatenate([indices(3, nimg, 7, 50) for nimg in range(0, 350, 7)])
    for epoch in range(7):
        assert sorted(seen[50 * epoch : 50 * (epoch + 1)]) == list(range(50))
    assert not np.array_equal(seen[:50], seen[50:100])


def test_order_is_a_function_of_seed_and_images_seen() -> None:
    whole = indices(1, 0, 120, 50)
    assert np.array_equal(np.concatenate([indices(1, 0, 33, 50), indices(1, 33, 87, 50)]), whole)
    assert not np.array_equal(indices(2, 0, 120, 50), whole)
    assert len(indices(0, 10**12, 16, 3)) == 16


def test_batches_are_channels_first_and_mirrored_by_half(data: Prepared) -> None:
    plain = next(batches(data, seed=0, nimg=0, batch=40))
    flipped = next(batches(data, seed=0, nimg=0, batch=40, flip=True))
    assert plain.shape == (40, 3, 16, 16) and plain.dtype == np.uint8
    chosen = mirrored(0, 0, 40)
    assert 10 < chosen.sum() < 30
    assert np.array_equal(flipped[chosen], plain[chosen][..., ::-1])
    assert np.array_equal(flipped[~chosen], plain[~chosen])
