"""lightweight-gan on a CPU, for the benchmarks that have it as a contender; it is made for CUDA only."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any


def trainer(folder: Path, side: int, batch: int) -> Any:
    """Its own trainer with its own settings for a small set, ready to make steps on what is put into ``loader``."""
    import torch

    if find_spec("torchvision") is None:  # it saves and reads pictures with it, no step needs it
        for name in ("torchvision", "torchvision.transforms"):
            sys.modules[name] = ModuleType(name)
        sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]  # type: ignore[attr-defined]
    here: Any = lambda self, *_, **__: self  # noqa: E731
    torch.Tensor.cuda, torch.nn.Module.cuda = here, here  # type: ignore[method-assign]
    torch.cuda.is_available, there = (lambda: True), torch.cuda.is_available  # asked once, as it is imported
    from lightweight_gan import lightweight_gan as theirs  # type: ignore[import-not-found]

    torch.cuda.is_available = there
    theirs.torch = SimpleNamespace(**{**vars(torch), "device": lambda *_: torch.device("cpu")})
    made = theirs.Trainer(
        base_dir=folder,
        image_size=side,
        batch_size=batch,
        aug_prob=0.3,
        use_aim=False,
        save_every=10**9,
        evaluate_every=10**9,
    )
    made.init_GAN()
    made.steps = 1  # no saving before the first step
    return made
