"""The Inception of FID: torch-fidelity's numbers on made-up weights; on the published ones where they are present."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch

from boceto.data import sketchbook
from boceto.data.prepared import sha256
from boceto.errors import Fault
from boceto.metrics import features, inception
from boceto.metrics.distances import frechet, inception_score, kernel
from boceto.metrics.inception import Inception

# Names and shapes of the published file's tensors, as torch-fidelity 0.4.0 has them.
SHAPES: dict[str, list[int]] = json.loads((Path(__file__).parent / "inception.json").read_text("utf-8"))


def made_up() -> dict[str, torch.Tensor]:
    """Weights in the form of the published ones, of a size that lets numbers pass through unharmed."""
    random, weights = np.random.Generator(np.random.PCG64(0)), {}
    for name, shape in SHAPES.items():
        x = random.standard_normal(shape, np.float32)
        if name.endswith("conv.weight"):
            x *= np.float32((2 / np.prod(shape[1:])) ** 0.5)
        elif name.endswith("running_var"):
            np.add(1, 0.5 * np.abs(x), out=x)
        elif name.endswith("bn.weight"):
            np.add(1.2, 0.1 * x, out=x)
        else:
            x *= np.float32(0.1)
        weights[name] = torch.from_numpy(x)
    return weights


def pictures() -> torch.Tensor:
    """Two of 56×40 pixels, in every value and without any symmetry."""
    y, x = np.mgrid[0:40, 0:56]
    one = np.stack([x * 4 % 256, y * 6 % 256, x * y % 256], axis=-1).astype(np.uint8)
    return torch.from_numpy(np.stack([one, 255 - one[::-1]]))


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return made_up()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PyTorch's cache, empty; and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("BOCETO_INCEPTION", raising=False)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *a, **k: (_ for _ in ()).throw(OSError("no route to host")))
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def published(weights: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the old form that the published one has, taken for it."""
    path = tmp_path / "published.pth"
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    monkeypatch.setattr(inception, "SHA256", sha256(path))
    return path


def test_it_gives_the_numbers_of_torch_fidelity(weights: dict[str, torch.Tensor]) -> None:
    """By torch-fidelity 0.4.0, of the same weights and pictures; nothing else is in the weights than is used."""
    assert len(SHAPES) == 472 and sum(np.prod(shape) for shape in SHAPES.values()) == 23_885_392
    net = Inception(weights)
    found = net.features(inception.resized(pictures()))
    assert found.shape == (2, 2048) and found.dtype == torch.float32
    strongest = {156: 9.4347, 1938: 7.9823, 1991: 6.6865, 1906: 6.5771, 1898: 6.5418}
    assert found[0].topk(5).indices.tolist() == list(strongest)
    assert found[0, list(strongest)].tolist() == pytest.approx(list(strongest.values()), abs=1e-3)
    assert found.sum(dim=1).tolist() == pytest.approx([2004.9747, 1998.2285], rel=1e-5)
    classes = net.logits(found)
    assert classes.shape == (2, 1008)
    assert {int(i): float(v) for v, i in zip(*classes[0].topk(3), strict=True)} == pytest.approx(
        {292: 23.8115, 94: 21.5223, 671: 20.2238}, abs=1e-3
    )


def test_pictures_are_enlarged_as_tensorflow_1_does_it() -> None:
    """From the corner: of 2 pixels, 4 are x₀, (x₀ + x₁) / 2, x₁ and x₁ again."""
    two = torch.tensor([[0, 100]], dtype=torch.uint8).reshape(1, 1, 2, 1)
    assert inception.resized(two, 4)[0, 1, 2].tolist() == [0, 50, 100, 100]
    large = torch.arange(12, dtype=torch.uint8).reshape(1, 1, 12, 1)
    assert inception.resized(large, 4)[0, 0, 0].tolist() == [0, 3, 6, 9], "and nothing is smoothed on the way down"
    same = torch.randint(0, 256, (1, 299, 299, 3), dtype=torch.uint8)
    assert torch.equal(inception.resized(same), same.permute(0, 3, 1, 2).float())


def test_its_mean_pools_leave_the_border_out() -> None:
    corner = torch.zeros(1, 1, 3, 3)
    corner[0, 0, 0, 0] = 4
    assert inception._POOLS["mean"](corner)[0, 0, 0, 0] == 1, "of the four pixels there are, not of nine"


