"""Other programs that watch a training: TensorBoard, Weights & Biases, or whatever keeps to ``Tracker``.

The run folder is complete without them. They are told what is logged, drawn and found, and nothing is read from them.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Protocol

import numpy as np
from PIL import Image

from boceto.errors import UsageError, nearest
from boceto.runs import Run


class Tracker(Protocol):
    """What is told to a program that watches a run. None of these is called between log lines."""

    def line(self, line: Mapping[str, float]) -> None:
        """A line of the log (``docs/run-folder.md``); ``nimg`` is its time."""

    def sheet(self, nimg: int, picture: Image.Image) -> None:
        """The sheet of samples after ``nimg`` images."""

    def finding(self, nimg: int, text: str) -> None:
        """What the doctor has found."""

    def close(self) -> None:
        """The training has stopped."""


class TensorBoard:
    """Event files in ``RUN/tensorboard``, to be seen with ``tensorboard --logdir RUN``; what was lost is purged."""

    def __init__(self, run: Run, nimg: int) -> None:
        module = importlib.import_module("torch.utils.tensorboard")
        self._writer = module.SummaryWriter(str(run.folder / "tensorboard"), purge_step=nimg + 1)

    def line(self, line: Mapping[str, float]) -> None:
        for key, value in line.items():
            if key != "nimg":
                self._writer.add_scalar(key, value, int(line["nimg"]))

    def sheet(self, nimg: int, picture: Image.Image) -> None:
        self._writer.add_image("samples", np.asarray(picture.convert("RGB")), nimg, dataformats="HWC")

    def finding(self, nimg: int, text: str) -> None:
        self._writer.add_text("doctor", text, nimg)

    def close(self) -> None:
        self._writer.close()


class WandB:
    """A run at Weights & Biases under the run's id, resumed with it; its own environment variables say where.

    With ``WANDB_MODE=offline`` it is written to ``RUN/wandb`` only.
    """

    def __init__(self, run: Run, nimg: int) -> None:
        self._library = importlib.import_module("wandb")
        settings = {"id": run.id, "name": run.folder.resolve().name, "dir": str(run.folder), "resume": "allow"}
        self._run = self._library.init(project="boceto", config=json.loads(run.recipe.model_dump_json()), **settings)
        self._run.define_metric("*", step_metric="nimg")

    def line(self, line: Mapping[str, float]) -> None:
        self._run.log(dict(line))

    def sheet(self, nimg: int, picture: Image.Image) -> None:
        self._run.log({"nimg": nimg, "samples": self._library.Image(picture.convert("RGB"))})

    def finding(self, nimg: int, text: str) -> None:
        self._run.alert(title="boceto's doctor", text=f"{nimg:,} images: {text}")

    def close(self) -> None:
        self._run.finish()


Make = Callable[[Run, int], Tracker]  # of a run that goes on after so many images

KINDS: dict[str, Make] = {"tensorboard": TensorBoard, "wandb": WandB}
LIBRARIES = {"tensorboard", "wandb"}  # that have to be installed, by the extra of the same name


def require(wanted: Iterable[str | Make]) -> list[Make]:
    """Those that are wanted, by name or as what makes one, each once.

    Raises UsageError for one there is not, or whose library is not installed.
    """
    chosen = list(dict.fromkeys(wanted))
    for name in chosen:
        if isinstance(name, str) and name not in KINDS:
            raise UsageError(f"there is no tracker '{name}'{nearest(name, KINDS)}")
        if name in LIBRARIES and importlib.util.find_spec(str(name)) is None:
            raise UsageError(f"tracking with {name} wants it installed: pip install 'boceto[{name}]'")
    return [KINDS[one] if isinstance(one, str) else one for one in chosen]


@contextmanager
def tracking(makes: Iterable[Make], run: Run, nimg: int) -> Iterator[list[Tracker]]:
    """The trackers of a run that goes on after ``nimg`` images, closed in the end."""
    with ExitStack() as stack:
        trackers = [make(run, nimg) for make in makes]
        for tracker in trackers:
            stack.callback(tracker.close)
        yield trackers
