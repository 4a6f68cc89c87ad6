"""The report: one HTML page that stands alone, and its figures as files beside it."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from boceto import sampling
from boceto.data.prepared import Prepared
from boceto.errors import BocetoError, UsageError
from boceto.reporting import figures
from boceto.reporting.html import embedded, render
from boceto.runs import Run, write_image, write_text

SHOWN = 25  # pictures on the sheet
BESIDE = 8  # generated and real beside each other


def report(run: Path | str, *, data: Path | str | None = None) -> Path:
    """Write ``RUN/report.html`` and ``RUN/figures/`` and return the page's path.

    ``data``: the dataset, if it is no longer where the run found it; without it the page says that real pictures are
    missing. Raises UsageError if ``run`` is no run folder or has no snapshot, Fault if something cannot be written.
    """
    model = sampling.load(run)
    opened = model.run
    log = [entry for entry in opened.read_log() if {"step", "seconds", "d/loss", "g/loss"} <= entry.keys()]
    folder = opened.folder / "figures"
    pictures: dict[str, Image.Image] = {"sheet": sampling.sheet(model.sample(SHOWN), scale=2)}
    note = ""
    try:
        real = real_pictures(opened, data, BESIDE)
        pictures["generated-and-real"] = figures.generated_and_real(model.sample(BESIDE, seed=1), real)
    except BocetoError as error:
        if data is not None:
            raise
        note = f"No real pictures are shown beside them: {error}."
    samples = opened.samples()
    with contextlib.suppress(OSError, ValueError):  # one damaged sheet shall not cost the page
        pictures["evolution"] = figures.evolution(samples, opened.recipe.watch.samples)
    charts = {"losses": figures.losses(_whole(log)), "scores": figures.scores(_whole(log))}
    for name, picture in pictures.items():
        write_image(folder / f"{name}.png", picture)
    for name, chart in charts.items():
        write_image(folder / f"{name}.png", figures.raster(chart))
        write_text(folder / f"{name}.svg", figures.svg(chart))
    page = opened.folder / "report.html"
    html = render(
        "page.html.j2",
        name=opened.folder.resolve().name,
        subtitle=_subtitle(opened),
        facts=_facts(model, log),
        pictures={name: embedded(picture) for name, picture in pictures.items()},
        charts={name: figures.svg(chart) for name, chart in charts.items()},
        note=note,
        recipe=opened.recipe.to_toml(),
    )
    write_text(page, html)
    return page


def _whole(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without a last line that stands for a few steps only, and would look like a sudden turn."""
    gaps = np.diff([0, *(entry["nimg"] for entry in log)])
    return log[:-1] if len(log) > 2 and gaps[-1] < 0.5 * np.median(gaps) else log


def real_pictures(run: Run, folder: Path | str | None, count: int) -> sampling.Images:
    """Some of the pictures the run was trained on, uint8 (count, H, W, C).

    ``folder``: the dataset, if it has moved. Raises UsageError if it is gone or another one.
    """
    data = Prepared(folder if folder is not None else run.about["data"]["folder"])
    if data.content_hash != run.about["data"]["content_hash"]:
        raise UsageError(f"{data.folder} holds other pictures than {run.folder} was trained on")
    chosen = np.random.Generator(np.random.PCG64(0)).choice(len(data), count, replace=len(data) < count)
    return data.gather(chosen)


def _subtitle(run: Run) -> str:
    begun = str(run.about["begun"])[:16].replace("T", " ")
    return f"{run.recipe.arch['name']} on {Path(run.about['data']['folder']).name}, begun {begun} UTC"


def _facts(model: sampling.Model, log: list[dict[str, Any]]) -> dict[str, str]:
    """What a reader asks first, in order."""
    about, recipe = model.run.about, model.run.recipe
    last = log[-1] if log else {}
    seconds = float(last.get("seconds", 0))
    size = about["parameters"]
    return {
        "architecture": f"{recipe.arch['name']}: {size['generator']:,} parameters in G, {size['discriminator']:,} in D",
        "drawings": f"{about['data']['pictures']:,}",
        "images seen": f"{model.nimg:,} ({model.nimg / about['data']['pictures']:.1f} epochs)",
        "training time": f"{timedelta(seconds=round(seconds))}",
        "speed": f"{last.get('nimg', 0) / seconds:.1f} images/s" if seconds else "unknown",
        "device": about["hardware"]["device"],
        "seed": str(recipe.train.seed),
        "data hash": about["data"]["content_hash"][:16],
        "software": ", ".join(f"{name} {version}" for name, version in about["software"].items()),
    }
