"""How well tags are told: pure functions of probabilities (N, K) and of what is true, bool (N, K).

Precision is the share of a tag's pictures that truly have it, recall the share of those that have it which it finds.
Both depend on a threshold; average precision (AP) does not: it is the area under the curve of precision over recall.
Of a tagger that guesses it is the base rate, the share of pictures that have the tag.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from boceto.recipe import Section

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
_RESAMPLES = 200  # that an interval is told from
_Z = 1.96  # standard errors to either side that 95 % lie within


class Told(Section):
    """How well one tag or class is told on the test pictures; ``precision`` is None if none is said to have it."""

    name: str = Field(min_length=1)
    support: int = Field(ge=0, description="test pictures that have it")
    base_rate: float = Field(ge=0, le=1)
    precision: float | None = Field(ge=0, le=1)
    recall: float = Field(ge=0, le=1)
    f1: float = Field(ge=0, le=1)
    ap: float = Field(ge=0, le=1)
    ap_low: float = Field(ge=0, le=1, description="95 % interval of the average precision")
    ap_high: float = Field(ge=0, le=1)


class Judgement(Section):
    """All of them, with the mean of their APs and its 95 % interval."""

    tags: tuple[Told, ...]
    mean_ap: float = Field(ge=0, le=1)
    mean_ap_low: float = Field(ge=0, le=1)
    mean_ap_high: float = Field(ge=0, le=1)

    @property
    def base_rate(self) -> float:
        """The mean AP of a tagger that guesses."""
        return float(np.mean([told.base_rate for told in self.tags]))


def curve(scores: Floats, truth: Bools) -> tuple[Floats, Floats, Floats]:
    """Precision and recall at every threshold, from the highest down: three arrays (thresholds, precision, recall).

    Pictures of equal score are taken together. ``truth`` (N,) holds one that is true at least.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    found = truth[order].cumsum()[ends]
    return scores[order][ends], found / (ends + 1), found / truth.sum()


def average_precision(scores: Floats, truth: Bools) -> float:
    """Σ (Rₙ − Rₙ₋₁)·Pₙ over the thresholds, without interpolation; NaN if nothing is true."""
    if not truth.any():
        return float("nan")
    _, precision, recall = curve(scores, truth)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def mean_ap(scores: Floats, truth: Bools) -> float:
    """The mean of the average precisions of all columns."""
    return float(np.mean([average_precision(scores[:, k], truth[:, k]) for k in range(truth.shape[1])]))


def even_threshold(scores: Floats, truth: Bools) -> float:
    """The probability from which on a tag is said of as many pictures as have it: between two that occur.

    There precision equals recall, and shares of tagged pictures can be compared. The threshold of the best F1 would say
    a tag that cannot be told at all of every picture.
    """
    ordered, count = np.sort(scores)[::-1], int(truth.sum())
    below = ordered[count] if count < len(ordered) else 0.0
    return float((ordered[count - 1] + below) / 2)


def judge(names: Sequence[str], probabilities: Floats, said: Bools, truth: Bools, seed: int = 0) -> Judgement:
    """What the test pictures show; intervals by bootstrap over the pictures (Efron 1979, percentiles)."""
    random = np.random.Generator(np.random.PCG64(seed))
    aps = np.empty((_RESAMPLES, len(names)))
    for row in aps:
        drawn = random.integers(0, len(truth), len(truth))
        row[:] = [average_precision(probabilities[drawn, k], truth[drawn, k]) for k in range(len(names))]
    low, high = np.nanpercentile(aps, (2.5, 97.5), axis=0)
    tags = []
    for k, name in enumerate(names):
        right, claimed, true = int((said & truth)[:, k].sum()), int(said[:, k].sum()), int(truth[:, k].sum())
        tags.append(
            Told(
                name=name,
                support=true,
                base_rate=true / len(truth),
                precision=right / claimed if claimed else None,
                recall=right / true,
                f1=2 * right / (claimed + true),
                ap=average_precision(probabilities[:, k], truth[:, k]),
                ap_low=float(low[k]),
                ap_high=float(high[k]),
            )
        )
    some = aps[np.isfinite(aps).any(axis=1)]  # a tag of few pictures may have been drawn not once
    means = np.percentile(np.nanmean(some, axis=1), (2.5, 97.5))
    whole = float(np.mean([told.ap for told in tags]))
    return Judgement(tags=tuple(tags), mean_ap=whole, mean_ap_low=float(means[0]), mean_ap_high=float(means[1]))


def confusion(truth: Bools, said: Bools) -> NDArray[np.int64]:
    """Pictures by true class (rows) and told class (columns), from one-hot rows: (K, K)."""
    counts: NDArray[np.int64] = truth.astype(np.int64).T @ said.astype(np.int64)
    return counts


# ── shares ──


class Share(Section):
    """A share of pictures, and between what it lies with 95 % (Wilson 1927, which holds near 0 and 1 too)."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, count: int, total: int) -> Share:
        """``count`` of ``total`` pictures, one or more."""
        p, spread = count / total, _Z**2 / total
        middle = (p + spread / 2) / (1 + spread)
        half = math.sqrt(spread * (p * (1 - p) + spread / 4)) / (1 + spread)
        return cls(value=p, low=max(middle - half, 0.0), high=min(middle + half, 1.0))


class Compared(Section):
    """How often a tag is said of generated and of real pictures; the ratio is None if one of them never has it."""

    name: str
    generated: Share
    real: Share
    ratio: Share | None

    @classmethod
    def of(cls, name: str, generated: NDArray[np.bool_], real: NDArray[np.bool_]) -> Compared:
        """Of what is said of both (n,), (m,). The ratio's interval is of its logarithm (Katz et al. 1978)."""
        a, b, n, m = int(generated.sum()), int(real.sum()), len(generated), len(real)
        ratio = None
        if a and b:
            value, error = (a / n) / (b / m), math.sqrt(1 / a - 1 / n + 1 / b - 1 / m)
            ratio = Share(value=value, low=value * math.exp(-_Z * error), high=value * math.exp(_Z * error))
        return cls(name=name, generated=Share.of(a, n), real=Share.of(b, m), ratio=ratio)

    @property
    def verdict(self) -> str:
        """``more`` or ``less`` often than real ones, where the intervals leave no doubt; else nothing."""
        if self.ratio is None:
            apart = self.generated.low - self.real.high, self.real.low - self.generated.high
            return "more" if apart[0] > 0 else "less" if apart[1] > 0 else ""
        return "more" if self.ratio.low > 1 else "less" if self.ratio.high < 1 else ""
