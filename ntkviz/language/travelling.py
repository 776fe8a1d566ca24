"""Pickling of an author's functions: by name if they have an importable one, otherwise by value.

`@nv.architecture` and `@nv.nonlinearity` bind their result to the function's name, so `pickle` no longer finds the
function there. It is still reachable as `name.fn`; once this is its qualified name, every pickler finds it.

Functions without an importable name (lambdas, nested functions, those of a notebook or script, which another process
does not have) are pickled by value, if `cloudpickle` is installed. A function that comes back to the process that
pickled it is unpickled as the same object, so that code compiled for it is reused.

A page that computes on a cluster pickles its architecture for every request. The bytes of a function are therefore
kept, and used again while nothing that they depend on can have changed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import itertools
import operator
import sys
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, cast
from weakref import WeakKeyDictionary, WeakValueDictionary

Function = Callable[..., Any]
Parts = tuple[Any, ...]
IMMUTABLE = (bool, bytes, complex, float, int, str, types.CodeType, types.NoneType)
"""Types whose instances cannot change; a tuple also counts if all its items do."""

_on_its_way: ContextVar[tuple[Function, ...]] = ContextVar("functions that are being pickled by value", default=())
_sent: WeakValueDictionary[str, types.FunctionType] = WeakValueDictionary()
_written: WeakKeyDictionary[types.FunctionType, tuple[Parts, bytes]] = WeakKeyDictionary()


def portable(value: Any, holder: type) -> Any:
    """An object to pickle instead of a function, which unpickles as that function; other values are returned unchanged.

    `holder` is the class of the object that may be bound to the function's name and have the function as `fn`.
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
        return value  # some other pickler may be able to handle it
    return _ByValue(value)


def _name_inside(function: types.FunctionType, holder: type) -> None:
    """Set the qualified name of a function to `name.fn` if its name is bound to its holder."""
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
    """Whether other processes can find a function by its name."""
    module, name = (getattr(function, part, None) for part in ("__module__", "__qualname__"))
    return module not in (None, "__main__") and name is not None and _at(name, function) is function


def _at(path: str, function: Any) -> Any:
    """The object at a dotted path in a function's module; `None` if there is none."""
    try:
        return operator.attrgetter(path)(sys.modules[function.__module__])
    except (AttributeError, KeyError, TypeError):
        return None


class _ByName:
    """Pickles a wrapper, such as that of `jax.jit`, by name; its own pickling would look for the wrapped function."""

    def __init__(self, function: Any):
        self.function = function

    def __reduce__(self) -> tuple[Any, ...]:
        return _named, (self.function.__module__, self.function.__qualname__)


def _named(module: str, path: str) -> Any:
    return operator.attrgetter(path)(importlib.import_module(module))


class _ByValue:
    """Pickles a function as its code and everything that the code refers to."""

    def __init__(self, function: types.FunctionType):
        self.function = function

    def __reduce__(self) -> tuple[Any, ...]:
        content = _content(self.function)
        name = hashlib.sha256(content).hexdigest()
        _sent[name] = self.function
        return _arrived, (name, content)


def _content(function: types.FunctionType) -> bytes:
    """A function as bytes, which are cached while its parts are the same objects and cannot have changed."""
    parts = _parts(function)
    before, content = _written.get(function, ((), b""))
    if len(parts) == len(before) and all(map(operator.is_, parts, before)):
        return content
    from ..distant.pickling import pickled

    with _sending(function):
        content = pickled(function)
    if all(map(_is_constant, parts)):
        _written[function] = parts, content
    return content


def _parts(function: types.FunctionType) -> Parts:
    """Everything that the bytes of a function depend on.

    That includes the imported modules, since `cloudpickle` writes the names of those that the function may reach
    through their package, and the modules that the user has registered to be written by value.
    """
    import cloudpickle

    code, known = function.__code__, function.__globals__
    variables = {name: known[name] for name in _names(code) if name in known}
    tables = variables, vars(function), function.__annotations__, function.__kwdefaults__ or {}
    return (
        code,
        function.__defaults__,
        function.__doc__,
        function.__name__,
        function.__qualname__,
        function.__module__,
        *map(variable, function.__closure__ or ()),
        *itertools.chain(*(pair for table in tables for pair in table.items())),
        *sys.modules,
        cloudpickle.list_registry_pickle_by_value() or None,  # a set can change: nothing is cached
    )


def _names(code: types.CodeType) -> tuple[str, ...]:
    """The names of global variables and attributes in a function's code, and in the code of functions within it."""
    within = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return *code.co_names, *itertools.chain(*map(_names, within))


def variable(cell: types.CellType) -> Any:
    """The value of a variable of an enclosing function; the cell itself while it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return cell


def _is_constant(value: Any) -> bool:
    """Whether a value is written as the same bytes whenever it is the same object. A module is written as its name."""
    if type(value) is tuple:
        return all(map(_is_constant, value))
    return type(value) in IMMUTABLE or (isinstance(value, types.ModuleType) and value.__name__ in sys.modules)


@contextlib.contextmanager
def _sending(function: types.FunctionType) -> Iterator[None]:
    """Guards against the recursion of a function that refers to its own holder."""
    token = _on_its_way.set((*_on_its_way.get(), function))
    try:
        yield
    finally:
        _on_its_way.reset(token)


def _arrived(name: str, content: bytes) -> Function:
    """The function that this process pickled, if it is unchanged; otherwise a copy."""
    sent = _sent.get(name)
    if sent is not None and _content(sent) == content:
        return sent
    return _made(content)


@functools.lru_cache(maxsize=256)
def _made(content: bytes) -> Function:
    import cloudpickle

    return cast(Function, cloudpickle.loads(content))
