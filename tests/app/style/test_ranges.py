"""Ranges of axes are stable."""

import numpy as np
import pytest

from ntkviz.app.style.ranges import reaching, round_range, round_up


def test_ranges_move_in_jumps():
    assert reaching((-2, 0.5), [0.02, 2.0]) == reaching((-2, 0.5), [0.011, 3.1]) == [-2, 0.5]
    assert reaching((-2, 0.5), [0.009, 40.0, np.inf]) == [-2.5, 2.0]
    assert [round_up(x) for x in (0.7, 1.0, 1.01, 2.2, 45)] == [0.8, 1.0, 1.5, 3.0, 60.0]
    assert round_range([np.array([0.3, 2.4])]) == round_range([np.array([0.1, 2.7])])
    low, high = round_range([np.array([-0.5, 1.2])])
    assert (low, high) == pytest.approx((-0.6, 1.5))
