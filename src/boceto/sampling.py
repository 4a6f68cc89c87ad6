"""Drawing with a trained generator: latents from a seed, pictures from latents, sheets from pictures."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from boceto import archs, device, recipe
from boceto.clock import Clock
from boceto.data import labels
from boceto.data.labels import Labels
from boceto.device import Compute, Precision
from boceto.errors import Fault, UsageError
from boceto.files import image_format, load_tensors, restore, write_image
from boceto.gan import GAN
from boceto.nn.styles import Mapping
from boceto.recipe import Recipe
from boceto.runs import Run
from boceto.scaling import levels_from_signed, to_signed

Images = NDArray[np.uint8]


def latents(n: int, z_dim: int, seed: int, kind: Literal["normal", "uniform"] = "normal") -> Tensor:
    """(n, z_dim) from N(0, 1) or U(0, 1); the i-th is the same for one seed however many are asked for."""
    streams = (np.random.Generator(np.random.PCG64([seed, i])) for i in range(n))
    rows = [s.standard_normal(z_dim, np.float32) if kind == "normal" else s.random(z_dim, np.float32) for s in streams]
    return torch.from_numpy(np.stack(rows))


def known(generator: nn.Module) -> Labels | None:
    """The rows of labels that a generator keeps, (KNOWN, c_dim): as they occur together; None if it is told none."""
    rows = dict(generator.named_buffers(recurse=False)).get("known")
    return None if rows is None else rows.cpu().numpy()


def told(generator: nn.Module, z: Tensor, seed: int) -> Tensor:
    """Latents (n, z_dim) as this generator takes them, (n, z_dim + c_dim): behind them the labels of that seed, as they
    occur together in the drawings. The i-th has the same however many there are. Where none are told, ``z`` itself.
    """
    rows = known(generator)
    return z if rows is None else beside(z, labels.drawn(rows, len(z), seed))


def beside(z: Tensor, rows: Labels) -> Tensor:
    """Latents (n, z_dim) with labels (n, c_dim) behind them, or with the same (c_dim,) behind all."""
    behind = torch.from_numpy(rows).to(z).expand(len(z), -1)
    return torch.cat((z, behind), dim=1)


def inputs(
    generator: nn.Module, n: int, z_dim: int, seed: int, kind: Literal["normal", "uniform"] = "normal"
) -> Tensor:
    """What a generator draws ``n`` pictures of a seed from: ``latents``, and labels behind them if it is told any."""
    return told(generator, latents(n, z_dim, seed, kind), seed)


def in_columns(generator: nn.Module, z: Tensor, names: Sequence[str]) -> Tensor:
    """Every latent of (n, z_dim) under each of the ``labels.columns`` in turn: (n · columns, z_dim + c_dim)."""
    rows = known(generator)
    assert rows is not None
    under = labels.columns(names, rows)
    return beside(z.repeat_interleave(len(under), dim=0), np.tile(under, (len(z), 1)))


@dataclass(frozen=True)
class Layout:
    """How a sheet is laid: so many pictures, so many in a row; the labels over its columns, if it has a column each."""

    count: int
    columns: int
    names: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return math.ceil(self.count / self.columns)

    def cells(self, sheet: Image.Image, gap: int = 2) -> list[tuple[int, int, int, int]]:
        """Where the pictures of such a sheet are, each with the gap left of it and above: left, top, right, bottom."""
        width = (sheet.width - gap) // self.columns
        begin = _heading(self.names, width, gap).height if self.names else 0
        height = (sheet.height - begin - gap) // self.rows
        corners = ((i % self.columns * width, begin + i // self.columns * height) for i in range(self.count))
        return [(left, top, left + width, top + height) for left, top in corners]


def layout(wanted: Recipe, count: int | None = None) -> Layout:
    """Of a sheet of ``count`` pictures, ``watch.samples`` if not given: as square as can be.

    Where G is told a few labels only, each has a column and each row the same latents, so that it is seen what a label
    does; it then holds as many rows as fit, two or more.
    """
    count = wanted.watch.samples if count is None else count
    side = math.ceil(math.sqrt(count))
    names = labels.titles(wanted.data.labels)
    if not wanted.data.labels or len(names) > 2 * side:
        return Layout(count, side)
    return Layout(len(names) * min(side, max(2, count // len(names))), len(names), names)


def of_a_sheet(generator: nn.Module, laid: Layout, wanted: Recipe, z_dim: int, seed: int | None = None) -> Tensor:
    """What a generator draws a sheet from, of ``train.seed`` if no other is given: (count, z_dim + c_dim)."""
    seed, kind = wanted.train.seed if seed is None else seed, wanted.train.latents
    if laid.names:
        return in_columns(generator, latents(laid.rows, z_dim, seed, kind), wanted.data.labels)
    return inputs(generator, laid.count, z_dim, seed, kind)


@torch.inference_mode()
def draw(
    generator: nn.Module, z: Tensor, compute: Compute, size: tuple[int, ...] | None = None, chunk: int = 64
) -> Images:
    """Pictures of these inputs: (N, z_dim + c_dim) → uint8 (N, H, W, C). The generator must be in eval mode.

    In float32 whatever the training's format: a seed then gives the same picture on every machine. ``size`` (H, W):
    the pictures of a net that is still growing are enlarged to it, pixel by pixel.
    """
    parts = []
    with compute.exactly():
        for part in torch.split(z, chunk):
            image = generator(part.to(compute.device))  # (n, C, H, W) in [-1, 1]
            image = enlarged(image, size or image.shape[2:])
            parts.append(levels_from_signed(image).permute(0, 2, 3, 1).cpu())
    return torch.cat(parts).numpy()


def enlarged(images: Tensor, size: Sequence[int]) -> Tensor:
    """(N, C, h, w) → (N, C, H, W) by repeating pixels, where the pictures are smaller."""
    return images if images.shape[2:] == tuple(size) else F.interpolate(images, size=tuple(size), mode="nearest")


def sheet(
    images: Images, columns: int | None = None, gap: int = 2, scale: int = 1, names: Sequence[str] = ()
) -> Image.Image:
    """Pictures in rows on white: uint8 (N, H, W, C) → one image, as square as possible unless ``columns`` is given.

    ``names``: what stands over each column.
    """
    n, height, width, channels = images.shape
    columns = min(n, columns or math.ceil(math.sqrt(n)))
    rows = math.ceil(n / columns)
    canvas = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 255, dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = image
    whole = Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)
    if scale > 1:
        whole = whole.resize((whole.width * scale, whole.height * scale), Image.Resampling.LANCZOS)
    if not names:
        return whole
    heading = _heading(names, (width + gap) * scale, gap * scale)
    page = Image.new("RGB", (whole.width, heading.height + whole.height), "white")
    page.paste(heading, (0, 0))
    page.paste(whole, (0, heading.height))
    return page


_INK = "#2b2733"
_LONGEST = 28  # letters of a name over a column


def _heading(names: Sequence[str], cell: int, gap: int) -> Image.Image:
    """Names over columns of ``cell`` pixels: lying where all fit, else standing, to be read from below upwards."""
    size = min(22, max(11, cell // 9))
    font = ImageFont.load_default(size)
    texts = [name.replace("_", " ") for name in names]
    texts = [text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for text in texts]
    widths = [math.ceil(font.getlength(text)) for text in texts]
    standing = max(widths) > cell - gap - 2
    height = (max(widths) if standing else size) + size
    heading = Image.new("RGB", (len(names) * cell + gap, height), "white")
    for place, (text, width) in enumerate(zip(texts, widths, strict=True)):
        middle = gap + place * cell + (cell - gap) // 2
        strip = Image.new("L", (width + 2, 2 * size), 0)
        ImageDraw.Draw(strip).text((1, size), text, fill=255, font=font, anchor="lm")
        strip = strip.rotate(90, expand=True) if standing else strip
        top = height - strip.height - size // 3 if standing else (height - strip.height) // 2
        heading.paste(_INK, (middle - strip.width // 2, top), strip)
    return heading


class Model:
    """A trained generator, ready to draw: ``boceto.load(RUN).sample(n, seed)``."""

    def __init__(
        self, folder: Path | str, snapshot: str = "last", device_name: str = "auto", precision: Precision = "float32"
    ) -> None:
        """Open a run's snapshot, to draw in that number format: ``auto`` is the quickest here.

        Raises UsageError (no such run or snapshot) or Fault (a snapshot cut short).
        """
        self.run = Run(folder)
        self.path = self.run.snapshot(snapshot)
        gan, self.nimg = _restored(self.path, ("ema",))
        self.recipe, self.image_shape = gan.recipe, gan.image_shape
        self.z_dim, self.labels = gan.z_dim, gan.recipe.data.labels
        self.compute = device.choose(device_name, precision)
        self.generator = gan.generator.eval()
        self.compute.place(self.generator)

    def sample(self, n: int = 25, seed: int = 0, psi: float = 1.0, labels: Sequence[str] | None = None) -> Images:
        """``n`` new pictures: uint8 (n, H, W, C). Picture i of a seed is the same whatever ``n`` is.

        ``psi`` shrinks the latents, those in W if there are, towards their mean: under 1 the pictures are more alike
        and often cleaner. ``labels``: the tags and the class that all of them shall show, and no other; without, they
        are mixed as in the drawings. Raises UsageError for a label that G was not told, or if it was told none.
        """
        z = self._latents(n, seed, psi)
        return self._drawn(told(self.generator, z, seed) if labels is None else beside(z, self._row(labels)))

    def by_label(self, n: int = 5, seed: int = 0, psi: float = 1.0) -> Images:
        """``n`` latents under every label in turn, row by row: uint8 (n · columns, H, W, C), with ``titles`` over them.

        Raises UsageError if G was told no labels.
        """
        self._require_told()
        return self._drawn(in_columns(self.generator, self._latents(n, seed, psi), self.labels))

    def sheet(self, count: int, seed: int, scale: Callable[[int], int]) -> Image.Image:
        """About ``count`` pictures as the sheets of a training are laid; ``scale``: how large, by the side of one."""
        laid = layout(self.recipe, count)
        images = self.by_label(laid.rows, seed) if laid.names else self.sample(count, seed)
        return sheet(images, laid.columns, scale=scale(images.shape[2]), names=laid.names)

    @property
    def titles(self) -> tuple[str, ...]:
        """What stands over the columns of ``by_label``."""
        return labels.titles(self.labels)

    def asked(self, n: int, seed: int) -> Labels:
        """What ``sample(n, seed)`` asks of each picture: (n, c_dim) in {0, 1}, in the order of ``labels``."""
        rows = known(self.generator)
        return np.zeros((n, 0), np.uint8) if rows is None else labels.drawn(rows, n, seed)

    def _row(self, names: Sequence[str]) -> Labels:
        self._require_told()
        rows = known(self.generator)
        assert rows is not None
        return labels.row(names, self.labels, rows)

    def _require_told(self) -> None:
        if not self.labels:
            raise UsageError(
                f"run {self.run.folder} was told no labels, so it draws whatever comes; train one that is, for example "
                f"with --set 'data.labels=[\"class\"]'"
            )

    def _latents(self, n: int, seed: int, psi: float) -> Tensor:
        if not 1 <= n <= 1_000_000 or seed < 0:
            raise UsageError(f"cannot draw {n} pictures from seed {seed}; n is from 1 to 1,000,000, a seed 0 or more")
        if not 0 <= psi <= 2:
            raise UsageError(f"psi = {psi} is out of range; it lies between 0 (all the same) and 2")
        with device.memory_errors(f"draw {n:,} pictures at once", "fewer (-n)"):
            kind = self.recipe.train.latents
            z = latents(n, self.z_dim, seed, kind)
        if mapping := next((part for part in self.generator.modules() if isinstance(part, Mapping)), None):
            mapping.psi = psi
            return z
        mean = 0.5 if kind == "uniform" else 0.0
        return mean + psi * (z - mean)

    def _drawn(self, z: Tensor) -> Images:
        with device.memory_errors(f"draw {len(z):,} pictures at once", "fewer (-n)"), self.compute.autocast():
            return draw(self.generator, z, self.compute)


def write_sheet(
    model: Model,
    out: Path,
    n: int = 25,
    seed: int = 0,
    psi: float = 1.0,
    *,
    columns: int | None = None,
    scale: int = 1,
    separate: Path | None = None,
    labels: Sequence[str] | None = None,
    by_label: bool = False,
) -> list[Path]:
    """Draw ``n`` pictures on one sheet, and each alone into ``separate``; returns the paths of the latter.

    ``labels``: what they all shall show. ``by_label``: ``n`` rows of the same latents instead, with a column a label.
    """
    image_format(out)
    if by_label and (labels is not None or columns is not None):
        raise UsageError("a sheet by label has a column for each of them, so leave --label and --columns out")
    if not 1 <= scale <= 16 or (columns is not None and columns < 1):
        raise UsageError("a sheet has 1 or more columns and is enlarged 1 to 16 times")
    if separate is not None and separate.is_dir() and any(separate.iterdir()):
        raise UsageError(f"folder {separate} is not empty, and nothing in it shall be overwritten; give another")
    with device.memory_errors(f"draw a sheet of {n:,} pictures", "fewer (-n), or a smaller --scale"):
        if by_label:
            images, names = model.by_label(n, seed, psi), model.titles
            whole = sheet(images, len(names), scale=scale, names=names)
        else:
            images = model.sample(n, seed, psi, labels)
            whole = sheet(images, columns, scale=scale)
    paths = [separate / f"{i:05d}.png" for i in range(len(images))] if separate is not None else []
    for path, image in zip(paths, images, strict=False):
        write_image(path, sheet(image[None], gap=0))
    write_image(out, whole)
    return paths


def load(
    folder: Path | str, snapshot: str = "last", device_name: str = "auto", precision: Precision = "float32"
) -> Model:
    """Open a run's trained generator, to draw in that number format: ``auto`` is the quickest here."""
    return Model(folder, snapshot, device_name, precision)


