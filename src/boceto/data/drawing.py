"""The pen of the sketchbook: smooth paths, flat colours and the parts of a cartoon character.

Everything is drawn in two frames of our own rather than in pixels:

* the *head* frame: origin between the eyes, y downwards, the face about 52 units wide, the chin at y = 26 and the
  top of the hair at y = -44;
* the *bust* frame: origin at the chin, shoulders about 29 units to either side, hips at y = 80, feet at y = 160.

A picture is 100 units wide and high. A portrait shows both frames at a scale near 1, a full body shows the head at
about 0.5 and the bust at about 0.33: the same parts serve both framings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

if TYPE_CHECKING:
    from boceto.data.sketchbook import Character

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


def luma(colour: RGB) -> float:
    """Perceived brightness, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


# --- paths ----------------------------------------------------------------------------------------------------------


STEPS = 6  # straight pieces between two points of a smooth path


@cache
def _spline(knots: int, closed: bool, steps: int) -> tuple[Points, Points]:
    """Matrices that turn `knots` control points into a Catmull-Rom curve and into its directions."""
    t = np.arange(steps, dtype=np.float64)[:, None] / steps
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


def smooth(points: Pairs | Points, *, closed: bool = False, steps: int = STEPS) -> Points:
    """A Catmull-Rom curve through `points`."""
    knots = np.asarray(points, dtype=np.float64)
    return np.asarray(_spline(len(knots), closed, steps)[0] @ knots)


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
def _circle(first: float, last: float, count: int) -> Points:
    turn = np.radians(np.linspace(first, last, count))
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def oval(x: float, y: float, rx: float, ry: float | None = None, *, count: int = 28) -> Points:
    """A closed ellipse."""
    return _circle(0.0, 360.0 - 360.0 / count, count) * (rx, rx if ry is None else ry) + (x, y)


def arc(x: float, y: float, rx: float, ry: float, first: float, last: float) -> Points:
    """Part of an ellipse; angles in degrees, clockwise from the right."""
    return _circle(first, last, 16) * (rx, ry) + (x, y)


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
    curve, way = _spline(len(knots), False, STEPS)
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
        self.size = size
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


def star(x: float, y: float, radius: float, points: int = 5, inner: float = 0.48) -> Points:
    """A star outline."""
    turn = np.radians(np.arange(points * 2) * 180.0 / points - 90.0)
    reach = np.where(np.arange(points * 2) % 2 == 0, radius, radius * inner)
    return np.stack([x + reach * np.cos(turn), y + reach * np.sin(turn)], axis=1)


def heart(x: float, y: float, size: float) -> Points:
    """A heart outline, `size` units wide."""
    right = [(0, -0.25), (0.25, -0.5), (0.5, -0.25), (0.32, 0.15), (0, 0.5)]
    half = np.array(right)
    return np.concatenate([smooth(half), smooth(half * (-1, 1))[::-1]]) * size + (x, y)


# --- backgrounds ----------------------------------------------------------------------------------------------------


def background(pen: Pen, who: Character) -> None:
    """Fill the whole picture: plain, gradient or a quiet pattern of two close colours."""
    first, second = who.background_rgb, who.pattern_rgb
    edge = pen.canvas.width
    pen.canvas.paste(first, (0, 0, edge, edge))
    rng = np.random.Generator(np.random.PCG64(who.detail))
    phase = float(rng.random())
    if who.background == "gradient":
        ramp = Image.linear_gradient("L").resize((edge, edge), Image.Resampling.BILINEAR)
        pen.canvas.paste(second, (0, 0, edge, edge), ramp)
    elif who.background == "dots":
        pitch, radius = 12.5 + 4 * phase, 2.4 + 1.4 * phase
        for row in range(-1, int(100 / pitch) + 2):
            for column in range(-1, int(100 / pitch) + 2):
                x = (column + 0.5 * (row % 2) + phase) * pitch
                pen.dot(x, row * pitch + 4, radius, second)
    elif who.background == "stripes":
        pitch = 12 + 6 * phase
        slope = (0.0, 45.0, -45.0, 100.0)[who.detail % 4]
        for place in np.arange(-150, 250, pitch * 2).tolist():
            x = place + phase * pitch
            pen.shape(np.array([(x, 0), (x + pitch, 0), (x + pitch + slope, 100), (x + slope, 100)]), fill=second)
    elif who.background == "sunburst":
        rays = 10 + who.detail % 5
        for ray in range(rays):
            a, b = np.radians([(ray + phase) * 360 / rays, (ray + phase + 0.5) * 360 / rays])
            pen.shape(
                np.array(
                    [(50, 52), (50 + 90 * np.cos(a), 52 + 90 * np.sin(a)), (50 + 90 * np.cos(b), 52 + 90 * np.sin(b))]
                ),
                fill=second,
            )
    elif who.background == "disc":
        pen.shape(oval(50, 52, 43, count=64), fill=second)
    elif who.background == "confetti":
        for x, y in (rng.random((26, 2)) * 100).tolist():
            spot = oval(x, y, 1.8, count=14) if rng.random() < 0.5 else star(x, y, 3.0)
            pen.shape(spot, fill=second)


# --- hair -----------------------------------------------------------------------------------------------------------

HALF, TOP = 33.0, -44.0  # half width and top of a head with hair, head frame


def skull(half: float = HALF, top: float = TOP, bottom: float = 20.0) -> Points:
    """The outline of close hair seen from the front, from the crown to below the ears."""
    return even(
        (0, top), (0.5 * half, top + 3.6), (0.85 * half, top + 15), (half, -14), (0.98 * half, 2),
        (0.86 * half, 0.6 * bottom), (0.5 * half, bottom), (0, bottom),
    )  # fmt: skip


def _crown(half: float = HALF, top: float = TOP) -> Points:
    """The upper edge of the hair from the left temple over the crown to the right temple."""
    return smooth(
        [(-0.98 * half, 2), (-half, -14), (-0.85 * half, top + 15), (-0.5 * half, top + 3.6), (0, top),
         (0.5 * half, top + 3.6), (0.85 * half, top + 15), (half, -14), (0.98 * half, 2)]
    )  # fmt: skip


def _hem(half: float, bottom: float, tips: int, depth: float) -> Points:
    """The lower edge of loose hair from right to left, cut into pointed tips."""
    xs = np.linspace(half, -half, tips + 1)
    valleys = [(float(x), bottom - depth * (1 if 0 < i < tips else 1.6)) for i, x in enumerate(xs)]
    drops = [
        (float(a + b) / 2 * 1.02, bottom + depth * (0.5 if i % 2 else 0.0)) for i, (a, b) in enumerate(pairwise(xs))
    ]
    return clumps(valleys, drops)


def _fall(sides: Pairs, bottom: float, tips: int, depth: float) -> Points:
    """Hair falling from the crown: `sides` are points of the right edge below the temple."""
    right = smooth([(HALF * 0.98, 2), *sides])
    return np.concatenate([_crown(), right, _hem(sides[-1][0], bottom, tips, depth), mirrored(right)[::-1]])


def _spikes(count: int, reach: float, low: float, tilt: float = 0.0, bare: bool = False) -> Points:
    """A shock of pointed hair around the head; `bare` leaves the crown smooth for a hat."""
    turn = np.radians(np.linspace(180 - low, 360 + low, count + 1))
    root = 32.0 if reach > 40 else 32.6
    valley = np.stack([root * np.cos(turn), -11 + root * np.sin(turn)], axis=1)
    # Away from the crown the points bend downwards, as if they were heavy.
    middle = (turn[:-1] + turn[1:]) / 2
    middle = middle + np.radians(tilt) + np.radians(9.0) * np.cos(middle)
    grow = np.where(np.arange(count) % 2 == 0, 1.0, 0.93) * reach
    if bare:
        grow = np.where(np.sin(middle) < -0.3, root, grow)
    tip = np.stack([grow * np.cos(middle), -11 + grow * np.sin(middle)], axis=1)
    parts = []
    for a, b, c in zip(valley[:-1], tip, valley[1:], strict=True):
        # Both flanks bulge outwards, so a point is a leaf rather than a thorn.
        for start, end in ((a, b), (b, c)):
            centre = (start + end) / 2
            away = centre - (a + c) / 2
            base = start if start is a else end
            parts.append(bezier(tuple(start), tuple(centre + away * 0.35 + (base - (a + c) / 2) * 0.22), tuple(end)))
    parts.append(smooth([tuple(valley[-1]), (24, 16), (0, 20), (-24, 16), tuple(valley[0])]))
    return np.concatenate(parts)


def _cloud(radius_x: float, radius_y: float, y: float, bumps: int, depth: float, low: float = 42.0) -> Points:
    """A round mass of curls from one side of the jaw over the head to the other."""
    edge = _circle(180.0 - low, 360.0 + low, 60) * (radius_x, radius_y) + (0.0, y)
    return np.concatenate([scallops(edge, bumps, depth), np.array([(0.0, 16.0)])])


def _tail(side: float, root: tuple[float, float], spine: Pairs, *widths: float) -> Points:
    path = ribbon([root, *spine], *widths)
    return path if side > 0 else mirrored(path)


def back_shapes(who: Character) -> list[Points]:
    """The hair behind the head, as shapes to be drawn as one surface (head frame)."""
    style, long = who.hair_style, who.hair_length
    covered = who.hat in COVERING
    if style == "long_straight":
        return [_fall([(34.5, 14), (36, 34), (35, 50 + long)], 56 + long, 7, 5)]
    if style == "hime_cut":
        return [_fall([(34, 14), (34.5, 34), (33.5, 56 + long)], 56 + long, 3, 0.8)]
    if style == "long_wavy":
        wave = [(35.5, 10), (33.5, 18), (38, 28), (35, 38), (39, 48), (35, 56 + long)]
        return [_fall(wave, 60 + long, 5, 7)]
    if style == "wavy_lob":
        return [_fall([(36, 8), (34.5, 14), (39, 24), (34, 33)], 36, 5, 5)]
    if style == "bob":
        right = smooth([(HALF * 0.98, 2), (36, 12), (36.5, 20), (30, 26.5), (18, 27), (0, 24)])
        return [np.concatenate([_crown(), right, mirrored(right)[::-1]])]
    if style == "flipped_bob":
        right = np.concatenate(
            [
                smooth([(HALF * 0.98, 2), (33.5, 12), (36, 22), (43.5, 25)]),
                smooth([(43.5, 25), (34, 30.5), (22, 25), (0, 24)]),
            ]
        )
        return [np.concatenate([_crown(), right, mirrored(right)[::-1]])]
    if style == "short_spiky":
        return [_spikes(9, 46, 22, 4, covered)]
    if style == "messy_short":
        return [_spikes(13, 39.5, 30, -3, covered)]
    if style == "boyish":
        right = runs([(HALF * 0.98, 2), (32.5, 9), (27, 15)], [(27, 15), (20, 16), (0, 16)])
        return [np.concatenate([_crown(), right, mirrored(right)[::-1]])]
    if style == "pixie":
        right = runs(
            [(HALF * 0.98, 2), (33.5, 9), (33.5, 16)],
            [(33.5, 16), (28, 14.5), (25.5, 20)],
            [(25.5, 20), (20, 16), (0, 16)],
        )
        return [np.concatenate([_crown(), right, mirrored(right)[::-1]])]
    if style == "undercut":
        return [even((0, TOP + 3), (15, TOP + 5), (25, -32), (29.5, -16), (29, 0), (25, 8), (0, 12))]
    if style == "quiff":
        return [even((0, TOP + 3), (15, TOP + 5), (25, -32), (30, -16), (29.5, 0), (25, 9), (0, 12))]
    if style == "afro":
        return [_cloud(39, 40.5, -12, 19, 3.4, 38)]
    if style == "curly":
        return [_cloud(35.5, 34.5, -8, 13, 5.0, 34)]
    if style == "long_curly":
        return [_cloud(38, 36, -7, 9, 4.6, 0), *(_curls(side) for side in (1.0, -1.0))]
    if style == "locs":
        return [skull(bottom=16), *(ribbon(spine, 7.0, 7.6, 7.6, 7.6, 7.2, 2.4) for spine in _ropes())]
    if style == "ponytail":
        tail = _tail(1, (10, -36), [(28, -46), (41, -31), (40, -6), (42, 16), (35, 34 + long)], 11, 15, 17, 16, 12, 0)
        return [skull(), tail]
    if style == "low_ponytail":
        return [skull(bottom=18)]
    if style in ("twintails", "drills"):
        if style == "drills":
            return [skull(), *_ringlets(1.0), *_ringlets(-1.0)]
        spine = [(41, -26), (45, -4), (40, 22), (44, 44 + long)]
        return [skull(), *(_tail(side, (26, -24), spine, 9, 15, 18, 16, 11, 0) for side in (1, -1))]
    if style == "low_twintails":
        spine = [(35, 20), (39, 36), (36, 58 + long)]
        return [skull(bottom=18), *(_tail(side, (25, 10), spine, 8, 14, 13, 0) for side in (1, -1))]
    if style == "bun":
        return [skull(bottom=18), oval(0, -47, 12.5, 10.5)]
    if style == "double_bun":
        return [skull(bottom=18), oval(25, -39, 11.5), oval(-25, -39, 11.5)]
    return [skull(bottom=18)]  # braids hang in front


