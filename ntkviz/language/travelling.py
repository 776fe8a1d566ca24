"""How an author's functions travel: pickled by their names where they have one, else by what they are.

`@nv.architecture` and `@nv.nonlinearity` leave under a function's name what they made of it, where `pickle` then does
not find the function. It is still there, as `name.fn`; once the function calls itself so, every pickler finds it.

Functions without a name (lambdas, those defined inside others) and those of a notebook or script, which another process
does not have, travel by value, with `cloudpickle` where it is installed. One that arrives again is the same function,
so that what was compiled for it is found.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import operator
import sys
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any
from weakref import WeakValueDictionary

Function = Callable[..., Any]

_on_its_way: ContextVar[tuple[Function, ...]] = ContextVar("functions that are being pickled by value", default=())
_sent: WeakValueDictionary[str, types.FunctionType] = WeakValueDictionary()


def portable(value: Any, holder: type) -> Any:
    """What to pickle in the place of a function, which comes out as the function; other values as they are.

    `holder` is the class of what may stand in its module under its name, with the function as `fn`.
    """
    if not callable(value) or isinstance(value, type):
        return value
    if not isinstance(value, types.FunctionType):
        return _ByName(value) if _is_found_elsewhere(value) else value
    _name_inside(value, holder)
    if value in _on_its_way.get() or _is_found_elsewhere(value):
        return value
    try:
        importlib.import_module("cloudpickle")
    except ImportError:
        return value  # a pickler of another kind may know what to do with it
    return _ByValue(value)


def _name_inside(function: types.FunctionType, holder: type) -> None:
    """Have a function whose name now means what was made of it be called `name.fn`."""
    name = function.__qualname__
    here = _at(name, function)
    if here is function:
        return
    if not (isinstance(here, holder) and operator.attrgetter("fn")(here) is function):
        named = list(getattr(sys.modules.get(function.__module__), "__dict__", {}).items())
        name = next((k for k, v in named if isinstance(v, holder) and getattr(v, "fn", None) is function), "")
    if name:
        function.__qualname__ = f"{name}.fn"


def _is_found_elsewhere(function: Any) -> bool:
    """Whether other processes find a function by its name."""
    module, name = (getattr(function, part, None) for part in ("__module__", "__qualname__"))
    return module not in (None, "__main__") and name is not None and _at(name, function) is function


def _at(path: str, function: Any) -> Any:
    """What a function's module has at a path of names."""
    try:
        return operator.attrgetter(path)(sys.modules[function.__module__])
    except (AttributeError, KeyError, TypeError):
        return None


class _ByName:
    """A function made of one, such as those that `jax.jit` compiles, which looks for that one as it is pickled."""

    def __init__(self, function: Any):
        self.function = function

    def __reduce__(self) -> tuple[Any, ...]:
        return _named, (self.function.__module__, self.function.__qualname__)


def _named(module: str, path: str) -> Any:
    return operator.attrgetter(path)(importlib.import_module(module))


class _ByValue:
    """A function that pickles as its code and what that refers to."""

    def __init__(self, function: types.FunctionType):
        self.function = function

    def __reduce__(self) -> tuple[Any, ...]:
        content = _content(self.function)
        name = hashlib.sha256(content).hexdigest()
        _sent[name] = self.function
        return _arrived, (name, content)


def _content(function: types.FunctionType) -> bytes:
    import cloudpickle

    with _sending(function):
        return cloudpickle.dumps(function)


@contextlib.contextmanager
def _sending(function: types.FunctionType) -> Iterator[None]:
    """A function that refers to what was made of it is not begun a second time."""
    token = _on_its_way.set((*_on_its_way.get(), function))
    try:
        yield
    finally:
        _on_its_way.reset(token)


def _arrived(name: str, content: bytes) -> Function:
    """The function that was sent from here, if it still is what it was; else one like it."""
    sent = _sent.get(name)
    if sent is not None and _content(sent) == content:
        return sent
    return _made(content)


@functools.lru_cache(maxsize=256)
def _made(content: bytes) -> Function:
    import cloudpickle

    return cloudpickle.loads(content)
