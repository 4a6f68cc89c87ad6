"""What is seen of a training while it runs: means between log lines, its pace, and the time left."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from boceto.device import Compute, Stopwatch
from boceto.gan import GAN
from boceto.recipe import TrainPart

T = TypeVar("T")


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
    told: tuple[str, ...] = ()  # what the doctor has just found
    nets: Mapping[str, str] = field(default_factory=GAN.names)  # what they are called, by their letter in the log


class Timed(Iterator[T]):
    """An iterator that knows how long a device has waited for it."""

    def __init__(self, items: Iterable[T], compute: Compute) -> None:
        self._items = iter(items)
        self._watch = Stopwatch(compute)

    def __next__(self) -> T:
        self._watch.start()
        try:
            return next(self._items)
        finally:
            self._watch.stop()

    def take(self) -> float:
        """Seconds since the last call in which the device had nothing to do but wait; a GPU must have caught up."""
        return self._watch.take()


class Means:
    """Sums kept on the device; one transfer when a line is due, so that the loop never waits in between."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor, int]] = {}

    def add(self, watched: dict[str, Tensor]) -> None:
        """Add 0-d tensors by name; a name may be missing now and then."""
        known = [name for name in watched if name in self._sums]
        if known:  # in one call: on a GPU telling it takes longer than adding
            torch._foreach_add_([self._sums[name][0] for name in known], [watched[name] for name in known])
        for name, value in watched.items():
            total, count = self._sums.get(name, (value, 0))
            self._sums[name] = total if count else value.clone(), count + 1

    def take(self) -> dict[str, float]:
        """The means since the last call, to six digits, and begin anew."""
        if not self._sums:
            return {}
        totals = torch.stack([total.float() for total, _ in self._sums.values()]).tolist()
        means = {
            name: float(f"{total / count:.6g}")
            for (name, (_, count)), total in zip(self._sums.items(), totals, strict=True)
        }
        self._sums.clear()
        return means


class Pace:
    """Wall time of a training, over all its sessions, and its speed."""

    def __init__(self, train: TrainPart, nimg: int, seconds: float, nets: Mapping[str, str] | None = None) -> None:
        self._train, self._earlier, self._nets = train, seconds, nets or GAN.names()
        self._began = time.monotonic()
        self._mark = nimg, seconds  # at the last log line
        self._told = self._began
        self._latest: dict[str, float] = {}

    def seconds(self) -> float:
        """Seconds spent training, earlier sessions included."""
        return self._earlier + time.monotonic() - self._began

    def rate(self, nimg: int, waited: float = 0.0) -> dict[str, float]:
        """Images per second since the last call, and the share of that time in which the next batch was waited for."""
        before, self._mark = self._mark, (nimg, self.seconds())
        spent = max(self._mark[1] - before[1], 1e-9)
        return {"images_per_second": round(self._since(before, nimg), 2), "waiting": round(min(waited / spent, 1.0), 4)}

    def quiet(self) -> bool:
        """Has nothing been told for a second?"""
        return time.monotonic() - self._told >= 1

    def progress(self, nimg: int, latest: dict[str, float] | None = None, told: tuple[str, ...] = ()) -> Progress:
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
        return Progress(nimg, target, min(share, 1.0), self._rate, left, self._latest, told, self._nets)

    def _since(self, mark: tuple[int, float], nimg: int) -> float:
        self._rate = (nimg - mark[0]) / max(self.seconds() - mark[1], 1e-9)
        return self._rate
