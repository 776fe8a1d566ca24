"""Training that diverges is refused, by what happens to the outputs; a loss that comes down again is not."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.errors import DivergenceError, NotFiniteError
from ntkviz.training.results import Trajectory
from ntkviz.training.stability import check_stable
from ntkviz.training.task import checked_task

A = nv.architectures
POINTS = np.array([(1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0)])
LABELS = np.array([1.0, 1.0, -1.0, -1.0])


@nv.architecture
def linear(net, x):
    """f = vᵀUξ/√n, whose kernel for ξ = 1 is 2: the initial kernel is stable up to the rate 1."""
    return net.readout("v", net.input("U", x))


def linear_training(*, steps, learning_rate, richness):
    """f at each step for ξ = y = 1: a step maps the pair (u, v) by a symmetric matrix."""
    moments, found = np.eye(2), []
    for _ in range(steps + 1):
        found.append(moments[0, 1] / richness)
        change = -learning_rate * richness * (found[-1] - 1)
        step = np.array([[1, change], [change, 1]])
        with np.errstate(all="ignore"):  # it may overflow
            moments = step @ moments @ step
    return np.array(found)


def test_a_rate_above_that_of_the_initial_kernel_may_be_stable():
    """The loss rises to seven times that at the start, until the kernel has shrunk."""
    options = {"steps": 12, "learning_rate": 1.8, "richness": 0.3}
    truth = linear_training(**options)
    assert np.max(np.abs(truth - 1)) > 2.5
    learned = nv.feature_learning(linear, [[1.0]], [1.0], **options)
    assert np.max(np.abs(learned.train[:, 0] - truth) / (learned.error.train[:, 0] + 1e-9)) < 5
    assert learned.train[-1, 0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"steps": 3, "learning_rate": 1.5}, r"after 3 steps the loss is 3\.\de\+06 .* smaller than 1, the largest"),
        ({"steps": 12, "learning_rate": 1.5}, r"numbers overflow; make the learning rate smaller than 1, the largest"),
    ],
)
def test_a_rate_at_which_the_limit_diverges_is_refused(options, match):
    grown = linear_training(**options, richness=1.0)
    assert not abs(grown[-1]) < 1e3
    with pytest.raises(DivergenceError, match=match):
        nv.feature_learning(linear, [[1.0]], [1.0], **options)
    assert issubclass(DivergenceError, NotFiniteError)


def test_a_rate_that_is_stable_for_the_kernel_alone_may_diverge():
    arch = A.mlp(nonlinearity="relu", sigma_b=1.0)
    bound = nv.regression.fit(arch, POINTS, LABELS, covariance=False).learning_rate_bound()
    with pytest.raises(DivergenceError, match=f"up to the learning rate {bound:.2g}, .* rate or the richness"):
        nv.feature_learning(arch, POINTS, LABELS, steps=12, learning_rate=0.8 * bound, richness=3.0)


def trajectories(outputs, errors):
    """Those of one example whose NTK is 4."""
    kernels, columns = np.full((len(outputs), 1, 1), 4.0), np.zeros((len(outputs), 0))
    return (Trajectory(np.array(numbers)[:, None], columns, kernels, kernels) for numbers in (outputs, errors))


def checked(outputs, errors, loss="squared"):
    options = {"steps": len(outputs) - 1, "learning_rate": 0.1, "richness": 0.5, "batches": None}
    check_stable(checked_task(linear, [[1.0]], [1.0], None, loss=loss, **options), *trajectories(outputs, errors))


def test_outputs_that_are_lost_in_their_errors_are_refused():
    checked([0.0, 0.5, 6.0], [0.0, 0.3, 1.9])  # a third of the targets, or of what the outputs have grown to
    with pytest.raises(DivergenceError, match=r"After step 1 .* is 0\.4, .* output is 0\.5, .* rate 0\.5,"):
        checked([0.0, 0.5, 6.0], [0.0, 0.4, 2.1])
    with pytest.raises(DivergenceError, match=r"rate 2,"):  # the logistic loss has a quarter of the curvature
        checked([0.0, 0.5], [0.0, 0.4], loss="logistic")
    with pytest.raises(DivergenceError, match="make the richness larger"):
        checked([0.0, 0.5], [0.4, 0.4])


def test_a_loss_is_compared_at_the_end_with_that_at_the_start():
    checked([0.0, 500.0, 90.0], [0.0, 0.0, 0.0])
    checked([0.0, 500.0], [0.0, 0.0], loss="logistic")  # on the right side of zero
    with pytest.raises(DivergenceError, match="after 2 steps the loss is"):
        checked([0.0, 2.0, 500.0], [0.0, 0.0, 0.0])
