"""Clothes: what is worn above the hips with its collar, and what hangs from them (bust frame)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from boceto.data.sketchbook.characters import Character
from boceto.data.sketchbook.ornaments import GOLD, bow, heart, star
from boceto.data.sketchbook.pen import (
    WHITE,
    Pairs,
    Pen,
    Points,
    even,
    inked,
    loop,
    mirrored,
    mix,
    oval,
    ribbon,
    runs,
    shaded,
    smooth,
)
from boceto.data.sketchbook.poses import build

SLEEVELESS = frozenset({"sundress", "overalls", "tank_top"})
SHORT_SLEEVES = frozenset({"t_shirt", "serafuku", "striped_shirt", "dress"})

# Necklines: the right half from the middle of the chest to the neck.
ROUND: Pairs = ((0.0, 13.5), (6.0, 11.5), (10.0, 6.0))
VEE: Pairs = ((0.0, 24.0), (9.5, 6.0))
HIGH: Pairs = ((0.0, 10.0), (6.0, 9.0), (9.0, 5.5))


def _top(who: Character, neckline: Pairs) -> Points:
    """The garment's body: from the middle of the neckline over the right shoulder to the hips and back."""
    broad, waist = build(who)
    side = [
        (20 * broad, 10.5), (28 * broad, 18), (25 * broad, 34), (waist, 56), (waist + 2.6, 72), (waist + 2.4, 83),
        (0, 85),
    ]  # fmt: skip
    right = runs(neckline, [neckline[-1], *side])
    return np.concatenate([right, mirrored(right)[::-1]])


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
        pocket = runs([(-9, 58), (9, 58)], [(9, 58), (13, 72)], [(13, 72), (-13, 72)], [(-13, 72), (-9, 58)])
        pen.shape(pocket, fill=tone, line=line, width=0.7)


