"""From any picture file to one uint8 rectangle: upright, sRGB or grey, on paper, the asked size.

``letterbox`` keeps all of the drawing between bars; ``fill`` likewise, with bars in the colour of the drawing's own
border; ``crop`` fits the shorter side and takes the centre; ``squish`` distorts. Small originals are framed, not
enlarged, unless asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageColor, ImageOps

from boceto.errors import UsageError

Fit = Literal["letterbox", "squish", "crop", "fill"]
_LANCZOS = Image.Resampling.LANCZOS
_GAP = 2.0  # halve by whole numbers down to twice the frame, then filter: no eye sees it, and it is far quicker


@dataclass(frozen=True, kw_only=True)
class Frame:
    """How a picture is brought to ``height`` × ``width`` pixels."""

    height: int = 64
    width: int = 64
    fit: Fit = "crop"
    grey: bool = False
    paper: str = "white"  # under transparency
    bars: str = "black"  # beside a letterboxed picture
    enlarge: bool = False


def parse_size(text: str) -> tuple[int, int]:
    """``"64"`` → (64, 64); ``"48x64"`` → (height 64, width 48), as picture sizes are written: width × height."""
    parts = text.lower().replace("×", "x").split("x")
    if not all(part.strip().isdecimal() and len(part) < 20 for part in parts) or len(parts) > 2:
        raise UsageError(f"size '{text[:60]}' is not a size; write for example 64, or 48x64 for 48 wide and 64 high")
    width, height = int(parts[0]), int(parts[-1])
    if not (4 <= width <= 2048 and 4 <= height <= 2048):
        raise UsageError(f"size '{text}' is out of range; both sides lie between 4 and 2048 pixels")
    return height, width


def parse_colour(text: str) -> str:
    """A colour Pillow knows (``white``, ``#f4e8d0``) or UsageError."""
    try:
        bytes(ImageColor.getrgb(text))  # 0 … 255, which Pillow does not ask of rgb(…)
    except (ValueError, ArithmeticError) as error:
        shown = f"'{text[:60]}'"
        raise UsageError(f"{shown} is not a colour; write a name such as white or a code such as #f4e8d0") from error
    return text


def upright(image: Image.Image, how: Frame) -> tuple[Image.Image, int]:
    """Any mode and orientation → (RGB, how many times smaller): EXIF turned, ICC applied, alpha laid on ``how.paper``.

    A picture far larger than the frame (a scan) is reduced by a whole number first, since all that follows would cost
    many times its size in memory and nobody could see the difference.
    """
    ImageOps.exif_transpose(image, in_place=True)  # a copy of a large picture would double its memory
    times = max(1, min(image.width // how.width, image.height // how.height) // 8)
    if image.mode == "1":
        image = image.convert("L")
    elif times > 1 and (image.mode in ("P", "PA") or "transparency" in image.info):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        image = _to_bytes(image)
    if times > 1:
        image = image.reduce(times)
    image = _to_srgb(image)
    if image.has_transparency_data:
        image = _on_paper(image, how.paper)
    return (image if image.mode == "RGB" else image.convert("RGB")), times


def _tiles(image: Image.Image) -> Iterator[tuple[tuple[int, int, int, int], Image.Image]]:
    """(box, what is in it): all of a picture in parts, since several copies of a whole scan fill the memory."""
    for y in range(0, image.height, 1024):
        for x in range(0, image.width, 1024):
            box = x, y, min(x + 1024, image.width), min(y + 1024, image.height)
            yield box, image.crop(box)


def _on_paper(image: Image.Image, paper: str) -> Image.Image:
    """Transparency → RGB on a flat colour."""
    sheet = Image.new("RGB", image.size)
    for box, tile in _tiles(image):
        under = Image.new("RGBA", tile.size, paper)
        under.alpha_composite(tile.convert("RGBA"))
        sheet.paste(under.convert("RGB"), box)
    return sheet


def _to_bytes(image: Image.Image) -> Image.Image:
    """16 or 32 bit or floating-point grey → 8 bit."""
    top = max(float(np.nan_to_num(np.asarray(tile)).max(initial=0)) for _, tile in _tiles(image))
    scale = 255 / 65535 if top > 255 else 255.0 if image.mode == "F" and top <= 1 else 1.0
    grey = Image.new("L", image.size)
    for box, tile in _tiles(image):
        values = np.nan_to_num(np.asarray(tile).astype(np.float32)) * np.float32(scale)
        grey.paste(Image.fromarray(values.clip(0, 255).astype(np.uint8)), box)
    return grey


def _to_srgb(image: Image.Image) -> Image.Image:
    """Apply an embedded colour profile, if it can be read and fits the mode; a broken one is ignored."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK", "L"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted if converted is not None else image


def stretch(image: Image.Image, how: Frame) -> float:
    """By how much ``frame`` would change the ratio of the sides: 1 = not at all, 2 = twice as wide or as high."""
    if how.fit != "squish" or (not how.enlarge and (image.width < how.width or image.height < how.height)):
        return 1.0
    ratio = image.width * how.height / (image.height * how.width)
    return max(ratio, 1 / ratio)


def frame(image: Image.Image, how: Frame) -> NDArray[np.uint8]:
    """An upright RGB picture → (height, width, C) uint8, C = 1 (luma) or 3."""
    size = how.width, how.height
    smaller = image.width < how.width or image.height < how.height
    if how.fit == "squish" and (how.enlarge or not smaller):
        framed = image.resize(size, _LANCZOS, reducing_gap=_GAP)
    elif how.fit == "crop" and (how.enlarge or not smaller):
        framed = image.resize(size, _LANCZOS, _centre(image, how), reducing_gap=_GAP)
    else:
        scale = min(how.width / image.width, how.height / image.height)
        if not how.enlarge:
            scale = min(scale, 1.0)
        inner_size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        inner = image.resize(inner_size, _LANCZOS, reducing_gap=_GAP)
        framed = Image.new("RGB", size, how.bars if how.fit == "letterbox" else _border(inner))
        framed.paste(inner, ((how.width - inner.width) // 2, (how.height - inner.height) // 2))
    pixels = np.asarray(framed.convert("L") if how.grey else framed)
    return pixels[:, :, None] if how.grey else pixels


def _centre(image: Image.Image, how: Frame) -> tuple[float, float, float, float]:
    """The largest box of the frame's shape in the middle of a picture: left, top, right, bottom."""
    scale = min(image.width / how.width, image.height / how.height)
    left = max(0.0, (image.width - scale * how.width) / 2)  # rounding may leave it a little under 0
    top = max(0.0, (image.height - scale * how.height) / 2)
    return left, top, image.width - left, image.height - top


def _border(image: Image.Image) -> tuple[int, int, int]:
    """The median colour of the outermost pixels."""
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = np.median(border, axis=0).astype(int)
    return int(red), int(green), int(blue)
