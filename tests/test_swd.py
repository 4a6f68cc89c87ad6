"""Sliced Wasserstein distance: nothing between equal sets, little between halves of one, and each fault at its level."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from boceto.data import sketchbook
from boceto.metrics import swd as module
from boceto.metrics.swd import level_sizes, swd

Images = NDArray[np.uint8]


@pytest.fixture(scope="module")
def halves() -> tuple[Images, Images]:
    """Twice 100 cartoon characters at 64 px."""
    drawn = [np.asarray(sketchbook.draw(sketchbook.invent(0, i), 64).convert("RGB")) for i in range(200)]
    return np.stack(drawn[::2]), np.stack(drawn[1::2])


def few(a: Images, b: Images, **how: object) -> dict[int, float]:
    return swd(a, b, patches=64, directions=128, **how)  # type: ignore[arg-type]


def blurred(images: Images, radius: float) -> Images:
    return np.stack([np.asarray(Image.fromarray(x).filter(ImageFilter.GaussianBlur(radius))) for x in images])


def noisy(images: Images, sigma: float) -> Images:
    noise = np.random.Generator(np.random.PCG64(0)).normal(0, sigma, images.shape)
    return (images + noise).clip(0, 255).astype(np.uint8)


def tinted(images: Images, by: float) -> Images:
    tint: Images = (images + np.array([by, 0, -by])).clip(0, 255).astype(np.uint8)
    return tint


@pytest.mark.parametrize(
    ("side", "levels"),
    [
        (64, [64, 32, 16]),
        (48, [48, 24]),
        (80, [80, 40, 20]),
        (160, [160, 80, 40, 20]),
        (28, [28]),
        (16, [16]),
        (50, [50, 25]),
    ],
)
def test_a_picture_is_halved_as_far_as_it_goes(side: int, levels: list[int]) -> None:
    assert level_sizes(side, side) == [(level, level) for level in levels]
    assert level_sizes(side, side + 1) == [(side, side + 1)]


def test_the_pyramid_adds_up_to_the_picture(halves: tuple[Images, Images]) -> None:
    images = halves[0][:3, :48, :48]
    (_, fine), (_, coarse) = (next(iter(module._levels(images, level))) for level in (0, 1))
    assert fine.shape == (3, 48, 48, 3) and coarse.shape == (3, 24, 24, 3)
    assert np.abs(fine + module._doubled(coarse) - images).max() < 1e-3
    flat = np.full((1, 32, 32, 1), 77, np.uint8)
    assert np.abs(next(iter(module._levels(flat, 0)))[1]).max() < 1e-4, "nothing fine in a flat picture"
    assert np.abs(next(iter(module._levels(flat, 1)))[1] - 77).max() < 1e-3


def test_one_direction_is_the_textbooks_distance() -> None:
    """Two clouds, one moved along by d: every projection moves by d times its cosine, whose mean is known."""
    random = np.random.Generator(np.random.PCG64(1))
    cloud = random.standard_normal((500, 3, 1, 1)).astype(np.float32)
    moved = cloud + np.array([2, 0, 0], np.float32)[:, None, None]
    assert module._sliced(cloud, moved, 4096, 0) == pytest.approx(2 * 0.5, rel=0.03)  # E|cos| on the sphere is ½
    assert module._sliced(cloud, np.flip(cloud, 0), 64, 0) == pytest.approx(0, abs=1e-6), "order does not matter"


def test_equal_sets_are_at_no_distance_and_halves_at_little(halves: tuple[Images, Images]) -> None:
    a, b = halves
    assert set(few(a, a).values()) == {0.0}
    floor = few(a, b)
    assert list(floor) == [64, 32, 16] and all(0 < value < 200 for value in floor.values())
    assert floor == few(a, b) and floor != few(a, b, seed=1)
    upside_down = few(a, b[:, ::-1])
    assert upside_down[16] > 1.5 * floor[16], "composition is seen at the coarsest level"


@pytest.mark.parametrize(
    ("spoil", "strengths", "level", "spared"),
    [(blurred, (1, 2, 4), 64, 16), (noisy, (8, 24, 60), 64, 16), (tinted, (16, 40, 90), 16, 64)],
)
def test_a_fault_counts_at_its_level_and_the_more_the_worse(
    spoil: Callable[[Images, float], Images],
    strengths: tuple[float, ...],
    level: int,
    spared: int,
    halves: tuple[Images, Images],
) -> None:
    a, b = halves
    floor = few(a, b)
    found = [few(a, spoil(b, strength)) for strength in strengths]
    at_level = [distance[level] for distance in found]
    assert floor[level] < at_level[0] < at_level[1] < at_level[2]
    assert at_level[-1] > 3 * floor[level]
    assert (at_level[0] - floor[level]) > 3 * (found[0][spared] - floor[spared])


def test_each_by_its_own_statistics_is_blind_to_a_tint(halves: tuple[Images, Images]) -> None:
    a, b = halves
    moved = (b // 2 + 20).astype(np.uint8)
    assert few(a, moved)[16] > 3 * few(a, moved, statistics="each")[16]


def test_unequal_grey_flat_and_odd_sets_are_measured(halves: tuple[Images, Images]) -> None:
    a, b = halves
    assert few(a[:40], b).keys() == {64, 32, 16}
    assert few(a[:9, :27, :30, :1], b[:5, :27, :30, :1]).keys() == {27}
    flat = np.zeros((4, 16, 16, 3), np.uint8)
    assert few(flat, flat) == {16: 0.0}
    assert np.isfinite(few(flat, flat + np.uint8(9))[16])


def test_what_cannot_be_compared_is_refused(halves: tuple[Images, Images]) -> None:
    a, b = halves
    for left, right, says in (
        (a.astype(np.float32), b, "uint8"),
        (a[0], b, "uint8"),
        (a[:0], b, "N > 0"),
        (a, b[:, :32], "cannot be compared"),
        (a[:, :6], b[:, :6], "smaller than a patch"),
    ):
        with pytest.raises(ValueError, match=says):
            swd(left, right)  # type: ignore[arg-type]
