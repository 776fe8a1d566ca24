"""The guide to kernels in JAX fits hyper-parameters: what it finds is the maximum of the likelihood."""

import re

import jax
import numpy as np
import pytest

import ntkviz as nv


@pytest.fixture(scope="module")
def found(root) -> dict:
    """The names that the guide's example defines."""
    text = (root / "docs/guides/kernels_in_jax.md").read_text()
    (example,) = (
        code
        for code in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        if "fit" in code and "grid" in code
    )
    names = {"nv": nv, "np": np, "jax": jax}
    exec(compile(example, "kernels_in_jax.md", "exec"), names)
    return names


def test_the_fit_is_a_maximum(found):
    """The gradient is zero, and small moves in all directions lower the likelihood."""
    fit, loss = found["fit"], found["loss"]
    assert np.abs(fit.jac).max() < 1e-3
    assert all(loss(fit.x + move) > fit.fun for move in 0.05 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]))
    assert loss(np.log([1.8, 0.4])) > fit.fun


def test_the_grid_agrees(found):
    """Its best point is next to the fit, and its likelihood is lower; its kernels come from another reading."""
    values, grid = np.asarray(found["values"]), found["grid"]
    best = [
        axis[index] for axis, index in zip(grid.values(), np.unravel_index(values.argmin(), values.shape), strict=True)
    ]
    spacing = [axis[1] - axis[0] for axis in grid.values()]
    assert np.all(np.abs(np.exp(found["fit"].x) - best) < spacing)
    assert 0 < values.min() - found["fit"].fun < 0.2
    corner = found["loss"](np.log([axis[0] for axis in grid.values()]))
    assert values[0, 0] == pytest.approx(float(corner), rel=1e-10)
