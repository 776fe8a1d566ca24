"""`infinite_ntk`: the limit NNGP and NTK of an architecture, by whichever reading applies."""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from .. import machine
from ..calculus.general import beyond_algebra, exact_error_kind, general_kernels
from ..calculus.limit_kernels import LimitKernels
from ..errors import HyperparameterError, phrase
from ..execution.examples import Piece, check_in_groups, equal_pieces, traced
from ..execution.finiteness import check_batches, check_finite
from ..execution.memory_limit import bounded
from ..execution.ragged import Data, between_groups, group_by_shape, joined
from ..execution.trace_signature import TraceSignature, trace_signature
from ..execution.traced_cost import largest_written
from ..gaussian.error import Error
from ..gaussian.error_kind import AbsoluteError, weaker
from ..language.architecture import Architecture, check_architecture, check_data, one_of, truth
from ..language.program import Program
from ..language.rewriting.several import split_functions
from ..language.rewriting.shorthand import in_full
from ..networks.parameters import check_same_network
from .forward.kernels import KernelsOfTwo, kernels_of, layer_by_layer, over_time, pair_by_pair
from .plan import forward_plan
from .results import Kernels, Plan

Method = Literal["auto", "forward", "general"]


def infinite_ntk(
    arch: Architecture, x1: Any, x2: Any = None, *, method: Method = "auto", assume_gia: bool = False
) -> Kernels:
    """The NNGP and the NTK in the limit of infinite width.

    Changing hyper-parameters of the same architecture does not recompile.

    Source: Tensor Programs II, main theorem (arXiv:2006.14548), for the method `"forward"`; Tensor Programs III
    (arXiv:2009.10685), the Master Theorem, for `"general"`.

    Args:
        arch: An architecture.
        x1: A batch of inputs, an array with the batch axis first, or a list of inputs, whose shapes may differ (such as
            sequences of different lengths). If the program mixes the examples of a batch (batch normalisation, the
            nodes of one graph, code that uses their number), each batch is treated as one input, and the kernels are
            those between its rows.
        x2: Another batch; `None` means `x1` again.
        method: `"forward"` computes the forward kernels and their tangents, which is correct if the Simple GIA Check
            passes; `"general"` follows the backward pass too and is always correct; `"auto"` uses the former where it
            applies.
        assume_gia: `True` gives the result under the gradient independence assumption, in which the backward pass uses
            independent copies of the matrices: correct if the check passes, possibly wrong otherwise.

    Returns:
        Kernels `(|x1|, |x2|)`, float64 NumPy arrays. An output that fails the check is read at scale 1/n: `nngp` is
        then the product of its deterministic limits, and `ntk` the limit of n·⟨∇f, ∇f̄⟩. If expectations had to be
        sampled, `error` is the largest standard error.

    Raises:
        InputError: The data cannot be used.
        HyperparameterError: A hyper-parameter or an option has an invalid value.
        ProgramError: A rule of the language is broken.
        NoForwardLimitError: The method `"forward"` does not apply to the architecture.
        NotFiniteError: The limit is infinite, as with batch normalisation of fewer than four rows, or NaN.
        NotIntegrableError: A nonlinearity has a jump, or expectations that cannot be bounded.
        TooLargeError: The computation would need more memory than is free.
    """
    check_architecture(arch)
    one_of(method, "The method", ("auto", "forward", "general"))
    if truth(assume_gia, "assume_gia") and method == "forward":
        raise HyperparameterError("The forward method has no backward pass; use assume_gia with 'auto' or 'general'.")
    groups1 = group_by_shape(x1, "x1")
    groups2 = groups1 if x2 is None else group_by_shape(x2, "x2")
    check_in_groups(arch, groups1, "x1")
    check_in_groups(arch, groups2, "x2")
    blocks = between_groups(
        groups1, groups2, lambda one, other: _between(arch, one, other, method, assume_gia), _transposed
    )
    nngp, ntk = (
        joined([[getattr(k, part) for k in row] for row in blocks], groups1, groups2) for part in ("nngp", "ntk")
    )
    error = AbsoluteError.largest(k.error for row in blocks for k in row)
    check_finite(nngp, phrase("The limit NNGP"))
    check_finite(ntk, phrase("The limit NTK"))
    check_finite(error, phrase("The error of the limit"))
    return Kernels(np.asarray(nngp), np.asarray(ntk), error)


