"""Both sides of the Master Theorem (Tensor Programs III, Theorem "NETSOR⊤ Master Theorem").

For vectors h¹, …, hᵏ of a program and any ψ that grows no faster than a polynomial, as the width n
goes to infinity,

    (1/n) Σ_α ψ(h¹_α, …, hᵏ_α) → E ψ(Z^{h¹}, …, Z^{hᵏ})   almost surely.

So the n coordinates look like n independent draws of the Z's. The left side is computed from one random network, the
right side from samples of the Z's, for any program, with or without its gradients (`Program.backward`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float64

from ..errors import HyperparameterError, shown
from ..execution.memory_limit import bounded
from ..gaussian.sobol import sobol_normal
from ..language.architecture import whole_number
from ..language.program import Program
from ..networks.sampling import check_width, random_key, run, sample_parameters
from .gaussianity import form
from .results import Estimate, Law, Limit, MasterTheorem
from .sampled import Table, VirtualNetwork, dimensions

SCRAMBLES = 16  # independent scrambles, whose spread gives the reported standard error
LOG2_SAMPLES = 12


def coordinates(program: Program, *, width: int, key: Any, draws: int | None = None) -> dict[int, Array]:
    """The values of one random network of width n, or of several.

    Args:
        program: `nv.program(arch, x)`, or its `.backward()`.
        width: n ≥ 1.
        key: A JAX random key, or an integer seed.
        draws: The number ≥ 1 of independent networks, which then form the first axis of every value; `None` means one
            network without that axis.

    Returns:
        Vectors `(*leading, n)` and scalars `(*leading,)`, by index in the unrolled program; not an output vᵀx/√n.

    Raises:
        HyperparameterError: The width or the number of draws is below 1, the key cannot be used, or `program` is not a
            program.
        TooLargeError: The computation would need more memory than is free.
    """
    program = checked_program(program)
    check_width(width)
    if draws is None:
        return _network(program, int(width), random_key(key))
    return _networks(program, int(width), random_key(key), whole_number(draws, "draws", at_least=1))


def limit_law(program: Program) -> Limit:
    """The limits of all values of a program: the law of Z for vectors, θ̊ for scalars.

    Source: the Master Theorem of Tensor Programs III (arXiv:2009.10685).

    Args:
        program: `nv.program(arch, x)`, or its `.backward()`.

    Returns:
        Laws and numbers, by index in the unrolled program.

    Raises:
        HyperparameterError: `program` is not a program.
        TooLargeError: The computation would need more memory than is free.
    """
    program = checked_program(program)
    draws = _draws(program)
    first = next(draws)
    moments = [_moments(program, first), *(_moments(program, values) for values in draws)]
    means, variances = ({k: sum(m[k] for m in side) / SCRAMBLES for k in first} for side in zip(*moments, strict=True))
    known = form(program)
    vectors = {
        k: Law(first[k], means[k], jnp.sqrt(variances[k]), k in known.gaussian, known.corrections.get(k, ()))
        for k in first
        if program.instructions[k].kind == "vector"
    }
    return Limit(vectors, {k: mean for k, mean in means.items() if k not in vectors})


def expectation(program: Program, psi: Callable[..., Any], vectors: Sequence[Any]) -> Estimate:
    """E ψ(Z), by sampling.

    Args:
        program: As for `master_theorem`.
        psi: As for `master_theorem`.
        vectors: As for `master_theorem`.

    Returns:
        The expectation and its standard error.

    Raises:
        HyperparameterError: As for `master_theorem`.
        TooLargeError: The computation would need more memory than is free.
    """
    program = checked_program(program)
    chosen = _chosen(program, vectors, psi)
    means = jnp.stack([_average(psi, chosen, values) for values in _draws(program)])
    return Estimate(jnp.mean(means), jnp.std(means, ddof=1) / SCRAMBLES**0.5)


def master_theorem(
    program: Program, psi: Callable[..., Any], vectors: Sequence[Any], *, width: int, key: Any
) -> MasterTheorem:
    """(1/n) Σ_α ψ(h_α) in one random network, and its limit E ψ(Z).

    ```python
    program = nv.program(nv.architectures.mlp(), [[1.0, -0.5]]).backward()
    nv.master_theorem(program, lambda g, dg: g * dg, ["g1", "dg1"], width=1024, key=0)
    ```

    Source: Tensor Programs III (arXiv:2009.10685), Theorem "NETSOR⊤ Master Theorem".

    Args:
        program: `nv.program(arch, x)`, or its `.backward()`.
        psi: An elementwise function ψ of as many arrays of coordinates as there are `vectors`.
        vectors: Names in the listing, or indices of instructions; `("x1", 0, 2)` is the vector at position `[0, 2]` of
            an array of vectors.
        width: n ≥ 1.
        key: A JAX random key, or an integer seed.

    Returns:
        The empirical average, its limit, and the standard error of the limit.

    Raises:
        HyperparameterError: `program` is not a program, a vector is unknown, its position is missing or out of range,
            ψ does not take the vectors or is not elementwise, or the width is below 1.
        TooLargeError: The computation would need more memory than is free.
    """
    chosen = _chosen(checked_program(program), vectors, psi)
    empirical = _average(psi, chosen, coordinates(program, width=width, key=key))
    limit = expectation(program, psi, vectors)
    return MasterTheorem(float(empirical), float(limit.value), float(limit.error))


# --- the two sides -----------------------------------------------------------------------------------


@bounded(static_argnames="width")
def _network(program: Program, width: int, key: Array) -> dict[int, Array]:
    return converging(program, run(program, sample_parameters(program, width, key)).values)


@bounded(static_argnames=("width", "draws"))
def _networks(program: Program, width: int, key: Array, draws: int) -> dict[int, Array]:
    def one(number: Array) -> dict[int, Array]:
        return _network(program, width, jax.random.fold_in(key, number))

    return jax.vmap(one)(jnp.arange(draws))


def _draws(program: Program) -> Iterator[dict[int, Array]]:
    """All values of a program with samples of the Z's as coordinates, for one independent scramble after another."""
    stack_of_one = program.with_data(*(np.asarray(d)[None] for d in program.data))
    for scramble in range(SCRAMBLES):
        yield _draw(stack_of_one, jnp.asarray(sobol_normal(dimensions(program, 1), LOG2_SAMPLES, seed=scramble)))


