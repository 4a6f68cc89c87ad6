"""A recipe says everything that decides what a training does; it is typed, frozen, and plain TOML.

    name or file → ``load`` → Recipe → ``changed(["train.batch=64"])`` → Recipe → ``to_toml`` → run folder

What depends on the machine (device, folders) is not in it. The table ``[arch]`` belongs to the architecture named in
it; its keys are checked by that architecture's own ``Config`` when the network is built.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tomli_w
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from boceto.errors import UsageError, nearest, os_errors

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Long = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]  # still whole when counted in images
Every = Annotated[float, Field(ge=0.001, le=1e12, allow_inf_nan=False)]  # thousands of images: at least one
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Order = Literal["shuffled", "sequential", "sequential-single", "stochastic", "random-single", "fixed"]
Objective = Literal[
    "non-saturating", "minimax", "least-squares", "hinge", "wasserstein", "relativistic", "relativistic-average"
]
Jitter = Literal[
    "colour", "translation", "cutout", "geometry", "flip", "rotate90", "shift", "scale", "rotate", "stretch",
    "fractional-shift", "tone", "brightness", "contrast", "luma-flip", "hue", "saturation",
]  # fmt: skip
M = TypeVar("M", bound=BaseModel)


def _over_time(turns: int | dict[str, int]) -> int | dict[str, int]:
    if isinstance(turns, dict):
        try:
            moments = [float(kimg) for kimg in turns]
        except ValueError:
            moments = []
        if min(moments, default=-1) != 0 or len(set(moments)) < len(moments) or not all(map(math.isfinite, moments)):
            raise ValueError("say from how many thousand images on, beginning at 0, for example {0 = 2, 100 = 1}")
    counts = turns.values() if isinstance(turns, dict) else [turns]
    if not all(1 <= count <= 100 for count in counts):
        raise ValueError("a step has from 1 to 100 turns of each net")
    return turns


def _turns(turns: Any) -> Any:
    counts = list(turns.values()) if isinstance(turns, dict) else [turns]
    if not all(isinstance(count, int) for count in counts):
        raise ValueError("give a whole number of turns, or numbers over time, for example {0 = 2, 100 = 1}")
    return turns


Turns = Annotated[int | dict[str, int], BeforeValidator(_turns), AfterValidator(_over_time)]


class Section(BaseModel):
    """One table of a recipe: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class DataPart(Section):
    """[data] How pictures come out of the prepared dataset."""

    order: Order = Field(
        "shuffled",
        description="shuffled: batches from a new permutation every epoch; sequential: batches in the dataset's order; "
        "sequential-single: one picture at a time in that order; stochastic: batches drawn at random, repeats allowed; "
        "random-single: one picture at a time so drawn; fixed: batches put together once, their order drawn anew every "
        "epoch; the single ones ask for train.batch = 1",
    )
    flip: bool = Field(False, description="mirror every other picture, at random, left to right")
    held_out: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.05,
        description="share of the pictures that is never learned from, to see whether D knows the others by heart "
        "(1,000 at most; none if they would be fewer than 16)",
    )
    labels: tuple[str, ...] = Field(
        (),
        description='what G is told to draw: tags, or class:NAME; ["class"] = all classes of the dataset',
    )

    @model_validator(mode="after")
    def _labels_differ(self) -> DataPart:
        if len(set(self.labels)) < len(self.labels) or not all(map(str.strip, self.labels)):
            raise ValueError('labels: name each tag or class once, for example ["smile", "blue_hair"]')
        return self


class ObjectivePart(Section):
    """[objective] What D and G are asked to reach."""

    loss: Objective = Field("non-saturating", description="the adversarial loss of both nets")
    real_label: Annotated[float, Field(gt=0.5, le=1)] = Field(1.0, description="D's target for real pictures")
    g_label: Annotated[float, Field(gt=0.5, le=1)] = Field(1.0, description="G's target for D's answer")
    r1_gamma: NotNegative = Field(0.0, description="strength of the R1 penalty; 0 = none")
    r2_gamma: NotNegative = Field(0.0, description="the same on generated pictures; 0 = none")
    r1_every: int = Field(16, ge=1, description="steps from one (lazy) R1 or R2 penalty to the next")
    gp_lambda: NotNegative = Field(0.0, description="strength of Wasserstein's gradient penalty; 0 = none")
    drift: NotNegative = Field(0.0, description="strength that keeps D's scores of real pictures near 0; 0 = none")

    @model_validator(mode="after")
    def _goes_together(self) -> ObjectivePart:
        if self.loss not in ("non-saturating", "minimax", "least-squares"):
            for name in ("real_label", "g_label"):
                if getattr(self, name) != 1:
                    raise ValueError(f"the {self.loss} loss knows no labels; leave {name} at 1")
        if self.loss == "wasserstein" and not (self.gp_lambda or self.r1_gamma):
            raise ValueError(
                "the wasserstein loss grows without end unless D's slope is held; set gp_lambda, usually 10"
            )
        return self


