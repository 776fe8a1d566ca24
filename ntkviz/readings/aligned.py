"""Second moments at equal places of two arrays of vectors: P numbers for P places, where all pairs would be P².

A variance asks for no more, nor does a readout with weights of its own for each position. Sums of two vectors,
matrices, nonlinearities and whatever moves vectors alike on both sides make equal places of equal places. The others,
sums over places above all, make different places meet: there all pairs are asked for, and the equal ones are taken.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..gaussian.expectation import square_expectation
from ..language import instructions as ops
from ..language.axes import Shape
from .dual import Dual, sum_of

if TYPE_CHECKING:
    from .moments import ForwardMoments

Vector = tuple[int, int]
"""A vector array by its copy of the network and its place in that copy's program."""


def aligned(moments: ForwardMoments, left: Vector, right: Vector) -> Dual | None:
    """E[Z^a_p Z^b_p] for all places p of the shape to which the leading axes of `left` and `right` broadcast."""
    found = _aligned(moments, left, right)
    shape = _shape(moments, left, right)
    return None if found is None else found.map(lambda k: jnp.broadcast_to(k, shape))


def pick_aligned(k: Array, shape_a: Shape, shape_b: Shape, shape: Shape) -> Array:
    """From all pairs of entries of two arrays, those that meet when the two are broadcast to `shape`."""
    if 1 in (math.prod(shape_a), math.prod(shape_b)):  # one entry meets all
        return jnp.broadcast_to(k.reshape(max(shape_a, shape_b, key=math.prod)), shape)
    rows, columns = (jnp.broadcast_to(jnp.arange(math.prod(s)).reshape(s), shape) for s in (shape_a, shape_b))
    return k.reshape(math.prod(shape_a), math.prod(shape_b))[rows, columns]


def _aligned(m: ForwardMoments, left: Vector, right: Vector) -> Dual | None:
    """The same, of any shape that broadcasts to that one."""
    one, other = (m.instruction(*v) for v in (left, right))
    later_first = ((left, right), (right, left)) if left[1] >= right[1] else ((right, left), (left, right))
    for vector, rest in later_first:
        if isinstance(m.instruction(*vector).op, ops.Add | ops.Scale | ops.Shift):
            return _taken_off(m, vector, rest)
    if one.shape != other.shape and 1 in (math.prod(one.shape), math.prod(other.shape)):
        return of_all_pairs(m, left, right)
    if are_moved_alike(m, left, right):
        return moved(m, left, right)
    if isinstance(one.op, ops.Repeat) and isinstance(other.op, ops.Repeat):
        return m.repeated_aligned(left, right)
    if m.is_source(one.op) and m.is_source(other.op):
        return m.gaussian_pair(*left, *right, equal_places=True)
    if all(m.is_source(i.op) or isinstance(i.op, ops.Nonlin) for i in (one, other)) and not m.is_batchnorm_relu(*left):
        return _of_functions(m, left, right)
    return of_all_pairs(m, left, right)


def of_all_pairs(m: ForwardMoments, left: Vector, right: Vector) -> Dual | None:
    """The equal places among all pairs of places."""
    k = m.moment(*left, *right)
    shape_a, shape_b = (m.instruction(*v).shape for v in (left, right))
    return None if k is None else k.map(lambda part: pick_aligned(part, shape_a, shape_b, _shape(m, left, right)))


def _shape(m: ForwardMoments, left: Vector, right: Vector) -> Shape:
    return np.broadcast_shapes(*(m.instruction(*v).shape for v in (left, right)))


def _taken_off(m: ForwardMoments, vector: Vector, rest: Vector) -> Dual | None:
    """Take an Add, a Scale or a Shift off one side."""
    copy, place = vector
    instruction = m.instruction(copy, place)
    first, *others = ((copy, a) for a in instruction.args)
    k = m.aligned(first, rest)
    match instruction.op:
        case ops.Add():
            return sum_of(k, m.aligned(others[0], rest))
        case ops.Scale():
            factor = m.number(*others[0])
            return None if k is None else k.map(lambda part: part * factor)
        case _:
            shift, mean = m.scalar(*others[0]), m.mean(*rest)
            return k if shift is None or mean is None else sum_of(k, Dual(shift * mean))


def are_moved_alike(m: ForwardMoments, left: Vector, right: Vector) -> bool:
    """Whether one instruction, which lets no places meet, moved vectors of the same shapes on both sides."""
    (one, other), copies = (m.instruction(*v) for v in (left, right)), (left[0], right[0])
    shapes = [[m.instruction(c, a).shape for a in i.args] for c, i in zip(copies, (one, other), strict=True)]
    return one.op.moves and one.op == other.op and shapes[0] == shapes[1]


def moved(m: ForwardMoments, left: Vector, right: Vector) -> Dual | None:
    """What such an instruction makes of vectors, it makes of their moments at equal places too."""
    one, other = (m.instruction(*v) for v in (left, right))
    ks = [m.aligned((left[0], a), (right[0], b)) for a, b in zip(one.args, other.args, strict=True)]
    if isinstance(one.op, ops.Rearrange):
        return None if ks[0] is None else ks[0].map(one.op.evaluate)
    value, tangent = (
        m.linear_at_places(*left, [None if k is None else getattr(k, part) for k in ks]) for part in Dual._fields
    )
    return None if value is None else Dual(value, tangent)


def _of_functions(m: ForwardMoments, left: Vector, right: Vector) -> Dual | None:
    """E[φ(x)ψ(y)] at equal places, and its tangent."""
    (phi, x, theta), (psi, y, theta_bar) = m.unary(*left), m.unary(*right)
    if left == right and m.one_copy(left[0], right[0]):
        square = square_expectation(phi, m.variance(left[0], x), theta=theta, mean=m.mean(left[0], x))
        m.add_error(square)
        return Dual(square.value)
    k = m.aligned_covariance((left[0], x), (right[0], y))
    if k is None:
        means = m.mean(*left), m.mean(*right)
        return None if means[0] is None or means[1] is None else Dual(means[0] * means[1])
    shape = _shape(m, left, right)
    laws = m.law(left[0], x, theta), m.law(right[0], y, theta_bar)
    of_x, of_y = jax.tree.map(lambda a: jnp.broadcast_to(a, shape), laws)
    return m.of_functions(phi, psi, k, lambda function, kxy: function(of_x, of_y, kxy))
