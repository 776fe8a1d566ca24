"""How the means and second moments of each instruction follow from those of its arguments.

Tangents follow by Price's theorem: d/dK E[φ(x)ψ(y)] = E[φ′(x)ψ′(y)]. `moments.py` decides which table to look up.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float64

from ...calculus.limit_kernels import Reason
from ...gaussian.batchnorm import batchnorm_relu, batchnorm_relu_single
from ...gaussian.closed import Expectation
from ...gaussian.differentiable import (
    pair_expectation,
    pair_with_slopes,
    single_expectation,
    square_expectation,
    times_slopes,
    without_derivatives,
)
from ...gaussian.error import Error, largest_relative_error
from ...gaussian.families import relu_factor
from ...language import instructions as ops
from ...language.gradients.instructions import OfGradients
from ...language.nonlinearities.nonlinearity import Nonlinearity
from ...language.zero import ZERO, linear, written
from .kernel_pair import KernelPair
from .moments import Law, Moments, added, apply_linear, grown, linear_at_positions, outer
from .row_blocks import by_rows
from .views import (
    Vector,
    gaussian,
    mean,
    one_side,
    one_side_at_equal_positions,
    scalar,
    two_sides,
    two_sides_at_equal_positions,
)

for _table in (scalar, mean, gaussian, one_side, two_sides):
    _table.refuse(OfGradients, why="the forward kernels have no backward pass")
    _table.refuse(ops.Readout, why="its second moments are the kernels")
    _table.refuse(ops.Captured, ops.Carry, why="it is given by the view of one layer (`repeats.py`)")
    _table.refuse(ops.Delayed, why="it is given by the view of a loop (`loops.py`)")


# --- scalars ---------------------------------------------------------------------------------------------


scalar.rule(ops.Constant)(lambda op, m, v: jnp.asarray(m.programs[v[0]].constants[op.index]))
scalar.rule(ops.Data)(lambda op, m, v: jnp.asarray(m.programs[v[0]].data[op.index], dtype=float))


@scalar.rule(ops.Moment)
def _(op: ops.Moment, m: Moments, v: Vector) -> Any:
    (x,) = m.args(v)
    return m.mean(x)


@scalar.rule(ops.ScalarFunction)
def _(op: ops.ScalarFunction, m: Moments, v: Vector) -> Any:
    if op.fn is operator.neg:
        (x,) = m.args(v)
        return -m.scalar(x)
    return op.evaluate(*map(m.number, m.args(v)))


scalar.rule(ops.Rearrange, ops.Join)(lambda op, m, v: op.evaluate(*map(m.number, m.args(v))))


# --- means -----------------------------------------------------------------------------------------------


mean.rule(ops.Source, ops.BatchNorm)(lambda op, m, v: ZERO)


@mean.rule(ops.Shift)
def _(op: ops.Shift, m: Moments, v: Vector) -> Any:
    x, shift = m.args(v)
    return linear(lambda total: jnp.broadcast_to(total, m.shape(v)), m.mean(x) + m.scalar(shift))


@mean.rule(ops.Nonlin)
def _(op: ops.Nonlin, m: Moments, v: Vector) -> Array:
    if op.multiplies:
        return written(m.at_equal_positions(*m.args(v)).value, m.shape(v))
    if (function := m.function(v)) is None:
        return jnp.zeros(m.shape(v))
    law = m.law(function.x, function.theta)
    found = single_expectation(op.phi, law.variance, theta=law.theta, mean=law.mean)
    m.errors.append(largest_relative_error(found))
    return jnp.broadcast_to(found.value, m.shape(v))


mean.rule(ops.Linear)(lambda op, m, v: linear_at_positions(m, v, [m.mean(x) for x in m.vectors(v)]))


# --- Gaussian or not -------------------------------------------------------------------------------------


gaussian.rule(ops.Op)(lambda op, m, v: False)
gaussian.rule(ops.Source)(lambda op, m, v: True)
gaussian.rule(ops.Linear, ops.Shift)(lambda op, m, v: all(map(m.is_gaussian, m.vectors(v))))


# --- sums, shifts and other linear maps: expanded on one side --------------------------------------------


one_side.rule(ops.Add)(lambda op, m, left, right: added(m, left, right, side=0))


@one_side.rule(ops.Shift)
def _(op: ops.Shift, m: Moments, left: Vector, right: Vector) -> KernelPair:
    (x, shift), shape, rest = m.args(left), m.shape(left), m.shape(right)
    k = grown(m.moment(x, right), (m.shape(x), rest), (shape, rest))

    def product(theta: Array, mean: Array) -> Array:
        return jnp.broadcast_to(outer(jnp.broadcast_to(theta, shape), mean), shape + rest)

    return k + KernelPair(linear(product, m.scalar(shift), m.mean(right)))


@one_side.rule(ops.Linear)
def _(op: ops.Linear, m: Moments, left: Vector, right: Vector) -> KernelPair:
    rest, xs = m.shape(right), m.vectors(left)
    ks = [m.moment(x, right) for x in xs]

    def flat(k: Array, x: Vector) -> Array:
        return k.reshape((*m.shape(x), math.prod(rest)))

    def part(name: str) -> Any:
        arrays = (linear(functools.partial(flat, x=x), getattr(k, name)) for k, x in zip(ks, xs, strict=True))
        return apply_linear(m, left, list(arrays), rest)

    return KernelPair(part("value"), part("tangent"))


@one_side_at_equal_positions.rule(ops.Add)
def _(op: ops.Add, m: Moments, v: Vector, rest: Vector) -> KernelPair:
    x, y = m.args(v)
    return m.at_equal_positions(x, rest) + m.at_equal_positions(y, rest)


@one_side_at_equal_positions.rule(ops.Scale)
def _(op: ops.Scale, m: Moments, v: Vector, rest: Vector) -> KernelPair:
    x, factor = m.args(v)
    number = m.number(factor)
    return m.at_equal_positions(x, rest).map(lambda part: part * number)


@one_side_at_equal_positions.rule(ops.Shift)
def _(op: ops.Shift, m: Moments, v: Vector, rest: Vector) -> KernelPair:
    x, shift = m.args(v)
    return m.at_equal_positions(x, rest) + KernelPair(m.scalar(shift) * m.mean(rest))


# --- sources: uses of the same parameter are correlated, those of different parameters are not -------------


@two_sides.rule(ops.Source, ops.Carry)
def _(op: ops.Op, m: Moments, left: Vector, right: Vector) -> KernelPair:
    return gaussian_pair(m, left, right) if m.is_source(right) else of_functions(m, left, right)


@two_sides_at_equal_positions.rule(ops.Source, ops.Carry)
def _(op: ops.Op, m: Moments, left: Vector, right: Vector) -> KernelPair | None:
    if m.is_source(right):
        return gaussian_pair(m, left, right, equal_positions=True)
    return of_functions_at_equal_positions(m, left, right) if isinstance(m.op(right), ops.Nonlin) else None


def gaussian_pair(m: Moments, left: Vector, right: Vector, *, equal_positions: bool = False) -> KernelPair:
    """The moment of two vectors that are made by parameters."""
    op = m.op(left)
    if op != m.op(right) or not isinstance(op, ops.Source):
        return KernelPair()
    k = gram(op, m, left, right, equal_positions)
    if k.is_zero:
        return k
    variance, rate = scales(m, left)  # K ↦ m²s²K; tangent ↦ m²s²K̇ + lr m²K, the second term free of s
    value = variance * k.value
    if m.view.one_network(left[0], right[0]):
        return KernelPair(value)
    tangent = linear(lambda t: variance * t, k.tangent)
    if m.parameter(left).trainable:
        tangent = tangent + m.view.own_tangent(left, right, rate * k.value)
    return KernelPair(value, tangent)


def scales(m: Moments, v: Vector) -> tuple[Float64[Array, ""], Float64[Array, ""]]:
    """m²s² and lr m² for the parameter of a source, divided by its fan."""
    parameter = m.parameter(v)
    key = v[0], m.op(v).parameter
    if key not in m.known_scales:
        std, multiplier, lr = (m.number((v[0], p)) for p in (parameter.std, parameter.multiplier, parameter.lr))
        m2 = multiplier**2 / (1 if isinstance(m.op(v), ops.InitialVector) else parameter.fan)
        m.known_scales[key] = m2 * std**2, lr * m2
    return m.known_scales[key]


def gram(op: ops.Source, m: Moments, left: Vector, right: Vector, equal_positions: bool) -> KernelPair:
    """⟨x, y⟩ for the arguments that the parameter is applied to on the two sides; 1 for a parameter vector."""
    shape = m.shape(left)
    if isinstance(op, ops.InitialVector):
        return KernelPair(np.ones(shape) if equal_positions else np.eye(math.prod(shape)).reshape(shape * 2))
    (x,), (y,) = m.args(left), m.args(right)
    if isinstance(op, ops.InputMatMul):
        data = m.number(x), m.number(y)
        return KernelPair(_products_at_equal_positions(*data) if equal_positions else _products(*data))
    return m.at_equal_positions(x, y) if equal_positions else m.moment(x, y)


def _products_at_equal_positions(
    x: Float64[Array, "*#leading features"], y: Float64[Array, "*#leading features"]
) -> Float64[Array, "*leading"]:
    """⟨ξ, ξ̄⟩ for rows at equal positions, of the leading shape of both.

    A single position gets no axis, since XLA would transpose it when there are many pairs of inputs.
    """
    shape = jnp.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    if math.prod(shape) == 1:
        return jnp.dot(x.ravel(), y.ravel()).reshape(shape)
    return jnp.einsum("...d,...d->...", x, y)


def _products(x: Float64[Array, "*rows features"], y: Float64[Array, "*columns features"]) -> Float64[Array, "..."]:
    """⟨ξ, ξ̄⟩ for all pairs of rows, of shape `(*leading of x, *leading of y)`."""
    return jnp.tensordot(x, y, axes=((x.ndim - 1,), (y.ndim - 1,)))


# --- functions of one Gaussian ---------------------------------------------------------------------------


@two_sides.rule(ops.Nonlin, ops.BatchNorm)
def _(op: ops.Op, m: Moments, left: Vector, right: Vector) -> KernelPair:
    batches = batchnorm_below_relu(m, left), batchnorm_below_relu(m, right)
    if batches[0] and batches[1]:
        k, factor = batchnorm_pair(m, batches[0], batches[1]), _relu_factor(op) * _relu_factor(m.op(right))
        return k if factor == 1 else k.map(lambda part: factor * part)
    return of_functions(m, left, right)


@two_sides_at_equal_positions.rule(ops.Nonlin)
def _(op: ops.Nonlin, m: Moments, left: Vector, right: Vector) -> KernelPair | None:
    if not (m.is_source(right) or isinstance(m.op(right), ops.Nonlin)) or batchnorm_below_relu(m, left):
        return None
    return of_functions_at_equal_positions(m, left, right)


def of_functions(m: Moments, left: Vector, right: Vector) -> KernelPair:
    """E[φ(x)ψ(y)] for all pairs of positions, and its tangent."""
    f, g = m.function(left), m.function(right)
    if f is None or g is None:
        return KernelPair()
    k = m.covariance(f.x, g.x)
    if k.is_zero:  # independent
        return KernelPair(linear(outer, m.mean(left), m.mean(right)))
    rows, columns = m.shape(left), m.shape(right)

    def on_left(part: Array) -> Array:
        return jnp.broadcast_to(part, rows).reshape(rows + (1,) * len(columns))

    of_x = jax.tree.map(on_left, m.law(f.x, f.theta))
    of_y = jax.tree.map(lambda part: jnp.broadcast_to(part, columns), m.law(g.x, g.theta))
    laws = of_x, of_y

    def evaluate(function: Callable[..., Any], kxy: Array) -> Any:
        return by_rows(function, *laws, kxy, rows, columns)

    return by_price_theorem(m, f.phi, g.phi, k, laws, evaluate)


def of_functions_at_equal_positions(m: Moments, left: Vector, right: Vector) -> KernelPair:
    """E[φ(x)ψ(y)] at equal positions, and its tangent."""
    f, g = m.function(left), m.function(right)
    if f is None or g is None:
        return KernelPair()
    if left == right and m.view.one_network(left[0], right[0]):
        law = m.law(f.x, f.theta)
        square = square_expectation(f.phi, law.variance, theta=law.theta, mean=law.mean)
        m.errors.append(largest_relative_error(square))
        return KernelPair(square.value)
    k = m.covariance_at_equal_positions(f.x, g.x)
    if k.is_zero:  # independent
        return KernelPair(m.mean(left) * m.mean(right))
    shape = m.common_shape(left, right)
    of_x, of_y = jax.tree.map(lambda a: jnp.broadcast_to(a, shape), (m.law(f.x, f.theta), m.law(g.x, g.theta)))
    return by_price_theorem(m, f.phi, g.phi, k, (of_x, of_y), lambda function, kxy: function(of_x, of_y, kxy))


def by_price_theorem(
    m: Moments,
    phi: Nonlinearity,
    psi: Nonlinearity,
    k: KernelPair,
    laws: tuple[Law, Law],
    evaluate: Callable[..., Any],
) -> KernelPair:
    """E[φ(x)ψ(y)], and by Price's theorem the tangent E[φ′(x)ψ′(y)] K̇(x, y).

    `evaluate(function, kxy)` must call `function` with the laws of x and y, which broadcast to the pairs, and kxy.
    """
    slopes = k.tangent is not ZERO
    if slopes and (phi.derivative() is None or psi.derivative() is None):
        jumps = phi if phi.derivative() is None else psi
        why = (
            f"The derivative of {jumps.name} is not a function, so the NTK has no limit; use a continuous nonlinearity."
        )
        m.refuse(Reason("general", why))
        return KernelPair()
    found = evaluate(functools.partial(_expectations, phi, psi, slopes), k.value)
    m.errors += map(largest_relative_error, found)
    if not slopes:
        return KernelPair(found[0].value)
    return KernelPair(found[0].value, times_slopes(phi, psi, found[1].value, laws, k.tangent))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _expectations(
    phi: Nonlinearity, psi: Nonlinearity, slopes: bool, of_x: Law, of_y: Law, kxy: Float64[Array, "*pairs"]
) -> tuple[Expectation, ...]:
    """E[φ(x)ψ(y)] and, with `slopes`, E[φ′(x)ψ′(y)]; jitted, so that identical layers are traced once."""
    moments = of_x.variance, kxy, of_y.variance
    laws: dict[str, Any] = {"theta": of_x.theta, "theta_bar": of_y.theta, "mean_x": of_x.mean, "mean_y": of_y.mean}
    if slopes:
        return pair_with_slopes(phi, psi, *moments, **laws)
    return (pair_expectation(phi, psi, *moments, **laws),)


# --- batch normalisation followed by relu, as one nonlinearity of a whole batch ---------------------------

NO_SLOPE = (
    "The kernels of batch normalisation cannot be differentiated with respect to the covariance of the batch, to whose "
    "spectrum their integrals are adapted; compute without derivatives, or use differences."
)


def batchnorm_below_relu(m: Moments, v: Vector) -> Vector | None:
    """The Gaussian batch x if the vector is a·relu(batchnorm(x)) with a single leading axis; otherwise `None`."""
    if _relu_factor(m.op(v)) == 0 or len(m.args(v)) > 1:
        return None
    (normalised,) = m.args(v)
    if not isinstance(m.op(normalised), ops.BatchNorm) or len(m.shape(normalised)) != 1:
        return None
    (x,) = m.args(normalised)
    return x if m.is_gaussian(x) and m.mean(x) is ZERO else None


def _relu_factor(op: ops.Op) -> float:
    """The factor a of an instruction a·relu; 0 for any other instruction."""
    return relu_factor(op.phi) if isinstance(op, ops.Nonlin) else 0.0


def batchnorm_pair(m: Moments, x: Vector, y: Vector) -> KernelPair:
    """E[relu(batchnorm(x)) relu(batchnorm(y))ᵀ], and its tangent."""
    k = m.covariance(x, y)
    if k.is_zero:
        why = "The kernel needs a moment of batch normalisations of independent vectors; use method='general'."
        m.refuse(Reason("general", why))
        return k
    if x == y:
        value, error = without_derivatives(batchnorm_relu_single, NO_SLOPE)(k.value)
        m.errors.append(Error(error, "estimate"))
        return KernelPair(value)
    k_aa, k_bb = (written(m.covariance(v, v).value, m.shape(v) * 2) for v in (x, y))
    pair = without_derivatives(batchnorm_relu, NO_SLOPE)
    found = pair(k_aa, k.value, k_bb, written(k.tangent, k.value.shape))
    m.errors.append(Error(found.error, "estimate"))
    return KernelPair(found.value, ZERO if k.tangent is ZERO else found.tangent)
