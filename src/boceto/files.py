"""Text, pictures and tensors on disk: each is written beside its place and moved there, so none is ever half there.

Nothing is pickled: tensors are safetensors.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import safetensors
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from boceto.errors import Fault, UsageError, os_errors

_FORMAT = 1  # of the tensors' files


def user_cache() -> Path:
    """Where what can be made again is kept for the user: ``BOCETO_CACHE``, else ``~/.cache/boceto``."""
    return Path(os.environ.get("BOCETO_CACHE") or Path.home() / ".cache" / "boceto")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it takes its place at once, on failure it is removed."""
    temporary = path.with_name(f".{path.name}.partial")
    with os_errors("write", path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())  # safetensors writes for its owner alone
            temporary.replace(path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 text file at once."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


_LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535}  # pixels; others take what memory takes


def image_format(path: Path) -> str:
    """Pillow's name of the format that a file name ends in. Raises UsageError for an ending Pillow cannot write."""
    kind = Image.registered_extensions().get(path.suffix.lower(), "")
    if kind not in Image.SAVE:
        raise UsageError(f"cannot write a picture called {path.name}; let the name end in .png or .jpg")
    return kind


def write_image(path: Path, image: Image.Image) -> None:
    """Write a picture at once, in the format its name ends in. Raises UsageError if that cannot hold it."""
    kind = image_format(path)
    if max(image.size) > _LONGEST_SIDE.get(kind, max(image.size)):
        raise UsageError(
            f"{path.name} would be {image.width}×{image.height} pixels, but {kind} holds {_LONGEST_SIDE[kind]:,} a "
            f"side at most; let the name end in .png, or ask for less"
        )
    with replacing(path) as temporary:
        image.save(temporary, format=kind)


# ── tensors ──


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file at once, from tensors of any device and memory order."""
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(plain, temporary, metadata={"format": "pt", "boceto": str(_FORMAT), **metadata})
        except safetensors.SafetensorError as error:  # it wraps the system's errors as text
            raise _as_os_error(error) from error


_ANOTHER = "use another snapshot (--snapshot NAME), or train with another --out"


def load_tensors(path: Path, remedy: str = _ANOTHER) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors (on the CPU) and metadata; raises Fault, with the remedy, if the file is missing or cut short."""
    metadata = read_metadata(path, remedy)
    with _damage(path, remedy):
        return load_file(path), metadata


def read_metadata(path: Path, remedy: str = _ANOTHER) -> dict[str, str]:
    """Read the metadata of a safetensors file alone; raises Fault if the file is missing or cut short."""
    with os_errors("read", path), path.open("rb"):
        pass  # a folder, or one we may not read
    with _damage(path, remedy), safetensors.safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


@contextlib.contextmanager
def _damage(path: Path, remedy: str) -> Iterator[None]:
    try:
        yield
    except (safetensors.SafetensorError, ValueError) as error:
        raise Fault(f"{path} is damaged or cut short ({error}); {remedy}") from error


def restore(module: torch.nn.Module, tensors: Mapping[str, Tensor], prefix: str, source: Path) -> None:
    """Copy ``prefix.*`` tensors into a module's parameters and buffers; raises Fault if they do not fit."""
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    try:
        module.load_state_dict(own)
    except RuntimeError as error:
        raise Fault(f"{source} does not fit the network its recipe describes; was one of them changed?") from error


def _as_os_error(error: Exception) -> OSError:
    """safetensors reports a full disk as text, with the system's number in it; give it back its type."""
    text = str(error)
    number = text.partition("(os error ")[2].partition(")")[0]
    return OSError(int(number), text) if number.isdecimal() else OSError(text)