def _curls(side: float) -> Points:
    edge = smooth([(34.0, -12), (42, 4), (43, 24), (38, 40), (26, 48), (8, 46)])
    path = np.concatenate([scallops(edge, 7, 4.2), np.array([(0.0, 20.0), (10.0, -10.0)])])
    return path if side > 0 else mirrored(path)


def _ropes() -> list[Pairs]:
    """The middle lines of locs that fall beside the face, the outermost first."""
    spines: list[Pairs] = []
    for i, x in enumerate((34.0, 27.5, 21.0)):
        for side in (1.0, -1.0):
            spines.append(
                [
                    (side * x * 0.8, -24),
                    (side * x, -2),
                    (side * (x + 1), 18),
                    (side * (x + 1.6), 37 + 5 * (i % 2) + side),
                ]
            )
    return spines


def _ringlets(side: float) -> list[Points]:
    return [oval(side * (38 + 1.6 * np.sin(i * 1.7)), -20 + i * 9.5, 10 - i * 1.15, 7.4 - i * 0.4) for i in range(7)]


# Hats that hide the crown of the head.
COVERING = frozenset({"beret", "baseball_cap", "witch_hat", "beanie", "straw_hat", "santa_hat"})


def hair_back(pen: Pen, who: Character) -> None:
    """Everything of the hair that lies behind the face and the shoulders."""
    base, line = who.hair_rgb, inked(who.hair_rgb)
    shapes = back_shapes(who)
    if who.hair_style in ("undercut", "quiff"):  # shaved sides: close to the head, in the shade tone
        pen.shape(*shapes, fill=mix(shaded(base), who.skin_rgb, 0.25), line=line)
        return
    if who.hair_style == "bun":
        pen.shape(shapes[1], fill=base, line=line, shade=shaded(base), shift=(-2.2, -2.4))
        pen.flick([(-5, -52), (4, -51), (6, -45), (0, -43)], line, 0.2, 0.9, 0.2)
        shapes = shapes[:1]
    elif who.hair_style == "double_bun":
        for bun, side in zip(shapes[1:], (1, -1), strict=True):
            pen.shape(bun, fill=base, line=line, shade=shaded(base), shift=(-2.2, -2.4))
            pen.flick([(side * 20, -43), (side * 25, -46), (side * 30, -42), (side * 28, -36)], line, 0.2, 0.9, 0.2)
        shapes = shapes[:1]
    elif who.hair_style in ("twintails", "ponytail", "low_twintails"):
        for tail in shapes[1:]:
            pen.shape(tail, fill=base, line=line, shade=shaded(base), shift=(-2.6, -1.2))
            if who.ombre_rgb is not None:
                pen.within([tail], np.array([(-60, 24), (60, 24), (60, 120), (-60, 120)]), fill=who.ombre_rgb)
        _tail_strands(pen, who, line)
        shapes = shapes[:1]
    elif who.hair_style == "locs":
        for rope, spine in zip(shapes[1:], _ropes(), strict=True):
            pen.shape(rope, fill=base, line=line, shade=shaded(base), shift=(-1.6, -0.6))
            for x, y in smooth(spine)[6::2].tolist():
                pen.flick([(x - 3.2, y - 1.2), (x, y + 0.6), (x + 3.2, y - 1.2)], line, 0.3, 0.8, 0.3)
        shapes = shapes[:1]
    elif who.hair_style == "drills":
        for ringlet in shapes[:0:-1]:
            pen.shape(ringlet, fill=base, line=line, shade=shaded(base), shift=(-1.2, -2.6))
        shapes = shapes[:1]
    pen.shape(*shapes, fill=base, line=line, shade=shaded(base), shift=(-2.2, -1.6))
    if who.ombre_rgb is not None and who.hair_style in LOOSE:
        edge = clumps(
            [(60 - 12 * i, 24 + 2 * (i % 2)) for i in range(11)], [(54 - 12 * i, 14 + 4 * (i % 2)) for i in range(10)]
        )
        pen.within(shapes, np.concatenate([edge, np.array([(-60.0, 130.0), (60.0, 130.0)])]), fill=who.ombre_rgb)
    # The inside of the hair behind the neck lies in the shade.
    tone = mix(shaded(base), INK, 0.16)
    if who.hair_style in LOOSE:
        pen.within(shapes, even((0, -10), (27, -6), (25, 22), (19, 40), (14, 60), (0, 130)), fill=tone)
        with pen.inside(*shapes):
            for x in (31.0, -31.0) if who.hair_style != "long_curly" else ():
                pen.flick([(x, 14), (x * 1.04, 32), (x * 0.99, 54)], line, 0.1, 0.9, 0.1)
    else:
        pen.within(shapes, oval(0, 14, 27, 16), fill=tone)


LOOSE = frozenset({"long_straight", "hime_cut", "long_wavy", "wavy_lob", "bob", "flipped_bob", "long_curly"})


def _tail_strands(pen: Pen, who: Character, line: RGB) -> None:
    """Lines that follow the fall of bound hair."""
    light = lit(who.hair_rgb)
    if who.hair_style == "ponytail":
        pen.flick([(28, -39), (37, -27), (36, -4), (38, 16)], line, 0.1, 1.0, 0.1)
        pen.flick([(33, -42), (42, -30), (44, -12)], light, 0.2, 1.6, 0.2)
    elif who.hair_style == "twintails":
        for side in (1, -1):
            pen.flick([(side * 38, -20), (side * 42, -2), (side * 38, 20), (side * 41, 36)], line, 0.1, 1.0, 0.1)
            pen.flick([(side * 43, -20), (side * 47.5, -4), (side * 45, 8)], light, 0.2, 1.6, 0.2)
    else:
        for side in (1, -1):
            pen.flick([(side * 31, 20), (side * 37, 34), (side * 35, 50)], line, 0.1, 1.0, 0.1)


Fringe = tuple[Points, list[tuple[float, float]]]


def _fringe(kind: str, detail: int) -> Fringe:
    """The lower edge of the hair on the forehead from the left temple to the right, and where its notches are."""
    if kind == "straight":
        edge = runs(
            [(-29, 3), (-26.5, -7), (-23, -10)], [(-23, -10), (-15, -9.4), (-7.5, -10.2)],
            [(-7.5, -10.2), (-6.5, -13.5)], [(-6.5, -13.5), (-5.5, -10.3), (3, -10), (9.5, -10.4)],
            [(9.5, -10.4), (10.5, -13)], [(10.5, -13), (11.5, -10.4), (17, -9.6), (23, -10)],
            [(23, -10), (26.5, -7), (29, 3)],
        )  # fmt: skip
        return edge, [(-6.5, -13.5), (10.5, -13.0), (-18.0, -14.0), (19.0, -14.0)]
    if kind == "baby":
        edge = runs(
            [(-29, 3), (-26, -10), (-20, -19)],
            [(-20, -19), (-8, -17.5), (0, -17.2), (8, -17.5), (20, -19)],
            [(20, -19), (26, -10), (29, 3)],
        )
        return edge, [(-10.0, -20.0), (2.0, -20.0), (12.0, -20.0)]
    if kind == "parted":
        edge = runs(
            [(-29, 5), (-27, -4), (-21, -13), (-11, -21), (-1, -33)],
            [(-1, -33), (9, -22), (19, -15), (26, -5), (29, 5)],
        )
        return edge, [(-1.0, -33.0), (-16.0, -17.0), (14.0, -18.5)]
    if kind == "curtain":
        edge = np.concatenate([
            clumps([(-29, -2), (-20, -15), (-1, -32)], [(-25.5, 1), (-13, -9)], belly=0.75),
            clumps([(-1, -32), (20, -15), (29, -2)], [(13, -9), (25.5, 1)], belly=0.75),
        ])  # fmt: skip
        return edge, [(-1.0, -32.0), (-20.0, -15.0), (20.0, -15.0)]
    if kind == "side_swept":
        edge = runs(
            [(-29, 4), (-27, -8), (-21, -20), (-14, -32)], [(-14, -32), (-4, -19), (9, -11), (21, -6)],
            [(21, -6), (20, -9.5), (19.5, -12)], [(19.5, -12), (24, -6), (29, 4)],
        )  # fmt: skip
        return edge, [(-14.0, -32.0), (19.5, -12.0), (2.0, -17.0)]
    if kind == "spiky":
        valleys = [
            (-29.0, -3.0),
            (-21.0, -15.0),
            (-10.5, -19.0),
            (1.0, -18.0),
            (12.0, -18.5),
            (21.5, -15.0),
            (29.0, -3.0),
        ]
        tips = [(-25.0, 0.0), (-17.0, -7.5), (-3.0, -6.0), (8.0, -9.0), (18.5, -7.0), (26.0, 1.0)]
        return clumps(valleys, tips), valleys[1:-1]
    if kind == "choppy":
        wave = [(detail >> (2 * i)) % 4 for i in range(8)]
        xs = [-29.0, -23.0, -15.0, -6.0, 3.0, 11.0, 19.0, 24.5, 29.0]
        valleys = [(x, -3.0 if abs(x) > 28 else -14.5 - 0.5 * wave[i % 8]) for i, x in enumerate(xs)]
        tips = [
            ((a + b) / 2 + 1.0, (-8.2 + 0.5 * wave[i]) if abs(a + b) < 46 else 0.0)
            for i, (a, b) in enumerate(pairwise(xs))
        ]
        return clumps(valleys, tips), valleys[1:-1:2]
    if kind == "curly":
        line = smooth([(29, -1), (25, -11), (14, -17), (0, -19), (-14, -17), (-25, -11), (-29, -1)])
        return scallops(line, 8, 4.6)[::-1], []
    if kind == "tuft":  # one lock between the eyes
        edge = np.concatenate([
            smooth([(-29, 2), (-26, -12), (-18, -22), (-7, -25)]), bezier((-7, -25), (-8, -13), (2, -8)),
            bezier((2, -8), (0, -17), (5, -25)), smooth([(5, -25), (18, -22), (26, -12), (29, 2)]),
        ])  # fmt: skip
        return edge, [(-7.0, -25.0), (5.0, -25.0), (-20.0, -20.5), (20.0, -20.5)]
    edge = runs(
        [(-29, 2), (-26.5, -11), (-20, -21), (-9, -26), (0, -25)], [(0, -25), (9, -26), (20, -21), (26.5, -11), (29, 2)]
    )
    return edge, [(-17.0, -23.5), (-6.0, -26.0), (7.0, -26.0), (18.0, -23.5)]


