"""The handles that authors compute with: NumPy-like vectors, scalars and matrices, and the output."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, overload

import numpy as np

from ..errors import ProgramError
from . import instructions as ops
from .axes import AxesMap, Shape
from .handle import Value, clause
from .nonlinearities.nonlinearity import Nonlinearity, multiply

if TYPE_CHECKING:
    from .recording import Recorder

Numbers: TypeAlias = "Scalar | float | np.ndarray"


class Vector(Value):
    """An array of width-n vectors of leading shape `shape`.

    Sums, differences and products are coordinate by coordinate, with vectors or with scalars, leading axes broadcast as
    in NumPy.

    Attributes:
        kind: `"vector"`.
    """

    kind = "vector"

    def apply_nonlinearity(self, phi: Nonlinearity, args: tuple[Any, ...]) -> Vector:
        """Record φ of vectors and scalars, as a Nonlin.

        Args:
            phi: The nonlinearity.
            args: As many vectors as its arity, then scalars θ; leading shapes broadcast as in NumPy.

        Returns:
            Vectors of the broadcast leading shape.

        Raises:
            ProgramError: There are too few vectors, the shapes do not broadcast, or φ is not elementwise.
        """
        vectors, scalars = args[: phi.arity], args[phi.arity :]
        if not all(isinstance(v, Vector) for v in vectors) or len(vectors) < phi.arity:
            raise ProgramError(f"{phi.name} takes {phi.arity} vector(s) of the program before its parameters.")
        thetas = tuple(self._net.scalar(s) for s in scalars)
        shape = broadcast(phi.name, *vectors, *thetas)
        phi = self._net.function(phi, len(thetas))
        op = ops.Nonlin(phi) if phi.arity == 1 or phi is multiply else ops.NonlinOfSeveral(phi)
        return self._net.record(op, (*vectors, *thetas), Vector, shape)

    def __add__(self, other: Vector | Numbers) -> Vector:
        if isinstance(other, Vector):
            return self._net.record(ops.Add(), (self, other), Vector, broadcast("+", self, other))
        if _is_number(other, 0):
            return self
        shift = self._net.scalar(other)
        return self._net.record(ops.Shift(), (self, shift), Vector, broadcast("+", self, shift))

    __radd__ = __add__

    def __neg__(self) -> Vector:
        return self * -1.0

    def __sub__(self, other: Vector | Numbers) -> Vector:
        return self + -other

    def __rsub__(self, other: Numbers) -> Vector:
        return -self + other

    def __mul__(self, other: Vector | Numbers) -> Vector:
        if isinstance(other, Vector):
            return multiply(self, other)
        factor = self._net.scalar(other)
        return self._net.record(ops.Scale(), (self, factor), Vector, broadcast("*", self, factor))

    __rmul__ = __mul__

    def __truediv__(self, other: Vector | Numbers) -> Vector:
        if isinstance(other, Vector):
            raise ProgramError(
                "A quotient of two vectors may be infinite; write it as a function of both, with nv.nonlinearity."
            )
        return self * (1.0 / other)

    def __pow__(self, power: int) -> Vector:
        if power not in (1, 2, 3):
            raise ProgramError(f"x ** {power} is not supported; use nv.nonlinearity(lambda x: x ** {power}).")
        from .nonlinearities.nonlinearity import cube, identity, square

        return (identity, square, cube)[int(power) - 1](self)


class Scalar(Value):
    """An array of scalars: data, numbers, and moments, which converge to constants.

    Attributes:
        kind: `"scalar"`.
    """

    kind = "scalar"

    def axes(self, names: str) -> Shape:
        """The lengths of the axes, after a check of their number: `batch, d = x.axes("batch d")`.

        Args:
            names: The names of the expected axes, separated by spaces.

        Returns:
            The shape.

        Raises:
            InputError: The data has a different number of axes.
        """
        if len(names.split()) != self.ndim:
            from ..errors import InputError

            raise InputError(
                f"This architecture takes data of shape ({', '.join(names.split())}), "
                f"with {len(names.split())} axes, not of shape {self.shape}."
            )
        return self.shape

    def _map(self, fn: Callable[..., Any], name: str, *others: Any, reverse: bool = False, mixes: int = 0) -> Scalar:
        args = (self, *(self._net.scalar(o) for o in others))
        return self._net.scalar_function(fn, *(reversed(args) if reverse else args), name=name, mixes=mixes)

    @overload
    def __add__(self, other: Vector) -> Vector: ...
    @overload
    def __add__(self, other: Numbers) -> Scalar: ...
    def __add__(self, other: Vector | Numbers) -> Vector | Scalar:
        return other + self if isinstance(other, Vector) else self._map(operator.add, "+", other)

    __radd__ = __add__

    @overload
    def __sub__(self, other: Vector) -> Vector: ...
    @overload
    def __sub__(self, other: Numbers) -> Scalar: ...
    def __sub__(self, other: Vector | Numbers) -> Vector | Scalar:
        return (-other) + self if isinstance(other, Vector) else self._map(operator.sub, "-", other)

    def __rsub__(self, other: float | np.ndarray) -> Scalar:
        return self._map(operator.sub, "-", other, reverse=True)

    @overload
    def __mul__(self, other: Vector) -> Vector: ...
    @overload
    def __mul__(self, other: Numbers) -> Scalar: ...
    def __mul__(self, other: Vector | Numbers) -> Vector | Scalar:
        return other * self if isinstance(other, Vector) else self._map(operator.mul, "*", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Numbers) -> Scalar:
        return self._map(operator.truediv, "/", other)

    def __rtruediv__(self, other: float | np.ndarray) -> Scalar:
        return self._map(operator.truediv, "/", other, reverse=True)

    def __neg__(self) -> Scalar:
        return self._map(operator.neg, "-")

    def __pow__(self, power: float) -> Scalar:
        return self._map(operator.pow, "**", power)

    def __matmul__(self, vectors: Vector) -> Vector:
        """Σ_j θ_ij x_j over the last axis of θ and the last leading axis of x (batch axes broadcast)."""
        if not isinstance(vectors, Vector):
            raise ProgramError("θ @ x takes scalars on the left and vectors on the right.")
        letters = "abcdefghij"[: self.ndim - 2]
        return contracted(f"{letters}kl,{letters}l->{letters}k", self, vectors)


# --- numbers that are given later ------------------------------------------------------------------


@dataclass(frozen=True)
class Free:
    """A hyper-parameter whose number is given later, so that its program is recorded for all its values at once.

    The author's function is given a scalar of the program instead. It may compute with it, and pass it on as a standard
    deviation or a parameter θ, but not branch on it or count with it, since the program would depend on its value.

    Attributes:
        order: Counts the free hyper-parameters of one architecture, from 0.
    """

    order: int

    @property
    def placeholder(self) -> float:
        """A number that no other constant of a program is likely to equal, so that the two are not mistaken."""
        return 0.7310585786300049 + 0.0131 * self.order


class FreeNumber(Scalar):
    """The scalar that an author's function is given instead of a number."""

    def _refuse(self, *_: Any) -> NoReturn:
        raise ProgramError("A program cannot depend on comparisons with a number that is given later.")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = object.__hash__


