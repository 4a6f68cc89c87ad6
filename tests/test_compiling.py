"""Compiled nets learn what plain ones learn, through growth and penalties; and where compiling fails, plain they stay."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from boceto import archs, compiling, recipe
from boceto.compiling import Compiled, Compiler
from boceto.data.prepared import Prepared
from boceto.device import Compute, choose
from boceto.recipe import Recipe
from boceto.state import State
from boceto.training import steps
from boceto.watching import Progress
from test_architecture import TINY
from test_training import assert_equal_states, go


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BOCETO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    counters.clear()
    yield
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    torch.compiler.reset()


def trained(
    name: str, mode: str, count: int = 3, *, objective: dict[str, float] | None = None, said: list[str] | None = None
) -> State:
    """Steps as ``fit`` takes them, with the nets compiled or not."""
    table: dict[str, Any] = {"arch": {"name": name, **TINY[name]}, "objective": objective or {}}
    table["arch"] |= {"d_norm": "none"} if name in ("dcgan", "convolutional") and objective else {}
    table["arch"] |= {"d_dropout": 0} if name == "convolutional" else {}  # its masks are other ones when compiled
    table["arch"] |= {"fade_share": 1.0, "alpha_start": 0.0} if name in GROWING else {}
    table["train"] = {"batch": 8, "precision": "float32", "compile": mode}
    table["watch"] = {"log_kimg": 0.016}
    wanted, compute = recipe.parse(table, "test"), choose("cpu", "float32")
    state = State.fresh(wanted, compute)
    random = np.random.Generator(np.random.PCG64(0))
    images = random.integers(0, 256, (count, 8, *state.gan.image_shape), dtype=np.uint8)
    held_out = images[0, :5]
    said = [] if said is None else said
    with Compiler(state, said.append) as compiler:
        for _ in steps(state, images, compute, wanted, lambda nimg: held_out):
            compiled = [isinstance(net.forward, Compiled) for net in (state.gan.generator, state.gan.discriminator)]
            assert compiled == [mode == "on"] * 2
            compiler.attend()
    return state


def assert_close(a: State, b: State, tolerance: float) -> None:
    mine, other = a.nets(), b.nets()
    assert list(mine) == list(other), "compiled or not, weights have the same names"
    assert max(((mine[key] - other[key]).abs().max().item() for key in mine), default=0) <= tolerance


GROWING = ("progan", "stylegan")
R1, GP = {"r1_gamma": 1.0, "r2_gamma": 1.0, "r1_every": 2}, {"gp_lambda": 10.0}
QUICK = [("dcgan", R1, "aot_eager"), ("progan", {}, "eager"), ("vae", {}, "eager")]
SLOW = [(name, how, "aot_eager") for name in ("dcgan", "progan", "stylegan", "convolutional") for how in ({}, R1, GP)]
SLOW = [case for case in SLOW if case[:2] not in (("dcgan", R1), ("convolutional", GP))] + [("vae", {}, "aot_eager")]


@pytest.mark.parametrize(
    ("name", "objective", "backend"),
    [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
    ids=lambda x: x if isinstance(x, str) else "-".join(x) or "plain",
)
def test_compiled_nets_learn_the_same(
    name: str, objective: dict[str, float], backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With backends that run what was traced as it is. What grows does so after two batches, and its fade ends two later."""
    monkeypatch.setattr(compiling, "_BACKEND", backend)
    count, said = (6 if name in GROWING else 3), list[str]()
    plain = trained(name, "off", count, objective=objective)
    compiled = trained(name, "on", count, objective=objective, said=said)
    assert_close(plain, compiled, 1e-5)
    assert all(line.startswith("both nets compiled in ") for line in said), said
    assert len(said) == (3 if name in GROWING else 1), "once, and anew in every form"
    assert counters["stats"]["unique_graphs"] >= 3 * len(said) and not counters["graph_break"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dcgan", "vae"])
def test_inductor_learns_the_same_and_keeps_what_it_compiled(name: str, tmp_path: Path) -> None:
    plain, compiled = trained(name, "off"), trained(name, "on")
    assert_close(plain, compiled, 2e-4)
    assert list((tmp_path / "cache" / "compiled").iterdir())
    assert not counters["inductor"]["fxgraph_cache_hit"] and not counters["aot_autograd"]["autograd_cache_hit"]
    counters.clear()
    assert_close(compiled, trained(name, "on"), 0)
    assert counters["aot_autograd"]["autograd_cache_hit"] + counters["inductor"]["fxgraph_cache_hit"] >= 2
    assert not counters["inductor"]["fxgraph_cache_miss"]


@pytest.mark.slow
def test_a_run_resumed_with_compiled_nets_is_as_one_uninterrupted(
    tiny: Recipe, data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "_BACKEND", "eager")
    said: list[str] = []
    whole = go(tiny, data, tmp_path / "whole", "train.compile=on", announce=said.append)
    assert sum("both nets compiled" in line for line in said) == 1
    go(tiny, data, tmp_path / "half", "train.compile=on", "train.kimg=0.032")
    assert_equal_states(whole, go(tiny, data, tmp_path / "half", "train.compile=on"))


def test_where_compiling_fails_it_is_said_once_and_goes_on(
    tiny: Recipe, data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no C compiler here")

    monkeypatch.setattr(compiling, "_BACKEND", broken)
    said: list[str] = []
    run = go(tiny, data, tmp_path / "run", "train.compile=on", announce=said.append)
    plain = go(tiny, data, tmp_path / "plain")
    (line,) = (line for line in said if "compil" in line)
    assert line.startswith("compiling the nets failed, so they go on as they are (") and "no C compiler here" in line
    assert_equal_states(run, plain)


def test_memory_that_runs_out_while_compiling_is_told_as_such(tiny: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(state: State) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(compiling, "_rehearse", greedy)
    state = State.fresh(tiny.changed(["train.compile=on"]), choose("cpu"))
    with pytest.raises(torch.OutOfMemoryError), Compiler(state, print):
        pass


@pytest.mark.parametrize(
    ("name", "mode", "device", "seconds_left", "compiled"),
    [
        ("dcgan", "auto", "cuda", 3600.0, True),
        ("dcgan", "auto", "cuda", 300.0, False),
        ("dcgan", "auto", "cpu", 1e9, False),
        ("dcgan", "off", "cuda", 1e9, False),
        ("progan", "auto", "cuda", 3600.0, False),  # 16 images, and the nets are others
    ],
)
def test_auto_weighs_what_is_left(
    name: str, mode: str, device: str, seconds_left: float, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[bool] = []
    monkeypatch.setattr(Compiler, "_compile", lambda self: done.append(True))
    wanted = recipe.parse({"arch": {"name": name, **TINY[name]}, "train": {"compile": mode}}, "test")
    state = State.fresh(wanted, choose("cpu", "float32"))
    state.compute = Compute(torch.device(device), torch.float32, device)
    monkeypatch.setattr(state, "begin_step", lambda: None)
    compiler = Compiler(state, print)
    compiler.attend()
    assert not done, "how fast it goes is not known yet"
    compiler.attend(Progress(0, 10**9, 0.0, 100.0, seconds_left, {}))
    assert done == [True] * compiled


def test_how_long_a_growing_net_keeps_its_form() -> None:
    """Two batches of 8 a stage, the second fading in over all of its two: then it draws as it will."""
    table = {"name": "progan", **TINY["progan"], "stage_kimg": [0.016, 0.032], "fade_share": 0.5, "alpha_start": 0.0}
    gan = archs.build(recipe.parse({"arch": table, "train": {"batch": 8}}, "test"))
    assert [gan.lasts(nimg) for nimg in (0, 8, 16, 24, 32, 1000)] == [16, 16, 32, 32, math.inf, math.inf]
    assert archs.build(recipe.parse({"arch": {"name": "dcgan", **TINY["dcgan"]}}, "test")).lasts(5) == math.inf


def test_a_compiled_net_keeps_its_names_and_its_plain_way(tiny: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two ways of a net to compute do not show in its names, and a penalty finds the plain one."""
    monkeypatch.setattr(compiling, "_BACKEND", "eager")
    wanted = tiny.changed(["arch.d_norm=none"])
    state = State.fresh(wanted, choose("cpu"))
    names = list(state.gan.state_dict())
    with Compiler(state, print) as compiler:
        compiler._compile()
        assert list(state.gan.state_dict()) == names
        calls: list[int] = []

        def counted(self: Compiled, *inputs: Tensor) -> Tensor:
            calls.append(len(inputs))
            return compiling._standing(self._net, *inputs)

        monkeypatch.setattr(Compiled, "__call__", counted)
        images = torch.zeros(2, 3, 16, 16)
        state.gan.judge(images)
        assert len(calls) == 1
        state.gan.judge(images.requires_grad_(True))
        assert len(calls) == 1
    assert "forward" not in vars(state.gan.discriminator) and "forward" not in vars(state.gan.generator)


def test_a_net_first_met_standing_still_learns_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every version of the compiler looks again whether weights learn."""
    monkeypatch.setattr(compiling, "_BACKEND", "aot_eager")
    net = torch.nn.Linear(3, 1)
    compiled, x = Compiled(net), torch.ones(2, 3)
    net.requires_grad_(False)
    compiled(x.clone().requires_grad_(True)).sum().backward()  # type: ignore[no-untyped-call]
    assert net.weight.grad is None
    net.requires_grad_(True)
    compiled(x).sum().backward()  # type: ignore[no-untyped-call]
    assert net.weight.grad is not None and torch.equal(net.weight.grad, torch.full((1, 3), 2.0))  # type: ignore[arg-type]
