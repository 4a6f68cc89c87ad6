"""Figures of a run, as plain functions from its log and pictures to an SVG chart or a PNG sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw, ImageFont

from boceto.gan import GAN
from boceto.runs import ranking
from boceto.runs import scores as scored
from boceto.sampling import Images, Layout, sheet

matplotlib.rcParams["svg.hashsalt"] = "boceto"  # the same log gives the same file

INK, GRID = "#3d3846", "#d9d6df"
_D, _G, _REAL, _FAKE = "#c6493b", "#2f6fb0", "#2e8b63", "#d08a1e"
_HELD_OUT = "#7a6bb0"
_FAR = 30.0  # times the usual size of the calmest curve
_Log = Sequence[Mapping[str, Any]]
_Names = Mapping[str, str]
_NETS: _Names = GAN.names()  # "d" and "g" → what they are called, unless another architecture's names are given


def losses(log: _Log, nets: _Names = _NETS) -> Figure:
    """Loss of D and G against thousands of images seen: thin as logged (means between lines), thick smoothed."""
    figure = _chart(log, {"d/loss": (nets["d"], _D), "g/loss": (nets["g"], _G)}, "loss")
    level(figure)
    return figure


def level(*charts: Figure) -> None:
    """One scale upwards for all these charts; a few outliers, and what is far out as in an explosion, may leave it."""
    lines = [np.asarray(line.get_ydata(), float) for chart in charts for line in chart.axes[0].lines]
    if lines := [line for line in lines if len(line)]:
        far = _FAR * max(min(float(np.median(np.abs(line))) for line in lines), 1.0)
        near = [part for line in lines if len(part := line[np.abs(line) <= far])]
        low = min(float(np.quantile(part, 0.01)) for part in near)
        high = max(float(np.quantile(part, 0.99)) for part in near)
        room = 0.05 * (high - low) or 0.5
        for chart in charts:
            chart.axes[0].set_ylim(low - room, high + room)


def scores(log: _Log) -> Figure:
    """How often D is right on real and on generated pictures: 0.5 and 0.5 is balance, 1 and 1 is a D too certain."""
    lines = {"d/real_right": ("real called real", _REAL), "d/fake_right": ("generated called generated", _FAKE)}
    if any("d/held_out_right" in entry for entry in log):
        lines["d/held_out_right"] = ("held out called real", _HELD_OUT)
    figure = _chart(log, lines, "share right")
    figure.axes[0].set_ylim(-0.02, 1.02)
    figure.axes[0].axhline(0.5, color=GRID, linewidth=1, zorder=0)
    return figure


def gradients(log: _Log, nets: _Names = _NETS) -> Figure:
    """Norms of the gradients of both nets, logarithmic: out of sight upwards they explode, downwards they vanish."""
    lines = {"d/gradient": (nets["d"], _D), "g/gradient": (nets["g"], _G)}
    figure = _chart(log, lines, "norm of the gradient")
    if any(entry.get(key, 0) > 0 for entry in log for key in lines):
        figure.axes[0].set_yscale("log")
    return figure


def variety(log: _Log) -> Figure:
    """How different G's pictures are from each other, real ones being 1, and the share that is unlike the others."""
    lines = {"g/variety": ("variety (real = 1)", _FAKE), "g/distinct": ("share unlike the others", _REAL)}
    figure = _chart(log, lines, "")
    figure.axes[0].set_ylim(bottom=0)
    return figure


def distance(log: _Log) -> Figure:
    """The score that snapshots are ranked by, as training went on: lower is nearer to the drawings.

    Where it has a standard error, twice that above and below; where it has a floor, what other real drawings reach.
    """
    told = scored(log)
    name = ranking({key: None for values in told.values() for key in values}) or ""
    figure = Figure(figsize=(5.6, 3.1), layout="constrained")
    axes = figure.subplots()
    lines = [entry for entry in log if "step" not in entry and name in entry]
    x = [entry["nimg"] / 1000 for entry in lines]
    y = np.array([float(entry[name]) for entry in lines])
    axes.plot(x, y, color=_FAKE, linewidth=1.8, marker="o", markersize=3, label=name)
    error = 2 * np.array([float(entry.get(f"{name}-error", 0)) for entry in lines])
    axes.fill_between(x, y - error, y + error, color=_FAKE, alpha=0.15, linewidth=0)
    if floors := [entry[f"{name}-floor"] for entry in lines if f"{name}-floor" in entry]:
        axes.axhline(floors[-1], color=_REAL, linewidth=1, linestyle="--", label="other real drawings")
    axes.set(xlabel="thousand images seen", ylabel="distance ×1000; lower is nearer")
    axes.set_ylim(bottom=-0.03 * float(y.max()))
    _finish(axes)
    return figure


