"""Growing: a GAN that begins with small pictures, and whose nets gain a block for each size (Karras et al. 2018, §3).

    Config   the keys of ``[arch]`` that say which sizes there are, how long each is trained, how new blocks come in
    Net      a G or a D to which a block is added, the newest with share α of what comes out
    Growing  the GAN of two such nets: stages, α and batch sizes are pure functions of the images seen

A stage is called by the height of its pictures, its side: 8, 16, 32, 64 from a smallest map of 4. An architecture says
what a block is; when it is added stands here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from boceto.clock import Clock
from boceto.errors import UsageError
from boceto.gan import GAN, Stage
from boceto.nn.sizes import maps
from boceto.recipe import Long, Recipe, Section
from boceto.sized import Size, both

Pictures = Annotated[int, Field(ge=1, le=65536)]  # in a batch


class Config(Section):
    """Sizes and stages of a GAN that grows."""

    resolution: Size = Field(64, description="side of the pictures at the last stage, or [height, width]")
    base: Size | None = Field(
        None,
        description="side of the smallest map, or [height, width]; the first stage draws at twice that. Not given, it "
        "is the picture halved until its shorter side is from 4 to 7",
    )
    channels: Literal[1, 3] = Field(3, description="1 = grey, 3 = colour")
    start: int | None = Field(
        None, description="side (height) of the first stage trained here, if a run has trained those below"
    )
    stage_kimg: tuple[Long, ...] = Field(
        (),
        description="thousands of images a stage; the last number holds for all stages after it. Not given, train.kimg "
        "is shared out evenly; or train.minutes, each stage taking three times the time of the one before",
    )
    stage_batch: tuple[Pictures, ...] = Field(
        (), description="pictures in a batch of each stage, the last number for all after it; train.batch if not given"
    )
    alpha_start: float = Field(0.0, ge=0, le=1, description="share of the new block as it comes in")
    fade_share: float | None = Field(0.5, gt=0, le=1, description="part of a stage over which its block comes in")
    blend_reals: bool = Field(False, description="real pictures are shown as sharp as G draws meanwhile")
    keep_optimiser: bool = Field(False, description="old weights keep their Adam moments from stage to stage")

    @model_validator(mode="after")
    def _grows(self) -> Config:
        if self.base is not None and not all(2 <= side <= 16 for side in both(self.base)):
            raise ValueError(f"base = {_told(both(self.base))}: the smallest map has sides from 2 to 16 pixels")
        try:
            low, narrow = self.smallest
        except ValueError as error:
            raise ValueError(f"resolution: {error}") from error
        sizes = [(low << i, narrow << i) for i in range(1, 10)]
        if self.size not in sizes:
            name = type(self).__module__.rpartition(".")[2]
            near = ", ".join(_told(size) for size in sizes[:6])
            raise ValueError(
                f"resolution = {_told(self.size)}: from base {_told(self.smallest)} {name} draws at {near} …; another "
                f"base is arch.base, for example 5 for 10, 20, 40, 80, 160"
            )
        if self.start is not None and self.start not in self.sides():
            raise ValueError(f"start = {self.start}: the stages are {', '.join(map(str, self.sides()))}")
        if len(self.stage_kimg) > len(self.sides()):
            raise ValueError(f"stage_kimg: there are {len(self.sides())} stages; name no more lengths than that")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the pictures at the last stage."""
        return both(self.resolution)

    @property
    def smallest(self) -> tuple[int, int]:
        """(h, w) of the smallest map; raises ValueError, in words for a person, if the pictures have none."""
        return maps(*self.size)[0] if self.base is None else both(self.base)

    def sides(self) -> list[int]:
        """Picture sides (heights) of the stages: [8, 16, 32, 64]."""
        low, height = self.smallest[0], self.size[0]
        return [low << i for i in range(1, (height // low).bit_length())]

    def step(self, batches: int) -> float:
        """What a batch adds to α, in a stage of so many."""
        assert self.fade_share is not None
        return (1 - self.alpha_start) / (self.fade_share * batches)


def _told(size: tuple[int, int]) -> str:
    """As a recipe says it: 64, or [96, 64]."""
    return str(size[0]) if size[0] == size[1] else str(list(size))


class Net(nn.Module, ABC):
    """A net that gains a block for each size, kept in ``blocks`` by the side of its pictures.

    Beside the newest there may stand an old layer, through which pictures of half the side come and go.
    ``alpha`` is the share of the newest block meanwhile.
    """

    blocks: nn.ModuleDict
    before: ClassVar[str]  # the name of that old layer, dropped once α is 1

    def __init__(self, smallest: int) -> None:
        super().__init__()
        self._smallest = smallest
        self.alpha = 1.0
        self.share: Tensor  # α again, where the picture is computed: a number that changes would be compiled anew
        self.register_buffer("share", torch.ones(()), persistent=False)

    @property
    def side(self) -> int:
        """The picture's side (height) at this stage."""
        return self._smallest << len(self.blocks)

    @abstractmethod
    def grow(self) -> None:
        """Add a block for pictures of twice the side, and keep the old layer for the time in which it comes in."""

    def fade(self, alpha: float) -> None:
        """The share of the newest block; at 1 the old layer is dropped."""
        if alpha != self.alpha:
            self.alpha = alpha
            self.share.fill_(alpha)
        if alpha >= 1:
            setattr(self, self.before, None)

    def blended(self, old: Tensor, new: Tensor) -> Tensor:
        """(1−α)·old + α·new."""
        return (1 - self.share) * old + self.share * new


class Growing(GAN, ABC):
    """A GAN of two nets that grow. G's way out is its ``to_image``."""

    config: Any
    generator: Net
    discriminator: Net

    def __init__(self, config: Config, recipe: Recipe, generator: Net, discriminator: Net) -> None:
        super().__init__(config, recipe)
        self.generator = generator
        self.discriminator = discriminator
        self._sides = config.sides()
        self._first = self._sides.index(config.start) if config.start else 0
        for _ in range(self._first - 1):
            self._grow()
            self.generator.fade(1.0)  # that stage has been trained to its end
            self.discriminator.fade(1.0)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.config.channels, *self.config.size

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
            if isinstance(net, Net):
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
                (*self.config.size, self.config.channels),
                self._sides[stage],
                max(0.0, (end if stage == last else min(end, begins[stage + 1])) - begin) / 1000,
                self.recipe.changed([f"arch.stage_kimg={[0.001] * stage + [1e6]}"]),
                sum(self._batch(before) for before in range(self._first, stage)),
            )
            for stage, begin in begins.items()
        ]

    def lasts(self, nimg: int) -> float:
        """Until the fade is over, if there is one that comes to its end; else until the next stage."""
        stage, begins = self._stage(nimg), dict(self._begins())
        end = float(begins.get(stage + 1, math.inf))
        if self._alpha(nimg) >= 1:
            return end
        batches = range(begins[stage], begins.get(stage + 1, 10**15), self._batch(stage))
        faded = bisect_left(batches, 1.0, key=self._alpha)
        return float(batches[faded]) if faded < len(batches) else end

    def milestone(self, now: Clock) -> bool:
        return self.generator.side != self._sides[self._stage(now.nimg)]

    def status(self) -> dict[str, float]:
        return {"resolution": self.generator.side, "alpha": round(self.generator.alpha, 6)}

    def shown(self, real: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, h, w): reduced to the stage's size by averaging."""
        side = self.generator.side
        real = F.avg_pool2d(real, real.shape[2] // side) if real.shape[2] > side else real
        if self.config.blend_reals and self.generator.alpha < 1:
            blurred = F.interpolate(F.avg_pool2d(real, 2), scale_factor=2.0)
            real = torch.lerp(blurred, real, self.generator.alpha)
        return real.detach()

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
        count = (nimg - dict(self._begins())[stage]) // self._batch(stage)
        return float(min(1.0, self.config.alpha_start + self.config.step(self._batches(stage)) * count))

    # ── growing ──

    @property
    def keeps_moments(self) -> bool:
        return bool(self.config.keep_optimiser)

    @torch.no_grad()
    def _grow(self, averaged: nn.Module | None = None) -> None:
        """One block more in both nets and in G's average, whose new layers begin as G's do."""
        self.generator.grow()
        self.discriminator.grow()
        if isinstance(averaged, Net):
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
        if isinstance(origin, Growing) and type(origin) is type(self):
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
