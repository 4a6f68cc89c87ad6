"""The sketchbook: draws the embedded demo set of tagged cartoon characters.

`invent` rolls a character, `draw` draws it, `write` fills a folder with pictures and a `metadata.jsonl` in the manner
of a Danbooru dump. Everything follows from a seed, so a set need not be stored or downloaded. On request the folder
also holds what real collections hold: broken files, black bars, doubles and odd formats.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypedDict, TypeVar

import numpy as np
from PIL import Image

from boceto.data.drawing import COVERING, RGB, luma, mix, paint

__all__ = ["Character", "Written", "draw", "invent", "write"]

T = TypeVar("T")


def _rgb(code: str) -> RGB:
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)


def _row(codes: str) -> tuple[RGB, ...]:
    return tuple(_rgb(code) for code in codes.split())


# --- palettes -------------------------------------------------------------------------------------------------------

# Tag of the hair colour → (weight, shades of it).
HAIR: dict[str, tuple[float, tuple[RGB, ...]]] = {
    "black_hair": (13, _row("3f3a4c 453c44 37405a 4a3f52")),
    "brown_hair": (16, _row("7c4d36 8f5b3c a06a48 6b4436 5d4038")),
    "blonde_hair": (13, _row("f6d77c f3c765 fae3a0 e8bd6a")),
    "orange_hair": (7, _row("ee9048 f3a25a e27a3e")),
    "red_hair": (8, _row("c9473d b83a46 dc5a44")),
    "pink_hair": (9, _row("f6a3b9 f28bb0 fbbccb")),
    "purple_hair": (7, _row("9a7bc8 7d63b4 b79ae0")),
    "blue_hair": (8, _row("5f8fd6 4a72bd 84b4ec")),
    "aqua_hair": (5, _row("6fd0cf 8fdede 4fb9c2")),
    "green_hair": (5, _row("7cb87a 5aa584 a3cf85")),
    "white_hair": (5, _row("f3eff6 ece8ee f7f1ea")),
    "grey_hair": (4, _row("a9a8b8 8f93a6")),
}

EYES: dict[str, tuple[float, tuple[RGB, ...]]] = {
    "blue_eyes": (11, _row("4b93e0 5fa8ee 3f78cf")),
    "brown_eyes": (11, _row("a0643c 8a5234 b8774a")),
    "green_eyes": (9, _row("55b06a 6dc07a 3f9a72")),
    "purple_eyes": (7, _row("9868d8 b07ee6")),
    "red_eyes": (5, _row("d84a56 e0605a")),
    "yellow_eyes": (5, _row("eebc3e f0cc58")),
    "aqua_eyes": (4, _row("3fc0c4 5ad2cc")),
    "pink_eyes": (4, _row("ee7aa8 e8629a")),
    "grey_eyes": (2, _row("8a94a8")),
    "orange_eyes": (3, _row("ee8c3c")),
}

# Skin from pale to deep, with the tag that goes with it.
SKIN: tuple[tuple[float, RGB, str], ...] = (
    (10, _rgb("fff0e6"), "pale_skin"),
    (17, _rgb("ffe6d6"), ""),
    (16, _rgb("fddcc4"), ""),
    (13, _rgb("f6cba8"), ""),
    (11, _rgb("e9b48c"), "tan"),
    (9, _rgb("d2966c"), "tan"),
    (8, _rgb("b47a54"), "dark_skin"),
    (7, _rgb("935d40"), "dark_skin"),
    (5, _rgb("784a36"), "dark_skin"),
)

# Clothes: main, second, accent.
SCHEMES: tuple[tuple[RGB, ...], ...] = tuple(
    _row(codes)
    for codes in (
        "34527a f4f1ea e0574f", "e8635c fbeee0 3f5a7d", "f2b84b 3d5a80 e76f51", "5aa9a0 fdf3dd ef767a",
        "7a6bb0 f3e9ff f5c15d", "f4f1ec 2f4a6d d64550", "3c3f58 e9e4f0 e8a33d", "8fbf8a fff6e3 d9667b",
        "f09fb4 fff0f3 7c6fb3", "6f9fd8 fefefe f2c14e", "c65b7c fde7e0 47547e", "4f7d6a f7ead0 d9853b",
        "b0855c fff3e0 5b7f95", "ee8b57 fff1dd 4b6c8c", "b7d7ea 4c5f8a f28482", "d9c5f2 6a5a9c f6bd60",
        "2f6f73 f5dfbb e36b4f", "f5d76e 5f6caf fdf6ec", "a23b4b f2d9bb 2e4057", "94a3c4 fcfaf5 c8553d",
        "f7c9b6 88496f fff6e9", "5c6b8a c8d6e5 ff9f68", "c4dfaa 5d7f5a f2a365", "fdfcf8 7fb7be e76f51",
    )
)  # fmt: skip

ACCESSORIES = _row("e0574f f2b84b 4f86c6 7fc29b f08cae 9a78cf f4f1ea 3f4a6b ee8b57 5cc0c0")
SHOES = _row("4a3b4a 8a4f3d d65a55 f4f1ec 3f5a88 f0b04c 6b8f71")
SOCKS = _row("fdfcfa 3d3a4e f5dbe2 cfe0ef")
FRAMES = _row("3b3347 5a3a34 a8483f 31507a c08a3a 4a4a52")

# Backgrounds: tag → (flat colour, its companion for gradients and patterns).
GROUNDS: dict[str, tuple[RGB, RGB]] = {
    "pink_background": (_rgb("fbdde3"), _rgb("f7c8d4")),
    "blue_background": (_rgb("d3e6f6"), _rgb("bcd7ef")),
    "yellow_background": (_rgb("fdf0c8"), _rgb("fae3a3")),
    "green_background": (_rgb("d9eed8"), _rgb("c2e2c3")),
    "purple_background": (_rgb("e6dcf3"), _rgb("d6c8ea")),
    "orange_background": (_rgb("fde2cb"), _rgb("fad0ac")),
    "aqua_background": (_rgb("d2f0ec"), _rgb("b5e3de")),
    "beige_background": (_rgb("f5ecdf"), _rgb("ebdcc6")),
    "grey_background": (_rgb("e6e7ec"), _rgb("d6d8e0")),
    "teal_background": (_rgb("8fcac6"), _rgb("7bbcb9")),
    "red_background": (_rgb("f3a59c"), _rgb("ee938b")),
    "indigo_background": (_rgb("9fb0dd"), _rgb("8ea1d4")),
}

# --- wardrobe -------------------------------------------------------------------------------------------------------

# style → (weight for a girl, for a boy, tags)
HAIR_STYLES: dict[str, tuple[float, float, str]] = {
    "long_straight": (9, 2, "long_hair straight_hair"),
    "hime_cut": (5, 0, "long_hair hime_cut straight_hair"),
    "long_wavy": (9, 1, "long_hair wavy_hair"),
    "wavy_lob": (7, 1.5, "medium_hair wavy_hair"),
    "bob": (10, 2, "short_hair bob_cut"),
    "flipped_bob": (6, 0, "short_hair flipped_hair"),
    "short_spiky": (0.5, 10, "short_hair spiked_hair"),
    "messy_short": (3, 11, "short_hair messy_hair"),
    "boyish": (2, 11, "short_hair"),
    "pixie": (5, 4, "short_hair pixie_cut"),
    "undercut": (1.5, 8, "short_hair undercut swept_hair"),
    "quiff": (0.5, 7, "short_hair undercut pompadour"),
    "afro": (4, 4, "afro big_hair curly_hair"),
    "curly": (3, 5, "short_hair curly_hair"),
    "long_curly": (6, 1, "long_hair curly_hair big_hair"),
    "locs": (2, 4, "medium_hair dreadlocks"),
    "ponytail": (8, 1, "long_hair ponytail high_ponytail"),
    "low_ponytail": (4, 3, "long_hair ponytail low_ponytail"),
    "twintails": (8, 0, "long_hair twintails"),
    "low_twintails": (5, 0, "long_hair low_twintails"),
    "drills": (3, 0, "long_hair drill_hair twin_drills"),
    "bun": (5, 2, "hair_bun single_hair_bun"),
    "double_bun": (5, 0, "hair_bun double_bun"),
    "twin_braids": (5, 0, "long_hair braid twin_braids"),
    "braid": (4, 0.5, "long_hair braid single_braid"),
}

FRINGES: dict[str, tuple[float, float, str]] = {
    "straight": (9, 2, "blunt_bangs bangs"),
    "baby": (2, 1.5, "short_bangs bangs"),
    "parted": (6, 4, "parted_hair"),
    "curtain": (7, 4, "parted_bangs bangs"),
    "side_swept": (8, 6, "swept_bangs bangs"),
    "spiky": (5, 9, "bangs hair_between_eyes"),
    "choppy": (8, 7, "bangs"),
    "tuft": (3, 3, "hair_between_eyes"),
    "none": (3, 3, "forehead"),
    "curly": (0, 0, "bangs"),
}

# hat → (weight for a girl, for a boy, tags)
HATS: dict[str, tuple[float, float, str]] = {
    "none": (52, 66, ""),
    "beret": (5, 3, "hat beret"),
    "baseball_cap": (3, 7, "hat baseball_cap"),
    "witch_hat": (4, 2, "hat witch_hat"),
    "beanie": (4, 6, "hat beanie"),
    "straw_hat": (4, 3, "hat straw_hat"),
    "santa_hat": (1, 1, "hat santa_hat"),
    "hairband": (5, 0.3, "hairband"),
    "headphones": (3, 5, "headphones"),
    "hair_bow": (6, 0, "bow hair_bow"),
    "hair_flower": (4, 0, "flower hair_flower"),
    "flower_crown": (2.5, 0.5, "flower head_wreath"),
    "cat_ears": (5, 2, "animal_ears cat_ears"),
    "rabbit_ears": (2.5, 0.7, "animal_ears rabbit_ears"),
    "crown": (2, 2, "crown"),
    "hairclip": (5, 0.5, "hairclip hair_ornament"),
}

# How far a hat or a style of hair reaches above the eyes, head units; others 46.
REACH = {
    "beret": 60.0, "witch_hat": 68.0, "beanie": 65.0, "straw_hat": 55.0, "santa_hat": 56.0, "baseball_cap": 55.0,
    "cat_ears": 57.0, "rabbit_ears": 67.0, "crown": 61.0, "flower_crown": 46.0, "hair_bow": 54.0,
    "bun": 58.0, "double_bun": 52.0, "afro": 57.0, "curly": 49.0, "short_spiky": 54.0, "quiff": 54.0, "undercut": 51.0,
    "messy_short": 50.0, "long_curly": 48.0, "ponytail": 53.0,
}  # fmt: skip

# Hair that a hat would crush.
TALL_HAIR = frozenset({"afro", "curly", "long_curly", "bun", "double_bun", "quiff", "undercut", "ponytail", "drills"})

CLOTHES: dict[str, tuple[float, float, str]] = {
    "t_shirt": (7, 11, "t-shirt shirt short_sleeves"),
    "striped_shirt": (5, 8, "striped_shirt shirt short_sleeves"),
    "hoodie": (9, 13, "hoodie long_sleeves"),
    "turtleneck": (7, 7, "turtleneck sweater long_sleeves"),
    "shirt": (8, 11, "collared_shirt shirt long_sleeves"),
    "serafuku": (10, 0.6, "serafuku school_uniform sailor_collar short_sleeves"),
    "dress": (10, 0, "dress short_sleeves peter_pan_collar"),
    "sundress": (7, 0, "sundress dress sleeveless"),
    "coat": (6, 8, "coat long_sleeves"),
    "kimono": (4, 3, "kimono japanese_clothes wide_sleeves"),
    "overalls": (5, 5, "overalls shirt"),
    "tank_top": (3, 4, "tank_top bare_shoulders"),
}

MOUTHS: dict[str, tuple[float, str]] = {
    "smile": (26, "smile closed_mouth"),
    "open_smile": (24, "smile open_mouth :d"),
    "grin": (9, "grin smile teeth"),
    "cat": (8, ":3 closed_mouth"),
    "o": (7, ":o open_mouth"),
    "neutral": (8, "closed_mouth expressionless"),
    "frown": (5, "frown closed_mouth"),
    "smirk": (6, "smirk closed_mouth"),
    "tongue": (5, "tongue_out :p"),
    "lips": (5, "lips closed_mouth"),
}

LIDS: dict[str, tuple[float, str]] = {
    "open": (80, ""),
    "half": (6, "half-closed_eyes"),
    "happy": (5, "closed_eyes ^_^"),
    "calm": (3, "closed_eyes"),
    "wink": (5, "one_eye_closed ;)"),
    "squeezed": (1.5, "closed_eyes >_<"),
}

POSE_WEIGHTS = {
    "standing": 6.0, "arms_up": 4.0, "waving": 6.0, "hands_on_hips": 4.0, "outstretched_arms": 3.0, "jumping": 4.0,
    "running": 4.0, "sitting": 5.0, "one_hand_on_hip": 3.0, "holding": 5.0,
}  # fmt: skip

POSE_TAGS = {
    "waving": "standing waving arm_up", "arms_up": "standing arms_up", "hands_on_hips": "standing hands_on_hips",
    "outstretched_arms": "standing outstretched_arms", "one_hand_on_hip": "standing hand_on_hip",
    "holding": "standing holding", "jumping": "jumping arms_up",
}  # fmt: skip

PATTERNS: dict[str, str] = {
    "white": "white_background simple_background",
    "flat": "simple_background",
    "gradient": "gradient_background gradient",
    "dots": "polka_dot_background polka_dot",
    "stripes": "striped_background striped",
    "sunburst": "sunburst_background sunburst",
    "disc": "simple_background circle",
    "confetti": "confetti",
    "transparent": "transparent_background",
}


# --- a character ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Character:
    """Everything that shows in one picture. Lengths are head units (the face is about 52 wide)."""

    framing: str  # portrait | full_body
    figure: str  # girl | boy | other
    hair_style: str
    fringe: str
    side_locks: str  # none | short | long | blunt | wavy
    hair_length: float  # added to long hair, units
    hair_colour: str  # tag
    hair_rgb: RGB
    ombre_rgb: RGB | None  # a second colour towards the ends
    skin_rgb: RGB
    skin_tag: str
    eye_colour: str  # tag
    eye_rgb: RGB
    lids: str  # open | half | happy | calm | wink | squeezed
    mouth: str
    brows: str  # neutral | raised | worried | angry
    nose: str  # dot | line | button | curve
    lashes: bool
    blush: float  # 0 none … 1 strong
    freckles: bool
    facial_hair: str  # none | beard | mustache
    glasses: str  # none | round | square | semi
    frame_rgb: RGB
    earrings: str  # none | stud | hoop
    hat: str
    hat_rgb: RGB
    accessory_rgb: RGB  # bands, ties, ribbons, scarf
    clothes: str
    main_rgb: RGB
    second_rgb: RGB
    accent_rgb: RGB
    neckwear: str  # none | necktie | bowtie
    scarf: bool
    bottom: str  # skirt | dress | coat | kimono | trousers | shorts | overalls
    socks: str  # none | socks | thighhighs
    sock_rgb: RGB
    shoe_rgb: RGB
    pose: str
    prop: str  # none | balloon | flower | wand | lollipop
    background: str
    background_colour: str  # tag
    background_rgb: RGB
    pattern_rgb: RGB
    tilt: float  # degrees, clockwise
    face_width: float  # half the width, 24.5 to 27.5
    chin: float  # 24.5 to 27
    jaw: float  # 0 pointed … 1 broad
    eye_spacing: float  # from the middle to an eye, units
    eye_size: float  # all about 1
    eye_width: float
    eye_height: float
    eye_slant: float  # -1 drooping … 1 rising
    brow_width: float
    gaze: tuple[float, float]  # of the iris, units
    place: tuple[float, float]  # of the point between the eyes, percent of the picture
    scale: float  # of the head: 1 unit = 1 percent of the picture
    body_scale: float  # of the body in a full body
    mirrored: bool
    detail: int = field(repr=False)  # decides small accidents: phases of patterns, badges

    @property
    def tags(self) -> tuple[str, ...]:
        """What a tagger would write, sorted, without doubles."""
        tags = {f"1{self.figure}", "solo", self.framing, self.hair_colour}
        if self.framing == "portrait":
            tags |= {"looking_at_viewer"} if max(map(abs, self.gaze)) < 0.5 and self.lids in ("open", "half") else set()
        tags |= set(HAIR_STYLES[self.hair_style][2].split())
        if self.hair_style not in ("undercut", "quiff"):
            tags |= set(FRINGES[self.fringe][2].split())
        if self.side_locks != "none":
            tags.add("sidelocks")
        if self.ombre_rgb is not None:
            tags |= {"gradient_hair", "multicolored_hair"}
        tags.add(self.skin_tag)
        if self.lids in ("open", "half", "wink"):
            tags.add(self.eye_colour)
        tags |= set(LIDS[self.lids][1].split()) | set(MOUTHS[self.mouth][1].split())
        if self.brows == "angry":
            tags.add("v-shaped_eyebrows")
        if self.blush > 0.45:
            tags.add("blush")
        if self.freckles:
            tags.add("freckles")
        if self.facial_hair != "none":
            tags |= {"facial_hair", self.facial_hair}
        if self.glasses != "none":
            tags |= {"glasses"} | ({f"{self.glasses}_eyewear"} if self.glasses == "round" else set())
        if self.earrings != "none":
            tags |= {"earrings", "jewelry", f"{self.earrings}_earrings"}
        tags |= set(HATS[self.hat][2].split()) | set(CLOTHES[self.clothes][2].split())
        if self.neckwear != "none":
            tags.add(self.neckwear)
        if self.scarf:
            tags.add("scarf")
        if self.framing == "full_body":
            tags |= set(POSE_TAGS.get(self.pose, self.pose).split())
            tags |= {{"trousers": "pants"}.get(self.bottom, self.bottom)}
            if self.prop != "none":
                tags |= {self.prop, f"holding_{self.prop}"}
            if self.socks != "none" and self.bottom not in ("trousers", "overalls", "coat", "kimono"):
                tags.add(self.socks)
        tags |= set(PATTERNS[self.background].split())
        if self.background not in ("white", "transparent"):
            tags.add(self.background_colour)
        tags.discard("")
        return tuple(sorted(tags))


# --- inventing ------------------------------------------------------------------------------------------------------


class _Dice:
    """Weighted choices from one generator."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def chance(self, share: float) -> bool:
        return float(self.rng.random()) < share

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.rng.random() * len(options))]

    def weighed(self, weights: dict[str, float]) -> str:
        mark = float(self.rng.random()) * sum(weights.values())
        for name, weight in weights.items():
            mark -= weight
            if mark < 0:
                return name
        return next(name for name, weight in weights.items() if weight > 0)

    def between(self, low: float, high: float) -> float:
        # Rounded so that the last bits of a platform's arithmetic never reach the drawing.
        return round(low + (high - low) * float(self.rng.random()), 3)

    def about(self, middle: float, spread: float) -> float:
        """Bell-shaped between middle ± spread."""
        return round(middle + spread * (float(self.rng.random()) + float(self.rng.random()) - 1.0), 3)


