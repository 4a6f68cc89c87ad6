"""A kill campaign: trainings of every architecture, killed again and again, end as if nothing had happened.

The default suite kills each a few times; the whole campaign, 60 times each, is slow:
    python do.py test -m slow tests/test_kills.py
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from boceto import archs, recipe, starting
from boceto.data.prepared import Prepared
from boceto.runs import Run

# Everything that has a state: growth and fades with kept moments, turns, planted fakes, jitter, dropout, treatments.
HOW: dict[str, dict[str, Any]] = {
    "dcgan": {"arch": {"g_width": 4, "d_width": 4}, "balance": {"d_turns": 2, "fake_as_real": 0.25}},
    "vanilla": {"arch": {"d_widths": [16, 16]}, "augment": {"policy": ["colour", "cutout"]}, "balance": {"g_turns": 2}},
    "convolutional": {"arch": {"resolution": 28, "d_widths": [4, 4], "g_widths": [4, 4, 4]}},
    "r3gan": {
        "arch": {"resolution": 32, "width": 4, "most": 8, "group": 4},
        "objective": {"loss": "relativistic", "r1_gamma": 1.0, "r2_gamma": 1.0, "r1_every": 1},
    },
    "vae": {"arch": {"g_width": 4, "d_width": 4}, "balance": {"d_turns": 2}},
    "stylegan": {
        "arch": {"w_dim": 8, "depth": 2, "width": 8, "stage_kimg": [0.2], "fade_share": 0.6, "keep_optimiser": True},
        "objective": {"r1_gamma": 1.0, "r1_every": 3},
    },
    "stylegan2": {
        "arch": {"w_dim": 8, "depth": 2, "width": 4, "most": 8, "path_every": 3},
        "augment": {"policy": ["geometry"], "adaptive": True, "adapt_kimg": 1, "pseudo": 0.25},
        "objective": {"r1_gamma": 1.0, "r1_every": 3},
    },
    "progan": {
        "arch": {"width": 8, "stage_kimg": [0.2], "fade_share": 0.6, "fade_d": True, "keep_optimiser": True},
        "objective": {"r1_gamma": 1.0, "r1_every": 3},
    },
}
TRAIN = {"batch": 8, "kimg": 0.4, "precision": "float32", "g_lr": 1e-3, "ema_kimg": 0.05}
WATCH = {"log_kimg": 0.04, "sample_kimg": 0.08, "snapshot_kimg": 0.016, "samples": 4, "scored": 8, "keep": 3}


def train(file: str, data: str, out: str) -> None:
    """In a process of its own."""
    torch.set_num_threads(1)
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    starting.train(file, data, out, device_name="cpu")


def campaign(name: str, data: Prepared, folder: Path, kills: int) -> dict[str, int]:
    """Kill trainings of an architecture so many times; what was seen on the way."""
    arch = {"name": name, "resolution": 16, "channels": 3, "z_dim": 8, **HOW[name]["arch"]}
    table = {**HOW[name], "arch": arch, "train": TRAIN, "watch": WATCH}
    file = folder / f"{name}.toml"
    file.write_text(recipe.parse(table, "tests").to_toml(), "utf-8")
    whole = starting.train(file, data.folder, folder / "whole", device_name="cpu")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["boceto.starting", "boceto.archs.progan"])
    dice, told = random.Random(name), {"kills": 0, "whole": 0, "partial": 0, "begun": 0}
    number = 0
    while told["kills"] < kills or not told["whole"]:
        out = folder / f"killed-{number}"
        process = context.Process(target=train, args=(str(file), str(data.folder), str(out)))
        process.start()
        process.join(dice.uniform(0.05, 1.5) if told["kills"] < kills else 120)
        if process.is_alive():
            process.kill()
            process.join()
            told["kills"] += 1
        else:
            assert process.exitcode == 0
        before = told.get(f"seen {number}", 0)
        told["partial"] += any(path.name.endswith(".partial") for path in out.rglob("*"))
        if not Run.exists(out):
            continue
        run = Run(out)
        assert run.seen() >= before, "what was saved stays saved"
        told[f"seen {number}"], told["begun"] = run.seen(), told["begun"] + 1
        if run.is_finished() and run.state.exists():
            assert_alike(whole, starting.train(file, data.folder, out, device_name="cpu"))
            told["whole"], number = told["whole"] + 1, number + 1
    return told


def assert_alike(whole: Run, run: Run) -> None:
    """The same weights, moments and clock, bit for bit; the same log, but for what the clock on the wall says."""
    first, second = (safetensors.torch.load_file(one.state) for one in (whole, run))
    assert set(first) == set(second) and len(first) > 30
    assert not [name for name in first if not torch.equal(first[name], second[name])]
    assert list(whole.snapshots()) == list(run.snapshots()) and list(whole.samples()) == list(run.samples())
    assert [path.read_bytes() for path in whole.samples().values()] == [p.read_bytes() for p in run.samples().values()]
    wall = {"seconds", "images_per_second", "waiting", "joules", "memory_mb"}
    logs = [[{k: v for k, v in line.items() if k not in wall} for line in one.read_log()] for one in (whole, run)]
    assert logs[0] == logs[1], "no line twice, none missing, none changed"


def test_every_architecture_has_its_campaign() -> None:
    assert set(HOW) == set(archs.names())


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("name", sorted(HOW))
def test_killed_a_few_times(name: str, sized: dict[int, Prepared], tmp_path: Path) -> None:
    told = campaign(name, sized[HOW[name]["arch"].get("resolution", 16)], tmp_path, 3)
    assert told["kills"] == 3 and told["whole"] >= 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("name", sorted(HOW))
def test_killed_sixty_times(name: str, sized: dict[int, Prepared], tmp_path: Path) -> None:
    began = time.monotonic()
    told = campaign(name, sized[HOW[name]["arch"].get("resolution", 16)], tmp_path, 60)
    print(
        f"\n{name}: {told['kills']} kills, {told['whole']} trainings whole, {told['partial']} times in the midst of a "
        f"file, {time.monotonic() - began:.0f} s"
    )
    assert told["kills"] == 60


@pytest.fixture(scope="module")
def sized(data: Prepared, drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Prepared]:
    """The drawings by the side that an architecture wants."""
    from boceto.data.preparing import prepare

    folder = tmp_path_factory.mktemp("sized")
    return {16: data, **{side: prepare(drawings, folder / str(side), size=side, workers=1) for side in (28, 32)}}
