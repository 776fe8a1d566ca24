"""The Simple GIA Check (Tensor Programs II, Condition 1 and §"Gradient independence assumption").

The gradient independence assumption (GIA) treats the transposed matrices of the backward pass as independent of those
of the forward pass. It gives the correct limit of the NTK if *the readout vector is sampled independently of all other
parameters, with zero mean, and used nowhere else in the program*. The check only inspects the program; it evaluates
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..architecture import Architecture, program
from ..instructions import InitialVector, Moment, Nonlin, Readout, Shift
from ..nonlinearities.nonlinearity import multiply
from ..program import Parameter, Program


@dataclass(frozen=True)
class GIAReport:
    """Whether the Simple GIA Check passes, and if not, why.

    Attributes:
        passes: Whether gradients may be computed as if the matrices of the backward pass were independent.
        reasons: One sentence for each broken rule; empty if the check passes.
    """

    passes: bool
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        if self.passes:
            return "The Simple GIA Check passes: gradients may be computed as if Wᵀ were independent of W."
        return "The Simple GIA Check fails. " + " ".join(self.reasons)

    def refusal(self, consequence: str) -> str:
        """An error message that says why the check fails and what follows from it.

        Args:
            consequence: The consequence, as a main clause without a full stop.

        Returns:
            The sentence.
        """
        why = "; ".join(reason.rstrip(".") for reason in self.reasons)
        return f"{why}, so the Simple GIA Check fails and {consequence}."


def simple_gia_check(arch: Architecture, x: Any) -> GIAReport:
    """Run the Simple GIA Check on an architecture's program for inputs `x`.

    Using both W and Wᵀ in the *forward* pass does not break it. A failure does not mean that the NTK has no limit, but
    that the limit needs the correction terms of `infinite_ntk(…, method="general")`.

    Source: Tensor Programs II (arXiv:2006.14548), Condition 1.

    Args:
        arch: An architecture.
        x: Its inputs, as for `program`; only their shapes matter.

    Returns:
        The report.

    Raises:
        NtkvizError: Whatever `program` raises.
    """
    return check_program(program(arch, x))


def check_program(prog: Program) -> GIAReport:
    """Run the Simple GIA Check on a program; if it has gradients, their uses of the readout do not count."""
    reasons = tuple(_broken_rules(prog.forward))
    return GIAReport(not reasons, reasons)


def _broken_rules(prog: Program) -> Iterator[str]:
    output = prog.instructions[prog.output]
    if not isinstance(output.op, Readout):
        yield _no_readout(prog)
        return
    v = _without_mean(prog, output.args[0])
    if not isinstance(prog.instructions[v].op, InitialVector):
        yield (
            f"The readout of instruction {prog.output} is the interior vector of instruction {v}, "
            "not a vector sampled independently of everything else."
        )
        return
    parameter = prog.parameter_of(v)
    if v != output.args[0]:
        yield f"The readout {parameter.name} (instruction {v}) has a nonzero mean."
    for user in _interior_users(prog, v, {prog.output}):
        yield f"The readout {parameter.name} is used again in the interior, at instruction {user}."


def readout_parameter(prog: Program) -> Parameter | None:
    """The parameter v of the output f = vᵀx (with or without a mean added), if there is one."""
    output = prog.instructions[prog.output]
    if not isinstance(output.op, Readout):
        return None
    v = _without_mean(prog, output.args[0])
    return prog.parameter_of(v) if isinstance(prog.instructions[v].op, InitialVector) else None


def _without_mean(prog: Program, v: int) -> int:
    """The vector that remains when the additions of numbers to it are undone."""
    while isinstance(prog.instructions[v].op, Shift):
        v = prog.instructions[v].args[0]
    return v


def _no_readout(prog: Program) -> str:
    index = _first_moment(prog, prog.output)
    if index is None:
        return f"The output of instruction {prog.output} is a plain number, without a readout vᵀx/√n."
    averaged = prog.instructions[prog.instructions[index].args[0]]
    if isinstance(averaged.op, Nonlin) and averaged.op.phi is multiply:
        a, b = averaged.args
        return (
            f"The output of instruction {index} is the inner product ⟨x, y⟩/n of the vectors of instructions {a} and "
            f"{b}: its readout is tied to the rest of the program instead of being sampled independently."
        )
    return (
        f"The output of instruction {index} is the mean readout 1ᵀx/n: "
        "its readout 1 is not a random vector of zero mean."
    )


def _first_moment(prog: Program, index: int) -> int | None:
    """The earliest Moment that a scalar depends on; `None` if it depends on none."""
    if isinstance(prog.instructions[index].op, Moment):
        return index
    below = (_first_moment(prog, a) for a in prog.instructions[index].args)
    return min((k for k in below if k is not None), default=None)


def _interior_users(prog: Program, v: int, allowed: set[int]) -> Iterator[int]:
    for user in prog.users(v):
        if isinstance(prog.instructions[user].op, Shift):
            yield from _interior_users(prog, user, allowed)
        elif user not in allowed or prog.instructions[user].args.count(v) > 1:
            yield user
