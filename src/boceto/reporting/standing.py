"""How a run stands: what can be told of it without drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from boceto import archs
from boceto.recipe import Recipe
from boceto.runs import Run

State = Literal["training", "finished", "stopped"]


@dataclass(frozen=True)
class Standing:
    """How far a run has come. Of one that is not being trained only what is saved counts: it goes on from there."""

    run: Run
    state: State
    nimg: int
    log: Sequence[Mapping[str, Any]]
    shape: tuple[int, int, int]  # (H, W, C) of the pictures that it draws in the end

    @property
    def epochs(self) -> float:
        """How often it has seen every drawing."""
        return self.nimg / self.run.pictures

    @property
    def seconds(self) -> float:
        """Wall seconds of training, all sessions together."""
        return max((float(line.get("seconds", 0.0)) for line in self.log), default=0.0)

    @property
    def images_per_second(self) -> float | None:
        """The median of the log's; None if it has none."""
        rates = [float(line["images_per_second"]) for line in self.log if "images_per_second" in line]
        return median(rates) if rates else None

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "state": self.state,
            "begun": str(self.run.about["begun"]),
            "architecture": self.run.recipe.arch["name"],
            "shape": list(self.shape),
            "nimg": self.nimg,
            "epochs": round(self.epochs, 3),
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
        }


def standing(run: Run) -> Standing:
    """How a run stands now. Raises UsageError if its network is unknown here, Fault if its log cannot be read."""
    training, log, seen, size = run.in_training(), run.read_log(), run.seen(), shape(run.recipe)
    if training:
        return Standing(run, "training", max([seen, *(line["nimg"] for line in log)]), log, size)
    saved = [line for line in log if line["nimg"] <= seen]
    return Standing(run, "finished" if run.is_finished() else "stopped", seen, saved, size)


def shape(recipe: Recipe) -> tuple[int, int, int]:
    """(H, W, C) of the pictures that a network draws in the end, without building it."""
    config: Any = archs.configure(recipe)
    height, width = getattr(config, "size", (config.resolution, config.resolution))
    return height, width, config.channels


def network(recipe: Recipe) -> str:
    """An architecture and the size it draws at: ``dcgan 64``."""
    height, width, _ = shape(recipe)
    return f"{recipe.arch['name']} {width if width == height else f'{width}×{height}'}"
