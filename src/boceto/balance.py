"""What keeps D and G level: generated pictures among D's real ones, as many as D's success allows.

Turns, update order and label smoothing are plain settings that the loop and the objectives read; fake-as-real is the
one mechanism with a state, D's latest accuracy, and that is a tensor which never leaves the device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def share(accuracy: Tensor, largest: float) -> Tensor:
    """How much of D's real half shall be generated (CómicGAN, eq. 2), clamped: 0-d in [0, ``largest``].

    Perc = (Acc − 0.5) / 0.5 · PercMax:   accuracy ½ or less → 0, ¾ → half of the largest, 1 → the largest.
    """
    return ((accuracy - 0.5) / 0.5 * largest).clamp(0.0, largest)


def most(n: int, largest: float) -> int:
    """The most generated pictures there can be among ``n`` real ones: 13 of 128 at 0.1."""
    return round(largest * n)


def plant(real: Tensor, fakes: Tensor, accuracy: Tensor, largest: float) -> tuple[Tensor, Tensor]:
    """Put generated pictures in the place of the first real ones: (pictures (N, C, H, W), planted (N,) bool).

    ``fakes`` are the ``most(N, largest)`` pictures there may be; round(share · N) of them are taken.
    """
    taken = torch.arange(len(fakes), device=real.device) < torch.round(share(accuracy, largest) * len(real))
    mixed = real.clone()
    mixed[: len(fakes)] = torch.where(taken[:, None, None, None], fakes.to(real.dtype), real[: len(fakes)])
    return mixed, torch.nn.functional.pad(taken, (0, len(real) - len(fakes)))


def accuracy(real: Tensor, fake: Tensor, planted: Tensor | None = None) -> Tensor:
    """The share of pictures whose true origin D has told, from its logits (N,) of both halves: 0-d in [0, 1].

    A generated picture planted in the real half counts as told if D calls it generated.
    """
    told_real = real > 0
    if planted is not None:
        told_real = told_real ^ planted
    return torch.cat((told_real, fake <= 0)).float().mean()
