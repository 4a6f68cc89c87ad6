"""Experiments run and written: a page, figures and a JSON file each, and an index of all that stand in the folder.

    OUT/NAME.html, OUT/NAME.json, OUT/figures/NAME-….png|svg|gif, OUT/index.html

A seed gives the same files again: nothing in them tells the time or the machine.
"""

from __future__ import annotations

import base64
import contextlib
import json
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from boceto.errors import UsageError, nearest, os_errors
from boceto.files import write_image, write_text
from boceto.reporting import figures
from boceto.reporting.film import write_frames
from boceto.reporting.html import render
from boceto.theory import apart, equilibria, faults, games, optimum
from boceto.theory.experiment import Drawing, Experiment, Outcome
from boceto.version import __version__

EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        apart.EXPERIMENT,
        optimum.OPTIMAL_D,
        optimum.VALUE,
        equilibria.BILINEAR,
        equilibria.DIRAC_GAN,
        faults.SATURATION,
        games.LINE,
        games.RING,
        games.GRID_GAME,
        faults.COLLAPSE,
    )
}
INDEX = "index.html"
_FPS, _HOLD = 8.0, 3.0
_SEEDS = 2**31

Progress = Callable[[int, int, str], None]  # steps done, of how many, of what experiment they are


def theory(
    out: Path | str = "theory", names: Sequence[str] = (), *, seed: int = 0, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Run experiments (all if no names are given), write their pages into ``out``, and tell what came of them.

    Each is written whole as soon as it is done. Raises UsageError for an unknown name, Fault if ``out`` cannot be
    written to.
    """
    folder = Path(out)
    chosen = [_experiment(name) for name in dict.fromkeys(names)] or list(EXPERIMENTS.values())
    if not 0 <= seed < _SEEDS:
        raise UsageError(f"--seed {seed}: a seed is a whole number from 0 to {_SEEDS - 1:,}")
    with os_errors("write to", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # now rather than after the first experiment
            pass
    total, done = sum(experiment.steps for experiment in chosen), 0
    accounts = []
    for experiment in chosen:

        def tick(steps: int, name: str = experiment.name) -> None:
            nonlocal done
            done += steps
            if progress:
                progress(done, total, name)

        outcome = perform(experiment, seed, tick)
        accounts.append(account(experiment, outcome, seed))
        _write(folder, experiment, outcome, accounts[-1])
        _index(folder)
    return accounts


def perform(experiment: Experiment, seed: int = 0, tick: Callable[[int], None] = lambda steps: None) -> Outcome:
    """What comes of an experiment, on one thread, so that the number of cores changes nothing.

    Torch's own generator is left as it was.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return experiment.run(seed, tick)
    finally:
        torch.set_num_threads(threads)


def account(experiment: Experiment, outcome: Outcome, seed: int) -> dict[str, Any]:
    """An experiment and what came of it as plain data."""
    return {
        "experiment": experiment.name,
        "title": experiment.title,
        "question": experiment.question,
        "held": outcome.held,
        "checks": [{**check.as_dict(), "told": check.told()} for check in outcome.checks],
        "claims": [{"tex": claim.tex, "says": claim.says, "source": claim.source} for claim in experiment.claims],
        "seed": seed,
        "software": {
            "boceto": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def lines(accounts: Sequence[dict[str, Any]]) -> Iterator[tuple[str, bool]]:
    """What came of experiments in words, and whether it holds: each statement below its experiment."""
    for one in accounts:
        yield f"{one['experiment']}: {one['title']}", True
        for check in one["checks"]:
            yield f"  {'holds' if check['held'] else 'FAILS'}  {check['says']}: {check['told']}", check["held"]


def failed(accounts: Sequence[dict[str, Any]]) -> list[str]:
    """``experiment: statement`` of those that do not hold."""
    return [f"{one['experiment']}: {check['says']}" for one in accounts for check in one["checks"] if not check["held"]]


def _experiment(name: str) -> Experiment:
    if name not in EXPERIMENTS:
        raise UsageError(f"no experiment '{name}'{nearest(name, EXPERIMENTS)}")
    return EXPERIMENTS[name]


# ── pages ──


def equation(tex: str) -> str:
    """What matplotlib knows of TeX as an SVG that a page can hold."""
    figure = Figure()
    figure.text(0, 0, f"${tex}$", fontsize=15, color=figures.INK, math_fontfamily="cm")
    out = StringIO()
    figure.savefig(out, format="svg", bbox_inches="tight", pad_inches=0.03, transparent=True, metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _write(folder: Path, experiment: Experiment, outcome: Outcome, told: dict[str, Any]) -> None:
    shown = [_draw(folder / "figures", experiment.name, drawing) for drawing in outcome.drawings]
    page = render(
        "theory.html.j2",
        experiment=experiment,
        account=told,
        equations=[equation(claim.tex) for claim in experiment.claims],
        shown=shown,
    )
    write_text(folder / f"{experiment.name}.html", page)
    write_text(
        folder / f"{experiment.name}.json", json.dumps(told, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    )


def _draw(folder: Path, name: str, drawing: Drawing) -> dict[str, Any]:
    """Write a drawing's files; what a page shows of it."""
    path = folder / f"{name}-{drawing.name}"
    if isinstance(drawing.shown, Figure):
        svg = figures.svg(drawing.shown)
        write_text(path.with_suffix(".svg"), svg)
        write_image(path.with_suffix(".png"), figures.raster(drawing.shown))
        return {"caption": drawing.caption, "svg": svg}
    film = path.with_suffix(".gif")
    write_frames(drawing.shown, film, _FPS, _HOLD)
    uri = "data:image/gif;base64," + base64.b64encode(film.read_bytes()).decode()
    width, height = drawing.shown[0].size
    return {"caption": drawing.caption, "uri": uri, "width": width, "height": height}


def _index(folder: Path) -> None:
    """A page with a line for every experiment that stands in the folder, of this command or an earlier one."""
    found = []
    for name in EXPERIMENTS:
        with contextlib.suppress(Exception):  # one that cannot be read is none
            one = json.loads((folder / f"{name}.json").read_text("utf-8"))
            held = sum(bool(check["held"]) for check in one["checks"])
            row = {key: str(one[key]) for key in ("title", "question", "seed")}
            found.append(
                {
                    **row,
                    "name": name,
                    "held": held,
                    "checks": len(one["checks"]),
                    "version": str(one["software"]["boceto"]),
                }
            )
    write_text(folder / INDEX, render("theory_index.html.j2", found=found))
