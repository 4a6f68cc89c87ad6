"""Figures of a study: charts of tags, groups and sizes, and sheets of pictures in rows."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from boceto.data.study import CELL, Look, Row, columns
from boceto.data.tags import TagCounts
from boceto.reporting import figures

_INK, _GRID, _BAR, _DOT = "#3d3846", "#d9d6df", "#2f6fb0", "#c6493b"
_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "Hiragino Sans",
    "Yu Gothic",
    "Microsoft YaHei",
    "PingFang SC",
    "Malgun Gothic",
)
_RATIOS = {"1:8": 1 / 8, "1:4": 1 / 4, "1:2": 1 / 2, "2:3": 2 / 3, "1:1": 1, "3:2": 3 / 2, "2:1": 2, "4:1": 4, "8:1": 8}


def counts(named: TagCounts, of: int, width: float = 6.1) -> Figure:
    """Lying bars, the first on top: how many pictures have each, and the share ``of`` all. ``width`` in inches."""
    figure = Figure(figsize=(width, 0.65 + 0.215 * len(named)), layout="constrained")
    axes = figure.subplots()
    values = [count for _, count in named]
    bars = axes.barh(range(len(named)), values, color=_BAR, height=0.72)
    axes.set_yticks(
        range(len(named)), [_clipped(name) for name, _ in named], family=_families(), fontsize=9, parse_math=False
    )
    texts = [f"{count:,}  ({count / max(of, 1):.1%})" for count in values]
    axes.bar_label(bars, labels=texts, padding=4, fontsize=8, color=_INK)
    axes.set(xlabel="pictures", ylim=(len(named) - 0.4, -0.6), xlim=(0, (1 + 1.7 / width) * max(values, default=1)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_major_locator(MaxNLocator(round(width), integer=True))
    axes.grid(axis="x", color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def sizes(looks: Sequence[Look]) -> Figure:
    """Width against height in pixels; a dot's area grows with the number of pictures of that size."""
    found = Counter((look.width, look.height) for look in looks)
    (width, height), number = np.array(list(found)).T, np.array(list(found.values()))
    figure, axes = _panel()
    area = 8 + 260 * number / number.max() if len(found) < 200 else 9
    axes.scatter(width, height, s=area, color=_DOT, alpha=0.45, linewidth=0, rasterized=len(found) > 400)
    low, high = 0.85 * min(width.min(), height.min()), 1.15 * max(width.max(), height.max())
    if high > 6 * low:
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            steps = [s * 10**n for n in range(6) for s in (1, 2, 5) if low <= s * 10**n <= high]
            axis.set_ticks(steps, [f"{step:,}" for step in steps])
            axis.set_minor_formatter(NullFormatter())
            axis.set_tick_params(which="minor", length=0)
    axes.plot([low, high], [low, high], color=_GRID, linewidth=1, zorder=0)
    axes.set(xlabel="width, pixels", ylabel="height, pixels", xlim=(low, high), ylim=(low, high))
    axes.set_box_aspect(1)
    return figure


def ratios(looks: Sequence[Look]) -> Figure:
    """How many pictures have which ratio of width to height; the axis is logarithmic, so 1:2 is as far out as 2:1."""
    values = np.log2([look.width / look.height for look in looks])
    reach = min(32, max(10, math.ceil(10 * np.abs(values).max())))  # tenths of a doubling to either side
    edges = (np.arange(-reach, reach + 2) - 0.5) / 10  # 1:1 is the middle of a bar
    figure, axes = _panel()
    axes.hist(values.clip(edges[0], edges[-1]), bins=edges.tolist(), color=_BAR, rwidth=0.86)
    ticks = {name: np.log2(ratio) for name, ratio in _RATIOS.items() if edges[0] <= np.log2(ratio) <= edges[-1]}
    axes.set_xticks(list(ticks.values()), list(ticks), fontsize=9)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes.set(xlabel="width : height", ylabel="pictures")
    axes.set_box_aspect(1)
    return figure


def drawn(figure: Figure) -> tuple[str, Image.Image]:
    """A chart as SVG text and as pixels; letters that the font lacks become boxes, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        return figures.svg(figure), figures.raster(figure)


def strip(row: Row, *, enlarge: bool = False) -> tuple[Image.Image, int]:
    """A row's pictures on white, as many beside each other as the page holds; and how fine, in pixels a page's pixel.

    ``enlarge``: bring them to the size of the page's cells, whatever theirs is, with sharp edges.
    """
    pictures, fine = row.pictures, 2 if enlarge or row.pictures.shape[1] > CELL else 1
    if enlarge:
        pictures = np.stack([_enlarged(picture, 2 * CELL) for picture in pictures])
    else:
        pictures = pictures.repeat(times := max(1, CELL // pictures.shape[1]), axis=1).repeat(times, axis=2)
    n, side, _, _ = pictures.shape
    step = side + fine * 8
    across = min(n, columns(side))
    canvas = np.full((math.ceil(n / across) * step - fine * 8, across * step - fine * 8, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = i // across * step, i % across * step
        canvas[top : top + side, left : left + side] = picture
    return Image.fromarray(canvas), fine


def stacked(rows: Sequence[Row], *, enlarge: bool = False) -> Image.Image:
    """All rows of a sheet under each other, each under its label and over its notes, as one picture."""
    strips = [(row, *strip(row, enlarge=enlarge)) for row in rows]
    fine = max(fine for _, _, fine in strips)
    font = font_manager.findfont("DejaVu Sans")  # comes with Matplotlib, and has more letters than Pillow's own
    large, small = ImageFont.truetype(font, 13 * fine), ImageFont.truetype(font, 10 * fine)
    margin = 12 * fine
    heights = [picture.height + fine * (12 + 24 * bool(row.label) + 30 * bool(row.notes)) for row, picture, _ in strips]
    width = max(picture.width for _, picture, _ in strips)
    page = Image.new("RGB", (2 * margin + width, margin + sum(heights)), "white")
    pen, top = ImageDraw.Draw(page), margin
    for row, picture, _ in strips:
        if row.label:
            pen.text((margin, top), _clipped(row.label, 90), fill=_INK, font=large)
            top += 24 * fine
        page.paste(picture, (margin, top))
        top += picture.height
        step = (picture.width + fine * 8) // min(len(row.pictures), columns(CELL))
        for i, note in enumerate(row.notes):
            pen.text((margin + i * step, top + 4 * fine), _clipped(note).replace(": ", "\n"), fill=_INK, font=small)
        top += margin + (30 * fine if row.notes else 0)
    return page


def _panel() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.9, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


@cache
def _families() -> list[str]:
    """The usual font, and after it those of this machine that have the letters of tags from further east."""
    known = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(font for font in _FONTS if font in known)]


def _clipped(text: str, length: int = 34) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _enlarged(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(S, S, 3) → (side, side, 3), nearest neighbour; where S does not divide the side, edges fall between pixels."""
    common = math.lcm(len(picture), side)
    times = common // len(picture)
    large = Image.fromarray(picture.repeat(times, axis=0).repeat(times, axis=1))
    return np.asarray(large.resize((side, side), Image.Resampling.BOX))
