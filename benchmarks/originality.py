"""How often ``boceto originality`` accuses fresh real pictures, and how often it finds planted copies.

    python benchmarks/originality.py DATA [DATA …] --out tables.json

Each dataset (``boceto prepare``) is split: a part stands for what a run learns from, a part for what it holds out, and
fresh pictures stand for those of a generator that copies nothing. Copies of training pictures, altered in every way
that is looked for, are planted among them. Which real pictures are fresh and which are what they are read by is drawn
anew 400 times: those held out, and training pictures that are looked for among all others, are alike in this.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from boceto import originality
from boceto.data.prepared import Prepared
from boceto.metrics import features as networks
from boceto.originality import PLANES, Known, Looked, Unseen, judge, nearnesses

Picture = NDArray[np.uint8]
REPEATS, EACH = 400, 24
SHARES, COUNTS = (0.0, 0.01, 0.05, 0.20), (64, 256)


def _shift(image: Picture, random: np.random.Generator) -> Picture:
    most = image.shape[0] // 16
    down, right = random.integers(-most, most + 1, 2)
    padded = np.pad(image, ((most, most), (most, most), (0, 0)), mode="edge")
    return padded[most + down : most + down + image.shape[0], most + right : most + right + image.shape[1]]


def _light(image: Picture, random: np.random.Generator) -> Picture:
    return (image * random.uniform(0.92, 1.08) + random.uniform(-12, 12)).clip(0, 255).astype(np.uint8)


def _tint(image: Picture, random: np.random.Generator) -> Picture:
    return (image * random.uniform(0.9, 1.1, image.shape[2])).clip(0, 255).astype(np.uint8)


def _jpeg(image: Picture, random: np.random.Generator) -> Picture:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=int(random.integers(40, 80)))
    return np.asarray(Image.open(out))


def _crop(image: Picture, random: np.random.Generator) -> Picture:
    height, width = image.shape[:2]
    share = random.uniform(0.92, 0.97)
    left, top = random.uniform(0, 1 - share, 2)
    box = (left * width, top * height, (left + share) * width, (top + share) * height)
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC, box=box))


def _blur(image: Picture, random: np.random.Generator) -> Picture:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(image.shape[0] / 64)))


def _noise(image: Picture, random: np.random.Generator) -> Picture:
    return (image + random.normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8)


def _all(image: Picture, random: np.random.Generator) -> Picture:
    return _jpeg(np.ascontiguousarray(_light(_shift(image[:, ::-1], random), random)), random)


WAYS: dict[str, Callable[[Picture, np.random.Generator], Picture]] = {
    "exact": lambda image, random: image,
    "mirrored": lambda image, random: image[:, ::-1],
    "shifted to 1/16": _shift,
    "lighter, darker": _light,
    "tinted": _tint,
    "JPEG": _jpeg,
    "cropped 3–8 %": _crop,
    "blurred": _blur,
    "noisy": _noise,
    "mirrored, shifted, lighter, JPEG": _all,
}


def measure(folder: Path, network: str) -> dict[str, Any]:
    """All figures of one dataset."""
    prepared = Prepared(folder)
    count = len(prepared)
    held, fresh = max(16, count // 20), min(1000, count // 5)
    originality._UNSEEN = 1000 + fresh
    random = np.random.Generator(np.random.PCG64(0))
    known = Known(prepared, held + fresh, prepared.shape, networks.network(network))
    unseen = known.unseen()
    chosen = {way: random.choice(known.learned, EACH, replace=False) for way in WAYS}
    copies = np.stack([WAYS[way](image, random) for way, at in chosen.items() for image in prepared.gather(at)])
    begun = time.monotonic()
    looked = known.look(np.ascontiguousarray(copies), "copies")
    seconds = time.monotonic() - begun

    def alike(rows: NDArray[np.int64]) -> Looked:
        nothing: NDArray[Any] = np.zeros((3, len(rows)), np.int64)
        return Looked(unseen.distances[:, rows], unseen.ratios[:, rows], nothing, nothing, unseen.features[rows])

    def mixed(real: Looked, rows: NDArray[np.int64]) -> Looked:
        planes = {
            name: np.concatenate([getattr(real, name), getattr(looked, name)[:, rows]], axis=1) for name in PLANES
        }
        return Looked(**planes, features=np.concatenate([real.features, looked.features[rows]]))

    def drawn(real: int, planted: int) -> tuple[Unseen, Looked]:
        rows = random.permutation(unseen.ratios.shape[1])
        reference = rows[real : real + min(1000, len(rows) - fresh)]
        read = Unseen(unseen.distances[:, reference], unseen.ratios[:, reference], unseen.features[reference], held)
        return read, mixed(alike(rows[:real]), random.permutation(len(copies))[:planted])

    told: dict[str, Any] = {"dataset": folder.name, "pictures": count, "held out": held, "fresh": fresh}
    told["pictures a second"] = len(copies) / seconds
    whole = judge(*drawn(fresh, 0))
    told["limits"] = {"nearness": whole.level.limit, **{name: level.limit for name, level in whole.views.items()}}
    told["unseen real pictures that look copied"] = whole.by_nature
    told["ways"] = {}
    truth = np.concatenate(list(chosen.values()))
    for number, way in enumerate(WAYS):
        rows = np.arange(number * EACH, (number + 1) * EACH)
        below = [looked.ratios[i, rows] <= level.limit for i, level in enumerate(whole.views.values())]
        right = looked.numbers[:, rows] == truth[rows]
        told["ways"][way] = {
            "named": right.mean(axis=1).tolist(),
            "found": [float(part.mean()) for part in below],
            "looks copied": float((nearnesses(looked.ratios[:, rows]) <= whole.level.limit).mean()),
            "ratio": np.median(looked.ratios[:, rows], axis=1).tolist(),
        }
    told["verdicts"] = {}
    for n in COUNTS:
        for share in SHARES:
            planted = round(share * n)
            if n > fresh:
                continue
            verdicts: dict[str, float] = {}
            scores = []
            for _ in range(REPEATS):
                found = judge(*drawn(n - planted, planted))
                verdicts[found.verdict] = verdicts.get(found.verdict, 0) + 1 / REPEATS
                scores.append(found.c_t.z if found.c_t is not None else 0.0)
            told["verdicts"][f"{n} pictures, {planted} copies"] = {
                **verdicts,
                "z of C_T": [float(np.mean(scores)), float(np.std(scores))],
            }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--features", default="lite0")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    told = []
    for folder in given.data:
        told.append(measure(folder, given.features))
        given.out.write_text(json.dumps(told, indent=1), "utf-8")
        print(json.dumps(told[-1], indent=1), flush=True)


if __name__ == "__main__":
    main()
