"""Which functions are the same: an architecture may make its functions anew whenever it runs."""

from __future__ import annotations

import functools
import types
from typing import Any

import numpy as np

from ..language import instructions as ops
from ..language.instructions import Op
from ..language.nonlinearities.nonlinearity import Nonlinearity
from ..language.program import Program


class Functions:
    """Tells functions of one program among those of another: the same ones, or made again of the same code."""

    def __init__(self, program: Program):
        functions = [f for f in (_function(i.op) for i in program.instructions) if f is not None]
        self._by_code = {_code(f): f for f in functions}
        self._known = {f: self._by_code[_code(f)] for f in functions}

    def like(self, function: Any) -> Any:
        """The function of the program that does what this one does; else this one."""
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
    """What a function is made of, if it is one of Python's: equal for those that do the same; else which object it is.

    Of functions in functions in functions, one may be the first again: some deep inside are told by which they are.
    """
    inside: tuple[Any, ...]
    match value:
        case types.FunctionType() if depth < _DEEPEST:
            inside = (value.__code__, id(value.__globals__), *(value.__kwdefaults__ or {}))
            kept = [_content(cell) for cell in value.__closure__ or ()]
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


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty yet
        return cell


def number_value(array: np.ndarray) -> tuple[Any, ...]:
    """An array of numbers as a value that can be compared and hashed."""
    return array.shape, array.dtype.str, array.tobytes()