def _locks(who: Character) -> list[Points]:
    """Locks of hair in front of the ears, as closed shapes whose upper ends hide under the fringe."""
    kind = who.side_locks
    if kind == "none":
        return []
    if kind == "blunt":  # the cheek-length cut of a princess
        lock = runs(
            [(24, -20), (23.2, -4), (22.4, 16)], [(22.4, 16), (27, 17), (32, 16)], [(32, 16), (32.4, -4), (29, -20)]
        )
    elif kind == "short":
        lock = np.concatenate([bezier((23, -22), (22.5, -2), (26, 11)), bezier((26, 11), (33, -1), (29, -20))])
    elif kind == "wavy":
        lock = np.concatenate([
            smooth([(23, -22), (24.2, -4), (22.2, 10), (25.5, 24), (23, 36)]),
            smooth([(23, 36), (30.5, 26), (28.5, 12), (32.4, -2), (29, -20)]),
        ])  # fmt: skip
    else:
        lock = np.concatenate(
            [
                smooth([(23, -22), (23.4, -2), (22.6, 14), (25.5, 33)]),
                smooth([(25.5, 33), (31.5, 14), (32.2, -2), (29, -20)]),
            ]
        )
    return [lock, mirrored(lock)]


def front_shapes(who: Character) -> tuple[list[Points], Fringe]:
    """The hair in front: the surface and the fringe that bounds it below."""
    fringe = _fringe(who.fringe, who.detail)
    close = who.hair_style in ("undercut", "quiff")
    crown = _crown(HALF - (2.6 if close else 0.9), TOP + (3.0 if close else 0.9))
    return [np.concatenate([crown, fringe[0][::-1]])], fringe


def hair_front(pen: Pen, who: Character) -> None:
    """Fringe, locks and the cap of hair on the crown, with the shadow they throw on the face."""
    base, line, tone, light = who.hair_rgb, inked(who.hair_rgb), shaded(who.hair_rgb), lit(who.hair_rgb)
    if who.hair_style in ("undercut", "quiff"):
        _swept_top(pen, who)
        return
    caps, (edge, notches) = front_shapes(who)
    locks = _locks(who)
    surface = [*caps, *locks]
    for lock in locks:
        pen.shape(lock, fill=base, line=line, width=0.95)
    pen.stroke(edge, line, 1.9)
    pen.shape(*surface, fill=base, shade=tone, shift=(-0.7, -2.6))
    for x, y in notches:
        pen.flick([(x, y + 0.6), (x * 0.93, y - 6), (x * 0.62, y - 0.62 * (y + 43))], line, 1.3, 0.7, 0.1)
    if who.hair_style in ("afro", "curly", "long_curly"):
        for x, y in ((-20, -30), (-6, -37), (12, -34), (22, -22), (-27, -18), (2, -26)):
            pen.stroke(arc(x, y, 4.0, 3.4, 190, 330), mix(base, light, 0.8), 1.3)
        return
    ring = _shine(who.detail)
    pen.within(caps, *ring, fill=light)
    if who.hair_style in ("braid", "twin_braids"):
        sides = (1.0, -1.0) if who.hair_style == "twin_braids" else (1.0,)
        for side in sides:
            _braid(pen, who, side)
    if who.hair_style == "low_ponytail":
        tail = ribbon([(25, 16), (31, 26), (27, 40), (30, 62)], 10, 15, 12, 0)
        pen.shape(tail, fill=base, line=line, shade=tone)
        pen.flick([(26, 22), (30, 32), (27.5, 48)], line, 0.1, 1.0, 0.1)
        _tie(pen, who, 26.5, 20, 5.0)
    if who.hair_style == "twintails":
        for side in (1, -1):
            _tie(pen, who, side * 31.5, -25.5, 5.2)
    if who.hair_style == "low_twintails":
        for side in (1, -1):
            _tie(pen, who, side * 28.5, 13, 4.6)


def _tie(pen: Pen, who: Character, x: float, y: float, radius: float) -> None:
    colour = who.accessory_rgb
    pen.shape(oval(x, y, radius * 0.8, radius), fill=colour, line=inked(colour), width=0.9, shade=shaded(colour))


def _shine(detail: int) -> list[Points]:
    """The band of light on smooth hair: two pieces of a ring with a toothed lower edge."""
    drop = (detail % 3) - 1.0
    pieces = []
    for first, last, teeth in ((-23.0, 3.0, 4), (7.5, 16.0, 2)):
        xs = np.linspace(first, last, teeth * 2 + 1)
        upper = np.stack([xs, -35.5 + drop + xs**2 / 62], axis=1)
        lower = upper + np.stack([np.zeros_like(xs), np.where(np.arange(len(xs)) % 2 == 0, 1.4, 5.6)], axis=1)
        lower[0, 1], lower[-1, 1] = upper[0, 1] + 0.4, upper[-1, 1] + 0.4
        pieces.append(np.concatenate([smooth(upper), smooth(lower)[::-1]]))
    return pieces


def _swept_top(pen: Pen, who: Character) -> None:
    """The long top over shaved sides."""
    base, line, tone = who.hair_rgb, inked(who.hair_rgb), shaded(who.hair_rgb)
    if who.hair_style == "quiff":
        top = runs(
            [(-26, -20), (-31, -36), (-20, -49), (0, -53), (20, -50), (32, -39), (27, -19)],
            [(27, -19), (22, -25), (12, -24)], [(12, -24), (2, -27), (-8, -23)], [(-8, -23), (-16, -25), (-26, -20)],
        )  # fmt: skip
        strands: list[Pairs] = [
            [(12, -25), (14, -36), (6, -46)],
            [(-8, -24), (-10, -36), (-16, -43)],
            [(22, -26), (25, -36), (20, -44)],
        ]
    else:
        top = runs(
            [(-27, -17), (-31, -34), (-18, -47), (4, -50), (26, -42), (34, -22), (31, -4)],
            [(31, -4), (25, -8), (22, -14)], [(22, -14), (12, -9), (2, -12)], [(2, -12), (-4, -17), (-12, -26)],
            [(-12, -26), (-20, -24), (-27, -17)],
        )  # fmt: skip
        strands = [
            [(22, -14), (16, -28), (2, -40)],
            [(2, -12), (-2, -26), (-10, -37)],
            [(-12, -27), (-14, -34), (-10, -41)],
        ]
    pen.shape(top, fill=base, line=line, shade=tone, shift=(-1.0, -2.6))
    for strand in strands:
        pen.flick(strand, line, 1.2, 0.8, 0.1)
    pen.within([top], ribbon([(-20, -37), (-6, -42), (10, -41)], 0, 4.5, 0), fill=lit(base))


def _braid(pen: Pen, who: Character, side: float) -> None:
    """A plait over the shoulder, from behind the ear downwards."""
    base, line, tone = who.hair_rgb, inked(who.hair_rgb), shaded(who.hair_rgb)
    last = 7
    pen.shape(ribbon([(side * 27, 50), (side * 28, 60), (side * 26.5, 67)], 3, 9, 0), fill=base, line=line)
    for i in range(last, -1, -1):
        y = 5 + i * 6.1
        half = 5.4 - 0.24 * i
        for lean in (1, -1) if i % 2 else (-1, 1):
            strand = turned(
                oval(side * 27.5 + lean * half * 0.42, y, half * 0.82, 4.3, count=16),
                lean * 38,
                side * 27.5 + lean * half * 0.42,
                y,
            )
            pen.shape(strand, fill=base, line=line, width=0.8, shade=tone, shift=(-0.9, -0.9))
    _tie(pen, who, side * 27.5, 53.5, 3.2)


# --- face -----------------------------------------------------------------------------------------------------------


def face_shape(who: Character) -> Points:
    """The face from the hidden top of the skull to the chin."""
    half, chin, jaw = who.face_width, who.chin, who.jaw
    return even(
        (0, -36), (0.62 * half, -33), (0.97 * half, -18), (half, 0), (0.955 * half, 9),
        ((0.6 + 0.22 * jaw) * half, 18.5 + 0.8 * jaw),
        ((0.24 + 0.2 * jaw) * half, chin - 1.6), (0, chin),
    )  # fmt: skip


def head(pen: Pen, who: Character) -> Points:
    """Ears and bare face; gives the face outline back for those who throw shadows on it."""
    skin, line = who.skin_rgb, inked(mix(who.skin_rgb, (170, 60, 40), 0.3))
    tone = skin_shade(skin)
    face = face_shape(who)
    for side in (1.0, -1.0):
        x = side * (who.face_width + 1.2)
        pen.shape(oval(x, 4.5, 4.6, 6.4), fill=skin, line=line, shade=tone)
        pen.flick(
            [(x - 1.6 * side, 1.6), (x + 1.6 * side, 2.2), (x + 1.2 * side, 5.5), (x - 0.6 * side, 7)],
            line,
            0.2,
            0.7,
            0.2,
        )
        if who.earrings == "stud":
            pen.shape(oval(x + side * 0.6, 11.2, 1.5), fill=who.accessory_rgb, line=inked(who.accessory_rgb), width=0.6)
        elif who.earrings == "hoop":
            pen.ring(oval(x + side * 0.8, 14.4, 3.3), inked(GOLD), 2.4)
            pen.ring(oval(x + side * 0.8, 14.4, 3.3), GOLD, 1.2)
    pen.shape(face, fill=skin, line=line, shade=tone, shift=(-1.4, -1.2))
    return face


GOLD: RGB = (242, 190, 72)


@cache
def skin_shade(skin: RGB) -> RGB:
    """Shade of skin: warmer than that of cloth."""
    return mix(skin, (150, 40, 60), 0.2)


def fringe_shadow(pen: Pen, who: Character, face: Points) -> None:
    """What the hair throws on the forehead and cheeks."""
    if who.hair_style in ("undercut", "quiff"):
        pen.within([face], even((0, -40), (30, -38), (30, -12), (22, -19), (0, -21.5)), fill=skin_shade(who.skin_rgb))
        return
    caps, _ = front_shapes(who)
    pen.within(
        [face],
        *(moved(path, 0.8, 3.0) for path in caps),
        *(moved(path, 1.3, 1.2) for path in _locks(who)),
        fill=skin_shade(who.skin_rgb),
    )


def cheeks(pen: Pen, who: Character) -> None:
    """Blush and freckles."""
    skin = who.skin_rgb
    if who.blush > 0:
        pale = min(1.0, luma(skin) / 215)  # on dark skin a blush is quieter
        colour = mix(skin, (250, 80, 96), (0.2 + 0.2 * who.blush) * pale**1.4)
        for side in (1, -1):
            pen.shape(oval(side * 16.8, 11.2, 5.0, 3.1), fill=colour)
            if who.blush > 0.75:
                for i in range(3):
                    x = side * 16.8 + (i - 1) * 2.6
                    pen.flick([(x + 0.8, 9.7), (x - 0.8, 12.6)], mix(colour, (190, 40, 60), 0.5 * pale), 0.5, 0.8, 0.3)
    if who.freckles:
        colour = mix(skin, (130, 60, 30), 0.5)
        for side in (1, -1):
            for x, y in ((12.4, 10.2), (15.4, 11.8), (18.4, 10.4), (13.6, 13.2), (17.2, 13.6)):
                pen.dot(side * x, y, 0.62, colour)


def nose(pen: Pen, who: Character) -> None:
    skin = who.skin_rgb
    line = mix(skin, (110, 40, 40), 0.62)
    if who.nose == "dot":
        pen.shape(oval(0, 9.2, 1.3, 0.95), fill=mix(skin, (180, 60, 60), 0.45))
    elif who.nose == "line":
        pen.flick([(0.6, 6.6), (1.7, 9.4), (-0.8, 9.9)], line, 0.2, 1.2, 0.3)
    elif who.nose == "button":
        pen.shape(oval(0, 9, 2.3, 1.7), fill=mix(skin, (235, 90, 90), 0.3))
        pen.dot(-0.7, 8.4, 0.6, lit(skin))
    else:
        pen.flick([(-1.9, 9.4), (0, 10.4), (1.9, 9.4)], line, 0.3, 1.1, 0.3)


