"""A character → its picture, back to front."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from boceto.data.sketchbook.backgrounds import background
from boceto.data.sketchbook.body import bust, held
from boceto.data.sketchbook.characters import Character
from boceto.data.sketchbook.eyes import brows, eyes
from boceto.data.sketchbook.fringe import fringe_shadow, hair_front
from boceto.data.sketchbook.hair import hair_back
from boceto.data.sketchbook.hats import ears_of_animals, hat
from boceto.data.sketchbook.head import beard, cheeks, glasses, head, mouth, nose
from boceto.data.sketchbook.pen import Pen, mix, oval


def draw(
    character: Character, size: int = 128, *, backdrop: Callable[[Pen, Character], None] = background
) -> Image.Image:
    """The picture of a character, RGB, `size` pixels wide and high; `backdrop` fills it first."""
    who, pen = character, Pen(size)
    backdrop(pen, who)
    (x, y), scale = who.place, who.scale
    a = np.radians(who.tilt)
    chin = x - np.sin(a) * who.chin * scale, y + np.cos(a) * who.chin * scale
    whole = who.framing == "full_body"
    body = who.body_scale if whole else scale
    if whole:
        _shadow(pen, who, x, chin[1])
    with pen.frame(x, y, scale, who.tilt):
        ears_of_animals(pen, who)
        hair_back(pen, who)
    neck = chin[0] * 0.7 + x * 0.3, chin[1]  # the body follows a tilted head only so far
    with pen.frame(*neck, body):
        bust(pen, who, whole=whole)
    with pen.frame(x, y, scale, who.tilt):
        _head(pen, who)
    if whole and who.pose == "holding":
        with pen.frame(*neck, body):
            held(pen, who)
    picture = pen.finish()
    return ImageOps.mirror(picture) if who.mirrored else picture


def _shadow(pen: Pen, who: Character, x: float, chin: float) -> None:
    """What a whole figure throws on the ground."""
    feet = 116.0 if who.pose == "sitting" else 158.0
    ground = mix(who.background_rgb if who.background != "gradient" else who.pattern_rgb, (60, 50, 90), 0.16)
    wide = 12 if who.pose == "jumping" else 17
    pen.shape(oval(x, chin + feet * who.body_scale, wide, 2.4, count=32), fill=ground)


def _head(pen: Pen, who: Character) -> None:
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
