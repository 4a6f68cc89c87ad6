"""Small real things to test with: drawings, a prepared dataset, a tiny recipe."""

from __future__ import annotations

import os
import signal
from pathlib import Path

# A test process computes on one thread: many small steps gain nothing from more, and several processes share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from PIL import Image

from boceto import recipe
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.recipe import Recipe

# Begun in a shell's background, it would ignore Ctrl-C, and so would every process that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

TINY = {
    "arch": {"name": "dcgan", "resolution": 16, "channels": 3, "z_dim": 8, "g_width": 4, "d_width": 4},
    "train": {"batch": 8, "kimg": 0.064, "precision": "float32"},
    "watch": {"log_kimg": 0.016, "sample_kimg": 0.032, "snapshot_kimg": 0.032, "samples": 4, "scored": 0},
}


def drawing(seed: int, size: tuple[int, int] = (40, 40)) -> Image.Image:
    """A coloured blot on a coloured ground: different for every seed, no flat bars."""
    random = np.random.Generator(np.random.PCG64(seed))
    height, width = size[1], size[0]
    y, x = np.mgrid[0:height, 0:width]
    ground, ink = random.integers(0, 256, 3), random.integers(0, 256, 3)
    centre = random.uniform(0.3, 0.7, 2) * (height, width)
    weight = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (0.08 * height * width))[..., None]
    pixels = ground * (1 - weight) + ink * weight + random.normal(0, 6, (height, width, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 small drawings."""
    folder = tmp_path_factory.mktemp("drawings")
    for i in range(40):
        drawing(i).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="session")
def data(drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Those drawings prepared at 16 px."""
    return prepare(drawings, tmp_path_factory.mktemp("prepared") / "data", size=16, workers=1)


@pytest.fixture
def tiny() -> Recipe:
    """A recipe that trains 8 steps in about a second."""
    return recipe.parse(TINY, "tests")
