"""Taggers: what they learn and on what they are judged, what becomes of their folder, and what else they are good for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from boceto import archs, cli, origins, recipe, starting, tagging
from boceto.data import sketchbook
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.data.sources import Record
from boceto.device import choose
from boceto.errors import Fault, UsageError
from boceto.files import load_tensors
from boceto.metrics import features
from boceto.nn.classifier import Classifier
from boceto.tagger import judging, learning, targets
from boceto.tagger.folder import Tagger
from boceto.tagger.splitting import groups, split
from conftest import TINY, drawing

TAGS = "dark_skin,black_hair,hat"


def write_book(folder: Path, pictures: Mapping[str, tuple[Image.Image, Sequence[str]]]) -> Path:
    """A folder of pictures with tags, as Danbooru writes them."""
    folder.mkdir()
    lines = []
    for name, (picture, tags) in pictures.items():
        picture.save(folder / name)
        lines.append(json.dumps({"file_name": name, "tags": list(tags)}) + "\n")
    (folder / "metadata.jsonl").write_text("".join(lines), "utf-8")
    return folder


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 portraits of the sketchbook with their tags."""
    people = [replace(sketchbook.invent(3, number), framing="portrait") for number in range(300)]
    pages = {f"{i:03d}.png": (sketchbook.draw(who, 32).convert("RGB"), who.tags) for i, who in enumerate(people)}
    return write_book(tmp_path_factory.mktemp("book") / "drawings", pages)


@pytest.fixture(scope="module")
def data(book: Path) -> Prepared:
    return prepare(book, book.parent / "data", size=32, workers=1)


@pytest.fixture(scope="module")
def tagger(data: Prepared) -> Tagger:
    return tagging.train(data.folder, data.folder.parent / "tagger", tags=TAGS, epochs=8, device_name="cpu")


