"""The convolution test of the thesis "CómicGAN" (§4.2, Fig. 18): one layer on ever larger pictures, CPU beside GPU.

32 filters 7×7, no padding, stride 1, on 100 pictures N×N in colour; one run to warm up, then ten, whose time together
counts. Forward only, float32, as the listing has it; channels first, which is PyTorch's usual order.
"""

from __future__ import annotations

import time

import psutil
import torch
import torch.nn.functional as F

from boceto import device
from boceto.bench.account import Point
from boceto.errors import NotEnoughMemory

SIDES = (10, 25, 50, 75, 100, 125, 150, 175, 200, 225, 250)  # N; the listing shows 250
RUNS = 10
_BATCH, _FILTERS, _KERNEL = 100, 32, 7


def devices(asked: str) -> list[str]:
    """The CPU, and a GPU beside it if there is one; or the one that is asked for."""
    if asked != "auto":
        return [asked]
    return list(dict.fromkeys(("cpu", device.choose().device.type)))


def sweep(name: str, seconds: float, sides: tuple[int, ...] = SIDES) -> tuple[list[Point], str | None]:
    """The test on one device, from small to large; and why it ended before its end, if so.

    It ends before a size that would, by the one before, not be done within ``seconds`` in all.
    """
    compute, found, began = device.choose(name, "float32"), list[Point](), time.perf_counter()
    for n in sides:
        if found:
            expected = found[-1].seconds * (1 + 1 / RUNS) * (n / found[-1].n) ** 2
            if time.perf_counter() - began + expected > seconds:
                return found, f"on {name} it ended at N = {found[-1].n}: {n} would have passed {seconds:g} s"
        try:
            with device.memory_errors(f"convolve pictures of {n} px", "a machine with more memory"):
                found.append(Point(device=name, n=n, seconds=_seconds(n, compute)))
        except NotEnoughMemory:
            return found, f"on {name} it ended before N = {n}: not enough memory"
    return found, None


@torch.inference_mode()
def _seconds(n: int, compute: device.Compute) -> float:
    numbers = _BATCH * (3 * n**2 + _FILTERS * (n - _KERNEL + 1) ** 2)
    if compute.device.type == "cpu" and 2 * 4 * numbers > psutil.virtual_memory().available:
        raise NotEnoughMemory("rather than to let the machine swap")
    torch.manual_seed(0)
    images = torch.rand(_BATCH, 3, n, n, device=compute.device)
    filters = torch.randn(_FILTERS, 3, _KERNEL, _KERNEL, device=compute.device)
    F.conv2d(images, filters)
    compute.wait()
    began = time.perf_counter()
    for _ in range(RUNS):
        F.conv2d(images, filters)
    compute.wait()
    return time.perf_counter() - began
