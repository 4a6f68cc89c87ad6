"""The ladder: rungs trained alike, gone on with, and compared on one page with honest figures."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from boceto import ladder, recipe
from boceto.cli import main
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.errors import Fault
from boceto.ladder import climb
from boceto.reporting import comparison, tables
from boceto.runs import Run
from boceto.watching import Progress
from conftest import TINY


def write(folder: Path, name: str, **sections: dict[str, object]) -> Path:
    """A tiny recipe as a file, with changes by section."""
    changes = [f"{section}.{key}={value}" for section, changed in sections.items() for key, value in changed.items()]
    file = folder / f"{name}.toml"
    file.write_text(recipe.parse(TINY, "tests").changed(changes).to_toml(), "utf-8")
    return file


@pytest.fixture(scope="module")
def scene(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Drawings at 32 px, and two rungs: one of 32 px in colour, one of 16 px in grey, with a time limit of its own."""
    folder = tmp_path_factory.mktemp("scene")
    (folder / "empty").mkdir()
    prepare(drawings, folder / "data", size=32, workers=1)
    write(folder, "large", arch={"resolution": 32})
    write(folder, "grey", arch={"channels": 1}, train={"minutes": 1e-6})
    write(folder, "huge", arch={"resolution": 64})
    return {path.stem: path for path in folder.iterdir()} | {"drawings": drawings}


