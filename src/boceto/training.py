"""The loop: ``steps`` computes and yields a Tick a batch; ``fit`` alone has side effects.

A step is a pure function of (state, seed, images seen): the batch, the latents, every dropout mask and jitter are
drawn from generators seeded anew from the clock. So nothing random need be stored, and a resumed run equals an
uninterrupted one bit for bit (on one machine's CPU, with the same number of threads).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from boceto import probing, sampling
from boceto.balance import accuracy, most, plant, pseudo
from boceto.clock import Clock, at, ema_beta
from boceto.compiling import Compiler
from boceto.data.ahead import fed, held
from boceto.data.batches import Labelled, Numbers, batches, labelled, look
from boceto.data.labels import occurring, table
from boceto.data.prepared import Prepared
from boceto.device import Compute, reuse_freed_memory
from boceto.doctor import Doctor, Finding, treatment
from boceto.energy import Meter
from boceto.errors import Fault
from boceto.gan import Batch, Origin, Terms
from boceto.recipe import Recipe
from boceto.runs import Run
from boceto.sampling import enlarged
from boceto.scaling import to_signed
from boceto.state import State
from boceto.tracking import Tracker
from boceto.watching import Means, Pace, Progress, Timed

_LOOK = 64  # held-out pictures at a time

Pixels = Numbers | Labelled  # uint8 (N, C, H, W), and with labels where G is told some
Net = Literal["generator", "discriminator"]
Evaluator = Callable[[nn.Module, Clock], Iterable[tuple[str, float]]]


@dataclass(frozen=True)
class Tick:
    """One step done: the clock after it, and what was watched, still on the device (0-d float32 tensors)."""

    now: Clock
    watched: dict[str, Tensor]


def steps(
    state: State,
    pictures: Iterable[Pixels],
    compute: Compute,
    recipe: Recipe,
    held_out: Callable[[int], Pixels] | None = None,
) -> Iterator[Tick]:
    """Train on batches of uint8 (N, C, H, W), labelled if G is told what to draw; yield one Tick a step.

    Touches no disk, prints nothing. ``held_out``: pictures of the same form that it never trains on, to be looked at
    after so many images. A step is ``balance.d_turns`` turns of D, each on a batch of its own, then ``balance.g_turns``
    turns of G.
    """
    gan, how, stream = state.gan, recipe.balance, iter(pictures)
    for pixels in stream:
        now = state.now
        state.begin_step()
        # What is looked at more closely, if this step ends a log line; else None.
        due = now.tick(len(pixels) * at(now, how.d_turns)).due(recipe.watch.log_kimg)
        probed: dict[str, Tensor] | None = {} if due else None

        seen = 0
        state.d_learns(True)
        for turn in chain([pixels], islice(stream, at(now, how.d_turns) - 1)):
            batch = _batch(state, turn, recipe)
            d = _learn(state, "discriminator", batch)
            if gan.adversarial:
                state.d_accuracy = accuracy(d.watch["real"], d.watch["fake"], batch.planted)
            if state.feedback is not None:
                state.feedback.see(d.watch["real"], batch.planted)
            if how.update == "alternating":
                _move(state, "discriminator", probed)
            seen += len(turn)

        if probed is not None:  # an encoder's turn has drawn nothing from these latents
            drawn = state.ema(batch.z) if batch.fake is None else batch.fake.detach()
            probed |= probing.variety(drawn, gan.shown(batch.real))
        state.d_learns(False)  # its own gradients are not needed now
        for again in range(at(now, how.g_turns)):
            if again:
                batch = replace(batch, z=_inputs(state, len(batch.real), batch.labels), fake=None)
            elif how.fresh_fakes:
                batch.z = _inputs(state, len(batch.real), batch.labels)
            g = _learn(state, "generator", batch)
            _move(state, "generator", probed)
        if how.update == "simultaneous":
            _move(state, "discriminator", probed)

        if probed is not None and held_out is not None:
            with compute.autocast():
                unseen, labels = _received(held_out(now.nimg), compute)
                probed |= probing.held_out(gan, unseen, d.zero, labels)

        state.now = now.tick(seen)
        _average(state.ema, gan.generator, ema_beta(state.now, recipe.train.ema_kimg))
        followed: dict[str, Tensor] = {}
        if state.feedback is not None:
            state.feedback.move(state.now.step)
            followed = {f"d/{name}": value for name, value in state.feedback.told().items()}
        yield Tick(state.now, _watched(d, g, batch.planted) | followed | (probed or {}))


def _batch(state: State, pixels: Pixels, recipe: Recipe) -> Batch:
    """Pictures and latents of one turn, generated pictures among the real ones if the recipe wants that.

    G is told to draw what the real pictures show, the planted ones what those show in whose place they are put.
    """
    (real, labels), largest, planted = _received(pixels, state.compute), recipe.balance.fake_as_real, None
    if count := most(len(real), largest) or math.ceil(recipe.augment.pseudo * len(real)):
        with torch.no_grad(), state.compute.autocast():
            fakes = enlarged(state.gan.generator(_inputs(state, count, labels)), real.shape[2:])
        if state.feedback is not None and recipe.augment.pseudo:
            real, planted = pseudo(real, fakes, state.feedback.p["pseudo_p"])
        else:
            real, planted = plant(real, fakes, state.d_accuracy, largest)
    return Batch(real, _inputs(state, len(real), labels), planted=planted, labels=labels)


def _received(pixels: Pixels, compute: Compute) -> tuple[Tensor, Tensor | None]:
    """uint8 (N, C, H, W) → [-1, 1] on the device; and what they show, (N, c_dim) in {0, 1}, if that is told."""
    labels = compute.send(pixels.labels).float() if isinstance(pixels, Labelled) else None
    levels = pixels.pixels if isinstance(pixels, Labelled) else pixels
    return to_signed(compute.send(levels), compute.memory_format), labels


def _inputs(state: State, n: int, labels: Tensor | None) -> Tensor:
    """Latents drawn anew, with the first ``n`` of the labels behind them if there are any: (n, z_dim + c_dim)."""
    draw = torch.randn if state.gan.recipe.train.latents == "normal" else torch.rand
    z = draw(n, state.gan.z_dim, device=state.compute.device)
    return z if labels is None else torch.cat((z, labels[:n]), dim=1)


def _learn(state: State, name: Net, batch: Batch) -> Terms:
    """Take the gradients of one net's terms, in as many parts as ``train.micro_batch`` makes of the batch."""
    terms = state.gan.g_terms if name == "generator" else state.gan.d_terms
    weights = [weight for weight in getattr(state.gan, name).parameters() if weight.requires_grad]
    for weight in weights:
        weight.grad = None
    parts = batch.split(state.gan.recipe.train.parts(len(batch.real)))
    found = []
    for part in parts:
        with state.compute.autocast():
            found.append(terms(part, state.now))
        share = len(part.real) / len(batch.real)
        (found[-1].total * share).backward(inputs=weights, retain_graph=batch.judged is not None)
    if len(parts) > 1 and parts[0].fake is not None:
        batch.fake = parts[0].fake.detach()  # to be looked at
    return Terms.joined(found)


