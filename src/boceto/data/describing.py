"""What a prepared dataset holds, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from boceto.data.prepared import MANIFEST, Prepared

COMMONEST = 10  # tags
_UNSAID = {"frame", "tags"}  # options that ``lines`` tells in its own words


def describe(data: Prepared) -> dict[str, Any]:
    """A dataset's account, in plain words and numbers for JSON.

    Raises Fault if the records are damaged.
    """
    m = data.manifest
    records = data.records()
    tags = Counter(tag for record in records for tag in record.tags)
    labels = Counter(record.label for record in records if record.label is not None)
    height, width, channels = data.shape
    commonest = sorted(tags.items(), key=lambda pair: (-pair[1], pair[0]))[:COMMONEST]
    return {
        "folder": str(data.folder),
        "pictures": len(data),
        "width": width,
        "height": height,
        "colour": {1: "grey", 3: "colour"}.get(channels, f"{channels} channels"),
        "pairs": data.paired,
        "source": m["source"],
        "software": m.get("software"),
        "options": m.get("options", {}),
        "found": m.get("found"),
        "left_out": m.get("left_out", {}),
        "stages": m.get("stages"),
        "cropped_bars": m.get("cropped_bars", 0),
        "labels": {label: labels[label] for label in sorted(labels)},
        "tags": len(tags),
        "tagged": sum(1 for record in records if record.tags),
        "commonest_tags": dict(commonest),
        "content_hash": data.content_hash,
        "shards": len(m["shards"]),
        "bytes": sum(path.stat().st_size for path in _files(data)),
    }


def lines(account: dict[str, Any]) -> Iterator[str]:
    """The account of ``describe`` as lines for people."""
    frame, options = account["options"].get("frame", {}), account["options"]
    kind = "pairs of pictures (source and target)" if account["pairs"] else "pictures"
    shape = f"{account['width']}×{account['height']}, {account['colour']}"
    yield f"{account['folder']}: {account['pictures']:,} {kind}, {shape}"
    yield _row("from", f"{account['source']} ({account['software']})")
    said = {**{key: value for key, value in frame.items() if key not in ("width", "height")}, **options}
    yield _row("options", ", ".join(f"{k} {_word(v)}" for k, v in said.items() if k not in _UNSAID and v is not None))
    if options.get("tags"):
        yield _row("tag query", options["tags"])
    if account["found"] is not None:
        yield _row("found", f"{account['found']:,}; {_left_out(account)}")
    if account["cropped_bars"]:
        yield _row("bars", f"cropped off {account['cropped_bars']:,}")
    counts = [f"{label} {count:,}" for label, count in account["labels"].items()]
    yield _row("labels", ", ".join(counts) or "none")
    common = [f"{tag} {count:,}" for tag, count in account["commonest_tags"].items()]
    if common:
        yield _row("tags", f"{account['tags']:,} on {account['tagged']:,} pictures; {', '.join(common)}")
    else:
        yield _row("tags", "none")
    yield _row("hash", account["content_hash"])
    shards = account["shards"]
    yield _row("size", f"{size(account['bytes'])} in {shards} shard{'s' if shards != 1 else ''}")


def size(count: int) -> str:
    """A number of bytes in the largest unit that keeps it over one: ``12.3 MB``."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if unit != "B" else f"{count} B"


def _files(data: Prepared) -> Iterator[Path]:
    names = [MANIFEST, "records.jsonl", "quarantine.csv", *(shard["file"] for shard in data.manifest["shards"])]
    return (path for path in (data.folder / Path(name).name for name in names) if path.is_file())


def _row(name: str, value: str) -> str:
    return f"  {name:10}{value}"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "/".join(_word(part) for part in value)
    return str(value)


def _left_out(account: dict[str, Any]) -> str:
    """What each stage left out, with what it kept where the manifest says so; stages that kept all are not told."""
    stages = account["stages"] or [{"stage": stage, "left_out": count} for stage, count in account["left_out"].items()]
    said = [
        f"{entry['stage']} −{entry['left_out']:,}" + (f" → {entry['kept']:,}" if "kept" in entry else "")
        for entry in stages
        if entry["left_out"]
    ]
    return f"left out: {', '.join(said) or 'none'}"
