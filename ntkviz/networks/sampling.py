"""One random network: samples every parameter, and runs the program with them."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from ..errors import HyperparameterError, shown
from ..language import instructions as ops
from ..language.architecture import whole_number
from ..language.gradients.gia import check_program, readout_parameter
from ..language.instructions import Delayed, Op
from ..language.program import Instruction, Program
from ..language.rewriting.rolling import Loop
from ..language.rules import Rules

Parameters = tuple[Array, ...]
"""Every parameter ω of a network, in the order of its program."""


def check_width(width: Any) -> None:
    """Raise `HyperparameterError` for a width that is not a whole number ≥ 1."""
    whole_number(width, "The width", at_least=1)


def random_key(key: Any) -> Array:
    """A JAX random key, from a seed if it is a whole number; raises `HyperparameterError` for anything else."""
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        return jax.random.key(int(key) % 2**32)
    try:
        jax.random.key_data(key)
    except (TypeError, ValueError) as problem:
        raise HyperparameterError(
            f"The key is {shown(key)}; it must be a whole number or a JAX random key."
        ) from problem
    return jnp.asarray(key)


def sample_parameters(program: Program, width: int, key: Array, dtype: Any = jnp.float32) -> tuple[Array, ...]:
    """Draw every ω ~ N(0, std²): matrices `(*shape, n, n)`, input matrices `(n, d)`, vectors `(*shape, n)`."""
    drawn = []
    for k, parameter in enumerate(program.parameters):
        shape = {
            "matrix": (*parameter.shape, width, width),
            "input": (width, parameter.fan),
            "vector": (*parameter.shape, width),
        }[parameter.kind]
        std = jnp.asarray(program.number(parameter.std), dtype)
        drawn.append(std * jax.random.normal(jax.random.fold_in(key, k), shape, dtype))
    return tuple(drawn)


class Run(NamedTuple):
    """One run of a program: its output and every value it computed, by index."""

    output: Float[Array, "outputs"]
    values: tuple[Array, ...]


def run(
    program: Program,
    parameters: tuple[Array, ...],
    taps: dict[int, Array] | None = None,
    loops: tuple[Loop, ...] = (),
) -> Run:
    """Run a program without repeats (`Program.unrolled`) with given parameters; vectors are `(*leading, n)`.

    `taps` are added to the values of instructions, by index. `loops` are those of the program if it is rolled.
    """
    # Transposed here, outside the steps of loops, each of which would transpose again.
    declared = zip(program.parameters, parameters, strict=True)
    transposed = tuple(p.swapaxes(-2, -1) if d.kind == "matrix" else p for d, p in declared)
    net = Network(program, parameters, transposed, taps or {})
    starts = {loop.body[0][0]: loop for loop in loops}
    values: dict[int, Array] = {}
    with full_precision_products():
        for index, instruction in enumerate(program.instructions):
            if index in starts:
                values |= _run_loop(net, starts[index], values)
            elif index not in values and not isinstance(instruction.op, Delayed):
                values[index] = net.value(index, instruction, values)
    return Run(values[program.output], tuple(values[index] for index in range(len(program))))


@dataclasses.dataclass(frozen=True)
class Network:
    """The network in which a program is run: its parameters, their transposes, and the taps added to values."""

    program: Program
    parameters: tuple[Array, ...]
    transposed: tuple[Array, ...]
    taps: dict[int, Array]

    @property
    def width(self) -> int:
        """The width n."""
        return width_of(self.program, self.parameters)

    @property
    def dtype(self) -> Any:
        """The precision of all values."""
        return self.parameters[0].dtype

    def multiplier(self, parameter: int) -> Float[Array, ""]:
        """The multiplier of a parameter in abc-parametrization."""
        return jnp.asarray(self.program.number(self.program.parameters[parameter].multiplier), self.dtype)

    def value(self, index: int, instruction: Instruction, values: dict[int, Array]) -> Array:
        """The value of an instruction, from earlier values."""
        made = value.of(instruction.op, index)(instruction.op, self, *(values[a] for a in instruction.args))
        return made + self.taps[index] if index in self.taps else made


value: Rules[Array] = Rules("a value at finite width")
value.refuse(ops.OfLayers, why="write the repeated layers out first (Program.unrolled)")
value.refuse(Delayed, why="a loop is run step by step")


value.rule(Op)(lambda op, net, *args: op.evaluate(*args))
value.rule(ops.Data)(lambda op, net: jnp.asarray(net.program.data[op.index], net.dtype))


@value.rule(ops.Constant)
def _(op: ops.Constant, net: Network) -> Array:
    constant = jnp.asarray(net.program.constants[op.index])
    return constant.astype(net.dtype) if jnp.issubdtype(constant.dtype, jnp.floating) else constant


value.rule(ops.InitialVector)(lambda op, net: net.multiplier(op.parameter) * net.parameters[op.parameter])


@value.rule(ops.InputMatMul)
def _(op: ops.InputMatMul, net: Network, data: Array) -> Array:
    fan = net.program.parameters[op.parameter].fan
    return net.multiplier(op.parameter) / math.sqrt(fan) * (data @ net.parameters[op.parameter].T)


@value.rule(ops.MatMul)
def _(op: ops.MatMul, net: Network, x: Array) -> Array:
    fan = net.program.parameters[op.parameter].fan
    there, back = net.transposed[op.parameter], net.parameters[op.parameter]
    if op.transpose:
        there, back = back, there
    scale = net.multiplier(op.parameter) / math.sqrt(fan * net.width)
    return scale * _product(x, there[op.index], back[op.index])


value.rule(ops.Readout)(lambda op, net, v, x: op.evaluate(v, x) * output_scale(net.program, net.width))


@contextmanager
def full_precision_products() -> Iterator[None]:
    """Matrix products in full float32; by default a GPU rounds the factors to ten bits, an error of a thousandth."""
    with jax.default_matmul_precision("float32"):
        yield


def _run_loop(net: Network, loop: Loop, values: dict[int, Array]) -> dict[int, Array]:
    """The values of a loop's instructions and of their delayed inputs, each with its axis of steps."""
    program, taps = net.program, net.taps
    body = dict(loop.body)
    delayed = {index: program.delayed(index) for index in loop.inputs if index not in values}

    def axis(index: int) -> int:  # the axis of steps follows the leading axes of one step
        return len(program.instructions[index].shape) - 1

    def step(
        carried: dict[int, Array], read: tuple[dict[int, Array], dict[int, Array]]
    ) -> tuple[dict[int, Array], dict[int, Array]]:
        given, taps_here = read
        here, at_step = {**given, **carried}, dataclasses.replace(net, taps=taps_here)
        for index, instruction in loop.body:
            here[index] = at_step.value(index, instruction, here)
        carried = {index: here[source] for index, (source, _) in delayed.items()}
        return carried, {index: here[index] for index in body}

    first = {index: values[start] for index, (_, start) in delayed.items()}
    given = {index: values[index] for index in loop.inputs if index in values}
    outside = {index: other for index, other in _paired_addends(program, loop).items() if index in taps}
    given |= {other: values[other] + taps[index] for index, other in outside.items()}
    inside = {index: taps[index] for index in body if index in taps and index not in outside}
    given, inside = (
        {index: jnp.moveaxis(array, axis(index), 0) for index, array in arrays.items()} for arrays in (given, inside)
    )
    _, made = jax.lax.scan(step, first, (given, inside))
    made |= {index: jnp.concatenate([first[index][None], made[source][:-1]]) for index, (source, _) in delayed.items()}
    return {index: jnp.moveaxis(array, 0, axis(index)) for index, array in made.items()}


