"""The slope of a power law and its standard error, against samples whose law is known, and against NumPy's fit."""

import numpy as np
import pytest
from scipy import stats

from ntkviz.convergence import Ratio, Slope, log_log_slope, over_predicted, standard_error, two_sided_t
from ntkviz.kernels.results import Deviation, DeviationTable

WIDTHS = [64, 128, 256, 512]


def test_an_exact_power_law():
    samples = {n: [0.5 / n, 1.5 / n] for n in WIDTHS}
    slope = log_log_slope(samples)
    assert slope.value == pytest.approx(-1.0)
    # Every mean is off by a relative 1/2; the logarithms of the widths are ln 2 apart, Σ(x − x̄)² = 5 ln²2.
    assert slope.error == pytest.approx(0.5 / (np.log(2) * 5**0.5))


def test_it_is_least_squares_on_the_means():
    rng = np.random.default_rng(0)
    samples = {n: list(rng.uniform(1, 2, 5)) for n in WIDTHS}
    fit = np.polyfit(np.log(WIDTHS), np.log([np.mean(samples[n]) for n in WIDTHS]), 1)
    assert log_log_slope(samples).value == pytest.approx(fit[0])
    backwards = dict(reversed(samples.items()))
    assert log_log_slope(backwards) == pytest.approx(log_log_slope(samples))


def test_the_error_is_that_of_repeated_experiments():
    rng = np.random.default_rng(0)
    found = [log_log_slope({n: list(n**-0.5 * rng.gamma(8, size=20)) for n in WIDTHS}) for _ in range(400)]
    values, errors = np.transpose(found)
    assert np.mean(values) == pytest.approx(-0.5, abs=0.01)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.1)
    agreeing = np.mean([slope.agrees_with(-0.5) for slope in found])
    assert agreeing == pytest.approx(0.95, abs=0.03)


def test_an_unknown_slope_or_error_is_nan():
    assert np.isnan(log_log_slope({}).value)
    assert np.isnan(log_log_slope({64: [1.0, 2.0], 128: []}).value)
    assert np.isnan(log_log_slope({64: [1.0, 2.0], 128: [0.0, 0.0]}).value)
    single = log_log_slope({64: [1.0, 1.0], 256: [0.5]})
    assert single.value == pytest.approx(-0.5)
    assert np.isnan(single.error)
    assert not single.agrees_with(-0.5)
    assert np.isnan(standard_error([1.0]))


def test_agreement_is_within_two_standard_errors():
    assert Slope(-0.55, 0.03).agrees_with(-0.5)
    assert not Slope(-0.35, 0.07).agrees_with(-0.5)


def test_a_table_of_deviations_has_the_same_slope_and_error():
    rng = np.random.default_rng(1)
    rows = [Deviation(n, seed, float(rng.uniform(1, 2) / n)) for seed in range(3) for n in WIDTHS]
    expected = log_log_slope({n: [row.relative_frobenius for row in rows if row.width == n] for n in WIDTHS})
    table = DeviationTable(rows)
    assert (table.slope(), table.slope_error()) == pytest.approx(expected)
    assert expected.error > 0
    one_each = DeviationTable(rows[:4])
    assert np.isfinite(one_each.slope())
    assert np.isnan(one_each.slope_error())


def test_measured_over_predicted_counts_a_seed_once():
    """Two seeds at two widths each: 1.5 and 1.0 times c/√n in the mean; c has an error of a tenth."""
    found = over_predicted({(4, 0): 2.0, (16, 0): 0.5, (4, 1): 1.0, (16, 1): 0.5}, c=2.0, error=0.2)
    assert found.value == pytest.approx(1.25)
    assert found.error == pytest.approx(np.hypot(0.25, 0.125))
    assert np.isnan(over_predicted({(4, 0): 1.0}, c=2.0, error=0.2).error)
    assert np.isnan(over_predicted({}, c=2.0, error=0.2).value)


def test_the_error_of_measured_over_predicted_is_its_spread_where_seeds_share_numbers():
    rng = np.random.default_rng(0)

    def distances():
        shared = 0.3 * rng.standard_normal(10)
        return {(n, s): (1 + shared[s] + 0.3 * rng.standard_normal()) / n**0.5 for s in range(10) for n in WIDTHS}

    found = np.array([over_predicted(distances(), c=1.0, error=0.0) for _ in range(400)])
    assert np.mean(found[:, 1]) == pytest.approx(found[:, 0].std(), rel=0.12)


@pytest.mark.parametrize("freedom", [1, 2, 3.7, 12, 300, 1500])
def test_the_tail_of_student(freedom):
    t = [0.0, 0.5, 2.0, 3.5, 9.2, 30.0]
    expected = 2 * stats.t.sf(t, freedom)
    np.testing.assert_allclose(
        [two_sided_t(one, freedom) for one in t], expected, atol=1e-3 if freedom > 1000 else 1e-6
    )


def test_few_networks_are_rarely_judged_different_by_chance():
    """Four networks, two thousand times: with so few, a difference of two or three standard errors is not rare."""
    rng = np.random.default_rng(0)
    found = [over_predicted({(1, s): d for s, d in enumerate(rng.normal(1, 0.2, 4))}, 1.0, 0.01) for _ in range(2000)]
    chances = np.array([ratio.chance(abs(ratio.value - 1)) for ratio in found])
    for level in (0.01, 0.0455, 0.3):
        assert np.mean(chances < level) == pytest.approx(level, abs=3 * (level / 2000) ** 0.5 + 0.005)


def test_without_an_error_nothing_is_left_to_chance():
    assert Ratio(1.0, 0.0, np.inf).chance(0.0) == 1
    assert Ratio(1.1, 0.0, np.inf).chance(0.1) == 0
    assert np.isnan(Ratio(1.1, np.nan, np.nan).chance(0.1))
