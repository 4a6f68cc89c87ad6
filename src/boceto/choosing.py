"""Which recipe suits these drawings, this machine and this time, and why: what ``boceto train auto`` takes.

Size and classes of the drawings → maps, labels. Device and time, by a trial of some seconds → how wide the nets may be.
Size and batch → strength of R1. How often each drawing is shown → jitter. Every choice has its sentence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from boceto import archs, recipe, trial
from boceto.data.prepared import Prepared, held_out
from boceto.device import Compute
from boceto.errors import UsageError
from boceto.recipe import Recipe

BASE = "stylegan2-64"  # what is changed for the case at hand
LEAST_MINUTES = 0.5
FEW = 100  # drawings
OFTEN = 60  # times that D is shown each of them

_WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_IMAGES = 25_000  # to be seen in a minute's training; in m minutes √m times as many
_FEWEST_IMAGES = 10_000  # fewer than that will not do
_GAMMA = 0.1  # R1 at 64×64 pixels and batches of 16; it grows with pixels, and falls with the batch
_CLASSES, _OF_A_CLASS = 64, 30  # of drawings: classes at most, pictures in each at least, to be drawn by class
_TRIAL_S = 1.5

Speed = Callable[[Recipe, Compute], float]


@dataclass(frozen=True)
class Choice:
    """A recipe, and why it is so, a sentence each."""

    recipe: Recipe
    reasons: tuple[str, ...]


def _measured(wanted: Recipe, compute: Compute) -> float:
    return trial.speed(wanted, compute, seconds=_TRIAL_S)


def choose(data: Prepared, compute: Compute, minutes: float, speed: Speed | None = None) -> Choice:
    """The recipe for these drawings, so many minutes on this device; ``speed`` tells images/s, by a trial if not given.

    Raises UsageError where there is no such recipe: a size that cannot be drawn, too little time.
    """
    if not minutes >= LEAST_MINUTES:
        raise UsageError(f"--minutes {minutes:g}: auto wants {LEAST_MINUTES:g} minutes or more to train in")
    height, width, channels = data.shape
    wanted = recipe.load(BASE).changed([f"arch.channels={channels}", f"train.minutes={minutes:g}", "train.kimg=1e6"])
    wanted, why = _sized(wanted, data), [_about(data, compute, minutes)]
    wanted, reason = _batched(wanted, data, compute)
    why.append(reason)
    if classes := _classes(data):
        wanted = wanted.changed(['data.labels=["class"]'])
        why.append(f"its {classes} classes: G is told which to draw")
    gamma = _GAMMA * height * width / 64**2 * 16 / wanted.train.batch
    wanted = wanted.changed([f"objective.r1_gamma={gamma:.4g}"])
    why.append(f"R1 {gamma:.3g}: {_GAMMA:g} at 64×64 in batches of 16, more for more pixels, less for larger batches")
    wanted, reason, seen = _widened(wanted, compute, minutes, speed or _measured)
    why.append(reason)
    wanted, reason = _jittered(wanted, data, seen)
    return Choice(wanted, (*why, reason))


def _about(data: Prepared, compute: Compute, minutes: float) -> str:
    height, width, channels = data.shape
    return (
        f"{len(data):,} drawings of {width}×{height} in {'grey' if channels == 1 else 'colour'}, {minutes:g} minutes "
        f"on {compute.label}: a StyleGAN2, narrow enough to see much in that time"
    )


def _sized(wanted: Recipe, data: Prepared) -> Recipe:
    height, width, _ = data.shape
    try:
        return _sound(wanted.changed([f"arch.resolution={height if height == width else [height, width]}"]))
    except UsageError as error:
        raise UsageError(f"{data.folder}: {error}; prepare the drawings again with --size") from error


def _sound(wanted: Recipe) -> Recipe:
    archs.configure(wanted)
    return wanted


def _batched(wanted: Recipe, data: Prepared, compute: Compute) -> tuple[Recipe, str]:
    """Batches of 16, of 64 on a card; of a quarter of the drawings where they are few."""
    learned = len(data) - held_out(len(data), wanted.data.held_out)
    usual = 64 if compute.card else 16
    batch = max(4, min(usual, 2 ** int(math.log2(max(1, learned // 4)))))
    why = "as usual on a card" if compute.card else "small, so that it learns often"
    reason = f"batches of {batch}: {why if batch == usual else 'so few drawings'}"
    return wanted.changed([f"train.batch={batch}"]), reason


def _jittered(wanted: Recipe, data: Prepared, seen: float) -> tuple[Recipe, str]:
    """The more often D is shown each drawing, the more of what it sees is jittered; else it knows them by heart."""
    count = len(data)
    epochs = seen / (count - held_out(count, wanted.data.held_out))
    if count < FEW:
        return wanted.changed(['augment.policy=["colour","translation","cutout"]']), (
            f"only {count} drawings: the strongest jitter (colour, shift, cut-out, mirrored); even so what it draws "
            f"will be close to them; a hundred or more would do much better"
        )
    if epochs > OFTEN:
        return wanted.changed(['augment.policy=["geometry","tone"]', "augment.adaptive=true"]), (
            f"D is shown each drawing {epochs:,.0f} times: all it sees is moved, turned and tinted at random, as often "
            f"as keeps it from knowing them by heart (ADA), and mirrored"
        )
    return wanted, f"D is shown each drawing {epochs:,.0f} times, too seldom to learn it by heart: mirrored only"


def _classes(data: Prepared) -> int:
    """How many classes there are, if they are to be told apart; else 0."""
    counts = Counter(record.label for record in data.records())
    sensible = None not in counts and 2 <= len(counts) <= _CLASSES and min(counts.values()) >= _OF_A_CLASS
    return len(counts) if sensible else 0


def _widened(wanted: Recipe, compute: Compute, minutes: float, speed: Speed) -> tuple[Recipe, str, float]:
    """The widest nets that still see enough pictures in the time (both grow with its root), and how many they see."""
    enough = _IMAGES * math.sqrt(minutes)
    chosen, seen = wanted, 0.0
    for width in _WIDTHS:
        wider = wanted.changed([f"arch.width={width}", f"arch.most={min(512, 4 * width)}"])
        images = speed(wider, compute) * minutes * 60
        if images >= enough or width == _WIDTHS[0]:
            chosen, seen = wider, images
        if images < enough:
            break
    if seen < _FEWEST_IMAGES:
        time = f"{minutes:g} minute{'s' * (minutes != 1)}"
        raise UsageError(
            f"in {time} even a small net sees only {seen:,.0f} pictures of this size here, too few to "
            f"learn from; give it {math.ceil(minutes * _FEWEST_IMAGES / seen):,} minutes or prepare smaller ones"
        )
    reason = (
        f"width {chosen.arch['width']}: it sees about {seen / 1000:,.0f} thousand pictures in the time, and "
        f"{enough / 1000:,.0f} thousand are wanted; a wider net would see fewer"
    )
    return chosen, reason, seen
