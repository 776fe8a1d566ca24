"""Laws of vector-like parameters, against integrals over their densities and random networks."""

import numpy as np
import pytest
from scipy import stats

import ntkviz as nv

DENSITIES = {
    "uniform": stats.uniform(-(3**0.5), 2 * 3**0.5),
    "truncated normal": stats.truncnorm(-2, 2, scale=1 / stats.truncnorm(-2, 2).std()),
}
SIGMA, LR = 1.3, 0.5
X = np.array([[0.6, -1.1], [1.4, 0.3]])


@nv.architecture
def network(net, x, *, law="uniform"):
    return net.readout("v", nv.tanh(net.input("U", x, std=SIGMA, lr=LR, law=law)))


def nodes_and_weights(law):
    if law == "sign":
        return np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    nodes, weights = np.polynomial.legendre.leggauss(60)
    low, high = DENSITIES[law].support()
    u = (low + high) / 2 + (high - low) / 2 * nodes
    return u, weights * (high - low) / 2 * DENSITIES[law].pdf(u)


def exact(law, units):
    """E φφ̄ and its NTK in the parametrization "ntk4a", by quadrature over the density of the entries."""
    u, p = nodes_and_weights(law)
    grid = SIGMA * np.stack(np.meshgrid(*[u] * units.shape[1], indexing="ij"), -1).reshape(-1, units.shape[1])
    p = np.prod(np.stack(np.meshgrid(*[p] * units.shape[1], indexing="ij"), -1), -1).ravel()
    h = np.tanh(grid @ units.T / units.shape[1] ** 0.5)
    nngp = np.einsum("p,pa,pb->ab", p, h, h)
    slopes = np.einsum("p,pa,pb->ab", p, 1 - h**2, 1 - h**2)
    return nngp, nngp + LR * slopes * (units @ units.T) / units.shape[1]


@pytest.mark.parametrize("law", [*DENSITIES, "sign"])
def test_limits_are_integrals_over_the_law(law):
    nngp, ntk = exact(law, X)
    found = nv.infinite_ntk(network(law=law, parametrization="ntk4a"), X)
    assert 0 < found.error < 2e-3
    np.testing.assert_allclose(found.nngp, nngp, rtol=5 * found.error)
    np.testing.assert_allclose(found.ntk, ntk, rtol=5 * found.error)


def test_random_networks_approach_the_limit():
    """In the parametrization "ntk", with a bias of fixed law that is added to every unit."""

    @nv.architecture
    def with_bias(net, x):
        b = net.vector("b", std=SIGMA, mean=0.5, lr=LR, law="uniform")
        return net.readout("v", nv.tanh(net.input("U", x, law="truncated normal") + b))

    limit = nv.infinite_ntk(with_bias, X)
    drawn = np.array([nv.empirical_ntk(with_bias, X, width=1024, key=k) for k in range(24)])
    error = np.hypot(drawn.std(0, ddof=1) / len(drawn) ** 0.5, limit.error * abs(limit.ntk))
    assert np.all(np.abs(drawn.mean(0) - limit.ntk) < 4.5 * error)
    assert np.all(error < 0.01 * limit.ntk.max())


def test_entries_that_are_not_trained_add_nothing():
    @nv.architecture
    def frozen(net, x):
        return net.readout("v", nv.tanh(net.input("U", x, trainable=False, law="uniform")), std=2.0)

    limit = nv.infinite_ntk(frozen(parametrization="ntk4a"), X)
    np.testing.assert_allclose(limit.ntk, limit.nngp / 4, rtol=5 * limit.error)


def test_other_laws_are_refused_by_name():
    with pytest.raises(nv.HyperparameterError, match="law is 'cauchy'; it must be 'normal' or 'uniform' or 'trunc"):
        nv.program(network(law="cauchy"), X)
    with pytest.raises(nv.HyperparameterError, match="standard deviation of parameter U"):
        nv.program(nv.architecture(lambda net, x: net.input("U", x, std=-1.0, law="uniform")), X)
