"""The gallery computes its model in PyTorch by the same model in Equinox: both have one limit, and one law."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.gallery import MODELS
from ntkviz.gallery.traced import make_of

X = np.random.default_rng(0).normal(size=(3, 64))


def test_the_model_in_pytorch_has_the_limit_of_its_twin():
    model = MODELS["PyTorch MLP"]
    own, twin = (nv.trace(make_of(source)) for source in (model.source, model.twin))
    found, expected = nv.infinite_ntk(own, X), nv.infinite_ntk(twin, X)
    np.testing.assert_allclose(found.nngp, expected.nngp, rtol=1e-5)  # both draw in float32
    np.testing.assert_allclose(found.ntk, expected.ntk, rtol=1e-5)
    assert nv.fluctuation(own, X).c == pytest.approx(nv.fluctuation(twin, X).c, rel=1e-5)
    laws = [
        [(p.law, p.fan_in, p.learning_rate) for p in one.report.parameters if p.kind != "number"] for one in (own, twin)
    ]
    assert sorted(laws[0]) == sorted(laws[1])
