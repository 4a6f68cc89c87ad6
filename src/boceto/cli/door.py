"""What all commands share: the app, options of one name and meaning, answers for programs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

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


def shell(*words: object) -> str:
    """A command of boceto that can be copied into a shell."""
    from boceto.terminal import program, quoted

    return " ".join([program(), *(quoted(word) if isinstance(word, Path) else str(word) for word in words)])


def path_or_none(path: Path | None) -> str | None:
    """A path as JSON has it."""
    return None if path is None else str(path)


def print_json(value: Any) -> None:
    """The answer for a program."""
    print(json.dumps(_strict(value), ensure_ascii=False, indent=2))


def _strict(value: Any) -> Any:
    """JSON knows no number that is not finite: it becomes null."""
    if isinstance(value, dict):
        return {key: _strict(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
