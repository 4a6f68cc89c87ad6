"""Variational autoencoder (Kingma & Welling 2014): image (N, C, R, R) → μ, log σ² → z (N, z_dim) → image (N, C, R, R).

The one network here that nothing judges. The decoder p(x|z) stands in G's place and draws from z ~ N(0, 1) as any G
does; in D's place stands the encoder q(z|x), which says of a picture where it lies among the latents. Both climb one
bound on the likelihood of the drawings, the ELBO (eq. 3 and 10):

    log p(x) ≥ E[ log p(x|z) ] − KL( q(z|x) ‖ p(z) ),   z = μ + σ·ε with ε ~ N(0, 1) (§2.4)

each in its own turn and with respect to its own weights. With ``balance.update = "simultaneous"`` both gradients are
taken at one place and with one ε, which is the paper's algorithm 1; "alternating" is the EM of Neal & Hinton (1998).

p(x|z) is a discretised logistic about the decoder's picture (Kingma et al. 2016; Salimans et al. 2017, eq. 2): the
probability of the very level, out of 256, that a pixel has. Its scale is learned with the decoder, one number for all
pixels, so that the two terms need not be weighed by hand (Rybkin et al. 2021). β is that of Higgins et al. 2017, eq. 4.

The nets are strided convolutions as in DCGAN, without any norm.
"""

from __future__ import annotations

import math
from typing import Literal, final

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.func import functional_call

from boceto.clock import Clock
from boceto.errors import UsageError
from boceto.gan import GAN, Batch, Terms
from boceto.nn.layers import Conv2d, ConvTranspose2d
from boceto.recipe import Recipe, Section

_LEVEL = 2 / 255  # from one grey level to the next, in [-1, 1]
_SLOPE = 0.2  # LeakyReLU's for negative values


class Config(Section):
    """Sizes of a VAE."""

    resolution: int = Field(64, description="side of the pictures: 16, 32, 64, 128 or 256")
    channels: Literal[1, 3] = Field(3, description="1 = grey, 3 = colour")
    z_dim: int = Field(100, ge=1, le=4096)
    g_width: int = Field(
        64, ge=1, le=512, description="channels of the decoder's last hidden map; doubled towards z, at most ×8"
    )
    d_width: int = Field(
        64, ge=1, le=512, description="channels of the encoder's first map; doubled towards z, at most ×8"
    )
    beta: float = Field(
        1.0, gt=0, le=1e6, description="weight of the KL term; 1 = the bound, more = latents nearer to N(0, 1)"
    )

    @field_validator("resolution")
    @classmethod
    def _power_of_two(cls, resolution: int) -> int:
        if resolution not in (16, 32, 64, 128, 256):
            raise ValueError("vae draws at 16, 32, 64, 128 or 256 pixels")
        return resolution

    def widths(self, width: int) -> list[int]:
        """Channels from the largest map to the 4×4 map: at 64 px and width 64, [64, 128, 256, 512]."""
        return [width * min(2**i, 8) for i in range(int(math.log2(self.resolution)) - 2)]


class Generator(nn.Module):
    """The decoder: z (N, z_dim) → (N, C, R, R) in [-1, 1], the middle of p(x|z), and ``log_scale``, its width."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        below, *rest = reversed(config.widths(config.g_width))
        layers: list[nn.Module] = [
            ConvTranspose2d(config.z_dim, below, 4),  # (N, 512, 4, 4)
            nn.LeakyReLU(_SLOPE, inplace=True),
        ]
        for width in rest:  # (N, 256, 8, 8) … (N, 64, 32, 32)
            layers += [ConvTranspose2d(below, width, 4, 2, 1), nn.LeakyReLU(_SLOPE, inplace=True)]
            below = width
        layers += [ConvTranspose2d(below, config.channels, 4, 2, 1), nn.Tanh()]  # (N, C, 64, 64)
        self.layers = nn.Sequential(*layers)
        self.log_scale = nn.Parameter(torch.tensor(math.log(0.1)))

    def forward(self, z: Tensor) -> Tensor:
        image: Tensor = self.layers(z[:, :, None, None])
        return image


class Discriminator(nn.Module):
    """The encoder: (N, C, R, R) → (N, 2·z_dim), μ beside log σ²."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        below: int = config.channels
        for width in config.widths(config.d_width):  # (N, 64, 32, 32) … (N, 512, 4, 4)
            layers += [Conv2d(below, width, 4, 2, 1), nn.LeakyReLU(_SLOPE, inplace=True)]
            below = width
        layers += [Conv2d(below, 2 * config.z_dim, 4), nn.Flatten()]  # (N, 2·z_dim)
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.layers(image)
        return found


