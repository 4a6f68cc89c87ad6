"""The pen of the sketchbook: colours, smooth paths, and a canvas to draw them on.

Everything is drawn in two frames of our own rather than in pixels:

* the *head* frame: origin between the eyes, y downwards, the face about 52 units wide, the chin at y = 26 and the
  top of the hair at y = -44;
* the *bust* frame: origin at the chin, shoulders about 29 units to either side, hips at y = 80, feet at y = 160.

A picture is 100 units wide and high. A portrait shows both frames at a scale near 1, a full body shows the head at
about 0.5 and the bust at about 0.33: the same parts serve both framings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Points = NDArray[np.float64]
RGB = tuple[int, int, int]
Pairs = Sequence[tuple[float, float]]

INK: RGB = (52, 34, 56)  # what every line colour is mixed with: a dark plum, softer than black
WHITE: RGB = (255, 255, 255)


# --- colours --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)  # the same few tones are asked for over and over
def mix(first: RGB, second: RGB, share: float) -> RGB:
    """The colour that is `share` (0 to 1) of the way from `first` to `second`."""
    a, b, c = (round(p + (q - p) * share) for p, q in zip(first, second, strict=True))
    return a, b, c


@cache
def shaded(colour: RGB) -> RGB:
    """The cel-shading tone of a colour: darker and a little cooler, as if lit by a blue sky."""
    return mix(colour, (82, 52, 120), 0.24)


@cache
def lit(colour: RGB) -> RGB:
    """The highlight tone of a colour."""
    return mix(colour, (255, 250, 236), 0.42)


@cache
def inked(colour: RGB) -> RGB:
    """The colour of a line around a surface: dark, with a hint of the surface."""
    return mix(colour, INK, 0.76)


@cache
def skin_shade(skin: RGB) -> RGB:
    """Shade of skin: warmer than that of cloth."""
    return mix(skin, (150, 40, 60), 0.2)


@cache
def skin_line(skin: RGB) -> RGB:
    """The colour of a line around skin, warmer likewise."""
    return inked(mix(skin, (170, 60, 40), 0.3))


def luma(colour: RGB) -> float:
    """Perceived brightness, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


# --- paths ----------------------------------------------------------------------------------------------------------


STEPS = 6  # straight pieces between two points of a smooth path


@cache
def _spline(knots: int, closed: bool) -> tuple[Points, Points]:
    """Matrices that turn `knots` control points into a Catmull-Rom curve and into its directions."""
    t = np.arange(STEPS, dtype=np.float64)[:, None] / STEPS
    basis = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]], dtype=np.float64)
    value = np.concatenate([np.ones_like(t), t, t**2, t**3], axis=1) @ basis
    slope = np.concatenate([np.zeros_like(t), np.ones_like(t), 2 * t, 3 * t**2], axis=1) @ basis
    eye = np.eye(knots)
    if closed:
        ring = np.concatenate([eye[-1:], eye, eye[:2]])
    else:
        ring = np.concatenate([2 * eye[:1] - eye[1:2], eye, 2 * eye[-1:] - eye[-2:-1]])
    windows = np.stack([ring[:-3], ring[1:-2], ring[2:-1], ring[3:]], axis=1)
    curve, way = (np.einsum("sk,nkd->nsd", rows, windows).reshape(-1, knots) for rows in (value, slope))
    if not closed:
        curve, way = np.concatenate([curve, eye[-1:]]), np.concatenate([way, eye[-1:] - eye[-2:-1]])
    return np.ascontiguousarray(curve), np.ascontiguousarray(way)


def smooth(points: Pairs | Points, *, closed: bool = False) -> Points:
    """A Catmull-Rom curve through `points`."""
    knots = np.asarray(points, dtype=np.float64)
    return np.asarray(_spline(len(knots), closed)[0] @ knots)


def loop(*points: tuple[float, float]) -> Points:
    """A smooth closed outline through `points`."""
    return smooth(points, closed=True)


def even(*points: tuple[float, float]) -> Points:
    """A smooth outline, the same left and right, given by its right half from top to bottom (first, last at x = 0)."""
    half = list(points)
    return smooth(half + [(-x, y) for x, y in half[-2:0:-1]], closed=True)


