"""The models of the gallery as they are run: they are their programs, and say so where a library is missing."""

import sys
import warnings

import numpy as np
import pytest
from selection import full

import ntkviz as nv
from ntkviz.gallery import MODELS
from ntkviz.gallery.traced import make_of, traced

IMAGES = np.random.default_rng(0).normal(size=(2, 64))


@pytest.mark.parametrize("title", ["Equinox CNN", full("nnx ResNet"), "JAX tied weights", full("repaired attention")])
def test_a_model_is_its_program_up_to_rounding(title):
    """With the same parameters; the other models use no front end or rule that these do not."""
    model = MODELS[title]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        check = traced(model.source).check(model.inputs(IMAGES))
    assert max(check.outputs, check.ntk) < 1e-9  # rounding; a wrong line is 1e-3 or more


def test_the_ntk_of_the_model_itself_is_near_the_limit():
    model = MODELS["Flax MLP"]
    x = model.inputs(IMAGES)
    limit = nv.infinite_ntk(model.arch, x).ntk
    mean = np.mean([model.ntk(x, width=256, key=key) for key in range(8)], 0)
    assert np.linalg.norm(mean - limit) < 0.1 * np.linalg.norm(limit)  # about 0.03; without its biases it is 0.3


def test_the_program_is_recorded_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nv.program(MODELS["Flax MLP"].arch, np.ones((5, 64)))


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "haiku", None)
    monkeypatch.delitem(sys.modules, "ntkviz.gallery.sources.haiku_gru", raising=False)
    with pytest.raises(nv.TraceError, match=r"needs haiku: install it by pip install \"ntkviz\[haiku\]\""):
        make_of("haiku_gru")
