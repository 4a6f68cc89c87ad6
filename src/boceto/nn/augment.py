"""Differentiable augmentation: what D sees is jittered the same way for real and fake, so that a small set of
drawings cannot be learned by heart and G is still pulled by gradients through the jitter.

``colour``, ``translation``, ``cutout``: DiffAugment (Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient
GAN Training", §3.2). The others: ADA (Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data",
appendix B), there in two groups, ``geometry`` and ``tone``; together they are the paper's *bgc*.

Images are (N, C, H, W) in [-1, 1], C 1 or 3; each picture draws its own jitter from PyTorch's global generator.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from boceto.nn.warp import exactly, warped

Chance = float | Tensor  # the probability that a jitter acts on a picture; 0-d if it is a tensor
_EIGHTH = 0.125  # of the side: ADA's translations


def augmented(x: Tensor, policy: Sequence[str], p: Chance = 1.0) -> Tensor:
    """Jitter pictures (N, C, H, W), each named jitter acting on each picture with probability ``p``.

    ADA's geometry is one warp and comes first; its tones are one change of colour; then DiffAugment's, in their order.
    """
    named = expanded(policy)
    with torch.no_grad(), exactly(x.device):
        places = [jitter(x, p) for name, jitter in GEOMETRY if name in named]
        tones = [jitter(x, p) for name, jitter in TONE if name in named]
        # A place is asked for backwards, from the jittered picture to the picture; a colour is mapped forwards.
        place, tone = (reduce(torch.matmul, maps) if maps else None for maps in (places, tones[::-1]))
    if place is not None:
        x = warped(x, place)
    if tone is not None:
        x = _toned(x, tone)
    for name in named:
        if name in POLICIES:
            x = _now_and_then(x, POLICIES[name](x), p)
    return x


def expanded(policy: Iterable[str]) -> list[str]:
    """The jitters of a policy, groups taken apart."""
    return [name for word in policy for name in GROUPS.get(word, (word,))]


def _now_and_then(x: Tensor, jittered: Tensor, p: Chance) -> Tensor:
    """A jittered picture with probability ``p``, else the picture; where p is 1 nothing is drawn."""
    if not isinstance(p, Tensor) and p == 1:
        return jittered
    return torch.where(torch.rand((len(x), 1, 1, 1), device=x.device) < p, jittered, x)


# ── DiffAugment ──


def colour(x: Tensor) -> Tensor:
    """Brightness ±0.5, then saturation ×[0, 2) (nothing to do in grey), then contrast ×[0.5, 1.5)."""
    shift, saturation, contrast = (_uniform(x) for _ in range(3))
    x = x + (shift - 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = (x - grey) * (saturation * 2) + grey
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (x - mean) * (contrast + 0.5) + mean


def translation(x: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift by up to ``ratio`` of the side, whole pixels; what comes in from outside is 0 (mid grey)."""
    n, _, height, width = x.shape
    limit_y, limit_x = round(height * ratio), round(width * ratio)
    dy = torch.randint(-limit_y, limit_y + 1, (n, 1, 1), device=x.device)
    dx = torch.randint(-limit_x, limit_x + 1, (n, 1, 1), device=x.device)
    rows = (torch.arange(height, device=x.device)[None, :, None] + dy).clamp(-1, height) + 1
    columns = (torch.arange(width, device=x.device)[None, None, :] + dx).clamp(-1, width) + 1
    padded = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)  # (N, H+2, W+2, C)
    picture = torch.arange(n, device=x.device)[:, None, None]
    return padded[picture, rows, columns].permute(0, 3, 1, 2)  # (N, C, H, W)


