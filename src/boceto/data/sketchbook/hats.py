"""Whatever sits on the head: hats, bands, bows, flowers, and the ears of animals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from boceto.data.sketchbook.characters import Character
from boceto.data.sketchbook.ornaments import GOLD, bow, heart, star
from boceto.data.sketchbook.pen import (
    INK,
    RGB,
    WHITE,
    Pen,
    circle,
    inked,
    limb,
    lit,
    loop,
    mix,
    oval,
    ribbon,
    runs,
    scallops,
    shaded,
    turned,
)


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
            pink = limb([(side * 12, -40), (side * 14, -48), (side * 16.4 + 2, -57)], 4, 6, 4)
            pen.shape(*pink, fill=(255, 182, 192))


def _beret(pen: Pen, who: Character) -> None:
    """A soft beret that leans to one side."""
    colour, line, tone = who.hat_rgb, inked(who.hat_rgb), shaded(who.hat_rgb)
    band = runs(
        [(-32, -22), (-18, -29), (0, -31), (18, -29), (32, -22)],
        [(32, -22), (33, -27), (20, -35), (0, -37), (-20, -35), (-33, -27), (-32, -22)],
    )
    puff = loop(
        (-33, -27), (-39, -37), (-30, -49), (-6, -55), (20, -53), (40, -44), (45, -33), (34, -26), (18, -33), (0, -35),
        (-18, -33),
    )  # fmt: skip
    pen.shape(ribbon([(4, -53), (6, -58), (9, -59)], 2.4, 2.2, 2.0), fill=colour, line=line)
    pen.shape(puff, fill=colour, line=line, shade=tone, shift=(-1.4, -4))
    pen.shape(band, fill=mix(colour, INK, 0.3), line=line)
    pen.within([puff], ribbon([(-28, -42), (-18, -48), (-4, -50)], 0, 4, 0), fill=lit(colour))


def _baseball_cap(pen: Pen, who: Character) -> None:
    """A cap with a bill and a badge."""
    colour, trim, line, tone = who.hat_rgb, who.accessory_rgb, inked(who.hat_rgb), shaded(who.hat_rgb)
    dome = runs(
        [(-35, -18), (-34.5, -36), (-20, -49), (0, -52.5), (20, -49), (34.5, -36), (35, -18)],
        [(35, -18), (18, -25), (0, -27), (-18, -25), (-35, -18)],
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
        [(-27, -27), (-25.2, -33)], [(-25.2, -33), (0, -31), (23.6, -34)], [(23.6, -34), (27, -27)],
        [(27, -27), (0, -24.4), (-27, -27)],
    )  # fmt: skip
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
        [(-36, -17), (-37, -27)], [(-37, -27), (-20, -33.5), (0, -35), (20, -33.5), (37, -27)], [(37, -27), (36, -17)],
        [(36, -17), (18, -23), (0, -24.5), (-18, -23), (-36, -17)],
    )  # fmt: skip
    pom = mix(trim, WHITE, 0.45)
    ball = scallops(circle(0.0, 360.0, 40) * (7.2, 6.8) + (0.0, -57.5), 11, 1.3)
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
    trim = who.accessory_rgb
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
        weave = [(-22 + (-y - 40), y + 1), (0, y - 1.5), (22 - (-y - 40), y + 1)]
        pen.flick(weave, mix(straw, line, 0.35), 0.3, 0.8, 0.3)
    band = runs(
        [(-28, -27), (-28.3, -34.5)], [(-28.3, -34.5), (0, -32.5), (28.3, -34.5)], [(28.3, -34.5), (28, -27)],
        [(28, -27), (0, -25), (-28, -27)],
    )  # fmt: skip
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
        bow(pen, 20, -36, 8.5, colour, 34)


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
        bow(pen, 0, -43, 15, colour)
    else:
        bow(pen, 21, -36, 13, colour, 30)


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
    twig = ribbon([(-32, -18), (-26, -29), (-13, -36), (0, -38), (13, -36), (26, -29), (32, -18)], 3.4, 3.4)
    pen.shape(twig, fill=leaf, line=inked(leaf), width=0.8)
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
        [(-15, -38), (-19, -54)], [(-19, -54), (-9.5, -46)], [(-9.5, -46), (0, -58)], [(0, -58), (9.5, -46)],
        [(9.5, -46), (19, -54)], [(19, -54), (15, -38)], [(15, -38), (0, -35.5), (-15, -38)],
    )  # fmt: skip
    pen.shape(gold, fill=GOLD, line=inked((220, 140, 40)), shade=(224, 150, 50), shift=(-2, -1))
    for x, y in ((-19, -54.5), (0, -58.5), (19, -54.5)):
        pen.shape(oval(x, y, 2.2), fill=trim, line=inked(trim), width=0.7)
    pen.shape(oval(0, -42.4, 2.8, 3.2), fill=trim, line=inked(trim), width=0.6)


def _hairclip(pen: Pen, who: Character) -> None:
    """Two clips at one side."""
    colour, line = who.hat_rgb, inked(who.hat_rgb)
    for i in range(2):
        clip = limb([(14 + i * 1.8, -24 + i * 5.2), (24 + i * 1.2, -20 + i * 5.2)], 2.6, 2.6)
        pen.shape(*clip, fill=colour, line=line, width=0.7)


_HATS: dict[str, Callable[[Pen, Character], None]] = {
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
    if who.hat in _HATS:
        _HATS[who.hat](pen, who)
