"""Did the generator copy? Generated pictures beside their nearest training pictures, read against unseen real ones.

    generated pictures ──┐                        ┌─ how far it is, and how much nearer than the next ones: the ratio
                         ├─ nearest of training ──┤
    unseen real ones  ───┘   in three views       └─ the same where nothing can have been copied

Unseen are the pictures that the run held out; and, so that there are enough, training pictures that are looked for
among all the others (leave one out). A picture looks copied if a training picture is nearer to it than the next ones
are by far more than unseen ones know it. Where drawings repeat each other, unseen ones look copied too, and only more
of them than by nature are a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.table import Table

from boceto import sampling
from boceto.data.deriving import reduced, require
from boceto.data.prepared import Prepared
from boceto.errors import UsageError, printable
from boceto.evaluating import dataset, kept, real_features
from boceto.files import image_format, write_image
from boceto.metrics import copying, likeness
from boceto.metrics import features as networks
from boceto.metrics.copying import DataCopying
from boceto.metrics.features import Network
from boceto.metrics.likeness import MIDDLE, Aligned, Search, Window
from boceto.reporting.lookalikes import Row, lookalikes
from boceto.reporting.tables import table
from boceto.runs import Run

VIEWS = ("pixels", "outlines", "features")
FEWEST = 16  # unseen real pictures below which nothing but plain copies can be told
_FEWEST_KNOWN = 3  # training pictures without which none is nearer than others
_UNSEEN = 1000  # unseen real pictures to read by, at most
_NEAREST = 50  # training pictures that a ratio is told from
_CANDIDATES, _OTHERS = 4, 5  # of them: aligned with care, and those the nearest is compared with
_AT_MOST = 0.5  # no ratio above is a copy's
_SPREADS = 4.0  # nor one that is not as far below the usual ones, in spreads of their logarithm
_LEAST = 0.01  # what is taken for the same picture
_APART = 0.7  # a ratio so many times the least of all unseen ones' is a copy's, however many repeat each other
_BY_CHANCE = 0.02  # how unlikely so many lookalikes must be where nothing is copied
_SET = 3.0  # standard errors of C_T that make a verdict
_CELL = 40  # pictures of each kind to a cell of C_T
_AT_ONCE, _ASKED = 1024, 512  # training pictures, and pictures asked about, that are held at a time
_SHOWN, _NAMED = 12, 3  # rows of the figure, and pictures named in words
_LARGER, _LIGHTER, _CONTRAST = 0.02, 4.0, 0.08  # what of an alignment is worth telling: shares, and grey levels

Images = NDArray[np.uint8]
Features = NDArray[np.float32]
Say = Callable[[str, int, int], None]
PLANES = ("distances", "ratios", "numbers", "hows")


# ── looking ──


@dataclass(frozen=True)
class Looked:
    """What pictures are nearest to, in each of the ``VIEWS``: all (3, Q) but ``features`` (Q, D)."""

    distances: NDArray[np.float32]
    ratios: NDArray[np.float32]
    numbers: NDArray[np.int64]  # of the nearest in the dataset
    hows: NDArray[np.object_]  # Aligned: how the picture lies upon it
    features: Features


@dataclass(frozen=True)
class Unseen:
    """How near unseen real pictures are to training pictures, (3, R); the first ``held_out`` of them were held out."""

    distances: NDArray[np.float32]
    ratios: NDArray[np.float32]
    features: Features  # (R, D)
    held_out: int


class Known:
    """The training pictures of a dataset, at the shape (H, W, C) in which they are compared."""

    def __init__(
        self, prepared: Prepared, held_out: int, shape: tuple[int, ...], net: Network, say: Say | None = None
    ) -> None:
        """Learns the features of all pictures, or takes them from the cache. Raises UsageError if too few or small."""
        height, width, channels = shape
        self._shape = height, width, channels
        require(prepared, self._shape)
        learned, aside = prepared.split(held_out)
        if len(learned) < _FEWEST_KNOWN:
            raise UsageError(
                f"{prepared.folder} holds {len(learned)} training pictures; to tell copies from likeness takes "
                f"{_FEWEST_KNOWN} or more"
            )
        self.learned, self.aside = learned.numbers, aside.numbers
        self._prepared, self._net = prepared, net
        self._say: Say = say or (lambda what, done, of: None)
        self._forms = likeness.windows()
        self._key = f"{prepared.content_hash}-{net.name}-{self._shape}"
        self._features = real_features(
            prepared, np.arange(len(prepared)), self._shape, net, lambda done, of: self._say("real pictures", done, of)
        )

    def pictures(self, numbers: NDArray[np.int64]) -> Images:
        """Those of the dataset, reduced."""
        return reduced(self._prepared.gather(numbers), self._shape)

    def unseen(self) -> Unseen:
        """Those held out, and training pictures, each looked for among the others: as many as are needed, or there."""
        random = np.random.Generator(np.random.PCG64(0))
        aside = self.aside[:_UNSEEN]
        places = np.sort(random.permutation(len(self.learned))[: _UNSEEN - len(aside)])
        numbers = np.concatenate([aside, self.learned[places]])
        own = np.concatenate([np.full(len(aside), -1), places])

        def work() -> Features:
            looked = self.look(self.pictures(numbers), "unseen real pictures", own)
            return np.stack([looked.distances, looked.ratios])

        distances, ratios = kept(f"unseen-{self._key}-{len(self.aside)}-{len(numbers)}", work)
        return Unseen(distances, ratios, self._features[numbers], len(aside))

    def look(self, images: Images, what: str, own: NDArray[np.int64] | None = None) -> Looked:
        """The nearest training pictures of these (Q, H, W, C), itself passed over where ``own`` (Q,) is its place."""
        parts = []
        for rows in _parts(np.arange(len(images)), _ASKED):
            places = np.full(len(rows), -1) if own is None else own[rows]
            parts.append(self._look(images[rows], places))
            self._say(what, int(rows[-1]) + 1, len(images))
        planes = {name: np.concatenate([getattr(part, name) for part in parts], axis=1) for name in PLANES}
        return Looked(**planes, features=np.concatenate([part.features for part in parts]))

    def _look(self, images: Images, own: NDArray[np.int64]) -> Looked:
        plain, mirrored = (networks.extract(each, self._net) for each in (images, images[:, :, ::-1]))
        count = min(_NEAREST, len(self.learned) - (1 if (own >= 0).any() else 0))
        descriptors = {"pixels": likeness.pixels, "outlines": likeness.outlines}
        searches = {name: Search(self._described(images, make), count, own) for name, make in descriptors.items()}
        both = torch.from_numpy(np.stack([plain, mirrored], axis=1))
        searches["features"] = Search(both, count, own)
        for numbers in _parts(self.learned, _AT_ONCE):
            middles = likeness.shown(
                likeness.whole(self.pictures(numbers), likeness.COARSE), [MIDDLE], likeness.COARSE
            )[:, 0]
            for name, make in descriptors.items():
                searches[name].add(make(middles))
            searches["features"].add(torch.from_numpy(self._features[numbers]))
        distances, ratios, numbers, hows = self._aligned(images, searches["pixels"])
        told = [(distances, ratios, numbers, hows)]
        for name, forms in (("outlines", self._forms), ("features", [MIDDLE, Window(mirrored=True)])):
            search = searches[name]
            found = search.distances
            other = found[:, _others(count)].mean(axis=1)
            how = np.array([Aligned(d, forms[form]) for d, form in zip(found[:, 0], search.forms[:, 0], strict=True)])
            told.append((found[:, 0], _ratio(found[:, 0], other), self.learned[search.numbers[:, 0]], how))
        return Looked(
            **{name: np.stack(plane) for name, plane in zip(PLANES, zip(*told, strict=True), strict=True)},
            features=plain,
        )

    def _described(self, images: Images, make: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """(Q, V, D): what every window shows."""
        found = []
        for rows in _parts(np.arange(len(images)), 32):
            views = likeness.shown(likeness.whole(images[rows], likeness.COARSE), self._forms, likeness.COARSE)
            found.append(make(views.flatten(0, 1)).unflatten(0, views.shape[:2]))
        return torch.cat(found)

    def _aligned(self, images: Images, search: Search) -> tuple[Any, Any, Any, Any]:
        """Distances, ratios, numbers and alignments by pixels: the first candidates with care, others as they stand."""
        count = search.numbers.shape[1]
        others = _others(count)
        others = others[np.unique(np.linspace(0, len(others) - 1, _OTHERS).round().astype(int))]
        fine = likeness.whole(images, likeness.FINE)
        told = []
        for picture, places, forms in zip(fine, search.numbers, search.forms, strict=True):
            near = min(_CANDIDATES, count)
            chosen = np.concatenate([np.arange(near), others])
            known = likeness.whole(self.pictures(self.learned[places[chosen]]), likeness.FINE)
            middles = likeness.shown(known, [MIDDLE], likeness.FINE)[:, 0]
            starts = [self._forms[form] for form in forms[chosen]]
            careful = [likeness.aligned(picture, middles[i], starts[i]) for i in range(near)]
            rest = [likeness.compared(picture, middles[i], [starts[i]]) for i in range(near, len(chosen))]
            best = min(range(near), key=lambda i: careful[i].distance)
            usual = float(np.mean([found.distance for found in rest]))
            told.append((careful[best].distance, usual, self.learned[places[chosen[best]]], careful[best]))
        nearest, usuals, numbers, hows = (np.array(plane) for plane in zip(*told, strict=True))
        return nearest.astype(np.float32), _ratio(nearest, usuals), numbers, hows


def _parts(numbers: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _others(count: int) -> NDArray[np.int64]:
    """The places, of so many nearest, that the nearest is compared with: the first fifth may be repetitions of it."""
    return np.arange(max(1, count // 5), count)


def _ratio(nearest: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float32]:
    ratio: NDArray[np.float32] = (nearest / np.maximum(other, 1e-6)).astype(np.float32)
    return ratio


# ── judging ──


@dataclass(frozen=True)
class Level:
    """What is usual of a ratio among unseen real pictures, and what is not: at most ``limit`` is as of a copy."""

    limit: float
    usual: float  # their median
    least: float

    @classmethod
    def of(cls, ratios: NDArray[np.float32]) -> Level:
        """So far below the usual ones, by the spread of those just below, and half at most."""
        logs = np.log(np.maximum(ratios.astype(np.float64), _LEAST))
        median, low = np.percentile(logs, [50, 15.87])  # one standard deviation, whatever lies farther below
        limit = min(_AT_MOST, np.exp(median - _SPREADS * (median - low)))
        return cls(float(limit), float(np.median(ratios)), float(ratios.min()))


@dataclass(frozen=True)
class Judgement:
    """Which pictures look copied (Q,), by the mean of their ratios in all views, and how that is to be taken."""

    level: Level  # of the means,
    views: Mapping[str, Level]  # and of each view
    nearness: NDArray[np.float32]  # (Q,): the means
    by_nature: int  # unseen real pictures that look copied
    by_chance: float  # how likely so many generated ones do if nothing is copied
    c_t: DataCopying | None

    @property
    def copied(self) -> NDArray[np.bool_]:
        """Which pictures look copied."""
        found: NDArray[np.bool_] = self.nearness <= self.level.limit
        return found

    @property
    def verdict(self) -> Literal["copies", "nearer than unseen", "no copies"]:
        """What it comes to."""
        apart = self.level.limit if not self.by_nature else _APART * self.level.least
        if (self.nearness <= apart).any() or self.by_chance < _BY_CHANCE:
            return "copies"
        return "nearer than unseen" if self.c_t is not None and self.c_t.z < -_SET else "no copies"


def judge(unseen: Unseen, looked: Looked) -> Judgement:
    """Read what was looked at by what unseen real pictures give."""
    nearness, natural = nearnesses(looked.ratios), nearnesses(unseen.ratios)
    level = Level.of(natural)
    found, by_nature = int((nearness <= level.limit).sum()), int((natural <= level.limit).sum())
    return Judgement(
        level=level,
        views={view: Level.of(ratios) for view, ratios in zip(VIEWS, unseen.ratios, strict=True)},
        nearness=nearness,
        by_nature=by_nature,
        by_chance=copying.surplus(found, len(nearness), by_nature, len(natural)),
        c_t=_set(unseen, looked),
    )


def nearnesses(ratios: NDArray[np.float32]) -> NDArray[np.float32]:
    """The geometric mean of the three views' ratios: (3, Q) → (Q,). None below a hundredth counts for more."""
    found: NDArray[np.float32] = np.exp(np.log(np.maximum(ratios, _LEAST)).mean(axis=0)).astype(np.float32)
    return found


