"""Whether the limit of a generated program, as a function of JAX, has the values and slopes of the forward kernels.

Along a random direction of the inputs, and in a factor of all standard deviations, derivatives by JAX are compared with
differences. Equal and opposite inputs are among the examples: at their kinks the differences are symmetric, as the
derivatives are. At an input of zero, kinks of kinks have no such derivative; there it only has to be finite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import ntkviz as nv

from .agreement import DisagreementError, Outcome, attempt
from .programs import Example

STEP = 1e-4


def check_derivatives(example: Example) -> Outcome:
    """Compare a program's kernels and their derivatives. Raises `DisagreementError`, or any unnamed error."""
    outcome, arch, x = Outcome(), with_scale(example.arch), example.data
    if attempt(outcome, "program", lambda: nv.program(arch, x)) is None:
        return outcome
    kernel, move = nv.kernel_fn(arch), np.random.default_rng(1).normal(size=x.shape)
    # A loop within loops that is not compiled is batched again and again by JAX, for minutes.
    with jax.disable_jit(not arch.trace((x,)).has_repeats):
        if attempt(outcome, "forward", lambda: _limit(arch, x, 1.0)) is None:
            return outcome
        along_inputs = attempt(outcome, "inputs", lambda: _slope(lambda t: kernel(x + t * move), 0.0))
        in_scale = attempt(outcome, "scale", lambda: _slope(lambda t: kernel(x, scale=t), 1.0))
        if along_inputs is not None:
            cones = example.inputs == "one is zero"
            _compare("inputs", along_inputs, lambda t: _limit(arch, x + t * move, 1.0), 0.0, cones)
        if in_scale is not None:
            _compare("scale", in_scale, lambda t: _limit(arch, x, t), 1.0)
    return outcome


def with_scale(arch: nv.Architecture) -> nv.Architecture:
    """The same architecture with the standard deviations of all parameters outside repeated layers multiplied."""

    def network(net: Any, x: Any, *, scale: Any = 1.0) -> Any:
        declare = net._parameter
        net._parameter = lambda name, kind, fan, shape, std, *rest: declare(name, kind, fan, shape, std * scale, *rest)
        return arch.fn(net, x)

    return nv.architecture(network)(parametrization=arch.parametrization)


def _limit(arch: nv.Architecture, x: np.ndarray, scale: float) -> tuple[np.ndarray, float]:
    found = nv.infinite_ntk(arch(scale=scale), x, method="forward")
    return np.stack([found.nngp, found.ntk]), float(found.error)


def _slope(function: Callable[[Any], Any], at: float) -> tuple[np.ndarray, np.ndarray]:
    """The kernels and their derivative."""
    value, slope = jax.jvp(lambda t: jnp.stack(function(t)), (at,), (1.0,))
    return np.asarray(value), np.asarray(slope)


def _compare(
    what: str,
    found: tuple[np.ndarray, np.ndarray],
    limit: Callable[[float], tuple[np.ndarray, float]],
    at: float,
    cones: bool = False,
) -> None:
    (value, slope), (exact, error) = found, limit(at)
    scale = np.abs(exact).max()
    if not np.allclose(value, exact, rtol=0, atol=1e-10 * scale + 2 * error):
        raise DisagreementError(f"the kernels as a function are {value}, not {exact}")
    coarse, fine = ((limit(at + h)[0] - limit(at - h)[0]) / (2 * h) for h in (STEP, STEP / 2))
    size = np.abs(fine).max()
    within = 10 * np.abs(fine - coarse).max() + 1e-6 * size + 1e-7 * scale + 4 * error / STEP
    apart = np.abs(limit(at + STEP)[0] + limit(at - STEP)[0] - 2 * exact) / STEP > 1e-2 * size + 4 * error / STEP
    near = np.abs(slope - (4 * fine - coarse) / 3) <= within  # NaN is not
    if not np.all(near | (np.isfinite(slope) & apart if cones else False)):
        raise DisagreementError(f"the derivatives in {what} are {slope}, by differences {fine}")
