"""Runs: what they draw, how they stand and fared, what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from boceto.cli.door import AsJson, Device, Flag, Page, app, path_or_none, print_json, shell


@app.command
def sample(
    run: Path,
    /,
    *,
    n: Annotated[int | None, Parameter(name=["-n", "--number"])] = None,
    seed: int = 0,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("sheet.png"),
    label: Annotated[list[str] | None, Parameter(negative=())] = None,
    by_label: Annotated[bool, Flag] = False,
    snapshot: str = "last",
    psi: float = 1.0,
    columns: int | None = None,
    scale: int = 1,
    separate: Path | None = None,
    precision: Literal["float32", "auto", "bfloat16"] = "float32",
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Draw new pictures on a sheet.

    Example: `boceto sample run -n 25 --seed 0 -o sheet.png`

    Parameters
    ----------
    run
        The run folder.
    n
        How many pictures, 25 if not given; with --by-label how many rows, 5.
    seed
        The same seed draws the same pictures.
    out
        The sheet, a .png or .jpg.
    label
        A tag or class that all of them shall show, and no other of those that G was told; repeatable.
    by_label
        The same latents under every label: a row each, with the label's name over its column.
    snapshot
        last, best, or the name of a snapshot.
    psi
        Below 1: more alike, often cleaner.
    columns
        Pictures in a row; as square as possible if not given.
    scale
        Enlarge the sheet so many times.
    separate
        Also write every picture alone into this folder.
    precision
        float32 draws the same on every machine; auto takes what is quickest here, and may differ a little.
    """
    from boceto import sampling
    from boceto.terminal import say

    model = sampling.load(run, snapshot, device, precision)
    n = (5 if by_label else 25) if n is None else n
    how: dict[str, Any] = {"columns": columns, "scale": scale, "separate": separate}
    written = sampling.write_sheet(model, out, n, seed, psi, labels=label, by_label=by_label, **how)
    if as_json:
        print_json(
            {
                "sheet": str(out),
                "pictures": [str(p) for p in written],
                "snapshot": model.path.stem,
                "seed": seed,
                "labels": label,
                "columns": model.titles if by_label else None,
            }
        )
    else:
        what = f"{n} rows under {len(model.titles)} labels" if by_label else f"{n} pictures"
        shown = f" that show {', '.join(label)}" if label else ""
        say(f"{out}: {what}{shown} of seed {seed} from snapshot {model.path.stem}")


@app.command
def report(run: Path, /, *, data: Path | None = None, as_json: AsJson = False) -> None:
    """Write a run's page and figures: RUN/report.html.

    Example: `boceto report run`

    Parameters
    ----------
    run
        The run folder.
    data
        The dataset, if it has moved since.
    """
    from boceto.reporting.page import report as write
    from boceto.terminal import say

    page = write(run, data=data)
    print_json({"report": str(page)}) if as_json else say(f"{page}: open it in a browser")


@app.command
def doctor(run: Path | None = None, /, *, as_json: AsJson = False) -> None:
    """Say what is wrong with a training, since when, how one sees it, and what helps.

    Without a run: what faults are looked for.

    Example: `boceto doctor run`

    Parameters
    ----------
    run
        The run folder, of a training that goes on or has ended.
    """
    from boceto.doctor import RULES, account, examine
    from boceto.runs import Run
    from boceto.terminal import say

    if run is None:
        if as_json:
            print_json({rule.name: {"about": rule.about, "remedy": rule.remedy} for rule in RULES})
        else:
            for rule in RULES:
                say(f"{rule.name:17} {rule.about}")
        return
    opened = Run(run)
    log, treated = opened.read_log(broken=True), opened.treatments()
    findings = examine(log, opened.treated, opened.pictures)
    if as_json:
        print_json({"lines": len(log), "findings": [finding.told() for finding in findings], "treatments": treated})
        return
    for line in account(findings, treated, len(log)):
        say(line)


@app.command
def runs(
    folder: Path,
    /,
    *,
    out: Page = None,
    as_json: AsJson = False,
) -> None:
    """List the runs in a folder and below it, the newest first, and how each stands.

    Example: `boceto runs . -o runs.html`

    Parameters
    ----------
    folder
        Where to look, up to six folders deep. Links and hidden folders are not followed.
    out
        Write one page instead, with the newest sheet of each run and the command that goes on with it.
    """
    from boceto.reporting import listing
    from boceto.terminal import console, say

    found = listing.find(folder)
    if out is not None:
        listing.write(found, out, shell)
    if as_json:
        print_json({**found.as_dict(), "page": path_or_none(out)})
    elif out is not None:
        say(f"{out}: open it in a browser")
    else:
        found.require_some()
        console.print(listing.rows(found), soft_wrap=False)
        for remark in listing.remarks(found):
            say(remark)


