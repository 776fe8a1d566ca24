"""The stated errors of the limit of training are those that it has, by closed forms."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.training import limit

A = nv.architectures
CASES, TRAIN, TEST, DIMENSION = 8, 4, 2, 3


@nv.architecture
def linear(net, x):
    """f = vᵀUξ/√(nd)."""
    return net.readout("v", net.input("U", x))


def data(case):
    """Inputs, targets and test inputs."""
    rng = np.random.default_rng(case)
    return rng.normal(size=(TRAIN, DIMENSION)), rng.normal(size=TRAIN), rng.normal(size=(TEST, DIMENSION))


def deep_linear_training(x, y, x_test, *, steps, learning_rate):
    """f at each step: training turns the limits (U₁, …, U_d, v) of coordinates, standard normal at first, linearly."""
    rows = np.vstack([x, x_test]) / DIMENSION**0.5
    second_moments, found = np.eye(DIMENSION + 1), []
    for _ in range(steps + 1):
        found.append(rows @ second_moments[:DIMENSION, DIMENSION])
        change = -learning_rate * rows[:TRAIN].T @ (found[-1][:TRAIN] - y)
        turn = np.eye(DIMENSION + 1)
        turn[:DIMENSION, DIMENSION] = turn[DIMENSION, :DIMENSION] = change
        second_moments = turn @ second_moments @ turn.T
    return np.array(found)


def first_step_of_the_kernel(arch, x, y, x_test, *, steps, learning_rate, richness):
    """f₁ = ηΘy, up to terms of order γ²."""
    theta = np.asarray(nv.infinite_ntk(arch, np.vstack([x, x_test])).ntk)
    return np.array([np.zeros(TRAIN + TEST), learning_rate * theta[:, :TRAIN] @ y])


@pytest.mark.parametrize(
    ("arch", "steps"),
    [(linear, 6), (A.mlp(depth=2, nonlinearity="erf"), 1), (A.tied_autoencoder, 1)],
    ids=["linear", "mlp", "tied autoencoder"],
)
def test_errors_are_those_of_student(arch, steps):
    """|limit − truth|/error over 8 scrambles follows Student's t with 7 degrees of freedom, of variance 1.4."""
    assert limit.SCRAMBLES == 8
    options, found = {"steps": steps, "learning_rate": 0.1}, []
    if arch is not linear:
        options["richness"] = 1e-3
    for case in range(CASES):
        x, y, x_test = data(case)
        learned = nv.feature_learning(arch, x, y, x_test, **options)
        if arch is linear:
            truth = deep_linear_training(x, y, x_test, **options)
        else:
            truth = first_step_of_the_kernel(arch, x, y, x_test, **options)
        limits, errors = (np.hstack([part.train, part.test]) for part in (learned, learned.error))
        found.append((limits - truth)[1:] / errors[1:])
    # Entries of a case hang together, and the scrambles of all cases are the same: so some ten independent numbers.
    assert 0.4 < np.sqrt(np.mean(np.square(found))) < 1.8
    assert np.max(np.abs(found)) < 6  # which one in 2,000 exceeds
