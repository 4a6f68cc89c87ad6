"""The convolutional GAN of the thesis "CómicGAN" (§3.6, listings 3 and 4).

z (N, z_dim) → image (N, C, R, R) in [-1, 1] → logit (N,).

Both nets resize by stride instead of pooling (Springenberg et al. 2015), every kernel 5×5 with SAME padding. With the
defaults it is, weight for weight, the network of the listings: 1,861,824 parameters in G, 669,505 in D at 64 px grey.

    D  convolutions of stride 2 (32, 64, 128, 128 filters at 64 px), each with batch norm, LeakyReLU and dropout ½;
       then dense to 1.  Listing 3 names no slope, so it is Keras's 0.3.
    G  dense 8·8·128, then transposed convolutions 128, 128, 64 of stride 2 and C of stride 1; none has a bias,
       batch norm and ReLU after each but the last, which ends in tanh

With ``d = "tagger"`` D is the classifier of the thesis before it with a last layer of one unit (§3.5.2, note 25), and
can begin with what a tagger has learned (``--from TAGGER``).

The thesis calls it CGAN, which elsewhere means a conditional GAN: it is none.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, final

from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from boceto.gan import GAN
from boceto.nn.classifier import Classifier
from boceto.nn.layers import Activation, Dropout, SameConv2d, SameConvTranspose2d, activation, keras_init
from boceto.recipe import Recipe, Section

Width = Annotated[int, Field(ge=1, le=2048)]

# side: (D's filters, side of G's dense map, channels of G's hidden maps)
_SIZES = {
    28: ((32, 64), 7, (128, 128, 64)),
    48: ((32, 64, 128), 12, (128, 128, 64)),
    64: ((32, 64, 128, 128), 8, (128, 128, 128, 64)),
}


class Config(Section):
    """Sizes of a convolutional GAN; the defaults are the listings'."""

    resolution: int = Field(64, description="side of the pictures: 28, 48 or 64")
    channels: Literal[1, 3] = Field(1, description="1 = grey, 3 = colour")
    z_dim: int = Field(100, ge=1, le=4096)
    d: Literal["listing", "tagger"] = Field(
        "listing", description="D's layers: the listing's; or a tagger's, of which no d_… below says anything"
    )
    base: Annotated[int, Field(ge=2, le=64)] | None = Field(
        None, description="side of G's dense map, the resolution halved one or more times; else the listing's: 7, 12, 8"
    )
    d_widths: tuple[Width, ...] | None = Field(None, description="D's filters, one a convolution; else the listing's")
    g_widths: tuple[Width, ...] | None = Field(
        None, description="channels of G's maps before the picture's; never rising"
    )
    d_norm: Literal["batch", "none"] = "batch"
    d_slope: float = Field(0.3, ge=0, le=1, description="LeakyReLU's slope for negative values")
    d_dropout: float = Field(0.5, ge=0, lt=1, description="share of D's values left out in training; 0 = none")
    g_activation: Activation = "relu"
    kernel: Literal[3, 5, 7] = 5
    norm_order: Literal["before", "after"] = Field("before", description="batch norm before or after the activation")
    downsampling: Literal["stride", "average", "max"] = Field("stride", description="D: by stride, or by pooling")
    upsampling: Literal["stride", "nearest"] = Field("stride", description="G: by stride, or by nearest neighbours")

    @field_validator("resolution")
    @classmethod
    def _known(cls, resolution: int) -> int:
        if resolution not in _SIZES:
            raise ValueError("convolutional draws at 28, 48 or 64 pixels")
        return resolution

    @field_validator("g_widths")
    @classmethod
    def _never_rising(cls, widths: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if widths is not None and (not widths or list(widths) != sorted(widths, reverse=True)):
            raise ValueError("name one width or more, from z on, none larger than the one before it")
        return widths

    @field_validator("d_widths")
    @classmethod
    def _at_least_one(cls, widths: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if widths is not None and not 1 <= len(widths) <= 6:
            raise ValueError("D has from 1 to 6 convolutions")
        return widths

    @model_validator(mode="after")
    def _doubles(self) -> Config:
        doublings = math.log2(self.resolution / self.g_side)
        if not 1 <= doublings <= len(self.g_maps) or doublings % 1:
            most = min(len(self.g_maps), (self.resolution & -self.resolution).bit_length() - 1)
            sides = ", ".join(str(self.resolution >> i) for i in range(1, most + 1))
            raise ValueError(f"base = {self.g_side} doubled does not make {self.resolution}; use one of {sides}")
        return self

    @property
    def d_filters(self) -> tuple[int, ...]:
        return self.d_widths or _SIZES[self.resolution][0]

    @property
    def g_side(self) -> int:
        return self.base or _SIZES[self.resolution][1]

    def strides(self) -> list[int]:
        """Of G's transposed convolutions: at 64 px [2, 2, 2, 1]."""
        doublings = (self.resolution // self.g_side).bit_length() - 1
        return [2] * doublings + [1] * (len(self.g_maps) - doublings)

    @property
    def g_maps(self) -> tuple[int, ...]:
        return self.g_widths or _SIZES[self.resolution][2]


class Generator(nn.Module):
    """z (N, z_dim) → (N, C, R, R) in [-1, 1]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        side, (first, *rest) = config.g_side, config.g_maps
        layers: list[nn.Module] = [
            nn.Linear(config.z_dim, first * side**2, bias=False),
            *_ordered(
                config, nn.BatchNorm1d(first * side**2, eps=1e-3, momentum=0.01), activation(config.g_activation)
            ),
            nn.Unflatten(1, (first, side, side)),  # (N, 128, 8, 8)
        ]
        below = first
        *strides, last = config.strides()
        for width, stride in zip(rest, strides, strict=True):  # (N, 128, 16, 16), (N, 128, 32, 32), (N, 64, 64, 64)
            layers += [
                *_enlarge(config, below, width, stride),
                *_ordered(config, _norm(width), activation(config.g_activation)),
            ]
            below = width
        self.layers = nn.Sequential(*layers, *_enlarge(config, below, config.channels, last), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        image: Tensor = self.layers(z)
        return image


class Discriminator(nn.Module):
    """(N, C, R, R) → logit (N,)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.d == "tagger":
            judge = Classifier(config.channels, config.resolution, config.resolution, 1)
            self.layers = nn.Sequential(judge, nn.Flatten(0))  # (N,)
            return
        layers: list[nn.Module] = []
        below: int = config.channels
        side = config.resolution
        for width in config.d_filters:  # (N, 32, 32, 32), (N, 64, 16, 16), (N, 128, 8, 8), (N, 128, 4, 4)
            layers += [
                *_reduce(config, below, width, side),
                *_ordered(config, _norm(width) if config.d_norm == "batch" else None, nn.LeakyReLU(config.d_slope)),
                *([Dropout(config.d_dropout)] if config.d_dropout else []),
            ]
            below, side = width, math.ceil(side / 2)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(below * side**2, 1), nn.Flatten(0))  # (N,)

    def forward(self, image: Tensor) -> Tensor:
        logit: Tensor = self.layers(image)
        return logit


@final
class Convolutional(GAN):
    """Weights begin as Keras begins them: Glorot uniform."""

    def __init__(self, config: Config, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.generator = Generator(config).apply(keras_init)
        self.discriminator = Discriminator(config).apply(keras_init)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.config.channels, self.config.resolution, self.config.resolution


def _norm(width: int) -> nn.Module:
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)


def _ordered(config: Config, norm: nn.Module | None, act: nn.Module) -> list[nn.Module]:
    """Normalisation and activation in the order of the listings, or in that of the text."""
    layers = [act] if norm is None else [norm, act]
    return layers if config.norm_order == "before" else layers[::-1]


def _reduce(config: Config, below: int, width: int, side: int) -> list[nn.Module]:
    """(N, below, r, r) → (N, width, ⌈r/2⌉, ⌈r/2⌉)."""
    if config.downsampling == "stride":
        return [SameConv2d(below, width, config.kernel, 2)]
    pool = nn.AvgPool2d if config.downsampling == "average" else nn.MaxPool2d
    return [SameConv2d(below, width, config.kernel), pool(2, ceil_mode=side % 2 == 1)]


def _enlarge(config: Config, below: int, width: int, stride: int) -> list[nn.Module]:
    """(N, below, r, r) → (N, width, stride·r, stride·r)."""
    if config.upsampling == "stride":
        return [SameConvTranspose2d(below, width, config.kernel, stride, bias=False)]
    larger = [nn.Upsample(scale_factor=2)] if stride == 2 else []
    return [*larger, SameConv2d(below, width, config.kernel, bias=False)]