def _paired_addends(program: Program, loop: Loop) -> dict[int, int]:
    """Pairs of addends that are used nowhere else: a value made in the loop, and an array made before it.

    The gradients at the two are equal, so a single tap, on the latter, gives both. Keys and values are indices.
    """
    instructions = program.instructions
    uses = Counter(a for i in instructions for a in i.args)
    uses += Counter(i.op.source for i in instructions if isinstance(i.op, Delayed))
    made = {index for index, _ in loop.body}
    given = {index for index in loop.inputs if not isinstance(instructions[index].op, Delayed)}
    sums = [instruction.args for _, instruction in loop.body if isinstance(instruction.op, ops.Add)]
    return {
        x: y
        for args in sums
        for x, y in (args, args[::-1])
        if x in made and y in given and uses[x] == uses[y] == 1 and instructions[x].shape == instructions[y].shape
    }


def width_of(program: Program, parameters: tuple[Array, ...]) -> int:
    """The width n of the network with these parameters."""
    return next(
        p.shape[-1] if d.kind == "vector" else p.shape[-2] for d, p in zip(program.parameters, parameters, strict=True)
    )


@jax.custom_vjp
def _product(
    x: Float[Array, "*leading width"], w: Float[Array, "width width"], transposed: Float[Array, "width width"]
) -> Float[Array, "*leading width"]:
    """x w, for rows x; the gradient at x is that at x w, times wᵀ, which is passed as `transposed`."""
    return x @ w


def _product_kept(x: Any, w: Any, transposed: Any) -> tuple[Array, tuple[Array | None, Array]]:
    return x.value @ w.value, (x.value if w.perturbed else None, transposed.value)


def _product_gradients(kept: tuple[Array | None, Array], gradient: Array) -> tuple[Array, Array | None, None]:
    x, transposed = kept  # x if a gradient at w is needed
    with full_precision_products():
        return gradient @ transposed, None if x is None else jnp.einsum("...r,...c->rc", x, gradient), None


_product.defvjp(_product_kept, _product_gradients, symbolic_zeros=True)


def output_scale(program: Program, width: int) -> float:
    """The factor of vᵀx in the output: 1/√n if the Simple GIA Check passes, otherwise 1/n, with which it has a limit.

    For a readout of `fan` blocks it is divided by √fan.
    """
    readout = readout_parameter(program)
    fan = 1 if readout is None else readout.fan
    return 1 / (math.sqrt(fan) * (math.sqrt(width) if passes(program) else width))


def passes(program: Program) -> bool:
    """Whether the Simple GIA Check passes."""
    return _structure_passes(program.structure)


@functools.lru_cache(maxsize=512)
def _structure_passes(structure: Program) -> bool:
    return check_program(structure).passes


def at_readout_scale(program: Program) -> bool:
    """Whether the output is vᵀx/√n, whose NTK has a limit without rescaling."""
    return program.output_is_readout and passes(program)
