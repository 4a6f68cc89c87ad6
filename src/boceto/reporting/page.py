"""The report: one HTML page that stands alone, and its figures as files beside it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from boceto import archs, doctor, sampling
from boceto.data.prepared import Prepared
from boceto.errors import BocetoError, UsageError, os_errors
from boceto.files import write_image, write_text
from boceto.reporting import figures
from boceto.reporting.html import embedded, render
from boceto.reporting.tables import digits
from boceto.runs import Run, ranking
from boceto.scoring import Evaluation, noted

SHOWN = 25  # pictures on the sheet
BESIDE = 8  # generated and real beside each other
REFRESH_S = 30
_SHARE = 200  # a live page takes that part of the time at most
WINDOW = 10  # lines of the log in a confusion matrix
_SIDE = 120  # pixels: pictures are enlarged by whole numbers to about this


def report(run: Path | str, *, data: Path | str | None = None, live: bool = False, ended: bool = False) -> Path:
    """Write ``RUN/report.html`` and ``RUN/figures/`` and return the page's path.

    ``data``: the dataset, if it is no longer where the run found it; without it the page says that real pictures are
    missing. ``live``: of a run that is being trained, from its latest sheet; the page then loads itself anew every
    half minute, unless it has ``ended`` without a snapshot. Raises UsageError if ``run`` is no run folder or has no
    snapshot (live: no sheet), Fault if something cannot be written.
    """
    opened = Run(run)
    log = [entry for entry in opened.read_log() if {"step", "seconds", "d/loss", "g/loss"} <= entry.keys()]
    folder, note = opened.folder / "figures", ""
    if live:
        pictures, nimg = _latest_sheet(opened), log[-1]["nimg"] if log else 0
    else:
        pictures, nimg, note = _drawn(opened, data)
    samples = opened.samples()
    with contextlib.suppress(OSError, ValueError):  # one damaged sheet shall not cost the page
        pictures["evolution"] = figures.evolution(samples, opened.recipe.watch.samples)
    kind = archs.kind(opened.recipe)
    charts = _charts(_whole(log), opened.pictures, kind.names())
    if len([told for told in opened.scores().values() if ranking(told)]) > 1:
        charts["distance"] = figures.distance(opened.read_log())
    for name, picture in pictures.items():
        write_image(folder / f"{name}.png", picture)
    for name, chart in charts.items():
        if not live:
            write_image(folder / f"{name}.png", figures.raster(chart))
        write_text(folder / f"{name}.svg", figures.svg(chart))
    page = opened.folder / "report.html"
    findings = doctor.examine(opened.read_log(broken=True), opened.treated, opened.pictures)
    html = render(
        "page.html.j2",
        name=opened.folder.resolve().name,
        subtitle=_subtitle(opened),
        adversarial=kind.adversarial,
        nets=kind.names(),
        held_out=opened.held_out,
        facts=_facts(opened, nimg, log),
        chosen=opened.about.get("chosen", ()),
        pictures={name: embedded(picture) for name, picture in pictures.items()},
        charts={name: figures.svg(chart) for name, chart in charts.items()},
        findings=[finding.told() for finding in findings],
        treatments=opened.treatments(),
        changed=doctor.changed,
        evaluations=_latest(noted(opened)),
        digits=digits,
        note=note,
        refresh=REFRESH_S if live and not ended else 0,
        window=WINDOW,
        recipe=opened.recipe.to_toml(),
    )
    write_text(page, html)
    return page


def _latest(told: list[Evaluation]) -> list[Evaluation]:
    """Of every feature network the evaluation of the latest snapshot, on the most pictures."""
    best: dict[str, Evaluation] = {}
    for one in sorted(told, key=lambda one: (one.nimg, one.count)):
        best[one.features] = one
    return list(best.values())


def _drawn(run: Run, data: Path | str | None) -> tuple[dict[str, Image.Image], int, str]:
    """New drawings of the last snapshot, real ones beside them, the images it has seen, and what is missing, if so."""
    model = sampling.load(run.folder)
    images = model.sample(SHOWN)
    pictures = {"sheet": sampling.sheet(images, scale=_scale(images.shape[2]))}
    try:
        real = real_pictures(run, data, BESIDE)
    except BocetoError as error:
        if data is not None:
            raise
        return pictures, model.nimg, f"No real pictures are shown beside them: {error}."
    pictures["generated-and-real"] = figures.generated_and_real(model.sample(BESIDE, seed=1), real)
    if not archs.kind(run.recipe).adversarial:
        pictures["reconstructions"] = reconstructions(run, data)
    return pictures, model.nimg, ""


def _latest_sheet(run: Run) -> dict[str, Image.Image]:
    samples = run.samples()
    if not samples:
        raise UsageError(f"run {run.folder} has no sheet yet; it comes with the first steps")
    with os_errors("read", path := samples[max(samples)]):
        sheet = Image.open(path).convert("RGB")
    times = _scale(sheet.width // math.ceil(math.sqrt(run.recipe.watch.samples)))
    return {"sheet": sheet.resize((sheet.width * times, sheet.height * times), Image.Resampling.LANCZOS)}


def _scale(side: int) -> int:
    """How many times a picture is enlarged on the page."""
    return max(1, round(_SIDE / side))


def _charts(log: list[dict[str, Any]], pictures: int, nets: Mapping[str, str]) -> dict[str, Figure]:
    """The charts that the log has lines for; ``pictures`` make an epoch, ``nets`` are called so."""
    charts = {"losses": figures.losses(log, nets)}
    told = [entry for entry in log if {"d/real_right", "d/fake_right"} <= entry.keys()]
    if told:
        charts["scores"] = figures.scores(log)
        charts["confusion"] = figures.confusion(figures.confusion_counts(told, WINDOW))
        charts["confusion"].set_size_inches(6.4, 2.9)
    if len(by_epoch := figures.epoch_confusions(told, pictures)) > 1:
        charts["confusions"] = figures.confusions(by_epoch)
    if len(figures.epoch_means(log, pictures)) > 1:
        charts["epochs"] = figures.epochs(log, pictures, nets)
    if any("g/gradient" in entry for entry in log):
        charts["gradients"] = figures.gradients(log, nets)
    if any("g/variety" in entry for entry in log):
        charts["variety"] = figures.variety(log)
    return charts


class LivePage:
    """A tracker (``boceto.tracking``) that keeps ``report.html`` up to date, for half a percent of the time at most."""

    def __init__(self, run: Run, nimg: int) -> None:
        self._run = run
        self._cost, self._written = 0.0, -math.inf

    def line(self, line: Mapping[str, float]) -> None:
        began = time.monotonic()
        if began - self._written > max(_SHARE * self._cost, REFRESH_S / 2):
            self._write(live=True)
            self._written = time.monotonic()
            self._cost = self._written - began

    def sheet(self, nimg: int, picture: Image.Image) -> None:
        pass

    def finding(self, nimg: int, text: str) -> None:
        pass

    def close(self) -> None:
        snapshot = bool(self._run.snapshots())
        self._write(live=not snapshot, ended=not snapshot)

    def _write(self, *, live: bool, ended: bool = False) -> None:
        with contextlib.suppress(Exception):  # a page shall not cost a training
            report(self._run.folder, live=live, ended=ended)


def _whole(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without a last line that stands for a few steps only, and would look like a sudden turn."""
    gaps = np.diff([0, *(entry["nimg"] for entry in log)])
    return log[:-1] if len(log) > 2 and gaps[-1] < 0.5 * np.median(gaps) else log


