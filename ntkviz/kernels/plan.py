"""Which reading gives the limit of an architecture, and why: a plan that can be printed.

The readings are tried in order of preference: forward kernels, by one scan over time where the program has loops, or by
one loop over layers where these are alike, with repeated layers written once or unrolled; the Z calculus in exact
algebra; the Z calculus on samples. Whether a reading applies depends only on the form of the program. For the forward
kernels and the algebra, however, only evaluating their rules decides it, since the moments that are needed of an
instruction depend on its later uses. So the rules are traced once: if the reading does not apply, the trace returns a
`Reason` along with the numbers; otherwise the same trace is compiled to compute the limit.
"""

from __future__ import annotations

import functools

import jax
import numpy as np

from ..errors import NoForwardLimitError
from ..execution.trace_signature import TraceSignature, trace_signature
from ..language.gradients.gia import check_program
from ..language.program import Program
from .forward.kernels import kernels_of, over_time, refusals
from .results import Plan


@functools.lru_cache(maxsize=512)
def forward_plan(signature: TraceSignature) -> Plan | NoForwardLimitError:
    """The plan for the forward kernels or, if they do not apply, the error to raise if they were requested."""
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
    """Raise `NoForwardLimitError` if the forward kernels do not give a program's limit without unrolling it."""
    found = forward_plan(trace_signature(program, program))
    if isinstance(found, NoForwardLimitError):
        raise found
    if found.written_out:
        raise NoForwardLimitError("Repeated layers of this architecture use vectors from outside; use infinite_ntk.")


def _layers_twice(program: Program) -> Program:
    """The program unrolled with two layers for each `Repeat`; if two layers are refused, so is any larger number."""
    twice = program.with_numbers(tuple(np.full(c.shape, 2, c.dtype) for c in program.constants), program.data)
    return twice.unrolled().with_numbers(program.constants, program.data)
