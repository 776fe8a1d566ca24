"""Helpers for jaxprs: calls, comparisons of two widths, axes of products, lines of the model, single equations."""

from __future__ import annotations

import functools
import re
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Var

from ..errors import TraceError, phrase
from ..language.axes import Shape

_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}
CUSTOM = {"custom_jvp_call", "custom_vjp_call"}
"""Calls of functions with a custom derivative."""


def called(equation: Any) -> ClosedJaxpr | None:
    """The jaxpr that a primitive only calls, such as that of `jax.jit`; `None` for other primitives."""
    name = _CALLS.get(equation.primitive.name)
    if name is None:
        return None
    inner = equation.params[name]
    return inner if hasattr(inner, "consts") else ClosedJaxpr(inner, ())


@dataclass(frozen=True)
class Equation:
    """An equation of the jaxpr at the first width, and the corresponding one at the second width."""

    first: Any
    second: Any

    @property
    def name(self) -> str:
        """The primitive's name."""
        return str(self.first.primitive.name)

    @property
    def params(self) -> dict[str, Any]:
        """The primitive's parameters, at the first width."""
        params: dict[str, Any] = self.first.params
        return params

    @property
    def ins(self) -> list[tuple[Shape, Shape]]:
        """The shapes of its arguments, at both widths."""
        return [(a.aval.shape, b.aval.shape) for a, b in zip(self.first.invars, self.second.invars, strict=True)]

    @property
    def outs(self) -> list[tuple[Shape, Shape]]:
        """The shapes of its results, at both widths."""
        return [(a.aval.shape, b.aval.shape) for a, b in zip(self.first.outvars, self.second.outvars, strict=True)]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the dtypes of its arguments."""
        return tuple(np.dtype(v.aval.dtype).kind.replace("u", "i").replace("V", "f") for v in self.first.invars)

    @property
    def is_empty(self) -> bool:
        """Whether all its results are arrays without entries, which padding by nothing makes."""
        return all(0 in first and 0 in second for first, second in self.outs)

    @property
    def where(self) -> str:
        """Its place in the model, as ", at file.py:12"; empty if unknown."""
        return line_of(self.first)


def needed(equations: list[Equation], outs: list[Any]) -> list[Equation]:
    """The equations on which these results depend, in order; results without entries depend on nothing."""
    wanted, found = {v for v in outs if isinstance(v, Var)}, []
    for eq in reversed(equations):
        if not wanted.isdisjoint(eq.first.outvars):
            found.append(eq)
            wanted.update(v for v in eq.first.invars if isinstance(v, Var) and not eq.is_empty)
    return found[::-1]


def line_of(equation: Any) -> str:
    """The innermost line of the user's own code behind an equation, as ", at file.py:12"; empty if unknown."""
    scope = _SCOPE.search(str(equation.source_info.name_stack))
    if scope is not None:
        return scope[1]
    traceback = equation.source_info.traceback
    frames = [] if traceback is None else traceback.frames
    for frame in frames:
        if _is_users_own(frame.file_name):
            return phrase(f", at {Path(frame.file_name).name}:{frame.line_num}")
    return ""


@functools.lru_cache(maxsize=4096)
def _is_users_own(file_name: str) -> bool:
    path = Path(file_name)
    library = any(path.is_relative_to(folder) for folder in _NOT_THE_USERS) or "site-packages" in path.parts
    return path.suffix == ".py" and (path.is_relative_to(_LIKE_A_USERS) or not library)


_SCOPE = re.compile(r"torch(,[^/]*)")
"""The scope in which `pytorch.graphs` runs an operation: the line is that of the module's code, not of a frame."""
_NOT_THE_USERS = (Path(__file__).parents[1], Path(sysconfig.get_path("stdlib")))
_LIKE_A_USERS = Path(__file__).parents[1] / "gallery" / "sources"
"""The models of the gallery come with the package, wherever that is installed, but are written like a user's."""


_SIZES = {
    "reshape": {"new_sizes"},
    "broadcast_in_dim": {"shape"},
    "slice": {"start_indices", "limit_indices"},
    "iota": {"shape"},
    "tile": {"reps"},
    "pad": {"padding_config"},
    "conv_general_dilated": {"feature_group_count"},
    "gather": {"slice_sizes"},
    "dynamic_slice": {"slice_sizes"},
    "split": {"sizes"},
    "fft": {"fft_lengths"},
}
"""Parameters of primitives that may depend on the width; the rules check them."""
_INNER = {"scan", "while", "cond", *_CALLS}


