"""The reading at finite width: sample every parameter, run the program, differentiate it.

The empirical NTK is Σ over trained parameters of lr·⟨∂f/∂ω, ∂f̄/∂ω⟩. The Jacobian is never
formed: a matrix's gradient is a sum over its uses of outer products a bᵀ, where b goes in and a
is the gradient at what comes out, so that (Novak et al. 2022, "structured derivatives")

    ⟨∂f/∂W, ∂f̄/∂W⟩ = Σ over pairs of uses ⟨a, ā⟩ ⟨b, b̄⟩.

JAX gives all a's in one backward pass: they are the gradients at zeros ("taps") added to what
each parameter makes.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import HyperparameterError, shown
from ..language import instructions as ops
from ..language.architecture import Architecture, check_architecture, whole_number
from ..language.gia import check_program, readout_parameter
from ..language.program import Instruction, Parameter, Program
from ..language.rolling import Delayed, Loop, Rolled, roll
from .bounded import bounded
from .examples import block_slices, check_in_groups, traced
from .finiteness import check_finite
from .parameters import ParameterNumbers, check_one_network_reads
from .ragged import Data, between_groups, group_by_shape, joined


def sample_parameters(program: Program, width: int, key: Array, dtype: Any = jnp.float32) -> tuple[Array, ...]:
    """Draw every ω ~ N(0, std²): matrices `(*shape, n, n)`, input matrices `(n, d)`, vectors `(*shape, n)`."""
    numbers = ParameterNumbers(program)
    drawn = []
    for k, parameter in enumerate(program.parameters):
        shape = {
            "matrix": (*parameter.shape, width, width),
            "input": (width, parameter.fan),
            "vector": (*parameter.shape, width),
        }[parameter.kind]
        std = jnp.asarray(numbers(parameter.std), dtype)
        drawn.append(std * jax.random.normal(jax.random.fold_in(key, k), shape, dtype))
    return tuple(drawn)


class Run(NamedTuple):
    """One run of a program: its output and every value it computed, by place."""

    output: Array
    values: tuple[Array, ...]


def run(
    program: Program,
    parameters: tuple[Array, ...],
    taps: dict[int, Array] | None = None,
    loops: tuple[Loop, ...] = (),
) -> Run:
    """Run a program (repeats written out) with given parameters; vectors are `(*leading, n)`.

    `taps` are added to what instructions make. `loops` are those of the program if it is a rolled one.
    """
    width = width_of(program, parameters)
    dtype = parameters[0].dtype
    numbers = ParameterNumbers(program)
    # Not in the steps of a loop, each of which would transpose again.
    transposed = [p.swapaxes(-2, -1) if d.kind == "matrix" else p for d, p in _declared(program, parameters)]
    starts = {loop.body[0][0]: loop for loop in loops}
    values: dict[int, Array] = {}

    def value(place: int, instruction: Instruction, values: dict[int, Array], taps: dict[int, Array]) -> Array:
        args = [values[a] for a in instruction.args]
        match instruction.op:
            case ops.Data(index):
                return jnp.asarray(program.data[index], dtype)
            case ops.Constant(index):
                constant = jnp.asarray(program.constants[index])
                return constant.astype(dtype) if jnp.issubdtype(constant.dtype, jnp.floating) else constant
            case ops.InputMatMul(k) | ops.InitialVector(k) | ops.MatMul(k):
                parameter = parameters[k], transposed[k]
                made = _apply(instruction.op, program.parameters[k], parameter, args, numbers, width)
                return made + taps[place] if place in taps else made
            case ops.Readout():
                return instruction.op.evaluate(*args) * output_scale(program, width)
            case op:
                return op.evaluate(*args)

    with products_in_full():
        for place, instruction in enumerate(program.instructions):
            if place in starts:
                values |= _run_loop(program, starts[place], value, values, taps or {})
            elif place not in values and not isinstance(instruction.op, Delayed):
                values[place] = value(place, instruction, values, taps or {})
    return Run(values[program.output], tuple(values[place] for place in range(len(program))))


def products_in_full() -> AbstractContextManager[None]:
    """Matrix products in float32: by default a GPU rounds what goes in to ten bits, a thousandth."""
    return jax.default_matmul_precision("float32")


def _run_loop(
    program: Program, loop: Loop, value: Callable[..., Array], values: dict[int, Array], taps: dict[int, Array]
) -> dict[int, Array]:
    """What the steps of a loop make and what they read of the step before, each with its axis of steps."""
    body = dict(loop.body)
    delayed = {place: program.instructions[place] for place in loop.inputs if place not in values}

    def axis(place: int) -> int:  # behind the leading axes of one step
        return len(program.instructions[place].shape) - 1

    def step(carried: dict[int, Array], read: tuple[dict[int, Array], dict[int, Array]]):
        given, taps_here = read
        here = {**given, **carried}
        for place, instruction in loop.body:
            here[place] = value(place, instruction, here, taps_here)
        carried = {place: here[instruction.op.source] for place, instruction in delayed.items()}
        return carried, {place: here[place] for place in body}

    first = {place: values[instruction.args[0]] for place, instruction in delayed.items()}
    given = {place: values[place] for place in loop.inputs if place in values}
    outside = {place: other for place, other in _met_in_a_sum(program, loop).items() if place in taps}
    given |= {other: values[other] + taps[place] for place, other in outside.items()}
    inside = {place: taps[place] for place in body if place in taps and place not in outside}
    given, inside = (
        {place: jnp.moveaxis(array, axis(place), 0) for place, array in arrays.items()} for arrays in (given, inside)
    )
    _, made = jax.lax.scan(step, first, (given, inside))
    made |= {
        place: jnp.concatenate([first[place][None], made[instruction.op.source][:-1]])
        for place, instruction in delayed.items()
    }
    return {place: jnp.moveaxis(array, 0, axis(place)) for place, array in made.items()}


def _met_in_a_sum(program: Program, loop: Loop) -> dict[int, int]:
    """What a step makes for a sum alone, by place, and the array from outside that it is added to, for that sum alone.

    Gradients at the two are the same: with a tap on the second, a loop hands back one array of gradients for both.
    """
    instructions = program.instructions
    uses = Counter(a for i in instructions for a in i.args)
    uses += Counter(i.op.source for i in instructions if isinstance(i.op, Delayed))
    made = {place for place, _ in loop.body}
    given = {place for place in loop.inputs if not isinstance(instructions[place].op, Delayed)}
    sums = [instruction.args for _, instruction in loop.body if isinstance(instruction.op, ops.Add)]
    return {
        x: y
        for args in sums
        for x, y in (args, args[::-1])
        if x in made and y in given and uses[x] == uses[y] == 1 and instructions[x].shape == instructions[y].shape
    }


def width_of(program: Program, parameters: tuple[Array, ...]) -> int:
    """The width n of the network with these parameters."""
    return next(p.shape[-1] if d.kind == "vector" else p.shape[-2] for d, p in _declared(program, parameters))


def _declared(program: Program, parameters: tuple[Array, ...]):
    return zip(program.parameters, parameters, strict=True)


def _apply(
    op: ops.Op,
    declared: Parameter,
    parameter: tuple[Array, Array],
    args: list[Array],
    numbers: ParameterNumbers,
    n: int,
) -> Array:
    """A parameter's multiplier times ω applied to the arguments; `parameter` is ω and, of matrices, ωᵀ."""
    omega, transposed = parameter
    multiplier = jnp.asarray(numbers(declared.multiplier), omega.dtype)
    match op:
        case ops.InputMatMul():
            return multiplier / declared.fan**0.5 * (args[0] @ omega.T)
        case ops.MatMul(_, index, transpose):
            there, back = (omega, transposed) if transpose else (transposed, omega)
            return multiplier / (declared.fan * n) ** 0.5 * _product(args[0], there[index], back[index])
        case _:
            return multiplier * omega


