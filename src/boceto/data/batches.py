"""Which pictures make a batch: a pure function of (order, seed, images seen), so that a resumed run goes on as if
nothing had happened and no state of a sampler need be kept.

shuffled            every epoch is one permutation of the dataset
sequential          the dataset's own order, epoch after epoch
sequential-single   the same, one picture at a time
stochastic          each picture drawn at random from all, with replacement; there are no epochs
random-single       the same, one picture at a time
fixed               batches put together once for the whole run; every epoch draws them in another order

In an order with epochs no batch is short: batches run on from one epoch into the next, and the last of ``fixed`` is
filled up with pictures of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from boceto.data.prepared import Pictures
from boceto.recipe import Order

# What a generator is for: streams of one seed must not repeat each other.
_EPOCH, _MIRROR, _DRAW, _MEMBERS, _ROUND, _LOOK = range(6)

Numbers = NDArray[np.uint8] | Tensor


@dataclass(frozen=True)
class Labelled:
    """Pixels, uint8 (N, C, H, W), and what each picture shows, uint8 (N, c_dim)."""

    pixels: Numbers
    labels: Numbers

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def blank(cls, pixels: NDArray[np.uint8], c_dim: int) -> NDArray[np.uint8] | Labelled:
        """Pixels that show nothing, for a trial; where nothing is told, as they are."""
        return cls(pixels, np.zeros((len(pixels), c_dim), np.uint8)) if c_dim else pixels


def indices(seed: int, nimg: int, batch: int, count: int, order: Order = "shuffled") -> NDArray[np.int64]:
    """The ``batch`` picture numbers (0 … count−1) that follow after ``nimg`` images, from a set of ``count``."""
    match order:
        case "stochastic" | "random-single":
            return _random(seed, nimg, _DRAW).integers(0, count, batch)
        case "sequential" | "sequential-single":
            return np.arange(nimg, nimg + batch) % count
        case "fixed":
            members = _members(seed, batch, count)
            turn, place = divmod(nimg // batch, len(members))
            row: NDArray[np.int64] = members[_permutation(seed, turn, len(members), _ROUND)[place]]
            return row.copy()
        case "shuffled":
            positions = np.arange(nimg, nimg + batch)
            epochs = positions // count
            orders = [(epoch, _permutation(seed, int(epoch), count, _EPOCH)) for epoch in np.unique(epochs)]
            return np.concatenate([order[positions[epochs == epoch] % count] for epoch, order in orders])


def mirrored(seed: int, nimg: int, batch: int) -> NDArray[np.bool_]:
    """Which of these pictures are shown mirrored: each with probability ½."""
    return _random(seed, nimg, _MIRROR).random(batch) < 0.5


def batches(
    data: Pictures,
    *,
    seed: int,
    nimg: int,
    batch: int | Callable[[int], int],
    flip: bool = False,
    order: Order = "shuffled",
) -> Iterator[NDArray[np.uint8]]:
    """Endless batches of uint8 (N, C, H, W), starting after ``nimg`` images; contiguous, channels first.

    ``batch``: pictures in each, or how many there are in the one that follows after so many images.
    """
    for numbers, chosen in _members_of(len(data), seed, nimg, batch, flip, order):
        yield _channels_first(data.gather(numbers), chosen)


def labelled(
    data: Pictures,
    labels: NDArray[np.uint8],
    *,
    seed: int,
    nimg: int,
    batch: int | Callable[[int], int],
    flip: bool = False,
    order: Order = "shuffled",
) -> Iterator[Labelled]:
    """The same batches, each with what its pictures show: their rows of ``labels`` (len(data), c_dim)."""
    for numbers, chosen in _members_of(len(data), seed, nimg, batch, flip, order):
        yield Labelled(_channels_first(data.gather(numbers), chosen), labels[numbers])


def _members_of(
    count: int, seed: int, nimg: int, batch: int | Callable[[int], int], flip: bool, order: Order
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_] | None]]:
    """Of batch after batch the numbers of its pictures, and which of them are mirrored."""
    while True:
        n = batch if isinstance(batch, int) else batch(nimg)
        yield indices(seed, nimg, n, count, order), mirrored(seed, nimg, n) if flip else None
        nimg += n


def look(
    data: Pictures, seed: int, nimg: int, most: int, labels: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8] | Labelled:
    """Up to ``most`` different pictures to look at after ``nimg`` images: uint8 (N, C, H, W), with their ``labels``."""
    numbers = _random(seed, nimg, _LOOK).permutation(len(data))[:most]
    pixels = _channels_first(data.gather(numbers))
    return pixels if labels is None else Labelled(pixels, labels[numbers])


def _channels_first(pixels: NDArray[np.uint8], chosen: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """(N, H, W, C) → (N, C, H, W), the ``chosen`` (N,) mirrored on the way: on its own that would take three times as
    long as all the rest.
    """
    planes = pixels.transpose(0, 3, 1, 2)
    if chosen is None:
        return np.ascontiguousarray(planes)
    out = np.empty(planes.shape, np.uint8)
    for picture, into, turned in zip(planes, out, chosen.tolist(), strict=True):
        into[:] = picture[..., ::-1] if turned else picture
    return out


def _random(seed: int, number: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, number, purpose]))


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int, purpose: int) -> NDArray[np.int64]:
    """The order of one epoch; two are remembered, since a batch rarely touches more. Each takes 8 bytes a picture."""
    return _random(seed, epoch, purpose).permutation(count)


@lru_cache(maxsize=1)
def _members(seed: int, batch: int, count: int) -> NDArray[np.int64]:
    """The batches of ``fixed``: (batches, batch) picture numbers, one permutation cut up, its beginning at the end."""
    return np.resize(_random(seed, 0, _MEMBERS).permutation(count), (-(-count // batch), batch))
