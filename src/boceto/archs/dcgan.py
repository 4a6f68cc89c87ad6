"""DCGAN (Radford et al. 2015): z (N, z_dim + c_dim) → image (N, C, R, R) in [-1, 1] → logit (N,).

Strided convolutions instead of pooling, batch norm in both nets except at G's output and D's two ends, no dense
layer, ReLU and tanh in G, LeakyReLU in D, weights from N(0, 0.02) (paper §3 and §4). With the defaults it is, weight
for weight, the network of the thesis "Redes Generativas Antagónicas": 3,576,704 parameters in G, 2,765,568 in D.
Options say what a small set of drawings is better served by: D without batch norm (so that a gradient penalty means
something: Gulrajani et al. 2017, §4), and a blurred upsampling that leaves no checkerboard (Odena et al. 2016).

Told what to draw, G takes labels behind its latents (Mirza & Osindero 2014, "Conditional Generative Adversarial Nets"),
and D projects them on its features (Miyato & Koyama 2018, "cGANs with Projection Discriminator", eq. 3).
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, final

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from boceto.gan import GAN
from boceto.nn.layers import Conv2d, ConvTranspose2d
from boceto.recipe import Recipe, Section


class Config(Section):
    """Sizes of a DCGAN; the defaults are the documented network."""

    resolution: int = Field(64, description="side of the pictures: 16, 32, 64, 128 or 256")
    channels: Literal[1, 3] = Field(3, description="1 = grey, 3 = colour")
    z_dim: int = Field(100, ge=1, le=4096)
    g_width: int = Field(64, ge=1, le=512, description="channels of G's last hidden map; doubled towards z, at most ×8")
    d_width: int = Field(
        64, ge=1, le=512, description="channels of D's first map; doubled towards the logit, at most ×8"
    )
    d_norm: Literal["batch", "none"] = "batch"
    upsampling: Literal["transposed", "resize"] = "transposed"

    @field_validator("resolution")
    @classmethod
    def _power_of_two(cls, resolution: int) -> int:
        if resolution not in (16, 32, 64, 128, 256):
            raise ValueError("dcgan draws at 16, 32, 64, 128 or 256 pixels")
        return resolution

    def widths(self, width: int) -> list[int]:
        """Channels from the largest map to the 4×4 map: at 64 px and width 64, [64, 128, 256, 512]."""
        return [width * min(2**i, 8) for i in range(int(math.log2(self.resolution)) - 2)]


class Generator(nn.Module):
    """z (N, z_dim + c_dim) → (N, C, R, R) in [-1, 1]."""

    def __init__(self, config: Config, c_dim: int = 0) -> None:
        super().__init__()
        first, *rest = reversed(config.widths(config.g_width))
        layers: list[nn.Module] = [
            ConvTranspose2d(config.z_dim + c_dim, first, 4, bias=False),  # (N, 512, 4, 4)
            *_norm_relu(first),
        ]
        below = first
        for width in rest:
            layers += [*_double(config, below, width), *_norm_relu(width)]  # (N, 256, 8, 8) … (N, 64, 32, 32)
            below = width
        layers += [*_double(config, below, config.channels), nn.Tanh()]  # (N, C, 64, 64)
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        image: Tensor = self.layers(z[:, :, None, None])
        return image


class Discriminator(nn.Module):
    """(N, C, R, R), and what they are to show (N, c_dim) if it is told → logit (N,)."""

    def __init__(self, config: Config, c_dim: int = 0) -> None:
        super().__init__()
        batch_norm = config.d_norm == "batch"
        first, *rest = config.widths(config.d_width)
        layers: list[nn.Module] = [
            Conv2d(config.channels, first, 4, 2, 1, bias=False),  # (N, 64, 32, 32)
            nn.LeakyReLU(0.2, inplace=True),
        ]
        below = first
        for width in rest:  # (N, 128, 16, 16) … (N, 512, 4, 4)
            layers += [
                Conv2d(below, width, 4, 2, 1, bias=not batch_norm),
                *([nn.BatchNorm2d(width)] if batch_norm else []),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            below = width
        layers += [Conv2d(below, 1, 4, bias=False), nn.Flatten(0)]  # (N,)
        self.layers = nn.Sequential(*layers)
        self.embed = nn.Linear(c_dim, below, bias=False) if c_dim else None

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.embed is None or labels is None:
            logit: Tensor = self.layers(image)
        else:
            x: Tensor = self.layers[:-2](image)  # (N, 512, 4, 4)
            features = x.mean(dim=(2, 3))
            shown = (self.embed(labels) * features).sum(dim=1) / math.sqrt(features.shape[1])
            logit = self.layers[-2:](x) + shown
        return logit


@final
class DCGAN(GAN):
    """By default one D turn and one G turn on the same fakes, as the thesis's code has it."""

    conditional: ClassVar[bool] = True

    def __init__(self, config: Config, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.generator = Generator(config, self.c_dim).apply(_init)
        self.discriminator = Discriminator(config, self.c_dim).apply(_init)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.config.channels, self.config.resolution, self.config.resolution


def _norm_relu(width: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]


def _double(config: Config, below: int, width: int) -> list[nn.Module]:
    """(N, below, r, r) → (N, width, 2r, 2r)."""
    if config.upsampling == "transposed":
        return [ConvTranspose2d(below, width, 4, 2, 1, bias=False)]
    return [nn.Upsample(scale_factor=2), Conv2d(below, width, 3, 1, 1, bias=False)]


@torch.no_grad()
def _init(module: nn.Module) -> None:
    """Convolutions N(0, 0.02), batch norm weights N(1, 0.02), biases 0 (Radford et al. 2015, §4).

    What labels are projected with is N(0, 1): the sum is divided by √dim, and so counts as much as the rest from the
    first step on.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 1.0)
    bias = getattr(module, "bias", None)
    if isinstance(bias, Tensor):
        nn.init.zeros_(bias)
