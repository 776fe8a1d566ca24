"""Models with several heads, which are joined, added, averaged, or returned in a tuple or a dictionary, in the zoo."""

from __future__ import annotations

import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from .zoo import SEQUENCES, VECTORS, U, W, dense, model, plain, v


@plain(VECTORS, U=U, W=W, V=lambda n, d: ((n, 2), n), v=v)
def joined_heads(p, x, n):
    """Heads of two layers, the second of which is traced; numbers multiply both."""
    h = jnp.tanh(x @ p["U"])
    second = jax.nn.relu(h @ p["W"]) @ p["v"]
    return jnp.concatenate([-second[:, None] / 2, h @ p["V"] * jnp.array([1.0, 3.0])], -1)


@plain(VECTORS, U=U, W=lambda n, d: ((n, 4 * n), n), a=v, b=lambda n, d: ((4 * n,), 4 * n))
def added_heads(p, x, n):
    """Heads of different fan_in."""
    h = jnp.tanh(x @ p["U"])
    return h @ p["a"] - 2 * jax.nn.relu(h @ p["W"]) @ p["b"]


@plain(SEQUENCES, U=U, V=lambda n, d: ((n, 3), n))
def averaged_over_outputs_and_positions(p, x, n):
    """The same layer at all positions, and the sum of its outputs with weights."""
    f = jax.nn.silu(x @ p["U"]) @ p["V"]
    return (f.mean(1) * jnp.array([1.0, 0.0, -2.0])).sum(-1) + f[:, 0, 1]


@plain(SEQUENCES, U=U, W=W, v=v)
def output_of_each_step(p, x, n):
    """A head within a loop, and its outputs in another one."""

    def step(h, u):
        h = jnp.tanh(h @ p["W"] + u @ p["U"])
        return h, h @ p["v"]

    _, f = jax.lax.scan(step, jnp.zeros((2, n)), x.swapaxes(0, 1))
    total, _ = jax.lax.scan(lambda total, one: (total / 2 + one, None), jnp.zeros(2), f)
    return total


@model(VECTORS)
class Skips(nn.Module):
    """Every layer has a head with a bias, as in a deep-supervised network; all heads are averaged."""

    n: int

    @nn.compact
    def __call__(self, x):
        heads = []
        for _ in range(3):
            x = nn.relu(dense(self.n)(x))
            heads.append(dense(2)(x))
        return jnp.stack(heads).mean(0)


@model(SEQUENCES)
class ActorCritic(nn.Module):
    """A dictionary of two heads, with the hidden state beside them; the first output is the policy's."""

    n: int

    @nn.compact
    def __call__(self, x):
        h = nn.tanh(dense(self.n)(x)).mean(1)
        value = nn.Dense(1)(nn.relu(nn.Dense(self.n)(h)))
        return {"hidden": h, "policy": nn.Dense(3)(h), "value": value[:, 0], "loss": jnp.sum(value)}


@model(VECTORS)
def hk_mean_and_scale(n):
    """The mean of a normal law and the logarithm of its scale, in a tuple."""

    def forward(x):
        h = jax.nn.relu(hk.Linear(n)(x))
        return hk.Linear(1)(h), hk.Linear(1)(jnp.tanh(h))

    return hk.without_apply_rng(hk.transform(forward))


@model(VECTORS)
class Siamese(nn.Module):
    """One network for two inputs; the difference of its outputs, whose bias cancels."""

    n: int

    @nn.compact
    def __call__(self, x):
        one = nn.Sequential([dense(self.n), nn.relu, dense(1)])
        return one(x) - one(np.cos(np.arange(5.0)) * x)


@plain(SEQUENCES, U=U, V=lambda n, d: ((n, 3), n))
def weighted_outputs(p, x, n):
    """Outputs that are masked, weighted by known numbers from both sides, and by numbers of the data."""
    f = jnp.tanh(x @ p["U"]) @ p["V"]
    kept = jnp.where(jnp.arange(3)[:, None] < 2, f, 0.0)
    of_data = (f * jax.nn.softmax(x[..., :1], 1)).sum(1) / (1 + x[:, 0, :1] ** 2)
    return jnp.einsum("btk,tj->bjk", kept, jnp.arange(6.0).reshape(3, 2))[:, 1] + of_data @ jnp.ones((3, 3)) / 2


@model(SEQUENCES)
class Temperature(nn.Module):
    """A number that multiplies all outputs, which is not trained, and known weights on the left."""

    n: int

    @nn.compact
    def __call__(self, x):
        f = nn.Dense(2)(nn.relu(dense(self.n)(x))) * self.param("temperature", nn.initializers.constant(0.5), ())
        return jnp.tensordot(jnp.tril(jnp.ones((3, 3))), f, (1, 1)).swapaxes(0, 1)[:, 1:]


@plain(VECTORS, U=lambda n, d: ((3, d, n), d), W=lambda n, d: ((3, n, n), n), V=lambda n, d: ((3, n, 2), n))
def ensemble(p, x, n):
    """Members with parameters of their own, mapped over; the second output of each, added with weights."""
    f = jax.vmap(lambda U, W, V: jnp.tanh(jnp.tanh(x @ U) @ W) @ V)(p["U"], p["W"], p["V"])
    return jnp.tensordot(jnp.array([1.0, 0.5, -2.0]), f, 1)[:, 1]


@plain(SEQUENCES, U=U, V=lambda n, d: ((3, n), n))
def readout_of_each_position(p, x, n):
    """A product with another vector at each position, summed over the width only."""
    return (jnp.tanh(x @ p["U"]) * p["V"]).sum(-1).mean(1)
