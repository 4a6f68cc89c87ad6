"""Hair behind the face and the shoulders; what hangs in front of them is in `fringe`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from boceto.data.sketchbook.characters import Character
from boceto.data.sketchbook.pen import (
    INK,
    RGB,
    Pairs,
    Pen,
    Points,
    bezier,
    circle,
    clumps,
    even,
    inked,
    lit,
    mirrored,
    mix,
    oval,
    ribbon,
    runs,
    scallops,
    shaded,
    smooth,
)
from boceto.data.sketchbook.wardrobe import COVERING, SHAVED

HALF, TOP = 33.0, -44.0  # half width and top of a head with hair, head frame

LOOSE = frozenset({"long_straight", "hime_cut", "long_wavy", "wavy_lob", "bob", "flipped_bob", "long_curly"})
HANGING = frozenset({"locs", "ponytail", "twintails", "drills", "low_twintails", "bun", "double_bun"})


def _skull(bottom: float = 20.0) -> Points:
    """The outline of close hair seen from the front, from the crown to below the ears."""
    return even(
        (0, TOP), (0.5 * HALF, TOP + 3.6), (0.85 * HALF, TOP + 15), (HALF, -14), (0.98 * HALF, 2),
        (0.86 * HALF, 0.6 * bottom), (0.5 * HALF, bottom), (0, bottom),
    )  # fmt: skip


def crown(half: float = HALF, top: float = TOP) -> Points:
    """The upper edge of the hair from the left temple over the crown to the right temple."""
    right = [(0.5 * half, top + 3.6), (0.85 * half, top + 15), (half, -14), (0.98 * half, 2)]
    return smooth([*((-x, y) for x, y in reversed(right)), (0, top), *right])


def _cap(*sides: Pairs) -> Points:
    """Close hair from the crown to its lower edge: `sides` run from the right temple to the middle of the neck."""
    right = runs(*sides)
    return np.concatenate([crown(), right, mirrored(right)[::-1]])


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
    return np.concatenate([crown(), right, _hem(sides[-1][0], bottom, tips, depth), mirrored(right)[::-1]])


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


def _cloud(radius_x: float, radius_y: float, y: float, bumps: int, depth: float, low: float) -> Points:
    """A round mass of curls from one side of the jaw over the head to the other."""
    edge = circle(180.0 - low, 360.0 + low, 60) * (radius_x, radius_y) + (0.0, y)
    return np.concatenate([scallops(edge, bumps, depth), np.array([(0.0, 16.0)])])


def _back_shapes(who: Character) -> list[Points]:
    """The hair behind the head (head frame): first the hair around the skull, then what is bound or hangs from it."""
    if who.hair_style in LOOSE:
        return _loose(who.hair_style, who.hair_length)
    if who.hair_style in HANGING:
        return _hanging(who.hair_style, who.hair_length)
    return [_short(who.hair_style, who.hat in COVERING)]


def _loose(style: str, long: float) -> list[Points]:
    """Hair that falls freely below the ears; all its shapes are one surface."""
    if style == "long_straight":
        return [_fall([(34.5, 14), (36, 34), (35, 50 + long)], 56 + long, 7, 5)]
    if style == "hime_cut":
        return [_fall([(34, 14), (34.5, 34), (33.5, 56 + long)], 56 + long, 3, 0.8)]
    if style == "long_wavy":
        wave = [(35.5, 10), (33.5, 18), (38, 28), (35, 38), (39, 48), (35, 56 + long)]
        return [_fall(wave, 60 + long, 5, 7)]
    if style == "wavy_lob":
        return [_fall([(36, 8), (34.5, 14), (39, 24), (34, 33)], 36, 5, 5)]
    if style == "long_curly":
        return [_cloud(38, 36, -7, 9, 4.6, 0), *(_curls(side) for side in (1.0, -1.0))]
    if style == "bob":
        return [_cap([(HALF * 0.98, 2), (36, 12), (36.5, 20), (30, 26.5), (18, 27), (0, 24)])]
    return [_cap([(HALF * 0.98, 2), (33.5, 12), (36, 22), (43.5, 25)], [(43.5, 25), (34, 30.5), (22, 25), (0, 24)])]


def _short(style: str, covered: bool) -> Points:
    """Hair that ends at the ears or is braided in front; `covered` by a hat it leaves the crown smooth."""
    if style == "short_spiky":
        return _spikes(9, 46, 22, 4, covered)
    if style == "messy_short":
        return _spikes(13, 39.5, 30, -3, covered)
    if style == "boyish":
        return _cap([(HALF * 0.98, 2), (32.5, 9), (27, 15)], [(27, 15), (20, 16), (0, 16)])
    if style == "pixie":
        return _cap(
            [(HALF * 0.98, 2), (33.5, 9), (33.5, 16)], [(33.5, 16), (28, 14.5), (25.5, 20)],
            [(25.5, 20), (20, 16), (0, 16)],
        )  # fmt: skip
    if style == "undercut":
        return even((0, TOP + 3), (15, TOP + 5), (25, -32), (29.5, -16), (29, 0), (25, 8), (0, 12))
    if style == "quiff":
        return even((0, TOP + 3), (15, TOP + 5), (25, -32), (30, -16), (29.5, 0), (25, 9), (0, 12))
    if style == "afro":
        return _cloud(39, 40.5, -12, 19, 3.4, 38)
    if style == "curly":
        return _cloud(35.5, 34.5, -8, 13, 5.0, 34)
    return _skull(bottom=18)


def _hanging(style: str, long: float) -> list[Points]:
    """A skull of close hair, then the buns, tails, ringlets or ropes one by one."""
    if style == "locs":
        return [_skull(bottom=16), *(ribbon(spine, 7.0, 7.6, 7.6, 7.6, 7.2, 2.4) for spine in _ropes())]
    if style == "ponytail":
        tail = ribbon([(10, -36), (28, -46), (41, -31), (40, -6), (42, 16), (35, 34 + long)], 11, 15, 17, 16, 12, 0)
        return [_skull(), tail]
    if style == "twintails":
        tail = ribbon([(26, -24), (41, -26), (45, -4), (40, 22), (44, 44 + long)], 9, 15, 18, 16, 11, 0)
        return [_skull(), tail, mirrored(tail)]
    if style == "low_twintails":
        tail = ribbon([(25, 10), (35, 20), (39, 36), (36, 58 + long)], 8, 14, 13, 0)
        return [_skull(bottom=18), tail, mirrored(tail)]
    if style == "drills":
        return [_skull(), *_ringlets(1.0), *_ringlets(-1.0)]
    if style == "bun":
        return [_skull(bottom=18), oval(0, -47, 12.5, 10.5)]
    return [_skull(bottom=18), oval(25, -39, 11.5), oval(-25, -39, 11.5)]


def _curls(side: float) -> Points:
    edge = smooth([(34.0, -12), (42, 4), (43, 24), (38, 40), (26, 48), (8, 46)])
    path = np.concatenate([scallops(edge, 7, 4.2), np.array([(0.0, 20.0), (10.0, -10.0)])])
    return path if side > 0 else mirrored(path)


def _ropes() -> list[Pairs]:
    """The middle lines of locs that fall beside the face, the outermost first."""
    return [
        [(side * x * 0.8, -24), (side * x, -2), (side * (x + 1), 18), (side * (x + 1.6), end + side)]
        for x, end in ((34.0, 37), (27.5, 42), (21.0, 37))
        for side in (1.0, -1.0)
    ]


def _ringlets(side: float) -> list[Points]:
    return [oval(side * (38 + 1.6 * np.sin(i * 1.7)), -20 + i * 9.5, 10 - i * 1.15, 7.4 - i * 0.4) for i in range(7)]


def hair_back(pen: Pen, who: Character) -> None:
    """Everything of the hair that lies behind the face and the shoulders."""
    base, line, tone = who.hair_rgb, inked(who.hair_rgb), shaded(who.hair_rgb)
    shapes = _back_shapes(who)
    if who.hair_style in SHAVED:  # close to the head, in the shade tone
        pen.shape(*shapes, fill=mix(tone, who.skin_rgb, 0.25), line=line)
        return
    loose = who.hair_style in LOOSE
    if not loose:
        _draw_hanging(pen, who, shapes[1:])
        shapes = shapes[:1]
    pen.shape(*shapes, fill=base, line=line, shade=tone, shift=(-2.2, -1.6))
    if loose and who.ombre_rgb is not None:
        edge = clumps(
            [(60 - 12 * i, 24 + 2 * (i % 2)) for i in range(11)], [(54 - 12 * i, 14 + 4 * (i % 2)) for i in range(10)]
        )
        pen.within(shapes, np.concatenate([edge, np.array([(-60.0, 130.0), (60.0, 130.0)])]), fill=who.ombre_rgb)
    # The inside of the hair behind the neck lies in the shade.
    inside = mix(tone, INK, 0.16)
    if not loose:
        pen.within(shapes, oval(0, 14, 27, 16), fill=inside)
        return
    pen.within(shapes, even((0, -10), (27, -6), (25, 22), (19, 40), (14, 60), (0, 130)), fill=inside)
    if who.hair_style != "long_curly":
        with pen.inside(*shapes):
            for x in (31.0, -31.0):
                pen.flick([(x, 14), (x * 1.04, 32), (x * 0.99, 54)], line, 0.1, 0.9, 0.1)


def _draw_hanging(pen: Pen, who: Character, shapes: list[Points]) -> None:
    """Buns, tails, ringlets and ropes, behind the hair of the skull."""
    base, line, tone = who.hair_rgb, inked(who.hair_rgb), shaded(who.hair_rgb)
    if who.hair_style == "bun":
        pen.shape(*shapes, fill=base, line=line, shade=tone, shift=(-2.2, -2.4))
        pen.flick([(-5, -52), (4, -51), (6, -45), (0, -43)], line, 0.2, 0.9, 0.2)
    elif who.hair_style == "double_bun":
        for bun, side in zip(shapes, (1, -1), strict=True):
            pen.shape(bun, fill=base, line=line, shade=tone, shift=(-2.2, -2.4))
            pen.flick([(side * 20, -43), (side * 25, -46), (side * 30, -42), (side * 28, -36)], line, 0.2, 0.9, 0.2)
    elif who.hair_style in ("twintails", "ponytail", "low_twintails"):
        for tail in shapes:
            pen.shape(tail, fill=base, line=line, shade=tone, shift=(-2.6, -1.2))
            if who.ombre_rgb is not None:
                pen.within([tail], np.array([(-60, 24), (60, 24), (60, 120), (-60, 120)]), fill=who.ombre_rgb)
        _tail_strands(pen, who, line)
    elif who.hair_style == "locs":
        for rope, spine in zip(shapes, _ropes(), strict=True):
            pen.shape(rope, fill=base, line=line, shade=tone, shift=(-1.6, -0.6))
            for x, y in smooth(spine)[6::2].tolist():
                pen.flick([(x - 3.2, y - 1.2), (x, y + 0.6), (x + 3.2, y - 1.2)], line, 0.3, 0.8, 0.3)
    elif who.hair_style == "drills":
        for ringlet in reversed(shapes):
            pen.shape(ringlet, fill=base, line=line, shade=tone, shift=(-1.2, -2.6))


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