def real_pictures(run: Run, folder: Path | str | None, count: int, *, unseen: bool = False) -> sampling.Images:
    """Some of the pictures the run was trained on, uint8 (count, H, W, C); ``unseen``: of those held out, if there are.

    ``folder``: the dataset, if it has moved. Raises UsageError if it is gone or another one.
    """
    data = Prepared(folder if folder is not None else run.about["data"]["folder"])
    if data.content_hash != run.about["data"]["content_hash"]:
        raise UsageError(f"{data.folder} holds other pictures than {run.folder} was trained on")
    pictures = data.split(run.held_out)[1] if unseen and run.held_out else data
    chosen = np.random.Generator(np.random.PCG64(0)).choice(len(pictures), count, replace=len(pictures) < count)
    return pictures.gather(chosen)


def reconstructions(run: Run, folder: Path | str | None, snapshot: str = "last") -> Image.Image:
    """Real drawings, held-out ones if there are, and below each what an autoencoder makes of it.

    Raises UsageError if the run's network has no encoder, or the dataset is gone or another one.
    """
    real = real_pictures(run, folder, BESIDE, unseen=True)
    return figures.named_rows({"real": real, "drawn\nagain": sampling.reconstruct(run.folder, real, snapshot)})


def _subtitle(run: Run) -> str:
    begun = str(run.about["begun"])[:16].replace("T", " ")
    return f"{run.recipe.arch['name']} on {Path(run.about['data']['folder']).name}, begun {begun} UTC"


def _scored(scores: Mapping[int, Mapping[str, float]]) -> str:
    """The latest, in words."""
    return ", ".join(f"{name} {digits(value)}" for name, value in scores[max(scores)].items())


def _facts(run: Run, nimg: int, log: list[dict[str, Any]]) -> dict[str, str]:
    """What a reader asks first, in order."""
    about, recipe, spent = run.about, run.recipe, run.spent()
    last = log[-1] if log else {}
    seconds = float(last.get("seconds", 0))
    size, nets = about["parameters"], archs.kind(recipe).names()
    told = f"{size['generator']:,} parameters in {nets['g']}, {size['discriminator']:,} in {nets['d']}"
    return {
        "architecture": f"{recipe.arch['name']}: {told}",
        "drawings": f"{run.pictures:,}" + (f", and {run.held_out:,} held out" if run.held_out else ""),
        "images seen": f"{nimg:,} ({nimg / run.pictures:.1f} epochs)",
        "training time": f"{timedelta(seconds=round(seconds))}",
        **({"bound (ELBO)": bound} if (bound := _bound(log)) else {}),
        "speed": f"{last.get('nimg', 0) / seconds:.1f} images/s" if seconds else "unknown",
        "device": about["hardware"]["device"],
        **({"energy": f"{spent.wh:.3g} Wh ({spent.source})"} if spent.joules else {}),
        **({"scores of the last snapshot": _scored(scores)} if (scores := run.scores()) else {}),
        "seed": str(recipe.train.seed),
        "data hash": about["data"]["content_hash"][:16],
        "software": ", ".join(f"{name} {version}" for name, version in about["software"].items()),
    }


def _bound(log: list[dict[str, Any]]) -> str:
    """The latest mean log-likelihood bound, where one is known: of the drawings, and of those held out."""
    told = {}
    for key, of in (("d/elbo", ""), ("d/held_out_elbo", " held out")):
        if known := [entry[key] for entry in log if key in entry][-WINDOW:]:
            told[key] = f"{sum(known) / len(known):,.0f}{of}"
    return f"{', '.join(told.values())} (nats a picture)" if told else ""
