"""Where boceto computes and in what number format: chosen by itself, and said.

On a CPU with AMX or AVX512-bf16 the convolutions run in bfloat16, elsewhere in float32; weights, optimisers and
everything that is summed stay float32. Images are channels-last, which CPUs and GPUs convolve quicker in both.

On CUDA (NVIDIA; AMD's ROCm answers to the same name) bfloat16 where the card has it, TF32 where a product stays in
float32. A GPU works through what it has been told while the CPU goes on: ``Stopwatch`` measures time as the device sees
it, without waiting for it.
"""

from __future__ import annotations

import ctypes
import gc
import platform
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from boceto.errors import NotEnoughMemory, UsageError

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class Compute:
    """A device with the number format of its matrix products and the memory order of its images."""

    device: torch.device
    dtype: torch.dtype
    label: str

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.contiguous_format if self.device.type == "mps" else torch.channels_last

    @property
    def is_apart(self) -> bool:
        """Does it compute beside the CPU, which is then free to do other things?"""
        return self.device.type in ("cuda", "mps")

    def autocast(self) -> AbstractContextManager[object]:
        """Inside, matrix products and convolutions run in ``dtype``."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    @contextmanager
    def exactly(self) -> Iterator[None]:
        """Inside, float32 is float32: no TF32, so that a picture is the same on every machine."""
        if self.device.type != "cuda":
            yield
            return
        _allow_tf32(False)
        try:
            yield
        finally:
            _allow_tf32(True)

    @property
    def card(self) -> str | None:
        """The NVIDIA card that is computed on, as ``nvidia-smi -i`` knows it; None on anything else."""
        if self.device.type != "cuda":
            return None
        number = torch.cuda.current_device()
        uuid = str(getattr(torch.cuda.get_device_properties(number), "uuid", ""))  # not in every PyTorch
        return f"GPU-{uuid.removeprefix('GPU-')}" if uuid else str(number)

    def send(self, pixels: NDArray[np.uint8] | Tensor) -> Tensor:
        """Pixels on the device; the CPU waits for their copy to be made, unless ``held`` has held them."""
        return torch.as_tensor(pixels).to(self.device, non_blocking=self.device.type != "mps")

    def held(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | Tensor:
        """The same pixels where a GPU fetches them by itself: in memory that the system does not move (page-locked)."""
        return torch.from_numpy(pixels).pin_memory() if self.device.type == "cuda" else pixels

    def memory(self) -> dict[str, float]:
        """Megabytes (10⁶ bytes) in use: of this process, and of the GPU at most so far."""
        used = {"memory_mb": round(psutil.Process().memory_info().rss / 1e6, 1)}
        if self.device.type == "cuda":
            used["gpu_memory_mb"] = round(torch.cuda.max_memory_allocated() / 1e6, 1)
        return used

    def wait(self) -> None:
        """Until all that was asked of the device is computed: before a clock is read."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def forget(self) -> None:
        """Give back what is no longer used: after memory has run out."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def place(self, module: torch.nn.Module) -> None:
        """Move a network here, in the memory order its convolutions want."""
        module.to(device=self.device, memory_format=self.memory_format)  # type: ignore[call-overload]


def choose(device: str = "auto", precision: str = "auto") -> Compute:
    """Pick the device and number format; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises UsageError if a device is asked for that this machine or this PyTorch does not have.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        device = "cuda" if cuda else "mps" if mps else "cpu"
    if device not in ("cpu", "cuda", "mps"):
        raise UsageError(f"there is no device '{device}'; use auto, cpu, cuda or mps")
    if (device == "cuda" and not cuda) or (device == "mps" and not mps):
        raise UsageError(f"device '{device}' is not available to PyTorch {torch.__version__} here; use --device cpu")
    if device == "cuda":
        _allow_tf32(True)
        torch.backends.cudnn.benchmark = True  # sizes change a few times a training: worth a trial of each
    bf16 = _has_fast_bf16(device)
    if precision == "bfloat16" and device == "mps":
        raise UsageError("train.precision = bfloat16 is not offered on mps; use auto or float32")
    dtype = torch.bfloat16 if precision == "bfloat16" or (precision == "auto" and bf16) else torch.float32
    return Compute(torch.device(device), dtype, f"{_name(device)}, {str(dtype).removeprefix('torch.')}")


_GLANCE_S = 0.3


def crowded(compute: Compute) -> str:
    """In a sentence, whether other programs take cores that this one wants to compute on; empty if not. It looks for
    a moment. Every layer waits for the last of its threads, so that one that shares its core slows them all.
    """
    threads = torch.get_num_threads()
    if compute.device.type != "cpu" or threads < 2:
        return ""
    busy = sum(psutil.cpu_percent(_GLANCE_S, percpu=True)) / 100
    cores = psutil.cpu_count() or 1
    free = max(1, cores - round(busy))
    if threads <= free:
        return ""
    return (
        f"other programs keep {busy:.1f} of {cores} cores busy, and threads wait for one another: with "
        f"OMP_NUM_THREADS={free} before the command it may be quicker"
    )


class Stopwatch:
    """The time from ``start`` to ``stop``, added up, as the device sees it: from when it has done all that it was told
    before the one, to the same of the other. On a GPU that has still enough to do in between, that is nothing.
    """

    def __init__(self, compute: Compute) -> None:
        self._events = compute.device.type == "cuda"
        self._laps: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []
        self._began: torch.cuda.Event | float = 0.0
        self._seconds = 0.0

    def start(self) -> None:
        self._began = self._mark()

    def stop(self) -> None:
        began, ended = self._began, self._mark()
        if isinstance(began, float) or isinstance(ended, float):
            self._seconds += float(ended) - float(began)  # type: ignore[arg-type]
        else:
            self._laps.append((began, ended))

    def take(self) -> float:
        """Seconds since the last call. Waits for what the device was told before the last ``stop``."""
        for began, ended in self._laps:
            ended.synchronize()
            self._seconds += began.elapsed_time(ended) / 1000
        seconds, self._seconds = self._seconds, 0.0
        self._laps.clear()
        return seconds

    def _mark(self) -> torch.cuda.Event | float:
        if not self._events:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


@contextmanager
def memory_errors(doing: str, remedy: str) -> Iterator[None]:
    """Turn PyTorch's and NumPy's ways of running out of memory into one: ``not enough memory to …; try …``."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "alloc" not in text:
            raise
        raise NotEnoughMemory(f"not enough memory to {doing}; try {remedy}") from error


def reuse_freed_memory() -> None:
    """Let this process keep what it frees, for a training's next step, instead of giving it back to the system.

    A step on the CPU asks for the same large pieces every time, and the system clears each anew: a tenth of the time.
    For glibc's allocator (Linux); elsewhere nothing happens. What is kept is given back when the process ends.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for option, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 2**26)):
        mallopt(option, value)


def _allow_tf32(allowed: bool) -> None:
    """Products and convolutions of float32 on CUDA may round to TF32's ten bits."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def _has_fast_bf16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":  # private in PyTorch, hence the care: absent means no
        probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
    return False


def _name(device: str) -> str:
    if device == "cuda":
        return f"GPU ({torch.cuda.get_device_name()})"
    if device == "mps":
        return "GPU (Apple MPS)"
    amx = " with AMX" if getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)() else ""
    threads = torch.get_num_threads()
    return f"CPU ({platform.machine()}{amx}, {threads} thread{'s' * (threads != 1)})"
