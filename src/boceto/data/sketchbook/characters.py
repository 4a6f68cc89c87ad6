"""Characters: everything that shows in one picture, and how the dice choose it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict, TypeVar

import numpy as np

from boceto.data.sketchbook.pen import RGB, WHITE, luma, mix
from boceto.data.sketchbook.wardrobe import (
    ACCESSORIES,
    CLOTHES,
    COVERING,
    EYES,
    FRAMES,
    FRINGES,
    GROUNDS,
    HAIR,
    HAIR_STYLES,
    HATS,
    LIDS,
    MOUTHS,
    PATTERNS,
    POSE_TAGS,
    POSE_WEIGHTS,
    REACH,
    SCHEMES,
    SHAVED,
    SHOES,
    SKIN,
    SOCKS,
    TALL_HAIR,
    WITCH_HATS,
    rgb,
)

T = TypeVar("T")


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
        if self.hair_style not in SHAVED:
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


def _lower_half(dice: _Dice, girl: bool, boy: bool, clothes: str) -> str:
    """The lower half that goes with the upper."""
    fixed = {"dress": "dress", "sundress": "dress", "coat": "coat", "kimono": "kimono", "overalls": "overalls"}
    if clothes in fixed:
        return fixed[clothes]
    if clothes == "serafuku" and not boy:
        return "skirt"
    return dice.weighed({"skirt": 6.0 if girl else 0.0, "trousers": 4.0, "shorts": 4.0})


def _first(table: Mapping[str, tuple[float, object]]) -> dict[str, float]:
    """The weights of a table that tells no girl from a boy."""
    return {name: row[0] for name, row in table.items()}


def _haircut(dice: _Dice, girl: bool) -> tuple[str, str, str]:
    """Style, fringe, locks at the sides."""
    style = dice.weighed(_weights(HAIR_STYLES, girl))
    if style in ("afro", "curly", "long_curly"):
        fringe = dice.weighed({"curly": 5, "none": 2})
    elif style == "hime_cut":
        fringe = "straight"
    elif style in ("locs", "bun"):
        fringe = dice.weighed({"none": 3, "parted": 2, "curtain": 2, "side_swept": 1})
    else:
        fringe = dice.weighed(_weights(FRINGES, girl))
    return style, fringe, _locks_for(dice, style)


def _complexion(dice: _Dice) -> tuple[RGB, str, str, RGB]:
    """Skin and its tag, the tag of the hair colour and its shade."""
    _, skin_rgb, skin_tag = SKIN[int(dice.weighed({str(i): row[0] for i, row in enumerate(SKIN)}))]
    tones = _first(HAIR)
    if luma(skin_rgb) < 175:  # deep skin mostly has dark hair
        tones = {name: weight * {"black_hair": 5.0, "brown_hair": 3.0}.get(name, 0.6) for name, weight in tones.items()}
    for _ in range(5):
        hair_colour = dice.weighed(tones)
        hair_rgb = dice.pick(HAIR[hair_colour][1])
        if _far(hair_rgb, skin_rgb) >= 26:  # hair and skin must not melt into one
            break
    return skin_rgb, skin_tag, hair_colour, hair_rgb


def _bearded(skin_rgb: RGB, hair_rgb: RGB) -> bool:
    """Whether a beard suits: a pale one on deeper skin looks like a mask."""
    return luma(hair_rgb) < max(luma(skin_rgb) + 10.0, 125.0)


def _expression(dice: _Dice) -> tuple[str, str, str]:
    """Lids, mouth, brows."""
    lids = dice.weighed(_first(LIDS))
    mouth = dice.weighed(_first(MOUTHS))
    if lids == "squeezed":
        mouth = "open_smile"
    moods = {"frown": {"worried": 3.0, "angry": 3.0}, "smirk": {"neutral": 3.0, "angry": 2.0}, "o": {"raised": 1.0}}
    return lids, mouth, dice.weighed(moods.get(mouth, {"neutral": 6.0, "raised": 4.0, "worried": 0.8, "angry": 0.6}))


class _Outfit(TypedDict):
    hat: str
    hat_rgb: RGB
    accessory_rgb: RGB
    clothes: str
    main_rgb: RGB
    second_rgb: RGB
    accent_rgb: RGB
    neckwear: str
    bottom: str


def _outfit(dice: _Dice, girl: bool, boy: bool, hair_style: str, hair_rgb: RGB) -> _Outfit:
    hat = _head_gear(dice, girl, hair_style)
    clothes = dice.weighed(_weights(CLOTHES, girl))
    main, second, accent = dice.pick(SCHEMES)
    bottom = _lower_half(dice, girl, boy, clothes)
    if clothes == "serafuku":  # mostly the classic pale blouse with a dark collar
        main, second = sorted((main, second), key=luma, reverse=True)
    hat_rgb = _contrasting(dice, [main, accent, *ACCESSORIES], [hair_rgb])
    accessory_rgb = _contrasting(dice, [accent, *ACCESSORIES], [hair_rgb, hat_rgb])
    if hat == "witch_hat":
        hat_rgb = dice.pick(WITCH_HATS)
    elif hat == "santa_hat":
        hat_rgb = rgb("d8434a")
    neckwear = "none"
    if clothes == "shirt":
        neckwear = dice.weighed({"none": 3, "necktie": 3, "bowtie": 3})
    elif clothes == "dress":
        neckwear = dice.weighed({"none": 1, "bowtie": 2})
    return {
        "hat": hat, "hat_rgb": hat_rgb, "accessory_rgb": accessory_rgb, "clothes": clothes, "main_rgb": main,
        "second_rgb": second, "accent_rgb": accent, "neckwear": neckwear, "bottom": bottom,
    }  # fmt: skip


def _stance(dice: _Dice, clothes: str) -> str:
    pose = dice.weighed(POSE_WEIGHTS)
    if pose == "sitting" and clothes in ("kimono", "coat"):
        return "waving"
    if pose in ("running", "jumping") and clothes == "kimono":
        return "arms_up"
    return pose


class _Ground(TypedDict):
    background: str
    background_colour: str
    background_rgb: RGB
    pattern_rgb: RGB


def _ground(dice: _Dice, hair_rgb: RGB) -> _Ground:
    """A background that the hair stands out from."""
    background = dice.weighed(
        {"white": 35, "flat": 25, "gradient": 13, "dots": 8, "stripes": 7, "sunburst": 6, "disc": 4, "confetti": 3}
    )
    grounds = [name for name, row in GROUNDS.items() if _far(row[0], hair_rgb) > 30] or list(GROUNDS)
    colour = dice.pick(grounds)
    flat, companion = GROUNDS[colour]
    if background == "gradient":
        flat, companion = mix(flat, WHITE, 0.55), mix(companion, flat, 0.2)
    elif background in ("disc", "confetti") and dice.chance(0.6):
        flat = WHITE
    if background == "white":
        flat = companion = WHITE
    return {"background": background, "background_colour": colour, "background_rgb": flat, "pattern_rgb": companion}


class _Build(TypedDict):
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


def _build(dice: _Dice, framing: str, girl: bool, hat: str, hair_style: str, pose: str) -> _Build:
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


def invent(seed: int, index: int) -> Character:
    """The character number `index` of the sketchbook `seed`."""
    dice = _Dice(np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index]))))
    figure = dice.weighed({"girl": 55, "boy": 39, "other": 6})
    girl, boy = figure == "girl" or (figure == "other" and dice.chance(0.5)), figure == "boy"
    framing = "portrait" if dice.chance(0.75) else "full_body"

    # The order of the rolls is part of the set: change it, and every character changes.
    hair_style, fringe, side_locks = _haircut(dice, girl)
    skin_rgb, skin_tag, hair_colour, hair_rgb = _complexion(dice)
    eye_colour = dice.weighed(_first(EYES))
    ombre = dice.chance(0.07) and hair_style not in ("boyish", "pixie", *SHAVED)
    lids, mouth, brows = _expression(dice)
    facial_hair = "none"
    if boy and dice.chance(0.13):
        facial_hair = dice.weighed({"beard": 3, "mustache": 2})
        if facial_hair == "beard" and not _bearded(skin_rgb, hair_rgb):
            facial_hair = "none"
        elif mouth in ("cat", "lips", "tongue"):
            mouth = "smile"
    outfit = _outfit(dice, girl, boy, hair_style, hair_rgb)
    clothes = outfit["clothes"]
    pose = _stance(dice, clothes) if framing == "full_body" else "standing"
    prop = dice.pick(("balloon", "flower", "wand", "lollipop")) if pose == "holding" else "none"
    ground = _ground(dice, hair_rgb)
    build = _build(dice, framing, girl, outfit["hat"], hair_style, pose)
    gaze = (dice.about(0.0, 1.5), dice.about(0.0, 0.8)) if dice.chance(0.6) else (0.0, 0.0)
    return Character(
        framing=framing, figure=figure, hair_style=hair_style, fringe=fringe, side_locks=side_locks,
        hair_length=dice.about(8.0, 12.0), hair_colour=hair_colour, hair_rgb=hair_rgb,
        ombre_rgb=_contrasting(dice, [c for row in HAIR.values() for c in row[1]], [hair_rgb]) if ombre else None,
        skin_rgb=skin_rgb, skin_tag=skin_tag, eye_colour=eye_colour, eye_rgb=dice.pick(EYES[eye_colour][1]),
        lids=lids, mouth=mouth, brows=brows,
        nose=dice.weighed({"dot": 4, "line": 3, "button": 3, "curve": 4}),
        lashes=dice.chance(0.95 if girl else 0.08),
        blush=dice.between(0.25, 1.0) if dice.chance(0.8 if girl else 0.45) else 0.0,
        freckles=dice.chance(0.09), facial_hair=facial_hair,
        glasses=dice.weighed({"none": 81, "round": 8, "square": 7, "semi": 4}),
        frame_rgb=_contrasting(dice, FRAMES, [skin_rgb]),
        earrings=dice.weighed({"none": 74, "stud": 14, "hoop": 12} if girl else {"none": 93, "stud": 5, "hoop": 2}),
        scarf=dice.chance(0.16) and clothes in ("coat", "turtleneck", "striped_shirt", "t_shirt"),
        socks=dice.weighed({"none": 3, "socks": 4, "thighhighs": 3 if girl else 0}),
        sock_rgb=dice.pick(SOCKS), shoe_rgb=dice.pick(SHOES), pose=pose, prop=prop, gaze=gaze,
        mirrored=dice.chance(0.5), detail=int(dice.rng.random() * 2**31),
        **outfit, **ground, **build,
    )  # fmt: skip
