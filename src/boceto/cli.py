"""The front door: parse, call, print. No logic of its own, and nothing heavy imported before a command needs it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from boceto.errors import BocetoError, os_fault
from boceto.version import __version__

app = App(
    name="boceto",
    help="Train a generator on your own drawings, watch how it goes, and draw with it.",
    help_epilogue="Begin with `boceto demo`, or with `boceto prepare FOLDER -o DATA`.",
    version=__version__,
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)

Changes = Annotated[list[str] | None, Parameter(name="--set", negative=(), help="key=value of the recipe; repeatable")]
Track = Annotated[
    list[str] | None, Parameter(negative=(), help="tensorboard or wandb, to watch it there too; repeatable")
]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], Parameter(help="where to compute")]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="print the answer as JSON")]
Force = Annotated[bool, Parameter(negative=(), help="replace an earlier prepared dataset of that name")]
Page = Annotated[Path | None, Parameter(name=["--out", "-o"])]
Flag = Parameter(negative=())


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
def prepare(
    source: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    size: str = "64",
    fit: Literal["letterbox", "squish", "crop", "fill"] = "crop",
    grey: Annotated[bool, Flag] = False,
    tags: str | None = None,
    bars: Literal["drop", "crop", "keep"] = "crop",
    duplicates: Literal["drop", "keep"] = "drop",
    animated: Literal["first", "skip"] = "first",
    paper: str = "white",
    min_side: int | None = None,
    enlarge: Annotated[bool, Flag] = False,
    metadata: Path | None = None,
    pairs_from: Path | None = None,
    side_by_side: Literal["source-left", "source-right"] | None = None,
    workers: int | None = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Turn a folder of drawings into a dataset to train on.

    Example: `boceto prepare drawings -o data --size 64 --tags "1girl & !hat"`

    Parameters
    ----------
    source
        Folder (with any sub-folders), ZIP or TAR of pictures, with or without metadata.
    out
        The dataset's folder, which must not exist yet.
    size
        Side in pixels, or WIDTHxHEIGHT.
    fit
        letterbox and fill keep all of a drawing, crop takes its centre, squish distorts it.
    grey
        Grey instead of colour.
    tags
        Only pictures whose tags match: & and, | or, ! not, ( ).
    bars
        What to do with flat bars along two or four sides.
    duplicates
        What to do with a drawing that is there twice.
    animated
        Take the first frame of an animation, or leave it out.
    paper
        Colour under transparent pictures.
    min_side
        Leave out pictures with a shorter side; half the size if not given.
    enlarge
        Enlarge small pictures instead of framing them.
    metadata
        File that tells the pictures' tags, if it does not lie among them.
    pairs_from
        For source → target pairs: where the sources lie, under the same names.
    side_by_side
        For source → target pairs that stand beside each other in one picture.
    workers
        Processes; all cores if not given.
    """
    from boceto.data.preparing import Progress
    from boceto.data.preparing import prepare as run
    from boceto.recipe import first_try
    from boceto.terminal import Bar, program, quoted, say

    with Bar("Preparing") as bar:

        def show(p: Progress) -> None:
            bar.show(p.done, p.total, f"kept {p.kept:,}, left out {p.done - p.kept:,}")

        data = run(
            source,
            out,
            size=size,
            fit=fit,
            grey=grey,
            tags=tags,
            bars=bars,
            duplicates=duplicates,
            animated=animated,
            paper=paper,
            min_side=min_side,
            enlarge=enlarge,
            metadata=metadata,
            pairs_from=pairs_from,
            side_by_side=side_by_side,
            workers=workers,
            force=force,
            progress=None if as_json else show,
        )
    if as_json:
        _print_json(data.manifest)
    else:
        say(f"{out}: {data.summary()}")
        height, width, _ = data.shape
        if height == width and not data.paired and (words := first_try(height)):
            say(f"next:\n  {program()} train {words} --data {quoted(out)} --out run --minutes 30")


data_app = app.command(App(name="data", help="Look into a prepared dataset, check it, hand it on to other tools."))


@data_app.command
def info(data: Path, /, *, as_json: AsJson = False) -> None:
    """Tell what a prepared dataset holds.

    Example: `boceto data info data`

    Parameters
    ----------
    data
        A prepared dataset.
    """
    from boceto.data import describing
    from boceto.data.prepared import Prepared
    from boceto.terminal import say

    account = describing.describe(Prepared(data))
    if as_json:
        _print_json(account)
    else:
        for line in describing.lines(account):
            say(line)


