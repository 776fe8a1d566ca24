"""Whether the readings of one program agree, each within the error it states, or refuse it by name.

Compiling a program takes seconds, so thousands of them are evaluated operation by operation (`jax.disable_jit`):
operations of equal shapes are compiled once for all programs. Where a cheap estimate is inconclusive, a more expensive
one follows, and only a difference that persists counts. A false alarm then needs several unlikely draws in a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import ntkviz as nv
from ntkviz.calculus.general import differentiated
from ntkviz.calculus.sampled import Table, VirtualNetwork, dimensions, sampled_kernels
from ntkviz.execution.examples import examples_are_separate
from ntkviz.gaussian.sobol import replicates
from ntkviz.language.gradients.gia import check_program
from ntkviz.networks.finite import ntk_of_batches, ntk_of_examples
from ntkviz.networks.sampling import sample_parameters

from .programs import Example


class Estimate(NamedTuple):
    """A kernel and the standard error (or a bound of the error) of its entries."""

    value: np.ndarray
    error: np.ndarray


@dataclass
class Outcome:
    """The outcome for one program: the readings that gave numbers, and the named errors of those that refused."""

    agreed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


class DisagreementError(AssertionError):
    """Two readings of one program differ by more than their errors, or a refusal is not a sentence."""


def check(example: Example) -> Outcome:
    """Evaluate a program by every reading. Raises `DisagreementError`, or any error that is not an `NtkvizError`."""
    outcome, arch, x = Outcome(), example.arch, example.data
    with jax.disable_jit():
        if attempt(outcome, "program", lambda: nv.program(arch, x)) is None:
            return outcome
        forward = attempt(outcome, "forward", lambda: _forward(arch, x))
        general = attempt(outcome, "general", lambda: sampled(arch, x, log2_samples=9, scrambles=8))
        limit = forward[1] if forward is not None else general[1] if general is not None else None
        finite = attempt(outcome, "finite", lambda: _networks(arch, x, width=128, seeds=16))
        if outcome.refused.get("finite") == "NotFiniteError" and limit is not None:
            # In float32 erf is 1 from 3.9 on, and batchnorm divides by the spread of rows that are beyond.
            finite = attempt(outcome, "finite in float64", lambda: _networks_in_float64(arch, x, width=128, seeds=16))
        if forward is not None and general is not None:
            _compare_limits(forward, general, arch, x)
        if limit is not None and finite is not None:
            _compare_with_networks(limit, finite, arch, x)
    infinite = {reading for reading, error in outcome.refused.items() if error == "NotFiniteError"}
    if "finite in float64" in outcome.agreed:
        infinite -= {"finite"}
    # A division by zero may be too rare to occur in a few narrow networks, so only these two count as wrong.
    if ("general" in outcome.agreed and infinite) or ("forward" in outcome.agreed and "finite" in infinite):
        raise DisagreementError(f"{infinite} not finite, but {outcome.agreed[1:]} are")
    return outcome


def attempt(outcome: Outcome, reading: str, read: Callable[[], object]):
    try:
        result = read()
    except nv.NtkvizError as refusal:
        if not is_sentence(str(refusal)):
            raise DisagreementError(f"{reading} refuses, but not in one sentence: {refusal}") from refusal
        outcome.refused[reading] = type(refusal).__name__
        return None
    outcome.agreed.append(reading)
    return result


def is_sentence(text: str) -> bool:
    """Whether a refusal is one line and one sentence: it ends with a full stop, the only one before a capital."""
    return bool(re.fullmatch(r"[^\n]{10,600}\.", text)) and not re.search(r"[.!?] +[A-Z]", text)


# --- the readings --------------------------------------------------------------------------------------


def _finite_numbers(value: np.ndarray, what: str) -> np.ndarray:
    array = np.asarray(value, dtype=float)
    if not np.all(np.isfinite(array)):
        raise nv.NotFiniteError(f"{what} is not a finite number.")
    return array


def _forward(arch: nv.Architecture, x: np.ndarray) -> tuple[Estimate, Estimate]:
    """NNGP and NTK by the forward kernels."""
    # A loop within loops that is not compiled is batched again and again by JAX, for minutes.
    with jax.disable_jit(not arch.trace((x,)).has_repeats):
        kernels = nv.infinite_ntk(arch, x, method="forward")
    error = _finite_numbers(kernels.error, "The error of the forward reading")
    return tuple(Estimate(_finite_numbers(k, "The forward reading"), error) for k in kernels[:2])  # type: ignore[return-value]


def sampled(arch: nv.Architecture, x: np.ndarray, *, log2_samples: int, scrambles: int) -> tuple[Estimate, Estimate]:
    """NNGP and NTK by the general reading, sampled: `general_kernels` with fewer samples, all scrambles at once."""
    separate = examples_are_separate(arch, (x,))
    program = arch.trace((x[:1],) if separate else (x,)).unrolled()
    whole = differentiated(program.structure, False)
    stacked = x[:, None] if separate else x[None]
    both = replace(whole, program=whole.program.with_numbers(program.constants, (stacked,)))
    passes = check_program(program).passes
    normals = replicates(dimensions(whole.program, len(stacked)), log2_samples, 0, scrambles)

    def kernels_from(table):
        return sampled_kernels((both,), passes, VirtualNetwork(Table(table)))[:2]

    kernels = jax.vmap(kernels_from)(jnp.asarray(np.stack(list(normals))))
    draws = [_finite_numbers(k, "The general reading") for k in kernels]
    return tuple(mean_of(d) for d in draws)  # type: ignore[return-value]


def _networks(arch: nv.Architecture, x: np.ndarray, *, width: int, seeds: int, first: int = 0) -> Estimate:
    """The NTK averaged over random networks of one width."""
    at_once = max(1, MOST_NUMBERS // width**2)
    draws = []
    for start in range(first, first + seeds, at_once):
        keys = jax.vmap(jax.random.key)(jnp.arange(start, min(start + at_once, first + seeds)))
        draws.append(np.asarray(jax.vmap(lambda key: nv.empirical_ntk(arch, x, width=width, key=key))(keys)))
    return mean_of(_finite_numbers(np.concatenate(draws), "The finite reading"))


def _networks_in_float64(arch: nv.Architecture, x: np.ndarray, *, width: int, seeds: int) -> Estimate:
    """The same for other networks, whose parameters are sampled in float64."""
    separate = examples_are_separate(arch, (x,))
    program = arch.trace((x[:1],) if separate else (x,)).unrolled()
    read = ntk_of_examples if separate else ntk_of_batches

    def one(key: jax.Array) -> jax.Array:
        parameters = sample_parameters(program, width, key, jnp.float64)
        return read(program.with_data(x), None, parameters, width)

    draws = jax.vmap(one)(jax.vmap(jax.random.key)(jnp.arange(seeds)))
    return mean_of(_finite_numbers(np.asarray(draws), "The finite reading in float64"))


MOST_NUMBERS = 2**24  # in one matrix of all networks that are sampled at once


def mean_of(draws: np.ndarray) -> Estimate:
    return Estimate(draws.mean(axis=0), draws.std(axis=0, ddof=1) / len(draws) ** 0.5)


# --- comparisons -----------------------------------------------------------------------------------------


def _compare_limits(
    forward: tuple[Estimate, Estimate], general: tuple[Estimate, Estimate], arch: nv.Architecture, x: np.ndarray
) -> None:
    """Samples also have a bias, of order 1/samples: with more samples it must shrink as the error does."""
    for log2_samples in (12, 14, None):
        if all(near(g, f, standard_errors=8) for f, g in zip(forward, general, strict=True)):
            return
        if log2_samples is not None:
            general = sampled(arch, x, log2_samples=log2_samples, scrambles=16)
    raise DisagreementError(f"forward and general reading differ:\n{forward}\n{general}")


def near(estimate: Estimate, exact: Estimate, *, standard_errors: float, share: float = 1e-9) -> bool:
    """Whether an estimate is as near as its errors say, give or take a `share` of the kernel's largest entry."""
    size = np.max(np.abs(exact.value)) + np.max(np.abs(estimate.value))
    allowed = standard_errors * np.max(estimate.error) + 5 * np.max(exact.error) + share * size + 1e-12
    return bool(np.max(np.abs(estimate.value - exact.value)) <= allowed)


def _compare_with_networks(limit: Estimate, networks: Estimate, arch: nv.Architecture, x: np.ndarray) -> None:
    """The mean over networks of width n differs by c/n. First, c may be any small number; then two widths eliminate it:
    (4·mean at 4n − mean at n)/3 has an error of order 1/n² alone."""
    if near(networks, limit, standard_errors=4, share=0.03):
        return
    for width, seeds, share in ((64, 64, 0.01), (256, 64, 0.003), (512, 256, 0.003)):
        narrow = _networks(arch, x, width=width, seeds=seeds, first=1000)
        wide = _networks(arch, x, width=4 * width, seeds=seeds, first=2000)
        error = np.sqrt(16 * wide.error**2 + narrow.error**2) / 3
        networks = Estimate((4 * wide.value - narrow.value) / 3, error)
        if near(networks, limit, standard_errors=4, share=share):
            return
    raise DisagreementError(f"networks do not approach the limit:\n{limit}\n{networks}")
