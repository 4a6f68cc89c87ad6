"""The study of a source or dataset: one HTML page that stands alone; its figures, tags and groups beside it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from boceto.data import study as studies
from boceto.data.study import Study
from boceto.data.tags import DEFAULT_GROUPS, load_groups, plain
from boceto.errors import UsageError, os_errors
from boceto.files import write_image, write_text
from boceto.reporting import study_figures as figures
from boceto.reporting.html import embedded, render

TOP = 40  # tags on the chart
LISTED = 40  # lines of a list of files
CHARTS = ("tags", "groups", "sizes", "ratios")
SHEETS = ("composition", "examples", "bars", "duplicates", "reduction", "fits")
_MODES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with transparency",
    "P": "palette",
    "PA": "palette with transparency",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "CMYK": "CMYK (for print)",
}


def study(
    place: Path | str,
    out: Path | str,
    *,
    query: str | None = None,
    groups: Path | str | None = None,
    sample: int = 5000,
    metadata: Path | str | None = None,
    workers: int | None = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, Study]:
    """Write ``OUT/study.html``, ``OUT/figures/``, ``OUT/tags.csv`` and ``OUT/tag_groups.yaml``; (the page, the study).

    The options are those of ``data.study.conduct``. Without ``groups`` an ``OUT/tag_groups.yaml`` of an earlier study
    is used, since it may have been edited. Raises UsageError (``out`` lies in the source, is a file) or Fault too.
    """
    place, out = Path(place), Path(out)
    _check_place(place, out)
    own = out / DEFAULT_GROUPS
    found = studies.conduct(
        place,
        query=query,
        groups=own if groups is None and own.is_file() else groups,
        sample=sample,
        metadata=metadata,
        workers=workers,
        progress=progress,
    )
    _keep_groups(own, found.grouping.text)
    write_text(out / "tags.csv", _tag_table(found))
    page = out / "study.html"
    write_text(page, _page(found, _charts(found, out / "figures"), _sheets(found, out / "figures")))
    return page, found


def _check_place(place: Path, out: Path) -> None:
    if out.is_file():
        raise UsageError(f"{out} is a file; give a folder for the study (-o)")
    if place.is_dir() and out.resolve().is_relative_to(place.resolve()):
        raise UsageError(f"the study {out} would lie among the drawings of {place}; give a folder elsewhere (-o)")


def _keep_groups(own: Path, text: str) -> None:
    """Put the used grouping beside the page; another one that lies there is kept under another name."""
    if own.is_file() and own.read_bytes() != text.encode():
        with os_errors("write", own):
            own.replace(own.with_name("tag_groups.previous.yaml"))
    write_text(own, text)


def _tag_table(found: Study) -> str:
    """Every tag: how many pictures, which share of them, its group."""
    out = StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("tag", "pictures", "share", "group"))
    table.writerows((tag, n, f"{n / found.pictures:.4f}", found.grouping.of(tag)) for tag, n in found.tags)
    return out.getvalue()


def _charts(found: Study, folder: Path) -> dict[str, str]:
    """Write the charts that have something to show; name → SVG."""
    charts = {}
    if found.tags:
        charts["tags"] = figures.counts(found.tags[:TOP], found.pictures)
        charts["groups"] = figures.counts(
            tuple((group.name, group.pictures) for group in found.groups), found.pictures, 3.7
        )
    if len({(look.width, look.height) for look in found.looks}) > 1:
        charts["sizes"] = figures.sizes(found.looks)
        charts["ratios"] = figures.ratios(found.looks)
    drawn = {name: figures.drawn(chart) for name, chart in charts.items()}
    for name, (svg, picture) in drawn.items():
        write_image(folder / f"{name}.png", picture)
        write_text(folder / f"{name}.svg", svg)
    for name in set(CHARTS) - set(drawn):  # of an earlier study
        _remove(folder / f"{name}.png", folder / f"{name}.svg")
    return {name: svg for name, (svg, _) in drawn.items()}


def _sheets(found: Study, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Write the sheets; name → its rows, ready for the page."""
    shown: dict[str, list[dict[str, Any]]] = {name: [] for name in SHEETS}
    for name in SHEETS:
        rows, enlarge = found.sheets.get(name, ()), name == "reduction"
        if not rows:
            _remove(folder / f"{name}.png")
            continue
        write_image(folder / f"{name}.png", figures.stacked(rows, enlarge=enlarge))
        for row in rows:
            picture, fine = figures.strip(row, enlarge=enlarge)
            image = embedded(picture, lossy=fine > 1 and not enlarge)
            image.update(width=picture.width // fine, height=picture.height // fine)
            shown[name].append({"label": row.label, "notes": row.notes, "count": len(row.pictures), **image})
    return shown


def _remove(*paths: Path) -> None:
    for path in paths:
        with os_errors("remove", path):
            path.unlink(missing_ok=True)


def _page(found: Study, charts: dict[str, str], sheets: dict[str, list[dict[str, Any]]]) -> str:
    looks, readable = found.looks, len(found.looks)
    stretches = np.array([look.stretch for look in looks])
    formats = Counter((look.format, _MODES.get(look.mode, look.mode)) for look in looks)
    sizes = Counter((look.width, look.height) for look in looks)
    return render(
        "study.html.j2",
        study=found,
        name=plain(found.place.resolve().name),
        subtitle=_subtitle(found),
        facts=_facts(found),
        charts=charts,
        sheets=sheets,
        top=min(TOP, len(found.tags)),
        grouped=min(studies.GROUPED, len(found.tags)),
        own_groups=found.grouping.text != load_groups().text,
        sizes=sizes.most_common(),
        shares={f"{limit}:1": int((stretches >= limit).sum()) for limit in (2, 3, 4)},
        stretch=_stretch(stretches),
        formats=formats.most_common(),
        bars=found.bars(),
        with_bars=sum(found.bars().values()),
        readable=readable,
        listed=LISTED,
    )


def _subtitle(found: Study) -> str:
    if found.manifest is not None:
        height, width, channels = found.manifest["shape"]
        what = f"prepared dataset, {width}×{height}, {'colour' if channels == 3 else 'grey'}"
    else:
        what = f"source, {found.found:,} pictures"
    return what + (f", of which {found.pictures:,} match {plain(found.query)}" if found.query else "")


def _facts(found: Study) -> dict[str, str]:
    """What a reader asks first, in order."""
    facts = {"pictures": f"{found.pictures:,}" + (f" of {found.found:,}" if found.query else "")}
    if found.manifest is None:
        facts["opened for this study"] = "all" if found.opened == found.pictures else f"{found.opened:,}, at random"
        facts["unreadable"] = f"{len(found.unreadable):,}"
    facts["with tags"] = f"{found.tagged:,}, {len(found.tags):,} different tags" if found.tags else "none"
    if found.labels:
        facts["classes"] = f"{len(found.labels):,}"
    facts |= {what: f"{count:,}" for what, count in found.orphans}
    if found.manifest is not None:
        facts["source"] = plain(str(found.manifest["source"]))
        facts["content hash"] = str(found.manifest["content_hash"])[:16]
    return facts


def _stretch(stretches: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    """Of the ratio of the sides, by squishing everything to a square."""
    if not len(stretches):
        return {}
    return {"median": float(np.median(stretches)), "largest": float(stretches.max())}