def with_free_numbers(net: Recorder, hyper: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The hyper-parameters, with a scalar of `net` for each that is `Free`.

    If nothing is recorded before but data, the free numbers are the first constants of the program, in order.
    """
    return {name: _declared(net, value) if isinstance(value, Free) else value for name, value in hyper}


def _declared(net: Recorder, free: Free) -> FreeNumber:
    return FreeNumber(net, net.scalar(free.placeholder)._index, ())


# --- matrices and outputs ---------------------------------------------------------------------------


class Matrix:
    """An n × n Gaussian matrix (or an array of them, to be indexed); `W @ x`, `W.T @ x`.

    Attributes:
        shape: The shape of the array of matrices; `()` for one.
        T: The transpose.
    """

    __array_ufunc__ = None

    def __init__(self, net: Recorder, parameter: int, shape: Shape, index: Shape = (), transpose: bool = False):
        self._net, self._parameter, self.shape = net, parameter, shape
        self._index, self._transpose = index, transpose

    @property
    def T(self) -> Matrix:
        """The transpose: the same random matrix, not an independent one."""
        return Matrix(self._net, self._parameter, self.shape, self._index, not self._transpose)

    def __getitem__(self, entry: int | tuple[int, ...]) -> Matrix:
        index = entry if isinstance(entry, tuple) else (entry,)
        if len(index) > len(self.shape) or any(not 0 <= i < s for i, s in zip(index, self.shape, strict=False)):
            raise IndexError(f"Index {index} does not fit an array of matrices of shape {self.shape}.")
        rest = self.shape[len(index) :]
        return Matrix(self._net, self._parameter, rest, (*self._index, *index), self._transpose)

    def __matmul__(self, x: Vector) -> Vector:
        if not isinstance(x, Vector):
            raise ProgramError(
                "W @ x takes vectors of the program on the right; apply an input matrix to data with net.input."
            )
        if self.shape:
            raise ProgramError(f"@ takes one matrix, not an array of matrices of shape {self.shape}; index it first.")
        x._net.check_owns_parameter(self)
        op = ops.MatMul(self._parameter, self._index, self._transpose)
        return x._net.record(op, (x,), Vector, x.shape)


class Output(Value):
    """The network's output f = vᵀx/√n. It is random even in the limit, so a program may not use it further.

    Attributes:
        kind: `"output"`.
    """

    kind = "output"

    def _refuse(self, *_: Any) -> NoReturn:
        raise ProgramError(
            "A readout vᵀx/√n does not converge to a constant, so the program cannot use it further; "
            "combine the vectors before reading them out, or use nv.inner for a scalar ⟨x, y⟩/n."
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __neg__ = __pow__ = _refuse
    __getitem__ = _refuse

    def _rearranged(self, how: AxesMap) -> NoReturn:
        self._refuse()


def contracted(subscripts: str, theta: Scalar, vectors: Vector) -> Vector:
    """Record Σ θ x over leading axes as a Contract; the subscripts are those of `nv.einsum`."""
    if not isinstance(subscripts, str):
        raise ProgramError(f"einsum takes its subscripts as a string such as 'bij,bj->bi', not {subscripts!r}.")
    if "." in subscripts:
        raise ProgramError(f"einsum '{subscripts}' has an ellipsis; name every leading axis by a letter.")
    try:
        operands, out = subscripts.replace(" ", "").split("->")
        shape = ops.contracted_shape(f"{operands}->{out}", theta.shape, vectors.shape)
    except (TypeError, ValueError) as problem:
        raise ProgramError(
            f"einsum '{subscripts}' does not fit {theta.shape} and {vectors.shape}: {clause(problem)}."
        ) from problem
    return vectors._net.record(ops.Contract(f"{operands}->{out}"), (vectors, theta), Vector, shape)


def broadcast(name: str, *values: Value) -> Shape:
    """The common leading shape; raises a `ProgramError` that names the operation if there is none."""
    try:
        return np.broadcast_shapes(*(v.shape for v in values))
    except ValueError as problem:
        shapes = ", ".join(str(v.shape) for v in values)
        raise ProgramError(f"{name} cannot combine leading shapes {shapes}.") from problem


def _is_number(x: Any, value: float) -> bool:
    return isinstance(x, int | float) and x == value
