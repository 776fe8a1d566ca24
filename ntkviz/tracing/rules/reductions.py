"""Sums, extremes and cumulative sums: over positions they can all be written, over the width only sums."""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from ...language.functions import einsum, moment
from ...language.values import Vector
from .. import expressions as ex
from ..jaxprs import Contraction, Equation, width_axes
from ..values import Known, Numbers, Par, Readouts, Vectors, Weighted
from .elementwise import is_frozen, larger, written
from .matrices import is_like_readout, read_out
from .outputs import summed_outputs
from .table import rule

if TYPE_CHECKING:
    from ..walk import Walk

LETTERS = "abcdefghijklmnopqrstuvwxy"


def as_value(walk: Walk, a: Any) -> Numbers | Vectors:
    """A value as vectors or numbers; a parameter with a width axis becomes vectors."""
    if isinstance(a, Vectors):
        return a
    if isinstance(a, Par) and len(a.axes) == 2:
        walk.refuse(
            f"The model sums or changes entries of matrix {walk.parameters.name(a.leaf)}{{where}}, but a tensor "
            "program multiplies by a matrix as it was drawn."
        )
    if isinstance(a, Par) and a.axes and not is_frozen(walk, a):
        return walk.vectors(a)
    return walk.numbers(a)


def summed(walk: Walk, eq: Equation, a: Any, axes: tuple[int, ...]) -> Numbers | Vectors:
    """The sum of a value over axes."""
    a = as_value(walk, a)
    first, second = eq.ins[0]
    if isinstance(a, Numbers):
        over = [k for k in axes if first[k] != second[k]]
        times = 1
        for k in over:
            times *= first[k] // a.shape[k]
        made = walk.scalar(a).sum(axes)
        made = made if times == 1 else made * float(times)
        return Numbers(ex.Leaf(made), made.shape, a.order + len(over))
    if a.axis not in axes:
        h = walk.vector(a).sum(axes)
        return Vectors(ex.Leaf(h), h.shape, a.axis - sum(k < a.axis for k in axes), a.size, a.sources, a.order, a.inner)
    total = moment(walk.vector(a)).sum(axes) * float(a.block)
    return Numbers(ex.Leaf(total), total.shape, a.order + 1)


@rule("reduce_sum")
def reduce_sum(walk: Walk, eq: Equation, a: Any) -> Any:
    """A sum over axes; for vectors, a sum over the width is n times a Moment."""
    axes = tuple(eq.params["axes"])
    if isinstance(a, Weighted):
        return _read_out(walk, a, axes) or summed(walk, eq, written(walk, a), axes)
    return summed_outputs(a, axes) if isinstance(a, Readouts) else summed(walk, eq, a, axes)


def _read_out(walk: Walk, a: Weighted, axes: tuple[int, ...]) -> Readouts | None:
    """The readout vᵀx for a product followed by a sum; `None` if it is not one.

    An axis along which v changes is a batch axis, as in an ensemble; along others, every row has the same v.
    """
    if a.made is not None or a.x.axis not in axes:
        return None
    entries, rows = a.par.entries, [k for k in range(a.par.entries.ndim) if k not in axes]
    changing = [k for k in rows if np.any(entries != entries.take([0], k))]
    if changing and not is_like_readout(walk, a.par):
        return None
    kept = [k for k in range(entries.ndim) if k in axes or k in changing]
    one = entries[tuple(slice(None) if k in kept else 0 for k in range(entries.ndim))]
    ((width, own),) = a.par.axes.items()
    sizes = tuple(a.par.sizes[k] for k in kept)
    v = a.par.changed(entries=one, axes={kept.index(width): own}, sizes=sizes)
    summed = tuple(kept.index(k) for k in sorted(axes)), tuple(sorted(axes))
    made = read_out(walk, v, a.x, Contraction(summed, (tuple(map(kept.index, changing)), tuple(changing))), False)
    order = (*changing, *(k for k in rows if k not in changing))  # batch axes come first
    return made.moved(lambda x: x.transpose(tuple(order.index(k) for k in rows)))


@rule("reduce_max", "reduce_min")
def extreme(walk: Walk, eq: Equation, a: Any) -> Any:
    """The maximum or minimum over axes of positions; over coordinates it is refused."""
    if isinstance(a, Readouts):
        walk.refuse(f"The output of a readout is used further ({eq.name}{{where}}); make it the last operation.")
    a, axes = as_value(walk, a), tuple(eq.params["axes"])
    if isinstance(a, Numbers):
        return _extreme_number(walk, eq, a, axes)
    if a.axis in axes:
        walk.refuse(
            f"The model takes the largest or smallest coordinate ({eq.name}{{where}}), which grows without bound with "
            "the width; take a mean over the width instead."
        )
    h: Vector = walk.vector(a)
    for axis in sorted(axes, reverse=True):
        parts = [h[(slice(None),) * axis + (k,)] for k in range(h.shape[axis])]
        h = functools.reduce(larger(eq.name == "reduce_max"), parts)
    return Vectors(ex.Leaf(h), h.shape, a.axis - sum(k < a.axis for k in axes), a.size, a.sources, a.order, a.inner)


