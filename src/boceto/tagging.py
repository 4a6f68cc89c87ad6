"""Taggers at work: train one on a dataset, tag pictures with one, and tell which tags a run's pictures show."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from boceto import device, sampling
from boceto.data import sources
from boceto.data.deriving import reduced
from boceto.data.examining import Options, Verdict, examine
from boceto.data.framing import Frame
from boceto.data.prepared import MANIFEST, Prepared
from boceto.data.screening import Pixels
from boceto.data.study import open_prepared
from boceto.data.tags import plain
from boceto.errors import UsageError
from boceto.evaluating import dataset
from boceto.files import image_format, replacing
from boceto.nn.classifier import SMALLEST
from boceto.recipe import checked
from boceto.reporting import tagger as page
from boceto.reporting.tables import digits, table
from boceto.runs import Run
from boceto.tagger import targets
from boceto.tagger.folder import About, Framing, Learnt, Tagger, making, probabilities, said, save_about, save_weights
from boceto.tagger.judging import Compared, Share, even_threshold, judge
from boceto.tagger.learning import learn, outputs
from boceto.tagger.splitting import Split, split
from boceto.version import __version__

FEWEST = 3  # pictures with a tag, and without, in every part; below that nothing can be chosen or judged
FEWEST_COMPARED = 50  # pictures
LARGEST = 64  # pixels: a tagger of larger pictures looks at them so, unless asked
_AT_ONCE = 256  # pictures

Progress = Callable[[int, int, str], None]


def train(
    data: Path | str,
    out: Path | str,
    *,
    tags: str | None = None,
    softmax: bool = False,
    size: int | None = None,
    epochs: int = 20,
    flip: bool = True,
    seed: int = 0,
    device_name: str = "auto",
    progress: Progress | None = None,
) -> Tagger:
    """Train a tagger on a prepared dataset into the new folder ``out``, judge it on pictures it has not seen.

    ``tags``: which, with commas between; with ``softmax`` they are classes, the first that a picture has being its
    own, and without any the dataset's labels are. ``size``: pixels of the longer side; 64, or the dataset's if that
    is smaller. ``flip``: show pictures mirrored too. ``progress`` is told pictures seen, pictures in all, a note.
    Raises UsageError for tags that cannot be learned, or too few pictures; Fault if ``out`` cannot be written.
    """
    prepared, out = Prepared(data), Path(out)
    if epochs < 1 or not 0 <= seed < 2**63:
        raise UsageError(f"{epochs} epochs from seed {seed}: give 1 epoch or more, and a seed of 0 or more")
    shape = _shape(prepared, size)
    names = targets.parse_tags(tags) if tags is not None else None
    if names is None and not softmax:
        raise UsageError(f'say which tags to tell: --tags "long_hair,blue_eyes" (boceto tags {data} counts them)')
    find = targets.of_classes if softmax else targets.of_tags
    wanted = find(prepared.records(), names, prepared.folder)  # type: ignore[arg-type]
    compute = device.choose(device_name)
    with making(out) as folder, device.memory_errors(f"train a tagger on {data}", "a smaller --size"):
        images = _reduced(prepared, shape)
        parts = split(images, seed).among(wanted.numbers)
        _require_enough(wanted, parts, prepared.folder)
        how: dict[str, Any] = {"softmax": softmax, "epochs": epochs, "flip": flip, "seed": seed}
        learned = learn(images, wanted.truth, parts, compute, **how, progress=progress or _silent)
        compute = device.choose(device_name, "float32")
        kind = "classes" if softmax else "tags"
        found = {
            part: probabilities(outputs(learned.net, images[numbers], compute), kind)
            for part, numbers in (("validation", parts.validation), ("test", parts.test))
        }
        chosen = wanted.truth[parts.validation]
        columns = range(0 if softmax else len(wanted.names))
        thresholds = tuple(even_threshold(found["validation"][:, k], chosen[:, k]) for k in columns)
        truth, claims = wanted.truth[parts.test], said(found["test"], thresholds)
        about = About(
            kind=kind,  # type: ignore[arg-type]
            tags=wanted.names,
            thresholds=thresholds,
            shape=shape,  # type: ignore[arg-type]
            framing=_framing(prepared),
            weights=save_weights(folder, learned.net),
            learnt=Learnt(
                data=prepared.content_hash,
                pictures=len(wanted.numbers),
                train=len(parts.train),
                validation=len(parts.validation),
                test=len(parts.test),
                repeated=parts.repeated,
                seed=seed,
                flip=flip,
                epochs=len(learned.epochs),
                best_epoch=learned.best,
            ),
            software={"boceto": __version__, "torch": torch.__version__, "python": platform.python_version()},
            judgement=judge(wanted.names, found["test"], claims, truth, seed),
        )
        page.write(folder, about, learned.epochs, page.Test(images[parts.test], truth, found["test"], claims))
        save_about(folder, about)
    return Tagger(out, device_name)


def _shape(data: Prepared, size: int | None) -> tuple[int, int, int]:
    """(H, W, C) of the pictures that a tagger of this dataset looks at."""
    height, width, channels = data.shape
    longer = max(height, width)
    size = min(longer, LARGEST) if size is None else size
    shape = round(height * size / longer), round(width * size / longer), channels
    if size > longer:
        raise UsageError(
            f"{data.folder} holds pictures of {width}×{height}, too small for --size {size}; "
            f"prepare {data.manifest['source']} again with --size {size}"
        )
    if min(shape[:2]) < SMALLEST:
        raise UsageError(
            f"a tagger needs {SMALLEST} pixels a side, and these would be {shape[1]}×{shape[0]}; "
            + (
                f"use --size {-(-SMALLEST * longer // min(height, width))}"
                if min(height, width) >= SMALLEST
                else f"prepare {data.manifest['source']} again with --size {SMALLEST} or more"
            )
        )
    return shape


def _reduced(data: Prepared, shape: tuple[int, int, int]) -> Pixels:
    """All pictures, in that shape."""
    out = np.empty((len(data), *shape), np.uint8)
    for start in range(0, len(data), _AT_ONCE):
        part = range(start, min(start + _AT_ONCE, len(data)))
        out[start : part.stop] = reduced(data.gather(part), shape)
    return out


def _framing(data: Prepared) -> Framing:
    """How its pictures were brought to their shape."""
    options = data.manifest.get("options", {})
    frame = {key: value for key, value in options.get("frame", {}).items() if key in Framing.model_fields}
    crop = options.get("bars") != "keep"
    return checked(Framing, {**frame, "crop_bars": crop}, str(data.folder / MANIFEST), "options.frame.")


def _require_enough(wanted: targets.Targets, parts: Split, place: Path) -> None:
    """Raises UsageError if a tag is on too few pictures, or off too few, to be learned, chosen by and judged."""
    for part, numbers in (("train", parts.train), ("validation", parts.validation), ("test", parts.test)):
        counts = wanted.truth[numbers].sum(axis=0)
        for name, count in zip(wanted.names, counts.tolist(), strict=True):
            if min(count, len(numbers) - count) < FEWEST:
                having, few = ("have", count) if count < FEWEST else ("have not", len(numbers) - count)
                what = "to learn from" if part == "train" else f"of the {part} pictures"
                raise UsageError(
                    f"too few pictures of {place} {having} '{name}': {few} {what}, where {FEWEST} are the least; "
                    f"add drawings, or leave that one out"
                )


def judged(tagger: Tagger) -> Table:
    """How well each tag is told, as a table for a terminal."""
    lines, of_tags = [], tagger.about.kind == "tags"
    for told, threshold in tagger.about.rows():
        figures = [*([threshold] if of_tags else []), told.precision, told.recall, told.f1, told.ap]
        texts = ["" if figure is None else f"{figure:.2f}" for figure in figures]
        interval = f"{told.ap_low:.2f} … {told.ap_high:.2f}"
        lines.append([told.name, f"{told.support:,}", f"{told.base_rate:.1%}", *texts, interval])
    said_from = [">from"] if of_tags else []
    return table(["tag", ">pictures", ">base", *said_from, ">precision", ">recall", ">F1", ">AP", ">95 %"], lines)


def summary(tagger: Tagger) -> Iterator[str]:
    """What the table is of, and the mean of it, in lines."""
    found, learnt = tagger.about.judgement, tagger.about.learnt
    between = f"{found.mean_ap_low:.3f} … {found.mean_ap_high:.3f}"
    yield f"mean AP {found.mean_ap:.3f} ({between}), where guessing gives {found.base_rate:.3f}"
    best = f"the best of {learnt.epochs} epochs was {learnt.best_epoch}"
    yield f"{tagger.name}: learned from {learnt.train:,} pictures, {best}"
    yield f"thresholds chosen on {learnt.validation:,} pictures, judged on {learnt.test:,} others"


def _silent(done: int, of: int, note: str) -> None:
    """Say nothing."""


# ── tagging pictures ──


@dataclass(frozen=True)
class Tagged:
    """What was tagged: how many pictures, how often each tag was said, and which could not be opened, and why."""

    out: Path
    tagger: str
    pictures: int
    counts: Mapping[str, int]
    left_out: tuple[tuple[str, str], ...]

    @property
    def commonest(self) -> str:
        """The tag that was said most often, as it can be shown; empty if none was said."""
        most = max(self.counts, key=lambda name: self.counts[name])
        return plain(most) if self.counts[most] else ""

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        left = [{"path": path, "reason": reason} for path, reason in self.left_out]
        return {**asdict(self), "out": str(self.out), "left_out": left}


def tag(
    tagger: Path | str,
    place: Path | str,
    out: Path | str,
    *,
    device_name: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Tagged:
    """Tag the pictures of a folder, ZIP, TAR or prepared dataset into the new file ``out``, JSON lines.

    A line holds ``file_name``, ``tags`` (those that are said, with their probabilities), all ``probabilities``, and of
    classes the ``label``: as ``boceto prepare --metadata`` reads it. ``progress`` is told the pictures done and all.
    Raises UsageError if ``out`` exists or there is no picture, Fault if something cannot be read or written.
    """
    opened, place, out = Tagger(tagger, device_name), Path(place), Path(out)
    if out.exists():
        raise UsageError(f"{out} exists already; give the tags another place (-o)")
    counts, left_out, pictures = np.zeros(len(opened.tags), np.int64), list[tuple[str, str]](), 0
    with ExitStack() as stack:
        of, looked = _pictures(opened, place, stack)
        file = stack.enter_context(stack.enter_context(replacing(out)).open("w", encoding="utf-8", newline="\n"))
        for paths, images, bad in looked:
            left_out += bad
            if paths:
                counts += _write_lines(file, opened, paths, images).sum(axis=0)
                pictures += len(paths)
            if progress:
                progress(pictures + len(left_out), of)
        if not pictures:
            raise UsageError(f"no picture of {place} can be opened ({left_out[0][0]}: {left_out[0][1]}); check them")
    return Tagged(out, opened.name, pictures, dict(zip(opened.tags, counts.tolist(), strict=True)), tuple(left_out))


def told(found: Tagged) -> Iterator[str]:
    """What was tagged, in lines: the commonest tags first."""
    yield f"{found.out}: {found.pictures:,} pictures tagged by {found.tagger}"
    for name, count in sorted(found.counts.items(), key=lambda item: -item[1]):
        yield f"{count:10,} {count / found.pictures:7.1%}  {plain(name)}"
    yield "It knows drawings like those it has learned from, framed alike; with others, look before you believe it."
    if found.left_out:
        path, reason = found.left_out[0]
        yield f"{len(found.left_out):,} could not be tagged, the first {plain(path)}: {reason}"


_Looked = Iterator[tuple[list[str], Pixels, list[tuple[str, str]]]]


def _pictures(tagger: Tagger, place: Path, stack: ExitStack) -> tuple[int, _Looked]:
    """How many pictures there are, and these in parts, as the tagger looks at them: paths, pictures, what is unfit."""
    if data := open_prepared(place):
        return len(data), _of_dataset(tagger, data)
    (height, width, channels), framing = tagger.shape, tagger.about.framing
    how = framing.model_dump(exclude={"crop_bars"})
    frame = Frame(height=height, width=width, grey=channels == 1, **how)
    source = sources.read(place)
    options = Options(frame=frame, bars="crop" if framing.crop_bars else "keep", duplicates="keep", min_side=1)
    verdicts = stack.enter_context(closing(examine(source, source.records, options, None)))
    return len(source.records), _of_source(verdicts)


def _of_dataset(tagger: Tagger, data: Prepared) -> _Looked:
    paths = [record.path for record in data.records()]
    for start in range(0, len(data), _AT_ONCE):
        part = range(start, min(start + _AT_ONCE, len(data)))
        yield paths[part.start : part.stop], tagger.fitted(data.gather(part)), []


def _of_source(verdicts: Iterator[Verdict]) -> _Looked:
    while part := list(islice(verdicts, _AT_ONCE)):
        kept = [(verdict.record.path, verdict.pixels) for verdict in part if verdict.pixels is not None]
        bad = [(verdict.record.path, verdict.reason) for verdict in part if verdict.pixels is None]
        yield [path for path, _ in kept], np.array([pixels for _, pixels in kept]), bad


def _write_lines(file: TextIO, tagger: Tagger, paths: Sequence[str], images: Pixels) -> NDArray[np.bool_]:
    """One line a picture; what is said of them (N, K)."""
    found = tagger.probabilities(images)
    claims = tagger.said(found)
    for path, row, claimed in zip(paths, found, claims, strict=True):
        told = {name: round(float(p), 4) for name, p in zip(tagger.tags, row, strict=True)}
        names = [name for name, is_said in zip(tagger.tags, claimed, strict=True) if is_said]
        line: dict[str, Any] = {"file_name": path, "tags": {name: told[name] for name in names}}
        if tagger.about.kind == "classes":
            line["label"] = names[0]
        file.write(json.dumps({**line, "probabilities": told}) + "\n")
    return claims


# ── what a generator's pictures show ──


@dataclass(frozen=True)
class Comparison:
    """Of each tag, how often it is said of a run's pictures and of real ones, as many as are told."""

    run: str
    nimg: int
    tagger: str
    data: str  # content hash
    seed: int
    generated: int  # pictures
    real: int
    unseen: bool  # real pictures that the tagger has not learned from
    tags: tuple[Compared, ...]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        tags = [{**told.model_dump(), "verdict": told.verdict or None} for told in self.tags]
        return {**asdict(self), "tags": tags}

    @property
    def told(self) -> str:
        """In words, of what it is."""
        seen = "that it has not learned from" if self.unseen else "of which it may have learned from some"
        of = f"{self.generated:,} generated pictures after {self.nimg:,} images and {self.real:,} real ones {seen}"
        return f"by {self.tagger}, of {of}, seed {self.seed}; a share is what the tagger says, right or wrong, of both"


