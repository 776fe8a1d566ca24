"""`sweep`: the limit kernels at every point of a grid of hyper-parameters, in one computation.

Hyper-parameters are numbers of a program, so one program serves the whole grid: its numbers get an additional axis,
over which JAX maps the forward kernels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array
from jaxtyping import Num

from ..calculus.limit_kernels import LimitKernels
from ..errors import HyperparameterError, InputError, phrase
from ..execution.finiteness import check_batches, check_finite
from ..execution.memory_limit import bounded
from ..gaussian.error_kind import AbsoluteError
from ..language.architecture import Architecture, check_architecture, check_data, listed
from ..language.program import Program
from ..language.rewriting.shorthand import in_full
from .forward.kernels import forward_kernels
from .plan import check_forward
from .results import Kernels


def sweep(arch: Architecture, x: Any, **axes: Iterable[float]) -> Kernels:
    """The limit NNGP and NTK of one batch at every point of a grid of hyper-parameters.

    ```python
    nv.sweep(nv.architectures.mlp(), x, sigma_w=np.linspace(0.5, 3, 31), sigma_b=[0.0, 0.1]).nngp   # (31, 2, |x|, |x|)
    ```

    Other values on a grid of the same shape do not recompile.

    Args:
        arch: An architecture that passes the Simple GIA Check.
        x: A batch of inputs of one shape.
        **axes: The values of each hyper-parameter to vary, which must be a number in the program. The number of layers
            of `net.repeat` is one; a nonlinearity or a filter size is not, since it changes the program.

    Returns:
        Kernels of shape `(*grid, |x|, |x|)`, with the axes of the grid in the order given.

    Raises:
        HyperparameterError: An axis has no values, or changes more than numbers of the program.
        InputError: A number of the program depends on several axes at once, or the data cannot be used.
        NoForwardLimitError: The forward kernels do not give the limit of the architecture.
        NtkvizError: Whatever else `infinite_ntk` raises.
    """
    check_architecture(arch)
    data = check_data(x)
    grid = {name: listed(values, f"The axis {name}", of="numbers") for name, values in axes.items()}
    for name, values in grid.items():
        if not values:
            raise HyperparameterError(f"The axis {name} has no values; give it at least one.")
    recorded = arch(**{name: values[0] for name, values in grid.items()}).trace(data)
    first = in_full(recorded)
    check_batches(first)
    check_forward(first)
    varied = _varied_constants(arch, data, recorded, grid)
    shape = tuple(map(len, grid.values()))
    points = tuple(np.broadcast_to(numbers, shape).ravel() for numbers in varied.values())
    kernels = _at_every_point(first, points, tuple(varied), int(np.prod(shape, dtype=int)))
    nngp, ntk = (np.asarray(k).reshape(*shape, *k.shape[1:]) for k in (kernels.nngp, kernels.ntk))
    check_finite((nngp, ntk), phrase("The limit at some points of the grid"))
    scale = max(np.max(np.abs(nngp)), np.max(np.abs(ntk)))
    return Kernels(nngp, ntk, AbsoluteError(np.max(kernels.error.value) * scale, kernels.error.kind))


def _varied_constants(
    arch: Architecture, data: tuple[Any, ...], first: Program, grid: dict[str, Sequence[Any]]
) -> dict[int, np.ndarray]:
    """The constants of the program that vary along an axis, each as an array that broadcasts to the grid.

    The program is traced once for each value of an axis, not for each point of the grid; this determines every constant
    that depends on one hyper-parameter. The last point of the grid then verifies that no constant depends on several.
    """
    start = {name: values[0] for name, values in grid.items()}
    varied: dict[int, np.ndarray] = {}

    def constants(**values: Any) -> tuple[Any, ...]:
        program = arch(**values).trace(data)
        if _lines(program) != _lines(first):
            raise HyperparameterError(
                f"Along the axes {', '.join(grid)} the program itself changes and not only its numbers; compute the "
                "points one by one."
            )
        return program.constants

    for axis, (name, values) in enumerate(grid.items()):
        along = [constants(**start | {name: value}) for value in values]
        for index, before in enumerate(first.constants):
            numbers = np.array([c[index] for c in along])
            if numbers.ndim == 1 and np.any(numbers != before):
                varied[index] = numbers.reshape([-1 if k == axis else 1 for k in range(len(grid))])
    corner = constants(**{name: values[-1] for name, values in grid.items()})
    for index, number in enumerate(corner):
        if not np.array_equal(varied[index].ravel()[-1] if index in varied else first.constants[index], number):
            raise InputError(
                f"A number of the program depends on several of {', '.join(grid)}; sweep one of them at a time."
            )
    return varied


def _lines(program: Program) -> tuple[Any, ...]:
    """What `structure` has, which need not be hashed for programs that are compared once."""
    return program.instructions, program.parameters, program.output


@bounded(static_argnames=("indices", "count"))
def _at_every_point(
    program: Program, points: tuple[Num[Array | np.ndarray, "points"], ...], indices: tuple[int, ...], count: int
) -> LimitKernels:
    """The kernels with the constants at `indices` replaced by the entries of the arrays `points`, `(count,)` each."""

    def at_point(numbers: tuple[Array | np.ndarray, ...]) -> LimitKernels:
        constants = list(program.constants)
        for index, number in zip(indices, numbers, strict=True):
            constants[index] = number
        here = program.with_numbers(tuple(constants), program.data)
        return forward_kernels(here, here)

    return jax.vmap(at_point, axis_size=count)(points)
