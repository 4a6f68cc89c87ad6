"""How quick is training on a GPU? One call, one table, and whether the targets are reached.

    .venv/bin/python benchmarks/gpu.py [--seconds 420]             on an NVIDIA card
    .venv/bin/python benchmarks/gpu.py --device cpu --quick        does it run at all? tiny sizes, nothing to quote

What is compared takes turns in one process; times are those of the device (CUDA events), medians of several rounds.

    DCGAN 64      the plain float32 step that one would write, and boceto's: float32, bfloat16, compiled
    ProGAN        the widest stages of the thesis's network, plain and compiled, without penalties; the arithmetic is
                  counted, and told as a share of what the card does in a product of large bfloat16 matrices
    drawing       sheets from a DCGAN, in float32
    data          a training as it is, from a file of pictures of 64 px: how long the GPU waits for batches; and how
                  many pictures a second come to the device when nothing is computed
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from step import plain

from boceto import device, recipe, sampling
from boceto.bench.machine import ceiling
from boceto.bench.throughput import Counting
from boceto.clock import Clock
from boceto.compiling import Compiler
from boceto.data.ahead import fed
from boceto.data.batches import batches
from boceto.device import Compute, Stopwatch
from boceto.recipe import Recipe
from boceto.state import State
from boceto.training import Pixels, steps
from boceto.watching import Timed

Step = Callable[[], object]


@dataclass(frozen=True)
class Sizes:
    """How large everything is, and how long each part may take."""

    batch: int = 128
    width: int = 64
    pictures: int = 40_000
    rounds: int = 9
    each: int = 10  # steps of one contender before the next has its turn
    stages: tuple[tuple[int, int], ...] = ((16, 128), (32, 128), (64, 64), (128, 32))  # side, batch; the widest first
    progan_width: int = 256
    data_s: float = 15.0


TINY = Sizes(4, 4, 64, 2, 1, ((8, 4), (16, 4)), 8, 0.3)


@dataclass(frozen=True)
class Row:
    what: str
    ms: float | None = None
    images_per_s: float | None = None
    speedup: float | None = None  # over the plain step
    ceiling: float | None = None  # share of the measured one
    note: str = ""


class Bench:
    def __init__(self, sizes: Sizes, name: str, seconds: float, compiles: bool = True) -> None:
        self.sizes, self.name, self.compiles = sizes, name, compiles
        self.ends = time.monotonic() + seconds
        self.rows: list[Row] = []
        self.compute = device.choose(name, "bfloat16")

    def left(self) -> float:
        return self.ends - time.monotonic()

    @contextlib.contextmanager
    def part(self, what: str, needs_s: float) -> Iterator[bool]:
        """A part of the whole: passed over when time is short, and a failure of it leaves the others standing."""
        enough = self.left() > needs_s
        if not enough:
            self.rows.append(Row(what, note="not measured: out of time"))
        try:
            yield enough
        except Exception as error:
            self.rows.append(Row(what, note=f"failed: {' '.join(str(error).split())[:120] or type(error).__name__}"))

    def timed(self, contenders: dict[str, Step], rounds: int | None = None) -> dict[str, float]:
        """Seconds a call of each, the median of rounds in which they take turns."""
        for step in contenders.values():
            for _ in range(3):
                step()
        watch, each = Stopwatch(self.compute), self.sizes.each
        found: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(rounds or self.sizes.rounds):
            for name, step in contenders.items():
                watch.start()
                for _ in range(each):
                    step()
                watch.stop()
                found[name].append(watch.take() / each)
        return {name: statistics.median(seconds) for name, seconds in found.items()}


def as_pytorch_comes(step: Step, compute: Compute) -> Step:
    """A step with PyTorch's own settings: TF32 in convolutions only, no trial of cuDNN's ways."""

    def other() -> None:
        products, trial = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.benchmark = False
        step()
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark = products, trial

    return other if compute.device.type == "cuda" else step


def ours(state: State, wanted: Recipe, pixels: Iterable[Pixels] | None = None) -> Step:
    """boceto's own loop; from one batch of noise again and again unless ``pixels`` are given."""
    compute = state.compute
    shape = (state.gan.batch_at(state.now.nimg), *state.gan.image_shape)
    noise = compute.held(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    ticks = steps(state, itertools.repeat(noise) if pixels is None else pixels, compute, wanted)
    return lambda: next(ticks)


@contextlib.contextmanager
def compiled(state: State) -> Iterator[str]:
    """With its nets compiled; what the compiler said of it."""
    said: list[str] = []
    with Compiler(state, said.append):
        yield said[0]


def dcgan(sizes: Sizes, name: str, precision: str, compiling: str = "off") -> tuple[State, Recipe]:
    changes = [f"train.batch={sizes.batch}", f"train.precision={precision}", f"train.compile={compiling}"]
    changes += [f"arch.g_width={sizes.width}", f"arch.d_width={sizes.width}", "watch.log_kimg=1e9"]
    wanted = recipe.load("dcgan-64").changed(changes)
    return State.fresh(wanted, device.choose(name, precision)), wanted


def progan(sizes: Sizes, name: str, side: int, batch: int, compiling: str) -> tuple[State, Recipe]:
    """A stage of the thesis's network, its fade over."""
    stage = (side // 8).bit_length() - 1
    changes = [f"train.batch={batch}", "train.precision=bfloat16", f"train.compile={compiling}", "watch.log_kimg=1e9"]
    changes += [f"arch.resolution={max(side, 8)}", f"arch.width={sizes.progan_width}", "arch.alpha_start=1.0"]
    changes += [f"arch.stage_kimg={[0.001] * stage + [1e6]}"]
    wanted = recipe.load("progan-64-thesis").changed(changes)
    state = State.fresh(wanted, device.choose(name, "bfloat16"))
    state.now = Clock(nimg=stage * batch, step=stage)
    return state, wanted


def flops(step: Step) -> float:
    """Of one step's products and convolutions, forward and back."""
    with Counting() as count:
        step()
    return float(count.flops)


def compare_dcgan(bench: Bench) -> float | None:
    """The rows of the DCGAN step; how many times the plain one the best of ours is."""
    sizes, name = bench.sizes, bench.name
    contenders = {"plain float32": as_pytorch_comes(plain(sizes.batch, sizes.width, name), bench.compute)}
    notes: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for precision in ("float32", "bfloat16"):
            contenders[f"boceto {precision}"] = ours(*dcgan(sizes, name, precision))
        with bench.part("DCGAN 64 compiled", 120) as enough:
            if enough and bench.compiles:
                state, wanted = dcgan(sizes, name, "bfloat16", "on")
                notes["boceto bfloat16 compiled"] = stack.enter_context(compiled(state))
                contenders["boceto bfloat16 compiled"] = ours(state, wanted)
        found = bench.timed(contenders)
    base = found["plain float32"]
    for what, seconds in found.items():
        rate = sizes.batch / seconds
        bench.rows.append(Row(f"DCGAN 64 {what}", seconds * 1e3, rate, base / seconds, note=notes.get(what, "")))
    return base / min(seconds for what, seconds in found.items() if what.startswith("boceto"))


def compare_stage(bench: Bench, side: int, batch: int, most: float) -> float:
    """The rows of one stage of ProGAN; the best share of the ceiling."""
    sizes, name, what = bench.sizes, bench.name, f"ProGAN {side} px, batch {batch}"
    contenders, note = {"bfloat16": ours(*progan(sizes, name, side, batch, "off"))}, ""
    work = flops(contenders["bfloat16"])
    with contextlib.ExitStack() as stack:
        with bench.part(f"{what} compiled", 60) as enough:
            if enough and bench.compiles:
                state, wanted = progan(sizes, name, side, batch, "on")
                note = stack.enter_context(compiled(state))
                contenders["bfloat16 compiled"] = ours(state, wanted)
        found = bench.timed(contenders, rounds=max(2, sizes.rounds // 2))
    for how, seconds in found.items():
        share = work / seconds / most
        said = f"{work / batch / 1e9:.1f} GFLOP/image" if how == "bfloat16" else note
        bench.rows.append(Row(f"{what} {how}", seconds * 1e3, batch / seconds, ceiling=share, note=said))
    return max(work / seconds / most for seconds in found.values())


def draw(bench: Bench) -> None:
    state, _ = dcgan(bench.sizes, bench.name, "float32")
    for n in (1, bench.sizes.batch * 2):
        z = sampling.latents(n, state.gan.z_dim, 0)
        each = bench.timed({"draw": lambda z=z: sampling.draw(state.ema, z, state.compute)})["draw"]  # type: ignore[misc]
        bench.rows.append(Row(f"drawing {n} at once, float32", each * 1e3, n / each, note="pictures back on the CPU"))


class Stored:
    """Pictures of noise in a file, as a prepared dataset has them: memory-mapped uint8 (N, H, W, C)."""

    shape = (64, 64, 3)

    def __init__(self, folder: Path, count: int) -> None:
        self._pixels = np.lib.format.open_memmap(folder / "pictures.npy", "w+", np.uint8, (count, *self.shape))
        random = np.random.default_rng(0)
        for begin in range(0, count, 4096):
            part = self._pixels[begin : begin + 4096]
            part[:] = random.integers(0, 256, part.shape, dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._pixels)

    def gather(self, indices: Iterable[int]) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = self._pixels[np.asarray(list(indices))]
        return pixels


def feed(bench: Bench) -> float:
    """The rows of the data's way; the share of its time that the device waits for a batch."""
    sizes, compute = bench.sizes, bench.compute
    seconds = min(sizes.data_s, max(bench.left() / 4, 0.1))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        stored = Stored(Path(folder), sizes.pictures)

        def stream() -> Iterator[NDArray[np.uint8]]:
            return batches(stored, seed=0, nimg=0, batch=sizes.batch, flip=True)

        with fed(stream(), compute) as read:
            seen, began = 0, time.monotonic()
            for pixels in read:
                on_it = compute.send(pixels)
                seen += len(pixels)
                if time.monotonic() - began >= seconds / 3:
                    break
            on_it.sum().item()  # it has come
            rate = seen / (time.monotonic() - began)
        bench.rows.append(
            Row("data alone", images_per_s=rate, note="gathered, mirrored, copied to the device as uint8")
        )

        state, wanted = dcgan(sizes, bench.name, "bfloat16", "on" if bench.compiles and bench.left() > 90 else "off")
        with Compiler(state, lambda said: None), fed(stream(), compute) as read:
            timed = Timed(read, compute)
            step = ours(state, wanted, timed)
            for _ in range(5):
                step()
            timed.take()
            before, began = state.now.nimg, time.monotonic()
            while time.monotonic() - began < seconds:
                for _ in range(sizes.each):
                    step()
            waited = timed.take()  # waits until the device has caught up
            spent = time.monotonic() - began
    share, rate = waited / spent, (state.now.nimg - before) / spent
    bench.rows.append(Row("DCGAN 64 from a file", images_per_s=rate, note=f"{share:.2%} of the time waiting for data"))
    return share


def table(rows: Iterable[Row]) -> str:
    """The rows as one table of text."""
    lines = [f"{'':44} {'ms':>9} {'images/s':>10} {'× plain':>8} {'ceiling':>8}"]
    for row in rows:
        cells = [
            f"{row.ms:.2f}" if row.ms is not None else "",
            f"{row.images_per_s:,.0f}" if row.images_per_s is not None else "",
            f"{row.speedup:.2f}" if row.speedup is not None else "",
            f"{row.ceiling:.1%}" if row.ceiling is not None else "",
        ]
        line = f"{row.what:44} {cells[0]:>9} {cells[1]:>10} {cells[2]:>8} {cells[3]:>8}  {row.note}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def target(what: str, found: float | None, reached: bool) -> str:
    return f"{'reached' if reached else 'NOT MEASURED' if found is None else 'NOT reached':13} {what}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--seconds", type=float, default=420.0, help="budget; parts that do not fit are left out")
    parser.add_argument("--plain", action="store_true", help="nothing compiled")
    arguments = parser.parse_args()
    bench = Bench(TINY if arguments.quick else Sizes(), arguments.device, arguments.seconds, not arguments.plain)
    began = time.monotonic()
    speedup = share = waiting = None
    shares: dict[int, float] = {}
    with bench.part("ceiling", 0):
        most = ceiling(bench.compute)
        bench.rows.append(Row("large products, bfloat16", note=f"{most / 1e12:.1f} TFLOP/s"))
    with bench.part("DCGAN 64", 30) as enough:
        if enough:
            speedup = compare_dcgan(bench)
    for side, batch in bench.sizes.stages:
        with bench.part(f"ProGAN {side} px", 60) as enough:
            if enough:
                shares[side] = compare_stage(bench, side, batch, most)
    with bench.part("drawing", 20) as enough:
        if enough:
            draw(bench)
    with bench.part("data", 20) as enough:
        if enough:
            waiting = feed(bench)
    widest = [shares[side] for side, _ in bench.sizes.stages[:2] if side in shares]
    share = min(widest) if len(widest) == 2 else None
    print(f"{bench.compute.label}; PyTorch {torch.__version__}; {time.monotonic() - began:.0f} s\n")
    print(table(bench.rows))
    print()
    print(target(f"a DCGAN step ≥ 2 × the plain one: {_said(speedup, '.2f')}", speedup, (speedup or 0) >= 2))
    print(target(f"ProGAN at 16 and 32 px ≥ 50 % of the ceiling: {_said(share, '.1%')}", share, (share or 0) >= 0.5))
    fine = waiting is not None and waiting < 0.02
    print(target(f"< 2 % of the time waiting for data: {_said(waiting, '.2%')}", waiting, fine))


def _said(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


if __name__ == "__main__":
    main()
