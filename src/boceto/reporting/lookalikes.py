"""Generated pictures beside their nearest training pictures, the most suspicious first."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from boceto.reporting.figures import INK, in_a_row
from boceto.sampling import Images

_SIDE, _GAP, _BETWEEN = 112, 8, 36  # pixels: of a picture, beside it, between the two halves of the page
_CAPTION = 42  # pixels of two lines below a picture
_ALARM = "#c6493b"


@dataclass(frozen=True)
class Row:
    """Pictures (K, H, W, C), uint8, a caption of one or two lines below each, and which of them look copied."""

    pictures: Images
    captions: Sequence[str]
    copied: Sequence[bool]


def lookalikes(rows: Sequence[Row], heads: Sequence[str], title: str) -> Image.Image:
    """Rows under their heads in two halves, read downwards, the title above."""
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    halves = 2 if len(rows) > 1 else 1
    down = -(-len(rows) // halves)
    cell, line = _SIDE + _GAP, _SIDE + _CAPTION
    half = len(heads) * cell
    width = _GAP + halves * half + (halves - 1) * _BETWEEN
    lines = textwrap.wrap(title, max(20, width // 8))
    top = 12 + 20 * len(lines)
    page = Image.new("RGB", (width, top + 26 + down * line), "white")
    pen = ImageDraw.Draw(page)
    for number, text in enumerate(lines):
        pen.text((_GAP, 8 + 20 * number), text, fill=INK, font=font)
    for number, row in enumerate(rows):
        left = _GAP + number // down * (half + _BETWEEN)
        y = top + 26 + number % down * line
        if number % down == 0:
            for column, head in enumerate(heads):
                pen.text((left + column * cell + _SIDE // 2, top + 13), head, fill=INK, font=font, anchor="mm")
        for column, (caption, copied) in enumerate(zip(row.captions, row.copied, strict=True)):
            picture = in_a_row(row.pictures[column : column + 1], _SIDE)
            picture = picture.crop((0, 0, picture.width - 2, picture.height))  # the gap that follows each in a row
            x = left + column * cell
            page.paste(picture, (x + (_SIDE - picture.width) // 2, y + (_SIDE - picture.height) // 2))
            colour = _ALARM if copied else INK
            if copied:
                pen.rectangle((x - 2, y - 2, x + _SIDE + 1, y + _SIDE + 1), outline=_ALARM, width=2)
            place = (x + _SIDE // 2, y + _SIDE + 4)
            pen.multiline_text(place, caption, fill=colour, font=small, anchor="ma", align="center", spacing=2)
    return page