def _move(state: State, name: Net, probed: dict[str, Tensor] | None) -> None:
    """Let one net follow its gradients, and watch it if asked."""
    watching = nullcontext() if probed is None else probing.update(state.layers[name], name[0], probed)
    with watching:
        (state.g_optimiser if name == "generator" else state.d_optimiser).step()
        state.gan.constrain(getattr(state.gan, name))


@torch.no_grad()
def _average(ema: nn.Module, net: nn.Module, beta: float) -> None:
    """ema ← β·ema + (1−β)·net, weights and batch-norm statistics alike; counters are copied."""
    pairs = list(zip(ema.state_dict().values(), net.state_dict().values(), strict=True))
    floats = [(a, b) for a, b in pairs if a.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - beta)
    counters = [(a, b) for a, b in pairs if not a.is_floating_point()]
    if counters:
        torch._foreach_copy_([a for a, _ in counters], [b for _, b in counters])


@torch.no_grad()
def _watched(d: Terms, g: Terms, planted: Tensor | None) -> dict[str, Tensor]:
    """Losses of both nets and what else they tell; for D's logits its mean score and how often it was right, on truly
    real pictures.
    """
    watched = {
        f"{net}/{name}": value.detach()
        for net, terms in (("d", d), ("g", g))
        for name, value in (terms.losses | terms.told).items()
    }
    if planted is not None:
        watched["d/planted"] = planted.float().mean()
    for name, logits in d.watch.items():
        true = torch.ones_like(logits) if planted is None or name == "fake" else (~planted).float()
        watched[f"d/{name}_score"] = (logits.sigmoid() * true).sum() / true.sum()
        watched[f"d/{name}_right"] = (((logits > 0) == (name == "real")) * true).sum() / true.sum()
    return watched


def _say_nothing(progress: Progress) -> None:
    pass


def _tell_nobody(sentence: str) -> None:
    pass


def _never() -> bool:
    return False


