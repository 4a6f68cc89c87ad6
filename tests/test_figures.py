"""The figures of the theses by name: what they show is what is there, and every wrong wish is told in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boceto import archs, recipe, starting
from boceto.cli import main
from boceto.clock import Clock
from boceto.data.prepared import Prepared
from boceto.recipe import Recipe
from boceto.reporting import figures, lessons, networks, research
from boceto.reporting.film import chosen
from boceto.runs import Run


def boceto(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def run(data: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A growing net, 8 → 16 px, that has finished."""
    folder = tmp_path_factory.mktemp("figures")
    arch = {"name": "progan", "resolution": 16, "channels": 3, "z_dim": 8, "width": 8, "stage_kimg": [0.064]}
    watch = {"log_kimg": 0.016, "sample_kimg": 0.016, "snapshot_kimg": 0.032, "samples": 4, "scored": 8}
    table = {"arch": arch, "train": {"batch": 8, "kimg": 0.128, "precision": "float32"}, "watch": watch}
    file = folder / "tiny.toml"
    file.write_text(recipe.parse(table, "tests").to_toml(), "utf-8")
    return starting.train(file, data.folder, folder / "run", device_name="cpu").folder


@pytest.mark.parametrize("name", ["vanilla-48-thesis", "convolutional-64-thesis", "dcgan-64", "progan-64-thesis"])
def test_a_summary_counts_every_parameter_once(name: str) -> None:
    gan = archs.build(recipe.load(name))
    gan.reach(Clock(nimg=10**12))
    told = networks.both(gan)
    for part, (given, found) in told.items():
        net = getattr(gan, part)
        assert sum(layer.parameters for layer in networks.merged(found)) == sum(p.numel() for p in net.parameters())
        assert given == ((100,) if part == "generator" else gan.image_shape)
        assert net.training, "it is left as it was"
    assert networks.merged(told["generator"][1])[-1].shape == gan.image_shape


def test_the_diagram_says_what_the_listing_says() -> None:
    gan = archs.build(recipe.load("convolutional-64-thesis"))
    rows = networks.merged(networks.both(gan)["discriminator"][1])
    assert [row.text for row in rows] == [*["convolution 5×5, stride 2"] * 4, "dense 1"]
    assert [row.shape for row in rows] == [(32, 32, 32), (64, 16, 16), (128, 8, 8), (128, 4, 4), (1,)]
    assert rows[0].then == ("batch norm", "LeakyReLU 0.3", "dropout 0.5")
    drawn = networks.diagram(gan, "a title")
    words = {text.get_text() for text in drawn.axes[0].texts}
    assert {"a title", "discriminator: 669,505 parameters", "32×32×32", "835,584"} <= words


def test_a_growing_net_is_shown_as_it_is_then(capsys: pytest.CaptureFixture[str]) -> None:
    assert boceto("figure", "network", "progan-64-thesis", "--at", 0) == 0
    small = capsys.readouterr().out
    assert "2,774,787" in small and "2,367,745" in small and "3×8×8" in small
    assert boceto("figure", "network", "progan-64-thesis") == 0
    assert "3×64×64" in capsys.readouterr().out


EVERY = [
    *("network", "sheet", "rows", "evolution", "research"),
    *(
        "losses",
        "epochs",
        "scores",
        "confusion",
        "confusions",
        "gradients",
        "distance",
        "variety",
        "stride",
        "exponentials",
    ),
]


@pytest.fixture(scope="module")
def further(run: Path, data: Prepared) -> Path:
    """One that goes on from the first stage of that, more slowly."""
    changes = ["arch.start=16", "train.kimg=0.016", "train.d_lr=1e-4"]
    file, out = run.parent / "tiny.toml", run.parent / "further"
    return starting.train(
        file, data.folder, out, changes=changes, origin=run, origin_snapshot="000000064", device_name="cpu"
    ).folder


@pytest.mark.parametrize("name", EVERY)
def test_every_figure_is_drawn(name: str, run: Path, further: Path, tmp_path: Path) -> None:
    of = () if name in ("stride", "exponentials") else (run, further) if name == "research" else (run,)
    assert boceto("figure", name, *of, "-o", tmp_path / "a.png") == 0
    picture = Image.open(tmp_path / "a.png")
    assert min(picture.size) >= 60 and len(picture.convert("RGB").getcolors(10**7) or []) > 20
    chart = name not in ("sheet", "rows", "evolution")
    assert boceto("figure", name, *of, "-o", tmp_path / "a.svg") == (0 if chart else 2)
    assert (tmp_path / "a.svg").exists() is chart
    assert not chart or (tmp_path / "a.svg").read_text().startswith("<svg")


