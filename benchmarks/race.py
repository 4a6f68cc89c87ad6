"""Which network draws best after so many minutes? Same drawings, machine and minutes; scores with intervals, pictures.

    .venv/bin/python benchmarks/race.py OUT --data DATA --minutes 60 [--of dcgan-64,auto,…] [--lightweight PYTHON]

Of the drawings 2,000 (or 2/7) are held out: nobody learns from them, and by them all are scored, half of them to
compare with, half for the floor that real drawings reach. Contenders are recipes (names or .toml files), ``auto`` (what
``boceto train auto`` chooses for these minutes), and ``lightweight-gan``, whose Python --lightweight names: one with
torch 2.13 and pip install --no-deps lightweight-gan==1.2.1 kornia kornia_rs einops adabelief-pytorch tqdm pillow. It
runs on CUDA only, so its calls of .cuda are answered by the CPU here; its settings are its own, for small sets.

Each trains alone, one after the other, so many minutes of training (building, saving and scoring not counted), and is
scored at eighths of them. Stopped, the same command goes on with the contender that it stopped in; those that are there
already are not trained again, so that OUT grows by further contenders. Written: race.json, race.png, race.html.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # the Python of lightweight-gan has no boceto
    from boceto.recipe import Recipe

HERE = Path(__file__).resolve()
MARKS, SHOWN, LIGHTWEIGHT = 8, 48, "lightweight-gan"
SCORES = ("kid", "precision", "recall", "diversity")
COLOURS = ("#2f6fb0", "#c6493b", "#3f8f5b", "#d08a1e", "#7a58a6", "#5b6472", "#1aa3a3", "#b0506f")
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Race · boceto</title>
<style>{% include "base.css.j2" %} section { padding: 14px 20px 18px; margin: 0 0 14px; }
section img { width: 100%; image-rendering: pixelated; } table { border-collapse: collapse; width: 100%; }
td, th { text-align: right; padding: 3px 8px; font-variant-numeric: tabular-nums; }
td:first-child, th:first-child { text-align: left; }</style>
<main><header><p>boceto</p><h1>Race</h1><small>{{ about }}</small></header>
<section><table><tr><th></th><th>images</th>{% for s in scores %}<th>{{ s }}</th>{% endfor %}</tr>
{% for row in rows %}<tr><td>{{ row.name }}</td><td>{{ row.images }}</td>{% for c in row.cells %}<td>{{ c }}</td>
{% endfor %}</tr>{% endfor %}</table></section>
<section><img src="{{ chart.uri }}" alt="scores against minutes"></section>
{% for row in rows %}{% if row.sheet %}<section><h2>{{ row.name }}</h2><img src="{{ row.sheet.uri }}"
alt="drawings of {{ row.name }}"></section>{% endif %}{% endfor %}
<footer>Latents of seed 0, none picked by hand. Intervals are 95 %.</footer></main></html>"""

Images = NDArray[np.uint8]


# ── the drawings: to learn from, and held out ──