def compare(
    tagger: Path | str,
    run: Path | str,
    *,
    data: Path | str | None = None,
    samples: int = 1000,
    snapshot: str = "last",
    seed: int = 0,
    chart: Path | None = None,
    device_name: str = "auto",
) -> Comparison:
    """Tag ``samples`` pictures of a run's snapshot, and as many real ones at most, by the same tagger.

    Of the dataset that the tagger was trained on it takes those it has not learned from, since what it knows by heart
    it tags better. ``data``: the dataset, if it has moved. ``chart``: also draw it there, .svg or .png.
    Raises UsageError if the pictures' shapes do not fit.
    """
    if samples < FEWEST_COMPARED:
        raise UsageError(f"--samples {samples}: shares of fewer than {FEWEST_COMPARED} pictures say nothing")
    if chart is not None and chart.suffix.lower() != ".svg":
        image_format(chart)
    opened, trained = Tagger(tagger, device_name), Run(run)
    prepared = dataset(trained, data)
    model = sampling.load(trained.folder, snapshot, device_name)
    generated = opened.fitted(model.sample(samples, seed))
    numbers, unseen = _unseen(opened, prepared)
    if len(numbers) < FEWEST_COMPARED:
        raise UsageError(
            f"{prepared.folder} holds {len(numbers)} drawings to compare with; shares of fewer than {FEWEST_COMPARED} "
            f"say nothing, so give a larger dataset with --data"
        )
    random = np.random.Generator(np.random.PCG64(seed))
    real = opened.fitted(prepared.gather(random.permutation(numbers)[:samples]))
    claims = [opened.said(opened.probabilities(images)) for images in (generated, real)]
    found = Comparison(
        run=str(trained.folder.resolve()),
        nimg=model.nimg,
        tagger=opened.name,
        data=prepared.content_hash,
        seed=seed,
        generated=len(generated),
        real=len(real),
        unseen=unseen,
        tags=tuple(Compared.of(name, claims[0][:, k], claims[1][:, k]) for k, name in enumerate(opened.tags)),
    )
    if chart is not None:
        page.write_shares(chart, found.tags)
    return found


def _unseen(tagger: Tagger, data: Prepared) -> tuple[NDArray[np.int64], bool]:
    """The pictures of a dataset that a tagger has not learned from; all of one that it does not know."""
    learnt = tagger.about.learnt
    if learnt.data != data.content_hash:
        return np.arange(len(data)), False
    parts = split(_reduced(data, tagger.shape), learnt.seed)
    return np.concatenate([parts.validation, parts.test]), True


def rows(comparison: Comparison) -> Table:
    """The comparison as a table for a terminal: what differs beyond doubt first, then the commonest."""
    lines = []
    for told in sorted(comparison.tags, key=lambda told: (not told.verdict, -told.real.value)):
        shares = [f"{100 * s.value:.1f}  {100 * s.low:4.1f} … {100 * s.high:4.1f}" for s in (told.generated, told.real)]
        ratio = "" if told.ratio is None else "  ".join((digits(told.ratio.value), _between(told.ratio)))
        lines.append([told.name, *shares, ratio, told.verdict])
    return table(["tag", ">% generated", ">% of real", ">ratio", ""], lines)


def _between(share: Share) -> str:
    return f"{digits(share.low)} … {digits(share.high)}"
