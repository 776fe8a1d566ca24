"""Models outside the language, and what their refusals must say: `REFUSED[name] = (make, data, sentence)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

VECTORS, SEQUENCES = np.linspace(-1, 1, 10).reshape(2, 5), np.linspace(-1, 1, 30).reshape(2, 3, 5)
REFUSED: dict[str, tuple[Callable[[int], Any], np.ndarray, str]] = {}


def two_layers(n: int, apply: Callable[..., Any]) -> Any:
    """U, W and v, of which `apply(p, x, n)` makes a model."""

    def init(key, x):
        a, b, c = jax.random.split(key, 3)
        d = x.shape[-1]
        return {
            "U": jax.random.normal(a, (d, n)) / d**0.5,
            "W": jax.random.normal(b, (n, n)) / n**0.5,
            "v": jax.random.normal(c, (n, 1)) / n**0.5,
        }

    return init, lambda p, x: apply(p, x, n)


def refused(sentence: str, data: np.ndarray = VECTORS) -> Callable[[Any], Any]:
    def register(apply: Any) -> Any:
        REFUSED[apply.__name__] = (lambda n: two_layers(n, apply), data, sentence)
        return apply

    return register


def started(sentence: str, **init: Callable[..., Any]) -> Callable[[Any], Any]:
    """A model that is refused because of a parameter's initialisation."""

    def register(apply: Any) -> Any:
        def make(n: int) -> Any:
            plain, run = two_layers(n, apply)
            return (lambda key, x: plain(key, x) | {k: f(key, n) for k, f in init.items()}), run

        REFUSED[apply.__name__] = (make, VECTORS, sentence)
        return apply

    return register


@refused(r"applies sort to vectors, at refusals.py:\d+")
def sort(p, x, n):
    return jnp.sort(x @ p["U"], -1) @ p["v"]


@refused(r"largest or smallest coordinate \(reduce_max, at refusals.py:\d+\)")
def max_over_width(p, x, n):
    return (x @ p["U"]).max(-1)


@refused(r"largest or smallest coordinate")
def softmax_over_width(p, x, n):
    return jax.nn.softmax(x @ p["U"]) @ p["v"]


@refused(r"cumulatively, at refusals.py:\d+")
def cumsum_over_width(p, x, n):
    return jnp.cumsum(x @ p["U"], -1) @ p["v"]


@refused(r"applies fft to vectors")
def fft_over_width(p, x, n):
    return jnp.fft.fft(x @ p["U"]).real @ p["v"]


@refused(r"applies top_k to vectors")
def top_k(p, x, n):
    return jax.lax.top_k(x @ p["U"], 3)[0].sum(-1)


@refused(r"selects single coordinates, at refusals.py:\d+")
def first_coordinates(p, x, n):
    return (x @ p["U"])[:, :3].sum(-1)


@refused(r"(reverses|selects|takes) ?.*coordinates")
def every_second_coordinate(p, x, n):
    return (x @ p["U"])[:, ::2] @ p["v"][::2]


@refused(r"reverses coordinates")
def reversed_coordinates(p, x, n):
    return (x @ p["U"])[:, ::-1] @ p["v"]


@refused(r"changes the entries of matrix W")
def masked_weights(p, x, n):
    return (x @ p["U"]) @ jnp.tril(p["W"]) @ p["v"]


@refused(r"changes the entries of matrix W \(mul")
def weight_norm(p, x, n):
    return (x @ p["U"]) @ (p["W"] / jnp.linalg.norm(p["W"], axis=0)) @ p["v"]


@refused(r"two matrices|multiplies the matrices W and W")
def product_of_matrices(p, x, n):
    return (x @ p["U"]) @ (p["W"] @ p["W"]) @ p["v"]


@refused(r"output of a readout is used further \(logistic, at refusals.py:\d+\)")
def sigmoid_of_output(p, x, n):
    return jax.nn.sigmoid(jax.nn.relu(x @ p["U"]) @ p["v"])