class BalancePart(Section):
    """[balance] What keeps D and G level."""

    d_turns: Turns = Field(1, description="batches that D learns from in a step; or over time, as {0 = 5, 100 = 1}")
    g_turns: Turns = Field(1, description="batches that G learns from in a step; or over time, as {0 = 2, 100 = 1}")
    update: Literal["alternating", "simultaneous"] = Field(
        "alternating",
        description="alternating: G learns from the D that has just learned; simultaneous: both gradients are taken "
        "before either net moves",
    )
    fresh_fakes: bool = Field(False, description="G's turn draws latents of its own instead of D's turn's")
    fake_as_real: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.0, description="largest share of generated pictures among D's real ones; the surer D is, the more"
    )

    @model_validator(mode="after")
    def _at_once_means_once(self) -> BalancePart:
        if self.update == "simultaneous" and ((self.d_turns, self.g_turns) != (1, 1) or self.fresh_fakes):
            raise ValueError(
                "simultaneous updates take one turn of each net on the same fakes; "
                "leave d_turns and g_turns at 1 and fresh_fakes at false, or use update=alternating"
            )
        return self


def _share(pseudo: Any) -> Any:
    return {True: 0.5, False: 0.0}[pseudo] if isinstance(pseudo, bool) else pseudo


class AugmentPart(Section):
    """[augment] Jitter of everything D sees."""

    policy: tuple[Jitter, ...] = Field(
        (),
        description="DiffAugment: colour, translation, cutout, in order; before them ADA: flip, rotate90, shift, "
        "scale, rotate, stretch, fractional-shift (geometry: all of these), brightness, contrast, luma-flip, hue, "
        "saturation (tone: all of these)",
    )
    p: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0, description="probability with which each jitter acts on a picture; where it is adaptive it begins at 0"
    )
    adaptive: bool = Field(False, description="p follows D (ADA): up while D is surer of real pictures than the target")
    target: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.6, description="mean sign of D's output for real pictures; 0 = it guesses, 1 = it knows them all"
    )
    adapt_kimg: Positive = Field(50.0, description="thousands of images in which p can go from 0 to 1")
    every: int = Field(4, ge=1, description="steps from one move of p to the next")
    bound: Annotated[float, Field(gt=0, le=1)] = Field(
        0.85, description="the most that an adaptive p becomes; from there on jitter may show in G's pictures"
    )
    pseudo: Annotated[float, BeforeValidator(_share), Field(ge=0, le=0.5)] = Field(
        0.0,
        description="largest share of generated pictures among D's real ones that follows D in the same way (APA); "
        "true = 0.5",
    )

    @model_validator(mode="after")
    def _adapts_something(self) -> AugmentPart:
        if self.adaptive and not self.policy:
            raise ValueError(
                'adaptive moves the probability of jitters, and policy names none; for example policy=["geometry", '
                '"tone"], or leave adaptive at false'
            )
        if self.adaptive and self.p != 1:
            raise ValueError("an adaptive p begins at 0 and moves by itself, up to bound; leave p at 1")
        return self


class TrainPart(Section):
    """[train] How long, how fast, from which seed."""

    batch: int = Field(128, ge=1, le=65536, description="pictures in a step")
    micro_batch: int = Field(
        0,
        ge=0,
        le=65536,
        description="pictures computed at once, where memory is short: a step adds up the gradients of its parts "
        "(batch norm and minibatch deviation then see a part); 0 = the whole batch",
    )
    kimg: Long = Field(1000.0, description="thousands of images to see in all")
    minutes: Long | None = Field(None, description="stop after so many minutes of training, if that is sooner")
    seed: int = Field(0, ge=0, lt=2**63)
    d_lr: Positive = Field(2e-4, description="Adam's rate for D")
    g_lr: Positive = Field(2e-4, description="Adam's rate for G")
    beta1: Annotated[float, Field(ge=0, lt=1)] = Field(0.5, description="Adam's first-moment decay")
    beta2: Annotated[float, Field(ge=0, lt=1)] = Field(0.999, description="Adam's second-moment decay")
    eps: Positive = Field(1e-8, description="what keeps Adam's and RMSprop's divisor from 0; Keras has 1e-7")
    optimiser: Literal["adam", "rmsprop", "sgd"] = Field(
        "adam", description="beta1 is SGD's momentum, beta2 RMSprop's alpha"
    )
    latents: Literal["normal", "uniform"] = Field("normal", description="z from N(0, 1), or from U(0, 1)")
    freeze_d: int = Field(
        0,
        ge=0,
        description="layers of D, from its input side, that stay as they came with --from (Mo et al. 2020); 0 = none",
    )
    ema_kimg: NotNegative = Field(10.0, description="half-life of the averaged G, in thousands of images; 0 = none")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="of matrix products")
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="nets as compiled code; auto: on CUDA, if what is left of the training is worth it"
    )

    def parts(self, batch: int) -> int:
        """In how many parts a batch of that size is computed."""
        return math.ceil(batch / self.micro_batch) if self.micro_batch else 1


