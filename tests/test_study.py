"""Studying a source: counts, groups, faults found, and a page that shows them."""

from __future__ import annotations

import csv
import io
import json
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from boceto.cli import main
from boceto.data import tags
from boceto.data.prepared import Prepared
from boceto.data.screening import AllOf, AnyOf, Bars, Has, Not, tag_query
from boceto.data.sources import Record
from boceto.data.study import Look, Row, conduct
from boceto.errors import BocetoError, Fault, UsageError
from boceto.reporting import study_figures as figures
from boceto.reporting.study import study
from conftest import drawing

HOSTILE = "<script>alert('x')</script> $x^2$"
TAGS = [
    ("1girl", "solo", "long_hair", "white_background"),
    ("1girl", "long_hair"),
    ("1girl", "hat", "white_background"),
    ("solo", "short_hair", "white_background"),
    ("solo", "hat", HOSTILE, "\ud800half", "タグ"),
    (),
]
RECORDS = [Record(f"{i}.png", found) for i, found in enumerate(TAGS)]


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawings of six sizes, with tags, a letterboxed one, one twice, and two that cannot be read."""
    folder = tmp_path_factory.mktemp("tagged") / "my <drawings>"
    folder.mkdir()
    sizes = [(60, 60), (90, 60), (60, 120), (200, 50), (64, 64), (70, 70)]
    for i, size in enumerate(sizes):
        picture = drawing(i, size)
        if i == 4:
            picture = ImageOps.expand(picture, (0, 10), "black")
        (picture.convert("L") if i == 5 else picture).save(folder / f"{i}.png")
    Image.open(folder / "0.png").resize((58, 58)).save(folder / "7-again.jpg", quality=90)
    (folder / "8-empty.png").touch()
    (folder / "9-broken.jpg").write_bytes((folder / "7-again.jpg").read_bytes()[:300])
    lines = [
        json.dumps({"file_name": f"{i}.png", "tags": [{"name": t} for t in found]}) for i, found in enumerate(TAGS)
    ]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


# ── queries and counts ──


def test_counts_are_those_of_the_records() -> None:
    counts = tags.count_tags(RECORDS)
    assert counts[:3] == (("1girl", 3), ("solo", 3), ("white_background", 3))
    assert dict(counts)["hat"] == 2 and len(counts) == 9


def test_every_part_of_a_query_is_counted_in_the_order_of_writing() -> None:
    steps = tags.query_steps(RECORDS, '(1girl | solo) & white_background & !"long_hair"')
    assert [(step.expression, step.pictures, step.so_far) for step in steps] == [
        ("1girl", 3, None),
        ("solo", 3, None),
        ("(1girl | solo)", 5, 5),
        ("white_background", 3, 3),
        ("long_hair", 2, None),
        ("!long_hair", 4, 2),
        ("(1girl | solo) & white_background & !long_hair", 2, 2),
    ]


def test_a_query_of_alternatives_grows_and_a_lone_tag_is_one_step() -> None:
    found = [(s.expression, s.pictures, s.so_far) for s in tags.query_steps(RECORDS, "hat | short_hair & solo")]
    assert found[0] == ("hat", 2, 2) and found[-2:] == [
        ("(short_hair & solo)", 1, 3),
        ("hat | short_hair & solo", 3, 3),
    ]
    assert tags.query_steps(RECORDS, "hat") == (tags.Step("hat", 2, 2),)


def test_a_tag_nobody_has_comes_with_the_nearest() -> None:
    (step,) = tags.query_steps(RECORDS, "long_hare")
    assert (step.pictures, step.hint) == (0, "long_hair")
    assert tags.query_steps(RECORDS, "qqqqq")[0].hint is None


def test_a_query_is_a_tree_that_is_written_as_it_is_read() -> None:
    tree = tag_query('!(a | "b c") & (d & e) | !!f')
    assert tree == AnyOf((AllOf((Not(AnyOf((Has("a"), Has("b c")))), AllOf((Has("d"), Has("e"))))), Not(Not(Has("f")))))
    assert str(tree) == '!(a | "b c") & (d & e) | !!f'
    random = np.random.Generator(np.random.PCG64(0))

    def grow(depth: int) -> str:
        kind = random.integers(0, 4) if depth else 0
        if kind == 0:
            return str(random.choice(["a", "b", '"c d"', "e"]))
        if kind == 1:
            return f"!({grow(depth - 1)})"
        return f"({grow(depth - 1)} {'&|'[kind - 2]} {grow(depth - 1)})"

    for _ in range(200):
        tree = tag_query(grow(4))
        assert tag_query(str(tree)) == tree


@pytest.mark.parametrize(
    ("pictures", "limits"),
    [
        (300_000, [10_000, 15_000, 20_000, 30_000, 40_000]),
        (7_000, [250, 400, 500, 700, 900]),
        (5, [1]),
    ],
)
def test_limits_suit_the_size_of_the_set(pictures: int, limits: list[int]) -> None:
    found = tags.at_least((("a", 500), ("b", 10_000), ("c", 1)), pictures)
    assert [limit for limit, _ in found] == limits
    assert dict(found)[limits[0]] == sum(count >= limits[0] for count in (500, 10_000, 1))


# ── groups ──


def test_the_groups_that_come_with_boceto() -> None:
    grouping = tags.load_groups()
    expected = ["hair", "eyes", "expression", "physique", "clothing", "garments", "accessories"]
    assert list(grouping.groups) == [*expected, "elements", "scene", "poses", "characters", "style"]
    assert sum(map(len, grouping.groups.values())) > 500
    named = [name for entries in grouping.groups.values() for name in entries if "*" not in name and "?" not in name]
    assert len(named) == len(set(named)), "a tag in two groups"
    for tag, group in {
        "turquoise_hair": "hair",
        "Long Hair": "hair",
        "hair_ornament": "accessories",
        "blue_eyes": "eyes",
        "closed_eyes": "expression",
        ":d": "expression",
        "cat_ears": "physique",
        "school_uniform": "clothing",
        "pleated_skirt": "garments",
        "red_bow": "accessories",
        "holding_sword": "elements",
        "white_background": "scene",
        "full_body": "poses",
        "2girls": "characters",
        "monochrome": "style",
        "something_else": "other",
    }.items():
        assert grouping.of(tag) == group, tag


def test_own_groups_names_before_patterns_and_words_stay_words(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text('heads: ["*hair*", hat]\nplain: {}\n'.replace("{}", "[on, 1999, no_hair]") + "empty:\n", "utf-8")
    grouping = tags.load_groups(file)
    assert grouping.groups == {"heads": ("*hair*", "hat"), "plain": ("on", "1999", "no_hair"), "empty": ()}
    assert [grouping.of(tag) for tag in ("long_hair", "no_hair", "1999", "a+b")] == ["heads", "plain", "plain", "other"]
    groups = tags.group_tags(RECORDS, tags.count_tags(RECORDS)[:5], grouping)
    assert [(group.name, group.pictures, len(group.tags)) for group in groups] == [("heads", 4, 2), ("other", 5, 3)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "groups with their tags"),
        ("- a\n- b", "groups with their tags"),
        ("hair: [a, b", "no valid YAML"),
        ("hair:\n  - *_hair\n", "no valid YAML"),
        ("a: [x]\nb: [y]\na: [z]", "line 3: group 'a' is there twice"),
        ("hair: {long: [a]}", "something else than tags"),
        ("hair: [[a]]", "something else than tags"),
        ("[a]: [b]", "needs a name"),
        ("a: \x00", "no valid YAML"),
        ("[" * 3000, "tag groups"),
        ("!!python/object/apply:os.system [echo]", "groups with their tags"),
    ],
)
def test_broken_groups_end_in_one_sentence(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        tags.load_groups(file)
    assert "mine.yaml" in str(caught.value) and 'hair: ["*_hair", ponytail]' in str(caught.value)


def test_groups_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="does not exist"):
        tags.load_groups(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("hair: [größe]".encode("latin-1"))
    with pytest.raises(UsageError, match="UTF-8"):
        tags.load_groups(tmp_path / "latin.yaml")


# ── a source with faults ──


def test_a_source_with_faults_is_described(tagged: Path) -> None:
    found = conduct(tagged)
    assert (found.found, found.pictures, found.tagged, found.opened) == (9, 9, 5, 9)
    assert [path for path, _ in found.unreadable] == ["8-empty.png", "9-broken.jpg"]
    assert found.unreadable[0][1] == "empty file"
    assert found.duplicates == (("0.png", "7-again.jpg"),)
    assert found.bars() == {"top and bottom": 1, "left and right": 0, "frame": 0}
    looks = {look.path: look for look in found.looks}
    assert len(looks) == 7 and looks["3.png"].stretch == 4
    assert (looks["4.png"].width, looks["4.png"].height, looks["4.png"].bars.top) == (64, 84, 10)
    assert (looks["5.png"].format, looks["5.png"].mode, looks["7-again.jpg"].format) == ("PNG", "L", "JPEG")
    assert dict(found.orphans) == {"picture without metadata": 3}
    rows = {name: {row.label: len(row.pictures) for row in rows} for name, rows in found.sheets.items()}
    assert rows["composition"] == {"": 7}
    assert rows["examples"]["1girl"] == 3 and "short_hair" in rows["examples"] and len(rows["examples"]) == 9
    assert rows["bars"] == {"before": 1, "after": 1}
    assert rows["duplicates"] == {"first": 1, "again": 1}
    assert rows["fits"] == dict.fromkeys(("letterbox", "squish", "crop", "fill"), 4)
    squished = next(row for row in found.sheets["fits"] if row.label == "squish")
    assert squished.notes == ("×4.00", "×2.00", "×1.50", "×1.31")


def test_sheets_show_these_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    wide = Image.new("RGB", (128, 64), "red")
    wide.paste((0, 0, 255), (0, 0, 64, 64))
    wide.save(folder / "wide.png")
    found = conduct(folder)
    fits = {row.label: row.pictures[0] for row in found.sheets["fits"]}
    side = len(fits["crop"])
    assert (fits["letterbox"][0] == 0).all() and (fits["letterbox"][side // 2, 5] == (0, 0, 255)).all()
    assert (fits["squish"][0, 0] == (0, 0, 255)).all() and (fits["squish"][-1, -1] == (255, 0, 0)).all()
    assert [row.label for row in found.sheets["reduction"]] == ["28 pixels", "48 pixels", "64 pixels"]
    assert [row.pictures.shape for row in found.sheets["reduction"]] == [(1, s, s, 3) for s in (28, 48, 64)]


def test_bars_are_off_afterwards(tagged: Path) -> None:
    before, after = (row.pictures[0] for row in conduct(tagged).sheets["bars"])
    assert np.count_nonzero(before.max(axis=2) == 0) > 500 > 10 > np.count_nonzero(after.max(axis=2) == 0)


def test_exif_turns_sizes_and_tiny_pictures_do_no_harm(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    drawing(1, (80, 40)).save(tmp_path / "turned.jpg", exif=exif)
    for width, height in ((1, 1), (1, 40), (40, 2)):
        drawing(2, (width, height)).save(tmp_path / f"{width}x{height}.png")
    found = {look.path: (look.width, look.height) for look in conduct(tmp_path).looks}
    assert found == {"turned.jpg": (40, 80), "1x1.png": (1, 1), "1x40.png": (1, 40), "40x2.png": (40, 2)}


def test_a_sample_is_random_but_the_same_and_workers_do_not_matter(drawings: Path, tmp_path: Path) -> None:
    small = conduct(drawings, sample=10)
    assert small.opened == len(small.looks) == 10 and small.pictures == 40
    assert small.looks == conduct(drawings, sample=10).looks != conduct(drawings, sample=10, seed=1).looks
    many = tmp_path / "many"
    many.mkdir()
    for i in range(150):
        drawing(i % 140, (24, 24)).save(many / f"{i:03d}.png")
    alone, together = conduct(many, workers=1), conduct(many, workers=2)
    assert alone.summary() == together.summary() and alone.looks == together.looks
    assert len(alone.duplicates) >= 10
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for path in many.iterdir():
            archive.write(path, path.name)
    assert conduct(tmp_path / "many.zip").looks == alone.looks
    with tarfile.open(tmp_path / "many.tar", "w") as tar:
        for path in sorted(many.iterdir(), reverse=True):
            tar.add(path, path.name)
    backwards = conduct(tmp_path / "many.tar", workers=2)
    assert backwards.looks == alone.looks[::-1] and len(backwards.sheets["composition"][0].pictures) >= 48


def test_progress_counts_what_is_opened(tagged: Path) -> None:
    seen: list[tuple[int, int]] = []
    conduct(tagged, sample=5, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 5) for i in range(1, 6)]


# ── a prepared dataset ──


def test_a_prepared_dataset_is_studied_from_its_own_pixels(data: Prepared, tmp_path: Path) -> None:
    page, found = study(data.folder, tmp_path / "out")
    text = page.read_text("utf-8")
    assert (found.pictures, found.opened, found.looks) == (40, 0, ())
    assert "prepared dataset, 16×16, colour" in text and "What preparing left out" in text
    assert "Sizes and ratios" not in text and "Near-duplicates" not in text
    (row,) = found.sheets["composition"]
    stored = {image.tobytes() for image in data.gather(range(40))}
    assert len(row.pictures) == 40 and {image.tobytes() for image in row.pictures} == stored
    assert sorted(path.name for path in (tmp_path / "out" / "figures").iterdir()) == ["composition.png"]


# ── the page ──


def test_the_page_stands_alone_and_escapes_what_it_shows(tagged: Path, tmp_path: Path) -> None:
    page, found = study(tagged, tmp_path / "out", query='solo | 1girl | !"nothing"')
    text = page.read_text("utf-8")
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*""", text), "nothing is fetched"
    assert "<script" not in text and "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in text
    assert "my &lt;drawings&gt;" in text and "\\ud800half" in text and "タグ" in text
    assert text.count("<svg") == 4
    assert text.count("data:image/png;base64,") == sum(len(rows) for rows in found.sheets.values())
    for said in ("1 of the 7 opened and readable", "empty file", "8-empty.png", "×4.00", "What the query costs"):
        assert said in text, said
    names = [f"{name}.{kind}" for name in ("tags", "groups", "sizes", "ratios") for kind in ("png", "svg")]
    sheets = [f"{name}.png" for name in ("composition", "examples", "bars", "duplicates", "fits", "reduction")]
    written = {path.name: path for path in (tmp_path / "out" / "figures").iterdir()}
    assert sorted(written) == sorted([*names, *sheets])
    assert all(min(Image.open(path).size) > 100 for path in written.values() if path.suffix == ".png")


