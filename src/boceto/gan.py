"""What an architecture is to the rest of the house: one abstract class, the batch it is shown, the terms it returns.

An architecture's file in ``archs/`` holds a ``Config``, a generator, a discriminator and one final subclass of
``GAN`` that says what D and G minimise. The loop knows nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from boceto.clock import Clock
from boceto.nn.augment import diff_augment
from boceto.recipe import Recipe


@dataclass
class Batch:
    """What one step works on. ``fake`` is what G made of ``z`` in D's turn, kept with its graph for G's turn."""

    real: Tensor  # (N, C, H, W) in [-1, 1]
    z: Tensor  # (N, z_dim), N(0, 1)
    fake: Tensor | None = None


@dataclass(frozen=True)
class Terms:
    """Scalars to be summed and minimised, and tensors worth watching (any shape; their means are logged)."""

    losses: dict[str, Tensor]
    watch: dict[str, Tensor] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        return torch.stack(tuple(self.losses.values())).sum()


class GAN(nn.Module, ABC):
    """A generator and a discriminator with their objectives. Subclasses are final: nobody inherits from one.

    ``config`` is the architecture's own checked table, ``recipe`` the whole recipe (its objective and augmentation).
    """

    generator: nn.Module
    discriminator: nn.Module

    def __init__(self, config: Any, recipe: Recipe) -> None:
        super().__init__()
        self.config = config
        self.recipe = recipe

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the pictures."""

    @property
    @abstractmethod
    def z_dim(self) -> int:
        """Length of the latent vector."""

    @abstractmethod
    def d_terms(self, batch: Batch, now: Clock) -> Terms:
        """What D minimises; gradients that reach G are not used."""

    @abstractmethod
    def g_terms(self, batch: Batch, now: Clock) -> Terms:
        """What G minimises; D is frozen meanwhile."""

    def judge(self, images: Tensor) -> Tensor:
        """D's logits (N,), float32, of what D sees: (N, C, H, W) images, jittered as the recipe says."""
        logits: Tensor = self.discriminator(diff_augment(images, self.recipe.augment.policy))
        return logits.float()
