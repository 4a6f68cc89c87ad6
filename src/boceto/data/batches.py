"""Which pictures make a batch: a pure function of (seed, images seen), so that a resumed run goes on as if nothing
had happened and no state of a sampler need be kept.

Every epoch is one permutation of the dataset; batches run on from one epoch into the next, so none is short.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from boceto.data.prepared import Prepared


def indices(seed: int, nimg: int, batch: int, count: int) -> NDArray[np.int64]:
    """The ``batch`` picture numbers that follow after ``nimg`` images, from a set of ``count``."""
    positions = np.arange(nimg, nimg + batch)
    epochs = positions // count
    orders = {epoch: _permutation(seed, int(epoch), count) for epoch in np.unique(epochs)}
    return np.array([orders[e][p] for e, p in zip(epochs, positions % count, strict=True)], dtype=np.int64)


def mirrored(seed: int, nimg: int, batch: int) -> NDArray[np.bool_]:
    """Which of these pictures are shown mirrored: each with probability ½."""
    return np.random.Generator(np.random.PCG64([seed, nimg, 1])).random(batch) < 0.5


def batches(data: Prepared, *, seed: int, nimg: int, batch: int, flip: bool = False) -> Iterator[NDArray[np.uint8]]:
    """Endless batches of uint8 (N, C, H, W), starting after ``nimg`` images; contiguous, channels first."""
    while True:
        pixels = data.gather(indices(seed, nimg, batch, len(data)))
        if flip:
            chosen = mirrored(seed, nimg, batch)
            pixels[chosen] = pixels[chosen, :, ::-1]
        yield np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        nimg += batch


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order of one epoch; two are remembered, since a batch rarely touches more."""
    return np.random.Generator(np.random.PCG64([seed, epoch, 0])).permutation(count)
