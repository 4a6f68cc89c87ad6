"""A training as a film: the sheets of the same latents, one after the other (GIF, WebP, PNG; MP4 with PyAV)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from boceto.errors import UsageError
from boceto.files import replacing
from boceto.reporting.figures import INK

KINDS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".mp4": "MP4"}
_LABEL = 22  # pixels above the sheet for the number of images


def film(samples: Mapping[int, Path], out: Path, *, fps: float = 8.0, hold: float = 2.0, most: int = 200) -> int:
    """Write sheets (images seen → file) as a film and return its number of frames.

    ``fps`` frames a second; the last one stays for ``hold`` seconds. Of more than ``most`` sheets those are taken that
    are spread evenly in the logarithm of time, since most happens early. Raises UsageError for numbers that make no
    film, another ending than ``KINDS``, or MP4 without PyAV.
    """
    if out.suffix.lower() not in KINDS:
        raise UsageError(f"a film cannot be called {out.name}; let the name end in {', '.join(KINDS)}")
    if not 0 < fps <= 60 or not 0 <= hold <= 60 or not 2 <= most <= 10_000:
        raise UsageError(
            "a film has from 1 to 60 frames a second (0 is none), 2 frames or more, and holds its last 0 to 60 s"
        )
    if len(samples) < 2:
        raise UsageError(
            "there are fewer than two sheets, so nothing moves yet; train on (watch.sample_kimg sets how often)"
        )
    frames = list(_frames(samples, most))
    write_frames(frames, out, fps, hold)
    return len(frames)


def write_frames(frames: list[Image.Image], out: Path, fps: float, hold: float) -> None:
    """Write pictures of one size as a film of the kind its name ends in; the last one stays for ``hold`` seconds."""
    if out.suffix.lower() == ".mp4":
        _mp4(frames, out, fps, hold)
        return
    pause = round(1000 / fps)
    durations = [pause] * (len(frames) - 1) + [max(pause, round(1000 * hold))]
    options = {"loop": 0, "duration": durations, "save_all": True, "append_images": frames[1:]}
    if out.suffix.lower() == ".webp":
        options |= {"quality": 85, "method": 4}
    with replacing(out) as temporary:
        frames[0].save(temporary, format=KINDS[out.suffix.lower()], **options)


def chosen(moments: list[int], most: int) -> list[int]:
    """At most so many of these growing numbers, evenly in the logarithm of their place; first and last always."""
    if len(moments) <= most:
        return moments
    places = np.unique(np.round(np.geomspace(1, len(moments), most)).astype(int) - 1)
    return [moments[place] for place in places]


def _frames(samples: Mapping[int, Path], most: int) -> Iterator[Image.Image]:
    """Sheets of one even size under the number of images seen."""
    moments = chosen(sorted(samples), most)
    with Image.open(samples[moments[-1]]) as last:
        width, height = last.size
    wide = max(width, 160) + max(width, 160) % 2  # MP4 wants even sides
    tall = height + _LABEL + (height + _LABEL) % 2
    font = ImageFont.load_default(13)
    for nimg in moments:
        with Image.open(samples[nimg]) as sheet:
            picture = sheet.convert("RGB")
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.NEAREST)
        page = Image.new("RGB", (wide, tall), "white")
        ImageDraw.Draw(page).text((4, 3), f"{nimg:,} images", fill=INK, font=font)
        page.paste(picture, (0, _LABEL))
        yield page


def _mp4(frames: list[Image.Image], out: Path, fps: float, hold: float) -> None:
    """H.264 that every player and browser shows."""
    try:
        import av
    except ImportError as error:
        raise UsageError("MP4 needs PyAV: pip install av; or let the name end in .gif or .webp") from error
    with replacing(out) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, "yuv420p"
        stream.options = {"crf": "18"}
        for frame in [*frames, *[frames[-1]] * round(hold * fps)]:
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
