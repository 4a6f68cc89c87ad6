"""Taggers: what they learn and on what they are judged, what becomes of their folder, and what else they are good for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from boceto import tagging
from boceto.data import sketchbook
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.tagger.folder import Tagger

TAGS = "glasses,dark_skin,long_hair,hat,:d"


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 420 characters of the sketchbook, tagged."""
    folder = tmp_path_factory.mktemp("book") / "drawings"
    sketchbook.write(folder, 420, seed=3, size=40, faults=False, workers=1)
    return folder


@pytest.fixture(scope="module")
def data(book: Path) -> Prepared:
    """Those of them that are portraits, prepared at 32 px."""
    return prepare(book, book.parent / "data", size=32, tags="portrait", workers=1)


@pytest.fixture(scope="module")
def tagger(data: Prepared) -> Tagger:
    return tagging.train(data.folder, data.folder.parent / "tagger", tags=TAGS, epochs=12, device_name="cpu")


def test_it(tagger: Tagger, data: Prepared) -> None:
    print(tagger.about)
