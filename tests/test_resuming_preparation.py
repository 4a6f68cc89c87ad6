"""Preparing goes on after a kill, and gives what it would have given in one go."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import filelock
import pytest
from PIL import Image

from boceto.data import writing
from boceto.data.preparing import Progress, prepare
from boceto.errors import UsageError
from conftest import drawing


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """60 drawings, some of them twice, some damaged."""
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(60):
        drawing(i % 50).save(folder / f"{i:02d}.png")
    for i in (7, 33):
        (folder / f"{i:02d}.png").write_bytes(b"")
    return folder


def interrupted(many: Path, out: Path, at: int) -> None:
    def stop(progress: Progress) -> None:
        if progress.done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="goes on where it stopped"):
        prepare(many, out, size=16, progress=stop)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("per_shard", [7, 1000])
@pytest.mark.parametrize("at", [1, 20, 55, 60])
def test_going_on_gives_the_same_bytes(
    many: Path, tmp_path: Path, at: int, per_shard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SHARD_BYTES", 16 * 16 * 3 * per_shard)
    whole = prepare(many, tmp_path / "whole", size=16)
    interrupted(many, tmp_path / "data", at)
    assert not (tmp_path / "data").exists()
    looked_at: list[int] = []
    prepare(many, tmp_path / "data", size=16, progress=lambda p: looked_at.append(p.done))
    assert looked_at == list(range(at + 1, 61)), "nothing is looked at twice"
    assert contents(tmp_path / "data") == contents(whole.folder)
    assert not list(tmp_path.glob(".*"))


def test_an_archive_is_gone_on_with_too(many: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "many.tar.gz", "w:gz") as archive:
        for path in sorted(many.iterdir()):
            archive.add(path, path.name)
    whole = prepare(many, tmp_path / "whole", size=16)
    interrupted(tmp_path / "many.tar.gz", tmp_path / "data", 30)
    looked_at: list[int] = []
    data = prepare(tmp_path / "many.tar.gz", tmp_path / "data", size=16, progress=lambda p: looked_at.append(p.done))
    assert looked_at == list(range(31, 61))
    assert data.content_hash == whole.content_hash


def test_another_question_begins_anew(many: Path, tmp_path: Path) -> None:
    interrupted(many, tmp_path / "data", 30)
    (many / "new.png").write_bytes((many / "00.png").read_bytes())
    looked_at: list[int] = []
    prepare(many, tmp_path / "data", size=16, progress=lambda p: looked_at.append(p.done))
    assert looked_at[0] == 1
    interrupted(many, tmp_path / "other", 30)
    looked_at.clear()
    prepare(many, tmp_path / "other", size=16, fit="squish", progress=lambda p: looked_at.append(p.done))
    assert looked_at[0] == 1


def test_going_on_after_a_kill(tmp_path: Path) -> None:
    """SIGKILL at any moment; torn writes after the checkpoint are cut off."""
    folder = tmp_path / "large"
    folder.mkdir()
    for i in range(400):
        drawing(i, (80, 80)).save(folder / f"{i:03d}.png")
    code = (
        "import sys; from boceto.data import writing, preparing\n"
        "writing.CHECKPOINT_SECONDS = 0.05\n"
        "preparing.prepare(sys.argv[1], sys.argv[2], size=64)"
    )
    partial = tmp_path / ".data.partial"

    def done() -> int:
        try:
            return int(json.loads((partial / "checkpoint.json").read_bytes())["done"])
        except (OSError, ValueError):
            return 0

    with subprocess.Popen([sys.executable, "-c", code, str(folder), str(tmp_path / "data")]) as process:
        deadline = time.monotonic() + 60
        while done() < 50 and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    reached = done()
    assert 50 <= reached < 400, "it was killed on the way"
    looked_at: list[int] = []
    data = prepare(folder, tmp_path / "data", size=64, progress=lambda p: looked_at.append(p.done))
    assert looked_at[0] == reached + 1
    assert data.content_hash == prepare(folder, tmp_path / "whole", size=64).content_hash
    data.verify()


def test_a_damaged_checkpoint_begins_anew(many: Path, tmp_path: Path) -> None:
    whole = prepare(many, tmp_path / "whole", size=16)
    for damage in (b"", b"{", b"[]", b'{"key": 1}'):
        interrupted(many, tmp_path / "data", 30)
        (tmp_path / ".data.partial" / "checkpoint.json").write_bytes(damage)
        data = prepare(many, tmp_path / "data", size=16)
        assert contents(data.folder) == contents(whole.folder)
        prepare(many, tmp_path / "data", size=16, force=True)
        for path in sorted(data.folder.iterdir()):
            path.unlink()
        data.folder.rmdir()


def test_two_cannot_prepare_one_dataset(many: Path, tmp_path: Path) -> None:
    partial = tmp_path / ".data.partial"
    partial.mkdir()
    with (
        filelock.FileLock(partial / ".lock"),
        pytest.raises(UsageError, match="being prepared by another process"),
    ):
        prepare(many, tmp_path / "data", size=16)
    assert prepare(many, tmp_path / "data", size=16)


def test_what_is_not_ours_is_left_alone(many: Path, tmp_path: Path) -> None:
    partial = tmp_path / ".data.partial"
    partial.mkdir()
    (partial / "novel.txt").write_text("years of work")
    with pytest.raises(UsageError, match="in the way"):
        prepare(many, tmp_path / "data", size=16)
    assert (partial / "novel.txt").read_text() == "years of work"


def test_animations_by_option(tmp_path: Path) -> None:
    folder = tmp_path / "moving"
    folder.mkdir()
    frames = [drawing(i) for i in range(3)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "moving.png", save_all=True, append_images=frames[1:])
    Image.new("RGB", (40, 40), "red").save(folder / "still.gif")
    assert len(prepare(folder, tmp_path / "first", size=16, duplicates="keep")) == 4
    still = prepare(folder, tmp_path / "skip", size=16, animated="skip")
    assert [record.path for record in still.records()] == ["still.gif"]
    assert still.manifest["left_out"]["animated"] == 3


def test_squish_reports_how_much_it_stretches(tmp_path: Path) -> None:
    folder = tmp_path / "wide"
    folder.mkdir()
    for i, size in enumerate([(40, 40), (80, 40), (40, 80)]):
        drawing(i, size).save(folder / f"{i}.png")
    data = prepare(folder, tmp_path / "data", size=16, fit="squish")
    assert data.manifest["stretch"] == {"mean": pytest.approx(5 / 3), "largest": 2.0, "over_1.5": 2}
    assert "stretched by 1.67 on average, 2.00 at most" in data.summary()
    assert "stretch" not in prepare(folder, tmp_path / "crop", size=16).manifest


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one group")
def test_impatient_interrupts_end_it_all_the_same(tmp_path: Path) -> None:
    """Ctrl-C reaches the whole group, workers too; a second one comes while the first is being answered."""
    folder = tmp_path / "large"
    folder.mkdir()
    for i in range(40):
        drawing(i, (1200, 900)).save(folder / f"{i:04d}.jpg")
    for i in range(40, 6000):  # more than a busy machine gets done meanwhile
        (folder / f"{i:04d}.jpg").hardlink_to(folder / f"{i % 40:04d}.jpg")
    for begun, gap in ((2, 0.05), (2, 0.1), (0.3, 0.1)):  # s: workers are at work, or on their way
        out = tmp_path / f"data{begun}{gap}"
        words = [sys.executable, "-m", "boceto", "prepare", str(folder), "-o", str(out), "--workers", "2"]
        with subprocess.Popen(
            words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, text=True
        ) as process:
            while not (tmp_path / f".data{begun}{gap}.partial" / "checkpoint.json").exists():
                time.sleep(0.01)
            time.sleep(begun)
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(gap)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            try:
                _, complaint = process.communicate(timeout=240)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            assert process.returncode == 1
            assert complaint == "boceto: interrupted; the same command goes on where it stopped\n"
