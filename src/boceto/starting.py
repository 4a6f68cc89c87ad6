"""Starting and resuming: from names and folders to a run that ``fit`` can train."""

from __future__ import annotations

import contextlib
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from boceto import archs, choosing, device, evaluating, origins, recipe, scoring, tracking, trial
from boceto.balance import most
from boceto.clock import AT_LAST
from boceto.data import labels
from boceto.data.prepared import Prepared, held_out
from boceto.device import Compute
from boceto.errors import NotEnoughMemory, UsageError
from boceto.gan import GAN, in_words
from boceto.metrics import features
from boceto.recipe import Recipe
from boceto.runs import Run
from boceto.training import fit
from boceto.version import __version__
from boceto.watching import Progress

# The terminal's Ctrl-C, a scheduler's or a system's request to end, a closed terminal.
_STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

AUTO = "auto"  # in a recipe's place

# What a run may be told anew when it is trained further; all else would make it another run.
_MAY_CHANGE = {"train.kimg", "train.minutes"}


def train(
    recipe_name: str | Path,
    data: Path | str,
    out: Path | str,
    *,
    changes: Iterable[str] = (),
    origin: Path | str | None = None,
    origin_snapshot: str = "last",
    device_name: str = "auto",
    track: Iterable[str | tracking.Make] = (),
    show: Callable[[Progress], None] | None = None,
    announce: Callable[[str], None] | None = None,
) -> Run:
    """Train a recipe (a name or a ``.toml`` path) on a prepared dataset into a run folder, until it is finished.

    ``auto`` is the recipe that suits the drawings, the device and ``train.minutes`` (``boceto.choosing``).

    ``changes`` are ``key=value`` assignments. On an existing run of the same recipe it goes on where that stopped.
    ``origin`` is a run whose nets, as of a snapshot, the new run begins with as far as they fit (``boceto.origins``);
    or a tagger, with whose trunk its D does.
    ``track`` names programs that watch it (``boceto.tracking``).
    The first Ctrl-C (or SIGTERM) saves and returns; the run can be resumed. Raises UsageError or Fault.
    """
    if origin is None and origin_snapshot != "last":
        raise UsageError(f"--from-snapshot {origin_snapshot} is a snapshot of which run? Give that with --from")
    out, prepared, makes, begun = Path(out), Prepared(data), tracking.require(track), dict[str, Any]()
    if recipe_name == AUTO:
        wanted, begun = _chosen(prepared, out, list(changes), device_name, announce)
    else:
        wanted = recipe.load(recipe_name).changed(changes)
    wanted = _fitted(wanted, prepared)
    compute = device.choose(device_name, wanted.train.precision)
    if not Run.exists(out):
        if origin is not None:
            begun["origin"] = {"run": str(Path(origin).resolve()), "snapshot": origins.named(origin, origin_snapshot)}
        origins.require_freezable(begun, wanted)
        origins.load(begun, wanted)  # refused before anything is measured or written
    wanted = _settled(wanted, Run(out) if Run.exists(out) else None, compute, announce)
    if not Run.exists(out):
        Run.create(out, wanted, _about(wanted, prepared, compute) | begun)
    run = Run(out)
    _require_same_data(run, prepared)
    _require_same_origin(run, origin)
    _require_same_recipe(run, wanted)
    return _go(run, wanted, prepared, compute, makes, show, announce)


