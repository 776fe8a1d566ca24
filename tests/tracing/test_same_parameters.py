"""A traced model and its program are the same function at the same parameters, with the same NTK."""

import warnings

import jax.numpy as jnp
import pytest
from selection import full_except

import ntkviz as nv

from . import families, filters, heads, positions
from .refusals import two_layers
from .zoo import MODELS, VECTORS

assert all((families, filters, heads, positions))  # imported because they add models to the zoo

FLOAT32 = {"SimpleCell", "GRUCell", "OptimizedLSTMCell", "MGUCell", "Bidirectional"}
"""Models that cannot be run in float64."""


ALWAYS = (
    *("tied_autoencoder", "rectangular_tied", "multipliers", "mean_readout", "ScannedLayers", "matrix_tiled"),
    *("RunningBatchNorm", "NnxMLP", "hk_mlp", "MaskedMean"),
    *("Grouped", "PaddedPooling", "hk_filters", "WaveNet"),
    *("OptimizedLSTMCell", "output_of_each_step"),
    *("Perceiver", "vectors_of_heads", "LanguageModel", "ClassToken", "EqxEmbedding", "softmax_over_positions"),
    *("padded_at_borders", "written_to_places", "positions_chosen_by_data", "readout_of_each_position"),
    *("ActorCritic", "added_heads", "joined_heads", "divided_outputs", "weighted_outputs"),
)
"""Tracing these runs all but 20 of the 3,440 lines of `ntkviz.tracing` that tracing any of the models runs."""


@pytest.mark.parametrize("name", full_except(MODELS, *ALWAYS))
def test_model_and_program_agree_to_rounding(name):
    make, x = MODELS[name]
    rounding = 1e-4 if name in FLOAT32 else 1e-11
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        found = nv.trace(make).check(x, width=16)
    assert found.outputs < rounding
    assert found.ntk < rounding


def test_conversions_to_whole_numbers_change_values():
    def apply(p, x, n):
        h = 2 * x @ p["U"]
        whole = h.astype(jnp.int32)
        return (h + whole.astype(float) + whole.astype(bool).astype(float)) @ p["v"]

    found = nv.trace(lambda n: two_layers(n, apply)).check(VECTORS, width=16)
    assert max(found.outputs, found.ntk) < 1e-11
