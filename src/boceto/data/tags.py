"""Tags: how often each occurs, what each term of a query costs, and groups of them from a file that can be edited."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from boceto.data.screening import AllOf, AnyOf, Has, Not, Query, tag_query
from boceto.data.sources import Record
from boceto.errors import UsageError, nearest, os_errors

DEFAULT_GROUPS = "tag_groups.yaml"
OTHER = "other"  # the group of tags that no other takes
TagCounts = tuple[tuple[str, int], ...]
_PROPOSED = 8  # tags that a complaint lists at most
_ROUND = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9, 10)


def plain(text: str) -> str:
    """A name as it can be shown anywhere: control characters and halves of characters become visible escapes."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", lambda c: f"\\x{ord(c[0]):02x}", text)


def hint(name: str, common: Sequence[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest of these tags, else the first few: a complaint lists no thousands."""
    said = nearest(name, common)
    return said if "did you mean" in said else nearest(name, common[:_PROPOSED])


def count_tags(records: Iterable[Record]) -> TagCounts:
    """(tag, how many pictures have it), commonest first, those of one count by name."""
    counts = Counter(tag for record in records for tag in record.tags)
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def at_least(counts: TagCounts, pictures: int) -> tuple[tuple[int, int], ...]:
    """(N, how many tags have at least N pictures) for five N that suit the number of pictures.

    On 300,000 pictures these are 10,000, 15,000, 20,000, 30,000 and 40,000; elsewhere the same shares, rounded.
    """
    if not counts:
        return ()
    limits = sorted({_rounded(pictures * share) for share in (1 / 30, 1 / 20, 1 / 15, 1 / 10, 2 / 15)})
    return tuple((limit, sum(count >= limit for _, count in counts)) for limit in limits)


def _rounded(value: float) -> int:
    """The nearest round number, at least 1: 233 → 250, 15,000 → 15,000."""
    if value <= 1:
        return 1
    unit = 10.0 ** math.floor(math.log10(value))
    nearest: float = min((unit * r for r in _ROUND), key=lambda r: abs(math.log(r / value)))
    return round(nearest)


# ── what a query costs ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Step:
    """One tag or expression of a query.

    ``pictures``: how many match it alone. ``so_far``: how many match the query up to here; None inside of brackets.
    ``hint``: the nearest tag there is, if no picture has this one.
    """

    expression: str
    pictures: int
    so_far: int | None = None
    hint: str | None = None


def query_steps(records: Sequence[Record], query: str) -> tuple[Step, ...]:
    """What every part of a query costs, in the order of writing; the last step is the whole.

    Raises UsageError if the query cannot be read.
    """
    whole = tag_query(query)
    terms = whole.terms if isinstance(whole, AllOf | AnyOf) else (whole,)
    asked: list[tuple[str, Query, Query | None]] = []  # (as it is shown, alone, the query up to here)
    for number, term in enumerate(terms, 1):
        read: Query = type(whole)(terms[:number]) if isinstance(whole, AllOf | AnyOf) else term
        asked += [(_shown(part), part, read if part is term else None) for part in _parts(term)]
    if len(terms) > 1:
        asked.append((str(whole), whole, whole))
    alone, together = [0] * len(asked), [0] * len(asked)
    for record in records:
        tags = frozenset(record.tags)
        for i, (_, part, until) in enumerate(asked):
            alone[i] += part(tags)
            together[i] += until is not None and until(tags)
    known = sorted({tag for record in records for tag in record.tags}) if 0 in alone else []
    return tuple(
        Step(plain(shown), alone[i], None if until is None else together[i], _nearest(part, alone[i], known))
        for i, (shown, part, until) in enumerate(asked)
    )


def _parts(query: Query) -> Iterator[Query]:
    """Every tag and expression of a query, parts before what they make up."""
    inner = query.terms if isinstance(query, AllOf | AnyOf) else (query.term,) if isinstance(query, Not) else ()
    for part in inner:
        yield from _parts(part)
    yield query


def _shown(query: Query) -> str:
    return f"({query})" if isinstance(query, AllOf | AnyOf) else str(query)


def _nearest(query: Query, pictures: int, known: Sequence[str]) -> str | None:
    if pictures or not isinstance(query, Has):
        return None
    close = difflib.get_close_matches(query.name, known, n=1, cutoff=0.6)
    return plain(close[0]) if close else None


@dataclass(frozen=True)
class Survey:
    """The tags of some pictures, and what a query among them costs."""

    pictures: int
    tagged: int  # with at least one tag
    different: int  # tags
    tags: TagCounts  # the commonest of them
    steps: tuple[Step, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "pictures": self.pictures,
            "tagged": self.tagged,
            "different": self.different,
            "tags": dict(self.tags),
            "query": [asdict(step) for step in self.steps],
        }

    def lines(self) -> Iterator[str]:
        """The same for people, in columns."""
        yield f"{self.pictures:,} pictures, {self.tagged:,} with tags; {self.different:,} different tags"
        if not self.different:
            yield "tags come from metadata beside the pictures, or from a file given with --metadata"
        if self.steps:
            yield f"\n{'alone':>10} {'share':>7} {'so far':>10}  part of the query"
        for step in self.steps:
            so_far = "" if step.so_far is None else f"{step.so_far:,}"
            hint = f"  (did you mean {step.hint}?)" if step.hint else ""
            yield f"{step.pictures:10,} {self._share(step.pictures)} {so_far:>10}  {step.expression}{hint}"
        if self.tags:
            yield f"\n{'pictures':>10} {'share':>7}  tag"
        for tag, count in self.tags:
            yield f"{count:10,} {self._share(count)}  {tag}"
        if len(self.tags) < self.different:
            yield f"and {self.different - len(self.tags):,} more; --top 0 shows all"

    def _share(self, count: int) -> str:
        return f"{count / max(self.pictures, 1):7.1%}"


def survey(records: Sequence[Record], query: str | None = None, top: int = 0) -> Survey:
    """Count the tags of these pictures; ``top``: only so many of the commonest, 0 for all.

    Raises UsageError for a query that cannot be read, or a negative ``top``.
    """
    if top < 0:
        raise UsageError(f"{top} tags cannot be shown; give 1 or more, or 0 for all")
    counts = count_tags(records)
    shown = tuple((plain(tag), count) for tag, count in (counts[:top] if top else counts))
    steps = query_steps(records, query) if query is not None else ()
    return Survey(len(records), sum(bool(record.tags) for record in records), len(counts), shown, steps)


# ── groups ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Grouping:
    """Which tags belong together: group → names and patterns, in the order of the file, whose text is kept."""

    groups: Mapping[str, tuple[str, ...]]
    text: str

    @cached_property
    def _names(self) -> dict[str, str]:
        """Tag → the first group that names it."""
        named = ((_normal(entry), group) for group, entries in self.groups.items() for entry in entries)
        return dict(reversed([(entry, group) for entry, group in named if not _is_pattern(entry)]))

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        named = ((_normal(entry), group) for group, entries in self.groups.items() for entry in entries)
        return [(_compiled(entry), group) for entry, group in named if _is_pattern(entry)]

    def of(self, tag: str) -> str:
        """A tag's group: the first that names it, else the first with a pattern that fits, else ``other``."""
        tag = _normal(tag)
        if tag in self._names:
            return self._names[tag]
        return next((group for pattern, group in self._patterns if pattern.fullmatch(tag)), OTHER)


@dataclass(frozen=True)
class Group:
    """Some of a group's tags with their counts, and how many pictures have at least one of them."""

    name: str
    tags: TagCounts
    pictures: int


def load_groups(path: Path | None = None) -> Grouping:
    """Read a grouping; without a path the one that comes with boceto.

    Raises Fault if the file cannot be read, UsageError if it is not a list of tags and patterns under each group.
    """
    if path is None:
        text = (resources.files("boceto") / "data" / DEFAULT_GROUPS).read_text("utf-8")
        return Grouping(_parsed(text, DEFAULT_GROUPS), text)
    with os_errors("read", path):
        content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"tag groups {path} are no UTF-8 text (byte {error.start}); save them as UTF-8") from error
    return Grouping(_parsed(text, str(path)), text)


def _parsed(text: str, name: str) -> dict[str, tuple[str, ...]]:
    """The groups of a YAML text, taken from its nodes: ``on`` and ``1999`` stay words, no group is lost to its twin."""
    example = 'write for example   hair: ["*_hair", ponytail]'

    def fail(node: yaml.Node | None, what: str) -> UsageError:
        line = f", line {node.start_mark.line + 1}" if node is not None else ""
        return UsageError(f"tag groups {name}{line}: {what}; {example}")

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        what = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML")
        raise UsageError(f"tag groups {name}{place}: no valid YAML ({what}); {example}") from error
    except RecursionError:
        raise UsageError(f"tag groups {name}: nested too deeply; {example}") from None
    if not isinstance(root, yaml.MappingNode) or not root.value:
        raise fail(root, "groups with their tags are needed")
    groups: dict[str, tuple[str, ...]] = {}
    for key, value in root.value:
        if not isinstance(key, yaml.ScalarNode) or not key.value.strip():
            raise fail(key, "a group needs a name")
        group = key.value.strip()
        if group in groups:
            raise fail(key, f"group '{group}' is there twice")
        entries = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for entry in entries:
            if not isinstance(entry, yaml.ScalarNode):
                raise fail(entry, f"group '{group}' holds something else than tags")
        groups[group] = tuple(entry.value.strip() for entry in entries if entry.value.strip())
    return groups


def group_tags(records: Iterable[Record], counts: TagCounts, grouping: Grouping) -> tuple[Group, ...]:
    """These tags in their groups, in the order of the file, ``other`` last; groups without any of them are left out."""
    belongs = {tag: grouping.of(tag) for tag, _ in counts}
    pictures: Counter[str] = Counter()
    for record in records:
        pictures.update({belongs[tag] for tag in record.tags if tag in belongs})
    order = [*(name for name in grouping.groups if name != OTHER), OTHER]
    found = ((name, tuple(item for item in counts if belongs[item[0]] == name)) for name in order)
    return tuple(Group(plain(name), tags, pictures[name]) for name, tags in found if tags)


def _normal(tag: str) -> str:
    return re.sub(r"\s+", "_", tag.strip()).lower()


def _is_pattern(entry: str) -> bool:
    return "*" in entry or "?" in entry


def _compiled(entry: str) -> re.Pattern[str]:
    """``*`` any text, ``?`` one sign, anything else itself."""
    return re.compile(re.escape(entry).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
