"""Which vectors have a Gaussian limit: read off the program, never guessed from numbers.

The limit of g = Wx is Z^g = Ẑ^g + Ż^g, where Ẑ is Gaussian and Ż = σ² Σ_y Z^y E[∂Z^x/∂Ẑ^{Wᵀy}] over
the earlier uses Wᵀy (Tensor Programs III, Theorem "NETSOR⊤ Master Theorem"). So g is Gaussian if
those y are, among them only the y whose coefficient is not zero. It is zero

- where Z^x does not contain Ẑ^{Wᵀy};
- where a sign says so. Every parameter ω has the law of −ω. If flipping ω flips Z^x but not
  Ẑ^{Wᵀy} (or the other way round), ∂Z^x/∂Ẑ^{Wᵀy} is flipped too, and its mean is zero. Flipping a
  readout v of its own flips every gradient and nothing of the forward pass: this is why the
  Simple GIA Check suffices (Tensor Programs II).
"""

from __future__ import annotations

import functools
import operator
from typing import Any, NamedTuple

import numpy as np

from ..language import instructions as ops
from ..language.backward import (
    BatchNormGradient,
    Fill,
    Identity,
    OverRoot,
    PairMoment,
    ScalarGradient,
    Slope,
    Transposed,
)
from ..language.instructions import Op
from ..language.nonlinearities import (
    Nonlinearity,
    abs,
    cos,
    erf,
    erf_gate_slope,
    erf_slope,
    minus_sin,
    multiply,
    sign,
    sin,
    tanh,
)
from ..language.program import Instruction, Program


class Form(NamedTuple):
    """What the form of a program says about its limits, whatever its numbers.

    - `gaussian`: the places of the vectors whose Z is Gaussian (a constant is, of variance zero).
    - `corrections`: for each MatMul, the places of the vectors y whose Z^y make up its Ż.
    """

    gaussian: frozenset[int]
    corrections: dict[int, tuple[int, ...]]


def form(program: Program) -> Form:
    """Read a program (repeats written out), with or without its gradients."""
    return _form(program.with_numbers())


@functools.lru_cache(maxsize=256)
def _form(structure: Program) -> Form:
    return _Reader(structure).read()


