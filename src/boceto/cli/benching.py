"""How quick this machine is at it, and how quick others are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from boceto.cli.door import AsJson, Device, Flag, app, print_json, shell

bench_app = app.command(App(name="bench", help="Measure how quick this machine is at boceto, and compare machines."))


@bench_app.default
def bench(
    *,
    recipes: str | None = None,
    seconds: float = 3.0,
    conv: Annotated[bool, Flag] = False,
    stages: Annotated[bool, Flag] = False,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("bench"),
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure how quick this machine is at boceto: training and drawing by every recipe, convolution, preparing.

    All recipes take a few minutes on a laptop; a recipe whose step is long is timed on a single one.

    Example: `boceto bench --recipes dcgan-64-quick,progan-64 --seconds 5`

    Parameters
    ----------
    recipes
        Names or .toml files with commas between; all that come with boceto if not given.
    seconds
        How long each recipe is timed.
    conv
        The convolution test of the thesis alone: ten convolutions on ever larger pictures, CPU and GPU.
    stages
        A net that grows at every stage, not only at its last.
    out
        Folder for bench.json, charts and the table of the convolution test.
    """
    from boceto.bench import running, telling
    from boceto.terminal import say, show

    names = None if recipes is None else [name.strip() for name in recipes.split(",") if name.strip()]
    found = running.bench(
        out,
        recipes=names,
        seconds=seconds,
        conv=conv,
        stages=stages,
        device_name=device,
        announce=(lambda line: None) if as_json else (lambda line: say(f"     {line}")),
    )
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    if found.recipes:
        say()
        show(telling.rows(found))
        say()
    for line in telling.remarks(found):
        say(line)
    say(f"{out}: bench.json, and charts; beside another machine's:\n  {shell('bench', 'compare', out, 'OTHER.json')}")


@bench_app.command
def compare(*files: Path, as_json: AsJson = False) -> None:
    """Tell how many times as quick other machines, or other versions, are than the first.

    Example: `boceto bench compare laptop/bench.json server/bench.json`

    Parameters
    ----------
    files
        What boceto bench has written: two or more bench.json, or the folders they are in.
    """
    from boceto.bench import account, telling
    from boceto.terminal import say, show

    told = telling.compare(files, [account.read(file) for file in files])
    if as_json:
        print_json(told)
        return
    show(telling.compared(told))
    for line in telling.legend(told):
        say(line)
