"""The doctor: what is wrong with a training, since when, how one sees it, and what helps.

It reads the lines of the log one by one, while a run trains or afterwards, with the same verdict. A rule looks at one
line and those before it and says what it sees, or nothing; what a rule has seen on several lines running becomes a
finding, which begins where it was seen first. Every threshold stands in the recipe under ``[doctor]``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, linear_regression, median
from typing import Any

from boceto import archs
from boceto.gan import GAN
from boceto.recipe import DoctorPart, Recipe
from boceto.runs import ranking

Line = Mapping[str, float]
_KEPT = 64  # lines that "usual" is worked out from
_LATEST = 4  # scores that tell where it goes, of three times as many; or a third of all if that is more
_FEW = 16  # lines that do not tell much
_MANY = 16  # lines that even out what is seen in one batch
_LARGE = 10.0  # a loss of a D or a G in good health
_ONE_DRAWING = 20.0  # G's variety, were the drawings all but the same
_TELLS_APART = 0.2  # between D's mean scores of real and generated pictures; below that it knows nothing
_ENOUGH = 6  # lines before anything is usual
_AT_BOUND = 0.95  # of a bound: what steps up and down below it comes no nearer
_MOVED = {"augment_p": "augment.p", "pseudo_p": "augment.pseudo"}


@dataclass(frozen=True)
class Finding:
    """A fault: seen first at ``nimg`` images (``step``), sure at ``sure_at``, over at ``ended`` if it went away."""

    name: str
    nimg: int
    step: int
    sure_at: int
    evidence: str
    remedy: str
    grave: bool  # worth treating; else advice
    ended: int | None = None

    def told(self) -> dict[str, Any]:
        """It as plain data; ``onset`` and the others in images seen."""
        names = {"nimg": "onset", "sure_at": "sure", "ended": "ended", "step": "step"}
        words = {name: getattr(self, name) for name in ("name", "evidence", "remedy", "grave")}
        return words | {told: getattr(self, name) for name, told in names.items()}

    def __str__(self) -> str:
        over = f", until {self.ended:,}" if self.ended is not None else ""
        return f"{self.name} since {self.nimg:,} images{over}: {self.evidence}; {self.remedy}"


@dataclass(frozen=True)
class Sight:
    """What a rule looks at: a line, those before it (the oldest first), and the recipe.

    ``calm`` are the lines before the rule has begun to see something: what has become usual since is no measure.
    """

    line: Line
    before: Sequence[Line]
    calm: Sequence[Line]
    recipe: Recipe
    pictures: int
    kind: type[GAN]
    scored: Sequence[tuple[float, float]] = ()  # hours of training and the score, of each scored snapshot at this size

    @property
    def how(self) -> DoctorPart:
        return self.recipe.doctor

    @property
    def nets(self) -> dict[str, str]:
        """What they are called, by their letter in the log."""
        return self.kind.names()

    def get(self, key: str) -> float:
        """A number of the line; NaN, which no comparison holds for, if it is not there."""
        return self.line.get(key, float("nan"))

    def usual(self, key: str) -> float:
        """The median of a number while all was calm; NaN before there are enough lines."""
        known = [line[key] for line in self.calm if math.isfinite(line.get(key, math.nan))]
        return median(known) if len(known) >= _ENOUGH else float("nan")

    def latest(self, key: str, count: int) -> list[float]:
        """A number of the latest lines, this one last; empty if there are not so many."""
        known = [line[key] for line in (*self.before[-4 * count :], self.line) if key in line][-count:]
        return known if len(known) == count else []

    def side(self, net: str) -> tuple[float, float]:
        """The norms of a net's gradients in the layer at its input and in the one at its output."""
        norms = [value for key, value in self.line.items() if key.startswith(f"{net}/gradient/")]
        return (norms[0], norms[-1]) if len(norms) > 1 else (float("nan"), float("nan"))