def runs(*parts: Pairs | Points) -> Points:
    """Smooth runs one after the other: the path has a corner wherever two of them meet."""
    return np.concatenate([smooth(part) if len(part) > 2 else np.asarray(part, dtype=np.float64) for part in parts])


@cache
def circle(first: float, last: float, count: int) -> Points:
    turn = np.radians(np.linspace(first, last, count))
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def oval(x: float, y: float, rx: float, ry: float | None = None, *, count: int = 28) -> Points:
    """A closed ellipse."""
    return circle(0.0, 360.0 - 360.0 / count, count) * (rx, rx if ry is None else ry) + (x, y)


def arc(x: float, y: float, rx: float, ry: float, first: float, last: float) -> Points:
    """Part of an ellipse; angles in degrees, clockwise from the right."""
    return circle(first, last, 16) * (rx, ry) + (x, y)


def mirrored(path: Points) -> Points:
    """The path on the other side of the y axis."""
    return path * (-1.0, 1.0)


def moved(path: Points, x: float = 0.0, y: float = 0.0) -> Points:
    return np.asarray(path + np.array((x, y)))


def turned(path: Points, degrees: float, x: float = 0.0, y: float = 0.0) -> Points:
    """The path turned clockwise about (x, y)."""
    a = np.radians(degrees)
    about = np.array((x, y))
    return np.asarray((path - about) @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + about)


@cache
def _spread(count: int, places: int) -> Points:
    """Matrix that spreads `count` values evenly and linearly over `places`."""
    return np.stack([np.interp(np.linspace(0, 1, places), np.linspace(0, 1, count), row) for row in np.eye(count)], 1)


def ribbon(spine: Pairs | Points, *widths: float) -> Points:
    """A closed band along the smoothed spine; its widths are spread evenly from one end to the other."""
    knots = np.asarray(spine, dtype=np.float64)
    curve, way = _spline(len(knots), False)
    line, along = curve @ knots, way @ knots
    half = 0.5 * (_spread(len(widths), len(line)) @ widths) / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    side = along[:, ::-1] * (-1.0, 1.0) * half[:, None]
    return np.concatenate([line + side, (line - side)[::-1]])


def limb(spine: Pairs, *widths: float) -> list[Points]:
    """A ribbon with round ends, as shapes to be drawn as one."""
    first, last = spine[0], spine[-1]
    return [ribbon(spine, *widths), oval(*first, widths[0] / 2, count=16), oval(*last, widths[-1] / 2, count=16)]


def clumps(valleys: Pairs, tips: Pairs, *, belly: float = 0.55) -> Points:
    """The edge of hanging hair: pointed tips between notches, each clump bulging by `belly` (0 to 1)."""
    parts = []
    for start, tip, end in zip(valleys[:-1], tips, valleys[1:], strict=True):
        for a, b in ((start, tip), (end, tip)):
            bend = (a[0] + (b[0] - a[0]) * (1 - belly) * 0.5, a[1] + (b[1] - a[1]) * belly)
            part = bezier(a, bend, b)
            parts.append(part if a is start else part[::-1])
    return np.concatenate(parts)


