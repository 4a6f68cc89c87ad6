"""The demo: the whole way once, on drawings that boceto makes itself, in minutes on two CPU cores."""

from __future__ import annotations

import time
from pathlib import Path

from boceto import sampling, starting
from boceto.data import preparing, sketchbook
from boceto.data.prepared import MANIFEST, Prepared
from boceto.errors import UsageError
from boceto.reporting.page import report
from boceto.runs import write_image
from boceto.terminal import Bar, clock, program, say, training_bar

RECIPE = "dcgan-64-quick"
TAGS = "portrait"


def run_demo(out: Path, *, pictures: int, minutes: float, device_name: str) -> None:
    """Draw a sketchbook, prepare its portraits, train, and report, all below ``out``.

    Stages that are done already are passed over, so that an interrupted demo goes on where it stopped.
    Raises UsageError for impossible numbers, Fault if something cannot be written.
    """
    if pictures < 200 or minutes <= 0:
        raise UsageError("the demo draws 200 pictures or more (--pictures) and trains for some time (--minutes)")
    began = time.monotonic()
    book, data, run, picture = out / "sketchbook", out / "data", out / "run", out / "new-drawings.png"
    if not (book / sketchbook.METADATA).is_file():
        say("1/4  A sketchbook: characters drawn by boceto itself, with faults planted among them")
        with Bar("Drawing") as bar:
            written = sketchbook.write(book, pictures, progress=bar.show)
        planted = ", ".join(f"{count} {kind}" for kind, count in written.faults.items())
        say(f"     {book}: {written.pictures:,} good pictures; planted: {planted}")
    if not (data / MANIFEST).is_file():
        say(f"2/4  Preparing the portraits (--tags {TAGS})")
        with Bar("Preparing") as bar:
            preparing.prepare(book, data, tags=TAGS, progress=lambda p: bar.show(p.done, p.total, f"kept {p.kept:,}"))
    say(f"     {data}: {Prepared(data).summary()}")
    say(f"3/4  Training {RECIPE} for {minutes:g} minutes (Ctrl-C stops it and loses nothing)")
    with training_bar() as show:
        starting.train(
            RECIPE,
            data,
            run,
            changes=[f"train.minutes={minutes}"],
            device_name=device_name,
            show=show,
            announce=_indented,
        )
    say("4/4  The report")
    write_image(picture, sampling.sheet(sampling.load(run).sample(25), scale=2))
    page = report(run)
    say()
    say(f"Done in {clock(time.monotonic() - began)}.", "bold")
    say(f"  new drawings     {picture}")
    say(f"  the report       {page}   (open it in a browser)")
    say(f"  the sketchbook   {book}   (what was left out, and why: {data / 'quarantine.csv'})")
    say("Next:", "bold")
    boceto = program()
    say(f"  {boceto} resume {run} --set train.minutes={4 * minutes:g}      train on: it gets better")
    say(f"  {boceto} sample {run} -n 100 --seed 1 -o sheet.png   more drawings")
    say(f"  {boceto} prepare YOUR_DRAWINGS -o data            then your own: a folder of pictures is enough")
    say(f"  {boceto} train dcgan-64 --data data --out run")


def _indented(line: str) -> None:
    say(f"     {line}")
