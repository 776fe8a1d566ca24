"""Fixtures for the tests of the language."""

import jax
import numpy as np
import pytest

import ntkviz as nv
from ntkviz.networks.sampling import run, sample_parameters

WIDTH = 5


@pytest.fixture
def same_as_numpy(rng):
    """Check that an expression gives the same for handles as for NumPy arrays with the width axis last."""

    def check(expression, shape, against=None):
        """`expression(x)` for a vector x of leading shape `shape`; `against` takes x with its width axis."""
        data = rng.normal(size=(2, *shape, 3))
        seen = {}

        @nv.architecture
        def arch(net, xi):
            x = net.input("U", xi)
            y = expression(x)
            seen["x"], seen["y"] = x, y
            return net.readout("v", net.input("V", xi.reshape(2, -1)))

        program = arch.trace((data,))
        parameters = sample_parameters(program, WIDTH, jax.random.key(0), np.float64)
        values = run(program, parameters).values
        x, y = (np.asarray(values[seen[k]._index]) for k in ("x", "y"))
        expected = (against or expression)(x)
        assert seen["y"].shape == expected.shape[:-1]
        np.testing.assert_allclose(y, expected, rtol=1e-12)

    return check


@pytest.fixture
def trace(rng):
    """The program of a function `(net, x)` of data of shape (2, 3)."""

    def tracing(fn, shape=(2, 3)):
        return nv.program(nv.architecture(fn), rng.normal(size=shape))

    return tracing
