"""The run folder: everything a training leaves behind, as plain data; the only contract to the right of the loop.

    RUN/recipe.toml         what was asked, complete
    RUN/run.json            data (path, content hash), software, hardware, when it began
    RUN/log.jsonl           one JSON object a line: means since the last line (``docs/run-folder.md``)
    RUN/energy.json         joules so far, and where the figure is from
    RUN/samples/NIMG.png    sheets from fixed latents
    RUN/snapshots/NIMG.safetensors   G, D and the averaged G; the recipe is in its metadata
    RUN/state.safetensors   everything needed to go on exactly: nets, average, optimisers, clock
    RUN/treatments.json     what the doctor has done; what it took back lies in rolled-back/
    RUN/report.html         the page, and figures/

None of them is ever half there (``boceto.files``).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from torch import Tensor

from boceto import recipe as recipes
from boceto.clock import Clock
from boceto.energy import Energy
from boceto.errors import Fault, UsageError, nearest, os_errors, printable
from boceto.files import read_metadata, replacing, save_tensors, write_image, write_text
from boceto.recipe import Recipe
from boceto.workers import alone, held

FORMAT = 1
RECIPE, ABOUT, LOG, STATE = "recipe.toml", "run.json", "log.jsonl", "state.safetensors"
_RANKED = ("fid", "kid", "swd")  # scores of which the lowest is best, the one that counts most first
_ASIDE = ("-error", "-floor")  # what belongs to a score: its standard error, and what real drawings reach
ENERGY, TREATMENTS = "energy.json", "treatments.json"
LOCK, TRAINER = ".training.lock", ".trainer.txt"
_MOST = 3.4e38  # what a float32 holds; a larger number in a log is none that was ever measured

_Count = Annotated[int, Field(ge=0, lt=2**53)]


class _Part(BaseModel):
    """What must stand in a file of the run folder; more may."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class _Data(_Part):
    folder: str
    content_hash: str
    pictures: _Count
    held_out: _Count = 0


class _Sizes(_Part):
    generator: _Count
    discriminator: _Count


class _Hardware(_Part):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str]
    device: str


class _Origin(_Part):
    run: str
    snapshot: str


class _About(_Part):
    """``run.json``."""

    id: str
    begun: str
    data: _Data
    parameters: _Sizes
    software: dict[str, str]
    hardware: _Hardware
    origin: _Origin | None = None
    chosen: list[str] = []  # why the recipe is as it is, if boceto chose it


class _Treatment(_Part):
    """One of ``treatments.json``."""

    name: str
    nimg: _Count
    finding: str
    changes: list[str]
    released: list[str] = []


class _Spent(_Part):
    """``energy.json``."""

    joules: Annotated[float, Field(ge=0, le=_MOST)]
    sources: list[str]


_TREATMENTS = TypeAdapter(list[_Treatment])


