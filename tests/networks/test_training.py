"""Training of finite networks is gradient descent, and wide networks follow their kernel."""

import dataclasses

import numpy as np
import pytest
from selection import full

import ntkviz as nv
from ntkviz.errors import HyperparameterError, InputError
from tests.training.sgd import descend

A = nv.architectures


@nv.architecture
def readout_only(net, x):
    """Only v is trained: the network is linear in it, and its kernel never moves."""
    return net.readout("v", nv.relu(net.input("U", x, trainable=False)))


@pytest.fixture
def data(rng):
    return rng.normal(size=(6, 5)), np.sign(rng.normal(size=6)), rng.normal(size=(4, 5))


def test_no_learning_rate_or_no_step_changes_nothing(data):
    x, y, x_test = data
    options = {"width": 32, "key": 3}
    still = nv.train(A.mlp(depth=1), x, y, x_test, learning_rate=0.0, steps=[0, 1, 5], **options)
    assert still.train.shape == (3, 6)
    assert still.test.shape == (3, 4)
    assert np.array_equal(still.test[0], still.test[2])
    assert still.ntk_change() == 0
    none = nv.train(A.mlp(depth=1), x, y, x_test, learning_rate=1.0, steps=0, **options)
    assert none.test.shape == (4,)
    assert none.test == pytest.approx(still.test[0], abs=1e-6)


def test_network_is_that_of_the_empirical_ntk(data):
    x, y, _ = data
    net = nv.train(A.mlp(), x, y, width=32, key=3, learning_rate=0.1, steps=1)
    assert net.ntk_before == pytest.approx(np.asarray(nv.empirical_ntk(A.mlp(), x, width=32, key=3)), rel=1e-4)


@pytest.mark.parametrize(
    "arch",
    [
        full(A.mlp),
        full(A.mlp(parametrization="ntk4a")),
        full(A.rnn),
        A.batchnorm_mlp,
        full(A.mean_readout_mlp),
        A.tied_readout,
        readout_only,
    ],
    ids=["mlp", "mlp ntk4a", "rnn", "batchnorm", "mean readout", "tied readout", "readout only"],
)
def test_one_step_moves_outputs_along_the_empirical_ntk(rng, arch):
    """f₁ = f₀ − ηΘ_n(f₀ − y) up to η²: halving η divides the rest by four."""
    sequences = arch is A.rnn
    x, y = rng.normal(size=(6, 3, 5) if sequences else (6, 5)), np.sign(rng.normal(size=6))
    theta = np.asarray(nv.empirical_ntk(arch, x, width=40, key=1))
    largest = 0.1 / np.linalg.eigvalsh(theta)[-1]
    rest = []
    for rate in (largest, largest / 2):
        f0, f1 = nv.train(arch, x, y, width=40, key=1, learning_rate=rate, steps=[0, 1]).train.astype(float)
        first_order = rate * theta @ (f0 - y)
        rest.append(np.linalg.norm(f1 - f0 + first_order) / np.linalg.norm(first_order))
    assert rest[0] < 0.2  # of the step itself
    assert rest[1] < 0.6 * rest[0] + 2e-5  # relative to a step half as large: half, and float32


def test_training_at_mean_field_scale_is_training_towards_larger_targets(data):
    """f = vᵀx/(γn) at the rate ηnγ² is vᵀx/√n at the rate η, with √n γ as the unit of outputs and targets."""
    x, y, x_test = data
    arch, richness, width = A.mlp(nonlinearity="tanh"), 0.7, 32
    options, unit = {"width": width, "key": 3, "learning_rate": 0.1}, richness * width**0.5
    net = nv.train(arch, x, unit * y, x_test, steps=np.arange(6), **options)
    by_hand = descend(arch, x, y, x_test, steps=5, richness=richness, dtype=np.float32, **options)
    assert np.hstack([net.train, net.test]) / unit == pytest.approx(np.asarray(by_hand), abs=1e-5)


def test_many_steps_are_repeated_single_steps_and_may_be_recorded_anywhere(data):
    x, y, x_test = data
    options = {"width": 24, "key": 0, "learning_rate": 0.05}
    every = nv.train(A.mlp(depth=1), x, y, x_test, steps=np.arange(9), **options)
    some = nv.train(A.mlp(depth=1), x, y, x_test, steps=[0, 3, 8], **options)
    assert some.test == pytest.approx(every.test[[0, 3, 8]], abs=1e-5)
    errors = np.linalg.norm(every.train - y, axis=1)
    assert np.all(np.diff(errors) < 0)


def test_network_linear_in_its_parameters_follows_its_own_kernel_exactly(data):
    x, y, x_test = data
    net = nv.train(readout_only, x, y, x_test, width=50, key=2, learning_rate=0.1, steps=[0, 7])
    theta = np.asarray(nv.empirical_ntk(readout_only, x, width=50, key=2), dtype=float)
    left = np.linalg.matrix_power(np.eye(6) - 0.1 * theta, 7)
    assert net.train[1] - y == pytest.approx(left @ (net.train[0] - y), abs=1e-4)
    assert net.ntk_change() < 1e-6


def test_wide_networks_follow_the_regression_from_their_own_start(data):
    x, y, x_test = data
    wide = nv.regression.fit(A.mlp(depth=1), x, y, x_test, covariance=False)
    rate, steps = 0.4 * wide.learning_rate_bound(), 50
    widths = (64, 512, 4096)
    apart = []
    for width in widths:
        distances = []
        for key in range(8):
            net = nv.train(A.mlp(depth=1), x, y, x_test, width=width, key=key, learning_rate=rate, steps=[0, steps])
            own = dataclasses.replace(wide, y_train=y - net.train[0]).gradient_descent(steps, rate).mean
            distances.append(np.linalg.norm(net.test[1] - net.test[0] - own) / np.linalg.norm(own))
        apart.append(np.mean(distances))
    assert np.polyfit(np.log(widths), np.log(apart), 1)[0] == pytest.approx(-0.5, abs=0.15)
    assert apart[-1] < 0.05


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"steps": -1}, HyperparameterError, "steps is -1"),
        ({"steps": [3, 1]}, HyperparameterError, "increasing"),
        ({"steps": 1.5}, HyperparameterError, "whole number"),
        ({"steps": []}, HyperparameterError, "steps is"),
        ({"learning_rate": -1.0}, HyperparameterError, "learning_rate"),
        ({"width": 0}, HyperparameterError, "The width is 0"),
        ({"y_train": [1.0, -1.0]}, InputError, r"y_train has shape \(2,\)"),
        ({"x_test": np.ones((2, 3))}, InputError, "the same network"),
    ],
)
def test_refusals_are_one_sentence(data, change, error, match):
    x, y, x_test = data
    good = {"y_train": y, "x_test": x_test, "width": 8, "key": 0, "learning_rate": 0.1, "steps": 1}
    with pytest.raises(error, match=match):
        nv.train(A.mlp(), x, **(good | change))
