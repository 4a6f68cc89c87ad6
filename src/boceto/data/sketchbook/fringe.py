"""Hair in front of the face: fringes, locks beside the ears, braids, and the cap of hair above them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from boceto.data.sketchbook.characters import Character
from boceto.data.sketchbook.hair import HALF, TOP, crown
from boceto.data.sketchbook.pen import (
    Pairs,
    Pen,
    Points,
    arc,
    bezier,
    clumps,
    even,
    inked,
    lit,
    mirrored,
    mix,
    moved,
    oval,
    ribbon,
    runs,
    scallops,
    shaded,
    skin_shade,
    smooth,
    turned,
)
from boceto.data.sketchbook.wardrobe import SHAVED

# The lower edge of the hair on the forehead from the left temple to the right, and where its notches are.
Fringe = tuple[Points, Pairs]


def _spiky() -> Fringe:
    valleys = [(-29.0, -3.0), (-21.0, -15.0), (-10.5, -19.0), (1.0, -18.0), (12.0, -18.5), (21.5, -15.0), (29.0, -3.0)]
    tips = [(-25.0, 0.0), (-17.0, -7.5), (-3.0, -6.0), (8.0, -9.0), (18.5, -7.0), (26.0, 1.0)]
    return clumps(valleys, tips), valleys[1:-1]


def _choppy(detail: int) -> Fringe:
    wave = [(detail >> (2 * i)) % 4 for i in range(8)]
    xs = [-29.0, -23.0, -15.0, -6.0, 3.0, 11.0, 19.0, 24.5, 29.0]
    valleys = [(x, -3.0 if abs(x) > 28 else -14.5 - 0.5 * wave[i % 8]) for i, x in enumerate(xs)]
    tips = [
        ((a + b) / 2 + 1.0, (-8.2 + 0.5 * wave[i]) if abs(a + b) < 46 else 0.0) for i, (a, b) in enumerate(pairwise(xs))
    ]
    return clumps(valleys, tips), valleys[1:-1:2]


# fmt: off
_FRINGES: dict[str, Fringe] = {
    "straight": (
        runs(
            [(-29, 3), (-26.5, -7), (-23, -10)], [(-23, -10), (-15, -9.4), (-7.5, -10.2)],
            [(-7.5, -10.2), (-6.5, -13.5)], [(-6.5, -13.5), (-5.5, -10.3), (3, -10), (9.5, -10.4)],
            [(9.5, -10.4), (10.5, -13)], [(10.5, -13), (11.5, -10.4), (17, -9.6), (23, -10)],
            [(23, -10), (26.5, -7), (29, 3)],
        ),
        [(-6.5, -13.5), (10.5, -13.0), (-18.0, -14.0), (19.0, -14.0)],
    ),
    "baby": (
        runs(
            [(-29, 3), (-26, -10), (-20, -19)], [(-20, -19), (-8, -17.5), (0, -17.2), (8, -17.5), (20, -19)],
            [(20, -19), (26, -10), (29, 3)],
        ),
        [(-10.0, -20.0), (2.0, -20.0), (12.0, -20.0)],
    ),
    "parted": (
        runs(
            [(-29, 5), (-27, -4), (-21, -13), (-11, -21), (-1, -33)],
            [(-1, -33), (9, -22), (19, -15), (26, -5), (29, 5)],
        ),
        [(-1.0, -33.0), (-16.0, -17.0), (14.0, -18.5)],
    ),
    "curtain": (
        np.concatenate([
            clumps([(-29, -2), (-20, -15), (-1, -32)], [(-25.5, 1), (-13, -9)], belly=0.75),
            clumps([(-1, -32), (20, -15), (29, -2)], [(13, -9), (25.5, 1)], belly=0.75),
        ]),
        [(-1.0, -32.0), (-20.0, -15.0), (20.0, -15.0)],
    ),
    "side_swept": (
        runs(
            [(-29, 4), (-27, -8), (-21, -20), (-14, -32)], [(-14, -32), (-4, -19), (9, -11), (21, -6)],
            [(21, -6), (20, -9.5), (19.5, -12)], [(19.5, -12), (24, -6), (29, 4)],
        ),
        [(-14.0, -32.0), (19.5, -12.0), (2.0, -17.0)],
    ),
    "spiky": _spiky(),
    "curly": (
        scallops(
            smooth([(29, -1), (25, -11), (14, -17), (0, -19), (-14, -17), (-25, -11), (-29, -1)]), 8, 4.6
        )[::-1],
        [],
    ),
    "tuft": (  # one lock between the eyes
        np.concatenate([
            smooth([(-29, 2), (-26, -12), (-18, -22), (-7, -25)]), bezier((-7, -25), (-8, -13), (2, -8)),
            bezier((2, -8), (0, -17), (5, -25)), smooth([(5, -25), (18, -22), (26, -12), (29, 2)]),
        ]),
        [(-7.0, -25.0), (5.0, -25.0), (-20.0, -20.5), (20.0, -20.5)],
    ),
    "none": (
        runs(
            [(-29, 2), (-26.5, -11), (-20, -21), (-9, -26), (0, -25)],
            [(0, -25), (9, -26), (20, -21), (26.5, -11), (29, 2)],
        ),
        [(-17.0, -23.5), (-6.0, -26.0), (7.0, -26.0), (18.0, -23.5)],
    ),
}

# Locks of hair in front of the right ear; their upper ends hide under the fringe.
_LOCKS: dict[str, Points] = {
    "blunt": runs(  # the cheek-length cut of a princess
        [(24, -20), (23.2, -4), (22.4, 16)], [(22.4, 16), (27, 17), (32, 16)], [(32, 16), (32.4, -4), (29, -20)],
    ),
    "short": np.concatenate([bezier((23, -22), (22.5, -2), (26, 11)), bezier((26, 11), (33, -1), (29, -20))]),
    "long": runs(
        [(23, -22), (23.4, -2), (22.6, 14), (25.5, 33)], [(25.5, 33), (31.5, 14), (32.2, -2), (29, -20)],
    ),
    "wavy": runs(
        [(23, -22), (24.2, -4), (22.2, 10), (25.5, 24), (23, 36)],
        [(23, 36), (30.5, 26), (28.5, 12), (32.4, -2), (29, -20)],
    ),
}
# fmt: on


def _locks(who: Character) -> list[Points]:
    """The locks on both sides, as closed shapes."""
    if who.side_locks == "none":
        return []
    lock = _LOCKS[who.side_locks]
    return [lock, mirrored(lock)]


def _front(who: Character) -> tuple[Points, Fringe]:
    """The hair between crown and fringe, and the fringe that bounds it below."""
    fringe = _choppy(who.detail) if who.fringe == "choppy" else _FRINGES[who.fringe]
    return np.concatenate([crown(HALF - 0.9, TOP + 0.9), fringe[0][::-1]]), fringe


def fringe_shadow(pen: Pen, who: Character, face: Points) -> None:
    """What the hair throws on the forehead and cheeks."""
    tone = skin_shade(who.skin_rgb)
    if who.hair_style in SHAVED:
        pen.within([face], even((0, -40), (30, -38), (30, -12), (22, -19), (0, -21.5)), fill=tone)
        return
    shadows = [moved(_front(who)[0], 0.8, 3.0), *(moved(lock, 1.3, 1.2) for lock in _locks(who))]
    pen.within([face], *shadows, fill=tone)


def hair_front(pen: Pen, who: Character) -> None:
    """Fringe, locks and the cap of hair on the crown."""
    if who.hair_style in SHAVED:
        _swept_top(pen, who)
        return
    base, line, tone, light = who.hair_rgb, inked(who.hair_rgb), shaded(who.hair_rgb), lit(who.hair_rgb)
    cap, (edge, notches) = _front(who)
    locks = _locks(who)
    for lock in locks:
        pen.shape(lock, fill=base, line=line, width=0.95)
    pen.stroke(edge, line, 1.9)
    pen.shape(cap, *locks, fill=base, shade=tone, shift=(-0.7, -2.6))
    for x, y in notches:
        pen.flick([(x, y + 0.6), (x * 0.93, y - 6), (x * 0.62, y - 0.62 * (y + 43))], line, 1.3, 0.7, 0.1)
    if who.hair_style in ("afro", "curly", "long_curly"):
        for x, y in ((-20, -30), (-6, -37), (12, -34), (22, -22), (-27, -18), (2, -26)):
            pen.stroke(arc(x, y, 4.0, 3.4, 190, 330), mix(base, light, 0.8), 1.3)
        return
    pen.within([cap], *_shine(who.detail), fill=light)
    _bound_in_front(pen, who)


def _bound_in_front(pen: Pen, who: Character) -> None:
    """Braids, a tail over the shoulder, and the ties of tails."""
    style = who.hair_style
    if style == "low_ponytail":
        line = inked(who.hair_rgb)
        tail = ribbon([(25, 16), (31, 26), (27, 40), (30, 62)], 10, 15, 12, 0)
        pen.shape(tail, fill=who.hair_rgb, line=line, shade=shaded(who.hair_rgb))
        pen.flick([(26, 22), (30, 32), (27.5, 48)], line, 0.1, 1.0, 0.1)
        _tie(pen, who, 26.5, 20, 5.0)
    elif style == "braid":
        _braid(pen, who, 1.0)
    for side in (1.0, -1.0):
        if style == "twin_braids":
            _braid(pen, who, side)
        elif style == "twintails":
            _tie(pen, who, side * 31.5, -25.5, 5.2)
        elif style == "low_twintails":
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
            [(12, -25), (14, -36), (6, -46)], [(-8, -24), (-10, -36), (-16, -43)], [(22, -26), (25, -36), (20, -44)],
        ]  # fmt: skip
    else:
        top = runs(
            [(-27, -17), (-31, -34), (-18, -47), (4, -50), (26, -42), (34, -22), (31, -4)],
            [(31, -4), (25, -8), (22, -14)], [(22, -14), (12, -9), (2, -12)], [(2, -12), (-4, -17), (-12, -26)],
            [(-12, -26), (-20, -24), (-27, -17)],
        )  # fmt: skip
        strands = [
            [(22, -14), (16, -28), (2, -40)], [(2, -12), (-2, -26), (-10, -37)], [(-12, -27), (-14, -34), (-10, -41)],
        ]  # fmt: skip
    pen.shape(top, fill=base, line=line, shade=tone, shift=(-1.0, -2.6))
    for strand in strands:
        pen.flick(strand, line, 1.2, 0.8, 0.1)
    pen.within([top], ribbon([(-20, -37), (-6, -42), (10, -41)], 0, 4.5, 0), fill=lit(base))


def _braid(pen: Pen, who: Character, side: float) -> None:
    """A plait over the shoulder, from behind the ear downwards."""
    base, line, tone = who.hair_rgb, inked(who.hair_rgb), shaded(who.hair_rgb)
    pen.shape(ribbon([(side * 27, 50), (side * 28, 60), (side * 26.5, 67)], 3, 9, 0), fill=base, line=line)
    for i in range(7, -1, -1):
        y = 5 + i * 6.1
        half = 5.4 - 0.24 * i
        for lean in (1, -1) if i % 2 else (-1, 1):
            x = side * 27.5 + lean * half * 0.42
            strand = turned(oval(x, y, half * 0.82, 4.3, count=16), lean * 38, x, y)
            pen.shape(strand, fill=base, line=line, width=0.8, shade=tone, shift=(-0.9, -0.9))
    _tie(pen, who, side * 27.5, 53.5, 3.2)
