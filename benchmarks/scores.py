"""Do the scores mean what they say? And what do they cost?

    .venv/bin/python benchmarks/scores.py validate OUT [DATA …]     real drawings, spoilt ever more
    .venv/bin/python benchmarks/scores.py chart OUT                 its charts and tables once more
    .venv/bin/python benchmarks/scores.py intervals [--rounds 200]  how often an interval holds the true value
    .venv/bin/python benchmarks/scores.py speed [--count 10000]     pictures a second, and memory

``validate`` compares real drawings with others of the same kind that are blurred, noisy, tinted, torn … at four
strengths, and writes what every score makes of that as JSON, as a chart and as a table; without DATA portraits of the
sketchbook. It takes ten minutes on a core for each set; ``tests/test_validation.py`` does the same in small.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from boceto import evaluating
from boceto.data import sketchbook
from boceto.data.deriving import reduced
from boceto.data.prepared import Prepared
from boceto.metrics import distances
from boceto.metrics import features as networks
from boceto.metrics.msssim import ms_ssim
from boceto.metrics.swd import swd
from boceto.reporting.figures import GRID, INK
from boceto.sampling import sheet

Images = NDArray[np.uint8]
SIZE = 64

# ── spoiling ──


def each(change: Callable[[Image.Image], Image.Image], images: Images) -> Images:
    return np.array([np.asarray(change(Image.fromarray(image))) for image in images], np.uint8)


def blurred(images: Images, sigma: float) -> Images:
    return each(lambda image: image.filter(ImageFilter.GaussianBlur(sigma)), images)


def noisy(images: Images, sigma: float) -> Images:
    noise = np.random.default_rng(0).normal(0, sigma, images.shape)
    return np.asarray((images + noise).clip(0, 255), np.uint8)


def tinted(images: Images, by: float) -> Images:
    return np.asarray((images + np.array([by, 0, -by])).clip(0, 255), np.uint8)


def compressed(images: Images, quality: float) -> Images:
    def change(image: Image.Image) -> Image.Image:
        image.save(buffer := BytesIO(), "JPEG", quality=int(quality))
        return Image.open(buffer).convert("RGB")

    return each(change, images)


def torn(images: Images, pieces: float) -> Images:
    """Of 4×4 pieces so many change places with each other."""
    n, height, width, channels = images.shape
    h, w = height // 4, width // 4
    cut = images[:, : 4 * h, : 4 * w].reshape(n, 4, h, 4, w, channels).swapaxes(2, 3).reshape(n, 16, h, w, channels)
    random = np.random.default_rng(0)
    mixed = cut.copy()
    for i in range(n):
        places = random.permutation(16)[: int(pieces)]
        mixed[i, places] = cut[i, np.roll(places, 1)]
    return mixed.reshape(n, 4, 4, h, w, channels).swapaxes(2, 3).reshape(n, 4 * h, 4 * w, channels)


def swapped(images: Images, share: float) -> Images:
    """The upper half below the lower one, in a share of the pictures."""
    count = round(share * len(images))
    return np.concatenate([np.roll(images[:count], images.shape[1] // 2, axis=1), images[count:]])


# What is done to every picture, and four strengths of it.
SPOILING: dict[str, tuple[Callable[[Images, float], Images], tuple[float, ...]]] = {
    "blur": (blurred, (0.5, 1, 2, 4)),
    "noise": (noisy, (5, 15, 40, 80)),
    "tint": (tinted, (10, 25, 50, 90)),
    "jpeg": (compressed, (70, 30, 10, 3)),
    "torn": (torn, (2, 4, 8, 16)),
    "halves swapped": (swapped, (0.1, 0.25, 0.5, 1)),
}
# What is done to the set: the share of it that is left, that is different, that is copied from the real ones.
DROPPING = {
    "kinds dropped": (0.8, 0.6, 0.4, 0.25),
    "repeats": (0.5, 0.125, 1 / 32, 1 / 128),
    "copies": (0.1, 0.25, 0.5, 1),
}


def spoilt(what: str, strength: float, real: Images, pool: Images, count: int) -> Images:
    """``count`` pictures of the pool (four times as many), spoilt. Kinds are dropped from the brightest on."""
    if what in SPOILING:
        return SPOILING[what][0](pool[:count], strength)
    if what == "kinds dropped":
        darkest: NDArray[np.int64] = np.argsort(pool.mean(axis=(1, 2, 3)), kind="stable")[
            : max(round(strength * len(pool)), count)
        ]
        return np.asarray(pool[np.random.default_rng(0).permutation(darkest)[:count]])
    if what == "repeats":
        return np.asarray(pool[np.random.default_rng(0).integers(0, max(round(strength * count), 1), count)])
    copied = round(strength * count)
    return np.concatenate([real[:copied], pool[copied:count]])


# ── scoring ──


Seen = dict[bytes, NDArray[np.float32]]  # a picture → its features


def looked(images: Images, net: networks.Network, seen: Seen) -> NDArray[np.float32]:
    """Their features; those of pictures that were there before are remembered."""
    keys = [image.tobytes() for image in images]
    if new := {key: number for number, key in enumerate(keys) if key not in seen}:
        seen.update(zip(new, networks.extract(images[list(new.values())], net), strict=True))
    return np.stack([seen[key] for key in keys])


def scored(real: Images, fake: Images, net: networks.Network, seen: Seen) -> dict[str, float]:
    """Every score's value; FID too, though of fewer pictures than features, since here the number is the same."""
    known, features = looked(real, net, seen), looked(fake, net, seen)
    found = {"fid": distances.frechet(known, features), "kid": 1000 * distances.kernel(known, features)}
    reach = distances.reach(known, features)
    found |= {name: getattr(reach, name) for name in ("precision", "recall", "density", "coverage")}
    found["diversity"] = distances.diversity(features) / distances.diversity(known)
    if net.logits is not None:
        probabilities = net.logits(torch.from_numpy(features)).softmax(dim=1).cpu().numpy()
        found["inception"] = distances.inception_score(probabilities)
    mixed = fake[np.random.default_rng(0).permutation(len(fake))]
    found["ms-ssim"] = float(ms_ssim(mixed[0 : len(mixed) // 2 * 2 : 2], mixed[1::2]).mean())
    return found | {f"swd-{size}": value for size, value in swd(real, fake, patches=64, directions=256).items()}


def validate(real: Images, pool: Images, net: networks.Network) -> dict[str, list[dict[str, float]]]:
    """What is done → scores at no strength (thrice: other pictures, as they are) and at four growing ones."""
    count, seen = len(real), Seen()
    untouched = [scored(real, pool[k * count : (k + 1) * count], net, seen) for k in range(4)]
    found = {"nothing": untouched[1:]}
    for what in (*SPOILING, *DROPPING):
        strengths = SPOILING[what][1] if what in SPOILING else DROPPING[what]
        spoilt_ever_more = (spoilt(what, strength, real, pool, count) for strength in strengths)
        found[what] = [untouched[0], *(scored(real, pictures, net, seen) for pictures in spoilt_ever_more)]
        print(what, {name: round(value, 3) for name, value in found[what][-1].items()}, flush=True)
    return found


def verdict(name: str, values: list[float], untouched: list[float]) -> tuple[str, bool]:
    """Does the score find the last of these pictures ``worse``, ``better`` or the ``same`` as untouched ones?

    And does it go there steadily? Allowed is what untouched sets differ by among themselves.
    """
    low, high = min(*untouched, values[0]), max(*untouched, values[0])
    room = max(high - low, 1e-9)
    if low - room <= values[-1] <= high + room:
        return "same", True
    sign = 1 if values[-1] > high else -1
    steady = all(sign * (after - before) > -room for before, after in itertools.pairwise(values))
    lower_is_better = True if name == "fid" else evaluating.about(name, (SIZE, SIZE, 3))[1]
    return ("worse" if (sign > 0) == (lower_is_better is not False) else "better"), steady


_WORDS = {"worse": "worse", "better": "**better**", "same": "–"}
COLOURS = {"worse": "#c6493b", "better": "#2e8b63", "same": "#9a96a3"}


def chart(found: Mapping[str, list[dict[str, float]]], title: str) -> Figure:
    """A row for everything that is done, a column for every score: from untouched on the left to most spoilt."""
    whats, names = [what for what in found if what != "nothing"], list(found["nothing"][0])
    figure = Figure(figsize=(1.02 * len(names) + 1.6, 0.78 * len(whats) + 1.0), layout="constrained")
    grid = figure.subplots(len(whats), len(names), squeeze=False)
    for row, what in zip(grid, whats, strict=True):
        for axes, name in zip(row, names, strict=True):
            untouched = [scores[name] for scores in found["nothing"]]
            _panel(axes, name, [scores[name] for scores in found[what]], untouched)
        row[0].set_ylabel(what, rotation=0, ha="right", va="center", fontsize=9, color=INK)
    for axes, name in zip(grid[0], names, strict=True):
        better = "lower" if name == "fid" or evaluating.about(name, (SIZE, SIZE, 3))[1] is not False else "higher"
        axes.set_title(f"{name}\n", fontsize=9, color=INK)
        axes.text(0.5, 1.08, f"{better} is better", transform=axes.transAxes, ha="center", fontsize=6, color="#77727f")
    figure.suptitle(title, fontsize=9, color=INK)
    return figure


def _panel(axes: Axes, name: str, values: list[float], untouched: list[float]) -> None:
    word, steady = verdict(name, values, untouched)
    axes.axhspan(min(*untouched, values[0]), max(*untouched, values[0]), color=GRID, linewidth=0.8)
    axes.plot(values, color=COLOURS[word], linewidth=1.6, linestyle="-" if steady else "--")
    axes.plot([len(values) - 1], values[-1:], "o", color=COLOURS[word], markersize=3)
    bottom, top = min(*values, *untouched), max(*values, *untouched)
    room = max(top - bottom, 1e-9)
    axes.set(xticks=[], yticks=[], ylim=(bottom - 0.15 * room, top + 0.55 * room))
    axes.text(0.97, 0.93, _short(values[-1]), transform=axes.transAxes, ha="right", va="top", fontsize=6, color=INK)
    for side in axes.spines.values():
        side.set_color(GRID)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{round(value, 3):.3g}"


def markdown(found: Mapping[str, list[dict[str, float]]]) -> str:
    """The verdicts as a table."""
    names = list(found["nothing"][0])
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for what in found:
        if what != "nothing":
            words = []
            for name in names:
                word, steady = verdict(name, [s[name] for s in found[what]], [s[name] for s in found["nothing"]])
                words.append(
                    {"worse": "worse", "better": "**better**", "same": "–"}[word]
                    + ("" if steady else " (not steadily)")
                )
            lines.append(f"| {what} | " + " | ".join(words) + " |")
    return "\n".join(lines) + "\n"


def portraits(count: int, seed: int = 0) -> Images:
    """So many portraits of the sketchbook, all different."""
    found: list[NDArray[np.uint8]] = []
    for number in range(10 * count):
        who = sketchbook.invent(seed, number)
        if who.framing == "portrait":
            found.append(np.asarray(sketchbook.draw(who, SIZE).convert("RGB")))
        if len(found) == count:
            break
    return np.stack(found)


def strips(image: Images) -> Image.Image:
    """A row for every way of spoiling one picture, (1, H, W, C): as it is, and at growing strength."""
    ways = [how for what, how in SPOILING.items() if what != "halves swapped"]
    rows = [np.concatenate([image, *(change(image, strength) for strength in strengths)]) for change, strengths in ways]
    return sheet(np.concatenate(rows), columns=5, scale=2)


def run_validate(out: Path, folders: list[Path], count: int, features: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    net = networks.network(features)
    for name, pictures in _sets(folders, 5 * count):
        several = len(pictures) // 5  # one set to compare with, a pool of four to spoil
        found = validate(pictures[:several], pictures[several:], net)
        about = {"set": name, "count": several, "features": features, "found": found}
        (out / f"{name}.json").write_text(json.dumps(about, indent=1), "utf-8")
    run_chart(out)


def _sets(folders: list[Path], count: int) -> Iterator[tuple[str, Images]]:
    if not folders:
        yield "sketchbook", portraits(count)
    for folder in folders:
        data = Prepared(folder)
        order = np.random.default_rng(0).permutation(len(data))[:count]
        yield folder.name, reduced(data.gather(order), (SIZE, SIZE, 3))


def run_chart(out: Path) -> None:
    """From what ``validate`` found, a chart and a table for every set; and what spoiling looks like."""
    strips(portraits(3)[2:]).save(out / "spoilt.jpg", quality=90)
    for path in sorted(out.glob("*.json")):
        about = json.loads(path.read_text("utf-8"))
        against = f"{about['count']} real pictures against as many others, spoilt ever more"
        chart(about["found"], f"{about['set']}: {against} ({about['features']})").savefig(
            path.with_suffix(".png"), dpi=110
        )
        path.with_suffix(".md").write_text(markdown(about["found"]), "utf-8")


# ── intervals ──


def run_intervals(rounds: int) -> None:
    """Gaussian features whose scores are told again and again; the true value is the mean of all rounds."""
    net = networks.Network("gaussian", 1, lambda images: images)
    scale = np.linspace(1, 0.1, 32)
    for title, shift, wide in (("alike", 0.0, 1.0), ("a little apart", 0.5, 0.8), ("far apart", 1.5, 0.5)):
        random = np.random.default_rng(0)
        told = []
        for _ in range(rounds):
            real, other = (random.normal(0, 1, (256, 32)) * scale for _ in range(2))
            fake = (shift / 32**0.5 + wide * other).astype(np.float32)
            told.append(evaluating.in_features(real.astype(np.float32), fake, net))
        _covered(title, told)
    random = np.random.default_rng(0)
    told = []
    for _ in range(max(rounds // 4, 10)):
        coarse = random.integers(0, 256, (256, 6, 6, 3)).astype(np.uint8)
        images = each(lambda image: image.resize((32, 32), Image.Resampling.BICUBIC), coarse)
        soft = blurred(images[128:], 1.0)
        told.append({"ms-ssim": evaluating._similarity(soft, 0), **evaluating._sliced(images[:128], soft, 0)})
    _covered("128 blurred textures of 32 px", told)


def _covered(title: str, told: list[dict[str, distances.Interval]]) -> None:
    print(f"| {title}, {len(told)} rounds | value | holds the true one | width ÷ the right one |\n|---|---|---|---|")
    for name in told[0]:
        values = np.array([found[name].value for found in told])
        holds = np.mean([found[name].low <= values.mean() <= found[name].high for found in told])
        width = np.mean([found[name].high - found[name].low for found in told]) / max(2 * 1.96 * values.std(), 1e-12)
        print(f"| {name} | {values.mean():.3f} | {100 * holds:.0f} % | {width:.2f} |", flush=True)


# ── cost ──


class Blots:
    """Pictures that are as many and as large as wanted, in the form of a prepared dataset."""

    def __init__(self, count: int) -> None:
        self.folder, self.shape, self.content_hash = Path("blots"), (SIZE, SIZE, 3), str(time.time_ns())
        self.manifest = {"source": "blots"}
        self._count = count

    def __len__(self) -> int:
        return self._count

    def gather(self, numbers: NDArray[np.int64]) -> Images:
        coarse = np.stack([np.random.default_rng(n).integers(0, 256, (8, 8, 3)).astype(np.uint8) for n in numbers])
        return each(lambda image: image.resize((SIZE, SIZE), Image.Resampling.BICUBIC), coarse)


def run_speed(count: int, features: str) -> None:
    """CPU time on one thread, so that other work on the machine counts for little.

    The network looks at some pictures; scores are told of ``count``, with as many numbers by a net that costs nothing.
    """
    net = networks.network(features)
    some, data = Blots(256).gather(np.arange(256)), Blots(2 * count)

    def watched(what: str, work: Callable[[], object], pictures: int) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"| {what} | {pictures:,} | {cpu:.0f} | {pictures / cpu:,.0f} | {wall:.0f} | {peak:.2f} |", flush=True)

    print(f"{features}\n| | pictures | CPU s | pictures/CPU s | wall s | peak GiB so far |\n|---|---|---|---|---|---|")
    width = networks.extract(some[:4], net).shape[1]
    watched(f"features by {features}", lambda: networks.extract(some, net), len(some))
    throw = torch.randn(3 * 16 * 16, width, generator=torch.Generator().manual_seed(0)) / 1000
    cheap = networks.Network("cheap", 16, lambda images: images.flatten(1) @ throw, net.logits)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["BOCETO_CACHE"] = cache
        reference = evaluating.Reference(data, cheap, data.shape, count)  # type: ignore[arg-type]
        watched("scores of other real ones, once", lambda: reference.floor, count)
        fake = data.gather(np.arange(2 * count, 3 * count))
        watched("scores of generated ones", lambda: reference.scores(fake), count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["validate", "chart", "intervals", "speed"])
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--count", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--features", default="lite0")
    arguments = parser.parse_args()
    if arguments.what in ("validate", "chart") and not arguments.paths:
        parser.error(f"{arguments.what} wants the folder for what is found")
    if arguments.what == "validate":
        run_validate(arguments.paths[0], arguments.paths[1:], arguments.count, arguments.features)
    elif arguments.what == "chart":
        run_chart(arguments.paths[0])
    elif arguments.what == "intervals":
        run_intervals(arguments.rounds)
    else:
        run_speed(arguments.count, arguments.features)


if __name__ == "__main__":
    main()
