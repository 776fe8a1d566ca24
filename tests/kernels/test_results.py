"""The results about kernels: the band of single networks, against known laws of norms."""

import math

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.errors import HyperparameterError

NORMAL = {0.9: (0.0627068, 1.9599640), 0.5: (0.3186394, 1.1503494)}
"""Quantiles of |g| for a standard normal g, from tables, at (1 ± share)/2."""
CHI_SQUARE_3 = {0.9: (0.3518463, 7.8147279)}


def one_entry(c=2.0, error=0.0):
    return nv.Fluctuation(c, error, np.full((1, 1, 1, 1), 9.0), np.zeros((256, 1, 1)), None)


@pytest.mark.parametrize("share", NORMAL)
def test_the_band_of_one_entry_is_that_of_a_normal(share):
    band = one_entry().band(share)
    c = (2 / np.pi) ** 0.5  # E|g|
    np.testing.assert_allclose([c * band.low / 2, c * band.high / 2], NORMAL[share], atol=3 * c * band.error / 2)
    assert band.error < 0.02 * band.high


def test_an_entry_beside_the_diagonal_counts_twice():
    """Entries of variances 2, 2 and, twice, 1: ‖G‖² is 2(g₁² + g₂² + g₃²), of chi-square law with 3 degrees."""
    v = np.zeros((2, 2, 2, 2))
    v[0, 0, 0, 0] = v[1, 1, 1, 1] = 2.0
    v[0, 1, 0, 1] = v[0, 1, 1, 0] = v[1, 0, 0, 1] = v[1, 0, 1, 0] = 1.0
    mean = (8 / np.pi) ** 0.5  # of χ with 3 degrees
    band = nv.Fluctuation(mean, 0.0, v, np.zeros((256, 2, 2)), None).band()
    np.testing.assert_allclose(np.square(band[:2]), CHI_SQUARE_3[0.9], rtol=0.03)


def test_the_band_of_draws_covers_as_many_others():
    rng = np.random.default_rng(0)

    def fields(number):  # of few directions, unequal
        return np.einsum("nk,kij->nij", rng.standard_normal((number, 3)) * (3, 1, 0.5), np.eye(9).reshape(9, 3, 3)[:3])

    norms = np.linalg.norm(fields(10**5), axis=(1, 2))
    bands = [nv.Fluctuation(norms.mean(), 0.0, None, fields(256), None).band() for _ in range(100)]
    shares = [np.mean((band.low < norms) & (norms < band.high)) for band in bands]
    assert np.mean(shares) == pytest.approx(0.9, abs=0.01)
    ends = np.array([band[:2] for band in bands])
    assert 0.6 < ends.std(0).max() / np.mean([band.error for band in bands]) < 1.6


def test_the_error_of_the_band_includes_that_of_c():
    certain, vague = one_entry().band(), one_entry(error=0.5).band()
    assert vague[:2] == certain[:2]
    assert vague.error == pytest.approx(np.hypot(certain.error, 0.25 * certain.high))


@pytest.mark.parametrize("share", [0, 1, 90, "a", None, math.nan])
def test_a_share_is_between_zero_and_one(share):
    with pytest.raises(HyperparameterError, match="between 0 and 1"):
        one_entry().band(share)


def test_a_kernel_without_fluctuations_has_a_band_of_zero():
    assert nv.Fluctuation(0.0, 0.0, np.zeros((1, 1, 1, 1)), np.zeros((256, 1, 1)), None).band() == (0, 0, 0)
