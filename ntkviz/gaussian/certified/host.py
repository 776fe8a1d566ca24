"""Adaptive quadrature within compiled JAX code, by a callback to NumPy at run time.

No rule with a fixed number of nodes suits every function at every variance, but a rule that sees the numbers can choose
its nodes. The callback works under `jit`, `vmap` and `scan`, on any device, and takes almost no time to compile.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.buffer_callback import buffer_callback
from jaxtyping import Float64

from ntkviz.gaussian.certified import adaptive, adaptive_pairs
from ntkviz.gaussian.certified.adaptive import Laws
from ntkviz.gaussian.certified.enclosures import Traced, traced
from ntkviz.gaussian.certified.functions import Array
from ntkviz.gaussian.certified.jumps import Primitive, primitives
from ntkviz.language.nonlinearities.nonlinearity import Nonlinearity

Estimate = tuple[Float64[jax.Array, "*#shape"], Float64[jax.Array, "*#shape"], Float64[jax.Array, "*#shape"]]
"""A value, its absolute error, and the size of the summands (E|φψ| or a bound of it)."""
Numbers = list[Float64[Array, "entries"]]
Results = Float64[Array, "3 entries"]


@runtime_checkable
class Law(Protocol):
    """A function with its parameters, and the mean and variance of its argument."""

    @property
    def phi(self) -> Nonlinearity: ...
    @property
    def variance(self) -> jax.Array: ...
    @property
    def mean(self) -> jax.Array: ...
    @property
    def theta(self) -> tuple[jax.Array, ...]: ...


def single_on_host(x: Law, degree: int) -> Estimate:
    """E[φ(x) zᵈᵉᵍʳᵉᵉ], where z is x in units of standard deviations from its mean."""
    return _called(_single(_read(x), degree), (x.mean, x.variance, *x.theta))


def pair_on_host(x: Law, y: Law, correlation: jax.Array, sine: jax.Array) -> Estimate:
    """E[φ(x) ψ(y)], given the correlation ρ and `sine` = √(1 − ρ²)."""
    numbers = (x.mean, x.variance, y.mean, y.variance, correlation, sine, *x.theta, *y.theta)
    return _called(_pair(_read(x), _read(y)), numbers)


class _Function(NamedTuple):
    """φ, the number of its parameters, and the functions whose derivatives by JAX it contains."""

    traced: Traced
    parameters: int
    primitives: tuple[Primitive, ...]

    def known(self, theta: tuple[float, ...], laws: Laws) -> adaptive.Known:
        return adaptive.known(self.traced, theta, laws)

    def is_function(self, theta: tuple[float, ...], laws: Laws) -> bool:
        """Whether φ is a function in the proper sense: it contains no derivative of a function with a jump."""
        reach = float(laws.reach(adaptive.REACH).max(initial=0.0))
        return not any(p.jumps(theta, reach) for p in self.primitives)


def _read(x: Law) -> _Function:
    count = len(x.theta)
    return _Function(traced(x.phi.fn, count), count, primitives(x.phi, count))


def _checked(found: adaptive.Line, is_function: bool) -> adaptive.Line:
    return found if is_function else found._replace(error=np.full_like(found.error, np.inf))


# The callbacks are cached, so that JAX reuses its trace.


@functools.lru_cache(maxsize=1024)
def _single(phi: _Function, degree: int) -> Callable[[Numbers], Results]:
    def one(
        theta: tuple[float, ...], mean: Float64[Array, "entries"], variance: Float64[Array, "entries"]
    ) -> adaptive.Line:
        laws = Laws(mean, np.sqrt(variance))
        return _checked(adaptive.line(phi.known(theta, laws), laws, degree), phi.is_function(theta, laws))

    return lambda numbers: _by_parameters(one, numbers[:2], numbers[2:])


@functools.lru_cache(maxsize=1024)
def _pair(phi: _Function, psi: _Function) -> Callable[[Numbers], Results]:
    def one(theta: tuple[float, ...], *numbers: Float64[Array, "entries"]) -> adaptive.Line:
        mean_x, variance_x, mean_y, variance_y, correlation, sine = numbers
        x, y = Laws(mean_x, np.sqrt(variance_x)), Laws(mean_y, np.sqrt(variance_y))
        of_x, of_y = theta[: phi.parameters], theta[phi.parameters :]
        if (phi, of_x) == (psi, of_y):
            first = second = phi.known(of_x, Laws(*map(np.concatenate, zip(x, y, strict=True))))
        else:
            first, second = phi.known(of_x, x), psi.known(of_y, y)
        found = adaptive_pairs.pairs(first, second, x, y, correlation, sine)
        return _checked(found, phi.is_function(of_x, x) and psi.is_function(of_y, y))

    return lambda numbers: _by_parameters(one, numbers[:6], numbers[6:])


def _by_parameters(calculate: Callable[..., adaptive.Line], numbers: Numbers, theta: Numbers) -> Results:
    """`calculate(θ, *numbers)` for all entries with the same θ together, (3, n); NaN where an input is not finite."""
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


def _called(calculate: Callable[[Numbers], Results], numbers: tuple[jax.Array, ...]) -> Estimate:
    shape = jnp.broadcast_shapes(*(jnp.shape(a) for a in numbers))
    numbers = tuple(a.reshape((1,) * (len(shape) - a.ndim) + a.shape) for a in map(jnp.asarray, numbers))  # for vmap
    out = (jax.ShapeDtypeStruct(shape, float),) * 3
    found: Estimate
    if jax.default_backend() == "cpu":
        found = buffer_callback(_into_buffers(calculate), out, vmap_method="broadcast_all")(*numbers)
    else:
        found = jax.pure_callback(_on_arrays(calculate), out, *numbers, vmap_method="broadcast_all")
    return found


@functools.lru_cache(maxsize=4096)
def _into_buffers(calculate: Callable[[Numbers], Results]) -> Callable[..., None]:
    """A callback for CPUs, which receives plain buffers.

    One that has to request its numbers from JAX, as with `jax.pure_callback`, may deadlock with the threads that wait
    for it.
    """

    def call(_: Any, out: Any, *numbers: Any) -> None:
        for buffer, part in zip(out, _on_arrays(calculate)(*numbers), strict=True):
            np.asarray(buffer)[...] = part

    return call


@functools.lru_cache(maxsize=4096)
def _on_arrays(calculate: Callable[[Numbers], Results]) -> Callable[..., tuple[Array, ...]]:
    def call(*numbers: Any) -> tuple[Array, ...]:
        arrays = np.broadcast_arrays(*(np.asarray(a) for a in numbers))
        shape = arrays[0].shape
        return tuple(part.reshape(shape) for part in calculate([a.ravel() for a in arrays]))

    return call
