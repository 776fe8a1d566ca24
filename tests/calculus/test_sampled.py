"""Sampling the Z calculus is unbiased, and its errors are as large as it says."""

import jax
import numpy as np
import pytest
from outside_gia import readout_used_twice, there_and_back
from selection import full_except

import ntkviz as nv
from ntkviz.calculus.general import sample

a = nv.architectures
SEEDS = 48
VECTORS = np.array([[0.9, -0.3], [0.2, 1.1]])
TWICE_THE_SAME = VECTORS[[0, 0, 1]]  # equal inputs make equal Gaussians, of a singular covariance
SEQUENCES = np.random.default_rng(0).standard_normal((2, 3, 2))

KNOWN_EXACTLY = {
    "worked example": (a.mean_readout_mlp, VECTORS),
    "kinks, check passing": (a.mlp(depth=3), VECTORS),
    "kinks, mean readout": (a.mean_readout_mlp(depth=3, nonlinearity="relu"), VECTORS),
    "tied readout": (a.tied_readout, TWICE_THE_SAME),
    "W and its transpose": (there_and_back, VECTORS),
    "readout used twice": (readout_used_twice, VECTORS),
    "weights shared over time": (a.rnn(sigma_b=0.2), SEQUENCES),
}


def sampled(arch, x, seed=0, *, assume_gia=False):
    stack = arch.trace((x[:1],)).unrolled().with_data(x[:, None])
    return sample(stack, stack, assume_gia=assume_gia, seed=seed)


@pytest.mark.parametrize("name", full_except(KNOWN_EXACTLY, "worked example"))
def test_the_standard_error_covers_the_true_error(name):
    """Over many seeds (value − truth)/error is distributed as it should be: Student's t of 15 degrees of freedom."""
    arch, x = KNOWN_EXACTLY[name]
    exact = nv.infinite_ntk(arch, x, method="general")
    assert exact.error < 1e-9 * np.max(np.abs(exact.ntk))
    runs = [sampled(arch, x, seed) for seed in range(SEEDS)]
    for kernel, error in (("nngp", "nngp_error"), ("ntk", "ntk_error")):
        truth = getattr(exact, kernel)
        values, errors = (np.array([getattr(run, part) for run in runs]) for part in (kernel, error))
        assert np.max(errors) < 0.02 * max(np.max(np.abs(truth)), np.max(np.abs(exact.ntk)))
        z = (values - truth) / (errors + 1e-12)
        assert np.mean(np.abs(z) < 2) > 0.85  # 0.94 if it were exact
        assert np.mean(np.abs(z) < 3) > 0.95  # 0.99
        assert np.all(np.abs(z.mean(0)) < 4 / SEEDS**0.5)  # no bias to speak of


def test_coverage_would_notice_a_wrong_value():
    """The same statistic, compared with the answer of gradient independence."""
    arch, x = KNOWN_EXACTLY["worked example"]
    run, wrong = sampled(arch, x), nv.infinite_ntk(arch, x, assume_gia=True)
    assert np.max(np.abs(run.ntk - wrong.ntk) / run.ntk_error) > 50
    held = sampled(arch, x, assume_gia=True)
    assert np.all(np.abs(held.ntk - wrong.ntk) < 4 * held.ntk_error)


@pytest.mark.full
def test_gates_over_ten_time_steps_have_an_honest_error():
    """A GRU multiplies gates and states ten times over: no exact value, so half the seeds judge the other half."""
    arch, x = a.gru(sigma_w=1.3), np.random.default_rng(1).standard_normal((1, 10, 3))
    runs = [sampled(arch, x, seed) for seed in range(8)]
    for kernel, error in (("nngp", "nngp_error"), ("ntk", "ntk_error")):
        values, errors = (np.array([getattr(run, part) for run in runs]) for part in (kernel, error))
        assert np.max(errors) < 0.02 * np.max(np.abs(values))
        here, there = (values[half].mean(0) for half in (slice(0, 4), slice(4, 8)))
        assert np.all(np.abs(here - there) < 4 * np.sqrt(np.mean(errors**2, 0) / 2))
        np.testing.assert_allclose(values.std(0, ddof=1), np.mean(errors, 0), rtol=0.8)


@pytest.mark.full
def test_gates_agree_with_wide_networks():
    arch, x = a.gru, SEQUENCES
    kernels = nv.infinite_ntk(arch, x)
    samples = np.stack([np.asarray(nv.empirical_ntk(arch, x, width=512, key=k), float) for k in range(32)])
    standard_error = samples.std(0, ddof=1) / 32**0.5
    assert np.all(np.abs(samples.mean(0) - kernels.ntk) < 3 * (standard_error + kernels.error))


def test_the_public_error_is_the_largest_standard_error():
    kernels, run = nv.infinite_ntk(a.gru, SEQUENCES), sampled(a.gru, SEQUENCES)
    assert kernels.error == pytest.approx(float(max(np.max(run.nngp_error), np.max(run.ntk_error))), rel=1e-9)
    np.testing.assert_allclose(kernels.ntk, run.ntk, rtol=1e-9)


def test_a_move_of_a_hyperparameter_compiles_nothing(compilations):
    nv.infinite_ntk(a.gru, SEQUENCES)
    with compilations() as count:
        nv.infinite_ntk(a.gru(sigma_w=1.4, sigma_b=0.3), SEQUENCES)
    assert count() == 0
    assert jax.config.jax_enable_x64


def test_a_vector_of_zeros_stays_zero():
    """Otherwise layernorm would magnify its rounding errors to finite numbers, although its limit is not finite."""

    @nv.architecture
    def normalised(net, x):
        return net.readout("v", nv.erf(net.matrix("W") @ nv.layernorm(net.input("U", x))))

    rng = np.random.default_rng(1)
    x = np.concatenate([rng.standard_normal((2, 4)), np.zeros((1, 4)), rng.standard_normal((2, 4))])
    run = sampled(normalised, x)
    assert np.all(np.isnan(run.nngp[2]))
