"""A prepared dataset told of, checked, and handed on: the same pixels, the same bytes each time, nothing half-written."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boceto.cli import main
from boceto.data import describing, exporting, prepared
from boceto.data.exporting import export
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.errors import Fault, UsageError
from conftest import drawing


def boceto(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Twelve drawings in two classes, all tagged, two of them the same, prepared at 16 px."""
    folder = tmp_path_factory.mktemp("labelled")
    lines = []
    for i in range(12):
        name = f"{'cats' if i < 7 else 'dogs'}/{i:02d}.png"
        (folder / name).parent.mkdir(exist_ok=True)
        drawing(0 if i == 11 else i).save(folder / name)
        lines.append(json.dumps({"file_name": name, "tags": ["hat", *(["smile"] if i % 2 else []), f"only_{i}"]}))
    (folder / "metadata.jsonl").write_text("\n".join(lines), "utf-8")
    return prepare(folder, folder.parent / "labelled-data", size=16, workers=1)


def everything(data: Prepared) -> np.ndarray:  # type: ignore[type-arg]
    return data.gather(range(len(data)))


def again(folder: Path, out: Path, **how: object) -> Prepared:
    """An export, prepared anew with nothing left out or changed."""
    return prepare(folder, out, size=16, workers=1, duplicates="keep", bars="keep", **how)  # type: ignore[arg-type]


# ── imagefolder ──


def test_an_imagefolder_read_back_has_the_same_pixels_tags_and_labels(labelled: Prepared, tmp_path: Path) -> None:
    done = export(labelled.folder, tmp_path / "out", "imagefolder")
    assert (done.pictures, done.classes, done.pairs) == (11, ("cats", "dogs"), False)
    back = again(tmp_path / "out", tmp_path / "back")
    assert np.array_equal(everything(back), everything(labelled))
    for old, new in zip(labelled.records(), back.records(), strict=True):
        assert (new.tags, new.label) == (old.tags, old.label) and len(new.tags) >= 2
    lines = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text("utf-8").splitlines()]
    assert lines[1] == {
        "file_name": "cats/00000001.png",
        "tags": ["hat", "smile", "only_1"],
        "label": "cats",
        "source": "cats/01.png",
    }


def test_without_labels_pictures_lie_in_the_folder_itself_and_grey_stays_grey(drawings: Path, tmp_path: Path) -> None:
    grey = prepare(drawings, tmp_path / "grey", size=16, grey=True, workers=1)
    export(grey.folder, tmp_path / "out", "imagefolder")
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == [*(f"{i:08d}.png" for i in range(40)), "metadata.jsonl"]
    assert Image.open(tmp_path / "out" / files[0]).mode == "L"
    assert np.array_equal(everything(again(tmp_path / "out", tmp_path / "back", grey=True)), everything(grey))


