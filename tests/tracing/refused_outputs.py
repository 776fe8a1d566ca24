"""Models whose outputs are used further, or added in a way that no program has, and what their refusals must say."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .refusals import SEQUENCES, refused, started


@refused(r"An output and something else are joined, at refused_outputs.py:\d+")
def output_beside_data(p, x, n):
    return jnp.concatenate([jnp.tanh(x @ p["U"]) @ p["v"], x], -1)


@refused(r"add nothing to it but other outputs, and biases", SEQUENCES)
def output_added_to_data(p, x, n):
    return (jnp.tanh(x @ p["U"]) @ p["v"])[:, 0] + x[:, 0, :1]


@started(r"bias is multiplied by numbers of the data, at refused_outputs.py:\d+", a=lambda key, n: jnp.zeros(1))
def bias_times_data(p, x, n):
    return x[:, :1] * (jnp.tanh(x @ p["U"]) @ p["v"] + p["a"])


@refused(r"output of a readout is used further \(dot_general, at refused_outputs.py:\d+\)", SEQUENCES)
def outputs_contracted_with_data(p, x, n):
    return jnp.einsum("btk,bt->bk", jnp.tanh(x @ p["U"]) @ p["v"], x[..., 0])


@refused(r"adds terms of different orders in n, read out by v, and the smaller ones")
def heads_of_different_orders(p, x, n):
    h = jnp.tanh(x @ p["U"])
    return h @ p["v"] + jnp.tanh(h @ p["W"]) @ p["v"] / n**0.5


@started(
    r"adds those of v, a, whose learning rates are not in proportion",
    a=lambda key, n: jax.random.normal(key, (n, 1)) / n,
)
def heads_of_different_rates(p, x, n):
    h = jnp.tanh(x @ p["U"])
    return h @ p["v"] + h @ (p["a"] * n**0.5) * 3


@refused(r"returns 2 arrays, none of which has the batch as its first axis")
def losses_alone(p, x, n):
    f = jnp.tanh(x @ p["U"]) @ p["v"]
    return (f**2).sum(), f.sum()


@started(
    r"a is random and multiplies the data, at refused_outputs.py:\d+, .* add σ²⟨x, x̄⟩ to the NNGP",
    a=lambda key, n: jax.random.normal(key, (5, 1)),
)
def linear_term_of_the_data(p, x, n):
    return jnp.tanh(x @ p["U"]) @ p["v"] + x @ p["a"]


@started(
    r"applies W, at refused_outputs.py:\d+, to a layer of fixed size", W=lambda key, n: jax.random.normal(key, (1, n))
)
def bottleneck(p, x, n):
    return jnp.tanh((jnp.tanh(x @ p["U"]) @ p["v"]) @ p["W"]) @ p["v"]
