"""Folders, ZIPs and TARs; metadata in every usual form; nothing leads out of its place."""

from __future__ import annotations

import csv
import io
import json
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from boceto.data import sources
from boceto.data.metadata import tag_names
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.errors import Fault, UsageError
from conftest import drawing


def encoded(seed: int) -> bytes:
    out = io.BytesIO()
    drawing(seed).save(out, "PNG")
    return out.getvalue()


def collection(names: list[str]) -> dict[str, bytes]:
    return {name: encoded(i) for i, name in enumerate(names)}


def as_folder(files: dict[str, bytes], place: Path) -> Path:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


def as_zip(files: dict[str, bytes], place: Path) -> Path:
    with zipfile.ZipFile(place, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return place


def as_tar(files: dict[str, bytes], place: Path) -> Path:
    kinds = {".gz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}
    with tarfile.open(place, kinds.get(place.suffix, "w")) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return place


# ── containers ──


@pytest.mark.parametrize("workers", [1, 2])
def test_every_container_gives_the_same_dataset(tmp_path: Path, workers: int) -> None:
    files = collection([f"{i // 40}/{i:04d}.png" for i in range(200)])
    files["metadata.jsonl"] = b"".join(
        json.dumps({"file_name": name, "tags": ["hat"]}).encode() + b"\n" for name in files
    )
    places = [as_folder(files, tmp_path / "folder"), as_zip(files, tmp_path / "a.zip")]
    places += [as_tar(files, tmp_path / f"a{kind}") for kind in (".tar", ".tar.gz", ".tar.xz", ".tar.bz2")]
    hashes = set()
    for i, place in enumerate(places):
        data = prepare(place, tmp_path / f"data{i}", size=16, workers=workers)
        data.verify()
        assert len(data) == 200
        assert {(r.tags, r.label) for r in data.records()} == {(("hat",), str(label)) for label in range(5)}
        hashes.add(data.content_hash)
    assert len(hashes) == 1
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_names_that_lead_out_of_an_archive_are_refused_by_name(tmp_path: Path) -> None:
    good = collection(["a.png", "b/c.png"])
    bad = collection(["../up.png", "/root.png", "b/../../up.png", "C:\\x.png"])
    for place in (as_zip({**good, **bad}, tmp_path / "a.zip"), as_tar({**good, **bad}, tmp_path / "a.tar")):
        found = sources.read(place)
        assert [record.path for record in found.records] == ["a.png", "b/c.png"]
        assert [reason for reason, _ in found.orphans] == ["path that leaves the archive in the archive"] * 4


def test_links_and_special_files_are_refused(tmp_path: Path) -> None:
    tar = tmp_path / "a.tar"
    with tarfile.open(tar, "w") as archive:
        for name, kind in (("sym.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE), ("pipe.png", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        member = tarfile.TarInfo("good.png")
        member.size = len(encoded(1))
        archive.addfile(member, io.BytesIO(encoded(1)))
    found = sources.read(tar)
    assert [record.path for record in found.records] == ["good.png"]
    assert sorted(name for _, name in found.orphans) == ["hard.png", "pipe.png", "sym.png"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        link = zipfile.ZipInfo("sym.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        zipped.writestr(link, "/etc/passwd")
        zipped.writestr("good.png", encoded(1))
    assert sources.read(tmp_path / "a.zip").orphans == (("link in the archive", "sym.png"),)


def test_damaged_archives_end_in_one_sentence(tmp_path: Path) -> None:
    files = collection([f"{i}.png" for i in range(20)])
    for place in (as_zip(files, tmp_path / "a.zip"), as_tar(files, tmp_path / "a.tar.gz")):
        place.write_bytes(place.read_bytes()[: place.stat().st_size // 2])
        with pytest.raises((UsageError, Fault), match=r"damaged.*fetch it again"):
            sources.read(place)
    (tmp_path / "text.zip").write_text("no archive")
    (tmp_path / "text.tar").write_text("no archive")
    for name in ("text.zip", "text.tar"):
        with pytest.raises(UsageError, match="damaged"):
            sources.read(tmp_path / name)


def test_bombs_are_refused(tmp_path: Path) -> None:
    zeros = {"a.png": bytes(150 * 2**20)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", zeros["a.png"])
    for place in (tmp_path / "a.zip", as_tar(zeros, tmp_path / "a.tar.gz")):
        with pytest.raises(UsageError, match="would unpack to more than"):
            sources.read(place)


def test_a_damaged_member_of_a_zip_is_quarantined(tmp_path: Path) -> None:
    files = collection(["a.png", "b.png", "c.png"])
    place = as_zip(files, tmp_path / "a.zip")
    content = bytearray(place.read_bytes())
    at = content.index(files["b.png"][:40]) + 60
    content[at] ^= 255
    place.write_bytes(content)
    data = prepare(place, tmp_path / "data", size=16)
    assert len(data) == 2
    rows = list(csv.reader((tmp_path / "data" / "quarantine.csv").open(encoding="utf-8")))
    assert rows[1][0] == "unreadable" and "damaged in its archive" in rows[1][1] and rows[1][2] == "b.png"


# ── metadata ──


def test_danbooru_ids_find_their_pictures(tmp_path: Path) -> None:
    """NNNN/ID with NNNN = id modulo 1000; where an id is there twice, that folder decides."""
    files = collection(["0007/1007.png", "0008/2008.png", "other/1007.png"])
    lines = [{"id": "1007", "tags": [{"name": "hat"}]}, {"id": 2008, "tag_string": "1girl solo"}, {"id": "5"}]
    files["2017.json"] = b"\n".join(json.dumps(line).encode() for line in lines)
    found = sources.read(as_folder(files, tmp_path))
    assert {r.path: r.tags for r in found.records} == {
        "0007/1007.png": ("hat",),
        "0008/2008.png": ("1girl", "solo"),
        "other/1007.png": (),
    }
    assert sorted(found.orphans) == [
        ("metadata without picture", "2017.json:3 (5)"),
        ("picture without metadata", "other/1007.png"),
    ]


def test_danbooru_folders_are_no_classes(tmp_path: Path) -> None:
    found = sources.read(as_folder(collection(["0007/1007.png", "0008/2008.png"]), tmp_path))
    assert {record.label for record in found.records} == {None}


def test_classes_below_a_common_folder(tmp_path: Path) -> None:
    found = sources.read(as_folder(collection(["train/cats/1.png", "train/dogs/deep/1.png"]), tmp_path))
    assert [record.label for record in found.records] == ["cats", "dogs"]


def test_one_json_a_picture(tmp_path: Path) -> None:
    files = collection(["a/1.png", "a/2.png", "b/1.png"])
    files["a/1.json"] = b'{"tags": "hat smile"}'
    files["a/2.png.json"] = b'{"tags": {"general": ["hat"], "artist": ["me"]}, "label": "x"}'
    files["b/1.json"] = b"not json"
    found = sources.read(as_folder(files, tmp_path))
    assert {r.path: (r.tags, r.label) for r in found.records} == {
        "a/1.png": (("hat", "smile"), None),
        "a/2.png": (("hat", "me"), "x"),
        "b/1.png": ((), None),
    }


def test_imagefolder_csv_and_nested_metadata(tmp_path: Path) -> None:
    files = collection(["train/1.png", "train/2.png", "test/3.png"])
    files["train/metadata.csv"] = "\ufefffile_name,tags,label\n1.png,hat smile,cat\n../test/3.png,x,y\n".encode()
    files["test/metadata.jsonl"] = b'{"file_name": "3.png", "tags": "long hair, hat"}\n'
    found = sources.read(as_folder(files, tmp_path))
    assert {r.path: (r.tags, r.label) for r in found.records} == {
        "train/1.png": (("hat", "smile"), "cat"),
        "train/2.png": ((), None),
        "test/3.png": (("long hair", "hat"), None),
    }
    assert ("metadata without picture", "train/metadata.csv:3 (../test/3.png)") in found.orphans


def test_parquet_where_pyarrow_is_there(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    as_folder(collection(["1.png", "2.png"]), tmp_path)
    table = pyarrow.table({"file_name": ["1.png", "2.png"], "tags": [["hat"], ["smile", "hat"]], "label": [0, 1]})
    parquet.write_table(table, tmp_path / "metadata.parquet")
    found = sources.read(tmp_path)
    assert [(r.tags, r.label) for r in found.records] == [(("hat",), "0"), (("smile", "hat"), "1")]
    (tmp_path / "metadata.parquet").write_bytes((tmp_path / "metadata.parquet").read_bytes()[:-20])
    assert [r.tags for r in sources.read(tmp_path).records] == [(), ()]


def test_stylegan_labels(tmp_path: Path) -> None:
    files = collection(["00000/img00000000.png", "00000/img00000001.png"])
    labels = [["00000/img00000000.png", 3], ["00000/img00000001.png", 4], ["00000/none.png", 1], "broken"]
    files["dataset.json"] = json.dumps({"labels": labels}).encode()
    found = sources.read(as_zip(files, tmp_path / "a.zip"))
    assert [record.label for record in found.records] == ["3", "4"]
    assert len(found.orphans) == 2
    files["dataset.json"] = b'{"labels": null}'
    assert sources.read(as_zip(files, tmp_path / "b.zip")).orphans == ()


def test_metadata_from_elsewhere(tmp_path: Path) -> None:
    place = as_folder(collection(["1.png", "2.png"]), tmp_path / "pictures")
    (tmp_path / "known.jsonl").write_text('{"id": 1, "tags": ["hat"]}\n')
    assert sources.read(place, metadata=tmp_path / "known.jsonl").records[0].tags == ("hat",)
    (tmp_path / "empty.jsonl").write_text("nothing\n")
    with pytest.raises(UsageError, match="holds no metadata"):
        sources.read(place, metadata=tmp_path / "empty.jsonl")


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        ({"tags": [{"name": "a"}, {"name": "a"}, {"name": 3}, None, " b "]}, ("a", "b")),
        ({"tags": {"a": 0.9, "b": 0.1}}, ("a", "b")),
        ({"tags": '["a", "b c"]'}, ("a", "b c")),
        ({"tags": None, "tag_string": "a b"}, ("a", "b")),
        ({"tags": "a b c"}, ("a", "b", "c")),
        ({"tags": 7}, ()),
        ({}, ()),
    ],
)
def test_tags_in_every_form(entry: dict[str, object], names: tuple[str, ...]) -> None:
    assert tag_names(entry) == names


# ── pairs ──


def test_pairs_from_two_places(tmp_path: Path) -> None:
    drawings = as_folder(collection(["a.png", "b.png", "alone.png"]), tmp_path / "drawings")
    sketches = tmp_path / "sketches"
    sketches.mkdir()
    for name, grey in (("a.jpg", 50), ("b.jpg", 200), ("left.jpg", 0)):
        Image.new("RGB", (40, 40), (grey, grey, grey)).save(sketches / name)
    data = prepare(drawings, tmp_path / "data", size=16, pairs_from=sketches)
    sources_, targets = data.gather_pairs([0, 1])
    assert data.paired and len(data) == 2 and sources_.shape == targets.shape == (2, 16, 16, 3)
    assert [int(picture.mean().round()) for picture in sources_] == [50, 200]
    alone = prepare(drawings, tmp_path / "alone", size=16)
    assert (data.gather([0, 1]) == alone.gather([0, 2])).all()
    orphans = (tmp_path / "data" / "quarantine.csv").read_text()
    assert "target without source,alone.png" in orphans and "source without target,left.jpg" in orphans
    with pytest.raises(UsageError, match="holds no pairs"):
        alone.gather_pairs([0])


def test_pairs_side_by_side(tmp_path: Path) -> None:
    place = tmp_path / "both"
    place.mkdir()
    for i in range(3):
        both = Image.new("RGB", (81, 40))
        both.paste(drawing(i), (0, 0))
        both.paste(drawing(100 + i), (41, 0))
        both.save(place / f"{i}.png")
    left = prepare(place, tmp_path / "left", size=40, side_by_side="source-left")
    right = prepare(place, tmp_path / "right", size=40, side_by_side="source-right")
    a, b = left.gather_pairs(range(3)), right.gather_pairs(range(3))
    assert (a[0] == b[1]).all() and (a[1] == b[0]).all() and (a[0] != a[1]).any()
    assert Prepared(left.folder).gather([0]).shape == (1, 40, 40, 3)


def test_pairs_that_do_not_fit(tmp_path: Path, drawings: Path) -> None:
    other = as_folder(collection(["x.png"]), tmp_path / "other")
    with pytest.raises(UsageError, match=r"no picture of .* has one of the same name"):
        prepare(drawings, tmp_path / "data", pairs_from=other)
    with pytest.raises(UsageError, match="not both"):
        prepare(drawings, tmp_path / "data", pairs_from=other, side_by_side="source-left")
    with pytest.raises(UsageError, match="cannot be read from a TAR"):
        prepare(as_tar(collection(["x.png"]), tmp_path / "a.tar"), tmp_path / "data", pairs_from=other)
    assert not (tmp_path / "data").exists()


def test_pairs_are_no_single_pictures_to_train_on(tmp_path: Path, drawings: Path) -> None:
    from boceto import starting

    data = prepare(drawings, tmp_path / "data", size=64, pairs_from=drawings)
    with pytest.raises(UsageError, match="holds pairs, and dcgan learns from single pictures"):
        starting.train("dcgan-64-quick", data.folder, tmp_path / "run", device_name="cpu")
    with pytest.raises(UsageError, match="is a prepared dataset already"):
        prepare(data.folder, tmp_path / "again")


def test_a_query_that_finds_nothing_is_helped(tmp_path: Path) -> None:
    files = collection(["1.png", "2.png"])
    files["metadata.jsonl"] = b'{"id": 1, "tags": ["long_hair"]}\n{"id": 2, "tags": ["hat"]}\n'
    place = as_folder(files, tmp_path / "place")
    with pytest.raises(UsageError, match=r"did you mean long_hair instead of long_hiar\?"):
        prepare(place, tmp_path / "data", tags="long_hiar")
    with pytest.raises(UsageError, match="shows what each part costs"):
        prepare(place, tmp_path / "data", tags="long_hair & hat")
