"""Scores of a training's snapshots as they come: what ``best`` means, and what the doctor sees a plateau in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from statistics import fmean

import numpy as np
from torch import nn

from boceto import sampling
from boceto.clock import Clock
from boceto.data.deriving import reduced
from boceto.data.prepared import Prepared
from boceto.device import Compute
from boceto.metrics.swd import SMALLEST, swd
from boceto.recipe import Recipe

# What a score of that name says, for those who read it.
MEANINGS = {
    "swd": "sliced Wasserstein distance ×1000 to the drawings, lower is nearer; to compare within one run or set"
}

_PATCHES, _DIRECTIONS = 32, 128  # a quarter of the usual: a score at every snapshot shall cost next to nothing


def explained(names: Iterable[str]) -> list[str]:
    """What the scores of these names say, a line each; of unknown ones nothing."""
    return [f"{name}: {MEANINGS[name]}" for name in names if name in MEANINGS]


def sliced(
    data: Prepared, recipe: Recipe, compute: Compute, z_dim: int
) -> Callable[[nn.Module, Clock], Iterator[tuple[str, float]]]:
    """An evaluator that yields ``swd``: the sliced Wasserstein distance ×1000 of G's average, mean over its levels.

    It is told on ``watch.scored`` generated and as many real pictures, the same each time, at the size G then draws at;
    of nets that still draw below 16 pixels nothing is yielded. Lower is nearer; only scores of one run at one size can
    be compared.
    """
    count = min(recipe.watch.scored, len(data))
    chosen = np.sort(np.random.Generator(np.random.PCG64(recipe.train.seed)).permutation(len(data))[:count])
    z = sampling.latents(count, z_dim, recipe.train.seed, recipe.train.latents)

    def score(ema: nn.Module, now: Clock) -> Iterator[tuple[str, float]]:
        fake = sampling.draw(ema, z, compute)
        if min(fake.shape[1:3]) >= SMALLEST:
            real = reduced(data.gather(chosen), (fake.shape[1], fake.shape[2], fake.shape[3]))
            levels = swd(real, fake, seed=recipe.train.seed, patches=_PATCHES, directions=_DIRECTIONS)
            yield "swd", round(fmean(levels.values()), 4)

    return score
