"""What an experiment is: a claim out of the literature, figures, and statements whose truth a machine can tell."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

Tick = Callable[[int], None]  # told how many steps more are done


@dataclass(frozen=True)
class Claim:
    """An equation, in what matplotlib knows of TeX, what it says, and where it stands."""

    tex: str
    says: str
    source: str


@dataclass(frozen=True)
class Check:
    """A statement that holds if what was measured lies in [low, high]; ``expected``: what the theory says it is."""

    says: str
    measured: float
    low: float
    high: float
    expected: float | None = None

    @property
    def held(self) -> bool:
        """Whether it does; a NaN lies nowhere."""
        return self.low <= self.measured <= self.high

    def told(self) -> str:
        """``measured 1.3862, expected 1.3863, error 0.0001 of 0.001 at most``."""
        measured = f"measured {number(self.measured)}"
        if self.expected is not None:
            if self.expected == self.measured:
                return f"{measured}, as expected"
            error = abs(self.measured - self.expected)
            room = max(self.high - self.expected, self.expected - self.low)
            if not self.expected:
                return f"measured {number(self.measured)}, expected 0 (±{room:.2g})"
            return f"{measured}, expected {number(self.expected)}, error {error:.1g} (at most {room:.2g})"
        if math.isinf(self.low):
            return f"{measured} (at most {number(self.high)})"
        if math.isinf(self.high):
            return f"{measured} (at least {number(self.low)})"
        return f"{measured} (from {number(self.low)} to {number(self.high)})"

    def as_dict(self) -> dict[str, Any]:
        """Plain data; what is infinite is told as a word, and no bound as none."""
        bounds = {"low": self.low, "high": self.high}
        return {
            "says": self.says,
            "measured": self.measured if math.isfinite(self.measured) else str(self.measured),
            "expected": self.expected if self.expected is None or math.isfinite(self.expected) else str(self.expected),
            **{name: bound if math.isfinite(bound) else None for name, bound in bounds.items()},
            "held": self.held,
        }


def near(says: str, measured: float, expected: float, tolerance: float) -> Check:
    """It is what the theory says, within ``tolerance``."""
    measured, expected = float(measured), float(expected)  # not NumPy's, which JSON does not know
    return Check(says, measured, expected - tolerance, expected + tolerance, expected)


def at_most(says: str, measured: float, high: float) -> Check:
    """It is so much or less."""
    return Check(says, float(measured), -math.inf, high)


def at_least(says: str, measured: float, low: float) -> Check:
    """It is so much or more."""
    return Check(says, float(measured), low, math.inf)


def number(value: float) -> str:
    """Five significant digits; very small ones in powers of ten."""
    return "infinite" if math.isinf(value) else f"{value:.5g}"


@dataclass(frozen=True)
class Drawing:
    """A chart, or the frames of a film, and what there is to see."""

    name: str
    caption: str
    shown: Figure | list[Image.Image]


@dataclass(frozen=True)
class Outcome:
    """What came of an experiment with a seed."""

    checks: tuple[Check, ...]
    drawings: tuple[Drawing, ...]

    @property
    def held(self) -> bool:
        """Whether every statement holds."""
        return all(check.held for check in self.checks)


@dataclass(frozen=True)
class Experiment:
    """A page: what is claimed, how it is tried, and the trial itself, which takes a seed and so many ``steps``."""

    name: str
    title: str
    question: str
    claims: tuple[Claim, ...]
    method: str
    reading: str  # what it means for someone who trains a GAN
    steps: int
    run: Callable[[int, Tick], Outcome]
