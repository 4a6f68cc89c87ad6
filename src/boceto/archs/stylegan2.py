"""StyleGAN2 (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN") in plain PyTorch.

z (N, z_dim), labels (N, c_dim) → w (N, w_dim) → image (N, C, H, W) → logit (N,).

    G  a learned smallest map, one convolution; a block a size: a convolution 3×3 and ×2, another convolution 3×3. Every
       convolution takes its style from w: weights are modulated by it and demodulated (§2.2), noise and bias are added,
       LeakyReLU 0.2. Each size gives an image, all are added up, enlarged (skip connections, fig. 7b)
    D  1×1; a block a size: convolution 3×3, ÷2 and convolution 3×3, beside them ÷2 and 1×1 (residual, fig. 7c);
       minibatch stddev, convolution 3×3, dense, dense 1.  All layers have equalised learning rates; no norm
    filters  ``width`` on the largest map, twice as many on each smaller one, ``most`` at the most

Modulating the weights for each picture is the same as scaling what goes into the convolution and what comes out of it,
which needs no convolution of its own for each picture, nor any compiled operation. Convolutions that change the size
work on the smaller map: ×2 comes after them (bilinear, which blurs with [1, 3, 3, 1]), ÷2 before (mean). ``patch`` = 2
spares the largest maps: the image is read, and each size's image drawn, by a convolution 4×4 of stride 2.

Demodulated, weights of any size draw the same. But a step of Adam has a size of its own: weights of a fifth
(``init_std``) turn five times as far with it, and less and less as they grow: short trainings gain (docs/log.md).

Style mixing (Karras et al. 2019, §3.1), truncation in W, lazy R1 by ``objective``, path length by ``path_weight``.
Labels: G's mapping takes them beside z, D's logit gains ⟨embedding, features⟩ / √dim (Miyato & Koyama 2018).
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated, ClassVar, Literal, final

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from boceto.clock import Clock
from boceto.gan import GAN, Batch, Terms
from boceto.nn import products
from boceto.nn.layers import Equalised, MinibatchStd
from boceto.nn.styles import Mapping, Noise, mixed
from boceto.recipe import NotNegative, Recipe
from boceto.sized import Doubling

_ROOT = math.sqrt(2.0)


class Config(Doubling):
    """Sizes of a StyleGAN2; the defaults are the paper's widths at 64 px and its regularisers."""

    z_dim: int = Field(512, ge=1, le=4096)
    w_dim: int = Field(512, ge=1, le=4096, description="length of the intermediate latent")
    depth: int = Field(8, ge=1, le=16, description="dense layers from z to w")
    mapping_rate: Annotated[float, Field(gt=0, le=1)] = Field(0.01, description="how much slower those learn")
    width: int = Field(256, ge=1, le=2048, description="filters on the largest map, doubled on each smaller one")
    patch: Literal[1, 2] = Field(1, description="pixels a side read and drawn at once; 2 spares the largest maps")
    noise: bool = Field(True, description="noise for each pixel")
    mixing: Annotated[float, Field(ge=0, le=1)] = Field(0.9, description="share of pictures of two mixed styles")
    path_weight: NotNegative = Field(2.0, description="strength of path length regularisation; 0 = none")
    path_every: int = Field(8, ge=1, description="steps from one to the next")
    group: int = Field(4, ge=1, description="pictures that the minibatch deviation is taken of")
    init_std: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="deviation of the weights of G's convolutions at first; smaller ones learn as much quicker"
    )

    def maps(self) -> list[tuple[int, int]]:
        """Sides (h, w) of the maps, the smallest first."""
        found = super().maps()
        return found[:-1] if self.patch == 2 else found


# ── G ──


