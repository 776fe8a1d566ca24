"""Small models as users write them, each with data: `MODELS[name] = (make, data)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

rng = np.random.default_rng(0)
VECTORS = rng.normal(size=(3, 5))
SEQUENCES = rng.normal(size=(2, 3, 4))
IMAGES = rng.normal(size=(2, 4, 4, 2))
TOKENS = np.array([[0, 3, 1], [2, 3, 5]])
EDGES = np.array([[[0, 1, 0], [1, 0, 1], [0, 1, 0]], [[0, 1, 1], [1, 0, 0], [1, 0, 0]]], float)

MODELS: dict[str, tuple[Callable[[int], Any], Any]] = {}
NORMAL = nn.initializers.variance_scaling(1.0, "fan_in", "normal")


def model(data: Any) -> Callable[[Any], Any]:
    """Put a model, a class or a function of the width, into the zoo."""

    def register(make: Any) -> Any:
        MODELS[make.__name__] = (make, data)
        return make

    return register


def dense(width: int, **options: Any) -> nn.Dense:
    return nn.Dense(width, kernel_init=NORMAL, **options)


# --- plain functions ------------------------------------------------------------------------------------------


def plain(data: Any, **parameters: Callable[[int, int], tuple[tuple[int, ...], float]]) -> Callable[[Any], Any]:
    """A model of plain functions; each parameter is given by its shape and fan_in, as functions of n and d."""

    def register(apply: Any) -> Any:
        def make(n: int) -> Any:
            def init(key, x):
                d = np.shape(x[0] if isinstance(x, tuple) else x)[-1]
                shapes = {name: of(n, d) for name, of in parameters.items()}
                keys = jax.random.split(key, len(shapes))
                return {
                    name: jax.random.normal(k, shape) / fan_in**0.5
                    for k, (name, (shape, fan_in)) in zip(keys, shapes.items(), strict=True)
                }

            return init, lambda p, x: apply(p, x, n)

        make.__name__ = apply.__name__
        MODELS[apply.__name__] = (make, data)
        return make

    return register


def U(n, d):
    return (d, n), d


def W(n, d):
    return (n, n), n


def v(n, d):
    return (n,), n


@plain(VECTORS, U=U, W=W, v=v)
def tied_autoencoder(p, x, n):
    h = jnp.tanh(x @ p["U"])
    return jax.scipy.special.erf(jnp.tanh(h @ p["W"]) @ p["W"].T) @ p["v"]


@plain(VECTORS, U=U, W=W)
def mean_readout(p, x, n):
    return jnp.mean(((x @ p["U"] + 1) @ p["W"]) ** 2, -1)


@plain(VECTORS, U=U, W=W, v=v)
def one_matrix_three_times(p, x, n):
    step = jax.checkpoint(lambda h, _: (jnp.tanh(h @ p["W"]), None))
    return jax.lax.scan(step, jnp.tanh(x @ p["U"]), None, length=3)[0] @ p["v"]


@plain(VECTORS, U=U, W=lambda n, d: ((n, 4 * n), n), v=v)
def rectangular_tied(p, x, n):
    """W of n rows and 4n columns, and its transpose."""
    h = jax.nn.relu(jax.nn.relu(x @ p["U"]) @ p["W"])
    return jnp.tanh(h @ p["W"].T / 2) @ p["v"]


@plain(VECTORS, U=U, G=W, H=W, v=v)
def highway(p, x, n):
    h = jnp.tanh(x @ p["U"])
    gate = jax.nn.sigmoid(h @ p["G"])
    return (gate * jax.nn.relu(h @ p["H"]) + (1 - gate) * h) @ p["v"]


@plain(SEQUENCES, E=U, K=W, v=v)
def tied_attention(p, x, n):
    """Queries are keys, with scores ⟨k, k̄⟩/n and a causal mask."""
    h = x @ p["E"]
    k = h @ p["K"]
    scores = jnp.where(jnp.tril(jnp.ones((3, 3), bool)), jnp.einsum("bqd,bkd->bqk", k, k) / n, -jnp.inf)
    return jax.nn.relu(h + jax.nn.softmax(scores) @ h).mean(1) @ p["v"]


@plain((SEQUENCES, SEQUENCES[:, :2]), E=U, F=U, K=W, V=W, v=v)
def cross_attention(p, x, n):
    h, other = jnp.tanh(x[0] @ p["E"]), jnp.tanh(x[1] @ p["F"])
    scores = jnp.einsum("bqd,bkd->bqk", h @ p["K"], other @ p["K"]) / n
    return jax.nn.relu(h + jnp.einsum("bqk,bkd->bqd", jax.nn.softmax(scores), other @ p["V"])).mean(1) @ p["v"]


@plain(VECTORS, U=lambda n, d: ((d, 2 * n), d), W=W, v=v)
def take_turns(p, x, n):
    """Coordinates that are dealt out to two groups in turn."""
    h = jnp.tanh(x @ p["U"]).reshape(len(x), n, 2)
    return (jax.nn.relu(h[..., 0] @ p["W"]) * h[..., 1]) @ p["v"]


@plain(SEQUENCES, U=U, v=lambda n, d: ((3 * n,), 3 * n))
def channels_first(p, x, n):
    """Positions after the width axis, flattened in that order, as in models with channels first."""
    h = jax.nn.relu(jnp.swapaxes(x @ p["U"], 1, 2))
    return h.reshape(len(x), -1) @ p["v"]


@plain(VECTORS, U=U, V=lambda n, d: ((n, 3), n))
def several_outputs(p, x, n):
    return jax.nn.silu(x @ p["U"]) @ p["V"]


@plain(VECTORS, U=U, v=v)
def clipped(p, x, n):
    """Kinks away from 0, a leaky slope, and a choice."""
    h = x @ p["U"]
    return (jnp.clip(h, -1, 1) + jnp.where(h > 0.5, h, 0.1 * h) + jax.nn.relu6(3 * h)) @ p["v"]


@plain(VECTORS, U=U, W=W, v=v)
def multipliers(p, x, n):
    """A weight that is divided by √n and multiplied again, and an output of order 1/√n."""
    h = jax.nn.relu(x @ p["U"])
    return (2.0 * jnp.tanh(n**0.5 * (h @ (p["W"] / n**0.5)))) @ p["v"] / n**0.5 / 3


@plain(SEQUENCES, U=U, W=W, v=v)
def cumulative_and_last(p, x, n):
    h = jnp.cumsum(jnp.tanh(x @ p["U"]), 1) @ p["W"]
    return jnp.concatenate([h[:, 1:], h[:, :1]], 1)[:, ::-1].max(1) @ p["v"]


# --- flax linen -----------------------------------------------------------------------------------------------


@model(VECTORS)
class NormalizedMLP(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        x = nn.gelu(nn.LayerNorm()(dense(self.n)(x)))
        x = nn.relu(nn.GroupNorm(num_groups=4)(dense(2 * self.n)(x)))
        x = nn.silu(nn.RMSNorm()(nn.Dense(self.n)(x)))
        return dense(1)(nn.Dropout(0.5, deterministic=True)(x))


@model(VECTORS)
class SwiGLU(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        x = dense(self.n, use_bias=False)(x)
        gate, up = jnp.split(dense(4 * self.n)(x), 2, -1)
        return dense(2)(x + dense(self.n, use_bias=False)(nn.silu(gate) * up))


@model(VECTORS)
class RunningBatchNorm(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.relu(nn.BatchNorm(use_running_average=True)(dense(self.n)(x))))


@model(rng.normal(size=(5, 4)))
def batchnorm(n):
    class BatchNorm(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.BatchNorm(use_running_average=False)(dense(n, use_bias=False)(x))
            return dense(1, use_bias=False)(nn.relu(x))

    module = BatchNorm()

    def apply(parameters, x):
        statistics = {"BatchNorm_0": {"mean": jnp.zeros(n), "var": jnp.ones(n)}}
        return module.apply({"params": parameters, "batch_stats": statistics}, x, mutable=["batch_stats"])[0]

    return (lambda key, x: module.init(key, x)["params"]), apply


@model(IMAGES)
class CNN(nn.Module):
    """Strides, dilation, circular padding, and windows of both kinds of pooling."""

    n: int

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(self.n, (3, 3), kernel_init=NORMAL)(x))
        x = nn.avg_pool(x, (2, 2), strides=(1, 1), padding="SAME")
        x = nn.tanh(nn.Conv(2 * self.n, (2, 2), kernel_dilation=2, padding="CIRCULAR", kernel_init=NORMAL)(x))
        x = nn.relu(nn.Conv(self.n, (2, 2), strides=2, kernel_init=NORMAL)(x))
        x = nn.max_pool(x, (2, 1))
        return dense(1)(x.reshape(len(x), -1))


@model(IMAGES)
class ResNet(nn.Module):
    """Squeeze-and-excite in a residual block, and one block used twice."""

    n: int

    @nn.compact
    def __call__(self, x):
        def conv():
            return nn.Conv(self.n, (3, 3), use_bias=False, kernel_init=nn.initializers.he_normal())

        x, block = conv()(x), conv()
        for _ in range(2):
            x = x + block(nn.relu(x))
        squeezed = nn.relu(dense(self.n // 4)(x.mean((1, 2))))
        x = x * nn.sigmoid(dense(self.n)(squeezed))[:, None, None]
        return dense(1)(nn.relu(x).mean((1, 2)))


@model(IMAGES)
class UNet(nn.Module):
    """Down, up by repetition, and a connection that is joined along the channels."""

    n: int

    @nn.compact
    def __call__(self, x):
        def conv(width):
            return nn.Conv(width, (2, 2), kernel_init=NORMAL)

        left = nn.relu(conv(self.n)(x))
        low = nn.relu(conv(2 * self.n)(nn.avg_pool(left, (2, 2), strides=(2, 2))))
        up = jnp.repeat(jnp.repeat(low, 2, 1), 2, 2)
        return dense(1)(nn.relu(conv(self.n)(jnp.concatenate([left, up], -1))).mean((1, 2)))


@model(VECTORS)
class DenseNet(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        x = dense(self.n)(x)
        for _ in range(2):
            x = jnp.concatenate([x, dense(self.n)(nn.relu(x))], -1)
        return dense(1)(nn.relu(x))


def recurrent(cell: Any) -> type:
    class Recurrent(nn.Module):
        n: int

        @nn.compact
        def __call__(self, x):
            x = nn.RNN(cell(self.n))(x)
            return dense(1)(x[:, -1])

    Recurrent.__name__ = cell.__name__
    return Recurrent


model(SEQUENCES)(recurrent(nn.SimpleCell))  # with an orthogonal recurrent matrix
model(SEQUENCES)(recurrent(nn.GRUCell))
model(SEQUENCES)(recurrent(nn.OptimizedLSTMCell))
model(SEQUENCES)(recurrent(nn.MGUCell))


@model(SEQUENCES)
class Transformer(nn.Module):
    """Pre-LN, two heads, learned positions, scores divided by d."""

    n: int
    layers: int = 1

    @nn.compact
    def __call__(self, x):
        x = dense(self.n)(x) + self.param("position", nn.initializers.normal(1.0), (x.shape[1], self.n))
        for _ in range(self.layers):
            y = nn.LayerNorm()(x)
            q, k, h = (nn.DenseGeneral((2, self.n // 2), kernel_init=NORMAL)(y) for _ in range(3))
            scores = nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1])
            y = jnp.einsum("bhqk,bkhd->bqhd", scores, h)
            x = x + nn.DenseGeneral(self.n, axis=(-2, -1), kernel_init=NORMAL)(y)
            x = x + dense(self.n)(nn.gelu(dense(4 * self.n)(nn.LayerNorm()(x))))
        return dense(1)(nn.LayerNorm()(x).mean(1))


@model(TOKENS)
class LanguageModel(nn.Module):
    """Tied embeddings."""

    n: int

    @nn.compact
    def __call__(self, tokens):
        table = nn.Embed(6, self.n, embedding_init=nn.initializers.normal(1.0))
        x = table(tokens)
        x = nn.LayerNorm()(x + dense(self.n, use_bias=False)(nn.relu(x)))
        return table.attend(x.mean(1)) / self.n


@model((SEQUENCES, EDGES))
class GCN(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x, edges):
        a = edges + jnp.eye(3)
        a = a / a.sum(-1, keepdims=True)
        for _ in range(2):
            x = nn.relu(a @ dense(self.n)(x))
        return dense(1)(x.mean(1))


# --- the other libraries --------------------------------------------------------------------------------------


@model(VECTORS)
def eqx_mlp(n):
    return eqx.nn.MLP(5, "scalar", n, 2, activation=jax.nn.softplus, key=jax.random.key(0))


@model(np.moveaxis(IMAGES, -1, 1))
class EqxCNN(eqx.Module):
    layers: list
    out: eqx.nn.Linear

    def __init__(self, n):
        keys = jax.random.split(jax.random.PRNGKey(1), 3)
        self.layers = [eqx.nn.Conv2d(2, n, 3, padding=1, key=keys[0]), jnp.tanh, eqx.nn.Conv2d(n, n, 2, key=keys[1])]
        self.layers += [eqx.nn.AvgPool2d(2), jax.nn.relu, eqx.nn.Dropout(), jnp.ravel]
        self.out = eqx.nn.Linear(4 * n, 1, key=keys[2])

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.out(x)


@model(VECTORS)
class NnxMLP(nnx.Module):
    def __init__(self, n):
        rngs = nnx.Rngs(0)
        self.first, self.norm = nnx.Linear(5, n, rngs=rngs), nnx.LayerNorm(n, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.second, self.out = nnx.Linear(n, 2 * n, rngs=rngs), nnx.Linear(2 * n, 1, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.second(self.dropout(nnx.gelu(self.norm(self.first(x)))))))


@model(VECTORS)
def hk_mlp(n):
    def forward(x):
        x = jnp.tanh(hk.LayerNorm(-1, create_scale=True, create_offset=True)(hk.Linear(n)(x)))
        return hk.Linear(1)(jax.nn.relu(hk.Linear(n)(x)))

    return hk.transform(forward)


@model(SEQUENCES)
def hk_rnn(n):
    def forward(x):
        core = hk.VanillaRNN(n)
        out, _ = hk.dynamic_unroll(core, x, core.initial_state(len(x)), time_major=False)
        return hk.Linear(1)(out[:, -1])

    return hk.without_apply_rng(hk.transform(forward))