def epochs(log: _Log, pictures: int, nets: _Names = _NETS) -> Figure:
    """Mean losses of every whole epoch (R33 of the theses); ``pictures`` make one."""
    means = epoch_means(log, pictures)
    figure = Figure(figsize=(5.6, 3.1), layout="constrained")
    axes = figure.subplots()
    for key, label, colour in (("d/loss", nets["d"], _D), ("g/loss", nets["g"], _G)):
        x = sorted(epoch for epoch in means if key in means[epoch])
        axes.plot(
            x, [means[epoch][key] for epoch in x], color=colour, linewidth=1.8, marker="o", markersize=4, label=label
        )
    axes.set(xlabel="epoch", ylabel="mean loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    level(figure)
    _finish(axes)
    return figure


def epoch_means(log: _Log, pictures: int) -> dict[int, dict[str, float]]:
    """Epoch (from 1) → key → mean over the images seen in it; a line counts to the epoch its middle lies in."""
    sums: dict[int, dict[str, tuple[float, int]]] = {}
    before = 0
    for entry in log:
        weight, middle = entry["nimg"] - before, (entry["nimg"] + before) / 2
        before = entry["nimg"]
        place = sums.setdefault(int(middle // pictures) + 1, {})
        for key in ("d/loss", "g/loss"):
            if key in entry and weight > 0:
                total, count = place.get(key, (0.0, 0))
                place[key] = total + weight * entry[key], count + weight
    return {epoch: {key: total / count for key, (total, count) in found.items()} for epoch, found in sums.items()}


Counts = np.ndarray[Any, np.dtype[np.int64]]


def confusion_counts(log: _Log, last: int) -> Counts:
    """D's confusion matrix over the last lines of the log: (2, 2), rows real and generated, columns what D said.

    As many generated as real pictures were shown in each step.
    """
    return _whole(sum((matrix for _, matrix in _confusions(log)[-last:]), np.zeros((2, 2))))


def epoch_confusions(log: _Log, pictures: int) -> dict[int, Counts]:
    """Epoch (from 1) → its confusion matrix; a line counts to the epoch its middle lies in."""
    sums: dict[int, np.ndarray[Any, np.dtype[np.float64]]] = {}
    for middle, matrix in _confusions(log):
        epoch = int(middle // pictures) + 1
        sums[epoch] = sums.get(epoch, np.zeros((2, 2))) + matrix
    return {epoch: _whole(matrix) for epoch, matrix in sums.items()}


def _confusions(log: _Log) -> list[tuple[float, np.ndarray[Any, np.dtype[np.float64]]]]:
    """Of each line the middle of the images it stands for, and their matrix."""
    found, before = [], 0
    for entry in log:
        shown, middle = entry["nimg"] - before, (entry["nimg"] + before) / 2
        real, fake = (shown * min(max(entry[f"d/{name}_right"], 0.0), 1.0) for name in ("real", "fake"))
        found.append((middle, np.array([[real, shown - real], [shown - fake, fake]])))
        before = entry["nimg"]
    return found


def _whole(matrix: np.ndarray[Any, np.dtype[np.float64]]) -> Counts:
    return np.round(matrix).astype(np.int64)


def confusion(counts: Counts) -> Figure:
    """The matrix in pictures and in percent of its rows (R34 of the theses); an empty row is 0 %."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    share = _of_row(counts)
    texts = ([[f"{n:,}" for n in row] for row in counts], [[f"{100 * p:.1f} %" for p in row] for row in share])
    titles = ("pictures", "percent of the row")
    for axes, words, title in zip(figure.subplots(1, 2), texts, titles, strict=True):
        _matrix(axes, share, words, 15)
        axes.set(title=title, xlabel="D says", ylabel="truly")
    return figure


def confusions(by_epoch: Mapping[int, Counts], most: int = 12) -> Figure:
    """The matrices of up to ``most`` epochs from the first to the last, in percent of the row above the pictures."""
    epochs = sorted(by_epoch)
    shown = [epochs[i] for i in np.unique(np.linspace(0, len(epochs) - 1, min(most, len(epochs))).round().astype(int))]
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(2.1 * columns, 2.15 * rows), layout="constrained")
    for axes, epoch in zip(figure.subplots(rows, columns, squeeze=False).flat, shown, strict=False):
        share = _of_row(by_epoch[epoch])
        pairs = zip(share, by_epoch[epoch], strict=True)
        words = [[f"{100 * p:.0f} %\n{n:,}" for p, n in zip(*row, strict=True)] for row in pairs]
        _matrix(axes, share, words, 9)
        axes.set_title(f"epoch {epoch}", fontsize=10)
    for axes in figure.axes[len(shown) :]:
        axes.set_visible(False)
    figure.supxlabel("D says", fontsize=10)
    figure.supylabel("truly", fontsize=10)
    return figure


def _of_row(counts: Counts) -> np.ndarray[Any, np.dtype[np.float64]]:
    rows = counts.sum(axis=1, keepdims=True)
    shares: np.ndarray[Any, np.dtype[np.float64]] = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    return shares


def _matrix(
    axes: Axes, share: np.ndarray[Any, np.dtype[np.float64]], words: Sequence[Sequence[str]], size: float
) -> None:
    """Two by two fields, as blue as their share, with words in them."""
    axes.pcolormesh(share, cmap="Blues", vmin=0, vmax=1.4)
    for (y, x), part in np.ndenumerate(share):
        axes.text(
            x + 0.5, y + 0.5, words[y][x], ha="center", va="center", color=INK, fontsize=size, alpha=0.6 + 0.4 * part
        )
    axes.set(xticks=[0.5, 1.5], yticks=[0.5, 1.5], ylim=(2, 0), aspect="equal")
    axes.set_xticklabels(["real", "generated"], fontsize=max(8, 0.7 * size))
    axes.set_yticklabels(["real", "generated"], rotation=90, va="center", fontsize=max(8, 0.7 * size))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def named_rows(rows: Mapping[str, Images], side: int = 96) -> Image.Image:
    """Rows of pictures, uint8 (N, H, W, C) each, with their names beside them; all are brought to one display side."""
    font, gap = ImageFont.load_default(15), 6
    strips = {name: in_a_row(images, side) for name, images in rows.items()}
    margin = 14 + max(
        int(ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), name, font=font)[2]) for name in rows
    )
    width = margin + max(strip.width for strip in strips.values())
    page = Image.new("RGB", (width, sum(strip.height + gap for strip in strips.values()) + gap), "white")
    pen, top = ImageDraw.Draw(page), gap
    for name, strip in strips.items():
        place = margin - 8, top + strip.height // 2
        pen.multiline_text(place, name, fill=INK, font=font, anchor="rm", align="right")
        page.paste(strip, (margin, top))
        top += strip.height + gap
    return page


def in_a_row(images: Images, side: int) -> Image.Image:
    """Pictures in one row, the longer side brought to ``side``: small ones pixel by pixel, large ones smoothly."""
    height, width = images.shape[1:3]
    longer = max(height, width)
    size = max(1, round(width * side / longer)), max(1, round(height * side / longer))
    kind = Image.Resampling.LANCZOS if longer > side // 2 else Image.Resampling.NEAREST
    row = Image.new("RGB", (len(images) * (size[0] + 2), size[1]), "white")
    for i, image in enumerate(images):
        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("RGB")
        row.paste(picture.resize(size, kind), (i * (size[0] + 2), 0))
    return row


def generated_and_real(generated: Images, real: Images, scale: int = 2) -> Image.Image:
    """Two rows under their names: uint8 (N, H, W, C) each (R55 of the first thesis)."""
    rows = [sheet(images, columns=len(images), scale=scale).convert("RGB") for images in (generated, real)]
    font = ImageFont.load_default(15)
    label = 26
    page = Image.new("RGB", (rows[0].width, sum(row.height + label for row in rows)), "white")
    pen = ImageDraw.Draw(page)
    top = 0
    for name, row in zip(("generated", "real"), rows, strict=True):
        pen.text((2 * scale, top + 5), name, fill=INK, font=font)
        page.paste(row, (0, top + label))
        top += label + row.height
    return page


def evolution(samples: Mapping[int, Path], laid: Layout, rows: int = 8, columns: int = 10) -> Image.Image:
    """The same latents downwards in time, one row a sheet, images seen beside it (Fig. 27 of the first thesis).

    ``samples``: images seen → sheet, ``laid`` so. Moments are chosen evenly in the logarithm of time, since most
    happens early.
    """
    moments = sorted(samples)
    if not moments:
        raise ValueError("no sheets")
    chosen = sorted({moments[round(i)] for i in np.geomspace(1, len(moments), min(rows, len(moments))) - 1})
    strips = [_first_pictures(Image.open(samples[nimg]).convert("RGB"), laid, columns) for nimg in chosen]
    margin, font = 92, ImageFont.load_default(15)
    page = Image.new("RGB", (margin + strips[0].width, sum(strip.height for strip in strips)), "white")
    pen = ImageDraw.Draw(page)
    top = 0
    for nimg, strip in zip(chosen, strips, strict=True):
        pen.text((margin - 10, top + strip.height // 2), f"{nimg:,}", fill=INK, font=font, anchor="rm")
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


def _first_pictures(sheet_: Image.Image, laid: Layout, columns: int, gap: int = 2) -> Image.Image:
    """The first pictures of a sheet in one row."""
    if laid.names and columns > laid.columns:
        columns -= columns % laid.columns  # a row has all labels, or is left out
    boxes = laid.cells(sheet_, gap)[:columns]
    width, height = boxes[0][2] - boxes[0][0], boxes[0][3] - boxes[0][1]
    strip = Image.new("RGB", (len(boxes) * width + gap, height), "white")
    for i, (left, top, right, bottom) in enumerate(boxes):
        strip.paste(sheet_.crop((left, top, right + gap, bottom)), (i * width, 0))
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
    _finish(axes)
    return figure


def _finish(axes: Axes) -> None:
    """The look of every chart: a light grid, no box, the legend above."""
    axes.grid(color=GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.has_data():
        axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))


def _smooth(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Centred moving average over a twentieth of the line."""
    window = max(1, len(values) // 20) | 1
    padded = np.pad(values, window // 2, mode="edge")
    return np.convolve(padded, np.ones(window) / window, mode="valid") if len(values) else values
