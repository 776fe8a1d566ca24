"""Virtual networks: samples of random networks of any width n, exactly in law, without their matrices.

Memory grows like n, not n², so widths of a million are feasible. Outputs, kernels and coordinates have the law of those
of networks whose matrices are sampled (`networks/`), but with the same key the networks differ.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from ..errors import phrase
from ..execution.examples import check_in_groups, traced
from ..execution.finiteness import check_finite
from ..execution.memory_limit import LESS_MEMORY, bounded
from ..execution.ragged import group_by_shape
from ..language.architecture import Architecture, check_architecture, whole_number
from ..language.program import Program
from ..language.rewriting.shorthand import in_full
from ..networks.parameters import check_same_network
from ..networks.sampling import check_width, passes, random_key
from .general import with_gradients
from .master import checked_program, converging
from .sampled import Drawn, VirtualNetwork, sampled_kernels


class Stacks(NamedTuple):
    """An architecture's programs for the inputs of each shape, each for a stack of data as the Z calculus takes it.

    Attributes:
        programs: The programs, unrolled and without shorthands.
        order: The position of each input among the outputs of all programs, `(|x|,)`.
    """

    programs: tuple[Program, ...]
    order: np.ndarray

    @classmethod
    def of(cls, arch: Architecture, x: Any) -> Stacks:
        """The programs for a batch; raises the errors of `infinite_ntk` for inputs that cannot be used."""
        groups = group_by_shape(x, "x")
        check_in_groups(check_architecture(arch), groups, "x")
        programs: list[Program] = []
        for group in groups:
            program, _, separate = traced(arch, group.data, group.data)
            check_same_network(arch, programs[0] if programs else program, program)
            stacked = (d[:, None] if separate else d[None] for d in group.data)
            programs.append(in_full(program).unrolled().with_data(*stacked))
        return cls(tuple(programs), np.argsort(np.concatenate([group.members for group in groups])))


def virtual_ntk(arch: Architecture, x: Any, *, width: int, key: Any) -> Float[np.ndarray, "outputs outputs"]:
    """The NTK of one random network, like `empirical_ntk`, but without its matrices, so for widths up to a million.

    Source: Gaussian conditioning, Tensor Programs III (arXiv:2009.10685), exact at width n.

    Args:
        arch: An architecture.
        x: A batch of inputs, an array or a list.
        width: n ≥ 1. Time and memory grow like n.
        key: A JAX random key, or an integer seed.

    Returns:
        An array `(|x|, |x|)`, which over random keys has the law of `empirical_ntk(arch, x, width=width, key=key)`.
        Sums are in double precision, the normals in single.

    Raises:
        HyperparameterError: The width is below 1, or the key cannot be used.
        InputError: The data cannot be used.
        NotFiniteError: The NTK of this network is not finite.
        ProgramError: A rule of the language is broken.
        TooLargeError: The computation would need more memory than is free.
    """
    check_width(width)
    stacks = Stacks.of(arch, x)
    ntk: np.ndarray[Any, Any] = np.asarray(_ntk(stacks.programs, int(width), random_key(key)))[
        np.ix_(stacks.order, stacks.order)
    ]
    check_finite(ntk, phrase(f"The NTK of this network of width {width}"))
    return ntk


def virtual_outputs(
    arch: Architecture, x: Any, *, width: int, draws: int, key: Any
) -> Float[np.ndarray, "draws outputs"]:
    """f(x) of independent random networks, like `sample_outputs`, but without their matrices.

    Source: that of `virtual_ntk`.

    Args:
        arch: An architecture.
        x: A batch of inputs, an array or a list; every network is evaluated on all of them.
        width: n ≥ 1. Time and memory grow like n.
        draws: The number of networks, ≥ 1.
        key: A JAX random key, or an integer seed.

    Returns:
        A NumPy array `(draws, |x|)`.

    Raises:
        HyperparameterError: The width or the number of draws is below 1, or the key cannot be used.
        InputError: The data cannot be used.
        ProgramError: A rule of the language is broken.
        TooLargeError: The computation would need more memory than is free.
    """
    check_width(width)
    count = whole_number(draws, "The number of draws", at_least=1)
    stacks = Stacks.of(arch, x)
    key, block = random_key(key), _draws_at_once(stacks.programs, int(width), count)
    found = [_outputs(stacks.programs, key, first, int(width), block) for first in range(0, count, block)]
    return np.concatenate(found)[:count, stacks.order]


def virtual_coordinates(program: Program, *, width: int, key: Any) -> dict[int, Array]:
    """The values of one random network of width n, like `coordinates`, but without its matrices.

    Source: that of `virtual_ntk`.

    Args:
        program: `nv.program(arch, x)`, or its `.backward()`.
        width: n ≥ 1. Time and memory grow like n.
        key: A JAX random key, or an integer seed.

    Returns:
        Vectors `(*leading, n)` and scalars `(*leading,)`, by index in the unrolled program; not an output vᵀx/√n.

    Raises:
        HyperparameterError: The width is below 1, the key cannot be used, or `program` is not a program.
        TooLargeError: The computation would need more memory than is free.
    """
    program = checked_program(program)
    check_width(width)
    return _coordinates(program, int(width), random_key(key))


@bounded(static_argnames="width", compiler_options=LESS_MEMORY)
def _ntk(programs: tuple[Program, ...], width: int, key: Array) -> Array:
    both_passes = tuple(with_gradients(program, assume_gia=False) for program in programs)
    return sampled_kernels(both_passes, passes(programs[0]), VirtualNetwork(Drawn(key, width)))[1]


@bounded(static_argnames=("width", "count"))
def _outputs(programs: tuple[Program, ...], key: Array, first: int, width: int, count: int) -> Array:
    """The outputs of `count` networks, numbered from `first`."""

    def one(number: Array) -> Array:
        network = VirtualNetwork(Drawn(jax.random.fold_in(key, number), width))
        return jnp.concatenate([network.run(p)[p.output].ravel() for p in programs])

    return jax.vmap(one)(first + jnp.arange(count))


def _draws_at_once(programs: tuple[Program, ...], width: int, draws: int) -> int:
    """The number of networks sampled at once: a power of two, so that few sizes are compiled.

    Together their vectors have at most about 2²² entries.
    """
    vectors = sum(len(p.data[0]) * math.prod(i.shape) for p in programs for i in p.instructions if i.kind == "vector")
    most = max(1, _AT_ONCE // (vectors * width))
    return 1 << min((draws - 1).bit_length(), most.bit_length() - 1)


_AT_ONCE = 2**22


@bounded(static_argnames="width", compiler_options=LESS_MEMORY)
def _coordinates(program: Program, width: int, key: Array) -> dict[int, Array]:
    stack_of_one = program.with_data(*(jnp.asarray(d)[None] for d in program.data))
    values = VirtualNetwork(Drawn(key, width)).run(stack_of_one)
    return converging(program, [value[0] for value in values])
