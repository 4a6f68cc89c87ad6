"""Batches read ahead of time, where the CPU would otherwise look on while a GPU computes.

A thread gathers up to two batches and holds them where the GPU fetches them by itself; they come in the order they
would have come in, and the thread ends with the loop. On a CPU there is none: it would only take from the computing.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from boceto.data.batches import Labelled
from boceto.device import Compute

T = TypeVar("T")
R = TypeVar("R")
P = TypeVar("P", bound=NDArray[np.uint8] | Labelled)

_DEPTH = 2  # batches read and not yet taken


@contextmanager
def fed(items: Iterable[P], compute: Compute) -> Iterator[Iterator[P | Tensor]]:
    """The batches, uint8 (N, C, H, W), labelled or not, as this device is best fed with them, for as long as the
    ``with`` lasts.
    """
    if not compute.is_apart:
        yield iter(items)
        return
    with ahead(items, lambda item: held(item, compute)) as taken:
        yield taken


def held(item: P, compute: Compute) -> P | Tensor:
    """The same where a GPU fetches it by itself, labels too (``Compute.held``)."""
    if not isinstance(item, Labelled):
        return cast(P, compute.held(item))
    return replace(item, pixels=compute.held(np.asarray(item.pixels)), labels=compute.held(np.asarray(item.labels)))


@contextmanager
def ahead(items: Iterable[T], ready: Callable[[T], R], depth: int = _DEPTH) -> Iterator[Iterator[R]]:
    """``map(ready, items)``, done by a thread at most ``depth`` items ahead, for as long as the ``with`` lasts.

    What the items or ``ready`` raise is raised where the item would have been taken.
    """
    taken: queue.Queue[_Item[R] | _End] = queue.Queue(depth)
    leaving = threading.Event()

    def read() -> None:
        end = _End()
        try:
            for item in items:
                taken.put(_Item(ready(item)))
                if leaving.is_set():
                    return
        except BaseException as error:  # whatever it is, it belongs to the loop
            end = _End(error)
        taken.put(end)

    def given() -> Iterator[R]:
        while isinstance(item := taken.get(), _Item):
            yield item.value
        taken.put(item)  # asked again it ends again
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=read, name="boceto-ahead", daemon=True)
    thread.start()
    try:
        yield given()
    finally:
        leaving.set()
        while thread.is_alive():  # make room for what it may be about to put
            try:
                taken.get(timeout=0.05)
            except queue.Empty:
                thread.join(0.01)


@dataclass(frozen=True)
class _Item(Generic[R]):
    value: R


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None
