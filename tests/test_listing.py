"""Runs listed, snapshots listed and drawn, runs beside each other: what is told is what is there, and none hides another."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boceto import archs, recipe, starting
from boceto.cli import main
from boceto.data.prepared import Prepared
from boceto.reporting import differing, listing, snapshots, standing
from boceto.reporting.tables import duration, table
from boceto.runs import Run
from boceto.sampling import Model
from boceto.terminal import console
from boceto.workers import alone, held
from conftest import TINY

GROWING = {
    "arch": {"name": "progan", "resolution": 16, "channels": 3, "z_dim": 8, "width": 8, "stage_kimg": [0.064]},
    "train": {"batch": 8, "kimg": 0.128, "precision": "float32"},
    "watch": {"log_kimg": 0.016, "sample_kimg": 0.016, "snapshot_kimg": 0.032, "samples": 4, "scored": 0},
}


def boceto(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns, wherever the tests run."""
    monkeypatch.setattr(console, "_width", 80)


@pytest.fixture(scope="module")
def made(data: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs: ``a`` of 64 images, and ``deep/er/grown`` of 128, begun later."""
    folder = tmp_path_factory.mktemp("made")
    for table_, name in ((TINY, "a"), (GROWING, "deep/er/grown")):
        file = folder / "tiny.toml"
        file.write_text(recipe.parse(table_, "tests").to_toml(), "utf-8")
        run = starting.train(file, data.folder, folder / name, device_name="cpu")
        _begin(run.folder, f"{2020 + len(name)}-01-01")
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """The same to play with."""
    return Path(shutil.copytree(made, tmp_path / "home"))


def _rewrite(file: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file.write_text(json.dumps(change(json.loads(file.read_text("utf-8")))), "utf-8")


def _begin(run: Path, day: str) -> None:
    _rewrite(run / "run.json", lambda about: {**about, "begun": day})


def _score(run: Path, nimg: int, **values: float) -> None:
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps({"nimg": nimg, **values}) + "\n")


def _stop(run: Path) -> None:
    """Ask more of a finished run, so that it is one that was stopped."""
    opened = Run(run)
    opened.revise(opened.recipe.changed(["train.kimg=1"]))


def _shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def _alone(page: Path) -> str:
    """The text of a page that fetches nothing."""
    text = page.read_text("utf-8")
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*""", text)
    return text


def _pictures(page: str) -> int:
    return page.count("data:image/webp;base64,")


# ── runs ──


