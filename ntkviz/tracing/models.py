"""A model at one width: the jaxprs of its initialisation and its function, and its arrays, by name."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import ClosedJaxpr, Literal

from ..errors import TraceError, shown
from ..language.axes import Shape
from .front_ends import FrontEnd, front_end
from .jaxprs import called

Make = Callable[[int], Any]
KINDS = (np.float64, np.float32, np.int32)
"""The dtypes that are tried for inputs, in this order: indices must be integers, and some models need float32."""


@dataclass(frozen=True)
class Model:
    """A model at one width, for inputs of certain shapes.

    Attributes:
        names: The names of its arrays.
        shapes: The shapes of its arrays.
        trained: For each array, whether it is a parameter rather than a statistic or a key.
        init: The jaxpr of its initialisation, which takes a random key and inputs, or nothing, and returns its arrays.
        apply: The jaxpr of its function, which takes its arrays and the inputs, and returns one or more arrays.
        tree: The structure of its arrays as a pytree.
        kinds: The dtypes of its inputs.
        parameters: Extracts from the pytree of all arrays the parameters as an optimiser sees them.
    """

    names: tuple[str, ...]
    shapes: tuple[Shape, ...]
    trained: tuple[bool, ...]
    init: ClosedJaxpr
    apply: ClosedJaxpr
    tree: Any
    kinds: tuple[Any, ...]
    parameters: Callable[[Any], Any]

    def draw(self, key: Array) -> list[Array]:
        """The model's arrays at a random initialisation.

        A model that comes with its arrays draws them with its own keys, into which `key` is folded here.
        """
        if self.init.jaxpr.invars:
            given = [key if _is_key(v) else jnp.zeros(v.aval.shape, v.aval.dtype) for v in self.init.jaxpr.invars]
            run = functools.partial(jax.core.eval_jaxpr, self.init.jaxpr, self.init.consts)
            return list(jax.jit(run)(*given))
        return list(jax.jit(lambda key: _drawn_again(self.init.jaxpr, self.init.consts, [], key))(key))

    def run(self, arrays: list[Any], inputs: tuple[Any, ...], place: Place) -> Array:
        """One output, `(batch,)`."""
        given = [jnp.asarray(x, kind) for x, kind in zip(inputs, self.kinds, strict=True)]
        outs = jax.core.eval_jaxpr(self.apply.jaxpr, self.apply.consts, *arrays, *given)
        return jnp.reshape(outs[place.array], (len(inputs[0]), -1))[:, place.entry]

    def only(self, array: int) -> ClosedJaxpr:
        """Its function that returns only one of its arrays."""
        jaxpr = self.apply.jaxpr
        names = jaxpr.debug_info.with_unknown_names()
        return ClosedJaxpr(jaxpr.replace(outvars=[jaxpr.outvars[array]], debug_info=names), self.apply.consts)


class Place(NamedTuple):
    """The place of the traced output: which of the model's arrays, and which of its entries for one input.

    `outputs` is the number of outputs in all arrays.
    """

    array: int
    entry: int
    outputs: int


def place_of(models: tuple[Model, Model], batch: int, output: int) -> Place:
    """The place of an output by its number, counted over all arrays with a batch axis and without a width axis."""
    first, second = ([v.aval.shape for v in m.apply.jaxpr.outvars] for m in models)
    arrays = [k for k, (a, b) in enumerate(zip(first, second, strict=True)) if a == b and a[:1] == (batch,)]
    if len(first) == 1:
        if not arrays and first == second:
            raise TraceError(
                f"The model returns an array of shape {first[0]} for a batch of {batch} inputs; its first axis must be "
                "the batch."
            )
        return Place(0, output, math.prod(first[0]) // batch)
    if not arrays:
        raise TraceError(
            f"The model returns {len(first)} arrays, none of which has the batch as its first axis and a size that "
            "does not grow with the width; return its outputs."
        )
    sizes = [math.prod(first[k]) // batch for k in arrays]
    for k, size, before in zip(arrays, sizes, itertools.accumulate(sizes, initial=0), strict=False):
        if output < before + size:
            return Place(k, output - before, sum(sizes))
    return Place(arrays[-1], output, sum(sizes))


def models_at(make: Make, widths: tuple[int, ...], shapes: tuple[Shape, ...]) -> list[Model]:
    """The model at each width, with the first dtypes of inputs that it accepts at all widths."""
    choices = [k for k in itertools.product(KINDS, repeat=len(shapes)) if len(set(k) & {np.float64, np.float32}) < 2]
    first: Exception | None = None
    for kinds in choices[:24]:
        try:
            return [_model_at(make, n, shapes, kinds) for n in widths]
        except (TypeError, ValueError) as problem:
            if isinstance(problem, TraceError):
                raise
            first = first or problem
    assert first is not None
    reason = str(first).strip().split("\n")[0].rstrip(".")
    raise TraceError(
        f"The model cannot be run on inputs of shape {', '.join(map(str, shapes))}: {shown(reason)}."
    ) from first


def _model_at(make: Make, width: int, shapes: tuple[Shape, ...], kinds: tuple[Any, ...]) -> Model:
    found: list[FrontEnd] = []

    def state() -> Any:
        found.append(front_end(make, width))
        return found[-1].state

    inputs = [jax.ShapeDtypeStruct(s, k) for s, k in zip(shapes, kinds, strict=True)]
    with jax.numpy_dtype_promotion("standard"):
        init, arrays = jax.make_jaxpr(state, return_shape=True)()
        end = found[-1]
        if end.init is not None:
            init, arrays = jax.make_jaxpr(end.init, return_shape=True)(jax.random.key(0), *inputs)
        wide = kinds[0] != np.float32 and np.float32 not in kinds
        typed = jax.tree.map(functools.partial(_in_type, wide=wide), arrays)
        apply, outs = jax.make_jaxpr(end.apply, return_shape=True)(typed, *inputs)
    if not jax.tree.leaves(outs):
        raise TraceError("The model returns no array; it must return its output.")
    paths, tree = jax.tree_util.tree_flatten_with_path(arrays)
    names = tuple(_name(path) for path, _ in paths)
    return Model(
        tuple(f"{n} ({k})" if names.count(n) > 1 else n for k, n in enumerate(names)),
        tuple(leaf.shape for _, leaf in paths),
        tuple(end.is_trained(path) for path, _ in paths),
        init,
        apply,
        tree,
        kinds,
        end.parameters,
    )


def _in_type(array: Any, wide: bool) -> Any:
    """An array's shape and dtype, with float64 instead of float32 if the model is traced in float64."""
    if wide and array.dtype == np.float32:
        return jax.ShapeDtypeStruct(array.shape, np.float64)
    return array


