"""The memory and time that a computation needs, estimated from its jaxpr without running it.

XLA fuses chains of elementwise operations, so that only some results are written to memory: those of matrix products,
reductions, loops and the like, and their operands. The memory of a computation is the most that such results take at
any one time. Its time is the number of operations of each kind times the time that one takes on this machine, measured
once. Both estimates are good to a factor of 2 or 3.
"""

from __future__ import annotations

import functools
import math
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Var

from .cost import Cost

WRITTEN = frozenset(
    [
        "dot_general",
        "conv_general_dilated",
        "reduce_sum",
        "reduce_max",
        "reduce_min",
        "reduce_prod",
        "reduce_and",
        "reduce_or",
        "argmax",
        "argmin",
        "cumsum",
        "cumprod",
        "cummax",
        "sort",
        "gather",
        "scatter",
        "scatter-add",
        "dynamic_update_slice",
        "concatenate",
        "random_bits",
        "threefry2x32",
        "scan",
        "while",
        "cond",
        "eigh",
        "cholesky",
        "triangular_solve",
        "lu",
        "qr",
        "fft",
        "custom_call",
        "top_k",
    ]
)
"""Primitives whose results XLA writes to memory."""
REORDERING = frozenset(["transpose", "reshape", "squeeze", "expand_dims"])
TRANSCENDENTAL = frozenset(
    [
        "exp",
        "exp2",
        "expm1",
        "log",
        "log1p",
        "sin",
        "cos",
        "tan",
        "tanh",
        "erf",
        "erfc",
        "erf_inv",
        "atan2",
        "asin",
        "acos",
        "pow",
        "sqrt",
    ]
)


@dataclass(frozen=True)
class Work:
    """Numbers that are computed, by kind: multiply-adds of matrix products, transcendental functions, random, others.

    `started` counts the operations on arrays, each of which has a fixed cost besides.
    """

    products: float = 0.0
    transcendental: float = 0.0
    random: float = 0.0
    simple: float = 0.0
    started: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(*(a + b for a, b in zip(_parts(self), _parts(other), strict=True)))

    def __mul__(self, times: float) -> Work:
        return Work(*(times * a for a in _parts(self)))

    @property
    def seconds(self) -> float:
        """The time that they take on this machine, in seconds."""
        return sum(count * each for count, each in zip(_parts(self), _parts(seconds_each()), strict=True))


def _parts(work: Work) -> tuple[float, ...]:
    return work.products, work.transcendental, work.random, work.simple, work.started


def cost_of(jaxpr: Jaxpr) -> Cost:
    """The cost of a traced computation, including its inputs and results."""
    return Cost(memory_of(jaxpr), work_of(jaxpr).seconds)


SECONDS_TO_COMPILE = 0.002
"""Compilation time per operation, in seconds; it varies by a factor of 2 between kinds of operations."""


SECONDS_TO_START = 2e-6
"""What each operation costs whatever its size, in seconds, averaged over those that are fused with others."""


def compiling(jaxpr: Jaxpr) -> Cost:
    """The cost of compiling a computation."""
    return Cost(compiling=SECONDS_TO_COMPILE * _operations(jaxpr))


def _operations(jaxpr: Jaxpr) -> int:
    return len(jaxpr.eqns) + sum(_operations(inner) for equation in jaxpr.eqns for inner in _inner(equation))


# --- time ------------------------------------------------------------------------------------------


_LOOPED = "looped"
"""The name of a scope that says how often the loops in it are expected to run."""


def looped(times: float) -> Any:
    """A scope for a loop of unknown length, which counts so many times instead of once."""
    return jax.named_scope(f"{_LOOPED}({times:.2f})")


def _times(equation: Any) -> float:
    """How often the body of an operation runs; 1 for a called function."""
    if equation.primitive.name != "while":
        return float(equation.params.get("length", 1))
    scopes = re.findall(rf"{_LOOPED}\(([\d.]+)\)", str(equation.source_info.name_stack))
    return float(scopes[-1]) if scopes else 1.0


