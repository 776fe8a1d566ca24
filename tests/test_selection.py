"""Cases are marked as they are named, and a name that is out of date is an error."""

import pytest
from selection import full_among, full_except


def marked(cases):
    """The values of the cases that are full."""
    found = [case for case in cases if hasattr(case, "marks")]
    assert all([mark.name for mark in case.marks] == ["full"] for case in found)
    return [case.values for case in found]


def test_cases_are_full_except_those_kept():
    assert marked(full_except("abc", "b")) == [("a",), ("c",)]
    assert marked(full_among([("a", 1), ("b", 2)], ("b", 2))) == [("b", 2)]


@pytest.mark.parametrize("select", [full_except, full_among])
def test_a_case_that_is_no_longer_there_is_named(select):
    with pytest.raises(LookupError, match="renamed"):
        select("abc", "a", "renamed")
