"""`infinite_ntk`: the limit NNGP and NTK of an architecture, by whichever reading applies."""

from __future__ import annotations

import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import HyperparameterError, InputError, NoForwardLimitError
from ..language.architecture import Architecture, check_architecture, check_data
from ..language.gia import check_program
from ..language.program import Program
from .examples import block_slices, examples_are_separate
from .forward import ForwardKernels, NeedsUnrolling, forward_kernels

Method = Literal["auto", "forward"]


class Kernels(NamedTuple):
    """The kernels of the infinitely wide network between two batches.

    - `nngp`: E[f(x) f(x̄)] at initialisation, `(|x1|, |x2|)`.
    - `ntk`: the limit neural tangent kernel, `(|x1|, |x2|)`.
    - `error`: an estimate of the absolute error of the entries of both.
    """

    nngp: np.ndarray
    ntk: np.ndarray
    error: float


def infinite_ntk(arch: Architecture, x1: Any, x2: Any = None, *, method: Method = "auto") -> Kernels:
    """The NNGP and the NTK in the limit of infinite width (Tensor Programs II, main theorem).

    **Arguments**

    - `arch`: an architecture.
    - `x1`, `x2`: two batches of inputs, batch first; `x2=None` means `x1` again. For an
      architecture with batch normalisation each is one input, and the kernels relate their rows.
    - `method`: `"forward"` carries the forward kernels and their tangents, which is right when the
      Simple GIA Check passes; `"auto"` chooses it there.

    **Returns** `Kernels(nngp, ntk, error)`, float64 NumPy arrays.

    Changing hyper-parameters of the same architecture compiles nothing new.

    Raises `InputError` for unusable data, `HyperparameterError` for an unusable hyper-parameter,
    `ProgramError` for a broken rule of the language, `NoForwardLimitError` when the method does
    not apply to the architecture.
    """
    check_architecture(arch)
    if method not in ("auto", "forward"):
        raise HyperparameterError(f"The method is {method!r}; it must be 'auto' or 'forward'.")
    data1 = check_data(x1, "x1")
    data2 = data1 if x2 is None else check_data(x2, "x2")
    if len(data1) != len(data2) or any(a.shape[1:] != b.shape[1:] for a, b in zip(data1, data2, strict=True)):
        raise InputError(
            f"x1 and x2 hold inputs of different shapes, {[d.shape[1:] for d in data1]} and "
            f"{[d.shape[1:] for d in data2]}; kernels compare inputs of one shape."
        )
    if not examples_are_separate(arch, data1):
        return _as_kernels(_whole(*_plan(arch, data1, data2)))
    programs = _plan(arch, tuple(d[:1] for d in data1), tuple(d[:1] for d in data2))
    return _as_kernels(_in_blocks(programs, data1, data2))


def _as_kernels(kernels: ForwardKernels) -> Kernels:
    nngp, ntk = np.asarray(kernels.nngp), np.asarray(kernels.ntk)
    scale = max(np.max(np.abs(nngp)), np.max(np.abs(ntk)))
    return Kernels(nngp, ntk, float(np.max(kernels.error) * scale))


# --- which program is read -----------------------------------------------------------------------


def _plan(arch: Architecture, data1: tuple[np.ndarray, ...], data2: tuple[np.ndarray, ...]) -> tuple[Program, Program]:
    """The two programs to read: with layers repeated where that is possible, else written out."""
    programs = arch.trace(data1), arch.trace(data2)
    if _must_unroll(*(p.with_numbers() for p in programs), *map(_shapes, programs)):
        return programs[0].unrolled(), programs[1].unrolled()
    return programs


def _shapes(program: Program) -> tuple[Any, ...]:
    """The numbers of a program as shapes and types: all that compilation depends on."""
    return tuple(
        tuple(jax.ShapeDtypeStruct(np.shape(leaf), np.asarray(leaf).dtype) for leaf in group)
        for group in (program.constants, program.data)
    )


@functools.lru_cache(maxsize=512)
def _must_unroll(structure: Program, structure_bar: Program, shapes: Any, shapes_bar: Any) -> bool:
    """Whether the structure has to be written out; refuses one the forward kernels cannot determine."""
    report = check_program(structure)
    if not report.passes:
        raise NoForwardLimitError(f"{report} The forward kernels do not give its NTK.")
    programs = structure.with_numbers(*shapes), structure_bar.with_numbers(*shapes_bar)
    if not structure.has_repeats:
        jax.eval_shape(forward_kernels, *programs)
        return False
    try:
        jax.eval_shape(forward_kernels, *programs)
    except (NeedsUnrolling, NoForwardLimitError):
        return True
    return False


# --- evaluation ----------------------------------------------------------------------------------

_whole = jax.jit(forward_kernels)


@jax.jit
def _pairs(program: Program, program_bar: Program) -> ForwardKernels:
    """All pairs of examples; what depends on one example is computed once for it, not for each pair."""

    def pair(data, data_bar):
        one = (p.with_data(*(d[None] for d in ds)) for p, ds in ((program, data), (program_bar, data_bar)))
        kernels = forward_kernels(*one)
        return ForwardKernels(kernels.nngp[0, 0], kernels.ntk[0, 0], kernels.error)

    rows = jax.vmap(jax.vmap(pair, in_axes=(None, 0)), in_axes=(0, None))
    return rows(program.data, program_bar.data)


def _in_blocks(programs: tuple[Program, Program], data1: tuple[Any, ...], data2: tuple[Any, ...]) -> ForwardKernels:
    """The kernels block by block, so that memory is set by the block and not by the whole."""
    side = _block_side(programs)
    size1, size2 = len(data1[0]), len(data2[0])
    nngp, ntk, error = np.empty((size1, size2)), np.empty((size1, size2)), 0.0
    for rows in block_slices(size1, side):
        for columns in block_slices(size2, side):
            block = _pairs(
                programs[0].with_data(*(d[rows] for d in data1)), programs[1].with_data(*(d[columns] for d in data2))
            )
            nngp[rows, columns], ntk[rows, columns] = block.nngp, block.ntk
            error = max(error, float(jnp.max(block.error)))
    return ForwardKernels(nngp, ntk, error)  # type: ignore[arg-type]


def _block_side(programs: tuple[Program, Program]) -> int:
    """Inputs to a side of a block: one example's largest kernel times side² stays near 2²² numbers."""
    largest = max(int(np.prod(i.shape)) for p in programs for i in p.instructions if i.kind == "vector")
    return max(1, int((2**22 / largest**2) ** 0.5))