def test_the_list_names_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert boceto("figure", "--json") == 0
    elsewhere = {"reconstructions", "jitter"}  # tests/test_vae.py, tests/test_augment.py
    assert set(json.loads(capsys.readouterr().out)) == {*EVERY, "film"} | elsewhere


def test_rows_stand_in_pairs_for_every_size(run: Path, tmp_path: Path) -> None:
    assert boceto("figure", "rows", run, "-o", tmp_path / "rows.png") == 0
    assert Image.open(tmp_path / "rows.png").height == 4 * (96 + 6) + 6, "generated and real, at 8 and at 16 px"


def test_the_map_of_research_tells_what_changed(run: Path, further: Path) -> None:
    steps = [research.Step(Run(folder), 128, np.zeros((8, 16, 16, 3), np.uint8)) for folder in (further, run)]
    told = research.changes(steps[1].run, steps[0].run)
    assert told == ["arch.start: none → 16", "train.kimg: 0.128 → 0.016", "train.d_lr: 0.0002 → 0.0001"]
    words = [text.get_text() for text in research.research(steps).axes[0].texts]
    assert words.index("run") < words.index("further"), "the one begun first stands above"
    assert "\n".join(told) in words
    assert research.changes(steps[0].run, steps[0].run) == ["the same once more"]


def test_the_map_names_few_changes(run: Path, tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.to_toml(), "utf-8")
    changes = ["train.d_lr=1e-3", "train.g_lr=1e-3", "train.eps=1e-7", "data.flip=true"]
    other = starting.train(tmp_path / "tiny.toml", data.folder, tmp_path / "other", changes=changes, device_name="cpu")
    told = research.changes(Run(run), other)
    assert told[0] == "network: progan → dcgan" and len(told) == 3 and told[-1] == "and 4 more settings"


