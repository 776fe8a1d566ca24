"""Scrambled Sobol nets of standard normal points."""

import numpy as np

from ntkviz.gaussian.sobol import replicates, sobol_normal


def test_points_are_normal_finite_and_differ_by_seed():
    points = sobol_normal(7, 12, 3)
    assert points.shape == (7, 4096)
    assert np.all(np.isfinite(points))
    assert np.allclose(points.mean(1), 0, atol=2e-3)
    assert np.allclose(points @ points.T / 4096, np.eye(7), atol=2e-2)
    assert not np.allclose(points, sobol_normal(7, 12, 4))


def test_replicates_are_independent_and_the_same_for_one_seed():
    nets = replicates(3, 10, seed=5, count=4)
    assert nets.shape == (4, 3, 1024)
    np.testing.assert_array_equal(nets, replicates(3, 10, seed=5, count=4))
    assert len({net.tobytes() for net in nets}) == 4
    means = (replicates(2, 12, seed=0, count=16) ** 2).prod(1).mean(-1)  # of E z₁²z₂² = 1
    assert abs(means.mean() - 1) < 0.01 < 1 / 2**6, "not even as good as plain Monte Carlo"
