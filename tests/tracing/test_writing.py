"""What is no tensor program, or has another limit than its program, is refused by one sentence with its line."""

import numpy as np
import pytest

import ntkviz as nv

from fuzzing.agreement import is_sentence
from .refusals import REFUSED, VECTORS, two_layers


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_a_sentence(name):
    make, x, sentence = REFUSED[name]
    with pytest.raises(nv.TraceError, match=sentence) as refusal:
        nv.program(nv.trace(make), x)
    assert is_sentence(str(refusal.value))
