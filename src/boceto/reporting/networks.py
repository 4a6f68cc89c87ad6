"""What a network looks like: its layers with shapes and parameters, as a table and as a diagram (R57 of the theses).

Nothing is known here of any architecture: the nets are run once and tell their layers as they are called.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle
from torch import Tensor, nn

from boceto.gan import GAN
from boceto.nn.layers import Equalised, MinibatchStd, PixelNorm
from boceto.nn.styles import AdaIN, Constant, Noise
from boceto.reporting.figures import GRID, INK

Shape = tuple[int, ...]
_SOFT = "#8a8494"


@dataclass(frozen=True)
class Layer:
    """One call of one layer: its name in the net, what it is, its output without the batch, its own parameters."""

    name: str
    kind: str
    text: str
    shape: Shape
    parameters: int
    then: tuple[str, ...] = field(default=())  # norms and activations that follow it


def layers(net: nn.Module, *shown: Tensor) -> list[Layer]:
    """Every layer in the order of its calls, when ``net`` is ``shown`` this, (N, …); last what belongs to none of them.

    Weights and mode stay as they are.
    """
    found: list[Layer] = []
    with _listening(net, found), torch.no_grad():
        training = net.training
        net.eval()(*shown)
        net.train(training)
    own = net.named_parameters(recurse=False)
    return found + [Layer(name, "other", name.replace("_", " "), tuple(p.shape), p.numel()) for name, p in own]


def merged(found: Sequence[Layer]) -> list[Layer]:
    """Layers with what only follows them (norm, activation, dropout) put into ``then``; flattening is passed over."""
    rows: list[Layer] = []
    for layer in found:
        if layer.kind == "shape":
            if rows and len(layer.shape) == 3:  # a dense layer whose numbers are a map
                rows[-1] = replace(rows[-1], shape=layer.shape)
        elif layer.kind == "after" and rows:
            last = rows[-1]
            then = (*last.then, layer.text) if layer.text not in last.then[-1:] else last.then
            rows[-1] = replace(last, then=then, parameters=last.parameters + layer.parameters)
        else:
            rows.append(layer)
    return rows


def both(gan: GAN) -> dict[str, tuple[Shape, list[Layer]]]:
    """Layers of generator and discriminator (of decoder and encoder), with the shape of what goes in."""
    z, labels = gan.blank(2)
    with torch.no_grad():
        training = gan.generator.training
        image = gan.generator.eval()(z)
        gan.generator.train(training)
    g, d = ("generator", "discriminator") if gan.adversarial else ("decoder", "encoder")
    return {
        g: (tuple(z.shape[1:]), layers(gan.generator, z)),
        d: (tuple(image.shape[1:]), layers(gan.discriminator, image, *([] if labels is None else [labels]))),
    }


def size(shape: Shape) -> str:
    """(128, 12, 12) → ``128×12×12``."""
    return "×".join(f"{side:,}" for side in shape) if shape else "1"


# ── listening ──


@contextmanager
def _listening(net: nn.Module, found: list[Layer]) -> Iterator[None]:
    """Note every module that calls no other: the layers proper, whatever they are wrapped in. AdaIN is one layer."""
    calls: list[int] = []  # how many layers were known when each module that runs now was entered
    names = {module: name for name, module in net.named_modules()}

    def enter(module: nn.Module, _: object) -> None:
        calls.append(len(found))

    def leave(module: nn.Module, _: object, out: Tensor) -> None:
        before = calls.pop()
        if isinstance(module, AdaIN):
            del found[before:]
        if len(found) == before:
            kind, text = _told(module)
            own = sum(p.numel() for p in module.parameters())
            found.append(Layer(names[module], kind, text, tuple(out.shape[1:]), own))

    hooks = [
        hook
        for module in names
        for hook in (module.register_forward_pre_hook(enter), module.register_forward_hook(leave))
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _told(module: nn.Module) -> tuple[str, str]:
    """(kind, words) of a layer."""
    match module:
        case Equalised():
            kind, text = _told(module.layer)
            return kind, f"{text}, equalised"
        case nn.Linear():
            return "dense", f"dense {module.out_features:,}"
        case nn.ConvTranspose2d():
            return "transposed", f"transposed {_kernel(module)}"
        case nn.Conv2d():
            return "convolution", _kernel(module)
        case nn.Upsample():
            return "resize", f"enlarge ×{int(module.scale_factor or 1)}"  # type: ignore[arg-type]
        case nn.AvgPool2d():
            return "resize", f"average pool {module.kernel_size}×{module.kernel_size}"
        case nn.MaxPool2d():
            return "resize", f"max pool {module.kernel_size}×{module.kernel_size}"
        case Constant():
            return "in", "learned map"
        case MinibatchStd():
            return "resize", "minibatch deviation"
        case nn.Flatten() | nn.Unflatten() | nn.Identity():
            return "shape", ""
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            return "after", "batch norm"
        case PixelNorm():
            return "after", "pixel norm"
        case AdaIN():
            return "after", "AdaIN"
        case Noise():
            return "after", "noise"
        case nn.LeakyReLU():
            return "after", f"LeakyReLU {module.negative_slope:g}"
        case nn.Dropout():
            return "after", f"dropout {module.p:g}"
        case nn.Tanh() | nn.Sigmoid():
            return "after", type(module).__name__.lower()
    return "other" if list(module.parameters()) else "after", type(module).__name__


def _kernel(layer: nn.Conv2d | nn.ConvTranspose2d) -> str:
    stride = f", stride {layer.stride[0]}" if layer.stride[0] > 1 else ""
    return f"convolution {layer.kernel_size[0]}×{layer.kernel_size[1]}{stride}"


# ── the diagram ──

_COLOURS = {"dense": "#e0a458", "convolution": "#5b8fc7", "transposed": "#4aa59b", "resize": "#b9b3c4", "in": "#ded9e6"}
_ROW, _COLUMN, _GLYPH = 0.46, 6.0, 1.35  # inches


def diagram(gan: GAN, title: str) -> Figure:
    """Both nets from top to bottom, a row a layer: its map drawn as a slab (height its side, depth its channels)."""
    nets = {name: (given, merged(found)) for name, (given, found) in both(gan).items()}
    height = 1.35 + _ROW * (1 + max(len(rows) for _, rows in nets.values()))
    figure = Figure(figsize=(2 * _COLUMN + 0.3, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 2 * _COLUMN + 0.3), ylim=(height, 0))
    axes.axis("off")
    axes.text(0.3, 0.42, title, fontsize=15, fontweight="bold", color=INK, va="center")
    largest = max(max(layer.shape, default=1) for _, rows in nets.values() for layer in rows if len(layer.shape) == 3)
    for column, (name, (given, rows)) in enumerate(nets.items()):
        left = 0.3 + column * _COLUMN
        total = sum(layer.parameters for layer in rows)
        axes.text(left, 0.86, f"{name}: {total:,} parameters", fontsize=11, color=INK, va="center")
        start = Layer("", "in", "latent vector z" if len(given) == 1 else "picture", given, 0)
        for number, layer in enumerate([start, *rows]):
            _row(axes, left, 1.15 + _ROW * (number + 0.5), layer, largest, last=number == len(rows))
    return figure


def _row(axes: Axes, left: float, y: float, layer: Layer, largest: int, *, last: bool) -> None:
    """One layer: slab, words, shape and parameters; an arrow to the next."""
    width = _COLUMN - 0.3
    axes.add_patch(
        FancyBboxPatch(
            (left, y - _ROW * 0.42),
            width,
            _ROW * 0.84,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="#faf9fc",
            edgecolor=GRID,
            linewidth=0.7,
        )
    )
    _slab(axes, left + _GLYPH / 2, y, layer, largest)
    then = " · ".join(layer.then)
    axes.text(left + _GLYPH + 0.1, y - (0.085 if then else 0), layer.text, fontsize=9.5, color=INK, va="center")
    if then:
        axes.text(left + _GLYPH + 0.1, y + 0.095, then, fontsize=7.5, color=_SOFT, va="center")
    shift = 0.085 if layer.parameters else 0
    axes.text(left + width - 0.1, y - shift, size(layer.shape), fontsize=9.5, color=INK, ha="right", va="center")
    if layer.parameters:
        told = f"{layer.parameters:,}"
        axes.text(left + width - 0.1, y + 0.095, told, fontsize=7.5, color=_SOFT, ha="right", va="center")
    if not last:
        axes.plot([left + width / 2] * 2, [y + _ROW * 0.42, y + _ROW * 0.58], color=_SOFT, linewidth=1, zorder=0)


def _slab(axes: Axes, x: float, y: float, layer: Layer, largest: int) -> None:
    """A map as a box seen from the side; a vector as a bar."""
    colour = _COLOURS.get(layer.kind, _COLOURS["in"])
    if len(layer.shape) != 3:
        long = 0.16 + 0.9 * math.log1p(math.prod(layer.shape)) / math.log1p(10_000)
        axes.add_patch(
            Rectangle(
                (x - min(long, 1.1) / 2, y - 0.045),
                min(long, 1.1),
                0.09,
                facecolor=colour,
                edgecolor=INK,
                linewidth=0.5,
            )
        )
        return
    channels, side, _ = layer.shape
    face = 0.09 + 0.15 * math.log2(side + 1) / math.log2(largest + 1)
    deep, slant = 0.03 + 0.42 * math.log2(channels + 1) / 9, face * 0.35
    corner_x, corner_y = x - (deep + slant) / 2, y - face / 2
    top = [(corner_x, corner_y), (corner_x + slant, corner_y - slant / 2)]
    top += [(corner_x + slant + deep, corner_y - slant / 2), (corner_x + deep, corner_y)]
    right = [top[3], top[2], (top[2][0], top[2][1] + face), (top[3][0], top[3][1] + face)]
    for corners, alpha in ((top, 0.55), (right, 0.8)):
        axes.add_patch(Polygon(corners, facecolor=colour, alpha=alpha, edgecolor=INK, linewidth=0.5))
    axes.add_patch(Rectangle((corner_x, corner_y), deep, face, facecolor=colour, edgecolor=INK, linewidth=0.5))
