"""What scores are and where they are kept; the one of every snapshot, which ``best`` and a plateau are told by."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np
from pydantic import TypeAdapter
from torch import nn

from boceto import sampling
from boceto.clock import Clock
from boceto.data.deriving import reduced
from boceto.data.prepared import Prepared
from boceto.device import Compute
from boceto.errors import Fault, os_errors
from boceto.files import write_text
from boceto.metrics.distances import Interval
from boceto.metrics.swd import SMALLEST, swd
from boceto.recipe import Recipe
from boceto.runs import Run

# Of a score's name: what it is, and whether lower is better.
ABOUT = {
    "swd": ("sliced Wasserstein distance ×1000 to the drawings, to compare within one run or set", True),
    "kid": ("kernel distance ×1000", True),
    "fid": ("Fréchet distance", True),
    "precision": ("share that lies among the real ones", False),
    "recall": ("share of the real ones that lie among them", False),
    "density": ("how densely the real ones lie about them", False),
    "coverage": ("share of the real ones that have one near", False),
    "diversity": ("mean distance of two, the real ones' = 1", False),
    "inception": ("how sure and how varied its classes are", False),
}
NOTED = "evaluations.json"

_PATCHES, _DIRECTIONS = 32, 128  # a quarter of the usual: a score at every snapshot shall cost next to nothing


@dataclass(frozen=True)
class Score:
    """A score of generated pictures, and the same of other real ones in their place: what is best possible."""

    about: str
    lower_is_better: bool | None  # None: neither, but to be as the real ones'
    found: Interval
    floor: Interval

    @property
    def better(self) -> str:
        """Which way is better, in words."""
        return {True: "lower", False: "higher", None: "as real"}[self.lower_is_better]


@dataclass(frozen=True)
class Heeded:
    """Does G heed a label? Of the ``asked`` pictures on which it was to show it, and of the ``others``, how many do in
    the eyes of a tagger.
    """

    label: str
    asked: int
    shown: int
    others: int
    shown_unasked: int


@dataclass(frozen=True)
class Evaluation:
    """All scores of a snapshot (after ``nimg`` images), told on ``count`` generated and as many real pictures."""

    run: str
    nimg: int
    features: str
    count: int
    data: str  # content hash
    seed: int
    scores: Mapping[str, Score]
    left_out: Mapping[str, str]  # score → why it is not told
    tagger: str | None = None  # by whom ``heeded`` is told
    heeded: tuple[Heeded, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(replace(self, scores=dict(self.scores), left_out=dict(self.left_out)))

    @property
    def told_on(self) -> tuple[int, str, int, str, int]:
        """What another must have in common with it to be the same once more."""
        return self.nimg, self.features, self.count, self.data, self.seed


_EVALUATIONS = TypeAdapter(list[Evaluation])


def note(run: Run, told: Evaluation) -> None:
    """Keep an evaluation in ``RUN/evaluations.json``, in the place of the same one told before."""
    others = [one for one in noted(run) if one.told_on != told.told_on]
    kept = sorted([*others, told], key=lambda one: one.told_on)
    write_text(run.folder / NOTED, json.dumps([one.as_dict() for one in kept], indent=1) + "\n")


def noted(run: Run) -> list[Evaluation]:
    """What ``note`` has kept, of snapshots in order. Raises Fault if the file is damaged."""
    path = run.folder / NOTED
    if not path.is_file():
        return []
    with os_errors("read", path):
        content = path.read_bytes()
    try:
        told = _EVALUATIONS.validate_json(content)
        parts = [part for one in told for score in one.scores.values() for part in (score.found, score.floor)]
        if not all(math.isfinite(number) for part in parts for number in astuple(part)):
            raise ValueError("a score is no number")
        return told
    except ValueError as error:  # pydantic's are such too
        raise Fault(f"{path} is damaged; remove it, and tell the scores again with boceto evaluate") from error


def explained(names: Iterable[str]) -> list[str]:
    """What the scores of these names (``swd``, ``kid-lite0``) say, a line each; of unknown ones nothing."""
    told = []
    for name in names:
        kind, _, network = name.partition("-")
        if kind in ABOUT:
            about, lower = ABOUT[kind]
            by = f" by {network}" if network else ""
            told.append(f"{name}: {about}{by}; {'lower' if lower else 'higher'} is better")
    return told


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
        fake = sampling.draw(ema, sampling.told(ema, z, recipe.train.seed), compute)
        if min(fake.shape[1:3]) >= SMALLEST:
            real = reduced(data.gather(chosen), (fake.shape[1], fake.shape[2], fake.shape[3]))
            levels = swd(real, fake, seed=recipe.train.seed, patches=_PATCHES, directions=_DIRECTIONS)
            yield "swd", round(fmean(levels.values()), 4)

    return score
