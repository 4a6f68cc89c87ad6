"""What does the doctor find? Twelve healthy trainings and twenty sick ones, each sick in a way of its own.

    .venv/bin/python benchmarks/doctor.py train OUT [NAME …] [--kimg 40]   train them, half a minute each on a core
    .venv/bin/python benchmarks/doctor.py collect OUT [NAME …]             what is needed of their logs → tests/doctor/
    .venv/bin/python benchmarks/doctor.py table [--set doctor.patience=3]  what is found in those, how soon

All learn from the sketchbook's portraits at 32 px (28 px grey where the network wants it). What a sick one is expected
to be found with stands beside it; findings of the healthy ones are false alarms. Thresholds were chosen on these runs;
they were tried on others, of real drawings.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import math
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from boceto import recipe, starting
from boceto.data import preparing, sketchbook
from boceto.data.prepared import Prepared
from boceto.doctor import Finding, examine
from boceto.errors import Fault
from boceto.runs import Run

LOGS = Path(__file__).resolve().parents[1] / "tests" / "doctor"
SMALL = ["arch.resolution=32", "arch.g_width=16", "arch.d_width=16"]
QUICK, THESIS = "dcgan-64-quick", "dcgan-64"
NO_R1, SGD = "objective.r1_gamma=0", ["train.optimiser=sgd", "train.beta1=0"]
WATCHED = ["watch.log_kimg=0.5", "watch.sample_kimg=5", "watch.snapshot_kimg=2", "doctor.act=off"]


@dataclass(frozen=True)
class Case:
    """A training: recipe, changes, drawings, and what it is expected to be found with (nothing: it is healthy)."""

    recipe: str
    changes: tuple[str, ...] = ()
    sick: tuple[str, ...] = ()
    data: str = "colour-32"
    later: tuple[str, ...] = ()  # what makes it sick when half is done; else it is so from the beginning


CASES = {
    # healthy
    "quick": Case(QUICK, (*SMALL,)),
    "quick-seed-1": Case(QUICK, (*SMALL, "train.seed=1")),
    "thesis": Case(THESIS, (*SMALL, "train.batch=64")),
    "hinge": Case(QUICK, (*SMALL, "objective.loss=hinge")),
    "least-squares": Case(QUICK, (*SMALL, "objective.loss=least-squares")),
    "relativistic": Case(QUICK, (*SMALL, "objective.loss=relativistic", "objective.r2_gamma=1")),
    "wasserstein": Case(
        QUICK, (*SMALL, "objective.loss=wasserstein", "objective.gp_lambda=10", NO_R1, "train.beta1=0")
    ),
    "augmented": Case(QUICK, (*SMALL, 'augment.policy=["colour", "translation", "cutout"]')),
    "quick-seed-2": Case(QUICK, (*SMALL, "train.seed=2")),
    "wide": Case(QUICK, ("arch.resolution=32", "arch.g_width=32", "arch.d_width=32")),
    "convolutional": Case("convolutional-64", ("arch.resolution=28", "arch.g_widths=[64,64,32]"), data="grey-28"),
    "vanilla": Case("vanilla-48", ("arch.resolution=28",), data="grey-28"),
    "progan": Case("progan-64", ("arch.resolution=32", "arch.width=64")),
    # sick
    "slow": Case(QUICK, (*SMALL, "train.d_lr=1e-4", "train.g_lr=1e-4"), ("collapse", "partial-collapse")),
    "rates-100": Case(QUICK, (*SMALL, "train.d_lr=0.1", "train.g_lr=0.1"), ("rate-high", "explosion")),
    "rate-of-d-100": Case(QUICK, (*SMALL, "train.d_lr=0.1", NO_R1), ("rate-high", "explosion", "certain-d")),
    "rate-of-g-100": Case(QUICK, (*SMALL, "train.g_lr=0.1"), ("rate-high", "collapse", "explosion")),
    "frozen-g": Case(QUICK, (*SMALL, "train.g_lr=1e-9", NO_R1), ("certain-d", "rate-low")),
    "frozen-d": Case(QUICK, (*SMALL, "train.d_lr=1e-9"), ("rate-low", "collapse")),
    "frozen-both": Case(QUICK, (*SMALL, "train.d_lr=1e-8", "train.g_lr=1e-8"), ("rate-low", "vanishing")),
    "one-picture": Case(QUICK, (*SMALL, "train.batch=2", "data.flip=false"), ("collapse", "memorising"), "one"),
    "eight-pictures": Case(THESIS, (*SMALL, "train.batch=8"), ("memorising", "certain-d"), "eight"),
    "eager-g": Case(THESIS, (*SMALL, "train.batch=32", "balance.g_turns=20"), ("collapse", "partial-collapse")),
    "eager-d": Case(QUICK, (*SMALL, NO_R1, "balance.d_turns=10", "train.d_lr=4e-3"), ("certain-d",)),
    "minimax": Case(QUICK, (*SMALL, NO_R1, "objective.loss=minimax", "balance.d_turns=4"), ("vanishing", "certain-d")),
    "sigmoids": Case(
        "vanilla-48",
        (
            *("arch.resolution=28", "arch.d_activation=sigmoid", "arch.g_activation=sigmoid", NO_R1),
            *("arch.d_widths=[256,256,256,256,256,256]", *SGD, "train.d_lr=0.01", "train.g_lr=0.01"),
        ),
        ("vanishing",),
        "grey-28",
    ),
    "no-norm-sgd": Case(QUICK, (*SMALL, NO_R1, *SGD, "train.d_lr=2", "train.g_lr=2"), ("explosion", "rate-high")),
    "unbounded": Case(
        QUICK,
        (*SMALL, NO_R1, "objective.loss=wasserstein", "objective.gp_lambda=1e-6"),
        ("explosion",),
    ),
    "heavy-momentum": Case(
        QUICK,
        (*SMALL, "train.beta1=0.95", "train.d_lr=4e-3", "train.g_lr=4e-3"),
        ("certain-d", "collapse", "explosion", "rate-high"),
    ),
    "hungry": Case(QUICK, (*SMALL,), ("starvation",)),
    "narrow": Case(
        QUICK,
        (
            "arch.resolution=32",
            "arch.g_width=4",
            "arch.d_width=4",
            "train.kimg=200",
            "watch.snapshot_kimg=5",
            "doctor.plateau_minutes=0.1",
        ),
        ("plateau",),
    ),
    "by-heart": Case(
        QUICK,
        ("arch.resolution=32", "arch.g_width=16", "arch.d_width=48", NO_R1, "data.flip=false", "train.kimg=120"),
        ("memorising",),
        "few",
    ),
    "rates-later": Case(QUICK, (*SMALL,), ("rate-high", "explosion"), later=("train.d_lr=0.1", "train.g_lr=0.1")),
    "d-later": Case(
        QUICK, (*SMALL,), ("rate-high", "certain-d", "collapse"), later=(NO_R1, "balance.d_turns=10", "train.d_lr=4e-3")
    ),
    "g-later": Case(QUICK, (*SMALL,), ("collapse", "rate-high"), later=("train.g_lr=0.1", "balance.g_turns=10")),
}
WAIT_S = 0.1  # "hungry" waits so long for every batch


def drawings(out: Path) -> None:
    """The sets they learn from, made once."""
    book = out / "sketchbook"
    if not book.is_dir():
        sketchbook.write(out / ".sketchbook", 2000)
        (out / ".sketchbook").rename(book)
    for name, size, grey in (("colour-32", 32, False), ("grey-28", 28, True)):
        if not (out / name).is_dir():
            preparing.prepare(book, out / name, size=size, grey=grey, tags="portrait")
    for name, count in (("one", 1), ("eight", 8), ("few", 400)):
        if not (out / name).is_dir():
            few = out / f"{name}-drawings"
            few.mkdir(exist_ok=True)
            known = (sketchbook.invent(0, number) for number in itertools.count())
            portraits = (who for who in known if who.framing == "portrait")
            for i, who in enumerate(itertools.islice(portraits, count)):
                sketchbook.draw(who, 64).convert("RGB").save(few / f"{i}.png")
            if count == 1:  # one picture, twice: a dataset of a single one is refused
                shutil.copyfile(few / "0.png", few / "0-again.png")
            preparing.prepare(few, out / name, size=32, duplicates="keep")


def train(out: Path, names: list[str], kimg: float) -> None:
    drawings(out)
    gather = Prepared.gather
    for name in names or list(CASES):
        case = CASES[name]
        if name == "hungry":

            def slowly(self: Prepared, *arguments: object) -> object:
                time.sleep(WAIT_S)
                return gather(self, *arguments)  # type: ignore[arg-type]

            Prepared.gather = slowly  # type: ignore[assignment, method-assign]
        began = time.monotonic()
        first = kimg / 2 if case.later else kimg
        changes = [f"train.kimg={first}", *WATCHED, *case.changes]
        try:
            starting.train(case.recipe, out / case.data, out / name, changes=changes, device_name="cpu")
            if case.later:
                starting.resume(out / name, changes=[f"train.kimg={kimg}", *case.later], device_name="cpu")
            ended = "ended"
        except Fault as error:
            ended = str(error)
        Prepared.gather = gather  # type: ignore[method-assign]
        print(f"{name:16} {time.monotonic() - began:6.0f} s  {ended}", flush=True)


def collect(out: Path, names: list[str]) -> None:
    """Put what the tests need of each run, and nothing else, where they read it."""
    LOGS.mkdir(exist_ok=True)
    for name in names or list(CASES):
        case, run = CASES[name], Run(out / name)
        log = [{k: _short(v) for k, v in line.items() if _needed(k, line)} for line in run.read_log(broken=True)]
        half = run.seen() // 2 if case.later else 0
        about = {"expected": case.sick, "onset": half, "pictures": run.pictures, "recipe": case.recipe}
        text = json.dumps(about | {"changes": case.changes, "log": log})
        with gzip.GzipFile(LOGS / f"{name}.json.gz", "wb", mtime=0) as file:
            file.write(text.encode())


def _needed(key: str, line: Mapping[str, float]) -> bool:
    costs = {"seconds", "joules", "memory_mb", "images_per_second"} if "step" in line else {}
    return not re.match("[dg]/update/", key) and key not in costs


def _short(value: float) -> float | None:
    """Four digits; what is not finite as in a log."""
    if not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.4g}")


@dataclass(frozen=True)
class Told:
    """What is found in a collected log."""

    expected: tuple[str, ...]
    onset: int
    findings: list[Finding]

    @property
    def right(self) -> list[Finding]:
        """Those that were expected, the first to be sure of first; of a healthy run there are none."""
        known = [f for f in self.findings if f.name in self.expected and f.sure_at >= self.onset]
        return sorted(known, key=lambda finding: finding.sure_at)

    @property
    def early(self) -> list[Finding]:
        """Findings of grave faults while all was well: false alarms."""
        return [f for f in self.findings if not self.expected or f.sure_at < self.onset]


def read(path: Path, *changes: str) -> Told:
    """Examine a collected log with a recipe as it was, but for thresholds."""
    about = json.loads(gzip.decompress(path.read_bytes()))
    log = [{k: math.nan if v is None else v for k, v in line.items()} for line in about["log"]]
    wanted = recipe.load(about["recipe"]).changed([*about["changes"], *changes])
    return Told(tuple(about["expected"]), about["onset"], examine(log, wanted, about["pictures"]))


def table(changes: list[str]) -> None:
    """What is found in the collected logs, and how many thousand images after the fault began one is sure of it."""
    told = {path.name.partition(".")[0]: read(path, *changes) for path in sorted(LOGS.glob("*.json.gz"))}
    for name in (name for name in CASES if name in told):
        one = told[name]
        well = bool(one.right) and not one.early if one.expected else not one.findings
        delay = f"{(one.right[0].sure_at - one.onset) / 1000:.1f}" if one.right else ""
        found = ", ".join(f"{f.name} {f.nimg / 1000:.1f}→{f.sure_at / 1000:.1f}" for f in one.findings)
        print(f"{'ok' if well else '!!'} {name:14} {delay:>5} {'/'.join(one.expected) or 'healthy':32} {found or '–'}")
    sick, healthy = ([one for one in told.values() if bool(one.expected) == ill] for ill in (True, False))
    delays = [(one.right[0].sure_at - one.onset) / 1000 for one in sick if one.right]
    print(
        f"\n{len(delays)} of {len(sick)} sick runs found as expected, {median(delays):.1f} thousand images after the "
        f"onset (median; at most {max(delays):.1f}); false alarms in {sum(bool(one.early) for one in told.values())} "
        f"runs, {sum(bool(one.early) for one in healthy)} of them of the {len(healthy)} healthy ones"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("train", "collect", "table"))
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--kimg", type=float, default=40)
    parser.add_argument("--set", action="append", default=[], help="another threshold: --set doctor.patience=3")
    arguments = parser.parse_args()
    if arguments.verb == "train":
        train(arguments.out, arguments.names, arguments.kimg)
    elif arguments.verb == "collect":
        collect(arguments.out, arguments.names)
    else:
        table(arguments.set)


if __name__ == "__main__":
    main()
