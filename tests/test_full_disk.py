"""A disk that is full, or no longer to be written, at any moment of a run: one sentence, and nothing is lost."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from boceto import runs, starting
from boceto.data.prepared import Prepared
from boceto.errors import Fault, os_errors
from boceto.recipe import Recipe
from boceto.runs import Run

WALL = {"seconds", "images_per_second", "waiting", "joules", "memory_mb"}


class Disk:
    """Counts what is written, and refuses the ``bad``-th file (a log line: after its first half)."""

    def __init__(self, patch: pytest.MonkeyPatch, bad: int, number: int) -> None:
        self.written, self.bad, self.number = 0, bad, number
        fsync = os.fsync

        def flush(file: int) -> None:
            self.write()
            fsync(file)

        def log(run: Run, entry: Mapping[str, Any]) -> None:
            text = json.dumps(entry) + "\n"
            with os_errors("write", path := run.folder / runs.LOG), path.open("a", encoding="utf-8") as file:
                file.write(text[: len(text) // 2])
                self.write()
                file.write(text[len(text) // 2 :])

        patch.setattr(os, "fsync", flush)
        patch.setattr(Run, "log", log)

    def write(self) -> None:
        self.written += 1
        if self.written == self.bad:
            raise OSError(self.number, os.strerror(self.number))


def test_full_at_any_moment(tiny: Recipe, data: Prepared, tmp_path: Path) -> None:
    """Of all the files and lines that a run writes, each is refused once; then the same command ends as ever."""
    file = tmp_path / "tiny.toml"
    file.write_text(tiny.changed(["watch.scored=8", "train.kimg=0.048", "watch.keep=1"]).to_toml(), "utf-8")

    def train(out: Path) -> Run:
        return starting.train(file, data.folder, out, device_name="cpu")

    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, 0, errno.ENOSPC)
        whole = train(tmp_path / "whole")
    assert disk.written == 21
    expected = contents(whole)
    for bad in range(1, disk.written + 1):
        number = (errno.ENOSPC, errno.EROFS, errno.EIO)[bad % 3]
        out = tmp_path / f"{bad}"
        with pytest.MonkeyPatch.context() as patch:
            Disk(patch, bad, number)
            with pytest.raises(Fault, match="cannot write ") as refused:
                train(out)
        assert "\n" not in str(refused.value)
        assert not list(out.rglob("*.partial"))
        assert contents(train(out)) == expected


def contents(run: Run) -> dict[str, Any]:
    """What a finished run holds, but for what the clock on the wall says."""
    tensors = safetensors.torch.load_file(run.state)
    return {
        "state": {name: torch.hash_tensor(tensor).item() for name, tensor in tensors.items()},
        "log": [{k: v for k, v in line.items() if k not in WALL} for line in run.read_log()],
        "snapshots": list(run.snapshots()),
        "samples": {nimg: path.read_bytes() for nimg, path in run.samples().items()},
    }
