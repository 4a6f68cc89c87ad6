"""The loop: ``steps`` computes and yields a Tick a batch; ``fit`` alone has side effects.

A step is a pure function of (state, seed, images seen): the batch, the latents, every dropout mask and jitter are
drawn from generators seeded anew from the clock. So nothing random need be stored, and a resumed run equals an
uninterrupted one bit for bit (on one machine's CPU, with the same number of threads).
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Adam

from boceto import archs, sampling
from boceto.clock import Clock, ema_beta
from boceto.data.batches import batches
from boceto.data.prepared import Prepared
from boceto.device import Compute
from boceto.errors import Fault
from boceto.gan import GAN, Batch, Terms
from boceto.recipe import Recipe
from boceto.runs import Run, load_tensors, restore, save_tensors
from boceto.scaling import to_signed
from boceto.watching import Means, Pace, Progress

Evaluator = Callable[[nn.Module, Clock], Iterable[tuple[str, float]]]


@dataclass
class State:
    """All that changes while training: nets, averaged G, optimisers, clock, seconds spent."""

    gan: GAN
    ema: nn.Module
    d_optimiser: Adam
    g_optimiser: Adam
    now: Clock = field(default_factory=Clock)
    seconds: float = 0.0

    @classmethod
    def fresh(cls, recipe: Recipe, compute: Compute) -> State:
        """Untrained nets from the recipe's seed."""
        torch.manual_seed(recipe.train.seed)
        gan = archs.build(recipe).train()
        compute.place(gan)
        ema = copy.deepcopy(gan.generator).eval().requires_grad_(False)
        train, betas = recipe.train, (recipe.train.beta1, recipe.train.beta2)
        fused = compute.device.type in ("cpu", "cuda")
        return cls(
            gan,
            ema,
            Adam(gan.discriminator.parameters(), train.d_lr, betas, fused=fused),
            Adam(gan.generator.parameters(), train.g_lr, betas, fused=fused),
        )

    def nets(self) -> dict[str, Tensor]:
        """Weights and buffers by name: what a snapshot holds."""
        parts = {"generator": self.gan.generator, "discriminator": self.gan.discriminator, "ema": self.ema}
        return {f"{part}.{name}": tensor for part, net in parts.items() for name, tensor in net.state_dict().items()}

    def _optimised(self) -> Iterator[tuple[str, Adam, nn.Parameter]]:
        for part, optimiser in (("generator", self.g_optimiser), ("discriminator", self.d_optimiser)):
            for name, parameter in getattr(self.gan, part).named_parameters():
                yield f"adam.{part}.{name}", optimiser, parameter

    def save(self, path: Path, run_id: str) -> None:
        """Write everything to go on from, for the run of that id."""
        tensors = self.nets()
        for name, optimiser, parameter in self._optimised():
            tensors |= {f"{name}.{key}": value for key, value in optimiser.state[parameter].items()}
        clock = {"nimg": self.now.nimg, "step": self.now.step, "batch": self.now.batch, "seconds": self.seconds}
        save_tensors(path, tensors, {"clock": json.dumps(clock), "run": run_id})

    def load(self, path: Path, run_id: str) -> None:
        """Take up what ``save`` wrote. Raises Fault if the file is damaged, of another network or of another run."""
        tensors, metadata = load_tensors(path)
        if metadata.get("run") != run_id:
            raise Fault(f"{path} belongs to another run; put back the file of this one, or train with another --out")
        restore(self.gan.generator, tensors, "generator.", path)
        restore(self.gan.discriminator, tensors, "discriminator.", path)
        restore(self.ema, tensors, "ema.", path)
        try:
            for name, optimiser, parameter in self._optimised():
                step = tensors[f"{name}.step"]
                optimiser.state[parameter] = {
                    "step": step.to(parameter.device) if optimiser.defaults["fused"] else step,
                    # in the parameter's own memory order, which the fused update relies on
                    "exp_avg": torch.empty_like(parameter).copy_(tensors[f"{name}.exp_avg"]),
                    "exp_avg_sq": torch.empty_like(parameter).copy_(tensors[f"{name}.exp_avg_sq"]),
                }
            clock = json.loads(metadata["clock"])
            self.seconds = float(clock.pop("seconds"))
            self.now = Clock(**clock)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise Fault(f"{path} is no state this run can resume from ({error}); train anew") from error


@dataclass(frozen=True)
class Tick:
    """One step done: the clock after it, and what was watched, still on the device (0-d float32 tensors)."""

    now: Clock
    watched: dict[str, Tensor]


