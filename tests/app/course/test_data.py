"""The digits of the lessons."""

import numpy as np
import pytest

from ntkviz.app import digits


def test_digits_have_mean_square_one_and_are_ordered_by_class():
    data = digits(classes=(3, 5), each=2)
    assert np.mean(data.x**2, axis=1) == pytest.approx(np.ones(4))
    assert data.labels.tolist() == [3, 3, 5, 5]
    assert data.pictures.shape == (4, 8, 8)
    assert data.names == ["3 (1)", "3 (2)", "5 (1)", "5 (2)"]