def _eye(pen: Pen, who: Character, side: float) -> None:
    """One open eye; `side` is +1 for the one on the right of the picture."""
    w, h = 6.3 * who.eye_size * who.eye_width, 8.0 * who.eye_size * who.eye_height
    girlish = who.lashes
    dark = mix(inked(who.hair_rgb), (30, 18, 34), 0.55)
    if who.lids == "half":
        h *= 0.8

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        # x outwards in half widths, y downwards in half heights, leaning by the slant
        return [(side * (who.eye_spacing + x * w), y * h - who.eye_slant * x * 1.3) for x, y in points]

    upper = -0.55 if who.lids == "half" else -1.0
    white = smooth(
        at(
            (-1.0, 0.12),
            (-0.74, 0.62 * upper),
            (-0.05, upper),
            (0.7, 0.78 * upper),
            (1.0, -0.02),
            (0.76, 0.66),
            (0, 0.97),
            (-0.7, 0.7),
        ),
        closed=True,
    )
    pen.shape(white, fill=(255, 253, 250), line=mix(skin_shade(who.skin_rgb), dark, 0.45), width=0.45)
    cx = side * (who.eye_spacing - 0.06 * w) + who.gaze[0]
    cy = 0.04 * h + who.gaze[1] + (0.05 * h if who.lids == "half" else 0.0)
    rx, ry = 0.77 * w, 0.88 * h
    iris = who.eye_rgb
    deep = mix(iris, (24, 14, 44), 0.5)
    pupil = mix(deep, (10, 6, 20), 0.65)
    with pen.inside(white):
        lid = at((-1.2, 0.0), (-0.74, 0.6 * upper), (0, 0.9 * upper), (0.74, 0.7 * upper), (1.2, 0.0))
        pen.shape(moved(ribbon(lid, 4.4), 0, 0.6), fill=(222, 218, 234))
        pen.shape(oval(cx, cy, rx, ry), fill=deep)
        pen.shape(oval(cx, cy + 0.1 * ry, 0.84 * rx, 0.82 * ry), fill=iris)
        pen.shape(oval(cx, cy + 0.54 * ry, 0.56 * rx, 0.3 * ry, count=18), fill=mix(iris, (255, 255, 240), 0.45))
        pen.shape(oval(cx, cy + 0.04 * ry, 0.4 * rx, 0.44 * ry, count=18), fill=pupil)
        brow_shade = np.concatenate([arc(cx, cy, rx, ry, 180, 360), arc(cx, cy - 0.3 * ry, rx, 0.3 * ry, 0, 180)])
        pen.shape(brow_shade, fill=mix(deep, (10, 6, 20), 0.3))
    pen.shape(oval(cx - 0.36 * rx, cy + (0.42 * upper) * ry, 0.33 * rx, 0.27 * ry), fill=WHITE)
    pen.shape(oval(cx + 0.4 * rx, cy + 0.4 * ry, 0.16 * rx, 0.14 * ry), fill=WHITE)
    thick = 1.25 if girlish else 1.0
    wing = [(1.16, -0.2), (1.26, -0.36)] if girlish else [(1.06, -0.08), (1.1, 0.0)]
    lash = at((-1.04, 0.16), (-0.78, 0.6 * upper), (-0.05, 1.02 * upper), (0.72, 0.8 * upper), *wing)
    pen.flick(lash, dark, 0.7, 2.3 * thick, 2.7 * thick, 2.7 * thick, 2.4 * thick, 0.3)
    if girlish:
        pen.flick(at((0.92, -0.36), (1.16, -0.52), (1.42, -0.6)), dark, 1.7, 0.2)
        pen.flick(at((0.74, 0.8 * upper), (0.98, 0.98 * upper), (1.18, 1.1 * upper)), dark, 1.6, 0.2)
        pen.flick(at((0.98, 0.12), (0.84, 0.58), (0.4, 0.9)), dark, 1.3, 0.9, 0.1)
    else:
        pen.flick(at((0.9, 0.36), (0.62, 0.76), (0.1, 0.96)), dark, 0.3, 0.9, 0.1)
    crease = mix(who.skin_rgb, (110, 40, 40), 0.55)
    pen.flick(at((-0.7, upper - 0.16), (0, upper - 0.3), (0.72, upper - 0.1)), crease, 0.1, 0.8, 0.1)


def _shut_eye(pen: Pen, who: Character, side: float, kind: str) -> None:
    w = 6.6 * who.eye_size
    x = side * who.eye_spacing
    dark = mix(inked(who.hair_rgb), (30, 18, 34), 0.55)
    if kind == "squeezed":
        pen.flick([(x + side * w * 0.8, -4.6), (x - side * w * 0.7, 0.4)], dark, 1.4, 2.4)
        pen.flick([(x - side * w * 0.7, 0.4), (x + side * w * 0.8, 5)], dark, 2.4, 1.4)
        pen.dot(x - side * w * 0.7, 0.4, 1.1, dark)
        return
    bend = -4.4 if kind == "happy" else 3.4
    y = 2.6 if kind == "happy" else 0.4
    pen.flick(
        [(x - w, y), (x - w * 0.55, y + bend * 0.78), (x, y + bend), (x + w * 0.55, y + bend * 0.78), (x + w, y)],
        dark,
        0.9,
        2.6,
        3.0,
        2.6,
        0.9,
    )
    if who.lashes:
        for reach, lift in ((0.62, 0.62), (0.95, 0.1)):
            start = (x + side * w * reach, y + bend * (0.7 if reach < 0.9 else 0.15))
            pen.flick(
                [start, (start[0] + side * 2.6, start[1] + (1.6 if kind != "happy" else -1.4 + lift))], dark, 1.5, 0.3
            )


def eyes(pen: Pen, who: Character) -> None:
    for side in (1.0, -1.0):
        if who.lids in ("happy", "calm", "squeezed"):
            _shut_eye(pen, who, side, who.lids)
        elif who.lids == "wink" and side > 0:
            _shut_eye(pen, who, side, "happy")
        else:
            _eye(pen, who, side)


def brows(pen: Pen, who: Character) -> None:
    """Eyebrows, drawn over the fringe so that the mood always shows."""
    colour = mix(inked(who.hair_rgb), who.hair_rgb, 0.12)
    inner, outer, lift = {
        "neutral": (-11.8, -11.4, -1.6), "raised": (-13.6, -12.6, -2.6),
        "worried": (-14.6, -10.6, -0.8), "angry": (-9.8, -13.6, -0.9),
    }[who.brows]  # fmt: skip
    for side in (1, -1):
        more = -1.6 if who.brows == "neutral" and who.mouth == "smirk" and side > 0 else 0.0
        x = side * who.eye_spacing
        thick = who.brow_width
        path = [
            (x - side * 5.2, inner + more),
            (x + side * 0.6, (inner + outer) / 2 + lift + more),
            (x + side * 6.0, outer + 0.6 + more),
        ]
        pen.flick(path, colour, 1.5 * thick, 2.1 * thick, 0.4)


def mouth(pen: Pen, who: Character) -> None:
    kind = who.mouth
    skin = who.skin_rgb
    line = mix(skin, (84, 20, 34), 0.76)
    inside, tongue, lip = (128, 36, 52), (240, 118, 124), mix(skin, (214, 60, 84), 0.55)
    y = 16.6
    if kind == "smile":
        pen.flick(
            [(-5.6, y - 1.2), (-3, y + 1.1), (0, y + 1.8), (3, y + 1.1), (5.6, y - 1.2)], line, 0.5, 1.7, 1.7, 1.7, 0.5
        )
    elif kind == "open_smile":
        lips = runs(
            [(-6.4, y - 1.8), (0, y - 0.8), (6.4, y - 1.8)],
            [(6.4, y - 1.8), (5, y + 3.2), (0, y + 6), (-5, y + 3.2), (-6.4, y - 1.8)],
        )
        pen.shape(lips, fill=inside, line=line, width=0.75)
        pen.within([lips], oval(0, y + 5.6, 4.4, 3.0), fill=tongue)
        pen.within([lips], even((0, y - 3), (6, y - 3), (4.8, y + 0.6), (0, y + 1.1)), fill=WHITE)
    elif kind == "grin":
        lips = runs(
            [(-6.6, y - 1.6), (0, y - 0.4), (6.6, y - 1.6)],
            [(6.6, y - 1.6), (4.8, y + 2.4), (0, y + 3.9), (-4.8, y + 2.4), (-6.6, y - 1.6)],
        )
        pen.shape(lips, fill=WHITE, line=line, width=0.8)
        pen.flick([(-5.6, y + 0.9), (0, y + 2.0), (5.6, y + 0.9)], mix(line, WHITE, 0.4), 0.3, 0.6, 0.3)
    elif kind == "cat":
        pen.flick([(-5.2, y - 0.8), (-3.6, y + 1.3), (-1.4, y + 1.0), (0, y - 1.0)], line, 0.5, 1.5, 1.4)
        pen.flick([(5.2, y - 0.8), (3.6, y + 1.3), (1.4, y + 1.0), (0, y - 1.0)], line, 0.5, 1.5, 1.4)
    elif kind == "o":
        pen.shape(oval(0, y + 1, 2.5, 3.2), fill=inside, line=line, width=0.75)
        pen.within([oval(0, y + 1, 2.5, 3.2)], oval(0, y + 3.6, 2.2, 1.7), fill=tongue)
    elif kind == "frown":
        pen.flick(
            [(-4.2, y + 1.8), (-2, y + 0.2), (0, y - 0.2), (2, y + 0.2), (4.2, y + 1.8)], line, 0.4, 1.6, 1.6, 1.6, 0.4
        )
    elif kind == "smirk":
        pen.flick([(-3.4, y + 0.9), (0.5, y + 1.2), (3.6, y + 0.1), (5.2, y - 1.7)], line, 0.5, 1.6, 1.5, 0.7)
    elif kind == "tongue":
        pen.shape(
            runs(
                [(-1, y + 0.8), (2, y + 1.6), (4.6, y + 0.4)],
                [(4.6, y + 0.4), (4.6, y + 3.8), (2.0, y + 5.4), (-0.7, y + 3.8), (-1, y + 0.8)],
            ),
            fill=tongue,
            line=line,
            width=0.7,
        )
        pen.flick(
            [(-5.6, y - 1.2), (-3, y + 0.9), (0, y + 1.6), (3, y + 0.9), (5.6, y - 1.2)], line, 0.5, 1.7, 1.7, 1.7, 0.5
        )
    elif kind == "lips":
        upper = runs(
            [(-4.2, y + 0.4), (-1.6, y - 1.5), (0, y - 0.8), (1.6, y - 1.5), (4.2, y + 0.4)],
            [(4.2, y + 0.4), (0, y + 0.9), (-4.2, y + 0.4)],
        )
        pen.shape(
            upper,
            runs([(-3.8, y + 0.4), (0, y + 0.8), (3.8, y + 0.4)], [(3.8, y + 0.4), (0, y + 3.2), (-3.8, y + 0.4)]),
            fill=lip,
        )
        pen.flick(
            [(-4.8, y - 0.2), (-2, y + 0.8), (0, y + 0.5), (2, y + 0.8), (4.8, y - 0.2)], line, 0.4, 1.1, 1.0, 1.1, 0.4
        )
    else:
        pen.flick([(-3.2, y + 0.6), (0, y + 0.9), (3.2, y + 0.6)], line, 0.5, 1.6, 0.5)


