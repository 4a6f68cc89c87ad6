"""How quick is training beside what one would use instead? The same network and batch, in turns, on one machine.

    .venv/bin/python benchmarks/peers.py [--keras PYTHON] [--lightweight PYTHON] [--only NAME …] [--out FILE]

Every contender is a process of its own, as a user would run it, and takes a step when it is told to: whatever else the
machine does falls on all of them. Trust the ratios. Against:

pytorch      the DCGAN of PyTorch's official examples, 64 px, batch 128, written out as one would have it
keras        the networks of the thesis "CómicGAN" in Keras (tests/test_keras.py), float32, and with Keras's bfloat16
             where the CPU has units for it;
             --keras names a Python that has boceto, pytest and TensorFlow: see the head of tests/test_keras.py
lightweight  lightweight-gan 1.2.1 at 64 px: another network, so its ratio tells of the choice of network too; needs a
             Python with torch, and pip install --no-deps lightweight-gan==1.2.1 kornia kornia_rs einops
             adabelief-pytorch tqdm pillow; it runs on CUDA only, so its calls of .cuda are answered by the CPU here
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
Step = Callable[[], object]


# ── contenders: each makes a step ──


def boceto(recipe_name: str, batch: int, *changes: str) -> Step:
    """Ours: the loop on a recipe, at the last stage of a net that grows."""
    import numpy as np

    from boceto import device, recipe
    from boceto.clock import Clock
    from boceto.state import State
    from boceto.training import steps

    chosen = recipe.load(recipe_name).changed([f"train.batch={batch}", *changes])
    compute = device.choose("cpu", chosen.train.precision)
    device.reuse_freed_memory()
    state = State.fresh(chosen, compute)
    state.now = Clock(nimg=10**6)
    channels, height, width = state.gan.image_shape
    pixels = np.random.default_rng(0).integers(0, 256, (batch, channels, height, width), dtype=np.uint8)

    def pictures() -> Iterator[Any]:
        while True:
            yield pixels

    ticks = steps(state, pictures(), compute, chosen)
    return lambda: next(ticks)


def pytorch(batch: int) -> Step:
    """PyTorch's official example, step for step: three backward passes, losses read out as it prints them."""
    import torch
    from torch import nn

    def up(a: int, b: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]

    def down(a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, inplace=True)]

    head = [nn.ConvTranspose2d(100, 512, 4, 1, 0, bias=False), nn.BatchNorm2d(512), nn.ReLU(True)]
    tail = [nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh()]
    g = nn.Sequential(*head, *up(512, 256), *up(256, 128), *up(128, 64), *tail)
    start = [nn.Conv2d(3, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    d = nn.Sequential(*start, *down(64, 128), *down(128, 256), *down(256, 512), nn.Conv2d(512, 1, 4), nn.Sigmoid())
    criterion = nn.BCELoss()
    d_adam, g_adam = (torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (d, g))
    real = torch.rand(batch, 3, 64, 64) * 2 - 1

    def step() -> tuple[float, ...]:
        d.zero_grad()
        label = torch.ones(batch)
        output = d(real).view(-1)
        of_real = criterion(output, label)
        of_real.backward()
        fake = g(torch.randn(batch, 100, 1, 1))
        label.fill_(0)
        of_fake = criterion(d(fake.detach()).view(-1), label)
        of_fake.backward()
        d_adam.step()
        g.zero_grad()
        label.fill_(1)
        of_g = criterion(d(fake).view(-1), label)
        of_g.backward()
        g_adam.step()
        return of_real.item(), of_fake.item(), of_g.item(), output.mean().item()

    return step


def keras(network: str, batch: int, policy: str) -> Step:
    """The thesis's training step: both nets' gradients from one pass, in a ``tf.function``."""
    sys.path.insert(0, str(HERE.parents[1] / "tests"))
    import test_keras as listings

    tf: Any = listings.tf
    tf.keras.mixed_precision.set_global_policy(policy)
    if network == "convolutional":
        d, g = (
            listings.convolutional_d(64, 32, 64, 128, 128)[0],
            listings.convolutional_g(8, 128, (128, 2), (128, 2), (64, 2))[0],
        )
        shape = (64, 64, 1)
    else:
        side = int(network.removeprefix("progan"))
        d, g, shape = listings.progan_d(side)[0], listings.progan_g(side)[0], (side, side, 3)
    loss = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    d_adam, g_adam = (tf.keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2))
    real = tf.random.uniform((batch, *shape), -1, 1)

    @tf.function  # type: ignore[untyped-decorator, unused-ignore]
    def step() -> Any:
        with tf.GradientTape() as d_tape, tf.GradientTape() as g_tape:
            fake = g(tf.random.normal((batch, 100)), training=True)
            of_real, of_fake = (tf.cast(d(images, training=True), tf.float32) for images in (real, fake))
            d_loss = loss(tf.ones_like(of_real), of_real) + loss(tf.zeros_like(of_fake), of_fake)
            g_loss = loss(tf.ones_like(of_fake), of_fake)
        g_adam.apply_gradients(zip(g_tape.gradient(g_loss, g.trainable_variables), g.trainable_variables, strict=True))
        d_adam.apply_gradients(zip(d_tape.gradient(d_loss, d.trainable_variables), d.trainable_variables, strict=True))
        return d_loss, g_loss

    return lambda: [float(value) for value in step()]


def lightweight(batch: int) -> Step:
    """lightweight-gan's own training step with its own settings for a small set."""
    import torch
    from lightweight import trainer

    theirs = trainer(HERE.parent / "scratch", 64, batch)

    def pictures() -> Iterator[torch.Tensor]:
        while True:
            yield torch.rand(batch, 3, 64, 64)

    theirs.loader = pictures()
    return lambda: theirs.train()


# ── turns ──

# name: (network, batch of ours, our arguments, [(peer, its batch, arguments)])
RACES: dict[str, tuple[str, list[Any], list[tuple[str, list[Any]]]]] = {
    "dcgan": (
        "DCGAN 64, batch 128",
        ["boceto", "dcgan-64", 128],
        [("PyTorch's example", ["pytorch", 128])],
    ),
    "convolutional": (
        "thesis CGAN 64, batch 128",
        ["boceto", "convolutional-64-thesis", 128],
        [
            ("Keras float32", ["keras", "convolutional", 128, "float32"]),
            ("Keras bfloat16", ["keras", "convolutional", 128, "mixed_bfloat16"]),
        ],
    ),
    **{
        f"progan{side}": (
            f"thesis ProGAN {side}, batch 32",
            [
                *("boceto", "progan-64-thesis", 32, "arch.base=5", f"arch.resolution={side}"),
                *("arch.stage_kimg=[0.032]", "arch.stage_batch=[32]", "arch.alpha_start=1.0"),
            ],
            [
                ("Keras float32", ["keras", f"progan{side}", 32, "float32"]),
                ("Keras bfloat16", ["keras", f"progan{side}", 32, "mixed_bfloat16"]),
            ],
        )
        for side in (10, 20)
    },
    "lightweight": (
        "64 px, batch 16, each its own network",
        ["boceto", "dcgan-64-quick", 16],
        [("lightweight-gan 1.2.1", ["lightweight", 16])],
    ),
}


class Contender:
    """A process that makes a step when told."""

    def __init__(self, python: str, what: list[Any]) -> None:
        command = [python, str(HERE), "--worker", json.dumps(what)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self) -> float | None:
        """Seconds it took; None if the process has ended, which has told why."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        for line in self.process.stdout:
            if line.startswith("took "):
                return float(line.split()[1])
        return None

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def work(what: list[Any]) -> None:
    """In a contender's process."""
    name, *arguments = what
    makers: dict[str, Callable[..., Step]] = {
        "boceto": boceto, "pytorch": pytorch, "keras": keras, "lightweight": lightweight
    }  # fmt: skip
    step = makers[name](*arguments)
    for _ in sys.stdin:
        began = time.perf_counter()
        step()
        print("took", time.perf_counter() - began, flush=True)


def race(name: str, pythons: dict[str, str | None], rounds: int) -> dict[str, Any]:
    """Images/s of ours and of each peer, with their ratio."""
    network, ours, peers = RACES[name]
    lineup = {"boceto": (sys.executable, ours)}
    lineup |= {peer: (python, what) for peer, what in peers if (python := pythons.get(what[0]))}
    if len(lineup) == 1:
        return {}
    contenders = {peer: Contender(python, what) for peer, (python, what) in lineup.items()}
    times: dict[str, list[float]] = {peer: [] for peer in contenders}
    try:
        for turn in range(rounds + 2):
            for peer, contender in list(contenders.items()):
                if (took := contender.step()) is None:
                    print(f"{network}: {peer} has ended", file=sys.stderr)
                    contenders.pop(peer).end()
                elif turn > 1:  # the first two warm up
                    times[peer].append(took)
    finally:
        for contender in contenders.values():
            contender.end()
    batch = int(ours[2])
    rates = {peer: batch / statistics.median(seconds) for peer, seconds in times.items() if seconds}
    return {"network": network, "images_per_second": rates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras", metavar="PYTHON")
    parser.add_argument("--lightweight", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=RACES, default=list(RACES))
    parser.add_argument("--out", type=Path, help="also as JSON")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:  # perhaps by a Python that has no boceto
        return work(json.loads(asked.worker))
    if asked.rounds < 1:
        parser.error("--rounds is 1 or more")
    for option in ("keras", "lightweight"):
        named = getattr(asked, option)
        if named and not shutil.which(named):
            parser.error(f"--{option} {named}: there is no such program; give the path of a Python")

    from boceto.cli import ended

    sys.exit(ended(lambda: compare(asked)))


def compare(asked: argparse.Namespace) -> None:
    """The races that are asked for, one after the other."""
    from boceto import device
    from boceto.errors import UsageError
    from boceto.files import write_text

    if asked.out and asked.out.is_dir():
        raise UsageError(f"--out {asked.out} is a folder; give the name of a file")

    if "bfloat16" not in device.choose("cpu").label:  # emulated, a step takes minutes
        for _, _, peers in RACES.values():
            peers[:] = [peer for peer in peers if "bfloat16" not in peer[0]]
    pythons = {"pytorch": sys.executable, "keras": asked.keras, "lightweight": asked.lightweight}
    print(f"{device.choose('cpu').label}; median of {asked.rounds} rounds, images/s")
    print(f"{'network':38} {'peer':22} {'peer':>8} {'boceto':>8} {'ratio':>7}")
    results = []
    for name in asked.only:
        if not (result := race(name, pythons, asked.rounds)):
            print(f"{RACES[name][0]:38} left out: no Python for it is named")
            continue
        results.append(result)
        rates = result["images_per_second"]
        for peer, rate in rates.items():
            if peer != "boceto" and "boceto" in rates:
                ours = rates["boceto"]
                print(f"{result['network']:38} {peer:22} {rate:8.1f} {ours:8.1f} {ours / rate:6.2f}×", flush=True)
    if asked.out:
        write_text(asked.out, json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