def work_of(jaxpr: Jaxpr) -> Work:
    """The operations of a computation; a conditional counts as its larger branch.

    A loop of unknown length counts as often as `looped` says, or once.
    """
    total = Work(started=len(jaxpr.eqns))
    for equation in jaxpr.eqns:
        name, inner = equation.primitive.name, [work_of(j) for j in _inner(equation)]
        size = max((v.aval.size for v in equation.outvars if hasattr(v.aval, "size")), default=0)
        if name == "cond":
            total += max(inner, key=lambda work: sum(_parts(work)))
        elif inner:
            total += sum(inner, Work()) * _times(equation)
        elif name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape  # type: ignore[attr-defined]
            total += Work(products=size * math.prod(shape[axis] for axis in contracted))
        elif name in ("random_bits", "threefry2x32"):
            total += Work(random=size)
        elif name in TRANSCENDENTAL:
            total += Work(transcendental=size)
        else:
            total += Work(simple=max(size, *(v.aval.size for v in equation.invars if hasattr(v.aval, "size")), 0))
    return total


def _inner(equation: Any) -> Iterable[Jaxpr]:
    """The jaxprs inside an operation: of a called function, a loop, or a conditional."""
    for parameter in equation.params.values():
        for value in parameter if isinstance(parameter, tuple | list) else (parameter,):
            if isinstance(value, ClosedJaxpr):
                yield value.jaxpr
            elif isinstance(value, Jaxpr):
                yield value


@functools.cache
def seconds_each() -> Work:
    """The seconds per operation of each kind on this machine, measured at the first call (about 0.3 s)."""
    side = 768
    square = jax.device_put(np.linspace(0.1, 0.9, side * side, dtype=np.float32).reshape(side, side))
    return Work(
        products=_time(lambda m: m @ m, square) / side**3,
        transcendental=_time(lambda x: jnp.sin(jnp.exp(x)), square) / (2 * square.size),
        random=_time(lambda key: jax.random.bits(key, square.shape, "uint32"), jax.random.key(0)) / square.size,
        simple=_time(lambda x: functools.reduce(lambda y, _: y * y + x, range(8), x), square) / (16 * square.size),
        started=SECONDS_TO_START,
    )


def _time(call: Callable[[Any], Any], argument: Any) -> float:
    """The shortest of a few run times, after one run that compiles.

    `argument` is passed rather than closed over, because XLA would fold a constant. Each run writes over the result of
    the one before, because memory that is freed between runs stays with the process.
    """
    compiled = jax.jit(lambda argument, before: call(argument), donate_argnums=1, keep_unused=True)
    made = jax.eval_shape(call, argument)
    result, times = jax.device_put(np.zeros(made.shape, made.dtype)), []
    for _ in range(6):
        start = time.perf_counter()
        result = jax.block_until_ready(compiled(argument, result))
        times.append(time.perf_counter() - start)
    return min(times[1:])


# --- memory ----------------------------------------------------------------------------------------


_GAPS = 1.1
"""XLA puts all arrays into one block of memory, with gaps: a tenth, as virtual networks show."""
_AT_ONCE, _COLUMNS = 2, 512
"""Matrix products that run at the same time, and columns of a matrix that each of them copies at a time."""


def memory_of(jaxpr: Jaxpr) -> float:
    """The bytes that a computation needs: the peak of live ones, and copies that matrix products make."""
    return _GAPS * (_peak(jaxpr) + _AT_ONCE * _largest_copy(jaxpr))