@jax.custom_vjp
def _product(x: Array, w: Array, transposed: Array) -> Array:
    """x w, of rows x; the gradient at x is that at x w times wᵀ, `transposed`."""
    return x @ w


def _product_kept(x: Any, w: Any, transposed: Any) -> tuple[Array, tuple[Array | None, Array]]:
    return x.value @ w.value, (x.value if w.perturbed else None, transposed.value)


def _product_gradients(kept: tuple[Array | None, Array], gradient: Array) -> tuple[Array, Array | None, None]:
    x, transposed = kept  # x where a gradient at w is asked for
    with products_in_full():
        return gradient @ transposed, None if x is None else jnp.einsum("...r,...c->rc", x, gradient), None


_product.defvjp(_product_kept, _product_gradients, symbolic_zeros=True)


def output_scale(program: Program, width: int) -> float:
    """f = vᵀx/√n when the Simple GIA Check passes; vᵀx/n, which then has a limit, when it does not."""
    readout = readout_parameter(program)
    fan = 1 if readout is None else readout.fan
    return 1 / (fan**0.5 * (width**0.5 if _passes(program) else width))


def _passes(program: Program) -> bool:
    return _structure_passes(program.with_numbers())


@functools.lru_cache(maxsize=512)
def _structure_passes(structure: Program) -> bool:
    return check_program(structure).passes


