"""The state of a training: nets, average, optimisers, clock; how it is begun, grown, saved and taken up again."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer, RMSprop

from boceto import archs, probing
from boceto.balance import Feedback
from boceto.clock import Clock
from boceto.device import Compute
from boceto.errors import Fault
from boceto.files import load_tensors, restore, save_tensors
from boceto.gan import GAN, Origin, take
from boceto.recipe import Recipe


@dataclass
class State:
    """All that changes while training: nets, averaged G, optimisers, clock, how sure D is, seconds spent."""

    gan: GAN
    ema: nn.Module
    compute: Compute
    d_optimiser: Optimizer = field(init=False)
    g_optimiser: Optimizer = field(init=False)
    d_accuracy: Tensor = field(init=False)  # of its latest turn, on true origin; at first it passes for perfect
    feedback: Feedback | None = field(init=False)  # how often D is deceived, if that follows how sure it is
    layers: dict[str, dict[str, nn.Parameter]] = field(init=False)  # of both nets, from input to output
    frozen: list[nn.Parameter] = field(init=False)  # of D: what stays as it came
    now: Clock = field(default_factory=Clock)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.see_layers()
        self.renew_optimisers()
        self.d_accuracy = torch.ones((), device=self.compute.device)
        self.feedback = _feedback(self.gan.recipe, self.compute.device)
        if self.gan.recipe.augment.adaptive and self.feedback is not None:
            self.gan.augment_p = self.feedback.p["augment_p"]

    @classmethod
    def fresh(cls, recipe: Recipe, compute: Compute, origin: Origin | None = None) -> State:
        """Untrained nets from the recipe's seed, with what fits of ``origin``."""
        torch.manual_seed(recipe.train.seed)
        gan = archs.build(recipe).train()
        if origin is not None:
            gan.adopt(origin.gan)
        compute.place(gan)
        ema = copy.deepcopy(gan.generator).eval().requires_grad_(False)
        if origin is not None and origin.averaged is not None:
            take(ema, origin.averaged)
        return cls(gan, ema, compute)

    def begin_step(self) -> None:
        """Make ready for the step that comes: what is random in it follows from seed and clock, growing too.

        Done twice it is as done once.
        """
        seed = int(np.random.SeedSequence([self.gan.recipe.train.seed, self.now.nimg]).generate_state(1, np.uint64)[0])
        torch.manual_seed(seed >> 1)
        if self.reach(self.now):
            torch.manual_seed(seed >> 1)

    def reach(self, now: Clock) -> bool:
        """Bring the nets into the form that the clock asks for; grown ones get optimisers anew. Have they grown?"""
        grown = self.gan.reach(now, self.ema)
        if grown:
            self.compute.place(self.gan)
            self.compute.place(self.ema)
            self.see_layers()
            self.renew_optimisers()
        return grown

    def know(self, rows: NDArray[np.uint8]) -> None:
        """Have G and its average keep these rows of labels, (KNOWN, c_dim): so they occur together in the drawings."""
        for net in (self.gan.generator, self.ema):
            net.get_buffer("known").copy_(torch.from_numpy(rows))

    def see_layers(self) -> None:
        """Find out in which order the nets' layers stand: for what is watched of each, and which of D are frozen."""
        gan, (z, labels) = self.gan, self.gan.blank(2)
        g = probing.layers(gan.generator, z)
        with torch.no_grad():
            images = self.ema(z)
        told = () if labels is None else (labels,)
        self.layers = {"generator": g, "discriminator": probing.layers(gan.discriminator, images, *told)}
        self.frozen = list(probing.lower(gan.discriminator, gan.recipe.train.freeze_d, images, *told).values())

    def d_learns(self, learns: bool) -> None:
        """Let D's weights have gradients, but never the frozen ones; or none of them."""
        self.gan.discriminator.requires_grad_(learns)
        for weight in self.frozen:
            weight.requires_grad_(False)

    def renew_optimisers(self) -> None:
        """Optimisers for the nets as they are; the moments of weights that stay are kept if the recipe says so."""
        for name in ("d_optimiser", "g_optimiser"):
            net = self.gan.discriminator if name == "d_optimiser" else self.gan.generator
            frozen = set(self.frozen)
            weights = [weight for weight in net.parameters() if weight not in frozen]
            optimiser = _optimiser(weights, self.gan.recipe, name[0], self.compute)
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
        if self.feedback is not None:
            tensors |= {f"balance.{name}": tensor for name, tensor in self.feedback.tensors().items()}
        for name, optimiser, parameter in self._optimised():
            moments = optimiser.state.get(parameter, {})
            tensors |= {f"{name}.{key}": value for key, value in moments.items() if isinstance(value, Tensor)}
        save_tensors(
            path, tensors, {"clock": json.dumps(asdict(self.now)), "seconds": repr(self.seconds), "run": run_id}
        )

    def load(self, path: Path, run_id: str) -> None:
        """Take up what ``save`` wrote. Raises Fault if the file is damaged, of another network or of another run."""
        remedy = "the run cannot go on, though its snapshots can draw; train with another --out"
        tensors, metadata = load_tensors(path, remedy)
        if metadata.get("run") != run_id:
            raise Fault(f"{path} belongs to another run; put back the file of this one, or train with another --out")
        try:
            clock = json.loads(metadata["clock"])
            seconds = clock.pop("seconds", None)  # its place in the first version, which had no D's accuracy yet
            self.now, self.seconds = Clock(**clock), float(metadata["seconds"] if seconds is None else seconds)
            self.reach(self.now.before)
            self._restore(tensors, path)
            self.d_accuracy.copy_(tensors.get("balance.d_accuracy", self.d_accuracy))
            if self.feedback is not None:  # of an older state, or one that did not have it yet, it begins anew
                self.feedback.restore({name.removeprefix("balance."): tensor for name, tensor in tensors.items()})
            for name, optimiser, parameter in self._optimised():
                moments = {key: tensors[f"{name}.{key}"] for key in MOMENTS if f"{name}.{key}" in tensors}
                if moments:
                    optimiser.state[parameter] = {
                        key: _moment(value, parameter, optimiser) for key, value in moments.items()
                    }
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise Fault(f"{path} is no state this run can resume from ({error}); train anew") from error

    def is_finite(self) -> bool:
        """Are all weights numbers still? The device is waited for."""
        nets = [tensor for tensor in self.nets().values() if tensor.is_floating_point()]
        return bool(torch.stack([tensor.isfinite().all() for tensor in nets]).all())

    def take_up(self, snapshot: Path) -> None:
        """Nets and clock of a snapshot, with optimisers that know nothing yet; raises Fault if it is damaged."""
        tensors, metadata = load_tensors(snapshot)
        self.now = Clock(**{name: int(metadata[name]) for name in ("nimg", "step", "batch")})
        self.reach(self.now.before)
        self._restore(tensors, snapshot)

    def _restore(self, tensors: Mapping[str, Tensor], source: Path) -> None:
        restore(self.gan.generator, tensors, "generator.", source)
        restore(self.gan.discriminator, tensors, "discriminator.", source)
        restore(self.ema, tensors, "ema.", source)