@dataclass(frozen=True)
class Rule:
    """A fault one can have: what it is, what helps, and how it is seen on a line (empty: it is not)."""

    name: str
    about: str
    remedy: str
    sees: Callable[[Sight], str]
    patience: int | None = None  # lines it must be seen on; None: as the recipe says
    without_d: str = ""  # what helps where there is no discriminator, if that is another thing
    grave: bool = True


# ── the rules ──


def _explosion(at: Sight) -> str:
    if broken := [key for key, value in at.line.items() if not math.isfinite(value)]:
        return f"{', '.join(broken[:3])} is not finite any more"
    for net, name in at.nets.items():
        gradient, usual = at.get(f"{net}/gradient"), at.usual(f"{net}/gradient")
        if gradient > at.how.explosion * usual:
            return f"{name}'s gradient is {_times(gradient, usual)} times as large as usual"
        loss, normal = abs(at.get(f"{net}/loss")), abs(at.usual(f"{net}/loss"))
        # All but Wasserstein's say how sure D is, and none is ever so sure.
        if at.kind.adversarial and at.recipe.objective.loss != "wasserstein":
            normal = min(normal, _LARGE) if math.isfinite(normal) else 1.0
        if loss > at.how.explosion * max(normal, 1.0):
            return f"{name}'s loss is {loss:,.0f}, of about {normal:.2g} that are usual"
    return ""


def _times(large: float, small: float) -> str:
    """How many times as large, in words; a quotient beyond all measure is not worked out."""
    return f"{large / small:,.0f}" if small * 1e9 > large else "over a milliard"


