"""The loop: ``steps`` computes and yields a Tick a batch; ``fit`` alone has side effects.

A step is a pure function of (state, seed, images seen): the batch, the latents, every dropout mask and jitter are
drawn from generators seeded anew from the clock. So nothing random need be stored, and a resumed run equals an
uninterrupted one bit for bit (on one machine's CPU, with the same number of threads).
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer, RMSprop

from boceto import archs, sampling
from boceto.balance import accuracy, most, plant
from boceto.clock import Clock, at, ema_beta
from boceto.data.batches import batches
from boceto.data.prepared import Prepared
from boceto.device import Compute
from boceto.errors import Fault
from boceto.gan import GAN, Batch, Terms
from boceto.recipe import Recipe
from boceto.runs import Run, load_tensors, restore, save_tensors
from boceto.sampling import enlarged
from boceto.scaling import to_signed
from boceto.watching import Means, Pace, Progress

Evaluator = Callable[[nn.Module, Clock], Iterable[tuple[str, float]]]


@dataclass
class State:
    """All that changes while training: nets, averaged G, optimisers, clock, D's accuracy, seconds and joules spent."""

    gan: GAN
    ema: nn.Module
    compute: Compute
    d_optimiser: Optimizer = field(init=False)
    g_optimiser: Optimizer = field(init=False)
    d_accuracy: Tensor = field(init=False)  # of its latest turn, on true origin; at first it passes for perfect
    now: Clock = field(default_factory=Clock)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.renew_optimisers()
        self.d_accuracy = torch.ones((), device=self.compute.device)

    @classmethod
    def fresh(cls, recipe: Recipe, compute: Compute, origin: GAN | None = None) -> State:
        """Untrained nets from the recipe's seed, or those of ``origin``."""
        torch.manual_seed(recipe.train.seed)
        gan = archs.build(recipe).train()
        if origin is not None:
            gan.adopt(origin)
        compute.place(gan)
        return cls(gan, copy.deepcopy(gan.generator).eval().requires_grad_(False), compute)

    def reach(self, now: Clock) -> None:
        """Bring the nets into the form that the clock asks for; grown ones get optimisers anew."""
        if self.gan.reach(now, self.ema):
            self.compute.place(self.gan)
            self.compute.place(self.ema)
            self.renew_optimisers()

    def renew_optimisers(self) -> None:
        """Optimisers for the nets as they are; the moments of weights that stay are kept if the recipe says so."""
        for name in ("d_optimiser", "g_optimiser"):
            net = self.gan.discriminator if name == "d_optimiser" else self.gan.generator
            optimiser = _optimiser(net, self.gan.recipe, name[0], self.compute)
            if hasattr(self, name) and self.gan.keeps_moments:
                known = set(net.parameters())
                optimiser.state.update({p: kept for p, kept in getattr(self, name).state.items() if p in known})
            setattr(self, name, optimiser)

    def nets(self) -> dict[str, Tensor]:
        """Weights and buffers by name: what a snapshot holds."""
        parts = {"generator": self.gan.generator, "discriminator": self.gan.discriminator, "ema": self.ema}
        return {f"{part}.{name}": tensor for part, net in parts.items() for name, tensor in net.state_dict().items()}

    def _optimised(self) -> Iterator[tuple[str, Optimizer, nn.Parameter]]:
        for part, optimiser in (("generator", self.g_optimiser), ("discriminator", self.d_optimiser)):
            for name, parameter in getattr(self.gan, part).named_parameters():
                yield f"optimiser.{part}.{name}", optimiser, parameter

    def save(self, path: Path, run_id: str) -> None:
        """Write everything to go on from, for the run of that id."""
        tensors = {**self.nets(), "balance.d_accuracy": self.d_accuracy}
        for name, optimiser, parameter in self._optimised():
            moments = optimiser.state.get(parameter, {})
            tensors |= {f"{name}.{key}": value for key, value in moments.items() if isinstance(value, Tensor)}
        save_tensors(
            path, tensors, {"clock": json.dumps(asdict(self.now)), "seconds": repr(self.seconds), "run": run_id}
        )

    def load(self, path: Path, run_id: str) -> None:
        """Take up what ``save`` wrote. Raises Fault if the file is damaged, of another network or of another run."""
        tensors, metadata = load_tensors(path)
        if metadata.get("run") != run_id:
            raise Fault(f"{path} belongs to another run; put back the file of this one, or train with another --out")
        try:
            self.now, self.seconds = Clock(**json.loads(metadata["clock"])), float(metadata["seconds"])
            self.reach(self.now.before)
            restore(self.gan.generator, tensors, "generator.", path)
            restore(self.gan.discriminator, tensors, "discriminator.", path)
            restore(self.ema, tensors, "ema.", path)
            self.d_accuracy.copy_(tensors["balance.d_accuracy"])
            for name, optimiser, parameter in self._optimised():
                moments = {key: tensors[f"{name}.{key}"] for key in MOMENTS if f"{name}.{key}" in tensors}
                if moments:
                    optimiser.state[parameter] = {
                        key: _moment(value, parameter, optimiser) for key, value in moments.items()
                    }
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise Fault(f"{path} is no state this run can resume from ({error}); train anew") from error