class Run:
    """An opened run folder."""

    def __init__(self, folder: Path | str) -> None:
        """Raises UsageError if ``folder`` is not a run folder."""
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise UsageError(
                f"run folder {folder} does not exist; boceto train RECIPE --data DATA --out {folder} makes one"
            )
        if missing := [name for name in (RECIPE, ABOUT) if not (self.folder / name).is_file()]:
            raise UsageError(
                f"{folder} is not a run folder (no {' and no '.join(missing)}); give one that boceto train has made"
            )
        try:
            self.recipe = recipes.load(self.folder / RECIPE)
        except UsageError as error:
            raise Fault(f"{error}; put back the recipe of this run, which each of its snapshots holds too") from error
        self.about = _read_about(self.folder / ABOUT)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Is this a run folder?"""
        return (folder / RECIPE).is_file() and (folder / ABOUT).is_file()

    @classmethod
    def create(cls, folder: Path, recipe: Recipe, about: Mapping[str, Any]) -> Run:
        """Make a new run folder, or open the one that another process has made at this moment.

        Raises UsageError if something else already is there.
        """
        begun = {LOCK, TRAINER, ABOUT}  # what an interrupted start leaves, whole or not
        begun |= {f".{name}.partial" for name in (TRAINER, ABOUT, RECIPE)}
        if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - begun):
            if cls.exists(folder):
                return cls(folder)
            raise UsageError(f"{folder} exists and is not a run folder; give another --out")
        with os_errors("write", folder):
            folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if not cls.exists(folder):
                about = {"format": FORMAT, "id": secrets.token_hex(8), **about}
                write_text(folder / ABOUT, json.dumps(about, indent=2) + "\n")
                write_text(folder / RECIPE, recipe.to_toml())  # last: with it the folder is a run
        return cls(folder)

    def revise(self, recipe: Recipe) -> None:
        """Store a changed recipe (more images, another rate)."""
        write_text(self.folder / RECIPE, recipe.to_toml())
        self.recipe = recipe

    @property
    def id(self) -> str:
        """What tells this run from any other of the same recipe and data."""
        return str(self.about["id"])

    @property
    def held_out(self) -> int:
        """Pictures of its dataset that it never learns from."""
        return int(self.about["data"].get("held_out", 0))

    @property
    def pictures(self) -> int:
        """Pictures that it learns from; they make an epoch."""
        return int(self.about["data"]["pictures"]) - self.held_out

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes from training this run meanwhile; raises UsageError, naming it, if one does already."""
        return _alone(self.folder)

    # ── how it stands ──

    def seen(self) -> int:
        """Images it has been trained on, as its latest snapshot says; what came after that is not saved."""
        return max(self.snapshots(), default=0)

    def is_finished(self) -> bool:
        """Has it reached what its recipe asks?"""
        train = self.recipe.train
        spent = max((entry.get("seconds", 0.0) for entry in self.read_log()), default=0.0)
        return self.seen() >= train.kimg * 1000 or (train.minutes is not None and spent >= train.minutes * 60)

    def in_training(self) -> bool:
        """Does a process train it at this moment? To ask disturbs none."""
        return held(self.folder / LOCK)

    def further(self) -> str:
        """What to set when a finished run shall go on, twice as far: ``train.kimg=100``."""
        train, seen = self.recipe.train, self.seen()
        if train.minutes is not None and seen < train.kimg * 1000:
            return f"train.minutes={2 * train.minutes:g}"
        return f"train.kimg={2 * seen / 1000:g}"

    # ── the log ──

    def log(self, entry: Mapping[str, Any]) -> None:
        """Append one line of numbers; one that is not finite becomes ``null``."""
        with os_errors("write", self.folder / LOG), (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(_log_line(entry))

    def read_log(self, *, broken: bool = False) -> list[dict[str, Any]]:
        """All whole lines of the log, in order of time, each once; what is damaged or cut short is passed over.

        Numbers that were not finite are left out, or with ``broken`` are NaN.
        """
        path = self.folder / LOG
        if not path.exists() and not path.is_symlink():
            return []
        with os_errors("read", path):
            lines = path.read_bytes().splitlines()
        entries: dict[tuple[int, bool], dict[str, Any]] = {}
        for line in lines:
            with contextlib.suppress(ValueError, RecursionError):
                entry = json.loads(line)
                if _is_log_entry(entry):
                    known = {key: math.nan if value is None else value for key, value in entry.items()}
                    kind = entries.setdefault((entry["nimg"], "step" not in entry), {})  # scores follow the means
                    kind.update(known if broken else {k: v for k, v in known.items() if math.isfinite(v)})
        return [entries[key] for key in sorted(entries)]

    def rewind_log(self, nimg: int) -> None:
        """Drop what was logged after ``nimg`` images, so that a resumed run writes no line twice."""
        entries = [entry for entry in self.read_log(broken=True) if entry["nimg"] <= nimg]
        write_text(self.folder / LOG, "".join(map(_log_line, entries)))

    # ── treatments ──

    def treatments(self) -> list[dict[str, Any]]:
        """What was done about faults, in order: to which ``nimg`` it went back, the ``finding``, the ``changes``."""
        path = self.folder / TREATMENTS
        if not path.exists():
            return []
        with os_errors("read", path):
            content = path.read_bytes()
        try:
            found = [entry.model_dump() for entry in _TREATMENTS.validate_json(content)]
        except ValidationError as error:
            raise Fault(
                f"{path} is damaged ({_first(error)}); remove it, and the run goes on as its recipe says"
            ) from error
        return [entry | {"finding": printable(entry["finding"])} for entry in found]

    @property
    def treated(self) -> Recipe:
        """The recipe with what the doctor has changed."""
        changes = [change for entry in self.treatments() for change in entry["changes"]]
        try:
            return self.recipe.changed(changes, source=str(self.folder / TREATMENTS)) if changes else self.recipe
        except UsageError as error:
            raise Fault(f"{error}; remove that file, and the run goes on as its recipe says") from error

    def note_treatment(self, entry: Mapping[str, Any]) -> None:
        """Write down a treatment, after which ``treated`` is another."""
        write_text(self.folder / TREATMENTS, json.dumps([*self.treatments(), entry], indent=2) + "\n")

    def release(self, keys: Iterable[str]) -> None:
        """Let go of what treatments say of these settings: a person has now set them."""
        given, entries = set(keys), self.treatments()
        if entries:
            for entry in entries:
                gone = [change for change in entry["changes"] if change.partition("=")[0] in given]
                entry["changes"] = [change for change in entry["changes"] if change not in gone]
                entry["released"] += gone
            write_text(self.folder / TREATMENTS, json.dumps(entries, indent=2) + "\n")

    def set_aside(self, nimg: int) -> Path:
        """Move snapshots and sheets later than ``nimg``, and a copy of the log, to ``rolled-back/NUMBER``."""
        beyond = [path for found in (self.snapshots(), self.samples()) for at, path in found.items() if at > nimg]
        folder = self.folder / "rolled-back"
        with os_errors("write", folder):
            number = 1 + max((int(path.name) for path in folder.glob("*") if path.name.isdecimal()), default=0)
            aside = folder / f"{number}"
            aside.mkdir(parents=True)
            if (self.folder / LOG).exists():
                with replacing(aside / LOG) as temporary:
                    shutil.copyfile(self.folder / LOG, temporary)
            for path in beyond:
                (aside / path.parent.name).mkdir(exist_ok=True)
                path.replace(aside / path.parent.name / path.name)
        return aside

    # ── what it costs ──

    def spent(self) -> Energy:
        """The energy that went into the run so far, all sessions together, lost work too."""
        try:
            found = _Spent.model_validate_json((self.folder / ENERGY).read_bytes())
        except (OSError, ValidationError):
            return Energy()
        return Energy(found.joules, tuple(found.sources))

    def note_spent(self, spent: Energy) -> None:
        """Write down the energy that went into it so far."""
        note = {"joules": round(spent.joules, 3), "sources": spent.sources}
        write_text(self.folder / ENERGY, json.dumps(note) + "\n")

    # ── pictures and weights ──

    def save_sample(self, nimg: int, sheet: Image.Image) -> Path:
        """Write ``samples/NIMG.png``."""
        path = self.folder / "samples" / f"{nimg:09d}.png"
        write_image(path, sheet)
        return path

    def samples(self) -> dict[int, Path]:
        """Images seen → sheet, in order."""
        return by_nimg(self.folder / "samples", ".png")

    def save_snapshot(self, now: Clock, tensors: Mapping[str, Tensor], *, stage: bool = False) -> Path:
        """Write ``snapshots/NIMG.safetensors`` with clock and recipe in its metadata; ``stage``: one ends with it."""
        path = self.folder / "snapshots" / f"{now.nimg:09d}.safetensors"
        clock = {name: str(value) for name, value in asdict(now).items()}
        about = {"stage": "1"} if stage else {}
        save_tensors(path, tensors, {**clock, **about, "recipe": self.recipe.to_toml()})
        return path

    def prune(self, keep: int, healthy: int | None = None) -> None:
        """Remove the oldest snapshots but the newest ``keep``, the best, and those that end a stage; 0 removes none.

        ``healthy``: one more that is spared, since the run may go back to it.
        """
        found = self.snapshots()
        if not keep or len(found) <= keep:
            return
        spared = {*sorted(found)[-keep:], self.best(), healthy}
        for nimg, path in found.items():
            if nimg not in spared and not _ends_stage(path):
                with os_errors("remove", path):
                    path.unlink()

    def scores(self) -> dict[int, dict[str, float]]:
        """Images seen → scores by name, of the snapshots that have some."""
        return scores(self.read_log())

    def best(self) -> int | None:
        """The snapshot with the lowest score, of those at the largest size; None if there are no scores."""
        scored = {nimg: scores for nimg, scores in self.scores().items() if nimg in self.snapshots()}
        if (name := ranking({name: None for scores in scored.values() for name in scores})) is None:
            return None
        sizes = {line["nimg"]: line.get("resolution", 0) for line in self.read_log() if "step" in line}
        largest = max(sizes.get(nimg, 0) for nimg in scored)
        of_that = {
            nimg: scores[name] for nimg, scores in scored.items() if name in scores and sizes.get(nimg, 0) == largest
        }
        return min(of_that, key=lambda nimg: of_that[nimg], default=None)

    def snapshots(self) -> dict[int, Path]:
        """Images seen → snapshot, in order."""
        return by_nimg(self.folder / "snapshots", ".safetensors")

    def snapshot(self, name: str = "last") -> Path:
        """The snapshot ``last``, ``best``, or one by name (``000050048``). Raises UsageError naming those there are."""
        found = self.snapshots()
        if not found:
            raise UsageError(f"run {self.folder} has no snapshot yet; {self.to_come()}")
        if name == "last":
            return found[max(found)]
        if name == "best":
            if (best := self.best()) is None:
                raise UsageError(
                    f"run {self.folder} has no scores, so none of its snapshots is best; use last or a name"
                )
            return found[best]
        by_name = {path.stem: path for path in found.values()}
        stem = name.removesuffix(".safetensors")
        if stem not in by_name:
            raise UsageError(f"run {self.folder} has no snapshot '{name}'{nearest(stem, {*by_name, 'last', 'best'})}")
        return by_name[stem]

    def to_come(self) -> str:
        """What to do about something that a run does not have yet, in words."""
        if self.in_training():
            return "it is being trained now, so wait a little"
        return f"go on training with: boceto resume {self.folder}"

    @property
    def state(self) -> Path:
        """Where the state to resume from is."""
        return self.folder / STATE


def scores(log: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, float]]:
    """Images seen → score → its value, from the lines of a log that are no means over steps."""
    lines = {line["nimg"]: line for line in log if "step" not in line}
    found = {
        nimg: {key: value for key, value in line.items() if key not in ("nimg", "seconds") and not key.endswith(_ASIDE)}
        for nimg, line in lines.items()
    }
    return {nimg: values for nimg, values in found.items() if values}


