"""What runs on a worker: a request is evaluated with the real engine, and what comes of it is made fit to travel.

A request is the pickle of one call `(function, arguments, keywords)`. Whatever of the engine stands in it is a request
too, and becomes what it describes as it is unpickled.
"""

from __future__ import annotations

import functools
import pickle
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..errors import NtkvizError


class Sketch(NamedTuple):
    """What a kernel learns of an object that stays with the engine.

    - `fields`: its public data by name.
    - `items`: its items, if it is a tuple of some kind.
    """

    fields: dict[str, Any]
    items: tuple[Any, ...] | None = None


STAYS = Sketch({})


class Refusal(NamedTuple):
    """An error of `ntkviz` as an answer, which others who ask the same need not wait for either."""

    error: NtkvizError


def answer(request: bytes) -> Any:
    """What a request evaluates to: numbers, text and arrays as they are, any other object as a `Sketch` or `Refusal`.

    Raises Python's errors as they are; others, which a kernel could not unpickle without importing half the engine, as
    a `RuntimeError` that names them.
    """
    try:
        return packed(found(request))
    except NtkvizError as refusal:
        return Refusal(refusal)
    except Exception as problem:
        if type(problem).__module__ == "builtins":
            raise
        raise RuntimeError(f"{type(problem).__name__}: {problem}") from None


def evaluated(request: bytes) -> Any:
    """The value of a request."""
    function, arguments, keywords = pickle.loads(request)
    return function(*arguments, **keywords)


@functools.lru_cache(maxsize=2048)
def _described(request: bytes) -> Any:
    return evaluated(request)


@functools.lru_cache(maxsize=64)
def _found(request: bytes) -> Any:
    return evaluated(request)


def described(request: bytes) -> Any:
    """The value of a description, the same object every time: by it compiled code is found again."""
    return _described(request)


def found(request: bytes) -> Any:
    """The value of a question; the last ones are kept, for a kernel that asks an object for more."""
    return _found(request)


def imported(module: str, name: str) -> Any:
    """What a module calls `name`."""
    return getattr(import_module(module), name)


def packed(value: Any) -> Any:
    """A value as it travels; JAX's arrays as NumPy's."""
    match value:
        case float() if type(value) is not float and not isinstance(value, np.generic):
            return float(value)  # a number that knows more than a kernel can unpickle without the engine
        case None | bool() | int() | float() | complex() | str() | bytes() | range() | slice() | np.generic():
            return value
        case np.ndarray():
            return value
        case _ if type(value) in (list, tuple):
            return type(value)(packed(item) for item in value)
        case _ if type(value) in (set, frozenset):
            return value
        case _ if type(value) is dict:
            return {key: packed(item) for key, item in value.items()}
        case _ if hasattr(value, "__array__"):
            return np.asarray(value)
        case _:
            return _sketch(value)


def _sketch(value: Any) -> Sketch:
    from ..language import Architecture, Nonlinearity, Program

    if callable(value) or isinstance(value, ModuleType | Architecture | Nonlinearity | Program):
        return STAYS  # a description: the kernel has a shorter one
    if isinstance(value, tuple):
        items = tuple(packed(item) for item in value)
        return Sketch(dict(zip(getattr(value, "_fields", ()), items, strict=False)), items)
    public = {name: packed(field) for name, field in vars(value).items() if not name.startswith("_")}
    return Sketch({name: field for name, field in public.items() if field is not STAYS})
