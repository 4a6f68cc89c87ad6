"""Pace, time left, and what the terminal says of them."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from boceto import starting, terminal
from boceto.data.prepared import Prepared
from boceto.recipe import Recipe, TrainPart
from boceto.watching import Means, Pace, Progress


def test_means_take_each_name_by_its_own_count() -> None:
    means = Means()
    means.add({"a": torch.tensor(1.0), "b": torch.tensor(5.0)})
    means.add({"a": torch.tensor(3.0)})
    assert means.take() == {"a": 2.0, "b": 5.0}
    assert means.take() == {}


def test_time_left_is_the_nearer_end() -> None:
    pace = Pace(TrainPart(kimg=1.0), nimg=0, seconds=0.0)
    time.sleep(0.05)
    rate = pace.rate(100)["images_per_second"]
    seen = pace.progress(100, {})
    assert seen.share == pytest.approx(0.1)
    assert seen.seconds_left == pytest.approx(900 / rate, rel=0.01)
    soon = Pace(TrainPart(kimg=1e6, minutes=1.0), nimg=0, seconds=30.0)
    soon.rate(1)
    assert soon.progress(1, {}).seconds_left == pytest.approx(30, abs=0.5)
    assert soon.progress(1, {}).share == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (75.2, "1:15"), (3700, "1:01:40"), (-1, "0:00")])
def test_clock(seconds: float, said: str) -> None:
    assert terminal.clock(seconds) == said


@pytest.mark.parametrize("interactive", [True, False])
def test_the_bar_shows_rate_and_time_left(interactive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=interactive, width=120, soft_wrap=True)
    monkeypatch.setattr(terminal, "console", console)
    with terminal.training_bar() as show:
        show(Progress(500, 1000, 0.5, 80.0, 6.25, {"d/loss": 0.7, "g/loss": 2.0}))
        show(Progress(1000, 1000, 1.0, 80.0, 0.0, {"d/loss": 0.7, "g/loss": 2.0}))
    said = out.getvalue()
    for part in ("Training", "100%", "1,000 images", "80/s", "0:00 left", "loss of D 0.700, of G 2.00"):
        assert part in said, part


def test_a_terminal_shows_curves_pictures_and_the_doctor(
    tiny: Recipe, data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="truecolor", width=120, soft_wrap=True)
    monkeypatch.setattr(terminal, "console", console)
    (tmp_path / "tiny.toml").write_text(tiny.to_toml(), "utf-8")
    changes = ["train.g_lr=3", "doctor.patience=2"]
    with terminal.TrainingView() as view:
        starting.train(
            tmp_path / "tiny.toml",
            data.folder,
            tmp_path / "run",
            changes=changes,
            device_name="cpu",
            track=[view.follow],
            show=view.show,
        )
    said = out.getvalue()
    for part in ("loss", "D is right", "generated", "variety", "doctor: rate-high since", "▀", "64 images"):
        assert part in said, part
    assert any(sign in said for sign in "▁▂▃▄▅▆▇█")


def test_sparks_rise_and_fall_with_the_values() -> None:
    assert terminal.spark([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert terminal.spark([5.0, 5.0, 5.0]) == "▁▁▁"
    assert len(terminal.spark([float(i) for i in range(1000)], 16)) == 16
    assert terminal.spark([3.0]) == "▁"


def test_half_blocks_hold_two_pixels_a_sign() -> None:
    picture = Image.new("RGB", (3, 4), (255, 0, 0))
    picture.putpixel((0, 1), (0, 0, 255))
    text = terminal.half_blocks(picture)
    assert text.plain == "     ▀▀▀\n     ▀▀▀\n"
    assert [str(span.style) for span in text.spans][:2] == ["#ff0000 on #0000ff", "#ff0000 on #ff0000"]
