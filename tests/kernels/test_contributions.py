"""The NTK by pairs of uses: against the recursions of an RNN worked by hand, and its sum against both NTKs."""

import jax
import numpy as np
import pytest
from matrix_products import is_in_full, some_products
from selection import full_among

import ntkviz as nv
from ntkviz.errors import InputError, NoForwardLimitError
from ntkviz.kernels import contributions

RNG = np.random.default_rng(5)
LONG, SHORT = RNG.normal(size=(1, 4, 3)), RNG.normal(size=(1, 3, 3))
IMAGE = RNG.normal(size=(2, 1, 3, 3, 1))
SIGMAS = {"sigma_w": 1.3, "sigma_u": 0.9, "sigma_b": 0.4, "sigma_v": 1.2}


def erf_pair(a, c, b):
    """E[erf erf] and E[erf′ erf′] of a Gaussian pair with covariances a, c, b (Williams 1997)."""
    root = np.sqrt((1 + 2 * a) * (1 + 2 * b))
    return 2 / np.pi * np.arcsin(2 * c / root), 4 / np.pi / np.sqrt((1 + 2 * a) * (1 + 2 * b) - 4 * c**2)


def by_hand(x, y, weights, weights_bar):
    """W's, U's and b's maps over (t, t̄) by the forward recursion of C and the backward one of Π, in plain NumPy."""
    w, u, b, v = (SIGMAS[k] ** 2 for k in ("sigma_w", "sigma_u", "sigma_b", "sigma_v"))

    def covariances(x, y, a, b_bar):
        """C, E[φφ̄] and E[φ′φ̄′] for all pairs, given both sides' variances (`None`: x is y, its own)."""
        shape = len(x), len(y)
        c, k, slope = (np.zeros(shape) for _ in range(3))
        for t, s in np.ndindex(shape):
            below = k[t - 1, s - 1] if t and s else 0.0
            c[t, s] = u * x[t] @ y[s] / x.shape[1] + w * below + b
            own, other = (c[t, t], c[s, s]) if a is None else (a[t], b_bar[s])
            if a is None and t != s:
                continue
            k[t, s], slope[t, s] = erf_pair(own, c[t, s], other)
        return c, k, slope

    variances = [np.diag(covariances(z, z, None, None)[0]) for z in (x, y)]
    _, k, slope = covariances(x, y, *variances)
    pi = np.zeros((len(x) + 1, len(y) + 1))
    for t, s in reversed(list(np.ndindex(len(x), len(y)))):
        pi[t, s] = slope[t, s] * (w * pi[t + 1, s + 1] + v * weights[t] * weights_bar[s])
    pi = pi[:-1, :-1]
    return {"U": pi * u * (x @ y.T) / x.shape[1], "W": pi[1:, 1:] * w * k[:-1, :-1], "b": pi * b}


@pytest.mark.parametrize("pooling", ["last", "average"])
def test_pairs_of_steps_of_an_rnn(pooling):
    weights = [np.eye(t)[-1] if pooling == "last" else np.full(t, 1 / t) for t in (4, 3)]
    expected = by_hand(LONG[0], SHORT[0], *weights)
    found = nv.infinite_contributions(nv.architectures.rnn(pooling=pooling, **SIGMAS), LONG, SHORT)
    for name, part in expected.items():
        assert found[name] == pytest.approx(part, abs=1e-12)
    lags = np.subtract.outer(np.arange(4), np.arange(3)) - 1
    assert np.all((found["U"][lags != 0] == 0) == (pooling == "last"))


CASES = {
    "RNN": (nv.architectures.rnn(pooling="average", **SIGMAS), LONG, SHORT),
    "RNN with zeros at the start": (
        nv.architectures.rnn(parametrization="ntk4a", **(SIGMAS | {"sigma_b": 0})),
        LONG,
        LONG,
    ),
    "MLP": (nv.architectures.mlp(depth=3), LONG[:, 0], SHORT[:, 0]),
    "CNN": (nv.architectures.cnn(pooling="average"), *IMAGE),
}


@pytest.mark.parametrize("case", full_among(CASES, "CNN"))
def test_the_sum_is_the_ntk(case):
    arch, x, y = CASES[case]
    limit = nv.infinite_contributions(arch, x, y)
    assert sum(part.sum() for part in limit.values()) == pytest.approx(nv.infinite_ntk(arch, x, y).ntk[0, 0], rel=1e-9)
    sample = nv.empirical_contributions(arch, x, y, width=32, key=7)
    assert {k: v.shape for k, v in sample.items()} == {k: v.shape for k, v in limit.items()}
    ntk = nv.empirical_ntk(arch, x, y, width=32, key=7)[0, 0]
    assert float(sum(part.sum() for part in sample.values())) == pytest.approx(float(ntk), rel=1e-4)


def test_no_matrix_product_is_rounded_on_a_gpu():
    program = nv.architectures.rnn().trace((LONG,)).unrolled()
    made = jax.make_jaxpr(contributions._split_network, static_argnums=2)(program, program, 32, jax.random.key(0))
    assert all(is_in_full(product) for product in some_products(made.jaxpr))


def test_wide_networks_have_the_limits_pairs():
    arch, x, y = CASES["RNN"]
    limit = nv.infinite_contributions(arch, x, y)
    samples = [nv.empirical_contributions(arch, x, y, width=512, key=k) for k in range(16)]
    for name, part in limit.items():
        mean = np.mean([s[name] for s in samples], axis=0)
        assert np.linalg.norm(mean - part) < 0.12 * np.linalg.norm(part)


def test_refusals_are_one_sentence():
    rnn = nv.architectures.rnn()
    with pytest.raises(InputError, match="contributions need a batch of one input"):
        nv.infinite_contributions(rnn, np.concatenate([LONG, LONG]))
    with pytest.raises(InputError, match="different parameters"):
        nv.infinite_contributions(rnn, LONG, LONG[..., :2])
    with pytest.raises(NoForwardLimitError):
        nv.infinite_contributions(nv.architectures.gru(), LONG)
