"""Quotients and logarithms of sums of exponentials over positions, as in a softmax, without a singularity at 0.

A division has no NTK in general, since it jumps where the divisor is 0. But a sum of exponentials is exp(u), with u
made of softplus, ζ(x) = log(1 + eˣ), by log(eᵃ + eᵇ) = b + ζ(a − b). So eʷ/Σeˢ is exp(w − u).
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

import jax

from ...language.axes import Pad, Sum
from ...language.instructions import Nonlin, Rearrange
from ...language.nonlinearities import nonlinearity as nl
from ...language.values import Vector
from .. import expressions as ex
from ..values import Vectors

if TYPE_CHECKING:
    from ..walk import Walk

SOFTPLUS = nl.Nonlinearity("softplus", jax.nn.softplus)


def quotient(walk: Walk, a: Vectors, b: Vectors) -> ex.Expression | None:
    """a/b if b is a sum of exponentials; otherwise `None`, and a/b stays a part of one function."""
    u = logarithm(walk, b.e)
    if u is None:
        return None
    w = exponent(walk, walk.vector(a))
    return ex.Leaf(walk.vector(a) * nl.exp(-u) if w is None else nl.exp(w - u))


def logarithm(walk: Walk, e: ex.Expression) -> Vector | None:
    """log e, or log |e|, if e is an instruction that sums exponentials; otherwise `None`."""
    inner = e.args[0] if isinstance(e, ex.Apply) and e.name == "abs" else e
    if not isinstance(inner, ex.Leaf) or not isinstance(inner.handle, Vector):
        return None
    return exponent(walk, inner.handle)


def exponent(walk: Walk, h: Vector) -> Vector | None:
    """The vectors u for which h is exp(u); `None` if it is not known to be an exponential, or a sum of them."""
    instruction = walk.net.instructions[h._index]
    op = instruction.op
    if isinstance(op, Nonlin) and op.phi is nl.exp:
        return _argument(walk, h)
    if not isinstance(op, Rearrange) or not (isinstance(op.how, Sum) or op.how.moves) or isinstance(op.how, Pad):
        return None  # padding adds zeros, which are no exponentials
    u = exponent(walk, _argument(walk, h))
    if u is None:
        return None
    return _log_sum(u, op.how.axes) if isinstance(op.how, Sum) else u._rearranged(op.how)


def _argument(walk: Walk, h: Vector) -> Vector:
    (arg,) = walk.net.instructions[h._index].args
    return Vector(walk.net, arg, walk.net.instructions[arg].shape)


def _log_sum(u: Vector, axes: tuple[int, ...]) -> Vector:
    """log Σ exp(u) over leading axes."""
    kept = tuple(k for k in range(u.ndim) if k not in axes)
    places = itertools.product(*(range(u.shape[k]) for k in axes))
    turned: Any = u.transpose((*axes, *kept))
    made: Vector = functools.reduce(lambda a, b: b + SOFTPLUS(a - b), (turned[place] for place in places))
    return made
