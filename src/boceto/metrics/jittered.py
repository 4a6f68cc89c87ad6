"""Which pictures are jittered, as augmentation jitters them: a detector for each jitter, learned from real pictures.

    real pictures ─┬─ as they are ─┐
                   └─ jittered ────┴─ worn ─ numbers ─ logistic regression ─ a level above which a picture is called so

Worn, blurred and noisy by chance, are both kinds, so that being less crisp than a drawing is no sign of jitter. Where
the share q of some pictures is called jittered, f of unseen real ones as they are and t of unseen jittered ones, the
share of jittered pictures among them is (q − f) / (t − f) (Rogan & Gladen 1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable
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

_COARSE = 8  # pixels: the side at which a picture's layout and colours are looked at directly
_LITTLE = 128  # pixels: lite0 looks at this side, of 224, in a third of the time
_BY_NATURE = 0.05  # share of unseen real pictures that is called jittered
_PENALTY = 1.0  # on the square of a weight, of numbers brought to a spread of 1
_BLUR, _NOISE = 0.5, 0.04  # of worn pictures: the share that is blurred, and the noise's deviation at most, of [-1, 1]
_AT_ONCE = 256

Numbers = NDArray[np.float32]
Looks = Callable[[Images], Numbers]


def looks(net: Network, looked: Callable[[int], None] = lambda count: None) -> Looks:
    """What a detector is shown of pictures, uint8 (N, H, W, C): (N, D), features and a coarse look at the picture.

    ``looked`` is told of every few pictures that they have been looked at.
    """
    if net.name == "lite0":
        net = replace(net, side=_LITTLE)

    def look(images: Images) -> Numbers:
        found = []
        for start in range(0, len(images), _AT_ONCE):
            part = images[start : start + _AT_ONCE]
            pixels = torch.from_numpy(np.ascontiguousarray(part)).permute(0, 3, 1, 2)
            coarse = F.adaptive_avg_pool2d(pixels.float() / 255, _COARSE).flatten(1).numpy()
            found.append(np.concatenate([extract(part, net), coarse], axis=1))
            looked(len(part))
        return np.concatenate(found)

    return look


def jittered(images: Images, jitter: str | None) -> Images:
    """Pictures with one jitter acting on each, or none, and then worn; from PyTorch's global generator."""
    found = []
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
    """What tells one jitter, and what is known of it: a picture is called jittered from ``level`` on."""

    weights: NDArray[np.float64]  # (D,)
    bias: float
    level: float
    by_nature: float  # f: share of unseen real pictures that it calls jittered,
    found: float  # t: and of unseen real pictures that are
    unseen: int  # how many pictures these two were told on

    @classmethod
    def learned(cls, plain: Numbers, moved: Numbers, unseen: Numbers, unseen_moved: Numbers, distinct: int) -> Detector:
        """From the looks (N, D) of real pictures as they are and jittered; judged by those of others, unseen.

        ``distinct``: how many different pictures the unseen ones are.
        """
        x, y = np.concatenate([plain, moved]), np.repeat([0.0, 1.0], [len(plain), len(moved)])
        weights, bias = _regression(x, y)
        natural, other = (numbers @ weights + bias for numbers in (unseen, unseen_moved))
        level = float(np.quantile(natural, 1 - _BY_NATURE))
        by_nature, found = (float((logits > level).mean()) for logits in (natural, other))
        return cls(weights, bias, level, by_nature, found, distinct)

    def suspicion(self, numbers: Numbers) -> NDArray[np.float64]:
        """How sure it is of each picture (N,), 0 at the level and more above."""
        found: NDArray[np.float64] = numbers @ self.weights + self.bias - self.level
        return found

    def share(self, called: float, count: int) -> Interval:
        """The share of jittered pictures among ``count`` of which so many are called so; 95 %, within 0 … 1."""
        f, t = self.by_nature, self.found
        apart = max(t - f, 1e-6)
        share = min(max((called - f) / apart, 0.0), 1.0)
        spread = _variance(called, count) + (1 - share) ** 2 * _variance(f, self.unseen)
        error = math.sqrt(spread + share**2 * _variance(t, self.unseen)) / apart
        return Interval(share, max(share - 1.96 * error, 0.0), min(share + 1.96 * error, 1.0), error)


def _variance(share: float, count: int) -> float:
    """Of a share of so many; never quite 0 (Agresti & Coull 1998)."""
    share = (share * count + 2) / (count + 4)
    return share * (1 - share) / (count + 4)


def _regression(x: Numbers, y: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Logistic regression: weights (D,) and bias, such that a logit above 0 says 1."""
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
    found = parameters.detach().numpy()
    weights = found[:-1] / spread
    return weights, float(found[-1] - weights @ mean)
