"""Progressive GAN (Karras et al. 2018) as the thesis "CómicGAN" builds it (§3.7, listings 5 to 9).

z (N, z_dim) → image (N, C, r, r) → logit (N,), where r grows from stage to stage: 8, 16, 32, 64, 128 from base 4, or
10, 20, 40, 80, 160 from base 5. A stage trains the whole net; then the layers that made and read the small picture are
dropped, a block is added to both nets by name, and everything is trained on.

    G  z → pixel norm → dense n·n·256 → two convolutions 3×3;  a block a size: nearest ×2, two convolutions 3×3;
       each followed by LeakyReLU 0.2 and pixel norm;  ``to_image``: 1×1 and tanh
    D  ``from_image``: 1×1 and LeakyReLU;  a block a size: two convolutions 3×3, each with LeakyReLU, average pool ÷2;
       minibatch stddev, two convolutions 3×3, flatten, dense 1.  No batch norm, no dropout
    filters  256 at nominal 4, 8 and 16, 128 at 32, 64 from 64 on; D's ``from_image`` has those of the next larger size

A new block of G comes in softly: the picture is (1−α)·up(old) + α·new, with α = min(1, 0.2 + 0.00008·batches) of the
stage (thesis, §3.7.4). The first stage needs none. With the options of the original paper D's new block comes in the
same way (``fade_d``) and real pictures are shown as sharp as G can draw (``blend_reals``); its layers have equalised
learning rates (``equalised``) instead of N(0, 0.02) and a bound on the weights (``max_norm``).

With the defaults the nets are, weight for weight, those of the listings: 4,581,571 parameters in G and 3,621,377 in D
at 128 px in colour.
"""

from __future__ import annotations

import math
from typing import final

import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from boceto import growth
from boceto.nn.layers import Equalised, MinibatchStd, PixelNorm, max_norm
from boceto.recipe import Recipe


