"""StyleGAN (Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks").

z (N, z_dim), labels (N, c_dim) → w (N, w_dim) → image (N, C, h, w) → logit (N,), where the picture grows from stage to
stage as ProGAN's does (``growth``): 8, 16, 32, 64 … from a smallest map of 4, or 12×8, 24×16 … from one of 6×4.

    G  a learned smallest map, at first of ones, and a convolution 3×3;  a block a size: bilinear ×2 (which blurs with
       [1, 3, 3, 1]) and a convolution 3×3, another convolution 3×3.  After each of them noise for each pixel, of a
       strength learned by channel, LeakyReLU 0.2, and AdaIN: mean and deviation of every map as w asks for.
       ``to_image``: 1×1, no tanh
    D  ``from_image``: 1×1 and LeakyReLU;  a block a size: two convolutions 3×3, each with LeakyReLU, average pool ÷2;
       minibatch stddev, convolution 3×3, dense, dense 1
    filters  ``width`` (512) on maps of nominal 4 to 32, then half as many on each larger one

All layers have equalised learning rates; those from z to w learn a hundred times slower. A new block comes in softly in
both nets: G's picture is (1−α)·up(old) + α·new, what D's block makes is blended in the same way.

While it trains, a share ``mixing`` of the pictures have the styles of two latents, from a random layer on those of the
other (§3.1). Truncation is in W (``Mapping.psi``). Labels: G's mapping takes them beside z; D's logit is
head(x) + ⟨embedding of the labels, x⟩ / √dim, x its last features (Miyato & Koyama 2018).
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, final

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from boceto import growth
from boceto.nn.layers import Equalised, MinibatchStd
from boceto.nn.styles import AdaIN, Constant, Mapping, Noise, mixed
from boceto.recipe import Recipe


class Config(growth.Config):
    """Sizes and stages of a StyleGAN; the defaults are the paper's widths at 64 px."""

    z_dim: int = Field(512, ge=1, le=4096)
    w_dim: int = Field(512, ge=1, le=4096, description="length of the intermediate latent")
    depth: int = Field(8, ge=1, le=16, description="dense layers from z to w")
    width: int = Field(512, ge=4, le=1024, description="filters on maps up to 32 px, half as many on each larger one")
    mixing: Annotated[float, Field(ge=0, le=1)] = Field(0.9, description="share of pictures of two mixed styles")
    group: int = Field(4, ge=2, description="pictures that the minibatch deviation is taken of")
    fade_share: float = Field(0.5, gt=0, le=1, description="part of a stage over which its block comes in")
    blend_reals: bool = Field(True, description="real pictures are shown as sharp as G draws meanwhile")

    def filters(self, level: int) -> int:
        """Filters on a map: level 0 is the smallest, each further one has twice the sides."""
        return max(1, self.width >> max(0, level - 3))


class Styled(nn.Module):
    """What follows each map: noise, LeakyReLU, AdaIN; (N, C, H, W), (N, w_dim) → (N, C, H, W)."""

    def __init__(self, config: Config, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.noise = Noise(*size, channels=width)
        self.activation = nn.LeakyReLU(0.2, inplace=True)
        self.norm = AdaIN(config.w_dim, width)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        styled: Tensor = self.norm(self.activation(self.noise(x)), w)
        return styled


class Block(nn.Module):
    """Two styled maps of one size: what ``source`` makes of x, and a convolution of it; w (N, 2, w_dim)."""

    def __init__(self, config: Config, source: nn.Module, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.source = source
        self.first = Styled(config, width, size)
        self.convolve = _conv(width, width, 3)
        self.second = Styled(config, width, size)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.convolve(self.first(self.source(x), w[:, 0]))
        styled: Tensor = self.second(x, w[:, 1])
        return styled


class Generator(growth.Net):
    """z with labels behind (N, z_dim + c_dim) → (N, C, h, w), about [-1, 1], in the size of the stage.

    ``uniform``: latents are drawn from U(0, 1), instead of N(0, 1).
    """

    before = "to_image_before"

    def __init__(self, config: Config, c_dim: int = 0, uniform: bool = False) -> None:
        (height, width), filters = config.smallest, config.filters(0)
        super().__init__(height)
        self._config, self._uniform = config, uniform
        self.mapping = Mapping(config.z_dim, c_dim, config.w_dim, config.depth)
        self.base = Block(config, Constant(filters, height, width), filters, (height, width))
        self.blocks = nn.ModuleDict()
        self.to_image: nn.Module = nn.Identity()
        self.to_image_before: nn.Module | None = None
        self.grow()

    @property
    def layers(self) -> int:
        """How many layers take a style at this stage: two a size."""
        return 2 * (1 + len(self.blocks))

    def grow(self) -> None:
        """Put the layer that makes the small picture aside, add a block of twice its sides."""
        config, level = self._config, len(self.blocks) + 1
        self.to_image_before = self.to_image if self.blocks else None
        below, filters = config.filters(level - 1), config.filters(level)
        height, width = (side << level for side in config.smallest)
        source = nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), _conv(below, filters, 3))
        self.blocks[str(height)] = Block(config, source, filters, (height, width))
        self.to_image = _conv(filters, config.channels, 1, gain=1.0)

    def forward(self, z: Tensor) -> Tensor:
        return self.draw(self.styles(z))

    def styles(self, z: Tensor) -> Tensor:
        """w for every layer, (N, layers, w_dim); while training, some of them mixed with those of other latents."""
        config = self._config
        if not (self.training and config.mixing):
            w: Tensor = self.mapping(z)
            return w[:, None].expand(-1, self.layers, -1)
        latents, labels = z[:, : config.z_dim], z[:, config.z_dim :]
        other = torch.rand_like(latents) if self._uniform else torch.randn_like(latents)
        first, second = self.mapping(torch.cat((z, torch.cat((other, labels), dim=1)))).chunk(2)
        return mixed(first, second, self.layers, config.mixing)

    def draw(self, w: Tensor) -> Tensor:
        """The picture of these styles: (N, layers, w_dim) → (N, C, h, w)."""
        x, before = self.base(w, w[:, :2]), None
        for level, block in enumerate(self.blocks.values(), 1):
            before, x = x, block(x, w[:, 2 * level : 2 * level + 2])
        image: Tensor = self.to_image(x)
        if self.to_image_before is None:
            return image
        return self.blended(F.interpolate(self.to_image_before(before), scale_factor=2.0), image)


