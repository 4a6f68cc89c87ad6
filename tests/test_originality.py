"""Originality: planted copies are found, whatever was done to them; fresh pictures are not accused; C_T is as it says."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from boceto import originality as room
from boceto import recipe, sampling, starting
from boceto.cli import main
from boceto.data import sketchbook
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.errors import Fault, UsageError
from boceto.files import load_tensors, save_tensors
from boceto.metrics import features as networks
from boceto.metrics import likeness
from boceto.metrics.copying import cells, centres, data_copying, mann_whitney, surplus
from boceto.metrics.features import Network
from boceto.metrics.likeness import MIDDLE, Search, Window
from boceto.originality import VIEWS, Known, Looked, Unseen, in_words, judge, originality
from boceto.runs import Run
from conftest import TINY

SIDE, HELD_OUT = 32, 24
LEARNED = 90
FRESH = 40


def _small(images: torch.Tensor) -> torch.Tensor:
    """Stands for a feature network: a picture's colours and edges at 8 px."""
    return torch.nn.functional.avg_pool2d(images, 4).flatten(1) / 10


NET = Network("toy", 32, _small)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """Characters of the sketchbook, all different."""
    drawn = [sketchbook.draw(sketchbook.invent(3, i), SIDE).convert("RGB") for i in range(LEARNED + HELD_OUT + FRESH)]
    return np.stack([np.asarray(picture) for picture in drawn])


def _prepared(images: np.ndarray, folder: Path, **how: object) -> Prepared:
    (folder / "drawings").mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / "drawings" / f"{number:03d}.png")
    return prepare(folder / "drawings", folder / "data", size=images.shape[1], workers=1, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def data(faces: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return _prepared(faces[: LEARNED + HELD_OUT], tmp_path_factory.mktemp("originality"), duplicates="keep")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setenv("BOCETO_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def known(data: Prepared) -> Known:
    return Known(data, HELD_OUT, data.shape, NET)


@pytest.fixture(scope="module")
def unseen(known: Known) -> Unseen:
    return known.unseen()


# ── copies ──


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)), mode="edge")
    return padded[4 - down : 4 - down + SIDE, 4 - right : 4 - right + SIDE]


def jpeg(image: np.ndarray) -> np.ndarray:
    out = BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=60)
    return np.asarray(Image.open(out))


def cropped(image: np.ndarray) -> np.ndarray:
    box = (1.0, 0.5, SIDE - 0.5, SIDE - 1.0)
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box))


def lighter(image: np.ndarray) -> np.ndarray:
    return (image * 0.93 + 12).clip(0, 255).astype(np.uint8)