def ranking(names: Iterable[str]) -> str | None:
    """Of the names of scores the one that snapshots are ranked by, the lowest first: ``kid-lite0`` before ``swd``."""
    known = {name.partition("-")[0]: name for name in reversed([*names]) if not name.endswith(_ASIDE)}
    return next((known[kind] for kind in _RANKED if kind in known), None)


def _ends_stage(path: Path) -> bool:
    """Does a growing net's stage end with this snapshot? Of a damaged one nobody knows, so it stays."""
    try:
        return "stage" in read_metadata(path)
    except Fault:
        return True


def _log_line(entry: Mapping[str, Any]) -> str:
    return json.dumps({key: value if math.isfinite(value) else None for key, value in entry.items()}) + "\n"


def _is_log_entry(entry: object) -> bool:
    """A line of numbers that says when it was written; anything else in the log is damage."""
    return (
        isinstance(entry, dict)
        and all(type(entry.get(key, 0)) is int and 0 <= entry.get(key, 0) < 2**53 for key in ("nimg", "step"))
        and "nimg" in entry
        and all(value is None or (isinstance(value, int | float) and abs(value) <= _MOST) for value in entry.values())
    )


def by_nimg(folder: Path, suffix: str) -> dict[int, Path]:
    """Images seen → file, in order, of the files of a folder that are named so."""
    if not folder.is_dir():
        return {}
    return {int(path.stem): path for path in sorted(folder.glob(f"*{suffix}")) if path.stem.isdecimal()}


