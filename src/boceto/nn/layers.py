"""Layers: PyTorch's own, in the form that is quickest where PyTorch's kernels are slow, and those it does not have.

Convolutions take the form that is quickest: PyTorch's, or one matrix product (``products``).

"SAME" is TensorFlow's padding: an output of ⌈n / stride⌉, the odd pixel of padding at the bottom and on the right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from boceto.nn import products

Activation = Literal["relu", "leaky-relu", "elu", "selu", "tanh", "sigmoid"]


def activation(name: Activation, slope: float = 0.2) -> nn.Module:
    """An activation by name; ``slope`` is LeakyReLU's for negative values."""
    match name:
        case "relu":
            return nn.ReLU(inplace=True)
        case "leaky-relu":
            return nn.LeakyReLU(slope, inplace=True)
        case "elu":
            return nn.ELU(inplace=True)
        case "selu":
            return nn.SELU(inplace=True)
        case "tanh":
            return nn.Tanh()
        case "sigmoid":
            return nn.Sigmoid()


class Conv2d(nn.Conv2d):
    """``nn.Conv2d`` in its quickest form: (N, C, H, W) → (N, O, h, w)."""

    def __init__(
        self, below: int, width: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__(below, width, kernel, stride, padding, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return products.conv2d(x, self.weight, self.bias, self.stride[0], _square(self.padding))


class ConvTranspose2d(nn.ConvTranspose2d):
    """``nn.ConvTranspose2d`` in its quickest form: (N, C, h, w) → (N, O, H, W)."""

    def __init__(
        self, below: int, width: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__(below, width, kernel, stride, padding, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        return products.conv_transpose2d(x, self.weight, self.bias, self.stride[0], _square(self.padding))


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding: (N, C, H, W) → (N, O, ⌈H/s⌉, ⌈W/s⌉); a square kernel k ≥ s."""

    def __init__(self, below: int, width: int, kernel: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__(below, width, kernel, stride, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        (above, below), (before, after) = (self._pad(side) for side in x.shape[2:])
        if (above, before) == (below, after):
            return products.conv2d(x, self.weight, self.bias, self.stride[0], (above, before))
        return products.conv2d(F.pad(x, (before, after, above, below)), self.weight, self.bias, self.stride[0], (0, 0))

    def _pad(self, side: int) -> tuple[int, int]:
        """Pixels before and after: an even side, kernel 5 and stride 2 give (1, 2)."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        whole = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        return whole // 2, whole - whole // 2


class SameConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution with TensorFlow's SAME padding: (N, C, H, W) → (N, O, s·H, s·W); kernel k ≥ s."""

    def __init__(self, below: int, width: int, kernel: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__(below, width, kernel, stride, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        padding = (kernel - stride) // 2
        y = products.conv_transpose2d(x, self.weight, self.bias, stride, (padding, padding))
        if (kernel - stride) % 2 == 0:
            return y
        order = torch.channels_last if y.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        y = y[:, :, : x.shape[2] * stride, : x.shape[3] * stride]
        return y.contiguous(memory_format=order)  # what follows is several times slower on a map with gaps


def _square(padding: str | tuple[int, ...]) -> tuple[int, int]:
    return int(padding[0]), int(padding[-1])


class Dropout(nn.Dropout):
    """``nn.Dropout``; on a CPU a random byte a number decides, where p is a whole number of 256ths, as ½ is.

    PyTorch draws a random number each there, which takes several times as long.
    """

    def forward(self, x: Tensor) -> Tensor:
        below = self.p * 256
        if not self.training or x.device.type != "cpu" or below % 1 or not 0 < self.p < 1:
            return super().forward(x)
        drawn = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)  # type: ignore[call-overload]
        kept = drawn.view(torch.uint8)[: x.numel()] >= int(below)
        if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
            n, channels, height, width = x.shape
            mask = kept.view(n, height, width, channels).permute(0, 3, 1, 2)
        else:
            mask = kept.view(x.shape)
        return x * mask.to(x.dtype).mul_(1 / (1 - self.p))


class PixelNorm(nn.Module):
    """Every pixel's channels to mean square 1: b = a / √(mean_c(a²) + ε); (N, C, …) → the same.

    Karras et al. 2018, §4.2; ε = 1e-8. For a latent (N, z_dim) the channels are its numbers.
    """

    def forward(self, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)  # quicker than squaring x and taking the mean
        return x * torch.rsqrt(norm.square() / x.shape[1] + 1e-8)


class MinibatchStd(nn.Module):
    """One more channel that tells how much the batch varies: (N, C, H, W) → (N, C+1, H, W).

    Karras et al. 2018, §3: the standard deviation over the batch at every position and channel, √(var + 1e-8), averaged
    to one number. A D that sees it can tell a batch of look-alikes, so that G must keep its variety.
    ``group``: so many neighbours are one batch (as many as divide N); None = the whole batch.
    """

    def __init__(self, group: int | None = None) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        size = math.gcd(n, self.group) if self.group else n
        groups = x.float().reshape(n // size, size, -1)
        spread = groups.var(dim=1, correction=0).add(1e-8).sqrt().mean(dim=1)  # (N / size,)
        channel = spread.to(x.dtype).repeat_interleave(size)[:, None, None, None].expand(n, 1, height, width)
        return torch.cat((x, channel), dim=1)


class Equalised(nn.Module):
    """Equalised learning rate (Karras et al. 2018, §4.1): weights from N(0, 1), scaled at run time by He's constant.

    y = layer(x · c) for a layer without its bias, plus the bias;  c = gain / √fan_in.  Adam's steps then have the same
    relative size in every layer. With ``rate`` the layer learns that much slower (Karras et al. 2019, appendix C):
    weights from N(0, 1/rate²), both scaled by ``rate`` too. ``start``: the bias at first, as it is used.
    """

    def __init__(
        self, layer: nn.Conv2d | nn.Linear, gain: float = math.sqrt(2.0), rate: float = 1.0, start: float = 0.0
    ) -> None:
        super().__init__()
        self.layer = layer
        self.rate = rate
        self.scale = gain / math.sqrt(layer.weight[0].numel()) * rate
        nn.init.normal_(layer.weight, std=1 / rate)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, start / rate)

    @property
    def weight(self) -> Tensor:
        """As it is used: (O, I) or (O, I, k, k)."""
        return self.layer.weight * self.scale

    def forward(self, x: Tensor) -> Tensor:
        bias = self.layer.bias
        if bias is not None and self.rate != 1:
            bias = bias * self.rate
        if isinstance(self.layer, nn.Linear):
            return F.linear(x, self.weight, bias)
        return products.conv2d(x, self.weight, bias, self.layer.stride[0], _square(self.layer.padding))


@torch.no_grad()
def keras_init(module: nn.Module) -> None:
    """Keras's defaults: weights Glorot uniform, biases 0, batch norm 1 and 0; for ``net.apply``."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@torch.no_grad()
def max_norm(weights: Iterable[Tensor], limit: float = 1.0) -> None:
    """Keras's ``MaxNorm`` on its axis 0, in place: of a dense layer (O, I) the incoming vector, of a convolution
    (O, I, k, k) the kernel's columns are shortened to ``limit`` where they are longer."""
    for weight in weights:
        if weight.dim() == 4:  # summed row by row: vector_norm is 25 times as slow on weights that are channels-last
            norm = torch.stack([row.square() for row in weight.unbind(2)]).sum(0).sqrt().unsqueeze(2)
        else:
            norm = torch.linalg.vector_norm(weight, dim=1, keepdim=True)
        weight.mul_((limit / (norm + 1e-7)).clamp(max=1.0))
