"""The vanilla GAN of the thesis "CómicGAN" (§3.5, listings 1 and 2): z (N, z_dim) → image (N, C, R, R) → logit (N,).

D is dense (Goodfellow et al. 2014), G enlarges a dense map by nearest neighbours and convolves it. With the defaults it
is, weight for weight, the network of the listings: 1,451,137 parameters in G and 25,895,677 in D at 48 px grey.

    D  flatten 48·48 → 2304 → 4098 → 2046 → 1024 → 512 → 256 → 1, LeakyReLU 0.2 and dropout ½ after each but the last
    G  dense 256·6·6, ReLU, batch norm; then three times ×2 and a convolution (128 of 3×3, 64 of 5×5, C of 5×5),
       ReLU and batch norm after each but the last, which ends in tanh

The odd widths 4098 and 2046 are the listing's; ``d_widths = "halving"`` is what its text describes.
"""

from __future__ import annotations

from typing import Annotated, Literal, final

from pydantic import Field, field_validator
from torch import Tensor, nn

from boceto.gan import GAN
from boceto.nn.layers import Activation, Dropout, SameConv2d, SameConvTranspose2d, activation, keras_init
from boceto.recipe import Recipe, Section

Width = Annotated[int, Field(ge=1, le=8192)]
_LISTING, _ROUND = (4098, 2046, 1024, 512, 256), (4096, 2048, 1024, 512, 256)


class Config(Section):
    """Sizes of a vanilla GAN; the defaults are the listings'."""

    resolution: int = Field(48, description="side of the pictures: 28, or a multiple of 8 from 16 to 128")
    channels: Literal[1, 3] = Field(1, description="1 = grey, 3 = colour")
    z_dim: int = Field(100, ge=1, le=4096)
    d_widths: Literal["listing", "round", "halving"] | tuple[Width, ...] = Field(
        "listing",
        description="units of D's hidden layers: the listing's; 4096 and 2048 for its 4098 and 2046; halving from the "
        "number of pixels on; or your own",
    )
    d_activation: Activation = "leaky-relu"
    d_slope: float = Field(0.2, ge=0, le=1, description="LeakyReLU's slope for negative values")
    d_dropout: float = Field(0.5, ge=0, lt=1, description="share of D's units left out in training; 0 = none")
    g_widths: tuple[Width, Width, Width] = Field((256, 128, 64), description="channels of G's maps, from z on")
    g_kernels: tuple[Literal[3, 5, 7], Literal[3, 5, 7], Literal[3, 5, 7]] = (3, 5, 5)
    g_activation: Activation = "relu"
    upsampling: Literal["nearest", "stride"] = Field(
        "nearest", description="enlarge and convolve, or convolve by stride"
    )

    @field_validator("resolution")
    @classmethod
    def _doubles(cls, resolution: int) -> int:
        if resolution != 28 and (resolution % 8 or not 16 <= resolution <= 128):
            raise ValueError("vanilla draws at 28 pixels or a multiple of 8 from 16 to 128")
        return resolution

    def hidden(self) -> tuple[int, ...]:
        """Units of D's hidden layers: at 48 px (2304, 4098, 2046, 1024, 512, 256)."""
        pixels = self.resolution**2
        match self.d_widths:
            case "listing":
                return pixels, *_LISTING
            case "round":
                return pixels, *_ROUND
            case "halving":
                return tuple(pixels >> i for i in range(6))
            case widths:
                return tuple(widths)


class Generator(nn.Module):
    """z (N, z_dim) → (N, C, R, R) in [-1, 1]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        doublings = 2 if config.resolution == 28 else 3
        side = config.resolution >> doublings
        first, *rest = config.g_widths
        layers: list[nn.Module] = [
            nn.Linear(config.z_dim, first * side**2),
            activation(config.g_activation),
            nn.BatchNorm1d(first * side**2, eps=1e-3, momentum=0.01),
            nn.Unflatten(1, (first, side, side)),  # (N, 256, 6, 6)
        ]
        widths, kernels = [*rest, config.channels][-doublings:], config.g_kernels[-doublings:]
        for below, width, kernel in zip([first, *widths], widths, kernels, strict=False):
            layers += [  # (N, 128, 12, 12), (N, 64, 24, 24), (N, C, 48, 48)
                *_double(config, below, width, kernel),
                activation(config.g_activation),
                nn.BatchNorm2d(width, eps=1e-3, momentum=0.01),
            ]
        layers[-2:] = [nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        image: Tensor = self.layers(z)
        return image


class Discriminator(nn.Module):
    """(N, C, R, R) → logit (N,)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        below = config.channels * config.resolution**2
        for width in config.hidden():  # (N, 2304) … (N, 256)
            layers += [
                nn.Linear(below, width),
                activation(config.d_activation, config.d_slope),
                *([Dropout(config.d_dropout)] if config.d_dropout else []),
            ]
            below = width
        self.layers = nn.Sequential(*layers, nn.Linear(below, 1), nn.Flatten(0))  # (N,)

    def forward(self, image: Tensor) -> Tensor:
        logit: Tensor = self.layers(image)
        return logit


@final
class Vanilla(GAN):
    """Weights begin as Keras begins them: Glorot uniform."""

    def __init__(self, config: Config, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.generator = Generator(config).apply(keras_init)
        self.discriminator = Discriminator(config).apply(keras_init)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.config.channels, self.config.resolution, self.config.resolution


def _double(config: Config, below: int, width: int, kernel: int) -> list[nn.Module]:
    """(N, below, r, r) → (N, width, 2r, 2r)."""
    if config.upsampling == "stride":
        return [SameConvTranspose2d(below, width, kernel, 2)]
    return [nn.Upsample(scale_factor=2), SameConv2d(below, width, kernel)]
