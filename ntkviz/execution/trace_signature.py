"""Trace signatures: programs of one signature share compiled code, whatever their numbers are."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from ..language.program import Program, register_with_jax

register_with_jax()  # for programs that another process pickled


Shapes = tuple[tuple[tuple[int, ...], np.dtype], ...]
"""The shapes and dtypes of arrays, as tuples, which are compared and hashed faster than JAX's own classes."""

Numbers = tuple[Shapes, Shapes]
"""The shapes and dtypes of a program's constants and of its data."""


class TraceSignature(NamedTuple):
    """All that compilation depends on in two programs: their structures, and the shapes and dtypes of their numbers."""

    structures: tuple[Program, Program]
    numbers: tuple[Numbers, Numbers]

    def programs(self) -> tuple[Program, Program]:
        """Two programs of this signature, with shapes in place of numbers."""
        first, second = map(_with_shapes, self.structures, self.numbers)
        return first, second


def trace_signature(first: Program, second: Program) -> TraceSignature:
    """The signature of two programs."""
    one = first.structure, _numbers(first)
    other = one if second is first else (second.structure, _numbers(second))
    return TraceSignature((one[0], other[0]), (one[1], other[1]))


def _numbers(program: Program) -> Numbers:
    return _shapes(program.constants), _shapes(program.data)


def _shapes(numbers: tuple[Any, ...]) -> Shapes:
    return tuple((np.shape(n), n.dtype if hasattr(n, "dtype") else np.asarray(n).dtype) for n in numbers)


def _with_shapes(structure: Program, numbers: Numbers) -> Program:
    constants, data = (tuple(jax.ShapeDtypeStruct(*kind) for kind in kinds) for kinds in numbers)
    return structure.with_numbers(constants, data)
