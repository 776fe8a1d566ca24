"""Checks that two programs have the same parameters, since a kernel compares inputs of one network."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import numpy as np

from ..errors import InputError, phrase
from ..language.architecture import Architecture
from ..language.program import Parameter, Program


def check_same_network(arch: Architecture, first: Program, second: Program) -> None:
    """Raise `InputError` for inputs that need different parameters, such as vectors of different lengths."""
    if first is second or (first.structure == second.structure and _same_constants(first, second)):
        return
    programs = first.unrolled(), second.unrolled()
    for p, q in zip_longest(*(program.parameters for program in programs)):
        if p is None or q is None or _shape(p) != _shape(q) or _numbers(programs[0], p) != _numbers(programs[1], q):
            shapes1, shapes2 = ([d.shape[1:] for d in program.data] for program in programs)
            inputs = phrase(f"Inputs of different shapes, {shapes1} and {shapes2}")
            if shapes1 == shapes2:
                sizes = len(first.data[0]), len(second.data[0])
                inputs = phrase(f"Batches of different sizes, {sizes[0]} and {sizes[1]}")
            raise InputError(
                f"{inputs}, give {arch.fn.__name__} different parameters ({(p or q).name}); kernels need inputs of "
                "the same network."
            )


def _same_constants(first: Program, second: Program) -> bool:
    return all(map(np.array_equal, first.constants, second.constants))


def _shape(parameter: Parameter) -> tuple[Any, ...]:
    return parameter.name, parameter.kind, parameter.fan, parameter.shape


def _numbers(program: Program, parameter: Parameter) -> list[Any]:
    """Its standard deviation, multiplier and learning-rate factor."""
    indices = parameter.std, parameter.multiplier, parameter.lr
    return [np.asarray(program.number(index)).tolist() for index in indices]
