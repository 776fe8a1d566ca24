"""The data of the lessons: the handwritten digits that ship with scikit-learn."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

import numpy as np


@dataclass(frozen=True)
class Digits:
    """A few digits, ordered by class.

    - `x`: `(count, 64)`, the images minus the mean image, each scaled to mean square 1, so that every
      input has the length √64 that the theory assumes.
    - `pictures`: `(count, 8, 8)`, the original images, between 0 and 1.
    - `labels`: `(count,)`, the digit on each.
    """

    x: np.ndarray
    pictures: np.ndarray
    labels: np.ndarray

    @property
    def names(self) -> list[str]:
        """The digit on each image, and its number within the class: `4 (1)`, `4 (2)`, …"""
        places = [int(np.sum(self.labels[: k + 1] == label)) for k, label in enumerate(self.labels)]
        return [f"{label} ({place})" for label, place in zip(self.labels, places, strict=True)]


def digits(classes: Sequence[int] = (0, 1, 4, 6), each: int = 4) -> Digits:
    """The first `each` images of every class."""
    pixels, labels = every_digit()
    chosen = np.concatenate([np.flatnonzero(labels == label)[:each] for label in classes])
    x = pixels[chosen] - pixels.mean(axis=0)
    x /= np.sqrt(np.mean(x**2, axis=1, keepdims=True))
    return Digits(x, pixels[chosen].reshape(-1, 8, 8) / pixels.max(), labels[chosen])


@functools.cache
def every_digit() -> tuple[np.ndarray, np.ndarray]:
    """All 1797 images, `(1797, 64)` with ink from 0 to 16, and the digit on each.

    The data of `sklearn.datasets.load_digits`, read from the same file: importing scikit-learn takes as much memory as
    all the rest of a light kernel.
    """
    file = metadata.distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    table = np.loadtxt(str(file), delimiter=",")
    return table[:, :-1], table[:, -1].astype(int)
