"""Equality of functions, needed because an architecture may create its functions anew in every trace."""

from __future__ import annotations

import functools
import types
from typing import Any

import numpy as np

from ..language import instructions as ops
from ..language.instructions import Op
from ..language.nonlinearities.nonlinearity import Nonlinearity
from ..language.program import Program
from ..language.travelling import variable


class Functions:
    """Matches the functions of another program with those of this one: identical, or created from the same code."""

    def __init__(self, program: Program):
        functions = [f for f in (_function(i.op) for i in program.instructions) if f is not None]
        self._by_code = {_code(f): f for f in functions}
        self._known = {f: self._by_code[_code(f)] for f in functions}

    def like(self, function: Any) -> Any:
        """The function of the program that equals `function`; `function` itself if there is none."""
        if function in self._known:
            return self._known[function]
        return self._by_code.get(_code(function), function)


def _function(op: Op) -> Any:
    match op:
        case ops.Nonlin(phi):
            return phi
        case ops.ScalarFunction(fn):
            return fn
    return None


def _code(value: Any, depth: int = 0) -> Any:
    """The code and constants of a Python function, equal for equal functions; for other objects, their identity.

    Nested functions may be recursive, so below some depth they are compared by identity.
    """
    inside: tuple[Any, ...]
    match value:
        case types.FunctionType() if depth < _DEEPEST:
            inside = (value.__code__, id(value.__globals__), *(value.__kwdefaults__ or {}))
            kept = [variable(cell) for cell in value.__closure__ or ()]
            kept += [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        case functools.partial() if depth < _DEEPEST:
            inside, kept = ("partial", *value.keywords), [value.func, *value.args, *value.keywords.values()]
        case Nonlinearity():
            inside = (value.arity, value.smooth, value.coefficients, tuple(map(id, value.derivatives)))
            kept = [value.fn]
        case tuple() if depth < _DEEPEST:
            inside, kept = (), list(value)
        case np.ndarray():
            return number_value(value)
        case bool() | int() | float() | complex() | str() | bytes() | None:
            return type(value), repr(value)  # −0.0 is not 0.0
        case _:
            return id(value)
    return (*inside, *(_code(v, depth + 1) for v in kept))


_DEEPEST = 4


def number_value(array: np.ndarray) -> tuple[Any, ...]:
    """An array of numbers as a tuple that can be compared and hashed."""
    return array.shape, array.dtype, array.tobytes()