@functools.lru_cache(maxsize=512)
def _peak(jaxpr: Jaxpr) -> float:
    """The peak number of live bytes.

    A result that is fused into its uses takes no memory itself, but keeps its operands alive until the last of them.
    """
    roots: dict[Var, frozenset[Var]] = {v: frozenset([v]) for v in (*jaxpr.invars, *jaxpr.constvars)}
    in_memory: set[Var] = set(roots)  # including reordered views of an array, which a product can read directly
    steps: list[tuple[Iterable[Var], frozenset[Var], float]] = []  # variables written, variables read, internal bytes

    def roots_of(variables: Iterable[Any]) -> frozenset[Var]:
        return frozenset().union(*(roots[v] for v in variables if not isinstance(v, Literal)))

    def write(variables: Iterable[Any], reads: frozenset[Var], within: float = 0.0) -> None:
        written = [v for v in variables if not isinstance(v, Literal) and v not in in_memory]
        for v in written:
            roots[v] = frozenset([v])
        in_memory.update(written)
        steps.append((written, reads, within))

    for equation in jaxpr.eqns:
        inner = list(_inner(equation))
        same_numbers = equation.primitive.name in REORDERING or _moves_nothing(equation)
        if same_numbers or (equation.primitive.name not in WRITTEN and not inner):
            for v in equation.outvars:
                roots[v] = roots_of(equation.invars)
            if same_numbers and all(_is_in(v, in_memory) for v in equation.invars):
                in_memory.update(equation.outvars)
            continue
        if equation.primitive.name in ("dot_general", "conv_general_dilated", "eigh", "cholesky", "triangular_solve"):
            write(equation.invars, roots_of(equation.invars))  # operands of these are not fused
        within = max((max(0.0, _peak(j) - _bytes(j.invars) - _bytes(j.outvars)) for j in inner), default=0.0)
        write(equation.outvars, roots_of(equation.invars), within)
    write(jaxpr.outvars, roots_of(jaxpr.outvars))
    return _most_alive(steps, jaxpr)


def _moves_nothing(equation: Any) -> bool:
    """Whether a sum has one term, or a concatenation one part: the result has the same numbers in the same order."""
    if equation.primitive.name not in ("reduce_sum", "reduce_max", "reduce_min", "concatenate"):
        return False
    return any(v.aval.size == equation.outvars[0].aval.size for v in equation.invars)


@functools.lru_cache(maxsize=512)
def _largest_copy(jaxpr: Jaxpr) -> float:
    """Bytes that a matrix product on a CPU copies of its operands at a time, so that they lie together."""
    own = (_copied(e) for e in jaxpr.eqns if e.primitive.name == "dot_general")
    return max([0.0, *own, *(_largest_copy(inner) for e in jaxpr.eqns for inner in _inner(e))])


def _copied(product: Any) -> float:
    (contracted, _), (batched, _) = product.params["dimension_numbers"]
    first, other = (v.aval for v in product.invars)
    columns = math.prod(first.shape[axis] for axis in contracted)
    rows = (first.size + other.size) / max(1, columns * math.prod(first.shape[axis] for axis in batched))
    return float(rows * min(columns, _COLUMNS) * first.dtype.itemsize)


def largest_written(jaxpr: Jaxpr) -> int:
    """The number of floats in the largest array that is written to memory; at least 1."""
    own = (v.aval for e in jaxpr.eqns if e.primitive.name in WRITTEN for v in e.outvars)
    floats = (int(a.size) for a in own if jnp.issubdtype(getattr(a, "dtype", int), jnp.floating))  # type: ignore[attr-defined]
    return max([1, *floats, *(largest_written(inner) for e in jaxpr.eqns for inner in _inner(e))])


def _is_in(variable: Any, variables: set[Var]) -> bool:
    return not isinstance(variable, Literal) and variable in variables  # literals are not hashable


def _most_alive(steps: list[tuple[Iterable[Var], frozenset[Var], float]], jaxpr: Jaxpr) -> float:
    last = {v: number for number, (_, reads, _) in enumerate(steps) for v in reads}
    last.update(dict.fromkeys((v for v in jaxpr.outvars if not isinstance(v, Literal)), len(steps)))
    alive = {v: _bytes([v]) for v in (*jaxpr.invars, *jaxpr.constvars)}
    now = most = sum(alive.values())
    kept = set(alive)  # the caller holds the inputs to the end
    for number, (written, reads, within) in enumerate(steps):
        for v in written:
            alive[v] = _bytes([v])
            now += alive[v]
        most = max(most, now + within)
        for v in {*reads, *written}:
            if last.get(v, number) <= number and v not in kept and v in alive:
                now -= alive.pop(v)
    return most


def _bytes(variables: Iterable[Any]) -> float:
    return float(
        sum(
            v.aval.size * v.aval.dtype.itemsize
            for v in variables
            if not isinstance(v, Literal) and hasattr(v.aval, "size")
        )
    )