def steps(state: State, pictures: Iterable[NDArray[np.uint8]], compute: Compute, recipe: Recipe) -> Iterator[Tick]:
    """Train on batches of uint8 (N, C, H, W); yield one Tick a batch. Touches no disk, prints nothing."""
    gan = state.gan
    for pixels in pictures:
        torch.manual_seed(_step_seed(recipe.train.seed, state.now.nimg))
        levels = torch.from_numpy(pixels).to(compute.device, non_blocking=True)
        real = to_signed(levels, compute.memory_format)
        batch = Batch(real=real, z=torch.randn(len(real), gan.z_dim).to(compute.device))

        gan.discriminator.requires_grad_(True)
        with compute.autocast():
            d = gan.d_terms(batch, state.now)
        _update(state.d_optimiser, d)

        gan.discriminator.requires_grad_(False)  # its own gradients are not needed now
        with compute.autocast():
            g = gan.g_terms(batch, state.now)
        _update(state.g_optimiser, g)

        state.now = state.now.tick(len(real))
        _average(state.ema, gan.generator, ema_beta(state.now, recipe.train.ema_kimg))
        yield Tick(state.now, _watched(d, g))


def _update(optimiser: Adam, terms: Terms) -> None:
    optimiser.zero_grad(set_to_none=True)
    terms.total.backward()
    optimiser.step()


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
def _watched(d: Terms, g: Terms) -> dict[str, Tensor]:
    """Losses of both nets, and for D's logits its mean score and how often it was right."""
    watched = {
        f"{net}/{name}": loss.detach() for net, terms in (("d", d), ("g", g)) for name, loss in terms.losses.items()
    }
    for name, logits in d.watch.items():
        watched[f"d/{name}_score"] = logits.sigmoid().mean()
        watched[f"d/{name}_right"] = ((logits > 0) == (name == "real")).float().mean()
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
    evaluators: Iterable[Evaluator] = (),
    show: Callable[[Progress], None] = _say_nothing,
    stop: Callable[[], bool] = _never,
) -> State:
    """Train a run up to what its recipe asks, from its saved state if it has one.

    The only place with side effects: logs, draws samples, saves snapshots and state, evaluates, stops.
    Raises Fault if the losses are no longer finite or a file cannot be written; the last saved state then stands.
    """
    recipe = run.recipe
    train, watch = recipe.train, recipe.watch
    state = State.fresh(recipe, compute)
    if run.state.exists():
        state.load(run.state, run.id)
        if state.now.nimg not in run.snapshots():  # stopped between the two
            run.save_snapshot(state.now.nimg, state.nets())
    elif run.snapshots():
        raise Fault(
            f"{run.state} is missing, so {run.folder} cannot go on; train with another --out, this one can sample"
        )
    run.rewind_log(state.now.nimg)
    fixed = sampling.latents(watch.samples, state.gan.z_dim, train.seed)
    if state.now.nimg == 0:
        run.save_sample(0, sampling.sheet(sampling.draw(state.ema, fixed, compute)))
    means, pace = Means(), Pace(recipe.train, state.now.nimg, state.seconds)
    how = recipe.data
    stream = batches(data, seed=train.seed, nimg=state.now.nimg, batch=train.batch, flip=how.flip, order=how.order)
    if finished(state, recipe):
        return state
    for tick in steps(state, stream, compute, recipe):
        means.add(tick.watched)
        now, state.seconds = tick.now, pace.seconds()
        leaving = stop() or finished(state, recipe)
        saving = leaving or now.due(watch.snapshot_kimg)
        if saving or now.due(watch.log_kimg):
            latest = means.take()
            _refuse_divergence(run, now, latest)
            spent = {"seconds": round(state.seconds, 3), **pace.rate(now.nimg)}
            run.log({"nimg": now.nimg, "step": now.step, **spent, **latest})
            show(pace.progress(now.nimg, latest))
        elif pace.quiet():
            show(pace.progress(now.nimg))
        if leaving or now.due(watch.sample_kimg):
            run.save_sample(now.nimg, sampling.sheet(sampling.draw(state.ema, fixed, compute)))
        if saving:
            state.save(run.state, run.id)  # before the snapshot: then no snapshot is ever ahead of the state
            run.save_snapshot(now.nimg, state.nets())
            scores = {name: value for evaluate in evaluators for name, value in evaluate(state.ema, now)}
            if scores:
                run.log({"nimg": now.nimg, **scores})
        if leaving:
            break
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