# --- the empirical NTK ---------------------------------------------------------------------------


class Uses(NamedTuple):
    """All uses of one parameter: gradients come out at `a`, `b` goes in; `(outputs, uses, n or d)`."""

    a: Array
    b: Array


def empirical_ntk(arch: Architecture, x1: Any, x2: Any = None, *, width: int, key: Any) -> Array:
    """The NTK Θ_n = Σ lr·⟨∂f/∂ω, ∂f̄/∂ω⟩ of one random network of a given width.

    **Arguments**

    - `arch`: an architecture.
    - `x1`, `x2`: two batches of inputs, arrays or lists; `x2=None` means `x1` again. Where examples meet, each is one
      input, as for `infinite_ntk`.
    - `width`: n ≥ 1.
    - `key`: a JAX random key, or an integer seed.

    **Returns** an array `(|x1|, |x2|)`, float32. For an output that fails the Simple GIA Check,
    which is read at scale 1/n, n·⟨∇f, ∇f̄⟩ (the quantity that has a limit).

    Raises `HyperparameterError` for a width below 1 or an unusable key, `InputError` for unusable data,
    `NotFiniteError` for a network whose NTK is not a finite number.
    """
    check_architecture(arch)
    check_width(width)
    key = random_key(key)
    groups1 = group_by_shape(x1, "x1")
    groups2 = groups1 if x2 is None else group_by_shape(x2, "x2")
    check_in_groups(arch, groups1, "x1")
    check_in_groups(arch, groups2, "x2")
    blocks = between_groups(groups1, groups2, lambda one, other: _between(arch, one, other, width, key), jnp.transpose)
    ntk = joined(blocks, groups1, groups2)
    check_finite(ntk, f"The NTK of this network of width {width}")
    return ntk


def _between(arch: Architecture, data1: Data, data2: Data, width: int, key: Array) -> Array:
    """The empirical NTK between two batches, each of inputs of one shape."""
    itself = data1 is data2
    first, second, separate = traced(arch, data1, data2)
    check_one_network_reads(arch, first, second)
    first, second = first.unrolled(), second.unrolled()
    if not separate:
        return _whole_batches(first, None if itself else second, width, key)
    most = min(_examples_at_once(program, width) for program in (first, second))
    blocks, blocks_bar = (
        [program.with_data(*(d[part] for d in data)) for part in block_slices(len(data[0]), most)]
        for program, data in ((first, data1), (second, data2))
    )
    rows: list[list[Array]] = []
    for i, block in enumerate(blocks):
        known = [row[i].T for row in rows] if itself else []
        rows.append(known)
        for j, block_bar in enumerate(blocks_bar[len(known) :], start=len(known)):
            other = None if itself and i == j else block_bar
            known.append(_separate_examples(block, other, width, key))
    return jnp.block(rows)


_LEAST = 256
_NUMBERS = 2**24


