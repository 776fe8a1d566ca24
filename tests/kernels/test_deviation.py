"""Random networks approach the limit as n^(−1/2)."""

import numpy as np
import pytest
from scipy import stats

import ntkviz as nv
from ntkviz.errors import HyperparameterError
from ntkviz.kernels.results import Deviation, DeviationTable

pytestmark = pytest.mark.wide


def test_mlp_converges_with_slope_minus_one_half(rng):
    x = rng.normal(size=(4, 3))
    table = nv.deviation(nv.architectures.mlp(), x, widths=[32, 128, 512, 2048], seeds=10)
    assert len(table) == 40
    assert abs(table.slope() + 0.5) < 0.1
    assert table.means()[2048] < 0.1 * 2**0.5  # and to the limit itself, which a slope alone would not show


def test_the_table_gives_its_means_and_slope():
    table = DeviationTable(Deviation(n, seed, (1 + seed) * n**-0.5) for n in (4, 16, 64) for seed in (0, 1))
    assert table.widths() == [4, 16, 64]
    assert table.means()[16] == pytest.approx(1.5 / 4)
    assert table.slope() == pytest.approx(-0.5)


def test_seeds_may_be_given_individually(rng):
    x = rng.normal(size=(2, 2))
    table = nv.deviation(nv.architectures.mlp(), x, widths=[8], seeds=[5, 7])
    assert [row.seed for row in table] == [5, 7]
    limit, sampled = (
        nv.infinite_ntk(nv.architectures.mlp(), x).ntk,
        nv.empirical_ntk(nv.architectures.mlp(), x, width=8, key=7),
    )
    expected = np.linalg.norm(sampled - limit) / np.linalg.norm(limit)
    assert table[1].relative_frobenius == pytest.approx(expected)


def test_virtual_networks_are_as_far_from_the_limit_as_others():
    arch, x = nv.architectures.mlp(depth=1), np.random.default_rng(0).normal(size=(2, 2))
    tables = [nv.deviation(arch, x, widths=[30], seeds=400, virtual=virtual) for virtual in (False, True)]
    real, virtual = (np.array([row.relative_frobenius for row in table]) for table in tables)
    assert not np.isclose(real[0], virtual[0])
    assert abs(real.mean() - virtual.mean()) < 3 * np.hypot(real.std(), virtual.std()) / 400**0.5
    assert stats.ks_2samp(real, virtual).pvalue > 0.001


def test_widths_are_checked_before_anything_is_sampled(rng):
    with pytest.raises(HyperparameterError, match="The width is 0"):
        nv.deviation(nv.architectures.mlp(), rng.normal(size=(2, 2)), widths=[0], seeds=1)


def test_batches_of_four_approach_their_limit_more_slowly():
    """1/|u|² of four normalized points has a tail of index 3/2, so that means over n neurons miss by n^(−1/3)."""
    x = np.random.default_rng(1).normal(size=(4, 10))
    batchnorm = nv.architectures.batchnorm_mlp(depth=1)
    assert nv.deviation(batchnorm, x, widths=[64, 512, 4096], seeds=100).slope() == pytest.approx(-1 / 3, abs=0.08)
