"""Compares a model and its program at the same parameters; at any width they must agree up to rounding."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import HyperparameterError
from ..networks.sampling import run
from .models import Model
from .parameters import Head
from .writing import Written


@dataclass(frozen=True)
class Check:
    """The differences between a model and its program at a finite width, with the same parameters.

    Attributes:
        outputs: The largest difference between their outputs, relative to the largest output.
        ntk: The largest difference between their NTKs, relative to the largest entry.
    """

    outputs: float
    ntk: float


def compared(made: Written, model: Model, inputs: tuple[np.ndarray, ...], width: int, key: Array) -> Check:
    """Compare the model at `width` with its program, which was written in blocks of one size, at random parameters."""
    table, arrays = made.table, model.draw(key)
    program = made.program.with_data(*inputs)
    n1 = table.options.widths[0]
    wide = np.float32 not in model.kinds
    arrays = [jnp.asarray(a, float) if wide and a.dtype == np.float32 else a for a in arrays]
    keys = jax.random.split(jax.random.fold_in(key, 1), len(arrays))
    for leaf, use in table.uses.items():
        if use.kind == "output bias":
            arrays[leaf] = jnp.zeros_like(arrays[leaf])  # as in the limit
        elif use.kind != "number" and table.law(leaf).std == 0:  # a gate at 0 would hide errors in its branch
            arrays[leaf] += 0.1 * jax.random.normal(keys[leaf], arrays[leaf].shape, arrays[leaf].dtype)
        if table.declared[leaf].name in table.options.std:
            wanted, drawn = table.options.std_of(table.name(leaf), width), jnp.std(arrays[leaf])
            arrays[leaf] = arrays[leaf] * jnp.where(drawn > 0, (wanted or 0.0) / drawn, 1.0)
    trained = [k for k, u in table.uses.items() if table.rate_at(k, width) and u.kind != "output bias"]
    engine = parameters_of_program(made, arrays, width)

    def of_model(some: list[Array]) -> Array:
        whole = list(arrays)
        for k, a in zip(trained, some, strict=True):
            whole[k] = a
        return model.run(whole, inputs, made.place)

    def of_program(parameters: tuple[Array, ...]) -> Array:
        return run(program, parameters).output

    given = [arrays[k] for k in trained]
    f, jacobian = _with_jacobian(of_model, given)
    g, jacobian_of_program = _with_jacobian(of_program, engine)
    scale = (width / n1) ** float(made.order)
    rates = [table.rate_at(k, width) for k in trained]
    declared = [
        float(program.number(p.lr)) if p.trainable and p.name not in table.output_biases else 0.0
        for p in program.parameters
    ]
    ntk, ntk_of_program = _gram(jacobian, rates), _gram(jacobian_of_program, declared)
    return Check(_apart(f / scale, g), _apart(ntk / scale**2, ntk_of_program))


def _with_jacobian(fn: Callable[[Any], Array], parameters: Any) -> tuple[Array, Any]:
    """The outputs, and their derivatives with respect to the parameters."""

    @jax.jit
    def both(parameters: Any) -> tuple[Array, Any]:
        out, pullback = jax.vjp(fn, parameters)
        return out, jax.vmap(pullback)(jnp.eye(len(out), dtype=out.dtype))[0]

    found: tuple[Array, Any] = both(parameters)
    return found


def _gram(jacobians: Any, rates: list[float]) -> Array:
    total: Any = 0.0
    for j, rate in zip(jacobians, rates, strict=True):
        flat = j.reshape((j.shape[0], -1))
        total = total + rate * (flat @ flat.T)
    return jnp.asarray(total)


def _apart(a: Any, b: Any) -> float:
    size = float(jnp.max(jnp.abs(jnp.asarray(a))))
    return float(jnp.max(jnp.abs(jnp.asarray(a) - jnp.asarray(b)))) / (size or 1.0)


def parameters_of_program(made: Written, arrays: list[Array], width: int) -> tuple[Array, ...]:
    """A model's parameters, converted to those of its program, which was written in blocks of one size."""
    table, times = made.table, width / made.table.options.widths[0]
    found: dict[int, Any] = {}
    index = {p.name: k for k, p in enumerate(made.parameters)}
    for leaf, use in table.uses.items():
        if use.kind in ("number", "output bias", "readout"):
            continue
        blocks = _in_blocks(made, leaf, jnp.asarray(arrays[leaf]))
        blocks = blocks / times ** float(table.own_order(leaf))
        if use.kind == "matrix":
            _, contracted = table.matrices[leaf]
            blocks = blocks.swapaxes(-1, -2) if contracted == table.width_axes(leaf)[0] else blocks
            place = index[table.name(leaf)]
            found[place] = blocks * math.sqrt(made.parameters[place].fan * blocks.shape[-1])
        elif use.kind == "input":
            for (owner, column), place in table.inputs.items():
                if owner == leaf:
                    found[place] = blocks[np.asarray(column)].T * math.sqrt(len(column))
        else:
            place = index[table.name(leaf)]
            p = made.parameters[place]
            if table.law(leaf).mean and leaf not in table.findings.zero:
                blocks = blocks - table.law(leaf).mean
            found[place] = blocks.reshape((*p.shape, blocks.shape[-1]))
    if table.heads:
        place = index[table.readout]
        p = made.parameters[place]
        every = jnp.concatenate([_of_head(made, head, arrays[head.leaf], times) for head in table.heads])
        found[place] = (every * math.sqrt(p.fan * every.shape[-1])).reshape((*p.shape, every.shape[-1]))
    n = _width_of_program(made, width)
    for k, p in enumerate(made.parameters):  # the others are zero: a vector for constants, and biases of the output
        found.setdefault(k, jnp.zeros((*p.shape, n)))
    return tuple(jnp.asarray(found[k]) for k in range(len(made.parameters)))


def _of_head(made: Written, head: Head, array: Array, times: float) -> Array:
    """The blocks of one layer of the readout, in the units of all of it."""
    blocks = _in_blocks(made, head.leaf, jnp.asarray(array))[np.asarray(head.blocks)]
    units = times ** float(made.table.own_order(head.leaf)) * head.scale
    in_units: Array = blocks / units
    return in_units


def _width_of_program(made: Written, width: int) -> int:
    n1 = made.table.options.widths[0]
    (block, _) = next(iter(made.table.findings.blocks.values()))
    n, rest = divmod(block * width, n1)
    if rest:
        raise HyperparameterError(
            f"width is {width}, which does not divide into blocks; take a multiple of {n1 // block}."
        )
    return n


def _in_blocks(made: Written, leaf: int, array: Array) -> Array:
    """A parameter's array as `(blocks, coordinates…)`."""
    table = made.table
    counts, grows = table.blocks(leaf), table.width_axes(leaf)
    shape: list[int] = []
    of_blocks: list[int] = []
    of_coordinates: list[int] = []
    for axis, size in enumerate(array.shape):
        if axis not in grows:
            of_blocks.append(len(shape))
            shape.append(size)
            continue
        inner = table.findings.blocks.get((leaf, axis), (0, 1))[1]
        outer = counts[axis] // inner
        of_blocks += [len(shape), len(shape) + 2]
        of_coordinates.append(len(shape) + 1)
        shape += [outer, size // counts[axis], inner]
    turned = array.reshape(shape).transpose((*of_blocks, *of_coordinates))
    return turned.reshape((-1, *turned.shape[len(of_blocks) :]))
