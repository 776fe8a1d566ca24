"""Models that are not tensor programs, or have another limit than their program, are refused with one sentence that
names the line."""

import pytest
from fuzzing.agreement import is_sentence

import ntkviz as nv

from . import families, refused_outputs, refused_places
from .refusals import REFUSED

assert all((families, refused_outputs, refused_places))  # imported because they add refused models


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_a_sentence(name):
    make, x, sentence = REFUSED[name]
    with pytest.raises(nv.TraceError, match=sentence) as refusal:
        nv.program(nv.trace(make), x)
    assert is_sentence(str(refusal.value))