def beard(pen: Pen, who: Character) -> None:
    """Facial hair, under the mouth."""
    if who.facial_hair == "none":
        return
    base, line = mix(who.hair_rgb, INK, 0.12), inked(who.hair_rgb)
    if who.facial_hair == "beard":
        outer = smooth([(-26, 2), (-26, 12), (-19, 24), (-9, 29.5), (0, 31), (9, 29.5), (19, 24), (26, 12), (26, 2)])
        inner = smooth([(26, 2), (20.5, 12), (11, 13.4), (0, 12.4), (-11, 13.4), (-20.5, 12), (-26, 2)])
        shape = np.concatenate([outer, inner])
        pen.shape(shape, fill=base, line=line, shade=shaded(base))
        pen.shape(even((0, 14.6), (7.6, 14.0), (6.4, 20), (0, 23.4)), fill=who.skin_rgb)
    else:
        half = np.concatenate(
            [
                smooth([(0, 11.6), (4, 11.0), (8, 13.4), (11, 12.2)]),
                smooth([(11, 12.2), (8, 16.4), (3.4, 15.2), (0, 13.8)]),
            ]
        )
        pen.shape(half, mirrored(half), fill=base, line=line, width=0.8)


def glasses(pen: Pen, who: Character) -> None:
    """Frames over the eyes with a faint glint."""
    if who.glasses == "none":
        return
    colour = who.frame_rgb
    x, half = who.eye_spacing, min(9.6, who.eye_spacing - 2.2)
    for side in (1, -1):
        if who.glasses == "round":
            rim = oval(side * x, 0.6, half, 9.4, count=36)
        elif who.glasses == "square":
            rim = moved(
                even((0, -8.2), (0.8 * half, -8.2), (1.02 * half, -6.6), (half, 5.6), (0.74 * half, 8.8), (0, 9.2)),
                side * x,
            )
        else:
            rim = moved(even((0, -3.4), (0.9 * half, -3.6), (half, 1.4), (0.7 * half, 7.8), (0, 9.4)), side * x, 0.4)
        pen.ring(rim, colour, 1.6)
        pen.flick([(side * (x + half - 0.4), -2.6), (side * (who.face_width + 0.6), -1.4)], colour, 1.5, 1.2)
        if who.lids not in ("happy", "calm", "squeezed"):
            pen.flick([(side * x + 3.4, -5.2), (side * x + 5.8, -2.2)], WHITE, 0.9, 0.9)
    pen.stroke([(-x + half - 0.2, 0.2), (0, -2.0), (x - half + 0.2, 0.2)], colour, 1.4)


# --- on the head ----------------------------------------------------------------------------------------------------


def _bow(pen: Pen, x: float, y: float, size: float, colour: RGB, turn: float = 0.0) -> None:
    """A ribbon bow about 2 × size wide."""
    line, tone = inked(colour), shaded(colour)
    loop_right = runs([(0, 0), (0.5, -0.62), (1.0, -0.6), (1.08, 0), (1.0, 0.55), (0.5, 0.45), (0, 0)]) * size
    end = np.array([(0.0, 0.1), (0.62, 0.95), (0.34, 0.92), (0.18, 1.12)]) * size
    parts = [loop_right, mirrored(loop_right), end, mirrored(end)]
    placed = [moved(turned(path, turn), x, y) for path in parts]
    pen.shape(*placed[2:], fill=tone, line=line, width=0.9)
    for part in placed[:2]:
        pen.shape(part, fill=colour, line=line, width=0.9, shade=tone, shift=(-0.06 * size, -0.12 * size))
    pen.shape(moved(oval(0, 0, 0.26 * size, 0.3 * size), x, y), fill=colour, line=line, width=0.8)


def ears_of_animals(pen: Pen, who: Character) -> None:
    """Ears that grow out from behind the crown: drawn before the hair."""
    base, line = who.hair_rgb, inked(who.hair_rgb)
    inner = mix((255, 178, 186), base, 0.15)
    if who.hat == "cat_ears":
        for side in (1, -1):
            ear = runs(
                [(side * 8, -38), (side * 16, -48), (side * 27, -56)],
                [(side * 27, -56), (side * 32, -42), (side * 30, -24)],
            )
            pit = runs(
                [(side * 14, -38), (side * 19, -45), (side * 25.6, -51)],
                [(side * 25.6, -51), (side * 29, -42), (side * 29, -30)],
            )
            pen.shape(ear, fill=base, line=line, shade=shaded(base))
            pen.shape(pit, fill=inner)
    elif who.hat == "rabbit_ears":
        fur = mix(who.accessory_rgb, WHITE, 0.8)
        for side in (1, -1):
            spine = [(side * 11, -36), (side * 14, -48), (side * 17 + 2, -60)]
            pen.shape(*limb(spine, 8, 13, 8), fill=fur, line=inked(fur), shade=shaded(fur))
            pen.shape(
                *limb([(side * 12, -40), (side * 14, -48), (side * 16.4 + 2, -57)], 4, 6, 4), fill=(255, 182, 192)
            )


def _beret(pen: Pen, who: Character) -> None:
    """A soft beret that leans to one side."""
    colour, line, tone = who.hat_rgb, inked(who.hat_rgb), shaded(who.hat_rgb)
    band = runs(
        [(-32, -22), (-18, -29), (0, -31), (18, -29), (32, -22)],
        [(32, -22), (33, -27), (20, -35), (0, -37), (-20, -35), (-33, -27), (-32, -22)],
    )
    puff = loop(
        (-33, -27),
        (-39, -37),
        (-30, -49),
        (-6, -55),
        (20, -53),
        (40, -44),
        (45, -33),
        (34, -26),
        (18, -33),
        (0, -35),
        (-18, -33),
    )
    pen.shape(ribbon([(4, -53), (6, -58), (9, -59)], 2.4, 2.2, 2.0), fill=colour, line=line)
    pen.shape(puff, fill=colour, line=line, shade=tone, shift=(-1.4, -4))
    pen.shape(band, fill=mix(colour, INK, 0.3), line=line)
    pen.within([puff], ribbon([(-28, -42), (-18, -48), (-4, -50)], 0, 4, 0), fill=lit(colour))


def _baseball_cap(pen: Pen, who: Character) -> None:
    """A cap with a bill and a badge."""
    colour, trim, line, tone = who.hat_rgb, who.accessory_rgb, inked(who.hat_rgb), shaded(who.hat_rgb)
    dome = np.concatenate(
        [
            smooth([(-35, -18), (-34.5, -36), (-20, -49), (0, -52.5), (20, -49), (34.5, -36), (35, -18)]),
            smooth([(35, -18), (18, -25), (0, -27), (-18, -25), (-35, -18)]),
        ]
    )
    pen.shape(oval(0, -52.6, 3, 1.8), fill=trim, line=line, width=0.9)
    pen.shape(dome, fill=colour, line=line, shade=tone, shift=(-2.4, -2))
    for x in (-15, 15):
        pen.flick([(x * 0.2, -52), (x, -42), (x * 1.25, -26)], mix(colour, line, 0.55), 0.3, 0.8, 0.6)
    bill = runs(
        [(-29, -20), (-17, -30), (0, -32.5), (17, -30), (29, -20)],
        [(29, -20), (31, -15.5), (24, -14.5), (0, -20.5), (-24, -14.5), (-31, -15.5), (-29, -20)],
    )
    pen.shape(bill, fill=trim, line=inked(trim), shade=shaded(trim), shift=(0, -2.2))
    badge = star(0, -40, 5.2) if who.detail % 3 else heart(0, -40, 9)
    pen.shape(badge, fill=mix(trim, WHITE, 0.65))


def _witch_hat(pen: Pen, who: Character) -> None:
    """A pointed hat with a wide brim and a buckle."""
    colour, trim, line, tone = who.hat_rgb, who.accessory_rgb, inked(who.hat_rgb), shaded(who.hat_rgb)
    cone = runs(
        [(-27, -27), (-20, -40), (-10, -54), (6, -66), (21, -67)],
        [(21, -67), (15, -60), (17, -48), (27, -27)],
        [(27, -27), (0, -24), (-27, -27)],
    )
    brim = loop((-49, -19), (-34, -29), (0, -33), (34, -29), (49, -19), (30, -19.5), (0, -22.5), (-30, -19.5))
    pen.shape(brim, fill=colour, line=line, shade=tone, shift=(0, -2.6))
    pen.shape(cone, fill=colour, line=line, shade=tone, shift=(-3, -0.6))
    band = runs(
        [(-27, -27), (-25.2, -33)],
        [(-25.2, -33), (0, -31), (23.6, -34)],
        [(23.6, -34), (27, -27)],
        [(27, -27), (0, -24.4), (-27, -27)],
    )
    pen.shape(band, fill=trim, line=line, width=0.8, shade=shaded(trim))
    pen.shape(np.array([(-4.5, -34.0), (4.5, -34.0), (4.5, -25.5), (-4.5, -25.5)]), fill=GOLD, line=line, width=0.8)
    pen.shape(np.array([(-2.2, -31.8), (2.2, -31.8), (2.2, -27.8), (-2.2, -27.8)]), fill=trim)


def _beanie(pen: Pen, who: Character) -> None:
    """A knitted cap with a cuff and a pompom."""
    colour, trim, line, tone = who.hat_rgb, who.accessory_rgb, inked(who.hat_rgb), shaded(who.hat_rgb)
    dome = runs(
        [(-34, -22), (-34.5, -38), (-20, -52), (0, -55), (20, -52), (34.5, -38), (34, -22)],
        [(34, -22), (0, -28), (-34, -22)],
    )
    cuff = runs(
        [(-36, -17), (-37, -27)],
        [(-37, -27), (-20, -33.5), (0, -35), (20, -33.5), (37, -27)],
        [(37, -27), (36, -17)],
        [(36, -17), (18, -23), (0, -24.5), (-18, -23), (-36, -17)],
    )
    pom = mix(trim, WHITE, 0.45)
    ball = scallops(_circle(0.0, 360.0, 40) * (7.2, 6.8) + (0.0, -57.5), 11, 1.3)
    pen.shape(ball, fill=pom, line=inked(pom), shade=shaded(pom))
    pen.shape(dome, fill=colour, line=line, shade=tone, shift=(-2.4, -2))
    for x in (-20, -7, 7, 20):
        pen.flick([(x * 0.45, -53), (x * 0.95, -44), (x * 1.15, -33)], mix(colour, line, 0.4), 0.3, 0.9, 0.9)
    pen.shape(cuff, fill=trim, line=inked(trim), shade=shaded(trim), shift=(0, -2.2))
    for x in range(-30, 31, 6):
        y = -34.4 + x * x / 150
        pen.flick([(x, y + 1.2), (x * 1.01, y + 8.6)], mix(trim, inked(trim), 0.45), 0.7, 0.7)


def _straw_hat(pen: Pen, who: Character) -> None:
    """A boater with a ribbon."""
    trim, tone = who.accessory_rgb, shaded(who.hat_rgb)
    straw: RGB = (243, 209, 128)
    line, tone = inked((214, 150, 60)), shaded(straw)
    dome = runs(
        [(-28, -27), (-28, -42), (-15, -52), (0, -54), (15, -52), (28, -42), (28, -27)],
        [(28, -27), (0, -25), (-28, -27)],
    )
    brim = loop((-48, -22), (-34, -30), (0, -34), (34, -30), (48, -22), (32, -19), (0, -21.5), (-32, -19))
    pen.shape(brim, fill=straw, line=line, shade=tone, shift=(0, -2.6))
    pen.shape(dome, fill=straw, line=line, shade=tone, shift=(-2.6, -1))
    for y in (-46, -40):
        pen.flick(
            [(-22 + (-y - 40), y + 1), (0, y - 1.5), (22 - (-y - 40), y + 1)], mix(straw, line, 0.35), 0.3, 0.8, 0.3
        )
    band = runs(
        [(-28, -27), (-28.3, -34.5)],
        [(-28.3, -34.5), (0, -32.5), (28.3, -34.5)],
        [(28.3, -34.5), (28, -27)],
        [(28, -27), (0, -25), (-28, -27)],
    )
    pen.shape(band, fill=trim, line=inked(trim), width=0.8, shade=shaded(trim))


