"""Adaptive quadrature within calculations that JAX has compiled: a call back to NumPy once the numbers are known.

No rule with a fixed number of nodes suits every function at every variance; with the numbers at hand a rule can choose
its nodes. The call works under `jit`, `vmap` and `scan`, on any device, and compiles to next to nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.buffer_callback import buffer_callback

from ntkviz.gaussian import adaptive, adaptive_pairs
from ntkviz.gaussian.adaptive import Laws
from ntkviz.gaussian.enclosures import Traced

Estimate = tuple[jax.Array, jax.Array, jax.Array]
"""A value, its absolute error, and the size of what was summed (E|φψ| or a bound of it)."""
Numbers = list[np.ndarray]


class Law(Protocol):
    """The law and the parameters of one argument."""

    @property
    def variance(self) -> jax.Array: ...
    @property
    def mean(self) -> jax.Array: ...
    @property
    def theta(self) -> tuple[jax.Array, ...]: ...


@functools.lru_cache(maxsize=1024)
def traced(fn: Callable[..., Any], parameters: int) -> Traced:
    """The jaxpr of φ(x; θ…), read once for each function."""
    with jax.ensure_compile_time_eval():
        return Traced(fn, 1 + parameters)


def single_on_host(phi: Traced, x: Law, degree: int) -> Estimate:
    """E[φ(x) zᵈᵉᵍʳᵉᵉ]."""
    return _called(_single(phi, degree), (x.mean, x.variance, *x.theta))


def pair_on_host(functions: tuple[Traced, ...], x: Law, y: Law, correlation: jax.Array, sine: jax.Array) -> Estimate:
    """E[φ(x) ψ(y)]."""
    numbers = (x.mean, x.variance, y.mean, y.variance, correlation, sine, *x.theta, *y.theta)
    return _called(_pair(*functions, len(x.theta)), numbers)


# One function for each question, so that JAX finds what it has traced for it.


@functools.lru_cache(maxsize=1024)
def _single(phi: Traced, degree: int) -> Callable[[Numbers], np.ndarray]:
    def calculate(numbers: Numbers) -> np.ndarray:
        def one(theta: tuple[float, ...], mean: np.ndarray, variance: np.ndarray) -> adaptive.Line:
            laws = Laws(mean, np.sqrt(variance))
            return adaptive.line(adaptive.known(phi, theta, laws), laws, degree)

        return _by_parameters(one, numbers[:2], numbers[2:])

    return calculate


@functools.lru_cache(maxsize=1024)
def _pair(phi: Traced, psi: Traced, parameters: int) -> Callable[[Numbers], np.ndarray]:
    def calculate(numbers: Numbers) -> np.ndarray:
        def one(theta: tuple[float, ...], *numbers: np.ndarray) -> adaptive.Line:
            mean_x, variance_x, mean_y, variance_y, correlation, sine = numbers
            x, y = Laws(mean_x, np.sqrt(variance_x)), Laws(mean_y, np.sqrt(variance_y))
            first, second = adaptive.known(phi, theta[:parameters], x), adaptive.known(psi, theta[parameters:], y)
            return adaptive_pairs.pairs(first, second, x, y, correlation, sine)

        return _by_parameters(one, numbers[:6], numbers[6:])

    return calculate


def _by_parameters(calculate: Callable[..., adaptive.Line], numbers: Numbers, theta: Numbers) -> np.ndarray:
    """(3, n): `calculate(θ, *numbers)` for all entries with the same θ at once; NaN where anything is no number."""
    count = len(numbers[0])
    result = np.full((3, count), np.nan)
    sound = np.isfinite(np.stack([*numbers, *theta])).all(0)
    rows, which = np.unique(np.stack([np.zeros(count), *theta])[:, sound], axis=1, return_inverse=True)
    places, which = np.flatnonzero(sound), which.reshape(-1)
    with np.errstate(all="ignore"):
        for k, row in enumerate(rows.T):
            at = places[which == k]
            result[:, at] = calculate(tuple(map(float, row[1:])), *(a[at] for a in numbers))
    return result


def _called(calculate: Callable[[Numbers], np.ndarray], numbers: tuple[jax.Array, ...]) -> Estimate:
    shape = jnp.broadcast_shapes(*(jnp.shape(a) for a in numbers))
    numbers = tuple(jnp.asarray(a, dtype=float) for a in numbers)
    out = (jax.ShapeDtypeStruct(shape, float),) * 3
    if jax.default_backend() == "cpu":
        return buffer_callback(_into_buffers(calculate), out, vmap_method="broadcast_all")(*numbers)
    return jax.pure_callback(_on_arrays(calculate), out, *numbers, vmap_method="broadcast_all")


@functools.lru_cache(maxsize=4096)
def _into_buffers(calculate: Callable[[Numbers], np.ndarray]) -> Callable[..., None]:
    """On a CPU, a callback that is handed its numbers: one that has to ask JAX for them, as `jax.pure_callback`'s does,
    may wait for ever for the threads that wait for it."""

    def call(_: Any, out: Any, *numbers: Any) -> None:
        for buffer, part in zip(out, _on_arrays(calculate)(*numbers), strict=True):
            np.asarray(buffer)[...] = part

    return call


@functools.lru_cache(maxsize=4096)
def _on_arrays(calculate: Callable[[Numbers], np.ndarray]) -> Callable[..., tuple[np.ndarray, ...]]:
    def call(*numbers: Any) -> tuple[np.ndarray, ...]:
        arrays = np.broadcast_arrays(*(np.asarray(a) for a in numbers))
        shape = arrays[0].shape
        return tuple(part.reshape(shape) for part in calculate([a.ravel() for a in arrays]))

    return call