def _far(first: RGB, second: RGB) -> float:
    """How different two colours look, roughly 0 to 255."""
    return sum(weight * abs(a - b) for weight, a, b in zip((0.34, 0.4, 0.26), first, second, strict=True))


def _contrasting(dice: _Dice, options: Sequence[RGB], others: Sequence[RGB], least: float = 34.0) -> RGB:
    good = [colour for colour in options if min(_far(colour, other) for other in others) >= least]
    return dice.pick(good or list(options))


def _weights(table: dict[str, tuple[float, float, str]], girl: bool) -> dict[str, float]:
    return {name: row[0] if girl else row[1] for name, row in table.items()}


def _head_gear(dice: _Dice, girl: bool, hair_style: str) -> str:
    weights = _weights(HATS, girl)
    if hair_style in TALL_HAIR:
        for name in (*COVERING, "crown"):
            weights[name] = 0.0
    if hair_style in ("undercut", "quiff", "afro", "curly", "long_curly", "bun", "short_spiky", "messy_short"):
        for name in ("cat_ears", "rabbit_ears", "hairband", "flower_crown", "hairclip", "headphones"):
            weights[name] = 0.0
        weights["crown"] = weights["hair_bow"] = 0.0
    if hair_style in ("double_bun", "twintails", "drills"):
        for name in ("hair_bow", "hair_flower", "headphones", "cat_ears", "rabbit_ears", "straw_hat", "witch_hat"):
            weights[name] = 0.0
    if hair_style == "ponytail":
        weights["cat_ears"] = weights["rabbit_ears"] = 0.0
    if hair_style in ("long_curly", "bun"):
        weights["hair_flower"] = 5.0
        weights["hair_bow"] = 4.0 if hair_style == "long_curly" else 0.0
    return dice.weighed(weights)