class _Reader:
    """Goes through a program once; everything is by place.

    - `signs`: for each parameter, whether flipping it leaves the limit (1), flips it (−1), or neither (0);
    - `contains`: the places of the Gaussians in Z, none for a constant;
    - `zero`: whether the limit is zero.
    """

    def __init__(self, program: Program):
        self.program = program
        self.signs: list[np.ndarray] = []
        self.contains: list[frozenset[int]] = []
        self.zero: list[bool] = []
        self.gaussian: list[bool] = []
        self.corrections: dict[int, tuple[int, ...]] = {}

    def read(self) -> Form:
        for place, instruction in enumerate(self.program.instructions):
            self.signs.append(self._signs(instruction))
            self.contains.append(self._contains(place, instruction))
            is_constant = not self.contains[place]
            self.zero.append(self._is_zero(instruction) or (is_constant and bool(np.any(self.signs[place] == -1))))
            self.gaussian.append(is_constant or self._is_gaussian(place, instruction))
        vectors = (k for k, i in enumerate(self.program.instructions) if i.kind == "vector")
        return Form(frozenset(k for k in vectors if self.gaussian[k]), self.corrections)

    # --- signs ---------------------------------------------------------------------------------

    def _signs(self, instruction: Instruction) -> np.ndarray:
        args = [self.signs[a] for a in instruction.args]
        unchanged = np.ones(len(self.program.parameters), dtype=int)
        match instruction.op:
            case Identity():
                return unchanged
            case ops.InputMatMul(parameter) | ops.InitialVector(parameter) | ops.MatMul(parameter):
                flipped = unchanged.copy()
                flipped[parameter] = -1
                return flipped * args[0] if args else flipped
            case ops.Add() | ops.Shift() | ops.Join() | ops.ScalarFunction(operator.add | operator.sub):
                return _common([self.signs[a] for a in instruction.args if not self.zero[a]] or [unchanged])
            case ops.Nonlin(phi) as op if phi is not multiply:
                return np.where(args[0] == -1, _sign_of(op), args[0]) if len(args) == 1 else _if_unchanged(args)
            case ops.BatchNorm() | ops.Moment() | ops.Rearrange() | OverRoot() | Fill():
                return args[0]
            case BatchNormGradient():
                return args[1] * args[0] ** 2  # flipping the batch changes nothing in its derivative
            case ScalarGradient():
                return args[0] * _if_unchanged(args[1:])
            case op if _is_product(op):
                return np.prod(args, axis=0)
            case _:
                return unchanged if not args else _if_unchanged(args)

    # --- what Z contains -----------------------------------------------------------------------

    def _contains(self, place: int, instruction: Instruction) -> frozenset[int]:
        match instruction.op:
            case _ if instruction.kind != "vector" or self._is_zero(instruction):
                return frozenset()
            case ops.InputMatMul() | ops.InitialVector():
                return frozenset([place])
            case ops.MatMul():
                self.corrections[place] = self._corrections(place, instruction)
                return frozenset([place]).union(*(self.contains[y] for y in self.corrections[place]))
            case Fill():
                return frozenset()
            case ops.Nonlin(phi) if len(phi.coefficients) == 1:
                return frozenset()
            case _:
                return frozenset().union(*(self.contains[a] for a in instruction.args))

    def _corrections(self, place: int, instruction: Instruction) -> tuple[int, ...]:
        op, (x,) = instruction.op, instruction.args
        transposed = ops.MatMul(op.parameter, op.index, not op.transpose)
        found = []
        for earlier in sorted(self.contains[x]):
            if self.program.instructions[earlier].op == transposed and not np.any(
                self.signs[x] * self.signs[earlier] == -1
            ):
                found.append(self.program.instructions[earlier].args[0])
        return tuple(found)

    def _is_zero(self, instruction: Instruction) -> bool:
        zeros = [self.zero[a] for a in instruction.args]
        if _is_product(instruction.op):
            return any(zeros)
        return bool(zeros) and zeros[0] and isinstance(instruction.op, Fill | ops.Moment | ops.Rearrange | OverRoot)

    # --- Gaussian or not -----------------------------------------------------------------------

    def _is_gaussian(self, place: int, instruction: Instruction) -> bool:
        vectors = [a for a in instruction.args if self.contains[a]]
        match instruction.op:
            case ops.MatMul():
                return all(self.gaussian[y] for y in self.corrections[place])
            case ops.Nonlin(phi) if phi is multiply:
                return len(vectors) == 1 and self.gaussian[vectors[0]]
            case ops.Nonlin(phi):
                return len(phi.coefficients) == 2 and self.gaussian[vectors[0]]
            case op if op.linear or isinstance(op, ops.InputMatMul | ops.InitialVector | ops.Shift):
                return all(self.gaussian[a] for a in vectors)
            case _:
                return False


def _is_product(op: Op) -> bool:
    """Whether an instruction is a product of its arguments, summed over leading axes or coordinates."""
    if isinstance(op, ops.Nonlin):
        return op.phi is multiply
    return isinstance(op, ops.Scale | ops.Contract | ops.Readout | PairMoment | Transposed)


def _common(signs: list[np.ndarray]) -> np.ndarray:
    return np.where(np.all(np.stack(signs) == signs[0], axis=0), signs[0], 0)


def _if_unchanged(signs: list[np.ndarray]) -> np.ndarray:
    """1 where flipping a parameter changes none of the arguments."""
    return np.all(np.stack(signs) == 1, axis=0).astype(int)


_ODD, _EVEN = {erf, sin, tanh, sign, minus_sin}, {abs, cos, erf_slope, erf_gate_slope}


def _sign_of(op: Any) -> int:
    """φ(−x) = ±φ(x), or 0."""
    if isinstance(op, Slope):
        return -_sign(op.of)
    return _sign(op.phi)


def _sign(phi: Nonlinearity) -> int:
    if phi.coefficients:
        even, odd = any(phi.coefficients[::2]), any(phi.coefficients[1::2])
        return 0 if even and odd else -1 if odd else 1
    return -1 if phi in _ODD else 1 if phi in _EVEN else 0