def _between(arch: Architecture, data1: Data, data2: Data, method: Method, assume_gia: bool) -> Kernels:
    """The kernels of two batches, each of inputs of one shape."""
    task = Task.of(arch, data1, data2)
    plan = _plan(task, method, assume_gia)
    if plan.reading in ("symbolic Z", "sampled Z"):
        return _as_kernels(general_kernels(*task.stacks(), assume_gia=assume_gia, exact=plan.reading == "symbolic Z"))
    programs, signature = (task.first, task.second), task.signature
    if plan.written_out:
        programs = task.first.unrolled(), task.second.unrolled()
        signature = trace_signature(*programs)
    return _as_kernels(
        _in_blocks(programs, signature, data1, data2) if task.separate else _whole[kernels_of(signature)](*programs)
    )


def explain(arch: Architecture, x: Any, *, assume_gia: bool = False) -> Plan:
    """How `nv.infinite_ntk(arch, x)` computes the limit, and why: `print(nv.explain(arch, x))`.

    Args:
        arch: An architecture.
        x: A batch of inputs of one shape.
        assume_gia: As for `infinite_ntk`.

    Returns:
        The reading that is used, the reasons why no better one is, and the meaning of the error of the result. No
        kernel is computed.

    Raises:
        NtkvizError: Whatever `infinite_ntk` raises before it computes.
    """
    data = check_data(x)
    found = _plan(Task.of(check_architecture(arch), data, data), "auto", truth(assume_gia, "assume_gia"))
    return dataclasses.replace(found, split=split_functions(traced(arch, data, data)[0]))


@dataclasses.dataclass(frozen=True)
class Task:
    """Two batches, each of inputs of one shape, and their programs; of one example if examples are `separate`."""

    data: tuple[Data, Data]
    separate: bool
    first: Program
    second: Program

    @classmethod
    def of(cls, arch: Architecture, data1: Data, data2: Data) -> Task:
        first, second, separate = traced(arch, data1, data2)
        check_same_network(arch, first, second)
        programs = (full := in_full(first)), full if second is first else in_full(second)
        for program in programs:
            check_batches(program)
        return cls((data1, data2), separate, *programs)

    @functools.cached_property
    def signature(self) -> TraceSignature:
        """The trace signature of the two programs."""
        return trace_signature(self.first, self.second)

    def stacks(self) -> tuple[Program, Program]:
        """The unrolled programs, each for a stack of data: all examples as batches of one, or a single batch."""
        first = self.first.unrolled().with_data(*_stacked(self.data[0], self.separate))
        if self.data[0] is self.data[1]:  # the same stack of runs, so the same object
            return first, first
        return first, self.second.unrolled().with_data(*_stacked(self.data[1], self.separate))


def _stacked(data: Data, separate: bool) -> Data:
    return tuple(d[:, None] if separate else d[None] for d in data)


def _plan(task: Task, method: Method, assume_gia: bool) -> Plan:
    """The plan for the kernels; raises `NoForwardLimitError` if `method` is "forward" and does not apply."""
    reasons: tuple[str, ...] = ("Only the Z calculus evaluates gradients with independent matrices.",)
    if not assume_gia:
        reasons = ("The method 'general' was requested.",)
    if method != "general" and not assume_gia:
        found = forward_plan(task.signature)
        if isinstance(found, Plan):
            return found
        if method == "forward":
            raise found
        reasons = (str(found),)
    beyond = beyond_algebra(*task.stacks(), assume_gia)
    if not beyond:
        return Plan("symbolic Z", exact_error_kind(*task.stacks(), assume_gia), reasons)
    return Plan("sampled Z", "standard error", (*reasons, f"Exact algebra does not cover {beyond[0].text}."))


def _transposed(kernels: Kernels) -> Kernels:
    return Kernels(kernels.nngp.T, kernels.ntk.T, kernels.error)


def _as_kernels(kernels: LimitKernels) -> Kernels:
    nngp, ntk = np.asarray(kernels.nngp), np.asarray(kernels.ntk)
    scale = max(max(kernel.max(), -kernel.min()) for kernel in (nngp, ntk))  # np.abs would copy them
    return Kernels(nngp, ntk, AbsoluteError(np.max(kernels.error.value) * scale, kernels.error.kind))


# --- evaluation ----------------------------------------------------------------------------------

_whole: dict[KernelsOfTwo, Callable[..., LimitKernels]] = {
    kernels: bounded(kernels) for kernels in (pair_by_pair, over_time, layer_by_layer)
}