# What PyTorch's optimisers keep of a weight: Adam, RMSprop, SGD.
MOMENTS = ("step", "exp_avg", "exp_avg_sq", "square_avg", "momentum_buffer")


def _moment(value: Tensor, parameter: nn.Parameter, optimiser: Optimizer) -> Tensor:
    """A moment as its optimiser wants it: in the weight's own memory order, which the fused update relies on."""
    if value.shape == parameter.shape and value.dim():
        return torch.empty_like(parameter).copy_(value)
    return value.to(parameter.device) if optimiser.defaults.get("fused") else value


def _feedback(recipe: Recipe, device: torch.device) -> Feedback | None:
    """What moves the probabilities that the recipe lets follow D, if it lets any."""
    how = recipe.augment
    largest = {"augment_p": how.bound} if how.adaptive else {}
    largest |= {"pseudo_p": how.pseudo} if how.pseudo else {}
    return Feedback(how.target, how.adapt_kimg * 1000, how.every, largest, device) if largest else None


def _optimiser(weights: list[nn.Parameter], recipe: Recipe, part: str, compute: Compute) -> Optimizer:
    """The optimiser of D (part "d") or G ("g")."""
    train = recipe.train
    rate = train.d_lr if part == "d" else train.g_lr
    match train.optimiser:
        case "adam":
            fused = compute.device.type in ("cpu", "cuda")
            return Adam(weights, rate, (train.beta1, train.beta2), train.eps, fused=fused)
        case "rmsprop":
            return RMSprop(weights, rate, train.beta2, train.eps)
        case "sgd":
            return SGD(weights, rate, train.beta1)
