"""The angle of a vector, against forty digits."""

import jax
import numpy as np
import pytest
from mpmath import mp

from ntkviz.gaussian.arctangent import arctan2


def test_any_direction_and_any_size():
    rng = np.random.default_rng(0)
    eighths = np.arange(-8, 9) * np.pi / 8
    angles = np.concatenate([rng.uniform(-np.pi, np.pi, 500), eighths, eighths + 1e-9, eighths - 1e-9])
    size = 10.0 ** rng.uniform(-150, 150, len(angles))
    y, x = size * np.sin(angles), size * np.cos(angles)
    with mp.workdps(40):
        exact = np.array([float(mp.atan2(float(b), float(a))) for a, b in zip(x, y, strict=True)])
    for calculate in (arctan2, jax.jit(arctan2)):
        assert np.max(np.abs(np.asarray(calculate(y, x)) - exact) / np.spacing(np.abs(exact))) <= 4


@pytest.mark.parametrize(("y", "x"), [(0.0, 0.0), (0.0, 2.0), (0.0, -2.0), (3.0, 0.0), (-3.0, 0.0), (np.nan, 1.0)])
def test_on_the_axes(y, x):
    np.testing.assert_equal(float(arctan2(y, x)), np.arctan2(y, x))


def test_broadcasts():
    y, x = np.array([[1.0], [-2.0]]), np.array([1.0, -1.0, 3.0])
    np.testing.assert_allclose(arctan2(y, x), np.arctan2(y, x), rtol=1e-15)
