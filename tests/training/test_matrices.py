"""Trained matrices on samples: they are linear maps, W and Wᵀ are transposes, and training adds outer products."""

import jax.numpy as jnp
import numpy as np
import pytest
from selection import full

from ntkviz.calculus.sampled import Table, VirtualNetwork
from ntkviz.training import matrices
from ntkviz.training.matrices import Known, Observed, TrainedMatrix

SAMPLES = 256
rng = np.random.default_rng(0)


@pytest.fixture(params=["float64", full("float32")], autouse=True)
def rounding(request, monkeypatch):
    """The size of rounding errors. In double precision, what is tested is whether the algebra is exact."""
    monkeypatch.setattr(matrices, "PRECISION", jnp.dtype(request.param))
    return {"float64": 1e-12, "float32": 1e-5}[request.param]


def drawn(rows):
    return jnp.asarray(rng.standard_normal((rows, SAMPLES)))


def inner(x, y):
    return np.asarray(x @ y.T) / SAMPLES


def network():
    return VirtualNetwork(Table(drawn(200)))


@pytest.fixture(params=[full(1), 2], ids=["all samples alike", "mirror images"])
def matrix(request):
    """Applied to four vectors, and its transpose to three, of which one is a combination of the others."""
    matrix, z = TrainedMatrix(Known.nothing(80, 80, SAMPLES, request.param)), network()
    x, y = drawn(4), drawn(2)
    y = jnp.concatenate([y, y[:1] - 2 * y[1:]])
    made, back = matrix.times(x, 1.5, z), matrix.times(y, 1.5, z, transpose=True)
    return matrix, z, x, y, made, back


def test_a_product_is_that_of_a_linear_map_and_its_transpose(matrix, rounding):
    matrix, z, x, y, made, back = matrix
    combination = rng.standard_normal((5, 4))
    assert matrix.times(combination @ x, 1.5, z) == pytest.approx(np.asarray(combination @ made), abs=rounding)
    assert back[2] == pytest.approx(np.asarray(back[0] - 2 * back[1]), abs=rounding)
    assert inner(y, made) == pytest.approx(inner(back, x), abs=rounding)
    other = drawn(3)
    assert inner(y, matrix.times(other, 1.5, z)) == pytest.approx(inner(back, other), abs=rounding)


def test_a_product_with_a_new_direction_has_the_variance_of_the_matrix():
    """Of the 4096 samples, all but the few conditions are free."""
    matrix, x = TrainedMatrix(Known.nothing(8, 8, 4096, 1)), jnp.asarray(rng.standard_normal((6, 4096)))
    z = VirtualNetwork(Table(jnp.asarray(rng.standard_normal((12, 4096)))))
    matrix.times(x[:3], 2.0, z, transpose=True)
    made = matrix.times(x[3:], 2.0, z)
    assert made @ made.T / 4096 == pytest.approx(np.asarray(4 * x[3:] @ x[3:].T / 4096), abs=0.4)


def test_training_adds_outer_products(matrix, rounding):
    matrix, z, x, y, made, back = matrix
    parities = len(matrix.known.mixing)
    [b], [a] = matrix.coefficients
    assert b.shape == (4, parities, matrix.known.bases[0].room)
    after = TrainedMatrix(matrix.known.after([(b[:3], a), (b[1:], 0.5 * a)]))
    change = y.T @ x[:3] + 0.5 * y.T @ x[1:]
    assert after.times(x, 1.5, z) == pytest.approx(np.asarray(made + x @ change.T / SAMPLES), abs=rounding)
    back_after = after.times(y, 1.5, z, transpose=True)
    assert back_after == pytest.approx(np.asarray(back + y @ change / SAMPLES), abs=rounding)


@pytest.mark.parametrize("training", [0, 3])
def test_observers_see_the_same_matrix_and_leave_no_trace(matrix, rounding, training):
    matrix, z, x, y, made, back = matrix
    others, trained = drawn(2), drawn(training)
    observed = Observed(matrix, (training, training + 2), Table(drawn(20)))
    found = observed.times(jnp.concatenate([trained, others]), 1.5, z)
    assert inner(y, found) == pytest.approx(inner(back, jnp.concatenate([trained, others])), abs=rounding)
    ranks = [int(basis.rank) for basis in matrix.known.bases]
    assert ranks == [4 + training, 2]
    if not training:
        returned = observed.times(found, 1.5, z, transpose=True)
        assert inner(returned, x) == pytest.approx(inner(found, made), abs=rounding)
        assert inner(returned, others) == pytest.approx(inner(found, found), abs=rounding)
