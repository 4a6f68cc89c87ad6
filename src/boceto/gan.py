"""What an architecture is to the rest of the house: one abstract class, the batch it is shown, the terms it returns.

An architecture's file in ``archs/`` holds a ``Config``, a generator, a discriminator and one final subclass of
``GAN``. What D and G minimise stands here once, as the recipe's objective says it; an architecture that learns
otherwise overrides ``d_terms`` and ``g_terms``. The loop knows nothing else.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from boceto import objectives
from boceto.clock import Clock
from boceto.errors import UsageError
from boceto.nn.augment import augmented
from boceto.recipe import Recipe

KNOWN = 1024  # rows of labels that a G keeps


@dataclass
class Batch:
    """What one turn works on. ``fake`` is what G made of ``z`` in D's turn, kept with its graph for G's turn; so is
    ``judged``, D's outputs (N,) on it, where both nets learn at once.
    """

    real: Tensor  # (N, C, H, W) in [-1, 1]
    z: Tensor  # (N, z_dim + c_dim): latents, then the labels
    fake: Tensor | None = None
    judged: Tensor | None = None
    planted: Tensor | None = None  # (N,) bool: which of ``real`` G has made, if any (fake-as-real)
    labels: Tensor | None = None  # (N, c_dim) in {0, 1}: what ``real`` shows, and ``fake`` is to show

    def split(self, parts: int) -> list[Batch]:
        """So many batches, as even as can be; without ``fake``: what it would hold is what is too much."""
        if parts == 1:
            return [self]
        planted, labels = (
            [None] * parts if mask is None else mask.tensor_split(parts) for mask in (self.planted, self.labels)
        )
        pieces = zip(self.real.tensor_split(parts), self.z.tensor_split(parts), planted, labels, strict=True)
        return [Batch(real, z, planted=mask, labels=shown) for real, z, mask, shown in pieces]


@dataclass(frozen=True)
class Terms:
    """Scalars to be summed and minimised, and what D says of the ``real`` and the ``fake`` half.

    ``watch`` holds logits (N,), positive for "real" (``objectives.said``); ``zero`` is D's output that says neither.
    Both are empty where there is no discriminator. ``told`` are further numbers for the log, 0-d.
    """

    losses: dict[str, Tensor]
    watch: dict[str, Tensor] = field(default_factory=dict)
    zero: Tensor | None = None
    told: dict[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        return torch.stack(tuple(self.losses.values())).sum()

    @classmethod
    def joined(cls, parts: Sequence[Terms]) -> Terms:
        """Those of a batch that was computed in parts: the mean of the losses and numbers, all of the logits."""
        if len(parts) == 1:
            return parts[0]
        losses = {name: torch.stack([part.losses[name].detach() for part in parts]).mean() for name in parts[0].losses}
        told = {name: torch.stack([part.told[name] for part in parts]).mean() for name in parts[0].told}
        watch = {name: torch.cat([part.watch[name] for part in parts]) for name in parts[0].watch}
        zeros = [part.zero for part in parts if part.zero is not None]
        return cls(losses, watch, torch.stack(zeros).mean() if zeros else None, told)


@dataclass(frozen=True)
class Stage:
    """A form that a net takes in time: pictures of ``side`` pixels, for ``kimg`` thousand images of a whole training.

    ``recipe`` is a trial of it alone: after ``nimg`` images its net has that form, and keeps it. ``shape`` (H, W, C) is
    that of the pictures it learns from.
    """

    shape: tuple[int, int, int]
    side: int
    kimg: float
    recipe: Recipe
    nimg: int = 0


@dataclass(frozen=True)
class Origin:
    """Trained nets that a training begins with, G's average if there is one, and the names of the tensors of the new
    nets that come from there.
    """

    gan: GAN
    averaged: nn.Module | None = None
    taken: frozenset[str] = frozenset()


_OF_TIME = ("start", "stage_kimg", "stage_batch")  # what no network's size depends on


class GAN(nn.Module, ABC):
    """A generator and a discriminator with their objectives. Architectures are final: nobody inherits from one.

    ``config`` is the architecture's own checked table, ``recipe`` the whole recipe (its objective and augmentation).
    Of one that is not ``adversarial``, G is a decoder and in D's place stands an encoder: nobody tells real pictures
    from generated ones, so nothing is told of that anywhere, and settings that only a D would heed are refused.
    One that is ``conditional`` is told what to draw (``data.labels``): G takes the labels after its latents, in one
    tensor (N, z_dim + c_dim), D beside its pictures. Its generator then has a buffer ``known``, uint8 (KNOWN, c_dim):
    labels as they occur together in the drawings (``archs.build`` puts it there).
    """

    adversarial: ClassVar[bool] = True
    conditional: ClassVar[bool] = False
    generator: nn.Module
    discriminator: nn.Module

    def __init__(self, config: Any, recipe: Recipe) -> None:
        super().__init__()
        self.config = config
        self.recipe = recipe
        # The probability of each jitter that D's pictures undergo; 0-d where it follows D (``balance.Feedback``).
        self.augment_p: float | Tensor = 0.0 if recipe.augment.adaptive else recipe.augment.p

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the pictures it learns from, and at the end draws."""

    @classmethod
    def names(cls) -> dict[str, str]:
        """What its two nets are called, by the letter before their numbers in the log."""
        return {"d": "D", "g": "G"} if cls.adversarial else {"d": "the encoder", "g": "the decoder"}

    @property
    def z_dim(self) -> int:
        """Length of the latent vector."""
        return int(self.config.z_dim)

    @property
    def c_dim(self) -> int:
        """How many labels there are that tell what to draw; 0 = it draws whatever there is."""
        return len(self.recipe.data.labels)

    def blank(self, n: int) -> tuple[Tensor, Tensor | None]:
        """What G takes for ``n`` pictures, all 0, (n, z_dim + c_dim), and the labels of it that D takes, if any."""
        z = torch.zeros(n, self.z_dim + self.c_dim, device=next(self.parameters()).device)
        return z, z[:, self.z_dim :] if self.c_dim else None

    # ── what it minimises ──

    def d_terms(self, batch: Batch, now: Clock) -> Terms:
        """What D minimises; gradients that reach G are not used."""
        objective = self.recipe.objective
        due = now.step % objective.r1_every == 0
        images = self.shown(batch.real).requires_grad_(due and objective.r1_gamma > 0)
        with torch.set_grad_enabled(not self.recipe.balance.fresh_fakes):
            batch.fake = self.generator(batch.z)
        # Where both nets learn at once, what D says of G's pictures serves both: one pass, as in the theses' listings.
        if self.recipe.balance.update == "simultaneous" and not (due and objective.r2_gamma):
            drawn = batch.fake
        else:
            drawn = batch.fake.detach().requires_grad_(due and objective.r2_gamma > 0)
        # Real and generated pictures pass one by one: batch norm must not mix them.
        real, fake = self.judge(images, batch.labels), self.judge(drawn, batch.labels)
        batch.judged = fake if drawn is batch.fake else None
        losses = {"loss": objectives.d_loss(objective.loss, real, fake, objective.real_label)}
        if images.requires_grad:  # lazily, and so as much stronger (Karras et al. 2020, appendix B)
            losses["r1"] = objectives.r1(real, images, objective.r1_gamma * objective.r1_every)
        if drawn.requires_grad and drawn.is_leaf:
            losses["r2"] = objectives.r2(fake, drawn, objective.r2_gamma * objective.r1_every)
        if objective.gp_lambda:
            critic = partial(self.judge, labels=batch.labels)
            losses["gp"] = objectives.gradient_penalty(critic, images.detach(), drawn.detach(), objective.gp_lambda)
        if objective.drift:
            losses["drift"] = objectives.drift(real, objective.drift)
        zero = objectives.zero(objective.loss, real, fake)
        return Terms(losses, {"real": self.said(real, zero), "fake": self.said(fake, zero)}, zero)

    def g_terms(self, batch: Batch, now: Clock) -> Terms:
        """What G minimises; D is frozen meanwhile."""
        objective = self.recipe.objective
        judged, batch.judged = batch.judged, None  # its graph is used up with this
        if judged is None:
            fake = batch.fake if batch.fake is not None and batch.fake.requires_grad else self.generator(batch.z)
            judged = self.judge(fake, batch.labels)
        needs_real = objective.loss in objectives.NEEDS_REAL
        real = self.judge(self.shown(batch.real), batch.labels) if needs_real else None
        return Terms({"loss": objectives.g_loss(objective.loss, judged, real, objective.g_label)})

    def judge(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """D's logits (N,), float32, of what D sees: (N, C, H, W) images, jittered as the recipe says.

        ``labels`` (N, c_dim): what they are to show, if D is told.
        """
        given = () if labels is None else (labels,)
        net, seen = self.discriminator, augmented(images, self.recipe.augment.policy, self.augment_p)
        # Of pictures that ask for a gradient themselves a penalty is taken; then D is not to be compiled code.
        penalised = images.requires_grad and images.is_leaf
        logits: Tensor = type(net).forward(net, seen, *given) if penalised else net(seen, *given)
        return logits.float()

    def said(self, outputs: Tensor, zero: Tensor) -> Tensor:
        """D's outputs (N,) as logits that are positive for "real"; ``zero`` is the output that says neither."""
        return objectives.said(self.recipe.objective.loss, outputs, zero)

    def unseen(self, pictures: Tensor, zero: Tensor | None, labels: Tensor | None = None) -> dict[str, Tensor]:
        """What D makes of drawings (N, C, H, W) that it never learns from, by name, 0-d; ``zero`` as in ``Terms``."""
        assert zero is not None
        logits = self.said(self.judge(self.shown(pictures), labels), zero)
        return {"score": logits.sigmoid().mean(), "right": (logits > 0).float().mean()}

    def encode(self, images: Tensor) -> Tensor:
        """The latents (N, z_dim) that pictures (N, C, H, W) in [-1, 1] are drawn from, as the encoder sees it.

        Raises UsageError where there is none.
        """
        name = self.recipe.arch["name"]
        raise UsageError(f"a {name} has no encoder that could find a picture's latents; train one that has, as vae-64")

    def shown(self, real: Tensor) -> Tensor:
        """Real pictures as D is shown them; a growing net takes them at its present size."""
        return real.detach()

    # ── what it does in time; most do nothing ──

    def reach(self, now: Clock, averaged: nn.Module | None = None) -> bool:
        """Be the nets that the clock asks for, ``averaged`` (G's average) too; True if weights have come to be."""
        return False

    def lasts(self, nimg: int) -> float:
        """Images seen until which the nets that follow after ``nimg`` images keep their form; ∞ = for ever."""
        return math.inf

    def milestone(self, now: Clock) -> bool:
        """Are the nets complete in a form that they leave with the next step? Then they are saved."""
        return False

    def settle(self, speed: Callable[[Recipe, int], float]) -> dict[str, Any]:
        """The keys of ``[arch]`` that are left open until a run begins, and then stay as they are.

        ``speed(recipe, nimg)`` measures, in images/s, how fast a recipe trains here after so many images.
        """
        return {}

    def stages(self) -> list[Stage]:
        """The forms it takes in time, in their order; a single one, unless it grows."""
        channels, height, width = self.image_shape
        return [Stage((height, width, channels), height, self.recipe.train.kimg, self.recipe)]

    def batch_at(self, nimg: int) -> int:
        """Pictures in the batch that follows after ``nimg`` images."""
        return self.recipe.train.batch

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """All that ``batch_at`` answers, in the order of time."""
        return (self.recipe.train.batch,)

    def constrain(self, net: nn.Module) -> None:
        """What is done to a net's weights after every update; nothing, unless an architecture bounds them."""

    @property
    def notice(self) -> str:
        """What a person may not expect of this training, told before it begins; empty if there is nothing."""
        return ""

    def status(self) -> dict[str, float]:
        """Numbers worth a place in the log: a growing net tells its size."""
        return {}

    @property
    def keeps_moments(self) -> bool:
        """Do weights that stay keep their optimiser's moments when the nets grow?"""
        return False

    # ── what it may start from ──

    @property
    def needs_origin(self) -> str:
        """Why this net cannot start from nothing, in words for a person; empty if it can."""
        return ""

    def adopt(self, origin: GAN) -> set[str]:
        """Take over the layers of a trained one that have the same names and shapes; the names of their tensors.

        The others stay as they are. Raises UsageError if it is another architecture, or if nothing fits.
        """
        if type(origin) is not type(self):
            mine, other = self.recipe.arch["name"], origin.recipe.arch["name"]
            raise UsageError(f"a {mine} cannot start from a {other}; give a run of the same architecture")
        if (told := self.recipe.data.labels) != (others := origin.recipe.data.labels):
            was, wanted = (
                f"{', '.join(names[:4])}{' …' if names[4:] else ''}" or "nothing" for names in (others, told)
            )
            raise UsageError(
                f"that run was told {was}, and this recipe tells {wanted}; start from a run of the same data.labels"
            )
        taken = take(self, origin)
        if not taken & dict(self.named_parameters()).keys():
            raise UsageError(f"{self.unlike(origin)}, and no layer fits; start from one that shares some")
        return taken

    def unlike(self, origin: GAN) -> str:
        """In what sizes a net of the same architecture is another one, in words for a person."""
        mine, other = self.config.model_dump(), origin.config.model_dump()
        different = ", ".join(f"arch.{key}" for key in mine if mine[key] != other[key] and key not in _OF_TIME)
        return f"that run's network has other sizes than this recipe asks for (they differ in {different})"


@torch.no_grad()
def take(net: nn.Module, origin: nn.Module) -> set[str]:
    """Copy every layer of ``origin`` that ``net`` has too, by name and by shape; the names of their tensors.

    A layer is taken whole or not at all: a bias is of no use beside other weights.
    """
    own, theirs = net.state_dict(), origin.state_dict()
    shapes = [{name: tensor.shape for name, tensor in tensors.items()} for tensors in (own, theirs)]
    other = {name.rpartition(".")[0] for name, _ in shapes[0].items() ^ shapes[1].items()}  # layers that differ
    taken = {name for name in own if name.rpartition(".")[0] not in other}
    for name in taken:
        own[name].copy_(theirs[name])
    return taken


def in_words(channels: int, height: int, width: int) -> str:
    """A picture's form for a person: ``64×48 grey``."""
    return f"{width}×{height} {'grey' if channels == 1 else 'colour'}"