def _santa_hat(pen: Pen, who: Character) -> None:
    """A red cap with white fur."""
    colour, line, tone = who.hat_rgb, inked(who.hat_rgb), shaded(who.hat_rgb)
    cone = runs(
        [(-31, -26), (-26, -42), (-8, -54), (14, -54), (32, -46), (43, -30)],
        [(43, -30), (34, -36), (30, -26)],
        [(30, -26), (0, -30), (-31, -26)],
    )
    pen.shape(cone, fill=colour, line=line, shade=tone, shift=(-1.6, -2.6))
    fur: RGB = (250, 247, 242)
    pen.shape(oval(43, -27, 6.4), fill=fur, line=inked((200, 190, 190)), shade=(222, 216, 226))
    cuff = limb([(-32, -22), (-17, -28), (0, -30), (17, -28), (32, -22)], 9, 10, 10, 9)
    pen.shape(*cuff, fill=fur, line=inked((200, 190, 190)), shade=(222, 216, 226), shift=(0, -2))


def _hairband(pen: Pen, who: Character) -> None:
    """A band over the crown, sometimes with a bow."""
    colour, line, tone = who.hat_rgb, inked(who.hat_rgb), shaded(who.hat_rgb)
    spine = [(-32, -16), (-28, -28), (-15, -37), (0, -39.5), (15, -37), (28, -28), (32, -16)]
    pen.shape(ribbon(spine, 4.2, 5.0, 4.2), fill=colour, line=line, width=0.9, shade=tone)
    if who.detail % 2:
        _bow(pen, 20, -36, 8.5, colour, 34)


def _headphones(pen: Pen, who: Character) -> None:
    """Headphones over both ears."""
    colour, trim, line, tone = who.hat_rgb, who.accessory_rgb, inked(who.hat_rgb), shaded(who.hat_rgb)
    spine = [(-33.2, -12), (-31, -30), (-17, -43), (0, -46), (17, -43), (31, -30), (33.2, -12)]
    pen.shape(ribbon(spine, 4.4, 5.4, 4.4), fill=colour, line=line, shade=tone)
    for side in (1, -1):
        pen.shape(oval(side * 33, 2, 6.6, 10.2), fill=trim, line=inked(trim), shade=shaded(trim))
        pen.shape(oval(side * 35, 2, 4.2, 7.2), fill=colour, line=line, width=0.8, shade=tone)


def _hair_bow(pen: Pen, who: Character) -> None:
    """A large bow, in the middle or at one side."""
    colour = who.hat_rgb
    if who.detail % 2:
        _bow(pen, 0, -43, 15, colour)
    else:
        _bow(pen, 21, -36, 13, colour, 30)


def _hair_flower(pen: Pen, who: Character) -> None:
    """A flower over one temple."""
    colour, line, tone = who.hat_rgb, inked(who.hat_rgb), shaded(who.hat_rgb)
    for turn in range(5):
        petal = turned(oval(22, -32 - 5.4, 4.4, 5.2, count=18), turn * 72 + 12, 22, -32)
        pen.shape(petal, fill=colour, line=line, width=0.8, shade=tone, shift=(-0.8, -0.8))
    pen.shape(oval(22, -32, 3.2), fill=GOLD, line=inked(GOLD), width=0.7)


def _flower_crown(pen: Pen, who: Character) -> None:
    """A wreath of flowers."""
    colour, trim = who.hat_rgb, who.accessory_rgb
    leaf = (122, 178, 110)
    pen.shape(
        ribbon([(-32, -18), (-26, -29), (-13, -36), (0, -38), (13, -36), (26, -29), (32, -18)], 3.4, 3.4),
        fill=leaf,
        line=inked(leaf),
        width=0.8,
    )
    for i, x in enumerate((-28, -15, 0, 15, 28)):
        y = -38 + x * x / 78
        tint = (colour, trim, mix(colour, WHITE, 0.6))[i % 3]
        petals = [turned(oval(x, y - 3.4, 3.0, 3.4, count=14), turn * 72, x, y) for turn in range(5)]
        pen.shape(*petals, fill=tint, line=inked(tint), width=0.8)
        pen.dot(x, y, 2.1, GOLD)


def _golden_crown(pen: Pen, who: Character) -> None:
    """A small golden crown."""
    trim = who.accessory_rgb
    gold = runs(
        [(-15, -38), (-19, -54)],
        [(-19, -54), (-9.5, -46)],
        [(-9.5, -46), (0, -58)],
        [(0, -58), (9.5, -46)],
        [(9.5, -46), (19, -54)],
        [(19, -54), (15, -38)],
        [(15, -38), (0, -35.5), (-15, -38)],
    )
    pen.shape(gold, fill=GOLD, line=inked((220, 140, 40)), shade=(224, 150, 50), shift=(-2, -1))
    for x, y in ((-19, -54.5), (0, -58.5), (19, -54.5)):
        pen.shape(oval(x, y, 2.2), fill=trim, line=inked(trim), width=0.7)
    pen.shape(oval(0, -42.4, 2.8, 3.2), fill=trim, line=inked(trim), width=0.6)


def _hairclip(pen: Pen, who: Character) -> None:
    """Two clips at one side."""
    colour, line = who.hat_rgb, inked(who.hat_rgb)
    for i in range(2):
        pen.shape(
            *limb([(14 + i * 1.8, -24 + i * 5.2), (24 + i * 1.2, -20 + i * 5.2)], 2.6, 2.6),
            fill=colour,
            line=line,
            width=0.7,
        )


HATS: dict[str, Callable[[Pen, Character], None]] = {
    "beret": _beret,
    "baseball_cap": _baseball_cap,
    "witch_hat": _witch_hat,
    "beanie": _beanie,
    "straw_hat": _straw_hat,
    "santa_hat": _santa_hat,
    "hairband": _hairband,
    "headphones": _headphones,
    "hair_bow": _hair_bow,
    "hair_flower": _hair_flower,
    "flower_crown": _flower_crown,
    "crown": _golden_crown,
    "hairclip": _hairclip,
}


def hat(pen: Pen, who: Character) -> None:
    """Whatever sits on the head, over the hair; ears of animals grow from behind it."""
    if who.hat in HATS:
        HATS[who.hat](pen, who)


# --- body -----------------------------------------------------------------------------------------------------------

# Arms and legs in the bust frame: (shoulder, elbow, hand) and (hip, knee, ankle), right of the picture first, the
# left limb given as if it were on the right.
Joint = tuple[float, float]
Limb = tuple[Joint, Joint, Joint]
DOWN: Limb = ((23, 19), (33, 42), (34, 66))
RESTING: Limb = ((23, 19), (34, 42), (26, 66))
CROUCHED: Limb = ((12, 76), (27, 88), (31, 104))
UP: Limb = ((22, 18), (50, 17), (71, -12))  # clear of the head, which is wide in these proportions
LEG: Limb = ((11, 78), (12, 112), (12, 146))
POSES: dict[str, tuple[Limb, Limb, Limb, Limb]] = {
    "standing": (DOWN, DOWN, LEG, LEG),
    "arms_up": (UP, UP, LEG, LEG),
    "waving": (((22, 18), (50, 22), (69, -4)), DOWN, LEG, LEG),
    "hands_on_hips": (((23, 19), (45, 42), (24, 60)), ((23, 19), (45, 42), (24, 60)), LEG, LEG),
    "outstretched_arms": (((22, 18), (42, 26), (64, 22)), ((22, 18), (42, 26), (64, 22)), LEG, LEG),
    "jumping": (UP, UP, ((11, 78), (24, 96), (14, 122)), ((11, 78), (20, 104), (30, 128))),
    "running": (
        ((23, 19), (44, 36), (56, 18)), ((23, 19), (38, 40), (48, 60)),
        ((9, 78), (16, 108), (8, 128)), ((9, 78), (18, 106), (30, 134)),
    ),
    "sitting": (RESTING, RESTING, CROUCHED, CROUCHED),
    "one_hand_on_hip": (((23, 19), (45, 42), (24, 60)), DOWN, LEG, LEG),
    "holding": (((22, 18), (42, 36), (60, 24)), DOWN, LEG, LEG),
}  # fmt: skip

SLEEVELESS = frozenset({"sundress", "overalls", "tank_top"})
SHORT_SLEEVES = frozenset({"t_shirt", "serafuku", "striped_shirt", "dress"})


def _flip(path: Limb) -> Limb:
    a, b, c = path
    return (-a[0], a[1]), (-b[0], b[1]), (-c[0], c[1])


