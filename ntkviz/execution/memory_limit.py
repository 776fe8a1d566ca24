"""Calculations that say what they need before they start, and are refused if that is more memory than there is."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import jax
import numpy as np
from jax.extend.core import Jaxpr

from .. import machine
from ..errors import HyperparameterError, TooLargeError
from .cost import Cost, compiling, cost_of, memory_of, readable_bytes

LIMIT = "NTKVIZ_MEMORY_GB"
"""The environment variable with the most memory one calculation may take, in GB; without it, all that is free."""

_found: ContextVar[dict[Jaxpr, Cost] | None] = ContextVar("costs found so far, when a calculation is only estimated")
_compiled: WeakSet[Jaxpr] = WeakSet()


def bounded(
    function: Callable[..., Any] | None = None, *, compiler_options: dict[str, Any] | None = None, **options: Any
) -> Any:
    """`jax.jit`, with its options, of what may grow large: it is refused before it starts if it would not fit.

    The result raises `TooLargeError` if a call needs more memory than `free_memory()`.
    """
    if function is None:
        return functools.partial(bounded, compiler_options=compiler_options, **options)
    within = jax.jit(function, **options)

    @functools.cache
    def alone() -> Any:
        return jax.jit(function, compiler_options=quicker_code() | (compiler_options or {}), **options)

    needed: dict[Any, float] = {}  # bytes, of arguments of each structure and shapes

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = jax.tree.flatten((args, kwargs))
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return within(*args, **kwargs)  # a part of another calculation, which is bounded itself
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
            return jax.tree.map(lambda out: np.ones(out.shape, out.dtype), traced.out_info)
        needed[kind] = memory_of(jaxpr)
        check_fits(needed[kind])
        _compiled.add(jaxpr)
        return compiled(*args, **kwargs)

    return call


@functools.cache
def quicker_code() -> dict[str, Any]:
    """Compiler options for a CPU, where XLA spends most of its time in LLVM.

    - Of XLA's two ways to write loops the older one compiles in two thirds of the time. What it writes is as fast, and
      needs less memory to compile.
    - LLVM is given as many modules as there are processors to work on them: each more costs some milliseconds.

    Nothing where XLA no longer has them.
    """
    if jax.default_backend() != "cpu":
        return {}
    options = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": machine.cores()}
    return options if jax.__version_info__[:2] == _HAS_BOTH or _is_known(options) else {}


_HAS_BOTH = 0, 10
"""The version of JAX that need not be asked for the options of `quicker_code`, which takes a compilation."""


def _is_known(options: dict[str, Any]) -> bool:
    try:
        jax.jit(lambda: 0.0, compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def cost(calculation: Callable[..., Any], *args: Any, **kwargs: Any) -> Cost:
    """What a reading would need, found without doing it: `nv.cost(nv.empirical_ntk, arch, x, width=4096, key=0)`.

    The estimate is good to a factor of 3 where matrix products or closed forms take the time. Loops of unknown
    length, as in the integrals of batch normalisation, count once: there the time is a lower bound. Compiling counts
    for what this process has not compiled yet; where it is most of the time, the words add ``less if done before``,
    for it takes less if an earlier process kept what it compiled.

    Args:
        calculation: A function of `ntkviz` that calculates.
        *args: Its arguments.
        **kwargs: Its keyword arguments.

    Returns:
        Memory in bytes, seconds on this machine and those of compiling; printed, ``about 3 GB and 40 s``.

    Raises:
        NtkvizError: Whatever the calculation itself raises, but no `TooLargeError`.
    """
    found: dict[Jaxpr, Cost] = {}
    token = _found.set(found)
    try:
        with np.errstate(all="ignore"):  # numbers are stood in for
            calculation(*args, **kwargs)
    finally:
        _found.reset(token)
    return functools.reduce(Cost.then, found.values(), Cost())


def check_fits(memory: float) -> None:
    """Raise `TooLargeError` if a calculation of so many bytes does not fit into what is free."""
    if memory > _SMALL and memory > (free := free_memory()):
        raise TooLargeError(
            f"This needs about {readable_bytes(memory)} of memory and {readable_bytes(free)} are free: "
            "make the width, the batch or the inputs smaller."
        )


_SMALL = 2**26  # bytes that are always there: so a slider's calculations need not ask the machine


def free_memory() -> float:
    """Bytes that a calculation may take: what the machine or its container has free, or `NTKVIZ_MEMORY_GB`."""
    free, limit = machine.memory_available(), os.environ.get(LIMIT)
    if limit is None:
        return free
    try:
        return min(free, 1e9 * float(limit))
    except ValueError as problem:
        raise HyperparameterError(f"{LIMIT} is {limit!r}; it must be a number of GB, such as 2.") from problem