def _vanishing(at: Sight) -> str:
    for net, name in at.nets.items():
        first, last = at.side(net)
        if first < at.how.vanishing * last:
            return f"{name}'s gradient is {_times(last, first)} times smaller at its input than at its output"
        if at.get(f"{net}/gradient") == 0:
            return f"{name}'s gradient is nothing at all"
        gradient, usual = at.get(f"{net}/gradient"), at.usual(f"{net}/gradient")
        if gradient < at.how.vanishing * usual:
            return f"{name}'s gradient is {_times(usual, gradient)} times smaller than it was"
    spread = [_spread(at.latest(f"{net}/loss", _FEW // 2)) for net in at.nets]
    slow = at.recipe.train.optimiser != "sgd" and _rate_low(at)  # Adam's steps do not tell how small a gradient is
    if all(value < at.how.frozen for value in spread) and not slow:
        return "neither loss has changed over eight lines"
    return ""


def _spread(values: Sequence[float]) -> float:
    """Relative range; NaN of nothing."""
    return (max(values) - min(values)) / max(abs(median(values)), 1e-6) if values else float("nan")


def _certain_d(at: Sight) -> str:
    if at.recipe.objective.loss == "wasserstein":  # a critic is to tell them apart as well as it can
        return ""
    real, fake = at.get("d/real_right"), at.get("d/fake_right")
    if min(real, fake) >= at.how.certain:
        return f"D is right on {100 * real:.1f} % of the real and {100 * fake:.1f} % of the generated pictures"
    return ""


def _collapse(at: Sight) -> str:
    if at.get("nimg") < at.how.warm_up_kimg * 1000:
        return ""
    variety, distinct = at.get("g/variety"), at.get("g/distinct")
    if variety < at.how.collapse:
        return f"{at.nets['g']} draws one picture: its drawings differ by {100 * variety:.0f} % of what real ones do"
    if distinct < at.how.collapse:
        return f"{at.nets['g']} draws one picture: {100 * distinct:.0f} % of its drawings are unlike those before them"
    return ""


def _partial_collapse(at: Sight) -> str:
    if at.get("nimg") < at.how.warm_up_kimg * 1000 or _collapse(at):
        return ""
    variety, distinct = at.get("g/variety"), at.get("g/distinct")
    if variety < at.how.partial_collapse:
        return f"{at.nets['g']}'s drawings differ by {100 * variety:.0f} % of what real ones do"
    if distinct < at.how.partial_collapse:
        return f"only {100 * distinct:.0f} % of {at.nets['g']}'s drawings are unlike the others"
    return ""


def _memorising(at: Sight) -> str:
    if at.get("g/variety") > _ONE_DRAWING:
        return "the drawings hardly differ from each other, so that there is one to learn"
    if at.recipe.objective.loss == "wasserstein":
        return ""
    if "d/held_out_score" in at.line:  # r_v of Karras et al. 2020, Limited Data, eq. 1, of scores
        real, fake, unseen = (at.latest(f"d/{name}_score", _MANY) for name in ("real", "fake", "held_out"))
        apart = fmean(real) - fmean(fake) if unseen else 0.0
        if apart > _TELLS_APART and (taken := (fmean(real) - fmean(unseen)) / apart) > at.how.overfit:
            return f"D takes drawings that it never saw {100 * taken:.0f} % of the way for generated ones"
        return ""
    epochs, known, others = at.get("nimg") / at.pictures, at.get("d/real_right"), at.get("d/fake_right")
    if epochs >= at.how.memorising_epochs and known >= at.how.memorising:
        return (
            f"after {epochs:,.0f} epochs D knows {100 * known:.1f} % of the drawings and {100 * others:.0f} % of the "
            f"generated pictures"
        )
    return ""


def _jitter_bound(at: Sight) -> str:
    how, sign = at.recipe.augment, at.latest("d/sign", _MANY)
    bounds = {"augment_p": how.bound} if how.adaptive else {}
    bounds |= {"pseudo_p": how.pseudo} if how.pseudo else {}
    if not bounds or not sign or fmean(sign) <= how.target:
        return ""
    for name, bound in bounds.items():
        held = at.latest(f"d/{name}", _MANY)
        if not held or fmean(held) < _AT_BOUND * bound:
            return ""
    where = " and ".join(f"{_MOVED[name]} at {bound:.2g}" for name, bound in bounds.items())
    return f"{where} can go no higher, and D's mean sign of real pictures is {fmean(sign):.2f}, not {how.target:.2g}"


def _starvation(at: Sight) -> str:
    waiting = at.get("waiting")
    return f"{100 * waiting:.0f} % of the time passes waiting for pictures" if waiting > at.how.starvation else ""


def _plateau(at: Sight) -> str:
    scored = at.scored
    if len(scored) < 3 * _LATEST:
        return ""
    since = len(scored) - max(_LATEST, len(scored) // 3)
    hours, values = zip(*scored[since:], strict=True)
    if 60 * (hours[-1] - scored[since - 1][0]) < at.how.plateau_minutes:
        return ""
    slope, mean = linear_regression(hours, values).slope, sum(values) / len(values)
    best = min(value for _, value in scored[:since])
    if -slope < at.how.plateau * mean and min(values) >= best * (1 - at.how.plateau):
        return (
            f"none of the last {len(values)} scores is better than one before ({best:.3g}); "
            f"expected gain {100 * max(-slope, 0) / mean:.1f} % an hour"
        )
    return ""


def _rate_high(at: Sight) -> str:
    for net, name in at.nets.items():
        if (moved := at.get(f"{net}/update")) > at.how.rate_high:
            return f"a step moves {name}'s weights by {100 * moved:.2g} % of their size"
    return ""


def _rate_low(at: Sight) -> str:
    if _explosion(at):  # what has grown so large hardly moves
        return ""
    for net, name in at.nets.items():
        known = [line.get(f"{net}/update", 0.0) for line in at.before]
        if (moved := at.get(f"{net}/update")) < at.how.rate_low and max(known, default=0.0) < 10 * at.how.rate_low:
            return f"a step moves {name}'s weights by {1e6 * moved:.2g} millionths of their size"
    return ""


RULES = (
    Rule(
        "explosion",
        "gradients or losses that grow without end, or are no numbers any more (CómicGAN §2.3.1)",
        "lower the rates (train.d_lr, train.g_lr), or hold D's slope with objective.r1_gamma=1",
        _explosion,
        patience=2,
        without_d="lower the rates (train.d_lr, train.g_lr)",
    ),
    Rule(
        "vanishing",
        "gradients that reach the layers at the input no more, so that the losses freeze (CómicGAN §2.3.2)",
        "use LeakyReLU and a norm between the layers, fewer layers, or the non-saturating loss",
        _vanishing,
        without_d="use LeakyReLU and a norm between the layers, or fewer layers",
    ),
    Rule(
        "certain-d",
        "a D that is right nearly always teaches G nothing",
        "weaken D: objective.r1_gamma=1 or more, a lower train.d_lr, balance.g_turns=2, or augment.policy",
        _certain_d,
    ),
    Rule(
        "collapse",
        "G draws the same picture whatever it is given",
        "go back to an earlier snapshot with lower rates; objective.r1_gamma=1, or a larger batch",
        _collapse,
        without_d="go back to an earlier snapshot with lower rates; a lower arch.beta (vae), or a larger batch",
    ),
    Rule(
        "partial-collapse",
        "G draws a few kinds of picture only",
        "lower train.g_lr, objective.r1_gamma=1, a larger batch, or minibatch deviation (progan)",
        _partial_collapse,
        without_d="lower train.g_lr, a lower arch.beta (vae), or a larger batch",
    ),
    Rule(
        "memorising",
        "D has learned the drawings by heart, and G is led to copy them",
        'add drawings, data.flip=true, or augment.policy=["colour", "translation", "cutout"]',
        _memorising,
    ),
    Rule(
        "jitter-bound",
        "D overfits however much it is deceived: an adaptive p stays at its bound",
        "add drawings, weaken D (objective.r1_gamma=1 or more, narrower layers), or set augment.pseudo=true too",
        _jitter_bound,
        grave=False,
    ),
    Rule(
        "starvation",
        "the pictures come more slowly than they are learned from",
        "put the dataset on a quicker disk, or use a larger batch",
        _starvation,
        grave=False,
    ),
    Rule(
        "plateau",
        "the pictures get no better any more",
        "if that is enough, stop and draw with --snapshot best; else go on with half the rates, or train a wider net",
        _plateau,
        patience=1,
        grave=False,
    ),
    Rule(
        "rate-high",
        "steps so large that nothing learned lasts",
        "lower train.d_lr and train.g_lr, for example by ten",
        _rate_high,
    ),
    Rule(
        "rate-low",
        "steps so small, from the beginning, that nothing is learned",
        "raise train.d_lr and train.g_lr, for example to 2e-4",
        _rate_low,
        grave=False,
    ),
)


class _Case:
    """One rule along a log: the lines it has been seen on running, and the finding it has become."""

    def __init__(self, rule: Rule, adversarial: bool) -> None:
        self.rule = rule
        self.remedy = rule.remedy if adversarial else rule.without_d or rule.remedy
        self.finding: Finding | None = None
        self._seen = self._missed = 0
        self._first: Line = {}
        self._calm: Sequence[Line] = ()

    @property
    def onset(self) -> int | None:
        """Images seen at the first of the lines on which it is seen running, the present one among them."""
        return int(self._first["nimg"]) if self._seen else None

    def see(self, at: Sight) -> Finding | None:
        """The finding, if it has just become one or has just ended."""
        patience = self.rule.patience or at.how.patience
        evidence = self.rule.sees(replace(at, calm=self._calm) if self._seen else at)
        if not evidence:
            self._missed += 1
            if self._missed < min(patience, 3):
                return None
            ended, self.finding, self._seen = self.finding, None, 0
            return replace(ended, ended=int(at.line["nimg"])) if ended else None
        if not self._seen:
            self._first, self._calm = at.line, at.calm
        self._seen, self._missed = self._seen + 1, 0
        broken = self.rule.name == "explosion" and not all(map(math.isfinite, at.line.values()))  # one line is enough
        if self.finding or (self._seen < patience and not broken):
            return None
        nimg, step = int(self._first["nimg"]), int(self._first.get("step", 0))
        self.finding = Finding(self.rule.name, nimg, step, int(at.line["nimg"]), evidence, self.remedy, self.rule.grave)
        return self.finding


class Doctor:
    """Reads a log line by line; ``findings`` are all so far, the ended ones too."""

    def __init__(self, recipe: Recipe, pictures: int, log: Iterable[Line] = ()) -> None:
        """``pictures`` make an epoch; ``log``: the lines there are already."""
        self._recipe, self._pictures = recipe, pictures
        self._kind = archs.kind(recipe)
        self._cases = [_Case(rule, self._kind.adversarial) for rule in RULES]
        self._before: list[Line] = []
        self._scored: list[tuple[float, float]] = []
        self._side = 0.0
        self.findings: list[Finding] = []
        for line in log:
            self.see(line)

    def since(self) -> int | None:
        """From how many images on something grave is seen that is seen still, sure or not yet; None: all is well."""
        return min((case.onset for case in self._cases if case.rule.grave and case.onset is not None), default=None)

    def see(self, line: Line) -> list[Finding]:
        """What this line makes sure, or ends."""
        if "step" not in line:
            self._note(line)
            return []
        if line.get("resolution", 0) != self._side:  # of another size now: its scores are others
            self._side, self._scored = line.get("resolution", 0), []
        at = Sight(line, self._before, self._before, self._recipe, self._pictures, self._kind, self._scored)
        told = [finding for case in self._cases if (finding := case.see(at))]
        for finding in told:
            if finding.ended is not None:  # it takes the place of itself unended
                self.findings = [known for known in self.findings if replace(finding, ended=None) != known]
            self.findings.append(finding)
        self._before = [*self._before[-_KEPT:], line]
        return told

    def _note(self, scores: Line) -> None:
        name = ranking(scores)
        if name and "seconds" in scores:
            self._scored = [*self._scored, (scores["seconds"] / 3600, scores[name])]


def examine(log: Iterable[Line], recipe: Recipe, pictures: int) -> list[Finding]:
    """All findings of a log, in the order of their beginning; ``pictures`` make an epoch."""
    return sorted(Doctor(recipe, pictures, log).findings, key=lambda finding: finding.nimg)


def changed(entry: Mapping[str, Any]) -> str:
    """What a treatment has changed, in words, and what of it a person has taken back."""
    back = [f"{change} (since set by hand)" for change in entry.get("released", [])]
    return ", ".join([*entry["changes"], *back])


def account(findings: Sequence[Finding], treatments: Iterable[Mapping[str, Any]], lines: int) -> list[str]:
    """All of it in lines for a terminal: what was treated, what was found in so many lines of the log."""
    told = [
        f"treated: back to {entry['nimg']:,} images with {changed(entry)}; {entry['finding']}" for entry in treatments
    ]
    for finding in findings:
        over = f" until {finding.ended:,}" if finding.ended is not None else ""
        told += [f"{finding.name}, from {finding.nimg:,} images{over}", f"  {finding.evidence}", f"  {finding.remedy}"]
    if not findings:
        few = ", which are few to tell from" if lines < _FEW else ""
        told.append(f"nothing found in {lines:,} lines of the log{few}")
    return told


def treatment(ill: Finding, recipe: Recipe) -> list[str]:
    """What to change about a recipe before it goes on from its last healthy snapshot; nothing if nothing is known."""
    ease, train, gamma = recipe.doctor.ease, recipe.train, recipe.objective.r1_gamma
    slower = [f"train.{net}_lr={max(getattr(train, f'{net}_lr') * ease, 1e-30):.6g}" for net in ("d", "g")]
    firmer = [f"objective.r1_gamma={2 * gamma if gamma else 1.0:g}"] if archs.kind(recipe).adversarial else []
    match ill.name:
        case "explosion" | "rate-high":
            return slower
        case "collapse" | "partial-collapse" | "vanishing" | "certain-d" | "memorising":
            return slower + firmer
        case _:
            return []