def _set(unseen: Unseen, looked: Looked) -> DataCopying | None:
    """C_T in the space of the features; of the unseen ones those held out, if they are enough."""
    chosen = slice(0, unseen.held_out) if unseen.held_out >= FEWEST else slice(unseen.held_out, None)
    real, features = unseen.distances[2, chosen], unseen.features[chosen]
    count = max(1, min(len(real), looked.distances.shape[1]) // _CELL)
    learned = unseen.features[unseen.held_out :]
    middles = copying.centres(learned if len(learned) >= count else unseen.features, count)
    return copying.data_copying(
        real, looked.distances[2], copying.cells(features, middles), copying.cells(looked.features, middles)
    )


# ── telling ──


@dataclass(frozen=True)
class Match:
    """The nearest training picture in one view."""

    number: int  # in the dataset
    path: str  # in the dataset's source
    distance: float  # pixels: RMS in grey levels; else Euclidean, in the view's own scale
    ratio: float  # of it to the distance of the next ones: 1 = no nearer than others, 0 = the same picture
    how: str  # how the picture lies upon it: "as it is", "mirrored, 3 px to the right"
    copied: bool  # is it near as a copy is, in this view?


@dataclass(frozen=True)
class Lookalike:
    """A generated picture (``number`` of its seed) and its nearest training pictures."""

    number: int
    nearness: float  # geometric mean of the views' ratios
    percentile: float  # of it among unseen real pictures, 0 … 100
    copied: bool  # does it look copied?
    matches: Mapping[str, Match]  # view → nearest

    @property
    def nearest(self) -> Match:
        """Where it is nearest."""
        return min(self.matches.values(), key=lambda match: match.ratio)


@dataclass(frozen=True)
class Originality:
    """What was found of ``count`` generated pictures after ``nimg`` images, the most suspicious first."""

    run: str
    nimg: int
    features: str
    count: int
    data: str  # content hash
    seed: int
    training: int  # pictures it may have copied
    held_out: int  # unseen real pictures that were never trained on,
    left_out: int  # and that are training pictures, each looked for among the others
    verdict: Literal["copies", "nearer than unseen", "no copies", "cannot tell"]
    by_nature: int  # unseen real pictures that look copied
    by_chance: float  # how likely so many generated ones do if nothing is copied
    c_t: DataCopying | None
    level: Level  # by which the nearness of a picture is read,
    views: Mapping[str, Level]  # and its ratio in a view
    pictures: tuple[Lookalike, ...]
    figure: str

    @property
    def copied(self) -> list[int]:
        """The numbers of those that look copied."""
        return [picture.number for picture in self.pictures if picture.copied]

    @property
    def evidence(self) -> list[str]:
        """The verdict in sentences, the first what it comes to."""
        others = self.held_out + self.left_out
        nature = f"{self.by_nature:,} of {others:,} unseen real ones"
        if self.c_t is None:
            whole = f"C_T is not told: it takes {copying.FEWEST_IN_CELL} generated pictures that are alike (-n)"
        else:
            where = "nearer" if self.c_t.z < -_SET else "farther" if self.c_t.z > _SET else "no nearer and no farther"
            whole = (
                f"the set as a whole lies {where} than unseen real pictures do "
                f"(C_T = {self.c_t.c_t:+.1f}; 0 ± {self.c_t.error:.1f} where nothing is copied)"
            )
        said = {
            "copies": [f"{len(self.copied)} of {self.count:,} look copied, and {nature}", self._named(), whole],
            "nearer than unseen": [whole],
            "no copies": [f"no copies seen among {self.count:,}", whole],
            "cannot tell": [f"cannot tell: only {others} real pictures to read by, {FEWEST} are needed"],
        }[self.verdict]
        if self.copied and self.verdict != "copies":
            lie = "1 lies" if len(self.copied) == 1 else f"{len(self.copied)} lie"
            said += [f"{lie} as near to a training picture as a copy would, but so do {nature}", self._named()]
        if self.held_out < FEWEST:
            said.append(
                "the run held no pictures out, so it is read by its training pictures, each looked for among the "
                "others: how alike real pictures are, not how unseen ones fare"
            )
        return said

    def _named(self) -> str:
        """Which they are, and what of."""
        found = [(picture.number, picture.nearest) for picture in self.pictures if picture.copied]
        said = [f"picture {number} is {printable(match.path)} ({match.how})" for number, match in found[:_NAMED]]
        more = len(found) - _NAMED
        return "; ".join([*said, f"and {more} more"] if more > 0 else said)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {**asdict(self), "copied": self.copied, "evidence": self.evidence}


def originality(
    run: Path | str,
    *,
    data: Path | str | None = None,
    n: int = 64,
    features: str = "lite0",
    snapshot: str = "last",
    seed: int = 0,
    device_name: str = "auto",
    out: Path | str | None = None,
    progress: Say | None = None,
) -> Originality:
    """Look for ``n`` generated pictures among those a run was trained on, and draw the most suspicious ones.

    ``data``: the dataset, if it has moved; ``out``: the figure, ``figures/originality.png`` of the run if not given.
    ``progress`` is told what is looked at, how many pictures of it, and of how many. Raises UsageError for another
    dataset or a number of pictures that cannot be, Fault if the snapshot's weights are no numbers.
    """
    opened = Run(run)
    prepared = dataset(opened, data)
    path = Path(out) if out is not None else opened.folder / "figures" / "originality.png"
    image_format(path)
    if prepared.content_hash != opened.about["data"]["content_hash"]:
        raise UsageError(
            f"{prepared.folder} is not what {opened.folder} was trained on; give that dataset with --data, or look "
            f"where it was: {opened.about['data']['folder']}"
        )
    records = prepared.records()
    model = sampling.load(opened.folder, snapshot, device_name)
    net = networks.network(features, model.compute.device)
    fake = model.sample(n, seed)
    known = Known(prepared, opened.held_out, fake.shape[1:], net, _altogether(len(prepared), n, progress))
    unseen = known.unseen()
    looked = known.look(fake, "generated pictures")
    judged = judge(unseen, looked)
    natural = nearnesses(unseen.ratios)
    pictures = []
    for number in map(int, judged.nearness.argsort(kind="stable")):
        matches = {
            view: Match(
                number=int(looked.numbers[i, number]),
                path=records[looked.numbers[i, number]].path,
                distance=float(looked.distances[i, number]),
                ratio=float(looked.ratios[i, number]),
                how=in_words(looked.hows[i, number], fake.shape[1], fake.shape[2]),
                copied=bool(looked.ratios[i, number] <= judged.views[view].limit),
            )
            for i, view in enumerate(VIEWS)
        }
        nearness = judged.nearness[number]
        percentile = float(100 * (natural <= nearness).mean())
        pictures.append(Lookalike(number, float(nearness), percentile, bool(judged.copied[number]), matches))
    others = unseen.ratios.shape[1]
    told = Originality(
        run=str(opened.folder.resolve()),
        nimg=model.nimg,
        features=net.name,
        count=n,
        data=prepared.content_hash,
        seed=seed,
        training=len(known.learned),
        held_out=unseen.held_out,
        left_out=others - unseen.held_out,
        verdict="cannot tell" if judged.verdict != "copies" and others < FEWEST else judged.verdict,
        by_nature=judged.by_nature,
        by_chance=judged.by_chance,
        c_t=judged.c_t,
        level=judged.level,
        views=judged.views,
        pictures=tuple(pictures),
        figure=str(path),
    )
    write_image(path, _figure(told, fake, known))
    return told


def _altogether(pictures: int, n: int, progress: Say | None) -> Say | None:
    """One count of all that is looked at."""
    whole = pictures + min(_UNSEEN, pictures) + n
    before = {"real pictures": 0, "unseen real pictures": pictures, "generated pictures": whole - n}
    return None if progress is None else lambda what, done, of: progress(what, before[what] + done, whole)


def in_words(how: Aligned, height: int, width: int) -> str:
    """What was done to the training picture: ``mirrored, 3 px to the right, 5 % larger, lighter``."""
    window, words = how.window, []
    if window.mirrored:
        words.append("mirrored")
    down, right = round(window.down * height), round(window.right * width)
    if right:
        words.append(f"{abs(right)} px to the {'right' if right > 0 else 'left'}")
    if down:
        words.append(f"{abs(down)} px {'down' if down > 0 else 'up'}")
    larger = window.size / MIDDLE.size - 1
    if abs(larger) >= _LARGER:
        words.append(f"{abs(larger):.0%} {'larger' if larger > 0 else 'smaller'}".replace("%", " %"))
    if abs(how.lighter) >= _LIGHTER:
        words.append("lighter" if how.lighter > 0 else "darker")
    if abs(how.gain - 1) >= _CONTRAST:
        words.append("more contrast" if how.gain > 1 else "less contrast")
    return ", ".join(words) or "as it is"


def _figure(told: Originality, fake: Images, known: Known) -> Image.Image:
    """The most suspicious pictures, each beside its nearest training pictures."""
    rows = []
    for picture in told.pictures[:_SHOWN]:
        matches = list(picture.matches.values())
        beside = known.pictures(np.array([match.number for match in matches]))
        captions = [f"{match.ratio:.2f}" + (f"\n{match.how}" if match.copied else "") for match in matches]
        rows.append(
            Row(
                np.concatenate([fake[picture.number : picture.number + 1], beside]),
                [f"picture {picture.number}\n{picture.nearness:.2f}", *captions],
                [picture.copied, *(match.copied for match in matches)],
            )
        )
    below = f"below each its nearness: 1 no nearer than others, 0 the same picture, {told.level.limit:.2f} as a copy"
    return lookalikes(rows, ["generated", *VIEWS], f"{told.evidence[0]}; {below}")


def rows(told: Originality, most: int = 10) -> Table:
    """The most suspicious pictures as a table for a terminal."""
    lines = []
    for picture in told.pictures[:most]:
        ratios = [f"{match.ratio:.2f}{'*' if match.copied else ''}" for match in picture.matches.values()]
        match = picture.nearest
        said = [match.path, match.how if match.copied else ""]
        lines.append([str(picture.number), f"{picture.nearness:.2f}{'*' if picture.copied else ''}", *ratios, *said])
    return table([">picture", ">nearness", *(f">{view}" for view in VIEWS), "nearest", "how"], lines, fold=[5, 6])
