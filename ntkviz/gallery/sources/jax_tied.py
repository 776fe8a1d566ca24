import jax
import jax.numpy as jnp


def tied(width):
    def init(key, x):
        one, two = jax.random.split(key)
        U = jax.random.normal(one, (64, width)) / 64**0.5
        W = jax.random.normal(two, (width, width)) / width**0.5
        return {"U": U, "W": W}

    def apply(p, x):  # (batch, 64)
        h = x @ p["U"]
        y = jax.nn.relu(h @ p["W"]) @ p["W"].T
        return jnp.mean(h * y, axis=-1)

    return init, apply
