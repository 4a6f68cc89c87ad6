"""Ornaments that hats and clothes share: stars, hearts, bows, and the colour of gold."""

from __future__ import annotations

import numpy as np

from boceto.data.sketchbook.pen import RGB, Pen, Points, inked, mirrored, moved, oval, runs, shaded, smooth, turned

GOLD: RGB = (242, 190, 72)


def star(x: float, y: float, radius: float) -> Points:
    """The outline of a star with five points."""
    turn = np.radians(np.arange(10) * 36.0 - 90.0)
    reach = np.where(np.arange(10) % 2 == 0, radius, radius * 0.48)
    return np.stack([x + reach * np.cos(turn), y + reach * np.sin(turn)], axis=1)


def heart(x: float, y: float, size: float) -> Points:
    """A heart outline, `size` units wide."""
    right = [(0, -0.25), (0.25, -0.5), (0.5, -0.25), (0.32, 0.15), (0, 0.5)]
    half = np.array(right)
    return np.concatenate([smooth(half), smooth(half * (-1, 1))[::-1]]) * size + (x, y)


def bow(pen: Pen, x: float, y: float, size: float, colour: RGB, turn: float = 0.0) -> None:
    """A ribbon bow about 2 × size wide."""
    line, tone = inked(colour), shaded(colour)
    loop_right = runs([(0, 0), (0.5, -0.62), (1.0, -0.6), (1.08, 0), (1.0, 0.55), (0.5, 0.45), (0, 0)]) * size
    end = np.array([(0.0, 0.1), (0.62, 0.95), (0.34, 0.92), (0.18, 1.12)]) * size
    parts = [loop_right, mirrored(loop_right), end, mirrored(end)]
    placed = [moved(turned(path, turn), x, y) for path in parts]
    pen.shape(*placed[2:], fill=tone, line=line, width=0.9)
    for part in placed[:2]:
        pen.shape(part, fill=colour, line=line, width=0.9, shade=tone, shift=(-0.06 * size, -0.12 * size))
    pen.shape(moved(oval(0, 0, 0.26 * size, 0.3 * size), x, y), fill=colour, line=line, width=0.8)
