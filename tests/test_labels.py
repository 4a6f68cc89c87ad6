"""Told what to draw: labels of the dataset, their way to G and D, what comes of it, and what a person can get wrong."""

from __future__ import annotations

import json
import re
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

import boceto
from boceto import archs, evaluating, recipe, sampling, scoring, starting, tagging
from boceto.cli import main
from boceto.clock import Clock
from boceto.data import labels
from boceto.data.ahead import held
from boceto.data.batches import Labelled, batches, labelled, look
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.device import Compute, choose
from boceto.errors import UsageError
from boceto.files import load_tensors
from boceto.gan import KNOWN, Batch
from boceto.recipe import Order
from boceto.reporting import page
from boceto.runs import Run
from boceto.state import State
from boceto.training import steps
from boceto.watching import Means
from test_architecture import TINY, batch
from test_waiting import NothingBuilt, NothingWaits

COLOURS = {"blue": (40, 60, 210), "green": (40, 170, 60), "red": (210, 50, 40)}
EACH, SIDE, BICUBIC = 40, 32, Image.Resampling.BICUBIC

TABLE: dict[str, Any] = {
    "arch": {"name": "dcgan", "resolution": SIDE, "z_dim": 8, "g_width": 8, "d_width": 8},
    "data": {"labels": ["class"], "held_out": 0.15},
    "train": {"batch": 24, "kimg": 2.88, "precision": "float32", "g_lr": 1e-3, "d_lr": 1e-3, "ema_kimg": 0.2},
    "watch": {"log_kimg": 0.24, "sample_kimg": 1.44, "snapshot_kimg": 1.44, "samples": 25, "scored": 0},
    "doctor": {"act": "off"},
}


