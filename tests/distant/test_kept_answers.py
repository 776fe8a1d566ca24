"""Answers that are kept are computed once, by whichever process asks first; refusals are answers, too."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.distant import readings
from ntkviz.distant.kept_answers import KEPT
from ntkviz.distant.requests import GivenUp, wanted_until

X = np.ones((2, 3))


@pytest.fixture
def computed(monkeypatch, tmp_path) -> list[str]:
    """The readings that were computed so far."""
    made: list[str] = []
    function = readings._function
    monkeypatch.setattr(readings, "_function", lambda name: (made.append(name), function(name))[1])
    monkeypatch.setenv(KEPT, str(tmp_path))
    return made


def ntk(depth, x=X):
    return readings.read("infinite_ntk", nv.architectures.mlp(depth=depth), x).ntk


def test_equal_requests_are_computed_once_and_others_by_themselves(computed, monkeypatch):
    first = ntk(1)
    np.testing.assert_array_equal(ntk(1), first)
    assert computed.count("infinite_ntk") == 1
    assert not np.allclose(ntk(2), first)
    assert computed.count("infinite_ntk") == 2
    monkeypatch.delenv(KEPT)
    np.testing.assert_array_equal(ntk(1), first)
    assert computed.count("infinite_ntk") == 3


def test_a_refusal_is_kept(computed):
    for _ in range(2):
        with pytest.raises(nv.InputError, match="NaN"):
            ntk(1, np.full((2, 3), np.nan))
    assert computed.count("infinite_ntk") == 1


def test_a_request_that_was_given_up_is_computed_for_who_asks_next(computed):
    arch, x = nv.architectures.mlp(), X[:1]
    with wanted_until(lambda: True), pytest.raises(GivenUp):
        readings.read("fluctuation", arch, x)
    assert readings.read("fluctuation", arch, x).c > 0


def test_nothing_but_finished_answers_is_in_the_folder(computed, tmp_path):
    ntk(1)
    assert all(file.name.split("-")[0] in readings.READINGS for file in tmp_path.iterdir())
