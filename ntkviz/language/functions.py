"""Functions of handles: averages over the width, joins and sums over leading axes, normalisations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.lib.array_utils import normalize_axis_index

from ..errors import ProgramError
from . import instructions as ops
from .handle import V, Value, clause
from .lazy_jax import jax, jnp
from .values import Numbers, Scalar, Vector, contracted

if TYPE_CHECKING:
    from jax import Array


def moment(x: Vector) -> Scalar:
    """θ = (1/n) Σ_α x_α for each vector of the array: a scalar that converges to E Z^x.

    `nv.moment(nv.square(x))` is the second moment; `nv.inner(x, y)` is the moment of a product.

    Source: Tensor Programs II (arXiv:2006.14548), the rule Moment.

    Args:
        x: Vectors of leading shape `(*leading,)`.

    Returns:
        Scalars of shape `(*leading,)`.

    Raises:
        ProgramError: `x` is not a vector of a program.
    """
    if not isinstance(x, Vector):
        raise ProgramError("nv.moment averages the coordinates of vectors of a program.")
    return x._net.record(ops.Moment(), (x,), Scalar, x.shape)


def inner(x: Vector, y: Vector) -> Scalar:
    """⟨x, y⟩/n: a scalar that converges to E Z^x Z^y.

    Args:
        x: Vectors of leading shape `(*leading,)`.
        y: Vectors whose leading shape broadcasts with that of `x` as in NumPy.

    Returns:
        Scalars of the broadcast shape.

    Raises:
        ProgramError: An argument is not a vector of a program, or the shapes do not broadcast.
    """
    return moment(_vector(x, "inner") * _vector(y, "inner"))


def _join(values: Sequence[V], axis: int, new_axis: bool) -> V:
    values = list(values)
    if not values or not all(isinstance(v, Vector | Scalar) and type(v) is type(values[0]) for v in values):
        raise ProgramError("nv.stack and nv.concatenate take a non-empty list of vectors, or of scalars, not both.")
    shapes = tuple(v.shape for v in values)
    try:
        op = ops.Join(normalize_axis_index(axis, len(shapes[0]) + new_axis), new_axis)
        shape = ops.joined_shape(op, shapes)
    except (TypeError, ValueError, IndexError) as problem:
        raise ProgramError(f"The leading shapes {list(shapes)} do not fit together: {clause(problem)}.") from problem
    return values[0]._net.record(op, tuple(values), type(values[0]), shape)


def stack(values: Sequence[V], axis: int = 0) -> V:
    """Stack arrays of vectors, or of scalars, along a new leading axis.

    Args:
        values: Values of one kind and one leading shape, at least one.
        axis: The position of the new axis in the result.

    Returns:
        A value of the same kind, with one more leading axis.

    Raises:
        ProgramError: The values are not of one kind, or their shapes do not fit together.
    """
    return _join(values, axis, new_axis=True)


def concatenate(values: Sequence[V], axis: int = 0) -> V:
    """Join arrays of vectors, or of scalars, along an existing leading axis.

    Args:
        values: Values of one kind, at least one, whose leading shapes agree on the other axes.
        axis: The axis along which they are joined.

    Returns:
        A value of the same kind.

    Raises:
        ProgramError: The values are not of one kind, or their shapes do not fit together.
    """
    return _join(values, axis, new_axis=False)


def einsum(subscripts: str, coefficients: Numbers, vectors: Vector) -> Vector:
    """Σ θ x over leading axes, with subscripts as in `numpy.einsum`.

    Args:
        subscripts: The leading axes of the scalars, of the vectors, and of the result: `"bij,bj->bi"`.
        coefficients: The scalars θ, or an array of numbers.
        vectors: The vectors x.

    Returns:
        Vectors of the leading shape that the subscripts name.

    Raises:
        ProgramError: The subscripts are not a string, have an ellipsis, or do not fit the shapes.
    """
    theta = _vector(vectors, "einsum")._net.scalar(coefficients)
    return contracted(subscripts, theta, vectors)


def batchnorm(x: Vector, axis: int = 0) -> Vector:
    """(x − mean)/std over one leading axis, coordinate by coordinate; std with 1/B and no ε, no affine map.

    Source: Tensor Programs II (arXiv:2006.14548), appendix on batchnorm; Yang et al. 2019 (arXiv:1902.08129).

    Args:
        x: Vectors of leading shape `(*leading,)`.
        axis: The axis of B ≥ 2 rows; the batch by default.

    Returns:
        Vectors of the same leading shape.

    Raises:
        ProgramError: `x` is not a vector of a program, or the axis does not exist or has only one row.
    """
    (axis,) = _vector(x, "batchnorm")._axes(axis)
    if x.shape[axis] < 2:
        raise ProgramError(
            f"batchnorm over an axis of length {x.shape[axis]} divides by zero; give it two rows or more."
        )
    return x._net.record(ops.BatchNorm(axis), (x,), Vector, x.shape)


def layernorm(x: Vector, eps: float = 0.0) -> Vector:
    """(x − mean)/√(variance + ε) over the coordinates of each vector, as two Moments; no affine map.

    Source: Tensor Programs II (arXiv:2006.14548), appendix on layernorm; Ba et al. 2016 (arXiv:1607.06450).

    Args:
        x: Vectors of leading shape `(*leading,)`.
        eps: ε ≥ 0, in the units of x².

    Returns:
        Vectors of the same leading shape.

    Raises:
        ProgramError: `x` is not a vector of a program.
    """
    centred = _vector(x, "layernorm") - moment(x)
    return centred * (inner(centred, centred) + eps) ** -0.5


def _softmax(x: Array) -> Array:
    return jax.nn.softmax(x, axis=-1)


def _sqrt(x: Array) -> Array:
    return jnp.sqrt(x)


def softmax(x: Scalar) -> Scalar:
    """The softmax of scalars over their last axis.

    Args:
        x: Scalars of shape `(*leading, k)`.

    Returns:
        Scalars of the same shape, which sum to 1 along the last axis.

    Raises:
        ProgramError: `x` is not a scalar of a program.
    """
    return _scalar(x, "softmax")._map(_softmax, "softmax", mixes=1)


def sqrt(x: Scalar) -> Scalar:
    """The square root of scalars.

    Args:
        x: Scalars ≥ 0, of any shape.

    Returns:
        Scalars of the same shape.

    Raises:
        ProgramError: `x` is not a scalar of a program.
    """
    return _scalar(x, "sqrt")._map(_sqrt, "sqrt")


def _scalar(x: Any, name: str) -> Scalar:
    if not isinstance(x, Scalar):
        raise ProgramError(f"nv.{name} is for scalars of a program, such as nv.inner(x, y), not for {_named(x)}.")
    return x


def _vector(x: Any, name: str) -> Vector:
    if not isinstance(x, Vector):
        raise ProgramError(f"nv.{name} is for vectors of a program, such as W @ x, not for {_named(x)}.")
    return x


def _named(x: Any) -> str:
    return repr(x) if isinstance(x, Value) else f"a value of type {type(x).__name__}"
