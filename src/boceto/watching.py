"""What is seen of a training while it runs: means between log lines, its pace, and the time left."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from boceto.recipe import TrainPart


@dataclass(frozen=True)
class Progress:
    """What a person watching wants to know.

    Images seen of how many at most, the share of the way (in images or in minutes, whichever ends it sooner), how fast,
    how long still, and the latest means.
    """

    nimg: int
    target: int
    share: float
    images_per_second: float
    seconds_left: float
    latest: dict[str, float]


class Means:
    """Sums kept on the device; one transfer when a line is due, so that the loop never waits in between."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor, int]] = {}

    def add(self, watched: dict[str, Tensor]) -> None:
        """Add 0-d tensors by name; a name may be missing now and then."""
        for name, value in watched.items():
            total, count = self._sums.get(name, (torch.zeros_like(value), 0))
            self._sums[name] = total + value, count + 1

    def take(self) -> dict[str, float]:
        """The means since the last call, and begin anew."""
        means = {name: round(float(total) / count, 6) for name, (total, count) in self._sums.items()}
        self._sums.clear()
        return means


class Pace:
    """Wall time of a training, over all its sessions, and its speed."""

    def __init__(self, train: TrainPart, nimg: int, seconds: float) -> None:
        self._train, self._earlier = train, seconds
        self._began = time.monotonic()
        self._mark = nimg, seconds  # at the last log line
        self._told = self._began
        self._latest: dict[str, float] = {}

    def seconds(self) -> float:
        """Seconds spent training, earlier sessions included."""
        return self._earlier + time.monotonic() - self._began

    def rate(self, nimg: int) -> dict[str, float]:
        """Images per second since the last call."""
        before, self._mark = self._mark, (nimg, self.seconds())
        return {"images_per_second": round(self._since(before, nimg), 2)}

    def quiet(self) -> bool:
        """Has nothing been told for a second?"""
        return time.monotonic() - self._told >= 1

    def progress(self, nimg: int, latest: dict[str, float] | None = None) -> Progress:
        """How far it is; with the means of the latest log line, whether it is of now or of a while ago."""
        self._told = time.monotonic()
        if latest is not None:
            self._latest = latest
        else:
            self._rate = self._since(self._mark, nimg)
        target = math.ceil(self._train.kimg * 1000)
        left, share = max(target - nimg, 0) / self._rate, nimg / target
        if self._train.minutes is not None:
            budget, spent = self._train.minutes * 60, self.seconds()
            left, share = min(left, max(budget - spent, 0)), max(share, spent / budget)
        return Progress(nimg, target, min(share, 1.0), self._rate, left, self._latest)

    def _since(self, mark: tuple[int, float], nimg: int) -> float:
        self._rate = (nimg - mark[0]) / max(self.seconds() - mark[1], 1e-9)
        return self._rate
