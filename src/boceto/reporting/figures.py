"""Figures of a run, as plain functions from its log and pictures to an SVG chart or a PNG sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from boceto.sampling import Images, sheet

matplotlib.rcParams["svg.hashsalt"] = "boceto"  # the same log gives the same file

_INK, _GRID = "#3d3846", "#d9d6df"
_D, _G, _REAL, _FAKE = "#c6493b", "#2f6fb0", "#2e8b63", "#d08a1e"
_Log = Sequence[Mapping[str, Any]]


def losses(log: _Log) -> Figure:
    """Loss of D and G against thousands of images seen, as logged (means between lines) and smoothed."""
    return _chart(log, {"d/loss": ("D", _D), "g/loss": ("G", _G)}, "loss")


def scores(log: _Log) -> Figure:
    """How often D is right on real and on generated pictures: 0.5 and 0.5 is balance, 1 and 1 is a D too certain."""
    lines = {"d/real_right": ("real called real", _REAL), "d/fake_right": ("generated called generated", _FAKE)}
    figure = _chart(log, lines, "share right")
    figure.axes[0].set_ylim(-0.02, 1.02)
    figure.axes[0].axhline(0.5, color=_GRID, linewidth=1, zorder=0)
    return figure


def generated_and_real(generated: Images, real: Images, scale: int = 2) -> Image.Image:
    """Two rows under their names: uint8 (N, H, W, C) each (R55 of the first thesis)."""
    rows = [sheet(images, columns=len(images), scale=scale).convert("RGB") for images in (generated, real)]
    font = ImageFont.load_default(15)
    label = 26
    page = Image.new("RGB", (rows[0].width, sum(row.height + label for row in rows)), "white")
    pen = ImageDraw.Draw(page)
    top = 0
    for name, row in zip(("generated", "real"), rows, strict=True):
        pen.text((2 * scale, top + 5), name, fill=_INK, font=font)
        page.paste(row, (0, top + label))
        top += label + row.height
    return page


def evolution(samples: Mapping[int, Path], count: int, rows: int = 8, columns: int = 10) -> Image.Image:
    """The same latents downwards in time, one row a sheet, images seen beside it (Fig. 27 of the first thesis).

    ``samples``: images seen → sheet of ``count`` pictures as ``sampling.sheet`` lays them. Moments are chosen evenly
    in the logarithm of time, since most happens early.
    """
    moments = sorted(samples)
    if not moments:
        raise ValueError("no sheets")
    chosen = sorted({moments[round(i)] for i in np.geomspace(1, len(moments), min(rows, len(moments))) - 1})
    strips = [_first_pictures(Image.open(samples[nimg]).convert("RGB"), count, columns) for nimg in chosen]
    margin, font = 92, ImageFont.load_default(15)
    page = Image.new("RGB", (margin + strips[0].width, sum(strip.height for strip in strips)), "white")
    pen = ImageDraw.Draw(page)
    top = 0
    for nimg, strip in zip(chosen, strips, strict=True):
        pen.text((margin - 10, top + strip.height // 2), f"{nimg:,}", fill=_INK, font=font, anchor="rm")
        page.paste(strip, (margin, top))
        top += strip.height
    return page


def svg(figure: Figure) -> str:
    """A chart as SVG text without the file header, to stand in a page."""
    out = StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def raster(figure: Figure) -> Image.Image:
    """A chart as pixels, twice as fine as a screen."""
    out = BytesIO()
    figure.savefig(out, format="png", dpi=144)
    return Image.open(out).convert("RGB")


def _first_pictures(sheet_: Image.Image, count: int, columns: int, gap: int = 2) -> Image.Image:
    """The first pictures of a square sheet in one row."""
    per_row = int(np.ceil(np.sqrt(count)))
    cell = (sheet_.width - gap) // per_row
    columns = min(columns, count)
    strip = Image.new("RGB", (columns * cell + gap, cell), "white")
    for i in range(columns):
        left, top = (i % per_row) * cell, (i // per_row) * cell
        strip.paste(sheet_.crop((left, top, left + cell + gap, top + cell)), (i * cell, 0))
    return strip


def _chart(log: _Log, lines: Mapping[str, tuple[str, str]], ylabel: str) -> Figure:
    figure = Figure(figsize=(5.6, 3.1), layout="constrained")
    axes = figure.subplots()
    for key, (label, colour) in lines.items():
        points = [(entry["nimg"] / 1000, entry[key]) for entry in log if key in entry]
        x, y = np.array(points, dtype=float).reshape(-1, 2).T
        axes.plot(x, y, color=colour, alpha=0.3, linewidth=1)
        axes.plot(x, _smooth(y), color=colour, linewidth=1.8, label=label)
    axes.set(xlabel="thousand images seen", ylabel=ylabel)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.has_data():
        axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def _smooth(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Centred moving average over a twentieth of the line."""
    window = max(1, len(values) // 20) | 1
    padded = np.pad(values, window // 2, mode="edge")
    return np.convolve(padded, np.ones(window) / window, mode="valid") if len(values) else values
