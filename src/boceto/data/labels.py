"""Labels: what G is told to draw. Tags by their name, classes as ``class:NAME``; 1 if a picture shows it, else 0.

    data.labels → ``settled`` → names → ``table`` → what every picture shows → ``occurring`` → rows that G keeps

On the other side of the run folder, where the dataset may be gone, a person asks for labels by name (``row``), and
``columns`` are the labels beside each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from boceto.data.prepared import Prepared
from boceto.data.sources import Record
from boceto.data.tags import hint, plain
from boceto.errors import UsageError, nearest
from boceto.gan import KNOWN

CLASS = "class"  # in a recipe: all classes of the dataset
MOST = (
    256  # labels: what a picture shows is gathered and sent with it, and each should be on enough of them to be learned
)
NONE = "none"  # the name of a column without any label
_OF_CLASS = "class:"

Labels = NDArray[np.uint8]


def short(name: str) -> str:
    """A label as people read it: a class without ``class:``."""
    return name.removeprefix(_OF_CLASS)


def of_class(name: str) -> bool:
    """Is this label a class?"""
    return name.startswith(_OF_CLASS)


# ── of a dataset ──


def settled(wanted: Sequence[str], data: Prepared) -> tuple[str, ...]:
    """The labels of a recipe by name: in the place of ``class`` all classes of the dataset, sorted.

    Raises UsageError if one is on no picture or on every one, or if they are more than ``MOST``.
    """
    records = data.records()
    counts = Counter(name for record in records for name in _shown(record))
    classes = sorted(filter(of_class, counts))
    names: list[str] = []
    for name in wanted:
        names += (classes or [_OF_CLASS]) if name == CLASS else [name]
    for name in names:
        _require(name, counts, len(records), data)
    names = list(dict.fromkeys(names))
    if len(names) > MOST:
        some = ", ".join(f'"{name}"' for name in names[:2])
        raise UsageError(
            f"data.labels: those of {data.folder} are {len(names):,}, and {MOST} is the most that a G is told; "
            f"name those that matter, as --set 'data.labels=[{some}]'"
        )
    return tuple(names)


def _require(name: str, counts: Counter[str], pictures: int, data: Prepared) -> None:
    """Raises UsageError if a label is on no picture, or on every one."""
    if name in counts:
        if counts[name] == pictures:
            what = f"is of the class '{short(name)}'" if of_class(name) else f"has the tag '{name}'"
            raise UsageError(
                f"every picture of {data.folder} {what}, so there is nothing to tell; leave it out of data.labels"
            )
        return
    classes, tags = ([label for label, _ in counts.most_common() if of_class(label) == kind] for kind in (True, False))
    if of_class(name):
        if not classes:
            raise UsageError(
                f"the pictures of {data.folder} have no classes to be told; prepare drawings from class folders or "
                f"with labels, or name tags in data.labels"
            )
        raise UsageError(f"no picture of {data.folder} is of the class '{short(name)}'{hint(name, classes)}")
    if _OF_CLASS + name in counts:
        raise UsageError(f"'{name}' is no tag but a class of {data.folder}; write it as {_OF_CLASS}{name}")
    if not tags:
        raise UsageError(
            f"the pictures of {data.folder} have no tags, so none has '{name}'; prepare them with their metadata "
            f"(boceto prepare --metadata FILE)"
        )
    raise UsageError(f"no picture of {data.folder} has the tag '{name}'{hint(name, tags)}")


def table(names: Sequence[str], data: Prepared) -> Labels:
    """What every picture of a dataset shows of these labels: (N, c_dim)."""
    places = {name: column for column, name in enumerate(names)}
    found = np.zeros((len(data), len(names)), np.uint8)
    for number, record in enumerate(data.records()):
        for name in _shown(record):
            if (column := places.get(name)) is not None:
                found[number, column] = 1
    return found


def _shown(record: Record) -> Iterator[str]:
    """All labels that could be told of a picture, each once."""
    yield from dict.fromkeys(map(plain, record.tags))
    if record.label is not None:
        yield _OF_CLASS + plain(record.label)


def occurring(shown: Labels) -> Labels:
    """``KNOWN`` rows of (N, c_dim), drawn once and for all, as evenly as can be: labels as they occur together."""
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(shown))
    return shown[np.resize(order, KNOWN)]


# ── of a trained G: ``known`` are its rows (KNOWN, c_dim) ──


def drawn(known: Labels, n: int, seed: int) -> Labels:
    """Labels for ``n`` pictures of a seed, as they occur together: (n, c_dim); the i-th is the same for any ``n``."""
    order = np.random.Generator(np.random.PCG64([seed, 0, 1])).permutation(len(known))
    return known[order[np.arange(n) % len(known)]]


def row(asked: Sequence[str], names: Sequence[str], known: Labels) -> Labels:
    """Just these labels, (c_dim,), a class with ``class:`` or without. Raises UsageError for what G was not told."""
    classes = [name for name in names if of_class(name)]
    found = np.zeros(len(names), np.uint8)
    for name in asked:
        full = name if name in names else _OF_CLASS + name
        if full not in names:
            raise UsageError(f"there is no label '{name}'{nearest(name, {*names, *map(short, names)})}")
        found[names.index(full)] = 1
    chosen = [short(name) for name, on in zip(names, found, strict=True) if on and of_class(name)]
    if len(chosen) > 1:
        raise UsageError(f"a picture is of one class, and '{chosen[0]}' and '{chosen[1]}' are two; name one of them")
    always = known[:, [of_class(name) for name in names]].any(axis=1).all()
    if classes and not chosen and always:
        raise UsageError(
            f"every drawing was of a class, so say of which this one shall be; known: {', '.join(map(short, classes))}"
        )
    return found


def titles(names: Sequence[str]) -> tuple[str, ...]:
    """What stands over the columns of labels beside each other; where all are tags, there is one with none of them."""
    bare = () if any(map(of_class, names)) else (NONE,)
    return (*bare, *map(short, names))


def columns(names: Sequence[str], known: Labels) -> Labels:
    """The labels beside each other, a row for each of ``titles``: (columns, c_dim).

    A label comes with the others that it comes with most often in the drawings, which of equals are the fewest: what G
    was never told together it cannot draw well. One that ``known`` has not comes alone.
    """
    found = [np.zeros(len(names), np.uint8)] * (len(titles(names)) - len(names))
    for place in range(len(names)):
        having, counts = np.unique(known[known[:, place] == 1], axis=0, return_counts=True)
        best = max(range(len(having)), key=lambda i: (counts[i], -int(having[i].sum())), default=None)
        found.append(np.eye(len(names), dtype=np.uint8)[place] if best is None else having[best])
    return np.stack(found)