class WatchPart(Section):
    """[watch] What is written while it trains, every so many thousand images."""

    log_kimg: Every = Field(1.0, description="one line in log.jsonl: means since the last")
    sample_kimg: Every = Field(10.0, description="one sheet in samples/")
    snapshot_kimg: Every = Field(50.0, description="one snapshot, and the state to resume from")
    samples: int = Field(25, ge=1, le=400, description="pictures on a sheet, from fixed latents")
    scored: int = Field(256, ge=0, le=50_000, description="pictures that a snapshot's score is told on; 0 = no score")
    features: str = Field(
        "none",
        description="network by which snapshots are scored too (kid, precision, recall, diversity): lite0, inception, "
        "a tagger's folder; of 256 pictures it takes some seconds a snapshot",
    )
    keep: int = Field(0, ge=0, description="snapshots to keep, beside the best and those of stages; 0 = all")


class DoctorPart(Section):
    """[doctor] What counts as a fault, and what is done about it."""

    act: Literal["off", "warn", "roll-back", "stop"] = Field(
        "warn",
        description="off: look only when asked, with boceto doctor; warn: say so and go on; stop: save and stop; "
        "roll-back: return to the last healthy snapshot with gentler settings",
    )
    tries: int = Field(3, ge=1, le=100, description="roll-backs before the run is given up")
    ease: Annotated[float, Field(ge=1e-6, lt=1)] = Field(0.5, description="what a roll-back multiplies rates with")
    patience: int = Field(5, ge=1, le=1000, description="lines of the log on which a fault must be seen")
    warm_up_kimg: NotNegative = Field(16.0, description="before so many thousand images G's variety is not judged")
    explosion: Positive = Field(30.0, description="a gradient or loss so many times as large as usual explodes")
    vanishing: Positive = Field(1e-4, description="a gradient that small a share of what it was, or is elsewhere")
    frozen: NotNegative = Field(1e-3, description="losses that change by less, relatively, are frozen")
    certain: Annotated[float, Field(gt=0.5, le=1)] = Field(0.985, description="D, right that often, is too certain")
    collapse: NotNegative = Field(0.1, description="variety (1 = as the drawings) below which G draws one picture")
    partial_collapse: NotNegative = Field(
        0.25, description="variety, or share of distinct drawings, below which G draws a few pictures only"
    )
    overfit: Positive = Field(
        0.25, description="how far D takes held-out drawings for generated ones when it knows the others; 1 = entirely"
    )
    memorising: Annotated[float, Field(gt=0.5, le=1)] = Field(
        0.95, description="where none are held out: share of the drawings that D then knows"
    )
    memorising_epochs: NotNegative = Field(20.0, description="and that not before so many epochs")
    starvation: Annotated[float, Field(gt=0, le=1)] = Field(0.3, description="share of the time spent waiting for data")
    rate_high: Positive = Field(0.05, description="relative change of weights in a step that is too much")
    rate_low: NotNegative = Field(1e-6, description="and that is too little")
    plateau_minutes: NotNegative = Field(5.0, description="a score stands still that has not bettered for so long")
    plateau: NotNegative = Field(0.02, description="a score that an hour more betters by a smaller share stands still")