def _turtleneck(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """A ribbed collar."""
    main, line, tone = who.main_rgb, inked(who.main_rgb), shaded(who.main_rgb)
    neck = runs(
        [(-9.4, -1), (-10.6, 9)], [(-10.6, 9), (0, 12.5), (10.6, 9)], [(10.6, 9), (9.4, -1)],
        [(9.4, -1), (0, 2.6), (-9.4, -1)],
    )  # fmt: skip
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
        bow(pen, 0, 14.6, 8.6, accent)


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
    bow(pen, 0, 27, 9.5, accent)


def _dress(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """A round collar and a belt."""
    main, second, accent, line = who.main_rgb, who.second_rgb, who.accent_rgb, inked(who.main_rgb)
    pen.stroke([(0, 15), (0, 50)], mix(main, line, 0.4), 0.8)
    for side in (1, -1):  # a round collar
        lobe = loop(
            (side * 9, 4.4), (side * 2, 10.4), (side * 1.4, 16.6), (side * 8, 18.6), (side * 15, 14), (side * 14.6, 8),
        )  # fmt: skip
        pen.shape(lobe, fill=mix(second, WHITE, 0.7), line=inked(second), width=0.9)
    if who.neckwear != "none":
        bow(pen, 0, 15.4, 7.4, accent)
    if whole:
        belt = runs(
            [(-19, 53), (0, 55), (19, 53)], [(19, 53), (19.4, 59)], [(19.4, 59), (0, 61), (-19.4, 59)],
            [(-19.4, 59), (-19, 53)],
        )  # fmt: skip
        pen.shape(belt, fill=accent, line=inked(accent), width=0.7)


def _coat(pen: Pen, who: Character, cloth: list[Points], whole: bool) -> None:
    """Lapels and two rows of buttons."""
    main, accent, line = who.main_rgb, who.accent_rgb, inked(who.main_rgb)
    for side in (1, -1):
        lapel = np.array([(9.0, 3.0), (1.0, 26.0), (11.0, 33.0), (14.0, 24.0), (21.0, 22.0), (16.0, 8.0)]) * (side, 1.0)
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


_DETAILS: dict[str, Callable[[Pen, Character, list[Points], bool], None]] = {
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
    line = inked(main)
    if kind == "overalls":
        _overalls(pen, who, sleeves)
    elif kind in SLEEVELESS:
        _strapped(pen, who)
    else:
        cut = VEE if kind in ("serafuku", "kimono", "coat") else HIGH if kind in ("turtleneck", "shirt") else ROUND
        body = _top(who, cut)
        if kind == "coat":
            pen.shape(_top(who, HIGH), fill=second, line=inked(second))
        if kind in ("serafuku", "kimono"):  # what shows in the V
            pen.shape(even((0, 10), (8, 9), (7, 18), (0, 26)), fill=second)
        pen.shape(body, *sleeves, fill=main, line=line, shade=shaded(main), shift=(-1.8, -1.4))
        if whole:
            for side in (1, -1):  # the fold between arm and chest
                pen.flick([(side * 19, 24), (side * 21.5, 31), (side * 22, 40)], line, 0.2, 1.0, 0.5)
        _DETAILS[kind](pen, who, [body, *sleeves], whole)
    if who.scarf:
        _scarf(pen, who)


def _overalls(pen: Pen, who: Character, sleeves: list[Points]) -> None:
    """Bib overalls over a shirt."""
    main, second = who.main_rgb, who.second_rgb
    line, tone = inked(main), shaded(main)
    _, waist = build(who)
    caps = sleeves or [oval(side * 24, 19, 7.5, 8) for side in (1.0, -1.0)]
    pen.shape(_top(who, ROUND), *caps, fill=second, line=inked(second), shade=shaded(second))
    for side in (1, -1):
        strap = ribbon([(side * 17, 8), (side * 14, 20), (side * 11, 34)], 5.4, 5.4)
        pen.shape(strap, fill=main, line=line, width=0.8)
    bib = np.array([(0.0, 30), (14, 30), (15, 44)])
    right = np.concatenate([bib, smooth([(15, 44), (20, 50), (waist + 2.6, 60), (waist + 3, 83), (0, 85)])])
    pen.shape(right, mirrored(right), fill=main, line=line, shade=tone)
    for side in (1, -1):
        pen.shape(oval(side * 11, 34, 2.4), fill=GOLD, line=line, width=0.6)
    pocket = runs([(-7, 40), (7, 40)], [(7, 40), (6, 50), (0, 52), (-6, 50), (-7, 40)])
    pen.shape(pocket, fill=tone, line=line, width=0.7)


def _strapped(pen: Pen, who: Character) -> None:
    """Sundresses and tank tops: straps over bare shoulders."""
    main, second = who.main_rgb, who.second_rgb
    broad, waist = build(who)
    if who.clothes == "sundress":
        neckline, strap = [(0, 19.5), (9, 18), (15, 12)], [(15, 12), (15.6, 7.4), (18.6, 7.8), (20, 13)]
    else:
        neckline, strap = [(0, 17), (7, 15), (11, 7.5)], [(11, 7.5), (17, 9), (19.5, 14)]
    side = [(21, 26), (25 * broad, 34), (waist, 56), (waist + 2.6, 72), (waist + 2.4, 83), (0, 85)]
    right = runs(neckline, strap, [strap[-1], *side])
    pen.shape(np.concatenate([right, mirrored(right)[::-1]]), fill=main, line=inked(main), shade=shaded(main))
    if who.clothes == "sundress":
        pen.stroke([(-14.4, 13.6), (-8, 19), (0, 20.6), (8, 19), (14.4, 13.6)], mix(second, WHITE, 0.5), 1.8)
        bow(pen, 0, 24, 6.4, who.accent_rgb)
    else:
        pen.stroke([(-10.6, 9), (-7, 15.6), (0, 17.8), (7, 15.6), (10.6, 9)], second, 1.6)


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
    _, waist = build(who)
    colour = who.second_rgb
    if who.bottom in ("skirt", "dress", "coat"):
        _skirt(pen, who, sitting=sitting)
    elif who.bottom == "kimono":
        _kimono_skirt(pen, who)
    elif who.bottom in ("trousers", "shorts") and sitting:
        pen.shape(oval(0, 78, 23, 13), fill=colour, line=inked(colour))
    elif who.bottom == "shorts" and who.pose not in ("running", "jumping"):  # or else each leg has its own half
        path = runs(
            [(-waist - 2, 70), (waist + 2, 70)], [(waist + 2, 70), (24, 102)], [(24, 102), (2.5, 102)],
            [(2.5, 102), (0, 90)], [(0, 90), (-2.5, 102)], [(-2.5, 102), (-24, 102)], [(-24, 102), (-waist - 2, 70)],
        )  # fmt: skip
        pen.shape(path, fill=colour, line=inked(colour), shade=shaded(colour))


def _skirt(pen: Pen, who: Character, *, sitting: bool) -> None:
    """A skirt, or the lower half of a dress or a coat."""
    kind = who.bottom
    colour = who.second_rgb if kind == "skirt" else who.main_rgb
    line = inked(colour)
    _, waist = build(who)
    top, flare, hem = {"skirt": (64.0, 38.0, 104.0), "dress": (58.0, 42.0, 112.0), "coat": (58.0, 31.0, 116.0)}[kind]
    hem = 92.0 if sitting else hem
    path = runs(
        [(-waist, top), (waist, top)],
        [(waist, top), (waist + 8, top + 14), (flare, hem - 3)],
        [(flare, hem - 3), (flare * 0.5, hem + 2), (0, hem + 3), (-flare * 0.5, hem + 2), (-flare, hem - 3)],
        [(-flare, hem - 3), (-waist - 8, top + 14), (-waist, top)],
    )
    pen.shape(path, fill=colour, line=line, shade=shaded(colour), shift=(-2.4, -2))
    for x in (-0.62, -0.22, 0.22, 0.62):
        pen.flick([(x * waist * 1.1, top + 18), (x * flare * 0.9, hem - 1)], line, 0.3, 1.0)
    if kind == "dress":
        border = ribbon([(-flare, hem - 8), (0, hem - 2.5), (flare, hem - 8)], 3.0)
        pen.within([path], border, fill=mix(who.second_rgb, WHITE, 0.5))


def _kimono_skirt(pen: Pen, who: Character) -> None:
    """The wrapped, dotted lower half of a kimono."""
    colour = who.main_rgb
    line = inked(colour)
    path = runs(
        [(-20, 60), (20, 60)], [(20, 60), (24, 90), (22, 140)], [(22, 140), (0, 143), (-22, 140)],
        [(-22, 140), (-24, 90), (-20, 60)],
    )  # fmt: skip
    pen.shape(path, fill=colour, line=line, shade=shaded(colour), shift=(-2.4, -1))
    pen.flick([(3, 62), (0, 100), (-8, 140)], line, 0.8, 1.2, 0.9)
    for x, y in ((-12, 84), (12, 96), (-6, 116), (13, 124), (-15, 104)):
        pen.dot(x, y, 2.6, mix(who.second_rgb, WHITE, 0.3))
