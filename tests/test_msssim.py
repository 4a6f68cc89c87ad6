"""MS-SSIM: against the formula by hand, against a published implementation, and what it promises."""

from __future__ import annotations

import numpy as np
import pytest

from boceto.data import sketchbook
from boceto.metrics.msssim import WEIGHTS, ms_ssim, scales


def faces(count: int, size: int) -> np.ndarray:
    drawn = [sketchbook.draw(sketchbook.invent(0, number), size).convert("RGB") for number in range(count)]
    return np.stack([np.asarray(picture) for picture in drawn])


def blotted(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A plain grey picture of waves, and the same paler with a chequered corner."""
    y, x = np.mgrid[0:size, 0:size]
    a = 128 + 60 * np.sin(x / 9) * np.cos(y / 7) + 30 * np.sin(x * y / 200)
    b = 0.8 * a + 20
    b[: size // 2, : size // 2] += 25 * ((x + y) % 2 * 2 - 1)[: size // 2, : size // 2]
    return tuple(np.round(p).astype(np.uint8)[None, :, :, None] for p in (a, b))  # type: ignore[return-value]


def test_scales_are_five_or_as_many_as_fit() -> None:
    sizes = {(256, 256): 5, (64, 64): 5, (63, 200): 4, (48, 48): 4, (28, 28): 3, (8, 8): 2, (4, 4): 1, (3, 3): 1}
    assert {size: scales(*size) for size in sizes} == sizes
    assert sum(WEIGHTS) == pytest.approx(1, abs=2e-4), "rounded in the paper"


def test_plain_pictures_by_hand() -> None:
    """Of two without contrast c·s is 1, so that MS-SSIM is l to the power of the last scale's weight."""
    a, b = np.full((1, 64, 64, 3), 100, np.uint8), np.full((1, 64, 64, 3), 140, np.uint8)
    c1 = (0.01 * 255) ** 2
    luminance = (2 * 100 * 140 + c1) / (100**2 + 140**2 + c1)
    assert ms_ssim(a, b)[0] == pytest.approx(luminance ** (0.1333 / sum(WEIGHTS)), rel=1e-9)
    assert ms_ssim(a[:, :4, :4], b[:, :4, :4])[0] == pytest.approx(luminance, rel=1e-9), "one scale of weight 1"
    assert ms_ssim(a[:, :8, :8], b[:, :8, :8])[0] == pytest.approx(luminance ** (0.2856 / (0.2856 + 0.0448)), rel=1e-9)


def test_one_window_by_hand() -> None:
    """Of 4×4 pixels there is one scale and one place of a window, of σ = 1.5 · 4 / 11."""
    random = np.random.default_rng(0)
    a, b = (random.integers(0, 256, (1, 4, 4, 1)).astype(np.uint8) for _ in range(2))
    bell = np.exp(-0.5 * ((np.arange(4) - 1.5) / (1.5 * 4 / 11)) ** 2)
    weights = np.outer(bell, bell) / bell.sum() ** 2
    x, y = a[0, :, :, 0].astype(float), b[0, :, :, 0].astype(float)
    mx, my = (weights * x).sum(), (weights * y).sum()
    vx, vy, both = ((weights * p * q).sum() - m * n for p, q, m, n in ((x, x, mx, mx), (y, y, my, my), (x, y, mx, my)))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ssim = (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert ms_ssim(a, b)[0] == pytest.approx(max(ssim, 0), abs=1e-9)
    assert ms_ssim(a, a)[0] == pytest.approx(1)


def test_it_equals_what_is_published() -> None:
    """By pytorch-msssim 1.0.0, which wants 161 pixels and more, in grey (of colours it takes the mean at the end)."""
    a, b = blotted(192)
    assert ms_ssim(a, b)[0] == pytest.approx(0.9687314, abs=1e-5)


def test_the_more_alike_the_nearer_to_one() -> None:
    pictures = faces(24, 64)
    same, darker = ms_ssim(pictures, pictures), ms_ssim(pictures, (pictures * 0.9).astype(np.uint8))
    others = ms_ssim(pictures, np.roll(pictures, 1, axis=0))
    assert np.allclose(same, 1) and (darker > others).all() and (darker < 1).all()
    noise = np.random.default_rng(0).integers(0, 256, (2, 24, 64, 64, 3), np.uint8)
    assert ms_ssim(*noise).mean() < 0.3 * others.mean()
    assert np.allclose(ms_ssim(pictures, pictures[::-1]), ms_ssim(pictures[::-1], pictures)), "whichever comes first"


def test_sets_that_make_no_pairs() -> None:
    with pytest.raises(ValueError, match="pairs"):
        ms_ssim(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((3, 8, 8, 3), np.uint8))
    assert ms_ssim(np.zeros((0, 8, 8, 3), np.uint8), np.zeros((0, 8, 8, 3), np.uint8)).shape == (0,)
