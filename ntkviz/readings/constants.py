"""The constants that the scalars of a program converge to: attention weights, a layernorm's statistics.

A Moment θ = (1/n) Σ_α φ(x_α) is random at finite width and tends to E φ(Z^x) (the Master Theorem of Tensor
Programs II, arXiv:2006.14548). Where second moments determine that limit, it is calculated here without samples;
`limit_law` samples it for any program.
"""

from __future__ import annotations

from jax import Array

from ..errors import HyperparameterError, shown
from ..language.program import Program
from .bounded import bounded
from .forward import refuse_correction_terms
from .moments import ForwardMoments


def limit_scalars(program: Program) -> dict[int, Array]:
    """The limits θ̊ `(*leading,)` of a program's scalars, by place in `program.unrolled()`.

    Changing hyper-parameters or data of the same program compiles nothing new.

    Raises `NoForwardLimitError` where second moments do not determine a scalar (use `limit_law` there), and
    `HyperparameterError` for what is not a program.
    """
    if not isinstance(program, Program):
        raise HyperparameterError(f"A program is needed, such as nv.program(arch, x), not {shown(program)}.")
    return _scalars(program.unrolled())


@bounded
def _scalars(program: Program) -> dict[int, Array]:
    refuse_correction_terms(program)
    moments = ForwardMoments((program, program))
    scalars = (place for place, instruction in enumerate(program.instructions) if instruction.kind == "scalar")
    return {place: moments.number(0, place) for place in scalars}