@refused(r"output of a readout is used further")
def output_squared(p, x, n):
    return ((x @ p["U"]) @ p["v"]) ** 2


@refused(r"order n\^1/2 reach \w+, at refusals.py:\d+: .* scores='1/d'", SEQUENCES)
def root_d_attention(p, x, n):
    h = x @ p["U"]
    return (jax.nn.softmax(h @ (h @ p["W"]).swapaxes(1, 2) / n**0.5) @ h).mean(1) @ p["v"]


@refused(r"two width axes, as in linear attention", SEQUENCES)
def linear_attention(p, x, n):
    h = x @ p["U"]
    return (h @ (h.swapaxes(1, 2) @ h) / n).mean(1) @ p["v"]


@refused(r"differ from coordinate to coordinate, at refusals.py:\d+", SEQUENCES)
def sinusoidal_positions(p, x, n):
    places = jnp.sin(jnp.arange(3)[:, None] / 1e4 ** (jnp.arange(n) / n))
    return jax.nn.relu(x @ p["U"] + places).mean(1) @ p["v"]


@refused(r"draws random numbers while it runs")
def dropout(p, x, n):
    kept = jax.random.bernoulli(jax.random.key(0), 0.5, (len(x), n))
    return (jax.nn.relu(x @ p["U"]) * kept) @ p["v"]


@refused(r"while loop, at refusals.py:\d+")
def while_loop(p, x, n):
    return jax.lax.while_loop(lambda h: jnp.sum(h) < 10, lambda h: h * 1.1, x @ p["U"]) @ p["v"]


@refused(r"branch that depends on its data")
def branch(p, x, n):
    return jax.lax.cond(x[0, 0] > 0, lambda h: h, lambda h: 2 * h, x @ p["U"]) @ p["v"]


@refused(r"stops gradients of vectors, at refusals.py:\d+")
def stopped(p, x, n):
    return jax.lax.stop_gradient(jnp.tanh(x @ p["U"])) @ p["v"]


@jax.custom_jvp
def straight_through(x):
    return jnp.sign(x)


straight_through.defjvps(lambda g, out, x: g)


@refused(r"custom derivative that is not the true one")
def straight_through_sign(p, x, n):
    return straight_through(x @ p["U"]) @ p["v"]


@refused(r"entries of order n\^-1/2 reach tanh, at refusals.py:\d+ and vanish")
def vanishing(p, x, n):
    return jnp.tanh(x @ p["U"] / n**0.5) @ p["v"]


@refused(r"term of order n\^-1/2 is added to one of order n\^0, at refusals.py:\d+, and would be dropped")
def dropped_branch(p, x, n):
    h = x @ p["U"]
    return (h + h @ p["W"] / n**0.5) @ p["v"]


@refused(r"number of order n\^0 is added to values of order n\^1/2, at refusals.py:\d+, .* as in a mean of squares")
def epsilon_that_loses(p, x, n):
    h = x @ p["U"]
    return (h * n**0.5 / (jnp.linalg.norm(h, axis=-1, keepdims=True) + 1e-6)) @ p["v"]


@refused(r"term of order n\^-1 is added to one of order n\^0")
def epsilon_that_wins(p, x, n):
    h = x @ p["U"] / n**0.5
    return (h / jnp.sqrt(jnp.mean(h**2, -1, keepdims=True) + 1e-5)) @ p["v"]


@refused(r"return(s|ed) vectors that grow with the width|returns vectors")
def no_readout(p, x, n):
    return x @ p["U"]


@refused(r"is contracted with vectors over another one, at refusals.py:\d+, so that .* as in token mixing", SEQUENCES)
def token_mixing(p, x, n):
    return (p["U"][:3].T @ (x @ p["U"])).mean((1, 2))


@refused(r"structure must not depend on the width")
def other_operations(p, x, n):
    h = x @ p["U"]
    return (jnp.tanh(h) if n > 200 else jnp.sin(h)) @ p["v"]


