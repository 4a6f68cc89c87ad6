"""How quick one recipe trains and draws here: what is run in a process of its own, so that its memory is its own."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from boceto import device, sampling
from boceto.bench.account import Training
from boceto.bench.machine import ceiling
from boceto.bench.memory import peak_memory_mb
from boceto.clock import Clock
from boceto.data.batches import batches
from boceto.data.prepared import Prepared
from boceto.device import Compute
from boceto.gan import Stage
from boceto.recipe import Recipe
from boceto.state import State
from boceto.training import steps
from boceto.trial import trial

DRAWN_AT_ONCE = 64
_DRAWING = 0.25  # of the seconds of a training, for each way of drawing


Shape = tuple[int, int, int]  # height, width, channels


@dataclass(frozen=True)
class Task:
    """What is to be measured: a stage of a recipe on a device, for so many seconds; ``grows`` if it has several."""

    name: str
    stage: Stage
    grows: bool
    device: str
    seconds: float


def measure(task: Task, data: Path) -> Training:
    """Train on a prepared dataset, and draw, for some seconds. The share is that of the ceiling measured here and now.

    Raises NotEnoughMemory.
    """
    recipe, nimg = task.stage.recipe, task.stage.nimg
    compute = device.choose(task.device, recipe.train.precision)
    if compute.device.type == "cpu":
        device.reuse_freed_memory()  # as ``fit`` does
    best = ceiling(compute)
    before, began = peak_memory_mb(), time.perf_counter()
    with device.memory_errors(f"train {task.name}", "a smaller batch (train.batch), or train.micro_batch"):
        state = State.fresh(recipe, compute)
        state.now = Clock(nimg=nimg)
        batch, how = state.gan.batch_at(nimg), recipe.data
        stream = batches(Prepared(data), seed=0, nimg=0, batch=batch, flip=how.flip, order=how.order)
        built = time.perf_counter() - began
        found = trial(state, stream, recipe, task.seconds)
        memory, gpu = peak_memory_mb(), compute.memory().get("gpu_memory_mb")
        flops = training_flops(state, recipe)
        drawn, alone = _drawing(state, task)
    rate = found.images_per_second
    return Training(
        batch=batch,
        format=str(compute.dtype).removeprefix("torch."),
        images_per_second=rate,
        steps=found.steps,
        seconds=found.seconds,
        first_step_s=built + found.first_s,
        waiting=found.waiting,
        flops_per_image=flops,
        flops_per_second=flops * rate,
        share=flops * rate / best,
        memory_mb=memory,
        memory_before_mb=before,
        gpu_memory_mb=gpu,
        drawn_per_second=drawn,
        drawn_alone_per_second=alone,
    )


class Counting(TorchDispatchMode):
    """Inside, the floating-point operations of matrix products and convolutions are counted, backward ones too.

    PyTorch's own ``FlopCounterMode`` counts by the same table, but ends with an error where the gradient of a gradient
    is taken, as penalties do.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
        return out


def training_flops(state: State, recipe: Recipe) -> float:
    """Operations an image of a training, lazy penalties included as often as they come; the state trains on meanwhile.

    Counted on a few pictures, since they grow with the batch and nothing else: so many that two are planted among them,
    if any are, as G's batch norm wants.
    """
    every = recipe.objective.r1_every if recipe.objective.r1_gamma or recipe.objective.r2_gamma else 1
    planted = recipe.balance.fake_as_real
    few = np.zeros((math.ceil(2 / planted) if planted else 2, *state.gan.image_shape), np.uint8)
    ticks, nimg = steps(state, repeat(few), state.compute, recipe), state.now.nimg
    counted: list[float] = []
    for step in range(min(every, 2)):
        state.now = Clock(nimg=nimg, step=step)
        with Counting() as count:
            seen = next(ticks).now.nimg - nimg
        counted.append(count.flops / seen)
    return counted[0] / every + counted[-1] * (every - 1) / every


def _drawing(state: State, task: Task) -> tuple[float, float]:
    """Pictures a second of the averaged generator, many at a time and one at a time, as ``boceto sample`` draws."""
    compute = device.choose(task.device, "float32")
    compute.place(state.ema.eval())
    z = sampling.latents(DRAWN_AT_ONCE, state.gan.z_dim, 0, task.stage.recipe.train.latents)
    many, one = (_rate(state.ema, part, compute, _DRAWING * task.seconds) for part in (z, z[:1]))
    return many, one


def _rate(generator: torch.nn.Module, z: torch.Tensor, compute: Compute, seconds: float) -> float:
    sampling.draw(generator, z, compute)
    began, count = time.perf_counter(), 0
    while not count or time.perf_counter() - began < seconds:
        sampling.draw(generator, z, compute)  # it ends on the CPU, so the device need not be waited for
        count += len(z)
    return count / (time.perf_counter() - began)
