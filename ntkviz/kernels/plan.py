"""Which reading gives the limit of an architecture, and why: a plan that can be printed.

The readings are tried in order of preference: forward kernels, by one scan over time where the program has loops, with
repeated layers written once or unrolled; the Z calculus in exact algebra; the Z calculus on samples. Whether a reading
applies depends on the form of the program only. For the forward kernels and the algebra, however, only their own rules
can tell, since the moments that are needed of an instruction depend on its later uses. So the rules are traced once:
the trace returns a `Reason` beside the numbers if the reading does not apply, and otherwise it is compiled and computes
the limit.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import jax
import numpy as np

from ..errors import NoForwardLimitError
from ..execution.trace_signature import TraceSignature, trace_signature
from ..gaussian.error import MEANING, ErrorKind
from ..language.gradients.gia import check_program
from ..language.program import Program
from .forward.kernels import kernels_of, over_time, refusals

Reading = Literal["forward kernels", "forward kernels over time", "symbolic Z", "sampled Z"]

DOES: dict[Reading, str] = {
    "forward kernels": "second moments of the limits and their tangents, instruction by instruction",
    "forward kernels over time": "second moments of the limits and their tangents, by one scan over the steps",
    "symbolic Z": "the Z calculus of forward and backward pass, every expectation by a formula or an integral",
    "sampled Z": "the Z calculus of forward and backward pass on samples of the limits",
}


@dataclass(frozen=True)
class Plan:
    """How `nv.infinite_ntk` computes a limit.

    Attributes:
        reading: `"forward kernels"`, `"forward kernels over time"`, `"symbolic Z"` or `"sampled Z"`.
        error_kind: The kind of the answer's error: `"rounding"`, `"estimate"` or `"standard error"`.
        reasons: Why no better reading is used, one sentence each; empty for the best.
        written_out: Whether layers that the architecture repeats are written out one by one.
        split: The functions of several vectors that are read as sums of products of functions of one linear
            combination each, by name.
    """

    reading: Reading
    error_kind: ErrorKind
    reasons: tuple[str, ...] = ()
    written_out: bool = False
    split: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.reading[0].upper()}{self.reading[1:]}: {DOES[self.reading]}."]
        lines += [f"- {reason}" for reason in self.reasons]
        lines += ["- The repeated layers are written out one by one."] * self.written_out
        lines += [f"- {name} is a sum of products of functions of one linear combination each." for name in self.split]
        return "\n".join([*lines, f"Error: {MEANING[self.error_kind]}."])


@functools.lru_cache(maxsize=512)
def forward_plan(signature: TraceSignature) -> Plan | NoForwardLimitError:
    """The plan for the forward kernels, or the error to raise if they are required."""
    report = check_program(signature.structures[0])
    if not report.passes:
        return NoForwardLimitError(report.refusal("the forward kernels do not give its NTK; use method='general'"))
    reasons, written_out = refusals(kernels_of(signature), signature), False
    if reasons and signature.structures[0].has_repeats:
        signature, written_out = trace_signature(*map(_layers_twice, signature.programs())), True
        reasons = refusals(kernels_of(signature), signature)
    if reasons:
        return NoForwardLimitError(reasons[0].text)
    kernels = kernels_of(signature)
    error = jax.eval_shape(kernels, *signature.programs()).error
    return Plan("forward kernels over time" if kernels is over_time else "forward kernels", error.kind, (), written_out)


def check_forward(program: Program) -> None:
    """Refuse a program whose limit the forward kernels do not give without unrolling it."""
    found = forward_plan(trace_signature(program, program))
    if isinstance(found, NoForwardLimitError):
        raise found
    if found.written_out:
        raise NoForwardLimitError("Repeated layers of this architecture use vectors from outside; use infinite_ntk.")


def _layers_twice(program: Program) -> Program:
    """The program unrolled with two layers for every repeated block: if two layers are refused, more are too."""
    twice = program.with_numbers(tuple(np.full(c.shape, 2, c.dtype) for c in program.constants), program.data)
    return twice.unrolled().with_numbers(program.constants, program.data)