def _locks_for(dice: _Dice, style: str) -> str:
    if style == "hime_cut":
        return "blunt"
    if style in ("long_wavy", "wavy_lob"):
        return dice.weighed({"wavy": 6, "short": 1, "none": 1})
    bound = ("ponytail", "low_ponytail", "twintails", "low_twintails", "double_bun", "bun", "drills")
    if style == "long_straight" or style in bound:
        return dice.weighed({"long": 4, "short": 3, "wavy": 1.5, "none": 2})
    if style in ("braid", "twin_braids", "pixie", "messy_short"):
        return dice.weighed({"short": 2, "none": 2})
    if style in ("bob", "flipped_bob"):
        return dice.weighed({"short": 2, "long": 2, "blunt": 1, "none": 1})
    return "none"


def _outfit(dice: _Dice, girl: bool, boy: bool, clothes: str) -> str:
    """The lower half that goes with the upper."""
    fixed = {"dress": "dress", "sundress": "dress", "coat": "coat", "kimono": "kimono", "overalls": "overalls"}
    if clothes in fixed:
        return fixed[clothes]
    if clothes == "serafuku" and not boy:
        return "skirt"
    return dice.weighed({"skirt": 6.0 if girl else 0.0, "trousers": 4.0, "shorts": 4.0})