def bezier(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> Points:
    """A quadratic Bézier curve from a to c."""
    return np.asarray(_BEZIER @ np.array((a, b, c)))


_T = np.linspace(0.0, 1.0, 8)
_BEZIER = np.stack([(1 - _T) ** 2, 2 * _T * (1 - _T), _T**2], axis=1)


def scallops(path: Points, count: int, depth: float) -> Points:
    """The open path turned into `count` round bumps that stand out `depth` units to its left."""
    places = np.linspace(0, len(path) - 1, count + 1)
    steps = np.arange(len(path))
    knots = np.stack([np.interp(places, steps, path[:, 0]), np.interp(places, steps, path[:, 1])], axis=1)
    chord = np.diff(knots, axis=0)
    out = np.stack([chord[:, 1], -chord[:, 0]], axis=1) / np.maximum(np.hypot(*chord.T), 1e-9)[:, None]
    t = np.linspace(0.0, 1.0, 8, endpoint=False)[None, :, None]
    # The chord is stretched near its ends so that the bumps are rounder than half ellipses.
    along = t - 0.09 * np.sin(2 * np.pi * t)
    bumps = knots[:-1, None] + chord[:, None] * along + out[:, None] * depth * np.sin(np.pi * t) ** 0.8
    return np.asarray(bumps.reshape(-1, 2))


# --- the pen --------------------------------------------------------------------------------------------------------


class Pen:
    """Draws paths of the current frame onto a supersampled canvas."""

    def __init__(self, size: int) -> None:
        self.zoom = 3
        self.canvas = Image.new("RGB", (size * self.zoom, size * self.zoom), WHITE)
        self.ink = ImageDraw.Draw(self.canvas)
        unit = size * self.zoom / 100.0
        self.matrix = np.eye(2) * unit
        self.offset = np.zeros(2)
        self.weight = unit  # pixels per unit of line width

    @contextmanager
    def frame(self, x: float, y: float, scale: float, turn: float = 0.0) -> Iterator[None]:
        """Within this block paths are in a frame at (x, y), scaled, then turned clockwise by `turn` degrees."""
        before = self.matrix, self.offset, self.weight
        a = np.radians(turn)
        self.offset = np.array([x, y]) @ self.matrix + self.offset
        self.matrix = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) * scale @ self.matrix
        self.weight = self.weight * scale**0.55  # lines shrink less than shapes, or small figures look faint
        try:
            yield
        finally:
            self.matrix, self.offset, self.weight = before

    def _place(self, path: Points) -> Points:
        return np.asarray(path @ self.matrix + self.offset)

    def _mask(self, paths: Sequence[Points], box: tuple[int, int, int, int]) -> Image.Image:
        mask = Image.new("1", (box[2] - box[0], box[3] - box[1]))
        brush = ImageDraw.Draw(mask)
        for path in paths:
            brush.polygon((path - box[:2]).ravel().tolist(), fill=1)
        return mask

    @contextmanager
    def _only(self, placed: Sequence[Points]) -> Iterator[Points]:
        """Draw on a copy of the box around the placed paths, and keep of it what lies on them; gives its corner."""
        x0, y0, x1, y1 = self._box(placed)
        box = x0, y0, max(x0 + 1, x1), max(y0 + 1, y1)
        canvas, ink, offset = self.canvas, self.ink, self.offset
        corner = np.array(box[:2], dtype=np.float64)
        self.canvas = canvas.crop(box)
        self.ink, self.offset = ImageDraw.Draw(self.canvas), offset - corner
        try:
            yield corner
        finally:
            tile, self.canvas, self.ink, self.offset = self.canvas, canvas, ink, offset
        canvas.paste(tile, box, self._mask(placed, box))

    def inside(self, *surface: Points) -> AbstractContextManager[Points]:
        """Within this block nothing shows but what lies on the surface."""
        return self._only([self._place(path) for path in surface])

    def _box(self, paths: Sequence[Points]) -> tuple[int, int, int, int]:
        every = paths[0] if len(paths) == 1 else np.concatenate(paths)
        wide, high = self.canvas.size
        (left, top), (right, bottom) = every.min(axis=0).tolist(), every.max(axis=0).tolist()
        x0, y0 = min(wide, max(0, int(left))), min(high, max(0, int(top)))
        x1, y1 = min(wide, int(right) + 2), min(high, int(bottom) + 2)
        return x0, y0, x1, y1

    def _border(self, path: Points, colour: RGB, width: float) -> None:
        """Ink around a placed closed path, `width` pixels outwards."""
        ring = np.concatenate([path, path[:1]])
        step = ring[1:] - path
        length = np.hypot(step[:, 0], step[:, 1])
        if length.min() < 1e-6:
            keep = length >= 1e-6
            path, step, length = path[keep], step[keep], length[keep]
        area = float(ring[:-1, 0] @ ring[1:, 1] - ring[:-1, 1] @ ring[1:, 0])
        normal = step[:, ::-1] * ((1.0, -1.0) if area > 0 else (-1.0, 1.0)) / length[:, None]
        before = np.concatenate([normal[-1:], normal[:-1]])
        agree = (normal * before).sum(axis=1)
        # Mitred corners, but never longer than 1.8 widths: that gives hair its pointed ends.
        out = (normal + before) / np.maximum(1.0 + agree, 0.62)[:, None]
        self.ink.polygon((path + out * width).ravel().tolist(), fill=colour)
        bend = (before[:, 0] * normal[:, 1] - before[:, 1] * normal[:, 0]) * (1.0 if area > 0 else -1.0)
        if bend.min() < -0.5:  # in tight notches the moved border crosses itself; a plain line fills them
            self.ink.line(ring.ravel().tolist(), fill=colour, width=round(2 * width))

    def _trace(self, path: Points, colour: RGB, width: float) -> None:
        """A line along placed points, with round corners."""
        self.ink.line(path.ravel().tolist(), fill=colour, width=max(1, round(width)))
        step = np.diff(path, axis=0)
        length = np.hypot(step[:, 0], step[:, 1])
        keep = length > 1e-6
        step = step[keep] / length[keep, None]
        corners = path[1:][keep][:-1][(step[1:] * step[:-1]).sum(axis=1) < 0.93]
        half = width / 2
        for x, y in corners.tolist():
            self.ink.ellipse((x - half, y - half, x + half, y + half), fill=colour)

    def shape(
        self,
        *paths: Points,
        fill: RGB,
        line: RGB | None = None,
        width: float = 1.15,
        shade: RGB | None = None,
        shift: tuple[float, float] = (-1.6, -1.8),
    ) -> None:
        """Fill closed paths as one surface: outlined on the outside only, with an optional cel shade.

        The shade shows where the surface, moved by `shift`, no longer covers itself: on the side away from the light.
        """
        placed = [self._place(path) for path in paths]
        if line is not None:
            for path in placed:
                self._border(path, line, width * self.weight)
        if shade is None:
            for path in placed:
                self.ink.polygon(path.ravel().tolist(), fill=fill)
        else:
            away = np.array(shift) @ self.matrix
            with self._only(placed) as corner:
                self.canvas.paste(shade, (0, 0, *self.canvas.size))
                for path in placed:
                    self.ink.polygon((path + away - corner).ravel().tolist(), fill=fill)

    def within(self, surface: Sequence[Points], *paths: Points, fill: RGB) -> None:
        """Fill closed paths, but only where they lie on the surface."""
        with self.inside(*surface):
            self.shape(*paths, fill=fill)

    def ring(self, path: Points, colour: RGB, width: float) -> None:
        """An even line along a smooth closed path, without the seams that short line pieces leave."""
        placed = self._place(path)
        way = np.roll(placed, -1, axis=0) - np.roll(placed, 1, axis=0)
        side = way[:, ::-1] * (-1.0, 1.0) / np.hypot(way[:, 0], way[:, 1])[:, None] * (width * self.weight / 2)
        outer, inner = placed + side, placed - side
        band = np.concatenate([outer, outer[:1], inner[:1], inner[::-1]])
        self.ink.polygon(band.ravel().tolist(), fill=colour)

    def stroke(self, path: Pairs | Points, colour: RGB, width: float = 1.0) -> None:
        """An even line along a path (smoothed when it is a handful of points)."""
        points = path if isinstance(path, np.ndarray) else smooth(path)
        self._trace(self._place(points), colour, width * self.weight)

    def flick(self, path: Pairs, colour: RGB, *widths: float) -> None:
        """A line that swells and tapers as a brush does; widths in line units from one end to the other."""
        ratio = self.weight / max(float(np.hypot(*self.matrix[0])), 1e-9)
        self.ink.polygon(self._place(ribbon(path, *(w * ratio for w in widths))).ravel().tolist(), fill=colour)

    def dot(self, x: float, y: float, radius: float, colour: RGB) -> None:
        self.ink.polygon(self._place(oval(x, y, radius, count=18)).ravel().tolist(), fill=colour)

    def finish(self) -> Image.Image:
        return self.canvas.reduce(self.zoom)