@app.command
def snapshots(
    run: Path,
    /,
    *,
    out: Page = None,
    seed: int = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """List the snapshots of a run, or draw with each of them to pick one.

    Example: `boceto snapshots run -o snapshots.html`

    Parameters
    ----------
    run
        The run folder.
    out
        Write one page instead, with the same eight latents drawn by every snapshot.
    seed
        Which latents.
    """
    from boceto.reporting import snapshots as listing
    from boceto.runs import Run
    from boceto.scoring import explained
    from boceto.terminal import Bar, console, say

    opened = Run(run)
    found = listing.find(opened)
    if out is not None:
        with Bar("Drawing", unit="snapshots") as bar:
            how: dict[str, Any] = {"seed": seed, "device_name": device, "progress": None if as_json else bar.show}
            listing.write(opened, found, out, shell, **how)
    if as_json:
        print_json({"run": str(run), "snapshots": listing.as_dicts(found), "page": path_or_none(out)})
    elif out is not None:
        say(f"{out}: open it in a browser")
    else:
        listing.require_some(opened, found)
        console.print(listing.rows(found), soft_wrap=False)
        for line in explained(listing.score_names(found)):
            say(line)
        for one in found:
            if one.damage:
                say(one.damage)
        if sound := listing.newest_sound(found):
            say(f"to draw with one:\n  {shell('sample', run, '--snapshot', sound.name)}")


@app.command
def compare(
    *run: Path,
    out: Page = None,
    seed: int = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Tell in what settings runs differ, and what came of each.

    Example: `boceto compare run again -o compare.html`

    Parameters
    ----------
    run
        From 2 to 20 run folders.
    out
        Write one page instead, with pictures and curves too.
    seed
        Which latents.
    """
    from boceto.reporting import differing
    from boceto.terminal import Bar, console, say

    compared = differing.compare(run)
    if out is not None:
        with Bar("Drawing", unit="runs") as bar:
            how: dict[str, Any] = {"seed": seed, "device_name": device, "progress": None if as_json else bar.show}
            differing.write(compared, out, **how)
    if as_json:
        print_json({**compared.as_dict(), "page": path_or_none(out)})
    elif out is not None:
        say(f"{out}: open it in a browser")
    else:
        for part in differing.tables(compared, console.width):
            console.print(part, soft_wrap=False)


@app.command
def figure(
    name: str | None = None,
    /,
    *what: str,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    data: Path | None = None,
    snapshot: str = "last",
    at: float | None = None,
    seed: int = 0,
    last: int = 10,
    fps: float = 8.0,
    hold: float = 2.0,
    most: int = 200,
    as_json: AsJson = False,
) -> None:
    """Draw a figure of the theses, or list them.

    Example: `boceto figure network progan-64 -o network.svg`

    Parameters
    ----------
    name
        One of the list.
    what
        What it is of: a recipe, or one or more run folders.
    out
        The file: .svg or .png for charts and diagrams, .png for pictures, .gif, .webp, .png or .mp4 for films.
        A network without it is told in the terminal.
    data
        The dataset, if it has moved since (rows).
    snapshot
        last, or the name of a snapshot (sheet).
    at
        After how many thousand images a growing network is shown; complete if not given (network).
    seed
        Which latents (sheet, rows, evolution of several runs).
    last
        How many lines of the log count (confusion).
    fps
        Frames a second (film).
    hold
        Seconds that the last frame stays (film).
    most
        Frames at most (film).
    """
    from boceto.errors import UsageError
    from boceto.reporting import figuring
    from boceto.terminal import say

    if name is None:
        if as_json:
            print_json(figuring.names())
        else:
            for known, about in figuring.names().items():
                say(f"{known:13} {about}")
        return
    wish = figuring.Wish(what, data=data, snapshot=snapshot, at_kimg=at, last=last, seed=seed)
    if out is None:
        if name != "network":
            raise UsageError(f"say where figure {name} shall go: boceto figure {name} … -o {name}.png")
        for line in figuring.summary(wish):
            say(line)
        return
    figuring.write(name, wish, out, fps=fps, hold=hold, most=most)
    print_json({"figure": str(out)}) if as_json else say(f"{out}: {name}")