@functools.lru_cache(maxsize=512)
def _pairs(structures: tuple[Program, Program], kernels_of_two: KernelsOfTwo) -> Callable[..., LimitKernels]:
    """A function for all pairs of examples; values that depend on one example are computed once for it, not per pair.

    It takes only numbers, so the programs are not traced again between the blocks of one kernel.
    """
    structure, structure_bar = structures

    @bounded(compiler_options={"xla_cpu_prefer_vector_width": 512})
    def pairs(constants: Data, constants_bar: Data, data: Data, data_bar: Data) -> LimitKernels:
        if len(data[0]) == len(data_bar[0]) == 1:  # already traced, for the plan
            programs = structure.with_numbers(constants, data), structure_bar.with_numbers(constants_bar, data_bar)
            return kernels_of_two(*programs)

        def pair(example: Data, example_bar: Data) -> LimitKernels:
            one = structure.with_numbers(constants, tuple(d[None] for d in example))
            other = structure_bar.with_numbers(constants_bar, tuple(d[None] for d in example_bar))
            kernels = kernels_of_two(one, other)
            return LimitKernels(kernels.nngp[0, 0], kernels.ntk[0, 0], kernels.error)

        kernels: LimitKernels = jax.vmap(jax.vmap(pair, in_axes=(None, 0)), in_axes=(0, None))(data, data_bar)
        return dataclasses.replace(kernels, error=kernels.error.largest())

    return pairs


def _in_blocks(programs: tuple[Program, Program], signature: TraceSignature, data1: Data, data2: Data) -> LimitKernels:
    """The kernels block by block, on one thread per core, so that memory depends on the size of a block."""
    _expect_large_arrays()
    most = _block_side(signature)
    symmetric = data1 is data2  # then the blocks below the diagonal are mirror images
    rows = _pieces(data1, most)
    columns = rows if symmetric else _pieces(data2, most)
    nngp, ntk = (np.empty((len(data1[0]), len(data2[0]))) for _ in range(2))
    pairs = _pairs(signature.structures, kernels_of(signature))
    constants = tuple(p.constants for p in programs)

    def calculated(row: _Side, column: _Side) -> LimitKernels:
        return pairs(*constants, row.data, column.data)

    def put(row: _Side, column: _Side, block: LimitKernels) -> Error:
        for kernel, part in ((nngp, block.nngp), (ntk, block.ntk)):
            new = np.asarray(part)[row.piece.known :, column.piece.known :]
            kernel[row.piece.new, column.piece.new] = new
            if symmetric and row is not column:
                kernel[column.piece.new, row.piece.new] = new.T
        return block.error

    blocks = [(row, column) for i, row in enumerate(rows) for column in (columns[i:] if symmetric else columns)]
    first, *others = blocks
    begun = calculated(*first)  # compiled before the threads start; it then runs asynchronously
    tasks = [_in_thread(lambda row, column: put(row, column, calculated(row, column)), *block) for block in others]
    errors = [put(*first, begun), *(task.result() for task in tasks)]
    return LimitKernels(nngp, ntk, Error(max(float(e.value) for e in errors), weaker(*(e.kind for e in errors))))


@functools.cache
def _expect_large_arrays() -> None:
    """Make malloc keep the memory of one kernel for the next.

    glibc returns freed memory to the OS, which must zero it on reallocation; this takes a fifth of the time of a kernel
    of 500 inputs. The threshold above which it does so adapts to the largest array freed so far, up to 32 MB, but
    blocks are small. So a large array is allocated and freed here; it is never written to, so none of its pages is
    zeroed.
    """
    np.empty(2**21)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(machine.cores(), thread_name_prefix="ntkviz")


def _in_thread(calculation: Callable[..., Error], *args: Any) -> Future[Error]:
    return _threads().submit(contextvars.copy_context().run, calculation, *args)


class _Side(NamedTuple):
    """The inputs of some consecutive rows (or columns) of a kernel."""

    piece: Piece
    data: Data


def _pieces(data: Data, most: int) -> list[_Side]:
    return [
        _Side(piece, jax.device_put(tuple(d[piece.examples] for d in data)))
        for piece in equal_pieces(len(data[0]), most)
    ]


def _block_side(signature: TraceSignature) -> int:
    """Inputs per side of a block, chosen so that its arrays fit into the cache or, on a GPU, occupy the whole device.

    If only a few pairs fit, one pair at a time is as fast, and compiles in half the time. A pair counts as at least 4
    numbers, since more than 256 inputs per side gain nothing.
    """
    numbers = _largest_array(signature)
    most = 2**18 if jax.default_backend() == "cpu" else 2**24
    side = math.isqrt(most // max(numbers, 4))
    return side if side > 2 else 1


@functools.lru_cache(maxsize=512)
def _largest_array(signature: TraceSignature) -> int:
    """The size of the largest array in the computation of one pair of inputs, in numbers."""
    return largest_written(kernels_of(signature).trace(*signature.programs()).jaxpr.jaxpr)
