"""Training: recipes, a run, a ladder of runs, and the whole way once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from boceto.cli.door import AsJson, Changes, Device, Track, app, print_json


@app.command
def demo(
    *,
    out: Path = Path("demo"),
    pictures: int = 4000,
    minutes: float = 4.0,
    device: Device = "auto",
) -> None:
    """The whole way on drawings that boceto makes itself: draw, prepare, train, report.

    Example: `boceto demo --out demo`

    Parameters
    ----------
    out
        Folder for everything; run again, it goes on where it stopped.
    pictures
        How many characters to draw.
    minutes
        How long to train.
    """
    from boceto.demo import run_demo

    run_demo(out, pictures=pictures, minutes=minutes, device_name=device)


@app.command
def recipes(name: str | None = None, /, *, as_json: AsJson = False) -> None:
    """List the recipes, or show one.

    Example: `boceto recipes dcgan-64`
    """
    from boceto import recipe
    from boceto.terminal import say

    if name is not None:
        shown = recipe.load(name)
        own = name in recipe.names()
        text = recipe.text(name) if own else shown.to_toml()
        print_json(shown.model_dump(mode="json")) if as_json else say(text.rstrip())
    elif as_json:
        print_json(recipe.names())
    else:
        for known in recipe.names():
            say(f"{known:24} {recipe.headline(known)}")


@app.command
def train(
    recipe: str,
    /,
    *,
    data: Path,
    out: Path,
    changes: Changes = None,
    minutes: float | None = None,
    origin: Annotated[Path | None, Parameter(name="--from")] = None,
    from_snapshot: str = "last",
    track: Track = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a recipe on a prepared dataset. On the same run folder it goes on where it stopped.

    Example: `boceto train auto --data data --out run --minutes 60`

    Parameters
    ----------
    recipe
        A name (see boceto recipes) or a .toml file; or auto: what suits the drawings, the machine and the minutes.
    data
        A prepared dataset.
    out
        The run folder.
    minutes
        Stop after so many minutes of training in all; short for --set train.minutes=M.
    origin
        A run of the same architecture to begin with, such as the stage before; or a tagger, for D to begin with.
    from_snapshot
        Its snapshot: last, or a name.
    """
    from boceto import starting
    from boceto.reporting.page import LivePage

    changes = [*(changes or []), *([f"train.minutes={minutes}"] if minutes is not None else [])]

    def start(view: Sequence[Any] = (), **how: Any) -> Any:
        begin = {"origin": origin, "origin_snapshot": from_snapshot, "track": [*view, LivePage, *(track or [])]}
        return starting.train(recipe, data, out, changes=changes, device_name=device, **begin, **how)  # type: ignore[arg-type]

    _train(as_json, start)


@app.command
def resume(
    run: Path,
    /,
    *,
    changes: Changes = None,
    data: Path | None = None,
    minutes: float | None = None,
    track: Track = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Go on with a run, further if asked.

    Example: `boceto resume run --set train.kimg=500`

    Parameters
    ----------
    run
        The run folder.
    data
        The dataset, if it has moved since.
    minutes
        Total minutes of training; short for --set train.minutes=M.
    """
    from boceto import starting
    from boceto.reporting.page import LivePage

    changes = [*(changes or []), *([f"train.minutes={minutes}"] if minutes is not None else [])]

    def start(view: Sequence[Any] = (), **how: Any) -> Any:
        watching = [*view, LivePage, *(track or [])]
        return starting.resume(run, changes=changes, data=data, device_name=device, track=watching, **how)

    _train(as_json, start)


def _train(as_json: bool, start: Any) -> None:
    """Run a training under a bar, and say how it ended."""
    from boceto.terminal import TrainingView, program, quoted, say

    if as_json:
        run = start()
    else:
        with TrainingView() as view:
            run = start([view.follow], show=view.show, announce=say)
    seen, finished = run.seen(), run.is_finished()
    if as_json:
        print_json({"run": str(run.folder), "nimg": seen, "finished": finished})
        return
    boceto, folder = program(), quoted(run.folder)
    if finished:
        more = run.further()
        say(f"{run.folder}: finished at {seen:,} images; {more.partition('=')[0]} is a total, so to go on:")
        say(f"  {boceto} resume {folder} --set {more}")
        say(f"next:\n  {boceto} sample {folder} -o sheet.png\n  and open {run.folder / 'report.html'} in a browser")
    else:
        say(f"{run.folder}: stopped at {seen:,} images, all saved; go on with:\n  {boceto} resume {folder}")


@app.command
def ladder(
    data: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    rungs: str | None = None,
    minutes: float | None = None,
    kimg: float | None = None,
    seed: int = 0,
    changes: Changes = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train several networks alike on the same drawings, and compare them on one page.

    Example: `boceto ladder data -o ladder --rungs vanilla-48,dcgan-64,progan-64 --minutes 10`

    Parameters
    ----------
    data
        A prepared dataset, at least as large as the largest network draws.
    out
        Folder for everything; run again, it goes on where it stopped.
    rungs
        Recipes (names or .toml files) with commas between; if not given, those of the theses that fit.
    minutes
        How long each trains.
    kimg
        How many thousand images each sees, instead of minutes.
    seed
        Of every training, and of the pictures shown.
    """
    from boceto.ladder import climb
    from boceto.terminal import say, training_bar

    names = [name.strip() for name in rungs.split(",") if name.strip()] if rungs is not None else None
    how: dict[str, Any] = {} if as_json else {"announce": say, "bar": training_bar}
    done = climb(
        data, out, names, minutes=minutes, kimg=kimg, seed=seed, changes=changes or (), device_name=device, **how
    )
    if as_json:
        print_json(done.account if done.stopped is None else {"stopped": done.stopped})
    elif done.stopped is not None:
        say(f"{done.stopped}: stopped, all saved; the same boceto ladder command goes on")
    else:
        say(f"{done.page}: open it in a browser")
