"""`nv.maximum` in every reading: it was added in one file, and each reading has it."""

import jax
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import ntkviz as nv
from ntkviz.errors import ProgramError
from ntkviz.networks.sampling import run, sample_parameters


@nv.architecture
def maxout(net, x, *, sigma_b=0.0):
    """A layer of maxout units (Goodfellow et al. 2013) of two linear maps, one with a bias."""
    return net.readout("v", nv.maximum(net.input("U", x), net.input("V", x) + net.bias("b", std=sigma_b)))


ONE = np.ones((1, 1))  # Uξ and Vξ are then independent N(0, 1)


def test_it_is_the_maximum_of_numpy(same_as_numpy):
    same_as_numpy(lambda x: nv.maximum(x[:, :1], x), (2,), against=lambda x: np.maximum(x[:, :1], x))


def test_kernels_of_a_maxout_unit_by_hand():
    """E max(x, y)² = 1, and each of the two inputs is the larger one half of the time."""
    for method in ("forward", "general"):
        kernels = nv.infinite_ntk(maxout, ONE, method=method)
        assert (kernels.nngp[0, 0], kernels.ntk[0, 0]) == pytest.approx((1.0, 2.0), rel=1e-12)


def test_kernels_with_a_bias_by_quadrature():
    """x ~ N(0, 1), y ~ N(0, 1 + b²): the density of each at the larger one, integrated."""
    std = np.sqrt(1 + 0.7**2)
    square, larger = (
        quad(f, -12, 12)[0]
        for f in (
            lambda t: t**2 * (norm.pdf(t) * norm.cdf(t / std) + norm.pdf(t, scale=std) * norm.cdf(t)),
            lambda t: norm.pdf(t, scale=std) * norm.cdf(t),  # how often y is the larger one
        )
    )
    kernels = nv.infinite_ntk(maxout(sigma_b=0.7), ONE)
    assert kernels.nngp[0, 0] == pytest.approx(square, rel=1e-9)
    assert kernels.ntk[0, 0] == pytest.approx(square + (1 - larger) + larger * std**2, rel=1e-9)


def test_wide_networks_have_the_limit(rng):
    x = rng.normal(size=(2, 3))
    limit = nv.infinite_ntk(maxout(sigma_b=0.5), x).ntk
    networks = np.mean([nv.empirical_ntk(maxout(sigma_b=0.5), x, width=1024, key=k) for k in range(8)], axis=0)
    np.testing.assert_allclose(networks, limit, rtol=0.05)


def test_its_gradient_is_that_of_automatic_differentiation(rng):
    x = rng.normal(size=(2, 3))
    forward = nv.program(maxout, x)
    both = forward.backward()
    parameters = sample_parameters(forward, 6, jax.random.key(0), np.float64)
    values = run(both, parameters).values
    gradients = jax.jacobian(lambda p: run(forward, p).output)(parameters)
    du = next(g for v, g in both.gradients if v == 4)  # the place of Uξ
    by_use = np.einsum("oen,ed->ond", values[du], x) / np.sqrt(6 * 3)  # dx = √n ∂f/∂x; Uξ/√d
    np.testing.assert_allclose(by_use, gradients[0], rtol=1e-9)


def test_it_is_listed_as_it_is_written(trace):
    program = trace(lambda net, x: net.readout("v", nv.maximum(net.input("U", x), net.input("V", x))))
    assert [line.formula_text for line in program.lines()][3] == "max(g1, g2)"
    assert "step(g1 - g2) ⊙ dx1" in program.backward().to_text()


def test_it_works_in_layers_and_loops(rng):
    """Repeated layers and steps in time, against the same without the shorthand."""

    @nv.architecture
    def network(net, x, *, short=True):
        both = nv.maximum if short else lambda x, y: y + nv.relu(x - y)
        u, W = net.input("U", x), net.matrix("W")
        h = u[:, 0]
        for t in range(1, x.shape[1]):
            h = u[:, t] + W @ both(h, u[:, t])
        deep = net.repeat(2, lambda net, h: net.matrix("A") @ both(h, net.matrix("B") @ h), h)
        return net.readout("v", deep)

    x = rng.normal(size=(2, 5, 3))
    short, full = nv.infinite_ntk(network, x), nv.infinite_ntk(network(short=False), x)
    np.testing.assert_allclose(short.ntk, full.ntk, rtol=1e-12)


def test_scalars_keep_their_places(rng):
    program = nv.program(
        nv.architecture(
            lambda net, x: net.readout("v", nv.layernorm(nv.maximum(net.input("U", x), net.input("V", x))))
        ),
        ONE,
    )
    limits = nv.limit_scalars(program)
    places = [k for k, i in enumerate(program.instructions) if i.kind == "scalar"]
    assert sorted(limits) == places
    mean = next(k for k in places if type(program.instructions[k].op).__name__ == "Moment")
    assert float(limits[mean][0]) == pytest.approx(1 / np.sqrt(np.pi), rel=1e-12)  # E max of two N(0, 1)


def test_vectors_alone_have_a_maximum(trace):
    with pytest.raises(ProgramError, match=r"nv.maximum takes two vectors"):
        trace(lambda net, x: net.readout("v", nv.maximum(net.input("U", x), 1.0)))
