"""Named sets, fetched from small local stand-ins for Kaggle and Hugging Face: what arrives, and what is said if not."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boceto.cli import app, main
from boceto.data.fetching import SETS, fetch, find
from boceto.data.preparing import prepare
from boceto.errors import BocetoError, Fault, UsageError
from conftest import drawing

Download = Callable[..., str]


def boceto(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> Callable[[Download], None]:
    """Put stand-ins for both libraries in place, whose every download is this function."""

    def install(download: Download) -> None:
        kaggle, hub = types.ModuleType("kagglehub"), types.ModuleType("huggingface_hub")
        kaggle.dataset_download = kaggle.competition_download = download  # type: ignore[attr-defined]
        hub.snapshot_download = download  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "kagglehub", kaggle)
        monkeypatch.setitem(sys.modules, "huggingface_hub", hub)

    return install


def put(folder: Path, *names: str) -> None:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        drawing(i).save(folder / name)


@pytest.fixture
def anime(tmp_path: Path) -> Path:
    """Like Kaggle's tagged-anime-illustrations once it is unpacked, folders repeated and all."""
    cache = tmp_path / "cache"
    images, metadata = cache / "danbooru-images/danbooru-images", cache / "danbooru-metadata/danbooru-metadata"
    put(images, "0001/1001.jpg", "0002/2.jpg", "0003/7003.jpg", "0003/3.png")
    metadata.mkdir(parents=True)
    posts = [{"id": str(i), "tags": [{"id": "1", "name": "1girl"}, {"name": f"tag_{i}"}]} for i in (1001, 2, 99, 7003)]
    lines = [json.dumps(post) for post in posts]
    (metadata / "201700.json").write_text("\n".join(lines[:2]) + '\n[1]\n{"broken', "utf-8")
    (metadata / "201701.json").write_text("\n".join([*lines[2:], json.dumps({"id": "3"})]), "utf-8")
    put(cache / "moeimouto-faces/moeimouto-faces", "000_miku/1.png", "000_miku/2.png", "001_yuki/1.png")
    (cache / "moeimouto-faces/moeimouto-faces/000_miku/color.csv").touch()
    (cache / ".complete").touch()
    return cache


