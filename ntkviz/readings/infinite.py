"""`infinite_ntk`: the limit NNGP and NTK of an architecture, by whichever reading applies."""

from __future__ import annotations

import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import HyperparameterError, NoForwardLimitError
from ..language.architecture import Architecture, check_architecture
from ..language.gia import check_program
from ..language.program import Program
from .examples import block_slices, examples_are_separate
from .forward import ForwardKernels, NeedsUnrolling, forward_kernels
from .general import general_kernels
from .ragged import Data, between_groups, check_one_network_reads, group_by_shape, joined

Method = Literal["auto", "forward", "general"]


class Kernels(NamedTuple):
    """The kernels of the infinitely wide network between two batches.

    - `nngp`: E[f(x) f(x̄)] at initialisation, `(|x1|, |x2|)`.
    - `ntk`: the limit neural tangent kernel, `(|x1|, |x2|)`.
    - `error`: an estimate of the absolute error of the entries of both.
    """

    nngp: np.ndarray
    ntk: np.ndarray
    error: float


def infinite_ntk(
    arch: Architecture, x1: Any, x2: Any = None, *, method: Method = "auto", assume_gia: bool = False
) -> Kernels:
    """The NNGP and the NTK in the limit of infinite width (Tensor Programs II, main theorem).

    **Arguments**

    - `arch`: an architecture.
    - `x1`, `x2`: two batches of inputs, batch first; `x2=None` means `x1` again. Inputs of
      different shapes (sequences of different lengths) come as a list. For an architecture with
      batch normalisation each batch is one input, and the kernels relate their rows.
    - `method`: `"forward"` carries the forward kernels and their tangents, which is right when the
      Simple GIA Check passes; `"general"` follows the backward pass too (Tensor Programs III) and is
      always right; `"auto"` takes the first where it applies.
    - `assume_gia`: give the answer of the gradient independence assumption instead, where the
      backward pass uses independent copies of the matrices: right if the check passes, else wrong.

    **Returns** `Kernels(nngp, ntk, error)`, float64 NumPy arrays. An output that fails the check is
    read at scale 1/n: there `nngp` is the product of its deterministic limits, and `ntk` the limit
    of n·⟨∇f, ∇f̄⟩. Where expectations had to be sampled, `error` is the largest standard error.

    Changing hyper-parameters of the same architecture compiles nothing new.

    Raises `InputError` for unusable data, `HyperparameterError` for an unusable hyper-parameter,
    `ProgramError` for a broken rule of the language, `NoForwardLimitError` when the method
    `"forward"` does not apply to the architecture.
    """
    check_architecture(arch)
    if method not in ("auto", "forward", "general"):
        raise HyperparameterError(f"The method is {method!r}; it must be 'auto', 'forward' or 'general'.")
    if method == "forward" and assume_gia:
        raise HyperparameterError("The forward method has no backward pass; assume_gia goes with 'auto' or 'general'.")
    groups1 = group_by_shape(x1, "x1")
    groups2 = groups1 if x2 is None else group_by_shape(x2, "x2")
    blocks = between_groups(
        groups1, groups2, lambda one, other: _between(arch, one, other, method, assume_gia), _transposed
    )
    nngp, ntk = (
        joined([[getattr(k, part) for k in row] for row in blocks], groups1, groups2) for part in ("nngp", "ntk")
    )
    return Kernels(np.asarray(nngp), np.asarray(ntk), max(k.error for row in blocks for k in row))


def _between(arch: Architecture, data1: Data, data2: Data, method: Method, assume_gia: bool) -> Kernels:
    """The kernels between inputs of one shape each."""
    check_one_network_reads(arch, data1, data2)
    separate = examples_are_separate(arch, data1)
    if method == "general" or assume_gia:
        return _as_kernels(_general(arch, data1, data2, separate, assume_gia))
    programs = _traced(arch, data1, data2, separate)
    verdict = _verdict(*(p.with_numbers() for p in programs), *map(_shapes, programs))
    if isinstance(verdict, NoForwardLimitError):
        if method == "forward":
            raise verdict
        return _as_kernels(_general(arch, data1, data2, separate, assume_gia))
    if verdict == "written out":
        programs = programs[0].unrolled(), programs[1].unrolled()
    return _as_kernels(_in_blocks(programs, data1, data2) if separate else _whole(*programs))


