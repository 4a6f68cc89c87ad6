"""How good, how varied: the scores of a trained run, each with the network it was told by, N, and an interval.

    generated and real pictures → features (kept) → FID, KID, precision …, and beside them the same of real ones alone

Two sets of real pictures are the floor that no generator passes: a score is read beside it, never alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import nn

from boceto import sampling
from boceto.clock import Clock
from boceto.data.deriving import reduced, require
from boceto.data.labels import short
from boceto.data.prepared import Prepared
from boceto.device import Compute
from boceto.errors import Fault, UsageError
from boceto.files import replacing, user_cache
from boceto.metrics import distances
from boceto.metrics import features as networks
from boceto.metrics.distances import Interval, around, intervals, of_share
from boceto.metrics.features import Network
from boceto.metrics.msssim import ms_ssim, scales
from boceto.metrics.swd import SMALLEST, swd
from boceto.recipe import Recipe
from boceto.reporting.tables import digits, share, table
from boceto.runs import Run
from boceto.scoring import ABOUT, Evaluation, Heeded, Score
from boceto.tagger.folder import Tagger

FEWEST = 50  # pictures of each kind below which nothing is told
_SUBSETS = 10  # halves that an interval is told from
_PARTS = 8  # of the pictures, that the interval of a sliced distance is told from
_PATCHES = 128 * 2048  # of a set, at a level of the pyramid
_NEAREST = 5  # neighbours that make a neighbourhood
_BLOCK = 4096  # numbers of pictures whose features are kept in one file

Images = NDArray[np.uint8]
Features = NDArray[np.float32]
Progress = Callable[[str, int, int], None]  # what is looked at, how many of it, of how many
_SHARES = ("precision", "recall", "coverage")
_ON_SCHEDULE = ("fid", "kid", "precision", "recall", "diversity")


def evaluate(
    run: Path | str,
    *,
    data: Path | str | None = None,
    samples: int = 2048,
    features: str = "lite0",
    tagger: Path | str | None = None,
    snapshot: str = "last",
    seed: int = 0,
    device_name: str = "auto",
    progress: Progress | None = None,
) -> Evaluation:
    """Score a run's snapshot on ``samples`` generated pictures and as many real ones, half the dataset's at most.

    ``data``: the dataset, if it has moved; another one than it was trained on is fine, and then the score's.
    ``tagger``: one that looks whether G heeds its labels; the network of ``features``, if that is a tagger.
    ``progress`` is told what is looked at, how many of it, and of how many.
    Raises UsageError for too few pictures or other shapes, Fault if a network's weights are missing.
    """
    opened = Run(run)
    prepared = dataset(opened, data)
    count = counted(prepared, samples)
    model = sampling.load(opened.folder, snapshot, device_name)
    eye = _eye(model, tagger, features)
    say = progress or _silent
    net = networks.network(features, model.compute.device, lambda done, of: say("MB of weights", done, of))
    say("drawings", 0, count)
    fake = model.sample(count, seed)
    shape = (fake.shape[1], fake.shape[2], fake.shape[3])
    reference = Reference(prepared, net, shape, samples, seed=seed, progress=say)
    return Evaluation(
        run=str(opened.folder.resolve()),
        nimg=model.nimg,
        features=net.name,
        count=count,
        data=prepared.content_hash,
        seed=seed,
        scores=reference.scores(fake, say),
        left_out=reference.left_out,
        tagger=eye.name if eye else None,
        heeded=heeded(model, fake, seed, eye) if eye else (),
    )


def _eye(model: sampling.Model, tagger: Path | str | None, features: str) -> Tagger | None:
    """The tagger that can see some of the labels that a run was told; None if none is named that can.

    Raises UsageError if the one that was asked for cannot.
    """
    blank = np.zeros((1, *model.image_shape[1:], model.image_shape[0]), np.uint8)
    if tagger is None:
        if model.labels and Tagger.exists(features):
            with contextlib.suppress(UsageError):  # pictures of another shape
                (found := Tagger(features)).fitted(blank)
                return found if _seen(model.labels, found) else None
        return None
    if not model.labels:
        raise UsageError(
            f"run {model.run.folder} was told no labels, so a tagger cannot see whether it heeds them; "
            f"leave --tagger out, or see what it shows with boceto tagger compare"
        )
    found = Tagger(tagger)
    if not _seen(model.labels, found):
        some = ", ".join(map(short, model.labels[:4]))
        raise UsageError(
            f"{tagger} tells none of the labels of {model.run.folder} ({some}{', …' if model.labels[4:] else ''}); "
            f"train a tagger with those tags, or leave --tagger out"
        )
    found.fitted(blank)
    return found


def _seen(names: Sequence[str], tagger: Tagger) -> dict[int, int]:
    """The places of labels → those of the tagger's tags or classes that are the same."""
    tags = {name: place for place, name in enumerate(tagger.tags)}
    return {place: tags[short(name)] for place, name in enumerate(names) if short(name) in tags}


