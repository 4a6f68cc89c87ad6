"""How a body stands and how it is built: limbs, joints and the torso (bust frame)."""

from __future__ import annotations

from boceto.data.sketchbook.characters import Character
from boceto.data.sketchbook.pen import Pairs, Points, even, smooth

# Arms and legs: (shoulder, elbow, hand) and (hip, knee, ankle), right of the picture first, the left limb given as if
# it were on the right.
Joint = tuple[float, float]
Limb = tuple[Joint, Joint, Joint]
DOWN: Limb = ((23, 19), (33, 42), (34, 66))
RESTING: Limb = ((23, 19), (34, 42), (26, 66))
CROUCHED: Limb = ((12, 76), (27, 88), (31, 104))
UP: Limb = ((22, 18), (50, 17), (71, -12))  # clear of the head, which is wide in these proportions
LEG: Limb = ((11, 78), (12, 112), (12, 146))
POSES: dict[str, tuple[Limb, Limb, Limb, Limb]] = {
    "standing": (DOWN, DOWN, LEG, LEG),
    "arms_up": (UP, UP, LEG, LEG),
    "waving": (((22, 18), (50, 22), (69, -4)), DOWN, LEG, LEG),
    "hands_on_hips": (((23, 19), (45, 42), (24, 60)), ((23, 19), (45, 42), (24, 60)), LEG, LEG),
    "outstretched_arms": (((22, 18), (42, 26), (64, 22)), ((22, 18), (42, 26), (64, 22)), LEG, LEG),
    "jumping": (UP, UP, ((11, 78), (24, 96), (14, 122)), ((11, 78), (20, 104), (30, 128))),
    "running": (
        ((23, 19), (44, 36), (56, 18)), ((23, 19), (38, 40), (48, 60)),
        ((9, 78), (16, 108), (8, 128)), ((9, 78), (18, 106), (30, 134)),
    ),
    "sitting": (RESTING, RESTING, CROUCHED, CROUCHED),
    "one_hand_on_hip": (((23, 19), (45, 42), (24, 60)), DOWN, LEG, LEG),
    "holding": (((22, 18), (42, 36), (60, 24)), DOWN, LEG, LEG),
}  # fmt: skip


def flipped(path: Limb) -> Limb:
    a, b, c = path
    return (-a[0], a[1]), (-b[0], b[1]), (-c[0], c[1])


def part_of(path: Limb, share: float) -> Pairs:
    """The first `share` (0 to 1) of a limb as a polyline of three points."""
    line = smooth(path)
    last = max(3, round(share * (len(line) - 1)))
    return [tuple(line[0]), tuple(line[last // 2]), tuple(line[last])]


def build(who: Character) -> tuple[float, float]:
    """How broad the shoulders are (about 1) and half the width of the waist."""
    return (1.06, 21.0) if who.figure == "boy" else (0.97, 18.5)


def torso(who: Character) -> Points:
    """From the neck to the hips."""
    broad, waist = build(who)
    return even(
        (0, 5), (8, 6.5), (20 * broad, 10.5), (27.5 * broad, 18), (25 * broad, 34), (waist, 56),
        (waist + 2.6, 72), (waist + 2, 82), (0, 84),
    )  # fmt: skip
