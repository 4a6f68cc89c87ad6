"""What keeps D and G level: generated pictures among D's real ones, and jitter, as much as D's success allows.

Turns, update order and label smoothing are plain settings that the loop and the objectives read. Two mechanisms have a
state, and that is tensors which never leave the device: fake-as-real, whose is D's latest accuracy, and ``Feedback``,
which heeds how sure D is of real pictures.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    return _planted(real, fakes, torch.round(share(accuracy, largest) * len(real)))


def pseudo(real: Tensor, fakes: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    """The same with each place taken with probability ``p`` (APA, Jiang et al. 2021, §3.2), 0-d.

    As many as p·N on average; where that is no whole number, chance rounds it up or down, so that of ``fakes``
    ⌈largest·N⌉ are enough.
    """
    return _planted(real, fakes, torch.floor(p * len(real) + torch.rand((), device=real.device)))


def _planted(real: Tensor, fakes: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    taken = torch.arange(len(fakes), device=real.device) < count
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


class Feedback:
    """Probabilities that follow how much D overfits: up while it is surer of real pictures than ``target``, else down.

    r_t = E[ sign D(real) ], over the real pictures of ``every`` steps (Karras et al. 2020, "Training GANs with Limited
    Data", eq. 1): 0 where D guesses, 1 where it knows them all. With every ``images`` pictures a probability can go
    from 0 to 1, at most to its bound in ``largest``, by name. APA's is moved by the same statistic in the same way
    (Jiang et al. 2021, §3.2); what differs is the bound. Everything is 0-d and stays on the device.
    """

    def __init__(
        self, target: float, images: float, every: int, largest: Mapping[str, float], device: torch.device
    ) -> None:
        self._target, self._images, self._every, self._largest = target, images, every, dict(largest)
        self.p = {name: torch.zeros((), device=device) for name in largest}
        self._signs = torch.zeros((), device=device)  # of the real pictures since p has moved: their sum,
        self._seen = torch.zeros((), device=device)  # and how many they are
        self._latest = torch.zeros((), device=device)

    def see(self, real: Tensor, planted: Tensor | None = None) -> None:
        """What D says of a batch of real pictures: logits (N,), positive for "real"; those ``planted`` do not count."""
        true = torch.ones_like(real) if planted is None else (~planted).to(real.dtype)
        signs, seen = (real.sign() * true).sum(), true.sum()
        self._signs += signs
        self._seen += seen
        self._latest = signs / seen.clamp(min=1)

    def move(self, step: int) -> None:
        """Let the probabilities follow, if so many steps are a whole number of times ``every``."""
        if step % self._every:
            return
        way = torch.sign(self._signs / self._seen.clamp(min=1) - self._target) * (self._seen / self._images)
        for name, p in self.p.items():
            p.add_(way).clamp_(0.0, self._largest[name])
        self._signs.zero_()
        self._seen.zero_()

    def told(self) -> dict[str, Tensor]:
        """What is worth a place in the log: ``sign`` of the latest batch, and each p by its name."""
        return {"sign": self._latest, **{name: p.clone() for name, p in self.p.items()}}

    def tensors(self) -> dict[str, Tensor]:
        """All there is to go on from."""
        return {**self.p, "signs": self._signs, "seen": self._seen}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what ``tensors`` gave; what is not there stays as it is."""
        for name, tensor in self.tensors().items():
            if name in tensors:
                tensor.copy_(tensors[name])
