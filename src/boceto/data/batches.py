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
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from boceto.data.prepared import Pictures
from boceto.recipe import Order

# What a generator is for: streams of one seed must not repeat each other.
_EPOCH, _MIRROR, _DRAW, _MEMBERS, _ROUND, _LOOK = range(6)


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
    while True:
        n = batch if isinstance(batch, int) else batch(nimg)
        pixels = data.gather(indices(seed, nimg, n, len(data), order))
        yield _channels_first(pixels, mirrored(seed, nimg, n) if flip else None)
        nimg += n


def look(data: Pictures, seed: int, nimg: int, most: int) -> NDArray[np.uint8]:
    """Up to ``most`` different pictures to look at after ``nimg`` images: uint8 (N, C, H, W)."""
    return _channels_first(data.gather(_random(seed, nimg, _LOOK).permutation(len(data))[:most]))


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
