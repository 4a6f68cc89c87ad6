"""Drawing with a trained generator: latents from a seed, pictures from latents, sheets from pictures."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from boceto import archs, device, recipe
from boceto.clock import Clock
from boceto.device import Compute, Precision
from boceto.errors import Fault, UsageError
from boceto.files import image_format, load_tensors, restore, write_image
from boceto.gan import GAN
from boceto.nn.styles import Mapping
from boceto.runs import Run
from boceto.scaling import levels_from_signed, to_signed

Images = NDArray[np.uint8]


def latents(n: int, z_dim: int, seed: int, kind: Literal["normal", "uniform"] = "normal") -> Tensor:
    """(n, z_dim) from N(0, 1) or U(0, 1); the i-th is the same for one seed however many are asked for."""
    streams = (np.random.Generator(np.random.PCG64([seed, i])) for i in range(n))
    rows = [s.standard_normal(z_dim, np.float32) if kind == "normal" else s.random(z_dim, np.float32) for s in streams]
    return torch.from_numpy(np.stack(rows))


@torch.inference_mode()
def draw(
    generator: nn.Module, z: Tensor, compute: Compute, size: tuple[int, ...] | None = None, chunk: int = 64
) -> Images:
    """Pictures of these latents: (N, z_dim) → uint8 (N, H, W, C). The generator must be in eval mode.

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


def sheet(images: Images, columns: int | None = None, gap: int = 2, scale: int = 1) -> Image.Image:
    """Pictures in rows on white: uint8 (N, H, W, C) → one image, as square as possible unless ``columns`` is given."""
    n, height, width, channels = images.shape
    columns = min(n, columns or math.ceil(math.sqrt(n)))
    rows = math.ceil(n / columns)
    canvas = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 255, dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = image
    whole = Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)
    return whole.resize((whole.width * scale, whole.height * scale), Image.Resampling.LANCZOS) if scale > 1 else whole


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
        self.z_dim = gan.z_dim
        self.compute = device.choose(device_name, precision)
        self.generator = gan.generator.eval()
        self.compute.place(self.generator)

    def sample(self, n: int = 25, seed: int = 0, psi: float = 1.0) -> Images:
        """``n`` new pictures: uint8 (n, H, W, C). Picture i of a seed is the same whatever ``n`` is.

        ``psi`` shrinks the latents, those in W if there are, towards their mean: under 1 the pictures are more alike
        and often cleaner.
        """
        if not 1 <= n <= 1_000_000 or seed < 0:
            raise UsageError(f"cannot draw {n} pictures from seed {seed}; n is from 1 to 1,000,000, a seed 0 or more")
        if not 0 <= psi <= 2:
            raise UsageError(f"psi = {psi} is out of range; it lies between 0 (all the same) and 2")
        with device.memory_errors(f"draw {n:,} pictures at once", "fewer (-n)"):
            kind = self.recipe.train.latents
            z = latents(n, self.z_dim, seed, kind)
            if mapping := next((part for part in self.generator.modules() if isinstance(part, Mapping)), None):
                mapping.psi = psi
            else:
                mean = 0.5 if kind == "uniform" else 0.0
                z = mean + psi * (z - mean)
            with self.compute.autocast():
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
) -> list[Path]:
    """Draw ``n`` pictures on one sheet, and each alone into ``separate``; returns the paths of the latter."""
    image_format(out)
    if not 1 <= scale <= 16 or (columns is not None and columns < 1):
        raise UsageError("a sheet has 1 or more columns and is enlarged 1 to 16 times")
    if separate is not None and separate.is_dir() and any(separate.iterdir()):
        raise UsageError(f"folder {separate} is not empty, and nothing in it shall be overwritten; give another")
    with device.memory_errors(f"draw a sheet of {n:,} pictures", "fewer (-n), or a smaller --scale"):
        images = model.sample(n, seed, psi)
        whole = sheet(images, columns, scale=scale)
    paths = [separate / f"{i:05d}.png" for i in range(n)] if separate is not None else []
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