WAYS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "exact": (lambda image: image, "as it is"),
    "mirrored": (lambda image: image[:, ::-1], "mirrored"),
    "shifted": (lambda image: shifted(image, 2, -1), "1 px to the left, 2 px down"),
    "mirrored and shifted": (lambda image: shifted(image[:, ::-1], -2, 2), "mirrored, 2 px to the right, 2 px up"),
    "lighter": (lighter, ""),
    "tinted": (lambda image: (image * [1.08, 1.0, 0.92]).clip(0, 255).astype(np.uint8), ""),
    "JPEG": (jpeg, ""),
    "cropped": (cropped, "larger"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_planted_copy_is_found_and_how_it_was_altered_is_told(way: str, known: Known, unseen: Unseen) -> None:
    alter, words = WAYS[way]
    chosen = known.learned[5:17]
    images = np.stack([alter(image) for image in known.pictures(chosen)])
    looked = known.look(images, "copies")
    judged = judge(unseen, looked)
    assert judged.verdict == "copies" and judged.copied.mean() >= 0.8
    right = looked.numbers == chosen
    assert right[0].mean() >= 0.9 and right[1].mean() >= 0.8, "named by pixels and by outlines"
    said = [in_words(how, SIDE, SIDE) for how in looked.hows[0]]
    assert sum(words in text for text in said) >= 0.8 * len(said), said
    if way in ("exact", "mirrored"):
        assert looked.ratios[:, right.all(axis=0)].max() < 0.02 and right.all()


def test_fresh_drawings_are_not_accused(known: Known, unseen: Unseen, faces: np.ndarray) -> None:
    looked = known.look(faces[-FRESH:], "fresh")
    judged = judge(unseen, looked)
    assert judged.verdict == "no copies" and abs(judged.c_t.z) < 3  # type: ignore[union-attr]
    one = np.concatenate([faces[-FRESH:], known.pictures(known.learned[7:8])[:, :, ::-1]])
    judged = judge(unseen, known.look(one, "one copy among them"))
    assert judged.verdict == "copies" and judged.copied.tolist() == [False] * FRESH + [True]


def test_a_picture_itself_is_passed_over(known: Known) -> None:
    places = np.arange(20)
    looked = known.look(known.pictures(known.learned[:20]), "own", places)
    assert (looked.numbers != known.learned[:20]).all() and looked.ratios.min() > 0.1


def test_grey_and_smaller_pictures_are_compared_as_they_were_drawn(data: Prepared) -> None:
    known = Known(data, HELD_OUT, (16, 16, 1), NET)
    looked = known.look(known.pictures(known.learned[:10])[:, :, ::-1], "mirrored")
    assert (looked.numbers == known.learned[:10]).all() and looked.ratios.max() < 0.05


def test_the_search_is_that_of_all_distances_however_it_is_cut_up() -> None:
    random = np.random.default_rng(0)
    asked = torch.from_numpy(random.normal(size=(70, 3, 5)).astype(np.float32))
    known = torch.from_numpy(random.normal(size=(40, 5)).astype(np.float32))
    own = np.where(np.arange(70) < 40, np.arange(70), -1)
    apart = torch.cdist(asked.flatten(0, 1), known).view(70, 3, 40)
    least, form = apart.min(dim=1)
    least[torch.arange(40), torch.arange(40)] = torch.inf
    for size in (40, 7):
        search = Search(asked, 4, own)
        for chunk in known.split(size):
            search.add(chunk)
        numbers = least.topk(4, largest=False).indices
        assert np.array_equal(search.numbers, numbers.numpy())
        assert np.array_equal(search.forms, form.gather(1, numbers).numpy())
        assert np.allclose(search.distances, least.gather(1, numbers).numpy(), atol=1e-4)


def test_a_window_shows_its_part() -> None:
    """Of a ramp that says where its pixels are."""
    y, x = np.mgrid[0:64, 0:64]
    ramp = likeness.whole(np.stack([y, x, x * 0], axis=2).astype(np.uint8)[None], 64)
    down, right = likeness.shown(ramp, [Window(down=1 / 16, right=-1 / 16)], 64)[0, 0, :2]
    middle = likeness.shown(ramp, [MIDDLE], 64)[0, 0]
    assert torch.allclose(down - middle[0], torch.tensor(4.0), atol=0.1)
    assert torch.allclose(right - middle[1], torch.tensor(-4.0), atol=0.1)
    mirrored = likeness.shown(ramp, [Window(mirrored=True)], 64)[0, 0]
    assert torch.allclose(mirrored, middle.flip(2), atol=1e-3)


# ── C_T ──


def test_mann_whitney_has_mean_0_and_variance_1_over_all_splits_ties_too() -> None:
    values = np.array([0.0, 0.0, 1.0, 2.0, 2.0, 2.0, 5.0, 7.0])
    scores = []
    for chosen in itertools.combinations(range(8), 3):
        rest = [i for i in range(8) if i not in chosen]
        scores.append(mann_whitney(values[list(chosen)], values[rest]))
    assert np.mean(scores) == pytest.approx(0, abs=1e-9) and np.var(scores) == pytest.approx(1)
    assert mann_whitney(np.array([3.0, 4.0]), np.array([1.0, 2.0])) < 0, "nearer"
    assert mann_whitney(np.zeros(5), np.zeros(9)) == 0


def _distances(asked: np.ndarray, known: np.ndarray) -> np.ndarray:
    found: np.ndarray = torch.cdist(torch.from_numpy(asked), torch.from_numpy(known)).min(dim=1).values.numpy()
    return found


def test_c_t_tells_copying_fit_and_underfit_apart() -> None:
    random = np.random.default_rng(0)
    known, real, fit = (random.normal(size=(n, 3)) for n in (400, 150, 150))
    sets = {
        "copying": known[:150] + 0.05 * random.normal(size=(150, 3)),
        "fit": fit,
        "underfit": 2 * random.normal(size=(150, 3)),
    }
    middles = centres(known.astype(np.float32), 3)
    parts = cells(real.astype(np.float32), middles)
    found = {
        name: data_copying(
            _distances(real, known), _distances(fake, known), parts, cells(fake.astype(np.float32), middles)
        )
        for name, fake in sets.items()
    }
    assert found["copying"].z < -8 and abs(found["fit"].z) < 3 and found["underfit"].z > 4  # type: ignore[union-attr]
    assert found["copying"].cells == 3  # type: ignore[union-attr]


def test_c_t_is_standard_normal_in_its_error_where_nothing_is_copied() -> None:
    random = np.random.default_rng(1)
    scores = []
    for _ in range(300):
        known, real, fake = (random.normal(size=(n, 2)) for n in (60, 50, 70))
        halves = [(x[:, 0] > 0).astype(np.int64) for x in (real, fake)]
        scores.append(data_copying(_distances(real, known), _distances(fake, known), *halves).z)  # type: ignore[union-attr]
    assert abs(np.mean(scores)) < 0.2 and 0.85 < np.std(scores) < 1.15
    assert np.mean(np.abs(scores) > 1.96) == pytest.approx(0.05, abs=0.035)


def test_cells_with_few_pictures_are_left_out() -> None:
    real, fake = np.arange(40.0), np.arange(50.0)
    found = data_copying(real, fake, np.repeat([0, 1], 20), np.repeat([0, 1], [45, 5]))
    assert found is not None and (found.cells, found.left_out, found.error) == (1, 1, 1.0)
    assert found.c_t == mann_whitney(real[:20], fake[:45])
    assert data_copying(real, fake[:10], np.zeros(40, np.int64), np.zeros(10, np.int64)) is None


def test_centres_lie_in_heaps_and_are_no_more_than_there_are() -> None:
    random = np.random.default_rng(0)
    heaps = np.concatenate([random.normal(at, 0.1, (30, 2)) for at in (0, 5, 10)]).astype(np.float32)
    assert sorted(centres(heaps, 3).mean(axis=1).round().tolist()) == [0, 5, 10]
    assert len(centres(np.ones((9, 2), np.float32), 3)) == 1


def test_a_surplus_is_fishers() -> None:
    """Of the lady tasting tea (Fisher 1935): three of four right, and one of four wrong."""
    assert surplus(3, 4, 1, 4) == pytest.approx(17 / 70)
    assert surplus(0, 64, 5, 1000) == pytest.approx(1) and surplus(64, 64, 0, 1000) < 1e-60


# ── judging ──


def told(ratios: np.ndarray, distances: np.ndarray | None = None) -> Looked:
    nothing = np.zeros(ratios.shape, object)
    distances = ratios if distances is None else distances
    return Looked(distances, ratios, nothing, nothing, np.zeros((ratios.shape[1], 2), np.float32))


def test_where_drawings_repeat_each_other_only_more_of_it_is_a_proof() -> None:
    random = np.random.default_rng(0)

    def usual(n: int) -> np.ndarray:
        return np.exp(random.normal(-0.1, 0.05, (3, n))).astype(np.float32)

    real = usual(1000)
    real[:, :30] = random.uniform(0.0, 0.3, (3, 30))  # of 30 there is another print
    real[:, :5] = 0
    unseen = Unseen(real, real, np.zeros((1000, 2), np.float32), 100)
    fake = usual(64)
    fake[:, :3] = random.uniform(0.05, 0.3, (3, 3))
    judged = judge(unseen, told(fake))
    assert judged.verdict == "no copies" and judged.copied.sum() == 3 and judged.by_nature == 30
    fake[:, :13] = random.uniform(0.05, 0.3, (3, 13))
    judged = judge(unseen, told(fake))
    assert judged.verdict == "copies" and judged.by_chance < 1e-4 and np.isfinite(judged.by_chance)
    real[:, :400] = 0  # and where nearly half of them are there twice
    judged = judge(Unseen(real, real, np.zeros((1000, 2), np.float32), 100), told(fake))
    assert judged.verdict == "no copies"


def test_a_set_that_lies_nearer_is_told_without_a_single_copy() -> None:
    random = np.random.default_rng(0)
    real = random.uniform(0.8, 1.0, (3, 200)).astype(np.float32)
    unseen = Unseen(real, real, np.zeros((200, 2), np.float32), 100)
    fake = random.uniform(0.7, 0.85, (3, 64)).astype(np.float32)
    judged = judge(unseen, told(fake))
    assert judged.verdict == "nearer than unseen" and judged.c_t.z < -6  # type: ignore[union-attr]


# ── runs ──


@pytest.fixture(scope="module")
def run(faces: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run on 40 drawings of 16 px, none held out."""
    folder = tmp_path_factory.mktemp("run")
    small = np.stack([np.asarray(Image.fromarray(image).resize((16, 16))) for image in faces[:40]])
    _prepared(small, folder, duplicates="keep")
    wanted = recipe.parse(TINY, "tests").changed(["arch.g_width=16"])
    (folder / "tiny.toml").write_text(wanted.to_toml(), "utf-8")
    starting.train(folder / "tiny.toml", folder / "data", folder / "run", device_name="cpu")
    return folder / "run"


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    def network(name: str, *_: object) -> Network:
        networks.require(name)
        return NET

    monkeypatch.setattr(networks, "network", network)


def taught(run: Path, out: Path, pictures: np.ndarray) -> Path:
    """A copy of the run whose generator has been taught to draw these from the latents of seed 0."""
    shutil.copytree(run, out)
    model = sampling.load(out, device_name="cpu")
    z = sampling.latents(len(pictures), model.z_dim, 0)
    target = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    optimiser = torch.optim.Adam(model.generator.parameters(), 0.01)
    for _ in range(300):
        optimiser.zero_grad()
        loss = (model.generator(z) - target).square().mean()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.01
    tensors, about = load_tensors(model.path)
    learned = {f"ema.{name}": tensor for name, tensor in model.generator.state_dict().items()}
    save_tensors(model.path, {**tensors, **learned}, about)
    return out


def test_a_run_that_knows_its_drawings_by_heart_is_found_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Prepared(Run(run).about["data"]["folder"])
    drawings = data.gather(range(24))
    drawings[12:] = drawings[12:, :, ::-1]
    copyist = taught(run, tmp_path / "copyist", drawings)
    assert main(["originality", str(copyist), "-n", "24", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "copies" and len(found["copied"]) >= 18
    assert (found["training"], found["held_out"], found["left_out"]) == (len(data), 0, len(data))
    assert found["c_t"]["c_t"] < -4
    assert (
        f"{len(found['copied'])} of 24 look copied" in found["evidence"][0]
        and "held no pictures out" in found["evidence"][-1]
    )
    assert [picture["number"] for picture in found["pictures"] if picture["copied"]] == found["copied"]
    matches = next(picture["matches"] for picture in found["pictures"] if picture["number"] == 13)
    assert set(matches) == set(VIEWS) and matches["pixels"]["how"].startswith("mirrored")
    assert matches["pixels"]["number"] == 13 and matches["pixels"]["path"] == data.records()[13].path
    figure = Image.open(copyist / "figures" / "originality.png")
    assert figure.width > 900 and figure.height > 700
    assert main(["originality", str(copyist), "-n", "24", "-o", str(tmp_path / "seen.jpg")]) == 0
    said = capsys.readouterr().out
    assert (
        "look copied" in said
        and "picture " in said
        and " more" in said
        and "C_T = -" in said
        and (tmp_path / "seen.jpg").is_file()
    )


def test_a_run_that_draws_noise_has_copied_nothing(run: Path, tmp_path: Path) -> None:
    found = originality(run, n=24, device_name="cpu", out=tmp_path / "noise.png")
    assert found.verdict == "no copies" and found.c_t is not None and found.c_t.z > 3
    assert found.evidence[0] == "no copies seen among 24" and "farther than unseen" in found.evidence[1]
    assert not (run / "figures" / "originality.png").exists()
    few = originality(run, n=3, device_name="cpu", out=tmp_path / "noise.png")
    assert few.c_t is None and "takes 20" in few.evidence[1] and len(few.pictures) == 3


# ── wrong use ──


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"n": 0}, "cannot draw 0 pictures"),
        ({"features": "vgg"}, "no feature network 'vgg'"),
        ({"snapshot": "000000001"}, "no snapshot"),
        ({"data": "nowhere"}, "does not exist"),
        ({"out": "picture.txt"}, "cannot write a picture called picture.txt"),
    ],
)
def test_wrong_use(run: Path, how: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        originality(run, device_name="cpu", **how)  # type: ignore[arg-type]


def test_another_dataset_is_refused_and_a_moved_one_is_not(run: Path, data: Prepared, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not what .* was trained on; give that dataset with --data"):
        originality(run, data=data.folder, n=2, device_name="cpu")
    moved = tmp_path / "moved"
    shutil.copytree(Run(run).about["data"]["folder"], moved)
    assert originality(run, data=moved, n=2, device_name="cpu", out=tmp_path / "x.png").count == 2


def test_pictures_that_cannot_come_from_the_dataset_are_refused(data: Prepared, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too small for 64×64"):
        Known(data, 0, (64, 64, 3), NET)
    grey = _prepared(data.gather(range(4)), tmp_path / "grey", grey=True)
    with pytest.raises(UsageError, match="grey pictures, but colour is wanted"):
        Known(grey, 0, (32, 32, 3), NET)
    with pytest.raises(UsageError, match="holds 2 training pictures"):
        Known(grey, 2, (32, 32, 1), NET)


def test_few_drawings_are_not_enough_to_tell(faces: np.ndarray, run: Path, tmp_path: Path) -> None:
    small = np.stack([np.asarray(Image.fromarray(image).resize((16, 16))) for image in faces[:10]])
    _prepared(small, tmp_path)
    starting.train(run.parent / "tiny.toml", tmp_path / "data", tmp_path / "run", device_name="cpu")
    found = originality(tmp_path / "run", n=4, device_name="cpu")
    assert found.verdict == "cannot tell" and "real pictures to read by, 16 are needed" in found.evidence[0]


def test_weights_that_are_no_numbers_are_a_fault(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "nan")
    path = Run(tmp_path / "nan").snapshot()
    tensors, about = load_tensors(path)
    name = next(name for name in tensors if name.startswith("ema.") and tensors[name].is_floating_point())
    tensors[name] = torch.full_like(tensors[name], torch.nan)
    save_tensors(path, tensors, about)
    with pytest.raises(Fault, match="not all numbers"):
        originality(tmp_path / "nan", n=2, device_name="cpu")


def test_what_is_asked_about_may_be_more_than_is_held_at_a_time(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    images = known.pictures(known.learned[:9])[:, :, ::-1]
    at_once = known.look(images, "at once")
    monkeypatch.setattr(room, "_ASKED", 4)
    monkeypatch.setattr(room, "_AT_ONCE", 13)
    in_parts = known.look(images, "in parts")
    assert np.array_equal(at_once.numbers, in_parts.numbers)
    assert np.allclose(at_once.ratios, in_parts.ratios, atol=5e-3)
