"""Models that write to, or read from, places that a program cannot know, and what their refusals must say."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from .refusals import SEQUENCES, refused


@refused(r"writes to places that depend on its data, at refused_places.py:\d+", SEQUENCES)
def segments_of_data(p, x, n):
    which = (x[..., 0] > 0).astype(int)
    h = jax.vmap(lambda one, k: jax.ops.segment_sum(one, k, 2))(x @ p["U"], which)
    return jnp.tanh(h).mean(1) @ p["v"]


@refused(r"writes to single coordinates, at refused_places.py:\d+", SEQUENCES)
def one_coordinate_written(p, x, n):
    return (x @ p["U"]).at[:, :, 0].set(0.0).mean(1) @ p["v"]


@refused(r"writes twice to one place", SEQUENCES)
def places_written_twice(p, x, n):
    h = x @ p["U"]
    return h.at[:, jnp.array([1, 1])].set(jnp.tanh(h[:, :2])).mean(1) @ p["v"]


@refused(r"this kind of indexing, at refused_places.py:\d+; index one axis at a time", SEQUENCES)
def last_by_length(p, x, n):
    h = jnp.cumsum(jnp.tanh(x @ p["U"]), 1)
    return h[jnp.arange(2), (x[:, 0, 0] > 0).astype(int)] @ p["v"]


@refused(r"stops gradients of vectors, .* write softmax and logsumexp over positions", SEQUENCES)
def softmax_over_positions(p, x, n):
    return (jax.nn.softmax(x @ p["U"], 1) * jnp.tanh(x @ p["U"])).sum(1) @ p["v"]


@refused(r"output of a readout is used further \(argmax, at refused_places.py:\d+\)")
def class_of_outputs(p, x, n):
    return jnp.argmax(jnp.tanh(x @ p["U"]) @ p["v"], -1)
