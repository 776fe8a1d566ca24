"""Decides which vectors have a Gaussian limit, from the form of the program and never from its numbers.

The limit of g = Wx is Z^g = Ẑ^g + Ż^g, where Ẑ is Gaussian and Ż = σ² Σ_y Z^y E[∂Z^x/∂Ẑ^{Wᵀy}] over the earlier uses
Wᵀy (Tensor Programs III, Theorem "NETSOR⊤ Master Theorem"). So g is Gaussian if every y with a nonzero coefficient is.
A coefficient is zero

- if Z^x does not contain Ẑ^{Wᵀy};
- by symmetry. Every parameter ω has the law of −ω. If flipping the sign of ω flips Z^x but not Ẑ^{Wᵀy} (or the other
  way round), ∂Z^x/∂Ẑ^{Wᵀy} is flipped too, and its mean is zero. Flipping a readout v that is used nowhere else flips
  every gradient and nothing in the forward pass: this is why the Simple GIA Check suffices (Tensor Programs II).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64

from ..language import instructions as ops
from ..language.gradients import instructions as grads
from ..language.instructions import Op
from ..language.maximum import Maximum
from ..language.nonlinearities.nonlinearity import (
    Nonlinearity,
    abs,
    cos,
    erf,
    erf_gate_slope,
    erf_slope,
    minus_sin,
    sign,
    sin,
    tanh,
)
from ..language.program import Instruction, Program
from ..language.rules import Rules


class Form(NamedTuple):
    """What the form of a program implies for its limits, whatever its numbers.

    Attributes:
        gaussian: The indices of the vectors whose Z is Gaussian (including constants, of variance zero).
        corrections: For each MatMul, the indices of the vectors y whose Z^y make up its Ż.
    """

    gaussian: frozenset[int]
    corrections: dict[int, tuple[int, ...]]


def form(program: Program) -> Form:
    """The form of a program without repeats (`Program.unrolled`), with or without its gradients."""
    return _form(program.structure)


@functools.lru_cache(maxsize=256)
def _form(structure: Program) -> Form:
    known = Known(structure)
    for index, instruction in enumerate(structure.instructions):
        op = instruction.op
        known.signs.append(signs.of(op, index)(op, known, instruction, *(known.signs[a] for a in instruction.args)))
        # Scalars contain no Gaussian, nor do vectors that are zero or equal in every coordinate.
        known.zero.append(_is_zero(op, [known.zero[a] for a in instruction.args]))
        contains = instruction.kind == "vector" and not known.zero[index]
        known.contains.append(gaussians.of(op, index)(op, known, index) if contains else frozenset())
        constant = not known.contains[index]
        known.zero[index] |= constant and bool(np.any(known.signs[index] == -1))
        vectors = [a for a in instruction.args if known.contains[a]]
        known.gaussian.append(constant or is_gaussian.of(op, index)(op, known, index, vectors))
    indices = (k for k, i in enumerate(structure.instructions) if i.kind == "vector")
    return Form(frozenset(k for k in indices if known.gaussian[k]), known.corrections)


class Known:
    """The properties of the earlier values of a program, by index.

    Attributes:
        signs: For each parameter, 1 if flipping it leaves the limit unchanged, −1 if that flips the limit, otherwise 0.
        contains: The indices of the Gaussians in Z; none for a constant.
        zero: Whether the limit is zero.
        gaussian: Whether the limit is Gaussian.
        corrections: As in `Form`.
    """

    def __init__(self, program: Program):
        self.program = program
        self.signs: list[np.ndarray] = []
        self.contains: list[frozenset[int]] = []
        self.zero: list[bool] = []
        self.gaussian: list[bool] = []
        self.corrections: dict[int, tuple[int, ...]] = {}

    def unchanged(self) -> Int64[np.ndarray, "parameters"]:
        """The signs of a value that no parameter flips."""
        return np.ones(len(self.program.parameters), dtype=int)

    def all_of(self, indices: Iterable[int]) -> frozenset[int]:
        """The Gaussians in some values."""
        return frozenset().union(*(self.contains[a] for a in indices))


def _is_zero(op: Op, zeros: list[bool]) -> bool:
    if op.multiplies:
        return any(zeros)
    return bool(zeros) and zeros[0] and isinstance(op, grads.Fill | ops.Moment | ops.Rearrange | grads.OverRoot)


# --- the effect of flipping a parameter: `(op, known, instruction, *signs of the arguments)` -----------------------

signs: Rules[np.ndarray] = Rules("its signs")


signs.rule(ops.Data, ops.Constant, grads.Identity)(lambda op, known, instruction, *args: known.unchanged())


@signs.rule(ops.Source)
def _(op: ops.Source, known: Known, instruction: Instruction, *args: np.ndarray) -> np.ndarray:
    flipped = known.unchanged()
    flipped[op.parameter] = -1
    return flipped * args[0] if args else flipped


@signs.rule(ops.Add, ops.Combination, ops.Shift, ops.Join)
def _(op: Op, known: Known, instruction: Instruction, *args: np.ndarray) -> np.ndarray:
    """The signs that all arguments share, not counting arguments that are zero."""
    some = [sign for sign, a in zip(args, instruction.args, strict=True) if not known.zero[a]] or [known.unchanged()]
    return np.where(np.all(np.stack(some) == some[0], axis=0), some[0], 0)


@signs.rule(ops.ScalarFunction)
def _(op: ops.ScalarFunction, known: Known, instruction: Instruction, *args: np.ndarray) -> np.ndarray:
    if op.fn in (operator.add, operator.sub):
        return signs(ops.Add(), known, instruction, *args)
    return _if_unchanged(args)


@signs.rule(ops.Nonlin)
def _(op: ops.Nonlin, known: Known, instruction: Instruction, *args: np.ndarray) -> np.ndarray:
    if op.multiplies:
        return np.asarray(args[0] * args[1])
    return np.where(args[0] == -1, _sign_of(op), args[0]) if len(args) == 1 else _if_unchanged(args)


signs.rule(Maximum)(lambda op, known, instruction, *args: _if_unchanged(args))
signs.rule(ops.Product)(lambda op, known, instruction, *args: np.prod(args, axis=0))


@signs.rule(ops.BatchNorm, ops.Moment, ops.Rearrange, grads.OverRoot, grads.Fill)
def _(op: Op, known: Known, instruction: Instruction, x: np.ndarray, *_: np.ndarray) -> np.ndarray:
    return x


@signs.rule(grads.BatchNormGradient)
def _(op: Op, known: Known, instruction: Instruction, x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    return np.asarray(gradient * x**2)  # flipping the batch leaves its derivative unchanged


signs.rule(grads.ScalarGradient)(lambda op, known, instruction, gradient, *args: gradient * _if_unchanged(args))


# --- the Gaussians in Z of a vector that is not zero: `(op, known, index)` -----------------------------------------

gaussians: Rules[frozenset[int]] = Rules("the Gaussians in its limit")


gaussians.rule(Op)(lambda op, known, index: known.all_of(known.program.instructions[index].args))
gaussians.rule(ops.InputMatMul, ops.InitialVector)(lambda op, known, index: frozenset([index]))


@gaussians.rule(ops.MatMul)
def _(op: ops.MatMul, known: Known, index: int) -> frozenset[int]:
    """Ẑ, and the Gaussians of Ż = σ² Σ_y Z^y E[∂Z^x/∂Ẑ^{Wᵀy}] for those y whose coefficient is not zero by symmetry."""
    (x,) = known.program.instructions[index].args
    known.corrections[index] = tuple(
        known.program.instructions[earlier].args[0]
        for earlier in sorted(known.contains[x])
        if known.program.instructions[earlier].op == op.opposite
        and not np.any(known.signs[x] * known.signs[earlier] == -1)
    )
    return frozenset([index]) | known.all_of(known.corrections[index])


gaussians.rule(grads.Fill)(lambda op, known, index: frozenset())


@gaussians.rule(ops.Nonlin)
def _(op: ops.Nonlin, known: Known, index: int) -> frozenset[int]:
    constant = len(op.phi.coefficients) == 1
    return frozenset() if constant else known.all_of(known.program.instructions[index].args)


# --- Gaussian or not: `(op, known, index, arguments that are not constant)` ----------------------------------------

is_gaussian: Rules[bool] = Rules("whether its limit is Gaussian")


is_gaussian.rule(Op)(lambda op, known, index, vectors: False)


@is_gaussian.rule(ops.Linear, ops.InputMatMul, ops.InitialVector, ops.Shift)
def _(op: Op, known: Known, index: int, vectors: list[int]) -> bool:
    return all(known.gaussian[a] for a in vectors)


@is_gaussian.rule(ops.MatMul)
def _(op: ops.MatMul, known: Known, index: int, vectors: list[int]) -> bool:
    return all(known.gaussian[y] for y in known.corrections[index])


@is_gaussian.rule(ops.Nonlin)
def _(op: ops.Nonlin, known: Known, index: int, vectors: list[int]) -> bool:
    if op.multiplies:
        return len(vectors) == 1 and known.gaussian[vectors[0]]
    return len(op.phi.coefficients) == 2 and known.gaussian[vectors[0]]


for table in (signs, gaussians, is_gaussian):
    table.refuse(ops.OfLayers, why="write the repeated layers out first (Program.unrolled)")
    table.refuse(ops.Delayed, why="the form is that of the program as written, without loops")


def _if_unchanged(signs: Sequence[Int64[np.ndarray, "parameters"]]) -> Int64[np.ndarray, "parameters"]:
    """1 where flipping a parameter changes none of the arguments, otherwise 0."""
    unchanged: np.ndarray = np.all(np.stack(signs) == 1, axis=0)
    return unchanged.astype(int)


_ODD, _EVEN = {erf, sin, tanh, sign, minus_sin}, {abs, cos, erf_slope, erf_gate_slope}


def _sign_of(op: Any) -> int:
    """The sign in φ(−x) = ±φ(x); 0 if φ is neither even nor odd."""
    if isinstance(op, grads.Slope):
        return -_sign(op.of)
    return _sign(op.phi)


def _sign(phi: Nonlinearity) -> int:
    if phi.coefficients:
        even, odd = any(phi.coefficients[::2]), any(phi.coefficients[1::2])
        return 0 if even and odd else -1 if odd else 1
    return -1 if phi in _ODD else 1 if phi in _EVEN else 0