# What PyTorch's optimisers keep of a weight: Adam, RMSprop, SGD.
MOMENTS = ("step", "exp_avg", "exp_avg_sq", "square_avg", "momentum_buffer")


def _moment(value: Tensor, parameter: nn.Parameter, optimiser: Optimizer) -> Tensor:
    """A moment as its optimiser wants it: in the weight's own memory order, which the fused update relies on."""
    if value.shape == parameter.shape and value.dim():
        return torch.empty_like(parameter).copy_(value)
    return value.to(parameter.device) if optimiser.defaults.get("fused") else value


def _optimiser(net: nn.Module, recipe: Recipe, part: str, compute: Compute) -> Optimizer:
    """The optimiser of D (part "d") or G ("g")."""
    train, weights = recipe.train, list(net.parameters())
    rate = train.d_lr if part == "d" else train.g_lr
    match train.optimiser:
        case "adam":
            fused = compute.device.type in ("cpu", "cuda")
            return Adam(weights, rate, (train.beta1, train.beta2), train.eps, fused=fused)
        case "rmsprop":
            return RMSprop(weights, rate, train.beta2, train.eps)
        case "sgd":
            return SGD(weights, rate, train.beta1)


@dataclass(frozen=True)
class Tick:
    """One step done: the clock after it, and what was watched, still on the device (0-d float32 tensors)."""

    now: Clock
    watched: dict[str, Tensor]


def steps(state: State, pictures: Iterable[NDArray[np.uint8]], compute: Compute, recipe: Recipe) -> Iterator[Tick]:
    """Train on batches of uint8 (N, C, H, W); yield one Tick a step. Touches no disk, prints nothing.

    A step is ``balance.d_turns`` turns of D, each on a batch of its own, then ``balance.g_turns`` turns of G.
    """
    gan, how, stream = state.gan, recipe.balance, iter(pictures)
    for pixels in stream:
        now = state.now
        torch.manual_seed(_step_seed(recipe.train.seed, now.nimg))
        state.reach(now)

        seen = 0
        gan.discriminator.requires_grad_(True)
        for turn in chain([pixels], islice(stream, at(now, how.d_turns) - 1)):
            batch = _batch(state, turn, recipe)
            with compute.autocast():
                d = gan.d_terms(batch, now)
            _learn(state.d_optimiser, d)
            state.d_accuracy = accuracy(d.watch["real"], d.watch["fake"], batch.planted)
            if how.update == "alternating":
                _move(state, "discriminator")
            seen += len(turn)

        gan.discriminator.requires_grad_(False)  # its own gradients are not needed now
        for again in range(at(now, how.g_turns)):
            if again:
                batch = Batch(batch.real, _latents(state, len(batch.real)))
            elif how.fresh_fakes:
                batch.z = _latents(state, len(batch.real))
            with compute.autocast():
                g = gan.g_terms(batch, now)
            _learn(state.g_optimiser, g)
            _move(state, "generator")
        if how.update == "simultaneous":
            _move(state, "discriminator")

        state.now = now.tick(seen)
        _average(state.ema, gan.generator, ema_beta(state.now, recipe.train.ema_kimg))
        yield Tick(state.now, _watched(d, g, batch.planted))


