"""`kernel_fn`: the limit kernels as a function of JAX, of inputs and hyper-parameters.

The program is recorded once for all values of the hyper-parameters that JAX traces: they are its first constants
(`language/values.py`). The forward kernels then are a JAX function of these constants and of the data. JAX
differentiates it, with the rules of `gaussian/differentiable.py` for Gaussian expectations.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import HyperparameterError, InputError, NoForwardLimitError, StructuralHyperparameterError
from ..execution.memory_limit import bounded
from ..execution.ragged import Data
from ..execution.trace_signature import trace_signature
from ..language.architecture import Architecture, check_architecture, check_data
from ..language.program import Program
from ..language.values import Free
from .forward.kernels import KernelsOfTwo, kernels_of
from .infinite import Task
from .plan import forward_plan
from .results import KernelArrays


def kernel_fn(arch: Architecture) -> KernelFunction:
    """The limit kernels of an architecture as a function of JAX: `kernel(x1, x2=None, **hyper)`.

    ```python
    kernel = nv.kernel_fn(nv.architectures.mlp(depth=3, nonlinearity="erf"))
    x = np.random.default_rng(0).normal(size=(4, 5))
    print(kernel(x).ntk, kernel(x, x[:2], sigma_w=1.3, sigma_b=0.2).nngp)
    slopes = jax.grad(lambda sigma_w, x: kernel(x, sigma_w=sigma_w).ntk.sum(), argnums=(0, 1))(1.3, x)
    ```

    It can be used under `jax.jit`, `jax.vmap` and `jax.grad`, and computes in float64, to which inputs of lower
    precision are converted.

    **Hyper-parameters.** Those that are numbers in the program (σ_w, σ_b, ε, …) may be traced by JAX; the others
    (depth, nonlinearity, number of heads, …) decide the form of the program, and must be plain values. What is not
    given has the value that it has in `arch`. Ranges, such as σ ≥ 0, are checked only for plain values.

    **Derivatives** are exact up to rounding for closed forms, and as accurate as the integrals for others. They are
    finite also where two inputs coincide: if a kernel has a kink there, they are the mean of the derivatives from both
    sides. The NTK of a relu network contains |x1 − x2|, for example, to which this assigns the derivative 0. At an
    input that is exactly zero, kernels of relu networks without biases have a cone; derivatives there are finite, but
    those of deep networks have no meaning. What is not known is refused by name or, if only the numbers show it, NaN.

    Source: Tensor Programs II (arXiv:2006.14548), main theorem.

    Args:
        arch: An architecture whose limit is given by the forward kernels (`nv.explain` says so).

    Returns:
        The function. All pairs of inputs are computed at once, so its memory grows with their number; for thousands of
        inputs use `nv.gram`.

    Raises:
        HyperparameterError: `arch` is not an architecture.
    """
    return KernelFunction(check_architecture(arch))


@dataclasses.dataclass(frozen=True, eq=False)
class KernelFunction:
    """The limit kernels as a pure function of inputs and hyper-parameters, made by `nv.kernel_fn`.

    Attributes:
        arch: The architecture.
    """

    arch: Architecture

    def __call__(self, x1: Any, x2: Any = None, **hyper: Any) -> KernelArrays:
        """The kernels between two batches.

        Args:
            x1: A batch of inputs of one shape, batch first, or a tuple of such arrays; JAX may trace it.
            x2: Another batch; `None` means `x1` again.
            **hyper: Hyper-parameters of the architecture; JAX may trace those that are numbers.

        Returns:
            The kernels `(|x1|, |x2|)`, float64 arrays of JAX. They are NaN or infinite where `infinite_ntk` would raise
            `NotFiniteError`.

        Raises:
            InputError: The data cannot be used.
            HyperparameterError: A hyper-parameter is unknown or has an invalid value, or JAX is in 32-bit mode.
            StructuralHyperparameterError: A hyper-parameter that decides the form of the program is traced.
            NoForwardLimitError: The forward kernels do not give the limit of the architecture.
            NoGradientError: The result is differentiated, and the derivative is not known.
            NtkvizError: Whatever else `infinite_ntk` raises before it computes.
        """
        if jax.dtypes.canonicalize_dtype(float) != np.float64:
            raise HyperparameterError(
                "JAX is in 32-bit mode, and kernels are computed in float64; set jax_enable_x64 to True."
            )
        data1 = _arrays(x1, "x1")
        data2 = data1 if x2 is None else _arrays(x2, "x2")
        numbers = {name: _traced_number(name, value) for name, value in hyper.items() if _is_traced(value)}
        plain = {name: _as_plain(value) for name, value in hyper.items() if name not in numbers}
        arch = self.arch(**plain) if plain else self.arch
        with jax.ensure_compile_time_eval():  # the program is recorded now, whatever is being traced around it
            task, free = _recorded(arch, numbers, data1, data2)
            programs, kernels = _planned(task)
        return _evaluated(programs, kernels, task.separate, tuple(numbers[name] for name in free), data1, data2)

    def __repr__(self) -> str:
        return f"nv.kernel_fn({self.arch!r})"


# --- the arguments -----------------------------------------------------------------------------------------


def _is_traced(value: Any) -> bool:
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value))


def _as_plain(value: Any) -> Any:
    """A number of JAX as one of Python; other values unchanged."""
    return value.item() if isinstance(value, Array) and value.ndim == 0 else value


def _traced_number(name: str, value: Any) -> Array:
    if np.shape(value) != () or jnp.iscomplexobj(value):
        raise HyperparameterError(
            f"{name} has shape {np.shape(value)}; a traced hyper-parameter must be one real number."
        )
    return jnp.asarray(value, dtype=float)


def _arrays(x: Any, what: str) -> tuple[Any, ...]:
    """The inputs as float64 arrays with a common batch axis; their values are checked unless they are traced."""
    if not _is_traced(x):
        return check_data(x, what)
    entries = x if isinstance(x, tuple) else (x,)
    if any(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(entries)):
        raise InputError(f"{what} contains complex numbers; every number must be real.")
    try:
        arrays = tuple(jnp.asarray(entry, dtype=float) for entry in entries)
    except (TypeError, ValueError) as problem:
        raise InputError(f"{what} is not an array of numbers; give an array, batch first.") from problem
    for array in arrays:
        if array.ndim < 1 or array.size == 0:
            raise InputError(f"{what} has shape {array.shape}; it needs a batch axis and at least one entry.")
    if len({len(array) for array in arrays}) > 1:
        raise InputError(f"The parts of {what} have different batch sizes {[len(a) for a in arrays]}.")
    return arrays


# --- the program -------------------------------------------------------------------------------------------


def _recorded(
    arch: Architecture, numbers: Mapping[str, Array], data1: Data, data2: Data
) -> tuple[Task, tuple[str, ...]]:
    """The programs for inputs of these shapes, and the free hyper-parameters in the order of their constants."""
    first = _placeholders(data1)
    second = first if data2 is data1 else _placeholders(data2)
    if not numbers:
        return Task.of(arch, first, second), ()
    opened = _opened(arch, numbers)
    free = tuple(name for name, value in opened.hyper if isinstance(value, Free))
    try:
        return Task.of(opened, first, second), free
    except Exception as problem:  # an author's code may fail in any way on a number that it does not know
        Task.of(arch, first, second)  # raises what is wrong whether or not JAX traces
        raise _structural(arch, free, first, second) from problem


def _opened(arch: Architecture, names: Iterable[str]) -> Architecture:
    """The architecture with free numbers in place of some hyper-parameters."""
    free: dict[str, Any] = {name: Free(k) for k, name in enumerate(names)}
    return arch(**free)


def _structural(arch: Architecture, free: tuple[str, ...], first: Data, second: Data) -> StructuralHyperparameterError:
    """The error that names the hyper-parameters that cannot be traced."""

    def fails(name: str) -> bool:
        try:
            Task.of(_opened(arch, [name]), first, second)
        except Exception:
            return True
        return False

    names = [name for name in free if fails(name)] or list(free)
    return StructuralHyperparameterError(
        f"{' and '.join(names)} of {arch.fn.__name__} cannot be traced by JAX: a traced number may enter a program "
        "only by arithmetic and nv.sqrt, and may not decide its form; give a plain value, or make it static in jax.jit."
    )


def _placeholders(data: Data) -> Data:
    """Zeros of the shapes of the data, since programs depend on nothing else; they take no memory."""
    return tuple(np.broadcast_to(0.0, array.shape) for array in data)


def _planned(task: Task) -> tuple[tuple[Program, Program], KernelsOfTwo]:
    """The programs to evaluate, and the forward kernels that do it."""
    plan = forward_plan(task.signature)
    if isinstance(plan, NoForwardLimitError):
        why = str(plan).removesuffix("; use method='general'.").rstrip(".")
        raise NoForwardLimitError(
            f"nv.kernel_fn needs the forward kernels: {why}. For its values, use nv.infinite_ntk."
        )
    if not plan.written_out:
        return (task.first, task.second), kernels_of(task.signature)
    programs = task.first.unrolled(), task.second.unrolled()
    return programs, kernels_of(trace_signature(*programs))


# --- evaluation --------------------------------------------------------------------------------------------


def _evaluated(
    programs: tuple[Program, Program],
    kernels: KernelsOfTwo,
    separate: bool,
    numbers: tuple[Array, ...],
    data1: Data,
    data2: Data,
) -> KernelArrays:
    constants = [(*numbers, *program.constants[len(numbers) :]) for program in programs]
    counts = tuple(tuple((k, int(c)) for k, c in enumerate(one) if _is_count(c)) for one in constants)
    others = [tuple(c for c in one if not _is_count(c)) for one in constants]
    compute = _computation((programs[0].structure, programs[1].structure), kernels, separate, counts)
    return KernelArrays(*compute(*others, data1, data2))


def _is_count(constant: Any) -> bool:
    """Whether a constant is the number of layers of a `Repeat`.

    It stays a plain number, since JAX cannot differentiate backwards through a loop of unknown length.
    """
    return isinstance(constant, np.ndarray) and constant.dtype.kind == "i"


Counts = tuple[tuple[int, int], ...]
"""The indices and values of the constants of a program that are numbers of layers."""


@functools.lru_cache(maxsize=512)
def _computation(
    structures: tuple[Program, Program], kernels: KernelsOfTwo, separate: bool, counts: tuple[Counts, Counts]
) -> Callable[..., tuple[Array, Array]]:
    """The kernels as a function of the numbers of two programs; other numbers of the same shapes do not recompile."""
    of_programs: Callable[[Program, Program], Any] = kernels.__wrapped__  # type: ignore[attr-defined]

    @bounded
    def compute(others: Data, others_bar: Data, data: Data, data_bar: Data) -> tuple[Array, Array]:
        constants = [_merged(*parts) for parts in zip(counts, (others, others_bar), strict=True)]

        def between(example: Data, example_bar: Data) -> tuple[Array, Array]:
            one = structures[0].with_numbers(constants[0], example)
            found = of_programs(one, structures[1].with_numbers(constants[1], example_bar))
            return found.nngp, found.ntk

        def of_pair(example: Data, example_bar: Data) -> tuple[Array, Array]:
            nngp, ntk = between(*(tuple(d[None] for d in one) for one in (example, example_bar)))
            return nngp[0, 0], ntk[0, 0]

        if not separate:
            return between(data, data_bar)
        found: tuple[Array, Array] = jax.vmap(jax.vmap(of_pair, (None, 0)), (0, None))(data, data_bar)
        return found

    return compute


def _merged(counts: Counts, others: Data) -> tuple[Any, ...]:
    """The constants of a program in order."""
    known, rest = dict(counts), iter(others)
    return tuple(np.asarray(known[k]) if k in known else next(rest) for k in range(len(counts) + len(others)))