@pytest.fixture(scope="module")
def blots(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """60 blots at 28 px: every other is ``even``, all but two ``common``, two ``rare``, all of them ``all``."""
    folder = tmp_path_factory.mktemp("blots")
    tags = [
        ["all", *(["even"] if i % 2 == 0 else []), "rare" if i in (5, 9) else "common", f"third_{i % 3}"]
        for i in range(60)
    ]
    write_book(folder / "drawings", {f"{i:02d}.png": (drawing(i), own) for i, own in enumerate(tags)})
    return prepare(folder / "drawings", folder / "data", size=28, workers=1)


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the figures, where they are not what matters."""
    monkeypatch.setattr("boceto.reporting.tagger.write", lambda *_: None)


# ── what it learns ──


def test_it_tells_tags_on_pictures_that_it_has_not_seen(tagger: Tagger) -> None:
    found = tagger.about.judgement
    assert found.mean_ap > found.base_rate + 0.3
    skin = found.tags[0]
    assert skin.name == "dark_skin" and skin.ap > 0.8 and skin.ap_low > skin.base_rate + 0.3 and skin.f1 > 0.7
    for told in found.tags:
        assert told.ap_low <= told.ap <= told.ap_high
    assert found.mean_ap_low <= found.mean_ap <= found.mean_ap_high


def test_all_is_as_it_was_judged(tagger: Tagger, data: Prepared) -> None:
    """Opened again, its test pictures found anew, it says of them what its table tells."""
    opened = Tagger(tagger.folder)
    test = split(opened.fitted(data.gather(range(len(data)))), 0).test
    records = data.records()
    truth = np.array([[name in records[n].tags for name in opened.tags] for n in test])
    probabilities = opened.probabilities(data.gather(test))
    again = judging.judge(opened.tags, probabilities, opened.said(probabilities), truth)
    assert again == opened.about.judgement


def test_classes_by_the_order_of_the_tags(data: Prepared, tmp_path: Path) -> None:
    order = "dark_skin,hat,1girl,1boy"
    made = tagging.train(data.folder, tmp_path / "t", tags=order, softmax=True, epochs=6, device_name="cpu")
    assert made.about.kind == "classes" and made.about.thresholds == ()
    found = made.probabilities(data.gather(range(9)))
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5) and (made.said(found).sum(axis=1) == 1).all()
    assert made.about.judgement.tags[0].ap > 0.7
    assert (tmp_path / "t" / "figures" / "confusion.png").is_file()
    assert made.about.learnt.pictures == sum(bool(set(r.tags) & set(order.split(","))) for r in data.records())


def test_a_class_is_the_first_tag_a_picture_has() -> None:
    records = [Record("a", ("b", "a")), Record("b", ("b",)), Record("c", ("c",))]
    found = targets.of_classes(records, ["a", "b"], Path("x"))
    assert found.numbers.tolist() == [0, 1] and found.truth.tolist() == [[True, False], [False, True], [False, False]]
    labelled = targets.of_classes([Record("a", (), "x"), Record("b", (), "y"), Record("c")], None, Path("x"))
    assert labelled.names == ("x", "y") and labelled.numbers.tolist() == [0, 1]


def test_rare_tags_weigh_more_and_are_not_said_more_often() -> None:
    """Of noise with a tag on a tenth, the mean probability is a tenth: the weight is taken back."""
    random = np.random.Generator(np.random.PCG64(0))
    images = random.integers(0, 256, (240, 28, 28, 1), np.uint8)
    truth = (np.arange(240) % 10 == 0)[:, None]
    assert learning._weights(truth, softmax=False)[0] == pytest.approx(3)
    parts = split(images, 0)
    compute = choose("cpu", "float32")
    how = {"softmax": False, "epochs": 3, "flip": True, "seed": 0}
    learned = learning.learn(images, truth, parts, compute, **how, progress=lambda *_: None)  # type: ignore[arg-type]
    logits = torch.from_numpy(learning.outputs(learned.net, images[parts.test], compute))
    assert 0.05 < logits.sigmoid().mean() < 0.17


def test_the_same_seed_gives_the_same_tagger(blots: Prepared, tmp_path: Path, no_page: None) -> None:
    made = [
        tagging.train(blots.folder, tmp_path / name, tags="even", epochs=2, seed=seed, device_name="cpu")
        for name, seed in (("a", 4), ("b", 4), ("c", 5))
    ]
    assert made[0].name == made[1].name != made[2].name and made[0].about == made[1].about


@pytest.mark.parametrize(("height", "width", "channels"), [(48, 48, 1), (128, 128, 3), (28, 40, 3)])
def test_the_documented_sizes(height: int, width: int, channels: int) -> None:
    net = Classifier(channels, height, width, 5).eval()
    images = torch.rand(2, channels, height, width) * 2 - 1
    assert net(images).shape == (2, 5) and net.trunk(images).shape == (2, 64) and net.trunk(images).min() >= 0


# ── the split ──


def test_drawings_that_repeat_each_other_stay_together() -> None:
    """Saved anew, a little darker, mirrored, other eyes: none of them is on two sides, whatever the seed."""
    faces = [np.asarray(sketchbook.draw(sketchbook.invent(0, i), 32).convert("RGB")) for i in range(24)]
    winking = [face.copy() for face in faces]
    for face in winking:
        face[16:18, 11:14] = face[16:18, 11:14] // 2
    noise = np.random.Generator(np.random.PCG64(0)).integers(-3, 4, (24, 32, 32, 3))
    sets = [faces, winking, [face[:, ::-1] for face in faces], list((np.stack(faces) * 0.97 + noise).clip(0, 255))]
    images = np.concatenate([np.stack(part) for part in sets]).astype(np.uint8)
    assert (groups(images).reshape(4, 24) == np.arange(24)).all()
    for seed in range(5):
        parts = split(images, seed)
        assert parts.repeated == 72
        members = [set((part % 24).tolist()) for part in (parts.train, parts.validation, parts.test)]
        assert sum(map(len, members)) == len(set.union(*members)) == 24
        assert len(parts.train) + len(parts.validation) + len(parts.test) == 96


def test_a_picture_more_moves_no_other(data: Prepared) -> None:
    images = data.gather(range(len(data)))
    whole, fewer = split(images, 7), split(images[10:], 7)
    for name in ("train", "validation", "test"):
        before = getattr(whole, name)
        assert set((getattr(fewer, name) + 10).tolist()) == set(before[before >= 10].tolist())
    assert split(images, 8).train.tolist() != whole.train.tolist()
    assert 0.6 < len(whole.train) / len(images) < 0.8


# ── figures by hand ──


def test_average_precision_and_threshold_by_hand() -> None:
    scores, truth = np.array([0.9, 0.8, 0.8, 0.3, 0.1]), np.array([True, True, False, False, True])
    # thresholds 0.9, 0.8, 0.3, 0.1: recall ⅓ ⅔ ⅔ 1, precision 1 ⅔ ½ ⅗
    assert judging.average_precision(scores, truth) == pytest.approx(1 / 3 + 1 / 3 * 2 / 3 + 1 / 3 * 3 / 5)
    assert judging.even_threshold(np.array([0.9, 0.8, 0.7, 0.3, 0.1]), truth) == pytest.approx(0.5)
    assert judging.even_threshold(scores, np.ones(5, bool)) == pytest.approx(0.05)
    assert np.isnan(judging.average_precision(scores, np.zeros(5, bool)))
    said = np.eye(3, dtype=bool)[[0, 1, 1, 2]]
    assert judging.confusion(np.eye(3, dtype=bool)[[0, 0, 1, 2]], said).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_shares_and_their_ratio() -> None:
    a, b = np.arange(400) < 80, np.arange(400) < 40
    found = judging.Compared.of("x", a, b)
    assert found.generated.value == 0.2 and found.generated.low == pytest.approx(0.164, abs=1e-3)
    assert found.ratio is not None and found.ratio.value == 2 and found.ratio.low == pytest.approx(1.405, abs=1e-3)
    assert found.verdict == "more" and judging.Compared.of("x", b, a).verdict == "less"
    assert judging.Compared.of("x", a, a).verdict == ""
    never = judging.Compared.of("x", np.zeros(400, bool), a)
    assert never.ratio is None and never.generated.low == 0 and never.verdict == "less"


# ── what a person can get wrong ──


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tags": "even,,rare"}, "a tag is empty"),
        ({"tags": ""}, "a tag is empty"),
        ({"tags": "even,even"}, "'even' is there twice"),
        ({"tags": "evn"}, "has the tag 'evn'; did you mean 'even'"),
        ({"tags": "all"}, "every picture of .* has the tag 'all'"),
        ({"tags": "rare"}, "too few pictures of .* have 'rare'"),
        ({"tags": "common"}, "too few pictures of .* have not 'common'"),
        ({}, "say which tags to tell"),
        ({"softmax": True}, "has no classes"),
        ({"softmax": True, "tags": "even"}, "name two tags or more"),
        ({"tags": "even", "size": 64}, "too small for --size 64"),
        ({"tags": "even", "size": 20}, "needs 28 pixels a side, .* use --size 28"),
        ({"tags": "even", "epochs": 0}, "give 1 epoch or more"),
    ],
)
def test_what_cannot_be_learned_is_said(
    blots: Prepared, tmp_path: Path, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        tagging.train(blots.folder, tmp_path / "t", **options)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 300
    assert not list(tmp_path.iterdir()), "something is left"


def test_a_dataset_without_tags(data: Prepared, tmp_path: Path, drawings: Path) -> None:
    bare = prepare(drawings, tmp_path / "bare", size=28, workers=1)
    with pytest.raises(UsageError, match=r"have no tags, so there is nothing to learn; prepare them with .* metadata"):
        tagging.train(bare.folder, tmp_path / "t", tags="hat")


def test_an_interrupt_leaves_nothing(
    blots: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tagger: Tagger
) -> None:
    def interrupt(done: int, of: int, note: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tagging.train(blots.folder, tmp_path / "t", tags="even", progress=interrupt)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="exists already"):
        tagging.train(blots.folder, tagger.folder, tags="even")


def test_a_damaged_tagger_is_named(tagger: Tagger, tmp_path: Path) -> None:
    def damaged(name: str, change: object) -> Path:
        folder = tmp_path / name
        shutil.copytree(tagger.folder, folder)
        if isinstance(change, bytes):
            (folder / "weights.safetensors").write_bytes(change)
        else:
            about = json.loads((folder / "tagger.json").read_text("utf-8"))
            (folder / "tagger.json").write_text(
                change if isinstance(change, str) else json.dumps(about | change),
                "utf-8",  # type: ignore[operator]
            )
        return folder

    weights = (tagger.folder / "weights.safetensors").read_bytes()
    faults = {
        "cut": weights[:-1],
        "flipped": weights[:-1] + bytes([weights[-1] ^ 1]),
        "text": "{",
        "deep": "[" * 100_000,
        "nan": (tagger.folder / "tagger.json").read_text("utf-8").replace('"mean_ap": 0', '"mean_ap": NaN, "x": 0', 1),
        "list": "[]",
        "tags": {"tags": ["a"]},
        "later": {"format": 2},
        "shape": {"shape": [8, 8, 3]},
        "other": {"shape": [64, 64, 3]},
        "thresholds": {"thresholds": [2, 0, 0]},
    }
    for name, change in faults.items():
        with pytest.raises(Fault) as caught:
            Tagger(damaged(name, change))
        assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="no tagger's folder"):
        Tagger(tmp_path)
    edited = Tagger(damaged("edited", {"thresholds": [0, 0, 0]}))
    assert edited.said(np.zeros((1, 3), np.float32)).all()


# ── tagging ──


def test_tags_come_back_with_prepare(tagger: Tagger, book: Path, tmp_path: Path) -> None:
    """An untagged folder, one file in it broken, is tagged, and prepared by those tags."""
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in sorted(book.glob("*.png"))[:60]:
        shutil.copy(path, bare)
    (bare / "broken.png").write_bytes(b"no picture")
    out = tmp_path / "tags.jsonl"
    found = tagging.tag(tagger.folder, bare, out, device_name="cpu")
    assert found.pictures == 60 and [path for path, _ in found.left_out] == ["broken.png"]
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert len(lines) == 60 and set(lines[0]["probabilities"]) == set(TAGS.split(","))
    back = prepare(bare, tmp_path / "back", size=32, metadata=out, workers=1, duplicates="keep")
    told = {record.path: set(record.tags) for record in back.records()}
    assert told == {line["file_name"]: set(line["tags"]) for line in lines}
    assert sum("dark_skin" in tags for tags in told.values()) == found.counts["dark_skin"] > 0
    truth = {r.path: r.tags for r in prepare(book, tmp_path / "true", size=32, workers=1, duplicates="keep").records()}
    assert np.mean([("dark_skin" in told[path]) == ("dark_skin" in truth[path]) for path in told]) > 0.9
    with pytest.raises(UsageError, match="exists already"):
        tagging.tag(tagger.folder, bare, out)


def test_a_dataset_is_tagged_as_its_source(tagger: Tagger, data: Prepared, book: Path, tmp_path: Path) -> None:
    a = tagging.tag(tagger.folder, data.folder, tmp_path / "a", device_name="cpu")
    b = tagging.tag(tagger.folder, book, tmp_path / "b", device_name="cpu")
    lines = [{json.loads(x)["file_name"]: x for x in (tmp_path / n).read_text("utf-8").splitlines()} for n in "ab"]
    assert a.pictures == len(data) and all(lines[1][path] == line for path, line in lines[0].items())
    assert b.pictures == 300


def test_pictures_of_any_form_are_fitted(tagger: Tagger) -> None:
    assert tagger.fitted(np.zeros((2, 64, 64, 1), np.uint8)).shape == (2, 32, 32, 3)
    assert tagger.fitted(np.zeros((2, 16, 16, 3), np.uint8)).shape == (2, 32, 32, 3)
    with pytest.raises(UsageError, match="32×32, and those of 48×64 cannot become so undistorted"):
        tagger.fitted(np.zeros((2, 64, 48, 3), np.uint8))


# ── a run's pictures, features, a beginning for D ──


@pytest.fixture(scope="module")
def run(data: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    table = {**TINY, "arch": {"name": "dcgan", "resolution": 32, "channels": 3, "z_dim": 8, "g_width": 4, "d_width": 4}}
    (folder.parent / "tiny.toml").write_text(recipe.parse(table, "test").to_toml(), "utf-8")
    starting.train(folder.parent / "tiny.toml", data.folder, folder, changes=["train.kimg=0.016"], device_name="cpu")
    return folder


def test_what_a_run_shows_beside_the_data(tagger: Tagger, run: Path, data: Prepared, tmp_path: Path) -> None:
    found = tagging.compare(tagger.folder, run, samples=250, chart=tmp_path / "c.svg", device_name="cpu")
    learnt = tagger.about.learnt
    assert found.unseen and found.real == learnt.validation + learnt.test < 250 == found.generated
    assert [told.name for told in found.tags] == TAGS.split(",")
    assert (tmp_path / "c.svg").read_text("utf-8").lstrip().startswith("<svg")
    json.dumps(found.as_dict(), allow_nan=False)
    with pytest.raises(UsageError, match="fewer than 50"):
        tagging.compare(tagger.folder, run, samples=10)
    with pytest.raises(UsageError, match="cannot write a picture"):
        tagging.compare(tagger.folder, run, samples=50, chart=tmp_path / "c.doc")


def test_it_is_a_feature_network(tagger: Tagger, data: Prepared) -> None:
    net = features.network(str(tagger.folder))
    assert net.name == tagger.name and net.name.startswith("tagger-") and net.logits is None
    images = data.gather(range(40))
    found = features.extract(images, net)
    assert found.shape == (40, 64) and np.isfinite(found).all()
    logits = tagger.logits(torch.from_numpy(found)).sigmoid().numpy()
    assert np.allclose(logits, tagger.probabilities(images), atol=1e-4)
    assert features.extract(images[:, :, :, :1], net).shape == (40, 64)
    with pytest.raises(UsageError, match="no feature network"):
        features.network(str(tagger.folder.parent))


def test_d_begins_with_the_trunk(book: Path, tmp_path: Path, no_page: None) -> None:
    data = prepare(book, tmp_path / "data", size=28, workers=1)
    made = tagging.train(data.folder, tmp_path / "tagger", tags="dark_skin", epochs=2, device_name="cpu")
    arch = {"name": "convolutional", "resolution": 28, "channels": 3, "z_dim": 8, "g_widths": [8, 4, 4], "d": "tagger"}
    table = {**TINY, "arch": arch}
    (tmp_path / "r.toml").write_text(recipe.parse(table, "test").to_toml(), "utf-8")
    how = {"origin": made.folder, "device_name": "cpu"}
    once = starting.train(tmp_path / "r.toml", data.folder, tmp_path / "a", changes=["train.d_lr=1e-30"], **how)  # type: ignore[arg-type]
    tensors, _ = load_tensors(once.snapshot())
    weights = dict(made.net.trunk.named_parameters())
    kept = {name.partition(".trunk.")[2]: value for name, value in tensors.items() if ".trunk." in name}
    assert weights and all(torch.allclose(kept[name], value, atol=1e-6) for name, value in weights.items())
    assert once.about["origin"] == {"run": str(made.folder.resolve()), "snapshot": made.name}

    # G and the rest of D begin as without it; and stopped in between it ends the same, though the tagger has gone.
    torch.manual_seed(0)
    fresh = archs.build(recipe.parse(table, "test"))
    begun = origins.of_tagger(made, recipe.parse(table, "test")).gan
    other = {name for name, value in fresh.state_dict().items() if not torch.equal(value, begun.state_dict()[name])}
    assert other and all(".trunk." in name for name in other)
    whole = starting.train(tmp_path / "r.toml", data.folder, tmp_path / "b", **how)  # type: ignore[arg-type]
    starting.train(tmp_path / "r.toml", data.folder, tmp_path / "c", changes=["train.kimg=0.032"], **how)  # type: ignore[arg-type]
    made.folder.rename(tmp_path / "gone")
    halves = starting.resume(tmp_path / "c", changes=["train.kimg=0.064"], device_name="cpu")
    a, b = (load_tensors(one.snapshot())[0] for one in (whole, halves))
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_d_with_the_layers_of_a_tagger() -> None:
    """One logit a picture, a gradient for every weight; and weight for weight a tagger of one tag."""
    arch = {"name": "convolutional", "resolution": 48, "channels": 3, "d": "tagger"}
    gan = archs.build(recipe.parse({"arch": arch}, "test"))
    logits = gan.discriminator(torch.rand(4, 3, 48, 48) * 2 - 1)
    assert logits.shape == (4,)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in gan.discriminator.parameters())
    sizes = [sum(p.numel() for p in net.parameters()) for net in (gan.discriminator, Classifier(3, 48, 48, 1))]
    assert sizes[0] == sizes[1]


def test_a_d_that_cannot_begin_so(tagger: Tagger, data: Prepared, tmp_path: Path) -> None:
    for arch, sentence in (
        ({"name": "dcgan", "resolution": 32, "g_width": 4, "d_width": 4}, "has not the layers of a tagger"),
        (
            {"name": "convolutional", "resolution": 28, "channels": 3, "d": "tagger"},
            "32×32 colour, but the recipe draws",
        ),
    ):
        setting = recipe.parse({**TINY, "arch": arch}, "test")
        with pytest.raises(UsageError, match=sentence):
            origins.of_tagger(tagger, setting)
    with pytest.raises(UsageError, match="is a tagger, which has no snapshots"):
        origins.named(tagger.folder, "000000064")


# ── the front door ──


def test_the_commands(
    tagger: Tagger, blots: Prepared, data: Prepared, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    t = str(tmp_path / "t")
    assert (
        cli.main(["tagger", "train", str(blots.folder), "-o", t, "--tags", "even", "--epochs", "1", "--no-flip"]) == 0
    )
    assert "guessing gives" in capsys.readouterr().out
    assert cli.main(["tagger", "run", t, str(blots.folder), "-o", str(tmp_path / "x"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == len(blots)
    assert cli.main(["tagger", "compare", str(tagger.folder), str(run), "--samples", "60"]) == 0
    assert "dark_skin" in capsys.readouterr().out
    assert cli.main(["tagger", "run", str(tmp_path), str(blots.folder)]) == 2
    assert "no tagger's folder" in capsys.readouterr().err
    assert cli.main(["tagger", "train", str(blots.folder), "-o", t, "--tags", "even", "--json"]) == 2
