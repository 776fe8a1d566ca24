"""Every row of the library: its signature, its three readings, and its deviation from the limit."""

import inspect

import numpy as np
import pytest
from selection import full, full_among

import ntkviz as nv
from ntkviz.errors import HyperparameterError, InputError, ProgramError

a = nv.architectures
SIGNATURES = {
    "mlp": {"depth": 2, "nonlinearity": "relu", "sigma_w": 1.5, "sigma_b": 0.1, "sigma_v": 1.0},
    "resnet": {"depth": 2, "nonlinearity": "relu", "sigma_w": 1.5, "sigma_b": 0.1, "sigma_v": 1.0},
    "layernorm_mlp": {"depth": 2, "nonlinearity": "relu", "sigma_w": 1.5, "sigma_b": 0.1, "sigma_v": 1.0, "eps": 0.0},
    "batchnorm_mlp": {"depth": 1, "nonlinearity": "relu", "sigma_w": 1.0, "sigma_v": 1.0},
    "cnn": {"depth": 2, "filter_size": 3, "padding": "SAME", "pooling": "flatten", "nonlinearity": "relu"},
    "rnn": {"nonlinearity": "erf", "pooling": "last", "sigma_w": 1.0, "sigma_u": 1.0, "sigma_b": 0.0, "sigma_v": 1.0},
    "gru": {"pooling": "last", "gate": "erf_gate", "sigma_w": 1.0, "sigma_u": 1.0, "sigma_b": 0.0, "sigma_v": 1.0},
    "lstm": {"pooling": "last", "gate": "erf_gate", "sigma_w": 1.0, "sigma_u": 1.0, "sigma_b": 0.0, "sigma_v": 1.0},
    "transformer": {"depth": 1, "temperature": 1.0, "nonlinearity": "relu", "sigma_u": 1.0, "sigma_w": 1.0},
    "attention": {"heads": 1, "tied": False, "scaling": "1/n"},
    "gcn": {"depth": 2, "nonlinearity": "relu", "sigma_w": 1.5, "sigma_b": 0.1, "sigma_v": 1.0},
    "tied_autoencoder": {"nonlinearity": "erf", "sigma_w": 1.0, "sigma_v": 1.0},
    "mean_readout_mlp": {"depth": 2, "nonlinearity": "square"},
    "tied_readout": {"nonlinearity": "relu", "sigma_u": 1.0, "sigma_w": 1.0},
}
FAILS_THE_CHECK = {"mean_readout_mlp", "tied_readout"}


def _inputs(name: str, seed: int = 0):
    """Three inputs of the kind that an architecture reads; for batchnorm, a batch of six rows."""
    rng = np.random.default_rng(seed)
    if name in ("rnn", "gru", "lstm", "transformer", "attention"):
        return rng.standard_normal((3, 3, 4))
    if name == "cnn":
        return rng.standard_normal((3, 5, 2))
    if name == "gcn":
        edges = np.triu(rng.random((3, 4, 4)) < 0.5, 1).astype(float)
        return rng.standard_normal((3, 4, 3)), edges + edges.transpose(0, 2, 1)
    return rng.standard_normal((6 if name == "batchnorm_mlp" else 3, 5))


def test_the_library_is_the_table():
    assert set(a.__all__) == set(SIGNATURES)


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature_docstring_and_check(name):
    arch = getattr(a, name)
    assert SIGNATURES[name].items() <= dict(arch.hyper).items()
    assert arch.parametrization == "ntk"
    doc = inspect.getdoc(arch)
    assert "=" in doc
    assert "(batch" in doc or "(B" in doc
    report = nv.simple_gia_check(arch, _inputs(name))
    assert report.passes == (name not in FAILS_THE_CHECK)
    assert len(nv.program(arch, _inputs(name))) > 3


@pytest.mark.parametrize("name", full_among(SIGNATURES, "resnet", "lstm", "transformer", "gru", "cnn"))
def test_two_batches_in_either_order_have_one_empirical_kernel(name):
    arch, one, other = getattr(a, name)(parametrization="ntk4a"), _inputs(name, 0), _inputs(name, 1)
    cross = nv.empirical_ntk(arch, one, other, width=16, key=0)
    assert np.all(np.isfinite(cross))
    assert np.max(np.abs(cross)) > 0
    swapped = nv.empirical_ntk(arch, other, one, width=16, key=0)
    np.testing.assert_allclose(swapped.T, cross, rtol=2e-4, atol=2e-4 * float(np.max(np.abs(cross))))


