"""The report: one page that stands alone, with the figures it promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import boceto
from boceto import recipe, starting
from boceto.cli import main
from boceto.data.prepared import Prepared
from boceto.reporting import figures
from boceto.sampling import Layout, sheet
from conftest import TINY


@pytest.fixture(scope="module")
def run(data: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "tiny.toml"
    file.write_text(recipe.parse(TINY, "tests").to_toml(), "utf-8")
    return starting.train(file, data.folder, file.parent / "a <b> run", device_name="cpu").folder


def test_the_page_stands_alone_and_says_what_was_done(run: Path, data: Prepared) -> None:
    page = boceto.report(run).read_text("utf-8")
    outside = re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*""", page)
    assert not outside, "nothing is fetched"
    assert page.count("data:image/png;base64,") == 3 and page.count("<svg") == 7
    assert "a &lt;b&gt; run" in page and "<b> run" not in page
    for said in (data.content_hash[:16], "64 (1.6 epochs)", "dcgan", "images/s"):
        assert said in page
    found = sorted(path.name for path in (run / "figures").iterdir())
    curves = ("losses", "scores", "gradients", "variety", "epochs")
    charts = [f"{name}.{kind}" for name in (*curves, "confusion", "confusions") for kind in ("png", "svg")]
    assert found == sorted(["evolution.png", "generated-and-real.png", "sheet.png", *charts])
    assert len({Image.open(run / "figures" / f"{name}.png").size for name in curves}) == 1


def test_a_live_page_loads_itself_anew_and_the_last_one_does_not(run: Path, data: Prepared, tmp_path: Path) -> None:
    live = boceto.reporting.page.report(run, live=True).read_text("utf-8")
    assert '<meta http-equiv="refresh" content="30">' in live and "is being trained" in live
    assert live.count("data:image/png;base64,") == 2 and live.count("<svg") == 7
    assert "http-equiv" not in boceto.report(run).read_text("utf-8")
    words = ["train", str(run.parent / "tiny.toml"), "--data", str(data.folder), "--out", str(tmp_path / "run")]
    assert main([*words, "--device", "cpu"]) == 0
    assert "http-equiv" not in (tmp_path / "run" / "report.html").read_text("utf-8")


def test_a_page_says_what_the_doctor_found(data: Prepared, tmp_path: Path) -> None:
    table: dict[str, Any] = {**TINY, "doctor": {"patience": 2}}
    table["train"] = {**table["train"], "g_lr": 3.0}
    (tmp_path / "ill.toml").write_text(recipe.parse(table, "tests").to_toml(), "utf-8")
    ill = starting.train(tmp_path / "ill.toml", data.folder, tmp_path / "run", device_name="cpu")
    page = boceto.report(ill.folder).read_text("utf-8")
    assert "<h2>Doctor</h2>" in page and "<b>rate-high</b> from" in page


def test_without_the_data_it_says_so(run: Path, data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = data.folder.with_name("moved")
    data.folder.rename(moved)
    try:
        assert "No real pictures are shown" in boceto.report(run).read_text("utf-8")
        assert "No real pictures" not in boceto.report(run, data=moved).read_text("utf-8")
    finally:
        moved.rename(data.folder)


def test_generated_and_real_rows_hold_these_pictures() -> None:
    generated, real = (np.full((3, 8, 8, 3), value, dtype=np.uint8) for value in (50, 200))
    page = np.asarray(figures.generated_and_real(generated, real, scale=1))
    values, counts = np.unique(page[:, :, 0], return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert found[50] == found[200] == 3 * 64
    assert np.argwhere(page[:, :, 0] == 50)[:, 0].max() < np.argwhere(page[:, :, 0] == 200)[:, 0].min()


def test_evolution_keeps_latents_in_columns_and_time_downwards(tmp_path: Path) -> None:
    samples = {}
    for nimg in range(0, 1000, 10):  # picture i of time t has the grey 10·i + t/10
        images = np.stack([np.full((8, 8, 3), 10 * i + nimg // 10, dtype=np.uint8) for i in range(9)])
        samples[nimg] = tmp_path / f"{nimg}.png"
        sheet(images).save(samples[nimg])
    page = np.asarray(figures.evolution(samples, Layout(9, 3), rows=8, columns=5))[:, 92:]
    cells = page[6::10, 6::10, 0][:, :5].astype(int)
    assert (np.diff(cells, axis=1) == 10).all()
    assert (np.diff(cells[:, 0]) > 0).all() and cells[0, 0] == 0 and cells[-1, 0] == 99


def test_a_sheet_is_as_square_as_possible() -> None:
    images = np.zeros((25, 8, 8, 1), dtype=np.uint8)
    assert sheet(images).size == (52, 52) and sheet(images).mode == "L"
    assert sheet(images, columns=25, gap=0, scale=2).size == (400, 16)
