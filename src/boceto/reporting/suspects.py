"""Generated pictures that look jittered, beside real ones that are, a row a jitter."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from boceto.reporting.figures import INK, in_a_row
from boceto.sampling import Images

_SIDE, _GAP, _BETWEEN, _LABEL = 88, 8, 28, 128  # pixels: of a picture, beside it, between the groups, of a row's name
_ALARM, _QUIET = "#c6493b", "#8a8594"


@dataclass(frozen=True)
class Row:
    """A jitter's name in lines, pictures (K, H, W, C), uint8, with it and suspected, which of these are called so."""

    name: str
    jittered: Images
    suspected: Images
    called: Sequence[bool]
    leaks: bool


def suspects(rows: Sequence[Row], heads: tuple[str, str], title: str) -> Image.Image:
    """Rows under the heads of their two groups, the title above; those called jittered are framed."""
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    cell = _SIDE + _GAP
    first = _LABEL + _GAP
    second = first + max(len(row.jittered) for row in rows) * cell + _BETWEEN
    width = second + max(len(row.suspected) for row in rows) * cell + _GAP
    lines = textwrap.wrap(title, max(20, width // 8))
    top = 16 + 20 * len(lines)
    page = Image.new("RGB", (width, top + 26 + len(rows) * cell + _GAP), "white")
    pen = ImageDraw.Draw(page)
    for number, text in enumerate(lines):
        pen.text((_GAP, 8 + 20 * number), text, fill=INK, font=font)
    for left, head in zip((first, second), heads, strict=True):
        pen.text((left, top + 8), head, fill=_QUIET, font=small)
    for number, row in enumerate(rows):
        y = top + 30 + number * cell
        place = (_LABEL - _GAP, y + _SIDE // 2)
        pen.multiline_text(place, row.name, fill=_ALARM if row.leaks else INK, font=small, anchor="rm", align="right")
        called = [*[False] * len(row.jittered), *row.called]
        lefts = [first + i * cell for i in range(len(row.jittered))]
        lefts += [second + i * cell for i in range(len(row.suspected))]
        pictures = [*row.jittered, *row.suspected]
        for x, image, alarm in zip(lefts, pictures, called, strict=True):
            picture = in_a_row(image[None], _SIDE)
            picture = picture.crop((0, 0, picture.width - 2, picture.height))  # the gap that follows each in a row
            page.paste(picture, (x + (_SIDE - picture.width) // 2, y + (_SIDE - picture.height) // 2))
            if alarm:
                pen.rectangle((x - 3, y - 3, x + _SIDE + 2, y + _SIDE + 2), outline=_ALARM, width=2)
    return page
