"""The stated errors of the limit of training are those that it has, by closed forms."""

import numpy as np
import pytest
from scipy import stats
from selection import full

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
    [(linear, 6), full((A.mlp(depth=2, nonlinearity="erf"), 1)), full((A.tied_autoencoder, 1))],
    ids=["linear", "mlp", "tied autoencoder"],
)
def test_errors_are_those_of_student(arch, steps, monkeypatch):
    """|limit − truth|/error over 8 scrambles follows Student's t with 7 degrees of freedom.

    Which samples a test input gets depends on the machine: after a step with small γ, new directions of the training
    inputs are so small (eigenvalues around `NEW_DIRECTION`) that rounding turns them, and with them the normals.
    """
    options, found, normals = {"steps": steps, "learning_rate": 0.1}, [], limit._normals
    if arch is not linear:
        options["richness"] = 1e-3
    for case in range(CASES):
        x, y, x_test = data(case)
        # Each case has scrambles of its own, so that cases are independent.
        monkeypatch.setattr(limit, "_normals", lambda *size, case=case: normals(*size[:2], size[2] + 8 * case))
        learned = nv.feature_learning(arch, x, y, x_test, **options)
        if arch is linear:
            truth = deep_linear_training(x, y, x_test, **options)
        else:
            truth = first_step_of_the_kernel(arch, x, y, x_test, **options)
        limits, errors = (np.hstack([part.train, part.test]) for part in (learned, learned.error))
        found.append((limits - truth)[1:] / errors[1:])
    quantiles = stats.norm.ppf(stats.t.cdf(found, df=7))  # standard normal if `found` follows Student's t
    # Entries of a case hang together: their mean square varies like that of 16 independent ones or more (measured with
    # 16 sets of scrambles), whose root exceeds these bounds once in 10,000 times each.
    assert 0.4 < np.sqrt(np.mean(np.square(quantiles))) < 1.73
    # The largest of so many entries, however they hang together, exceeds this once in 10,000 times: |t| = 14 for 48.
    assert np.max(np.abs(quantiles)) < stats.norm.isf(1e-4 / 2 / quantiles.size)
