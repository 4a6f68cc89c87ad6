"""Does G draw jittered pictures? Augmentation is to be seen by D alone; where it leaks, G draws holes or odd colours.

    real pictures, each jitter of the recipe by itself ─▶ detectors of each ─▶ what they call jittered of G's pictures

The share of generated pictures that a detector calls jittered is read beside that of real ones, which it calls so by
mistake, and that of jittered ones, which it finds (``metrics/jittered.py``). Two views of a picture are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import numpy as np
from PIL import Image
from rich.table import Table

from boceto import sampling
from boceto.data.deriving import reduced, require
from boceto.data.prepared import Prepared
from boceto.errors import UsageError
from boceto.evaluating import dataset
from boceto.files import image_format, write_image
from boceto.metrics import features as networks
from boceto.metrics.distances import Interval
from boceto.metrics.features import Images
from boceto.metrics.jittered import VIEWS, Detector, Look, Looked, Numbers, jittered, looks, share
from boceto.nn.augment import expanded
from boceto.recipe import Recipe
from boceto.reporting.suspects import Row, suspects
from boceto.reporting.tables import table
from boceto.runs import Run

FEWEST = 64  # real pictures to learn from and be judged by, and generated ones
_REAL = 1000  # real pictures at most: half to learn from, half unseen
_VIEWS = 500  # of each half, of few pictures several times
_LEAST = 0.05  # a share that is worth telling, with an interval that keeps off 0 by
_CLEAR = 0.02  # this
_PLENTY = 0.25  # a share that a duller view is believed in
_BLIND = 0.25  # a detector that finds fewer jittered pictures than that, beyond its mistakes, sees nothing
_JITTERED, _SUSPECTS = 3, 8  # pictures in a row of the figure

Say = Callable[[str, int, int], None]
Verdict = Literal["leaks", "no leak", "cannot tell"]


@dataclass(frozen=True)
class Leak:
    """What was found of one jitter: shares called jittered of generated, real and jittered real pictures, and so on."""

    jitter: str
    view: str  # in which
    generated: float
    real: float
    jittered: float
    share: Interval  # of generated pictures that are jittered, if the others are as real ones
    suspicion: tuple[float, ...]  # of each generated picture; above 0 it is called jittered

    @property
    def blind(self) -> bool:
        """Does the detector hardly tell jittered pictures from others?"""
        return self.jittered - self.real < _BLIND

    @property
    def verdict(self) -> Verdict:
        """What it comes to."""
        if self.blind:
            return "cannot tell"
        return "leaks" if self.share.value >= _LEAST and self.share.low > _CLEAR else "no leak"


@dataclass(frozen=True)
class Leaks:
    """What was found of ``count`` generated pictures after ``nimg`` images, jitter by jitter."""

    run: str
    nimg: int
    features: str
    count: int
    data: str  # content hash
    seed: int
    p: float  # the highest probability with which the jitters may have acted
    jitters: tuple[Leak, ...]
    left_out: Mapping[str, str]  # jitter → why it is not looked for
    figure: str
    adaptive: bool = False

    @property
    def evidence(self) -> list[str]:
        """The verdict in sentences, the first what it comes to, with the remedy."""
        found = {verdict: [leak for leak in self.jitters if leak.verdict == verdict] for verdict in _VERDICTS}
        said = []
        if leaking := sorted(found["leaks"], key=lambda leak: -leak.share.value):
            names = ", ".join(f"{leak.jitter} in {_percent(leak.share)} of them" for leak in leaking)
            key = "bound" if self.adaptive else "p"
            out = " or ".join(leak.jitter for leak in leaking)
            said.append(
                f"jitter leaks into {self.count:,} generated pictures: {names}; train with a lower augment.{key} "
                f"(it was {self.p:g}), or leave {out} out of augment.policy"
            )
        elif found["no leak"]:
            names = ", ".join(leak.jitter for leak in found["no leak"])
            said.append(f"no jitter seen in {self.count:,} generated pictures ({names})")
        if blind := found["cannot tell"]:
            names = ", ".join(leak.jitter for leak in blind)
            said.append(f"of {names} nothing can be told: drawings look alike with it and without")
        return said + [f"{jitter} is not looked for: {why}" for jitter, why in self.left_out.items()]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        verdicts = {leak.jitter: leak.verdict for leak in self.jitters}
        return {**asdict(self), "verdicts": verdicts, "evidence": self.evidence}


_VERDICTS: tuple[Verdict, ...] = ("leaks", "no leak", "cannot tell")


def leaks(
    run: Path | str,
    *,
    data: Path | str | None = None,
    n: int = 512,
    features: str = "lite0",
    snapshot: str = "last",
    seed: int = 0,
    device_name: str = "auto",
    out: Path | str | None = None,
    progress: Say | None = None,
) -> Leaks:
    """Look for the jitter of a run's recipe in ``n`` generated pictures, and draw the most suspicious ones.

    ``data``: the dataset, if it has moved; ``out``: the figure, ``figures/leaks.png`` of the run if not given.
    ``progress`` is told what is looked at, how many pictures of it, and of how many. Raises UsageError if the run was
    trained without jitter, for too few pictures, or such as cannot be brought to its shape.
    """
    opened = Run(run)
    recipe = opened.treated
    wanted, left_out = sought(recipe, opened)
    if n < FEWEST:
        raise UsageError(f"{n} generated pictures say nothing of a share; ask for {FEWEST} or more (-n)")
    prepared = dataset(opened, data)
    path = Path(out) if out is not None else opened.folder / "figures" / "leaks.png"
    image_format(path)
    model = sampling.load(opened.folder, snapshot, device_name)
    net = networks.network(features, model.compute.device)
    channels, height, width = model.image_shape
    real = real_pictures(prepared, (height, width, channels), seed, flip=recipe.data.flip)
    fake = model.sample(n, seed)
    every = (1 + len(wanted)) * (sum(len(half) for half in _halves(real)) + n)
    done = 0

    def looked(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress("pictures", done, every)

    found = sought_in(fake, Known(real, looks(net, looked), seed), wanted)
    told = Leaks(
        run=str(opened.folder.resolve()),
        nimg=model.nimg,
        features=net.name,
        count=n,
        data=prepared.content_hash,
        seed=seed,
        p=recipe.augment.bound if recipe.augment.adaptive else recipe.augment.p,
        jitters=tuple(found),
        left_out=left_out,
        figure=str(path),
        adaptive=recipe.augment.adaptive,
    )
    write_image(path, _figure(told, fake, real))
    return told


def sought(recipe: Recipe, run: Run) -> tuple[list[str], dict[str, str]]:
    """The jitters to look for in a run's pictures, and those that are not, with the reason.

    Raises UsageError if there are none.
    """
    named = list(dict.fromkeys(expanded(recipe.augment.policy)))
    left_out = {"flip": "data.flip mirrors the drawings themselves"} if recipe.data.flip and "flip" in named else {}
    if not (wanted := [name for name in named if name not in left_out]):
        why = next(iter(left_out.values()), "its augment.policy is empty")
        raise UsageError(f"nothing can leak into the pictures of {run.folder}: {why}")
    return wanted, left_out


def real_pictures(data: Prepared, shape: tuple[int, int, int], seed: int, flip: bool = False) -> Images:
    """Pictures of a dataset at ``shape`` (H, W, C), chosen by ``seed``; with ``flip`` every other one is mirrored.

    Raises UsageError if they are too few, or cannot be brought to that shape.
    """
    require(data, shape)
    if len(data) < FEWEST:
        raise UsageError(
            f"{data.folder} holds {len(data)} pictures; to tell jittered ones from others takes {FEWEST} or more"
        )
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(data))[:_REAL]
    images = reduced(data.gather(order), shape)
    if flip:
        images[::2] = images[::2, :, ::-1].copy()
    return images


class Known:
    """Real pictures (N, H, W, C), half to learn from and half to be judged by: as they are, and with any jitter."""

    def __init__(self, real: Images, look: Look, seed: int) -> None:
        self.look, self.seed = look, seed
        self.unseen = len(real) - len(real) // 2  # different ones to be judged by
        self._halves = _halves(real)
        self._looked: dict[str | None, tuple[Looked, Looked]] = {}

    def looked(self, jitter: str | None) -> tuple[Looked, Looked]:
        """Both halves, with a jitter acting or none; once."""
        if jitter not in self._looked:
            first, second = self._halves
            self._looked[jitter] = (
                self.look(jittered(first, jitter, self.seed)),
                self.look(jittered(second, jitter, self.seed + 1)),
            )
        return self._looked[jitter]


def _halves(real: Images) -> tuple[Images, Images]:
    """Pictures to learn from, and others to be judged by; few of them several times."""
    parts = (real[: len(real) // 2], real[len(real) // 2 :])
    first, second = (np.concatenate([part] * max(1, round(_VIEWS / len(part)))) for part in parts)
    return first, second


def sought_in(fake: Images, known: Known, jitters: Sequence[str]) -> Iterator[Leak]:
    """What is found of each of these jitters in pictures (N, H, W, C).

    In the view that finds most jittered real pictures; or in the other if by it at least a quarter of these pictures
    are jittered. Detectors that have learned from so many take them for usual, and more so the better their eyes are.
    """
    plain = known.look(jittered(fake, None, known.seed + 2))
    for jitter in jitters:
        moved = known.look(jittered(fake, jitter, known.seed + 2))
        told = [_judged(jitter, view, known, plain[view], moved[view]) for view in VIEWS]
        sharp, dull = sorted(told, key=lambda leak: leak.real - leak.jittered)
        plenty = not dull.blind and dull.share.low > max(_PLENTY, sharp.share.low)
        yield dull if plenty else sharp


def _judged(jitter: str, view: str, known: Known, plain: Numbers, moved: Numbers) -> Leak:
    """One jitter in one view of pictures (N, D) as they are; ``moved``: the same with it."""
    (learned, unseen), (learned_moved, unseen_moved) = (
        [half[view] for half in known.looked(name)] for name in (None, jitter)
    )
    suspicion, detectors = np.empty(len(plain)), []
    for first in (0, 1):  # every other picture, by a detector that has learned from the others
        detector = Detector.learned(
            np.concatenate([learned, plain[1 - first :: 2]]),
            np.concatenate([learned_moved, moved[1 - first :: 2]]),
            unseen,
            unseen_moved,
        )
        suspicion[first::2] = detector.suspicion(plain[first::2])
        detectors.append(detector)
    f, t = (fmean(getattr(one, name) for one in detectors) for name in ("by_nature", "found"))
    called = float((suspicion > 0).mean())
    leaked = share(called, len(plain), f, t, known.unseen)
    return Leak(jitter, view, called, f, t, leaked, tuple(suspicion.tolist()))


def _percent(share: Interval) -> str:
    return f"{100 * share.value:.0f} % ({100 * share.low:.0f} … {100 * share.high:.0f})"


def rows(told: Leaks) -> Table:
    """Jitter by jitter as a table for a terminal."""
    lines = [
        [
            leak.jitter,
            *(f"{100 * share:.0f} %" for share in (leak.generated, leak.real, leak.jittered)),
            _percent(leak.share),
            leak.verdict,
        ]
        for leak in told.jitters
    ]
    return table(["called jittered", ">generated", ">real", ">jittered real", ">leaked", "verdict"], lines)


def _figure(told: Leaks, fake: Images, real: Images) -> Image.Image:
    """A row a jitter: real pictures with it, and the generated ones that look most like having it."""
    made = []
    for leak in told.jitters:
        order = np.argsort(leak.suspicion)[::-1][:_SUSPECTS]
        made.append(
            Row(
                f"{leak.jitter}\n{_percent(leak.share) if leak.verdict != 'cannot tell' else 'cannot tell'}",
                jittered(real[:_JITTERED], leak.jitter, told.seed),
                fake[order],
                [leak.suspicion[i] > 0 for i in order],
                leak.verdict == "leaks",
            )
        )
    return suspects(made, ("real ones with it", "the most suspicious generated ones"), told.evidence[0])