def test_danbooru_comes_with_its_tags_and_without_the_faces(
    anime: Path, libraries: Callable[[Download], None], tmp_path: Path
) -> None:
    asked = []
    libraries(lambda handle: asked.append(handle) or str(anime))  # type: ignore[func-returns-value]
    seen: list[tuple[int, int]] = []
    got = fetch("danbooru-tagged", tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert asked == ["mylesoneill/tagged-anime-illustrations"]
    assert (got.pictures, got.tagged) == (4, 3) and seen == [(i, 4) for i in range(1, 5)]
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert files == ["0001/1001.jpg", "0002/2.jpg", "0003/3.png", "0003/7003.jpg", "metadata.jsonl"]
    data = prepare(tmp_path / "out", tmp_path / "data", size=16, workers=1, tags="1girl & !tag_2")
    assert [(r.path, r.tags, r.label) for r in data.records()] == [
        ("0001/1001.jpg", ("1girl", "tag_1001"), None),
        ("0003/7003.jpg", ("1girl", "tag_7003"), None),
    ]
    assert not list(tmp_path.glob(".*"))


def test_moeimouto_comes_in_a_folder_a_character(
    anime: Path, libraries: Callable[[Download], None], tmp_path: Path
) -> None:
    libraries(lambda handle: str(anime))
    (tmp_path / "out").mkdir()  # empty is as good as new
    got = fetch("moeimouto", tmp_path / "out")
    assert (got.pictures, got.tagged) == (3, 0)
    data = prepare(tmp_path / "out", tmp_path / "data", size=16, workers=1, duplicates="keep")
    assert [record.label for record in data.records()] == ["000_miku", "000_miku", "001_yuki"]


def test_the_tables_of_metadata_may_still_be_zipped(
    anime: Path, libraries: Callable[[Download], None], tmp_path: Path
) -> None:
    for name in ("danbooru-images", "danbooru-metadata"):
        shutil.make_archive(str(anime / name), "zip", anime / name)
        shutil.rmtree(anime / name)
    libraries(lambda handle: str(anime))
    got = fetch("danbooru-tagged", tmp_path / "out")
    assert (got.pictures, got.tagged) == (4, 3)


def test_painters_become_tags_and_mended_files_win(libraries: Callable[[Download], None], tmp_path: Path) -> None:
    cache, raw = tmp_path / "cache", tmp_path / "raw"
    cache.mkdir()
    put(raw, "train/1.jpg", "train/2.jpg", "test/3.jpg", "mended/train/2.jpg", "mended/__MACOSX/._2.jpg")
    for name, files in {
        "train.zip": ["train/1.jpg", "train/2.jpg"],
        "test.zip": ["test/3.jpg"],
        "replacements_for_corrupted_files.zip": ["mended/train/2.jpg", "mended/__MACOSX/._2.jpg"],
    }.items():
        with zipfile.ZipFile(cache / name, "w") as archive:
            for file in files:
                archive.write(raw / file, file.removeprefix("mended/"))
    rows = ["artist,genre,style,new_filename", "Ana Lía,landscape,Abstract Art,1.jpg", "B,portrait,,2.jpg", "C,,,9.jpg"]
    (cache / "all_data_info.csv").write_text("\n".join(rows), "utf-8")
    libraries(lambda handle: str(cache))
    got = fetch("painter-by-numbers", tmp_path / "out")
    assert (got.pictures, got.tagged) == (3, 2)
    assert (tmp_path / "out/pictures/2.jpg").read_bytes() == (raw / "mended/train/2.jpg").read_bytes()
    data = prepare(tmp_path / "out", tmp_path / "data", size=16, workers=1, duplicates="keep")
    assert [(r.path, r.tags, r.label) for r in data.records()] == [
        ("pictures/1.jpg", ("landscape", "abstract_art", "ana_lía"), None),
        ("pictures/2.jpg", ("portrait", "b"), None),
        ("pictures/3.jpg", (), None),
    ]


def test_a_set_of_hugging_face_arrives_as_it_is_out_of_the_cache_s_links(
    libraries: Callable[[Download], None], tmp_path: Path
) -> None:
    blobs, cache = tmp_path / "blobs", tmp_path / "cache"
    put(blobs, "a.png", "b.png")
    for name in ("a", "b"):
        link = cache / "train" / f"class_{name}" / "1.png"
        link.parent.mkdir(parents=True)
        link.symlink_to(blobs / f"{name}.png")
    (cache / "train/metadata.jsonl").write_text(json.dumps({"file_name": "class_a/1.png", "tags": ["hat"]}), "utf-8")
    (cache / ".gitattributes").touch()
    asked: dict[str, Any] = {}

    def download(repo: str, **how: Any) -> str:
        asked.update(how, repo=repo)
        return str(cache)

    libraries(download)
    got = fetch("hf:ana/drawings", tmp_path / "out")
    assert asked["repo"] == "ana/drawings" and asked["repo_type"] == "dataset"
    assert {"*.png", "*.PNG", "*.jsonl"} <= set(asked["allow_patterns"]) and "*.parquet" not in asked["allow_patterns"]
    assert got.pictures == 2 and not any(path.is_symlink() for path in got.out.rglob("*"))
    assert not list(got.out.rglob(".git*"))
    shutil.rmtree(cache)
    shutil.rmtree(blobs)
    data = prepare(got.out, tmp_path / "data", size=16, workers=1)
    assert [(r.tags, r.label) for r in data.records()] == [(("hat",), "class_a"), ((), "class_b")]


def test_where_no_link_can_be_made_files_are_copied(
    anime: Path, libraries: Callable[[Download], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    libraries(lambda handle: str(anime))
    monkeypatch.setattr(os, "link", refuse)
    fetch("moeimouto", tmp_path / "out")
    copied = tmp_path / "out/001_yuki/1.png"
    assert copied.read_bytes() == (anime / "moeimouto-faces/moeimouto-faces/001_yuki/1.png").read_bytes()
    assert copied.stat().st_nlink == 1


def test_no_zip_leads_out_of_its_folder_nor_over_what_is_there(
    libraries: Callable[[Download], None], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    put(cache, "set/1.png", "x.png")
    kept = (cache / "set/1.png").read_bytes()
    with zipfile.ZipFile(cache / "set.zip", "w") as archive:
        for name in ("../../out.png", "/root.png", "a/../../b.png", "C:/c.png", "..\\d.png", "set/2.png", "run.exe"):
            archive.writestr(name, (cache / "x.png").read_bytes())
        archive.writestr("set/1.png", b"other")
    libraries(lambda handle: str(cache))
    got = fetch("kaggle:ana/drawings", tmp_path / "out")
    found = sorted(path.relative_to(got.out).as_posix() for path in got.out.rglob("*.*"))
    assert found == ["set/1.png", "set/2.png", "x.png"]
    assert (got.out / "set/1.png").read_bytes() == b"other", "the first of a name stays"
    assert (cache / "set/1.png").read_bytes() == kept, "the cache is never written to"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "out"]


# ── what can go wrong ──


class Response:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


def error(kind: str, message: str = "…", status: int | None = None, *bases: type[Exception]) -> Exception:
    """An error of the library's own kind: with its name, its bases' names and the server's answer."""
    made: Exception = type(kind, bases or (Exception,), {})(message)
    if status is not None:
        made.response = Response(status)  # type: ignore[attr-defined]
    return made


KAGGLE_OFFLINE = error("ConnectionError", "Max retries exceeded", None, OSError)
HF_OFFLINE = error("LocalEntryNotFoundError", "cannot find the snapshot", None, FileNotFoundError)
GATED = error("GatedRepoError", "…", 403, type("RepositoryNotFoundError", (OSError,), {}))
WRONG = [
    ("danbooru-tagged", KAGGLE_OFFLINE, 1, "cannot be reached; check the connection"),
    ("hf:ana/x", HF_OFFLINE, 1, "cannot be reached; check the connection"),
    ("hf:ana/x", error("OfflineModeIsEnabled", "…", None, ConnectionError), 1, "cannot be reached"),
    ("hf:ana/x", error("ConnectTimeout", "…", None, type("TransportError", (Exception,), {})), 1, "cannot be reached"),
    ("painter-by-numbers", error("UnauthenticatedError"), 2, "there is no token; accept the rules at"),
    ("painter-by-numbers", error("KaggleApiHTTPError", "…", 403, OSError), 2, "its rules are not accepted yet"),
    ("kaggle:ana/x", error("UnauthenticatedError"), 2, "www.kaggle.com/settings"),
    ("kaggle:ana/x", error("KaggleApiHTTPError", "…", 403, OSError), 2, "is not open to everybody"),
    ("kaggle:ana/x", error("KaggleApiHTTPError", "…", 404, OSError), 2, "was not found at https://www.kaggle.com/"),
    ("hf:ana/x", error("RepositoryNotFoundError", "…", 401, OSError), 2, "was not found at https://huggingface.co/"),
    ("hf:a--b/x", error("HFValidationError", "…", None, ValueError), 2, "was not found"),
    ("hf:ana/x", GATED, 2, "asks for its terms to be accepted: do so at https://huggingface.co/datasets/ana/x"),
    ("hf:ana/x", error("LocalTokenNotFoundError", "…", None, OSError), 2, "hf auth login"),
    ("kaggle:ana/x", error("DataCorruptionError", "The X-Goog-Hash\ndiffers"), 1, "(The X-Goog-Hash differs); run"),
    ("kaggle:ana/x", OSError(errno.ENOSPC, "full", "/cache/x"), 1, "/cache/x: no space is left"),
]


@pytest.mark.parametrize(("name", "kind", "code", "says"), WRONG, ids=[f"{w[0]}-{w[3][:24]}" for w in WRONG])
def test_what_goes_wrong_is_one_sentence_and_leaves_nothing(
    name: str,
    kind: Exception,
    code: int,
    says: str,
    libraries: Callable[[Download], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def download(*_: object, **__: object) -> str:
        raise kind

    libraries(download)
    assert boceto("fetch", name, "-o", tmp_path / "out") == code
    complaint = capsys.readouterr().err
    assert says in complaint and complaint.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "library"), [("moeimouto", "kagglehub"), ("hf:ana/x", "huggingface_hub")])
def test_an_absent_library_is_named_with_the_command(
    name: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=f"{library}, which is not installed: pip install {library}$"):
        fetch(name, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("moeimuto", "did you mean 'moeimouto'"),
        ("danbooru", "did you mean 'danbooru-tagged'"),
        ("hf:noowner", "write hf:OWNER/NAME"),
        ("hf:../../etc", "write hf:OWNER/NAME"),
        ("ftp:a/b", "write hf:OWNER/NAME"),
        ("zzz", "known: danbooru-tagged, moeimouto, painter-by-numbers"),
    ],
)
def test_unknown_names(name: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(name)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_that_holds_something_is_left_alone(
    anime: Path, libraries: Callable[[Download], None], tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def fill(handle: str) -> str:
        out.mkdir(exist_ok=True)
        (out / "mine").write_text("years of work")
        return str(anime)

    libraries(fill)
    with pytest.raises(UsageError, match="is not empty"):  # filled while it was downloading
        fetch("moeimouto", out)
    libraries(lambda handle: pytest.fail("downloaded for nothing"))
    with pytest.raises(UsageError, match="is not empty"):
        fetch("moeimouto", out)
    with pytest.raises(UsageError, match="is a file"):
        fetch("moeimouto", out / "mine")
    assert [path.name for path in out.iterdir()] == ["mine"] and not list(tmp_path.glob(".*"))


def spoil_tags(cache: Path) -> None:
    shutil.rmtree(cache / "danbooru-metadata")


def spoil_pictures(cache: Path) -> None:
    shutil.rmtree(cache)
    cache.mkdir()
    (cache / "data.parquet").touch()


def spoil_zip(cache: Path) -> None:
    (cache / "danbooru-images.zip").write_bytes(b"PK nonsense")


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        (spoil_tags, Fault, "came without its tags"),
        (spoil_pictures, UsageError, r"holds no picture files \(only \.parquet\)"),
        (spoil_zip, Fault, r"danbooru-images\.zip is damaged"),
    ],
)
def test_a_download_of_no_use_leaves_nothing_behind(
    spoil: Callable[[Path], None],
    kind: type[BocetoError],
    says: str,
    anime: Path,
    libraries: Callable[[Download], None],
    tmp_path: Path,
) -> None:
    spoil(anime)
    libraries(lambda handle: str(anime))
    with pytest.raises(kind, match=says):
        fetch("danbooru-tagged", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_interrupted_leaves_nothing_behind(anime: Path, libraries: Callable[[Download], None], tmp_path: Path) -> None:
    libraries(lambda handle: str(anime))

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("moeimouto", tmp_path / "out", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


# ── the front door ──


def test_the_command_lists_fetches_and_says_what_comes_next(
    anime: Path, libraries: Callable[[Download], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert boceto("fetch", "--help") == 0
    assert "Example: boceto fetch" in capsys.readouterr().out
    assert boceto("fetch") == 0
    said = capsys.readouterr().out
    assert all(name in said and known.about in said and known.licence in said for name, known in SETS.items())
    assert boceto("fetch", "--json") == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == list(SETS)
    assert boceto("fetch", "moeimouto") == 2
    assert "-o FOLDER" in capsys.readouterr().err
    libraries(lambda handle: str(anime))
    assert boceto("fetch", "danbooru-tagged", "-o", tmp_path / "a") == 0
    said = capsys.readouterr().out
    assert "4 pictures, 3 of them with tags" in said and str(anime) in said and "licence: " in said
    expected = (
        f'prepare {tmp_path / "a"} -o data --tags "(1girl | solo) & white_background & full_body" --grey --size 48'
    )
    assert expected in said
    assert boceto("fetch", "moeimouto", "-o", tmp_path / "b", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == 3


def test_the_commands_that_come_next_are_right(tmp_path: Path) -> None:
    """Each set's preparing is one that the front door takes: it fails for want of the folder alone."""
    for known in SETS.values():
        words = ["prepare", str(tmp_path / "nowhere"), "-o", str(tmp_path / "data"), *shlex.split(known.prepare)]
        with pytest.raises(UsageError, match="nowhere does not exist"):
            app(words, exit_on_error=False, print_error=False, result_action="return_none")
