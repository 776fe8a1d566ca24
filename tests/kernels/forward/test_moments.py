"""Moments at equal positions agree with those of all pairs, and take P numbers instead of P²."""

import jax
import numpy as np
import pytest

import ntkviz as nv
from ntkviz import architectures
from ntkviz.execution.trace_signature import trace_signature
from ntkviz.execution.traced_cost import largest_written
from ntkviz.gaussian.expectation import pair_expectation, square_expectation
from ntkviz.kernels.forward.kernels import kernels_of
from ntkviz.kernels.forward.moments import Moments, pick_equal_positions
from ntkviz.kernels.forward.views import View
from ntkviz.language.zero import ZERO

random = np.random.default_rng(0)


@nv.architecture
def everything_at_positions(net, x):
    """Each instruction that keeps positions separate, moves them, or combines them, on five positions."""
    h = nv.relu(net.input("U", x) + net.bias("b")) * np.linspace(0.5, 1.5, 5) + 0.3  # Add, Scale, Shift
    padded = h.pad([(0, 0), (1, 1)])
    taps = net.matrix("W", shape=(2,))
    local = taps[0] @ padded[:, :5] + taps[1] @ padded[:, 2:] + net.matrix("M") @ h.mean(1)[:, None]
    layer = lambda net, y: net.matrix("R") @ nv.erf(y) + net.bias("c")  # noqa: E731
    repeated = net.repeat(2, layer, local)
    joined = nv.concatenate([repeated[:, ::-1], repeated.reshape(1, 5)], axis=1)
    both = nv.stack([joined, 0.5 * joined], axis=2).transpose(0, 2, 1)
    mixed = nv.einsum("pq,bcq->bcp", np.tri(10), both)
    return net.readout("v", nv.erf(net.matrix("V") @ mixed), axes=2)


PROGRAMS = {
    "everything": (everything_at_positions(), (1, 5, 3)),
    "CNN": (architectures.cnn(depth=3, nonlinearity="leaky_relu"), (1, 4, 2)),
}


@jax.jit
def of_each_vector(programs):
    """Moments of a vector with itself at equal positions, within and between copies: directly, and from all pairs."""
    asked, every = Moments(View(programs)), Moments(View(programs))
    vectors = [p for p, i in enumerate(programs[0].instructions) if i.kind == "vector" and p != programs[0].output]
    found = []
    for p, c, d in [(p, c, d) for p in vectors for c, d in ((0, 0), (0, 1), (1, 1))]:
        shape, k = programs[0].instructions[p].shape, every.moment((c, p), (d, p))
        picked = k.map(lambda part, shape=shape: pick_equal_positions(part, shape, shape, shape))
        found.append((asked.at_equal_positions((c, p), (d, p)), picked))
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_equal_positions_are_those_of_all_pairs(name):
    arch, shape = PROGRAMS[name]
    found = of_each_vector(tuple(arch.trace((random.normal(size=shape),)) for _ in range(2)))
    assert len(found) > 10
    for asked, picked in found:
        for one, other in ((asked.value, picked.value), (asked.tangent, picked.tangent)):
            assert (one is ZERO) == (other is ZERO)
            if one is not ZERO:
                np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("pooling", "growth"), [("flatten", 4), ("average", 16)])
def test_only_an_average_makes_all_pairs_of_pixels_meet(pooling, growth):
    def numbers(side):
        program = nv.program(architectures.cnn(depth=3, pooling=pooling), np.ones((1, side, side, 1)))
        return largest_written(kernels_of(trace_signature(program, program)).trace(program, program).jaxpr.jaxpr)

    assert numbers(16) / numbers(8) == pytest.approx(growth, rel=0.1)


@pytest.mark.parametrize(("pooling", "growth"), [("last", 2), ("average", 4)])
def test_only_an_average_makes_all_pairs_of_steps_meet(pooling, growth):
    def numbers(steps):
        program = nv.program(architectures.rnn(pooling=pooling), np.ones((1, steps, 1)))
        return largest_written(kernels_of(trace_signature(program, program)).trace(program, program).jaxpr.jaxpr)

    assert numbers(64) / numbers(32) == pytest.approx(growth, rel=0.1)


@pytest.mark.parametrize("phi", [nv.relu, nv.abs, nv.identity, nv.erf], ids=lambda phi: phi.name)
def test_square_of_a_nonlinearity(phi):
    variance = np.array([0.0, 1e-3, 0.7, 5.0])
    pair = pair_expectation(phi, phi, variance, variance, variance)
    np.testing.assert_allclose(square_expectation(phi, variance).value, pair.value, rtol=1e-12, atol=1e-15)


def test_square_of_a_kink_between_two_slopes():
    square = square_expectation(nv.leaky_relu, 2.0, theta=(0.5,))
    assert float(square.value) == pytest.approx((1 + 0.5**2) / 2 * 2.0, rel=1e-15)
