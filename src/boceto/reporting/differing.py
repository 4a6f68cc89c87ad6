"""``boceto compare``: in what settings runs differ, and what came of each, in the terminal or on one page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from boceto import archs, recipe, sampling
from boceto.data.describing import size
from boceto.doctor import examine
from boceto.errors import BocetoError, UsageError, os_errors, printable
from boceto.files import write_text
from boceto.recipe import Recipe
from boceto.reporting import figures
from boceto.reporting.comparison import fared
from boceto.reporting.html import render, require_page
from boceto.reporting.snapshots import DRAWN, strip
from boceto.reporting.standing import Standing, network, standing
from boceto.reporting.tables import digits, duration, table
from boceto.runs import Run, scores
from boceto.scoring import explained, noted

MOST = 20  # runs
MEANS = ("d/loss", "g/loss", "d/real_right", "d/fake_right", "d/elbo")
_HASH = 12  # digits of a hash that are shown
_KEY, _VALUE = 22, 14  # columns of a terminal that a key and a value want
_NONE = "–"
_EVALUATED = ("fid", "kid", "precision", "recall", "diversity")  # of what boceto evaluate has told

Rows = Mapping[str, Sequence[str]]  # label → one text a run


@dataclass(frozen=True)
class Compared:
    """Runs under names that tell them apart, how each stands, and what differs: key → one value a run."""

    runs: Mapping[str, Standing]
    differing: Mapping[str, Sequence[Any]]
    alike: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "runs": [{"name": name, **results(one)} for name, one in self.runs.items()],
            "differing": {key: list(values) for key, values in self.differing.items()},
            "alike": dict(self.alike),
        }


def compare(folders: Sequence[Path]) -> Compared:
    """Put runs beside each other. Raises UsageError if they are too few or too many, or one is named twice."""
    if not 2 <= len(folders) <= MOST:
        raise UsageError(f"compare takes from 2 to {MOST} run folders, not {len(folders)}")
    places = [folder.resolve() for folder in folders]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise UsageError(f"run {folders[number]} is named twice; name each once")
    runs = [Run(folder) for folder in folders]
    differing, alike = _settings(runs)
    stand = [standing(run) for run in runs]
    return Compared(dict(zip(_names(places), stand, strict=True)), differing, alike)


def _names(places: Sequence[Path]) -> list[str]:
    """As much of each path's end as tells them apart."""
    for parts in range(1, max(len(place.parts) for place in places) + 1):
        names = ["/".join(place.parts[-parts:]) for place in places]
        if len(set(names)) == len(names):
            break
    return [printable(name) for name in names]


# ── settings ──


def _settings(runs: Sequence[Run]) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """What differs, and what else one asks for that does not: full key → one value a run, or the value of all."""
    surroundings = [_surroundings(run) for run in runs]
    keys = dict.fromkeys(key for one in surroundings for key in one)
    found = {key: [one.get(key) for one in surroundings] for key in keys}
    complete = [_complete(run.treated) for run in runs]
    tables = [one.model_dump(mode="json") for one in complete]
    differ = {key for other in complete[1:] for key in recipe.differences(complete[0], other)}
    names = dict.fromkeys((section, key) for one in tables for section in one for key in one[section])
    order = list(tables[0])
    for section, key in sorted(names, key=lambda name: order.index(name[0])):
        if (full := f"{section}.{key}") in differ or full == "train.seed":
            found[full] = [one[section].get(key) for one in tables]
    differing = {key: values for key, values in found.items() if any(value != values[0] for value in values)}
    return differing, {key: values[0] for key, values in found.items() if key not in differing}


def _complete(settings: Recipe) -> Recipe:
    """The recipe with the architecture's defaults written out: a default and the same value by name are alike."""
    config = archs.configure(settings).model_dump()
    return settings.model_copy(update={"arch": {"name": settings.arch["name"], **config}})


def _surroundings(run: Run) -> dict[str, Any]:
    """What a run was begun with beside its recipe."""
    about = run.about
    told = {
        "drawings' folder": Path(str(about["data"]["folder"])).name,
        "drawings' hash": str(about["data"]["content_hash"])[:_HASH],
        "number of drawings": about["data"]["pictures"],
        "of them held out": run.held_out,
    }
    if origin := about.get("origin"):
        told["begun from"] = f"{Path(str(origin.get('run'))).name} {origin.get('snapshot')}"
    return told | dict(about["software"]) | dict(about["hardware"])