def _part(path: Limb, share: float) -> Pairs:
    """The first `share` (0 to 1) of a limb as a polyline of three points."""
    line = smooth(path)
    last = max(3, round(share * (len(line) - 1)))
    return [tuple(line[0]), tuple(line[last // 2]), tuple(line[last])]


def torso(who: Character) -> Points:
    """From the neck to the hips."""
    broad = 1.06 if who.figure == "boy" else 0.97
    waist = 21.0 if who.figure == "boy" else 18.5
    return even(
        (0, 5), (8, 6.5), (20 * broad, 10.5), (27.5 * broad, 18), (25 * broad, 34), (waist, 56),
        (waist + 2.6, 72), (waist + 2, 82), (0, 84),
    )  # fmt: skip


def bust(pen: Pen, who: Character, *, whole: bool) -> None:
    """Neck, clothes and, for a whole figure, arms, legs and shoes (bust frame)."""
    skin, line = who.skin_rgb, inked(mix(who.skin_rgb, (170, 60, 40), 0.3))
    right, left, right_leg, left_leg = POSES[who.pose if whole else "standing"]
    left, left_leg = _flip(left), _flip(left_leg)
    sitting = whole and who.pose == "sitting"
    if whole and not sitting:
        legs(pen, who, right_leg, left_leg)
    if who.clothes == "hoodie":
        main = who.main_rgb
        hood = even((0, -6), (20, -6), (28, 4), (24, 14), (0, 18))
        pen.shape(hood, fill=main, line=inked(main))
        pen.within([hood], even((0, -2), (16, -2), (21, 5), (17, 12), (0, 14)), fill=mix(shaded(main), INK, 0.25))
    # Bare shoulders and arms come first, clothes over them.
    cloth = torso(who)
    reach = 1.06 if who.figure == "boy" else 0.97
    shoulders = even((0, 12), (16, 10.2), (26 * reach, 14), (33 * reach, 24), (36 * reach, 44), (0, 60))
    if whole:
        for arm in (right, left):
            pen.shape(
                *limb(arm, 12, 10.5, 8.5),
                oval(*arm[2], 6.6),
                fill=skin,
                line=line,
                shade=skin_shade(skin),
                shift=(-1.6, -1.2),
            )
    neck = runs([(-7.4, -14), (-7.2, 2), (-13, 9)], [(-13, 9), (0, 13), (13, 9)], [(13, 9), (7.2, 2), (7.4, -14)])
    if who.clothes in SLEEVELESS:
        pen.shape(cloth, neck, *([] if whole else [shoulders]), fill=skin, line=line)
    else:
        pen.shape(neck, fill=skin, line=line)
    chin = even((0, -20), (18, -20), (16, 0), (7, 4.4), (0, 5.4))
    pen.within([neck, cloth] if who.clothes in SLEEVELESS else [neck], chin, fill=skin_shade(skin))
    if whole:
        skirt_or_shorts(pen, who, sitting=sitting)
    sleeves: list[Points] = []
    if not whole:  # a portrait ends above the arms: the shoulders simply go on
        sleeves = [shoulders]
    elif who.clothes not in SLEEVELESS:
        share = 0.42 if who.clothes in SHORT_SLEEVES else 0.86
        wide = 17.0 if who.clothes in ("kimono", "hoodie", "coat") else 14.0
        end = wide + (12 if who.clothes == "kimono" else 2 if share < 0.5 else -1)
        for arm in (right, left):
            sleeves.append(ribbon(_part(arm, share), wide - 1, wide, end))
            sleeves.append(oval(*arm[0], wide / 2, count=18))
    garment(pen, who, sleeves, whole=whole)
    if sitting:
        legs(pen, who, right_leg, left_leg)


def _top(who: Character, *neckline: tuple[float, float]) -> Points:
    """The garment's body: from the middle of the neckline over the right shoulder to the hips and back."""
    broad = 1.06 if who.figure == "boy" else 0.97
    waist = 21.0 if who.figure == "boy" else 18.5
    collar = list(neckline)
    side = [
        (20 * broad, 10.5),
        (28 * broad, 18),
        (25 * broad, 34),
        (waist, 56),
        (waist + 2.6, 72),
        (waist + 2.4, 83),
        (0, 85),
    ]
    right = np.concatenate(
        [smooth(collar) if len(collar) > 2 else np.array(collar, dtype=np.float64), smooth([collar[-1], *side])]
    )
    return np.concatenate([right, mirrored(right)[::-1]])


ROUND = ((0.0, 13.5), (6.0, 11.5), (10.0, 6.0))
VEE = ((0.0, 24.0), (9.5, 6.0))
HIGH = ((0.0, 10.0), (6.0, 9.0), (9.0, 5.5))


def _t_shirt(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """A ringed collar and a badge."""
    second, accent = who.second_rgb, who.accent_rgb
    pen.stroke([(-10.4, 7), (-6, 12), (0, 14), (6, 12), (10.4, 7)], inked(second), 3.4)
    pen.stroke([(-10.4, 7), (-6, 12), (0, 14), (6, 12), (10.4, 7)], second, 2.0)
    badge = (star(0, 38, 9), heart(0, 38, 15), oval(0, 38, 7.5))[who.detail % 3]
    pen.shape(badge, fill=accent)


def _striped_shirt(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """Stripes over body and sleeves."""
    second, line = who.second_rgb, inked(who.main_rgb)
    for y in (18, 29, 40, 51, 62, 73):
        pen.within(cloth, ribbon([(-60, y), (0, y + 2.6), (60, y)], 5.2), fill=second)
    pen.stroke([(-10.4, 7), (-6, 12), (0, 14), (6, 12), (10.4, 7)], line, 1.8)


def _hoodie(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """The opening of the hood, its cords and a pocket."""
    second, line, tone = who.second_rgb, inked(who.main_rgb), shaded(who.main_rgb)
    pen.flick([(-11, 6), (-6, 13), (0, 16)], line, 0.6, 1.8, 1.0)
    pen.flick([(11, 6), (6, 13), (0, 16)], line, 0.6, 1.8, 1.0)
    for side in (1, -1):
        pen.stroke([(side * 5, 13.5), (side * 5.6, 19), (side * 5, 25)], mix(second, WHITE, 0.4), 1.6)
        pen.dot(side * 5, 25.6, 1.4, mix(second, WHITE, 0.4))
    if whole:
        pen.shape(
            runs([(-9, 58), (9, 58)], [(9, 58), (13, 72)], [(13, 72), (-13, 72)], [(-13, 72), (-9, 58)]),
            fill=tone,
            line=line,
            width=0.7,
        )


def _turtleneck(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """A ribbed collar."""
    main, line, tone = who.main_rgb, inked(who.main_rgb), shaded(who.main_rgb)
    neck = runs(
        [(-9.4, -1), (-10.6, 9)],
        [(-10.6, 9), (0, 12.5), (10.6, 9)],
        [(10.6, 9), (9.4, -1)],
        [(9.4, -1), (0, 2.6), (-9.4, -1)],
    )
    pen.shape(neck, fill=main, line=line, shade=tone)
    for x in (-6, -2, 2, 6):
        pen.flick([(x, 3), (x * 1.06, 9.4)], mix(main, line, 0.5), 0.6, 0.6)


def _shirt(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """A button band, collar points, a tie or a bow tie."""
    main, accent, line = who.main_rgb, who.accent_rgb, inked(who.main_rgb)
    pen.stroke([(0, 12), (0, 84)], mix(main, line, 0.6), 0.8)
    for y in (40, 52, 64):
        pen.dot(2.2, y, 1.2, line)
    if who.neckwear == "necktie":
        tie = np.array([(-3.0, 10), (3, 10), (2.2, 15), (5, 44), (0, 50), (-5, 44), (-2.2, 15)])
        pen.shape(tie, fill=accent, line=inked(accent), width=0.9, shade=shaded(accent))
    for side in (1, -1):
        flap = np.array([(side * 9.0, 2.0), (side * 0.6, 10.6), (side * 6.6, 20.0), (side * 14.5, 8.6)])
        pen.shape(flap, fill=mix(main, WHITE, 0.5), line=line, width=0.9)
    if who.neckwear == "bowtie":
        _bow(pen, 0, 14.6, 8.6, accent)


def _serafuku(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """A sailor collar with piping and a bow."""
    main, second, accent = who.main_rgb, who.second_rgb, who.accent_rgb
    for side in (1, -1):
        flap = runs(
            [(side * 9.5, 4.5), (side * 5, 16), (side * 0.4, 26)],
            [(side * 0.4, 26), (side * 12, 22), (side * 24, 19)],
            [(side * 24, 19), (side * 20, 11), (side * 9.5, 4.5)],
        )
        pen.shape(flap, fill=second, line=inked(second), width=0.9, shade=shaded(second))
        pen.stroke([(side * 3, 21.6), (side * 12, 18.6), (side * 20.6, 16.4)], mix(WHITE, main, 0.2), 1.1)
    _bow(pen, 0, 27, 9.5, accent)


def _dress(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """A round collar and a belt."""
    main, second, accent, line = who.main_rgb, who.second_rgb, who.accent_rgb, inked(who.main_rgb)
    pen.stroke([(0, 15), (0, 50)], mix(main, line, 0.4), 0.8)
    for side in (1, -1):  # a round collar
        lobe = loop(
            (side * 9, 4.4),
            (side * 2, 10.4),
            (side * 1.4, 16.6),
            (side * 8, 18.6),
            (side * 15, 14),
            (side * 14.6, 8),
        )
        pen.shape(lobe, fill=mix(second, WHITE, 0.7), line=inked(second), width=0.9)
    if who.neckwear != "none":
        _bow(pen, 0, 15.4, 7.4, accent)
    if whole:
        pen.shape(
            runs(
                [(-19, 53), (0, 55), (19, 53)],
                [(19, 53), (19.4, 59)],
                [(19.4, 59), (0, 61), (-19.4, 59)],
                [(-19.4, 59), (-19, 53)],
            ),
            fill=accent,
            line=inked(accent),
            width=0.7,
        )


def _coat(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """Lapels and two rows of buttons."""
    main, accent, line = who.main_rgb, who.accent_rgb, inked(who.main_rgb)
    for side in (1, -1):
        lapel = np.array(
            [
                (side * 9.0, 3.0),
                (side * 1.0, 26.0),
                (side * 11.0, 33.0),
                (side * 14.0, 24.0),
                (side * 21.0, 22.0),
                (side * 16.0, 8.0),
            ]
        )
        pen.shape(lapel, fill=mix(main, WHITE, 0.16), line=line, width=0.9)
    pen.stroke([(0, 27), (0, 84)], line, 0.9)
    for side in (1, -1):
        for y in (42, 56, 70):
            pen.shape(oval(side * 7, y, 2.2), fill=accent, line=line, width=0.5)


def _kimono(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """Crossed collars and a broad sash."""
    second, accent = who.second_rgb, who.accent_rgb
    pen.shape(ribbon([(-10, 3), (-5, 15), (7, 34)], 6.2, 6.2), fill=second, line=inked(second), width=0.8)
    pen.shape(ribbon([(10, 3), (5, 15), (-9, 38)], 6.2, 6.2), fill=second, line=inked(second), width=0.8)
    if whole:
        obi = np.array([(-20.0, 48), (20, 48), (20, 64), (-20, 64)])
        pen.shape(obi, fill=accent, line=inked(accent), width=0.9, shade=shaded(accent))
        pen.stroke([(-20, 56), (20, 56)], mix(accent, WHITE, 0.6), 1.2)


DETAILS: dict[str, Callable[[Pen, Character, list[Points], bool], None]] = {
    "t_shirt": _t_shirt,
    "striped_shirt": _striped_shirt,
    "hoodie": _hoodie,
    "turtleneck": _turtleneck,
    "shirt": _shirt,
    "serafuku": _serafuku,
    "dress": _dress,
    "coat": _coat,
    "kimono": _kimono,
}


def garment(pen: Pen, who: Character, sleeves: list[Points], *, whole: bool) -> None:
    """What is worn above the hips, with its collar."""
    kind, main, second = who.clothes, who.main_rgb, who.second_rgb
    line, tone = inked(main), shaded(main)
    cut = VEE if kind in ("serafuku", "kimono", "coat") else HIGH if kind in ("turtleneck", "shirt") else ROUND
    if kind in SLEEVELESS:
        _sleeveless(pen, who, sleeves)
        return
    body = _top(who, *cut)
    if who.clothes == "coat":
        pen.shape(_top(who, *HIGH), fill=second, line=inked(second))
    if kind in ("serafuku", "kimono"):  # what shows in the V
        pen.shape(even((0, 10), (8, 9), (7, 18), (0, 26)), fill=second)
    pen.shape(body, *sleeves, fill=main, line=line, shade=tone, shift=(-1.8, -1.4))
    if whole:
        for side in (1, -1):  # the fold between arm and chest
            pen.flick([(side * 19, 24), (side * 21.5, 31), (side * 22, 40)], line, 0.2, 1.0, 0.5)
    DETAILS[kind](pen, who, [body, *sleeves], whole)
    if who.scarf:
        _scarf(pen, who)


def _sleeveless(pen: Pen, who: Character, sleeves: list[Points]) -> None:
    """Dresses on straps, bib overalls and tank tops: bare arms or a shirt beneath."""
    kind, main, second, accent = who.clothes, who.main_rgb, who.second_rgb, who.accent_rgb
    line, tone = inked(main), shaded(main)
    broad = 1.06 if who.figure == "boy" else 0.97
    waist = 21.0 if who.figure == "boy" else 18.5
    lower = [(25 * broad, 34), (waist, 56), (waist + 2.6, 72), (waist + 2.4, 83), (0, 85)]
    if kind == "overalls":
        under = _top(who, *ROUND)
        caps = sleeves or [oval(side * 24, 19, 7.5, 8) for side in (1.0, -1.0)]
        pen.shape(under, *caps, fill=second, line=inked(second), shade=shaded(second))
        for side in (1, -1):
            pen.shape(
                ribbon([(side * 17, 8), (side * 14, 20), (side * 11, 34)], 5.4, 5.4), fill=main, line=line, width=0.8
            )
        right = np.concatenate(
            [
                np.array([(0.0, 30), (14, 30), (15, 44)]),
                smooth([(15, 44), (20, 50), (waist + 2.6, 60), (waist + 3, 83), (0, 85)]),
            ]
        )
        pen.shape(right, mirrored(right), fill=main, line=line, shade=tone)
        for side in (1, -1):
            pen.shape(oval(side * 11, 34, 2.4), fill=GOLD, line=line, width=0.6)
        pen.shape(
            runs([(-7, 40), (7, 40)], [(7, 40), (6, 50), (0, 52), (-6, 50), (-7, 40)]), fill=tone, line=line, width=0.7
        )
    else:
        neckline = [(0, 19.5), (9, 18), (15, 12)] if kind == "sundress" else [(0, 17), (7, 15), (11, 7.5)]
        strap = (
            [(15, 12), (15.6, 7.4), (18.6, 7.8), (20, 13)] if kind == "sundress" else [(11, 7.5), (17, 9), (19.5, 14)]
        )
        right = np.concatenate([smooth(neckline), smooth(strap), smooth([strap[-1], (21, 26), *lower])])
        pen.shape(np.concatenate([right, mirrored(right)[::-1]]), fill=main, line=line, shade=tone)
        if kind == "sundress":
            pen.stroke([(-14.4, 13.6), (-8, 19), (0, 20.6), (8, 19), (14.4, 13.6)], mix(second, WHITE, 0.5), 1.8)
            _bow(pen, 0, 24, 6.4, accent)
        else:
            pen.stroke([(-10.6, 9), (-7, 15.6), (0, 17.8), (7, 15.6), (10.6, 9)], second, 1.6)
    if who.scarf:
        _scarf(pen, who)


def _scarf(pen: Pen, who: Character) -> None:
    colour, other = who.accessory_rgb, mix(who.accessory_rgb, WHITE, 0.5)
    line, tone = inked(colour), shaded(colour)
    end = np.array([(6.0, 12), (15, 12), (17, 44), (7, 45)])
    pen.shape(end, fill=colour, line=line, shade=tone)
    for y in (26, 34):
        pen.within([end], np.array([(0.0, y), (30, y), (30, y + 4), (0, y + 4)]), fill=other)
    wrap = loop((-15, 2), (-6, 5), (0, 5.6), (6, 5), (15, 2), (17, 9), (10, 15.6), (0, 17.4), (-10, 15.6), (-17, 9))
    pen.shape(wrap, fill=colour, line=line, shade=tone)
    pen.flick([(-14, 6), (-4, 11), (9, 10)], line, 0.2, 1.0, 0.2)
    pen.within([wrap], ribbon([(-10, 2), (-11, 18)], 4, 4), fill=other)


def skirt_or_shorts(pen: Pen, who: Character, *, sitting: bool) -> None:
    """What hangs from the hips; trousers belong to the legs."""
    kind = who.bottom
    colour = who.main_rgb if kind in ("dress", "coat", "kimono") else who.second_rgb
    line, tone = inked(colour), shaded(colour)
    waist = 21.0 if who.figure == "boy" else 18.5
    hem = 92.0 if sitting else {"skirt": 104.0, "dress": 112.0, "coat": 116.0, "kimono": 140.0}.get(kind, 0.0)
    if kind in ("skirt", "dress", "coat"):
        flare = {"skirt": 38.0, "dress": 42.0, "coat": 31.0}[kind]
        top = 64.0 if kind == "skirt" else 58.0
        path = runs(
            [(-waist, top), (waist, top)],
            [(waist, top), (waist + 8, top + 14), (flare, hem - 3)],
            [(flare, hem - 3), (flare * 0.5, hem + 2), (0, hem + 3), (-flare * 0.5, hem + 2), (-flare, hem - 3)],
            [(-flare, hem - 3), (-waist - 8, top + 14), (-waist, top)],
        )
        pen.shape(path, fill=colour, line=line, shade=tone, shift=(-2.4, -2))
        for x in (-0.62, -0.22, 0.22, 0.62):
            pen.flick([(x * waist * 1.1, top + 18), (x * flare * 0.9, hem - 1)], line, 0.3, 1.0)
        if kind == "dress":
            pen.within(
                [path],
                ribbon([(-flare, hem - 8), (0, hem - 2.5), (flare, hem - 8)], 3.0),
                fill=mix(who.second_rgb, WHITE, 0.5),
            )
    elif kind == "kimono":
        path = runs(
            [(-20, 60), (20, 60)],
            [(20, 60), (24, 90), (22, hem)],
            [(22, hem), (0, hem + 3), (-22, hem)],
            [(-22, hem), (-24, 90), (-20, 60)],
        )
        pen.shape(path, fill=colour, line=line, shade=tone, shift=(-2.4, -1))
        pen.flick([(3, 62), (0, 100), (-8, hem)], line, 0.8, 1.2, 0.9)
        for x, y in ((-12, 84), (12, 96), (-6, 116), (13, 124), (-15, 104)):
            pen.dot(x, y, 2.6, mix(who.second_rgb, WHITE, 0.3))
    elif kind == "shorts" and not sitting:
        path = runs(
            [(-waist - 2, 70), (waist + 2, 70)],
            [(waist + 2, 70), (24, 102)],
            [(24, 102), (2.5, 102)],
            [(2.5, 102), (0, 90)],
            [(0, 90), (-2.5, 102)],
            [(-2.5, 102), (-24, 102)],
            [(-24, 102), (-waist - 2, 70)],
        )
        if who.pose in ("running", "jumping"):
            return
        pen.shape(path, fill=colour, line=line, shade=tone)
    elif kind in ("trousers", "shorts") and sitting:
        pen.shape(oval(0, 78, 23, 13), fill=colour, line=line)


def legs(pen: Pen, who: Character, right: Limb, left: Limb) -> None:
    """Both legs with trousers or socks, and the shoes."""
    skin, line = who.skin_rgb, inked(mix(who.skin_rgb, (170, 60, 40), 0.3))
    shoe = who.shoe_rgb
    for side, path in ((-1.0, left), (1.0, right)):
        if who.bottom in ("trousers", "overalls"):
            colour = who.main_rgb if who.bottom == "overalls" else who.second_rgb
            pen.shape(*limb(path, 22, 18, 15), fill=colour, line=inked(colour), shade=shaded(colour))
        else:
            pen.shape(*limb(path, 18, 15, 12.5), fill=skin, line=line, shade=skin_shade(skin))
            if who.socks != "none":
                spine = smooth(path)
                start = 0.34 if who.socks == "thighhighs" else 0.68
                sock = ribbon(spine[round(start * (len(spine) - 1)) :: 2], 16.6 if start < 0.5 else 14.4, 13.6)
                pen.shape(
                    sock,
                    fill=who.sock_rgb,
                    line=inked(mix(who.sock_rgb, INK, 0.2)),
                    width=0.8,
                    shade=shaded(who.sock_rgb),
                )
            if who.bottom == "shorts" and who.pose in ("running", "jumping", "sitting"):
                colour = who.second_rgb
                pen.shape(
                    *limb(_part(path, 0.5), 23, 21, 19)[:2], fill=colour, line=inked(colour), shade=shaded(colour)
                )
        x, y = path[2]
        if who.pose == "sitting":
            sole = turned(oval(x, y, 9.6, 12), side * 14, x, y)
            pen.shape(sole, fill=shoe, line=inked(shoe))
            pen.shape(turned(oval(x, y, 6.8, 9.2), side * 14, x, y), fill=mix(shoe, WHITE, 0.5))
            continue
        foot = runs(
            [(-8, -8), (7.5, -8)],
            [(7.5, -8), (11.5, 2), (15, 7), (14, 12)],
            [(14, 12), (-8.6, 12)],
            [(-8.6, 12), (-9, 2), (-8, -8)],
        )
        foot = foot * (side, 1.0)
        lean = {"running": 24.0 * side, "jumping": 26.0 * side}.get(who.pose, 0.0)
        foot = moved(turned(foot, lean), x, y)
        pen.shape(foot, fill=shoe, line=inked(shoe), shade=shaded(shoe), shift=(-1.2, -1.6))
        pen.within(
            [foot],
            moved(turned(np.array([(-20.0, 9), (20, 9), (20, 14), (-20, 14)]), lean), x, y),
            fill=mix(shoe, WHITE, 0.75),
        )
        if who.bottom not in ("trousers", "overalls") and who.detail % 3 == 0 and lean == 0.0:  # boots
            boot = runs([(-9, -24), (9, -24)], [(9, -24), (8.6, -4)], [(8.6, -4), (-8.6, -4)], [(-8.6, -4), (-9, -24)])
            pen.shape(moved(turned(boot, lean), x, y), fill=shoe, line=inked(shoe), shade=shaded(shoe))
            pen.shape(moved(turned(boot * (0.86, 0.7), lean), x, y), fill=shoe)


def held(pen: Pen, who: Character) -> None:
    """What the raised hand holds in the pose `holding` (bust frame)."""
    x, y = POSES["holding"][0][2]
    colour = who.accessory_rgb
    line = inked(colour)
    if who.prop == "balloon":
        pen.stroke([(x, y), (x + 12, y - 20), (x + 22, y - 44)], INK, 0.8)
        pen.shape(np.array([(x + 22.0, y - 48), (x + 26, y - 41), (x + 18, y - 41)]), fill=colour, line=line, width=0.8)
        balloon = moved(even((0, -28), (18, -17), (19, 4), (8, 22), (0, 25)), x + 22, y - 70)
        pen.shape(balloon, fill=colour, line=line, shade=shaded(colour), shift=(-5, -3))
        pen.shape(turned(oval(x + 14, y - 82, 3.4, 7), 24, x + 14, y - 82), fill=lit(colour))
    elif who.prop == "flower":
        pen.stroke([(x, y + 12), (x + 3, y - 8), (x + 8, y - 24)], (86, 150, 84), 2.0)
        for turn in range(6):
            petal = turned(oval(x + 9, y - 41, 7, 10, count=16), turn * 60, x + 9, y - 28)
            pen.shape(petal, fill=colour, line=line, width=0.8, shade=shaded(colour))
        pen.shape(oval(x + 9, y - 28, 7), fill=GOLD, line=inked(GOLD), width=0.7)
    elif who.prop == "wand":
        pen.stroke([(x - 4, y + 16), (x + 3, y - 8), (x + 9, y - 26)], inked(GOLD), 2.6)
        pen.shape(star(x + 11, y - 36, 19), fill=GOLD, line=inked(GOLD), shade=(224, 150, 50))
    elif who.prop == "lollipop":
        pen.stroke([(x - 2, y + 14), (x + 3, y - 6), (x + 7, y - 20)], (200, 186, 176), 2.0)
        pen.shape(oval(x + 10, y - 33, 17), fill=colour, line=line, shade=shaded(colour))
        pen.stroke(arc(x + 10, y - 33, 10, 10, -60, 200), mix(colour, WHITE, 0.7), 2.0)
        pen.stroke(arc(x + 10, y - 33, 4, 4, 120, 380), mix(colour, WHITE, 0.7), 1.8)
    pen.shape(oval(x, y, 6.6), fill=who.skin_rgb, line=inked(mix(who.skin_rgb, (170, 60, 40), 0.3)))


# --- the picture ----------------------------------------------------------------------------------------------------


def _head_behind(pen: Pen, who: Character) -> None:
    ears_of_animals(pen, who)
    hair_back(pen, who)


def _head_before(pen: Pen, who: Character) -> None:
    face = head(pen, who)
    fringe_shadow(pen, who, face)
    cheeks(pen, who)
    beard(pen, who)
    nose(pen, who)
    mouth(pen, who)
    eyes(pen, who)
    hair_front(pen, who)
    brows(pen, who)
    glasses(pen, who)
    hat(pen, who)


def paint(who: Character, size: int, *, backdrop: Callable[[Pen, Character], None] = background) -> Image.Image:
    """The whole picture: back to front."""
    pen = Pen(size)
    backdrop(pen, who)
    x, y, scale = who.place[0], who.place[1], who.scale
    a = np.radians(who.tilt)
    chin = x - np.sin(a) * who.chin * scale, y + np.cos(a) * who.chin * scale
    whole = who.framing == "full_body"
    body = who.body_scale if whole else scale
    if whole:
        feet = {"sitting": 116.0}.get(who.pose, 158.0)
        ground = mix(who.background_rgb if who.background != "gradient" else who.pattern_rgb, (60, 50, 90), 0.16)
        pen.shape(oval(x, chin[1] + feet * body, 17 if who.pose != "jumping" else 12, 2.4, count=32), fill=ground)
    with pen.frame(x, y, scale, who.tilt):
        _head_behind(pen, who)
    neck = chin[0] * 0.7 + x * 0.3, chin[1]  # the body follows a tilted head only so far
    with pen.frame(*neck, body):
        bust(pen, who, whole=whole)
    with pen.frame(x, y, scale, who.tilt):
        _head_before(pen, who)
    if whole and who.pose == "holding":
        with pen.frame(*neck, body):
            held(pen, who)
    picture = pen.finish()
    return ImageOps.mirror(picture) if who.mirrored else picture
