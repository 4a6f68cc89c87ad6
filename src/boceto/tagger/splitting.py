"""Which pictures a tagger learns from, chooses by, and is judged on: a pure function of their content and a seed.

Pictures that show the same drawing (saved again, mirrored, a little brighter, another look in the eyes) go to one part
together: what a network has seen of one it would know of the other, and the test would flatter it. Each group goes
where a hash of its content says, so that a picture added or left out moves no other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boceto.data.screening import Pixels, cells, fingerprint

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
_BITS = 10  # of 64, that fingerprints of one drawing may differ in
_ROUGHLY = 15.0  # grey levels (root mean square) between 8×8 means, likewise
_LEVELS = 20.0  # two pictures whose 32×32 cells differ by more on average are of two drawings
_AT_ONCE = 2**22  # pairs of fingerprints


@dataclass(frozen=True)
class Split:
    """Numbers of the pictures of each part, ascending; ``repeated``: pictures that show the drawing of another."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    repeated: int

    def among(self, numbers: NDArray[np.int64]) -> Split:
        """Only these pictures, each where it is."""
        train, validation, test = (np.intersect1d(part, numbers) for part in (self.train, self.validation, self.test))
        return Split(train, validation, test, self.repeated)


def split(images: Pixels, seed: int) -> Split:
    """Part uint8 (N, H, W, C): about 70 % to learn from, 15 % to choose by, 15 % to be judged on."""
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    group = groups(images)
    least: dict[int, bytes] = {}
    for number, digest in zip(group.tolist(), digests, strict=True):
        least[number] = min(least.get(number, digest), digest)
    place = np.array([_share(seed, least[number]) for number in group.tolist()])
    first, second = SHARES["train"], SHARES["train"] + SHARES["validation"]
    return Split(
        np.flatnonzero(place < first),
        np.flatnonzero((first <= place) & (place < second)),
        np.flatnonzero(place >= second),
        len(images) - len(least),
    )


def _share(seed: int, digest: bytes) -> float:
    """Where a group goes: evenly spread over 0 … 1."""
    return int.from_bytes(hashlib.sha256(seed.to_bytes(8, "big") + digest).digest()[:8], "big") / 2**64


def groups(images: Pixels) -> NDArray[np.int64]:
    """Of each picture (N, H, W, C) the number of the first that shows the same drawing, over as many steps as it takes.

    Proposed by the fingerprint of ``screening`` or by the pixels, roughly, and decided by the pixels. What is alike is
    alike sooner than where drawings are left out, and mirrored ones are too: there a drawing would be lost, here two
    different ones merely stay together.
    """
    first = np.arange(len(images))

    def root(number: int) -> int:
        while first[number] != number:
            first[number] = first[first[number]]
            number = int(first[number])
        return number

    rough, prints = _seen(images)
    rows = max(1, _AT_ONCE // max(1, len(images)))
    for flip in (1, -1):
        others, their_prints = (rough, prints) if flip == 1 else _seen(images[:, :, ::-1])
        for start in range(0, len(images), rows):
            part = slice(start, start + rows)
            near = _distances(rough[part], others) <= _ROUGHLY
            near |= np.bitwise_count(prints[part, None] ^ their_prints[None]) <= _BITS
            for i, j in np.argwhere(near).tolist():
                a, b = sorted((root(start + i), root(j)))
                if a != b and _alike(images[start + i], images[j][:, ::flip]):
                    first[b] = a
    return np.array([root(number) for number in range(len(images))], np.int64)


def _seen(images: Pixels) -> tuple[NDArray[np.float32], NDArray[np.uint64]]:
    """What likeness is proposed by: 8×8 means of each picture (N, 64·C), and its fingerprint (N,)."""
    means = np.stack([cells(image, 8).ravel() for image in images]).astype(np.float32)
    return means, np.array([fingerprint(image) for image in images], np.uint64)


def _distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D), (M, D) → (N, M), root mean square."""
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * a @ b.T
    root: NDArray[np.float32] = np.sqrt(squared.clip(0) / a.shape[1])
    return root


def _alike(a: Pixels, b: Pixels) -> bool:
    return bool(np.abs(cells(a).astype(np.int16) - cells(np.ascontiguousarray(b))).mean() <= _LEVELS)
