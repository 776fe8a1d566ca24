"""Trace signatures: programs of one signature share compiled code, whatever their numbers are."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from ..language.program import Program, register_with_jax

register_with_jax()  # for programs that were written by another process


class TraceSignature(NamedTuple):
    """Everything of two programs that compilation depends on: their structures, and the shapes and types of numbers."""

    structures: tuple[Program, Program]
    numbers: tuple[Any, Any]

    def programs(self) -> tuple[Program, Program]:
        """Two programs of this signature, with shapes in place of numbers."""
        first, second = (s.with_numbers(*n) for s, n in zip(self.structures, self.numbers, strict=True))
        return first, second


def trace_signature(first: Program, second: Program) -> TraceSignature:
    """The signature of two programs."""
    one = first.with_numbers(), _shapes(first)
    other = one if second is first else (second.with_numbers(), _shapes(second))
    return TraceSignature((one[0], other[0]), (one[1], other[1]))


def _shapes(program: Program) -> tuple[Any, Any]:
    constants, data = (tuple(map(_shape, numbers)) for numbers in (program.constants, program.data))
    return constants, data


def _shape(number: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(
        np.shape(number), number.dtype if hasattr(number, "dtype") else np.asarray(number).dtype
    )
