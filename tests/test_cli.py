"""The front door: every wrong use ends in one sentence and the right exit code; the everyday way works."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boceto.cli import main
from boceto.data.prepared import Prepared
from boceto.recipe import Recipe


@pytest.fixture
def recipe_file(tiny: Recipe, tmp_path: Path) -> Path:
    file = tmp_path / "tiny.toml"
    file.write_text(tiny.to_toml(), "utf-8")
    return file


def boceto(*words: object) -> int:
    return main([str(word) for word in words])


def test_help_and_version_import_no_torch() -> None:
    code = (
        "import sys; from boceto.cli import main\n"
        "import contextlib\n"
        "for words in (['--help'], ['--version'], ['train', '--help']):\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        main(words)\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'matplotlib', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "0.1.0" in done.stdout and "Example" in done.stdout


def test_importing_boceto_imports_no_torch() -> None:
    code = "import boceto, sys; assert 'torch' not in sys.modules; assert callable(boceto.train)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    commands = ("demo", "prepare", "recipes", "train", "resume", "sample", "report")
    for command in commands:
        assert boceto(command, "--help") == 0
        said = capsys.readouterr().out
        assert "Example:" in said and f"boceto {command}" in said


def test_the_everyday_way(
    drawings: Path, recipe_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run, sheet = tmp_path / "data", tmp_path / "run", tmp_path / "sheet.png"
    assert boceto("prepare", drawings, "-o", data, "--size", 16) == 0
    assert "40 of 40 pictures" in capsys.readouterr().out
    assert boceto("train", recipe_file, "--data", data, "--out", run) == 0
    said = capsys.readouterr().out
    assert "pictures, batch 8" in said and "finished at 64 images" in said and "left" in said
    assert boceto("train", recipe_file, "--data", data, "--out", run) == 0
    assert "finished at 64 images" in capsys.readouterr().out
    assert boceto("resume", run, "--set", "train.kimg=0.08", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"run": str(run), "nimg": 80, "finished": True}
    assert boceto("sample", run, "-n", 25, "--seed", 0, "-o", sheet, "--separate", tmp_path / "alone") == 0
    assert Image.open(sheet).size == (5 * 18 + 2, 5 * 18 + 2)
    assert len(list((tmp_path / "alone").glob("*.png"))) == 25
    first = np.asarray(Image.open(tmp_path / "alone" / "00000.png"))
    assert np.array_equal(np.asarray(Image.open(sheet))[2:18, 2:18], first)
    assert boceto("report", run) == 0
    assert (run / "report.html").is_file()


def test_prepare_takes_pairs_metadata_and_animations(
    drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moving, known = tmp_path / "moving", tmp_path / "known.jsonl"
    moving.mkdir()
    frames = [Image.open(drawings / f"{i:02d}.png") for i in range(3)]
    frames[0].save(moving / "00.gif", save_all=True, append_images=frames[1:])
    for i in (1, 2):
        frames[i].save(moving / f"{i:02d}.png")
    known.write_text('{"id": "01", "tags": ["hat"]}\n{"id": "02", "tags": []}\n{"id": "00", "tags": ["hat"]}\n')
    words = ["prepare", moving, "--size", 16, "--json"]
    assert boceto(*words, "-o", tmp_path / "a", "--animated", "skip") == 0
    assert json.loads(capsys.readouterr().out)["left_out"]["animated"] == 1
    assert boceto(*words, "-o", tmp_path / "b", "--metadata", known, "--tags", "hat") == 0
    assert json.loads(capsys.readouterr().out)["count"] == 2
    assert boceto(*words, "-o", tmp_path / "c", "--pairs-from", drawings) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pair"] and told["count"] == 3 and told["orphans"] == 37
    assert boceto(*words, "-o", tmp_path / "d", "--side-by-side", "source-right", "--min-side", 8) == 0
    assert json.loads(capsys.readouterr().out)["pair"]


def test_recipes_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert boceto("recipes") == 0
    assert "dcgan-64 " in capsys.readouterr().out
    assert boceto("recipes", "--json") == 0
    assert "dcgan-64" in json.loads(capsys.readouterr().out)
    assert boceto("recipes", "dcgan-64") == 0
    assert "[arch]" in capsys.readouterr().out
    assert boceto("recipes", "dcgan-64", "--json") == 0
    assert json.loads(capsys.readouterr().out)["train"]["batch"] == 128


def test_a_recipe_file_is_shown_too(recipe_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe_file.write_bytes(b"\xef\xbb\xbf" + recipe_file.read_bytes())  # as some Windows editors save
    assert boceto("recipes", recipe_file) == 0
    assert "[arch]" in capsys.readouterr().out


def test_a_sheet_too_long_for_its_format(
    scene: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert boceto("sample", scene["run"], "-n", 1000, "--columns", 1, "-o", tmp_path / "s.webp") == 2
    assert "WEBP holds 16,383 a side at most" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


WRONG = [
    ("prepare {tmp}/missing -o {tmp}/out", 2, "missing does not exist"),
    ("prepare {tmp}/empty -o {tmp}/out", 2, "holds no picture"),
    ("prepare {recipe} -o {tmp}/out", 2, "is a file"),
    ("prepare {drawings} -o {data}", 2, "exists already"),
    ("prepare {drawings} -o {tmp}/out --size 0", 2, "size '0' is out of range"),
    ("prepare {drawings} -o {tmp}/out --size big", 2, "size 'big'"),
    ("prepare {drawings} -o {tmp}/out --fit stretch", 2, "stretch"),
    ("prepare {drawings} -o {tmp}/out --tags ((", 2, "tag query"),
    ("prepare {drawings} -o {tmp}/out --tags nothing", 2, "no picture"),
    ("prepare {drawings} -o {tmp}/out --paper mauvish", 2, "'mauvish' is not a colour"),
    ("prepare {drawings} -o {tmp}/out --min-side 500", 2, "40 too small"),
    ("prepare {drawings} -o {tmp}/out --workers 0", 2, "workers"),
    ("prepare {drawings} -o {recipe}/out", 1, "a part of that path is a file"),
    ("prepare {drawings}", 2, "--out"),
    ("train nosuch --data {data} --out {tmp}/run", 2, "no recipe 'nosuch'"),
    ("train {tmp}/nosuch.toml --data {data} --out {tmp}/run", 1, "nosuch.toml: it does not exist"),
    ("train {recipe} --data {tmp}/nodata --out {tmp}/run", 2, "nodata does not exist"),
    ("train {recipe} --data {drawings} --out {tmp}/run", 2, "is no prepared dataset"),
    ("train {recipe} --data {data} --out {tmp}/run --set train.batch=0", 2, "train.batch = 0"),
    ("train {recipe} --data {data} --out {tmp}/run --set train.batsh=8", 2, "did you mean 'batch'"),
    ("train {recipe} --data {data} --out {tmp}/run --set arch.resolution=17", 2, "16, 32, 64, 128 or 256"),
    ("train {recipe} --data {data} --out {tmp}/run --set arch.resolution=32", 2, "prepare again with --size 32x32"),
    ("train {recipe} --data {data} --out {tmp}/run --minutes -1", 2, "train.minutes"),
    ("train {recipe} --data {data} --out {tmp}/run --device tpu", 2, "tpu"),
    ("train {recipe} --data {data} --out {drawings}", 2, "is not a run folder"),
    ("train {recipe} --data {data} --out {recipe}", 2, "is not a run folder"),
    ("train dcgan-64 --data {data} --out {tmp}/run", 2, "prepare again with --size 64x64"),
    ("resume {tmp}/norun", 2, "norun does not exist"),
    ("resume {drawings}", 2, "is not a run folder"),
    ("sample {drawings} -o {tmp}/s.png", 2, "is not a run folder"),
    ("sample {run} -n 0 -o {tmp}/s.png", 2, "cannot draw 0 pictures"),
    ("sample {run} --seed -1 -o {tmp}/s.png", 2, "seed"),
    ("sample {run} -o {tmp}/s.xyz", 2, "end in .png"),
    ("sample {run} -o {tmp}/s.png --snapshot 7", 2, "no snapshot '7'"),
    ("sample {run} -o {tmp}/s.png --psi 9", 2, "psi"),
    ("sample {run} -o {tmp}/s.png --columns 0", 2, "columns"),
    ("report {drawings}", 2, "is not a run folder"),
    ("report {run} --data {tmp}/nodata", 2, "nodata does not exist"),
    ("recipes nosuch", 2, "no recipe 'nosuch'"),
    ("demo --pictures 3 --out {tmp}/demo", 2, "200 pictures"),
    ("demo --minutes nan --out {tmp}/demo", 2, "for some time"),
    ("demo --out {recipe}", 1, "tiny.toml"),
    ("sample {run} -o {tmp}/s.png --separate {recipe}", 1, "tiny.toml"),
    ("nosuch", 2, "nosuch"),
    ("train --nosuch", 2, "nosuch"),
]


@pytest.fixture(scope="module")
def scene(drawings: Path, data: Prepared, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from boceto import recipe, starting
    from conftest import TINY

    folder = tmp_path_factory.mktemp("scene")
    (folder / "empty").mkdir()
    file = folder / "tiny.toml"
    file.write_text(recipe.parse(TINY, "tests").to_toml(), "utf-8")
    run = starting.train(file, data.folder, folder / "made", device_name="cpu")
    return {"drawings": drawings, "data": data.folder, "recipe": file, "run": run.folder, "empty": folder / "empty"}


@pytest.mark.parametrize(("line", "code", "says"), WRONG, ids=[line for line, _, _ in WRONG])
def test_wrong_use_ends_in_one_sentence(
    line: str, code: int, says: str, scene: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    words = [word.format(tmp=tmp_path, **scene) for word in line.split()]
    assert boceto(*words) == code
    complaint = capsys.readouterr().err
    assert says in complaint
    assert complaint.count("\n") == 1 and complaint.startswith("boceto: ") and "Traceback" not in complaint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"], "something half-written is left"


def limited(megabytes: float, *words: object) -> subprocess.CompletedProcess[str]:
    """Run boceto in a process whose files may not grow beyond a size: what a full disk does, for a test."""
    import resource  # not on Windows

    limit = int(megabytes * 2**20)
    return subprocess.run(
        [sys.executable, "-m", "boceto", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )


@pytest.mark.skipif(os.name == "nt", reason="no such limit on Windows")
def test_no_room_ends_in_one_sentence_and_leaves_nothing_half_written(scene: dict[str, Path], tmp_path: Path) -> None:
    done = limited(0.01, "prepare", scene["drawings"], "-o", tmp_path / "data", "--size", 16)
    assert done.returncode == 1 and "size limit" in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
    done = limited(0.02, "train", scene["recipe"], "--data", scene["data"], "--out", tmp_path / "run")
    assert done.returncode == 1 and "cannot write" in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.partial")) and not list(tmp_path.rglob("*.safetensors"))
    again = subprocess.run(
        [sys.executable, "-m", "boceto", "resume", str(tmp_path / "run")], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_no_space_and_no_permission_are_named(
    number: int,
    scene: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The system's refusal is played, since tests may run as a user whom nothing is refused."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Image.Image, "save", refuse)
    assert boceto("sample", scene["run"], "-o", tmp_path / "s.png") == 1
    complaint = capsys.readouterr().err
    assert "s.png" in complaint and complaint.count("\n") == 1
    assert {errno.ENOSPC: "no space", errno.EACCES: "permission", errno.EROFS: "read-only"}[number] in complaint
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(
    scene: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o500)
    try:
        assert boceto("prepare", scene["drawings"], "-o", tmp_path / "data", "--size", 16) == 1
    finally:
        tmp_path.chmod(0o700)
    assert "permission is denied" in capsys.readouterr().err
