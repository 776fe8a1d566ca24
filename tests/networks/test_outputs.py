"""Outputs of many random networks have the mean and covariance of the NNGP, within standard errors."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.errors import HyperparameterError

pytestmark = pytest.mark.wide

DRAWS = 4000


@nv.architecture
def normalised(net, x):
    """Batch normalisation: every network reads the whole batch."""
    return net.readout("v", nv.relu(nv.batchnorm(net.input("U", x))))


@pytest.mark.parametrize("width", [1, 64])
def test_one_hidden_layer_has_the_nngps_mean_and_covariance_at_any_width(rng, width):
    arch, x = nv.architectures.mlp(depth=1, sigma_b=0.5), rng.normal(size=(3, 2))
    f = np.asarray(nv.sample_outputs(arch, x, width=width, draws=DRAWS, key=0), float)
    assert f.shape == (DRAWS, 3)
    products = f[:, :, None] * f[:, None, :]
    for sampled, limit in ((f, 0), (products, nv.infinite_ntk(arch, x).nngp)):
        error = sampled.std(axis=0) / DRAWS**0.5
        assert np.max(np.abs(sampled.mean(axis=0) - limit) / error) < 4


def test_wide_outputs_have_a_gaussians_fourth_moment_and_narrow_ones_have_not(rng):
    x = rng.normal(size=(1, 2))

    def kurtosis(width):
        f = np.asarray(nv.sample_outputs(nv.architectures.mlp(depth=2), x, width=width, draws=DRAWS, key=1))
        return np.mean(f**4) / np.mean(f**2) ** 2

    assert kurtosis(256) == pytest.approx(3, abs=0.5)
    assert kurtosis(1) > 6


def test_every_network_reads_the_whole_batch(rng):
    x = rng.normal(size=(4, 3))
    f = np.asarray(nv.sample_outputs(normalised, x, width=128, draws=DRAWS, key=0), float)
    products = f[:, :, None] * f[:, None, :]
    error = products.std(axis=0) / DRAWS**0.5
    assert np.max(np.abs(products.mean(axis=0) - nv.infinite_ntk(normalised, x).nngp) / error) < 5


def test_sequences_of_different_lengths_are_read_by_the_same_networks(rng):
    arch, (long, short) = nv.architectures.rnn(), (rng.normal(size=(3, 2)), rng.normal(size=(2, 2)))
    mixed = nv.sample_outputs(arch, [long, short, 2 * long], width=8, draws=5, key=0)
    np.testing.assert_allclose(mixed[:, [0, 2]], nv.sample_outputs(arch, [long, 2 * long], width=8, draws=5, key=0))
    np.testing.assert_allclose(mixed[:, [1]], nv.sample_outputs(arch, [short], width=8, draws=5, key=0), rtol=1e-5)


def test_first_networks_are_the_same_however_many_follow(rng, monkeypatch):
    arch, x = nv.architectures.mlp(), rng.normal(size=(3, 2))
    few, many = (nv.sample_outputs(arch, x, width=8, draws=draws, key=2) for draws in (3, 11))
    np.testing.assert_allclose(many[:3], few, rtol=1e-5)
    monkeypatch.setattr("ntkviz.networks.outputs._AT_ONCE", 1000)
    in_blocks = nv.sample_outputs(arch, x, width=8, draws=11, key=2)
    np.testing.assert_allclose(in_blocks, many, rtol=1e-5)
    assert not np.allclose(many, nv.sample_outputs(arch, x, width=8, draws=11, key=3))


def test_moving_a_hyperparameter_compiles_nothing(rng, compilations):
    x = rng.normal(size=(3, 2))
    nv.sample_outputs(nv.architectures.mlp(sigma_w=1.5), x, width=8, draws=9, key=0)
    with compilations() as count:
        nv.sample_outputs(nv.architectures.mlp(sigma_w=2, sigma_b=0.3), x, width=8, draws=14, key=1)
    assert count() == 0


@pytest.mark.parametrize("draws", [0, -1, 2.5, "many", True])
def test_draws_must_be_a_whole_number(rng, draws):
    with pytest.raises(HyperparameterError, match=r"The number of draws is .*; it must be a whole number ≥ 1\."):
        nv.sample_outputs(nv.architectures.mlp(), rng.normal(size=(2, 2)), width=4, draws=draws, key=0)


def test_width_and_key_are_checked(rng):
    x = rng.normal(size=(2, 2))
    with pytest.raises(HyperparameterError, match="width"):
        nv.sample_outputs(nv.architectures.mlp(), x, width=0, draws=2, key=0)
    with pytest.raises(HyperparameterError, match="key"):
        nv.sample_outputs(nv.architectures.mlp(), x, width=4, draws=2, key="0")
