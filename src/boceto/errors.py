"""What a person can get wrong, in one sentence that names the thing and the remedy.

    BocetoError
    ├── UsageError   what was asked cannot be done        exit code 2
    └── Fault        it was fine to ask, but it went wrong   exit code 1

The front door prints the sentence without a traceback. Anything else that escapes is a defect of boceto.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
from collections.abc import Iterable, Iterator
from pathlib import Path


class BocetoError(Exception):
    """The common root; catch it to catch everything boceto raises on purpose."""

    exit_code = 1

    def __str__(self) -> str:
        """One line, whatever names of files and tags stand in it: a name may hold line feeds or a terminal's codes."""
        return printable(super().__str__())


class UsageError(BocetoError):
    """What was asked cannot be done: an unknown name, an impossible value, a folder that is not one."""

    exit_code = 2


class Fault(BocetoError):
    """The request was fine but the world was not: no space, no permission, a file cut short."""

    exit_code = 1


class NotEnoughMemory(Fault):
    """The memory of this machine, or of its GPU, does not hold what was to be computed."""


def printable(text: str) -> str:
    """The text in one line, with line feeds, a terminal's codes and signs of no alphabet written out."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest known word, or the list of them all."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}"


_REMEDIES = {
    errno.ENOSPC: ("no space is left on the disk", "free some space and run the same command again"),
    errno.EDQUOT: ("your disk quota is used up", "free some space and run the same command again"),
    errno.EFBIG: (
        "the file would pass the size limit set for this process",
        "raise the limit (ulimit -f) and run again",
    ),
    errno.EACCES: ("permission is denied", "choose another place or change the permissions"),
    errno.EPERM: ("permission is denied", "choose another place or change the permissions"),
    errno.EROFS: ("the disk is read-only", "choose another place"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.ENOTDIR: ("a part of that path is a file, not a folder", "move that file away, or choose another path"),
    errno.EISDIR: ("it is a folder, a file is needed", "choose another path"),
    errno.EEXIST: ("something of that name is in the way", "move it away, or choose another name"),
    errno.ENOENT: ("it does not exist", "check the path"),
}


def os_fault(doing: str, path: Path | str, error: OSError) -> Fault:
    """An OSError as a sentence: ``cannot write PATH: no space is left on the disk; free some …``."""
    what, remedy = _REMEDIES.get(error.errno or 0, (error.strerror or str(error), "mend that and run again"))
    return Fault(f"cannot {doing} {path}: {what}; {remedy}")


@contextlib.contextmanager
def os_errors(doing: str, path: Path | str) -> Iterator[None]:
    """Turn an OSError inside into a Fault."""
    try:
        yield
    except OSError as error:
        raise os_fault(doing, path, error) from error
