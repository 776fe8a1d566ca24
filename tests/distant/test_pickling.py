"""Requests as bytes."""

import pickle
import sys
import types

import jax.numpy as jnp
import numpy as np

from ntkviz.distant.pickling import pickled


def test_arrays_of_jax_are_written_as_those_of_numpy():
    assert type(pickle.loads(pickled(jnp.ones(2)))) is np.ndarray


def test_a_request_can_be_made_while_another_thread_imports_jax(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", types.ModuleType("jax"))
    assert pickle.loads(pickled({"width": 8})) == {"width": 8}