def fit(
    run: Run,
    data: Prepared,
    compute: Compute,
    *,
    origin: Origin | None = None,
    evaluators: Iterable[Evaluator] = (),
    trackers: Sequence[Tracker] = (),
    show: Callable[[Progress], None] = _say_nothing,
    announce: Callable[[str], None] = _tell_nobody,
    stop: Callable[[], bool] = _never,
) -> State:
    """Train a run up to what its recipe asks, from its saved state if it has one, else from ``origin`` or nothing.

    The only place with side effects: logs, draws samples, saves snapshots and state, evaluates, treats, stops.
    Raises Fault if the losses are no longer finite, if the doctor is to stop it or gives it up, or if a file cannot be
    written; the last saved state then stands.
    """
    recipe = run.treated
    train, watch = recipe.train, recipe.watch
    if compute.device.type == "cpu":
        reuse_freed_memory()
    state = _begin(run, compute, origin)
    run.rewind_log(state.now.nimg)
    learned, held_out = data.split(run.held_out)
    shown = table(recipe.data.labels, data) if recipe.data.labels else None
    if shown is not None:
        state.know(occurring(shown[learned.numbers]))
    laid = sampling.layout(recipe)
    fixed = sampling.of_a_sheet(state.ema, laid, recipe, state.gan.z_dim)
    doctor = Doctor(recipe, len(learned), run.read_log() if recipe.doctor.act != "off" else ())

    def sheet() -> Image.Image:
        images = sampling.draw(state.ema, fixed, compute, state.gan.image_shape[1:])
        return sampling.sheet(images, laid.columns, names=laid.names)

    def score(seconds: float) -> None:
        scores = {name: value for evaluate in evaluators for name, value in evaluate(state.ema, state.now)}
        if scores:
            run.log(line := {"nimg": state.now.nimg, "seconds": round(seconds, 3), **scores})
            doctor.see(line)

    if state.now.nimg == 0:
        run.save_sample(0, sheet())
    elif evaluators and state.now.nimg not in run.scores():  # killed before it was told
        score(state.seconds)
    run.prune(watch.keep, _healthy(run, doctor))  # it may have been killed before that
    if finished(state, recipe):
        return state
    means, pace, earlier = Means(), Pace(train, state.now.nimg, state.seconds, state.gan.names()), run.spent()
    how, batch = recipe.data, state.gan.batch_at
    way: dict[str, Any] = {"seed": train.seed, "nimg": state.now.nimg, "batch": batch, "flip": how.flip}
    way["order"] = how.order
    pictures: Iterator[NDArray[np.uint8]] | Iterator[Labelled] = (
        batches(learned, **way) if shown is None else labelled(learned, shown[learned.numbers], **way)
    )
    unlearned = None if shown is None else shown[held_out.numbers]

    def unseen(nimg: int) -> Pixels:
        most = min(_LOOK, train.micro_batch or batch(nimg))
        return held(look(held_out, train.seed, nimg, most, unlearned), compute)

    with Meter(gpu=compute.card) as meter, fed(pictures, compute) as read, Compiler(state, announce) as compiler:
        stream = Timed(read, compute)
        for tick in steps(state, stream, compute, recipe, unseen if len(held_out) else None):
            means.add(tick.watched)
            now, state.seconds = tick.now, pace.seconds()
            leaving, progress = stop() or finished(state, recipe), None
            saving = leaving or now.due(watch.snapshot_kimg) or state.gan.milestone(now)
            if saving or now.due(watch.log_kimg):
                latest = means.take() | state.gan.status()
                run.note_spent(spent := earlier + meter.used())
                costs = {"joules": round(spent.joules, 1), **compute.memory(), **pace.rate(now.nimg, stream.take())}
                line = {"nimg": now.nimg, "step": now.step, "seconds": round(state.seconds, 3), **costs, **latest}
                found = doctor.see(line) if recipe.doctor.act != "off" else []
                run.log(line)
                ill = _ill(found, recipe)
                if ill and _treatable(run, ill, doctor, state, origin):
                    show(pace.progress(now.nimg, latest, (str(ill), _treat(run, ill, doctor, state, compute, origin))))
                    break
                saving = saving or ill is not None
                for tracker in trackers:
                    tracker.line(line)
                    for finding in found:
                        tracker.finding(now.nimg, str(finding))
                _refuse_divergence(run, now, latest, sound=not saving or state.is_finite())
                show(progress := pace.progress(now.nimg, latest, tuple(map(str, found))))
            elif pace.quiet():
                show(pace.progress(now.nimg))
            if saving or now.due(watch.sample_kimg):
                run.save_sample(now.nimg, drawn := sheet())
                for tracker in trackers:
                    tracker.sheet(now.nimg, drawn)
            if saving:
                state.save(run.state, run.id)  # before the snapshot: then no snapshot is ever ahead of the state
                run.save_snapshot(now, state.nets(), stage=state.gan.milestone(now))
                score(pace.seconds())
                run.prune(watch.keep, _healthy(run, doctor))
                if ill:
                    raise Fault(_stopped(run, ill, doctor))
            if leaving:
                return state
            compiler.attend(progress)
    again = {"origin": origin, "evaluators": evaluators, "trackers": trackers, "show": show, "announce": announce}
    return fit(run, data, compute, stop=stop, **again)  # type: ignore[arg-type]


