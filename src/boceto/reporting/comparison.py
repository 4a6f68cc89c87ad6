"""The comparison of a ladder: runs of the same drawings, seed and budget on one HTML page that stands alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from boceto import archs
from boceto.files import write_image, write_text
from boceto.gan import GAN
from boceto.reporting import figures
from boceto.reporting.html import embedded, render
from boceto.reporting.tables import digits
from boceto.runs import Run
from boceto.sampling import Images, layout, sheet

PAGE = "comparison.html"
SHOWN, _ROW = 25, 5  # pictures on a rung's sheet, and in one of its rows
REAL = 10  # real drawings shown
_COLUMNS = 10  # of the overview
_CELL = 92  # pixels a side in the overview
_WIDE = 960  # pixels: as wide as the page shows a picture
_FINE = 96  # pixels: small pictures are enlarged by whole numbers to about this
_INK = "#3d3846"


@dataclass(frozen=True)
class Shown:
    """What a page shows of a rung: its run, the first pictures of the seed, and real ones of its size."""

    name: str
    run: Run
    generated: Images  # uint8 (25, H, W, C)
    real: Images  # uint8 (10, H, W, C), the same drawings for every rung


def compare(out: Path, account: Mapping[str, Any], shown: Sequence[Shown]) -> Path:
    """Write ``OUT/comparison.html`` and ``OUT/figures/`` and return the page's path.

    ``account`` is what ``ladder.json`` holds (see ``boceto.ladder``); its rungs that are not ``shown`` have drawn
    nothing. Raises Fault if something cannot be written.
    """
    folder = out / "figures"
    rungs = {rung["name"]: rung for rung in account["rungs"]}
    logs = {one.name: [e for e in one.run.read_log() if {"d/loss", "g/loss"} <= e.keys()] for one in shown}
    pictures: dict[str, dict[str, Any]] = {}
    charts: dict[str, dict[str, str]] = {one.name: {} for one in shown}

    def keep(name: str, picture: Image.Image, *, lossy: bool = False) -> None:
        write_image(folder / f"{name}.png", picture)
        pictures[name] = embedded(picture, lossy=lossy)

    if shown:
        keep("overview", overview(shown), lossy=True)
    for one in shown:
        side = one.generated.shape[1]
        scale = max(1, round(_FINE / side))
        keep(f"{one.name}-sheet", sheet(one.generated, scale=scale))
        keep(f"{one.name}-real", sheet(one.real[:_ROW], columns=_ROW, scale=scale))
        pair = figures.generated_and_real(one.generated[:REAL], one.real, scale)
        write_image(folder / f"{one.name}-generated-and-real.png", pair)
        with contextlib.suppress(OSError, ValueError):  # one damaged sheet shall not cost the page
            columns = min(10, max(4, _WIDE // side - 1))
            rows = figures.evolution(one.run.samples(), layout(one.run.recipe), rows=6, columns=columns)
            keep(f"{one.name}-evolution", rows, lossy=True)
    kinds = {one.name: archs.kind(one.run.recipe) for one in shown}
    for name, drawn in fared(logs, kinds).items():
        for kind, chart in drawn.items():
            charts[name][kind] = figures.svg(chart)
            write_image(folder / f"{name}-{kind}.png", figures.raster(chart))
            write_text(folder / f"{name}-{kind}.svg", charts[name][kind])
    html = render(
        "comparison.html.j2",
        account=account,
        title=Path(account["data"]["folder"]).name,
        budget=_budget(account),
        names=[one.name for one in shown],
        alone=[name for name, kind in kinds.items() if not kind.adversarial],
        rungs=rungs,
        pictures=pictures,
        charts=charts,
        groups=list(_table([rungs[one.name] for one in shown], not all(kind.adversarial for kind in kinds.values()))),
        common=_shape(account["common"]),
        columns=len(shown),
    )
    page = out / PAGE
    write_text(page, html)
    return page


def overview(shown: Sequence[Shown]) -> Image.Image:
    """One row a rung under its name, and below them real drawings of the last one's size."""
    rows = [(one.name, one.generated) for one in shown] + [("real drawings", shown[-1].real)]
    gap, label = 4, 30
    page = Image.new("RGB", (_COLUMNS * (_CELL + gap) - gap, len(rows) * (label + _CELL + gap)), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for number, (name, images) in enumerate(rows):
        top = number * (label + _CELL + gap)
        pen.text((0, top + 7), name, fill=_INK, font=font)
        for place, pixels in enumerate(images[:_COLUMNS]):
            picture = sheet(pixels[None], gap=0).convert("RGB").resize((_CELL, _CELL), Image.Resampling.LANCZOS)
            page.paste(picture, (place * (_CELL + gap), top + label))
    return page


def fared(logs: Mapping[str, Any], kinds: Mapping[str, type[GAN]]) -> dict[str, dict[str, Figure]]:
    """Of every run the ``losses``, and the ``scores`` of its D if it has one: name → kind → chart."""
    charts = {name: {"losses": chart} for name, chart in losses(logs, kinds).items()}
    for name, drawn in charts.items():
        if kinds[name].adversarial:
            drawn["scores"] = figures.scores(logs[name])
        for chart in drawn.values():
            chart.set_size_inches(5.6, 2.5)
    return charts


def losses(logs: Mapping[str, Any], kinds: Mapping[str, type[GAN]]) -> dict[str, Figure]:
    """A chart of losses for every run, all with a D to one scale upwards and all without to another."""
    charts = {name: figures.losses(log, kinds[name].names()) for name, log in logs.items()}
    for judged in (True, False):
        figures.level(*(chart for name, chart in charts.items() if kinds[name].adversarial is judged))
    return charts


# ── the table ──


def _table(rungs: Sequence[Mapping[str, Any]], alone: bool) -> Iterable[dict[str, Any]]:
    """Groups of rows; a cell is a text, a remark below it, and for a distance its bar and floor in shares.

    ``alone``: among the rungs is one without a D.
    """

    def group(name: str, *rows: tuple[str, Callable[[Any], Any]]) -> dict[str, Any]:
        return {"name": name, "rows": [(label, [_cell(tell(rung)) for rung in rungs]) for label, tell in rows]}

    yield group(
        "The network",
        ("architecture", lambda r: r["architecture"]),
        ("pictures", lambda r: _shape(r["shape"])),
        (f"parameters of G{' or the decoder' * alone}", lambda r: f"{r['parameters']['generator']:,}"),
        (f"parameters of D{' or the encoder' * alone}", lambda r: f"{r['parameters']['discriminator']:,}"),
    )
    yield group(
        "Its training",
        ("images seen", lambda r: (f"{r['nimg']:,}", f"{r['epochs']:.1f} epochs")),
        ("training time", lambda r: f"{timedelta(seconds=round(r['seconds']))}"),
        ("images a second, median", lambda r: digits(r["images_per_second"])),
        ("device", lambda r: r["device"]),
    )
    yield group(
        "What it cost",
        ("energy", lambda r: (f"{digits(r['energy']['wh'])} Wh", r["energy"]["source"])),
        ("carbon dioxide", lambda r: f"{digits(r['energy']['co2_grams'])} g"),
    )
    yield _distances("Distance to the drawings, all at the same size", [rung["swd"]["common"] for rung in rungs])
    if any(rung["swd"]["own"] != rung["swd"]["common"] for rung in rungs):
        yield _distances("Distance to the drawings, each at its own size", [rung["swd"]["own"] for rung in rungs])


def _distances(name: str, found: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """A row a level, the coarsest last, with bars to one scale."""
    levels = sorted({int(level) for one in found for level in one}, reverse=True)
    widest = max((max(entry.values()) for one in found for entry in one.values()), default=0.0) or 1.0
    rows = []
    for level in levels:
        cells = []
        for one in found:
            entry = one.get(str(level))
            cells.append(
                _cell("–")
                if entry is None
                else {
                    **_cell((digits(entry["distance"]), f"floor {digits(entry['floor'])}")),
                    "bar": entry["distance"] / widest,
                    "floor": entry["floor"] / widest,
                }
            )
        rows.append((f"level of {level} px", cells))
    return {"name": name, "rows": rows}


def _cell(told: str | tuple[str, str]) -> dict[str, Any]:
    text, note = told if isinstance(told, tuple) else (told, "")
    return {"text": text, "note": note, "bar": None, "floor": None}


def _shape(shape: Sequence[int]) -> str:
    height, width, channels = shape
    return f"{width}×{height}, {'grey' if channels == 1 else 'colour'}"


def _budget(account: Mapping[str, Any]) -> str:
    budget = account["budget"]
    if budget["minutes"] is not None:
        return f"{budget['minutes']:g} minute{'' if budget['minutes'] == 1 else 's'} of training each"
    return f"{round(budget['kimg'] * 1000):,} images each"
