"""E f² of functions of a few Gaussians: the error covers what any rule with fixed nodes would miss."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from ntkviz.gaussian.certified.boxes import Law, has_jump, second_moment
from ntkviz.gaussian.certified.enclosures import Traced

ALONE = Law.of(np.zeros(2), np.diag([1.0, 1.0]))
TOGETHER = Law.of(np.array([0.2, -0.1]), np.array([[1.0, 0.6], [0.6, 0.8]]))
BUMP = 1 / math.sqrt(1 + 4 * 2.0 / 1e-2**2)  # E exp(−2 (x − y)²/w²) = (1 + 4 Var(x − y)/w²)^−½
CASES = {
    "a wave of a product": (lambda x, y: jnp.sin(x * y), ALONE, (1 - 1 / math.sqrt(5)) / 2),
    "the larger of two": (jnp.maximum, ALONE, 1.0),
    "a length": (lambda x, y: jnp.sqrt(1 + x * x + y * y), ALONE, 3.0),
    "a choice of squares": (lambda x, y: jnp.where(jnp.abs(x) > jnp.abs(y), x * x, y * y), ALONE, 3 + 8 / math.pi),
    "a half plane": (lambda x, y: jnp.where(x + y > 0, 1.0, 0.0), ALONE, 0.5),
    "a product, dependent": (lambda x, y: x + 2 * y, TOGETHER, 1.0 + 4 * 0.8 + 4 * 0.6 + 0.0),
    "a narrow bump": (lambda x, y: 1e3 * jnp.exp(-(((x - y) / 1e-2) ** 2)), ALONE, 1e6 * BUMP),
    "one dimension": (lambda x, y: x * y, Law.of(np.zeros(2), np.ones((2, 2))), 3.0),
    "no dimension": (lambda x, y: x + y, Law.of(np.array([1.0, 2.0]), np.zeros((2, 2))), 9.0),
}


@pytest.mark.parametrize(("fn", "law", "exact"), CASES.values(), ids=CASES)
def test_the_error_covers_the_true_error(fn, law, exact):
    value, error = second_moment(Traced(fn, 2), law)
    assert abs(value - exact) <= error + 1e-12 * exact
    assert error <= 1e-3 * exact


def test_three_arguments():
    value, error = second_moment(Traced(lambda x, y, z: jnp.sin(x * y) + z, 3), Law.of(np.zeros(3), np.eye(3)))
    assert abs(value - (1 - 1 / math.sqrt(5)) / 2 - 1) <= error < 1e-3


@pytest.mark.parametrize("width", [1e-4, 1e-6, 1e-9])
def test_narrow_features_are_not_missed(width):
    """It may take too many boxes; the error then says so, and is never below the missing part."""
    fn = Traced(lambda x, y: jnp.exp(-(((x * y - 1) / width) ** 2)) / jnp.sqrt(width) + jnp.tanh(x), 2)
    value, error = second_moment(fn, ALONE)
    density = 0.1335  # of xy at 1, K₀(1)/π
    assert error > 0
    assert value + error >= 0.394 + density * math.sqrt(math.pi / 2)


def test_functions_that_are_not_integrable_have_no_finite_error():
    value, error = second_moment(Traced(lambda x, y: jnp.exp(x * x + y * y), 2), ALONE)
    assert not error < value


@pytest.mark.parametrize(
    ("fn", "jumps"),
    [
        (jnp.maximum, False),
        (lambda x, y: jnp.where(x > y, x * x, y * y), False),
        (lambda x, y: jnp.sin(x * y), False),
        (lambda x, y: jnp.where(x > y * y, 1.0, 0.0), True),
        (lambda x, y: jnp.where(x * y > 1, x, y), True),
        (lambda x, y: jnp.floor(x * y), True),
    ],
)
def test_jumps_are_found(fn, jumps):
    assert has_jump(Traced(fn, 2), TOGETHER) == jumps
