"""A GPU works through what it is told while the CPU goes on: between two lines of the log nothing may wait for it.

Tested without one, in two ways. On the CPU every operation is looked at for one whose outcome is needed before the next
can be told. And on PyTorch's ``meta`` device, whose tensors have no numbers at all, whatever needs one raises.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from boceto import recipe
from boceto.data.ahead import ahead, fed
from boceto.data.batches import batches
from boceto.data.prepared import Prepared
from boceto.device import Compute, Stopwatch, choose
from boceto.state import State
from boceto.training import steps
from boceto.watching import Means, Timed
from test_architecture import TINY

# What a GPU must have finished before the CPU can go on: a number, or a size that depends on numbers.
WAITS = {"_local_scalar_dense", "item", "is_nonzero", "nonzero", "masked_select", "equal", "unique_dim", "_unique2"}


class WaitedError(AssertionError):
    pass


class NothingWaits(TorchDispatchMode):
    """Raises at an operation on tensors of ``device`` that would wait for it, if it were a GPU."""

    def __init__(self, device: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            isinstance(place, Tensor) and place.dtype in (torch.bool, torch.uint8) for place in args[1]
        )
        here = any(isinstance(x, Tensor) and x.device.type == self._device for x in args)
        by_number = name in WAITS or by_mask or (name == "repeat_interleave" and "Tensor" in func._overloadname)
        if here and by_number:
            raise WaitedError(str(func))
        found = func(*args, **kwargs)
        blocking = name in ("_to_copy", "copy_") and not kwargs.get("non_blocking")
        devices = {x.device.type for x in (found, *args) if isinstance(x, Tensor) and (x.dim() or x is found)}
        if blocking and len(devices) > 1:
            raise WaitedError(f"{func} from one device to another")
        return found


class NothingBuilt(TorchFunctionMode):
    """Raises where a tensor is made of Python's numbers: on a GPU that is a copy which is waited for."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.tensor and str((kwargs or {}).get("device")) != "cpu":
            raise WaitedError("torch.tensor")
        return func(*args, **(kwargs or {}))


def pictures(shape: tuple[int, int, int]) -> Iterator[NDArray[np.uint8]]:
    random = np.random.Generator(np.random.PCG64(0))
    while True:
        yield random.integers(0, 256, (8, *shape), dtype=np.uint8)


ALL = {
    "objective": {"r1_gamma": 1.0, "r1_every": 2, "r2_gamma": 1.0},
    "balance": {"fake_as_real": 0.25, "d_turns": 2},
    "augment": {"policy": ["colour", "translation", "cutout"]},
    "train": {"batch": 8, "precision": "float32"},
    "watch": {"log_kimg": 0.016},
}


def trained(name: str, device: str, count: int = 2) -> None:
    """Steps of an architecture with all that can be asked of it; every second has a penalty and a line of the log."""
    table: dict[str, Any] = {"arch": {"name": name, **TINY[name]}, **ALL}
    if name == "vae":
        table = {key: part for key, part in table.items() if key not in ("objective", "balance", "augment")}
    else:
        table["arch"] |= {"d_norm": "none"} if name in ("dcgan", "convolutional") else {}
        table["arch"] |= {"path_every": 2} if name == "stylegan2" else {}
    wanted = recipe.parse(table, "test")
    compute = Compute(torch.device(device), torch.float32, device)
    state = State.fresh(wanted, compute)
    images = pictures(state.gan.image_shape)
    held_out = next(images)
    ticks = steps(state, images, compute, wanted, lambda nimg: held_out)
    means = Means()
    list(itertools.islice(ticks, 2))  # a net that grows puts its new layers in place, and may wait for that
    with NothingWaits(device), NothingBuilt():
        for tick in itertools.islice(ticks, count):
            means.add(tick.watched)
    assert any(name.startswith("d/gradient/") for name in means._sums), "a line of the log was among them"


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", sorted(TINY))
def test_between_two_log_lines_nothing_waits(name: str, device: str) -> None:
    trained(name, device)


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: bool(x.sum() > 0),
        lambda x: x[x > 0],
        lambda x: x.repeat_interleave(torch.ones(len(x), dtype=torch.int64)),
        lambda x: torch.tensor([1.0]) + x,
        lambda x: x.nonzero(),
        lambda x: torch.empty(len(x), device="meta").copy_(x),
        lambda x: x.to("meta"),
    ],
)
def test_what_waits_is_seen(wait: Any) -> None:
    with NothingWaits("cpu"), NothingBuilt(), pytest.raises(WaitedError):
        wait(torch.ones(3))


# ── reading ahead ──


def test_ahead_gives_the_same_in_the_same_order(data: Prepared) -> None:
    plain = batches(data, seed=3, nimg=16, batch=8, flip=True)
    with ahead(batches(data, seed=3, nimg=16, batch=8, flip=True), torch.from_numpy) as read:
        for batch, expected in itertools.islice(zip(read, plain, strict=False), 12):
            assert np.array_equal(batch.numpy(), expected)


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "boceto-ahead"]


def test_ahead_is_bounded_and_leaves_no_thread() -> None:
    read: list[int] = []

    def noting() -> Iterator[int]:
        for i in itertools.count():
            read.append(i)
            yield i

    with ahead(noting(), str, depth=2) as items:
        assert next(items) == "0"
        deadline = time.monotonic() + 5
        while len(read) < 4 and time.monotonic() < deadline:  # two in the queue, one in hand, and the one taken
            time.sleep(0.001)
        time.sleep(0.05)
        assert len(read) == 4 and len(readers()) == 1
    assert not readers()
    with pytest.raises(KeyboardInterrupt), ahead(noting(), str):
        raise KeyboardInterrupt
    assert not readers()


def test_ahead_ends_and_fails_where_the_reader_does() -> None:
    with ahead(iter([1, 2]), str) as items:
        assert list(items) == ["1", "2"] and list(items) == []

    def failing() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with ahead(failing(), str) as items:
        assert next(items) == "1"
        with pytest.raises(OSError, match="the disk is gone"):
            next(items)
    assert not readers()


def test_only_a_device_apart_is_read_ahead_for(data: Prepared) -> None:
    plain = batches(data, seed=0, nimg=0, batch=8)
    with fed(plain, choose("cpu")) as read:
        assert not readers() and isinstance(next(read), np.ndarray)
    apart = Compute(torch.device("mps"), torch.float32, "another")
    with fed(plain, apart) as read:
        assert len(readers()) == 1 and next(read).shape == (8, 3, 16, 16)


def test_waiting_is_told_as_it_is() -> None:
    def slow() -> Iterator[int]:
        while True:
            time.sleep(0.02)
            yield 1

    timed = Timed(slow(), choose("cpu"))
    for _ in range(3):
        next(timed)
    assert 0.06 <= timed.take() < 0.6
    assert timed.take() == 0


def test_a_gpu_that_was_busy_meanwhile_has_not_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """With events in the place of a clock, what counts is when the device came to them."""
    moments = iter([0.0, 1.5, 10.0, 30.0])  # milliseconds at which the device reaches them

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            self.at = next(moments)

        def synchronize(self) -> None:
            pass

        def elapsed_time(self, other: Event) -> float:
            return other.at - self.at

    monkeypatch.setattr(torch.cuda, "Event", Event)
    watch = Stopwatch(Compute(torch.device("cuda"), torch.bfloat16, "a GPU"))
    for _ in range(2):
        watch.start()
        watch.stop()
    assert watch.take() == pytest.approx(0.0215)
    assert watch.take() == 0