def test_tags_csv_holds_every_tag(tagged: Path, tmp_path: Path) -> None:
    study(tagged, tmp_path / "out")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "tags.csv").read_text("utf-8"))))
    assert len(rows) == 9 and rows[0] == {"tag": "1girl", "pictures": "3", "share": "0.3333", "group": "characters"}
    assert {row["tag"] for row in rows} >= {HOSTILE, "タグ", "\\ud800half"}


def test_the_same_study_again_is_the_same_to_the_byte(tagged: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        study(tagged, tmp_path / name)
    files = [path.relative_to(tmp_path / "a") for path in sorted((tmp_path / "a").rglob("*")) if path.is_file()]
    assert len(files) == 3 + 14
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_edited_groups_are_used_again_and_never_lost(tagged: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    study(tagged, out)
    own = out / "tag_groups.yaml"
    assert own.read_text("utf-8") == tags.load_groups().text
    own.write_text("company: ['*girl*', solo]\n", "utf-8")
    page, found = study(tagged, out)
    assert [group.name for group in found.groups] == ["company", "other"] and found.groups[0].pictures == 5
    assert "after your own grouping" in page.read_text("utf-8")
    (tmp_path / "more.yaml").write_text("hats: [hat]\n", "utf-8")
    _, found = study(tagged, out, groups=tmp_path / "more.yaml")
    assert [group.name for group in found.groups] == ["hats", "other"]
    assert own.read_text("utf-8") == "hats: [hat]\n"
    assert (out / "tag_groups.previous.yaml").read_text("utf-8") == "company: ['*girl*', solo]\n"


def test_figures_of_an_earlier_study_do_not_stay(tagged: Path, drawings: Path, tmp_path: Path) -> None:
    study(tagged, tmp_path / "out")
    page, _ = study(drawings, tmp_path / "out")
    left = sorted(path.name for path in (tmp_path / "out" / "figures").iterdir())
    assert left == ["composition.png"]
    assert "All 40 opened and readable are 40 × 40 pixels" in page.read_text("utf-8")


def test_enlarging_keeps_every_pixel_square() -> None:
    small = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (1, 28, 28, 3)).astype(np.uint8)
    large, fine = figures.strip(Row("", small), enlarge=True)
    assert large.size == (224, 224) and fine == 2
    assert np.array_equal(np.asarray(large), small[0].repeat(8, axis=0).repeat(8, axis=1))


def test_ratio_chart_counts_every_picture_and_squares_in_the_middle() -> None:
    shapes = [(10, 10)] * 5 + [(10, 20)] * 3 + [(900, 10)]
    figure = figures.ratios([Look("", w, h, "PNG", "RGB", Bars()) for w, h in shapes])
    boxes = [patch.get_extents().transformed(figure.axes[0].transData.inverted()) for patch in figure.axes[0].patches]
    bars = [(box.x0 + box.width / 2, round(box.height)) for box in boxes if box.height > 0.5]
    assert [height for _, height in bars] == [3, 5, 1]
    assert np.allclose([x for x, _ in bars[:2]], [-1, 0])


# ── the front door ──


def test_tags_on_the_command_line(tagged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tags", str(tagged), "--query", "1girl & !hat", "--top", "2"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["3", "33.3%", "3", "1girl"] in lines and ["7", "77.8%", "2", "!hat"] in lines
    assert ["2", "22.2%", "2", "1girl", "&", "!hat"] in lines
    assert lines[-1] == ["and", "7", "more;", "--top", "0", "shows", "all"]
    assert main(["tags", str(tagged), "--json", "--top", "0", "--query", "hat"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tags"]["hat"] == 2 and len(found["tags"]) == found["different"] == 9
    assert found["query"] == [{"expression": "hat", "pictures": 2, "so_far": 2, "hint": None}]


def test_tags_where_there_are_none(drawings: Path, data: Prepared, capsys: pytest.CaptureFixture[str]) -> None:
    for place in (drawings, data.folder):
        assert main(["tags", str(place)]) == 0
        assert "40 pictures, 0 with tags" in capsys.readouterr().out


def test_study_on_the_command_line(tagged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["study", str(tagged), "-o", str(out), "--sample", "9", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["study"] == str(out / "study.html") and said["bars"]["top and bottom"] == 1
    assert main(["study", str(tagged), "-o", str(out), "--tags", "hat"]) == 0
    assert "open it in a browser" in capsys.readouterr().out
    assert "of which 2 match hat" in (out / "study.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tags", "SOURCE", "--query", "a &"], "tag query"),
        (["tags", "SOURCE", "--query", ""], "tag query"),
        (["tags", "SOURCE", "--top", "-1"], "0 for all"),
        (["tags", "SOURCE/none"], "does not exist"),
        (["study", "SOURCE", "-o", "OUT", "--tags", "nosuch"], "matches the tags"),
        (["study", "SOURCE", "-o", "OUT", "--sample", "0"], "1 or more"),
        (["study", "SOURCE", "-o", "SOURCE/study"], "among the drawings"),
        (["study", "SOURCE", "-o", "SOURCE/0.png"], "is a file"),
        (["study", "SOURCE", "-o", "OUT", "--groups", "SOURCE/metadata.jsonl"], "tag groups"),
        (["study", "DATA", "-o", "OUT", "--metadata", "SOURCE/metadata.jsonl"], "has its tags already"),
        (["study", "SOURCE"], "--out"),
    ],
)
def test_wrong_use_ends_in_one_sentence(
    words: list[str], said: str, tagged: Path, data: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"SOURCE": str(tagged), "OUT": str(tmp_path / "out"), "DATA": str(data.folder)}
    filled = [re.sub("SOURCE|OUT|DATA", lambda name: places[name[0]], word) for word in words]
    assert main(filled) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and error.startswith("boceto: ")
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written(tagged: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BocetoError, match="a file, not a folder"):
        study(tagged, tmp_path / "file" / "out")
