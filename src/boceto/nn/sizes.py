"""From the smallest map to the picture: which sizes a net that doubles its maps can draw."""

from __future__ import annotations

_LEAST, _MOST, _LONG = 4, 7, 16  # the smallest map's shorter side, and its longer side at most


def maps(height: int, width: int) -> list[tuple[int, int]]:
    """Sides (h, w) from the smallest map to the picture, each twice the one before: 64×64 → 4×4, 8×8, …, 64×64.

    The smallest map's shorter side is from 4 to 7, its longer one at most 16. Raises ValueError for other sizes, in
    words for a person.
    """
    sides = [(height, width)]
    while min(sides[0]) > _MOST and height % 2 ** len(sides) == 0 and width % 2 ** len(sides) == 0:
        sides.insert(0, (sides[0][0] // 2, sides[0][1] // 2))
    if not (_LEAST <= min(sides[0]) <= _MOST and max(sides[0]) <= _LONG):
        near = " or ".join(f"{w}×{h}" for h, w in _near(height, width))
        raise ValueError(
            f"{width}×{height} cannot be halved down to a map with a shorter side of 4 to 7; near it: {near}"
        )
    return sides


def _near(height: int, width: int) -> list[tuple[int, int]]:
    """The nearest smaller and larger size that can be drawn, of about the same proportion."""
    shorter, longer = sorted((height, width))
    able = [(n << k, k) for k in range(12) for n in range(_LEAST, _MOST + 1)]
    found = []
    for candidates in (
        [each for each in able if each[0] <= shorter][-1:] or [able[0]],
        [each for each in sorted(able) if each[0] >= shorter][:1],
    ):
        for short, k in candidates:
            long = min(max(round(longer * short / shorter / 2**k), short >> k), _LONG) << k
            found.append((short, long) if height <= width else (long, short))
    return list(dict.fromkeys(found))
