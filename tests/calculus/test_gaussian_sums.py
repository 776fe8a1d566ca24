"""Sums of Gaussian vectors that are drawn at once have the law of those whose parts are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import full_among, full_except

import ntkviz as nv
from ntkviz.calculus.gaussian_sums import GaussianSums, plan
from ntkviz.calculus.general import with_gradients
from ntkviz.calculus.sampled import Table, VirtualNetwork, dimensions, dimensions_of_kernels, sampled_kernels
from ntkviz.calculus.virtual import Stacks
from ntkviz.gaussian.sobol import sobol_normal
from ntkviz.language.gradients.backward import backward

a = nv.architectures
rng = np.random.default_rng(0)
IMAGES, SEQUENCES = rng.standard_normal((2, 2, 3, 2)), rng.standard_normal((2, 3, 4))


@nv.architecture
def mixed(net, x):
    """Sums of several kinds of linear instructions: means, joints, weights from the data, a bias for each position."""
    first, weights = nv.erf(net.input("U", x)), nv.softmax(x[:, :, :3])
    parts = [net.matrix("A") @ first, nv.einsum("bij,bj->bi", weights, net.matrix("B", std=2.0) @ first)]
    h = 0.5 * parts[0] - parts[1] + net.vector("b", shape=(3,), std=0.7)
    joint = nv.concatenate([h, (net.matrix("C") @ first).mean(1)[:, None]], axis=1)
    return net.readout("v", nv.relu(joint).mean(1))


PROGRAMS = {
    "convolution": (a.cnn, IMAGES),
    "valid windows": (a.cnn(padding="VALID", filter_size=2), rng.standard_normal((2, 3, 4, 2))),
    "several heads": (a.attention(heads=2), SEQUENCES),
    "several linear instructions": (mixed, SEQUENCES),
}


def of(name):
    [program] = Stacks.of(*PROGRAMS[name]).programs
    return with_gradients(program, assume_gia=True)


@pytest.mark.parametrize("name", full_except(PROGRAMS, "several linear instructions"))
def test_sums_have_the_second_moments_of_those_whose_parts_are_drawn(name):
    p = of(name)
    stack, planned = len(p.program.data[0]), plan(p.program.structure, p.uses)
    normals = jnp.asarray(sobol_normal(dimensions(p.program, stack), 13, seed=0))
    z = VirtualNetwork(Table(normals))
    values = z.run(p.program, sums=GaussianSums(p, z))
    parts = VirtualNetwork(Table(normals)).run(p.program)
    sums = [k for k in planned.drawn if p.program.instructions[k].op.linear]
    assert sums
    for index in planned.drawn:
        at_once, one_by_one = (v[index].reshape(-1, z.samples) for v in (values, parts))
        expected = one_by_one @ one_by_one.T / z.samples
        np.testing.assert_allclose(at_once @ at_once.T / z.samples, expected, atol=0.02 * np.max(np.diag(expected)))


@pytest.mark.parametrize("name", full_except(PROGRAMS, "several heads", "several linear instructions"))
def test_kernels_agree_with_the_exact_limit(name):
    p, exact = of(name), nv.infinite_ntk(*PROGRAMS[name])
    kernels = jax.jit(lambda table: sampled_kernels((p,), True, VirtualNetwork(Table(table)), at_once=True)[:2])
    scrambles = []
    for seed in range(16):
        normals = sobol_normal(dimensions_of_kernels([p], [len(p.program.data[0])]), 12, seed=seed)
        scrambles.append(kernels(normals))
    for found, expected in zip(zip(*scrambles, strict=True), (exact.nngp, exact.ntk), strict=True):
        error = np.std(found, axis=0, ddof=1) / 16**0.5
        assert np.all(np.abs(np.mean(found, axis=0) - expected) < 5 * error + 2 * exact.error)
        assert np.max(error) < 0.005 * np.max(expected)


def test_a_convolution_takes_a_normal_for_each_position_but_not_for_each_offset():
    """Two images of 2×3 positions: two layers and one gradient in between; the readout has a vector per position."""
    assert dimensions_of_kernels([of("convolution")], [2]) == 2 * 3 * 6 + 6


@pytest.mark.parametrize("name", full_among(PROGRAMS, "valid windows", "several linear instructions"))
def test_a_run_takes_as_many_normals_as_foretold(name):
    p = of(name)
    rows = dimensions_of_kernels([p], [len(p.program.data[0])])
    table = Table(jnp.asarray(sobol_normal(rows, 4, seed=0)))
    sampled_kernels((p,), True, VirtualNetwork(table), at_once=True)
    assert table.used == rows


def test_matrices_that_are_used_again_are_conditioned_on():
    """Also by the gradients: W and its transpose are one matrix, unless the gradients have a copy."""
    [program] = Stacks.of(a.mlp(depth=2), rng.standard_normal((2, 3))).programs
    for independent, drawn in ((False, 1), (True, 3)):
        p = backward(program.structure, independent_copy=independent)
        planned = plan(p.program, p.uses)
        assert len(planned.drawn) == drawn
        matrices = [p.program.instructions[k].op for k in planned.gaussian]
        names = {p.program.parameters[op.parameter].name for op in matrices if hasattr(op, "parameter")}
        assert ("W[1]" in names) == independent


def test_roots_of_singular_covariances_have_their_derivatives():
    """d(L Lᵀ) = dK also where K has less than full rank, along changes of the vectors."""
    x, dx = (jnp.asarray(m) for m in rng.standard_normal((2, 3, 2)))
    z = VirtualNetwork(Table(jnp.zeros((0, 8))))
    product, change = jax.jvp(lambda x: (lambda root: root @ root.T)(z.root(x @ x.T)), (x,), (dx,))
    np.testing.assert_allclose(product, x @ x.T, atol=1e-12)
    np.testing.assert_allclose(change, dx @ x.T + x @ dx.T, atol=1e-10)
    np.testing.assert_array_equal(z.root(jnp.zeros((2, 2))), 0)
