"""The ladder: several networks on the same drawings, with the same seed and the same budget, and what came of it.

DIR/data/…             the drawings as each net wants them, where they are not so already
DIR/runs/RUNG/         a run folder each
DIR/comparison.html    the page; DIR/figures/ its pictures; DIR/ladder.json its figures for programs
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from boceto import archs, device, recipe, sampling, starting
from boceto.data.deriving import derive, reduced, require
from boceto.data.prepared import Prepared
from boceto.energy import SPAIN_2020, Grid
from boceto.errors import Fault, UsageError
from boceto.files import write_text
from boceto.metrics.swd import PATCH, swd
from boceto.recipe import Recipe
from boceto.reporting.comparison import REAL, SHOWN, Shown, compare
from boceto.runs import Run
from boceto.sampling import Images
from boceto.version import __version__
from boceto.watching import Progress

FORMAT = 1
RUNGS = ("vanilla-48", "convolutional-64", "dcgan-64-quick", "progan-64", "vae-64")  # of the theses; last, no GAN
SCORED = 2048  # pictures of each kind that are compared at most
ACCOUNT = "ladder.json"
_ENDLESS = 1e9  # kimg or minutes: never the first to end a training
_SAME = {"train.seed": "--seed", "train.kimg": "--kimg", "train.minutes": "--minutes"}

Show = Callable[[Progress], None]
Shape = tuple[int, int, int]  # height, width, channels


@dataclass(frozen=True)
class Outcome:
    """The page and its account, or the name of the rung that was ``stopped`` before its end."""

    page: Path | None = None
    account: dict[str, Any] | None = None
    stopped: str | None = None


@dataclass(frozen=True)
class _Rung:
    """What is going to be trained: where the recipe is, that recipe complete, and the pictures it wants."""

    name: str
    source: str
    recipe: Recipe
    changes: tuple[str, ...]
    shape: Shape


@contextmanager
def _unseen() -> Iterator[Show]:
    yield lambda progress: None


def climb(
    data: Path | str,
    out: Path | str,
    rungs: Sequence[str] | None = None,
    *,
    minutes: float | None = None,
    kimg: float | None = None,
    seed: int = 0,
    changes: Iterable[str] = (),
    device_name: str = "auto",
    grid: Grid = SPAIN_2020,
    announce: Callable[[str], None] = lambda line: None,
    bar: Callable[[], AbstractContextManager[Show]] = _unseen,
) -> Outcome:
    """Train every rung (a recipe's name or a ``.toml``) on the prepared dataset ``data``, and compare them in ``out``.

    Each trains for ``minutes``, or for ``kimg`` thousand images; exactly one is given. ``changes`` are ``key=value``
    assignments for all of them. ``rungs`` None: those of ``RUNGS`` that the drawings are large enough for and that heed
    the changes. The same call goes on where an earlier one stopped, and passes over what is finished. The first Ctrl-C
    saves and returns. Of a rung that goes wrong (diverges) the page tells, and the next begins. Raises UsageError for
    what cannot be done, before anything is trained, and Fault.
    """
    if (minutes is None) == (kimg is None) or not 0 < (minutes or kimg or 0) < _ENDLESS:
        raise UsageError("say for how long each rung trains: either --minutes or --kimg (thousands of images), above 0")
    for change in (changes := tuple(changes)):
        if option := _SAME.get(change.partition("=")[0].strip()):
            raise UsageError(f"--set {change}: that is the same for every rung, so use {option}")
    ladder = _Ladder(Prepared(data), Path(out), minutes, kimg, seed, changes, device_name, grid, announce, bar)
    plan, faults = ladder.plan(rungs), dict[str, str]()
    for number, rung in enumerate(plan, 1):
        announce(f"{number}/{len(plan)}  {rung.name}")
        try:
            if not ladder.train(rung):
                return Outcome(stopped=rung.name)
        except Fault as error:
            announce(f"     {error}")
            faults[rung.name] = str(error)
    announce("Comparing")
    account, shown = ladder.account(plan, faults)
    page = compare(ladder.out, account, shown)
    write_text(ladder.out / ACCOUNT, json.dumps(account, ensure_ascii=False, indent=2) + "\n")
    return Outcome(page, account)


def _budgeted(wanted: Recipe, minutes: float | None, kimg: float | None) -> list[str]:
    """The changes that make a recipe train for so many minutes, or for so many thousand images, and no less."""
    if minutes is not None:
        return [f"train.minutes={minutes}", f"train.kimg={_ENDLESS}"]
    no_less = [f"train.minutes={_ENDLESS}"] if wanted.train.minutes is not None else []
    return [f"train.kimg={kimg}", *no_less]


@dataclass(frozen=True)
class _Ladder:
    """What all rungs have in common; the fields are those of ``climb``."""

    data: Prepared
    out: Path
    minutes: float | None
    kimg: float | None
    seed: int
    changes: tuple[str, ...]
    device_name: str
    grid: Grid
    announce: Callable[[str], None]
    bar: Callable[[], AbstractContextManager[Show]]

    # ── what is going to be trained ──

    def plan(self, names: Sequence[str] | None) -> list[_Rung]:
        """Every rung, checked; of the usual ones those that the drawings are large enough for and that heed all."""
        plan: list[_Rung] = []
        for source in RUNGS if names is None else names:
            if names is None and (deaf := archs.unheeded(recipe.load(source).changed(self.changes))):
                self.announce(f"without {source}: {deaf}")
                continue
            rung = self._rung(source)
            try:
                require(self.data, rung.shape)
            except UsageError as error:
                if names is not None:
                    raise
                self.announce(f"without {rung.name}: {error}")
            else:
                plan.append(rung)
        if not plan:
            raise UsageError(f"no rung fits the drawings of {self.data.folder}; name others with --rungs")
        twice = {rung.name for rung in plan if sum(other.name == rung.name for other in plan) > 1}
        if twice:
            raise UsageError(f"two rungs are called {', '.join(sorted(twice))}; name each once, or rename a file")
        return plan

    def _rung(self, source: str) -> _Rung:
        changes = [*self.changes, f"train.seed={self.seed}"]
        wanted = recipe.load(source).changed(changes)
        if "channels" in archs.options(wanted.arch["name"]) and "channels" not in wanted.arch:
            wanted = wanted.changed([f"arch.channels={self.data.shape[2]}"])
        budget = _budgeted(wanted, self.minutes, self.kimg)
        wanted = wanted.changed(budget)
        device.choose(self.device_name, wanted.train.precision)  # refused here if there is no such device
        name, net = Path(source).stem, archs.build(wanted)
        channels, height, width = net.image_shape
        if net.needs_origin:
            raise UsageError(f"{name} cannot be a rung, since it starts from another run: {net.needs_origin}")
        if min(height, width) < PATCH:
            raise UsageError(f"{name} draws at {width}×{height}, too small to be measured; {PATCH} pixels are needed")
        return _Rung(name, source, wanted, (*changes, *budget), (height, width, channels))

    # ── training ──

    def train(self, rung: _Rung) -> bool:
        """Train a rung to its end; False if it was stopped before."""
        with self.bar() as show:
            run = starting.train(
                rung.source,
                self._pictures(rung).folder,
                self._folder(rung),
                changes=rung.changes,
                device_name=self.device_name,
                show=show,
                announce=lambda line: self.announce(f"     {line}"),
            )
        self.announce(f"     {run.seen():,} images seen")
        return run.is_finished()

    def _folder(self, rung: _Rung) -> Path:
        return self.out / "runs" / rung.name

    def _pictures(self, rung: _Rung) -> Prepared:
        """The drawings in the size and colour that a rung wants; made once for all rungs that want the same."""
        height, width, channels = rung.shape
        name = f"{width}x{height}{'-grey' if channels < self.data.shape[2] else ''}"
        return derive(self.data, self.out / "data" / name, height=height, width=width, grey=channels == 1)

    # ── comparing ──

    def account(self, plan: Sequence[_Rung], faults: Mapping[str, str]) -> tuple[dict[str, Any], list[Shown]]:
        """What ``ladder.json`` holds, and what the page shows."""
        height, width, channels = (min(rung.shape[i] for rung in plan) for i in range(3))
        common = height, width, channels
        told = [self._told(rung, common, faults.get(rung.name)) for rung in plan]
        account = {
            "format": FORMAT,
            "software": {"boceto": __version__, "torch": torch.__version__},
            "data": {
                "folder": str(self.data.folder.resolve()),
                "content_hash": self.data.content_hash,
                "pictures": len(self.data),
                "shape": list(self.data.shape),
            },
            "budget": {"minutes": self.minutes, "kimg": self.kimg},
            "seed": self.seed,
            "changes": list(self.changes),
            "grid": asdict(self.grid),
            "scored": self._scored,
            "common": list(common),
            "rungs": [entry for entry, _ in told],
        }
        return account, [shown for _, shown in told if shown]

    @property
    def _scored(self) -> int:
        """Pictures of each kind that are compared."""
        return min(SCORED, len(self.data) // 2)

    def _told(self, rung: _Rung, common: Shape, fault: str | None) -> tuple[dict[str, Any], Shown | None]:
        """A rung's entry, and what the page shows of it; nothing of one that has no snapshot."""
        folder, own = self._folder(rung), rung.source in recipe.names()
        entry: dict[str, Any] = {
            "name": rung.name,
            "recipe": rung.source,
            "about": recipe.headline(rung.source) if own else f"The recipe {Path(rung.source).name}",
            "architecture": rung.recipe.arch["name"],
            "shape": list(rung.shape),
            "run": str(folder.resolve()),
            "fault": fault,
        }
        if not Run.exists(folder) or not Run(folder).snapshots():
            return entry, None
        self.announce(f"     {rung.name}")
        model, pictures = sampling.load(folder, device_name=self.device_name), self._pictures(rung)
        run, log, spent, n = model.run, model.run.read_log(), model.run.spent(), self._scored
        generated = _full_size(model.sample(max(n, SHOWN), self.seed), rung.shape)
        places = np.random.Generator(np.random.PCG64(self.seed)).permutation(len(pictures))
        real, other = (pictures.gather(np.sort(places[start : start + n])) for start in (0, n))
        rates = [line["images_per_second"] for line in log if "images_per_second" in line]
        entry |= {
            "finished": run.is_finished(),
            "parameters": run.about["parameters"],
            "nimg": model.nimg,
            "epochs": model.nimg / len(pictures),
            "seconds": max((line.get("seconds", 0.0) for line in log), default=0.0),
            "images_per_second": median(rates) if rates else None,
            "device": run.about["hardware"]["device"],
            "energy": {
                "joules": spent.joules,
                "wh": spent.wh,
                "co2_grams": spent.co2_grams(self.grid.grams_per_kwh),
                "source": spent.source,
            },
            "swd": _distances([real, other, generated[:n]], common),
        }
        beside = pictures.gather(np.resize(places, REAL))
        return entry, Shown(rung.name, run, generated[:SHOWN], beside)


def _full_size(images: Images, shape: Shape) -> Images:
    """The pictures of a net that is still growing, enlarged pixel by pixel to what it shall draw in the end."""
    times = shape[0] // images.shape[1]
    return images.repeat(times, axis=1).repeat(times, axis=2) if times > 1 else images


def _distances(sets: Sequence[Images], common: Shape) -> dict[str, dict[str, dict[str, float]]]:
    """Of (real, other real, generated) pictures: size → level in pixels → the distance and its floor.

    At their ``own`` size and at that ``common`` to all rungs; the floor is the distance of the other real ones.
    """

    def measured(real: Images, other: Images, generated: Images) -> dict[str, dict[str, float]]:
        distance, floor = swd(real, generated), swd(real, other)
        return {str(level): {"distance": distance[level], "floor": floor[level]} for level in distance}

    own = measured(*sets)
    same = sets[0].shape[1:] == common
    return {"own": own, "common": own if same else measured(*(reduced(images, common) for images in sets))}
