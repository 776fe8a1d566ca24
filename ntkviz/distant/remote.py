"""`Remote`: something of the engine that is not here, and how to speak about it as if it were."""

from __future__ import annotations

import io
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any

import cloudpickle
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .asking import ask
from .engine import STAYS, Refusal, Sketch, described, found, imported

ANSWERS = tuple(f"ntkviz.{part}" for part in ("calculus", "execution", "kernels", "networks", "regression"))
"""Calling these asks; calling anything else describes."""

UNKNOWN = object()

# What plain data can be asked for. Whether a description turns out to be some, only the cluster knows.
OF_PLAIN_DATA = {name for kind in (str, tuple, list, dict, np.ndarray) for name in dir(kind) if name[0] != "_"}


class Remote(NDArrayOperatorsMixin):
    """A call that the engine would make, `operation = (function, arguments, keywords)`, and its value once known.

    Attributes and calls make larger Remotes, which cost nothing. The cluster is asked

    - by a call of what comes from a part of `ANSWERS`. Numbers, text, arrays, and lists of them
      arrive as they are; another object arrives as a Remote that knows its public data.
    - by whatever needs the value: `[…]`, iteration, `len`, `str`, `bool`, arithmetic, NumPy.

    Architectures are equal here if they are written alike.
    """

    def __init__(self, operation: tuple[Callable[..., Any], tuple, dict], answers: bool):
        self._operation, self._answers = operation, answers
        self._bytes: bytes | None = None
        self._sketch: Sketch | None = None
        self._plain: Any = UNKNOWN
        self._length: int | None = None
        self._parts: dict[str, Remote] = {}
        self._architecture: tuple[Remote, dict[str, Any]] | None = None

    @classmethod
    def named(cls, module: str, name: str) -> Remote:
        """What a module of the engine calls `name`."""
        remote = cls((imported, (module, name), {}), module.startswith(ANSWERS))
        if module.startswith("ntkviz.architectures"):
            remote._architecture = remote, {}
        return remote

    # --- saying more ---------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # Python and IPython ask for many that nobody has
            raise AttributeError(name)
        if self._sketch is None and name in OF_PLAIN_DATA:
            value = self._value()
            if not isinstance(value, Remote):
                return getattr(value, name)
        if self._sketch and name in self._sketch.fields:
            return _revived(self._sketch.fields[name], (getattr, (self, name), {}), self._answers)
        if name not in self._parts:
            self._parts[name] = Remote((getattr, (self, name), {}), self._answers)
        return self._parts[name]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._architecture and not args:
            return self._with_hyper(kwargs)
        call = Remote((operator.call, (self, *args), kwargs), self._answers)
        if self._operation[:2] == (imported, ("ntkviz.language.architecture", "architecture")):
            call._architecture = call, {}
        return call._value() if self._answers else call

    def _with_hyper(self, hyper: dict[str, Any]) -> Remote:
        """An architecture with other hyper-parameters: those it ends with count, not the way to them."""
        assert self._architecture
        family, known = self._architecture
        every = known | hyper
        arch = Remote((operator.call, (family,), dict(sorted(every.items()))), self._answers)
        arch._architecture = family, every
        return arch

    # --- asking ----------------------------------------------------------------------------------------

    def _value(self) -> Any:
        """What this is: plain data, or this Remote, which then knows its public data."""
        if self._sketch:
            return self
        if self._plain is UNKNOWN:
            answer = ask(self._request())
            if isinstance(answer, Refusal):
                raise answer.error
            if isinstance(answer, Sketch):
                self._sketch = answer
                return self
            self._plain = _revived(answer, self._operation, self._answers)
        return self._plain

    def _asked(self, function: Callable[..., Any], *args: Any) -> Any:
        """The value of `function(this, …)`, found here if this is plain data, else on the cluster, once."""
        value = self._value()
        if not isinstance(value, Remote):
            return function(value, *args)
        return Remote((function, (self, *args), {}), self._answers)._value()

    def _request(self) -> bytes:
        if self._bytes is None:
            self._bytes = pickled(self._operation)
        return self._bytes

    def __reduce__(self) -> tuple[Callable[..., Any], tuple]:
        function, args, _ = self._operation
        if function is imported:
            return imported, args
        return (found if self._answers else described), (self._request(),)

    # --- as if it were here --------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        value = self._value()
        if isinstance(value, Remote) and value._sketch and value._sketch.items is not None:
            return self._items()[key]
        return self._asked(operator.getitem, key)

    def _items(self) -> tuple[Any, ...]:
        assert self._sketch
        return _revived(self._sketch.items, (tuple, (self,), {}), self._answers)

    def __iter__(self) -> Iterator[Any]:
        value = self._value()
        if isinstance(value, Remote) and value._sketch and value._sketch.items is not None:
            return iter(self._items())
        return iter(self._asked(tuple) if isinstance(value, Remote) else value)

    def __len__(self) -> int:
        if self._length is None:
            items = self._sketch and self._sketch.items
            self._length = self._asked(len) if items is None else len(items)
        return self._length

    def __contains__(self, item: Any) -> bool:
        return item in iter(self)

    def __bool__(self) -> bool:
        return self._asked(bool)

    def __float__(self) -> float:
        return self._asked(float)

    def __int__(self) -> int:
        return self._asked(int)

    def __index__(self) -> int:
        return self._asked(operator.index)

    def __str__(self) -> str:
        return self._asked(str)

    def __repr__(self) -> str:
        return self._asked(repr)

    def __format__(self, spec: str) -> str:
        return self._asked(format, spec)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._asked(np.asarray), dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """NumPy's functions, and through them all arithmetic and order."""
        values = [value._value() if isinstance(value, Remote) else value for value in inputs]
        if any(isinstance(value, Remote) for value in values):
            return NotImplemented
        return getattr(ufunc, method)(*values, **kwargs)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, Remote):
            if self._request() == other._request():
                return True
            if self._architecture and other._architecture:
                return False
            other = other._value()
        return self._asked(operator.eq, other)

    def __ne__(self, other: object) -> Any:
        equal = self == other
        return ~equal if isinstance(equal, np.ndarray) else not equal

    def __hash__(self) -> int:
        value = self if self._architecture or self._operation[0] is not getattr else self._value()
        return hash(self._request()) if isinstance(value, Remote) else hash(value)