def invent(seed: int, index: int) -> Character:
    """The character number `index` of the sketchbook `seed`."""
    dice = _Dice(np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index]))))
    figure = dice.weighed({"girl": 55, "boy": 39, "other": 6})
    girl, boy = figure == "girl" or (figure == "other" and dice.chance(0.5)), figure == "boy"
    framing = "portrait" if dice.chance(0.75) else "full_body"
    whole = framing == "full_body"

    hair_style = dice.weighed(_weights(HAIR_STYLES, girl))
    if hair_style in ("afro", "curly", "long_curly"):
        fringe = dice.weighed({"curly": 5, "none": 2})
    elif hair_style == "hime_cut":
        fringe = "straight"
    elif hair_style in ("locs", "bun"):
        fringe = dice.weighed({"none": 3, "parted": 2, "curtain": 2, "side_swept": 1})
    else:
        fringe = dice.weighed(_weights(FRINGES, girl))
    side_locks = _locks_for(dice, hair_style)

    _, skin_rgb, skin_tag = SKIN[int(dice.weighed({str(i): row[0] for i, row in enumerate(SKIN)}))]
    natural = {"black_hair": 5.0, "brown_hair": 3.0} if luma(skin_rgb) < 175 else {}
    tones = {name: row[0] * (natural.get(name, 0.6) if natural else 1.0) for name, row in HAIR.items()}
    hair_colour = dice.weighed(tones)
    hair_rgb = dice.pick(HAIR[hair_colour][1])
    for _ in range(4):  # hair and skin must not melt into one
        if _far(hair_rgb, skin_rgb) >= 26:
            break
        hair_colour = dice.weighed(tones)
        hair_rgb = dice.pick(HAIR[hair_colour][1])
    eye_colour = dice.weighed({name: row[0] for name, row in EYES.items()})
    ombre = dice.chance(0.07) and hair_style not in ("boyish", "undercut", "quiff", "pixie")

    lids = dice.weighed({name: row[0] for name, row in LIDS.items()})
    mouth = dice.weighed({name: row[0] for name, row in MOUTHS.items()})
    if lids == "squeezed":
        mouth = "open_smile"
    brows = dice.weighed(
        {"frown": {"worried": 3.0, "angry": 3.0}, "smirk": {"neutral": 3.0, "angry": 2.0}, "o": {"raised": 1.0}}.get(
            mouth, {"neutral": 6.0, "raised": 4.0, "worried": 0.8, "angry": 0.6}
        )
    )
    facial_hair = "none"
    if boy and dice.chance(0.13):
        facial_hair = dice.weighed({"beard": 3, "mustache": 2})
        mouth = "smile" if mouth in ("cat", "lips", "tongue") else mouth

    hat = _head_gear(dice, girl, hair_style)
    clothes = dice.weighed(_weights(CLOTHES, girl))
    main_rgb, second_rgb, accent_rgb = dice.pick(SCHEMES)
    bottom = _outfit(dice, girl, boy, clothes)
    if clothes == "serafuku":  # mostly the classic pale blouse with a dark collar
        main_rgb, second_rgb = sorted((main_rgb, second_rgb), key=luma, reverse=True)
    hat_rgb = _contrasting(dice, [main_rgb, accent_rgb, *ACCESSORIES], [hair_rgb])
    accessory_rgb = _contrasting(dice, [accent_rgb, *ACCESSORIES], [hair_rgb, hat_rgb])
    if hat == "witch_hat":
        hat_rgb = dice.pick(_row("4a3f6b 3d3550 5a3f78 2f4a5a 7a3f5e"))
    elif hat == "santa_hat":
        hat_rgb = _rgb("d8434a")
    neckwear = "none"
    if clothes == "shirt":
        neckwear = dice.weighed({"none": 3, "necktie": 3, "bowtie": 3})
    elif clothes == "dress":
        neckwear = dice.weighed({"none": 1, "bowtie": 2})

    pose = dice.weighed(POSE_WEIGHTS) if whole else "standing"
    if pose == "sitting" and clothes in ("kimono", "coat"):
        pose = "waving"
    if pose in ("running", "jumping") and clothes == "kimono":
        pose = "arms_up"
    prop = dice.pick(("balloon", "flower", "wand", "lollipop")) if pose == "holding" else "none"

    background = dice.weighed(
        {"white": 35, "flat": 25, "gradient": 13, "dots": 8, "stripes": 7, "sunburst": 6, "disc": 4, "confetti": 3}
    )
    grounds = [name for name, row in GROUNDS.items() if _far(row[0], hair_rgb) > 30] or list(GROUNDS)
    background_colour = dice.pick(grounds)
    flat, companion = GROUNDS[background_colour]
    if background == "gradient":
        flat, companion = mix(flat, (255, 255, 255), 0.55), mix(companion, flat, 0.2)
    elif background in ("disc", "confetti") and dice.chance(0.6):
        flat = (255, 255, 255)
    if background == "white":
        flat = companion = (255, 255, 255)

    figure_fields = _figure(dice, framing, girl, hat, hair_style, pose)
    gaze = (dice.about(0.0, 1.5), dice.about(0.0, 0.8)) if dice.chance(0.6) else (0.0, 0.0)
    return Character(
        framing=framing,
        figure=figure,
        hair_style=hair_style,
        fringe=fringe,
        side_locks=side_locks,
        hair_length=dice.about(8.0, 12.0),
        hair_colour=hair_colour,
        hair_rgb=hair_rgb,
        ombre_rgb=_contrasting(dice, [c for row in HAIR.values() for c in row[1]], [hair_rgb]) if ombre else None,
        skin_rgb=skin_rgb,
        skin_tag=skin_tag,
        eye_colour=eye_colour,
        eye_rgb=dice.pick(EYES[eye_colour][1]),
        lids=lids,
        mouth=mouth,
        brows=brows,
        nose=dice.weighed({"dot": 4, "line": 3, "button": 3, "curve": 4}),
        lashes=dice.chance(0.95 if girl else 0.08),
        blush=dice.between(0.25, 1.0) if dice.chance(0.8 if girl else 0.45) else 0.0,
        freckles=dice.chance(0.09),
        facial_hair=facial_hair,
        glasses=dice.weighed({"none": 81, "round": 8, "square": 7, "semi": 4}),
        frame_rgb=_contrasting(dice, FRAMES, [skin_rgb]),
        earrings=dice.weighed({"none": 74, "stud": 14, "hoop": 12} if girl else {"none": 93, "stud": 5, "hoop": 2}),
        hat=hat,
        hat_rgb=hat_rgb,
        accessory_rgb=accessory_rgb,
        clothes=clothes,
        main_rgb=main_rgb,
        second_rgb=second_rgb,
        accent_rgb=accent_rgb,
        neckwear=neckwear,
        scarf=dice.chance(0.16) and clothes in ("coat", "turtleneck", "striped_shirt", "t_shirt"),
        bottom=bottom,
        socks=dice.weighed({"none": 3, "socks": 4, "thighhighs": 3 if girl else 0}),
        sock_rgb=dice.pick(SOCKS),
        shoe_rgb=dice.pick(SHOES),
        pose=pose,
        prop=prop,
        background=background,
        background_colour=background_colour,
        background_rgb=flat,
        pattern_rgb=companion,
        gaze=gaze,
        mirrored=dice.chance(0.5),
        detail=int(dice.rng.random() * 2**31),
        **figure_fields,
    )


