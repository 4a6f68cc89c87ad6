"""What the nets with styles share (Karras et al. 2019, "A Style-Based Generator Architecture for GANs"): the way from
latents to an intermediate latent space W, what w does to a map, the map that all begins with, and noise for each pixel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from boceto.nn.layers import Equalised, PixelNorm

_SLOWLY = 0.002  # what a batch adds to the mean of W (Karras et al. 2019, official settings: decay 0.998)


class Mapping(nn.Module):
    """Latents, then labels (N, z_dim + c_dim) → w (N, w_dim), by dense layers (Karras et al. 2019, §2).

    Both parts are brought to mean square 1, the labels through a layer of their own. ``rate``: the layers learn that
    much slower. ``mean`` (w_dim,) follows the mean of all w while training; in eval mode w is drawn towards it by
    ``psi`` (§B, truncation in W): 0 = the mean picture, 1 = as it is.
    """

    def __init__(self, z_dim: int, c_dim: int, w_dim: int, depth: int = 8, rate: float = 0.01) -> None:
        super().__init__()
        self.z_dim, self.psi = z_dim, 1.0
        self.norm = PixelNorm()
        self.labels = Equalised(nn.Linear(c_dim, w_dim), gain=1.0) if c_dim else None
        width = z_dim + (w_dim if c_dim else 0)
        layers: list[nn.Module] = []
        for _ in range(depth):
            layers += [Equalised(nn.Linear(width, w_dim), rate=rate), nn.LeakyReLU(0.2, inplace=True)]
            width = w_dim
        self.layers = nn.Sequential(*layers)
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(w_dim))

    def forward(self, z: Tensor) -> Tensor:
        x = self.norm(z[:, : self.z_dim])
        if self.labels is not None:
            x = torch.cat((x, self.norm(self.labels(z[:, self.z_dim :]))), dim=1)
        w: Tensor = self.layers(x)
        if self.training:
            self.mean.lerp_(w.detach().float().mean(dim=0), _SLOWLY)
        elif self.psi != 1:
            w = self.mean + self.psi * (w - self.mean)
        return w


def mixed(w: Tensor, other: Tensor, layers: int, share: float) -> Tensor:
    """Style mixing (Karras et al. 2019, §3.1): w (N, w_dim) for every layer, (N, layers, w_dim).

    Of a ``share`` of the pictures the layers from a random one on take the ``other`` w.
    """
    n = len(w)
    cut = torch.randint(1, max(2, layers), (n, 1), device=w.device)
    cut = torch.where(torch.rand(n, 1, device=w.device) < share, cut, layers)
    first = torch.arange(layers, device=w.device)[None] < cut  # (N, layers)
    return torch.where(first[:, :, None], w[:, None], other[:, None])


class Noise(nn.Module):
    """Noise for each pixel, the same on every channel: (N, C, H, W) → the same (Karras et al. 2019, §2).

    ``strength`` is learned from 0: one number, or one for each of so many ``channels``. Drawn anew while training; in
    eval mode always that of ``still`` (H, W), so that a latent has one picture.
    """

    def __init__(self, height: int, width: int, channels: int = 1) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels))
        self.still: Tensor
        self.register_buffer("still", torch.randn(height, width))

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        noise = torch.randn(n, 1, height, width, dtype=x.dtype, device=x.device) if self.training else self.still
        return torch.addcmul(x, noise.to(x.dtype), self.strength.to(x.dtype)[:, None, None])


class Constant(nn.Module):
    """A learned map, at first of ones, the same for every picture: anything (N, …) → (N, C, H, W)."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.ones(channels, height, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.values.expand(len(x), -1, -1, -1)


class AdaIN(nn.Module):
    """Adaptive instance norm: every map gets mean and deviation from w (Karras et al. 2019, eq. 1).

    y = (1 + s)·(x − mean x) / √(var x + 1e-5) + b,  (s, b) = A·w, A learned; (N, C, H, W), (N, w_dim) → (N, C, H, W).
    """

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        self.style = Equalised(nn.Linear(w_dim, 2 * channels), gain=1.0)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.style(w).float()[:, None].chunk(2, dim=2)  # (N, 1, C)
        pixels = x.float().permute(0, 2, 3, 1).flatten(1, 2)  # (N, H·W, C): a view of what is channels-last
        pixels = pixels - pixels.mean(dim=1, keepdim=True)
        norm = torch.linalg.vector_norm(pixels, dim=1, keepdim=True)  # var_mean takes longer
        scale = (1 + scale) * torch.rsqrt(norm.square() / pixels.shape[1] + 1e-5)
        y: Tensor = torch.addcmul(shift, pixels, scale).to(x.dtype).unflatten(1, x.shape[2:])
        return y.permute(0, 3, 1, 2)
