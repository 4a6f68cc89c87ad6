"""The main job, small: the demo from nothing to the report; and the file that sets everything up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boceto.cli import main
from boceto.data.prepared import Prepared

ROOT = Path(__file__).resolve().parents[1]


def test_the_demo_goes_the_whole_way_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    words = ["demo", "--out", str(out), "--pictures", "200", "--minutes"]
    assert main([*words, "0.05"]) == 0
    said = capsys.readouterr().out
    for stage in ("1/4", "2/4", "3/4", "4/4", "Done in", "boceto resume"):
        assert stage in said
    data = Prepared(out / "data")
    assert data.shape == (64, 64, 3) and 130 < len(data) < 180, "three in four are portraits"
    assert all("portrait" in record.tags for record in data.records())
    for stage in ("unreadable", "too small", "duplicate"):
        assert data.manifest["left_out"][stage] >= 1, stage
    assert data.manifest["cropped_bars"] >= 1
    assert Image.open(out / "new-drawings.png").size == (664, 664)
    page = out / "run" / "report.html"
    first = page.stat().st_mtime_ns
    before = sorted((out / "sketchbook").rglob("*"))
    assert len(before) > 200

    assert main([*words, "0.1"]) == 0, "again, and longer"
    assert "1/4" not in capsys.readouterr().out, "what is drawn stays"
    assert page.stat().st_mtime_ns > first


def test_the_portraits_are_varied_and_whole(tmp_path: Path) -> None:
    from boceto.data import sketchbook

    portraits = [c for c in (sketchbook.invent(0, i) for i in range(60)) if "portrait" in c.tags]
    pixels = np.stack([np.asarray(sketchbook.draw(c, 64)) for c in portraits]).astype(float)
    assert len(portraits) > 30
    assert pixels.std(axis=0).mean() > 30, "grey levels between pictures"


def test_do_py_explains_itself_without_setting_up(tmp_path: Path) -> None:
    for words, code in (((), 2), (("nosuch",), 2), (("--help",), 0)):
        done = subprocess.run(
            [sys.executable, "-I", str(ROOT / "do.py"), *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == code
        assert "python do.py demo" in done.stderr and "Traceback" not in done.stderr
