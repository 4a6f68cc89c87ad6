"""The demo: the whole way once, on drawings that boceto makes itself, in minutes on two CPU cores."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path

from boceto import sampling, starting
from boceto.data import preparing, sketchbook
from boceto.data.prepared import MANIFEST, Prepared
from boceto.errors import UsageError, os_errors
from boceto.files import write_image
from boceto.reporting.page import report
from boceto.terminal import Bar, clock, program, quoted, say, training_bar

RECIPE = "dcgan-64-quick"
TAGS = "portrait"


def run_demo(out: Path, *, pictures: int, minutes: float, device_name: str) -> None:
    """Draw a sketchbook, prepare its portraits, train, and report, all below ``out``.

    Stages that are done already are passed over, so that an interrupted demo goes on where it stopped.
    Raises UsageError for impossible numbers, Fault if something cannot be written.
    """
    if pictures < 200 or not 0 < minutes < math.inf:
        raise UsageError("the demo draws 200 pictures or more (--pictures) and trains for some time (--minutes)")
    began = time.monotonic()
    book, data, run, picture = out / "sketchbook", out / "data", out / "run", out / "new-drawings.png"
    if not (book / sketchbook.METADATA).is_file():
        say("1/4  A sketchbook: characters drawn by boceto itself, with faults planted among them")
        with Bar("Drawing") as bar, os_errors("draw in", book):
            drawing = out / ".sketchbook.partial"  # ours alone: an interrupted demo draws anew
            shutil.rmtree(drawing, ignore_errors=True)
            written = sketchbook.write(drawing, pictures, progress=bar.show)
            drawing.rename(book)
        planted = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in written.faults.items())
        say(f"     {book}: {written.pictures:,} characters, and planted among them {planted}")
    if not (data / MANIFEST).is_file():
        say(f"2/4  Preparing the portraits, about three in four (--tags {TAGS})")
        with Bar("Preparing") as bar:

            def show(p: preparing.Progress) -> None:
                bar.show(p.done, p.total, f"kept {p.kept:,}")

            preparing.prepare(book, data, tags=TAGS, workers=None, progress=show)
    say(f"     {data}: {Prepared(data).summary()}")
    say(f"3/4  Training {RECIPE} for {minutes:g} minutes (Ctrl-C stops it and loses nothing)")
    with training_bar() as show_training:
        starting.train(
            RECIPE,
            data,
            run,
            changes=[f"train.minutes={minutes}"],
            device_name=device_name,
            show=show_training,
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
    say("This is what some minutes give: faces, still rough. Next:", "bold")
    commands = {
        f"resume {quoted(run)} --set train.minutes={4 * minutes:g}": f"train on, to {4 * minutes:g} minutes in all",
        f"sample {quoted(run)} -n 100 --seed 1 -o sheet.png": "more drawings",
        "prepare YOUR_DRAWINGS -o data": "then your own: any folder of pictures",
        "train auto --data data --out run --minutes 30": "and a generator of them",
    }
    boceto, longest = program(), max(map(len, commands))
    for command, comment in commands.items():
        say(f"  {boceto} {command:{longest}}   {comment}")


def _indented(line: str) -> None:
    say(f"     {line}")
