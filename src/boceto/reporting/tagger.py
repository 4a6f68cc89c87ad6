"""The page of a tagger: how well each tag is told, what it says of pictures it has not seen, and its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from boceto.data.screening import Pixels
from boceto.data.tags import plain
from boceto.files import write_image, write_text
from boceto.reporting.figures import GRID, INK, in_a_row
from boceto.reporting.html import embedded, render
from boceto.reporting.study_figures import drawn
from boceto.tagger.folder import About
from boceto.tagger.judging import Bools, Compared, Told, confusion, curve
from boceto.tagger.learning import Epoch

PAGE = "tagger.html"
SHOWN = 24  # pictures with what is said of them
_SAID = 6  # tags beside a picture
_LINE, _TEXT, _GAP = 30, 300, 16  # height of a line, room for text, and between pictures; twice a screen's pixels
_COLUMNS, _PANELS = 4, 5  # pictures in a row; curves in a row
_RIGHT, _WRONG, _MISSED = "#2e8b63", "#c6493b", "#8a6a1e"
_BAR, _SOFT = "#2f6fb0", "#8a8494"
MARKS = (("✓", "said, and true", _RIGHT), ("✗", "said, but not true", _WRONG), ("○", "true, but not said", _MISSED))


@dataclass(frozen=True)
class Test:
    """The pictures a tagger is judged on: uint8 (N, H, W, C); what is true, its probabilities, what it says: (N, K)."""

    images: Pixels
    truth: Bools
    probabilities: NDArray[np.float32]
    said: Bools


def write(folder: Path, about: About, epochs: Sequence[Epoch], test: Test) -> Path:
    """Write ``FOLDER/tagger.html`` and ``FOLDER/figures/``; the page's path."""
    charts = {
        "precision": precisions(about.judgement.tags),
        "curves": curves(about, test),
        "learning": learning(epochs, about.learnt.best_epoch),
    }
    if about.kind == "classes":
        charts["confusion"] = confusions(about.tags, confusion(test.truth, test.said))
    shown = {}
    for name, chart in charts.items():
        shown[name], picture = drawn(chart)
        write_image(folder / "figures" / f"{name}.png", picture)
        write_text(folder / "figures" / f"{name}.svg", shown[name])
    sheet = predictions(about.tags, test, about.learnt.seed)
    write_image(folder / "figures" / "predictions.png", sheet)
    right = float((test.truth & test.said).sum() / len(test.truth))
    page = folder / PAGE
    write_text(
        page,
        render(
            "tagger.html.j2",
            about=about,
            name=f"tagger-{about.weights[:8]}",
            rows=[(plain(told.name), told, threshold) for told, threshold in about.rows()],
            charts=shown,
            sheet={**embedded(sheet, lossy=True), "width": sheet.width // 2, "height": sheet.height // 2},
            marks=MARKS,
            shown=min(SHOWN, len(test.truth)),
            accuracy=right if about.kind == "classes" else None,
        ),
    )
    return page


# ── figures ──


def predictions(names: Sequence[str], test: Test, seed: int) -> Image.Image:
    """Test pictures drawn at random, with what is true and what is said (R65, Fig. 3 of the first thesis)."""
    chosen = np.random.Generator(np.random.PCG64(seed)).permutation(len(test.images))[:SHOWN]
    cells = [_cell(test.images[n], names, test.truth[n], test.said[n]) for n in chosen.tolist()]
    width, height = max(cell.width for cell in cells), cells[0].height
    columns = min(_COLUMNS, len(cells))
    top = 2 * _LINE
    page = Image.new("RGB", (columns * width + _GAP, -(-len(cells) // columns) * (height + _GAP) + top), "white")
    pen, left = ImageDraw.Draw(page), _GAP
    for sign, meaning, colour in MARKS:
        pen.text((left, top // 2), f"{sign} {meaning}", fill=colour, font=_font(), anchor="lm")
        left += int(_font().getlength(f"{sign} {meaning}")) + 3 * _GAP
    for place, cell in enumerate(cells):
        page.paste(cell, (_GAP + place % columns * width, top + place // columns * (height + _GAP)))
    return page


def _cell(image: Pixels, names: Sequence[str], truth: Bools, said: Bools) -> Image.Image:
    """One picture, and beside it what is true or said of it, a line each, with its mark."""
    lines = [
        (MARKS[0] if true and claimed else MARKS[1] if claimed else MARKS[2], name)
        for name, true, claimed in zip(names, truth, said, strict=True)
        if true or claimed
    ]
    lines.sort(key=lambda line: MARKS.index(line[0]))
    shown = lines if len(lines) <= _SAID else lines[: _SAID - 1]
    picture = in_a_row(image[None], _SAID * _LINE)
    cell = Image.new("RGB", (picture.width + _TEXT, picture.height), "white")
    cell.paste(picture, (0, 0))
    pen, left = ImageDraw.Draw(cell), picture.width + 8
    for i, ((sign, _, colour), name) in enumerate(shown):
        pen.text((left, (i + 0.5) * _LINE), f"{sign} {_clipped(name)}", fill=colour, font=_font(), anchor="lm")
    if len(shown) < len(lines):
        more = f"and {len(lines) - len(shown)} more"
        pen.text((left, (_SAID - 0.5) * _LINE), more, fill=_SOFT, font=_font(), anchor="lm")
    if not lines:
        pen.text((left, 0.5 * _LINE), f"{MARKS[0][0]} none", fill=_SOFT, font=_font(), anchor="lm")
    return cell


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Comes with Matplotlib, and has the marks."""
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 22)


def precisions(tags: Sequence[Told]) -> Figure:
    """Average precision of each tag with its 95 % interval, the best on top; a stroke is what guessing gives."""
    tags = sorted(tags, key=lambda told: -told.ap)
    figure = Figure(figsize=(6.1, 0.9 + 0.235 * len(tags)), layout="constrained")
    axes, places = figure.subplots(), np.arange(len(tags))
    values = np.array([told.ap for told in tags])
    ends = np.array([(told.ap_low, told.ap_high) for told in tags])
    errors = np.abs(ends.T - values).clip(0)
    axes.barh(places, values, color=_BAR, alpha=0.75, height=0.7, label="average precision, 95 %")
    axes.errorbar(values, places, xerr=errors, fmt="none", ecolor=INK, elinewidth=1.1, capsize=2)
    base = [told.base_rate for told in tags]
    axes.scatter(base, places, marker="|", s=95, color=_WRONG, linewidth=2, zorder=3, label="guessing (base rate)")
    labels = [f"{_clipped(told.name)}  ({told.support:,})" for told in tags]
    axes.set_yticks(places, labels, fontsize=9, parse_math=False)
    axes.set(xlim=(0, 1), ylim=(len(tags) - 0.4, -0.6), xlabel="average precision on the test pictures")
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
    return figure


def curves(about: About, test: Test) -> Figure:
    """Precision over recall of each tag, the dashed line what guessing gives, the dot where its threshold lies."""
    tags = about.judgement.tags
    rows = math.ceil(len(tags) / _PANELS)
    figure = Figure(figsize=(11.2, 2.15 * rows + 0.35), layout="constrained")
    grid = figure.subplots(rows, _PANELS, squeeze=False, sharex=True, sharey=True)
    for place, axes in enumerate(grid.flat):
        if place >= len(tags):
            axes.set_axis_off()
        elif place + _PANELS >= len(tags):  # the lowest of its column
            axes.tick_params(labelbottom=True)
    for k, (axes, told) in enumerate(zip(grid.flat, tags, strict=False)):
        _, precision, recall = curve(test.probabilities[:, k], test.truth[:, k])
        axes.plot(np.insert(recall, 0, 0), np.insert(precision, 0, precision[0]), color=_BAR, linewidth=1.6)
        axes.axhline(told.base_rate, color=_WRONG, linewidth=1, linestyle="--")
        if told.precision is not None:
            axes.plot(told.recall, told.precision, "o", color=INK, markersize=5)
        axes.set_title(f"{_clipped(told.name)}  {told.ap:.2f}", fontsize=9, parse_math=False)
        axes.set(xlim=(0, 1), ylim=(0, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        axes.grid(color=GRID, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("recall", fontsize=10)
    figure.supylabel("precision", fontsize=10)
    return figure


def confusions(names: Sequence[str], counts: NDArray[np.int64]) -> Figure:
    """The confusion matrix of classes (K, K): pictures, and percent of the row; an empty row is 0 %."""
    side = 1.6 + 0.62 * len(names)
    figure = Figure(figsize=(2 * side + 1.2, side), layout="constrained")
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    words = ([[f"{n:,}" for n in row] for row in counts], [[f"{100 * p:.1f} %" for p in row] for row in share])
    middles = np.arange(len(names)) + 0.5
    for axes, texts, title in zip(figure.subplots(1, 2), words, ("pictures", "percent of the row"), strict=True):
        axes.pcolormesh(share, cmap="Blues", vmin=0, vmax=1.4)
        for (y, x), _ in np.ndenumerate(share):
            axes.text(x + 0.5, y + 0.5, texts[y][x], ha="center", va="center", color=INK, fontsize=9)
        axes.set(title=title, xlabel="told", ylabel="truly", ylim=(len(names), 0), aspect="equal")
        axes.set_xticks(middles, map(_clipped, names), rotation=35, ha="right", fontsize=9, parse_math=False)
        axes.set_yticks(middles, map(_clipped, names), fontsize=9, parse_math=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def learning(epochs: Sequence[Epoch], best: int) -> Figure:
    """Loss while learning and mean AP on the validation pictures, epoch by epoch; the dot is the one that was kept."""
    figure = Figure(figsize=(4.6, 3.1), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    numbers = range(1, len(epochs) + 1)
    left.plot(numbers, [epoch.loss for epoch in epochs], color=_SOFT, linewidth=1.6, linestyle="--", label="loss")
    right.plot(numbers, [epoch.mean_ap for epoch in epochs], color=_BAR, linewidth=1.8, label="mean AP, validation")
    right.plot(best, epochs[best - 1].mean_ap, "o", color=INK, markersize=6, label="kept")
    left.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    right.set(ylabel="mean AP", ylim=(0, 1))
    left.grid(color=GRID, linewidth=0.6)
    for axes in (left, right):
        axes.spines[["top"]].set_visible(False)
    figure.legend(frameon=False, ncols=3, loc="outside upper left", fontsize=9)
    return figure


def shares(tags: Sequence[Compared]) -> Figure:
    """How often each tag is said of generated and of real pictures, with 95 % intervals, the commonest on top."""
    tags = sorted(tags, key=lambda told: -told.real.value)
    figure = Figure(figsize=(7.2, 1.0 + 0.3 * len(tags)), layout="constrained")
    axes = figure.subplots()
    for shift, marker, colour, part in ((-0.16, "o", _RIGHT, "real"), (0.16, "D", "#d08a1e", "generated")):
        found = [getattr(told, part) for told in tags]
        values = np.array([share.value for share in found])
        errors = np.abs(np.array([(share.low, share.high) for share in found]).T - values)
        places = np.arange(len(tags)) + shift
        axes.errorbar(values, places, xerr=errors, fmt=marker, color=colour, markersize=5, elinewidth=1.4, label=part)
    labels = [_clipped(told.name) for told in tags]
    axes.set_yticks(range(len(tags)), labels, fontsize=9, parse_math=False)
    axes.set(ylim=(len(tags) - 0.4, -0.6), xlim=(0, None), xlabel="share of the pictures it is said of, 95 %")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def write_shares(out: Path, tags: Sequence[Compared]) -> None:
    """Draw them into ``out``: .svg, or a picture. Raises UsageError for another ending."""
    svg, picture = drawn(shares(tags))
    if out.suffix.lower() == ".svg":
        write_text(out, svg)
    else:
        write_image(out, picture)


def _clipped(name: str, length: int = 18) -> str:
    name = plain(name)
    return name if len(name) <= length else name[: length - 1] + "…"
