"""Records how a module's constructor initialises each parameter, and repeats it with JAX's random numbers.

The recorder sees every ATen operation. It follows the memory of each tensor that depends on random numbers: each piece
of it is a part of a draw, or an operation on such parts, which is evaluated by the table of operations. Memory that
does not depend on random numbers is `FIXED`, and read from the module in the end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import Array
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from ...errors import TraceError
from .graphs import completed, name_of, numbers_of
from .operations.table import OPERATIONS

FIXED = "fixed"
Draw = Callable[[Array, tuple[int, ...]], Array]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Independent random numbers; `law` draws them, from a key and their shape."""

    law: Draw
    number: int
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Computed:
    """The result of a function of arguments, some of which are random."""

    function: Callable[..., Any]
    arguments: tuple[Any, dict[str, Any]]


@dataclass(frozen=True)
class Unknown:
    """Numbers whose law is not known, with the name of the operation that makes them so."""

    why: str


Piece = tuple[int, Any]
"""A number of entries in memory, and `FIXED`, or a vector of that length: `Drawn`, `Computed` or `Unknown`."""


def _uniform(low: float = 0.0, high: float = 1.0) -> Draw:
    above = float(np.nextafter(np.float32(low), np.float32(high)))  # erfinv, for one, is infinite at an end
    return lambda key, shape: jax.random.uniform(key, shape, np.float32, above, high)


def _normal(mean: float = 0.0, std: float = 1.0) -> Draw:
    return lambda key, shape: mean + std * jax.random.normal(key, shape, np.float32)


def _truncated(mean: float, std: float, low: float, high: float) -> Draw:
    a, b = (low - mean) / std, (high - mean) / std
    return lambda key, shape: mean + std * jax.random.truncated_normal(key, a, b, shape, np.float32)


def _exponential(rate: float) -> Draw:
    return lambda key, shape: jax.random.exponential(key, shape, np.float32) / rate


def _bernoulli(p: float) -> Draw:
    return lambda key, shape: jax.random.bernoulli(key, p, shape).astype(np.float32)


def _log_normal(mean: float, std: float) -> Draw:
    return lambda key, shape: jnp.exp(mean + std * jax.random.normal(key, shape, np.float32))


_LAWS: dict[str, Callable[..., Draw]] = {
    "uniform_": lambda x, *given: _uniform(*given),
    "normal_": lambda x, *given: _normal(*given),
    "exponential_": lambda x, *given: _exponential(*given),
    "bernoulli_.float": lambda x, *given: _bernoulli(*given),
    "log_normal_": lambda x, *given: _log_normal(*given),
    "rand": lambda size: _uniform(),
    "randn": lambda size: _normal(),
    "rand_like": lambda x: _uniform(),
    "randn_like": lambda x: _normal(),
    "normal.float_float": lambda mean, std, size: _normal(mean, std),
}
_OVERWRITES = ("fill_", "zero_", "copy_")
_EMPTY = ("empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided")


