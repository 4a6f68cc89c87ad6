"""What a benchmark found, as plain data: ``bench.json``, by which machines are compared later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from boceto.errors import UsageError, os_errors

FILE = "bench.json"
# CómicGAN, §4.4.1: what its authors needed, for whoever reads figures of another machine.
THESIS = "the thesis CómicGAN trained for about 24 h on a Quadro P5000; a laptop's CPU was about 20 times slower"

_LARGEST_FILE = 16 * 2**20  # bytes: a thousand times what is written
# Wide enough for every machine there will be, and such that quotients of two are numbers too.
Positive = Annotated[float, Field(ge=1e-12, le=1e24)]
Share = Annotated[float, Field(ge=0, le=1e24)]


class Part(BaseModel):
    """One table: frozen, and without numbers that are none; keys of a later version are passed over."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Machine(Part):
    """Hardware and software."""

    device: str
    cpu: str
    cores: int
    logical_cores: int
    threads: int
    ram_gb: float
    gpu: str | None
    system: str
    python: str
    torch: str
    boceto: str

    @property
    def told(self) -> str:
        """In one line: CPU, GPU, threads, PyTorch."""
        gpu = f" · {self.gpu}" if self.gpu else ""
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        return f"{self.cpu}{gpu} · {threads} · PyTorch {self.torch}"


class Training(Part):
    """How quick a recipe trains, and draws, in one of its stages."""

    batch: int
    format: str = Field(description="of matrix products")
    images_per_second: Positive
    steps: int = Field(ge=1, description="that were timed")
    seconds: Positive = Field(description="that they took")
    first_step_s: Positive = Field(description="from nothing to the end of the first step, nets built")
    waiting: Share = Field(description="share of the time in which the next batch was waited for")
    flops_per_image: Positive = Field(description="floating-point operations of matrix products and convolutions")
    flops_per_second: Positive
    share: Share = Field(description="of the ceiling")
    memory_mb: Positive = Field(description="the most its process held while training, 10⁶ bytes")
    memory_before_mb: Positive = Field(description="what Python and PyTorch alone held")
    gpu_memory_mb: float | None
    drawn_per_second: Positive = Field(description="pictures, 64 at a time, float32")
    drawn_alone_per_second: Positive = Field(description="pictures, one at a time")


class Row(Part):
    """A recipe at one of its stages, or why it could not be measured."""

    recipe: str
    side: int = Field(description="of the pictures, in pixels")
    grows: bool
    kimg: float = Field(description="thousand images of a whole training spent at this stage; of all stages, if alone")
    found: Training | None = None
    failed: str | None = None

    @property
    def name(self) -> str:
        """The recipe, and which stage of it if it has several."""
        return f"{self.recipe} {self.side} px" if self.grows else self.recipe

    @property
    def hours(self) -> float | None:
        """Of a training for ``kimg`` at this rate."""
        return None if self.found is None else self.kimg * 1000 / self.found.images_per_second / 3600


class Point(Part):
    """The convolution test at one size: seconds of ten runs together."""

    device: str
    n: int
    seconds: Positive


class Data(Part):
    """How quick pictures come, on one core."""

    prepared_per_second: Positive = Field(description="boceto prepare, from pictures of 128 px to 64 px")
    batched_per_second: Positive = Field(description="batches of 64 from a prepared dataset, 64 px, mirrored by halves")


class Account(Part):
    """All of ``bench.json``."""

    kind: Literal["boceto bench"] = "boceto bench"
    format: Literal[1] = 1
    date: str
    machine: Machine
    seconds: Positive = Field(description="each recipe was to be timed for so long")
    ceilings: dict[str, Positive] = Field(description="number format → FLOP/s of the best matrix product")
    recipes: tuple[Row, ...]
    convolution: tuple[Point, ...]
    convolution_ended: str | None = Field(description="why the sweep did not come to its end, if so")
    data: Data | None
    thesis: str = THESIS


def read(path: Path) -> Account:
    """An account from its file, or from the folder it is in. Raises UsageError if it is none, Fault if unreadable."""
    path = path / FILE if path.is_dir() else path
    with os_errors("read", path), path.open("rb") as file:
        content = file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise UsageError(f"{path} is not what boceto bench writes (too large); give its {FILE}")
    try:  # some shells write what is led into a file in UTF-16, or with a mark before it
        return Account.model_validate_json(content.decode(json.detect_encoding(content), "replace"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = f"{where}: {first['msg']}" if where else first["msg"]
        raise UsageError(f"{path} is not what boceto bench writes ({said}); give its {FILE}") from error
