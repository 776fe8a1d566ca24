"""Models that are not tensor programs, or have another limit than their program, are refused with one sentence that
names the line."""

import pytest
from fuzzing.agreement import is_sentence
from selection import full_among

import ntkviz as nv

from . import families, refused_outputs, refused_places
from .refusals import REFUSED

assert all((families, refused_outputs, refused_places))  # imported because they add refused models


SAID_OF_CHEAPER_MODELS = (
    *("RootDAttention", "TokensByDefault", "hk_lstm", "Mixer", "low_rank_start", "computed_start"),
    *("sort", "class_of_outputs", "stopped_in_a_loop", "shift_that_is_not_a_softmax"),
)
"""The others include a cheaper model with the same sentence for each of these."""


@pytest.mark.parametrize("name", full_among(REFUSED, *SAID_OF_CHEAPER_MODELS))
def test_refused_by_a_sentence(name):
    make, x, sentence = REFUSED[name]
    with pytest.raises(nv.TraceError, match=sentence) as refusal:
        nv.program(nv.trace(make), x)
    assert is_sentence(str(refusal.value))