@bounded
def _draw(stack_of_one: Program, normals: Float64[Array, "dimensions samples"]) -> dict[int, Array]:
    values = VirtualNetwork(Table(normals)).run(stack_of_one)
    return converging(stack_of_one, [value[0] for value in values])


def converging(program: Program, values: Sequence[Array]) -> dict[int, Array]:
    """The vectors and scalars, by index, without a readout vᵀx/√n, which stays random in the limit."""
    return {k: v for k, v in enumerate(values) if program.instructions[k].kind != "output"}


@bounded
def _moments(program: Program, values: dict[int, Array]) -> tuple[dict[int, Array], dict[int, Array]]:
    """The mean and variance of each vector over the samples; a scalar is its own mean, with variance 0."""
    vectors = {k for k in values if program.instructions[k].kind == "vector"}
    means = {k: jnp.mean(v, axis=-1) if k in vectors else v for k, v in values.items()}
    return means, {k: jnp.var(v, axis=-1) if k in vectors else jnp.zeros_like(v) for k, v in values.items()}


def _average(psi: Callable[..., Any], chosen: list[_Vector], values: dict[int, Array]) -> Array:
    """The average of ψ over coordinates or samples."""
    arguments = [values[v.array][v.entry] for v in chosen]
    result = jnp.asarray(psi(*arguments))
    if result.shape != arguments[0].shape:
        raise HyperparameterError(
            f"ψ must act on each coordinate separately, but it maps {len(arguments)} array(s) of shape "
            f"{arguments[0].shape} to one of shape {result.shape}."
        )
    return jnp.mean(result)


# --- the arguments -------------------------------------------------------------------------------------


class _Vector(NamedTuple):
    """One vector: the index of its array, and its position in the array."""

    array: int
    entry: tuple[int, ...]


def checked_program(program: Any) -> Program:
    """A program, unrolled; raises `HyperparameterError` for anything else."""
    if not isinstance(program, Program):
        raise HyperparameterError(
            f"Expected a program, such as nv.program(arch, x) or nv.program(arch, x).backward(), not {shown(program)}."
        )
    return program.unrolled()


def _chosen(program: Program, vectors: Sequence[Any], psi: Callable[..., Any]) -> list[_Vector]:
    """The requested vectors; raises `HyperparameterError` unless ψ takes this number of them."""
    if isinstance(vectors, str) or not isinstance(vectors, Sequence) or not vectors:
        raise HyperparameterError(f'The vectors are {shown(vectors)}; give a list of them, such as ["g1", "x1"].')
    if not _takes(psi, len(vectors)):
        raise HyperparameterError(
            f"ψ must be a function of {len(vectors)} array(s), one for each vector, not {shown(psi)}."
        )
    named = {line.name: line.index for line in program.lines()}
    return [_one(program, named, vector) for vector in vectors]


def _takes(psi: Any, count: int) -> bool:
    try:
        inspect.signature(psi).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # some functions written in C have no signature
        return True
    return True


def _one(program: Program, named: dict[str, int], vector: Any) -> _Vector:
    name, *entry = vector if isinstance(vector, tuple) and vector else (vector,)
    index = named.get(name, -1) if isinstance(name, str) else name
    if isinstance(index, float) or index not in range(len(program)) or program.instructions[index].kind != "vector":
        names = ", ".join(k for k, p in named.items() if program.instructions[p].kind == "vector")
        raise HyperparameterError(f"{shown(name)} is not a vector of the program; its vectors are {names}.")
    shape = program.instructions[index].shape
    if not entry and np.prod(shape) == 1:
        entry = [0] * len(shape)
    if len(entry) != len(shape) or not all(k in range(size) for k, size in zip(entry, shape, strict=True)):
        raise HyperparameterError(
            f"{shown(name)} is an array of vectors of leading shape {shape}; choose one of them, such as "
            f"{(name, *(0 for _ in shape))!r}, not {shown(vector)}."
        )
    return _Vector(index, tuple(entry))
