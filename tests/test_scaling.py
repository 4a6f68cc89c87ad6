"""Grey levels to floats and back: exact for every level, within half a level for anything between."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from boceto.scaling import levels_from_signed, levels_from_unit, to_signed, to_unit

LEVELS = torch.arange(256, dtype=torch.uint8)
WAYS = [(to_signed, levels_from_signed, -1.0), (to_unit, levels_from_unit, 0.0)]


@pytest.mark.parametrize(("there", "back", "lowest"), WAYS, ids=["signed", "unit"])
def test_every_level_comes_back(
    there: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor], lowest: float
) -> None:
    scaled = there(LEVELS)
    assert scaled.dtype == torch.float32
    assert scaled[0] == lowest and scaled[-1] == 1 and (scaled.diff() > 0).all()
    assert back(scaled).dtype == torch.uint8 and torch.equal(back(scaled), LEVELS)
    assert torch.equal(back(scaled.double()), LEVELS)


@pytest.mark.parametrize(("there", "back", "lowest"), WAYS, ids=["signed", "unit"])
def test_any_value_comes_back_within_half_a_level(
    there: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor], lowest: float
) -> None:
    values = torch.linspace(lowest, 1, 100_001)
    level = (1 - lowest) / 255
    off = (there(back(values)) - values).abs().max()
    assert 0.49 * level < off <= 0.5 * level + 1e-6


@pytest.mark.parametrize(("there", "back", "lowest"), WAYS, ids=["signed", "unit"])
def test_what_lies_outside_is_clipped_not_wrapped(
    there: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor], lowest: float
) -> None:
    assert back(torch.tensor([lowest - 0.5, 1.5, 40.0, -40.0])).tolist() == [0, 255, 255, 0]


@pytest.mark.parametrize("there", [to_signed, to_unit])
def test_the_source_stays_and_is_never_scaled_twice(there: Callable[..., Tensor]) -> None:
    levels = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    before = levels.clone()
    scaled = there(levels, torch.channels_last)
    assert torch.equal(levels, before)
    assert scaled.is_contiguous(memory_format=torch.channels_last)
    assert there(levels).is_contiguous() and torch.equal(there(levels), scaled)
    with pytest.raises(TypeError, match=r"uint8, not torch\.float32"):
        there(scaled)


def test_signed_is_bit_for_bit_the_arithmetic_that_snapshots_were_trained_with() -> None:
    assert torch.equal(to_signed(LEVELS), LEVELS.to(torch.float32).div_(127.5).sub_(1))
    image = torch.randn(1000) / 2
    assert torch.equal(levels_from_signed(image), (image * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8))
