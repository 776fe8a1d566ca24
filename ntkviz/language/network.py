"""The object that authors call `net`: it declares parameters and records the program."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import HyperparameterError, ProgramError, phrase, shown
from . import instructions as ops
from .axes import Shape
from .handle import V, Value
from .nonlinearities.nonlinearity import Nonlinearity
from .nonlinearities.quantiles import quantiles
from .program import Parameter, Program
from .recording import Recorder, UsesOutsideError
from .values import Matrix, Output, Scalar, Vector

PARAMETRIZATIONS = ("ntk", "ntk4a")
START = " at the start"
"""Ends the name of the Gaussians from which a parameter of another law is drawn."""
MOST_LAYERS = 100_000  # in one `repeat`; the infinite-width reading takes seconds for this number


class Network(Recorder):
    """Records the instructions of one network while its architecture's function runs.

    With the parametrization `"ntk"` every ω ~ N(0, 1) and σ is in its multiplier (Jacot et al. 2018, neural-tangents);
    with `"ntk4a"` ω ~ N(0, σ²) and σ is not in the multiplier (the reference code of Tensor Programs II). Outputs have
    the same law, but gradients differ, and so do NTKs.

    Source: abc-parametrizations, Tensor Programs IV (arXiv:2011.14522), §3.

    Attributes:
        parametrization: `"ntk"` or `"ntk4a"`.
        parameters: The parameters declared so far.
    """

    def __init__(self, parametrization: str):
        super().__init__()
        self.parametrization = parametrization
        self.parameters: list[Parameter] = []
        self.names: set[str] = set()
        self.layer_names: set[str] = set()  # parameter names in repeated layers; unrolling appends the layer's number

    # --- parameters -----------------------------------------------------------------------

    def input(
        self, name: str, data: Any, *, std: Any = 1.0, lr: Any = 1.0, trainable: bool = True, law: str = "normal"
    ) -> Vector:
        """Uξ/√d: initial vectors, one for each row of the data; Gaussian ones, unless another `law` is given.

        Args:
            name: The name of the input matrix U ∈ R^{n×d}, unique in a program.
            data: Data of shape `(*leading, d)`, d ≥ 1.
            std: σ ≥ 0, the standard deviation of an entry of U.
            lr: The factor ≥ 0 of the learning rate for U.
            trainable: `False` leaves U out of the NTK and of training.
            law: The law of the entries of U: "normal", "uniform", "truncated normal" (at two standard deviations of the
                normal one), or "sign". Since d is the same at any width, the limit depends on it.

        Returns:
            Vectors of leading shape `(*leading,)`.

        Raises:
            ProgramError: The data has no last axis of length ≥ 1, or the name is taken.
            HyperparameterError: `std` or `lr` is not a finite number ≥ 0, or there is no such law.
        """
        data = self.scalar(data)
        if data.ndim < 1 or data.shape[-1] == 0:
            raise ProgramError(
                f"Input matrix {name} needs data with a last axis of length d ≥ 1, not shape {data.shape}."
            )
        if quantiles(law) is not None:
            rows = self.vector(name, std=std, shape=data.shape[-1:], lr=lr, trainable=trainable, law=law)
            made: Vector = data @ rows / math.sqrt(data.shape[-1])
            return made
        index = self._parameter(name, "input", data.shape[-1], (), std, lr, trainable)
        return self.record(ops.InputMatMul(index), (data,), Vector, data.shape[:-1])

    def matrix(
        self,
        name: str,
        *,
        std: Any = 1.0,
        shape: Shape = (),
        fan: int = 1,
        lr: Any = 1.0,
        trainable: bool = True,
    ) -> Matrix:
        """A matrix W ∈ R^{n×n}, applied as Wx/√(fan·n).

        Args:
            name: Its name, unique in a program.
            std: σ ≥ 0, the standard deviation of its entries.
            shape: The shape of an array of independent matrices, to be indexed before use; `()` is one matrix.
            fan: The factor of fan_in besides the width, such as the number of positions of a filter.
            lr: The factor ≥ 0 of the learning rate for W.
            trainable: `False` leaves W out of the NTK and of training.

        Returns:
            The matrix, or the array of matrices.

        Raises:
            ProgramError: The name is taken.
            HyperparameterError: `std` or `lr` is not a finite number ≥ 0.
        """
        index = self._parameter(name, "matrix", fan, tuple(shape), std, lr, trainable)
        return Matrix(self, index, tuple(shape))

    def vector(
        self,
        name: str,
        *,
        std: Any = 1.0,
        mean: Any = 0.0,
        shape: Shape = (),
        fan: int = 1,
        lr: Any = 1.0,
        trainable: bool = True,
        law: str = "normal",
    ) -> Vector:
        """A parameter in R^n.

        Args:
            name: Its name, unique in a program.
            std: σ ≥ 0, the standard deviation of its coordinates.
            mean: The mean of its coordinates, which is not trained.
            shape: The shape of an array of independent vectors; `()` is one vector.
            fan: The factor of fan_in besides the width, for a vector that is used as a readout.
            lr: The factor ≥ 0 of the learning rate.
            trainable: `False` leaves it out of the NTK and of training.
            law: The law of its coordinates: "normal", "uniform", "truncated normal" (at two standard deviations of the
                normal one), or "sign".

        Returns:
            Vectors of leading shape `shape`.

        Raises:
            ProgramError: The name is taken.
            HyperparameterError: `std` or `lr` is not a finite number ≥ 0, or there is no such law.
        """
        zero_mean = isinstance(mean, int | float) and mean == 0
        phi = quantiles(law)
        v: Vector
        if phi is not None:
            v = self._drawn(name, phi, tuple(shape), std, lr, trainable)
        else:
            index = self._parameter(name, "vector", fan, tuple(shape), std, lr, trainable, zero_mean)
            v = self.record(ops.InitialVector(index), (), Vector, tuple(shape))
        return v if zero_mean else v + mean

    def _drawn(self, name: str, phi: Nonlinearity, shape: Shape, std: Any, lr: Any, trainable: bool) -> Vector:
        """Entries σφ(z) + c, where z ~ N(0, 1) is not trained, and c starts at 0 and is (`quantiles.py`)."""
        z = self._parameter(name + START, "vector", 1, shape, 1.0, 0.0, trainable=False)
        start: Vector = phi(self.record(ops.InitialVector(z), (), Vector, shape)) * std
        if not trainable:
            return start
        index = self._parameter(name, "vector", 1, shape, std, lr, trainable=True, starts_at_zero=True)
        return start + self.record(ops.InitialVector(index), (), Vector, shape)

    def bias(self, name: str, *, std: Any = 0.0, lr: Any = 1.0, trainable: bool = True) -> Vector:
        """A bias b ∈ R^n, which broadcasts when it is added to vectors.

        Args:
            name: Its name, unique in a program.
            std: σ ≥ 0, the standard deviation of its coordinates.
            lr: The factor ≥ 0 of the learning rate for b.
            trainable: `False` leaves b out of the NTK and of training.

        Returns:
            One vector, of leading shape `()`.

        Raises:
            ProgramError: The name is taken.
            HyperparameterError: `std` or `lr` is not a finite number ≥ 0.
        """
        return self.vector(name, std=std, lr=lr, trainable=trainable)

    def readout(self, v: str | Vector, x: Vector, *, std: Any = 1.0, mean: Any = 0.0, axes: int = 0) -> Output:
        """The output f = vᵀx/√n for each vector of `x`, or f = Σ_p v_pᵀx_p/√(nP) over P positions.

        Args:
            v: The name of a new parameter, or a vector of the program, made by `net.vector`, which may be used
                elsewhere too (the Simple GIA Check then fails, and f is read at scale 1/n).
            x: Vectors of leading shape `(batch, *positions)`.
            std: σ ≥ 0, the standard deviation of the coordinates of a new v.
            mean: The mean of the coordinates of a new v, which is not trained.
            axes: How many of the last leading axes of `x` are positions, each with its own v.

        Returns:
            The output, of leading shape `(batch,)`.

        Raises:
            ProgramError: `x` is not a vector of the program, or `axes` or the shape of `v` does not fit it.
        """
        if not isinstance(x, Vector):
            raise ProgramError("net.readout takes vectors of the program, such as nv.relu(W @ x).")
        if isinstance(axes, bool) or not isinstance(axes, int) or not 0 <= axes <= x.ndim:
            raise ProgramError(f"A readout with axes={axes!r} does not fit vectors of leading shape {x.shape}.")
        if isinstance(v, str):
            positions = x.shape[x.ndim - axes :]
            v = self.vector(v, std=std, mean=mean, shape=positions, fan=int(np.prod(positions, dtype=int)))
        if v.shape != x.shape[x.ndim - v.ndim :]:
            raise ProgramError(f"A readout of shape {v.shape} does not fit vectors of leading shape {x.shape}.")
        return self.record(ops.Readout(), (v, x), Output, x.shape[: x.ndim - v.ndim])

    def _parameter(
        self,
        name: str,
        kind: Any,
        fan: int,
        shape: Shape,
        std: Any,
        lr: Any,
        trainable: bool,
        zero_mean: bool = True,
        starts_at_zero: bool = False,
    ) -> int:
        if name in self.names:
            raise ProgramError(f"Parameter {name} is declared twice; to share it, use the same object again.")
        self.names.add(name)
        for what, number in ((phrase("standard deviation"), std), (phrase("learning-rate factor"), lr)):
            _check_not_negative(number, phrase(f"The {what} of parameter {name}"))
        sigma, one = self.scalar(std), self.scalar(1.0)
        s, multiplier = (one, sigma) if self.parametrization == "ntk" else (sigma, one)
        s = self.scalar(0.0) if starts_at_zero else s
        self.parameters.append(
            Parameter(
                name,
                kind,
                fan,
                shape,
                std=s._index,
                multiplier=multiplier._index,
                lr=self.scalar(lr)._index,
                trainable=trainable,
                zero_mean=zero_mean,
            )
        )
        return len(self.parameters) - 1

    # --- repeated layers ------------------------------------------------------------------

    def repeat(self, times: int, layer: Callable[[Network, Vector], Vector], x: Vector) -> Vector:
        """Apply `layer(net, x)` repeatedly, each time with new parameters.

        The layers are identical, so they are recorded once, and their number is data: changing it does not recompile
        the infinite-width reading. A layer that uses vectors or matrices from outside (shared weights) is written out
        instead.

        Args:
            times: The number of layers, from 0 to 100 000.
            layer: A function of a network and its input vectors that returns vectors of the same leading shape.
            x: The input vectors of the first layer.

        Returns:
            The output vectors of the last layer, of the leading shape of `x`.

        Raises:
            HyperparameterError: `times` is not a whole number in this range.
            ProgramError: A layer does not keep the leading shape, or breaks another rule of the language.
        """
        if not isinstance(times, int | np.integer) or times < 0:
            raise HyperparameterError(f"The number of layers is {shown(times)}; it must be a whole number ≥ 0.")
        if times > MOST_LAYERS:
            raise HyperparameterError(f"The number of layers is {times:,}; it must be at most {MOST_LAYERS:,}.")
        block, before = Block(self, x), (len(self.instructions), len(self.constants), set(self.layer_names))
        try:
            out = layer(block, block.carry)
        except UsesOutsideError:
            del self.instructions[before[0] :], self.constants[before[1] :]
            self.layer_names = before[2]
            return self._written_out(times, layer, x)
        if not isinstance(out, Vector) or out.shape != x.shape:
            raise ProgramError(f"A repeated layer must keep the leading shape {x.shape} of its vectors.")
        op = ops.Repeat(block.program(out))
        return self.record(op, (self._constant(np.asarray(int(times))), x, *block.captured), Vector, x.shape)

    def _written_out(self, times: int, layer: Callable[[Network, Vector], Vector], x: Vector) -> Vector:
        for k in range(times):
            x = layer(Numbered(self, f"[{k + 1}]"), x)
        return x


class Block(Network):
    """Records the body of `repeat`; captures scalars from outside, but raises `UsesOutsideError` for vectors."""

    outer: Network

    def __init__(self, outer: Network, x: Vector):
        super().__init__(outer.parametrization)
        self.outer, self.names, self.functions = outer, outer.layer_names, outer.functions
        self.captured: list[Scalar] = []
        self.carry = self.record(ops.Carry(), (), Vector, x.shape)

    def scalar(self, x: Any) -> Scalar:
        """A number or a scalar, captured from the enclosing program."""
        if isinstance(x, Scalar) and x._net is self:
            return x
        outside = self.outer.scalar(x)
        self.captured.append(outside)
        return self.record(ops.Captured(len(self.captured) - 1), (), Scalar, outside.shape)

    def repeat(self, times: int, layer: Callable[[Network, Vector], Vector], x: Vector) -> Vector:
        """A repeat inside a repeat is written out."""
        return self._written_out(times, layer, x)

    def index(self, value: Value) -> int:
        if value._net is self.outer:
            if isinstance(value, Scalar):
                return self.scalar(value)._index
            raise UsesOutsideError
        return super().index(value)

    def check_owns_parameter(self, matrix: Matrix) -> None:
        if matrix._net is self.outer:
            raise UsesOutsideError
        super().check_owns_parameter(matrix)

    def program(self, out: Vector) -> Program:
        """The body as a program of its own."""
        return Program(tuple(self.instructions), tuple(self.parameters), self.index(out))


class Numbered(Network):
    """A view of a network that appends a layer number to the names of new parameters."""

    def __init__(self, net: Network, suffix: str):
        self.__dict__.update(net.__dict__)  # both record into the same lists
        self._net, self._suffix = net, suffix

    def input(self, name: str, *args: Any, **options: Any) -> Vector:
        return self._net.input(name + self._suffix, *args, **options)

    def matrix(self, name: str, *args: Any, **options: Any) -> Matrix:
        return self._net.matrix(name + self._suffix, *args, **options)

    def vector(self, name: str, *args: Any, **options: Any) -> Vector:
        return self._net.vector(name + self._suffix, *args, **options)

    def scalar(self, x: Any) -> Scalar:
        return self._net.scalar(x)

    def record(self, op: ops.Op, args: tuple[Value, ...], kind: type[V], shape: Shape) -> V:
        return self._net.record(op, args, kind, shape)

    def repeat(self, times: int, layer: Callable[[Network, Vector], Vector], x: Vector) -> Vector:
        """A repeat inside a written-out layer is written out too, with a number for each level of nesting."""
        for k in range(times):
            x = layer(Numbered(self._net, f"{self._suffix}[{k + 1}]"), x)
        return x


def _check_not_negative(number: Any, what: str) -> None:
    if isinstance(number, Value):
        return
    if not isinstance(number, int | float | np.integer | np.floating) or not math.isfinite(number) or number < 0:
        raise HyperparameterError(f"{what} is {shown(number)}; it must be a finite number ≥ 0.")