class Recipe(Section):
    """Everything that decides what a training does."""

    arch: dict[str, Any]
    data: DataPart = DataPart()
    objective: ObjectivePart = ObjectivePart()
    balance: BalancePart = BalancePart()
    augment: AugmentPart = AugmentPart()
    train: TrainPart = TrainPart()
    watch: WatchPart = WatchPart()
    doctor: DoctorPart = DoctorPart()

    @model_validator(mode="after")
    def _single_means_one(self) -> Recipe:
        order, batch = self.data.order, self.train.batch
        if order.endswith("-single") and batch != 1:
            several = "sequential" if order == "sequential-single" else "stochastic"
            raise ValueError(
                f"data.order = '{order}' shows one picture at a time, but train.batch = {batch}; "
                f"use train.batch=1, or data.order={several}"
            )
        return self

    @model_validator(mode="after")
    def _plants_once(self) -> Recipe:
        if self.balance.fake_as_real and self.augment.pseudo:
            raise ValueError(
                "balance.fake_as_real and augment.pseudo both plant generated pictures among D's real ones; set one"
            )
        return self

    def to_toml(self) -> str:
        """The recipe as TOML, complete (defaults written out), so that a run can be read in one file."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def changed(self, assignments: Iterable[str], source: str = "--set") -> Recipe:
        """A new recipe with ``key=value`` assignments applied: ``train.batch=64``, ``augment.policy=["cutout"]``.

        Values are read as TOML; what is not TOML is taken as a word. Raises UsageError naming the key.
        """
        table = self.model_dump(mode="python")
        for assignment in assignments:
            key, equals, value = assignment.partition("=")
            parts = key.strip().split(".")
            if not equals or len(parts) != 2 or not all(parts):
                raise UsageError(f"{source} {assignment}: write section.key=value, for example train.batch=64")
            section, name = parts
            if section not in type(self).model_fields:
                raise UsageError(
                    f"{source} {assignment}: no section '{section}'{nearest(section, type(self).model_fields)}"
                )
            table[section] = {**table[section], name: _toml_value(value.strip())}
        return parse(table, source)


def names() -> list[str]:
    """The recipes that come with boceto."""
    folder = resources.files("boceto") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def text(name: str) -> str:
    """The TOML text of a named recipe, with its header of what was measured; raises UsageError if there is none."""
    if name not in names():
        raise UsageError(f"there is no recipe '{name}'{nearest(name, names())}, or give the path of a .toml file")
    return (resources.files("boceto") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")


def headline(name: str) -> str:
    """What a named recipe is, in one line: the first sentence of its header."""
    header = " ".join(line.lstrip("# ") for line in text(name).split("\n\n")[0].splitlines())
    return header.partition(". ")[0].rstrip(".").partition(":")[0]


def load(name_or_path: str | Path) -> Recipe:
    """A recipe by name or from a ``.toml`` file; raises UsageError or Fault in one sentence."""
    if str(name_or_path).endswith(".toml"):
        path = Path(name_or_path)
        with os_errors("read recipe", path):
            content = path.read_bytes()
    else:
        path, content = Path(f"{name_or_path}"), text(str(name_or_path)).encode()
    try:
        return parse(tomllib.loads(content.decode("utf-8-sig")), str(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"recipe {path} is not valid TOML: {error}") from error


def differences(old: Recipe, new: Recipe) -> dict[str, tuple[Any, Any]]:
    """The keys whose values differ, by their full names: key → (old, new)."""
    a, b = old.model_dump(), new.model_dump()
    keys = [(section, key) for section in b for key in {**a[section], **b[section]}]
    pairs = {f"{section}.{key}": (a[section].get(key), b[section].get(key)) for section, key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def parse(table: Mapping[str, Any], source: str) -> Recipe:
    """Check a table; raises UsageError naming ``source``, the key, what is wrong and the nearest right key."""
    recipe = checked(Recipe, table, source)
    name = recipe.arch.get("name")
    if not isinstance(name, str):
        fault = "missing" if name is None else f"{name!r}, not a name"
        raise UsageError(
            f'{source}: arch.name is {fault}; say which architecture, for example name = "dcgan" under [arch]'
        )
    return recipe


def checked(model: type[M], table: Mapping[str, Any], source: str, prefix: str = "") -> M:
    """Build ``model`` from ``table`` or raise UsageError with every complaint in one sentence."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        complaints = "; ".join(_complaint(model, detail, prefix) for detail in error.errors())
        raise UsageError(f"{source}: {complaints}") from error


def _complaint(model: type[BaseModel], detail: Mapping[str, Any], prefix: str) -> str:
    location: Sequence[Any] = detail["loc"]
    key = prefix + ".".join(str(part) for part in location)
    if detail["type"] == "extra_forbidden":
        owner: Any = model
        for part in location[:-1]:
            owner = owner.model_fields[part].annotation
        return f"unknown key '{key}'{nearest(str(location[-1]), owner.model_fields)}"
    if detail["type"] == "missing":
        return f"{key} is missing"
    message = str(detail["msg"]).removeprefix("Value error, ").replace("a valid tuple", "a list in brackets")
    message = message[0].lower() + message[1:]
    given = detail["input"]
    return f"{key} = {given!r}: {message}" if location and not isinstance(given, dict) else f"{prefix}{message}"


def _toml_value(value: str) -> Any:
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return value