def _begin(run: Run, compute: Compute, origin: Origin | None) -> State:
    """The state to go on from."""
    state = State.fresh(run.treated, compute, None if run.state.exists() else origin)
    if run.state.exists():
        state.load(run.state, run.id)
        if state.now.nimg not in run.snapshots() and state.now.nimg:  # stopped between the two
            run.save_snapshot(state.now, state.nets())
    elif run.snapshots():
        raise Fault(
            f"{run.state} is missing, so {run.folder} cannot go on; train with another --out, this one can sample"
        )
    return state


def finished(state: State, recipe: Recipe) -> bool:
    """Has the run seen its images, or used up its minutes?"""
    return state.now.nimg >= recipe.train.kimg * 1000 or _out_of_time(state, recipe)


def _out_of_time(state: State, recipe: Recipe) -> bool:
    minutes = recipe.train.minutes
    return minutes is not None and state.seconds >= minutes * 60


def _refuse_divergence(run: Run, now: Clock, latest: dict[str, float], sound: bool) -> None:
    broken = [name for name, value in latest.items() if not math.isfinite(value) and name.count("/") < 2]
    broken += [] if sound else ["a weight"]
    if broken:
        kept = run.snapshots()
        saved = f"the state of {max(kept):,} images is kept" if kept else "nothing was saved before"
        raise Fault(
            f"training diverged: {', '.join(broken)} is not finite any more at {now.nimg:,} images; {saved}; "
            f"try lower rates, for example --set train.d_lr=5e-5 --set train.g_lr=5e-5"
        )


# ── treatment ──


def _ill(found: Sequence[Finding], recipe: Recipe) -> Finding | None:
    """The first grave finding, if something is to be done about it: a treatment, or an end."""
    if recipe.doctor.act not in ("stop", "roll-back"):
        return None
    return next((finding for finding in found if finding.grave and finding.ended is None), None)


def _treatable(run: Run, ill: Finding, doctor: Doctor, state: State, origin: Origin | None) -> bool:
    """Is there something to try, has it not been tried too often, and would anything be left?"""
    recipe = run.treated
    if recipe.doctor.act != "roll-back" or _tried(run) >= recipe.doctor.tries or not treatment(ill, recipe):
        return False
    anew = origin is not None or "origin" not in run.about  # what a run began with is not looked for once it goes on
    return _healthy(run, doctor) > 0 or (anew and not _out_of_time(state, recipe))


def _tried(run: Run) -> int:
    return sum(entry["name"] != "memory" for entry in run.treatments())


def _healthy(run: Run, doctor: Doctor) -> int:
    """The last snapshot from before everything that is wrong now, by the images seen; 0 if there is none."""
    since = doctor.since()
    return max((nimg for nimg in run.snapshots() if since is None or nimg < since), default=0)


def _stopped(run: Run, ill: Finding, doctor: Doctor) -> str:
    """What is said of a run that the doctor ends."""
    healthy, tried = _healthy(run, doctor), _tried(run)
    ended = f"given up after {tried} treatments" if run.treated.doctor.act == "roll-back" and tried else "stopped"
    before = f"the snapshot of {healthy:,} images is from before" if healthy else "no snapshot is from before"
    return (
        f"{ended}: {ill} ({before}; what there is now is kept too, and goes on with "
        f"boceto resume {run.folder} --set doctor.act=warn)"
    )


def _treat(run: Run, ill: Finding, doctor: Doctor, state: State, compute: Compute, origin: Origin | None) -> str:
    """Take the run back to its last healthy snapshot, with gentler settings from there on; what was done, in words.

    What came after it is set aside in the run folder.
    """
    recipe, healthy = run.treated, _healthy(run, doctor)
    changes = treatment(ill, recipe)
    run.set_aside(healthy)
    back = State.fresh(recipe, compute, None if healthy else origin)
    back.seconds = state.seconds
    if back.feedback is not None and state.feedback is not None:  # D knows the drawings no less for it
        back.feedback.restore(state.feedback.tensors())
    if healthy:
        back.take_up(run.snapshots()[healthy])
    back.save(run.state, run.id)
    finding = f"{ill.name} since {ill.nimg:,} images: {ill.evidence}"
    run.note_treatment({"name": ill.name, "nimg": healthy, "finding": finding, "changes": changes})
    return f"back to {healthy:,} images with {', '.join(changes)}"