class Config(growth.Config):
    """Sizes and stages of a progressive GAN; the defaults are the thesis's at 64 px."""

    resolution: int = Field(64, description="side at the last stage: the base doubled one or more times")
    base: int = Field(4, ge=2, le=16, description="side of the smallest map; the first stage draws at twice that")
    z_dim: int = Field(100, ge=1, le=4096)
    width: int = Field(
        256, ge=4, le=1024, description="filters at the small sizes; half at 32 px, a quarter from 64 on"
    )
    alpha_start: float = Field(0.2, ge=0, le=1, description="share of the new block as it comes in")
    alpha_step: float = Field(0.00008, gt=0, le=1, description="what a batch adds to that share")
    fade_share: float | None = Field(
        None, gt=0, le=1, description="come in evenly over this share of the stage, instead of by alpha_step"
    )
    fade_d: bool = Field(False, description="D's new block comes in softly too (Karras et al. 2018, fig. 2)")
    equalised: bool = Field(False, description="equalised learning rate instead of N(0, 0.02)")
    max_norm: float = Field(1.0, ge=0, description="bound on the weights after each update, as Keras's; 0 = none")
    minibatch_std: bool = True
    new_tanh: bool = Field(
        True, description="tanh on the pictures after the first stage; listing 8 leaves it out, its text does not"
    )

    @model_validator(mode="after")
    def _fits(self) -> Config:
        if self.equalised and self.max_norm:
            raise ValueError(
                "equalised: such weights are large and scaled as they are used, so max_norm = 0 goes with it"
            )
        return self

    def filters(self, side: int) -> int:
        """Filters at a map's side: by its nominal size, 4 for the base."""
        nominal = side * 4 // self.base
        return max(1, self.width // (1 if nominal <= 16 else 2 if nominal <= 32 else 4))

    def step(self, batches: int) -> float:
        return self.alpha_step if self.fade_share is None else super().step(batches)


class Generator(growth.Net):
    """z (N, z_dim) → (N, C, r, r) in [-1, 1], r the side of the stage."""

    before = "to_image_before"

    def __init__(self, config: Config) -> None:
        super().__init__(config.base)
        self._config, width = config, config.filters(config.base)
        self.base = nn.Sequential(
            PixelNorm(),
            _dense(config, config.z_dim, width * config.base**2, gain=math.sqrt(2.0) / 4),
            nn.LeakyReLU(0.2, inplace=True),
            PixelNorm(),
            nn.Unflatten(1, (width, config.base, config.base)),  # (N, 256, 4, 4)
            *_pair(config, width, width, norm=True),
        )
        self.blocks = nn.ModuleDict()
        self.to_image: nn.Module = nn.Identity()
        self.to_image_before: nn.Module | None = None
        self.grow()

    def grow(self) -> None:
        """Drop the layer that makes the small picture (once α is 1), add a block of twice its side."""
        config, side, first = self._config, self.side * 2, not self.blocks
        self.to_image_before = None if first else self.to_image
        below, width = config.filters(side // 2), config.filters(side)
        self.blocks[str(side)] = nn.Sequential(nn.Upsample(scale_factor=2), *_pair(config, below, width, norm=True))
        tanh = [nn.Tanh()] if config.new_tanh or first else []
        self.to_image = nn.Sequential(_conv(config, width, config.channels, 1, gain=1.0), *tanh)

    def forward(self, z: Tensor) -> Tensor:
        x, before = self.base(z), None
        for block in self.blocks.values():
            before, x = x, block(x)  # (N, 256, 8, 8), (N, 256, 16, 16), (N, 128, 32, 32), (N, 64, 64, 64)
        image: Tensor = self.to_image(x)
        if self.to_image_before is None:
            return image
        old = F.interpolate(self.to_image_before(before), scale_factor=2.0)
        return self.blended(old, image)


class Discriminator(growth.Net):
    """(N, C, r, r) → logit (N,), r the side of the stage."""

    before = "from_image_before"

    def __init__(self, config: Config) -> None:
        super().__init__(config.base)
        self._config, width = config, config.filters(config.base)
        self.blocks = nn.ModuleDict()
        self.from_image: nn.Module = nn.Identity()
        self.from_image_before: nn.Module | None = None
        self.base = nn.Sequential(
            *([MinibatchStd()] if config.minibatch_std else []),  # (N, 257, 4, 4)
            *_pair(config, width + config.minibatch_std, width, norm=False),
            nn.Flatten(),
            _dense(config, width * config.base**2, 1, gain=1.0),
            nn.Flatten(0),  # (N,)
        )
        self.grow()

    def grow(self) -> None:
        """Drop the layer that reads the small picture, add a block that reads one of twice its side."""
        config, side = self._config, self.side * 2
        self.from_image_before = self.from_image if self.blocks and config.fade_d else None
        above, width = config.filters(side * 2), config.filters(side)
        # its output goes where the dropped layer's went, which had the filters of ``side``
        self.blocks[str(side)] = nn.Sequential(*_pair(config, above, width, norm=False), nn.AvgPool2d(2))
        self.from_image = nn.Sequential(_conv(config, config.channels, above, 1), nn.LeakyReLU(0.2, inplace=True))

    def forward(self, image: Tensor) -> Tensor:
        newest, *older = reversed(list(self.blocks.values()))
        x = newest(self.from_image(image))
        if self.from_image_before is not None:
            x = self.blended(self.from_image_before(F.avg_pool2d(image, 2)), x)
        for block in older:  # (N, 128, 16, 16), (N, 256, 8, 8), (N, 256, 4, 4)
            x = block(x)
        logit: Tensor = self.base(x)
        return logit


@final
class ProGAN(growth.Growing):
    """Grows as the clock asks (``growth``); its weights may be bounded."""

    generator: Generator
    discriminator: Discriminator

    def __init__(self, config: Config, recipe: Recipe) -> None:
        super().__init__(config, recipe, Generator(config), Discriminator(config))

    def constrain(self, net: nn.Module) -> None:
        if self.config.max_norm:
            max_norm((weight for weight in net.parameters() if weight.dim() > 1), self.config.max_norm)


def _pair(config: Config, below: int, width: int, *, norm: bool) -> list[nn.Module]:
    """Two convolutions 3×3: (N, below, r, r) → (N, width, r, r)."""
    layers: list[nn.Module] = []
    for channels in (below, width):
        layers += [_conv(config, channels, width, 3), nn.LeakyReLU(0.2, inplace=True)]
        layers += [PixelNorm()] if norm else []
    return layers


def _conv(config: Config, below: int, width: int, kernel: int, gain: float = math.sqrt(2.0)) -> nn.Module:
    return _started(config, nn.Conv2d(below, width, kernel, padding=kernel // 2), gain)


def _dense(config: Config, below: int, width: int, gain: float) -> nn.Module:
    return _started(config, nn.Linear(below, width), gain)


def _started(config: Config, layer: nn.Conv2d | nn.Linear, gain: float) -> nn.Module:
    """With its first weights: N(0, 0.02), or N(0, 1) scaled as it runs."""
    if config.equalised:
        return Equalised(layer, gain)
    nn.init.normal_(layer.weight, 0.0, 0.02)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
