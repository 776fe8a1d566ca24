"""One small model of each of some families of architectures, in the zoo; their parts are tested elsewhere."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from .refusals import REFUSED
from .zoo import IMAGES, NORMAL, SEQUENCES, VECTORS, U, dense, model, plain, v

MASKS = np.array([[1.0, 1, 0], [1, 1, 1]])


def haiku_lstm(embed: bool) -> Any:
    """Haiku's LSTM has one matrix for its input and its state, which are joined along the width."""

    def make(n: int) -> Any:
        def forward(x):
            x = jax.nn.relu(hk.Linear(n)(x)) if embed else x
            core = hk.LSTM(n)
            out, _ = hk.dynamic_unroll(core, x, core.initial_state(len(x)), time_major=False)
            return hk.Linear(1)(out[:, -1])

        return hk.without_apply_rng(hk.transform(forward))

    make.__name__ = "hk_lstm"
    return make


model(SEQUENCES)(haiku_lstm(embed=True))


@model(IMAGES)
class BatchNormResNet(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        def conv():
            return nn.Conv(self.n, (3, 3), use_bias=False, kernel_init=NORMAL)

        def norm():
            return nn.BatchNorm(use_running_average=True)

        x = conv()(x)
        x = nn.relu(x + norm()(conv()(nn.relu(norm()(x)))))
        return dense(1)(x.mean((1, 2)))


@model(SEQUENCES)
class Bidirectional(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        there = nn.RNN(nn.SimpleCell(self.n))(x)
        back = nn.RNN(nn.SimpleCell(self.n), reverse=True, keep_order=True)(x)
        return dense(1)(jnp.concatenate([there, back], -1).mean(1))


@model((SEQUENCES, SEQUENCES[:, 0]))
class FiLM(nn.Module):
    """Scales and shifts that depend on another input."""

    n: int

    @nn.compact
    def __call__(self, x, z):
        scale, shift = jnp.split(dense(2 * self.n)(nn.relu(dense(self.n)(z))), 2, -1)
        return dense(1)(nn.relu(dense(self.n)(x) * (1 + scale[:, None]) + shift[:, None]).mean(1))


@model(IMAGES)
class ViT(nn.Module):
    """Patches, learned positions, and the first token read out."""

    n: int

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(self.n, (2, 2), strides=(2, 2), kernel_init=NORMAL)(x).reshape(len(x), -1, self.n)
        x = x + self.param("positions", nn.initializers.normal(1.0), (1, 4, self.n))
        q, k, h = (dense(self.n)(nn.LayerNorm()(x)) for _ in range(3))
        x = x + dense(self.n)(nn.softmax(jnp.einsum("bqd,bkd->bqk", q, k) / self.n) @ h)
        return dense(3)(nn.LayerNorm()(x)[:, 0])


@model(SEQUENCES)
class WaveNet(nn.Module):
    """Causal dilated convolutions with gates, and connections from all layers to the output."""

    n: int

    @nn.compact
    def __call__(self, x):
        x, skips = dense(self.n)(x), 0
        for dilation in (1, 2):
            h = nn.Conv(2 * self.n, (2,), kernel_dilation=dilation, padding="CAUSAL", kernel_init=NORMAL)(x)
            one, gate = jnp.split(h, 2, -1)
            h = nn.tanh(one) * nn.sigmoid(gate)
            x, skips = x + dense(self.n)(h), skips + dense(self.n)(h)
        return dense(1)(nn.relu(skips).mean(1))


@model(SEQUENCES)
class PointNet(nn.Module):
    """The maximum over a set."""

    n: int

    @nn.compact
    def __call__(self, x):
        h = nn.relu(dense(2 * self.n)(nn.relu(dense(self.n)(x)))).max(1)
        return dense(1)(nn.relu(dense(self.n)(h)))


@model(VECTORS)
class NeuralODE(nn.Module):
    """Steps of the midpoint method, all with one layer."""

    n: int

    @nn.compact
    def __call__(self, x):
        x, layer = dense(self.n)(x), dense(self.n)
        for _ in range(2):
            x = x + 0.2 * jnp.tanh(layer(x + 0.1 * jnp.tanh(layer(x))))
        return dense(1)(x)


@model(SEQUENCES)
class Perceiver(nn.Module):
    """Learned latent vectors that attend to the input."""

    n: int

    @nn.compact
    def __call__(self, x):
        x = dense(self.n)(x)
        z = self.param("latent", nn.initializers.normal(1.0), (2, self.n))
        z = jnp.broadcast_to(z, (len(x), 2, self.n))
        scores = nn.softmax(jnp.einsum("bqd,bkd->bqk", dense(self.n)(z), dense(self.n)(x)) / self.n)
        return dense(1)(nn.gelu(z + scores @ dense(self.n)(x)).mean(1))


@model((SEQUENCES, MASKS))
class MaskedMean(nn.Module):
    """Masks as data."""

    n: int

    @nn.compact
    def __call__(self, x, mask):
        h = nn.relu(dense(self.n)(x)) * mask[..., None]
        return dense(1)(h.sum(1) / mask.sum(1, keepdims=True))


@model(SEQUENCES)
class Rotations(nn.Module):
    """Rotary positions with one frequency for all pairs of coordinates."""

    n: int

    @nn.compact
    def __call__(self, x):
        one, other = jnp.split(dense(self.n)(x), 2, -1)
        c, s = (f(jnp.arange(3.0)[:, None]) for f in (jnp.cos, jnp.sin))
        x = jnp.concatenate([one * c - other * s, one * s + other * c], -1)
        return dense(1)(nn.relu(nn.softmax(x @ jnp.swapaxes(x, 1, 2) / self.n) @ x).mean(1))


SIZE = 2  # of a head of `many_heads`


def projection(n: int, d: int) -> Any:
    return (n, n // SIZE, SIZE), n


@plain(SEQUENCES, U=U, Q=projection, K=projection, V=projection, O=lambda n, d: ((n // SIZE, SIZE, n), n), v=v)
def many_heads(p, x, n):
    """Softmax attention with scores divided by √2, with n/2 heads of size 2."""
    h = x @ p["U"]
    q, k, value = (jnp.einsum("btn,nhd->bthd", h, p[name]) for name in ("Q", "K", "V"))
    a = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) / SIZE**0.5)
    return jnp.einsum("bqhd,hdn->bqn", jnp.einsum("bhqk,bkhd->bqhd", a, value), p["O"]).mean(1) @ p["v"]


@plain(SEQUENCES, U=U, a=lambda n, d: ((n // 2, 2), 2), B=lambda n, d: ((n // 2, 2, 2), 2), v=v)
def vectors_of_heads(p, x, n):
    """Scores by a vector for each head, as in graph attention, and a matrix of fixed size for each."""
    h = jnp.tanh(x @ p["U"]).reshape((2, 3, n // 2, 2))
    weights = jax.nn.softmax(jnp.einsum("bthd,hd->bht", h, p["a"]))
    mixed = jnp.einsum("bthd,hde->bthe", h, p["B"])
    return jnp.einsum("bht,bthe->bhe", weights, mixed).reshape((2, n)) @ p["v"]


# --- refused ------------------------------------------------------------------------------------------------


class Mixer(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        x = dense(self.n)(x)
        y = nn.Dense(3)(nn.gelu(nn.Dense(self.n)(jnp.swapaxes(nn.LayerNorm()(x), 1, 2))))
        return dense(1)((x + jnp.swapaxes(y, 1, 2)).mean(1))


class MixtureOfExperts(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        gate = nn.softmax(nn.Dense(2)(x))
        one, other = (dense(self.n)(nn.relu(dense(self.n)(x))) for _ in range(2))
        return dense(1)(gate[:, :1] * one + gate[:, 1:] * other)


REFUSED["Mixer"] = (Mixer, SEQUENCES, r"at families.py:\d+, so that .* as in token mixing")
REFUSED["MixtureOfExperts"] = (MixtureOfExperts, VECTORS, r"Dense_0.kernel is random .* stays random in the limit")
REFUSED["hk_lstm"] = (haiku_lstm(embed=False), SEQUENCES, r"joined along the width, at families.py:\d+, as an LSTM")
