"""Training of a finite network by gradient descent, to compare with the kernels' prediction."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int, Real

from ..errors import HyperparameterError, InputError, shown
from ..execution.examples import one_example
from ..execution.memory_limit import bounded
from ..language.architecture import Architecture, check_architecture, check_data, number
from ..language.program import Program
from .finite import ntk_of_batches, ntk_of_examples
from .parameters import check_same_network
from .results import Training
from .sampling import Parameters, at_readout_scale, check_width, random_key, run, sample_parameters


def train(
    arch: Architecture,
    x_train: Any,
    y_train: Any,
    x_test: Any = None,
    *,
    width: int,
    key: Any,
    learning_rate: float,
    steps: Any,
) -> Training:
    """Train one random network of a given width by full-batch gradient descent.

    A step is ω ← ω − learning_rate·lr·∂L/∂ω with L = ½ Σ (f − y)² over the training inputs, lr being the
    parameter's own factor. In the NTK parametrization (either preset) the same learning rate serves every width,
    and as the width grows the outputs follow `regression.fit(…).gradient_descent(steps, learning_rate)`,
    started at the network's own f₀. Changing the learning rate, hyper-parameters or steps (but not their number)
    does not recompile.

    Source: Lee et al. 2019 (arXiv:1902.06720) for the limit; Yang & Littwin 2021 (arXiv:2105.03703) for any
    architecture.

    Args:
        arch: An architecture. If it fails the Simple GIA Check, its output is read at scale 1/n and the learning
            rate is multiplied by n, as its NTK is.
        x_train: Training inputs, all of one shape. If examples are mixed, as by batch normalisation, the batch is one
            input.
        y_train: Their targets, `(train,)`.
        x_test: Inputs at which the outputs are recorded, a separate input if examples are mixed; `None` means
            `x_train` again.
        width: n ≥ 1.
        key: A JAX random key, or an integer seed; the network is that of `empirical_ntk` with the same key.
        learning_rate: A number ≥ 0, in units of 1/λ. Above about 2/λ_max of the NTK (`Regression.learning_rate_bound`)
            outputs grow without bound.
        steps: The steps after which outputs are recorded, a whole number ≥ 0 or an increasing list of them.

    Returns:
        Outputs on training and test inputs at each of the steps, and the NTK before and after.

    Raises:
        HyperparameterError: The width, key, learning rate or steps are invalid.
        InputError: The inputs or targets cannot be used.
        ProgramError: A rule of the language is broken.
        TooLargeError: The computation would need more memory than is free.
    """
    check_architecture(arch)
    check_width(width)
    counts = _counts(steps)
    rate = float(number(learning_rate, "learning_rate", at_least=0))
    data = check_data(x_train, "x_train")
    data_test = data if x_test is None else check_data(x_test, "x_test")
    targets = _targets(y_train, len(data[0]))
    first, test, one = arch.trace(data), arch.trace(data_test), one_example(arch, data)
    check_same_network(arch, first, test)
    first, test, one = first.unrolled(), test.unrolled(), one and one.unrolled()
    found = _train(first, test, one, targets, np.diff(counts, prepend=0), rate, random_key(key), width)
    outputs, outputs_test, before, after = map(np.asarray, found)
    shape = np.shape(steps)
    return Training(outputs.reshape(*shape, -1), outputs_test.reshape(*shape, -1), before, after)


@bounded(static_argnames="width")
def _train(
    program: Program,
    test: Program,
    one_example: Program | None,
    targets: Float[Array | np.ndarray, "train"],
    between: Int[Array | np.ndarray, "looks"],
    rate: float,
    key: Array,
    width: int,
) -> tuple[
    Float[Array, "looks train"], Float[Array, "looks test"], Float[Array, "train train"], Float[Array, "train train"]
]:
    start = sample_parameters(program, width, key)
    scale = 1.0 if at_readout_scale(program) else width
    rates = [rate * scale * jnp.asarray(program.number(p.lr)) if p.trainable else 0.0 for p in program.parameters]
    y = jnp.asarray(targets, jnp.float32)

    def loss(parameters: Parameters) -> Array:
        return 0.5 * jnp.sum((run(program, parameters).output - y) ** 2)

    def step(_: Any, parameters: Parameters) -> Parameters:
        gradients = jax.grad(loss)(parameters)
        return tuple(
            omega - jnp.asarray(r, omega.dtype) * g for omega, r, g in zip(parameters, rates, gradients, strict=True)
        )

    def until_next(parameters: Parameters, count: Array) -> tuple[Parameters, tuple[Array, Array]]:
        parameters = jax.lax.fori_loop(0, count, step, parameters)
        return parameters, (run(program, parameters).output, run(test, parameters).output)

    end, (outputs, outputs_test) = jax.lax.scan(until_next, start, jnp.asarray(between))

    def ntk(parameters: Parameters) -> Array:
        if one_example is None:
            return ntk_of_batches(program, None, parameters, width)
        return ntk_of_examples(one_example.with_data(*program.data), None, parameters, width)

    return outputs, outputs_test, ntk(start), ntk(end)


def _counts(steps: Any) -> Int[np.ndarray, "looks"]:
    try:
        counts = np.atleast_1d(np.asarray(steps))
    except (TypeError, ValueError):
        counts = np.empty(0)
    if counts.dtype.kind not in "iu" or counts.ndim != 1 or not len(counts) or np.any(np.diff(counts, prepend=0) < 0):
        raise HyperparameterError(
            f"steps is {shown(steps)}; it must be a whole number ≥ 0 or an increasing list of them."
        )
    return counts


def _targets(y: Any, count: int) -> Real[np.ndarray, "train"]:
    [targets] = check_data(y, "y_train")
    if targets.shape != (count,):
        raise InputError(f"y_train has shape {targets.shape}; for {count} training inputs it must be ({count},).")
    return targets
