"""The classifier of the thesis before "CómicGAN" (R65): (N, C, H, W) in [-1, 1] → logits (N, K), one a tag or class.

    convolutions 32 of 5×5, 64 of 5×5, 128 of 3×3, none padded, each with ReLU and max-pool ½
    dense 256, 64 with ReLU, dropout 0.2; then K

That is the layout the thesis describes, at 48 px and at 128. Three things are otherwise. Batch norm stands before every
ReLU, so that twenty epochs do what took seven hundred. Dropout stands before the last layer: there it followed the
softmax, where it only falsifies what was said. And pictures come in [-1, 1] as D is shown them, so that a D can begin
with the trunk and a last layer of one unit.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from boceto.nn.layers import Dropout

SMALLEST = 28  # pixels a side: below that the last convolution has nothing left to see
FEATURES = 64  # what the trunk makes of a picture
_CONVOLUTIONS = ((32, 5), (64, 5), (128, 3))  # filters, kernel
_DENSE = (256, FEATURES)
_DROPOUT = 0.2


class Trunk(nn.Module):
    """All but the last layer: (N, C, H, W) in [-1, 1] → (N, 64), not negative. Sides of 28 pixels or more."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        below, sides = channels, (height, width)
        for filters, kernel in _CONVOLUTIONS:  # at 64 px (N, 32, 30, 30), (N, 64, 13, 13), (N, 128, 5, 5)
            layers += [
                nn.Conv2d(below, filters, kernel, bias=False),
                nn.BatchNorm2d(filters),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            ]
            below, sides = filters, ((sides[0] - kernel + 1) // 2, (sides[1] - kernel + 1) // 2)
        layers.append(nn.Flatten())
        below *= sides[0] * sides[1]
        for units in _DENSE:  # (N, 256), (N, 64)
            layers += [
                Dropout(_DROPOUT),
                nn.Linear(below, units, bias=False),
                nn.BatchNorm1d(units),
                nn.ReLU(inplace=True),
            ]
            below = units
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        return cast(Tensor, self.layers(image))


class Classifier(nn.Module):
    """(N, C, H, W) in [-1, 1] → logits (N, K)."""

    def __init__(self, channels: int, height: int, width: int, outputs: int) -> None:
        super().__init__()
        self.trunk = Trunk(channels, height, width)
        self.dropout = Dropout(_DROPOUT)
        self.last = nn.Linear(FEATURES, outputs)

    def forward(self, image: Tensor) -> Tensor:
        return cast(Tensor, self.last(self.dropout(self.trunk(image))))
