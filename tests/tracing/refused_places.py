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


@refused(r"stops gradients of vectors, at refused_places.py:\d+", SEQUENCES)
def shift_that_is_not_a_softmax(p, x, n):
    h = x @ p["U"]
    return jnp.tanh(h - jax.lax.stop_gradient(h.max(1, keepdims=True))).mean(1) @ p["v"]


@refused(r"stops gradients of vectors, at refused_places.py:\d+", SEQUENCES)
def stopped_in_a_loop(p, x, n):
    h = x @ p["U"]
    return jax.lax.scan(lambda h, _: (jax.nn.softmax(h, 1), None), h, length=2)[0].mean(1) @ p["v"]


@refused(r"returns an array of shape \(3, 2, 1\) for a batch of 2 inputs; its first axis must be the batch", SEQUENCES)
def time_first(p, x, n):
    return jnp.tanh(x.swapaxes(0, 1) @ p["U"]) @ p["v"]


@refused(r"output of a readout is used further \(argmax, at refused_places.py:\d+\)")
def class_of_outputs(p, x, n):
    return jnp.argmax(jnp.tanh(x @ p["U"]) @ p["v"], -1)