def heeded(model: sampling.Model, fake: Images, seed: int, tagger: Tagger) -> tuple[Heeded, ...]:
    """Of each label that the tagger knows, on how many of the pictures ``model.sample(n, seed)`` it sees it: of those
    that were asked to show it, and of the others.
    """
    asked = model.asked(len(fake), seed) == 1
    said = tagger.said(tagger.probabilities(tagger.fitted(fake)))
    found = []
    for place, column in _seen(model.labels, tagger).items():
        of, claimed = asked[:, place], said[:, column]
        counts = (int(part.sum()) for part in (of, claimed & of, ~of, claimed & ~of))
        found.append(Heeded(model.labels[place], *counts))
    return tuple(found)


def dataset(run: Run, folder: Path | str | None = None) -> Prepared:
    """The dataset a run was begun with, at its old place or at the one that is given."""
    if folder is not None:
        return Prepared(folder)
    try:
        return Prepared(run.about["data"]["folder"])
    except UsageError as error:
        raise UsageError(
            f"the dataset of {run.folder} is no longer at {run.about['data']['folder']}; say where it is with --data"
        ) from error


def counted(data: Prepared, samples: int) -> int:
    """How many generated pictures are scored, and as many real ones: half the dataset's at most.

    Raises UsageError if they are too few to say anything.
    """
    if samples < FEWEST:
        raise UsageError(f"scores of {samples} pictures say nothing; ask for {FEWEST} or more")
    if (count := min(samples, len(data) // 2)) < FEWEST:
        raise UsageError(
            f"{data.folder} holds {len(data)} pictures; scores want {2 * FEWEST}, half to compare with and half to see "
            f"how far real ones lie apart"
        )
    return count


def by_features(
    data: Prepared, recipe: Recipe, compute: Compute, z_dim: int
) -> Callable[[nn.Module, Clock], Iterator[tuple[str, float]]]:
    """An evaluator that yields how near, good and varied G's average draws in the eyes of ``watch.features``.

    As ``kid-lite0``, by the network's name, with ``kid-lite0-error`` (standard error) and ``kid-lite0-floor`` (of other
    real pictures); on ``watch.scored`` pictures or half the dataset's, of the same latents, at the size G draws at.
    """
    count, watch, seed = counted(data, recipe.watch.scored), recipe.watch, recipe.train.seed
    z = sampling.latents(count, z_dim, seed, recipe.train.latents)
    net = networks.network(watch.features, compute.device)
    known: dict[tuple[int, int, int], Reference] = {}

    def score(ema: nn.Module, now: Clock) -> Iterator[tuple[str, float]]:
        fake = sampling.draw(ema, sampling.told(ema, z, seed), compute)
        shape = (fake.shape[1], fake.shape[2], fake.shape[3])
        if shape not in known:
            known[shape] = Reference(data, net, shape, count, seed=seed)
        told = known[shape].scores(fake)
        for name in _ON_SCHEDULE:
            if name in told:
                yield f"{name}-{net.name}", round(told[name].found.value, 5)
        for part, value in (("error", told["kid"].found.error), ("floor", told["kid"].floor.value)):
            yield f"kid-{net.name}-{part}", round(value, 5)

    return score


class Reference:
    """The real pictures that generated ones are scored against: looked at once, for any number of sets of these.

    Half of them are compared with; the other half are scored in the generated ones' place, and are the floor.
    """

    def __init__(
        self,
        data: Prepared,
        net: Network,
        shape: tuple[int, int, int],
        samples: int,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        """For sets of ``count`` pictures of ``shape`` (H, W, C): ``samples``, or half the dataset's.

        Which real pictures, and every other random choice, follows from ``seed``.
        Raises UsageError for too few pictures, or such as cannot be brought to that shape.
        """
        self.count = counted(data, samples)
        if shape[2] > data.shape[2]:
            raise UsageError(
                f"{data.folder} holds grey pictures, those to score have colours; prepare the dataset without --grey"
            )
        require(data, shape)
        self.net, self.shape, self.seed = net, shape, seed
        say = progress or _silent
        order = np.random.Generator(np.random.PCG64(seed)).permutation(len(data))[: 2 * self.count]
        features = real_features(data, order, shape, net, lambda done, of: say("real pictures", done, of))
        pictures = reduced(data.gather(order), shape)
        self._real = _Set(pictures[: self.count], features[: self.count])
        self._other = _Set(pictures[self.count :], features[self.count :])
        self.left_out = {}  # score → why it is not told
        if self.count <= features.shape[1]:
            self.left_out["fid"] = (
                f"{self.count:,} pictures are no more than the {features.shape[1]:,} features; kid has no such bias"
            )

    @cached_property
    def floor(self) -> dict[str, Interval]:
        """What other real pictures reach: name → score."""
        return self._told(self._other)

    def scores(self, fake: Images, progress: Progress | None = None) -> dict[str, Score]:
        """All scores of generated pictures, uint8 (count, H, W, C), by name."""
        if fake.shape != (self.count, *self.shape):
            raise ValueError(f"pictures to score are {(self.count, *self.shape)}, not {fake.shape}")
        say = progress or _silent
        features = networks.extract(fake, self.net, lambda done, of: say("generated pictures", done, of))
        found = self._told(_Set(fake, features))
        return {name: Score(*about(name, self.shape), found[name], self.floor[name]) for name in found}

    def _told(self, other: _Set) -> dict[str, Interval]:
        real, fake = self._real, other
        found = in_features(real.features, fake.features, self.net, fid="fid" not in self.left_out, seed=self.seed)
        found["ms-ssim"] = _similarity(fake.pictures, self.seed)
        if min(self.shape[:2]) >= SMALLEST:
            found |= _sliced(real.pictures, fake.pictures, self.seed)
        # Of all of them kid alone may be below 0.
        return {name: told if name == "kid" else replace(told, low=max(told.low, 0.0)) for name, told in found.items()}


@dataclass(frozen=True)
class _Set:
    pictures: Images
    features: Features


def about(name: str, shape: tuple[int, int, int]) -> tuple[str, bool | None]:
    """What a score of that name is, of pictures of ``shape`` (H, W, C), and ``Score.lower_is_better``."""
    if name.startswith("swd-"):
        return f"sliced Wasserstein ×1000 at {name.removeprefix('swd-')} px", True
    if name == "ms-ssim":
        return f"likeness of two at {scales(*shape[:2])} scales, 1 = the same", None
    return ABOUT[name]


def in_features(
    real: Features, fake: Features, net: Network, *, fid: bool = True, seed: int = 0
) -> dict[str, Interval]:
    """The scores that lie in features (N, D) alone, of ``fake`` against ``real``, by name."""
    probabilities = None if net.logits is None else net.logits(torch.from_numpy(fake)).softmax(dim=1).cpu().numpy()

    def measures(i: NDArray[np.int64], j: NDArray[np.int64]) -> dict[str, float]:
        a, b = real[i], fake[j]
        found = {"kid": 1000 * distances.kernel(a, b), **asdict(distances.reach(a, b, _NEAREST))}
        found["diversity"] = distances.diversity(b) / max(distances.diversity(a), 1e-12)
        if fid:
            found["fid"] = distances.frechet(a, b)
        if probabilities is not None:
            found["inception"] = distances.inception_score(probabilities[j])
        return found

    found = intervals(measures, len(real), len(fake), subsets=_SUBSETS, seed=seed)
    return {name: of_share(score, len(fake)) if name in _SHARES else score for name, score in found.items()}


def _similarity(pictures: Images, seed: int) -> Interval:
    """MS-SSIM of half as many pairs as there are pictures, each in one of them: mean and interval."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(pictures))[: len(pictures) // 2 * 2]
    found = ms_ssim(pictures[order[0::2]], pictures[order[1::2]])
    return around(float(found.mean()), float(found.std(ddof=1) / np.sqrt(len(found))), len(found) - 1)


def _sliced(real: Images, fake: Images, seed: int) -> dict[str, Interval]:
    """The sliced Wasserstein distance of every level; its interval from eighths of the pictures, each with its like.

    The more pictures, the fewer patches are cut of each, so that the memory it takes has a bound.
    """
    patches = min(128, max(8, _PATCHES // len(real)))
    whole = swd(real, fake, seed=seed, patches=patches)
    pieces = [
        swd(real[part], fake[part], seed=seed, patches=patches, directions=128)
        for part in np.array_split(np.arange(len(fake)), _PARTS)
    ]
    return {
        f"swd-{level}": around(
            value, float(np.std([piece[level] for piece in pieces], ddof=1) / np.sqrt(_PARTS)), _PARTS - 1
        )
        for level, value in whole.items()
    }


def rows(evaluation: Evaluation) -> Table:
    """The scores as a table for a terminal."""
    lines = []
    for name, score in evaluation.scores.items():
        texts = [digits(getattr(score.found, part)) for part in ("value", "low", "high")]
        interval = f"{texts[1]} … {texts[2]}"
        lines.append([name, texts[0], interval, digits(score.floor.value), score.better, score.about])
    return table(["score", ">", "95 %", ">real", "better", "what it is"], lines, fold=[5])


def remarks(told: Evaluation) -> list[str]:
    """What the scores were told by and on, and which are left out, in lines."""
    on = f"{told.count:,} generated and as many real pictures, after {told.nimg:,} images"
    return [
        f"by {told.features}, of {on}, seed {told.seed}, data {told.data[:12]}",
        *(f"{name} is not told: {why}" for name, why in told.left_out.items()),
        *([f"does it heed its labels, in the eyes of {told.tagger}:"] if told.heeded else []),
        *(
            f"  {short(one.label)}: seen on {share(one.shown, one.asked)} of the pictures told to show it, and on "
            f"{share(one.shown_unasked, one.others)} of the others"
            for one in told.heeded
        ),
    ]


def _silent(what: str, done: int, of: int) -> None:
    """Say nothing."""


# ── what is remembered in the user's cache: BOCETO_CACHE, else ~/.cache/boceto ──


def real_features(
    data: Prepared,
    numbers: NDArray[np.int64],
    shape: tuple[int, int, int],
    net: Network,
    progress: Callable[[int, int], None] | None = None,
) -> Features:
    """Features of the pictures of these numbers, reduced to ``shape``: (n, D). None is looked at twice.

    They are kept by (content hash, network, shape), in blocks of numbers that grow as others are asked for, whatever
    seed and count chose them; what is done stays, however the rest ends.
    """
    rows: dict[int, NDArray[np.float32]] = {}
    for block in np.unique(numbers // _BLOCK):
        path = _place(f"{data.content_hash}-{net.name}-{shape}-{block}")
        stored = _read(path)
        known = dict(zip(stored["numbers"].tolist(), stored["features"], strict=True)) if stored else {}
        wanted = numbers[numbers // _BLOCK == block].tolist()
        if missing := sorted(set(wanted) - set(known)):
            before = len(rows) + len(wanted) - len(missing)

            def say(done: int, of: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + done, len(numbers))

            new = networks.extract(reduced(data.gather(missing), shape), net, say)
            known |= zip(missing, new, strict=True)
            _write(path, {"numbers": np.array(list(known)), "features": np.stack(list(known.values()))})
        rows |= {number: known[number] for number in wanted}
    return np.stack([rows[number] for number in numbers.tolist()])


def kept(key: str, work: Callable[[], Features]) -> Features:
    """What ``work`` gives, remembered in the user's cache (``BOCETO_CACHE``, else ``~/.cache/boceto``)."""
    path = _place(key)
    if "features" in (known := _read(path)):
        return known["features"]
    found = work()
    _write(path, {"features": found})
    return found


def _place(key: str) -> Path:
    return user_cache() / "features" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"


def _read(path: Path) -> dict[str, NDArray[Any]]:
    with contextlib.suppress(Exception), safe_open(path, "np") as file:  # a cache that cannot be read is none
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dict
        if file.metadata()["sha256"] == _digest(arrays):
            return arrays
    return {}


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype} {arrays[name].shape} ".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    own = path.with_name(f"{path.stem}-{os.getpid()}{path.suffix}")  # two processes may be at it
    with contextlib.suppress(Fault, OSError):  # one that cannot be written is none either
        with replacing(own) as temporary:
            save_file(arrays, temporary, {"sha256": _digest(arrays)})
        own.replace(path)
