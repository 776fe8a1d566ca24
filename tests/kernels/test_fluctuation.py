"""The constant of the 1/√n law: against closed forms, and against random networks."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from outside_gia import there_and_back
from selection import full, full_among

import ntkviz as nv
from ntkviz.calculus import influence
from ntkviz.distant.requests import GivenUp, wanted_until
from ntkviz.errors import HyperparameterError, NotFiniteError
from ntkviz.kernels import fluctuation as module
from ntkviz.kernels.fluctuation import mean_norm

pytestmark = pytest.mark.wide

a = nv.architectures
rng = np.random.default_rng(0)
VECTORS, SEQUENCES = rng.standard_normal((3, 4)), rng.standard_normal((2, 3, 4))
IMAGES = np.random.default_rng(1).standard_normal((2, 2, 3, 2))
clip = nv.nonlinearity(lambda x: jnp.clip(x, -1.0, 0.5))


@pytest.mark.parametrize("depth", [1, 2, full(4)])  # (11L + 7) has two coefficients
def test_relu_networks_have_the_known_variance(depth):
    """σ_w² = 2, no biases, ‖x‖² = d: Θ = L + 1 and n·Var Θ_n → L(L + 1)(11L + 7)/3."""
    arch, x = a.mlp(depth=depth, sigma_w=2**0.5, sigma_b=0.0), np.array([[1.0, -1.0]])
    found = nv.fluctuation(arch, x)
    variance = depth * (depth + 1) * (11 * depth + 7) / 3
    assert found.covariance.item() == pytest.approx(variance, rel=0.01)
    assert found.c == pytest.approx((2 / math.pi * variance) ** 0.5 / (depth + 1), rel=0.006)


def test_the_variance_of_a_linear_network_agrees_with_a_calculation_by_hand():
    """f = vᵀUx/√(nd): Θ_n = (‖Ux‖²/n + ‖v‖²/n ‖x‖²)/d, two means of squares; the NNGP is the first of them."""
    arch, x = a.mlp(depth=1, nonlinearity="identity", sigma_w=1.0, sigma_b=0.0), np.array([[0.6, 0.8]])
    second = 0.5  # ‖x‖²/d
    assert nv.fluctuation(arch, x).covariance.item() == pytest.approx(2 * second**2 * 2, rel=0.01)
    nngp = nv.fluctuation(arch, x, kernel="nngp")
    assert nngp.covariance.item() == pytest.approx(2 * second**2, rel=0.01)
    assert nngp.c == pytest.approx(2 / math.pi**0.5, rel=0.01)


def test_influences_agree_with_a_calculation_by_hand():
    """With the same network, (z² − 1)‖x‖²/d + (v² − 1)‖x‖²/d: least −1, and with the third moment of two χ²."""
    arch, x = a.mlp(depth=1, nonlinearity="identity", sigma_w=1.0, sigma_b=0.0), np.array([[0.6, 0.8]])
    found = nv.fluctuation(arch, x).influences
    assert found.shape == (1024, 1, 1)
    assert found.mean() == pytest.approx(0, abs=0.01)
    assert found.min() == pytest.approx(-1, abs=0.02)
    assert np.mean(found**3) == pytest.approx(2 * 8 * 0.5**3, rel=0.15)


def test_influences_have_the_covariance():
    found = nv.fluctuation(a.mlp(depth=2), VECTORS)
    products = np.einsum("sij,skl->ijkl", found.influences, found.influences) / len(found.influences)
    np.testing.assert_allclose(products, found.covariance, atol=0.1 * found.covariance.max())


NETWORKS = {
    "relu": (a.mlp(depth=2), VECTORS),
    "two kinks": (a.mlp(depth=2, nonlinearity=clip), VECTORS),
    "layernorm": (a.layernorm_mlp, VECTORS),
    "shared over time": (a.rnn(sigma_b=0.3), SEQUENCES),
    "convolution": (a.cnn, IMAGES),
    "attention": (a.transformer, SEQUENCES),
    "untied attention": (a.attention, SEQUENCES),
    "W and its transpose, check passing": (a.tied_autoencoder, VECTORS),
    "W and its transpose, check failing": (there_and_back, VECTORS),
    "tied readout": (a.tied_readout, VECTORS),
}


@pytest.mark.parametrize("name", full_among(NETWORKS, "two kinks", "relu", "convolution", "attention"))
def test_random_networks_are_as_far_from_the_limit(name):
    arch, x = NETWORKS[name]
    width, seeds = 512, 150
    limit = nv.infinite_ntk(arch, x).ntk
    samples = [np.asarray(nv.virtual_ntk(arch, x, width=width, key=k)) for k in range(seeds)]
    distances = np.array([np.linalg.norm(s - limit) for s in samples]) / np.linalg.norm(limit) * width**0.5
    found = nv.fluctuation(arch, x)
    error = np.hypot(distances.std() / seeds**0.5, found.error)
    assert found.error < 0.03 * found.c
    assert abs(distances.mean() - found.c) < 3.5 * error + 0.02 * found.c  # the next order in 1/n
    assert found.covariance.shape == 2 * limit.shape
    assert found.draws.shape == (256, *limit.shape)


def test_many_inputs_have_draws_instead_of_a_covariance(monkeypatch):
    arch, x = a.mlp(depth=2), rng.standard_normal((4, 5))
    few = nv.fluctuation(arch, x)
    monkeypatch.setattr(module, "MOST_ENTRIES", 3)
    many = nv.fluctuation(arch, x)
    assert many.covariance is None
    assert many.influences is None
    assert abs(many.c - few.c) < 4 * np.hypot(few.error, many.error)
    assert many.error < 0.1 * many.c
    np.testing.assert_allclose(many.draws.std(0), few.draws.std(0), rtol=0.3)


def test_the_standard_error_is_that_of_other_scrambles(monkeypatch):
    points, found = influence.sobol_normal, []
    for start in range(20):
        monkeypatch.setattr(influence, "sobol_normal", lambda d, k, seed, s=start: points(d, 9, seed + 100 * s))
        found.append(nv.fluctuation(a.mlp, VECTORS)[:2])
    values, errors = np.array(found).T
    assert 0.5 < values.std(ddof=1) / np.sqrt(np.mean(errors**2)) < 2


def test_a_permutation_of_inputs_of_several_lengths_is_one_of_the_result():
    x = [SEQUENCES[0], SEQUENCES[0, :2], SEQUENCES[1]]
    one, other = nv.fluctuation(a.rnn, x), nv.fluctuation(a.rnn, [x[0], x[2], x[1]])
    order = [0, 2, 1]
    permuted = other.covariance[np.ix_(order, order, order, order)]
    np.testing.assert_allclose(one.covariance, permuted, rtol=1e-8, atol=1e-8)


def test_equal_inputs_fluctuate_together():
    v = nv.fluctuation(a.mlp, VECTORS[[0, 0, 1]]).covariance
    np.testing.assert_allclose(v[0, 0, 0, 0], v[0, 1, 1, 1], rtol=1e-8)


def test_the_width_for_a_distance():
    arch, x = a.mlp(depth=2), VECTORS
    c = nv.fluctuation(arch, x).c
    found = nv.width_for(arch, x, relative=0.02)
    assert found.width == math.ceil((c / 0.02) ** 2)
    assert 0 < found.error < 0.03 * found.width
    assert nv.width_for(arch, x).width == pytest.approx(4 * found.width, abs=4)
    with pytest.raises(HyperparameterError, match="relative"):
        nv.width_for(arch, x, relative=0)


def test_networks_of_the_predicted_width_are_at_the_requested_distance():
    arch, x = NETWORKS["tied readout"]
    wanted, limit = nv.width_for(arch, x, relative=0.04), nv.infinite_ntk(arch, x).ntk
    samples = [nv.virtual_ntk(arch, x, width=wanted.width, key=k) for k in range(100)]
    distances = np.array([np.linalg.norm(s - limit) for s in samples]) / np.linalg.norm(limit)
    assert distances.mean() == pytest.approx(0.04, abs=4 * distances.std() / 100**0.5)


@pytest.mark.parametrize("rows", [4, 5])
def test_batchnorm_of_few_rows_has_no_such_law(rows):
    with pytest.raises(NotFiniteError, match="1/√n law does not hold; give it 6 rows"):
        nv.fluctuation(a.batchnorm_mlp, rng.standard_normal((rows, 8)))


def test_cancelled_computations_are_not_finished(monkeypatch):
    begun, points = [], influence.sobol_normal
    monkeypatch.setattr(influence, "sobol_normal", lambda *args, seed: begun.append(seed) or points(*args, seed=seed))
    with pytest.raises(GivenUp), wanted_until(lambda: len(begun) == 2):
        nv.fluctuation(a.mlp, VECTORS)
    assert begun == [0, 1]


@pytest.mark.parametrize("most_entries", [36, 2])
def test_a_variance_dominated_by_few_samples_is_refused(most_entries, monkeypatch):
    monkeypatch.setattr(module, "MOST_ENTRIES", most_entries)
    monkeypatch.setattr(module, "LARGEST_ERROR", np.inf)
    with pytest.raises(NotFiniteError, match="differs so much between sets of samples"):
        nv.fluctuation(a.mlp(depth=2, nonlinearity="exp"), VECTORS[:2])


def nearly_dependent(part):
    """Four tokens in two sequences, of which one is a combination of the others, up to a small part."""
    x = SEQUENCES[:, :2].copy()
    x[1, 1] = x[0, 0] + x[0, 1] - x[1, 0] + part * SEQUENCES[0, 2]
    return x


def test_nearly_dependent_tokens_are_like_dependent_ones():
    arch = a.transformer(depth=1)
    nearly, exactly = nv.fluctuation(arch, nearly_dependent(1e-5)), nv.fluctuation(arch, nearly_dependent(0.0))
    assert nearly.c == pytest.approx(exactly.c, rel=0.02)
    assert nearly.error < 0.01 * nearly.c


def test_a_comparison_that_must_agree_is_not_computed(monkeypatch):
    """If no direction is small, another threshold changes nothing; with one of relative size 10⁻¹⁰ it may."""
    begun, points = [], influence.sobol_normal
    monkeypatch.setattr(influence, "sobol_normal", lambda *args, seed: begun.append(seed) or points(*args, seed=seed))
    nv.fluctuation(a.mlp, VECTORS)
    assert begun == [*range(8)]
    nv.fluctuation(a.transformer(depth=1), nearly_dependent(1e-5))
    assert begun[8:] == [*range(8), 0, 1]


def test_a_value_that_depends_on_what_counts_as_dependent_is_refused(monkeypatch):
    monkeypatch.setattr(influence, "COARSER", {influence.NEW_DIRECTION: 10.0})
    with pytest.raises(NotFiniteError, match="whether vectors that are nearly dependent count"):
        nv.fluctuation(a.mlp(depth=2), VECTORS)


def test_a_limit_that_is_zero_is_refused():
    with pytest.raises(NotFiniteError, match="The limit is zero"):
        nv.fluctuation(a.mlp(nonlinearity=lambda x: 0.0 * x, depth=1, sigma_b=0.0), VECTORS)


def test_a_move_of_a_hyperparameter_compiles_nothing(compilations):
    nv.fluctuation(a.mlp, VECTORS)
    with compilations() as count:
        nv.fluctuation(a.mlp(sigma_w=1.2, sigma_b=0.3), VECTORS)
    assert count() == 0


def test_the_mean_norm_of_a_gaussian_vector():
    assert mean_norm(np.array([4.0])) == pytest.approx(2 * (2 / math.pi) ** 0.5, rel=1e-12)
    for k in (2, 3, 10):  # the mean of χ
        expected = 2**0.5 * math.gamma((k + 1) / 2) / math.gamma(k / 2)
        assert mean_norm(np.ones(k)) == pytest.approx(expected, rel=1e-12)
    assert mean_norm(np.zeros(3)) == 0


def test_the_cost_of_a_prediction_is_known_in_advance():
    """An estimate of the cost has ones in place of numbers, which must not be taken for a kernel without variance."""
    assert nv.cost(nv.fluctuation, nv.architectures.mlp(depth=1), np.array([[0.6, 0.8], [1.0, -0.5]])).seconds > 0