class _Figure(TypedDict):
    place: tuple[float, float]
    scale: float
    body_scale: float
    tilt: float
    face_width: float
    chin: float
    jaw: float
    eye_spacing: float
    eye_size: float
    eye_width: float
    eye_height: float
    eye_slant: float
    brow_width: float


def _figure(dice: _Dice, framing: str, girl: bool, hat: str, hair_style: str, pose: str) -> _Figure:
    """Proportions of the face, and where head and body go so that all of it stays in the picture."""
    chin, jaw = dice.about(25.6, 1.2), dice.between(0.0, 0.55) if girl else dice.between(0.3, 1.0)
    reach = max(REACH.get(hat, 46.0), REACH.get(hair_style, 46.0) if hat not in COVERING else 46.0)
    if framing == "portrait":
        y = dice.about(53.5, 1.3) + max(0.0, reach - 54.0) * 0.3
        scale = min(dice.about(1.0, 0.05), (y - 1.5) / reach)
        body, x = scale, dice.about(50.0, 1.8)
    else:
        feet = 116.0 if pose == "sitting" else 158.0
        proportion = dice.between(0.46, 0.62)
        scale = 90.0 / (chin + reach + feet * proportion)
        body, x = scale * proportion, dice.about(50.0, 2.5)
        y = 94.0 - feet * body - chin * scale - (3.0 if pose == "jumping" else 0.0)
    return {
        "place": (round(x, 3), round(y, 3)),
        "scale": round(scale, 4),
        "body_scale": round(body, 4),
        "tilt": dice.about(0.0, 6.0),
        "face_width": dice.about(26.0, 1.6),
        "chin": chin,
        "jaw": jaw,
        "eye_spacing": dice.about(12.9, 0.9),
        "eye_size": dice.about(1.07 if girl else 1.0, 0.1),
        "eye_width": dice.about(1.0, 0.12),
        "eye_height": dice.about(1.0 if girl else 0.9, 0.16),
        "eye_slant": dice.about(0.0, 1.4),
        "brow_width": dice.about(0.95 if girl else 1.3, 0.3),
    }


