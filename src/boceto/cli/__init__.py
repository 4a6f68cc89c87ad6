"""The front door: parse, call, print. No logic of its own, and nothing heavy imported before a command needs it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper

from cyclopts import CycloptsError

from boceto.cli import benching, drawings, judging, runs, training  # noqa: F401  importing them makes their commands known
from boceto.cli.door import app
from boceto.errors import BocetoError, os_fault

__all__ = ["app", "ended", "entry", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0 fine, 1 a fault, 2 wrong use."""
    return ended(lambda: app(arguments, exit_on_error=False, print_error=False, result_action="return_none"))


def ended(act: Callable[[], object]) -> int:
    """Do it, and say in one sentence what was wrong, if anything was; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a sign gets a ? for it
    try:
        act()
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
