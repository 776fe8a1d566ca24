"""The constants that the scalars of a program converge to: attention weights, layernorm statistics.

A Moment θ = (1/n) Σ_α φ(x_α) is random at finite width and tends to E φ(Z^x) (the Master Theorem of Tensor
Programs II, arXiv:2006.14548). Where second moments determine that limit, this module computes it without samples;
`limit_law` samples it for any program.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import jax
from jax import Array

from ..calculus.limit_kernels import Reason
from ..errors import HyperparameterError, NoForwardLimitError, shown
from ..execution.memory_limit import bounded
from ..language.program import Program
from ..language.rewriting.shorthand import with_indices
from .forward.kernels import correction_terms
from .forward.moments import Moments
from .forward.views import View


def limit_scalars(program: Program) -> dict[int, Array]:
    """The limits θ̊ of a program's scalars, where second moments determine them.

    Changing hyper-parameters or data of the same program does not recompile.

    Source: the Master Theorem of Tensor Programs II (arXiv:2006.14548).

    Args:
        program: `nv.program(arch, x)`.

    Returns:
        For the index of each scalar in `program.unrolled()`, an array `(*leading,)`.

    Raises:
        NoForwardLimitError: Second moments do not determine a scalar; use `limit_law` instead.
        HyperparameterError: `program` is not a program.
        TooLargeError: The computation would need more memory than is free.
    """
    if not isinstance(program, Program):
        raise HyperparameterError(f"Expected a program, such as nv.program(arch, x), not {shown(program)}.")
    as_written = program.unrolled()
    program, indices = with_indices(as_written)
    reasons = [*correction_terms(program), *jax.eval_shape(_limits, program).refused]
    if reasons:
        raise NoForwardLimitError(reasons[0].text)
    numbers = _scalars(program).numbers
    return {k: numbers[indices[k]] for k, i in enumerate(as_written.instructions) if i.kind == "scalar"}


def scalars_of_stack(stack: Program) -> dict[int, Array] | None:
    """The limits of the scalars of a stack of runs, `(stack, *leading)`; `None` if second moments leave some open.

    The program must have neither repeats nor shorthands. Its data have an additional first axis, over the stack.
    """
    one = stack.with_data(*(d[0] for d in stack.data))
    if list(correction_terms(one)) or jax.eval_shape(_limits, one).refused:
        return None
    return _scalars_of_stack(stack)


@bounded
def _scalars_of_stack(stack: Program) -> dict[int, Array]:
    def limits(*data: Array) -> dict[int, Array]:
        return dict(_limits(stack.with_data(*data)).numbers)

    return jax.vmap(limits)(*stack.data)


@functools.partial(jax.tree_util.register_dataclass, data_fields=["numbers"], meta_fields=["refused"])
@dataclass(frozen=True)
class _Scalars:
    """The limits by index, and the reasons why second moments do not give them, if any."""

    numbers: dict[int, Array]
    refused: tuple[Reason, ...]


@functools.partial(jax.jit, inline=True)  # so that the check and the computation share one trace
def _limits(program: Program) -> _Scalars:
    moments = Moments(View((program, program)))
    scalars = (index for index, instruction in enumerate(program.instructions) if instruction.kind == "scalar")
    return _Scalars({index: moments.number((0, index)) for index in scalars}, tuple(moments.refused))


_scalars = bounded(_limits)
