"""The house's rules: imports point up the list of rooms, and every architecture keeps the contract."""

from __future__ import annotations

import ast
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import boceto
from boceto import archs, recipe
from boceto.clock import Clock
from boceto.device import choose
from boceto.gan import GAN, Batch
from boceto.state import State
from boceto.training import steps

SOURCE = Path(boceto.__file__).parent

# The rooms from the ground up; a module may import from its own row and from rows above it in this list only.
FLOORS = [
    ["version", "errors"],
    ["recipe", "clock", "device", "energy", "files", "objectives", "balance", "nn", "workers", "scaling"],
    ["gan", "sized"],
    ["growth"],
    ["archs", "data", "runs", "probing"],
    ["tagger"],
    ["sampling", "watching", "metrics", "doctor", "tracking"],
    ["state", "scoring"],
    ["compiling"],
    ["training", "reporting"],
    ["evaluating", "theory", "trial", "origins"],
    ["choosing"],
    ["starting", "originality", "leaks", "tagging", "bench"],
    ["terminal"],
    ["demo", "ladder"],
    ["cli"],
    ["__main__"],
]
# Inside a row, one room may not know another, except where it is said here.
BESIDE = {("recipe", "errors"), ("device", "errors"), ("errors", "version")}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imports() -> list[tuple[str, str]]:
    """(room that imports, room that is imported) for every import of boceto inside boceto, lazy ones too."""
    found = []
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 25
    for file in files:
        here = room(".".join(("boceto", *file.relative_to(SOURCE).with_suffix("").parts)))
        if here == "__init__":
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [node.module if "." in node.module else f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            found += [(here, room(name)) for name in names if name.startswith("boceto.")]
    return found


def test_imports_point_up() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    rooms = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} == set(floor), "a room is missing from FLOORS"
    pairs = imports()
    assert len(pairs) > 80
    wrong = {(a, b) for a, b in pairs if a != b and floor[b] >= floor[a] and (a, b) not in BESIDE}
    assert not wrong


def test_the_loop_and_the_report_do_not_know_each_other() -> None:
    pairs = set(imports())
    right_of_the_run_folder = {"reporting", "terminal", "demo", "cli"}
    assert not {(a, b) for a, b in pairs if a == "training" and b in right_of_the_run_folder}
    assert ("reporting", "training") not in pairs


# ── every architecture, tiny ──

TINY: dict[str, dict[str, Any]] = {
    "dcgan": {"resolution": 16, "z_dim": 8, "g_width": 4, "d_width": 4},
    "vanilla": {"resolution": 16, "channels": 3, "z_dim": 8, "g_widths": [8, 8, 4], "d_widths": [16, 8]},
    "convolutional": {"resolution": 28, "channels": 3, "z_dim": 8, "g_widths": [8, 4, 4], "d_widths": [4, 8]},
    "vae": {"resolution": 16, "z_dim": 8, "g_width": 4, "d_width": 4},
    "r3gan": {"resolution": 32, "z_dim": 8, "width": 4, "most": 8, "group": 4},
    "stylegan2": {"resolution": 16, "z_dim": 8, "w_dim": 8, "depth": 2, "width": 4, "most": 8},
    "progan": {
        "resolution": 16,
        "z_dim": 8,
        "width": 8,
        "stage_kimg": [0.016],
        "fade_d": True,
        "equalised": True,
        "max_norm": 0.0,
    },
    "stylegan": {
        "resolution": 16,
        "z_dim": 8,
        "w_dim": 8,
        "depth": 2,
        "width": 8,
        "stage_kimg": [0.016],
        "alpha_start": 0.2,
    },
}
LINEAR = {"r3gan", "stylegan", "stylegan2"}  # their pictures are cut to [-1, 1] as they are written
# A clock by which a net that grows has come to its last form; by another it is in the midst of growing.
GROWN, GROWING = Clock(nimg=10**9), Clock(nimg=200)


def build(name: str, seed: int = 0) -> GAN:
    torch.manual_seed(seed)
    return archs.build(recipe.parse({"arch": {"name": name, **TINY[name]}}, "test"))


def batch(gan: GAN, n: int = 4) -> Batch:
    return Batch(real=torch.rand(n, *gan.image_shape) * 2 - 1, z=torch.randn(n, gan.z_dim))


def test_every_architecture_has_a_tiny_twin() -> None:
    assert set(archs.names()) == set(TINY)


@pytest.fixture(params=sorted(TINY))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_shapes_and_range(name: str) -> None:
    gan = build(name)
    gan.reach(GROWN)
    images = gan.generator(torch.randn(4, gan.z_dim))
    assert images.shape == (4, *gan.image_shape)
    assert images.isfinite().all() and (name in LINEAR or images.abs().max() <= 1)
    assert gan.discriminator(images).shape == ((4,) if gan.adversarial else (4, 2 * gan.z_dim))


