"""How quick is a recipe here? A few steps of it, timed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from boceto.clock import Clock
from boceto.data.batches import Labelled
from boceto.device import Compute
from boceto.recipe import Recipe
from boceto.state import State
from boceto.training import Pixels, steps
from boceto.watching import Timed

_LONG = 5.0  # times the seconds of a trial: a first step that takes longer is timed itself


@dataclass(frozen=True)
class Trial:
    """What a trial showed: seconds of the very first step; steps, images and seconds timed after it, the share of them
    in which the next batch was waited for; and images/s of a long training.
    """

    first_s: float
    steps: int
    images: int
    seconds: float
    waiting: float
    images_per_second: float


def trial(state: State, pictures: Iterable[Pixels], recipe: Recipe, seconds: float) -> Trial:
    """Train on so many seconds, after a warm-up, to see how quick a recipe is here. At least one step is timed.

    Steps with a lazy penalty, one in ``objective.r1_every``, are timed apart from the others, and both are counted as
    often as they come: a few steps then tell what many would.
    """
    objective = recipe.objective
    every = objective.r1_every if objective.r1_gamma or objective.r2_gamma else 1
    kinds = range(min(every, 2))  # the clock's step: 0 with the penalty, 1 without
    timed: dict[int, list[tuple[int, float, float]]] = {kind: [] for kind in kinds}  # images, seconds, of them waited
    ticks = steps(state, stream := Timed(pictures, state.compute), state.compute, recipe)

    def step(kind: int) -> tuple[int, float, float]:
        state.now, began = replace(state.now, step=kind), time.perf_counter()
        before, now = state.now, next(ticks).now
        state.compute.wait()
        return now.nimg - before.nimg, time.perf_counter() - began, stream.take()

    first = step(0)
    if long := first[1] > _LONG * seconds:
        timed[0].append(first)
    else:
        for kind in kinds:  # the second step is not yet as quick as the others
            step(kind)
    began = time.perf_counter()
    for number in itertools.count():
        if all(timed.values()) and (long or time.perf_counter() - began >= seconds):
            break
        kind = min(number % every, 1)
        if not (long and timed[kind]):
            timed[kind].append(step(kind))
    images, spent, waited = (sum(one[i] for found in timed.values() for one in found) for i in range(3))
    costs = [sum(one[1] for one in found) / sum(one[0] for one in found) for found in timed.values()]
    cost = costs[0] / every + costs[-1] * (every - 1) / every
    return Trial(first[1], sum(map(len, timed.values())), int(images), spent, waited / spent, 1 / cost)


def speed(recipe: Recipe, compute: Compute, nimg: int = 0, seconds: float = 2.0) -> float:
    """Images/s that a recipe trains at here after ``nimg`` images, from ``seconds`` of trial on noise."""
    state = State.fresh(recipe, compute)
    state.now = Clock(nimg=nimg)
    shape = (state.gan.batch_at(nimg), *state.gan.image_shape)
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 256, shape, np.uint8)
    shown = Labelled.blank(noise, state.gan.c_dim)
    return trial(state, itertools.repeat(shown), recipe, seconds).images_per_second
