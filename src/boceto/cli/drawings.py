"""Drawings: prepared, told apart, looked into, handed on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from boceto.cli.door import AsJson, Flag, Force, app, print_json


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
    from boceto.nn.sizes import can_be_drawn
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
        print_json(data.manifest)
    else:
        say(f"{out}: {data.summary()}")
        if not data.paired and can_be_drawn(*data.shape[:2]):
            say(f"next:\n  {program()} train auto --data {quoted(out)} --out run --minutes 30")


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
        print_json(account)
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
        print_json({"data": str(data), "pictures": len(opened), "bytes": checked, "intact": True})
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
        print_json(
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
            print_json(sets)
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
        print_json({**told, "licence": got.set.licence, "page": got.set.page})
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
        print_json(found.as_dict())
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
    print_json({"study": str(page), **found.summary()}) if as_json else say(f"{page}: open it in a browser")