class Styled(nn.Module):
    """A modulated convolution 3×3, noise, bias, LeakyReLU: (N, C, h, w), (N, w_dim) → (N, O, H, W); ×2 if ``up``."""

    def __init__(self, config: Config, below: int, width: int, side: tuple[int, int], up: bool = False) -> None:
        super().__init__()
        self.up = up
        self.style = Equalised(nn.Linear(config.w_dim, below), gain=1.0, start=1.0)
        self.weight = nn.Parameter(config.init_std * torch.randn(width, below, 3, 3))
        self.scale = 1 / math.sqrt(below * 9)
        self.bias = nn.Parameter(torch.zeros(width))
        self.noise = Noise(*side) if config.noise else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style, weight = self.style(w), self.weight * self.scale
        power = style.float().square() @ weight.float().square().sum((2, 3)).t()  # of each output, for each picture
        level = torch.rsqrt(power + 1e-8) * _ROOT
        x = x * style[:, :, None, None]
        y = products.conv2d(x, weight, None, 1, (1, 1))
        y = torch.addcmul(self.bias.to(y.dtype)[:, None, None], y, level.to(y.dtype)[:, :, None, None])
        if self.up:
            y = F.interpolate(y, scale_factor=2.0, mode="bilinear")
        if self.noise is not None:
            y = self.noise(y)
        return F.leaky_relu(y, 0.2, inplace=True)


class ToImage(nn.Module):
    """A modulated convolution 1×1, no demodulation: (N, C, h, w), (N, w_dim) → (N, O, h, w), as one product."""

    def __init__(self, config: Config, below: int, channels: int) -> None:
        super().__init__()
        self.style = Equalised(nn.Linear(config.w_dim, below), gain=1.0, start=1.0)
        self.weight = nn.Parameter(config.init_std * torch.randn(channels, below))
        self.scale = 1 / math.sqrt(below)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        weights = self.style(w)[:, :, None] * (self.weight * self.scale).t()  # (N, C, O)
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # (N, h·w, C): a view of what is channels-last
        rows = torch.matmul(pixels, weights.to(pixels.dtype)) + self.bias
        image: Tensor = rows.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
        return image


class ToLargeImage(nn.Module):
    """A modulated convolution 4×4 that draws at twice the sides: (N, C, h, w), (N, w_dim) → (N, O, 2h, 2w)."""

    def __init__(self, config: Config, below: int, channels: int) -> None:
        super().__init__()
        self.style = Equalised(nn.Linear(config.w_dim, below), gain=1.0, start=1.0)
        self.weight = nn.Parameter(config.init_std * torch.randn(below, channels, 4, 4))
        self.scale = 1 / math.sqrt(below * 4)  # a pixel is made of 2×2 of them
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = x * self.style(w)[:, :, None, None]
        return products.conv_transpose2d(x, self.weight * self.scale, self.bias, 2, (1, 1))


