"""Models that repeat, index and pad their positions, embed tokens, and loop over their layers, in the zoo."""

from __future__ import annotations

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from .zoo import SEQUENCES, TOKENS, U, W, dense, model, plain, v


@plain(SEQUENCES, U=U, W=W, v=v)
def tiled(p, x, n):
    """Positions, groups of coordinates, and numbers that are tiled."""
    h = jnp.tile(jnp.tanh(x @ p["U"]), (1, 2, 1))
    h = jnp.tanh(jnp.cumsum(jnp.tile(h, (1, 1, 2)), 1)).reshape(2, 6, 2, n).sum(2)
    return (h * jnp.tile(x[:, :1, :1], (1, 6, n)) @ p["W"]).max(1) @ p["v"]


@plain(SEQUENCES, U=U, W=W, v=v)
def matrix_tiled(p, x, n):
    """One matrix side by side with itself."""
    return jnp.tanh(x[:, 0] @ p["U"] @ jnp.tile(p["W"], (1, 2))).reshape(2, 2, n).sum(1) @ p["v"]


@plain(SEQUENCES, U=U, W=W, v=v)
def repeated_and_resized(p, x, n):
    h = jnp.cumsum(jnp.repeat(jnp.tanh(x @ p["U"]), jnp.array([1, 0, 2]), 1, total_repeat_length=3), 1)
    h = jax.image.resize(jax.image.resize(h, (2, 6, n), "nearest"), (2, 4, n), "linear")
    return jnp.tanh(jnp.roll(jnp.cumsum(h, 1), 1, 1) @ p["W"]).mean(1) @ p["v"]


@plain(SEQUENCES, U=U, W=W, v=v)
def padded_at_borders(p, x, n):
    """Padding by the border, by reflection, and around; nothing is added along the other axes."""
    h = jnp.cumsum(jnp.tanh(x @ p["U"]), 1)
    for mode in ("edge", "reflect", "wrap"):
        h = jnp.tanh(jnp.cumsum(jnp.pad(h, ((0, 0), (1, 0), (0, 0)), mode=mode), 1) @ p["W"])
    return h.mean(1) @ p["v"]


@plain(SEQUENCES, U=U, W=W, v=v)
def written_to_places(p, x, n):
    """Positions that are replaced, added to, and summed by segment."""
    h = jnp.tanh(x @ p["U"])
    h = h.at[:, 0].set(2.0).at[:, 1:].add(h[:, :-1] @ p["W"])
    h = jax.lax.dynamic_update_slice_in_dim(h, jnp.tanh(h[:, :1]), 2, 1)
    h = jax.vmap(lambda one: jax.ops.segment_sum(one[np.array([0, 1, 2, 0])], np.array([1, 2, 0, 2]), 4))(h)
    return jnp.tanh(jnp.cumsum(h, 1) @ p["W"]).mean(1) @ p["v"]


@plain(SEQUENCES, U=U, W=W, v=v)
def softmax_over_positions(p, x, n):
    """Each coordinate has its own softmax; their shift by the maximum, whose gradient is stopped, changes nothing."""
    h = x @ p["U"]
    gates = jax.nn.softmax(h @ p["W"], 1)
    return ((gates * jnp.tanh(h)).sum(1) + jax.nn.logsumexp(h, 1)) @ p["v"]


@plain(SEQUENCES, U=U, W=W, v=v)
def positions_chosen_by_data(p, x, n):
    h, which = jnp.tanh(x @ p["U"]), (x[..., 0] > 0).astype(int)
    h = jnp.cumsum(jnp.take_along_axis(h, which[..., None], 1), 1) @ p["W"]
    return jax.vmap(lambda one, k: one[:, k] - one[:, 1])(jnp.tanh(h).swapaxes(1, 2), which[:, 0]) @ p["v"]


@plain(SEQUENCES, U=U, V=lambda n, d: ((n, 4), n))
def divided_outputs(p, x, n):
    """Outputs that are divided and joined again in another order."""
    one, two = jnp.split(jnp.tanh(x[:, 0] @ p["U"]) @ p["V"], 2, -1)
    return jnp.stack([jnp.concatenate([two, one], -1), jnp.flip(jnp.concatenate([one, two], -1), -1)], 1)


@plain(SEQUENCES, U=U, v=v)
def unused_parts(p, x, n):
    """Values that are outside the language, but do not reach the output."""
    h = x @ p["U"]
    jax.debug.print("{}", jnp.sort(h, -1)[0, 0, 0].astype(int) * 0)
    return jnp.tanh(h).mean(1) @ p["v"]


@plain(SEQUENCES, U=U, v=v)
def taken_from_data(p, x, n):
    """Rows of a matrix, with indices that are clipped."""
    return jnp.tanh(jnp.take(p["U"], (9 * x[..., 0]).astype(int), axis=0, mode="clip")).mean(1) @ p["v"]


@model(SEQUENCES)
class ClassToken(nn.Module):
    """A learned first token, and position embeddings in two parts."""

    n: int

    @nn.compact
    def __call__(self, x):
        def param(name, size):
            return self.param(name, nn.initializers.normal(1.0), (size, self.n))

        first = jnp.broadcast_to(param("class", 1), (len(x), 1, self.n))
        positions = jnp.concatenate([param("first", 1), param("others", 3)])
        x = jnp.concatenate([first, dense(self.n)(x)], 1) + positions
        return dense(1)(nn.relu(dense(self.n)(nn.relu(x))).mean(1))


@model(TOKENS)
class EqxEmbedding(eqx.Module):
    """Tokens within a loop, and positions that are known while tracing."""

    tokens: eqx.nn.Embedding
    positions: eqx.nn.Embedding
    out: eqx.nn.Linear

    def __init__(self, n):
        keys = jax.random.split(jax.random.key(0), 3)
        self.tokens, self.positions = (eqx.nn.Embedding(6, n, key=key) for key in keys[:2])
        self.out = eqx.nn.Linear(n, 1, key=keys[2])

    def __call__(self, tokens):
        x = jax.vmap(self.tokens)(tokens) + jax.vmap(self.positions)(jnp.arange(3))
        h, _ = jax.lax.scan(lambda h, k: (jnp.tanh(h + self.tokens(k)), None), jnp.tanh(x).mean(0), tokens)
        return self.out(h)


@model(SEQUENCES[:, 0])
class ScannedLayers(nn.Module):
    """Layers of one form, drawn and applied in a loop."""

    n: int

    @nn.compact
    def __call__(self, x):
        class Layer(nn.Module):
            n: int

            @nn.compact
            def __call__(self, h, _):
                return nn.relu(dense(self.n)(h)), None

        layers = nn.scan(Layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=2)
        return dense(1)(layers(self.n)(dense(self.n)(x), None)[0])
