"""What a run begins with: an earlier run of the same architecture, or a tagger; and what of D stays as it came.

Of a run every layer is taken that has the name and the shape of one here, in both nets and in G's average; of a tagger
its trunk, for D. The others begin fresh. What stays as it came (``train.freeze_d``) must have come from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from boceto import archs, probing, sampling
from boceto.clock import AT_LAST
from boceto.errors import UsageError
from boceto.gan import GAN, Origin, in_words
from boceto.nn.classifier import Trunk
from boceto.recipe import Recipe
from boceto.runs import Run
from boceto.tagger.folder import Tagger


def named(origin: Path | str, snapshot: str) -> str:
    """What of an origin a run begins with: the snapshot of a run, or a tagger, by its name."""
    if not Tagger.exists(origin):
        return Run(origin).snapshot(snapshot).stem
    if snapshot != "last":
        raise UsageError(f"--from-snapshot {snapshot}: {origin} is a tagger, which has no snapshots; leave it out")
    return Tagger(origin).name


def load(about: Mapping[str, Any], wanted: Recipe) -> Origin | None:
    """The trained nets that a run (``run.json``) begins with, if it is to begin with any.

    Raises UsageError if nothing of them fits, if the recipe cannot do without, or if it freezes what they do not hold.
    """
    gan = archs.build(wanted)
    if "origin" not in about:
        if gan.needs_origin:
            raise UsageError(f"{gan.needs_origin}; give its run with --from, or leave arch.start out to train them all")
        return None
    folder, name = about["origin"]["run"], about["origin"]["snapshot"]
    if Tagger.exists(folder):
        tagger = Tagger(folder)
        if tagger.name != name:
            raise UsageError(
                f"{folder} is {tagger.name} now, the run was to begin with {name}; train with another --out"
            )
        found = of_tagger(tagger, wanted)
    else:
        trained = sampling.load_gan(folder, name)
        found = Origin(trained, taken=frozenset(gan.adopt(trained)), averaged=sampling.load_average(folder, name))
    if wanted.train.freeze_d:
        _require_taken(gan, found, folder)
    return found


def of_tagger(tagger: Tagger, wanted: Recipe) -> Origin:
    """The nets as they would begin anyway, but D's trunk, which is the tagger's."""
    torch.manual_seed(wanted.train.seed)
    gan = archs.build(wanted)
    trunks = {name: part for name, part in gan.named_modules() if isinstance(part, Trunk)}
    if not trunks:
        raise UsageError(
            f"a D of this recipe has not the layers of a tagger, so it cannot begin with {tagger.folder}; "
            f"use a convolutional recipe with --set arch.d=tagger"
        )
    (channels, height, width), has = gan.image_shape, tagger.shape
    if has != (height, width, channels):
        raise UsageError(
            f"{tagger.folder} looks at pictures of {in_words(has[2], has[0], has[1])}, but the recipe draws "
            f"{in_words(channels, height, width)}; train a tagger of that size, with --size {max(height, width)}"
        )
    ((name, trunk),) = trunks.items()
    trunk.load_state_dict(tagger.net.trunk.state_dict())
    return Origin(gan, taken=frozenset(f"{name}.{key}" for key in trunk.state_dict()))


def told(about: Mapping[str, Any], wanted: Recipe, origin: Origin) -> str:
    """What a run begins with, in a sentence."""
    sizes = {name: weight.numel() for name, weight in archs.build(wanted).named_parameters()}
    share = sum(size for name, size in sizes.items() if name in origin.taken) / sum(sizes.values())
    whole = sizes.keys() <= origin.taken
    part = "all weights come" if whole else f"{max(1, min(99, round(100 * share)))} % of the weights come"
    rest = "" if whole else ", the others begin fresh"
    n = wanted.train.freeze_d
    frozen = f"; the first {n} layers of D stay as they came" if n > 1 else "; D's first layer stays as it came"
    return f"{part} from {about['origin']['run']} ({about['origin']['snapshot']}){rest}{frozen if n else ''}"


def require_freezable(about: Mapping[str, Any], wanted: Recipe) -> None:
    """Refuse to freeze layers of D that have come from nowhere, all that there are, or those of a D that grows."""
    n, leave = wanted.train.freeze_d, "leave train.freeze_d out"
    if not n:
        return
    if "origin" not in about:
        raise UsageError(
            f"train.freeze_d = {n} keeps layers of D as they came from another run, and this one comes from none; "
            f"give a trained one with --from, or {leave}"
        )
    gan = archs.build(wanted)
    count = len(probing.layers(gan.discriminator, *_shown(gan)))
    if gan.reach(AT_LAST):
        raise UsageError(
            f"train.freeze_d = {n}: the D of a {wanted.arch['name']} grows where the pictures come in, so that nothing "
            f"can stay there as it came; {leave}"
        )
    if n >= count:
        raise UsageError(
            f"train.freeze_d = {n} leaves nothing of D to learn, which has {count} layers; freeze {count - 1} at most"
        )


def _require_taken(gan: GAN, origin: Origin, folder: str) -> None:
    """Refuse to freeze what is fresh: that is as it is by chance."""
    n, shown = gan.recipe.train.freeze_d, _shown(gan)

    def came(count: int) -> bool:
        lowest = probing.lower(gan.discriminator, count, *shown)
        return all(f"discriminator.{name}" in origin.taken for name in lowest)

    if not came(n):
        most = max(count for count in range(n) if came(count))
        which, instead = f"layer {most + 1} of D does not come from {folder}", f"freeze {most} at most"
        raise UsageError(f"train.freeze_d = {n}, but {which}; {instead if most else 'leave train.freeze_d out'}")


def _shown(gan: GAN) -> tuple[Tensor, ...]:
    """What D can be shown: two pictures of G's, and labels if it takes any."""
    z, labels = gan.blank(2)
    with torch.no_grad():
        pictures: Tensor = gan.generator.eval()(z)
    gan.generator.train()
    return (pictures,) if labels is None else (pictures, labels)
