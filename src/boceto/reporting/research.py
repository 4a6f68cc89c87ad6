"""The map of a piece of research (Fig. 55 of the first thesis): runs downwards in time, and what changed on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from boceto import recipe
from boceto.reporting.figures import GRID, INK
from boceto.runs import Run
from boceto.sampling import Images, sheet

_SOFT = "#8a8494"
_ARROW, _BEGUN_WITH = "#2f6fb0", "#2e8b63"
_WIDE, _HIGH, _BETWEEN = 5.3, 0.72, 0.78  # inches: a strip of pictures, its height, the space to the next
_LEFT, _RIGHT = 0.5, 4.0  # inches beside the strip: for arrows, for words
_TOLD = 3  # changes named between two runs


@dataclass(frozen=True)
class Step:
    """One run of the research: its pictures, uint8 (N, H, W, C), and the images it had seen when it drew them."""

    run: Run
    nimg: int
    pictures: Images


def research(steps: Sequence[Step]) -> Figure:
    """The runs in the order they were begun; an arrow from each to the next with the settings that changed.

    A run that began with another's nets (``--from``) has its arrow from that one, in green.
    """
    # of two begun in one second, the one that another may have begun with comes first
    steps = sorted(steps, key=lambda step: (str(step.run.about["begun"]), "origin" in step.run.about))
    pitch = _HIGH + _BETWEEN
    height = len(steps) * pitch - _BETWEEN + 0.2
    figure = Figure(figsize=(_LEFT + _WIDE + _RIGHT, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, _LEFT + _WIDE + _RIGHT), ylim=(height, 0))
    axes.axis("off")
    places = {_place(step.run.folder): number for number, step in enumerate(steps)}
    for number, step in enumerate(steps):
        top = 0.1 + number * pitch
        _strip(axes, step, top)
        origin = places.get(_place(step.run.about.get("origin", {}).get("run", "")))
        if origin is not None and origin < number:
            _curve(axes, 0.1 + origin * pitch + _HIGH / 2, top + _HIGH / 2)
            earlier = steps[origin]
        elif number:
            _arrow(axes, top)
            earlier = steps[number - 1]
        else:
            continue
        words = "\n".join(changes(earlier.run, step.run))
        axes.text(_LEFT + 0.55, top - _BETWEEN / 2, words, fontsize=8.5, color=INK, va="center", linespacing=1.35)
    return figure


def changes(old: Run, new: Run) -> list[str]:
    """What is different in a run, in a few short lines: drawings and network first, then the settings."""
    told: list[str] = []
    if old.about["data"]["content_hash"] != new.about["data"]["content_hash"]:
        told.append(f"drawings: {_data(old)} → {_data(new)}")
    a, b = old.recipe.arch["name"], new.recipe.arch["name"]
    if a != b:
        told.append(f"network: {a} → {b}")
    rest = [
        f"{key}: {_short(before)} → {_short(after)}"
        for key, (before, after) in recipe.differences(old.treated, new.treated).items()
        if not key.startswith("watch.") and not (key.startswith("arch.") and a != b)
    ]
    room = _TOLD - len(told)
    if len(rest) > room:
        rest = [*rest[: room - 1], f"and {len(rest) - room + 1} more settings"] if room else []
    return told + rest or ["the same once more"]


def _strip(axes: Axes, step: Step, top: float) -> None:
    """A run's pictures in one row, and beside them what it is."""
    row = sheet(step.pictures, columns=len(step.pictures), gap=1).convert("RGB")
    wide = min(_WIDE, _HIGH * row.width / row.height)
    axes.imshow(row, extent=(_LEFT, _LEFT + wide, top + _HIGH, top), interpolation="lanczos", aspect="auto", zorder=2)
    run, arch = step.run, step.run.recipe.arch
    height, width, channels = step.pictures.shape[1:]
    colour = "grey" if channels == 1 else "colour"
    words = f"{arch['name']}, {width}×{height} {colour}\n{_data(run)}, {step.nimg:,} images seen"
    left = _LEFT + _WIDE + 0.15
    axes.text(left, top + 0.02, run.folder.resolve().name, fontsize=11, color=INK, va="top", weight="bold")
    axes.text(left, top + 0.27, words, fontsize=8.5, color=_SOFT, va="top", linespacing=1.4)
    axes.plot([_LEFT, left + _RIGHT - 0.4], [top + _HIGH + 0.06] * 2, color=GRID, linewidth=0.6, zorder=0)


def _arrow(axes: Axes, top: float) -> None:
    axes.annotate(
        "",
        (_LEFT + 0.3, top - 0.06),
        (_LEFT + 0.3, top - _BETWEEN + 0.1),
        arrowprops={"arrowstyle": "-|>", "color": _ARROW, "linewidth": 1.6},
    )


def _curve(axes: Axes, start: float, end: float) -> None:
    """From a run to one that began with its nets, round the left side."""
    axes.annotate(
        "",
        (_LEFT - 0.03, end),
        (_LEFT - 0.03, start),
        arrowprops={
            "arrowstyle": "-|>",
            "color": _BEGUN_WITH,
            "linewidth": 1.6,
            "connectionstyle": "bar,fraction=-" + f"{0.3 / (end - start):.3f}",
        },
    )


def _data(run: Run) -> str:
    data: Mapping[str, Any] = run.about["data"]
    return Path(str(data["folder"])).name


def _place(folder: Path | str) -> str:
    return str(Path(folder).resolve()) if str(folder) else ""


def _short(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float) and value >= 1e9:
        return "no end"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else f"{text[:22]}…"
