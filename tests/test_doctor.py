"""The doctor on lines that were made up, and on logs of trainings that really went well or wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boceto import doctor, recipe, sampling, starting
from boceto.cli import main
from boceto.data.prepared import Prepared
from boceto.doctor import Doctor, examine, treatment
from boceto.errors import Fault
from boceto.recipe import Recipe
from boceto.runs import Run

Line = dict[str, float]
WELL = {
    "d/loss": 1.2,
    "g/loss": 1.0,
    "d/real_right": 0.7,
    "d/fake_right": 0.75,
    "waiting": 0.01,
    "d/gradient": 1.0,
    "g/gradient": 0.5,
    "d/update": 0.002,
    "g/update": 0.003,
    "g/variety": 0.9,
    "g/distinct": 1.0,
    "d/gradient/a": 0.5,
    "d/gradient/b": 0.8,
    "g/gradient/a": 0.3,
    "g/gradient/b": 0.4,
}


def log(change: Callable[[int], Line], lines: int = 60) -> list[Line]:
    """A log of a line a thousand images, well but for what ``change`` says of line i; losses wander a little."""
    made = []
    for i in range(1, lines + 1):
        wander = 1 + 0.05 * math.sin(7 * i)
        well = {**WELL, "d/loss": 1.2 * wander, "g/loss": 1.0 / wander}
        made.append({"nimg": 1000 * i, "step": 30 * i, **well, **change(i)})
    return made


def found(change: Callable[[int], Line], *changes: str, pictures: int = 3000) -> dict[str, doctor.Finding]:
    wanted = recipe.load("dcgan-64-quick").changed(changes)
    return {finding.name: finding for finding in examine(log(change), wanted, pictures)}


def test_a_healthy_log_has_no_finding() -> None:
    assert not found(lambda i: {})


SICK: dict[str, tuple[Callable[[int], Line], str]] = {
    "a loss without bounds": (lambda i: {"d/loss": 500.0} if i >= 30 else {}, "explosion"),
    "a series of spikes": (lambda i: {"g/gradient": 40.0 if i >= 30 and i % 2 == 0 else 0.5}, "explosion"),
    "no number": (lambda i: {"g/loss": math.nan} if i == 30 else {}, "explosion"),
    "gradients that do not reach": (lambda i: {"g/gradient/a": 1e-7} if i >= 30 else {}, "vanishing"),
    "gradients that die": (lambda i: {"d/gradient": 1e-6} if i >= 30 else {}, "vanishing"),
    "losses that freeze": (lambda i: {"d/loss": 13.82, "g/loss": 0.0} if i >= 23 else {}, "vanishing"),
    "a D that is never wrong": (lambda i: {"d/real_right": 1.0, "d/fake_right": 0.999} if i >= 30 else {}, "certain-d"),
    "one picture": (lambda i: {"g/variety": 0.01, "g/distinct": 0.03} if i >= 30 else {}, "collapse"),
    "few pictures": (lambda i: {"g/variety": 0.2} if i >= 30 else {}, "partial-collapse"),
    "a slow disk": (lambda i: {"waiting": 0.6} if i >= 30 else {}, "starvation"),
    "giant steps": (lambda i: {"d/update": 0.4} if i >= 30 else {}, "rate-high"),
}


@pytest.mark.parametrize("name", SICK)
def test_a_fault_is_found_where_it_begins(name: str) -> None:
    change, expected = SICK[name]
    findings = found(change)
    assert list(findings) == [expected]
    finding = findings[expected]
    assert finding.nimg == 30_000 and finding.step == 900 and (finding.ended is None or name == "no number")
    assert finding.nimg <= finding.sure_at <= 30_000 + 8_000
    assert finding.evidence and finding.remedy and "\n" not in str(finding)


def test_steps_are_too_small_only_if_they_always_were() -> None:
    assert found(lambda i: {"g/update": 1e-8})["rate-low"].nimg == 1000
    assert not found(lambda i: {"g/update": 1e-8 if i >= 30 else 1e-3})


def test_a_single_drawing_is_told() -> None:
    finding = found(lambda i: {"g/variety": 1.2e4} if i >= 30 else {})["memorising"]
    assert finding.nimg == 30_000 and "there is one to learn" in finding.evidence


def test_one_bad_line_is_no_finding_but_no_number_is() -> None:
    for change, expected in SICK.values():
        once = examine(log(lambda i, change=change: change(30) if i == 30 else {}), recipe.load("dcgan-64-quick"), 3000)  # type: ignore[misc]
        nan = any(math.isnan(value) for value in change(30).values())
        assert [finding.name for finding in once] == ([expected] if nan else [])


def test_what_goes_away_has_ended() -> None:
    finding = found(lambda i: {"waiting": 0.6} if 20 <= i < 40 else {})["starvation"]
    assert finding.nimg == 20_000 and finding.ended is not None and 40_000 <= finding.ended <= 43_000


def test_variety_is_not_judged_too_early_nor_d_by_a_loss_without_sign() -> None:
    assert not found(lambda i: {"g/variety": 0.01} if i < 8 else {})
    certain: Line = {"d/real_right": 1.0, "d/fake_right": 1.0}
    assert set(found(lambda i: certain)) == {"certain-d"}
    assert not found(lambda i: certain, "objective.loss=wasserstein", "objective.gp_lambda=10")


def test_d_that_knows_few_drawings_by_heart() -> None:
    knows: Line = {"d/real_right": 0.99, "d/fake_right": 0.8}
    assert not found(lambda i: knows, pictures=100_000)
    assert found(lambda i: knows, pictures=500)["memorising"].nimg == 10_000


def test_d_that_takes_drawings_it_never_saw_for_generated_ones() -> None:
    def scores(held_out: float, real: float = 0.8, fake: float = 0.2) -> Line:
        return {"d/real_score": real, "d/fake_score": fake, "d/held_out_score": held_out}

    finding = found(lambda i: scores(0.3 if i >= 30 else 0.78))["memorising"]
    assert 30_000 < finding.nimg <= finding.sure_at <= 41_000 and "% of the way" in finding.evidence
    assert not found(lambda i: scores(0.8 if i % 4 else 0.3)), "a batch of few wanders"
    assert not found(lambda i: scores(0.4, 0.52, 0.48)), "it tells nothing apart"
    knows: Line = {"d/real_right": 0.99, "d/fake_right": 0.8}
    assert not found(lambda i: knows | scores(0.78), pictures=500)


def test_live_and_afterwards_the_verdict_is_the_same() -> None:
    wanted = recipe.load("dcgan-64-quick")
    for change, _ in SICK.values():
        lines = log(change)
        live = Doctor(wanted, 3000, lines[:25])
        for line in lines[25:]:
            live.see(line)
        assert live.findings == Doctor(wanted, 3000, lines).findings


def test_off_is_off_until_one_asks(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    told: list[str] = []
    run = go(tiny, data, tmp_path / "off", *ILL, "doctor.act=off", show=lambda progress: told.extend(progress.told))
    assert not told and examine(run.read_log(), run.recipe, run.pictures)
    go(tiny, data, tmp_path / "on", *ILL, "doctor.act=warn", show=lambda progress: told.extend(progress.told))
    assert told


@pytest.mark.parametrize("name", ["explosion", "collapse", "certain-d", "rate-high"])
def test_a_treatment_is_gentler_and_a_recipe(name: str) -> None:
    wanted = recipe.load("dcgan-64-quick")
    finding = doctor.Finding(name, 1, 1, 1, "", "", grave=True)
    after = wanted.changed(treatment(finding, wanted))
    assert after.train.d_lr == pytest.approx(wanted.train.d_lr / 2)
    assert after.train.g_lr <= wanted.train.g_lr and after.objective.r1_gamma >= wanted.objective.r1_gamma


# ── treated trainings ──


def go(tiny: Recipe, data: Prepared, out: Path, *changes: str, **how: Any) -> Run:
    file = out.parent / "tiny.toml"
    file.write_text(tiny.to_toml(), "utf-8")
    return starting.train(file, data.folder, out, changes=changes, device_name="cpu", **how)


ILL = [
    "train.kimg=0.4",
    "train.g_lr=3",
    "watch.snapshot_kimg=0.032",
    "doctor.patience=2",
    "doctor.collapse=0",
    "doctor.partial_collapse=0",
]


def test_a_sick_run_is_rolled_back_until_it_is_given_up(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"given up after 2 treatments: .* since .* images: "):
        go(tiny, data, tmp_path / "run", *ILL, "doctor.act=roll-back", "doctor.tries=2", "doctor.ease=0.9")
    run = Run(tmp_path / "run")
    first, second = run.treatments()
    assert run.recipe.train.g_lr == 3, "the recipe stays what was asked for"
    assert run.treated.train.g_lr == pytest.approx(3 * 0.9**2) and "g_lr" in str(first["changes"])
    assert sorted(path.name for path in (run.folder / "rolled-back").iterdir()) == ["1", "2"]
    assert (run.folder / "rolled-back" / "1" / "log.jsonl").exists()
    assert max(run.snapshots(), default=0) <= max(second["nimg"], 400)
    assert not list(run.folder.rglob("*.partial"))


def test_a_treated_run_that_is_well_again_goes_to_its_end(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    said: list[str] = []

    def show(progress: Any) -> None:
        said.extend(progress.told)

    run = go(tiny, data, tmp_path / "run", *ILL, "doctor.act=roll-back", "doctor.ease=0.0003", show=show)
    assert (
        run.is_finished()
        and len(run.treatments()) == 1
        and said[0].startswith(run.treatments()[0]["finding"])
        and said[1].startswith("back to ")
    )
    nimgs = [line["nimg"] for line in run.read_log()]
    assert nimgs == sorted(set(nimgs)) and nimgs[-1] == 400
    assert sampling.load(run.folder).sample(2).shape == (2, 16, 16, 3)
    again = go(tiny, data, tmp_path / "run", *ILL, "doctor.act=roll-back", "doctor.ease=0.0003")
    assert again.treatments() == run.treatments()


def test_stop_stops_and_says_what_is_from_before(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"stopped: .* since .* images: .*is from before"):
        go(tiny, data, tmp_path / "run", *ILL, "doctor.act=stop")
    run = Run(tmp_path / "run")
    assert not run.treatments() and not run.is_finished()
    assert run.seen() == run.read_log()[-1]["nimg"], "what there was is kept"
    told = set()
    while not run.is_finished():
        try:
            run = go(tiny, data, tmp_path / "run", *ILL, "doctor.act=stop")
        except Fault as fault:
            assert str(fault) not in told, "who goes on knows what was found"
            told.add(str(fault))


def test_a_person_overrules_a_treatment(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    run = go(tiny, data, tmp_path / "run", *ILL, "doctor.act=roll-back", "doctor.ease=0.0003")
    further = starting.resume(run.folder, changes=["train.kimg=0.41", "train.g_lr=1e-5"], device_name="cpu")
    assert further.treated.train.g_lr == 1e-5 and further.treated.train.d_lr < further.recipe.train.d_lr


def test_the_command(tiny: Recipe, data: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = go(tiny, data, tmp_path / "run", *ILL)
    assert main(["doctor", str(run.folder)]) == 0
    told = capsys.readouterr().out
    assert "rate-high, from" in told
    assert main(["doctor", str(run.folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["lines"] == len(run.read_log()) and "rate-high" in {f["name"] for f in answer["findings"]}
    assert set(answer["findings"][0]) == {"name", "onset", "sure", "ended", "step", "evidence", "remedy", "grave"}
    assert main(["doctor"]) == 0
    assert {rule.name for rule in doctor.RULES} <= set(capsys.readouterr().out.split())
    assert main(["doctor", str(tmp_path)]) == 2
