"""Whether a generated program is trained as networks are: two steps, at finite width and in the limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np

import ntkviz as nv
from ntkviz.networks.sampling import random_key, run, sample_parameters
from ntkviz.training import limit
from tests.training.sgd import descend

from .agreement import DisagreementError, Estimate, Outcome, attempt, mean_of, near
from .programs import Example

STEPS, WIDTH = 2, 6


def check_training(example: Example) -> Outcome:
    """Train a program in every way. Raises `DisagreementError`, or whatever error has no name of ours."""
    outcome, arch, x = Outcome(), example.arch, example.data
    with jax.disable_jit():
        options = attempt(outcome, "learning rate", lambda: _options(arch, x))
        if options is None:
            return outcome
        program = attempt(outcome, "program", lambda: nv.training_program(arch, x, _targets(x), **options))
        if program is not None:
            _compare_with_gradients(program, arch, x, options)
        found = attempt(outcome, "limit", lambda: _limit(arch, x, options, log2_samples=9))
        if program is not None and found is not None:
            _compare_with_networks(found, arch, x, options)
    return outcome


def _targets(x: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(x)) % 2, -1.0, 0.5)


def _options(arch: nv.Architecture, x: np.ndarray) -> dict[str, Any]:
    """A learning rate at which a network of width 32 is far from diverging."""
    ntk = np.asarray(nv.empirical_ntk(arch, x, width=32, key=0), float)
    size = np.trace(ntk)
    if not 1e-6 < size < 1e6:
        raise nv.NotFiniteError("The kernel is zero or too large for this.")
    return {"steps": STEPS, "learning_rate": 0.2 / size}


def _networks(arch: nv.Architecture, x: np.ndarray, options: dict[str, Any], width: int, keys: range) -> np.ndarray:
    def one(key: jax.Array) -> jax.Array:
        return descend(arch, x, _targets(x), None, width=width, key=key, **options)

    return np.asarray(jax.vmap(one)(jax.vmap(jax.random.key)(jnp.array(keys))))


def _compare_with_gradients(program: nv.Program, arch: nv.Architecture, x: np.ndarray, options: dict[str, Any]) -> None:
    """At finite width the program is gradient descent, to rounding."""
    parameters = sample_parameters(program, WIDTH, random_key(1), jnp.float64)
    found = np.asarray(run(program, parameters).output)
    (expected,) = _networks(arch, x, options, WIDTH, range(1, 2))
    size = np.max(np.abs(expected))
    if np.isfinite(size) and size < 1e6 and not np.max(np.abs(found - expected)) <= 1e-8 * (1 + size):
        raise DisagreementError(f"the program of training is not gradient descent:\n{found}\n{expected}")


def _limit(arch: nv.Architecture, x: np.ndarray, options: dict[str, Any], log2_samples: int) -> Estimate:
    # Its loops are compiled: operation by operation they would take minutes.
    with patch.object(limit, "LOG2_SAMPLES", log2_samples), jax.disable_jit(False):
        learned = nv.feature_learning(arch, x, _targets(x), **options)
    return Estimate(learned.train, learned.error.train)


def _compare_with_networks(found: Estimate, arch: nv.Architecture, x: np.ndarray, options: dict[str, Any]) -> None:
    """As for kernels: the mean over networks is of order 1/n off, which two widths eliminate."""
    compared: list[tuple[Estimate, Estimate]] = []
    for networks, log2_samples, share in _dearer_and_dearer(arch, x, options):
        if log2_samples:
            found = _limit(arch, x, options, log2_samples)
        compared.append((found, networks))
        if near(networks, found, standard_errors=4, share=share):
            return
    raise DisagreementError(f"networks do not approach the limit:\n{compared[-1]}")


def _dearer_and_dearer(
    arch: nv.Architecture, x: np.ndarray, options: dict[str, Any]
) -> Iterator[tuple[Estimate, int, float]]:
    """Networks, how many samples of the limit they are compared with, if others, and the share that is allowed."""
    yield mean_of(_networks(arch, x, options, 64, range(24))), 0, 0.03
    for width, seeds, log2_samples in ((64, 96, 12), (192, 192, 13)):
        narrow = mean_of(_networks(arch, x, options, width, range(1000, 1000 + seeds)))
        wide = mean_of(_networks(arch, x, options, 3 * width, range(2000, 2000 + seeds)))
        error = np.sqrt(9 * wide.error**2 + narrow.error**2) / 2
        yield Estimate((3 * wide.value - narrow.value) / 2, error), log2_samples, 0.005
