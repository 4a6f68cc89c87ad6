"""The body: neck, arms, legs and shoes, and what a hand holds (bust frame)."""

from __future__ import annotations

import numpy as np

from boceto.data.sketchbook.characters import Character
from boceto.data.sketchbook.clothes import SHORT_SLEEVES, SLEEVELESS, garment, skirt_or_shorts
from boceto.data.sketchbook.ornaments import GOLD, star
from boceto.data.sketchbook.pen import (
    INK,
    RGB,
    WHITE,
    Pen,
    Points,
    arc,
    even,
    inked,
    limb,
    lit,
    mix,
    moved,
    oval,
    ribbon,
    runs,
    shaded,
    skin_line,
    skin_shade,
    smooth,
    turned,
)
from boceto.data.sketchbook.poses import POSES, Limb, build, flipped, part_of, torso


def bust(pen: Pen, who: Character, *, whole: bool) -> None:
    """Neck, clothes and, for a whole figure, arms, legs and shoes."""
    skin, line = who.skin_rgb, skin_line(who.skin_rgb)
    right, left, right_leg, left_leg = POSES[who.pose if whole else "standing"]
    arms, legs = (right, flipped(left)), (flipped(left_leg), right_leg)
    sitting = whole and who.pose == "sitting"
    if whole and not sitting:
        _legs(pen, who, legs)
    if who.clothes == "hoodie":
        _hood(pen, who.main_rgb)
    # Bare shoulders and arms come first, clothes over them.
    bare = who.clothes in SLEEVELESS
    cloth = torso(who)
    broad, _ = build(who)
    shoulders = even((0, 12), (16, 10.2), (26 * broad, 14), (33 * broad, 24), (36 * broad, 44), (0, 60))
    for arm in arms if whole else ():
        shapes = [*limb(arm, 12, 10.5, 8.5), oval(*arm[2], 6.6)]
        pen.shape(*shapes, fill=skin, line=line, shade=skin_shade(skin), shift=(-1.6, -1.2))
    neck = runs([(-7.4, -14), (-7.2, 2), (-13, 9)], [(-13, 9), (0, 13), (13, 9)], [(13, 9), (7.2, 2), (7.4, -14)])
    if bare:
        pen.shape(cloth, neck, *([] if whole else [shoulders]), fill=skin, line=line)
    else:
        pen.shape(neck, fill=skin, line=line)
    chin = even((0, -20), (18, -20), (16, 0), (7, 4.4), (0, 5.4))
    pen.within([neck, cloth] if bare else [neck], chin, fill=skin_shade(skin))
    if whole:
        skirt_or_shorts(pen, who, sitting=sitting)
    # A portrait ends above the arms: the shoulders simply go on.
    garment(pen, who, _sleeves(who.clothes, arms) if whole else [shoulders], whole=whole)
    if sitting:
        _legs(pen, who, legs)


def _hood(pen: Pen, colour: RGB) -> None:
    """A hood that lies on the back, seen behind the neck."""
    hood = even((0, -6), (20, -6), (28, 4), (24, 14), (0, 18))
    pen.shape(hood, fill=colour, line=inked(colour))
    pen.within([hood], even((0, -2), (16, -2), (21, 5), (17, 12), (0, 14)), fill=mix(shaded(colour), INK, 0.25))


def _sleeves(clothes: str, arms: tuple[Limb, Limb]) -> list[Points]:
    if clothes in SLEEVELESS:
        return []
    share = 0.42 if clothes in SHORT_SLEEVES else 0.86
    wide = 17.0 if clothes in ("kimono", "hoodie", "coat") else 14.0
    end = wide + (12 if clothes == "kimono" else 2 if share < 0.5 else -1)
    sleeves = []
    for arm in arms:
        sleeves += [ribbon(part_of(arm, share), wide - 1, wide, end), oval(*arm[0], wide / 2, count=18)]
    return sleeves


def _legs(pen: Pen, who: Character, paths: tuple[Limb, Limb]) -> None:
    """Both legs with trousers or socks, and the shoes."""
    skin = who.skin_rgb
    for side, path in zip((-1.0, 1.0), paths, strict=True):
        if who.bottom in ("trousers", "overalls"):
            colour = who.main_rgb if who.bottom == "overalls" else who.second_rgb
            pen.shape(*limb(path, 22, 18, 15), fill=colour, line=inked(colour), shade=shaded(colour))
        else:
            pen.shape(*limb(path, 18, 15, 12.5), fill=skin, line=skin_line(skin), shade=skin_shade(skin))
            if who.socks != "none":
                spine = smooth(path)
                start, top = (0.34, 16.6) if who.socks == "thighhighs" else (0.68, 14.4)
                sock = ribbon(spine[round(start * (len(spine) - 1)) :: 2], top, 13.6)
                line = inked(mix(who.sock_rgb, INK, 0.2))
                pen.shape(sock, fill=who.sock_rgb, line=line, width=0.8, shade=shaded(who.sock_rgb))
            if who.bottom == "shorts" and who.pose in ("running", "jumping", "sitting"):
                colour = who.second_rgb
                leg = limb(part_of(path, 0.5), 23, 21, 19)[:2]
                pen.shape(*leg, fill=colour, line=inked(colour), shade=shaded(colour))
        _shoe(pen, who, side, *path[2])


def _shoe(pen: Pen, who: Character, side: float, x: float, y: float) -> None:
    """The shoe below the ankle (x, y); of someone who sits its sole."""
    shoe = who.shoe_rgb
    if who.pose == "sitting":
        sole = turned(oval(x, y, 9.6, 12), side * 14, x, y)
        pen.shape(sole, fill=shoe, line=inked(shoe))
        pen.shape(turned(oval(x, y, 6.8, 9.2), side * 14, x, y), fill=mix(shoe, WHITE, 0.5))
        return
    lean = {"running": 24.0 * side, "jumping": 26.0 * side}.get(who.pose, 0.0)
    foot = runs(
        [(-8, -8), (7.5, -8)], [(7.5, -8), (11.5, 2), (15, 7), (14, 12)], [(14, 12), (-8.6, 12)],
        [(-8.6, 12), (-9, 2), (-8, -8)],
    )  # fmt: skip
    foot = moved(turned(foot * (side, 1.0), lean), x, y)
    pen.shape(foot, fill=shoe, line=inked(shoe), shade=shaded(shoe), shift=(-1.2, -1.6))
    sole = np.array([(-20.0, 9), (20, 9), (20, 14), (-20, 14)])
    pen.within([foot], moved(turned(sole, lean), x, y), fill=mix(shoe, WHITE, 0.75))
    if who.bottom not in ("trousers", "overalls") and who.detail % 3 == 0 and lean == 0.0:  # boots
        boot = runs([(-9, -24), (9, -24)], [(9, -24), (8.6, -4)], [(8.6, -4), (-8.6, -4)], [(-8.6, -4), (-9, -24)])
        pen.shape(moved(boot, x, y), fill=shoe, line=inked(shoe), shade=shaded(shoe))
        pen.shape(moved(boot * (0.86, 0.7), x, y), fill=shoe)


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
    pen.shape(oval(x, y, 6.6), fill=who.skin_rgb, line=skin_line(who.skin_rgb))
