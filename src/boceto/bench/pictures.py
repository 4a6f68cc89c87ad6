"""Pictures to measure with: noise as a prepared dataset of any size, and drawings being prepared."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boceto.bench.account import Data
from boceto.data import preparing, sketchbook
from boceto.data.batches import batches
from boceto.data.containers import Folder
from boceto.data.examining import Options, Verdict
from boceto.data.framing import Frame
from boceto.data.prepared import Prepared
from boceto.data.sources import Record, Source
from boceto.data.writing import Writer

_DRAWN = "drawings"


def noise(folder: Path, count: int, shape: tuple[int, int, int], seed: int = 0) -> Prepared:
    """``count`` pictures of noise, (H, W, C) each, as a prepared dataset in the new folder ``folder``.

    Written picture by picture, as ``prepare`` writes: no more than one is in memory. Raises Fault if there is no room.
    """
    random, record = np.random.Generator(np.random.PCG64(seed)), Record("noise.png")
    return written(folder, "noise", shape, ((record, random.integers(0, 256, shape, np.uint8)) for _ in range(count)))


def written(
    folder: Path, origin: str, shape: tuple[int, int, int], pictures: Iterable[tuple[Record, NDArray[np.uint8]]]
) -> Prepared:
    """Pictures, uint8 (H, W, C), with what is known of them, as a prepared dataset in the new folder ``folder``."""
    height, width, channels = shape
    folder.mkdir(parents=True)
    frame = Frame(height=height, width=width, grey=channels == 1)
    with Writer(folder, Options(frame=frame, duplicates="keep"), origin, []) as writer:
        for record, pixels in pictures:
            writer.take(Verdict(record, pixels))
        writer.finish(Source(Folder(folder), ()), [])
    return Prepared(folder)


def draw(folder: Path, count: int) -> None:
    """So many drawings of the sketchbook to be prepared, 128 px."""
    sketchbook.write(folder / _DRAWN, count, faults=False, workers=1)


def rates(folder: Path, count: int, noise: Path, seconds: float) -> Data:
    """How quick pictures come on one core: prepared, of the ``count`` that ``draw`` has left in ``folder``; and in
    batches from a prepared dataset, for so many seconds.
    """
    began = time.perf_counter()
    preparing.prepare(folder / _DRAWN, folder / "prepared", size=64, workers=1)
    prepared = count / (time.perf_counter() - began)
    return Data(prepared_per_second=prepared, batched_per_second=_batching(noise, seconds))


def _batching(data: Path, seconds: float) -> float:
    """Pictures a second that batches of a prepared dataset come at."""
    stream = batches(Prepared(data), seed=0, nimg=0, batch=64, flip=True)
    next(stream)
    began, count = time.perf_counter(), 0
    while not count or time.perf_counter() - began < seconds:
        count += sum(len(pixels) for pixels in islice(stream, 16))
    return count / (time.perf_counter() - began)
