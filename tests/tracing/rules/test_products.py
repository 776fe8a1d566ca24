"""Products whose batch axes include the width, and rates of parameters with entries of their own at each position."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import ntkviz as nv

from ..families import SIZE, many_heads
from ..zoo import SEQUENCES, plain


@pytest.fixture(autouse=True)
def quiet():
    """Silence warnings about assumptions, which have their own tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        yield


@pytest.mark.wide
@pytest.mark.full
def test_kernels_of_many_heads():
    """The NNGP is Σ_sv E[A_ts Ā_uv] E[v_s v̄_v], an expectation over one head's Gaussian q and k, averaged over t and u;
    the NTK is that of networks of many heads."""
    x = SEQUENCES[:, :2]
    t = nv.trace(many_heads)
    limit = nv.infinite_ntk(t, x)
    batch, time, d = x.shape
    rows = x.reshape((-1, d))
    covariance, root = rows @ rows.T / d, rows / d**0.5
    rng = np.random.default_rng(0)
    q, k = (np.einsum("rs,msc->mrc", root, rng.normal(size=(100_000, d, SIZE))) for _ in range(2))
    q, k = (a.reshape((-1, batch, time, SIZE)) for a in (q, k))
    weights = np.exp(np.einsum("mbtc,mbsc->mbts", q, k) / SIZE**0.5)
    mean = (weights / weights.sum(-1, keepdims=True)).mean(2)
    second = np.einsum("mas,mbv->asbv", mean, mean) / len(mean)
    expected = np.einsum("asbv,asbv->ab", second, covariance.reshape((batch, time, batch, time)))
    assert limit.error < 0.01 * limit.ntk.max()
    np.testing.assert_allclose(limit.nngp, expected, atol=5 * limit.error + 0.005 * expected.max())
    own = np.mean([t.model_ntk(x, width=256, key=k) for k in range(4)], 0)
    assert np.linalg.norm(own - limit.ntk) < 0.15 * np.linalg.norm(limit.ntk)  # about 0.05


def test_rate_of_an_input_weight_for_each_position_is_divided_by_its_fan_in():
    shapes = {"E": lambda n, d: ((3, d, n), d), "v": lambda n, d: ((n,), n)}
    t = nv.trace(plain(SEQUENCES, **shapes)(lambda p, x, n: jnp.einsum("btd,tdn->btn", x, p["E"]).mean(1) @ p["v"]))
    limit = nv.infinite_ntk(t, SEQUENCES)
    np.testing.assert_allclose(limit.ntk, 2 * limit.nngp, rtol=1e-6)
    assert t.learning_rates(512)["E"] == pytest.approx(1 / SEQUENCES.shape[-1])
