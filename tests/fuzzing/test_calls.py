"""Public functions with an unusual argument: a result, or a named error in one sentence. `calls.py` has the values."""

import random

import jax
import pytest
from selection import full_among

from . import calls

PER_FUNCTION = 12


@pytest.mark.parametrize("name", full_among(calls.CALLS, "deviation"))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_odd_argument_is_answered_or_refused_by_name(name):
    _, good = calls.CALLS[name]
    odd = [(argument, value) for argument in good for value in calls.odd_values(name, argument)]
    with jax.disable_jit():
        for argument, value in random.Random(name).sample(odd, min(PER_FUNCTION, len(odd))):
            assert calls.problem(name, argument, value) is None, (argument, value)
