"""How good is what has been trained? Scores with intervals of many runs, between two that frame them.

    .venv/bin/python benchmarks/rungs.py OUT RUN… [--samples 2048] [--features lite0]

The floor is what other real drawings reach in the generated ones' place. The ceiling is the first sheet's network: a
run's recipe before its first step. Writes OUT.json, OUT.md (the table) and OUT.png; what OUT.json already tells of a
run's last snapshot is not told again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from boceto import device, sampling
from boceto.clock import Clock
from boceto.data.prepared import Prepared
from boceto.evaluating import Reference
from boceto.files import write_image, write_text
from boceto.metrics.features import network
from boceto.reporting.figures import GRID, INK, raster
from boceto.reporting.tables import digits
from boceto.runs import Run
from boceto.state import State

SHOWN = ("kid", "precision", "recall", "diversity", "ms-ssim")


def told(folder: Path, samples: int, features: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Of a run: its scores at the last snapshot (``trained``) and before its first step (``untrained``)."""
    run, compute = Run(folder), device.choose("cpu", "float32")
    data, net = Prepared(run.about["data"]["folder"]), network(features)
    model = sampling.load(folder, device_name="cpu")
    count = min(samples, len(data) // 2)
    drawn = model.sample(count, 0)
    reference = Reference(data, net, (drawn.shape[1], drawn.shape[2], drawn.shape[3]), samples)
    state = State.fresh(run.recipe, compute)
    state.reach(Clock(nimg=model.nimg))  # as large as it draws now
    z = sampling.inputs(model.generator, count, state.gan.z_dim, 0, run.recipe.train.latents)
    first = sampling.draw(state.ema, z, compute)
    entry: dict[str, Any] = {
        "run": folder.name,
        "architecture": run.recipe.arch["name"],
        "data": Path(run.about["data"]["folder"]).name,
        "hash": data.content_hash,
        "shape": drawn.shape[1:],
        "nimg": model.nimg,
        "minutes": round(max((line.get("seconds", 0) for line in run.read_log()), default=0) / 60, 1),
        "count": count,
        "features": net.name,
        "seed": 0,
    }
    for name, pictures in (("trained", drawn), ("untrained", first)):
        say(f"{folder.name}: {name}")
        scores = reference.scores(pictures)
        entry[name] = {key: vars(score.found) for key, score in scores.items()}
    return entry | {"floor": {key: vars(value) for key, value in reference.floor.items()}}


def table(entries: Iterable[dict[str, Any]]) -> str:
    """A row a run, each score with its interval; below the floor and the ceiling of its kind."""

    def cell(score: dict[str, float]) -> str:
        return f"{digits(score['value'])} ({digits(score['low'])} … {digits(score['high'])})"

    lines = [f"| | images | N | {' | '.join(SHOWN)} |", f"|---|--:|--:|{'--:|' * len(SHOWN)}"]
    for one in entries:
        height, width, channels = one["shape"]
        name = f"**{one['run']}**, {one['data']}, {width}×{height} {'grey' if channels == 1 else 'colour'}"
        for label, key, seen in ((name, "trained", one["nimg"]), ("before its first step", "untrained", 0)):
            scores = [cell(one[key][score]) if score in one[key] else "–" for score in SHOWN]
            lines.append(f"| {label} | {seen:,} | {one['count']:,} | {' | '.join(scores)} |")
        scores = [digits(one["floor"][score]["value"]) if score in one["floor"] else "–" for score in SHOWN]
        lines.append(f"| other real drawings | | {one['count']:,} | {' | '.join(scores)} |")
    return "\n".join(lines) + "\n"


def chart(entries: list[dict[str, Any]]) -> Figure:
    """KID of every run with its interval, and of its untrained network, on a logarithmic scale."""
    figure = Figure(figsize=(7.2, 0.8 + 0.42 * len(entries)), layout="constrained")
    axes = figure.subplots()
    for place, one in enumerate(entries):
        axes.axhline(place, color=GRID, linewidth=0.6, zorder=0)
        found, first = one["trained"]["kid"], one["untrained"]["kid"]
        spread = [[found["value"] - max(found["low"], 0.1)], [found["high"] - found["value"]]]
        axes.errorbar(found["value"], place, xerr=spread, fmt="o", color="#2f6fb0", capsize=3, label="trained")
        axes.plot(first["value"], place, "x", color="#c6493b", label="before its first step")
        axes.plot(
            max(one["floor"]["kid"]["high"], 0.1), place, "|", color="#2e8b63", markersize=12, label="real, at most"
        )
    axes.set_xscale("log")
    axes.set_yticks(range(len(entries)), [f"{one['run']}\n{one['data']}, {one['nimg']:,} images" for one in entries])
    axes.tick_params(axis="y", length=0, labelsize=8, labelcolor=INK)
    axes.invert_yaxis()
    axes.set_xlabel(f"kernel distance ×1000 by {entries[0]['features']}; lower is nearer")
    axes.spines[["top", "right", "left"]].set_visible(False)
    found = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(found.values(), found, frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), fontsize=9)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--samples", type=int, default=2048)
    parser.add_argument("--features", default="lite0")
    asked = parser.parse_args()
    account = asked.out.with_suffix(".json")
    known = {tuple(one["key"]): one for one in json.loads(account.read_text())} if account.exists() else {}
    entries = []
    for folder in asked.runs:
        key = (str(folder.resolve()), Run(folder).seen(), asked.features, asked.samples)
        entries.append(known.get(key) or {"key": key, **told(folder, asked.samples, asked.features, print)})
        known[key] = entries[-1]
        write_text(account, json.dumps(list(known.values()), indent=1) + "\n")
    write_text(asked.out.with_suffix(".md"), table(entries))
    write_image(asked.out.with_suffix(".png"), raster(chart(entries)))


if __name__ == "__main__":
    main()
