"""A folder full of characters, with metadata and with the faults that real collections have."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from boceto.data.sketchbook.characters import Character, invent
from boceto.data.sketchbook.drawing import draw
from boceto.data.sketchbook.pen import RGB, WHITE
from boceto.workers import spread

METADATA = "metadata.jsonl"

FAULTS = (
    "empty",  # no bytes at all
    "truncated",  # a JPEG that ends after 40 percent
    "not_an_image",  # text with the name of a picture
    "letterbox_horizontal",  # black bars above and below
    "letterbox_vertical",  # black bars left and right
    "letterbox_frame",  # black all round
    "duplicate",  # the bytes of another picture
    "near_duplicate",  # another picture, a little smaller and encoded anew
    "rgba",  # transparent background
    "greyscale",
    "cmyk",
    "tiny",  # a thumbnail of 16 pixels at most
    "orphan",  # metadata without a file
)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What `write` has made."""

    folder: Path
    pictures: int  # healthy ones
    faults: dict[str, int]  # kind of planted fault → count


@dataclass(frozen=True)
class Page:
    """One entry to be made: its number, which character it shows, and what is wrong with it ("" for nothing)."""

    number: int
    index: int
    fault: str


def plan(count: int, seed: int, faults: bool) -> list[Page]:
    """All entries in the order of their numbers: the healthy pictures, then the planted faults."""
    pages = [Page(number, number, "") for number in range(count)]
    if not faults or count == 0:
        return pages
    each = max(2 if count >= 200 else 1, round(0.025 * count / len(FAULTS)))
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, count, len(FAULTS)])))
    kinds = [kind for kind in FAULTS for _ in range(each)]
    for number, place in enumerate(np.argsort(rng.random(len(kinds)), kind="stable").tolist(), start=count):
        kind = kinds[place]
        index = int(rng.random() * count) if "duplicate" in kind else number
        pages.append(Page(number, index, kind))
    return pages


def _encoded(picture: Image.Image, *, png: bool = False, quality: int = 93) -> bytes:
    stream = io.BytesIO()
    if png:
        picture.save(stream, "PNG")
    else:
        picture.save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def _cut_out(character: Character, size: int) -> Image.Image:
    """The character on a transparent background, RGBA."""

    def on(colour: RGB) -> Image.Image:
        return draw(character, size, backdrop=lambda pen, _: pen.canvas.paste(colour, (0, 0, *pen.canvas.size)))

    # What differs between a picture on black and one on white is how much of the ground shows through.
    black, white = (np.asarray(on(c), dtype=np.float64) for c in ((0, 0, 0), (255, 255, 255)))
    alpha = 255.0 - (white - black).mean(axis=2, keepdims=True)
    colour = np.where(alpha > 0, black * 255.0 / np.maximum(alpha, 1.0), 255.0)
    return Image.fromarray(np.rint(np.concatenate([colour, alpha], axis=2)).clip(0, 255).astype(np.uint8), "RGBA")


def _barred(picture: Image.Image, kind: str, share: float) -> Image.Image:
    """The picture with black bars that are each `share` of its side wide."""
    size = picture.width
    bar = max(4, round(size * share))
    across, down = (0 if kind == "letterbox_horizontal" else bar), (0 if kind == "letterbox_vertical" else bar)
    canvas = Image.new("RGB", (size + 2 * across, size + 2 * down))
    canvas.paste(picture, (across, down))
    return canvas


def _picture(who: Character, fault: str, size: int, chance: float) -> Image.Image:
    """The picture of an entry; `chance` (0 to 1) says how strong a fault of the picture is."""
    if fault == "rgba":
        return _cut_out(who, size)
    picture = draw(who, size)
    if fault.startswith("letterbox"):
        return _barred(picture, fault, 0.12 + 0.14 * chance)
    if fault == "near_duplicate":
        smaller = max(17, round(size * (0.9 + 0.06 * chance)))
        return picture.resize((smaller, smaller), Image.Resampling.BICUBIC)
    if fault == "greyscale":
        return picture.convert("L")
    if fault == "cmyk":
        return picture.convert("CMYK")
    if fault == "tiny":
        side = 8 + int(9 * chance)
        return picture.resize((side, side), Image.Resampling.BOX)
    return picture


def _spoilt(data: bytes, fault: str) -> bytes | None:
    """The bytes of a file after the faults that concern bytes; None where there shall be no file."""
    if fault == "empty":
        return b""
    if fault == "truncated":
        return data[: len(data) * 2 // 5]
    if fault == "not_an_image":
        return b"<html><head><title>404 Not Found</title></head><body>The picture has moved.</body></html>\n"
    return None if fault == "orphan" else data


def _make(page: Page, seed: int, size: int) -> tuple[bytes | None, dict[str, object]]:
    """The bytes of a file (None where there shall be none) and its entry in the metadata."""
    who, fault = invent(seed, page.index), page.fault
    if fault == "rgba":
        who = replace(who, background="transparent", background_rgb=WHITE, pattern_rgb=WHITE)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, page.number, 1])))
    chance, score = float(rng.random()), int(float(rng.random()) ** 3 * 60)
    # One picture in ten is a PNG.
    png = fault == "rgba" or (fault in ("", "duplicate") and page.index % 10 == 7)
    picture = _picture(who, fault, size, chance)
    data = _encoded(picture, png=png, quality=78 if fault == "near_duplicate" else 93)
    tags = [*who.tags, *(("greyscale", "monochrome") if fault == "greyscale" else ())]
    entry: dict[str, object] = {
        "id": str(page.number),
        "file_name": f"images/{page.number:06d}.{'png' if png else 'jpg'}",
        "rating": "s",
        "score": str(score),
        "image_width": str(picture.width),
        "image_height": str(picture.height),
        "tags": [{"name": tag} for tag in sorted(tags)],
    }
    return _spoilt(data, fault), entry


def _write_pages(folder: Path, seed: int, size: int, pages: Sequence[Page]) -> list[str]:
    """Write the files of some pages; gives their lines of metadata."""
    lines = []
    for page in pages:
        data, entry = _make(page, seed, size)
        if data is not None:
            (folder / str(entry["file_name"])).write_bytes(data)
        lines.append(json.dumps(entry, ensure_ascii=False))
    return lines


def write(
    folder: Path,
    count: int = 4000,
    *,
    seed: int = 0,
    size: int = 128,
    faults: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Draw `count` pictures into `folder`, with their metadata and, if wanted, with faults on top of the count.

    The same seed, count and size give the same bytes whatever the number of workers (None: one for each core, 1: no
    further process). `progress` is called with how many entries are done and how many there are.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is not an empty folder; the sketchbook never draws over what is there.")
    (folder / "images").mkdir(parents=True)
    pages = plan(count, seed, faults)
    chunks = [pages[i : i + 32] for i in range(0, len(pages), 32)]
    lines: list[str] = []
    with contextlib.closing(spread(partial(_write_pages, folder, seed, size), chunks, workers)) as parts:
        for part in parts:
            lines.extend(part)
            if progress is not None:
                progress(len(lines), len(pages))
    (folder / METADATA).write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    planted = [page.fault for page in pages if page.fault]
    return Written(folder=folder, pictures=count, faults={k: planted.count(k) for k in FAULTS if k in planted})
