"""The answer of a calculation: right to within its tolerance, and never given away."""

import pytest

from ntkviz.app import near


@pytest.mark.parametrize("value", [12.0, -12.0])
def test_it_is_right_to_within_a_hundredth_and_otherwise_on_one_side(value):
    check = near(value)
    assert check(value * 1.009) == (True, f"It is {value:.0f}.".replace("-", "−"))
    assert check(value + 0.2) == (False, "It is smaller than that.")
    assert check(value - 0.2) == (False, "It is larger than that.")


def test_the_value_may_follow_from_the_numbers_of_a_reader_and_have_its_own_words():
    check = near(lambda d: 2 * d, within=0.1, said="Measured: {}.")
    assert check(5.4, 2.5) == (True, "Measured: 5.")
    assert not check(5.6, 2.5)[0]


def test_zero_must_be_zero():
    assert near(0.0)(0.0)[0]
    assert not near(0.0)(0.001)[0]


def test_three_digits_are_told():
    assert [near(value)(value)[1] for value in (0.1250, 19098.6)] == ["It is 0.125.", "It is 19,099."]