@final
class VAE(GAN):
    """A decoder and an encoder that climb one bound."""

    adversarial = False
    generator: Generator
    discriminator: Discriminator

    def __init__(self, config: Config, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        if recipe.train.latents != "normal":
            raise UsageError(
                f"train.latents = '{recipe.train.latents}': the latents of a vae are N(0, 1), which its encoder is "
                f"held to; use train.latents=normal"
            )
        self.generator = Generator(config).apply(_init)
        self.discriminator = Discriminator(config).apply(_init)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.config.channels, self.config.resolution, self.config.resolution

    def d_terms(self, batch: Batch, now: Clock) -> Terms:
        """The encoder's turn: bits a dimension of −ELBO; in nats a picture the KL term and the ELBO (where β is 1)."""
        mean, log_variance = self.posterior(batch.real)
        decoder = {name: weight.detach() for name, weight in self.generator.named_parameters()}  # it stands still
        drawn = functional_call(self.generator, decoder, (sampled(mean, log_variance, batch.z),))
        missed = -log_likelihood(batch.real, drawn.float(), decoder["log_scale"]).mean()
        kl = divergence(mean, log_variance).mean()
        told = {"kl": kl.detach(), "elbo": -(missed + kl).detach()}
        return Terms({"loss": self._bits(missed + self.config.beta * kl)}, told=told)

    def g_terms(self, batch: Batch, now: Clock) -> Terms:
        """The decoder's turn: bits a dimension of −log p(x|z), where the encoder puts z."""
        with torch.no_grad():
            z = sampled(*self.posterior(batch.real), batch.z)
        drawn = self.generator(z).float()
        return Terms({"loss": self._bits(-log_likelihood(batch.real, drawn, self.generator.log_scale).mean())})

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log σ² of q(z|x), (N, z_dim) each in float32, of images (N, C, R, R)."""
        mean, log_variance = self.discriminator(images).float().chunk(2, dim=1)
        return mean, log_variance

    def encode(self, images: Tensor) -> Tensor:
        return self.posterior(images)[0]

    def unseen(self, pictures: Tensor, zero: Tensor | None, labels: Tensor | None = None) -> dict[str, Tensor]:
        """Their ELBO, nats a picture: what the bound is worth on drawings that were not learned."""
        mean, log_variance = self.posterior(pictures)
        drawn = self.generator(sampled(mean, log_variance, torch.randn_like(mean))).float()
        told = log_likelihood(pictures, drawn, self.generator.log_scale) - divergence(mean, log_variance)
        return {"elbo": told.mean()}

    def _bits(self, nats: Tensor) -> Tensor:
        """Nats a picture → bits a dimension, of which it has C·R·R."""
        return nats / (math.prod(self.image_shape) * math.log(2))


def sampled(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ·ε, (N, z_dim) all of them: a draw from q(z|x) that gradients pass through (§2.4)."""
    return mean + (0.5 * log_variance).exp() * noise


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL( N(μ, σ²) ‖ N(0, 1) ) = ½ Σ ( μ² + σ² − 1 − log σ² ) in nats, (N, z_dim) → (N,) (appendix B); ≥ 0."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


def log_likelihood(images: Tensor, middle: Tensor, log_scale: Tensor) -> Tensor:
    """log p(x|z) in nats, (N,), of images (N, C, H, W) on 256 levels in [-1, 1]; ≤ 0.

    p(x) = S((x + h − m) / s) − S((x − h − m) / s),   S the sigmoid, h half a level, m ``middle``, s = e^``log_scale``;
    the lowest level reaches down to −∞, the highest up to ∞. As S(b) − S(a) = S(b)·S(−a)·(1 − e^(a−b)), nothing is
    lost where both are near 0 or 1.
    """
    apart, half, narrow = images - middle, _LEVEL / 2, (-log_scale).exp()
    lowest, highest = images < -1 + half, images > 1 - half
    above = F.softplus(-(apart + half) * narrow).masked_fill(highest, 0)  # −log S(b)
    below = F.softplus((apart - half) * narrow).masked_fill(lowest, 0)  # −log S(−a)
    inside = (~(lowest | highest)).flatten(1).sum(dim=1)
    return inside * torch.log(-torch.expm1(-_LEVEL * narrow)) - (above + below).flatten(1).sum(dim=1)


@torch.no_grad()
def _init(module: nn.Module) -> None:
    """He et al. 2015, eq. 14, for what a value of the output is the sum of: a quarter of the kernel at stride 2 up."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        up = isinstance(module, nn.ConvTranspose2d)
        taps = 1 if up and module.stride == (1, 1) else 4 if up else math.prod(module.kernel_size)
        nn.init.normal_(module.weight, 0.0, math.sqrt(2 / (1 + _SLOPE**2) / (module.in_channels * taps)))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
