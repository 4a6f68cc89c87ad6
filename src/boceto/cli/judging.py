"""Judging: scores, originality, leaks of jitter, tags, and the theory behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from boceto.cli.door import AsJson, Device, Flag, app, path_or_none, print_json, shell


@app.command
def evaluate(
    run: Path,
    /,
    *,
    data: Path | None = None,
    samples: int = 2048,
    features: str = "lite0",
    tagger: Path | None = None,
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
    tagger
        The folder of a tagger that looks whether the run heeds its labels; the one of features, if that is one.
    snapshot
        last, best, or a name.
    seed
        Which latents, and which real pictures.
    """
    from boceto import evaluating, scoring
    from boceto.runs import Run
    from boceto.terminal import Bar, console, say

    scoring.noted(Run(run))  # if what was told earlier is damaged, say so before the work

    with Bar("Looking", unit="pictures") as bar:

        def show(what: str, done: int, of: int) -> None:
            if not as_json:
                bar.turn_to(what)
                bar.show(done, of)

        how: dict[str, Any] = {"data": data, "samples": samples, "features": features, "snapshot": snapshot}
        found = evaluating.evaluate(run, **how, tagger=tagger, seed=seed, device_name=device, progress=show)
    if as_json:
        print_json(found.as_dict())
    else:
        console.print(evaluating.rows(found), soft_wrap=False)
        for line in evaluating.remarks(found):
            say(line)
    scoring.note(Run(run), found)
    if not as_json:
        say(f"kept in {run / scoring.NOTED}; boceto report and boceto compare show it")


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
        print_json(found.as_dict())
        return
    console.print(looking.rows(found), soft_wrap=False)
    for sentence in found.evidence:
        say(sentence)
    say(f"{found.figure}: pictures and their nearest; by {found.features}, after {found.nimg:,} images, seed {seed}")


@app.command
def leaks(
    run: Path,
    /,
    *,
    n: Annotated[int, Parameter(name=["-n", "--number"])] = 512,
    data: Path | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    features: str = "lite0",
    snapshot: str = "last",
    seed: int = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Does the generator draw jittered pictures (holes, odd colours, turned heads), because augmentation has leaked?

    Example: `boceto leaks run -n 512`

    Parameters
    ----------
    run
        The run folder, of a training with augment.policy.
    n
        How many generated pictures to look at.
    data
        The dataset it was trained on, if it has moved since.
    out
        The figure, a .png or .jpg; in the run's figures if not given.
    features
        The network that jitter is seen by: lite0.
    snapshot
        last, best, or a name.
    seed
        Which latents, and which real pictures.
    """
    from boceto import leaks as looking
    from boceto.terminal import Bar, console, say

    with Bar("Looking", unit="pictures") as bar:

        def show(what: str, done: int, of: int) -> None:
            if not as_json:
                bar.show(done, of)

        how: dict[str, Any] = {"data": data, "features": features, "snapshot": snapshot, "out": out}
        found = looking.leaks(run, n=n, **how, seed=seed, device_name=device, progress=show)
    if as_json:
        print_json(found.as_dict())
        return
    console.print(looking.rows(found), soft_wrap=False)
    for sentence in found.evidence:
        say(sentence)
    say(f"{found.figure}: the most suspicious; by {found.features}, after {found.nimg:,} images, seed {seed}")


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
        print_json({"tagger": made.name, "out": str(out), **made.about.model_dump(mode="json")})
        return
    console.print(tagging.judged(made), soft_wrap=False)
    for line in tagging.summary(made):
        say(line)
    say(f"{out / 'tagger.html'}: open it in a browser")
    say(f"next:\n  {shell('tagger', 'run', out, 'DRAWINGS', '-o', 'tags.jsonl')}")


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
        print_json(found.as_dict())
        return
    for line in tagging.told(found):
        say(line)
    if found.commonest:
        say(f"next:\n  {shell('prepare', source, '--metadata', out, '--tags', Path(found.commonest), '-o', 'data')}")


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
        print_json({**found.as_dict(), "chart": path_or_none(out)})
        return
    console.print(tagging.rows(found), soft_wrap=False)
    say(found.told)
    if out is not None:
        say(f"{out}: the same as a chart")


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
        print_json(accounts)
    else:
        for line, held in running.lines(accounts):
            say(line, "" if held else "yellow")
        say(f"{out / running.INDEX}: open it in a browser")
    if failed := running.failed(accounts):
        raise Fault(f"{len(failed)} statements do not hold with seed {seed}; try another seed: {'; '.join(failed)}")
