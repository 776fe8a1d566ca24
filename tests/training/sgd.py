"""Gradient descent on finite networks by `jax.grad`, independent of the engine's gradient programs and updates."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ntkviz.networks.sampling import at_readout_scale, random_key, run, sample_parameters

LOSSES = {
    "squared": lambda f, y: 0.5 * (f - y) ** 2,
    "logistic": lambda f, y: jnp.log1p(jnp.exp(-y * f)),
}


def descend(
    arch: Any,
    x: Any,
    y: Any,
    x_test: Any,
    *,
    width: int,
    key: Any,
    steps: int,
    learning_rate: float,
    richness: float = 1.0,
    loss: str = "squared",
    batches: Any = None,
    dtype: Any = jnp.float64,
) -> jax.Array:
    """f at each step, `(steps + 1, train + test)`, of one network."""
    programs = [
        arch.trace(tuple(map(np.asarray, data if isinstance(data, tuple) else (data,)))).unrolled()
        for data in (x, x_test)
        if data is not None
    ]
    train = programs[0]
    parameters = sample_parameters(train, width, random_key(key), dtype)
    scale = richness * (width**0.5 if at_readout_scale(train) else 1.0)
    rates = [
        learning_rate * width * richness**2 * jnp.asarray(train.number(p.lr)) * p.trainable for p in train.parameters
    ]
    y = jnp.asarray(y, dtype)

    def total(parameters, members):
        return jnp.sum(LOSSES[loss](run(train, parameters).output[members] / scale, y[members]))

    gradient = jax.jit(jax.grad(total))
    outputs = jax.jit(lambda p: jnp.concatenate([run(q, p).output for q in programs]) / scale)
    found = [outputs(parameters)]
    for step in range(steps):
        members = np.arange(len(y)) if batches is None else np.asarray(batches[step])
        moves = gradient(parameters, members)
        parameters = tuple(
            w - jnp.asarray(rate, dtype) * g for w, rate, g in zip(parameters, rates, moves, strict=True)
        )
        found.append(outputs(parameters))
    return jnp.stack(found)
