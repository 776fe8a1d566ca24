"""The angle of a vector, against forty digits."""

import jax
import numpy as np
import pytest
from mpmath import mp

from ntkviz.gaussian.arctangent import DENOMINATOR, OF_ARC, OF_LUNE, arctan, arctan2, lune

from .gauss_rule import coefficients

TANGENTS = np.concatenate([[0.0, 1.0], np.linspace(0, 1, 400)[1:-1], 10.0 ** np.arange(-150, 0, 7)])


def test_coefficients():
    for known, exact in zip((OF_ARC, OF_LUNE, DENOMINATOR), coefficients(), strict=True):
        np.testing.assert_allclose(known, exact, rtol=1e-15)


def test_arctan():
    with mp.workdps(40):
        exact = np.array([float(mp.atan(float(t))) for t in TANGENTS])
    np.testing.assert_allclose(arctan(TANGENTS), exact, rtol=4e-16, atol=0)
    np.testing.assert_array_equal(arctan(-TANGENTS), -np.asarray(arctan(TANGENTS)))


def test_lune():
    with mp.workdps(400):  # t³ of 1e-150 is a difference of numbers that are equal in 300 digits
        tangents = [mp.mpf(float(t)) for t in TANGENTS[1:]]
        exact = [float((t - (1 - t * t) * mp.atan(t)) / t**3) for t in tangents]
    np.testing.assert_allclose(lune(TANGENTS**2), [4 / 3, *exact], rtol=1e-15, atol=0)


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