def differing_parameter(eq: Equation) -> str | None:
    """The name of a parameter of a primitive that differs between the two widths but must not; `None` if none does."""
    if eq.name in _INNER:
        return None
    first, second = eq.first.params, eq.second.params
    names = [name for name in first if name not in _SIZES.get(eq.name, ())]
    return next((name for name in names if str(first[name]) != str(second[name])), None)


def check_precision(dtypes: list[Any], where: str = "") -> None:
    """Raise `TraceError` for floating-point numbers of less than 32 bits, whose rounding the limit leaves out."""
    for dtype in dtypes:
        if jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32:
            raise TraceError(
                f"The model computes in {dtype}{where}, but its limit is that of exact numbers; make it with dtype and "
                "param_dtype float32."
            )


def width_axes(first: Shape, second: Shape) -> tuple[int, ...]:
    """The axes whose sizes differ between the two widths, for arrays with equally many axes."""
    return tuple(k for k, (a, b) in enumerate(zip(first, second, strict=True)) if a != b)


def jaxpr_of(fn: Any, *args: Any) -> ClosedJaxpr:
    """The jaxpr of a function of arrays, or of their shapes."""
    made: ClosedJaxpr = jax.make_jaxpr(fn)(*args)
    return made


@dataclass(frozen=True)
class Contraction:
    """The axes of a product of two arrays: the summed ones and the batch axes, of the left and of the right array."""

    summed: tuple[Shape, Shape]
    batch: tuple[Shape, Shape]

    @property
    def turned(self) -> Contraction:
        """The contraction with left and right exchanged."""
        return Contraction(self.summed[::-1], self.batch[::-1])

    def free(self, side: int, ndim: int) -> Shape:
        """The other axes of one side."""
        return tuple(k for k in range(ndim) if k not in (*self.summed[side], *self.batch[side]))


# --- evaluation of single equations -------------------------------------------------------------------------


def evaluated(equation: Any, args: list[Any]) -> list[Any]:
    """The results of an equation, by NumPy where that gives the same: JAX compiles a primitive for each shape anew.

    Args:
        equation: The equation, of a primitive that calls no function.
        args: The values of its arguments: arrays, numbers or random keys.

    Returns:
        The values of its results.
    """
    kinds, in_numpy = _IN_NUMPY.get(equation.primitive.name, ("", None))
    dtypes = [v.aval.dtype for v in equation.invars]
    every = [*dtypes, *(v.aval.dtype for v in equation.outvars)]
    if in_numpy is not None and all(getattr(dtype, "kind", "V") in kinds for dtype in every):
        arrays = [np.asarray(a, dtype) for a, dtype in zip(args, dtypes, strict=True)]
        with np.errstate(all="ignore"):  # as JAX
            return [np.asarray(in_numpy(*arrays, **equation.params))]
    keys = [jnp.issubdtype(dtype, jax.dtypes.prng_key) for dtype in dtypes]
    given = [a if is_key else jnp.asarray(a) for a, is_key in zip(args, keys, strict=True)]
    out = equation.primitive.bind(*given, **equation.params)
    return list(out) if equation.primitive.multiple_results else [out]


def _on_entries(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arrays, **params: function(*arrays)


def _converted(x: np.ndarray, *, new_dtype: Any, **params: Any) -> np.ndarray:
    return x.astype(new_dtype)


def _broadcast(x: np.ndarray, *, shape: tuple[int, ...], broadcast_dimensions: tuple[int, ...], **params: Any) -> Any:
    grown = [1] * len(shape)
    for size, axis in zip(x.shape, broadcast_dimensions, strict=True):
        grown[axis] = size
    return np.broadcast_to(x.reshape(grown), shape)


_IN_NUMPY: dict[str, tuple[str, Callable[..., Any]]] = {
    "add": ("f", _on_entries(np.add)),
    "sub": ("f", _on_entries(np.subtract)),
    "mul": ("f", _on_entries(np.multiply)),
    "div": ("f", _on_entries(np.divide)),
    "max": ("f", _on_entries(np.maximum)),
    "min": ("f", _on_entries(np.minimum)),
    "sqrt": ("f", _on_entries(np.sqrt)),
    "nextafter": ("f", _on_entries(np.nextafter)),
    "or": ("u", _on_entries(np.bitwise_or)),
    "shift_right_logical": ("u", _on_entries(np.right_shift)),
    "convert_element_type": ("f", _converted),
    "broadcast_in_dim": ("fiub", _broadcast),
}
"""For a primitive, the kinds of dtypes, of arguments and results, for which NumPy gives the same, and how."""