@pytest.fixture(scope="module")
def climbed(scene: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("climbed") / "a <b> ladder"
    rungs = f"{scene['large']}, {scene['grey']}"
    words = ["ladder", scene["data"], "-o", out, "--rungs", rungs, "--kimg", "0.064", "--seed", "3", "--device", "cpu"]
    assert main([str(word) for word in words]) == 0
    return out


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ladder", "--help"]) == 0
    assert "Example: boceto ladder" in " ".join(capsys.readouterr().out.split())


def test_every_rung_trains_alike(climbed: Path, scene: dict[str, Path]) -> None:
    for name, shape in (("large", (32, 32, 3)), ("grey", (16, 16, 1))):
        run = Run(climbed / "runs" / name)
        assert max(run.snapshots()) == 64 and run.recipe.train.seed == 3
        assert Prepared(run.about["data"]["folder"]).shape == shape
        assert run.about["data"]["pictures"] == 40
    assert Run(climbed / "runs" / "large").about["data"]["folder"] == str(scene["data"].resolve()), "no copy needed"
    assert [path.name for path in (climbed / "data").iterdir()] == ["16x16-grey"]
    assert not (climbed / ".partial").exists()


def test_the_account_says_what_was_measured(climbed: Path, scene: dict[str, Path]) -> None:
    account = json.loads((climbed / ladder.ACCOUNT).read_text("utf-8"))
    assert account["budget"] == {"minutes": None, "kimg": 0.064} and account["seed"] == 3
    assert account["scored"] == 20 and account["common"] == [16, 16, 1]
    assert account["data"]["content_hash"] == Prepared(scene["data"]).content_hash
    large, grey = account["rungs"]
    assert [large["name"], grey["name"]] == ["large", "grey"]
    assert large["swd"]["own"].keys() == {"32", "16"} and large["swd"]["common"].keys() == {"16"}
    assert grey["swd"]["own"] == grey["swd"]["common"]
    for rung in (large, grey):
        assert rung["finished"] and rung["nimg"] == 64 and rung["epochs"] == pytest.approx(1.6)
        assert rung["fault"] is None and rung["parameters"]["generator"] > 1000
        assert rung["images_per_second"] > 0 and rung["seconds"] > 0
        assert rung["energy"]["joules"] > 0 and rung["energy"]["source"]
        assert rung["energy"]["co2_grams"] == pytest.approx(rung["energy"]["wh"] * 0.144)
        for entry in rung["swd"]["own"].values():
            assert entry["distance"] > entry["floor"] > 0, "64 images teach little"


def test_the_page_stands_alone_and_shows_every_rung(climbed: Path) -> None:
    page = (climbed / comparison.PAGE).read_text("utf-8")
    outside = re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*""", page)
    assert not outside, "nothing is fetched"
    assert page.count("<svg") == 4 and page.count("data:image/") == 1 + 2 * 3
    for said in ("64 images each", "seed 3", "1.6 epochs", "16×16, grey", "144 g a kWh", "43.6 % renewable"):
        assert said in page, said
    made = {path.name for path in (climbed / "figures").iterdir()}
    kinds = ["sheet", "real", "generated-and-real", "evolution", "losses", "scores"]
    pictures = {f"{name}-{kind}.png" for name in ("large", "grey") for kind in kinds}
    charts = {f"{name}-{kind}.svg" for name in ("large", "grey") for kind in ("losses", "scores")}
    assert made == pictures | charts | {"overview.png"}


def test_again_passes_over_and_further_goes_on(
    climbed: Path, scene: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def again(kimg: str) -> list[dict[str, float]]:
        words = ["ladder", scene["data"], "-o", climbed, "--rungs", f"{scene['large']},{scene['grey']}", "--json"]
        assert main([*map(str, words), "--kimg", kimg, "--seed", "3", "--device", "cpu"]) == 0
        found: list[dict[str, float]] = json.loads(capsys.readouterr().out)["rungs"]
        assert found == json.loads((climbed / ladder.ACCOUNT).read_text("utf-8"))["rungs"]
        return found

    spent = [Run(climbed / "runs" / name).spent() for name in ("large", "grey")]
    first = again("0.064")
    assert [Run(climbed / "runs" / name).spent() for name in ("large", "grey")] == spent
    further = again("0.096")
    assert [rung["nimg"] for rung in first] == [64, 64] and [rung["nimg"] for rung in further] == [96, 96]
    for before, after in zip(first, further, strict=True):
        assert after["energy"]["joules"] > before["energy"]["joules"]  # type: ignore[index]
    again("0.064")  # as it was, for the other tests: no run goes back


def test_a_stop_stops_the_ladder_and_the_same_call_goes_on(scene: dict[str, Path], tmp_path: Path) -> None:
    @contextmanager
    def impatient() -> Iterator[Callable[[Progress], None]]:
        pressed: list[Progress] = []

        def press(progress: Progress) -> None:
            if not pressed:  # a second time would not wait for the saving
                signal.raise_signal(signal.SIGINT)
            pressed.append(progress)

        yield press

    rungs = [str(scene["large"]), str(scene["grey"])]
    told: list[str] = []
    done = climb(scene["data"], tmp_path, rungs, minutes=0.01, device_name="cpu", announce=told.append, bar=impatient)
    assert done.stopped == "large" and done.page is None
    assert not (tmp_path / "runs" / "grey").exists() and not (tmp_path / comparison.PAGE).exists()
    nimg = max(Run(tmp_path / "runs" / "large").snapshots())
    assert nimg > 0 and any(f"{nimg:,} images seen" in line for line in told)

    done = climb(scene["data"], tmp_path, rungs, minutes=0.01, device_name="cpu")
    assert done.stopped is None and done.page and done.page.is_file() and done.account
    for rung in done.account["rungs"]:
        assert rung["finished"] and rung["seconds"] >= 0.6, "minutes alone end it, not the recipe's kimg or minutes"
    assert done.account["rungs"][0]["nimg"] > nimg
    assert "0.01 minutes of training each" in done.page.read_text("utf-8")


def test_a_rung_that_fails_is_told_of_and_the_next_begins(scene: dict[str, Path], tmp_path: Path) -> None:
    write(tmp_path, "wild", train={"d_lr": 1e30, "g_lr": 1e30}, arch={"d_norm": "none"})
    rungs = [str(tmp_path / "wild.toml"), str(scene["grey"])]
    done = climb(scene["data"], tmp_path / "out", rungs, kimg=0.064, device_name="cpu")
    assert done.account and done.page
    wild, grey = done.account["rungs"]
    assert "diverged" in wild["fault"] and grey["fault"] is None and grey["nimg"] == 64
    page = done.page.read_text("utf-8")
    assert "wild has not got to the end: training diverged" in page and page.count("<svg") == 2


def test_when_all_fail_the_page_says_so(
    scene: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **how: object) -> None:
        raise Fault("the sky fell")

    monkeypatch.setattr("boceto.starting.train", fail)
    done = climb(scene["data"], tmp_path, [str(scene["grey"])], kimg=0.064, device_name="cpu")
    assert done.page and "the sky fell" in done.page.read_text("utf-8")


def test_growing_nets_are_measured_at_full_size() -> None:
    small = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
    large = ladder._full_size(small, (8, 8, 1))
    assert large.shape == (2, 8, 8, 1) and (large[1, :4, 4:, 0] == 5).all()
    assert ladder._full_size(large, (8, 8, 1)) is large


def test_figures_are_written_as_people_read_them() -> None:
    written = [tables.digits(value) for value in (1234.5, 123.4, 12.34, 1.234, 0.1234, 0.000123, 0.0, None)]
    assert written == ["1,234", "123", "12.3", "1.23", "0.12", "0.00012", "0.00", "unknown"]


WRONG = [
    ("{data} --rungs {grey}", "either --minutes or --kimg"),
    ("{data} --rungs {grey} --minutes 1 --kimg 1", "either --minutes or --kimg"),
    ("{data} --rungs {grey} --minutes -1", "either --minutes or --kimg"),
    ("{data} --rungs {grey} --kimg nan", "either --minutes or --kimg"),
    ("{data} --rungs nosuch --kimg 1", "no recipe 'nosuch'"),
    ("{data} --rungs , --kimg 1", "name others with --rungs"),
    ("{data} --rungs {grey},{grey} --kimg 1", "two rungs are called grey"),
    ("{data} --rungs {huge} --kimg 1", "too small for 64×64"),
    ("{data} --kimg 1", "name others with --rungs"),
    ("{data} --rungs {grey} --kimg 1 --set train.seed=1", "use --seed"),
    ("{data} --rungs {grey} --kimg 1 --set train.kimg=1", "use --kimg"),
    ("{data} --rungs {grey} --kimg 1 --set train.batsh=1", "did you mean 'batch'"),
    ("{data} --rungs {grey} --kimg 1 --seed -1", "train.seed = -1"),
    ("{drawings} --rungs {grey} --kimg 1", "boceto prepare"),
    ("{tmp}/nodata --rungs {grey} --kimg 1", "nodata does not exist"),
]


@pytest.mark.parametrize(("line", "says"), WRONG, ids=[line for line, _ in WRONG])
def test_wrong_use_ends_in_one_sentence(
    line: str, says: str, scene: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.format(tmp=tmp_path, **scene) for word in line.split()]
    assert main(["ladder", *words, "-o", str(tmp_path / "out")]) == 2
    complaint = capsys.readouterr().err
    assert says in complaint
    assert complaint.count("\n") == 1 and complaint.startswith("boceto: ")
    assert not list(tmp_path.iterdir()), "nothing is begun"
