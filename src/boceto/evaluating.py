"""How good, how varied: the scores of a trained run, each with the network it was told by, N, and an interval.

    generated and real pictures → features (kept) → FID, KID, precision …, and beside them the same of real ones alone

Two sets of real pictures are the floor that no generator passes: a score is read beside it, never alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from safetensors.numpy import load_file, save_file

from boceto import sampling
from boceto.data.deriving import reduced
from boceto.data.prepared import Prepared
from boceto.errors import Fault, UsageError
from boceto.files import replacing
from boceto.metrics import distances
from boceto.metrics import features as networks
from boceto.metrics.distances import Interval, interval
from boceto.metrics.features import Network
from boceto.metrics.swd import SMALLEST, swd
from boceto.reporting.tables import table
from boceto.runs import Run

FEWEST = 50  # pictures of each kind below which nothing is told
_SUBSETS = 10  # halves that an interval is told from
_NEAREST = 5  # neighbours that make a neighbourhood

Images = NDArray[np.uint8]
Features = NDArray[np.float32]


@dataclass(frozen=True)
class Score:
    """A score of generated pictures, and the same of other real ones in their place: what is best possible."""

    about: str
    lower_is_better: bool
    found: Interval
    floor: Interval


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

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(replace(self, scores=dict(self.scores), left_out=dict(self.left_out)))


def evaluate(
    run: Path | str,
    *,
    data: Path | str | None = None,
    samples: int = 2048,
    features: str = "lite0",
    snapshot: str = "last",
    seed: int = 0,
    device_name: str = "auto",
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Score a run's snapshot on ``samples`` generated pictures and as many real ones, half the dataset's at most.

    ``data``: the dataset, if it has moved; another one than it was trained on is fine, and then the score's.
    ``progress`` is told what is looked at, how many pictures of it, and of how many.
    Raises UsageError for too few pictures or other shapes, Fault if a network's weights are missing.
    """
    opened = Run(run)
    prepared = Prepared(data if data is not None else opened.about["data"]["folder"])
    if samples < FEWEST:
        raise UsageError(f"--samples {samples}: scores of fewer than {FEWEST} pictures say nothing")
    if (count := min(samples, len(prepared) // 2)) < FEWEST:
        raise UsageError(
            f"{prepared.folder} holds {len(prepared)} pictures; scores want {2 * FEWEST}, half to compare with and "
            f"half to see how far real ones lie apart"
        )
    model = sampling.load(opened.folder, snapshot, device_name)
    net = networks.network(features, model.compute.device)
    say = progress or (lambda what, done, of: None)
    say("drawing", 0, count)
    fake = model.sample(count, seed)
    if prepared.shape[2] != fake.shape[3]:
        kinds = {1: "grey", 3: "colour"}
        raise UsageError(
            f"{prepared.folder} holds {kinds[prepared.shape[2]]} pictures, {run} draws {kinds[fake.shape[3]]} ones; "
            f"prepare the dataset {'with' if fake.shape[3] == 1 else 'without'} --grey"
        )
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(prepared))[: 2 * count]
    shape = (fake.shape[1], fake.shape[2], fake.shape[3])
    real = reduced(prepared.gather(order), shape)
    key = f"{prepared.content_hash}-{net.name}-{seed}-{count}-{shape}"
    known = kept(key, lambda: networks.extract(real, net, lambda done, of: say("real pictures", done, of)))
    found = networks.extract(fake, net, lambda done, of: say("generated pictures", done, of))
    if not np.isfinite(found).all():
        raise Fault(f"the features of {run}'s pictures are not finite; its weights may be damaged: try --snapshot best")
    scores, left_out = told(known[:count], known[count:], found, net, seed)
    if min(shape[:2]) >= SMALLEST:
        scores |= _sliced(real[:count], real[count:], fake, seed)
    return Evaluation(
        run=str(opened.folder.resolve()),
        nimg=model.nimg,
        features=net.name,
        count=count,
        data=prepared.content_hash,
        seed=seed,
        scores=scores,
        left_out=left_out,
    )


def told(
    real: Features, other: Features, fake: Features, net: Network, seed: int = 0
) -> tuple[dict[str, Score], dict[str, str]]:
    """The scores that lie in features (N, D): of ``fake`` against ``real``, and as floor of ``other`` real ones."""
    measures: dict[str, tuple[str, bool, Callable[[Features, Features], float]]] = {
        "kid": ("kernel distance ×1000", True, lambda a, b: 1000 * distances.kernel(a, b)),
        "precision": ("share that lies among the real ones", False, lambda a, b: _reach(a, b).precision),
        "recall": ("share of the real ones that lie among them", False, lambda a, b: _reach(a, b).recall),
        "density": ("how densely the real ones lie about them", False, lambda a, b: _reach(a, b).density),
        "coverage": ("share of the real ones that have one near", False, lambda a, b: _reach(a, b).coverage),
        "diversity": ("mean distance of two, the real ones' = 1", False, _diversity),
    }
    left_out = {}
    if min(len(real), len(fake)) > real.shape[1]:
        measures["fid"] = ("Fréchet distance", True, distances.frechet)
    else:
        left_out["fid"] = f"{len(fake):,} pictures are fewer than the {real.shape[1]:,} features; kid has no such bias"
    if net.logits is not None:
        sure = net.logits

        def classes(_: Features, pictures: Features) -> float:
            return distances.inception_score(sure(torch.from_numpy(pictures)).softmax(dim=1).cpu().numpy())

        measures["inception"] = ("how sure and how varied its classes are", False, classes)
    scores = {}
    for name, (about, lower, measure) in measures.items():

        def between(pictures: Features, measure: Callable[[Features, Features], float] = measure) -> Interval:
            return interval(
                lambda i, j: measure(real[i], pictures[j]), len(real), len(pictures), subsets=_SUBSETS, seed=seed
            )

        scores[name] = Score(about, lower, between(fake), between(other))
    return scores, left_out


def _diversity(real: Features, fake: Features) -> float:
    return distances.diversity(fake) / max(distances.diversity(real), 1e-12)


def _reach(real: Features, fake: Features) -> distances.Reach:
    return distances.reach(real, fake, _NEAREST)


def rows(evaluation: Evaluation) -> Table:
    """The scores as a table for a terminal."""
    lines = []
    for name, score in evaluation.scores.items():
        texts = [_figure(getattr(score.found, part)) for part in ("value", "low", "high")]
        better = "lower" if score.lower_is_better else "higher"
        lines.append([name, texts[0], f"{texts[1]} … {texts[2]}", _figure(score.floor.value), better, score.about])
    return table(["score", ">", "95 %", ">real", "better", "what it is"], lines, fold=[5])


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _sliced(real: Images, other: Images, fake: Images, seed: int) -> dict[str, Score]:
    """The sliced Wasserstein distance of every level; its interval from fourths of the pictures, each with its like."""
    parts = np.array_split(np.arange(len(fake)), 4)

    def levels(pictures: Images) -> dict[int, Interval]:
        whole = swd(real, pictures, seed=seed)
        pieces = [swd(real[part], pictures[part], seed=seed) for part in parts]
        found = {}
        for level, value in whole.items():
            error = float(np.std([piece[level] for piece in pieces], ddof=1) / np.sqrt(len(parts)))
            found[level] = Interval(value, value - 1.96 * error, value + 1.96 * error, error)
        return found

    a, b = levels(fake), levels(other)
    return {f"swd-{level}": Score(f"sliced Wasserstein ×1000 at {level} px", True, a[level], b[level]) for level in a}


def kept(key: str, work: Callable[[], Features]) -> Features:
    """What ``work`` gives, remembered in the user's cache (``BOCETO_CACHE``, else ``~/.cache/boceto``)."""
    folder = Path(os.environ.get("BOCETO_CACHE") or Path.home() / ".cache" / "boceto")
    path = folder / "features" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
    with contextlib.suppress(Exception):  # a cache that cannot be read is none
        return load_file(path)["features"]
    found = work()
    with contextlib.suppress(Fault), replacing(path) as temporary:  # nor one that cannot be written
        save_file({"features": found}, temporary)
    return found