def speed(recipe: Recipe, compute: Compute, nimg: int = 0, seconds: float = 2.0) -> float:
    """Images/s that a recipe trains at here after ``nimg`` images, from ``seconds`` of trial on noise."""
    state = State.fresh(recipe, compute)
    state.now = Clock(nimg=nimg)

    def noise() -> Iterator[NDArray[np.uint8]]:
        random = np.random.Generator(np.random.PCG64(0))
        while True:
            yield random.integers(0, 256, (state.gan.batch_at(nimg), *state.gan.image_shape), np.uint8)

    trial = steps(state, noise(), compute, recipe)
    next(trial)  # the first step is slow, and with lazy penalties unlike the others
    began_at, began = next(trial).now.nimg, time.monotonic()
    for tick in trial:  # noqa: B007  the last one counts
        if time.monotonic() - began >= seconds:
            break
    return (tick.now.nimg - began_at) / (time.monotonic() - began)


def _batch(state: State, pixels: NDArray[np.uint8], recipe: Recipe) -> Batch:
    """Pictures and latents of one turn, generated pictures among the real ones if the recipe wants that."""
    levels = torch.from_numpy(pixels).to(state.compute.device, non_blocking=True)
    real, largest, planted = to_signed(levels, state.compute.memory_format), recipe.balance.fake_as_real, None
    if count := most(len(real), largest):
        with torch.no_grad(), state.compute.autocast():
            fakes = enlarged(state.gan.generator(_latents(state, count)), real.shape[2:])
        real, planted = plant(real, fakes, state.d_accuracy, largest)
    return Batch(real, _latents(state, len(real)), planted=planted)


def _latents(state: State, n: int) -> Tensor:
    """(n, z_dim) latents, drawn anew."""
    draw = torch.randn if state.gan.recipe.train.latents == "normal" else torch.rand
    return draw(n, state.gan.z_dim).to(state.compute.device)


def _learn(optimiser: Optimizer, terms: Terms) -> None:
    """Take the gradients of one net's terms."""
    optimiser.zero_grad(set_to_none=True)
    terms.total.backward()


def _move(state: State, name: Literal["generator", "discriminator"]) -> None:
    """Let one net follow its gradients."""
    (state.g_optimiser if name == "generator" else state.d_optimiser).step()
    state.gan.constrain(getattr(state.gan, name))


@torch.no_grad()
def _average(ema: nn.Module, net: nn.Module, beta: float) -> None:
    """ema ← β·ema + (1−β)·net, weights and batch-norm statistics alike; counters are copied."""
    pairs = list(zip(ema.state_dict().values(), net.state_dict().values(), strict=True))
    floats = [(a, b) for a, b in pairs if a.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - beta)
    for a, b in pairs:
        if not a.is_floating_point():
            a.copy_(b)


@torch.no_grad()
def _watched(d: Terms, g: Terms, planted: Tensor | None) -> dict[str, Tensor]:
    """Losses of both nets, and for D's logits its mean score and how often it was right, on truly real pictures."""
    watched = {
        f"{net}/{name}": loss.detach() for net, terms in (("d", d), ("g", g)) for name, loss in terms.losses.items()
    }
    if planted is not None:
        watched["d/planted"] = planted.float().mean()
    for name, logits in d.watch.items():
        true = torch.ones_like(logits) if planted is None or name == "fake" else (~planted).float()
        watched[f"d/{name}_score"] = (logits.sigmoid() * true).sum() / true.sum()
        watched[f"d/{name}_right"] = (((logits > 0) == (name == "real")) * true).sum() / true.sum()
    return watched


def _step_seed(seed: int, nimg: int) -> int:
    return int(np.random.SeedSequence([seed, nimg]).generate_state(1, np.uint64)[0] >> 1)


