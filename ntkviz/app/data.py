"""The data of the lessons: the handwritten digits that ship with scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits


@dataclass(frozen=True)
class Digits:
    """A few digits, ordered by class.

    - `x`: `(count, 64)`, the mean image taken away and each image scaled to mean square 1, so that
      every input has the length √64 the theory likes.
    - `pictures`: `(count, 8, 8)`, the images as they were, between 0 and 1.
    - `labels`: `(count,)`, which digit each one is.
    """

    x: np.ndarray
    pictures: np.ndarray
    labels: np.ndarray


def digits(classes: Sequence[int] = (0, 1, 4, 6), each: int = 4) -> Digits:
    """The first `each` images of every class."""
    data = load_digits()
    chosen = np.concatenate([np.flatnonzero(data.target == label)[:each] for label in classes])
    x = data.data[chosen] - data.data.mean(axis=0)
    x /= np.sqrt(np.mean(x**2, axis=1, keepdims=True))
    return Digits(x, data.images[chosen] / data.images.max(), data.target[chosen])