class Recorder(TorchDispatchMode):
    """While this mode is active, what happens to the memory of tensors is recorded."""

    def __init__(self) -> None:
        super().__init__()
        self._memory: dict[int, list[Piece]] = {}
        self._kept: list[Any] = []  # so that no address is used twice
        self._draws = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        truncated = _truncation()
        if truncated is not None:
            out = func(*args, **kwargs)
            law = _truncated(*(truncated[name] for name in ("mean", "std", "a", "b")))
            self._write(truncated["tensor"], self._drawn(law, truncated["tensor"]))
            return out
        written = _written(func, args, kwargs)
        known = self._arguments(func, args, kwargs, written)
        out = func(*args, **kwargs)
        given = {_address(t) for t in _tensors((args, kwargs))}
        new = written or [t for t in _tensors(out) if _address(t) not in given]
        if name_of(func) == "lift_fresh":
            new = [out]  # numbers from a list, in memory of their own
        if name_of(func) == "_local_scalar_dense" and known is not None:
            raise TraceError(
                "make(n) reads a random number of a parameter while it initialises it, so that the law of its entries "
                "is not known; use an initialiser of torch.nn.init."
            )
        if torch.Tag.inplace_view not in func.tags:
            for k, tensor in enumerate(new):
                self._write(tensor, self._made(func, args, kwargs, known, tensor, k if len(new) > 1 else None))
        return out

    def initial(self, tensor: Any) -> Any:
        """What is known of a tensor in the end: `FIXED`, an expression of its shape, or `None` if nothing is."""
        return self._read(tensor) if _address(tensor) in self._memory else None

    def _made(self, func: Any, args: Any, kwargs: Any, known: Any, tensor: Any, number: int | None) -> Any:
        """What is known of the result of an operation, with the `number` of the result if there are several."""
        name = name_of(func)
        if name.split(".")[0] in _EMPTY:
            return Unknown("nothing")
        if torch.Tag.nondeterministic_seeded in func.tags:
            if name not in _LAWS:
                return Unknown(f"aten.{name}")
            return self._drawn(_LAWS[name](*completed(func._schema, args, kwargs)[0]), tensor)
        if known is None:
            return FIXED
        function = OPERATIONS.get(name.replace("_.", ".").removesuffix("_"))
        if function is None:
            return Unknown(f"aten.{name}")
        return Computed(_result(function, number, tuple(tensor.shape)), known)

    def _drawn(self, law: Draw, tensor: Any) -> Drawn:
        self._draws += 1
        return Drawn(law, self._draws, tuple(tensor.shape))

    def _arguments(self, func: Any, args: Any, kwargs: Any, written: list[Any]) -> Any:
        """The arguments with what is known of tensors in their place; `None` if none depends on random numbers."""
        name = name_of(func)
        over = {id(t) for t in written} if name.split(".")[0] in _OVERWRITES or name.endswith("out") else set()
        if all(self._read(t) is FIXED for t in _tensors((args, kwargs)) if id(t) not in over):
            return None

        def known(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            if id(value) in over:
                return np.zeros(tuple(value.shape), np.float32)
            found = self._read(value)
            return numbers_of(value) if found is FIXED else found

        return completed(func._schema, *tree_map(known, (args, kwargs)))

    # --- memory ------------------------------------------------------------------------------------------------

    def _read(self, tensor: Any) -> Any:
        pieces, place = self._pieces(tensor), _place(tensor)
        if all(value is FIXED for _, value in pieces):
            return FIXED
        if place is None:
            return Unknown("a view of a part of it")
        start, order = place
        found = _part(pieces, start, start + tensor.numel())
        if all(value is FIXED for _, value in found):
            return FIXED
        values = numbers_of(tensor.detach().as_strided((tensor.numel(),), (1,), start))
        ends = np.cumsum([length for length, _ in found])
        parts = [values[e - n : e] if v is FIXED else v for e, (n, v) in zip(ends, found, strict=True)]
        shape, back = tuple(tensor.shape[k] for k in order), np.argsort(order).tolist()
        return Computed(lambda *p: jnp.transpose(_joined(p).reshape(shape), back), (tuple(parts), {}))

    def _write(self, tensor: Any, value: Any) -> None:
        self._kept.append(tensor.untyped_storage())
        pieces, place, count = self._pieces(tensor), _place(tensor), tensor.numel()
        total = sum(length for length, _ in pieces)
        if place is None:
            whole = (
                FIXED if value is FIXED and all(v is FIXED for _, v in pieces) else Unknown("writing to a part of it")
            )
            self._memory[_address(tensor)] = [(total, whole)]
            return
        start, order = place
        if isinstance(value, Drawn):
            value = Drawn(value.law, value.number, (count,))
        elif isinstance(value, Computed):
            value = Computed(lambda x: jnp.transpose(x, order).reshape(-1), ((value,), {}))
        self._memory[_address(tensor)] = [
            *_part(pieces, 0, start),
            (count, value),
            *_part(pieces, start + count, total),
        ]

    def _pieces(self, tensor: Any) -> list[Piece]:
        """The pieces of a tensor's memory; numbers that were there before are fixed."""
        length = tensor.untyped_storage().nbytes() // tensor.element_size()
        pieces = self._memory.get(_address(tensor), [(length, FIXED)])
        return pieces if sum(n for n, _ in pieces) == length else [(length, Unknown("a view of another dtype"))]


def evaluated(value: Any, key: Array, name: str, memo: dict[int, Any]) -> Any:
    """An expression with random numbers drawn from a key; `TraceError` if its law is not known."""
    match value:
        case Unknown(why):
            raise TraceError(
                f"Parameter {name} is initialised by {why}, which nv.trace cannot follow; use an initialiser of "
                "torch.nn.init on all of it."
            )
        case Drawn(law, number, shape):
            return law(jax.random.fold_in(key, number), shape)
        case Computed(function, (args, kwargs)):
            if id(value) not in memo:
                inner = [
                    jax.tree.map(lambda v: evaluated(v, key, name, memo), given, is_leaf=_is_expression)
                    for given in (list(args), kwargs)
                ]
                memo[id(value)] = function(*inner[0], **inner[1])
            return memo[id(value)]
    return value


def _is_expression(value: Any) -> bool:
    return isinstance(value, Drawn | Computed | Unknown) or value is None


def _result(function: Callable[..., Any], number: int | None, shape: tuple[int, ...]) -> Callable[..., Any]:
    """The operation with one of its results, in the shape of the tensor that it is written to."""

    def made(*args: Any, **kwargs: Any) -> Array:
        out = function(*args, **kwargs)
        return jnp.broadcast_to(out if number is None else out[number], shape)

    return made


def _joined(parts: tuple[Any, ...]) -> Any:
    return parts[0] if len(parts) == 1 else jnp.concatenate([jnp.asarray(p) for p in parts])


def _part(pieces: list[Piece], start: int, end: int) -> list[Piece]:
    """The pieces between two places in memory."""
    found: list[Piece] = []
    place = 0
    for length, value in pieces:
        a, b = max(start - place, 0), min(end - place, length)
        if a < b:
            found.append((b - a, value if b - a == length or isinstance(value, str | Unknown) else _cut(value, a, b)))
        place += length
    return found


def _cut(value: Any, a: int, b: int) -> Computed:
    return Computed(lambda x: x[a:b], ((value,), {}))


# --- tensors --------------------------------------------------------------------------------------------------


def _truncation() -> dict[str, Any] | None:
    """The arguments of `trunc_normal_`, if it is running: its loop of rejections is not a sequence of operations."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code is torch.nn.init.trunc_normal_.__code__:
            return frame.f_locals
        frame = frame.f_back
    return None


def _tensors(tree: Any) -> list[Any]:
    return [t for t in tree_leaves(tree) if isinstance(t, torch.Tensor) and t.numel()]


def _written(func: Any, args: Any, kwargs: Any) -> list[Any]:
    """The tensors that an operation writes to."""
    found = []
    for k, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found += _tensors(args[k] if k < len(args) else kwargs.get(argument.name))
    return found


def _address(tensor: Any) -> int:
    address: int = tensor.untyped_storage().data_ptr()
    return address


def _place(tensor: Any) -> tuple[int, tuple[int, ...]] | None:
    """Where a tensor begins in memory, and the order of its axes there; `None` if it is not one piece of memory."""
    strides, shape = tensor.stride(), tensor.shape
    order = sorted(range(tensor.ndim), key=lambda k: (-strides[k], k))
    expected = 1
    for k in reversed(order):
        if shape[k] != 1 and strides[k] != expected:
            return None
        expected *= shape[k]
    return tensor.storage_offset(), tuple(order)