def cutout(x: Tensor, ratio: float = 0.5) -> Tensor:
    """Blank (to 0, mid grey) a rectangle of ``ratio`` of the sides, centred anywhere, cut at the border."""
    n, _, height, width = x.shape
    cut_y, cut_x = round(height * ratio), round(width * ratio)
    y0 = torch.randint(0, height + 1 - cut_y % 2, (n, 1), device=x.device) - cut_y // 2
    x0 = torch.randint(0, width + 1 - cut_x % 2, (n, 1), device=x.device) - cut_x // 2
    y, z = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    rows = (y >= y0) & (y < y0 + cut_y)  # (N, H)
    columns = (z >= x0) & (z < x0 + cut_x)  # (N, W)
    hole = rows[:, :, None] & columns[:, None, :]  # (N, H, W)
    return x * (~hole[:, None])


def _uniform(x: Tensor) -> Tensor:
    return torch.rand((len(x), 1, 1, 1), dtype=x.dtype, device=x.device)


POLICIES = {"colour": colour, "translation": translation, "cutout": cutout}


# ── ADA's geometry: maps (N, 3, 3) from places in the jittered picture to places in the picture, in pixels about the
#    middle. Each is as likely as its inverse, so that it does not matter which of the two is drawn. ──


def flip(x: Tensor, p: Chance) -> Tensor:
    """Mirrored left to right, every other one."""
    return _diagonal(1 - 2 * _acting(x, p, _choice(x, 2)), _ones(x))


def rotate90(x: Tensor, p: Chance) -> Tensor:
    """Turned by 0, 90, 180 or 270 degrees."""
    return _turned(_acting(x, p, _choice(x, 4)) * (math.pi / 2))


def shift(x: Tensor, p: Chance) -> Tensor:
    """Moved by whole pixels, up to an eighth of the side."""
    far = [(_EIGHTH * side * (2 * _rand(x) - 1)).round() for side in (x.shape[3], x.shape[2])]
    return _moved(_acting(x, p, torch.stack(far)))


def scale(x: Tensor, p: Chance) -> Tensor:
    """Larger or smaller, by a fifth of an octave (a factor of 1.15) in the standard deviation."""
    factor = _acting(x, p, 0.2 * _randn(x)).exp2()
    return _diagonal(factor, factor)


def rotate(x: Tensor, p: Chance) -> Tensor:
    """Turned by any angle. Done before and after ``stretch``, so that one of them acts with probability ``p``."""
    return _turned(_acting(x, 1 - (1 - p) ** 0.5, _angle(x)))


def stretch(x: Tensor, p: Chance) -> Tensor:
    """Wider and less high, or the reverse, by a fifth of an octave in the standard deviation."""
    factor = _acting(x, p, 0.2 * _randn(x)).exp2()
    return _diagonal(factor, 1 / factor)


def fractional_shift(x: Tensor, p: Chance) -> Tensor:
    """Moved by parts of pixels too, an eighth of the side in the standard deviation."""
    far = [_EIGHTH * side * _randn(x) for side in (x.shape[3], x.shape[2])]
    return _moved(_acting(x, p, torch.stack(far)))


# ── ADA's tones: maps (N, 4, 4) of (red, green, blue, 1) ──


def brightness(x: Tensor, p: Chance) -> Tensor:
    """Lighter or darker, by 0.2 of [-1, 1] in the standard deviation."""
    tones = _same(x, 4)
    tones[:, :3, 3] = _acting(x, p, 0.2 * _randn(x))[:, None]
    return tones


def contrast(x: Tensor, p: Chance) -> Tensor:
    """Farther from or nearer to mid grey, by half an octave in the standard deviation."""
    factor = _acting(x, p, 0.5 * _randn(x)).exp2()
    return _about_grey(factor, factor, 0 * factor)


def luma_flip(x: Tensor, p: Chance) -> Tensor:
    """Light becomes dark and dark light while hue and saturation stay, every other one."""
    return _about_grey(1 - 2 * _acting(x, p, _choice(x, 2)), _ones(x), 0 * _ones(x))


def hue(x: Tensor, p: Chance) -> Tensor:
    """Colours turned about the grey axis by any angle."""
    return _about_grey(_ones(x), _ones(x), _acting(x, p, _angle(x)))