def resume(
    folder: Path | str,
    *,
    changes: Iterable[str] = (),
    data: Path | str | None = None,
    device_name: str = "auto",
    track: Iterable[str | tracking.Make] = (),
    show: Callable[[Progress], None] | None = None,
    announce: Callable[[str], None] | None = None,
) -> Run:
    """Go on with a run, with ``changes`` to anything but its network and seed; ``data`` if the dataset has moved."""
    run, changes, makes = Run(folder), list(changes), tracking.require(track)
    prepared = evaluating.dataset(run, data)
    _require_same_data(run, prepared)
    wanted = _fitted(run.recipe.changed(changes), prepared)
    for key, (old, new) in recipe.differences(run.recipe, wanted).items():
        if _is_fixed(key):
            raise UsageError(f"{key} cannot change from {old} to {new} in a run; start another with boceto train")
    origins.require_freezable(run.about, wanted)
    compute = device.choose(device_name, wanted.train.precision)
    given = {change.partition("=")[0].strip() for change in changes}
    return _go(run, wanted, prepared, compute, makes, show, announce, given)


def _chosen(
    data: Prepared, out: Path, changes: list[str], device_name: str, announce: Callable[[str], None] | None
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe that suits, with ``changes``, and why; of a run that is there already, its own."""
    minutes = recipe.load(choosing.BASE).changed(changes).train.minutes
    if Run.exists(out):
        return Run(out).recipe.changed(changes), {}
    if minutes is None:
        raise UsageError("auto chooses by the time there is; say how long it may train, for example --minutes 60")
    say = announce or (lambda line: None)
    say("measuring how fast this machine trains, to choose a recipe")
    choice = choosing.choose(data, device.choose(device_name), minutes)
    for reason in choice.reasons:
        say(f"  {reason}")
    return choice.recipe.changed(changes), {"chosen": list(choice.reasons)}


def _settled(wanted: Recipe, run: Run | None, compute: Compute, announce: Callable[[str], None] | None) -> Recipe:
    """The recipe with what it leaves open: as the run has it, or as the architecture now settles it."""

    def speed(shortened: Recipe, nimg: int) -> float:
        if announce and not nimg:
            announce("measuring how fast each stage trains here, to share out the minutes")
        return trial.speed(shortened, compute, nimg)

    settled = archs.build(wanted).settle(speed if run is None else lambda *_: 1.0)
    if run is not None:
        settled = {key: run.recipe.arch[key] for key in settled if key in run.recipe.arch}
    return wanted.model_copy(update={"arch": {**wanted.arch, **settled}})


def _go(
    run: Run,
    wanted: Recipe,
    data: Prepared,
    compute: Compute,
    track: Iterable[tracking.Make],
    show: Callable[[Progress], None] | None,
    announce: Callable[[str], None] | None,
    given: Iterable[str] = (),
) -> Run:
    """Train it as ``wanted``; settings ``given`` by hand are no longer the doctor's."""
    gan, say = archs.build(wanted), announce or (lambda line: None)
    say(f"{wanted.arch['name']} on {compute.label}, {len(data):,} pictures, batch {_told(gan.batch_sizes)}")
    for notice in (gan.notice, device.crowded(compute)):
        if notice:
            say(notice)
    half = max(gan.batch_sizes) // 2
    narrower = f"{_with_batch(wanted, half)}, or a narrower network" if half else "a narrower network"
    scorers = [scoring.sliced] if wanted.watch.scored else []
    scorers += [evaluating.by_features] if _by_features(wanted) else []
    evaluators = [make(data, wanted, compute, gan.z_dim) for make in scorers]
    with run.alone(), _interruptible() as stopping:
        run.revise(wanted)
        run.release(given)
        with tracking.tracking(track, run, run.seen()) as trackers:
            how = {"evaluators": evaluators, "trackers": trackers, "show": show or (lambda progress: None)}
            how["announce"] = say
            origin = None if run.state.exists() else origins.load(run.about, wanted)
            if origin is not None:
                say(origins.told(run.about, wanted, origin))
            while True:
                try:
                    with device.memory_errors(f"train {run.folder}", narrower):
                        fit(run, data, compute, origin=origin, stop=stopping.is_set, **how)  # type: ignore[arg-type]
                    return run
                except NotEnoughMemory:
                    if not (at_once := _less_at_once(run, gan)):
                        raise
                    say(f"not enough memory: going on with {at_once} pictures at once, a batch in parts")
                    compute.forget()


def _less_at_once(run: Run, gan: GAN) -> int:
    """Have a batch computed in twice as many parts from now on, and say of how many pictures; 0: no further."""
    at_once = run.treated.train.micro_batch or max(gan.batch_sizes)
    least = 4 if any(isinstance(layer, nn.BatchNorm1d) for layer in gan.modules()) else 2
    if at_once < least or run.treated.doctor.act == "off":
        return 0
    finding, changes = f"not enough memory for {at_once} pictures at once", [f"train.micro_batch={at_once // 2}"]
    run.note_treatment({"name": "memory", "nimg": run.seen(), "finding": finding, "changes": changes})
    return at_once // 2


def _fitted(wanted: Recipe, data: Prepared) -> Recipe:
    """The recipe with channels as in the data unless it names them, and all labels by name; refuses what does not go
    together.
    """
    height, width, channels = data.shape
    if wanted.data.labels:
        by_name = labels.settled(wanted.data.labels, data)
        wanted = wanted.model_copy(update={"data": wanted.data.model_copy(update={"labels": by_name})})
    if "channels" in archs.options(wanted.arch["name"]) and "channels" not in wanted.arch:
        wanted = wanted.changed([f"arch.channels={channels}"])
    gan = archs.build(wanted)
    needs = gan.image_shape
    if needs != (channels, height, width):
        raise UsageError(
            f"{data.folder} holds pictures of {in_words(channels, height, width)}, but the recipe draws "
            f"{in_words(*needs)}; {_remedy(wanted, needs, (channels, height, width))}"
        )
    if data.paired:
        raise UsageError(
            f"{data.folder} holds pairs, and {wanted.arch['name']} learns from single pictures; "
            f"prepare the targets alone, without --pairs-from or --side-by-side"
        )
    if len(data) < 2:
        raise UsageError(f"{data.folder} holds a single picture; there is nothing to learn between, so add drawings")
    kept = held_out(len(data), wanted.data.held_out)
    if (learned := len(data) - kept) < (largest := max(gan.batch_sizes)):
        beside = f" beside the {kept} held out" if kept else ""
        raise UsageError(
            f"{data.folder} holds {learned} pictures{beside}, fewer than a batch of {largest}; "
            f"add drawings or use {_with_batch(wanted, max(1, learned // 2))}"
        )
    _require_sound(gan, wanted)
    if _by_features(wanted):
        features.require(wanted.watch.features)
        evaluating.counted(data, wanted.watch.scored)
        features.network(wanted.watch.features)  # damaged or missing weights are told before anything is written
    return wanted


def _by_features(wanted: Recipe) -> bool:
    """Are snapshots to be scored by a feature network too?"""
    return bool(wanted.watch.scored) and wanted.watch.features != "none"


def _require_sound(gan: GAN, wanted: Recipe) -> None:
    """Refuse what a network and a way of training it forbid each other."""
    order, sizes = wanted.data.order, set(gan.batch_sizes)
    if (order == "fixed" and len(sizes) > 1) or (order.endswith("-single") and sizes != {1}):
        raise UsageError(
            f"data.order = '{order}' wants batches of one size throughout, but they are of {_told(gan.batch_sizes)}; "
            f"use data.order=shuffled, or leave arch.stage_batch out"
        )
    least = min(size // wanted.train.parts(size) for size in sizes)
    if any(isinstance(layer, nn.BatchNorm1d) for layer in gan.modules()):
        if least < 2:
            raise UsageError(
                f"a single picture is no batch that {wanted.arch['name']}'s batch norm can measure; use two or more"
            )
        if 1 in {most(size, wanted.balance.fake_as_real) for size in sizes}:
            raise UsageError(
                f"one generated picture among {min(sizes)} is no batch that {wanted.arch['name']}'s batch norm can "
                f"measure; use a larger train.batch, or another balance.fake_as_real"
            )
    if wanted.objective.gp_lambda and any(isinstance(layer, BatchNorm) for layer in gan.discriminator.modules()):
        raise UsageError(
            "the gradient penalty is of one picture, and batch norm in D mixes them (Gulrajani et al. 2017, §4); "
            "use arch.d_norm=none, or objective.gp_lambda=0"
        )


def _told(sizes: Iterable[int]) -> str:
    """The batch sizes as they follow each other: "32 → 16"."""
    return " → ".join(map(str, dict.fromkeys(sizes)))


def _with_batch(wanted: Recipe, size: int) -> str:
    """The option that makes all batches of one size."""
    return f"--set arch.stage_batch=[{size}]" if wanted.arch.get("stage_batch") else f"--set train.batch={size}"


def _remedy(wanted: Recipe, needs: tuple[int, int, int], has: tuple[int, int, int]) -> str:
    """What to do about data of another shape (C, H, W) than the network's."""
    if needs[1:] == has[1:]:
        return f"use --set arch.channels={has[0]}, or prepare again {'with' if needs[0] == 1 else 'without'} --grey"
    again = f"prepare again with --size {needs[2]}x{needs[1]}{' --grey' if needs[0] == 1 else ''}"
    size = str(has[1]) if has[1] == has[2] else f"[{has[1]},{has[2]}]"
    try:  # can it draw so?
        there = archs.build(wanted.changed([f"arch.resolution={size}"])).image_shape == has
    except UsageError:
        there = False
    return f"{again}, or use --set arch.resolution={size}" if there else again


def _require_same_recipe(run: Run, wanted: Recipe) -> None:
    for key, (old, new) in recipe.differences(run.recipe, wanted).items():
        if key not in _MAY_CHANGE:
            knowingly = "" if _is_fixed(key) else f", or change it knowingly: boceto resume {run.folder} --set {key}=…"
            raise UsageError(f"{run.folder} was begun with {key} = {old}, not {new}; give another --out{knowingly}")


def _is_fixed(key: str) -> bool:
    """The network, the seed, the fixed latents and what is held out make a run what it is."""
    return key.startswith("arch.") or key in ("train.seed", "watch.samples", "data.held_out", "data.labels")


def _require_same_origin(run: Run, origin: Path | str | None) -> None:
    """What a run began with is settled; naming nothing when it goes on is fine."""
    begun = run.about.get("origin", {}).get("run")
    if origin is not None and begun != str(Path(origin).resolve()):
        raise UsageError(
            f"{run.folder} was begun {'from ' + begun if begun else 'from nothing'}, not from {origin}; "
            f"leave --from out to go on with it, or give another --out"
        )


def _require_same_data(run: Run, data: Prepared) -> None:
    if run.about["data"]["content_hash"] != data.content_hash:
        raise UsageError(
            f"{run.folder} was trained on other pictures than {data.folder} (their hashes differ); "
            f"give the dataset it was begun with, or another --out"
        )


def _about(wanted: Recipe, data: Prepared, compute: Compute) -> dict[str, Any]:
    gan = archs.build(wanted)
    gan.reach(AT_LAST)
    nets = {"generator": gan.generator, "discriminator": gan.discriminator}
    return {
        "parameters": {name: sum(p.numel() for p in net.parameters()) for name, net in nets.items()},
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": {"folder": str(data.folder.resolve()), "content_hash": data.content_hash, **_counts(wanted, data)},
        "software": {"boceto": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "hardware": {"device": compute.label, "system": platform.platform()},
        "command": sys.argv,
    }


def _counts(wanted: Recipe, data: Prepared) -> dict[str, int]:
    """Pictures in all, and how many of them are held out."""
    return {"pictures": len(data), "held_out": held_out(len(data), wanted.data.held_out)}


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; the second Ctrl-C interrupts as usual."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    earlier = {number: signal.signal(number, note) for number in _STOPPING}
    try:
        yield event
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