def divided(data: Path, out: Path) -> tuple[Path, Path]:
    """OUT/learned and OUT/held-out, prepared datasets of all drawings of DATA between them."""
    from boceto.bench.pictures import written
    from boceto.data.prepared import Prepared

    whole = Prepared(data)
    learned, held = whole.split(min(2000, len(whole) * 2 // 7))
    folders = out / "learned", out / "held-out"
    for part, folder in zip((learned, held), folders, strict=True):
        if not (folder / "manifest.json").exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a race that was stopped in the middle of this
            records = whole.records()
            shown = ((records[number], part.gather([i])[0]) for i, number in enumerate(part.numbers))
            written(folder, whole.folder.name, part.shape, shown)
    return folders


# ── contenders ──


def ours(name: str, out: Path, learned: Path, minutes: float) -> None:
    """A recipe of boceto's, with a snapshot at about every eighth of the minutes."""
    import boceto
    from boceto import archs, device, recipe, trial
    from boceto.files import write_text

    folder = out / Path(name).stem
    if folder.exists():
        boceto.resume(folder)
        return
    wanted = recipe.load(name) if name != "auto" else _chosen(learned, minutes)
    last = archs.build(wanted).stages()[-1]
    speed = trial.speed(last.recipe, device.choose("auto", wanted.train.precision), last.nimg)
    changes = [f"train.minutes={minutes}", "train.kimg=1e6", "data.held_out=0", "watch.scored=0"]
    changes += [f"watch.snapshot_kimg={max(0.1, speed * minutes * 60 / MARKS / 1000):.2f}"]
    write_text(file := out / f"{folder.name}.toml", wanted.to_toml())
    boceto.train(file, learned, folder, changes=changes)


def _chosen(learned: Path, minutes: float) -> Recipe:
    from boceto import choosing, device
    from boceto.data.prepared import Prepared

    choice = choosing.choose(Prepared(learned), device.choose("auto"), minutes)
    print(*choice.reasons, sep="\n")
    return choice.recipe


def lightweight(out: Path, learned: Path, minutes: float) -> None:
    """In the Python of lightweight-gan: train so long, leaving 1,000 pictures of its averaged G at every mark."""
    import torch
    from lightweight import trainer

    torch.manual_seed(0)
    batch, folder = 16, out / LIGHTWEIGHT
    folder.mkdir(parents=True, exist_ok=True)
    pictures = np.concatenate([np.load(path) for path in sorted(learned.glob("images-*.npy"))])
    theirs = trainer(folder / "its-own", pictures.shape[1], batch)

    def loader() -> Iterator[Any]:
        random = np.random.Generator(np.random.PCG64(0))
        while True:
            chosen = pictures[random.integers(0, len(pictures), batch)]
            chosen = np.where(random.random((batch, 1, 1, 1)) < 0.5, chosen[:, :, ::-1], chosen)
            yield torch.from_numpy(chosen.copy()).permute(0, 3, 1, 2).float() / 255

    theirs.loader = loader()
    spent, step = 0.0, 0
    torch.manual_seed(0)
    latents = torch.randn(1000, theirs.GAN.latent_dim)
    for mark in range(1, MARKS + 1):
        while spent < minutes * 60 * mark / MARKS:
            began = time.monotonic()
            theirs.train()
            step += 1
            spent += time.monotonic() - began
        with torch.no_grad():
            drawn = torch.cat([theirs.GAN.GE.eval()(part) for part in latents.split(50)])
        levels = (drawn.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        seen = step * batch * theirs.gradient_accumulate_every
        np.savez(folder / f"{mark}.npz", images=levels, nimg=seen, seconds=spent)
        print(f"{LIGHTWEIGHT}: {spent / 60:.1f} min, {seen:,} images", flush=True)


# ── scores ──


def drawn(name: str, out: Path, count: int) -> Iterator[tuple[float, int, Images]]:
    """(minutes, images seen, pictures) of every mark."""
    if name == LIGHTWEIGHT:
        for path in sorted((out / name).glob("*.npz")):
            with np.load(path) as kept:
                yield float(kept["seconds"]) / 60, int(kept["nimg"]), kept["images"][:count]
        return
    from boceto import sampling
    from boceto.runs import Run

    run = Run(out / name)
    seconds = {line["nimg"]: line["seconds"] for line in run.read_log() if "step" in line}
    for nimg, path in run.snapshots().items():
        if nimg:
            yield seconds[nimg] / 60, nimg, sampling.load(run.folder, path.stem).sample(count, 0)


def scored(names: Sequence[str], out: Path, held: Path, features: str) -> dict[str, Any]:
    """All scores of all marks by name; those told before are kept."""
    from boceto.data.prepared import Prepared
    from boceto.evaluating import Reference
    from boceto.files import write_image, write_text
    from boceto.metrics.features import network
    from boceto.sampling import sheet

    path, data = out / "race.json", Prepared(held)
    told: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"features": features, "of": {}}
    count, reference = min(1000, len(data) // 2), None
    for name in names:
        entry = told["of"].setdefault(name, [])
        known = {point["nimg"] for point in entry}
        images: Images | None = None
        for minutes, nimg, images in drawn(name, out, count):
            if nimg in known:
                continue
            if reference is None or reference.shape != images.shape[1:]:
                reference = Reference(data, network(features), images.shape[1:], count)  # type: ignore[arg-type]
            found = {key: vars(score.found) for key, score in reference.scores(images).items()}
            entry.append({"minutes": round(minutes, 2), "nimg": nimg, "scores": found})
            told["floor"] = {key: vars(value) for key, value in reference.floor.items()}
            kid = found["kid"]
            print(f"{name:24} {minutes:6.1f} min {nimg:9,} images  kid {kid['value']:7.1f}", flush=True)
            write_text(path, json.dumps(told, indent=1))
        entry.sort(key=lambda point: point["nimg"])
        if images is not None:
            write_image(out / f"{name}.png", sheet(images[:SHOWN], 12))
    return told


# ── the page ──


def chart(told: dict[str, Any]) -> Any:
    """KID and precision against minutes."""
    from matplotlib.figure import Figure

    from boceto.reporting.figures import GRID

    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    for axes, key in zip(figure.subplots(1, 2), ("kid", "precision"), strict=True):
        for (name, points), colour in zip(told["of"].items(), COLOURS, strict=False):
            x = [point["minutes"] for point in points]
            values = [[point["scores"][key][part] for point in points] for part in ("value", "low", "high")]
            axes.plot(x, values[0], color=colour, marker="o", markersize=3, linewidth=1.5, label=name)
            axes.fill_between(x, values[1], values[2], color=colour, alpha=0.15, linewidth=0)
        axes.axhline(told["floor"][key]["value"], color="#8a8f98", linewidth=1, linestyle=":")
        axes.text(0.99, told["floor"][key]["value"], "real drawings ", transform=axes.get_yaxis_transform(), ha="right",
                  va="bottom", fontsize=8, color="#8a8f98")  # fmt: skip
        better = "less" if key == "kid" else "more"
        axes.set_title(f"{'KID ×1000' if key == 'kid' else key} ({better} is better)", loc="left", fontsize=10)
        axes.set_xlabel("minutes of training")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(color=GRID, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def page(told: dict[str, Any], out: Path, about: str) -> None:
    """race.png and race.html."""
    from jinja2 import Environment, PackageLoader
    from PIL import Image

    from boceto.files import write_image, write_text
    from boceto.reporting.figures import raster
    from boceto.reporting.html import embedded

    write_image(out / "race.png", picture := raster(chart(told)))
    rows = []
    for name, points in sorted(told["of"].items(), key=lambda item: item[1][-1]["scores"]["kid"]["value"]):
        last, sheet = points[-1], out / f"{name}.png"
        cells = [
            f"{score['value']:.3g} ({score['low']:.3g} … {score['high']:.3g})"
            for score in (last["scores"][key] for key in SCORES)
        ]
        shown = embedded(Image.open(sheet)) if sheet.exists() else None
        rows.append({"name": name, "images": f"{last['nimg']:,}", "cells": cells, "sheet": shown})
        print(f"| {name} | {last['minutes']:.0f} | {last['nimg']:,} | {' | '.join(cells)} |")
    environment = Environment(loader=PackageLoader("boceto", "reporting"), autoescape=True)
    text = environment.from_string(PAGE).render(about=about, rows=rows, scores=SCORES, chart=embedded(picture))
    write_text(out / "race.html", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--of", default="dcgan-64,auto", help="recipes with commas between")
    parser.add_argument("--lightweight", metavar="PYTHON")
    parser.add_argument("--features", default="lite0")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        return lightweight(asked.out, asked.data, asked.minutes)
    recipes = [name.strip() for name in asked.of.split(",") if name.strip()]
    if not 0 < asked.minutes < math.inf:
        parser.error("--minutes is more than 0")
    if len({Path(name).stem for name in recipes}) < max(1, len(recipes)):
        parser.error(f"--of {asked.of}: name one recipe or more, each once")
    if asked.lightweight and not shutil.which(asked.lightweight):
        parser.error(f"--lightweight {asked.lightweight}: there is no such program; give the path of a Python")

    from boceto.cli import ended

    sys.exit(ended(lambda: run(asked, recipes)))


def run(asked: argparse.Namespace, recipes: Sequence[str]) -> None:
    """Train all, score all, write the page."""
    from boceto import device

    asked.out.mkdir(parents=True, exist_ok=True)
    learned, held = divided(asked.data, asked.out)
    for name in recipes:
        ours(name, asked.out, learned, asked.minutes)
    names = [Path(name).stem for name in recipes]
    if asked.lightweight:
        names.append(LIGHTWEIGHT)
        if not (asked.out / LIGHTWEIGHT / f"{MARKS}.npz").exists():
            command = [asked.lightweight, str(HERE), str(asked.out), "--data", str(learned)]
            subprocess.run([*command, "--minutes", str(asked.minutes), "--worker"], check=True)
    told = scored(names, asked.out, held, asked.features)
    about = f"{asked.minutes:g} minutes each on {device.choose('auto').label}; {asked.data.name}, {asked.features}"
    return page(told, asked.out, about)


if __name__ == "__main__":
    main()