class Generator(nn.Module):
    """z with labels behind (N, z_dim + c_dim) → (N, C, H, W), about [-1, 1].

    ``uniform``: latents are drawn from U(0, 1), instead of N(0, 1).
    """

    def __init__(self, config: Config, c_dim: int, uniform: bool = False) -> None:
        super().__init__()
        sides, filters = config.maps(), config.filters()
        self.mixing, self.layers, self.uniform = config.mixing, 2 * len(sides), uniform
        self.mapping = Mapping(config.z_dim, c_dim, config.w_dim, config.depth, config.mapping_rate)
        self.start = nn.Parameter(torch.randn(filters[0], *sides[0]))
        self.enlarge = nn.ModuleList(
            Styled(config, below, width, side, up=True)
            for below, width, side in zip(filters, filters[1:], sides[1:], strict=False)
        )
        self.convolve = nn.ModuleList(
            Styled(config, width, width, side) for width, side in zip(filters, sides, strict=True)
        )
        drawing = ToLargeImage if config.patch == 2 else ToImage
        self.to_image = nn.ModuleList(drawing(config, width, config.channels) for width in filters)
        self.path_mean: Tensor  # running mean of path lengths
        self.register_buffer("path_mean", torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        return self.draw(self.styles(z))

    def styles(self, z: Tensor) -> Tensor:
        """w for every layer, (N, layers, w_dim), mixed while training."""
        w: Tensor = self.mapping(z)
        if not (self.training and self.mixing):
            return w[:, None].expand(-1, self.layers, -1)
        latents, labels = z.split((self.mapping.z_dim, z.shape[1] - self.mapping.z_dim), dim=1)
        other = torch.rand_like(latents) if self.uniform else torch.randn_like(latents)
        other = torch.cat((other, labels), dim=1)
        return mixed(w, self.mapping(other), self.layers, self.mixing)

    def draw(self, w: Tensor) -> Tensor:
        """(N, layers, w_dim) → (N, C, H, W)."""
        x = self.start[None].expand(len(w), -1, -1, -1)
        image: Tensor | None = None
        for level, convolve in enumerate(self.convolve):
            if level:
                x = self.enlarge[level - 1](x, w[:, 2 * level - 1])
            x = convolve(x, w[:, 2 * level])
            new = self.to_image[level](x, w[:, 2 * level + 1])
            if image is not None:
                new = new + F.interpolate(image, scale_factor=2.0, mode="bilinear")
            image = new
        assert image is not None
        return image


# ── D ──


class Block(nn.Module):
    """(N, C, h, w) → (N, O, h/2, w/2): two convolutions, and a way past them."""

    def __init__(self, below: int, width: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            Equalised(nn.Conv2d(below, below, 3, padding=1)),
            nn.LeakyReLU(0.2, inplace=True),
            nn.AvgPool2d(2),
            Equalised(nn.Conv2d(below, width, 3, padding=1)),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.past = Equalised(nn.Conv2d(below, width, 1, bias=False), gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = (self.main(x) + self.past(F.avg_pool2d(x, 2))) / _ROOT
        return y


class Discriminator(nn.Module):
    """(N, C, H, W), labels (N, c_dim) if there are any → logit (N,)."""

    def __init__(self, config: Config, c_dim: int) -> None:
        super().__init__()
        (height, width), *_ = config.maps()
        filters = config.filters()
        kernel, stride, padding = (4, 2, 1) if config.patch == 2 else (1, 1, 0)
        self.from_image = nn.Sequential(
            Equalised(nn.Conv2d(config.channels, filters[-1], kernel, stride, padding)), nn.LeakyReLU(0.2, inplace=True)
        )
        self.blocks = nn.ModuleList(Block(above, below) for below, above in itertools.pairwise(filters))
        smallest = filters[0]
        self.end = nn.Sequential(
            MinibatchStd(config.group),
            Equalised(nn.Conv2d(smallest + 1, smallest, 3, padding=1)),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Flatten(),
            Equalised(nn.Linear(smallest * height * width, smallest)),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.head = Equalised(nn.Linear(smallest, 1), gain=1.0)
        self.labels = Equalised(nn.Linear(c_dim, smallest), gain=1.0) if c_dim else None

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        x = self.from_image(image)
        for block in reversed(self.blocks):
            x = block(x)
        features = self.end(x)  # (N, filters)
        logit: Tensor = self.head(features).flatten()
        if self.labels is not None and labels is not None:
            logit = logit + (self.labels(labels) * features).sum(dim=1) / math.sqrt(features.shape[1])
        return logit


@final
class StyleGAN2(GAN):
    """What D and G minimise is the recipe's; G has path length regularisation besides."""

    conditional: ClassVar[bool] = True
    generator: Generator
    discriminator: Discriminator

    def __init__(self, config: Config, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.generator = Generator(config, self.c_dim, recipe.train.latents == "uniform")
        self.discriminator = Discriminator(config, self.c_dim)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.config.channels, *self.config.size

    def g_terms(self, batch: Batch, now: Clock) -> Terms:
        terms = super().g_terms(batch, now)
        if self.config.path_weight and now.step % self.config.path_every == 0:
            penalty = self._path_length(batch.z[: max(1, len(batch.z) // 2)])
            terms.losses["path"] = self.config.path_weight * self.config.path_every * penalty
        return terms

    def _path_length(self, z: Tensor) -> Tensor:
        """Karras et al. 2020, eq. 4: E[ (‖∂(G(w)·y)/∂w‖ − a)² ], y noise of unit length in a pixel, a its running mean.

        The slope is taken of half a batch, every so many steps, and as much stronger (§B).
        """
        net = self.generator
        w = net.styles(z)
        image = net.draw(w)
        noise = torch.randn_like(image) / math.sqrt(image.shape[2] * image.shape[3])
        (slope,) = torch.autograd.grad((image * noise).sum(), w, create_graph=True)
        lengths = slope.float().square().sum(dim=2).mean(dim=1).sqrt()
        mean = torch.lerp(net.path_mean, lengths.detach().mean(), 0.01)
        net.path_mean.copy_(mean)
        return (lengths - mean).square().mean()
