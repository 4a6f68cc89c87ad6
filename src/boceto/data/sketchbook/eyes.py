"""Eyes and eyebrows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from boceto.data.sketchbook.characters import Character
from boceto.data.sketchbook.pen import (
    RGB,
    WHITE,
    Pairs,
    Pen,
    Points,
    arc,
    inked,
    mix,
    moved,
    oval,
    ribbon,
    skin_shade,
    smooth,
)  # fmt: skip

# Places points around an eye: x outwards in half widths, y downwards in half heights.
Around = Callable[..., list[tuple[float, float]]]


def _dark(who: Character) -> RGB:
    """The colour of lashes: nearly black, with a hint of the hair."""
    return mix(inked(who.hair_rgb), (30, 18, 34), 0.55)


def _open_eye(pen: Pen, who: Character, side: float) -> None:
    """One open eye; `side` is +1 for the one on the right of the picture."""
    half = who.lids == "half"
    w, h = 6.3 * who.eye_size * who.eye_width, 8.0 * who.eye_size * who.eye_height
    if half:
        h *= 0.8
    upper = -0.55 if half else -1.0  # height of the upper lid

    def around(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(side * (who.eye_spacing + x * w), y * h - who.eye_slant * x * 1.3) for x, y in points]

    white = smooth(
        around(
            (-1.0, 0.12), (-0.74, 0.62 * upper), (-0.05, upper), (0.7, 0.78 * upper), (1.0, -0.02), (0.76, 0.66),
            (0, 0.97), (-0.7, 0.7),
        ),
        closed=True,
    )  # fmt: skip
    pen.shape(white, fill=(255, 253, 250), line=mix(skin_shade(who.skin_rgb), _dark(who), 0.45), width=0.45)
    x = side * (who.eye_spacing - 0.06 * w) + who.gaze[0]
    y = 0.04 * h + who.gaze[1] + (0.05 * h if half else 0.0)
    rx, ry = 0.77 * w, 0.88 * h
    lid = around((-1.2, 0.0), (-0.74, 0.6 * upper), (0, 0.9 * upper), (0.74, 0.7 * upper), (1.2, 0.0))
    _iris(pen, who.eye_rgb, (x, y, rx, ry), white, lid)
    pen.shape(oval(x - 0.36 * rx, y + (0.42 * upper) * ry, 0.33 * rx, 0.27 * ry), fill=WHITE)
    pen.shape(oval(x + 0.4 * rx, y + 0.4 * ry, 0.16 * rx, 0.14 * ry), fill=WHITE)
    _lashes(pen, who, around, upper)


def _iris(pen: Pen, iris: RGB, place: tuple[float, float, float, float], white: Points, lid: Pairs) -> None:
    """Iris and pupil at `place` (middle, radii), with the shadow of the upper lid, inside the white of the eye."""
    x, y, rx, ry = place
    deep = mix(iris, (24, 14, 44), 0.5)
    with pen.inside(white):
        pen.shape(moved(ribbon(lid, 4.4), 0, 0.6), fill=(222, 218, 234))
        pen.shape(oval(x, y, rx, ry), fill=deep)
        pen.shape(oval(x, y + 0.1 * ry, 0.84 * rx, 0.82 * ry), fill=iris)
        pen.shape(oval(x, y + 0.54 * ry, 0.56 * rx, 0.3 * ry, count=18), fill=mix(iris, (255, 255, 240), 0.45))
        pen.shape(oval(x, y + 0.04 * ry, 0.4 * rx, 0.44 * ry, count=18), fill=mix(deep, (10, 6, 20), 0.65))
        brow_shade = np.concatenate([arc(x, y, rx, ry, 180, 360), arc(x, y - 0.3 * ry, rx, 0.3 * ry, 0, 180)])
        pen.shape(brow_shade, fill=mix(deep, (10, 6, 20), 0.3))


def _lashes(pen: Pen, who: Character, around: Around, upper: float) -> None:
    """The lines of both lids and the crease above them."""
    dark = _dark(who)
    thick = 1.25 if who.lashes else 1.0
    wing = [(1.16, -0.2), (1.26, -0.36)] if who.lashes else [(1.06, -0.08), (1.1, 0.0)]
    lash = around((-1.04, 0.16), (-0.78, 0.6 * upper), (-0.05, 1.02 * upper), (0.72, 0.8 * upper), *wing)
    pen.flick(lash, dark, 0.7, 2.3 * thick, 2.7 * thick, 2.7 * thick, 2.4 * thick, 0.3)
    if who.lashes:
        pen.flick(around((0.92, -0.36), (1.16, -0.52), (1.42, -0.6)), dark, 1.7, 0.2)
        pen.flick(around((0.74, 0.8 * upper), (0.98, 0.98 * upper), (1.18, 1.1 * upper)), dark, 1.6, 0.2)
        pen.flick(around((0.98, 0.12), (0.84, 0.58), (0.4, 0.9)), dark, 1.3, 0.9, 0.1)
    else:
        pen.flick(around((0.9, 0.36), (0.62, 0.76), (0.1, 0.96)), dark, 0.3, 0.9, 0.1)
    crease = mix(who.skin_rgb, (110, 40, 40), 0.55)
    pen.flick(around((-0.7, upper - 0.16), (0, upper - 0.3), (0.72, upper - 0.1)), crease, 0.1, 0.8, 0.1)


def _shut_eye(pen: Pen, who: Character, side: float, kind: str) -> None:
    w = 6.6 * who.eye_size
    x = side * who.eye_spacing
    dark = _dark(who)
    if kind == "squeezed":
        pen.flick([(x + side * w * 0.8, -4.6), (x - side * w * 0.7, 0.4)], dark, 1.4, 2.4)
        pen.flick([(x - side * w * 0.7, 0.4), (x + side * w * 0.8, 5)], dark, 2.4, 1.4)
        pen.dot(x - side * w * 0.7, 0.4, 1.1, dark)
        return
    happy = kind == "happy"
    y, bend = (2.6, -4.4) if happy else (0.4, 3.4)
    lid = [(x - w, y), (x - w * 0.55, y + bend * 0.78), (x, y + bend), (x + w * 0.55, y + bend * 0.78), (x + w, y)]
    pen.flick(lid, dark, 0.9, 2.6, 3.0, 2.6, 0.9)
    if who.lashes:
        for reach, root, lift in ((0.62, 0.7, 0.62), (0.95, 0.15, 0.1)):
            start = (x + side * w * reach, y + bend * root)
            end = (start[0] + side * 2.6, start[1] + (-1.4 + lift if happy else 1.6))
            pen.flick([start, end], dark, 1.5, 0.3)


def eyes(pen: Pen, who: Character) -> None:
    for side in (1.0, -1.0):
        if who.lids in ("happy", "calm", "squeezed"):
            _shut_eye(pen, who, side, who.lids)
        elif who.lids == "wink" and side > 0:
            _shut_eye(pen, who, side, "happy")
        else:
            _open_eye(pen, who, side)


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