def test_pairs_stand_side_by_side(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    for i in range(5):
        both = Image.new("RGB", (80, 40))
        both.paste(drawing(i), (0, 0))
        both.paste(drawing(i + 50), (40, 0))
        both.save(folder / f"{i}.png")
    how = {"side_by_side": "source-left"}
    data = again(folder, tmp_path / "data", **how)
    done = export(data.folder, tmp_path / "out", "imagefolder")
    assert done.pairs and Image.open(tmp_path / "out" / "00000000.png").size == (32, 16)
    back = again(tmp_path / "out", tmp_path / "back", **how)
    for old, new in zip(data.gather_pairs(range(5)), back.gather_pairs(range(5)), strict=True):
        assert np.array_equal(old, new)
    assert not np.array_equal(*back.gather_pairs(range(5)))
    with pytest.raises(UsageError, match="pairs, which StyleGAN has no form for"):
        export(data.folder, tmp_path / "out.zip", "stylegan")
    assert describing.describe(data)["pairs"] is True


def test_class_names_become_folders_that_every_system_takes() -> None:
    labels = ["..", "a/b", "Cat", "cat", "metadata.jsonl", "ok", "x\udcff."]
    folders = exporting._class_folders(labels)
    assert list(folders) == labels and len({name.casefold() for name in folders.values()}) == len(labels)
    assert not any("/" in name or name.startswith(".") or name == "metadata.jsonl" for name in folders.values())
    assert folders["ok"] == "ok" and folders["Cat"] == "Cat"
    [name.encode("utf-8") for name in folders.values()]


# ── StyleGAN ──


def test_a_stylegan_zip_holds_the_same_pixels_uncompressed_with_class_numbers(
    labelled: Prepared, tmp_path: Path
) -> None:
    export(labelled.folder, tmp_path / "out.zip", "stylegan")
    pixels = everything(labelled)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == [*(f"00000/img{i:08d}.png" for i in range(11)), "dataset.json"]
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        for i in range(11):
            picture = Image.open(io.BytesIO(archive.read(f"00000/img{i:08d}.png")))
            assert np.array_equal(np.asarray(picture), pixels[i])
        table = json.loads(archive.read("dataset.json"))
    names = [record.label for record in labelled.records()]
    assert [table["class_names"][number] for _, number in table["labels"]] == names
    assert [name for name, _ in table["labels"]] == [f"00000/img{i:08d}.png" for i in range(11)]


def test_without_labels_they_are_null(data: Prepared, tmp_path: Path) -> None:
    export(data.folder, tmp_path / "out.zip", "stylegan")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert json.loads(archive.read("dataset.json")) == {"labels": None}


def test_what_stylegan_would_refuse_is_refused_at_once(drawings: Path, data: Prepared, tmp_path: Path) -> None:
    odd = prepare(drawings, tmp_path / "odd", size="24", workers=1)
    with pytest.raises(UsageError, match=r"24×24.*power of two.*--size 32"):
        export(odd.folder, tmp_path / "out.zip", "stylegan")
    with pytest.raises(UsageError, match=r"end in \.zip"):
        export(data.folder, tmp_path / "out", "stylegan")


# ── both ──


@pytest.mark.parametrize("form", ["imagefolder", "stylegan"])
def test_equal_datasets_give_equal_bytes(
    form: exporting.Form, labelled: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(labelled.folder, tmp_path / "a.zip", form)
    monkeypatch.setattr(exporting, "_CHUNK", 3)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    export(labelled.folder, tmp_path / "b.zip", form)

    def content(out: Path) -> dict[str, bytes]:
        files = [out] if out.is_file() else sorted(path for path in out.rglob("*") if path.is_file())
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}

    assert content(tmp_path / "a.zip") == content(tmp_path / "b.zip")
    assert len(content(tmp_path / "a.zip")) == (1 if form == "stylegan" else 12)


@pytest.mark.parametrize("form", ["imagefolder", "stylegan"])
def test_nothing_is_overwritten_and_nothing_left_half_written(
    form: exporting.Form, data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.zip"
    out.mkdir()
    with pytest.raises(UsageError, match="exists already"):
        export(data.folder, out, form)
    out.rmdir()
    with pytest.raises(UsageError, match="inside the dataset"):
        export(data.folder, data.folder / "out.zip", form)

    def appear(done: int, total: int) -> None:
        if done == total:
            out.write_text("mine")

    with pytest.raises(UsageError, match="exists already"):
        export(data.folder, out, form, progress=appear)
    assert out.read_text() == "mine"
    out.unlink()

    def interrupt(done: int, total: int) -> None:
        assert total == 40 and not out.exists()
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(data.folder, out, form, progress=interrupt)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(Fault, match=r"out\.zip: no space"):
        export(data.folder, out, form)
    assert not list(tmp_path.iterdir())


def test_progress_counts_every_picture(data: Prepared, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    export(data.folder, tmp_path / "out", "imagefolder", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 40) for i in range(1, 41)]


# ── telling and checking ──


def test_the_account_tells_what_is_there(labelled: Prepared) -> None:
    account = describing.describe(labelled)
    json.dumps(account)
    assert (account["pictures"], account["width"], account["height"], account["colour"]) == (11, 16, 16, "colour")
    assert account["found"] == 12 and account["left_out"]["duplicate"] == 1
    assert account["labels"] == {"cats": 7, "dogs": 4}
    assert len(account["commonest_tags"]) == 10 and account["tags"] == 13
    assert list(account["commonest_tags"].items())[:3] == [("hat", 11), ("smile", 5), ("only_0", 1)]
    assert account["content_hash"] == labelled.content_hash and account["shards"] == 1
    assert account["bytes"] == sum(path.stat().st_size for path in labelled.folder.iterdir())
    said = "\n".join(describing.lines(account))
    for word in ("11 pictures, 16×16, colour", "12; left out: duplicate −1", "cats 7, dogs 4", "hat 11, smile 5"):
        assert word in said
    assert labelled.content_hash in said and str(labelled.manifest["source"]) in said and "bars crop" in said


def test_an_older_manifest_without_stages_is_told_too(labelled: Prepared) -> None:
    account = {**describing.describe(labelled), "stages": None}
    assert "12; left out: duplicate −1" in "\n".join(describing.lines(account))


@pytest.mark.parametrize("file", ["images-00000.npy", "records.jsonl"])
def test_verify_names_the_file_of_a_single_changed_byte(
    file: str, labelled: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(labelled.folder, tmp_path / "data"))
    assert boceto("data", "verify", folder) == 0
    assert "every byte as it was written" in capsys.readouterr().out
    path = folder / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert boceto("data", "verify", folder) == 1
    complaint = capsys.readouterr().err
    assert f"{file} is not what was written" in complaint and complaint.count("\n") == 1
    path.unlink()
    assert boceto("data", "verify", folder) == 1
    assert f"{file} is missing" in capsys.readouterr().err


def test_verify_tells_how_far_it_is(labelled: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "_CHUNK", 1000)
    seen: list[tuple[int, int]] = []
    total = labelled.verify(lambda done, total: seen.append((done, total)))
    names = ("images-00000.npy", "records.jsonl")
    assert total == sum((labelled.folder / name).stat().st_size for name in names)
    assert len(seen) > 5 and seen == sorted(seen) and seen[-1] == (total, total)


def test_damaged_records_are_named(labelled: Prepared, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(labelled.folder, tmp_path / "data"))
    lines = (folder / "records.jsonl").read_text("utf-8").splitlines()
    (folder / "records.jsonl").write_text("\n".join(lines[:-1]), "utf-8")
    with pytest.raises(Fault, match="tells of 10 pictures, the manifest of 11"):
        describing.describe(Prepared(folder))
    (folder / "records.jsonl").write_text("nonsense\n", "utf-8")
    with pytest.raises(Fault, match=r"records\.jsonl is damaged"):
        export(folder, tmp_path / "out", "imagefolder")


# ── the front door ──


def test_the_commands_of_data(labelled: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = labelled.folder
    for command in ("info", "verify", "export"):
        assert boceto("data", command, "--help") == 0
        said = capsys.readouterr().out
        assert "Example:" in said and f"boceto data {command}" in said
    assert boceto("data", "info", data) == 0
    assert "11 pictures, 16×16" in capsys.readouterr().out
    assert boceto("data", "info", data, "--json") == 0
    assert json.loads(capsys.readouterr().out)["labels"] == {"cats": 7, "dogs": 4}
    assert boceto("data", "verify", data, "--json") == 0
    assert json.loads(capsys.readouterr().out)["intact"] is True
    assert boceto("data", "export", data, "-o", tmp_path / "a", "--as", "imagefolder") == 0
    said = capsys.readouterr().out
    assert "11 pictures in 2 classes, as imagefolder" in said and "100%" in said
    assert boceto("data", "export", data, "-o", tmp_path / "a.zip", "--as", "stylegan", "--json") == 0
    assert json.loads(capsys.readouterr().out)["classes"] == ["cats", "dogs"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("data info {tmp}/missing", "missing does not exist"),
        ("data verify {drawings}", "is no prepared dataset"),
        ("data export {data} -o {data}/in --as imagefolder", "inside the dataset"),
        ("data export {data} -o {drawings} --as imagefolder", "exists already"),
        ("data export {data} -o {tmp}/out --as zip", "zip"),
        ("data export {data} -o {tmp}/out --as stylegan", "end in .zip"),
        ("data nosuch", "nosuch"),
    ],
)
def test_wrong_use_ends_in_one_sentence(
    line: str, says: str, drawings: Path, data: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"tmp": tmp_path, "drawings": drawings, "data": data.folder}
    assert boceto(*(word.format(**names) for word in line.split())) == 2
    complaint = capsys.readouterr().err
    assert says in complaint and complaint.count("\n") == 1
    assert not list(tmp_path.iterdir())