def _say_nothing(progress: Progress) -> None:
    pass


def _never() -> bool:
    return False


def fit(
    run: Run,
    data: Prepared,
    compute: Compute,
    *,
    origin: GAN | None = None,
    evaluators: Iterable[Evaluator] = (),
    show: Callable[[Progress], None] = _say_nothing,
    stop: Callable[[], bool] = _never,
) -> State:
    """Train a run up to what its recipe asks, from its saved state if it has one, else from ``origin`` or nothing.

    The only place with side effects: logs, draws samples, saves snapshots and state, evaluates, stops.
    Raises Fault if the losses are no longer finite or a file cannot be written; the last saved state then stands.
    """
    recipe = run.recipe
    train, watch = recipe.train, recipe.watch
    state = _begin(run, compute, origin)
    run.rewind_log(state.now.nimg)
    fixed = sampling.latents(watch.samples, state.gan.z_dim, train.seed, train.latents)

    def sheet() -> Image.Image:
        return sampling.sheet(sampling.draw(state.ema, fixed, compute, state.gan.image_shape[1:]))

    if state.now.nimg == 0:
        run.save_sample(0, sheet())
    means, pace = Means(), Pace(recipe.train, state.now.nimg, state.seconds)
    how = recipe.data
    stream = batches(
        data, seed=train.seed, nimg=state.now.nimg, batch=state.gan.batch_at, flip=how.flip, order=how.order
    )
    if finished(state, recipe):
        return state
    for tick in steps(state, stream, compute, recipe):
        means.add(tick.watched)
        now, state.seconds = tick.now, pace.seconds()
        leaving = stop() or finished(state, recipe)
        saving = leaving or now.due(watch.snapshot_kimg) or state.gan.milestone(now)
        if saving or now.due(watch.log_kimg):
            latest = means.take()
            _refuse_divergence(run, now, latest)
            latest |= state.gan.status()
            spent = {"seconds": round(state.seconds, 3), **pace.rate(now.nimg)}
            run.log({"nimg": now.nimg, "step": now.step, **spent, **latest})
            show(pace.progress(now.nimg, latest))
        elif pace.quiet():
            show(pace.progress(now.nimg))
        if saving or now.due(watch.sample_kimg):
            run.save_sample(now.nimg, sheet())
        if saving:
            state.save(run.state, run.id)  # before the snapshot: then no snapshot is ever ahead of the state
            run.save_snapshot(now, state.nets())
            scores = {name: value for evaluate in evaluators for name, value in evaluate(state.ema, now)}
            if scores:
                run.log({"nimg": now.nimg, **scores})
        if leaving:
            break
    return state


def _begin(run: Run, compute: Compute, origin: GAN | None) -> State:
    """The state to go on from."""
    state = State.fresh(run.recipe, compute, None if run.state.exists() else origin)
    if run.state.exists():
        state.load(run.state, run.id)
        if state.now.nimg not in run.snapshots():  # stopped between the two
            run.save_snapshot(state.now, state.nets())
    elif run.snapshots():
        raise Fault(
            f"{run.state} is missing, so {run.folder} cannot go on; train with another --out, this one can sample"
        )
    return state


def finished(state: State, recipe: Recipe) -> bool:
    """Has the run seen its images, or used up its minutes?"""
    minutes = recipe.train.minutes
    return state.now.nimg >= recipe.train.kimg * 1000 or (minutes is not None and state.seconds >= minutes * 60)


def _refuse_divergence(run: Run, now: Clock, latest: dict[str, float]) -> None:
    broken = [name for name, value in latest.items() if not math.isfinite(value)]
    if broken:
        kept = run.snapshots()
        saved = f"the state of {max(kept):,} images is kept" if kept else "nothing was saved before"
        raise Fault(
            f"training diverged: {', '.join(broken)} is not finite any more at {now.nimg:,} images; {saved}; "
            f"try lower rates, for example --set train.d_lr=5e-5 --set train.g_lr=5e-5"
        )