class Discriminator(growth.Net):
    """(N, C, h, w) in the size of the stage, labels (N, c_dim) if it is told → logit (N,)."""

    before = "from_image_before"

    def __init__(self, config: Config, c_dim: int = 0) -> None:
        (height, width), filters = config.smallest, config.filters(0)
        super().__init__(height)
        self._config = config
        self.blocks = nn.ModuleDict()
        self.from_image: nn.Module = nn.Identity()
        self.from_image_before: nn.Module | None = None
        self.base = nn.Sequential(
            MinibatchStd(config.group),
            _conv(filters + 1, filters, 3),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Flatten(),
            Equalised(nn.Linear(filters * height * width, filters)),
            nn.LeakyReLU(0.2, inplace=True),  # (N, filters)
        )
        self.head = Equalised(nn.Linear(filters, 1), gain=1.0)
        self.labels = Equalised(nn.Linear(c_dim, filters, bias=False), gain=1.0) if c_dim else None
        self.grow()

    def grow(self) -> None:
        """Put the layer that reads the small picture aside, add a block that reads one of twice its sides."""
        config, level = self._config, len(self.blocks) + 1
        self.from_image_before = self.from_image if self.blocks else None
        below, filters = config.filters(level - 1), config.filters(level)
        self.blocks[str(self.side * 2)] = nn.Sequential(
            _conv(filters, filters, 3),
            nn.LeakyReLU(0.2, inplace=True),
            _conv(filters, below, 3),
            nn.LeakyReLU(0.2, inplace=True),
            nn.AvgPool2d(2),
        )
        self.from_image = nn.Sequential(_conv(config.channels, filters, 1), nn.LeakyReLU(0.2, inplace=True))

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        newest, *older = reversed(list(self.blocks.values()))
        x = newest(self.from_image(image))
        if self.from_image_before is not None:
            x = self.blended(self.from_image_before(F.avg_pool2d(image, 2)), x)
        for block in older:
            x = block(x)
        features = self.base(x)
        logit: Tensor = self.head(features).flatten()
        if self.labels is not None and labels is not None:
            logit = logit + (self.labels(labels) * features).sum(dim=1) / math.sqrt(features.shape[1])
        return logit


@final
class StyleGAN(growth.Growing):
    """Grows as the clock asks (``growth``); what its nets minimise is the recipe's."""

    conditional: ClassVar[bool] = True
    generator: Generator
    discriminator: Discriminator

    def __init__(self, config: Config, recipe: Recipe) -> None:
        c_dim, uniform = len(recipe.data.labels), recipe.train.latents == "uniform"
        super().__init__(config, recipe, Generator(config, c_dim, uniform), Discriminator(config, c_dim))


def _conv(below: int, width: int, kernel: int, gain: float = math.sqrt(2.0)) -> nn.Module:
    return Equalised(nn.Conv2d(below, width, kernel, padding=kernel // 2), gain)