def _traced(arch: Architecture, data1: Data, data2: Data, separate: bool) -> tuple[Program, Program]:
    """The programs of the two batches; of one example of each where examples are separate."""
    if separate:
        data1, data2 = (tuple(d[:1] for d in data) for data in (data1, data2))
    return arch.trace(data1), arch.trace(data2)


def _transposed(kernels: Kernels) -> Kernels:
    return Kernels(kernels.nngp.T, kernels.ntk.T, kernels.error)


def _as_kernels(kernels: ForwardKernels) -> Kernels:
    nngp, ntk = np.asarray(kernels.nngp), np.asarray(kernels.ntk)
    scale = max(np.max(np.abs(nngp)), np.max(np.abs(ntk)))
    return Kernels(nngp, ntk, float(np.max(kernels.error) * scale))


# --- whether the forward kernels do, and for which form of the program ---------------------------


def check_forward(program: Program) -> None:
    """Refuse a program whose limit the forward kernels do not give as it is written."""
    verdict = _verdict(program.with_numbers(), program.with_numbers(), _shapes(program), _shapes(program))
    if isinstance(verdict, NoForwardLimitError):
        raise verdict
    if verdict == "written out":
        raise NoForwardLimitError("Repeated layers of this architecture use vectors from outside; use infinite_ntk.")


def _shapes(program: Program) -> tuple[Any, ...]:
    """The numbers of a program as shapes and types: all that compilation depends on."""
    return tuple(
        tuple(jax.ShapeDtypeStruct(np.shape(leaf), np.asarray(leaf).dtype) for leaf in group)
        for group in (program.constants, program.data)
    )


@functools.lru_cache(maxsize=512)
def _verdict(
    structure: Program, structure_bar: Program, shapes: Any, shapes_bar: Any
) -> Literal["as it is", "written out"] | NoForwardLimitError:
    """Whether the forward kernels give the limit, with repeats as they are or written out, or why not."""
    report = check_program(structure)
    if not report.passes:
        return NoForwardLimitError(f"{report} The forward kernels do not give its NTK; use method='general'.")
    try:
        _try_forward(structure.with_numbers(*shapes), structure_bar.with_numbers(*shapes_bar))
        return "as it is"
    except NoForwardLimitError as problem:
        if not structure.has_repeats:
            return problem
    except NeedsUnrolling:
        pass
    try:
        _try_forward(*(_layers_twice(*p) for p in ((structure, shapes), (structure_bar, shapes_bar))))
        return "written out"
    except NoForwardLimitError as problem:
        return problem


def _try_forward(program: Program, program_bar: Program) -> None:
    jax.eval_shape(forward_kernels, program, program_bar)


def _layers_twice(structure: Program, shapes: Any) -> Program:
    """The program written out with every repeated block twice: what two layers refuse, more will."""
    constants, data = shapes
    twice = structure.with_numbers(tuple(np.full(c.shape, 2, c.dtype) for c in constants), data).unrolled()
    return twice.with_numbers(constants, data)


# --- the general reading -----------------------------------------------------------------------------


def _general(arch: Architecture, data1: Data, data2: Data, separate: bool, assume_gia: bool) -> ForwardKernels:
    programs = (p.unrolled() for p in _traced(arch, data1, data2, separate))
    first, second = (p.with_data(*_stacked(d, separate)) for p, d in zip(programs, (data1, data2), strict=True))
    # One batch with itself is one stack of runs, not two that happen to be equal.
    return general_kernels(first, first if data1 is data2 else second, assume_gia=assume_gia)


def _stacked(data: Data, separate: bool) -> Data:
    """Data with a leading stack axis: of examples, each a batch of one, or of one whole batch."""
    return tuple(d[:, None] if separate else d[None] for d in data)


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
    symmetric = data1 is data2
    for rows in block_slices(size1, side):
        for columns in block_slices(size2, side):
            if symmetric and columns.start < rows.start:
                nngp[rows, columns], ntk[rows, columns] = nngp[columns, rows].T, ntk[columns, rows].T
                continue
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
