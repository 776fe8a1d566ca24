"""Checks that the custom derivative of a function is its true derivative, which the limit uses."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import Var

from ..errors import TraceError
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


def _slopes(fn: Any, given: list[Array]) -> list[np.ndarray]:
    """The gradient of the sum of all entries of the results, weighted by fixed numbers."""

    def total(*args: Array) -> Array:
        outs = [jnp.ravel(out) for out in fn(*args) if jnp.issubdtype(out.dtype, jnp.floating)]
        return jnp.sum(jnp.concatenate([out * jnp.cos(jnp.arange(out.size)).astype(out.dtype) for out in outs]))

    return [np.asarray(g) for g in jax.grad(total, argnums=tuple(range(len(given))))(*given)]