def test_the_file_is_taken_from_where_it_lies(published: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.mkdir(parents=True)
    monkeypatch.setenv("BOCETO_INCEPTION", str(published))
    net = features.network("inception")
    assert (net.name, net.side) == ("inception", 299) and net.logits is not None
    monkeypatch.delenv("BOCETO_INCEPTION")
    published.rename(hub / "weights-inception-2015-12-05-6726825d.pth")
    clean = features.network("inception-clean")
    small = pictures().numpy()
    a, b = features.extract(small, net), features.extract(small, clean)
    assert a.sum(axis=1).tolist() == pytest.approx([2004.9747, 1998.2285], rel=1e-5)
    assert 1e-3 < np.linalg.norm(a - b) / np.linalg.norm(a) < 0.5, "resized in another way"


def test_clean_is_resized_by_pillow(published: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As clean-fid does it: every channel by itself, bicubic, in floats."""
    from PIL import Image

    for size in ((40, 56), (320, 299)):
        picture = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
        by_pillow = [
            Image.fromarray(picture[:, :, c].astype(np.float32)).resize((299, 299), Image.Resampling.BICUBIC)
            for c in range(3)
        ]
        found = features.resized(torch.from_numpy(picture)[None], 299)[0]
        assert np.abs(found.numpy() - np.stack([np.asarray(p).clip(0, 255) for p in by_pillow])).max() < 0.01


def test_offline_it_says_what_to_do(hub: Path) -> None:
    with pytest.raises(Fault, match=r"cannot be downloaded \(no route to host\); put https://.* into .*checkpoints"):
        features.network("inception")
    assert not list(hub.glob("*"))


def test_another_file_is_refused(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOCETO_INCEPTION", str(tmp_path / "nowhere.pth"))
    with pytest.raises(Fault, match=r"cannot read .*nowhere.pth: it does not exist"):
        features.network("inception")
    (tmp_path / "other.pth").write_bytes(b"not it")
    monkeypatch.setenv("BOCETO_INCEPTION", str(tmp_path / "other.pth"))
    with pytest.raises(Fault, match=r"other.pth is not the file .* published"):
        features.network("inception")


def test_it_is_downloaded_once(published: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, asked, told = published.read_bytes(), [], []

    def open_(url: str, timeout: float) -> io.BytesIO:
        asked.append(url)
        return io.BytesIO(content)

    monkeypatch.setattr(urllib.request, "urlopen", open_)
    features.network("inception", "cpu", lambda done, of: told.append((done, of)))
    assert told[-1] == (95, 96) or told[-1] == (96, 96)
    features.network("inception")
    assert asked == [inception.URL] and sha256(hub / inception.NAME) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("how", ["cut short", "broken off"])
def test_a_download_that_fails_leaves_nothing(
    how: str, published: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Half(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if how == "broken off" and self.tell():
                raise http.client.IncompleteRead(b"")
            return super().read(size)

    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: Half(published.read_bytes()[: 3 * 10**6]))
    with pytest.raises(Fault, match="is not the file it was" if how == "cut short" else "cannot be downloaded"):
        features.network("inception")
    assert not list(hub.glob("*"))


class Pictures(torch.utils.data.Dataset[torch.Tensor]):
    """Pictures in the form that torch-fidelity takes."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = torch.from_numpy(images.copy()).permute(0, 3, 1, 2)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> torch.Tensor:
        return self.images[number]


@pytest.mark.slow
def test_published_weights_give_published_scores() -> None:
    """FID, KID and Inception score by torch-fidelity, to a thousandth; skipped where it or the weights are absent."""
    if (path := inception._found()) is None:
        pytest.skip(f"the published weights are absent; put {inception.URL} into {inception._folder()}")
    theirs = pytest.importorskip("torch_fidelity", reason="to compare with: pip install torch-fidelity")
    drawn = [sketchbook.draw(sketchbook.invent(0, number), 64).convert("RGB") for number in range(96)]
    real = np.stack([np.asarray(picture) for picture in drawn])
    real, fake = real[:48], real[48:, :, ::-1] // 2 + 60
    net = features.network("inception")
    a, b = features.extract(real, net), features.extract(fake, net)
    assert net.logits is not None
    found = {
        "inception_score_mean": inception_score(net.logits(torch.from_numpy(b)).softmax(dim=1).numpy()),
        "frechet_inception_distance": frechet(a, b),
        "kernel_inception_distance_mean": kernel(a, b),
    }
    how = {"isc": True, "isc_splits": 1, "fid": True, "kid": True, "kid_subsets": 1, "kid_subset_size": len(a)}
    expected = theirs.calculate_metrics(
        input1=Pictures(fake),
        input2=Pictures(real),
        feature_extractor_weights_path=str(path),
        cuda=False,
        cache=False,
        verbose=False,
        **how,
    )
    assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-3)
