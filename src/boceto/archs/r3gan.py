"""R3GAN (Huang et al. 2024, "The GAN is dead; long live the GAN! A Modern Baseline GAN", its configs D and E).

z (N, z_dim) → image (N, C, H, W) → logit (N,). No normalisation anywhere: a relativistic loss with both
penalties (the recipe's ``[objective]``) and residual blocks that begin as nothing keep it level.

    block  x + 1×1(1×1 → LeakyReLU 0.2 → grouped 3×3 → LeakyReLU 0.2): ``expansion`` times as wide inside, ``group``
           channels a group; the last 1×1 begins at 0 and the other two scaled by L^(−¼), L the blocks of the net, as
           fix-up initialisation has it (Zhang et al. 2019); biases before the activations only
    stage  a map's size: bilinear resampling, a 1×1 where the width changes, then ``blocks`` blocks
    G      a learned map for each channel of the smallest maps, weighted by a linear of z; the stages; 1×1, no tanh
    D      1×1; the stages; a depthwise convolution over the whole smallest map, and a linear of that vector
    widths ``width`` at the largest map, twice that at the next smaller one, up to ``most``

Told what to draw, G takes a linear embedding of the labels beside z, and D's logit has a second part, its vector times
another embedding (projection, Miyato & Koyama 2018).

Stages are named by the shorter side of their maps, so that nets for pictures of other sizes share names. Where all
maps have one width, a net with a stage more begins as exactly the smaller one behind a bilinear resampling.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import ClassVar, TypeVar, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from boceto.gan import GAN
from boceto.nn.layers import Conv2d
from boceto.recipe import Recipe
from boceto.sized import Doubling

_SLOPE = 0.2
Named = tuple[str, nn.Module]
L = TypeVar("L", nn.Linear, nn.Conv2d)


class Config(Doubling):
    """Sizes of an R3GAN."""

    LEAST: ClassVar[int] = 32
    LARGEST: ClassVar[int] = 512

    z_dim: int = Field(64, ge=1, le=4096)
    expansion: int = Field(2, ge=1, le=8, description="how much wider a block is inside")
    group: int = Field(16, ge=0, le=4096, description="channels that a 3×3 convolution mixes at most; 0 = all")
    blocks: int = Field(2, ge=1, le=8, description="residual blocks a stage")

    @model_validator(mode="after")
    def _divides(self) -> Config:
        for width, (height, _) in zip(self.filters(), self.maps(), strict=True):
            wide = width * self.expansion
            if wide % min(self.group or wide, wide):
                raise ValueError(
                    f"group = {self.group} does not divide the {wide} channels inside a block on maps {height} high; "
                    f"use a width and a most that it divides, or group = 0"
                )
        return self

    def depth(self) -> int:
        """Residual blocks in a net."""
        return len(self.maps()) * self.blocks


class Block(nn.Module):
    """x + branch(x): (N, width, h, w) → the same. The branch begins as 0, so that the block passes x on."""

    def __init__(self, config: Config, width: int) -> None:
        super().__init__()
        wide = width * config.expansion
        groups = wide // min(config.group or wide, wide)
        self.expand = Conv2d(width, wide, 1)
        self.mix = Conv2d(wide, wide, 3, padding=1) if groups == 1 else nn.Conv2d(wide, wide, 3, 1, 1, groups=groups)
        self.contract = Conv2d(wide, width, 1, bias=False)
        self.activation = nn.LeakyReLU(_SLOPE, inplace=True)
        for layer in (self.expand, self.mix):
            _start(layer, nn.init.calculate_gain("leaky_relu", _SLOPE) * config.depth() ** -0.25)
        nn.init.zeros_(self.contract.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.expand(x))
        y = self.activation(self.mix(y))
        branch: Tensor = self.contract(y)
        return x + branch


class Basis(nn.Module):
    """A learned map for each channel: (N, C) → the maps so weighted (N, C, h, w); or maps (N, C, h, w) → how much of
    them there is (N, C), which is a depthwise convolution that covers them.
    """

    def __init__(self, channels: int, size: tuple[int, int], std: float) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.empty(1, channels, *size))
        nn.init.normal_(self.maps, std=std)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, None, None] * self.maps if x.dim() == 2 else (x * self.maps).sum(dim=(2, 3))


class Generator(nn.Module):
    """z, then labels (N, z_dim + c_dim) → (N, C, H, W)."""

    def __init__(self, config: Config, c_dim: int = 0) -> None:
        super().__init__()
        self._z_dim = config.z_dim
        filters = config.filters()
        self.labels = _start(nn.Linear(c_dim, config.z_dim, bias=False)) if c_dim else None
        self.linear = _start(nn.Linear(config.z_dim * (2 if c_dim else 1), filters[0], bias=False))
        self.basis = Basis(filters[0], config.maps()[0], std=1.0)
        self.stages = nn.ModuleDict()
        below: int | None = None
        for name, width in zip(_names(config), filters, strict=True):
            self.stages[name] = nn.Sequential(OrderedDict([*_enlarged(below, width), *_blocks(config, width)]))
            below = width
        self.to_image = _start(Conv2d(config.width, config.channels, 1, bias=False))

    def forward(self, z: Tensor) -> Tensor:
        if self.labels is not None:
            z = torch.cat((z[:, : self._z_dim], self.labels(z[:, self._z_dim :])), dim=1)
        x = self.basis(self.linear(z))  # (N, 512, 4, 4)
        for stage in self.stages.values():  # (N, 512, 8, 8), (N, 256, 16, 16), (N, 128, 32, 32), (N, 64, 64, 64)
            x = stage(x)
        image: Tensor = self.to_image(x)
        return image


class Discriminator(nn.Module):
    """(N, C, H, W), labels (N, c_dim) or none → logit (N,)."""

    def __init__(self, config: Config, c_dim: int = 0) -> None:
        super().__init__()
        smallest, last = config.maps()[0], config.filters()[0]
        self.from_image = _start(Conv2d(config.channels, config.width, 1, bias=False))
        self.stages = nn.ModuleDict()
        above: int | None = None
        for name, width in zip(reversed(_names(config)), reversed(config.filters()), strict=True):
            self.stages[name] = nn.Sequential(OrderedDict([*_reduced(above, width), *_blocks(config, width)]))
            above = width
        self.basis = Basis(last, smallest, std=1 / math.sqrt(math.prod(smallest)))
        self.linear = _start(nn.Linear(last, 1, bias=False))
        self.labels = _start(nn.Linear(c_dim, last, bias=False)) if c_dim else None

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        x = self.from_image(image)
        for stage in self.stages.values():
            x = stage(x)
        vector = self.basis(x)  # (N, 512)
        logit: Tensor = self.linear(vector).flatten()
        if self.labels is not None and labels is not None:
            logit = logit + (self.labels(labels) * vector).sum(dim=1) / math.sqrt(vector.shape[1])
        return logit


@final
class R3GAN(GAN):
    """Both nets are of one build, one the other's mirror image."""

    conditional = True
    generator: Generator
    discriminator: Discriminator

    def __init__(self, config: Config, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.generator = Generator(config, self.c_dim)
        self.discriminator = Discriminator(config, self.c_dim)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.config.channels, *self.config.size


def _names(config: Config) -> list[str]:
    """The stages' names, the smallest map first: its shorter side."""
    return [str(min(sides)) for sides in config.maps()]


def _blocks(config: Config, width: int) -> list[Named]:
    return [(f"block{n}", Block(config, width)) for n in range(1, config.blocks + 1)]


# A 1×1 and bilinear resampling can change places, so the 1×1 works on the smaller map: in G before it, in D after.


def _enlarged(below: int | None, width: int) -> list[Named]:
    """From the stage before, of that width, to one of twice its side; nothing for the first."""
    return [] if below is None else [*_change(below, width), ("resize", nn.Upsample(scale_factor=2, mode="bilinear"))]


def _reduced(above: int | None, width: int) -> list[Named]:
    """The same to one of half its side; the mean of four is what bilinear resampling makes of a map to be halved."""
    return [] if above is None else [("resize", nn.AvgPool2d(2)), *_change(above, width)]


def _change(below: int, width: int) -> list[Named]:
    """A 1×1 from one width to another, if they differ."""
    return [] if below == width else [("change", _start(Conv2d(below, width, 1, bias=False)))]


def _start(layer: L, gain: float = 1.0) -> L:
    """First weights from N(0, gain² / fan-in) (He et al. 2015), biases 0; with gain 1 a linear layer keeps scale."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