def _examples_at_once(program: Program, width: int) -> int:
    """Examples whose gradients are held at once: for each block of them the network reads all others again.

    As many as leave 2²⁴ numbers in what goes into all uses of parameters and comes out, and in the products of one
    parameter's uses with each other; but at least 256.
    """
    uses: Counter[Any] = Counter()
    held = 1
    for instruction in program.instructions:
        if _trained(program, instruction.op):
            declared, count = program.parameters[instruction.op.parameter], math.prod(instruction.shape)
            uses[_matrix(instruction.op)] += count
            held += count * (width + (declared.fan if declared.kind == "input" else width))
    return max(_LEAST, min(_NUMBERS // held, math.isqrt(_NUMBERS) // max(uses.values(), default=1)))


def check_width(width: Any) -> None:
    """Refuse a width that is not a whole number ≥ 1."""
    whole_number(width, "The width", at_least=1)


def random_key(key: Any) -> Array:
    """A JAX random key, made of a seed if it is a whole number; raises `HyperparameterError` for anything else."""
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        return jax.random.key(int(key) % 2**32)
    try:
        jax.random.key_data(key)
    except (TypeError, ValueError) as problem:
        raise HyperparameterError(
            f"The key is {shown(key)}; it must be a whole number or a JAX random key."
        ) from problem
    return key


@bounded(static_argnames="width")
def _separate_examples(program: Program, program_bar: Program | None, width: int, key: Array) -> Array:
    return ntk_of_examples(program, program_bar, sample_parameters(program, width, key), width)


def ntk_of_examples(program: Program, program_bar: Program | None, parameters: tuple[Array, ...], width: int) -> Array:
    """The NTK at given parameters, of programs traced with one example and holding the data of many.

    `program_bar=None` means `program` again, whose network is then run and differentiated once.
    """

    def uses(prog: Program) -> dict[Any, Uses]:
        rolled = roll(prog) or Rolled(prog, ())

        def one(*data):
            example = rolled.program.with_data(*(d[None] for d in data))
            return uses_of_parameters(example, parameters, example_outputs=1, loops=rolled.loops)

        each = jax.vmap(one)(*prog.data)
        return jax.tree.map(lambda m: m.reshape((m.shape[0], *m.shape[2:])), each)

    return _contract(program, program_bar, uses, width)


@bounded(static_argnames="width")
def _whole_batches(program: Program, program_bar: Program | None, width: int, key: Array) -> Array:
    return ntk_of_batches(program, program_bar, sample_parameters(program, width, key), width)


def ntk_of_batches(program: Program, program_bar: Program | None, parameters: tuple[Array, ...], width: int) -> Array:
    """The NTK at given parameters, of programs traced with whole batches; `None` means `program` again."""

    def uses(prog: Program) -> dict[Any, Uses]:
        return uses_of_parameters(prog, parameters, example_outputs=len(prog.data[0]))

    return _contract(program, program_bar, uses, width)


def uses_of_parameters(
    program: Program, parameters: tuple[Array, ...], example_outputs: int, loops: tuple[Loop, ...] = ()
) -> dict[Any, Uses]:
    """What goes in and the gradients of each output at what comes out, by parameter and index; `loops` as of `run`."""
    width = width_of(program, parameters)
    dtype = parameters[0].dtype
    places = [k for k in _parts_of_output(program) if _trained(program, program.instructions[k].op)]
    taps = {k: jnp.zeros((*program.instructions[k].shape, width), dtype) for k in places}

    def outputs(taps):
        result = run(program, parameters, taps, loops)
        return result.output, result.values

    _, pullback, values = jax.vjp(outputs, taps, has_aux=True)
    (gradients,) = jax.vmap(pullback)(jnp.eye(example_outputs, dtype=dtype))
    found: dict[Any, list[Uses]] = {}
    for k in places:
        op = program.instructions[k].op
        a = gradients[k].reshape(example_outputs, -1, width)
        key = _matrix(op)
        if isinstance(op, ops.InitialVector):
            found[key] = [
                Uses(a, jnp.broadcast_to(jnp.eye(a.shape[1], dtype=dtype), (example_outputs, *a.shape[1:2] * 2)))
            ]
            continue
        x = values[program.instructions[k].args[0]]
        b = jnp.broadcast_to(x.reshape(-1, x.shape[-1]), (example_outputs, a.shape[1], x.shape[-1]))
        transposed = isinstance(op, ops.MatMul) and op.transpose
        found.setdefault(key, []).append(Uses(b, a) if transposed else Uses(a, b))
    return {key: Uses(*(jnp.concatenate(m, axis=1) for m in zip(*uses, strict=True))) for key, uses in found.items()}


def _parts_of_output(program: Program) -> list[int]:
    """The places of what the output is made of. Others have gradient 0, and might go in as NaN."""
    found: set[int] = set()
    waiting = [program.output]
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            instruction = program.instructions[place]
            waiting += instruction.args
            waiting += [instruction.op.source] if isinstance(instruction.op, Delayed) else []
    return sorted(found)


def _matrix(op: Any) -> tuple[int, ops.Shape]:
    """Which parameter an instruction uses, and which one of an array of matrices."""
    return op.parameter, getattr(op, "index", ())


def _trained(program: Program, op: ops.Op) -> bool:
    return (
        isinstance(op, ops.InputMatMul | ops.InitialVector | ops.MatMul) and program.parameters[op.parameter].trainable
    )


def _contract(
    program: Program, program_bar: Program | None, uses: Callable[[Program], dict[Any, Uses]], width: int
) -> Array:
    """Σ over parameters of lr·multiplier²/fan_in Σ over pairs of uses ⟨a, ā⟩⟨b, b̄⟩."""
    numbers = ParameterNumbers(program)
    found = uses(program)
    other, found_bar = (program, found) if program_bar is None else (program_bar, uses(program_bar))
    # Zeros of the kernel's shape: there may be nothing that is trained.
    total = jnp.zeros((len(program.data[0]), len(other.data[0])), jnp.float32)
    for key, here in found.items():
        if key not in found_bar:  # a sequence of one token never uses W
            continue
        rate = jnp.asarray(gradient_scale(program.parameters[key[0]], numbers, width), here.a.dtype)
        with products_in_full():
            total = total + rate * _pairs_of_uses(here, found_bar[key])
    return total if at_readout_scale(program) else total * width


def gradient_scale(declared: Parameter, numbers: ParameterNumbers, width: int) -> Any:
    """lr·multiplier²/fan_in: what the product of two uses counts in the NTK."""
    fan_in = {"matrix": declared.fan * width, "input": declared.fan, "vector": 1}[declared.kind]
    return numbers(declared.lr) * numbers(declared.multiplier) ** 2 / fan_in


def at_readout_scale(program: Program) -> bool:
    """Whether the output is vᵀx/√n, whose NTK has a limit as it is."""
    return program.output_is_readout and _passes(program)


def _pairs_of_uses(u: Uses, w: Uses) -> Array:
    """Σ ⟨a, ā⟩⟨b, b̄⟩ over pairs of uses, by Gram matrices or by gradients, whichever is less work."""
    (batch, uses, rows), (batch_bar, uses_bar, columns) = u.a.shape, (*w.a.shape[:2], u.b.shape[-1])
    sides = [u] if w is u else [u, w]
    by_gram = batch * uses * batch_bar * uses_bar * (rows + columns)
    by_gradient = (sum(m.a.shape[0] * m.a.shape[1] for m in sides) + batch * batch_bar) * rows * columns
    if by_gram <= by_gradient:
        a = jnp.einsum("iur,jwr->iujw", u.a, w.a)
        b = jnp.einsum("iuc,jwc->iujw", u.b, w.b)
        return jnp.einsum("iujw,iujw->ij", a, b)
    return _products_of_gradients(sides)


_CACHED = 2**19
"""Numbers of gradients that are held at once, at most: what a cache holds."""


def _products_of_gradients(sides: list[Uses]) -> Array:
    """Σ over entries of the gradients Σ a bᵀ of both sides (or one with itself), some rows of them at a time."""
    if sides[0].a.shape[-1] > sides[0].b.shape[-1]:
        sides = [Uses(m.b, m.a) for m in sides]  # products are fastest with fewer rows than columns
    outputs = [len(m.a) for m in sides]
    at_once = max(1, _CACHED // (max(outputs) * sides[0].b.shape[-1]))
    at_once = 2 ** (at_once.bit_length() - 1)  # as widths mostly are, then nothing is left over

    def add(total: Array, rows: list[Array]) -> tuple[Array, None]:
        # One row for each output: of a product over two axes XLA makes no matrix product.
        gradients = [jnp.einsum("iur,iuc->irc", a, m.b).reshape(len(a), -1) for a, m in zip(rows, sides, strict=True)]
        return total + gradients[0] @ gradients[-1].T, None

    total = jnp.zeros((outputs[0], outputs[-1]), sides[0].a.dtype)
    return jax.lax.scan(add, total, [_blocks_of_rows(m.a, at_once) for m in sides])[0]


def _blocks_of_rows(a: Array, at_once: int) -> Array:
    """From `(outputs, uses, rows)` to `(blocks, outputs, uses, at most at_once)`, with zeros for missing rows."""
    blocks = -(-a.shape[-1] // at_once)
    rows = -(-a.shape[-1] // blocks)
    filled = jnp.pad(a, ((0, 0), (0, 0), (0, blocks * rows - a.shape[-1])))
    return jnp.moveaxis(filled.reshape(*a.shape[:2], blocks, rows), 2, 0)
