"""Time is images seen.

A run's clock counts the real pictures that D has been shown. Every schedule (when to log, when to draw a sample,
how strong the EMA is, how far a fade-in has come) is a pure function of it, so that the batch size can change without
changing what happens when, and a resumed run does exactly what an uninterrupted one does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Clock:
    """``nimg`` real images seen after ``step`` batches; ``batch`` of them came with the latest step."""

    nimg: int = 0
    step: int = 0
    batch: int = 0

    def tick(self, batch: int) -> Clock:
        """The clock after one more batch of ``batch`` images."""
        return replace(self, nimg=self.nimg + batch, step=self.step + 1, batch=batch)

    @property
    def kimg(self) -> float:
        """Thousands of images seen, the field's unit."""
        return self.nimg / 1000

    @property
    def before(self) -> Clock:
        """The clock by which the latest step was done; of a fresh run, itself."""
        return replace(self, nimg=self.nimg - self.batch, step=max(self.step - 1, 0), batch=0)

    def due(self, every_kimg: float) -> bool:
        """Did the latest step reach or pass a multiple of ``every_kimg`` thousand images? Never at 0."""
        every = every_kimg * 1000
        return math.floor(self.nimg / every) > math.floor((self.nimg - self.batch) / every)


AT_LAST = Clock(nimg=10**15)  # more than any run sees: by then a net that grows is complete


def ema_beta(now: Clock, half_life_kimg: float, ramp_up: float = 0.05) -> float:
    """Weight of the old average after one step, from its half-life in images (Karras et al. 2018, §4; 2020b ramp-up).

    Early on the half-life is ``ramp_up`` of the images seen, so that the average does not drag the first noise along.
    ``half_life_kimg`` 0 means no average at all: 0 is returned.
    """
    half_life = min(half_life_kimg * 1000, now.nimg * ramp_up)
    return 0.5 ** (now.batch / half_life) if half_life > 0 else 0.0


def at(now: Clock, turns: int | Mapping[str, int]) -> int:
    """A number that may change over time: ``{"0": 2, "100": 1}`` is 2 until 100 thousand images were seen, then 1."""
    if isinstance(turns, int):
        return turns
    return turns[max((kimg for kimg in turns if float(kimg) <= now.kimg), key=float)]
