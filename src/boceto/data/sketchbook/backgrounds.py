"""What lies behind a character."""

from __future__ import annotations

import numpy as np
from PIL import Image

from boceto.data.sketchbook.characters import Character
from boceto.data.sketchbook.ornaments import star
from boceto.data.sketchbook.pen import Pen, oval


def background(pen: Pen, who: Character) -> None:
    """Fill the whole picture: plain, gradient or a quiet pattern of two close colours."""
    first, second = who.background_rgb, who.pattern_rgb
    edge = pen.canvas.width
    pen.canvas.paste(first, (0, 0, edge, edge))
    rng = np.random.Generator(np.random.PCG64(who.detail))
    phase = float(rng.random())
    if who.background == "gradient":
        ramp = Image.linear_gradient("L").resize((edge, edge), Image.Resampling.BILINEAR)
        pen.canvas.paste(second, (0, 0, edge, edge), ramp)
    elif who.background == "dots":
        pitch, radius = 12.5 + 4 * phase, 2.4 + 1.4 * phase
        for row in range(-1, int(100 / pitch) + 2):
            for column in range(-1, int(100 / pitch) + 2):
                x = (column + 0.5 * (row % 2) + phase) * pitch
                pen.dot(x, row * pitch + 4, radius, second)
    elif who.background == "stripes":
        pitch = 12 + 6 * phase
        slope = (0.0, 45.0, -45.0, 100.0)[who.detail % 4]
        for place in np.arange(-150, 250, pitch * 2).tolist():
            x = place + phase * pitch
            pen.shape(np.array([(x, 0), (x + pitch, 0), (x + pitch + slope, 100), (x + slope, 100)]), fill=second)
    elif who.background == "sunburst":
        rays = 10 + who.detail % 5
        for ray in range(rays):
            a, b = np.radians([(ray + phase) * 360 / rays, (ray + phase + 0.5) * 360 / rays])
            pen.shape(
                np.array(
                    [(50, 52), (50 + 90 * np.cos(a), 52 + 90 * np.sin(a)), (50 + 90 * np.cos(b), 52 + 90 * np.sin(b))]
                ),
                fill=second,
            )
    elif who.background == "disc":
        pen.shape(oval(50, 52, 43, count=64), fill=second)
    elif who.background == "confetti":
        for x, y in (rng.random((26, 2)) * 100).tolist():
            spot = oval(x, y, 1.8, count=14) if rng.random() < 0.5 else star(x, y, 3.0)
            pen.shape(spot, fill=second)
