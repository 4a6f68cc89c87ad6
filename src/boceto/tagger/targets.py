"""What a tagger is to tell: tags, any number of them on a picture, or classes, one a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boceto.data.sources import Record
from boceto.data.tags import count_tags, hint, plain
from boceto.errors import UsageError


@dataclass(frozen=True)
class Targets:
    """The names to tell, as ``tags.plain`` gives them, the numbers of the pictures that take part (n,), and what is
    true of all: bool (N, K)."""

    names: tuple[str, ...]
    numbers: NDArray[np.int64]
    truth: NDArray[np.bool_]


def parse_tags(text: str) -> tuple[str, ...]:
    """``"long_hair, blue_eyes"`` → its tags. Raises UsageError if one is empty or there twice."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(f'--tags "{text}": a tag is empty; write for example "long_hair,blue_eyes"')
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"--tags: '{twice[0]}' is there twice; name each once")
    return names


def of_tags(records: Sequence[Record], names: Sequence[str], place: Path) -> Targets:
    """Every picture, and which of these tags it has. Raises UsageError as ``_require`` does."""
    _require(records, names, place)
    truth = np.array([[name in record.tags for name in names] for record in records])
    return Targets(tuple(map(plain, names)), np.arange(len(records)), truth)


def of_classes(records: Sequence[Record], names: Sequence[str] | None, place: Path) -> Targets:
    """One class a picture: the first of these tags that it has (the thesis's rule), or without tags its label.

    Pictures that have none take no part. Raises UsageError for fewer than two classes, and as ``_require`` does.
    """
    if names is None:
        labels = sorted({record.label for record in records if record.label is not None})
        if len(labels) < 2:
            raise UsageError(
                f"{place} has {'one class only' if labels else 'no classes'}; prepare drawings from class folders or "
                f'with labels, or name tags that are classes: --softmax --tags "short_hair,long_hair"'
            )
        return _one_each(labels, [record.label for record in records])
    if len(names) < 2:
        raise UsageError(f"--softmax tells classes apart, and '{names[0]}' is one only; name two tags or more")
    _require(records, names, place)
    return _one_each(names, [next((name for name in names if name in record.tags), None) for record in records])


def _one_each(names: Sequence[str], classes: Sequence[str | None]) -> Targets:
    numbers = np.array([number for number, name in enumerate(classes) if name is not None], dtype=np.int64)
    truth = np.array([[own == name for name in names] for own in classes])
    return Targets(tuple(map(plain, names)), numbers, truth)


def _require(records: Sequence[Record], names: Sequence[str], place: Path) -> None:
    """Raises UsageError if there are no tags at all, or if one of these is on no picture, or on every one."""
    counts = dict(count_tags(records))
    if not counts:
        raise UsageError(
            f"the pictures of {place} have no tags, so there is nothing to learn; prepare them with their metadata "
            f"(boceto prepare --metadata FILE)"
        )
    for name in names:
        if name not in counts:
            raise UsageError(f"no picture of {place} has the tag '{name}'{hint(name, list(counts))}")
        if counts[name] == len(records):
            raise UsageError(
                f"every picture of {place} has the tag '{name}', so there is nothing to tell; leave it out of --tags"
            )