def test_several_runs_below_each_other(run: Path, tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(tiny.to_toml(), "utf-8")
    other = starting.train(tmp_path / "tiny.toml", data.folder, tmp_path / "other", device_name="cpu")
    assert boceto("figure", "evolution", run, other.folder, "-o", tmp_path / "e.png") == 0
    assert Image.open(tmp_path / "e.png").height == 2 * (96 + 6) + 6


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_a_film_has_a_frame_a_sheet(kind: str, run: Path, tmp_path: Path) -> None:
    out = tmp_path / f"film.{kind}"
    assert boceto("figure", "film", run, "-o", out, "--fps", 10) == 0
    film = Image.open(out)
    assert getattr(film, "n_frames", 1) == len(list((run / "samples").glob("*.png"))) == 9
    assert boceto("figure", "film", run, "-o", out, "--most", 4) == 0
    assert getattr(Image.open(out), "n_frames", 1) == 4


def test_a_film_as_mp4(run: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed: pip install av")
    assert boceto("figure", "film", run, "-o", tmp_path / "film.mp4", "--hold", 0.5, "--fps", 4) == 0
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 9 + 2


def test_moments_are_dense_early() -> None:
    moments = chosen(list(range(0, 1000, 10)), 10)
    assert moments[0] == 0 and moments[-1] == 990 and len(moments) <= 10
    assert np.diff(moments)[0] < np.diff(moments)[-1]
    assert chosen([1, 2, 3], 10) == [1, 2, 3]


def test_confusion_counts_pictures_of_the_last_lines() -> None:
    log = [
        {"nimg": 1000, "d/real_right": 0.0, "d/fake_right": 0.0},
        {"nimg": 1100, "d/real_right": 1.0, "d/fake_right": 0.5},
        {"nimg": 1400, "d/real_right": 0.5, "d/fake_right": 0.9},
    ]
    assert figures.confusion_counts(log, 2).tolist() == [[250, 150], [80, 320]]
    assert figures.confusion_counts(log, 99).sum() == 2800
    drawn = figures.confusion(np.array([[3, 1], [0, 0]]))
    words = [text.get_text() for axes in drawn.axes for text in axes.texts]
    assert words == ["3", "1", "0", "0", "75.0 %", "25.0 %", "0.0 %", "0.0 %"], "rows are what is true; none is 0 %"


def test_gradients_of_nothing_are_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    figures.raster(figures.gradients([{"nimg": 10 * i, "d/gradient": 0.0, "g/gradient": 0.0} for i in range(3)]))
    assert not recwarn.list


def test_confusion_epoch_by_epoch() -> None:
    log = [{"nimg": 100 * i, "d/real_right": i / 100, "d/fake_right": 1.0} for i in range(1, 101)]
    found = figures.epoch_confusions(log, 400)
    assert sorted(found) == list(range(1, 26)) and all(counts.sum() == 800 for counts in found.values())
    assert found[1].tolist() == [[10, 390], [0, 400]]
    drawn = figures.confusions(found)
    titles = [axes.get_title() for axes in drawn.axes if axes.get_visible()]
    assert len(titles) == 12 and titles[0] == "epoch 1" and titles[-1] == "epoch 25"
    assert drawn.axes[0].texts[0].get_text() == "2 %\n10"
    assert [axes.get_title() for axes in figures.confusions({3: found[3]}).axes] == ["epoch 3"]


def test_epochs_are_means_of_the_images_in_them() -> None:
    log = [{"nimg": n, "d/loss": float(n), "g/loss": 1.0} for n in (10, 30, 40, 60, 70)]
    means = figures.epoch_means(log, 40)
    assert means[1]["d/loss"] == pytest.approx((10 * 10 + 20 * 30 + 10 * 40) / 40)
    assert means[2]["d/loss"] == pytest.approx((20 * 60 + 10 * 70) / 30)
    assert set(means) == {1, 2}


@pytest.mark.parametrize(
    ("ways", "numbers", "side"), [(lessons.REDUCING, lessons._SMALL, 2), (lessons.ENLARGING, lessons._TINY, 4)]
)
def test_the_numbers_of_the_lesson_are_computed(
    ways: dict[str, Callable[..., object]], numbers: object, side: int
) -> None:
    results = {name: np.asarray(way(numbers[None, None])[0, 0]) for name, way in ways.items()}  # type: ignore[index]
    assert {result.shape for result in results.values()} == {(side, side)}
    if side == 2:
        assert results["average pool 2×2"].tolist() == [[4, 2], [2, 4]]
        assert results["max pool 2×2"].tolist() == [[7, 4], [4, 9]]
        assert results["convolution 2×2, stride 2"].tolist() == [[4, 2], [2, 3]]
    else:
        assert results["nearest ×2"][0].tolist() == [1, 1, 2, 2]
        assert results["transposed convolution 2×2, stride 2"][:2, :2].tolist() == [[1, 0.5], [0.5, 0.25]]


WRONG = [
    ("nework {run} -o {tmp}/a.png", 2, "did you mean 'network'"),
    ("losses -o {tmp}/a.png", 2, "takes 1 run folder, not 0"),
    ("stride {run} -o {tmp}/a.png", 2, "takes no run folders, not 1"),
    ("losses {run}", 2, "say where figure losses shall go"),
    ("losses {tmp} -o {tmp}/a.png", 2, "is not a run folder"),
    ("losses {run} -o {tmp}/a.txt", 2, "a.txt"),
    ("network nosuch -o {tmp}/a.png", 2, "no recipe 'nosuch'"),
    ("network progan-64 --at -1 -o {tmp}/a.png", 2, "--at -1"),
    ("network progan-64 --at nan -o {tmp}/a.png", 2, "--at nan"),
    ("sheet {run} --snapshot 7 -o {tmp}/a.png", 2, "no snapshot '7'"),
    ("evolution {run} {run} -o {tmp}/a.png", 2, "one name and one age"),
    ("research {run} -o {tmp}/a.png", 2, "from 2 to 40 run folders, not 1"),
    ("research {run} {run} -o {tmp}/a.png", 2, "named twice"),
    ("confusion {run} --last 0 -o {tmp}/a.png", 2, "--last 0"),
    ("rows {run} --data {tmp}/none -o {tmp}/a.png", 2, "none does not exist"),
    ("film {run} -o {tmp}/a.avi", 2, ".gif, .webp, .png, .mp4"),
    ("film {run} --fps 0 -o {tmp}/a.gif", 2, "frames a second"),
    ("film {run} --fps nan -o {tmp}/a.gif", 2, "frames a second"),
    ("film {run} --most 1 -o {tmp}/a.gif", 2, "2 frames or more"),
]


@pytest.mark.parametrize(("line", "code", "says"), WRONG, ids=[line for line, _, _ in WRONG])
def test_wrong_wishes(
    line: str, code: int, says: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.format(run=run, tmp=tmp_path) for word in line.split()]
    assert boceto("figure", *words) == code
    complaint = capsys.readouterr().err
    assert says in complaint and complaint.count("\n") == 1 and "Traceback" not in complaint
    assert not list(tmp_path.iterdir())


def test_an_explosion_leaves_the_scale_of_losses() -> None:
    calm = [{"nimg": 1000 * i, "d/loss": 1.0 + i % 3, "g/loss": 2.0} for i in range(1, 40)]
    wild = [{**line, "g/loss": 1e10} for line in calm]
    charts = [figures.losses(calm), figures.losses(calm[:20] + wild[20:]), figures.losses(wild)]
    figures.level(*charts)
    assert len({chart.axes[0].get_ylim() for chart in charts}) == 1
    assert all(2.8 < chart.axes[0].get_ylim()[1] < 4 for chart in charts)