@data_app.command
def verify(data: Path, /, *, as_json: AsJson = False) -> None:
    """Check that every byte of a prepared dataset is as it was written.

    Example: `boceto data verify data`

    Parameters
    ----------
    data
        A prepared dataset.
    """
    from boceto.data import describing
    from boceto.data.prepared import Prepared
    from boceto.terminal import Bar, say

    opened = Prepared(data)
    with Bar("Verifying", unit="MB") as bar:

        def show(done: int, total: int) -> None:
            bar.show(done // 10**6, total // 10**6, share=done / total)

        checked = opened.verify(progress=None if as_json else show)
    if as_json:
        _print_json({"data": str(data), "pictures": len(opened), "bytes": checked, "intact": True})
    else:
        say(f"{data}: {len(opened):,} pictures, {describing.size(checked)}, every byte as it was written")


@data_app.command
def export(
    data: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    form: Annotated[Literal["imagefolder", "stylegan"], Parameter(name="--as")],
    as_json: AsJson = False,
) -> None:
    """Write a prepared dataset in a form that other tools read.

    Example: `boceto data export data -o drawings.zip --as stylegan`

    Parameters
    ----------
    data
        A prepared dataset.
    out
        The new folder, or for stylegan the new .zip.
    form
        imagefolder: PNG files and metadata.jsonl (Hugging Face); stylegan: a ZIP for StyleGAN2-ADA and 3.
    """
    from boceto.data.exporting import export as run
    from boceto.terminal import Bar, say

    with Bar("Exporting") as bar:
        done = run(data, out, form, progress=None if as_json else bar.show)
    if as_json:
        _print_json(
            {"out": str(out), "form": form, "pictures": done.pictures, "classes": done.classes, "pairs": done.pairs}
        )
        return
    classes = f" in {len(done.classes)} classes" if done.classes else ""
    say(f"{out}: {done.pictures:,} pictures{classes}, as {form}")
    if done.pairs:
        say("each picture is a pair side by side; boceto prepare --side-by-side source-left takes them back")


@app.command
def fetch(
    name: str | None = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    as_json: AsJson = False,
) -> None:
    """Download a set of pictures, or list those known by name.

    Example: `boceto fetch moeimouto -o faces`

    Parameters
    ----------
    name
        One of the list, hf:OWNER/NAME or kaggle:OWNER/NAME.
    out
        The folder for the pictures, new or empty.
    """
    from boceto.data import fetching
    from boceto.errors import UsageError
    from boceto.terminal import Bar, program, quoted, say

    if name is None:
        sets = [
            {"name": known.name, "about": known.about, "licence": known.licence, "page": known.page}
            for known in fetching.SETS.values()
        ]
        if as_json:
            _print_json(sets)
            return
        for entry in sets:
            say("{name}: {about}\n  {licence}\n  {page}".format(**entry))
        say("hf:OWNER/NAME, kaggle:OWNER/NAME: any set of picture files of Hugging Face or Kaggle")
        return
    if out is None:
        raise UsageError(f"say where {name} shall go: boceto fetch {name} -o FOLDER")
    with Bar("Fetching", unit="files") as bar:
        got = fetching.fetch(name, out, progress=None if as_json else bar.show)
    told = {"set": name, "out": str(out), "pictures": got.pictures, "tagged": got.tagged, "cache": str(got.cache)}
    if as_json:
        _print_json({**told, "licence": got.set.licence, "page": got.set.page})
        return
    tagged = f", {got.tagged:,} of them with tags" if got.tagged else ""
    say(f"{out}: {got.pictures:,} pictures{tagged}; licence: {got.set.licence} ({got.set.page})")
    say(f"the download itself stays in {got.cache} and can be deleted")
    say(f"next:\n  {program()} prepare {quoted(out)} -o data {got.set.prepare}")


@app.command
def tags(
    source: Path,
    /,
    *,
    query: str | None = None,
    top: int = 40,
    metadata: Path | None = None,
    as_json: AsJson = False,
) -> None:
    """Count the tags of a source, and what each part of a query costs.

    Example: `boceto tags drawings --query "(1girl | solo) & !hat"`

    Parameters
    ----------
    source
        Folder, ZIP or TAR of pictures with metadata; or a prepared dataset.
    query
        Count every part of it alone, and how many pictures are left so far.
    top
        How many tags to show, the commonest first; 0 for all.
    metadata
        File that tells the pictures' tags, if it does not lie among them.
    """
    from boceto.data.study import read_records
    from boceto.data.tags import survey
    from boceto.terminal import say

    found = survey(read_records(source, metadata), query, top)
    if as_json:
        _print_json(found.as_dict())
    else:
        for line in found.lines():
            say(line)


@app.command
def study(
    source: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    tags: str | None = None,
    groups: Path | None = None,
    sample: int = 5000,
    metadata: Path | None = None,
    workers: int | None = None,
    as_json: AsJson = False,
) -> None:
    """Look into a source or a prepared dataset: one page with tags, sizes, bars, duplicates and examples.

    Example: `boceto study drawings -o study --tags "1girl & !hat"`

    Parameters
    ----------
    source
        Folder, ZIP or TAR of pictures, or a prepared dataset.
    out
        Folder for study.html, figures, tags.csv and tag_groups.yaml.
    tags
        Only pictures whose tags match: & and, | or, ! not, ( ).
    groups
        YAML file with groups of tags; else the one in the study's folder, else boceto's own.
    sample
        How many pictures to open at most, drawn at random.
    metadata
        File that tells the pictures' tags, if it does not lie among them.
    workers
        Processes; all cores if not given.
    """
    from boceto.reporting.study import study as write
    from boceto.terminal import Bar, say

    with Bar("Studying") as bar:
        page, found = write(
            source,
            out,
            query=tags,
            groups=groups,
            sample=sample,
            metadata=metadata,
            workers=workers,
            progress=None if as_json else bar.show,
        )
    _print_json({"study": str(page), **found.summary()}) if as_json else say(f"{page}: open it in a browser")


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
        _print_json(shown.model_dump(mode="json")) if as_json else say(text.rstrip())
    elif as_json:
        _print_json(recipe.names())
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

    Example: `boceto train dcgan-64 --data data --out run --set train.kimg=200`

    Parameters
    ----------
    recipe
        A name (see boceto recipes) or a .toml file.
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


@app.command
def sample(
    run: Path,
    /,
    *,
    n: Annotated[int, Parameter(name=["-n", "--number"])] = 25,
    seed: int = 0,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("sheet.png"),
    snapshot: str = "last",
    psi: float = 1.0,
    columns: int | None = None,
    scale: int = 1,
    separate: Path | None = None,
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
        How many pictures.
    seed
        The same seed draws the same pictures.
    out
        The sheet, a .png or .jpg.
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
    """
    from boceto import sampling
    from boceto.terminal import say

    model = sampling.load(run, snapshot, device)
    written = sampling.write_sheet(model, out, n, seed, psi, columns=columns, scale=scale, separate=separate)
    if as_json:
        _print_json(
            {"sheet": str(out), "pictures": [str(p) for p in written], "snapshot": model.path.stem, "seed": seed}
        )
    else:
        say(f"{out}: {n} pictures of seed {seed} from snapshot {model.path.stem}")


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
    _print_json({"report": str(page)}) if as_json else say(f"{page}: open it in a browser")


@app.command
def evaluate(
    run: Path,
    /,
    *,
    data: Path | None = None,
    samples: int = 2048,
    features: str = "lite0",
    snapshot: str = "last",
    seed: int = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Score a run: how near its pictures are to the drawings, how good, how varied, beside real ones as the floor.

    Example: `boceto evaluate run --samples 1000`

    Parameters
    ----------
    run
        The run folder.
    data
        The dataset, if it has moved since, or another one to compare with.
    samples
        Generated pictures, and as many real ones, half the dataset's at most.
    features
        The network that likeness is measured by: lite0, inception (of published FIDs; loads 91 MB of weights once),
        inception-clean (as clean-fid resizes), or the folder of a tagger.
    snapshot
        last, best, or a name.
    seed
        Which latents, and which real pictures.
    """
    from boceto import evaluating, scoring
    from boceto.runs import Run
    from boceto.terminal import Bar, console, say

    with Bar("Looking", unit="pictures") as bar:

        def show(what: str, done: int, of: int) -> None:
            if not as_json:
                bar.turn_to(what)
                bar.show(done, of)

        how: dict[str, Any] = {"data": data, "samples": samples, "features": features, "snapshot": snapshot}
        found = evaluating.evaluate(run, **how, seed=seed, device_name=device, progress=show)
    if as_json:
        _print_json(found.as_dict())
    else:
        console.print(evaluating.rows(found), soft_wrap=False)
        for line in evaluating.remarks(found):
            say(line)
    scoring.note(Run(run), found)


@app.command
def originality(
    run: Path,
    /,
    *,
    n: Annotated[int, Parameter(name=["-n", "--number"])] = 64,
    data: Path | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    features: str = "lite0",
    snapshot: str = "last",
    seed: int = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Did the generator copy? Its pictures beside their nearest training pictures, read against unseen real ones.

    Example: `boceto originality run -n 64`

    Parameters
    ----------
    run
        The run folder.
    n
        How many generated pictures to look at.
    data
        The dataset it was trained on, if it has moved since.
    out
        The figure, a .png or .jpg; in the run's figures if not given.
    features
        The network of the third view: lite0.
    snapshot
        last, best, or a name.
    seed
        Which latents.
    """
    from boceto import originality as looking
    from boceto.terminal import Bar, console, say

    with Bar("Looking", unit="pictures") as bar:

        def show(what: str, done: int, of: int) -> None:
            if not as_json:
                bar.show(done, of, what)

        how: dict[str, Any] = {"data": data, "features": features, "snapshot": snapshot, "out": out}
        found = looking.originality(run, n=n, **how, seed=seed, device_name=device, progress=show)
    if as_json:
        _print_json(found.as_dict())
        return
    console.print(looking.rows(found), soft_wrap=False)
    for sentence in found.evidence:
        say(sentence)
    say(f"{found.figure}: pictures and their nearest; by {found.features}, after {found.nimg:,} images, seed {seed}")


tagger_app = app.command(App(name="tagger", help="Train a tagger on tagged drawings, and let it tag others."))


@tagger_app.command(name="train")
def train_tagger(
    data: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("tagger"),
    tags: str | None = None,
    softmax: Annotated[bool, Flag] = False,
    size: int | None = None,
    epochs: int = 20,
    flip: bool = True,
    seed: int = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a tagger on a prepared dataset with tags, and judge it on drawings it has not seen.

    Example: `boceto tagger train data -o tagger --tags "long_hair,short_hair,blue_eyes"`

    Parameters
    ----------
    data
        A prepared dataset.
    out
        The tagger's folder, which must not exist yet.
    tags
        Which tags it tells, with commas between.
    softmax
        One class a drawing: the first of the tags that it has, or without --tags the dataset's classes.
    size
        Pixels of the longer side that it looks at; 64, or the dataset's if that is smaller.
    epochs
        How often it sees all drawings at most.
    flip
        Show drawings mirrored too; not where a tag tells left from right.
    seed
        Which drawings it learns from, and its first weights.
    """
    from boceto import tagging
    from boceto.terminal import Bar, console, say

    with Bar("Learning") as bar:
        how: dict[str, Any] = {"tags": tags, "softmax": softmax, "size": size, "epochs": epochs, "flip": flip}
        made = tagging.train(data, out, **how, seed=seed, device_name=device, progress=None if as_json else bar.show)
    if as_json:
        _print_json({"tagger": made.name, "out": str(out), **made.about.model_dump(mode="json")})
        return
    console.print(tagging.judged(made), soft_wrap=False)
    for line in tagging.summary(made):
        say(line)
    say(f"{out / 'tagger.html'}: open it in a browser")
    say(f"next:\n  {_command('tagger', 'run', out, 'DRAWINGS', '-o', 'tags.jsonl')}")


@tagger_app.command(name="run")
def run_tagger(
    tagger: Path,
    source: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("tags.jsonl"),
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Tag drawings: a file of JSON lines that boceto prepare --metadata reads.

    Example: `boceto tagger run tagger drawings -o tags.jsonl`

    Parameters
    ----------
    tagger
        The tagger's folder.
    source
        Folder, ZIP or TAR of drawings, or a prepared dataset.
    out
        The new file.
    """
    from boceto import tagging
    from boceto.terminal import Bar, say

    with Bar("Tagging") as bar:
        found = tagging.tag(tagger, source, out, device_name=device, progress=None if as_json else bar.show)
    if as_json:
        _print_json(found.as_dict())
        return
    for line in tagging.told(found):
        say(line)
    say(f"next:\n  {_command('prepare', source, '--metadata', out, '--tags', Path(found.commonest), '-o', 'data')}")


@tagger_app.command(name="compare")
def compare_tags(
    tagger: Path,
    run: Path,
    /,
    *,
    data: Path | None = None,
    samples: int = 1000,
    snapshot: str = "last",
    seed: int = 0,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Tell which tags a run's drawings show, beside real ones tagged by the same tagger.

    Example: `boceto tagger compare tagger run -o tags.png`

    Parameters
    ----------
    tagger
        The tagger's folder.
    run
        The run folder.
    data
        The dataset, if it has moved since, or another one to compare with.
    samples
        Generated drawings, and real ones at most.
    snapshot
        last, best, or a name.
    seed
        Which latents, and which real drawings.
    out
        Also draw a chart: .svg or .png.
    """
    from boceto import tagging
    from boceto.terminal import console, say

    how: dict[str, Any] = {"data": data, "samples": samples, "snapshot": snapshot, "seed": seed}
    found = tagging.compare(tagger, run, **how, chart=out, device_name=device)
    if as_json:
        _print_json({**found.as_dict(), "chart": _told(out)})
        return
    console.print(tagging.rows(found), soft_wrap=False)
    say(found.told)
    if out is not None:
        say(f"{out}: the same as a chart")


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
            _print_json({rule.name: {"about": rule.about, "remedy": rule.remedy} for rule in RULES})
        else:
            for rule in RULES:
                say(f"{rule.name:17} {rule.about}")
        return
    opened = Run(run)
    log, treated = opened.read_log(broken=True), opened.treatments()
    findings = examine(log, opened.treated, opened.pictures)
    if as_json:
        _print_json({"lines": len(log), "findings": [finding.told() for finding in findings], "treatments": treated})
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
        listing.write(found, out, _command)
    if as_json:
        _print_json({**found.as_dict(), "page": _told(out)})
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
            listing.write(opened, found, out, _command, **how)
    if as_json:
        _print_json({"run": str(run), "snapshots": listing.as_dicts(found), "page": _told(out)})
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
            say(f"to draw with one:\n  {_command('sample', run, '--snapshot', sound.name)}")


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
        _print_json({**compared.as_dict(), "page": _told(out)})
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
            _print_json(figuring.names())
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
    _print_json({"figure": str(out)}) if as_json else say(f"{out}: {name}")


@app.command
def theory(
    *names: str,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("theory"),
    seed: int = 0,
    as_json: AsJson = False,
) -> None:
    """Try the theory of GANs: the claims of the papers, run and measured, on pages that can be cited.

    Example: `boceto theory optimal-d value -o theory`

    Parameters
    ----------
    names
        divergences, optimal-d, value, bilinear, dirac-gan, saturation, line, ring, grid, collapse; all if none.
    out
        Folder for the pages, their figures and numbers.
    seed
        Of all that is random; the same one gives the same pages.
    """
    from boceto.errors import Fault
    from boceto.terminal import Bar, say
    from boceto.theory import running

    with Bar("Theory", unit="steps") as bar:
        accounts = running.theory(out, names, seed=seed, progress=None if as_json else bar.show)
    if as_json:
        _print_json(accounts)
    else:
        for line, held in running.lines(accounts):
            say(line, "" if held else "yellow")
        say(f"{out / running.INDEX}: open it in a browser")
    if failed := running.failed(accounts):
        raise Fault(f"{len(failed)} statements do not hold with seed {seed}; try another seed: {'; '.join(failed)}")


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
        _print_json(done.account if done.stopped is None else {"stopped": done.stopped})
    elif done.stopped is not None:
        say(f"{done.stopped}: stopped, all saved; the same boceto ladder command goes on")
    else:
        say(f"{done.page}: open it in a browser")


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
        _print_json({"run": str(run.folder), "nimg": seen, "finished": finished})
        return
    boceto, folder = program(), quoted(run.folder)
    if finished:
        more = run.further()
        say(f"{run.folder}: finished at {seen:,} images; {more.partition('=')[0]} is a total, so to go on:")
        say(f"  {boceto} resume {folder} --set {more}")
        say(f"next:\n  {boceto} sample {folder} -o sheet.png\n  and open {run.folder / 'report.html'} in a browser")
    else:
        say(f"{run.folder}: stopped at {seen:,} images, all saved; go on with:\n  {boceto} resume {folder}")


def _command(*words: object) -> str:
    """A command of boceto that can be copied into a shell."""
    from boceto.terminal import program, quoted

    return " ".join([program(), *(quoted(word) if isinstance(word, Path) else str(word) for word in words)])


def _told(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0 fine, 1 a fault, 2 wrong use."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a sign gets a ? for it
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_none")
    except CycloptsError as error:
        return _complain(str(error).strip() + " (boceto --help shows how)", 2)
    except BocetoError as error:
        return _complain(str(error), error.exit_code)
    except BrokenPipeError:  # whoever read us has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _complain(str(os_fault("reach", error.filename or "a file", error)), 1)
    except MemoryError:
        return _complain("not enough memory for this; ask for less at once, or close other programs", 1)
    except KeyboardInterrupt as interrupt:
        return _complain(str(interrupt) or "interrupted; what was saved before stands", 1)
    return 0


def entry() -> None:
    """The ``boceto`` command; SIGTERM ends it as tidily as Ctrl-C."""
    if os.environ.get("COLUMNS") == "0":  # some terminals say so before they know their width
        del os.environ["COLUMNS"]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = main()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.exit(code)


def _complain(sentence: str, code: int) -> int:
    print(f"boceto: {' '.join(sentence.split())}", file=sys.stderr)
    return code
