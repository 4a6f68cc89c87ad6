"""What does the doctor find? Twelve healthy trainings and sixteen sick ones, each sick in a way of its own.

    .venv/bin/python benchmarks/doctor.py train OUT [NAME …] [--kimg 30]     train them (about a minute each on a core)
    .venv/bin/python benchmarks/doctor.py collect OUT                        their logs → tests/doctor/NAME.jsonl.gz
    .venv/bin/python benchmarks/doctor.py table                              what is found in those logs, how soon

All learn from the sketchbook's portraits at 32 px (28 px grey where the network wants it). What a sick one is expected
to be found with stands beside it; findings of the healthy ones are false alarms.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from boceto import recipe, starting
from boceto.data import preparing, sketchbook
from boceto.data.prepared import Prepared
from boceto.doctor import examine
from boceto.errors import Fault

LOGS = Path(__file__).resolve().parents[1] / "tests" / "doctor"
SMALL = ["arch.resolution=32", "arch.g_width=16", "arch.d_width=16"]
QUICK, THESIS = "dcgan-64-quick", "dcgan-64"
NO_R1, SGD = "objective.r1_gamma=0", ["train.optimiser=sgd", "train.beta1=0"]
WATCHED = ["watch.log_kimg=0.5", "watch.sample_kimg=5", "watch.snapshot_kimg=1000", "doctor.act=off"]


@dataclass(frozen=True)
class Case:
    """A training: recipe, changes, drawings, and what it is expected to be found with (nothing: it is healthy)."""

    recipe: str
    changes: tuple[str, ...] = ()
    sick: tuple[str, ...] = ()
    data: str = "colour-32"


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
    "slow": Case(QUICK, (*SMALL, "train.d_lr=1e-4", "train.g_lr=1e-4")),
    "convolutional": Case("convolutional-64", ("arch.resolution=28", "arch.g_widths=[64,64,32]"), data="grey-28"),
    "vanilla": Case("vanilla-48", ("arch.resolution=28",), data="grey-28"),
    "progan": Case("progan-64", ("arch.resolution=32", "arch.width=64")),
    # sick
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
        ("collapse", "explosion", "rate-high"),
    ),
    "hungry": Case(QUICK, (*SMALL,), ("starvation",)),
}
PICTURES = {"colour-32": 1500, "grey-28": 1500, "one": 2, "eight": 8}  # about: they tell epochs
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
    for name, count in (("one", 1), ("eight", 8)):
        if not (out / name).is_dir():
            few = out / f"{name}-drawings"
            few.mkdir(exist_ok=True)
            for i in range(count):
                who = [w for w in (sketchbook.invent(0, j) for j in range(200)) if w.framing == "portrait"][i]
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
        changes = [f"train.kimg={kimg}", *WATCHED, *case.changes]
        try:
            starting.train(case.recipe, out / case.data, out / name, changes=changes, device_name="cpu")
            ended = "ended"
        except Fault as error:
            ended = str(error)
        Prepared.gather = gather  # type: ignore[method-assign]
        print(f"{name:16} {time.monotonic() - began:6.0f} s  {ended}", flush=True)


def collect(out: Path) -> None:
    """Copy the logs to where the tests read them."""
    LOGS.mkdir(exist_ok=True)
    for name in CASES:
        text = (out / name / "log.jsonl").read_bytes()
        with gzip.GzipFile(LOGS / f"{name}.jsonl.gz", "wb", mtime=0) as file:
            file.write(text)


def table() -> None:
    """What is found in the collected logs: sure how many images after the onset, and what was expected."""
    right = alarms = 0
    healthy = [name for name, case in CASES.items() if not case.sick]
    for name, case in CASES.items():
        with gzip.open(LOGS / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            log = [json.loads(line) for line in file]
        wanted = recipe.load(case.recipe).changed(case.changes)
        findings = examine(log, wanted, PICTURES[case.data])
        told = ", ".join(f"{f.name} {f.nimg / 1000:.1f}→{f.sure_at / 1000:.1f}" for f in findings)
        as_expected = bool({f.name for f in findings} & set(case.sick)) if case.sick else not findings
        right += as_expected and bool(case.sick)
        alarms += bool(findings) and not case.sick
        print(f"{'ok' if as_expected else '!!'} {name:16} {'/'.join(case.sick) or 'healthy':34} {told or '–'}")
    sick = len(CASES) - len(healthy)
    print(f"\n{right} of {sick} sick found as expected; false alarms in {alarms} of {len(healthy)} healthy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("train", "collect", "table"))
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--kimg", type=float, default=30)
    arguments = parser.parse_args()
    if arguments.verb == "train":
        train(arguments.out, arguments.names, arguments.kimg)
    elif arguments.verb == "collect":
        collect(arguments.out)
    else:
        table()


if __name__ == "__main__":
    main()