def _extreme_number(walk: Walk, eq: Equation, a: Numbers, axes: tuple[int, ...]) -> Numbers:
    fn = _extremes(eq.name, tuple(k - len(a.shape) for k in axes))
    h = walk.scalar(a)
    kept = walk.net.scalar_function(fn, h, name=eq.name.removeprefix("reduce_"), mixes=len(a.shape) - min(axes))
    target = tuple(s for k, s in enumerate(a.shape) if k not in axes)
    made = kept.reshape(target)
    return Numbers(ex.Leaf(made), made.shape, a.order)


@functools.cache
def _extremes(name: str, axes: tuple[int, ...]) -> Callable[[Any], Any]:
    pick = jnp.max if name == "reduce_max" else jnp.min
    return lambda x: pick(x, axis=axes, keepdims=True)


@rule(
    "argmax",
    "argmin",
    "sort",
    "top_k",
    "reduce_prod",
    "cumprod",
    "cummax",
    "cummin",
    "cumlogsumexp",
    "fft",
    "reduce_and",
    "reduce_or",
)
def refused_over_width(walk: Walk, eq: Equation, *args: Any) -> Any:
    """Primitives that are written for numbers only."""
    if all(isinstance(a, Known | Numbers) for a in args):
        return of_numbers(walk, eq, *args)
    if any(isinstance(a, Readouts) for a in args):
        walk.refuse(f"The output of a readout is used further ({eq.name}{{where}}); make it the last operation.")
    walk.refuse(
        f"The model applies {eq.name} to vectors{{where}}, but a tensor program treats each coordinate separately, and "
        "nv.trace cannot write it over positions either; leave it out, or take a mean."
    )


@rule("cumsum")
def cumulative(walk: Walk, eq: Equation, a: Any) -> Any:
    """Cumulative sums over positions."""
    if isinstance(a, Known | Numbers):
        return of_numbers(walk, eq, a)
    a, axis = as_value(walk, a), eq.params["axis"]
    if not isinstance(a, Vectors) or axis == a.axis:
        walk.refuse("The model sums coordinates cumulatively{where}, but a tensor program treats all of them alike.")
    n = a.shape[axis]
    mask = np.triu(np.ones((n, n))) if eq.params["reverse"] else np.tril(np.ones((n, n)))
    letters = LETTERS[: len(a.shape)]
    h = einsum(f"z{letters[axis]},{letters}->{letters.replace(letters[axis], 'z')}", mask, walk.vector(a))
    return Vectors(ex.Leaf(h), h.shape, a.axis, a.size, a.sources, a.order, a.inner)


@rule("of numbers")
def of_numbers(walk: Walk, eq: Equation, *args: Any) -> list[Numbers]:
    """Any other primitive of numbers, as a function of scalars of the program."""
    given = [walk.numbers(a) for a in args]
    if any(width_axes(*shapes) for shapes in (*eq.ins, *eq.outs)):
        walk.refuse(f"Numbers that are equal in all coordinates reach {eq.name}{{where}}, which nv.trace cannot write.")
    if any(g.order for g in given):
        walk.refuse(f"Numbers that vanish or grow with the width reach {eq.name}{{where}}.")
    outs = []
    handles = [walk.scalar(g) for g in given]
    for k, (shape, _) in enumerate(eq.outs):
        fn = _of_numbers(eq.first.primitive, ex.frozen(eq.params), eq.kinds, k, eq)
        made = walk.net.scalar_function(fn, *handles, name=eq.name)
        outs.append(Numbers(ex.Leaf(made), shape, Fraction(0)))
    return outs


_functions: dict[Any, Callable[..., Any]] = {}


def _of_numbers(primitive: Any, key: Any, kinds: tuple[str, ...], k: int, eq: Equation) -> Callable[..., Any]:
    if (primitive, key, kinds, k) not in _functions:
        apply = ex.Apply(primitive, eq.params, (), kinds)

        def fn(*arrays: Any) -> Any:
            wide = jnp.result_type(float)
            out = ex.bound(apply, wide, list(arrays))
            return jnp.asarray(out[k] if primitive.multiple_results else out).astype(wide)

        _functions[primitive, key, kinds, k] = fn
    return _functions[primitive, key, kinds, k]