def saturation(x: Tensor, p: Chance) -> Tensor:
    """Colours stronger or weaker, by an octave in the standard deviation."""
    return _about_grey(_ones(x), _acting(x, p, _randn(x)).exp2(), 0 * _ones(x))


# In the order in which they act (Karras et al. 2020, algorithm 1).
GEOMETRY = (
    ("flip", flip),
    ("rotate90", rotate90),
    ("shift", shift),
    ("scale", scale),
    ("rotate", rotate),
    ("stretch", stretch),
    ("rotate", rotate),
    ("fractional-shift", fractional_shift),
)
TONE = (
    ("brightness", brightness),
    ("contrast", contrast),
    ("luma-flip", luma_flip),
    ("hue", hue),
    ("saturation", saturation),
)
GROUPS = {group: tuple(dict(jitters)) for group, jitters in (("geometry", GEOMETRY), ("tone", TONE))}
NAMES = (*POLICIES, *GROUPS["geometry"], *GROUPS["tone"])


# ── what they are made of: (N,) numbers, a picture each ──


def _rand(x: Tensor) -> Tensor:
    return torch.rand(len(x), device=x.device)


def _randn(x: Tensor) -> Tensor:
    return torch.randn(len(x), device=x.device)


def _angle(x: Tensor) -> Tensor:
    return math.pi * (2 * _rand(x) - 1)


def _choice(x: Tensor, count: int) -> Tensor:
    """A whole number below ``count``."""
    return (count * _rand(x)).floor()


def _ones(x: Tensor) -> Tensor:
    return torch.ones(len(x), device=x.device)


def _acting(x: Tensor, p: Chance, values: Tensor) -> Tensor:
    """Values (…, N) with probability ``p``, else 0, which is to be the jitter that changes nothing."""
    return values * (_rand(x) < p)


def _same(x: Tensor, side: int) -> Tensor:
    """The map that changes nothing, (N, side, side)."""
    return torch.eye(side, device=x.device).repeat(len(x), 1, 1)


def _diagonal(across: Tensor, down: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack((across, down, torch.ones_like(down)), dim=1))


def _turned(angle: Tensor) -> Tensor:
    c, s, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return torch.stack((c, -s, zero, s, c, zero, zero, zero, zero + 1), dim=1).view(-1, 3, 3)


def _moved(far: Tensor) -> Tensor:
    """By ``far`` (2, N) pixels to the right and down."""
    places = _same(far[0], 3)
    places[:, :2, 2] = far.mT
    return places


def _about_grey(light: Tensor, chroma: Tensor, angle: Tensor) -> Tensor:
    """Scale what is grey in a colour, scale the rest and turn it about the grey axis."""
    same, tones = _same(light, 3), _same(light, 4)
    grey = torch.full_like(same, 1 / 3)  # v·vᵀ with v = (1, 1, 1)/√3
    across = (same.roll(1, 1) - same.roll(1, 2)) / math.sqrt(3)  # v × …
    light, chroma, c, s = (values[:, None, None] for values in (light, chroma, angle.cos(), angle.sin()))
    tones[:, :3, :3] = light * grey + chroma * (c * (same - grey) + s * across)
    return tones


def _toned(x: Tensor, tones: Tensor) -> Tensor:
    """Pictures with every colour mapped; a grey picture is one of three equal colours."""
    if x.shape[1] == 1:
        factor, more = tones[:, :3, :3].sum(dim=(1, 2)) / 3, tones[:, :3, 3].mean(dim=1)
        return x * factor[:, None, None, None] + more[:, None, None, None]
    # Sums of products and not a matrix product, which a training in bfloat16 would round.
    mixed = sum(tones[:, :3, k, None, None] * x[:, k : k + 1] for k in range(3))
    return mixed + tones[:, :3, 3, None, None]
