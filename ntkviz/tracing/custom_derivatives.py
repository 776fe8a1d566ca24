"""Checks that custom derivatives and stopped gradients leave the true derivative, which the limit uses."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import ClosedJaxpr, Literal, Var

from ..errors import TraceError, phrase
from .jaxprs import Equation, called


def check_derivative(eq: Equation, where: str) -> None:
    """Raise `TraceError` for a function whose custom derivative is not its true one.

    The two are compared on random numbers; a straight-through estimator, for example, differs almost everywhere.
    """
    if not _agree(eq.first):
        raise TraceError(
            f"The model has a function with a custom derivative that is not the true one{where}, such as a "
            "straight-through estimator; the limit NTK is defined by true derivatives."
        )


def _agree(equation: Any) -> bool:
    inner = called(equation)
    assert inner is not None
    shapes = [v.aval for v in equation.invars]
    floats = [k for k, a in enumerate(shapes) if jnp.issubdtype(a.dtype, jnp.floating)]
    rng = np.random.default_rng(0)
    values = [jnp.asarray(rng.standard_normal(a.shape) * 2, a.dtype) for a in shapes]
    given = [values[k] for k in floats]

    def of_floats(run: Any) -> Any:
        def fn(*args: Array) -> list[Array]:
            whole = list(values)
            for k, a in zip(floats, args, strict=True):
                whole[k] = a
            return [jnp.asarray(out) for out in run(*whole)]

        return fn

    arguments = [Var(v.aval) for v in equation.invars]
    alone = inner.jaxpr.replace(
        constvars=[], invars=arguments, outvars=equation.outvars, eqns=[equation.replace(invars=arguments)]
    )
    own = functools.partial(jax.core.eval_jaxpr, alone, ())
    plain = functools.partial(jax.core.eval_jaxpr, inner.jaxpr, inner.consts)
    slopes = [_slopes(of_floats(run), given) for run in (own, plain)]
    return all(np.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True) for a, b in zip(*slopes, strict=True))


STOPPED = phrase(
    "The model stops gradients of vectors{where}, so its NTK is not that of the function that it computes; leave out "
    "stop_gradient, unless it only stabilises a softmax or a logsumexp over positions."
)


def check_stops(whole: ClosedJaxpr, arrays: Sequence[Array], stopped: dict[Any, str]) -> None:
    """Raise `TraceError` unless the model is the same function with zeros in place of the stopped vectors.

    That is so for the shift of a softmax. The values and gradients of both are compared on random numbers.

    Args:
        whole: The model's function of its arrays and inputs.
        arrays: Its arrays, as they are drawn.
        stopped: The equations that stop gradients of vectors, each with its line of the model.
    """
    rng, kinds = np.random.default_rng(0), [v.aval for v in whole.jaxpr.invars]
    given = [jnp.asarray(_random(rng, a), a.dtype) for a in kinds]
    for k, drawn in enumerate(arrays):
        if jnp.issubdtype(drawn.dtype, jnp.floating):  # a gate at 0 would hide a difference
            given[k] = drawn.astype(kinds[k].dtype) + 0.1 * given[k]
        else:
            given[k] = drawn
    floats = [k for k, a in enumerate(given) if jnp.issubdtype(a.dtype, jnp.floating)]
    found: set[Any] = set()

    def at_zero(*args: Array) -> list[Any]:
        return _with_zeros(whole.jaxpr, whole.consts, list(args), stopped, found)

    runs = [functools.partial(jax.core.eval_jaxpr, whole.jaxpr, whole.consts), at_zero]
    results = []
    for run in runs:

        def fn(*some: Array, run: Any = run) -> list[Array]:
            replaced = dict(zip(floats, some, strict=True))
            return [jnp.asarray(out) for out in run(*(replaced.get(k, a) for k, a in enumerate(given)))]

        some = [given[k] for k in floats]
        results.append([*map(np.asarray, jax.jit(fn)(*some)), *_slopes(jax.jit(fn), some)])
    largest = max(np.max(np.abs(a), initial=1e-9) for a in results[0])  # gradients that vanish are pure rounding
    same = all(np.allclose(a, b, rtol=1e-4, atol=1e-6 * largest) for a, b in zip(*results, strict=True))
    if not same or found != set(stopped):
        raise TraceError(STOPPED.replace("{where}", next(iter(stopped.values()))))


def _random(rng: np.random.Generator, aval: Any) -> Any:
    if jnp.issubdtype(aval.dtype, jnp.floating):
        return rng.standard_normal(aval.shape)
    return rng.integers(0, 2, aval.shape) if jnp.issubdtype(aval.dtype, jnp.integer) else np.zeros(aval.shape)


def _with_zeros(jaxpr: Any, consts: Any, args: list[Any], stopped: dict[Any, str], found: set[Any]) -> list[Any]:
    """The results of a jaxpr with zeros in place of the results of some equations, which are added to `found`."""
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))

    def read(v: Any) -> Any:
        return v.val if isinstance(v, Literal) else known[v]

    for equation in jaxpr.eqns:
        inner, given = called(equation), [read(v) for v in equation.invars]
        if id(equation) in stopped:
            found.add(id(equation))
            outs = [jnp.zeros_like(given[0])]
        elif inner is not None:
            outs = _with_zeros(inner.jaxpr, inner.consts, given, stopped, found)
        else:
            outs = equation.primitive.bind(*given, **equation.params)
            outs = list(outs) if equation.primitive.multiple_results else [outs]
        known |= dict(zip(equation.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _slopes(fn: Any, given: list[Array]) -> list[np.ndarray]:
    """The gradient of the sum of all entries of the results, weighted by fixed numbers."""

    def total(*args: Array) -> Array:
        outs = [jnp.ravel(out) for out in fn(*args) if jnp.issubdtype(out.dtype, jnp.floating)]
        return jnp.sum(jnp.concatenate([out * jnp.cos(jnp.arange(out.size)).astype(out.dtype) for out in outs]))

    return [np.asarray(g) for g in jax.grad(total, argnums=tuple(range(len(given))))(*given)]
