"""Which form of a convolution is quicker here: PyTorch's, contiguous or channels-last, or a matrix product?

    .venv/bin/python benchmarks/layers.py [--precision float32|bfloat16] [--batch 128] [--rounds 5]

One line a layer: ms forward and for both gradients, of the three forms, which take turns; what boceto takes is marked.
``nn/products.py`` decides by this on a CPU: repeat it on another kind, above all one with bfloat16 units.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from unittest import mock

import torch
from torch import Tensor

from boceto import device
from boceto.cli import ended
from boceto.nn import products

# name, transposed?, channels in, channels out, kernel, stride, padding, side
LAYERS = [
    ("DCGAN 3→64 @64", False, 3, 64, 4, 2, 1, 64),
    ("DCGAN 64→128 @32", False, 64, 128, 4, 2, 1, 32),
    ("DCGAN 128→256 @16", False, 128, 256, 4, 2, 1, 16),
    ("DCGAN 256→512 @8", False, 256, 512, 4, 2, 1, 8),
    ("DCGAN 512→256 @4 transposed", True, 512, 256, 4, 2, 1, 4),
    ("DCGAN 256→128 @8 transposed", True, 256, 128, 4, 2, 1, 8),
    ("DCGAN 128→64 @16 transposed", True, 128, 64, 4, 2, 1, 16),
    ("DCGAN 64→3 @32 transposed", True, 64, 3, 4, 2, 1, 32),
    ("ProGAN 256→256 @4", False, 256, 256, 3, 1, 1, 4),
    ("ProGAN 256→256 @8", False, 256, 256, 3, 1, 1, 8),
    ("ProGAN 256→256 @16", False, 256, 256, 3, 1, 1, 16),
    ("wide 512→512 @4", False, 512, 512, 3, 1, 1, 4),
    ("5×5 128→128 @8", False, 128, 128, 5, 2, 2, 8),
    ("5×5 256→512 @8", False, 256, 512, 5, 2, 2, 8),
]


def contender(
    form: str, layer: tuple[str, bool, int, int, int, int, int, int], batch: int, dtype: torch.dtype
) -> Callable[[], None]:
    """Forward, and the gradients of pictures and weights."""
    _, transposed, below, width, kernel, stride, padding, side = layer
    order = torch.contiguous_format if form == "contiguous" else torch.channels_last
    shape = (below, width, kernel, kernel) if transposed else (width, below, kernel, kernel)
    x = torch.randn(batch, below, side, side).to(dtype, memory_format=order).requires_grad_()
    weight = (torch.randn(shape) * 0.05).to(dtype, memory_format=order).requires_grad_()
    call = products.conv_transpose2d if transposed else products.conv2d

    def run() -> None:
        with mock.patch.object(products, "suits", lambda *_: form == "product"):
            y: Tensor = call(x, weight, None, stride, (padding, padding))
        torch.autograd.grad(y, [x, weight], torch.ones_like(y))

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    if not 1 <= chosen.batch <= 65536 or chosen.rounds < 1:
        parser.error("--batch is from 1 to 65,536, --rounds 1 or more")
    compute = device.choose("cpu", chosen.precision)
    device.reuse_freed_memory()
    forms = ("contiguous", "channels-last", "product")
    print(f"{compute.label}; batch {chosen.batch}; ms, median of {chosen.rounds} rounds; * = what boceto takes")
    print(f"{'layer':30}" + "".join(f"{form:>16}" for form in forms))
    for layer in LAYERS:
        name, transposed, below, width, kernel, stride, _, side = layer
        runs = {form: contender(form, layer, chosen.batch, compute.dtype) for form in forms}
        times: dict[str, list[float]] = {form: [] for form in forms}
        for round_ in range(chosen.rounds + 1):
            for form, run in runs.items():
                began = time.perf_counter()
                run()
                if round_:  # the first warms up
                    times[form].append(1000 * (time.perf_counter() - began))
        weight = torch.empty(below, width, kernel, kernel)
        small = side if transposed else side // stride
        taken = "product" if products.suits(torch.empty(0), weight, small) else "channels-last"
        cells = (f"{statistics.median(times[form]):.0f}{'*' if form == taken else ' '}" for form in forms)
        print(f"{name:30}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    sys.exit(ended(main))
