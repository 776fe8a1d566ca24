"""The memory limit: the memory that a computation needs is estimated before it starts; one beyond it is refused."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar, overload
from weakref import WeakSet

import jax
import numpy as np
from jax.extend.core import Jaxpr

from .. import machine
from ..errors import HyperparameterError, TooLargeError
from ..language.program import register_with_jax
from .cost import Cost, readable_bytes
from .traced_cost import compiling, cost_of, memory_of

register_with_jax()  # for programs that another process pickled

LIMIT = "NTKVIZ_MEMORY_GB"
"""The environment variable with the memory limit of a computation, in GB; without it, all free memory may be used."""

P = ParamSpec("P")
R = TypeVar("R")

_found: ContextVar[dict[Jaxpr, Cost] | None] = ContextVar("costs found so far, when a computation is only estimated")
_compiled: WeakSet[Jaxpr] = WeakSet()


@overload
def bounded(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def bounded(
    *, compiler_options: dict[str, Any] | None = None, **options: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def bounded(
    function: Callable[..., Any] | None = None, /, *, compiler_options: dict[str, Any] | None = None, **options: Any
) -> Any:
    """`jax.jit`, with its options, for computations that may be large.

    The compiled function raises `TooLargeError`, before it runs, if a call needs more memory than `free_memory()`.
    """
    if function is None:
        return functools.partial(bounded, compiler_options=compiler_options, **options)
    within = jax.jit(function, **options)

    @functools.cache
    def alone() -> Any:
        return jax.jit(function, compiler_options=quicker_code() | known(compiler_options or {}), **options)

    needed: dict[Any, float] = {}  # bytes, by structure and shapes of the arguments

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = jax.tree.flatten((args, kwargs))
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return within(*args, **kwargs)  # part of another computation, which is bounded as a whole
        compiled = alone()
        kind = structure, tuple((np.shape(leaf), getattr(leaf, "dtype", leaf)) for leaf in leaves)
        if kind in needed and _found.get(None) is None:
            check_fits(needed[kind])
            return compiled(*args, **kwargs)
        traced = compiled.trace(*args, **kwargs)
        jaxpr, found = traced.jaxpr.jaxpr, _found.get(None)
        if found is not None:
            cost = cost_of(jaxpr)
            new = jaxpr not in found and jaxpr not in _compiled
            found[jaxpr] = found.get(jaxpr, Cost()).then(cost).then(compiling(jaxpr) if new else Cost())
            return jax.tree.map(lambda out: jax.device_put(np.ones(out.shape, out.dtype)), traced.out_info)
        needed[kind] = memory_of(jaxpr)
        check_fits(needed[kind])
        _compiled.add(jaxpr)
        return compiled(*args, **kwargs)

    return call


@functools.cache
def quicker_code() -> dict[str, Any]:
    """Compiler options that shorten compilation on a CPU, most of which is spent in LLVM.

    - Of XLA's two loop emitters, the older one compiles in two thirds of the time and with less memory; its code is as
      fast.
    - The code is split into as many LLVM modules as there are CPUs: each further module costs some milliseconds.

    Empty on other devices, and if XLA no longer has these options.
    """
    if jax.default_backend() != "cpu":
        return {}
    return known({"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": machine.cores()})


LESS_MEMORY = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
"""Compiler options for few operations on long vectors: XLA schedules them for low memory, which takes a fifth less,
instead of for concurrency."""


def known(options: dict[str, Any]) -> dict[str, Any]:
    """The options, or none of them if this version of XLA does not have all of them."""
    return options if jax.__version_info__[:2] == _HAS_ALL or _is_known(options) else {}


_HAS_ALL = 0, 10
"""A version of JAX that is known to have all options used in this package; for others, a trial compilation tells."""


def _is_known(options: dict[str, Any]) -> bool:
    try:
        jax.jit(lambda: 0.0, compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def cost(calculation: Callable[..., Any], *args: Any, **kwargs: Any) -> Cost:
    """Estimate the cost of a computation without running it: `nv.cost(nv.empirical_ntk, arch, x, width=4096, key=0)`.

    The estimate is within a factor of 3 where matrix products or closed forms dominate. Loops of unknown length, as in
    the integrals of batch normalisation, count once: there the time is a lower bound. Compilation counts if this
    process has not compiled the computation yet. If it dominates, ``less if done before`` is added when printed, since
    an earlier process may have cached the compiled code.

    Args:
        calculation: A reading, such as `nv.empirical_ntk`.
        *args: Its arguments.
        **kwargs: Its keyword arguments.

    Returns:
        Memory in bytes, run time and compilation time in seconds on this machine; printed as ``about 3 GB and 40 s``.

    Raises:
        NtkvizError: Whatever the computation itself raises, except `TooLargeError`.
    """
    found: dict[Jaxpr, Cost] = {}
    token = _found.set(found)
    try:
        with np.errstate(all="ignore"):  # numbers are replaced by placeholders
            calculation(*args, **kwargs)
    finally:
        _found.reset(token)
    return functools.reduce(Cost.then, found.values(), Cost())


def check_fits(memory: float) -> None:
    """Raise `TooLargeError` if a computation of this many bytes does not fit into the free memory."""
    if memory > _SMALL and memory > (free := free_memory()):
        raise TooLargeError(
            f"This needs about {readable_bytes(memory)} of memory, but only {readable_bytes(free)} are free; "
            "make the width, the batch or the inputs smaller."
        )


_SMALL = 2**26  # bytes that are assumed to be free, so that a slider's computations need not query the machine


def free_memory() -> float:
    """Bytes that a computation may take: the free memory of the machine or its container, or `NTKVIZ_MEMORY_GB`."""
    free, limit = machine.memory_available(), os.environ.get(LIMIT)
    if limit is None:
        return free
    try:
        return min(free, 1e9 * float(limit))
    except ValueError as problem:
        raise HyperparameterError(f"{LIMIT} is {limit!r}; it must be a number of GB, such as 2.") from problem
