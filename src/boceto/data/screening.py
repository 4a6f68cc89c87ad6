"""Keep a picture or leave it out, always with the reason: unreadable, too small, bars, tag query, duplicates.

Nothing is ever deleted or changed in the source; what is left out is listed with its stage and reason.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from boceto.errors import UsageError

Pixels = NDArray[np.uint8]
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # no others: some start programs
_LARGEST_WEBP = 44 * 10**6  # pixels; its decoder keeps four copies
_MOST_SCANS = 4 * 10**9  # pixels times passes over them, of a progressive JPEG: each takes few bytes and much time
Image.init()  # Pillow looks up named formats among those already loaded


class Rejected(Exception):
    """This picture is left out: at which stage, and why."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(stage, reason)
        self.stage, self.reason = stage, reason


def open_picture(content: bytes) -> Image.Image:
    """A fully decoded picture from a file's bytes; of an animation the first frame. Raises Rejected."""
    return open_scaled(content)[0]


def open_scaled(content: bytes, min_side: int = 1, enough: tuple[int, int] | None = None) -> tuple[Image.Image, int]:
    """(picture, how many times smaller than the file's): decoded from a file's bytes; of an animation the first frame.

    A JPEG with more pixels than the size ``enough`` is decoded at ½, ¼ or ⅛ of its size, but not below that, which
    costs far less. Raises Rejected("unreadable", …) for empty, truncated, oversized (decompression bomb) and
    non-picture files, Rejected("too small", …) if the shorter side has fewer than ``min_side`` pixels.
    """
    if not content:
        raise Rejected("unreadable", "empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(content), formats=FORMATS)
            width, height = image.size
            require_size(image, min_side)
            if image.format == "WEBP" and width * height > _LARGEST_WEBP:
                raise Rejected("unreadable", f"too many pixels for WebP (over {_LARGEST_WEBP // 10**6} million)")
            if content.count(b"\xff\xda") * width * height > _MOST_SCANS and image.format in ("JPEG", "MPO"):
                raise Rejected("unreadable", "too many scans for its size")
            if enough is not None and image.format == "JPEG":
                image.draft(None, enough)
            times = round(width / image.width)
            image.load()
    except (MemoryError, Rejected):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Rejected("unreadable", "too many pixels (over 89 million)") from error
    except UnidentifiedImageError as error:
        raise Rejected("unreadable", "not a picture") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise Rejected("unreadable", _damage(error)) from error
    return image, times


def is_animated(image: Image.Image) -> bool:
    """Has it more than one frame (GIF, WebP, animated PNG)? The pages of a TIFF are no animation."""
    return bool(getattr(image, "is_animated", False)) and image.format not in ("TIFF", "MPO")


def _damage(error: Exception) -> str:
    what = " ".join(str(error).split())[:120] or type(error).__name__
    return "cut short" if "truncated" in what.lower() else f"damaged: {what}"


def require_size(image: Image.Image, min_side: int, times: int = 1) -> None:
    """Raises Rejected("too small", …) if the shorter side has fewer than ``min_side`` pixels.

    ``times``: how many times smaller than the file's this picture is.
    """
    width, height = times * image.width, times * image.height
    if min(width, height) < min_side:
        raise Rejected("too small", f"{width}×{height}, shorter side under {min_side}")


@dataclass(frozen=True)
class Bars:
    """Thickness in pixels of the flat bars found at each side; 0 = none."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def __bool__(self) -> bool:
        return any((self.top, self.bottom, self.left, self.right))

    def enlarged(self, times: int) -> Bars:
        """The bars in a picture so many times larger."""
        return Bars(times * self.top, times * self.bottom, times * self.left, times * self.right)

    def __str__(self) -> str:
        sides = ((name, getattr(self, name)) for name in ("top", "bottom", "left", "right"))
        return ", ".join(f"{name} {thickness} px" for name, thickness in sides if thickness)


def find_bars(pixels: Pixels, tolerance: int = 24) -> Bars:
    """Letterbox bars of any flat colour: (H, W, 3) uint8 → thickness at each side.

    A bar differs from a margin of the drawing in two ways: it comes in a pair (top and bottom, or left and right) of
    one colour and similar thickness, and it ends abruptly, along most of its length at once. ``tolerance`` (grey
    levels) absorbs JPEG noise.
    """
    top, bottom = _pair(pixels, tolerance)
    inner = pixels[top : len(pixels) - bottom]
    left, right = _pair(inner.swapaxes(0, 1), tolerance)
    if not (top or left):
        return Bars()
    if left and not top:  # a full frame may only show once the side bars are off
        top, bottom = _pair(pixels[:, left : pixels.shape[1] - right], tolerance)
    return Bars(top, bottom, left, right)


def bars_of(image: Image.Image, tolerance: int = 24) -> Bars:
    """``find_bars`` of an RGB picture; quick where its upper and left edge, as nearly always, are of many colours."""
    width, height = image.size
    top, left = np.asarray(image.crop((0, 0, width, 2))), np.asarray(image.crop((0, 0, 2, height)))
    if _is_flat(top, tolerance) or _is_flat(left.swapaxes(0, 1), tolerance):
        return find_bars(np.asarray(image), tolerance)
    return Bars()


def _pair(rows: Pixels, tolerance: int) -> tuple[int, int]:
    """Thickness of the bars over the first and below the last row, (0, 0) if they are not a pair."""
    first = _edge(rows, tolerance)
    last = _edge(rows[::-1], tolerance) if first else 0
    length = len(rows)
    thin = max(2, length // 50)
    if min(first, last) < thin or first + last > 0.8 * length or max(first, last) > 2.5 * min(first, last):
        return 0, 0
    difference = _median(rows[:thin]) - _median(rows[-thin:])
    return (first, last) if np.abs(difference).max() <= tolerance else (0, 0)


def _is_flat(rows: Pixels, tolerance: int) -> bool:
    """Is the first row of one colour?"""
    return bool(_strange(rows[:1], _median(rows[:2]), tolerance)[0] <= 0.02)


def _edge(rows: Pixels, tolerance: int) -> int:
    """How many first rows are one flat colour and end abruptly; 0 if they fade into the picture or fill it."""
    if not _is_flat(rows, tolerance):
        return 0
    colour = _median(rows[:2])
    some = rows[:, :: max(1, rows.shape[1] // 32)]  # enough to see where it may end
    ends = np.flatnonzero(_strange(some, colour, tolerance) >= 0.5)
    if not len(ends):
        return 0
    end = int(ends[0])
    if end > 3 and _strange(rows[end - 4 : end - 3], colour, tolerance)[0] > 0.02:
        return 0
    shares = _strange(rows[: end + 3], colour, tolerance)
    flat = int(np.argmax(shares > 0.02))
    return flat if shares[flat : flat + 3].max() >= 0.7 else 0


def _strange(rows: Pixels, colour: NDArray[np.int16], tolerance: int) -> NDArray[np.float64]:
    """Share of the pixels of each row that are not of that colour."""
    low = np.maximum(colour - tolerance, 0).astype(np.uint8)
    high = np.minimum(colour + tolerance, 255).astype(np.uint8)
    far: NDArray[np.bool_] = np.zeros(rows.shape[:-1], np.bool_)
    for channel in range(rows.shape[-1]):  # far quicker than any(axis=-1)
        far |= (rows[..., channel] < low[channel]) | (rows[..., channel] > high[channel])
    share: NDArray[np.float64] = np.count_nonzero(far, axis=1) / far.shape[1]
    return share


def _median(rows: Pixels) -> NDArray[np.int16]:
    """The median colour (C,)."""
    pixels = rows.reshape(-1, rows.shape[-1])
    middle = len(pixels) // 2
    median: NDArray[np.int16] = np.partition(pixels, middle, axis=0)[middle].astype(np.int16)
    return median


@dataclass(frozen=True)
class Has:
    """Holds if a picture has this tag."""

    name: str

    def __call__(self, tags: Collection[str]) -> bool:
        return self.name in tags

    def __str__(self) -> str:
        return f'"{self.name}"' if not self.name or re.search(r"[\s&|!()]", self.name) else self.name


@dataclass(frozen=True)
class Not:
    """Holds if its term does not."""

    term: Query

    def __call__(self, tags: Collection[str]) -> bool:
        return not self.term(tags)

    def __str__(self) -> str:
        return "!" + _as_term(self.term, AllOf, AnyOf)


@dataclass(frozen=True)
class AllOf:
    """Holds if all of its terms do."""

    terms: tuple[Query, ...]

    def __call__(self, tags: Collection[str]) -> bool:
        return all(term(tags) for term in self.terms)

    def __str__(self) -> str:
        return " & ".join(_as_term(term, AllOf, AnyOf) for term in self.terms)


@dataclass(frozen=True)
class AnyOf:
    """Holds if one of its terms does."""

    terms: tuple[Query, ...]

    def __call__(self, tags: Collection[str]) -> bool:
        return any(term(tags) for term in self.terms)

    def __str__(self) -> str:
        return " | ".join(_as_term(term, AnyOf) for term in self.terms)


Query = Has | Not | AllOf | AnyOf
_DEEPEST = 100  # far below where Python's own limit would end it, wherever it is called from


def _as_term(query: Query, *looser: type[AllOf | AnyOf]) -> str:
    return f"({query})" if isinstance(query, looser) else str(query)


def tag_query(query: str) -> Query:
    """Read ``"(1girl | solo) & !hat"`` as a tree that, called with a picture's tags, says whether it matches.

    ``!`` binds tightest, then ``&``, then ``|``; a tag holding spaces or any of ``&|!()`` stands in double quotes.
    Raises UsageError naming what is wrong.
    """
    tokens: list[str] = re.findall(r'"[^"]*"|[&|!()]|[^\s&|!()"]+|"', query)
    position = 0

    def fail(what: str) -> UsageError:
        shown = query if len(query) <= 200 else query[:200] + "…"
        return UsageError(f'tag query "{shown}": {what}; write for example "(1girl | solo) & white_background & !hat"')

    def peek() -> str | None:
        return tokens[position] if position < len(tokens) else None

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1]

    def any_of(depth: int) -> Query:
        terms = [all_of(depth)]
        while peek() == "|":
            take()
            terms.append(all_of(depth))
        return AnyOf(tuple(terms)) if len(terms) > 1 else terms[0]

    def all_of(depth: int) -> Query:
        terms = [single(depth)]
        while peek() == "&":
            take()
            terms.append(single(depth))
        return AllOf(tuple(terms)) if len(terms) > 1 else terms[0]

    def single(depth: int) -> Query:
        if depth > _DEEPEST:
            raise fail("it is nested too deeply")
        if peek() is None:
            raise fail("it ends where a tag should stand")
        token = take()
        if token == "!":
            return Not(single(depth + 1))
        if token == "(":
            inner = any_of(depth + 1)
            if peek() != ")":
                raise fail("a ')' is missing")
            take()
            return inner
        if token in ("&", "|", ")", '"'):
            raise fail(f"'{token}' stands where a tag should")
        return Has(token.strip('"'))

    whole = any_of(0)
    if position < len(tokens):
        raise fail(f"'{tokens[position]}' is one too many (join tags with & or |)")
    return whole


_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@lru_cache(maxsize=8)
def _cosines(length: int) -> NDArray[np.float32]:
    """The first 8 rows of the discrete cosine transform of so many values: (8, length)."""
    return np.cos(np.pi / length * np.outer(np.arange(8), np.arange(length) + 0.5)).astype(np.float32)


def fingerprint(pixels: Pixels) -> int:
    """64-bit perceptual hash of a framed picture (H, W, C): which of its lowest frequencies lie over their median.

    pHash (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", 3.2.1), without its
    reduction to 32×32 before the transform.
    """
    height, width, channels = pixels.shape
    grey = pixels[:, :, 0].astype(np.float32) if channels == 1 else pixels.astype(np.float32) @ _LUMA
    low = (_cosines(height) @ grey @ _cosines(width).T).ravel()
    return int.from_bytes(np.packbits(low >= np.partition(low, 32)[32]).tobytes(), "big")


class Duplicates:
    """Finds pictures that are the same drawing again: re-encoded, resized, slightly noisier.

    The hash proposes (at most ``bits`` of 64 differ), the pixels decide: reduced to 32×32, no cell may differ by more
    than ``levels`` grey levels, so that two drawings of one character that differ only in the eyes are both kept.
    """

    def __init__(
        self,
        pixels: Callable[[int], Pixels],
        hashes: NDArray[np.uint64] | None = None,
        *,
        bits: int = 8,
        levels: int = 32,
    ) -> None:
        """``pixels(number)`` gives back a remembered picture, so that only its hash is kept in memory."""
        self.bits, self.levels = bits, levels
        self._pixels = pixels
        known = np.empty(0, np.uint64) if hashes is None else hashes
        self._count = len(known)
        self._hashes = np.concatenate([known, np.empty(1024, np.uint64)])

    def find(self, fingerprint: int, pixels: Pixels) -> int | None:
        """The number (in order of ``add``) of an earlier picture that this one repeats, or None."""
        distance = np.bitwise_count(self._hashes[: self._count] ^ np.uint64(fingerprint))
        candidates = np.flatnonzero(distance <= self.bits)
        if not len(candidates):
            return None
        own = cells(pixels).astype(np.int16)
        for number in candidates:
            if np.abs(own - cells(self._pixels(int(number)))).max() <= self.levels:
                return int(number)
        return None

    def add(self, fingerprint: int) -> None:
        """Remember a kept picture."""
        if self._count == len(self._hashes):
            self._hashes = np.resize(self._hashes, 2 * len(self._hashes))
        self._hashes[self._count] = fingerprint
        self._count += 1


def cells(pixels: Pixels, side: int = 32) -> Pixels:
    """A picture (H, W, C) in side × side cells, each the mean of what lies in it: what likeness is decided by."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return np.asarray(image.resize((side, side), Image.Resampling.BOX))