def _told(value: Any) -> str:
    """A setting in words."""
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(_told, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} = {_told(part)}" for key, part in value.items())
    return printable(str(value))


# ── results ──


def results(one: Standing) -> dict[str, Any]:
    """What came of a run, as plain data; a figure that its log does not have is None or missing."""
    sizes = []
    for path in one.run.snapshots().values():
        with os_errors("read", path):
            sizes.append(path.stat().st_size)
    found = scores(one.log)
    findings = examine(one.run.read_log(broken=True), one.run.treated, one.run.pictures)
    return {
        "folder": str(one.run.folder),
        **one.as_dict(),
        "parameters": one.run.about["parameters"],
        "means": _means(one.log),
        "findings": [finding.told() for finding in findings],
        "treatments": one.run.treatments(),
        "scores": {key: {"value": value, "nimg": nimg} for nimg in sorted(found) for key, value in found[nimg].items()},
        "evaluations": {
            f"{name} by {told.features}, N = {told.count:,}": score.found.value
            for told in noted(one.run)
            for name, score in told.scores.items()
            if name in _EVALUATED
        },
        "snapshots": {"count": len(sizes), "bytes": sum(sizes), "last": sizes[-1] if sizes else None},
    }


def _means(log: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Losses and how often D was right, over the last tenth of the log's lines, each weighing as its images."""
    lines = [line for line in log if "step" in line]
    last = max(1, math.ceil(len(lines) / 10))
    before = [0, *(line["nimg"] for line in lines)]
    weighed = [(max(line["nimg"] - begun, 1), line) for begun, line in zip(before, lines, strict=False)][-last:]
    means = {}
    for key in MEANS:
        if found := [(weight, float(line[key])) for weight, line in weighed if key in line]:
            means[key] = sum(weight * value for weight, value in found) / sum(weight for weight, _ in found)
    return means


_MEANINGS = {
    "d/loss": "loss of D",
    "g/loss": "loss of G",
    "d/real_right": "D right on real",
    "d/fake_right": "D right on generated",
}
_WITHOUT_D = {  # where one of them has none
    "d/loss": "loss of D or the encoder",
    "g/loss": "loss of G or the decoder",
    "d/elbo": "bound (ELBO), nats a picture",
}


def result_rows(compared: Compared) -> Rows:
    """The results in words: label → one text a run."""
    found = [results(one) for one in compared.runs.values()]
    keys = dict.fromkeys(key for one in found for key in one["scores"])

    meanings = _MEANINGS
    if not all(archs.kind(one.run.recipe).adversarial for one in compared.runs.values()):
        meanings = meanings | _WITHOUT_D

    def mean(key: str) -> list[str]:
        return [digits(one["means"][key]) if key in one["means"] else _NONE for one in found]

    def score(key: str) -> list[str]:
        return [digits(one["scores"][key]["value"]) if key in one["scores"] else _NONE for one in found]

    def snapshots(one: Mapping[str, Any]) -> str:
        count, total = one["snapshots"]["count"], one["snapshots"]["bytes"]
        return f"{count} ({size(total)})" if count else "none"

    return {
        "network": [network(one.run.recipe) for one in compared.runs.values()],
        f"parameters of {meanings['g/loss'].removeprefix('loss of ')}": [
            f"{one['parameters']['generator']:,}" for one in found
        ],
        "state": [one["state"] for one in found],
        "images seen": [f"{one['nimg']:,}" for one in found],
        "epochs": [f"{one['epochs']:.1f}" for one in found],
        "training time": [duration(one["seconds"]) for one in found],
        "images/s, median": [_NONE if (r := one["images_per_second"]) is None else digits(r) for one in found],
        **{meaning: mean(key) for key, meaning in meanings.items()},
        "the doctor found": [", ".join(_faults(one)) or "nothing" for one in found],
        "treatments": [f"{len(one['treatments'])}" for one in found],
        **{printable(key): score(key) for key in keys},
        **{
            printable(key): [digits(one["evaluations"][key]) if key in one["evaluations"] else _NONE for one in found]
            for key in dict.fromkeys(key for one in found for key in one["evaluations"])
        },
        "snapshots": [snapshots(one) for one in found],
    }


def _faults(one: Mapping[str, Any]) -> list[str]:
    """The names of what was found, each once, in the order of their beginning."""
    return list(dict.fromkeys(finding["name"] for finding in one["findings"]))


def _explained(compared: Compared) -> list[str]:
    return explained(
        dict.fromkeys(key for one in compared.runs.values() for found in scores(one.log).values() for key in found)
    )


def setting_rows(compared: Compared) -> Rows:
    """What differs, in words: key → one text a run."""
    return {printable(key): [_told(value) for value in values] for key, values in compared.differing.items()}


def alike(compared: Compared) -> str:
    """What is the same in all, in one line."""
    return ", ".join(f"{printable(key)} {_told(value)}" for key, value in compared.alike.items() if value is not None)


def tables(compared: Compared, width: int) -> list[Table | Text]:
    """Both tables under their headings, each in as many parts as a terminal of that many columns asks for."""
    shown: list[Table | Text] = []
    settings = setting_rows(compared)
    for heading, rows in (("Settings that differ", settings), ("Results", result_rows(compared))):
        parts = _parts(list(compared.runs), rows, width)
        shown += [Text(heading, style="bold"), *(parts if rows else [Text("none")]), Text()]
    return [*shown, *map(Text, _explained(compared)), Text(f"The same in all: {alike(compared)}")]


def _parts(names: Sequence[str], rows: Rows, width: int) -> list[Table]:
    fit = max(1, (width - _KEY) // (_VALUE + 2))
    each = math.ceil(len(names) / math.ceil(len(names) / fit))
    return [
        table(
            ["", *names[start : start + each]],
            [[label, *cells[start : start + each]] for label, cells in rows.items()],
            fold=range(each + 1),
        )
        for start in range(0, len(names), each)
    ]


# ── the page ──


def write(
    compared: Compared,
    out: Path,
    *,
    seed: int = 0,
    device_name: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write one page that stands alone: pictures of one seed, both tables, and the curves of every run.

    A run that cannot draw is told in its row. Raises UsageError if ``seed`` is below 0 or ``out`` is no name of a page;
    Fault if it cannot be written.
    """
    require_page(out)
    if seed < 0:
        raise UsageError(f"--seed {seed}: a seed is 0 or more")
    drawn = []
    for number, (name, one) in enumerate(compared.runs.items(), 1):
        drawn.append({"name": name, **_pictures(one, seed, device_name)})
        if progress is not None:
            progress(number, len(compared.runs))
    html = render(
        "differing.html.j2",
        runs=drawn,
        settings=setting_rows(compared),
        results=result_rows(compared),
        alike=alike(compared),
        explained=_explained(compared),
        charts=_charts(compared),
        seed=seed,
    )
    write_text(out, html)
    return out


def _pictures(one: Standing, seed: int, device_name: str) -> dict[str, Any]:
    about = f"{network(one.run.recipe)} · {one.nimg:,} images seen · {one.state}"
    try:
        model = sampling.load(one.run.folder, "last", device_name)
        images = model.sample(DRAWN, seed)
    except BocetoError as error:
        return {"about": about, "strip": None, "fault": str(error)}
    if model.nimg != one.nimg:
        about += f" · drawn at {model.nimg:,}"
    return {"about": about, "strip": strip(images), "fault": ""}


def _charts(compared: Compared) -> dict[str, dict[str, str]]:
    """Name → its charts as SVG, of the runs that have logged something; all losses to one scale."""
    logs = {
        name: [line for line in one.log if {"d/loss", "g/loss"} <= line.keys()] for name, one in compared.runs.items()
    }
    logs = {name: log for name, log in logs.items() if log}
    kinds = {name: archs.kind(compared.runs[name].run.recipe) for name in logs}
    return {
        name: {kind: figures.svg(chart) for kind, chart in drawn.items()} for name, drawn in fared(logs, kinds).items()
    }
