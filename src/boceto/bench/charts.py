"""What a benchmark found, drawn: recipe beside recipe, and the convolution test as the thesis draws it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from boceto.bench.account import Account, Training
from boceto.files import write_image, write_text
from boceto.reporting import figures
from boceto.reporting.figures import GRID, INK
from boceto.reporting.tables import digits

_BLUE, _ORANGE, _SOFT = "#2f6fb0", "#d08a1e", "#8a8494"
NAMES = tuple(f"{name}.{kind}" for name in ("bench", "convolution") for kind in ("png", "svg"))


def write(folder: Path, account: Account) -> None:
    """Every chart that there is something for, as PNG and SVG."""
    with warnings.catch_warnings():  # a name in signs that the font has not shows boxes for them
        warnings.filterwarnings("ignore", "Glyph .* missing")
        for name, figure in _figures(account):
            write_image(folder / f"{name}.png", figures.raster(figure))
            write_text(folder / f"{name}.svg", figures.svg(figure))


def _figures(account: Account) -> Iterator[tuple[str, Figure]]:
    if any(row.found for row in account.recipes):
        yield "bench", recipes(account)
    if account.convolution:
        yield "convolution", convolution(account)


def recipes(account: Account) -> Figure:
    """Images a second in training, with the share of the ceiling, and in drawing; both axes are logarithmic."""
    rows = [(row.name, row.found) for row in reversed(account.recipes) if row.found is not None]
    figure = Figure(figsize=(9.6, 1.5 + 0.36 * len(rows)), layout="constrained")
    training, drawing = figure.subplots(1, 2, sharey=True)
    places = range(len(rows))
    found: list[Training] = [one for _, one in rows]
    rates = [one.images_per_second for one in found]
    _dots(training, rates, _BLUE, "")
    for place, one in zip(places, found, strict=True):
        text = f"  {digits(one.images_per_second)} · {one.share:.0%}"
        training.text(one.images_per_second, place, text, va="center", fontsize=8.5, color=INK)
    training.set_yticks(places, [name for name, _ in rows], parse_math=False)  # a $ in a name is a $
    training.set_title("Training: images/s · share of the ceiling", fontsize=10, loc="left", color=INK)
    training.set_xlim(min(rates) / 2, max(rates) * 6)  # room for the words
    many, one_ = [one.drawn_per_second for one in found], [one.drawn_alone_per_second for one in found]
    drawing.hlines(places, one_, many, color=GRID, linewidth=2, zorder=1)
    _dots(drawing, many, _ORANGE, "64 at a time")
    _dots(drawing, one_, _SOFT, "one at a time")
    drawing.set_title("Drawing: images/s", fontsize=10, loc="left", color=INK)
    drawing.legend(frameon=False, fontsize=8.5, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0)
    drawing.set_xlim(min(one_) / 2, max(many) * 2)
    _said(figure, account)
    return figure


def convolution(account: Account) -> Figure:
    """Seconds of ten runs against N, a line a device (Fig. 18 of CómicGAN)."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    devices = list(dict.fromkeys(point.device for point in account.convolution))
    for device, colour in zip(devices, (_BLUE, _ORANGE, _SOFT), strict=False):
        points = [point for point in account.convolution if point.device == device]
        axes.plot([p.n for p in points], [p.seconds for p in points], "o-", color=colour, markersize=4, linewidth=1.6)
        name = {"cpu": "CPU", "cuda": "GPU (CUDA)", "mps": "GPU (MPS)"}.get(device, device)
        axes.annotate(
            name,
            (points[-1].n, points[-1].seconds),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=9,
        )
    axes.set_title("Ten convolutions: 32 filters 7×7 on 100 × N × N × 3", fontsize=10, loc="left", color=INK)
    axes.set_xlabel("N, pixels", fontsize=9)
    axes.set_ylabel("seconds", fontsize=9)
    axes.set_xlim(0, max(p.n for p in account.convolution) * 1.15)
    if len(devices) > 1:  # a GPU would lie flat on the ground
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_ylim(bottom=0)
    _plain(axes)
    axes.grid(color=GRID, linewidth=0.6)
    _said(figure, account)
    return figure


def _dots(axes: Axes, values: list[float], colour: str, label: str) -> None:
    axes.scatter(values, range(len(values)), s=34, color=colour, zorder=3, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5)


def _said(figure: Figure, account: Account) -> None:
    """Beneath a chart: of which machine, and when."""
    text = f"{account.machine.told} · {account.date[:10]}"
    figure.supxlabel(text, fontsize=8, color=_SOFT, x=0.01, ha="left", parse_math=False)
