"""A traced model and its program are the same function at the same parameters, with the same NTK."""

import warnings

import pytest

import ntkviz as nv

from .zoo import MODELS

FLOAT32 = {"SimpleCell", "GRUCell", "OptimizedLSTMCell", "MGUCell"}
"""Models that cannot be run in float64."""


@pytest.mark.parametrize("name", MODELS)
def test_model_and_program_agree_to_rounding(name):
    make, x = MODELS[name]
    rounding = 1e-4 if name in FLOAT32 else 1e-11
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        found = nv.trace(make).check(x, width=16)
    assert found.outputs < rounding
    assert found.ntk < rounding