def _revived(node: Any, operation: tuple[Callable[..., Any], tuple, dict], answers: bool) -> Any:
    """What arrived, with a Remote wherever an object stayed behind; `operation` says how the engine gets at `node`."""
    if isinstance(node, Sketch):
        remote = Remote(operation, answers)
        remote._sketch = None if node == STAYS else node
        return remote
    if type(node) in (list, tuple, dict):
        whole = Remote(operation, answers)
        places = node.items() if isinstance(node, dict) else enumerate(node)
        inside = {key: _revived(item, (operator.getitem, (whole, key), {}), answers) for key, item in places}
        return inside if isinstance(node, dict) else type(node)(inside.values())
    return node


# --- requests as bytes -------------------------------------------------------------------------------


class _Pickler(cloudpickle.Pickler):
    """Functions of a notebook by value, and without the file that Jupyter made of their cell: it names the process.

    So two kernels that run the same notebook write the same bytes, and the cluster sees one request.
    """

    def reducer_override(self, thing: Any) -> Any:
        """Called before anything is pickled."""
        if isinstance(thing, types.CodeType):
            return self.dispatch_table[types.CodeType](thing.replace(co_filename="notebook"))
        return super().reducer_override(thing)


def pickled(operation: Any) -> bytes:
    """An operation as a request."""
    text = io.BytesIO()
    _Pickler(text).dump(operation)
    return text.getvalue()
