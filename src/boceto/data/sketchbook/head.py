"""The bare head and what lies on it: cheeks, nose, mouth, beard and glasses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from boceto.data.sketchbook.characters import Character
from boceto.data.sketchbook.ornaments import GOLD
from boceto.data.sketchbook.pen import (
    INK,
    RGB,
    WHITE,
    Pairs,
    Pen,
    Points,
    even,
    inked,
    lit,
    luma,
    mirrored,
    mix,
    moved,
    oval,
    runs,
    shaded,
    skin_line,
    skin_shade,
    smooth,
)


def _face_shape(who: Character) -> Points:
    """The face from the hidden top of the skull to the chin."""
    half, chin, jaw = who.face_width, who.chin, who.jaw
    return even(
        (0, -36), (0.62 * half, -33), (0.97 * half, -18), (half, 0), (0.955 * half, 9),
        ((0.6 + 0.22 * jaw) * half, 18.5 + 0.8 * jaw),
        ((0.24 + 0.2 * jaw) * half, chin - 1.6), (0, chin),
    )  # fmt: skip


def head(pen: Pen, who: Character) -> Points:
    """Ears and bare face; gives the face outline back for those who throw shadows on it."""
    skin, line = who.skin_rgb, skin_line(who.skin_rgb)
    tone = skin_shade(skin)
    face = _face_shape(who)
    for side in (1.0, -1.0):
        x = side * (who.face_width + 1.2)
        pen.shape(oval(x, 4.5, 4.6, 6.4), fill=skin, line=line, shade=tone)
        fold = [(x - 1.6 * side, 1.6), (x + 1.6 * side, 2.2), (x + 1.2 * side, 5.5), (x - 0.6 * side, 7)]
        pen.flick(fold, line, 0.2, 0.7, 0.2)
        if who.earrings == "stud":
            pen.shape(oval(x + side * 0.6, 11.2, 1.5), fill=who.accessory_rgb, line=inked(who.accessory_rgb), width=0.6)
        elif who.earrings == "hoop":
            pen.ring(oval(x + side * 0.8, 14.4, 3.3), inked(GOLD), 2.4)
            pen.ring(oval(x + side * 0.8, 14.4, 3.3), GOLD, 1.2)
    pen.shape(face, fill=skin, line=line, shade=tone, shift=(-1.4, -1.2))
    return face


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


_Y = 16.6  # of the mouth
_INSIDE: RGB = (128, 36, 52)
_TONGUE: RGB = (240, 118, 124)

# Mouths that are a line: its points, its widths.
# fmt: off
_LINES: dict[str, tuple[Pairs, tuple[float, ...]]] = {
    "smile": (
        [(-5.6, _Y - 1.2), (-3, _Y + 1.1), (0, _Y + 1.8), (3, _Y + 1.1), (5.6, _Y - 1.2)], (0.5, 1.7, 1.7, 1.7, 0.5),
    ),
    "frown": (
        [(-4.2, _Y + 1.8), (-2, _Y + 0.2), (0, _Y - 0.2), (2, _Y + 0.2), (4.2, _Y + 1.8)], (0.4, 1.6, 1.6, 1.6, 0.4),
    ),
    "smirk": ([(-3.4, _Y + 0.9), (0.5, _Y + 1.2), (3.6, _Y + 0.1), (5.2, _Y - 1.7)], (0.5, 1.6, 1.5, 0.7)),
    "neutral": ([(-3.2, _Y + 0.6), (0, _Y + 0.9), (3.2, _Y + 0.6)], (0.5, 1.6, 0.5)),
}
# fmt: on


def _open_smile(pen: Pen, skin: RGB, line: RGB) -> None:
    lips = runs(
        [(-6.4, _Y - 1.8), (0, _Y - 0.8), (6.4, _Y - 1.8)],
        [(6.4, _Y - 1.8), (5, _Y + 3.2), (0, _Y + 6), (-5, _Y + 3.2), (-6.4, _Y - 1.8)],
    )
    pen.shape(lips, fill=_INSIDE, line=line, width=0.75)
    pen.within([lips], oval(0, _Y + 5.6, 4.4, 3.0), fill=_TONGUE)
    pen.within([lips], even((0, _Y - 3), (6, _Y - 3), (4.8, _Y + 0.6), (0, _Y + 1.1)), fill=WHITE)


def _grin(pen: Pen, skin: RGB, line: RGB) -> None:
    lips = runs(
        [(-6.6, _Y - 1.6), (0, _Y - 0.4), (6.6, _Y - 1.6)],
        [(6.6, _Y - 1.6), (4.8, _Y + 2.4), (0, _Y + 3.9), (-4.8, _Y + 2.4), (-6.6, _Y - 1.6)],
    )
    pen.shape(lips, fill=WHITE, line=line, width=0.8)
    pen.flick([(-5.6, _Y + 0.9), (0, _Y + 2.0), (5.6, _Y + 0.9)], mix(line, WHITE, 0.4), 0.3, 0.6, 0.3)


def _cat(pen: Pen, skin: RGB, line: RGB) -> None:
    for side in (-1, 1):
        path = [(side * 5.2, _Y - 0.8), (side * 3.6, _Y + 1.3), (side * 1.4, _Y + 1.0), (0.0, _Y - 1.0)]
        pen.flick(path, line, 0.5, 1.5, 1.4)


def _round(pen: Pen, skin: RGB, line: RGB) -> None:
    lips = oval(0, _Y + 1, 2.5, 3.2)
    pen.shape(lips, fill=_INSIDE, line=line, width=0.75)
    pen.within([lips], oval(0, _Y + 3.6, 2.2, 1.7), fill=_TONGUE)


def _tongue_out(pen: Pen, skin: RGB, line: RGB) -> None:
    tip = runs(
        [(-1, _Y + 0.8), (2, _Y + 1.6), (4.6, _Y + 0.4)],
        [(4.6, _Y + 0.4), (4.6, _Y + 3.8), (2.0, _Y + 5.4), (-0.7, _Y + 3.8), (-1, _Y + 0.8)],
    )
    pen.shape(tip, fill=_TONGUE, line=line, width=0.7)
    path = [(-5.6, _Y - 1.2), (-3, _Y + 0.9), (0, _Y + 1.6), (3, _Y + 0.9), (5.6, _Y - 1.2)]
    pen.flick(path, line, 0.5, 1.7, 1.7, 1.7, 0.5)


def _lips(pen: Pen, skin: RGB, line: RGB) -> None:
    upper = runs(
        [(-4.2, _Y + 0.4), (-1.6, _Y - 1.5), (0, _Y - 0.8), (1.6, _Y - 1.5), (4.2, _Y + 0.4)],
        [(4.2, _Y + 0.4), (0, _Y + 0.9), (-4.2, _Y + 0.4)],
    )
    lower = runs([(-3.8, _Y + 0.4), (0, _Y + 0.8), (3.8, _Y + 0.4)], [(3.8, _Y + 0.4), (0, _Y + 3.2), (-3.8, _Y + 0.4)])
    pen.shape(upper, lower, fill=mix(skin, (214, 60, 84), 0.55))
    path = [(-4.8, _Y - 0.2), (-2, _Y + 0.8), (0, _Y + 0.5), (2, _Y + 0.8), (4.8, _Y - 0.2)]
    pen.flick(path, line, 0.4, 1.1, 1.0, 1.1, 0.4)


_MOUTHS: dict[str, Callable[[Pen, RGB, RGB], None]] = {
    "open_smile": _open_smile,
    "grin": _grin,
    "cat": _cat,
    "o": _round,
    "tongue": _tongue_out,
    "lips": _lips,
}


def mouth(pen: Pen, who: Character) -> None:
    line = mix(who.skin_rgb, (84, 20, 34), 0.76)
    if who.mouth in _LINES:
        path, widths = _LINES[who.mouth]
        pen.flick(path, line, *widths)
    else:
        _MOUTHS[who.mouth](pen, who.skin_rgb, line)


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
        half = runs([(0, 11.6), (4, 11.0), (8, 13.4), (11, 12.2)], [(11, 12.2), (8, 16.4), (3.4, 15.2), (0, 13.8)])
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