def _read_about(path: Path) -> dict[str, Any]:
    """What ``run.json`` says. Raises Fault if it is damaged, or of a newer boceto."""
    with os_errors("read", path):
        content = path.read_bytes()
    try:
        found: dict[str, Any] = json.loads(content)
        if not isinstance(found, dict) or not isinstance(version := found.get("format"), int):
            raise ValueError("it names no format")
        if version != FORMAT:
            raise Fault(f"{path} is in format {version}, this boceto reads {FORMAT}; open it with a newer boceto")
        data = _About.model_validate(found).data
        if data.held_out >= data.pictures:
            raise ValueError("it holds out as many pictures as there are")
    except (ValueError, RecursionError) as error:
        said = _first(error) if isinstance(error, ValidationError) else error
        raise Fault(f"{path} is damaged ({said}); the run cannot be opened with this boceto") from error
    return found


def _first(error: ValidationError) -> str:
    """What is wrong first, in words."""
    detail = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, detail['loc'])) or 'all of it'}: {detail['msg']}"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from this run folder; raises UsageError, naming the one that has it, if one does."""
    who = folder / TRAINER
    told = who.read_text("utf-8", "replace").strip() if who.is_file() else "another process"
    busy = f"{folder} is being trained by {told}; wait for it, stop it, or give another --out"
    with alone(folder / LOCK, busy):
        write_text(who, f"process {os.getpid()} on {platform.node() or 'this machine'}\n")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                who.unlink()
