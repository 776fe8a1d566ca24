"""A training task: the arguments that all readings of training share, and their checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from ..errors import HyperparameterError, InputError, shown
from ..execution.examples import examples_are_separate
from ..execution.ragged import Data
from ..language.architecture import Architecture, check_architecture, check_data, listed, number, whole_number
from .losses import check_loss


class Task(NamedTuple):
    """Gradient descent of one architecture on one set of examples.

    - `weights`: how often each training example counts in each step's loss, `(steps, train)`.
    - `output_biases`: the names of vectors that stand for a bias of the output (`InTraining`), and the sum of their
      rates.
    """

    arch: Architecture
    train: Data
    test: Data | None
    targets: Float64[np.ndarray, "train"]
    weights: Float64[np.ndarray, "steps train"]
    learning_rate: float
    richness: float
    loss: str
    output_biases: tuple[frozenset[str], float]

    @property
    def steps(self) -> int:
        """The number of steps."""
        return len(self.weights)


def checked_task(
    arch: Any,
    x: Any,
    y: Any,
    x_test: Any,
    *,
    steps: Any,
    learning_rate: Any,
    richness: Any,
    loss: Any,
    batches: Any,
) -> Task:
    """The task with these arguments; raises `HyperparameterError` or `InputError` if one of them is invalid."""
    check_architecture(arch)
    train = check_data(x, "x")
    arch, biases = arch.in_training(train)
    [targets] = check_data(y, "y")
    if targets.shape != (len(train[0]),):
        raise InputError(f"y has shape {targets.shape}; for {len(train[0])} inputs it must be ({len(train[0])},).")
    if batches is not None and not examples_are_separate(arch, train):
        raise InputError(
            f"{arch.fn.__name__} treats a batch as one input, because of batch normalisation or the like, so it cannot "
            "be trained on parts of it; leave out batches."
        )
    count = whole_number(steps, "steps", at_least=0)
    return Task(
        arch,
        train,
        None if x_test is None else check_data(x_test, "x_test"),
        targets.astype(float),
        np.ones((count, len(targets))) if batches is None else _counts(batches, count, len(targets)),
        float(number(learning_rate, "learning_rate", at_least=0)),
        float(number(richness, "richness", above=0)),
        check_loss(loss, targets),
        (frozenset(biases), float(sum(biases.values()))),
    )


def _counts(batches: Any, steps: int, examples: int) -> Float64[np.ndarray, "steps train"]:
    """The number of times that each example is in each batch."""
    given = listed(batches, "batches", of="lists of examples, one for each step")
    if len(given) != steps:
        raise HyperparameterError(f"There are {len(given)} batches for {steps} steps; give one batch for each step.")
    counts = [np.bincount(_members(batch, examples), minlength=examples) for batch in given]
    return np.array(counts, dtype=float).reshape(steps, examples)


def _members(batch: Sequence[int], examples: int) -> Any:
    try:
        members = np.asarray(batch)
    except ValueError:  # nested lists of different lengths
        members = np.empty(0, object)
    if members.ndim != 1 or members.dtype.kind not in "iu" or not np.all((members >= 0) & (members < examples)):
        raise HyperparameterError(
            f"A batch is {shown(batch)}; it must be a list of the numbers of training inputs, from 0 to {examples - 1}."
        )
    return members