def unlock(gan: GAN) -> None:
    """A branch that begins as 0 lets no gradient through to what stands before its last layer: give that a little."""
    for p in gan.parameters():
        if p.dim() > 1 and not p.any():
            torch.nn.init.normal_(p, std=0.1)


@pytest.mark.parametrize("now", [Clock(), GROWING, GROWN])
def test_every_parameter_gets_a_gradient(name: str, now: Clock) -> None:
    gan = build(name)
    gan.reach(now)
    unlock(gan)
    gan.d_terms(batch(gan), Clock()).total.backward()
    missing = [key for key, p in gan.discriminator.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert not missing
    assert all(p.grad is None for p in gan.generator.parameters()), "D's turn reaches G"
    gan.g_terms(batch(gan), Clock()).total.backward()
    missing = [key for key, p in gan.generator.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert not missing


def test_a_step_moves_each_net_by_its_own_terms_only(name: str) -> None:
    """With one rate at (almost) nothing, that net stands still: D's turn moves only D, G's turn only G."""
    for still, moving in (("discriminator", "generator"), ("generator", "discriminator")):
        table = {
            "arch": {"name": name, **TINY[name]},
            "train": {"batch": 8, f"{still[0]}_lr": 1e-30, "precision": "float32"},
        }
        setting = recipe.parse(table, "test")
        state = State.fresh(setting, choose("cpu", "float32"))
        unlock(state.gan)
        before = {key: p.detach().clone() for key, p in state.gan.named_parameters()}
        pictures = [torch.randint(0, 256, (8, *state.gan.image_shape), dtype=torch.uint8).numpy()]
        list(steps(state, pictures, choose("cpu", "float32"), setting))
        moved = {key for key, p in state.gan.named_parameters() if (p - before[key]).abs().max() > 1e-20}
        assert moved == {key for key in before if key.startswith(moving)}


def test_to_be_watched_changes_nothing(name: str) -> None:
    """The closer look, at drawings held out too, leaves weights, statistics and moments as they would have been."""
    after = []
    for log_kimg in (1000.0, 0.008):
        table = {
            "arch": {"name": name, **TINY[name]},
            "train": {"batch": 8, "precision": "float32"},
            "watch": {"log_kimg": log_kimg},
        }
        setting = recipe.parse(table, "test")
        compute = choose("cpu", "float32")
        state = State.fresh(setting, compute)
        random = np.random.Generator(np.random.PCG64(0))
        pictures = [random.integers(0, 256, (8, *state.gan.image_shape), dtype=np.uint8) for _ in range(4)]
        held_out = pictures.pop()[:5]
        ticks = list(steps(state, pictures, compute, setting, partial(np.roll, held_out, axis=0)))
        after.append((ticks[-1].watched, state))
    (seldom, a), (always, b) = after
    answers = {"d/held_out_score", "d/held_out_right"} if a.gan.adversarial else {"d/held_out_elbo"}
    assert answers | {"g/variety", "d/gradient", "g/update"} <= always.keys() - seldom.keys()
    assert not a.gan.adversarial or all(0 <= float(always[key]) <= 1 for key in answers)
    assert all(torch.equal(x, b.gan.state_dict()[key]) for key, x in a.gan.state_dict().items())
    assert all(torch.equal(x, b.ema.state_dict()[key]) for key, x in a.ema.state_dict().items())


def test_save_and_load_give_the_same_picture(name: str, tmp_path: Path) -> None:
    setting = recipe.parse({"arch": {"name": name, **TINY[name]}}, "test")
    compute = choose("cpu", "float32")
    a = State.fresh(setting, compute)
    pictures = [torch.randint(0, 256, (8, *a.gan.image_shape), dtype=torch.uint8).numpy()]
    list(steps(a, pictures, compute, setting))
    a.save(tmp_path / "state.safetensors", "one")
    torch.manual_seed(99)
    b = State.fresh(setting.changed(["train.seed=99"]), compute)
    b.load(tmp_path / "state.safetensors", "one")
    z = torch.randn(3, a.gan.z_dim)
    assert torch.equal(a.ema(z), b.ema(z))
    assert torch.equal(a.gan.generator.eval()(z), b.gan.generator.eval()(z))
    assert a.now == b.now


def test_every_file_of_the_package_is_installed() -> None:
    """A wheel holds the modules, and of other files those that pyproject.toml names."""
    settings = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text("utf-8"))
    globs = settings["tool"]["setuptools"]["package-data"]["boceto"]
    named = {path for glob in globs for path in SOURCE.glob(glob)}
    others = {p for p in SOURCE.rglob("*") if p.is_file() and p.suffix != ".py" and "__pycache__" not in p.parts}
    assert len(others) >= 4 and others == named


def test_no_clock_that_can_be_set_is_read() -> None:
    """Durations are of ``time.monotonic``: a clock that jumps changes nothing. The dates of a run and of a benchmark are told only."""
    calls = [
        (file.name, node.attr)
        for file in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("time.time", "time.time_ns", "datetime.now")
    ]
    assert calls == [("running.py", "now"), ("starting.py", "now")]