def painted(folder: Path, darkest: int, each: int = EACH) -> Prepared:
    """Pictures whose class is their colour, with blots down to ``darkest`` (0 … 255).

    One in two bears the tag ``dark`` and is, ``old`` goes with some of those, ``drawn`` with all.
    """
    random, lines = np.random.Generator(np.random.PCG64(0)), []
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for i in range(each):
            blots = Image.fromarray(random.integers(darkest, 256, (7, 7), np.uint8)).resize((SIDE, SIDE), BICUBIC)
            light = (0.5 if i % 2 else 1.0) * np.asarray(blots)[:, :, None] / 255
            Image.fromarray((np.array(colour) * light).astype(np.uint8)).save(folder / name / f"{i:02d}.png")
            tags = ["dark"] * (i % 2) + ["old"] * (i % 4 == 1) + ["drawn"]
            lines.append(json.dumps({"file_name": f"{name}/{i:02d}.png", "tags": tags}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return prepare(folder, folder.with_name(f"{folder.name}-data"), size=SIDE, workers=1, duplicates="keep")


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return painted(tmp_path_factory.mktemp("pictures") / "colours", 160)


def trained(data: Prepared, out: Path, *changes: str) -> Run:
    written = out.with_suffix(".toml")
    written.write_text(recipe.parse(TABLE, "test").to_toml())
    return starting.train(written, data.folder, out, changes=changes, device_name="cpu")


@pytest.fixture(scope="module")
def run(colours: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A DCGAN that has learned classes."""
    return trained(colours, tmp_path_factory.mktemp("runs") / "run")


def hue(pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Which of its three colours is strongest, of each of (N, H, W, 3)."""
    found: NDArray[np.int64] = pictures.mean(axis=(1, 2)).argmax(axis=1)
    return found


HUE = {"red": 0, "green": 1, "blue": 2}
NAMES = ("class:blue", "class:green", "class:red")


def hues(rows: Any) -> list[int]:
    """The colour that one-hot rows in the order of NAMES ask for."""
    return [HUE[labels.short(NAMES[int(place)])] for place in np.asarray(rows).argmax(axis=1)]


# ── labels of a dataset ──


def test_class_means_all_classes_in_order(colours: Prepared) -> None:
    assert labels.settled(["class"], colours) == NAMES
    assert labels.settled(["dark", "class"], colours) == ("dark", *NAMES)
    assert labels.settled(["class", "class:red"], colours) == NAMES
    shown = labels.table(("dark", "class:red"), colours)
    assert shown.shape == (3 * EACH, 2) and shown.dtype == np.uint8 and shown.sum(axis=0).tolist() == [60, 40]
    truth = [["dark" in record.tags, record.label == "red"] for record in colours.records()]
    assert np.array_equal(shown, np.array(truth))


def test_what_occurs_together_is_kept(colours: Prepared) -> None:
    shown = labels.table(("dark", "old"), colours)
    known = labels.occurring(shown)
    assert known.shape == (KNOWN, 2) and np.array_equal(known, labels.occurring(shown))
    assert not (known[:, 1] & ~known[:, 0] & 1).any(), "old is never there without dark"
    assert abs(known.mean(axis=0) - shown.mean(axis=0)).max() < 0.01
    few, many = labels.drawn(known, 5, 3), labels.drawn(known, 2000, 3)
    assert np.array_equal(few, many[:5]) and not np.array_equal(many, labels.drawn(known, 2000, 4))
    assert np.array_equal(labels.drawn(known, KNOWN, 3).mean(axis=0), known.mean(axis=0))


REFUSED = [
    (["darc"], "no picture of .* has the tag 'darc'; did you mean 'dark'?"),
    (["class:rad"], "no picture of .* is of the class 'rad'; did you mean 'class:red'?"),
    (["red"], "'red' is no tag but a class of .*; write it as class:red"),
    (["drawn"], "every picture of .* has the tag 'drawn', so there is nothing to tell; leave it out of data.labels"),
    (["dark", "dark"], "labels: name each tag or class once"),
    ([" "], "labels: name each tag or class once"),
]


@pytest.mark.parametrize(("wanted", "sentence"), REFUSED)
def test_labels_that_cannot_be_told(colours: Prepared, tmp_path: Path, wanted: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        trained(colours, tmp_path / "run", f"data.labels={json.dumps(wanted)}")
    assert not (tmp_path / "run").exists(), "nothing is written before it is refused"


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("class", "have no classes to be told; prepare drawings from class folders or with labels"),
        ("class:hat", "have no classes to be told"),
        ("hat", "have no tags, so none has 'hat'; prepare them with their metadata"),
    ],
)
def test_a_dataset_without_labels(data: Prepared, wanted: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        labels.settled([wanted], data)


def relabelled(data: Prepared, out: Path, change: Any) -> Prepared:
    """The dataset with other records."""
    shutil.copytree(data.folder, out)
    lines = (out / "records.jsonl").read_text().splitlines()
    new = [json.dumps(json.loads(line) | change(number)) for number, line in enumerate(lines)]
    (out / "records.jsonl").write_text("\n".join(new) + "\n")
    return Prepared(out)


def test_one_class_or_too_many(colours: Prepared, data: Prepared, tmp_path: Path) -> None:
    one = relabelled(data, tmp_path / "one", lambda number: {"label": "cat"})
    with pytest.raises(UsageError, match=r"every picture of .* is of the class 'cat', so there is nothing to tell"):
        labels.settled(["class"], one)
    many = relabelled(data, tmp_path / "many", lambda number: {"tags": [f"t{number}-{i}" for i in range(7)]})
    tags = [f"t{number}-{i}" for number in range(37) for i in range(7)]
    with pytest.raises(UsageError, match=r"are 259, and 256 is the most that a G is told.*data.labels=\["):
        labels.settled(tags, many)
    assert len(labels.settled(tags[:256], many)) == 256


def test_an_architecture_that_cannot_be_told(colours: Prepared, tmp_path: Path) -> None:
    written = tmp_path / "vae.toml"
    written.write_text(recipe.parse({"arch": {"name": "vae", "resolution": SIDE}}, "test").to_toml())
    with pytest.raises(UsageError, match=r"a vae is not told what to draw; leave data.labels out, or use dcgan"):
        starting.train(written, colours.folder, tmp_path / "run", changes=['data.labels=["class"]'], device_name="cpu")


# ── their way to the nets ──


@pytest.mark.parametrize("order", ["shuffled", "sequential", "stochastic", "fixed"])
def test_labels_follow_their_pictures(colours: Prepared, order: Order) -> None:
    learned, held_out = colours.split(18)
    shown = labels.table(NAMES, colours)
    way: dict[str, Any] = {"seed": 3, "nimg": 48, "batch": 16, "flip": True, "order": order}
    stream, plain = labelled(learned, shown[learned.numbers], **way), batches(learned, **way)
    for item, pixels in islice(zip(stream, plain, strict=False), 9):  # over the end of an epoch
        assert np.array_equal(item.pixels, pixels), "the pictures are those that come without labels"
        assert len(item) == 16 and hue(np.asarray(item.pixels).transpose(0, 2, 3, 1)).tolist() == hues(item.labels)
    seen = look(held_out, 3, 48, 10, shown[held_out.numbers])
    assert isinstance(seen, Labelled)
    assert hue(np.asarray(seen.pixels).transpose(0, 2, 3, 1)).tolist() == hues(seen.labels)
    assert np.array_equal(seen.pixels, np.asarray(look(held_out, 3, 48, 10)))
    same = held(seen, choose("cpu"))
    assert isinstance(same, Labelled) and np.array_equal(same.labels, seen.labels)


def noted(monkeypatch: pytest.MonkeyPatch, state: State) -> list[tuple[str, Batch]]:
    """Every batch that a turn of D or G learns from."""
    found: list[tuple[str, Batch]] = []
    for name, own in (("d_terms", state.gan.d_terms), ("g_terms", state.gan.g_terms)):

        def terms(part: Batch, now: Clock, name: str = name, own: Any = own) -> Any:
            found.append((name, Batch(part.real.clone(), part.z, planted=part.planted, labels=part.labels)))
            return own(part, now)

        monkeypatch.setattr(state.gan, name, terms)
    return found


def test_a_turn_asks_for_what_its_pictures_show(colours: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    how = ["balance.fake_as_real=0.5", "balance.g_turns=2", "balance.d_turns=2", "train.micro_batch=8"]
    wanted = recipe.parse({**TABLE, "data": {"labels": NAMES}}, "test").changed(how)
    compute = choose("cpu", "float32")
    state = State.fresh(wanted, compute)
    told: list[torch.Tensor] = []
    state.gan.generator.register_forward_pre_hook(lambda _, given: told.append(given[0].clone()))
    found = noted(monkeypatch, state)
    stream = labelled(colours, labels.table(NAMES, colours), seed=0, nimg=0, batch=24)
    first = next(iter(labelled(colours, labels.table(NAMES, colours), seed=0, nimg=0, batch=24)))
    next(steps(state, stream, compute, wanted))
    assert [name for name, _ in found] == ["d_terms"] * 6 + ["g_terms"] * 6
    for _, part in found:
        assert (
            part.labels is not None and part.labels.dtype == torch.float32 and len(part.labels) == len(part.real) == 8
        )
        assert torch.equal(part.z[:, 8:], part.labels)
        pictures = (part.real.permute(0, 2, 3, 1).numpy() * 127.5 + 127.5).round().astype(np.uint8)
        true = ~part.planted.numpy() if part.planted is not None else np.ones(8, bool)
        assert hue(pictures)[true].tolist() == np.array(hues(part.labels))[true].tolist()
    planted = [part.planted for _, part in found[:3] if part.planted is not None]
    assert torch.cat(planted).sum() == 12, "D passes for perfect at first, and half of its real ones are planted"
    asked = torch.from_numpy(np.asarray(first.labels)[:12]).float()
    assert torch.equal(told[0][:, 8:], asked), "the planted ones show what those showed whose place they take"
    assert not torch.equal(found[6][1].z[:, :8], found[9][1].z[:, :8]), "G's second turn draws other latents"


def test_nothing_is_told_where_nothing_was_asked() -> None:
    """Without labels the nets, their numbers and what is drawn are as if there were no such thing."""
    plain, told = ({**TABLE, "data": {"labels": list(names)}} for names in ((), NAMES))
    gan, other = (archs.build(recipe.parse(table, "test")) for table in (plain, told))
    assert {"generator.known", "discriminator.embed.weight"} == {*other.state_dict()} - {*gan.state_dict()}
    assert gan.generator.layers[0].weight.shape[0] == 8 and other.generator.layers[0].weight.shape[0] == 11  # type: ignore[index, union-attr]
    z = sampling.latents(4, 8, 0)
    assert torch.equal(sampling.inputs(gan.generator, 4, 8, 0), z)
    assert torch.equal(sampling.inputs(other.generator, 4, 8, 0)[:, :8], z)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_labels_make_nothing_wait(device: str) -> None:
    arch = {"name": "dcgan", **TINY["dcgan"], "d_norm": "none"}
    wanted = recipe.parse(
        {
            "arch": arch,
            "data": {"labels": ["a", "b"]},
            "objective": {"r1_gamma": 1.0, "r1_every": 2, "gp_lambda": 1.0},
            "balance": {"fake_as_real": 0.25},
            "train": {"batch": 8, "precision": "float32"},
            "watch": {"log_kimg": 0.016},
        },
        "test",
    )
    compute = Compute(torch.device(device), torch.float32, device)
    state, random = State.fresh(wanted, compute), np.random.Generator(np.random.PCG64(0))

    def items() -> Any:
        while True:
            yield Labelled(random.integers(0, 256, (8, 3, 16, 16), np.uint8), random.integers(0, 2, (8, 2), np.uint8))

    stream = items()
    unlearned = next(stream)
    ticks, means = steps(state, stream, compute, wanted, lambda nimg: unlearned), Means()
    next(ticks)
    with NothingWaits(device), NothingBuilt():
        for tick in islice(ticks, 3):
            means.add(tick.watched)
    assert "d/held_out_score" in means._sums


# ── every architecture that can be told ──

TOLD = [name for name in sorted(TINY) if archs.kind(recipe.parse({"arch": {"name": name}}, "test")).conditional]


def test_some_can_be_told() -> None:
    assert "dcgan" in TOLD and "vae" not in TOLD


@pytest.mark.parametrize("name", TOLD)
def test_a_conditional_architecture(name: str) -> None:
    """Shapes, a gradient for every weight, and both nets hear the labels."""
    torch.manual_seed(0)
    wanted = recipe.parse({"arch": {"name": name, **TINY[name]}, "data": {"labels": ["a", "b", "c"]}}, "test")
    gan = archs.build(wanted)
    gan.reach(Clock(nimg=10**9))
    part = batch(gan)
    part.labels = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]).float()
    part.z = torch.cat((torch.randn(4, gan.z_dim), part.labels), dim=1).requires_grad_()
    assert gan.generator(part.z).shape == (4, *gan.image_shape)
    for terms, net in ((gan.d_terms, gan.discriminator), (gan.g_terms, gan.generator)):
        for _ in range(2):  # a weight may begin with 0, and what is behind it gets its gradient once that has moved
            terms(part, Clock()).total.backward(retain_graph=True)
            with torch.no_grad():
                for p in net.parameters():
                    p.grad is None or p.sub_(1e-3 * p.grad.sign())
            part.fake = None
        missing = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        assert not missing
    assert part.z.grad is not None and part.z.grad[:, gan.z_dim :].abs().sum() > 0, "G does not hear its labels"
    images = gan.generator(part.z).detach()
    others = gan.judge(images, part.labels.roll(1, 0))
    assert not torch.equal(gan.judge(images, part.labels), others), "D does not hear its labels"
    assert gan.generator.get_buffer("known").shape == (KNOWN, 3)


# ── a run ──


def test_the_run_says_what_it_was_told(run: Run) -> None:
    assert run.recipe.data.labels == NAMES
    tensors, _ = load_tensors(run.snapshot())
    assert tensors["ema.known"].shape == (KNOWN, 3) and (tensors["ema.known"].sum(dim=1) == 1).all()
    assert torch.equal(tensors["ema.known"], tensors["generator.known"])
    assert all("d/held_out_score" in line for line in run.read_log())


def test_the_label_decides(run: Run) -> None:
    """What was learned: under each class its colour, whatever the latents, and nothing else changes it."""
    model = boceto.load(run.folder, device_name="cpu")
    columns = model.by_label(8).reshape(8, 3, SIDE, SIDE, 3)
    assert model.titles == ("blue", "green", "red")
    means = columns.mean(axis=(0, 2, 3))  # of each column, by channel
    right = [(hue(columns[:, place]) == HUE[name]).mean() for place, name in enumerate(model.titles)]
    assert np.mean(right) >= 0.75 and min(right) >= 0.5, means
    for place, name in enumerate(model.titles):
        others = np.delete(means[:, HUE[name]], place)
        assert means[place, HUE[name]] > others.max(), means
        assert np.array_equal(model.sample(8, labels=[name]), columns[:, place]), "the latents of a row are the seed's"
    mixed = model.sample(60, seed=5)
    assert (hue(mixed) == hues(model.asked(60, 5))).mean() >= 0.7
    assert np.array_equal(model.sample(7, seed=5), mixed[:7])
    assert np.array_equal(model.sample(3, labels=["class:red"]), model.sample(3, labels=["red"]))


def test_resumed_equals_uninterrupted(colours: Prepared, tmp_path: Path) -> None:
    often = ("watch.sample_kimg=0.24", "watch.snapshot_kimg=0.24", "balance.fake_as_real=0.1")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trained(colours, whole, *often, "train.kimg=0.48")
    assert trained(colours, parts, *often, "train.kimg=0.24").seen() == 240
    trained(colours, parts, *often, "train.kimg=0.48")
    a, b = (load_tensors(Run(folder).state)[0] for folder in (whole, parts))
    assert a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())
    sheets = [Run(folder).samples() for folder in (whole, parts)]
    assert len(sheets[0]) == 3 and sheets[0].keys() == sheets[1].keys()
    assert all(path.read_bytes() == sheets[1][nimg].read_bytes() for nimg, path in sheets[0].items())


def test_labels_of_a_run_stay(run: Run, colours: Prepared, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"data.labels cannot change from .* in a run; start another"):
        starting.resume(run.folder, changes=['data.labels=["dark"]'])
    same = starting.resume(run.folder, changes=['data.labels=["class"]'], device_name="cpu")
    assert same.recipe.data.labels == NAMES
    with pytest.raises(UsageError, match=r"was begun with data.labels = .*give another --out$"):
        trained(colours, run.folder, 'data.labels=["dark","old","class:red"]')
    with pytest.raises(UsageError, match=r"that run was told class:blue.*and this recipe tells dark.*same data.labels"):
        starting.train(
            run.folder / "recipe.toml",
            colours.folder,
            tmp_path / "run",
            changes=['data.labels=["dark"]'],
            origin=run.folder,
        )


def test_it_draws_without_the_dataset(run: Run, colours: Prepared) -> None:
    moved = colours.folder.with_name("moved")
    colours.folder.rename(moved)
    try:
        assert boceto.load(run.folder).sample(2, labels=["blue"]).shape == (2, SIDE, SIDE, 3)
    finally:
        moved.rename(colours.folder)


# ── asking for labels ──

KNOWN_TAGS = np.array([[1, 0, 0]] * 3 + [[1, 1, 0]] * 4 + [[0, 1, 0]] * 4 + [[0, 0, 0]], np.uint8)


def test_a_label_comes_with_its_usual_company() -> None:
    names = ("smile", "long_hair", "hat")
    assert labels.titles(names) == ("none", *names)
    assert labels.columns(names, KNOWN_TAGS).tolist() == [[0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert labels.row(["hat", "smile"], names, KNOWN_TAGS).tolist() == [1, 0, 1]
    assert labels.row([], names, KNOWN_TAGS).tolist() == [0, 0, 0]


WRONG = [
    (("--label", "rad"), "there is no label 'rad'; did you mean 'red'?"),
    (("--label", "red", "--label", "class:blue"), "a picture is of one class, and 'blue' and 'red' are two"),
    (("--by-label", "--label", "red"), "leave --label and --columns out"),
    (("--by-label", "--columns", "2"), "leave --label and --columns out"),
    (("--by-label", "-n", "0"), "cannot draw 0 pictures"),
]


def call(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.mark.parametrize(("words", "sentence"), WRONG)
def test_what_cannot_be_asked_for(
    run: Run, tmp_path: Path, words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("sample", run.folder, "-o", tmp_path / "s.png", *words) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
    assert not (tmp_path / "s.png").exists()


def test_no_class_where_every_drawing_had_one(run: Run) -> None:
    with pytest.raises(UsageError, match="say of which this one shall be; known: blue, green, red"):
        boceto.load(run.folder).sample(1, labels=[])


def test_labels_asked_of_a_run_that_was_told_none(colours: Prepared, tmp_path: Path) -> None:
    plain = trained(colours, tmp_path / "plain", "data.labels=[]", "train.kimg=0.024")
    model = boceto.load(plain.folder)
    told_none = "was told no labels, so it draws whatever comes; train one that is"
    with pytest.raises(UsageError, match=told_none):
        model.sample(1, labels=["red"])
    with pytest.raises(UsageError, match=told_none):
        model.by_label(1)
    with pytest.raises(UsageError, match="was told no labels, so a tagger cannot see"):
        boceto.evaluate(plain.folder, samples=60, tagger=tmp_path)


def cells(sheet: Path, laid: sampling.Layout) -> NDArray[np.uint8]:
    picture = Image.open(sheet).convert("RGB")
    boxes = laid.cells(picture)
    return np.stack([np.asarray(picture.crop((box[0] + 2, box[1] + 2, *box[2:]))) for box in boxes])


def test_a_sheet_by_label(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, alone = tmp_path / "s.png", tmp_path / "alone"
    assert call("sample", run.folder, "--by-label", "-n", 4, "-o", out, "--separate", alone, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["columns"] == ["blue", "green", "red"] and len(told["pictures"]) == 12
    images = boceto.load(run.folder, device_name="cpu").by_label(4)
    assert np.array_equal(cells(out, sampling.Layout(12, 3, told["columns"])), images)
    heading = np.asarray(Image.open(out))[: Image.open(out).height - (4 * (SIDE + 2) + 2)]
    assert len(heading) > 10 and heading.min() < 100 and heading[0].min() == heading[-1].min() == 255
    assert call("sample", run.folder, "--label", "red", "-n", 4, "-o", out) == 0
    assert "4 pictures that show red of seed 0" in capsys.readouterr().out


def test_sheets_of_a_training_have_a_column_a_label(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    laid = sampling.layout(run.recipe)
    assert laid == sampling.Layout(15, 3, ("blue", "green", "red"))
    last = cells(run.samples()[2880], laid)
    assert np.array_equal(last, boceto.load(run.folder, device_name="cpu").by_label(5))
    monkeypatch.setattr(page, "_charts", lambda *_: {"losses": Figure()})  # they take their time, and know no labels
    written = boceto.report(run.folder).read_text("utf-8")
    assert "3: blue, green, red" in written and "across it only the label changes" in written
    assert Image.open(run.folder / "figures" / "evolution.png").width > 300


@pytest.mark.parametrize(
    ("names", "count", "laid"),
    [
        ((), 25, sampling.Layout(25, 5)),
        (("a",), 25, sampling.Layout(10, 2, ("none", "a"))),
        (tuple("abcdefghi"), 25, sampling.Layout(20, 10, ("none", *"abcdefghi"))),
        (tuple("abcdefghij"), 25, sampling.Layout(25, 5)),
        (("class:a", "class:b", "hat"), 4, sampling.Layout(6, 3, ("a", "b", "hat"))),
    ],
)
def test_how_a_sheet_is_laid(names: tuple[str, ...], count: int, laid: sampling.Layout) -> None:
    assert sampling.layout(recipe.parse({**TABLE, "data": {"labels": names}}, "test"), count) == laid


@pytest.mark.parametrize("names", [(), ("a", "b", "c"), ("a", "b", "a_name_that_is_far_too_long_to_lie")])
def test_pictures_are_found_on_a_sheet_again(tmp_path: Path, names: tuple[str, ...]) -> None:
    images = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (9, 12, 20, 3), np.uint8)  # wider than high
    sampling.sheet(images, 3, names=names).save(tmp_path / "s.png")
    assert np.array_equal(cells(tmp_path / "s.png", sampling.Layout(9, 3, names)), images)


def test_names_that_are_too_long_stand_upright() -> None:
    images = np.full((4, 16, 16, 3), 90, np.uint8)
    wide, tall = (
        sampling.sheet(images, 2, names=names, scale=4) for names in (("a", "b"), ("a", "a_very_long_name_" * 3))
    )
    assert wide.width == tall.width == sampling.sheet(images, 2, scale=4).width
    assert wide.height < tall.height < wide.height + 200


def test_a_tagger_tells_whether_labels_are_heeded(run: Run, tmp_path: Path) -> None:
    data = painted(tmp_path / "blots", 0, each=80)  # so different that none passes for another's repetition
    tagger = tagging.train(data.folder, tmp_path / "tagger", softmax=True, epochs=14, device_name="cpu")
    found = evaluating.evaluate(run.folder, samples=60, features=str(tagger.folder), device_name="cpu")
    assert found.tagger == tagger.name and [one.label for one in found.heeded] == list(NAMES)
    assert sum(one.asked for one in found.heeded) == 60 and all(one.asked + one.others == 60 for one in found.heeded)
    model, own = boceto.load(run.folder), labels.table(NAMES, data)
    wanted = model.asked(60, 0).argmax(axis=1)
    for turned, much in ((0, True), (1, False)):  # drawings that show what was asked for, and such as never do
        shown = data.gather([np.flatnonzero(own[:, (place + turned) % 3])[i] for i, place in enumerate(wanted)])
        told = evaluating.heeded(model, shown, 0, tagger)
        assert [one.asked for one in told] == np.bincount(wanted).tolist()
        right, wrong = sum(one.shown for one in told), sum(one.shown_unasked for one in told)
        assert right + wrong == 60 and (right > 50 if much else right < 10)
    assert any("red: seen on" in line for line in evaluating.remarks(found))
    scoring.note(run, found)
    assert scoring.noted(run)[0].heeded == found.heeded
    other = shutil.copytree(tagger.folder, tmp_path / "other") / "tagger.json"
    other.write_text(re.sub('"(blue|green|red)"', r'"very \1"', other.read_text()))
    with pytest.raises(UsageError, match=r"tells none of the labels of .* \(blue, green, red\); train a tagger"):
        evaluating.evaluate(run.folder, samples=60, features=str(tagger.folder), tagger=other.parent)
