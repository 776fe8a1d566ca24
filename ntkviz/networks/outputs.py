"""The outputs of many random networks, which become a Gaussian process as the width grows."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from ..errors import HyperparameterError, shown
from ..execution.examples import check_in_groups
from ..execution.memory_limit import bounded
from ..execution.ragged import group_by_shape
from ..language.architecture import Architecture, check_architecture
from ..language.program import Program
from .parameters import check_same_network
from .sampling import check_width, random_key, run, sample_parameters


def sample_outputs(
    arch: Architecture, x: Any, *, width: int, draws: int, key: Any
) -> Float[np.ndarray, "draws outputs"]:
    """f(x) of many independent random networks: as n grows, draws from N(0, `infinite_ntk(arch, x).nngp`).

    Changing hyper-parameters of the same architecture does not recompile, and memory does not grow with the number of
    draws.

    Args:
        arch: An architecture.
        x: A batch of inputs, an array or a list; every network is evaluated on all of them.
        width: n ≥ 1.
        draws: The number of networks, ≥ 1.
        key: A JAX random key, or an integer seed. The first networks of a key do not depend on `draws`.

    Returns:
        A NumPy array `(draws, |x|)`, float32.

    Raises:
        HyperparameterError: The width or the number of draws is below 1, or the key cannot be used.
        InputError: The data cannot be used.
        ProgramError: A rule of the language is broken.
        TooLargeError: The computation would need more memory than is free.
    """
    check_architecture(arch)
    check_width(width)
    if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
        raise HyperparameterError(f"The number of draws is {shown(draws)}; it must be a whole number ≥ 1.")
    key = random_key(key)
    groups = group_by_shape(x, "x")
    outputs = np.empty((draws, sum(len(group.members) for group in groups)), np.float32)
    check_in_groups(arch, groups, "x")
    one = arch.trace(groups[0].data)
    for group in groups:
        program = arch.trace(group.data)
        check_same_network(arch, one, program)
        program = program.unrolled()
        block = _draws_at_once(program, width, draws)
        for first in range(0, draws, block):
            found = np.asarray(_networks(program, key, first, width, block))
            outputs[first : first + block, group.members] = found.reshape(block, -1)[: draws - first]
    return outputs


@bounded(static_argnames=("width", "count"))
def _networks(program: Program, key: Array, first: int, width: int, count: int) -> Float[Array, "draws outputs"]:
    """The outputs of `count` networks, numbered from `first`."""

    def one(number: Array) -> Array:
        return run(program, sample_parameters(program, width, jax.random.fold_in(key, number))).output

    return jax.vmap(one)(first + jnp.arange(count))


def _draws_at_once(program: Program, width: int, draws: int) -> int:
    """The number of networks sampled at once: a power of two, so that few sizes are compiled.

    Together they have about 2²² parameters and values.
    """
    rows = {"matrix": width, "input": 1, "vector": 1}
    numbers = sum(int(np.prod(p.shape)) * rows[p.kind] * max(p.fan, 1) for p in program.parameters)
    numbers += sum(int(np.prod(i.shape)) for i in program.instructions if i.kind == "vector")
    most = max(1, _AT_ONCE // (numbers * width))
    return 1 << min((draws - 1).bit_length(), most.bit_length() - 1)


_AT_ONCE = 2**22
