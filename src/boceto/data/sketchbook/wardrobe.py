"""What there is to choose from: colours, hair, hats, clothes, faces, poses and backgrounds, with weights and tags."""

from __future__ import annotations

from boceto.data.sketchbook.pen import RGB


def rgb(code: str) -> RGB:
    """A colour from its six hexadecimal digits."""
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)


def row(codes: str) -> tuple[RGB, ...]:
    return tuple(rgb(code) for code in codes.split())


# --- palettes -------------------------------------------------------------------------------------------------------

# Tag of the hair colour → (weight, shades of it).
HAIR: dict[str, tuple[float, tuple[RGB, ...]]] = {
    "black_hair": (13, row("3f3a4c 453c44 37405a 4a3f52")),
    "brown_hair": (16, row("7c4d36 8f5b3c a06a48 6b4436 5d4038")),
    "blonde_hair": (13, row("f6d77c f3c765 fae3a0 e8bd6a")),
    "orange_hair": (7, row("ee9048 f3a25a e27a3e")),
    "red_hair": (8, row("c9473d b83a46 dc5a44")),
    "pink_hair": (9, row("f6a3b9 f28bb0 fbbccb")),
    "purple_hair": (7, row("9a7bc8 7d63b4 b79ae0")),
    "blue_hair": (8, row("5f8fd6 4a72bd 84b4ec")),
    "aqua_hair": (5, row("6fd0cf 8fdede 4fb9c2")),
    "green_hair": (5, row("7cb87a 5aa584 a3cf85")),
    "white_hair": (5, row("f3eff6 ece8ee f7f1ea")),
    "grey_hair": (4, row("a9a8b8 8f93a6")),
}

EYES: dict[str, tuple[float, tuple[RGB, ...]]] = {
    "blue_eyes": (11, row("4b93e0 5fa8ee 3f78cf")),
    "brown_eyes": (11, row("a0643c 8a5234 b8774a")),
    "green_eyes": (9, row("55b06a 6dc07a 3f9a72")),
    "purple_eyes": (7, row("9868d8 b07ee6")),
    "red_eyes": (5, row("d84a56 e0605a")),
    "yellow_eyes": (5, row("eebc3e f0cc58")),
    "aqua_eyes": (4, row("3fc0c4 5ad2cc")),
    "pink_eyes": (4, row("ee7aa8 e8629a")),
    "grey_eyes": (2, row("8a94a8")),
    "orange_eyes": (3, row("ee8c3c")),
}

# Skin from pale to deep, with the tag that goes with it.
SKIN: tuple[tuple[float, RGB, str], ...] = (
    (10, rgb("fff0e6"), "pale_skin"),
    (17, rgb("ffe6d6"), ""),
    (16, rgb("fddcc4"), ""),
    (13, rgb("f6cba8"), ""),
    (11, rgb("e9b48c"), "tan"),
    (9, rgb("d2966c"), "tan"),
    (8, rgb("b47a54"), "dark_skin"),
    (7, rgb("935d40"), "dark_skin"),
    (5, rgb("784a36"), "dark_skin"),
)

# Clothes: main, second, accent.
SCHEMES: tuple[tuple[RGB, ...], ...] = tuple(
    row(codes)
    for codes in (
        "34527a f4f1ea e0574f", "e8635c fbeee0 3f5a7d", "f2b84b 3d5a80 e76f51", "5aa9a0 fdf3dd ef767a",
        "7a6bb0 f3e9ff f5c15d", "f4f1ec 2f4a6d d64550", "3c3f58 e9e4f0 e8a33d", "8fbf8a fff6e3 d9667b",
        "f09fb4 fff0f3 7c6fb3", "6f9fd8 fefefe f2c14e", "c65b7c fde7e0 47547e", "4f7d6a f7ead0 d9853b",
        "b0855c fff3e0 5b7f95", "ee8b57 fff1dd 4b6c8c", "b7d7ea 4c5f8a f28482", "d9c5f2 6a5a9c f6bd60",
        "2f6f73 f5dfbb e36b4f", "f5d76e 5f6caf fdf6ec", "a23b4b f2d9bb 2e4057", "94a3c4 fcfaf5 c8553d",
        "f7c9b6 88496f fff6e9", "5c6b8a c8d6e5 ff9f68", "c4dfaa 5d7f5a f2a365", "fdfcf8 7fb7be e76f51",
    )
)  # fmt: skip

ACCESSORIES = row("e0574f f2b84b 4f86c6 7fc29b f08cae 9a78cf f4f1ea 3f4a6b ee8b57 5cc0c0")
WITCH_HATS = row("4a3f6b 3d3550 5a3f78 2f4a5a 7a3f5e")
SHOES = row("4a3b4a 8a4f3d d65a55 f4f1ec 3f5a88 f0b04c 6b8f71")
SOCKS = row("fdfcfa 3d3a4e f5dbe2 cfe0ef")
FRAMES = row("3b3347 5a3a34 a8483f 31507a c08a3a 4a4a52")

# Backgrounds: tag → (flat colour, its companion for gradients and patterns).
GROUNDS: dict[str, tuple[RGB, RGB]] = {
    "pink_background": (rgb("fbdde3"), rgb("f7c8d4")),
    "blue_background": (rgb("d3e6f6"), rgb("bcd7ef")),
    "yellow_background": (rgb("fdf0c8"), rgb("fae3a3")),
    "green_background": (rgb("d9eed8"), rgb("c2e2c3")),
    "purple_background": (rgb("e6dcf3"), rgb("d6c8ea")),
    "orange_background": (rgb("fde2cb"), rgb("fad0ac")),
    "aqua_background": (rgb("d2f0ec"), rgb("b5e3de")),
    "beige_background": (rgb("f5ecdf"), rgb("ebdcc6")),
    "grey_background": (rgb("e6e7ec"), rgb("d6d8e0")),
    "teal_background": (rgb("8fcac6"), rgb("7bbcb9")),
    "red_background": (rgb("f3a59c"), rgb("ee938b")),
    "indigo_background": (rgb("9fb0dd"), rgb("8ea1d4")),
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

# Hats that hide the crown of the head.
COVERING = frozenset({"beret", "baseball_cap", "witch_hat", "beanie", "straw_hat", "santa_hat"})

# Hair that a hat would crush.
TALL_HAIR = frozenset({"afro", "curly", "long_curly", "bun", "double_bun", "quiff", "undercut", "ponytail", "drills"})

# Styles with shaved sides and a long top.
SHAVED = frozenset({"undercut", "quiff"})

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
