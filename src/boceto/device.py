"""Where boceto computes and in what number format: chosen by itself, and said.

On a CPU with AMX or AVX512-bf16 the convolutions run in bfloat16, elsewhere in float32; weights, optimisers and
everything that is summed stay float32. Images are channels-last, which CPUs and GPUs convolve quicker in both.
"""

from __future__ import annotations

import ctypes
import gc
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Literal

import psutil
import torch

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

    def autocast(self) -> AbstractContextManager[object]:
        """Inside, matrix products and convolutions run in ``dtype``."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    @property
    def card(self) -> str | None:
        """The NVIDIA card that is computed on, as ``nvidia-smi -i`` knows it; None on anything else."""
        if self.device.type != "cuda":
            return None
        number = torch.cuda.current_device()
        uuid = str(getattr(torch.cuda.get_device_properties(number), "uuid", ""))  # not in every PyTorch
        return f"GPU-{uuid.removeprefix('GPU-')}" if uuid else str(number)

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
    bf16 = _has_fast_bf16(device)
    if precision == "bfloat16" and device == "mps":
        raise UsageError("train.precision = bfloat16 is not offered on mps; use auto or float32")
    dtype = torch.bfloat16 if precision == "bfloat16" or (precision == "auto" and bf16) else torch.float32
    return Compute(torch.device(device), dtype, f"{_name(device)}, {str(dtype).removeprefix('torch.')}")


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


def _has_fast_bf16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
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
    return f"CPU ({platform.machine()}{amx}, {torch.get_num_threads()} threads)"
