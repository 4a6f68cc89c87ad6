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
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, final

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from boceto.clock import Clock
from boceto.errors import UsageError
from boceto.gan import GAN, Stage
from boceto.nn.layers import Equalised, MinibatchStd, PixelNorm, max_norm
from boceto.recipe import Long, Recipe, Section

Size = Annotated[int, Field(ge=1, le=65536)]


class Config(Section):
    """Sizes and stages of a progressive GAN; the defaults are the thesis's at 64 px."""

    resolution: int = Field(64, description="side at the last stage: the base doubled one or more times")
    base: int = Field(4, ge=2, le=16, description="side of the smallest map; the first stage draws at twice that")
    channels: Literal[1, 3] = Field(3, description="1 = grey, 3 = colour")
    z_dim: int = Field(100, ge=1, le=4096)
    width: int = Field(
        256, ge=4, le=1024, description="filters at the small sizes; half at 32 px, a quarter from 64 on"
    )
    start: int | None = Field(
        None, description="side of the first stage trained here, if a run has trained those below"
    )
    stage_kimg: tuple[Long, ...] = Field(
        (),
        description="thousands of images a stage; the last number holds for all stages after it. Not given, train.kimg "
        "is shared out evenly; or train.minutes, each stage taking three times the time of the one before",
    )
    stage_batch: tuple[Size, ...] = Field(
        (), description="pictures in a batch of each stage, the last number for all after it; train.batch if not given"
    )
    alpha_start: float = Field(0.2, ge=0, le=1, description="share of the new block as it comes in")
    alpha_step: float = Field(0.00008, gt=0, le=1, description="what a batch adds to that share")
    fade_share: float | None = Field(
        None, gt=0, le=1, description="come in evenly over this share of the stage, instead of by alpha_step"
    )
    fade_d: bool = Field(False, description="D's new block comes in softly too (Karras et al. 2018, fig. 2)")
    blend_reals: bool = Field(False, description="real pictures are shown as sharp as G draws meanwhile")
    keep_optimiser: bool = Field(False, description="old weights keep their Adam moments from stage to stage")
    equalised: bool = Field(False, description="equalised learning rate instead of N(0, 0.02)")
    max_norm: float = Field(1.0, ge=0, description="bound on the weights after each update, as Keras's; 0 = none")
    minibatch_std: bool = True
    new_tanh: bool = Field(
        True, description="tanh on the pictures after the first stage; listing 8 leaves it out, its text does not"
    )

    @model_validator(mode="after")
    def _fits(self) -> Config:
        sizes = [self.base << i for i in range(1, 10)]
        if self.resolution not in sizes:
            near = ", ".join(map(str, sizes[:6]))
            raise ValueError(
                f"resolution = {self.resolution}: from base {self.base} progan draws at {near} …; another base is "
                f"arch.base, for example 5 for 10, 20, 40, 80, 160"
            )
        if self.equalised and self.max_norm:
            raise ValueError(
                "equalised: such weights are large and scaled as they are used, so max_norm = 0 goes with it"
            )
        if self.start is not None and self.start not in self.sides():
            raise ValueError(f"start = {self.start}: the stages are {', '.join(map(str, self.sides()))}")
        if len(self.stage_kimg) > len(self.sides()):
            raise ValueError(f"stage_kimg: there are {len(self.sides())} stages; name no more lengths than that")
        return self

    def sides(self) -> list[int]:
        """Picture sides of the stages: [8, 16, 32, 64]."""
        return [self.base << i for i in range(1, (self.resolution // self.base).bit_length())]

    def filters(self, side: int) -> int:
        """Filters at a map's side: by its nominal size, 4 for the base."""
        nominal = side * 4 // self.base
        return max(1, self.width // (1 if nominal <= 16 else 2 if nominal <= 32 else 4))


class Generator(nn.Module):
    """z (N, z_dim) → (N, C, r, r) in [-1, 1], r the side of the stage."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._config, width = config, config.filters(config.base)
        self.alpha = 1.0
        self.share: Tensor  # α again, where the picture is computed: a number that changes would be compiled anew
        self.register_buffer("share", torch.ones(()), persistent=False)
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

    @property
    def side(self) -> int:
        """The picture's side at this stage."""
        return self._config.base << len(self.blocks)

    def grow(self) -> None:
        """Drop the layer that makes the small picture (once α is 1), add a block of twice its side."""
        config, side, first = self._config, self.side * 2, not self.blocks
        self.to_image_before = None if first else self.to_image
        below, width = config.filters(side // 2), config.filters(side)
        self.blocks[str(side)] = nn.Sequential(nn.Upsample(scale_factor=2), *_pair(config, below, width, norm=True))
        tanh = [nn.Tanh()] if config.new_tanh or first else []
        self.to_image = nn.Sequential(_conv(config, width, config.channels, 1, gain=1.0), *tanh)

    def fade(self, alpha: float) -> None:
        """The share of the newest block in the picture; at 1 the old way out is dropped."""
        _set(self, alpha)
        if alpha >= 1:
            self.to_image_before = None

    def forward(self, z: Tensor) -> Tensor:
        x, before = self.base(z), None
        for block in self.blocks.values():
            before, x = x, block(x)  # (N, 256, 8, 8), (N, 256, 16, 16), (N, 128, 32, 32), (N, 64, 64, 64)
        image: Tensor = self.to_image(x)
        if self.to_image_before is None:
            return image
        old = F.interpolate(self.to_image_before(before), scale_factor=2.0)
        return (1 - self.share) * old + self.share * image


class Discriminator(nn.Module):
    """(N, C, r, r) → logit (N,), r the side of the stage."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._config, width = config, config.filters(config.base)
        self.alpha = 1.0
        self.share: Tensor  # as G's
        self.register_buffer("share", torch.ones(()), persistent=False)
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

    @property
    def side(self) -> int:
        """The picture's side at this stage."""
        return self._config.base << len(self.blocks)

    def grow(self) -> None:
        """Drop the layer that reads the small picture, add a block that reads one of twice its side."""
        config, side = self._config, self.side * 2
        self.from_image_before = self.from_image if self.blocks and config.fade_d else None
        above, width = config.filters(side * 2), config.filters(side)
        # its output goes where the dropped layer's went, which had the filters of ``side``
        self.blocks[str(side)] = nn.Sequential(*_pair(config, above, width, norm=False), nn.AvgPool2d(2))
        self.from_image = nn.Sequential(_conv(config, config.channels, above, 1), nn.LeakyReLU(0.2, inplace=True))

    def fade(self, alpha: float) -> None:
        """The share of the newest block in what the others see; at 1 the old way in is dropped."""
        _set(self, alpha)
        if alpha >= 1:
            self.from_image_before = None

    def forward(self, image: Tensor) -> Tensor:
        newest, *older = reversed(list(self.blocks.values()))
        x = newest(self.from_image(image))
        if self.from_image_before is not None:
            x = (1 - self.share) * self.from_image_before(F.avg_pool2d(image, 2)) + self.share * x
        for block in older:  # (N, 128, 16, 16), (N, 256, 8, 8), (N, 256, 4, 4)
            x = block(x)
        logit: Tensor = self.base(x)
        return logit


@final
class ProGAN(GAN):
    """Stages, fading and batch sizes are pure functions of the images seen."""

    generator: Generator
    discriminator: Discriminator

    def __init__(self, config: Config, recipe: Recipe) -> None:
        super().__init__(config, recipe)
        self.generator = Generator(config)
        self.discriminator = Discriminator(config)
        self._sides = config.sides()
        self._first = self._sides.index(config.start) if config.start else 0
        for _ in range(self._first - 1):
            self._grow()
            self.generator.fade(1.0)  # that stage has been trained to its end
            self.discriminator.fade(1.0)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.config.channels, self.config.resolution, self.config.resolution

    # ── time ──

    def batch_at(self, nimg: int) -> int:
        return self._batch(self._stage(nimg))

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        return tuple(self._batch(stage) for stage in range(self._first, len(self._sides)))

    def reach(self, now: Clock, averaged: nn.Module | None = None) -> bool:
        side, grown = self._sides[self._stage(now.nimg)], False
        while self.generator.side < side:
            self._grow(averaged)
            grown = True
        for net in (self.generator, self.discriminator, averaged):
            if isinstance(net, Generator | Discriminator):
                net.fade(self._alpha(now.nimg))
        return grown

    def settle(self, speed: Callable[[Recipe, int], float]) -> dict[str, Any]:
        """How long each stage takes, unless it is given."""
        if self.config.stage_kimg:
            return {}
        stages, minutes = range(self._first, len(self._sides)), self.recipe.train.minutes
        if minutes is None:
            lengths = [self._kimg(stage) for stage in stages]
        else:
            shares = [3**stage for stage in stages]
            lengths = [
                speed(stage.recipe, stage.nimg) * minutes * 60 / 1000 * share / sum(shares)
                for stage, share in zip(self.stages(), shares, strict=True)
            ]
            least = min(1.0, self.recipe.train.kimg / sum(lengths))  # train.kimg may end it before the minutes do
            lengths = [least * length for length in lengths]
        untrained = [lengths[0]] * self._first  # their place is kept, they are not trained here
        return {"stage_kimg": [max(round(length, 3), 0.001) for length in (*untrained, *lengths)]}

    @property
    def notice(self) -> str:
        (last, begin), kimg = list(self._begins())[-1], self.recipe.train.kimg
        if begin < kimg * 1000:
            return ""
        return (
            f"{self._sides[last]} pixels would come after {begin / 1000:g} thousand images (arch.stage_kimg), but "
            f"train.kimg = {kimg:g} ends it before"
        )

    def stages(self) -> list[Stage]:
        """Each as it is trained here; a trial spends one batch on each stage before it and never leaves it."""
        last, end = len(self._sides) - 1, self.recipe.train.kimg * 1000
        begins = dict(self._begins())
        return [
            Stage(
                (self.config.resolution, self.config.resolution, self.config.channels),
                self._sides[stage],
                max(0.0, (end if stage == last else min(end, begins[stage + 1])) - begin) / 1000,
                self.recipe.changed([f"arch.stage_kimg={[0.001] * stage + [1e6]}"]),
                sum(self._batch(before) for before in range(self._first, stage)),
            )
            for stage, begin in begins.items()
        ]

    def lasts(self, nimg: int) -> float:
        """Until the fade is over, if there is one; else until the next stage."""
        stage, begins = self._stage(nimg), dict(self._begins())
        if self._alpha(nimg) >= 1:
            return float(begins.get(stage + 1, math.inf))
        batches = range(begins[stage], begins.get(stage + 1, 10**15), self._batch(stage))
        return float(batches[bisect_left(batches, 1.0, key=self._alpha)])

    def milestone(self, now: Clock) -> bool:
        return self.generator.side != self._sides[self._stage(now.nimg)]

    def status(self) -> dict[str, float]:
        return {"resolution": self.generator.side, "alpha": round(self.generator.alpha, 6)}

    def shown(self, real: Tensor) -> Tensor:
        """(N, C, R, R) → (N, C, r, r): reduced to the stage's side by averaging."""
        side = self.generator.side
        real = F.avg_pool2d(real, real.shape[2] // side) if real.shape[2] > side else real
        if self.config.blend_reals and self.generator.alpha < 1:
            blurred = F.interpolate(F.avg_pool2d(real, 2), scale_factor=2.0)
            real = torch.lerp(blurred, real, self.generator.alpha)
        return real.detach()

    def constrain(self, net: nn.Module) -> None:
        if self.config.max_norm:
            max_norm((weight for weight in net.parameters() if weight.dim() > 1), self.config.max_norm)

    def _stage(self, nimg: int) -> int:
        """Which stage comes after ``nimg`` images: 0 for the smallest."""
        return max(stage for stage, begin in self._begins() if begin <= nimg)

    def _begins(self) -> Iterator[tuple[int, int]]:
        """(stage, images seen when it begins), whole batches each, from the first stage that is trained here."""
        begin = 0
        for stage in range(self._first, len(self._sides)):
            yield stage, begin
            begin += self._batches(stage) * self._batch(stage)

    def _batch(self, stage: int) -> int:
        sizes = self.config.stage_batch or (self.recipe.train.batch,)
        return int(sizes[min(stage, len(sizes) - 1)])

    def _batches(self, stage: int) -> int:
        """How many batches a stage takes (the last one goes on for as long as the training does)."""
        return math.ceil(self._kimg(stage) * 1000 / self._batch(stage))

    def _kimg(self, stage: int) -> float:
        lengths = self.config.stage_kimg
        if not lengths:
            return self.recipe.train.kimg / (len(self._sides) - self._first)
        return float(lengths[min(stage, len(lengths) - 1)])

    def _alpha(self, nimg: int) -> float:
        """α for the next batch, from the batches of its stage so far: a count, so that no rounding adds up."""
        stage = self._stage(nimg)
        if stage == 0:
            return 1.0
        config, count = self.config, (nimg - dict(self._begins())[stage]) // self._batch(stage)
        step = config.alpha_step
        if config.fade_share is not None:
            step = (1 - config.alpha_start) / (config.fade_share * self._batches(stage))
        return float(min(1.0, config.alpha_start + step * count))

    # ── growing ──

    @property
    def keeps_moments(self) -> bool:
        return bool(self.config.keep_optimiser)

    @torch.no_grad()
    def _grow(self, averaged: nn.Module | None = None) -> None:
        """One block more in both nets and in G's average, whose new layers begin as G's do."""
        self.generator.grow()
        self.discriminator.grow()
        if isinstance(averaged, Generator):
            averaged.grow()
            for name in (f"blocks.{averaged.side}", "to_image"):
                averaged.get_submodule(name).load_state_dict(self.generator.get_submodule(name).state_dict())
            averaged.eval().requires_grad_(False)

    @property
    def needs_origin(self) -> str:
        if not self._first:
            return ""
        return f"arch.start = {self._sides[self._first]} goes on from a trained stage of {self.generator.side} pixels"

    def adopt(self, origin: GAN) -> set[str]:
        """A stage goes on from the one before it, whole: what has grown on other layers does not fit them."""
        if isinstance(origin, ProGAN):
            if origin.generator.side != self.generator.side:
                raise UsageError(
                    f"that snapshot draws at {origin.generator.side} pixels, and {self.needs_origin or self._begin()}"
                )
            origin.generator.fade(1.0)
            origin.discriminator.fade(1.0)
        taken = super().adopt(origin)
        if len(taken) < len(self.state_dict()):
            raise UsageError(f"{self.unlike(origin)}; start from one of the same sizes")
        return taken

    def _begin(self) -> str:
        return f"this recipe begins at {self.generator.side}; say the stage to go on with, --set arch.start=…"


def _set(net: Generator | Discriminator, alpha: float) -> None:
    if alpha != net.alpha:
        net.alpha = alpha
        net.share.fill_(alpha)


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