@refused(r"a number depends on the width|A number (of the model )?depends on the width")
def no_power(p, x, n):
    return ((x @ p["U"]) / (n + 1)) @ p["v"]


@started(
    r"U and W start at the same random numbers|start at the same random numbers",
    V=lambda key, n: jax.random.normal(jax.random.split(key, 3)[1], (n, n)) / n**0.5,
)
def same_numbers(p, x, n):
    return jnp.tanh(jnp.tanh(x @ p["U"]) @ p["W"]) @ p["V"] @ p["v"]


@started(r"fixed numbers that are not all equal", W=lambda key, n: jnp.eye(n))
def identity_start(p, x, n):
    return jnp.tanh(x @ p["U"]) @ p["W"] @ p["v"]


@refused(r"depends on the width")
def place_of_the_width(p, x, n):
    return (jnp.tanh(x @ p["U"]) * x[:, n // 64 - 3 : n // 64 - 2]) @ p["v"]


@refused(r"summed over the width")
def numbers_over_the_width(p, x, n):
    return jnp.tanh(x @ p["U"] / (1 + x[:, :1] * jnp.ones(n) @ jnp.ones((n, 1)) / n)) @ p["v"]


@refused(r"sum over the width of order n\^1/2")
def readout_within_a_product(p, x, n):
    h = x @ p["U"]
    return (h * p["v"][:, 0] * jnp.tanh(h)).sum(-1)


@started(
    r"Parameter a is random and has no axis that grows with the width, at refusals.py:\d+",
    a=lambda key, n: jax.lax.map(lambda k: jax.random.normal(k, ()), jax.random.split(key, 2)),
)
def numbers_drawn_in_a_loop(p, x, n):
    h = x @ p["U"]
    return (p["a"][0] * h + p["a"][1] * jnp.tanh(h)) @ p["v"]


@started(
    r"entries of W are not drawn independently of each other \(they are drawn within random_gamma\)",
    W=lambda key, n: jax.random.gamma(key, 2.0, (n, n)) / n,
)
def gamma_start(p, x, n):
    return jnp.tanh(x @ p["U"]) @ p["W"] @ p["v"]


@started(
    r"entries of b are not drawn independently of each other \(reduce_sum",
    b=lambda key, n: jax.random.normal(key, (n, n)).sum(0) / n**0.5,
)
def computed_start(p, x, n):
    return jnp.tanh(x @ p["U"] + p["b"]) @ p["v"]


def _low_rank(key, n):
    return jax.random.normal(key, (n, 2)) @ jnp.ones((2, n))


@started(r"entries of W are not drawn independently", W=_low_rank)
def low_rank_start(p, x, n):
    return jnp.tanh(x @ p["U"]) @ p["W"] @ p["v"]


def _symmetric(key, n):
    a = jax.random.normal(key, (n, n)) / n**0.5
    return a + a.T


@started(r"entries of W are not drawn independently of each other \(add", W=_symmetric)
def symmetric_start(p, x, n):
    return jnp.tanh(x @ p["U"]) @ p["W"] @ p["v"]


@started(r"transpose or fails the Simple GIA Check", W=lambda key, n: jax.nn.initializers.orthogonal()(key, (n, n)))
def orthogonal_transposed(p, x, n):
    return jnp.tanh(jnp.tanh(jnp.tanh(x @ p["U"]) @ p["W"]) @ p["W"].T) @ p["v"]


@started(r"entries of W have mean 0.5", W=lambda key, n: 0.5 + jax.random.normal(key, (n, n)))
def shifted_start(p, x, n):
    return (x @ p["U"]) @ p["W"] @ p["v"]


@started(r"197 entries at width 192 .*, at refusals.py:\d+", W=lambda key, n: jax.random.normal(key, (n + 5, n)))
def width_plus_five(p, x, n):
    return x @ p["U"] @ p["W"][:n] @ p["v"]


@started(r"are joined along the width, at refusals.py:\d+", W=lambda key, n: jax.random.normal(key, (n + 5, n)))
def joint_layer(p, x, n):
    return jax.lax.fori_loop(0, 2, lambda t, h: jnp.concatenate([x, h], -1) @ p["W"], jnp.zeros((2, n))) @ p["v"]


@started(r"random and has no axis that grows with the width", a=lambda key, n: jax.random.normal(key, (1,)))
def random_number(p, x, n):
    return (p["a"] * jnp.tanh(x @ p["U"])) @ p["v"]


@started(r"readout v starts at 0", v=lambda key, n: jnp.zeros((n, 1)), a=lambda key, n: jnp.zeros(1))
def bias_beside_a_readout_of_zeros(p, x, n):
    return jnp.tanh(x @ p["U"]) @ p["v"] + p["a"]


@started(r"bias a of the output|output has a bias a", a=lambda key, n: jnp.ones(1))
def output_bias_of_one(p, x, n):
    return (x @ p["U"]) @ p["v"] + p["a"]


@refused(r"repeats an array a number of times that grows with the width, at refusals.py:\d+")
def tiled_as_often_as_wide(p, x, n):
    return jnp.tile(x @ p["U"], (1, n)).reshape(-1, n, n).mean(1) @ p["v"]


@refused(r"indexed by numbers that are out of bounds", SEQUENCES)
def position_that_is_not_there(p, x, n):
    return jnp.take(x @ p["U"], jnp.array([0, 5]), axis=1, mode="fill").mean(1) @ p["v"]


@refused(r"computes in bfloat16, at refusals.py:\d+, but .* param_dtype float32")
def half_precision(p, x, n):
    return (x @ p["U"]).astype(jnp.bfloat16).astype(float) @ p["v"]


@started(r"computes in float16, but", W=lambda key, n: jax.random.normal(key, (n, n), jnp.float16) / n**0.5)
def half_precision_parameters(p, x, n):
    return jnp.tanh(x @ p["U"]) @ p["W"] @ p["v"]


@refused(r"masks vectors with an infinite number, at refusals.py:\d+", SEQUENCES)
def infinite_mask(p, x, n):
    return jnp.where(x[..., :1] > 0, x @ p["U"], -jnp.inf).max(1) @ p["v"]


@refused(r"pads with -inf, at refusals.py:\d+, as for a maximum", SEQUENCES)
def padded_with_infinity(p, x, n):
    h = jnp.pad(x @ p["U"], ((0, 0), (1, 0), (0, 0)), constant_values=-jnp.inf)
    return jnp.maximum(h[:, 1:], h[:, :-1]).mean(1) @ p["v"]


@refused(r"pads along the width, at refusals.py:\d+")
def padded_width(p, x, n):
    return jnp.pad(x @ p["U"], ((0, 0), (0, n))).reshape(-1, 2, n).sum(1) @ p["v"]


class GroupsOfFour(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(self.n, (3,))(x)
        return nn.Dense(1)(nn.Conv(self.n, (3,), feature_group_count=self.n // 4)(x).mean(1))


class TokensByDefault(nn.Module):
    """Flax's default embedding has entries of order 1/√n, which ε dominates in the limit."""

    n: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.LayerNorm()(nn.Embed(5, self.n)(x)).mean(1))


class RootDAttention(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(self.n)(x)
        return nn.Dense(1)((x + nn.MultiHeadDotProductAttention(2)(x)).mean(1))


REFUSED["GroupsOfFour"] = (
    GroupsOfFour,
    SEQUENCES,
    r"groups, at refusals.py:\d+ whose number grows|groups whose number",
)
REFUSED["TokensByDefault"] = (TokensByDefault, np.array([[0, 3, 1]]), r"order n\^-1 is added to one of order n\^0")
REFUSED["RootDAttention"] = (RootDAttention, SEQUENCES, r"order n\^1/2 reach")
