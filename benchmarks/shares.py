"""Where does the time of a training step go? Shares by kind of operation, from PyTorch's profiler.

    .venv/bin/python benchmarks/shares.py RECIPE… [--set arch.width=32] [--steps 6] [--device cpu]

A recipe is a name or a .toml file; one that grows is profiled at its last stage. Steps with a lazy penalty are left
out.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from boceto import archs, device, recipe
from boceto.cli import ended
from boceto.clock import Clock
from boceto.data.batches import Labelled
from boceto.state import State
from boceto.training import steps

KINDS = {
    "convolutions, forward": ("mkldnn_convolution", "cudnn_convolution", "slow_conv", "thnn_conv", "_convolution"),
    "convolutions, backward": ("convolution_backward", "cudnn_convolution_backward"),
    "products": ("mm", "bmm", "addmm", "baddbmm", "linear"),
    "normalisation": ("native_batch_norm", "native_batch_norm_backward", "linalg_vector_norm", "var", "rsqrt"),
    "activations": ("leaky_relu", "relu", "elu", "tanh", "sigmoid", "threshold_backward"),
    "resampling": ("upsample", "avg_pool2d", "pixel_shuffle", "pixel_unshuffle"),
    "optimiser and average": ("_fused_adam", "_foreach", "lerp"),
}


def kind(name: str) -> str:
    """Of an operation such as ``aten::leaky_relu_backward``."""
    name = name.removeprefix("aten::").rstrip("_")
    for what, names in KINDS.items():
        if name in names:
            return what
    for what, names in KINDS.items():
        if any(name.startswith(start) for start in names if len(start) > 4):
            return what
    return "the rest"


def shares(source: str, changes: list[str], count: int, name: str) -> dict[str, float]:
    """Kind → share of the time of a step without a penalty."""
    asked = recipe.load(source).changed(changes)
    wanted = archs.build(asked).stages()[-1]
    compute = device.choose(name, wanted.recipe.train.precision)
    if compute.device.type == "cpu":
        device.reuse_freed_memory()
    state = State.fresh(wanted.recipe, compute)
    state.now = Clock(nimg=wanted.nimg, step=1)
    batch = (state.gan.batch_at(wanted.nimg), *state.gan.image_shape)
    noise = np.random.default_rng(0).integers(0, 256, batch, np.uint8)
    ticks = steps(state, itertools.repeat(Labelled.blank(noise, state.gan.c_dim)), compute, wanted.recipe)
    for _ in range(2):
        next(ticks)
    state.now = Clock(nimg=state.now.nimg, step=1)
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(min(count, max(1, wanted.recipe.objective.r1_every - 2))):
            next(ticks)
    spent: Counter[str] = Counter()
    for event in found.key_averages():
        spent[kind(event.key)] += event.self_cpu_time_total
    whole = sum(spent.values())
    return {what: time / whole for what, time in spent.most_common()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+")
    parser.add_argument("--set", action="append", default=[], dest="changes")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--device", default="cpu", choices=["cpu"])
    asked = parser.parse_args()
    if asked.steps < 1:
        parser.error("--steps is 1 or more")
    table = {name: shares(name, asked.changes, asked.steps, asked.device) for name in asked.recipes}
    print(f"{device.choose('cpu').label}, PyTorch {torch.__version__}")
    print(f"{'':24}" + "".join(f"{name:>26}" for name in table))
    for what in [*KINDS, "the rest"]:
        print(f"{what:24}" + "".join(f"{found.get(what, 0):26.0%}" for found in table.values()))


if __name__ == "__main__":
    sys.exit(ended(main))