def test_runs_are_found_below_and_told_newest_first(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _stop(home / "a")
    assert boceto("runs", home, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    grown, a = told["runs"]
    assert (grown["name"], a["name"]) == ("deep/er/grown", "a") and told["passed_over"] == [] and told["page"] is None
    assert (grown["state"], a["state"]) == ("finished", "stopped")
    assert (grown["nimg"], a["nimg"], a["epochs"]) == (128, 64, 1.6)
    assert (grown["architecture"], a["architecture"], a["shape"]) == ("progan", "dcgan", [16, 16, 3])
    log = Run(home / "a").read_log()
    assert a["seconds"] == log[-1]["seconds"] > 0 and a["images_per_second"] > 0
    assert boceto("runs", home / "a") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("a    dcgan 16"), "the folder itself may be one"


def test_the_table_fits_80_columns(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(home / "a", home / ("a_long_name_" * 8))
    assert boceto("runs", home) == 0
    lines = (said := capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 80 and lines[0].split() == ["run", "network", "images", "time", "images/s", "state"]
    assert said.count("finished") == 3


def test_a_run_that_is_being_trained_counts_what_it_has_logged(home: Path) -> None:
    _stop(home / "a")
    a = Run(home / "a")
    a.log({"nimg": 72, "step": 9, "seconds": 500.0, "images_per_second": 1.0})
    before = {path: path.stat().st_mtime_ns for path in a.folder.rglob("*")}
    assert standing.standing(a).nimg == 64, "what is not saved does not count"
    assert standing.standing(a).seconds < 500
    with a.alone():
        now = standing.standing(a)
        assert (now.state, now.nimg, now.seconds) == ("training", 72, 500)
        assert [run.state for run in listing.find(home).runs] == ["finished", "training"]
    assert standing.standing(a).state == "stopped"
    assert {path: path.stat().st_mtime_ns for path in a.folder.rglob("*")} == before, "nothing is touched"


def test_who_asks_for_a_lock_keeps_nobody_out(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert not held(lock) and not lock.exists(), "no lock is made"
    with alone(lock, "busy"):
        assert held(lock)
    assert not held(lock)
    asking = (
        "import sys; from boceto.workers import held; from pathlib import Path\nwhile True: held(Path(sys.argv[1]))"
    )
    with subprocess.Popen([sys.executable, "-c", asking, str(lock)]) as other:
        try:
            for _ in range(200):
                with alone(lock, "busy"):
                    assert held(lock)
        finally:
            other.kill()


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a cut recipe": (lambda run: (run / "recipe.toml").write_text("[arch\n"), "is not valid TOML"),
    "a net of another boceto": (lambda run: (run / "recipe.toml").write_text('[arch]\nname = "gone"'), "'gone'"),
    "no recipe": (lambda run: (run / "recipe.toml").unlink(), "it has no recipe.toml"),
    "no run.json": (lambda run: (run / "run.json").unlink(), "it has no run.json"),
    "a cut run.json": (lambda run: _shorten(run / "run.json"), "run.json is damaged"),
    "no pictures": (
        lambda run: _rewrite(run / "run.json", lambda about: {**about, "data": {**about["data"], "pictures": 0}}),
        "run.json is damaged",
    ),
    "words for numbers": (
        lambda run: _rewrite(run / "run.json", lambda about: {**about, "data": {**about["data"], "pictures": "x"}}),
        "run.json is damaged",
    ),
    "a cut snapshot": (lambda run: _shorten(run / "snapshots" / "000000064.safetensors"), "000000064.safetensors is"),
    "a cut state": (lambda run: _shorten(run / "state.safetensors"), "state.safetensors is damaged"),
    "a folder for a log": (
        lambda run: (run / "log.jsonl").rename(run / "old") and (run / "log.jsonl").mkdir(),  # type: ignore[func-returns-value]
        "cannot read",
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_run_is_told_and_hides_no_other(kind: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage, reason = DAMAGES[kind]
    damage(home / "a")
    assert boceto("runs", home) == 0
    said = capsys.readouterr().out
    assert said.count("finished") == 1 and said.count("damaged") >= 1 and reason in said
    told = {run.name: run for run in listing.find(home).runs}
    assert told["a"].state == "damaged" and reason in told["a"].damage
    page = _alone(listing.write(listing.find(home), home / "page.html", _command))
    assert reason.replace("'", "&#39;") in page and "1 finished, 1 damaged" in page and "resume" in page
    assert _pictures(page) == 2, "its newest sheet is shown all the same"


def test_links_and_hidden_folders_are_not_followed_and_the_depth_is_bounded(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "link").symlink_to(home / "a", target_is_directory=True)
    (home / "loop").symlink_to(home, target_is_directory=True)
    shutil.copytree(home / "a", home / ".hidden" / "a")
    shutil.copytree(home / "a", home / "a" / "inside")
    assert [run.name for run in listing.find(home).runs] == ["deep/er/grown", "a"]
    assert [run.name for run in listing.find(home, depth=2).runs] == ["a"]
    far = home.joinpath("far", *"abcdefg")
    shutil.move(home / "a", far)
    assert boceto("runs", home / "far") == 2
    assert "no run folder" in (said := capsys.readouterr().err) and "more than 6 deep" in said
    assert boceto("runs", far.parent) == 0


def test_nothing_found_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recipe.toml").write_text("")
    assert boceto("runs", tmp_path) == 2
    assert "boceto train RECIPE --data DATA --out" in capsys.readouterr().err
    assert boceto("runs", tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["runs"] == []


def _command(*words: object) -> str:
    return " ".join(("boceto", *map(str, words)))


def test_the_page_of_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(home / "a", home / "b <i>")
    shutil.copytree(home / "a", home / "c")
    _stop(home / "c")
    shutil.rmtree(home / "c" / "samples")
    _shorten(home / "b <i>" / "samples" / "000000064.png")
    out = home / "pages" / "runs.html"
    assert boceto("runs", home, "-o", out) == 0
    assert capsys.readouterr().out == f"{out}: open it in a browser\n"
    page = _alone(out)
    assert _pictures(page) == 2 and page.count("no sheet") == 2, "a damaged sheet costs no page"
    assert "b &lt;i&gt;" in page and "<i>" not in page and "64 (1.6 epochs)" in page
    assert f"resume {home / 'a'} --set train.kimg=0.128" in page and f"resume {home / 'c'}<" in page
    with Run(home / "c").alone():
        listing.write(listing.find(home), out, _command)
    assert f"resume {home / 'c'}" not in _alone(out), "one that is being trained goes on by itself"


def test_a_run_of_minutes_goes_on_by_minutes(home: Path) -> None:
    run = Run(home / "a")
    assert run.is_finished() and run.further() == "train.kimg=0.128"
    run.revise(run.recipe.changed(["train.kimg=100", "train.minutes=0.0001"]))
    assert run.is_finished() and run.further() == "train.minutes=0.0002"


@pytest.mark.parametrize("name", archs.names())
def test_the_size_is_told_without_building_the_network(name: str) -> None:
    wanted = recipe.parse({"arch": {"name": name, "channels": 1}}, "tests")
    height, width, channels = standing.shape(wanted)
    assert (channels, height, width) == archs.build(wanted).image_shape


# ── snapshots ──


def test_snapshots_are_told_with_what_the_log_says(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = home / "a"
    _score(run, 64, **{"swd/16": 12.345})
    assert boceto("snapshots", run, "--json") == 0
    first, last = json.loads(capsys.readouterr().out)["snapshots"]
    seconds = {line["nimg"]: line["seconds"] for line in Run(run).read_log() if "seconds" in line}
    assert (first["name"], first["nimg"], first["last"], first["scores"]) == ("000000032", 32, False, {})
    assert (last["name"], last["last"], last["scores"], last["damage"]) == ("000000064", True, {"swd/16": 12.345}, None)
    assert last["minutes"] == round(seconds[64] / 60, 2)
    assert last["bytes"] == (run / "snapshots" / "000000064.safetensors").stat().st_size
    assert boceto("snapshots", run) == 0
    head, _, row, *rest = capsys.readouterr().out.splitlines()
    assert head.split() == ["snapshot", "images", "minutes", "size", "swd/16"]
    assert row.split()[0] == "000000064" and row.split()[-2:] == ["12.3", "last"]
    assert rest[-1].endswith(f"sample {run} --snapshot 000000064")


def test_many_scores_share_a_column(home: Path) -> None:
    _score(home / "a", 64, **{f"swd/{side}": 1.0 for side in (8, 16, 32, 64)}, fid=1234.5)
    found = snapshots.find(Run(home / "a"))
    shown = snapshots.rows(found)
    assert [str(column.header) for column in shown.columns][4] == "scores" and len(shown.columns) == 6
    assert str(list(shown.columns[4].cells)[1]) == "swd/8=1.00, swd/16=1.00, swd/32=1.00, swd/64=1.00, fid=1,234"


def test_the_page_draws_the_same_latents_with_every_snapshot(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = home / "deep/er/grown", home / "s.html"
    asked: list[tuple[str, int, int]] = []
    sample = Model.sample

    def noting(model: Model, n: int = 25, seed: int = 0, psi: float = 1.0) -> Any:
        asked.append((model.path.stem, n, seed))
        return sample(model, n, seed, psi)

    monkeypatch.setattr(Model, "sample", noting)
    assert boceto("snapshots", run, "-o", out, "--seed", 3, "--json") == 0
    assert json.loads(capsys.readouterr().out)["page"] == str(out)
    names = [path.stem for path in Run(run).snapshots().values()]
    assert len(names) == 4 and asked == [(name, 8, 3) for name in names]
    page = _alone(out)
    assert _pictures(page) == 4 and page.count("<b>last</b>") == 1 and "seed 3" in page
    assert "8×8" in page and "16×16" in page, "a growing net is shown as it was then"
    assert all(f"sample {run} --snapshot {name}" in page for name in names)


def test_a_damaged_snapshot_is_told_in_its_row(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = home / "a"
    _shorten(run / "snapshots" / "000000032.safetensors")
    other = Run(home / "deep/er/grown").snapshots()[64]
    shutil.copy(other, run / "snapshots" / "000000048.safetensors")  # sound, but of another run: draws as it is
    assert boceto("snapshots", run) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[1].split()[-1] == "damaged" and "is damaged or cut short" in said
    assert said.endswith("--snapshot 000000064\n")
    assert boceto("snapshots", run, "-o", home / "s.html") == 0
    page = _alone(home / "s.html")
    assert _pictures(page) == 2 and page.count("is damaged or cut short") == 1


def test_a_file_that_is_none_of_ours_is_told(home: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, home / "a" / "snapshots" / "000000040.safetensors")
    damages = [one.damage for one in snapshots.find(Run(home / "a"))]
    assert [bool(damage) for damage in damages] == [False, True, False] and "carries no recipe" in str(damages[1])


def test_a_run_without_snapshots_or_log(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "a" / "log.jsonl").unlink()
    assert [one.minutes for one in snapshots.find(Run(home / "a"))] == [None, None]
    assert boceto("snapshots", home / "a") == 0
    shutil.rmtree(home / "a" / "snapshots")
    capsys.readouterr()
    for words in ((), ("-o", home / "s.html")):
        assert boceto("snapshots", home / "a", *words) == 2
        assert "has no snapshot yet" in capsys.readouterr().err
    assert boceto("snapshots", home / "a", "--json") == 0
    assert json.loads(capsys.readouterr().out)["snapshots"] == []


# ── comparing ──


def test_only_what_differs_is_told(home: Path) -> None:
    again = Path(shutil.copytree(home / "a", home / "again"))
    run = Run(again)
    run.revise(run.recipe.changed(["train.d_lr=1e-3", "arch.d_norm=batch", "balance.d_turns={0 = 2, 1 = 1}"]))
    _rewrite(again / "run.json", lambda about: {**about, "software": {**about["software"], "torch": "0.1"}})
    compared = differing.compare([home / "a", again])
    torch_ = Run(home / "a").about["software"]["torch"]
    assert dict(compared.differing) == {
        "torch": [torch_, "0.1"],
        "balance.d_turns": [1, {"0": 2, "1": 1}],
        "train.d_lr": [2e-4, 1e-3],
    }, "a default that is written out is no difference"
    assert compared.alike["train.seed"] == 0 and compared.alike["drawings' folder"] == "data"
    assert differing.setting_rows(compared)["balance.d_turns"] == ["1", "0 = 2, 1 = 1"]
    assert differing.setting_rows(compared)["train.d_lr"] == ["0.0002", "0.001"]


def test_results_are_means_over_the_last_tenth(home: Path) -> None:
    run = home / "a"
    lines = [{"nimg": 10 * i, "step": i, "seconds": 1.0 * i, "images_per_second": 1.0 * i} for i in range(1, 20)]
    lines[-2] |= {"d/loss": 1.0, "d/real_right": 0.5}
    lines[-1] |= {"d/loss": 4.0, "nimg": 200}  # 20 images after the one before
    lines[-3] |= {"d/loss": 100.0}
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    _score(run, 150, fid=9.0, kid=2.0)
    _score(run, 200, fid=3.0)
    with Run(run).alone():
        told = differing.results(standing.standing(Run(run)))
    assert told["means"] == {"d/loss": pytest.approx((10 * 1 + 20 * 4) / 30), "d/real_right": 0.5}
    assert told["scores"] == {"fid": {"value": 3.0, "nimg": 200}, "kid": {"value": 2.0, "nimg": 150}}
    assert (told["images_per_second"], told["nimg"], told["epochs"]) == (10, 200, 5.0)
    assert told["snapshots"]["count"] == 2 and told["snapshots"]["bytes"] >= 2 * told["snapshots"]["last"] - 100


def test_runs_of_every_kind_stand_beside_each_other(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, grown = home / "a", home / "deep/er/grown"
    unlogged, empty, cut = (Path(shutil.copytree(a, home / name)) for name in ("unlogged", "empty", "cut"))
    (unlogged / "log.jsonl").unlink()
    for name in ("snapshots", "samples"):
        shutil.rmtree(empty / name)
    (empty / "log.jsonl").unlink()
    _shorten(cut / "snapshots" / "000000064.safetensors")
    _stop(cut)
    _score(grown, 128, fid=7.0)
    runs = [a, grown, unlogged, empty, cut]
    assert boceto("compare", *runs, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["name"] for run in told["runs"]] == ["a", "grown", "unlogged", "empty", "cut"]
    assert [run["state"] for run in told["runs"]] == ["finished", "finished", "finished", "stopped", "stopped"]
    assert told["differing"]["arch.name"] == ["dcgan", "progan", "dcgan", "dcgan", "dcgan"]
    assert told["differing"]["arch.width"] == [None, 8, None, None, None] and "arch.z_dim" not in told["differing"]
    assert boceto("compare", *runs) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert said.count("arch.name") == 2, "five runs do not fit beside each other, so it takes two tables"
    assert [line.split()[1:] for line in said.splitlines() if line.startswith("fid ")] == [
        ["–", "7.00", "–"],
        ["–", "–"],
    ]
    assert boceto("compare", *runs, "-o", home / "c.html", "--seed", 5) == 0
    page = _alone(home / "c.html")
    assert _pictures(page) == 3 and page.count("<svg") == 2 * 3 and "seed 5" in page
    assert "has no snapshot yet" in page and "is damaged or cut short" in page


def test_what_the_doctor_found_stands_beside_each_run(home: Path) -> None:
    ill = Path(shutil.copytree(home / "a", home / "ill"))
    lines = [{"nimg": 4 * i, "step": i, "d/loss": 1.0 + 0.1 * (i % 3), "waiting": 0.9} for i in range(1, 17)]
    (ill / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    _score(ill, 64, swd=12.0)
    compared = differing.compare([home / "a", ill])
    rows = differing.result_rows(compared)
    assert rows["the doctor found"] == ["nothing", "starvation"] and rows["treatments"] == ["0", "0"]
    (finding,) = differing.results(compared.runs["ill"])["findings"]
    assert finding["name"] == "starvation" and finding["onset"] == 4
    assert "sliced Wasserstein distance" in differing.write(compared, home / "c.html").read_text("utf-8")


def test_runs_of_one_name_are_told_apart_and_a_run_alike_is_said_to_be(home: Path) -> None:
    other = Path(shutil.copytree(home / "a", home / "other" / "a"))
    compared = differing.compare([home / "a", other])
    assert list(compared.runs) == ["home/a", "other/a"] and not compared.differing
    assert "the same training more than once" in differing.write(compared, home / "c.html").read_text("utf-8")
    assert "none" in map(str, differing.tables(compared, 80))


def test_twenty_runs_fit_into_80_columns(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [Path(shutil.copytree(home / "a", home / f"a_rather_long_name_{i}")) for i in range(20)]
    assert boceto("compare", *runs) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert sum(line.split().count("finished") for line in said.splitlines()) == 20
    assert boceto("compare", *runs, home / "a") == 2


# ── all three ──

WRONG = [
    ("runs {tmp}/none", 2, "none is no folder"),
    ("runs {a}/recipe.toml", 2, "recipe.toml is no folder"),
    ("runs {home} -o {tmp}/page.png", 2, "end in .html"),
    ("runs {home} -o {a}/run.json/page.html", 1, "something of that name is in the way"),
    ("snapshots {tmp}", 2, "is not a run folder"),
    ("snapshots {a} -o {tmp}/page", 2, "end in .html"),
    ("snapshots {a} -o {tmp}/s.html --seed -1", 2, "--seed -1"),
    ("compare {a}", 2, "from 2 to 20 run folders, not 1"),
    ("compare {a} {a}", 2, "named twice"),
    ("compare {a} {home}/deep/../a", 2, "named twice"),
    ("compare {a} {tmp}", 2, "is not a run folder"),
    ("compare {a} {home}/deep/er/grown -o {tmp}/c.png", 2, "end in .html"),
    ("compare {a} {home}/deep/er/grown -o {tmp}/c.html --seed -1", 2, "--seed -1"),
]


@pytest.mark.parametrize(("line", "code", "says"), WRONG, ids=[line for line, _, _ in WRONG])
def test_wrong_wishes(
    line: str, code: int, says: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.format(home=made, a=made / "a", tmp=tmp_path) for word in line.split()]
    assert boceto(*words) == code
    complaint = capsys.readouterr().err
    assert says in complaint and complaint.count("\n") == 1 and "Traceback" not in complaint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["runs", "snapshots", "compare"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert boceto(command, "--help") == 0
    said = capsys.readouterr().out
    assert "Example:" in said and f"boceto {command}" in said


def test_names_cannot_command_a_terminal() -> None:
    made = table(["a\x1b[2J"], [["b\x1b[31m\nc"]])
    assert str(made.columns[0].header) == "a\\x1b[2J" and str(next(iter(made.columns[0].cells))) == "b\\x1b[31m\nc"


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0, 75.2, 3700, 100_000)] == ["0:00:00", "0:01:15", "1:01:40", "27:46:40"]