@pytest.mark.parametrize("name", full_among(SIGNATURES, "gru", "lstm", "transformer", "tied_readout", "gcn"))
def test_two_batches_in_either_order_have_one_limit(name):
    arch, one, other = getattr(a, name), _inputs(name, 0), _inputs(name, 1)
    cross, swapped = nv.infinite_ntk(arch, one, other), nv.infinite_ntk(arch, other, one)
    for kernel in ("nngp", "ntk"):
        k, transposed = getattr(cross, kernel), getattr(swapped, kernel).T
        assert np.all(np.isfinite(k))
        assert np.max(np.abs(k)) > 0
        np.testing.assert_allclose(transposed, k, atol=1e-11 * np.max(np.abs(k)) + 5 * (cross.error + swapped.error))


SLOPES = {
    name: getattr(a, name)
    for name in SIGNATURES
    if name not in ("gru", "lstm", *FAILS_THE_CHECK, "tied_autoencoder", "attention")
} | {"attention": a.attention(tied=True, heads=2)}


@pytest.mark.parametrize("name", full_among(SLOPES, "mlp", "resnet", "cnn", "gcn", "attention", "transformer"))
def test_networks_approach_the_limit_as_one_over_root_width(name):
    table = nv.deviation(SLOPES[name], _inputs(name), widths=(32, 512), seeds=32)
    assert table.slope() == pytest.approx(-0.5, abs=0.15)
    assert table.means()[512] < 0.25


@pytest.mark.parametrize("arch", [a.rnn(pooling="average"), full(a.transformer)], ids=lambda arch: arch.__name__)
def test_sequences_of_different_lengths_agree_with_their_own_pairs(arch):
    rng = np.random.default_rng(2)
    sequences = [rng.standard_normal((time, 3)) for time in (2, 1, 2)]
    kernels = nv.infinite_ntk(arch, sequences)
    assert np.linalg.eigvalsh(kernels.ntk).min() > -1e-12
    np.testing.assert_allclose(kernels.ntk, kernels.ntk.T, rtol=1e-12)
    pair = nv.infinite_ntk(arch, sequences[1][None], sequences[2][None])
    np.testing.assert_allclose(kernels.ntk[1, 2], pair.ntk[0, 0], rtol=1e-12)
    sampled = np.mean([nv.empirical_ntk(arch, sequences, width=512, key=seed) for seed in range(6)], axis=0)
    assert np.linalg.norm(sampled - kernels.ntk) < 0.06 * np.linalg.norm(kernels.ntk)


@pytest.mark.parametrize("arch", [a.gru, full(a.lstm)], ids=lambda arch: arch.__name__)
def test_gated_networks_read_sequences_of_different_lengths(arch):
    rng = np.random.default_rng(2)
    sequences = [rng.standard_normal((time, 3)) for time in (2, 1, 2)]
    samples = np.stack([nv.empirical_ntk(arch, sequences, width=512, key=seed) for seed in range(12)])
    pair = nv.empirical_ntk(arch, sequences[1][None], sequences[2][None], width=512, key=3)
    np.testing.assert_allclose(samples[3, 1, 2], pair[0, 0], rtol=1e-3)
    kernels = nv.infinite_ntk(arch, sequences)
    np.testing.assert_array_equal(kernels.ntk, kernels.ntk.T)
    assert np.linalg.norm(samples.mean(0) - kernels.ntk) < 0.06 * np.linalg.norm(kernels.ntk)


