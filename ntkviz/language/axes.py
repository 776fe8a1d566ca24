"""Linear maps of the leading axes of an array of vectors (or of scalars): indexing, reshaping, summing, …

An `AxesMap` is the map of a `Rearrange`. It takes NumPy or JAX arrays, with any number of axes after the leading ones.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .lazy_jax import jax, jnp

Shape = tuple[int, ...]


@dataclass(frozen=True)
class AxesMap:
    """A linear map of leading axes, called with an array and the number of its leading axes, `ndim`.

    Attributes:
        moves: Whether each entry of the result is an entry of the argument, or zero; false for sums.
    """

    moves: ClassVar[bool] = True

    def __call__(self, x: Any, ndim: int) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Index(AxesMap):
    """x[key]; `key` uses the leading axes only."""

    key: tuple[Any, ...]

    def __call__(self, x: Any, ndim: int) -> Any:
        return x[tuple(_thaw(k) for k in self.written_out(ndim))]

    def written_out(self, ndim: int) -> tuple[Any, ...]:
        """The key with an entry for each of `ndim` axes."""
        key = self.key if Ellipsis in self.key else (*self.key, Ellipsis)
        used = sum(1 for k in key if k is not None and k is not Ellipsis)
        position = key.index(Ellipsis)
        rest = (freeze(slice(None)),) * (ndim - used)
        return (*key[:position], *rest, *key[position + 1 :])

    def check(self, shape: Shape) -> None:
        """Raise `IndexError` if the key does not fit the shape, since JAX would clamp an index that is too large."""
        if problem := _index_problem(self, shape):
            raise IndexError(problem)

    @property
    def takes_axes_apart(self) -> bool:
        """Whether each axis is indexed independently; index arrays are broadcast with those of other axes."""
        return not any(isinstance(k, Frozen) and k.kind == "array" for k in self.key)


@dataclass(frozen=True)
class Frozen:
    """A slice or an integer array inside an index, in a form that can be hashed."""

    kind: str
    value: tuple[Any, ...]


def freeze(key: Any) -> Any:
    """Make one entry of an index hashable."""
    if isinstance(key, slice):
        return Frozen("slice", (key.start, key.stop, key.step))
    if key is None or key is Ellipsis or (isinstance(key, int) and not isinstance(key, bool)):
        return key  # a bool is a mask, although True == 1
    array = np.asarray(key)
    return Frozen("array", (tuple(array.ravel().tolist()), array.shape, str(array.dtype)))


def _thaw(key: Any) -> Any:
    if not isinstance(key, Frozen):
        return key
    if key.kind == "slice":
        return slice(*key.value)
    values, shape, dtype = key.value
    return np.asarray(values, dtype=dtype).reshape(shape)


@dataclass(frozen=True)
class Reshape(AxesMap):
    """Reshape the leading axes."""

    shape: Shape

    def __call__(self, x: Any, ndim: int) -> Any:
        return x.reshape(self.shape + x.shape[ndim:])


@dataclass(frozen=True)
class Permute(AxesMap):
    """Permute the leading axes."""

    axes: Shape

    def __call__(self, x: Any, ndim: int) -> Any:
        return x.transpose((*self.axes, *range(ndim, x.ndim)))


@dataclass(frozen=True)
class BroadcastTo(AxesMap):
    """Broadcast the leading axes."""

    shape: Shape

    def __call__(self, x: Any, ndim: int) -> Any:
        grown = x.reshape((1,) * (len(self.shape) - ndim) + x.shape)
        return x.__array_namespace__().broadcast_to(grown, self.shape + x.shape[ndim:])


@dataclass(frozen=True)
class Sum(AxesMap):
    """Sum (or average) over some leading axes."""

    axes: Shape
    average: bool = False
    moves = False

    def __call__(self, x: Any, ndim: int) -> Any:
        return x.mean(axis=self.axes) if self.average else x.sum(axis=self.axes)


@dataclass(frozen=True)
class Pad(AxesMap):
    """Pad each leading axis with zeros, before and after."""

    widths: tuple[tuple[int, int], ...]

    def __call__(self, x: Any, ndim: int) -> Any:
        pad = np.pad if isinstance(x, np.ndarray) else jnp.pad
        return pad(x, self.widths + ((0, 0),) * (x.ndim - ndim))


# --- maps that only generated programs use ----------------------------------------------------


@dataclass(frozen=True)
class SumTo(AxesMap):
    """Sum over the axes that broadcasting repeated: from `(outputs, *big)` to `(outputs, *shape)`, for gradients."""

    shape: Shape
    moves = False

    def __call__(self, x: Any, ndim: int) -> Any:
        axes = tuple(1 + k for k in broadcast_axes(self.shape, x.shape[1:ndim]))
        return x.sum(axis=axes).reshape((x.shape[0], *self.shape, *x.shape[ndim:]))


@dataclass(frozen=True)
class AtStep(AxesMap):
    """The value of one step of a loop: an entry of the last leading axis."""

    step: int

    def __call__(self, x: Any, ndim: int) -> Any:
        return x[(slice(None),) * (ndim - 1) + (self.step,)]


@dataclass(frozen=True)
class EveryStep(AxesMap):
    """The same value at each of `steps` steps of a loop."""

    steps: int

    def __call__(self, x: Any, ndim: int) -> Any:
        shape = (*x.shape[:ndim], self.steps, *x.shape[ndim:])
        return jnp.broadcast_to(jnp.expand_dims(x, ndim), shape)


# --- properties of maps -----------------------------------------------------------------------


def broadcast_axes(small: Shape, big: Shape) -> Shape:
    """The axes of `big` along which broadcasting repeats an array of shape `small`."""
    extra = len(big) - len(small)
    return tuple(k for k, size in enumerate(big) if k < extra or (small[k - extra] == 1 and size != 1))


def on_both_sides(left: AxesMap, ndim: int, right: AxesMap, ndim_right: int) -> AxesMap | None:
    """One map of kernels that applies `left` to the first `ndim` axes and `right` to the others.

    `None` if there is none, in which case the two are applied one after the other.
    """
    match left, right:
        case Index(), Index() if left.takes_axes_apart and right.takes_axes_apart:
            return Index(left.written_out(ndim) + right.written_out(ndim_right))
        case Pad(widths), Pad(others):
            return Pad(widths + others)
    return None


def rearranged_shape(how: AxesMap, shape: Shape) -> Shape:
    """The leading shape after `how`; raises `ValueError`, with the message of JAX, if `how` does not fit the shape."""
    found = _shape_or_problem(how, shape)
    if isinstance(found, str):
        raise ValueError(found)
    return found


@functools.lru_cache(maxsize=4096)
def _index_problem(index: Index, shape: Shape) -> str:
    """NumPy's message if an index does not fit the shape, otherwise empty; cached, as programs are recorded often."""
    entries = [k for k in index.written_out(len(shape)) if k is not None]
    slices = [isinstance(k, Frozen) and k.kind == "slice" for k in entries]
    lengths = [1 if free else n for n, free in zip(shape, slices, strict=True)]  # slices fit any length
    try:
        index(np.broadcast_to(False, lengths), len(shape))
    except IndexError as problem:
        return str(problem)
    return ""


@functools.lru_cache(maxsize=4096)
def _shape_or_problem(how: AxesMap, shape: Shape) -> Shape | str:
    """Cached, since JAX takes ten milliseconds to raise, and a program that mixes examples fails for one each time."""
    try:
        return tuple(jax.eval_shape(lambda x: how(x, len(shape)), jax.ShapeDtypeStruct(shape, "float32")).shape)
    except (TypeError, ValueError, IndexError) as problem:
        return str(problem)