def draw(character: Character, size: int = 128) -> Image.Image:
    """The picture of a character, RGB, `size` pixels wide and high."""
    return paint(character, size)


# --- writing --------------------------------------------------------------------------------------------------------

FAULTS = (
    "empty",  # no bytes at all
    "truncated",  # a JPEG that ends after 40 percent
    "not_an_image",  # text with the name of a picture
    "letterbox_horizontal",  # black bars above and below
    "letterbox_vertical",  # black bars left and right
    "letterbox_frame",  # black all round
    "duplicate",  # the bytes of another picture
    "near_duplicate",  # another picture, a little smaller and encoded anew
    "rgba",  # transparent background
    "greyscale",
    "cmyk",
    "tiny",  # a thumbnail of 16 pixels at most
    "orphan",  # metadata without a file
)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What `write` has made."""

    folder: Path
    pictures: int  # healthy ones
    faults: dict[str, int]  # kind of planted fault → count


@dataclass(frozen=True)
class _Page:
    """One entry to be made: its number, which character it shows, and what is wrong with it ("" for nothing)."""

    number: int
    index: int
    fault: str


def _plan(count: int, seed: int, faults: bool) -> list[_Page]:
    """All entries in the order of their numbers: the healthy pictures, then the planted faults."""
    pages = [_Page(number, number, "") for number in range(count)]
    if not faults or count == 0:
        return pages
    each = max(2 if count >= 200 else 1, round(0.025 * count / len(FAULTS)))
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, count, len(FAULTS)])))
    kinds = [kind for kind in FAULTS for _ in range(each)]
    for number, place in enumerate(np.argsort(rng.random(len(kinds)), kind="stable").tolist(), start=count):
        kind = kinds[place]
        index = int(rng.random() * count) if "duplicate" in kind else number
        pages.append(_Page(number, index, kind))
    return pages


def _is_png(index: int) -> bool:
    return index % 10 == 7


def _encoded(picture: Image.Image, *, png: bool = False, quality: int = 93) -> bytes:
    stream = io.BytesIO()
    if png:
        picture.save(stream, "PNG")
    else:
        picture.save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def _cut_out(character: Character, size: int) -> Image.Image:
    """The character on a transparent background, RGBA."""

    def on(colour: RGB) -> Image.Image:
        return paint(character, size, backdrop=lambda pen, _: pen.canvas.paste(colour, (0, 0, *pen.canvas.size)))

    # What differs between a picture on black and one on white is how much of the ground shows through.
    black, white = (np.asarray(on(c), dtype=np.float64) for c in ((0, 0, 0), (255, 255, 255)))
    alpha = 255.0 - (white - black).mean(axis=2, keepdims=True)
    colour = np.where(alpha > 0, black * 255.0 / np.maximum(alpha, 1.0), 255.0)
    return Image.fromarray(np.rint(np.concatenate([colour, alpha], axis=2)).clip(0, 255).astype(np.uint8), "RGBA")


def _barred(picture: Image.Image, kind: str, share: float) -> Image.Image:
    """The picture with black bars that are each `share` of its side wide."""
    size = picture.width
    bar = max(4, round(size * share))
    across, down = (0 if kind == "letterbox_horizontal" else bar), (0 if kind == "letterbox_vertical" else bar)
    canvas = Image.new("RGB", (size + 2 * across, size + 2 * down))
    canvas.paste(picture, (across, down))
    return canvas


def _make(page: _Page, seed: int, size: int) -> tuple[bytes | None, dict[str, object]]:
    """The bytes of a file (None where there shall be none) and its entry in the metadata."""
    who = invent(seed, page.index)
    fault = page.fault
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, page.number, 1])))
    chance, score = float(rng.random()), int(float(rng.random()) ** 3 * 60)
    png = fault == "rgba" or (fault in ("", "duplicate") and _is_png(page.index))
    data: bytes | None
    if fault == "rgba":
        who = replace(who, background="transparent", background_rgb=(255, 255, 255), pattern_rgb=(255, 255, 255))
    picture = _cut_out(who, size) if fault == "rgba" else draw(who, size)
    if fault.startswith("letterbox"):
        picture = _barred(picture, fault, 0.12 + 0.14 * chance)
    elif fault == "near_duplicate":
        smaller = max(17, round(size * (0.9 + 0.06 * chance)))
        picture = picture.resize((smaller, smaller), Image.Resampling.BICUBIC)
    elif fault == "greyscale":
        picture = picture.convert("L")
    elif fault == "cmyk":
        picture = picture.convert("CMYK")
    elif fault == "tiny":
        side = 8 + int(9 * chance)
        picture = picture.resize((side, side), Image.Resampling.BOX)
    data = _encoded(picture, png=png, quality=78 if fault == "near_duplicate" else 93)
    if fault == "empty":
        data = b""
    elif fault == "truncated":
        data = data[: len(data) * 2 // 5]
    elif fault == "not_an_image":
        data = b"<html><head><title>404 Not Found</title></head><body>The picture has moved.</body></html>\n"
    elif fault == "orphan":
        data = None
    tags = [*who.tags, *(("greyscale", "monochrome") if fault == "greyscale" else ())]
    entry: dict[str, object] = {
        "id": str(page.number),
        "file_name": f"images/{page.number:06d}.{'png' if png else 'jpg'}",
        "rating": "s",
        "score": str(score),
        "image_width": str(picture.width),
        "image_height": str(picture.height),
        "tags": [{"name": tag} for tag in sorted(tags)],
    }
    return data, entry


def _write_pages(folder: Path, pages: Sequence[_Page], seed: int, size: int) -> list[str]:
    """Write the files of some pages; gives their lines of metadata."""
    lines = []
    for page in pages:
        data, entry = _make(page, seed, size)
        if data is not None:
            (folder / str(entry["file_name"])).write_bytes(data)
        lines.append(json.dumps(entry, ensure_ascii=False))
    return lines


def _chunks(pages: Sequence[_Page], length: int) -> Iterator[Sequence[_Page]]:
    for start in range(0, len(pages), length):
        yield pages[start : start + length]


def write(
    folder: Path,
    count: int = 4000,
    *,
    seed: int = 0,
    size: int = 128,
    faults: bool = True,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Draw `count` pictures into `folder`, with their metadata and, if wanted, with faults on top of the count.

    The same seed, count and size give the same bytes whatever the number of workers (None: one for each core, 1: no
    further process). `progress` is called with how many entries are done and how many there are.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is not an empty folder; the sketchbook never draws over what is there.")
    (folder / "images").mkdir(parents=True)
    pages = _plan(count, seed, faults)
    chunks = list(_chunks(pages, 32))
    lines: list[str] = []

    def collect(parts: Iterator[list[str]]) -> None:
        for part in parts:
            lines.extend(part)
            if progress is not None:
                progress(len(lines), len(pages))

    workers = min(workers or os.cpu_count() or 1, max(1, len(chunks)))
    if workers == 1:
        collect(_write_pages(folder, chunk, seed, size) for chunk in chunks)
    else:
        # Spawned rather than forked: the caller may hold threads, and all platforms then behave alike.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            jobs = [pool.submit(_write_pages, folder, chunk, seed, size) for chunk in chunks]
            collect(job.result() for job in jobs)
    (folder / "metadata.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    planted = [page.fault for page in pages if page.fault]
    return Written(folder=folder, pictures=count, faults={k: planted.count(k) for k in FAULTS if k in planted})
