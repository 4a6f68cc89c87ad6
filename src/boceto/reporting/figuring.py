"""``boceto figure``: the figures of the theses by name, each from a recipe or from run folders, into one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from boceto import archs, recipe, sampling
from boceto.clock import AT_LAST, Clock
from boceto.data.prepared import Prepared
from boceto.errors import UsageError, nearest
from boceto.files import image_format, write_image, write_text
from boceto.gan import GAN
from boceto.nn.augment import NAMES, augmented
from boceto.reporting import figures, lessons, networks, research
from boceto.reporting.film import KINDS, film
from boceto.reporting.page import real_pictures, reconstructions
from boceto.runs import Run, ranking
from boceto.scaling import levels_from_signed, to_signed

BESIDE = 8  # pictures in a row


@dataclass(frozen=True)
class Wish:
    """What is asked of a figure: recipe or run folders, and the options that some figures heed."""

    what: tuple[str, ...]
    data: Path | None = None
    snapshot: str = "last"
    at_kimg: float | None = None
    last: int = 10
    seed: int = 0


Drawn = Figure | Image.Image


@dataclass(frozen=True)
class _Kind:
    """A figure that can be asked for: how many things it is of (at least, at most), and who draws it."""

    about: str
    of: str
    least: int
    most: int
    draw: Callable[[Wish], Drawn]


def names() -> dict[str, str]:
    """Name → what it shows, of every figure."""
    return {name: kind.about for name, kind in _KINDS.items()} | {"film": FILM}


def write(name: str, wish: Wish, out: Path, *, fps: float = 8.0, hold: float = 2.0, most: int = 200) -> None:
    """Draw a figure into ``out``: charts and diagrams .svg or any picture format, all else a picture format.

    Raises UsageError for an unknown name, things it cannot be of, or an ending it cannot have.
    """
    if name == "film":
        _count(name, wish, "run folder", 1, 1)
        film(Run(wish.what[0]).samples(), out, fps=fps, hold=hold, most=most)
        return
    if name not in _KINDS:
        raise UsageError(f"there is no figure '{name}'{nearest(name, names())}")
    kind = _KINDS[name]
    _count(name, wish, kind.of, kind.least, kind.most)
    if out.suffix.lower() != ".svg":
        image_format(out)
    drawn = kind.draw(wish)
    if isinstance(drawn, Image.Image):
        if out.suffix.lower() == ".svg":
            raise UsageError(f"figure {name} is made of pictures; let the name end in .png")
        write_image(out, drawn)
    elif out.suffix.lower() == ".svg":
        write_text(out, figures.svg(drawn))
    else:
        write_image(out, figures.raster(drawn))


def _count(name: str, wish: Wish, of: str, least: int, most: int) -> None:
    if not least <= len(wish.what) <= most:
        wanted = "no" if not most else f"{least}" if least == most else f"from {least} to {most}"
        raise UsageError(f"figure {name} takes {wanted} {of}{'' if most == 1 else 's'}, not {len(wish.what)}")


# ── networks ──


def network(source: str, at_kimg: float | None = None) -> tuple[str, GAN]:
    """The nets of a recipe (a name or .toml) or of a run, complete or as they are after so many thousand images."""
    if Run.exists(Path(source)):
        wanted, title = Run(source).recipe, Path(source).resolve().name
    else:
        wanted, title = recipe.load(source), Path(source).stem if source.endswith(".toml") else source
    if at_kimg is not None and not 0 <= at_kimg < 1e9:
        raise UsageError(f"--at {at_kimg:g}: say after how many thousand images, 0 or more")
    gan = archs.build(wanted)
    gan.reach(AT_LAST if at_kimg is None else Clock(nimg=round(at_kimg * 1000)))
    return title, gan


def _network(wish: Wish) -> Figure:
    title, gan = network(wish.what[0], wish.at_kimg)
    return networks.diagram(gan, title)


def summary(wish: Wish) -> list[str]:
    """The same as lines of a table for the terminal."""
    _count("network", wish, "recipe or run folder", 1, 1)
    title, gan = network(wish.what[0], wish.at_kimg)
    lines = [title]
    for name, (given, found) in networks.both(gan).items():
        rows = networks.merged(found)
        cells = [("layer", "output", "parameters"), ("", networks.size(given), "")]
        cells += [
            (" · ".join((layer.text, *layer.then)), networks.size(layer.shape), f"{layer.parameters:,}")
            for layer in rows
        ]
        cells.append(("in all", "", f"{sum(layer.parameters for layer in rows):,}"))
        wide = [max(len(row[i]) for row in cells) for i in range(3)]
        lines += ["", name, *(f"  {a:{wide[0]}}  {b:>{wide[1]}}  {c:>{wide[2]}}" for a, b, c in cells)]
    return lines


# ── datasets ──


def _jitter(wish: Wish) -> Image.Image:
    """Drawings as D would see them with each jitter acting, chosen and jittered by the seed."""
    data = Prepared(wish.what[0])
    chosen = np.random.Generator(np.random.PCG64(wish.seed)).permutation(len(data))[:BESIDE]
    rows = {"as drawn": data.gather(chosen)}
    signed = to_signed(torch.from_numpy(rows["as drawn"]).permute(0, 3, 1, 2))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(wish.seed)
        for name in NAMES:
            rows[name] = levels_from_signed(augmented(signed, [name])).permute(0, 2, 3, 1).numpy()
    return figures.named_rows(rows)


# ── runs ──


def _log(run: Run, *keys: str) -> list[dict[str, Any]]:
    log = [entry for entry in run.read_log() if {"step", *keys} <= entry.keys()]
    if not log:
        raise UsageError(f"run {run.folder} has logged no {' and '.join(keys)} yet; {run.to_come()}")
    return log


def _answers(run: Run) -> list[dict[str, Any]]:
    """The lines that tell how often D was right."""
    if not archs.kind(run.recipe).adversarial:
        raise UsageError(
            f"run {run.folder} is of a {run.recipe.arch['name']}, which has no D that could be right; "
            f"figures losses, gradients and reconstructions are of it"
        )
    return _log(run, "d/real_right", "d/fake_right")


def _nets(run: Run) -> dict[str, str]:
    return archs.kind(run.recipe).names()


def _losses(wish: Wish) -> Figure:
    run = Run(wish.what[0])
    return figures.losses(_log(run, "d/loss", "g/loss"), _nets(run))


def _scores(wish: Wish) -> Figure:
    return figures.scores(_answers(Run(wish.what[0])))


def _gradients(wish: Wish) -> Figure:
    run = Run(wish.what[0])
    return figures.gradients(_log(run, "d/gradient", "g/gradient"), _nets(run))


def _distance(wish: Wish) -> Figure:
    run = Run(wish.what[0])
    if len([told for told in run.scores().values() if ranking(told)]) < 2:
        raise UsageError(
            f"run {run.folder} has fewer than two scored snapshots; {run.to_come()}, or have them more often with "
            f"--set watch.snapshot_kimg=…"
        )
    return figures.distance(run.read_log())


def _variety(wish: Wish) -> Figure:
    return figures.variety(_log(Run(wish.what[0]), "g/variety", "g/distinct"))


def _epochs(wish: Wish) -> Figure:
    run = Run(wish.what[0])
    return figures.epochs(_log(run, "d/loss", "g/loss"), run.pictures, _nets(run))


def _confusion(wish: Wish) -> Figure:
    if wish.last < 1:
        raise UsageError(f"--last {wish.last}: say over how many lines of the log, 1 or more")
    return figures.confusion(figures.confusion_counts(_answers(Run(wish.what[0])), wish.last))


def _confusions(wish: Wish) -> Figure:
    run = Run(wish.what[0])
    return figures.confusions(figures.epoch_confusions(_answers(run), run.pictures))


def _sheet(wish: Wish) -> Image.Image:
    model = sampling.load(wish.what[0], wish.snapshot)
    return model.sheet(25, wish.seed, lambda side: max(1, 96 // side))


def _evolution(wish: Wish) -> Image.Image:
    if len(wish.what) > 1:
        return _methods(wish)
    run = Run(wish.what[0])
    if not run.samples():
        raise UsageError(f"run {run.folder} has no sheet yet; {run.to_come()}")
    return figures.evolution(run.samples(), sampling.layout(run.recipe))


def _methods(wish: Wish) -> Image.Image:
    """One row a run, at its last snapshot: the evolution across methods (Figs 32, 33, 53, 54)."""
    rows = {}
    for source in wish.what:
        model = sampling.load(source)
        label = f"{model.run.folder.resolve().name}\n{model.nimg:,} images"
        rows[label] = model.sample(BESIDE, wish.seed)
    if len(rows) < len(wish.what):
        raise UsageError("two of these runs have one name and one age; give runs that differ")
    return figures.named_rows(rows)


def _research(wish: Wish) -> Figure:
    """Runs in the order they were begun, and what changed from one to the next (Fig. 55)."""
    if len({Path(source).resolve() for source in wish.what}) < len(wish.what):
        raise UsageError("the same run folder is named twice; name each once")
    models = [sampling.load(source) for source in wish.what]
    return research.research(
        [research.Step(model.run, model.nimg, model.sample(BESIDE, wish.seed)) for model in models]
    )


def _rows(wish: Wish) -> Image.Image:
    """Generated above real, once for every size that the run has drawn at (Figs 47, 48, 51, 52)."""
    run = Run(wish.what[0])
    latest: dict[int, sampling.Images] = {}
    for path in run.snapshots().values() or [run.snapshot()]:
        images = sampling.load(run.folder, path.stem).sample(BESIDE, wish.seed)
        latest[images.shape[1]] = images
    real = real_pictures(run, wish.data, BESIDE)
    rows: dict[str, sampling.Images] = {}
    for side, images in sorted(latest.items()):
        share = real.shape[1] // side
        height, width = images.shape[1:3]
        small = real.reshape(len(real), height, share, width, share, real.shape[3]).mean(axis=(2, 4))
        rows |= {f"{side} px\ngenerated": images, f"{side} px\nreal": small.round().astype(np.uint8)}
    return figures.named_rows(rows)


def _reconstructions(wish: Wish) -> Image.Image:
    return reconstructions(Run(wish.what[0]), wish.data, wish.snapshot)


_RUN = "run folder"
_KINDS: Mapping[str, _Kind] = {
    "network": _Kind("both nets: layers, shapes, parameters", "recipe or run folder", 1, 1, _network),
    "jitter": _Kind("drawings with each jitter of augment.policy", "prepared dataset", 1, 1, _jitter),
    "sheet": _Kind("25 new drawings", _RUN, 1, 1, _sheet),
    "rows": _Kind("generated above real drawings, at every size a growing net has had", _RUN, 1, 1, _rows),
    "reconstructions": _Kind("real drawings, and what an autoencoder makes of each", _RUN, 1, 1, _reconstructions),
    "evolution": _Kind("one run downwards in time; or several runs below each other", _RUN, 1, 20, _evolution),
    "research": _Kind("runs downwards in time, and what changed from one to the next", _RUN, 2, 40, _research),
    "losses": _Kind("losses of D and G", _RUN, 1, 1, _losses),
    "epochs": _Kind("losses of D and G, the mean of each epoch", _RUN, 1, 1, _epochs),
    "scores": _Kind("how often D is right", _RUN, 1, 1, _scores),
    "gradients": _Kind("norms of the gradients of both nets", _RUN, 1, 1, _gradients),
    "distance": _Kind("the score that snapshots are ranked by", _RUN, 1, 1, _distance),
    "variety": _Kind("how varied G's pictures are", _RUN, 1, 1, _variety),
    "confusion": _Kind("what D took for real and for generated", _RUN, 1, 1, _confusion),
    "confusions": _Kind("the same of every epoch, or of twelve from the first to the last", _RUN, 1, 1, _confusions),
    "stride": _Kind(
        "resizing by stride and by pooling, in numbers and on a drawing", _RUN, 0, 0, lambda _: lessons.stride()
    ),
    "exponentials": _Kind(
        "powers over depth: why gradients explode or vanish", _RUN, 0, 0, lambda _: lessons.exponentials()
    ),
}
FILM = f"the training of a run as a film ({', '.join(KINDS)})"
