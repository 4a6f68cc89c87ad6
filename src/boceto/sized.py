"""Sizes of pictures as a recipe says them, and of nets whose maps double from the smallest to the picture."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from boceto.nn.sizes import maps
from boceto.recipe import Section


def _sides(given: Any) -> Any:
    sides = given if isinstance(given, list | tuple) else (given, given)
    if len(sides) != 2 or not all(type(side) is int and 1 <= side <= 65536 for side in sides):
        raise ValueError("give a side in pixels, or two in brackets: [height, width]")
    return given


Size = Annotated[int | tuple[int, int], BeforeValidator(_sides)]


def both(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a side, or of two."""
    return size if isinstance(size, tuple) else (size, size)


class Doubling(Section):
    """``[arch]`` of a net whose maps double, and whose filters halve the other way."""

    LEAST: ClassVar[int] = 16
    LARGEST: ClassVar[int] = 1024  # sides of the picture

    resolution: Size = Field(64, description="side of the pictures, or [height, width]")
    channels: Literal[1, 3] = Field(3, description="1 = grey, 3 = colour")
    width: int = Field(64, ge=1, le=2048, description="filters on the largest map, doubled on each smaller one")
    most: int = Field(512, ge=1, le=2048, description="filters on any map at the most")

    @model_validator(mode="after")
    def _doubles(self) -> Doubling:
        if not all(self.LEAST <= side <= self.LARGEST for side in self.size):
            name = type(self).__module__.rpartition(".")[2]
            raise ValueError(
                f"resolution: {name} draws at a side of {self.LEAST} to {self.LARGEST} pixels, or at [height, width] "
                f"of such sides"
            )
        try:
            self.maps()
        except ValueError as error:
            raise ValueError(f"resolution: {error}") from error
        if self.most < self.width:
            raise ValueError(f"most = {self.most} is less than width = {self.width}; it bounds what width doubles to")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the pictures."""
        return both(self.resolution)

    def maps(self) -> list[tuple[int, int]]:
        """Sides (h, w) of the maps, the smallest first."""
        return maps(*self.size)

    def filters(self) -> list[int]:
        """Filters on each of the maps."""
        count = len(self.maps())
        return [min(self.most, self.width << (count - 1 - level)) for level in range(count)]