def _name(path: Any) -> str:
    name = jax.tree_util.keystr(path, simple=True, separator=".")
    return name.removeprefix("params.").removeprefix("parameters.").removesuffix(".value") or "parameter"


# --- new draws of arrays that a model draws with its own keys -----------------------------------------------------


def _is_key(v: Any) -> bool:
    return bool(jnp.issubdtype(v.aval.dtype, jax.dtypes.prng_key))


def _drawn_again(jaxpr: Any, consts: Any, args: list[Any], key: Array) -> list[Any]:
    """Evaluate a jaxpr with another key folded into its random keys where they are made."""
    known = dict(zip(jaxpr.invars, args, strict=True))
    known |= {v: _mixed(c, key) if _is_key(v) else c for v, c in zip(jaxpr.constvars, consts, strict=True)}

    def read(v: Any) -> Any:
        return v.val if isinstance(v, Literal) else known[v]

    for equation in jaxpr.eqns:
        given = [read(v) for v in equation.invars]
        inner = called(equation)
        if inner is not None:
            outs = _drawn_again(inner.jaxpr, inner.consts, given, key)
        else:
            outs = equation.primitive.bind(*map(jnp.asarray, given), **equation.params)
            outs = list(outs) if equation.primitive.multiple_results else [outs]
            if equation.primitive.name in ("random_seed", "random_wrap"):
                outs = [_mixed(out, key) for out in outs]
        known |= dict(zip(equation.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _mixed(keys: Array, key: Array) -> Array:
    number = jax.random.bits(key)
    flat = jax.vmap(lambda k: jax.random.fold_in(k, number))(keys.reshape((-1,)))
    mixed: Array = flat.reshape(keys.shape)
    return mixed
