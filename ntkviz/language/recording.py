"""Records a program, instruction by instruction, as an author computes with its handles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import HyperparameterError, ProgramError
from . import instructions as ops
from .axes import Shape
from .handle import V, Value
from .instructions import Op
from .nonlinearities.nonlinearity import Nonlinearity
from .numbers import real_array
from .program import Instruction, check_length
from .values import Matrix, Scalar


class UsesOutsideError(Exception):
    """A repeated layer uses a vector or matrix of the enclosing program."""


class Recorder:
    """Records instructions and numbers, and distinguishes its own values from those of other programs.

    Attributes:
        instructions: The instructions recorded so far.
        constants: The numbers of the program so far, in the order in which `Constant` instructions refer to them.
        outer: For the body of repeated layers, the recorder of the enclosing program; otherwise `None`.
    """

    outer: Recorder | None = None

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.constants: list[Any] = []
        self.functions: dict[tuple[Nonlinearity, int], Nonlinearity] = {}  # snapshots, taken at the first use

    def scalar(self, x: Any) -> Scalar:
        """A number, array or scalar as a scalar of this program.

        Args:
            x: A finite real number, an array of them `(*leading,)`, or a scalar of this program.

        Returns:
            The scalar, of leading shape `(*leading,)`.

        Raises:
            ProgramError: `x` is another kind of value, or not an array of real numbers.
            HyperparameterError: A number is not finite.
        """
        if isinstance(x, Scalar):
            return x
        if isinstance(x, Value):
            raise ProgramError(f"Expected a number or a scalar, not {x!r}.")
        refusal = f"Expected a number, not a value of type {type(x).__name__}."
        # Converted to floats, so that changing 1 to 1.0 does not recompile; copied, since authors may change x.
        number = np.array(real_array(x, "A number of the program", refusal, ProgramError))
        if not np.isfinite(number).all():
            raise HyperparameterError("A number in the program is not finite; every hyper-parameter must be finite.")
        return self._constant(number)

    def _constant(self, number: np.ndarray) -> Scalar:
        self.constants.append(number)
        return self.record(ops.Constant(len(self.constants) - 1), (), Scalar, number.shape)

    def scalar_function(self, fn: Callable[..., Any], *args: Any, name: str, mixes: int | None = None) -> Scalar:
        """A function of scalars, recorded under a name.

        Args:
            fn: A JAX function of as many arrays as there are `args`.
            *args: Scalars of this program, or numbers.
            name: Its name in listings.
            mixes: A promise that `fn` mixes at most this number of last axes (0 if it is elementwise), which decides
                whether it treats the examples of a batch separately. `None` promises nothing.

        Returns:
            The scalars `fn(*args)`.

        Raises:
            ProgramError: `fn` does not fit scalars of these shapes.
        """
        scalars = tuple(self.scalar(a) for a in args)
        try:
            shape = ops.function_shape(fn, tuple(s.shape for s in scalars))
        except (TypeError, ValueError) as problem:
            raise ProgramError(f"{name} does not fit scalars of shapes {[s.shape for s in scalars]}.") from problem
        return self.record(ops.ScalarFunction(fn, name, mixes), scalars, Scalar, shape)

    def function(self, phi: Nonlinearity, parameters: int) -> Nonlinearity:
        """A snapshot of a nonlinearity, taken at its first use in this program; see `Nonlinearity.as_it_is_now`.

        Args:
            phi: The nonlinearity.
            parameters: The number of parameters θ that it takes.

        Returns:
            The same object for every call in one program.

        Raises:
            ProgramError: The function is not elementwise.
        """
        if (phi, parameters) not in self.functions:
            self.functions[phi, parameters] = phi.as_it_is_now(parameters)
        return self.functions[phi, parameters]

    def record(self, op: Op, args: tuple[Value, ...], kind: type[V], shape: Shape) -> V:
        """Record one instruction.

        Args:
            op: The operation.
            args: Its arguments.
            kind: The class of the resulting handle.
            shape: The leading shape of the result.

        Returns:
            The handle of its value.

        Raises:
            ProgramError: The program has become too long, or an argument belongs to another program.
        """
        check_length(len(self.instructions) + 1)
        indices = tuple(self.index(a) for a in args)
        self.instructions.append(Instruction(op, indices, kind.kind, tuple(shape)))  # type: ignore[arg-type]
        return kind(self, len(self.instructions) - 1, shape)

    def index(self, value: Value) -> int:
        """The index of the instruction that makes a value of this program.

        Args:
            value: The handle.

        Returns:
            The index in `instructions`.

        Raises:
            ProgramError: The value belongs to another program.
            UsesOutsideError: A repeated layer mixes its vectors with those outside; `repeat` then writes it out.
        """
        if value._net.outer is self:
            raise UsesOutsideError
        if value._net is not self:
            raise ProgramError("A value of another program is used; a program may use only its own values.")
        return value._index

    def check_owns_parameter(self, matrix: Matrix) -> None:
        """Refuse a matrix declared in another program.

        Args:
            matrix: The matrix.

        Raises:
            ProgramError: It belongs to another program.
        """
        if matrix._net is not self:
            raise ProgramError("A matrix of another program is used; declare it with the net of this one.")
