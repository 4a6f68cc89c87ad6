"""Which pictures are jittered, as augmentation jitters them: a detector for each jitter, learned from real pictures.

    real and generated pictures ─┬─ as they are ─┐
                                 └─ jittered ────┴─ worn ─ two views ─ logistic regression ─ called so above a level

Generated pictures are unlike drawings in many ways, and a detector that knew drawings alone would take that for jitter.
So it is shown generated ones of both kinds too, as they are and jittered once more, and what both kinds have in common
tells it nothing. They are judged in two halves, each by a detector that has learned from the other. All are worn,
blurred and noisy by chance, so that being less crisp is no sign of jitter either.

Where the share q of some pictures is called jittered, f of unseen real ones as they are and t of unseen jittered ones,
the share of jittered pictures among them is (q − f) / (t − f) (Rogan & Gladen 1978).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from boceto.metrics.distances import Interval
from boceto.metrics.features import Images, Network, extract
from boceto.nn.augment import augmented
from boceto.scaling import levels_from_signed, to_signed

VIEWS = ("features", "layout")  # what a network makes of a picture; its colours where they stand, at 8 px
_LAYOUT = 8  # pixels: the side at which a picture's layout is looked at
_LITTLE = 128  # pixels: lite0 looks at this side, of 224, in a third of the time
_BY_NATURE = 0.05  # share of unseen real pictures that is called jittered
_PENALTY = 0.1  # on the square of a weight, of numbers brought to a spread of 1
_BLUR, _NOISE = 0.5, 0.04  # of worn pictures: the share that is blurred, and the noise's deviation at most, of [-1, 1]
_AT_ONCE = 256

Numbers = NDArray[np.float32]
Looked = Mapping[str, Numbers]  # view → (N, D)
Look = Callable[[Images], Looked]


def looks(net: Network, looked: Callable[[int], None] = lambda count: None) -> Look:
    """What a detector is shown of pictures, uint8 (N, H, W, C), by view.

    ``looked`` is told of every few pictures that they have been looked at.
    """
    if net.name == "lite0":
        net = replace(net, side=_LITTLE)

    def look(images: Images) -> Looked:
        found: dict[str, list[Numbers]] = {view: [] for view in VIEWS}
        for start in range(0, len(images), _AT_ONCE):
            part = images[start : start + _AT_ONCE]
            pixels = torch.from_numpy(np.ascontiguousarray(part)).permute(0, 3, 1, 2)
            found["features"].append(extract(part, net))
            found["layout"].append(F.adaptive_avg_pool2d(pixels.float() / 255, _LAYOUT).flatten(1).numpy())
            looked(len(part))
        return {view: np.concatenate(parts) for view, parts in found.items()}

    return look


def jittered(images: Images, jitter: str | None, seed: int) -> Images:
    """Pictures with one jitter acting on each, or none, and then worn."""
    found = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + zlib.crc32((jitter or "").encode()))
        for start in range(0, len(images), _AT_ONCE):
            x = to_signed(torch.from_numpy(np.ascontiguousarray(images[start : start + _AT_ONCE])).permute(0, 3, 1, 2))
            if jitter is not None:
                x = augmented(x, [jitter])
            found.append(levels_from_signed(_worn(x)).permute(0, 2, 3, 1))
    return torch.cat(found).numpy()


def _worn(x: Tensor) -> Tensor:
    """Pictures (N, C, H, W), half of them blurred by three pixels or less, and noisy by chance."""
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share, noise = torch.rand(2, len(x), 1, 1, 1)
    share = share * (torch.rand(len(x), 1, 1, 1) < _BLUR)
    worn: Tensor = torch.lerp(x, blurred, share) + _NOISE * noise * torch.randn_like(x)
    return worn


@dataclass(frozen=True)
class Detector:
    """What tells one jitter in one view: a picture is called jittered from ``level`` on."""

    weights: NDArray[np.float64]  # (D,)
    level: float
    by_nature: float  # f: share of unseen real pictures that it calls jittered,
    found: float  # t: and of unseen real pictures that are

    @classmethod
    def learned(cls, plain: Numbers, moved: Numbers, unseen: Numbers, unseen_moved: Numbers) -> Detector:
        """From numbers (N, D) of pictures as they are and jittered; the level from those of unseen real ones."""
        x, y = np.concatenate([plain, moved]), np.repeat([0.0, 1.0], [len(plain), len(moved)])
        weights = _regression(x, y)
        natural, other = unseen @ weights, unseen_moved @ weights
        level = float(np.quantile(natural, 1 - _BY_NATURE))
        return cls(weights, level, float((natural > level).mean()), float((other > level).mean()))

    def suspicion(self, numbers: Numbers) -> NDArray[np.float64]:
        """How sure it is of each picture (N,), 0 at the level and more above."""
        found: NDArray[np.float64] = numbers @ self.weights - self.level
        return found


def share(called: float, count: int, f: float, t: float, unseen: int) -> Interval:
    """The share of jittered pictures among ``count`` of which so many are called so; 95 %, within 0 … 1.

    ``f`` and ``t`` were told on ``unseen`` different pictures each.
    """
    apart = max(t - f, 1e-6)
    found = min(max((called - f) / apart, 0.0), 1.0)
    spread = _variance(called, count) + (1 - found) ** 2 * _variance(f, unseen) + found**2 * _variance(t, unseen)
    error = math.sqrt(spread) / apart
    return Interval(found, max(found - 1.96 * error, 0.0), min(found + 1.96 * error, 1.0), error)


def _variance(share: float, count: int) -> float:
    """Of a share of so many; never quite 0 (Agresti & Coull 1998)."""
    share = (share * count + 2) / (count + 4)
    return share * (1 - share) / (count + 4)


def _regression(x: Numbers, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logistic regression: the weights (D,) with which x says 1, but for a constant."""
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-3
    known, wanted = torch.from_numpy((x - mean) / spread).double(), torch.from_numpy(y)
    parameters = torch.zeros(x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        logits = known @ parameters[:-1] + parameters[-1]
        value = F.binary_cross_entropy_with_logits(logits, wanted)
        value = value + _PENALTY * parameters[:-1].square().sum() / 2
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[arg-type]
    weights: NDArray[np.float64] = parameters[:-1].detach().numpy() / spread
    return weights