def test_inputs_that_need_different_parameters_are_refused_together():
    with pytest.raises(InputError, match="different parameters"):
        nv.infinite_ntk(a.mlp, np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(InputError, match="different parameters"):
        nv.infinite_ntk(a.cnn, np.ones((1, 4, 2)), np.ones((1, 5, 2)))


def test_images_of_different_sizes_can_be_compared_under_average_pooling():
    kernels = nv.infinite_ntk(a.cnn(pooling="average"), [np.ones((4, 2)), np.ones((5, 2))])
    assert kernels.ntk.shape == (2, 2)


def test_valid_convolution_of_one_window_is_a_dense_layer():
    """Filters as large as the image leave one position: an MLP of depth 1."""
    images = np.random.default_rng(3).standard_normal((3, 3, 3, 2))
    cnn = nv.infinite_ntk(a.cnn(depth=1, padding="VALID"), images)
    mlp = nv.infinite_ntk(a.mlp(depth=1), images.reshape(3, -1))
    np.testing.assert_allclose(cnn.ntk, mlp.ntk, rtol=1e-10)


def test_where_valid_convolutions_leave_one_position_poolings_agree():
    signals = np.random.default_rng(4).standard_normal((2, 3, 2))
    flat, average = (
        nv.infinite_ntk(a.cnn(padding="VALID", filter_size=2, pooling=pooling), signals).ntk
        for pooling in ("flatten", "average")
    )
    np.testing.assert_allclose(flat, average, rtol=1e-12)


def test_layernorm_ignores_the_scale_of_its_input_unless_eps_is_positive():
    x = _inputs("layernorm_mlp")
    nngp = {
        (c, e): nv.infinite_ntk(a.layernorm_mlp(sigma_b=0.0, eps=e), c * x).nngp for c in (1, 3) for e in (0.0, 1.0)
    }
    np.testing.assert_allclose(nngp[1, 0.0], nngp[3, 0.0], rtol=1e-12)
    assert np.max(np.abs(nngp[1, 1.0] - nngp[3, 1.0])) > 1e-2


def test_untied_attention_attends_equally_to_all_tokens():
    x = _inputs("attention")
    untied, averaged = nv.infinite_ntk(a.attention, x), nv.infinite_ntk(a.attention, x.mean(1, keepdims=True))
    np.testing.assert_allclose(untied.nngp, averaged.nngp, rtol=1e-12)


def test_gcn_without_edges_is_the_average_of_perceptrons():
    features = _inputs("gcn")[0]
    alone = nv.infinite_ntk(a.gcn, (features, np.zeros((3, 4, 4))))
    nodes = nv.infinite_ntk(a.mlp, features.reshape(12, 3)).ntk
    np.testing.assert_allclose(alone.ntk, nodes.reshape(3, 4, 3, 4).mean((1, 3)), rtol=1e-7)


def test_constant_images_have_correlation_one_at_every_position():
    """Rounding errors between equal positions must not grow to their square root at relu's kink."""
    image = np.ones((1, 6, 2))
    kernels = nv.infinite_ntk(a.cnn(depth=3, filter_size=1, pooling="average"), image)
    dense = nv.infinite_ntk(a.mlp(depth=3), image[:, 0])
    np.testing.assert_allclose(kernels.ntk, dense.ntk, rtol=1e-13)


@pytest.mark.parametrize(
    ("arch", "x", "error"),
    [
        (a.attention(scaling="1/sqrt(n)"), np.ones((1, 2, 3)), HyperparameterError),
        (a.attention(heads=0), np.ones((1, 2, 3)), HyperparameterError),
        (a.transformer(temperature=0.0), np.ones((1, 2, 3)), HyperparameterError),
        (a.layernorm_mlp(eps=-1.0), np.ones((1, 3)), HyperparameterError),
        (a.rnn(pooling="max"), np.ones((1, 2, 3)), HyperparameterError),
        (a.cnn(padding="REFLECT"), np.ones((1, 4, 2)), HyperparameterError),
        (a.mlp(depth=0), np.ones((1, 3)), HyperparameterError),
        (a.mlp(nonlinearity="relo"), np.ones((1, 3)), HyperparameterError),
        (a.cnn(padding="VALID", depth=3), np.ones((1, 4, 2)), InputError),
        (a.cnn, np.ones((2, 3)), InputError),
        (a.rnn, np.ones((2, 3)), InputError),
        (a.gcn, np.ones((1, 2, 3)), InputError),
        (a.gcn, (np.ones((1, 2, 3)), np.ones((1, 3, 3))), InputError),
        (a.batchnorm_mlp, np.ones((1, 3)), ProgramError),
    ],
)
def test_invalid_hyperparameters_and_inputs_are_refused(arch, x, error):
    with pytest.raises(error):
        nv.infinite_ntk(arch, x)
