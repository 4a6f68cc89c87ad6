"""Compiled nets learn what plain ones learn, through growth and penalties; and where compiling fails, plain they stay."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_architecture import TINY
from test_training import assert_equal_states, go
from torch._dynamo.utils import counters

from boceto import compiling, recipe, training
from boceto.compiling import Compiled, Compiler
from boceto.data.prepared import Prepared
from boceto.device import Compute, choose
from boceto.recipe import Recipe
from boceto.state import State
from boceto.training import steps
from boceto.watching import Progress


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BOCETO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    counters.clear()
    yield
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    torch.compiler.reset()


def trained(name: str, mode: str, count: int = 3, said: list[str] | None = None, **objective: Any) -> State:
    """Steps as ``fit`` takes them, with the nets compiled or not."""
    table: dict[str, Any] = {"arch": {"name": name, **TINY[name]}, "objective": objective}
    table["arch"] |= {"d_norm": "none"} if name == "dcgan" and objective else {}
    table["train"] = {"batch": 8, "precision": "float32", "compile": mode}
    table["watch"] = {"log_kimg": 0.016}
    wanted, compute = recipe.parse(table, "test"), choose("cpu", "float32")
    state = State.fresh(wanted, compute)
    random = np.random.Generator(np.random.PCG64(0))
    images = random.integers(0, 256, (count, 8, *state.gan.image_shape), dtype=np.uint8)
    held_out = images[0, :5]
    with Compiler(state, [].append if said is None else said.append) as compiler:
        for _ in steps(state, images, compute, wanted, lambda nimg: held_out):
            compiled = [isinstance(net.forward, Compiled) for net in (state.gan.generator, state.gan.discriminator)]
            assert compiled == [mode == "on"] * 2
            compiler.attend()
    return state


def assert_close(a: State, b: State, tolerance: float) -> None:
    mine, other = a.nets(), b.nets()
    assert list(mine) == list(other), "compiled or not, weights have the same names"
    assert max(((mine[key] - other[key]).abs().max().item() for key in mine), default=0) <= tolerance


PENALTIES: list[dict[str, float]] = [{}, {"r1_gamma": 1.0, "r2_gamma": 1.0, "r1_every": 2}, {"gp_lambda": 10.0}]
CASES = [("dcgan", o) for o in PENALTIES] + [("progan", o) for o in PENALTIES] + [("vae", {})]


@pytest.mark.parametrize(("name", "objective"), CASES, ids=lambda x: x if isinstance(x, str) else "-".join(x) or "plain")
def test_compiled_nets_learn_the_same(
    name: str, objective: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the backend that runs what was traced as it is. ProGAN grows after two batches, and its fade ends after."""
    monkeypatch.setattr(compiling, "_BACKEND", "aot_eager")
    count, said = (6 if name == "progan" else 3), list[str]()
    plain = trained(name, "off", count, **objective)
    compiled = trained(name, "on", count, said, **objective)
    assert_close(plain, compiled, 1e-5)
    assert all(line.startswith("both nets compiled in ") for line in said) and len(said) == (2 if name == "progan" else 1)
    assert counters["stats"]["unique_graphs"] >= 3 and not counters["graph_break"]