def load_gan(folder: Path | str, snapshot: str = "last") -> GAN:
    """Both nets as they were trained (not the average), on the CPU: what another training starts from."""
    return _restored(Run(folder).snapshot(snapshot), ("generator", "discriminator"))[0]


def load_average(folder: Path | str, snapshot: str = "last") -> nn.Module:
    """The averaged generator, on the CPU: what draws, and what another training's average starts from."""
    return _restored(Run(folder).snapshot(snapshot), ("ema",))[0].generator


def reconstruct(folder: Path | str, images: Images, snapshot: str = "last", device_name: str = "auto") -> Images:
    """Pictures, uint8 (N, H, W, C), by way of the latents that a run's encoder finds for them: as it draws them again.

    Raises UsageError if its network has none.
    """
    gan, compute = load_gan(folder, snapshot).eval(), device.choose(device_name, "float32")
    compute.place(gan)
    with torch.inference_mode():
        levels = torch.from_numpy(images).permute(0, 3, 1, 2).to(compute.device)
        z = gan.encode(to_signed(levels, compute.memory_format))
    return draw(gan.generator, z, compute)


def _restored(path: Path, parts: Sequence[str]) -> tuple[GAN, int]:
    """The nets of a snapshot, in the form they had then, with these parts' weights; and the images they had seen.

    ``ema``, the average, takes G's place. Raises Fault if the snapshot is damaged, or none of boceto's.
    """
    tensors, metadata = load_tensors(path)
    try:
        gan = archs.build(recipe.parse(tomllib.loads(metadata["recipe"]), str(path)))
        now = Clock(**{name: int(metadata.get(name, 0)) for name in ("nimg", "step", "batch")})
    except (KeyError, ValueError) as error:
        raise Fault(f"{path} carries no recipe, so it is no snapshot of boceto's") from error
    gan.reach(now.before)
    for part in parts:
        restore(gan.discriminator if part == "discriminator" else gan.generator, tensors, f"{part}.", path)
        if not all(bool(tensor.isfinite().all()) for name, tensor in tensors.items() if name.startswith(f"{part}.")):
            raise Fault(f"the weights in {path} are not all numbers, so it draws nothing; try another --snapshot")
    return gan, now.nimg
