"""A custom derivative is accepted where it is that of the function, and refused where it is not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntkviz as nv

from .refusals import SEQUENCES, two_layers


@jax.custom_vjp
def true_cube(x):
    return x**3


true_cube.defvjp(lambda x: (x**3, x), lambda x, g: (3 * x**2 * g,))


@jax.custom_vjp
def clipped_gradient(x):
    return x**3


clipped_gradient.defvjp(lambda x: (x**3, x), lambda x, g: (jnp.clip(3 * x**2 * g, -0.1, 0.1),))


def model(phi):
    return nv.trace(lambda n: two_layers(n, lambda p, x, n: phi(x @ p["U"]) @ p["v"]))


@pytest.mark.parametrize("phi", [true_cube, jax.nn.relu, jax.nn.softplus, jax.nn.silu, jax.nn.log_sigmoid])
def test_true_derivatives_are_accepted(phi):
    assert len(nv.program(model(phi), np.ones((2, 3)))) > 5


def test_other_derivatives_are_refused():
    with pytest.raises(nv.TraceError, match=r"custom derivative .* at test_custom_derivatives.py:\d+"):
        nv.program(model(clipped_gradient), np.ones((2, 3)))


def test_gradient_that_vanishes_up_to_rounding_is_no_difference():
    """A softmax does not depend on what is added at all positions, so the gradient of b is only rounding of float32."""

    def apply(p, x, n):
        scores = (x @ p["U"] + p["b"]).astype(jnp.float32)
        return (jax.nn.softmax(scores, 1) * x[..., :1]).sum(1) @ p["v"]

    def make(n):
        init, run = two_layers(n, apply)
        return (lambda key, x: init(key, x) | {"b": jax.random.normal(jax.random.fold_in(key, 7), (n,))}), run

    assert len(nv.program(nv.trace(make), SEQUENCES)) > 5
