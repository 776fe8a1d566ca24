"""During tests, calls whose arrays do not match the signature are refused (`signatures.py`)."""

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from ntkviz.calculus.results import Law
from ntkviz.calculus.sampled import Table
from ntkviz.errors import NtkvizError
from ntkviz.gaussian.arctangent import arctan
from ntkviz.gaussian.batchnorm import batchnorm_relu
from ntkviz.gaussian.sobol import sobol_normal
from ntkviz.kernels.forward.moments import outer
from ntkviz.kernels.results import Kernels
from ntkviz.networks.outputs import sample_outputs
from ntkviz.networks.uses import of_vector

SINGLE = jnp.ones(2, "float32")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: arctan(SINGLE), "Float64"),
        (lambda: sobol_normal("2", 3, 0), "int"),
        (lambda: of_vector(jnp.ones((2, 3))), "outputs uses width"),
        (lambda: Table(jnp.ones(3)), "dimensions samples"),
        (lambda: outer(SINGLE, SINGLE), "Float64"),
        (lambda: Kernels(np.ones((2, 3)), np.ones((2, 2)), 0.0), "Kernels.ntk is"),
        (lambda: Law(np.ones((2, 9)), np.ones(3), np.ones(2), True, ()), "Law.mean is"),
    ],
    ids=["gaussian", "types", "networks", "calculus", "kernels", "fields", "fields with a prefix"],
)
def test_calls_that_violate_a_signature_are_refused(call, expected):
    """Each of these would go unnoticed otherwise, or be refused elsewhere."""
    with pytest.raises(TypeCheckError, match=expected):
        call()


def test_axes_with_one_name_have_one_length():
    k = np.eye(3)
    with pytest.raises(TypeCheckError, match="batch_bar"):
        batchnorm_relu(k, k[:, :2], k, k[:, :2])


def test_user_input_is_left_to_named_refusals():
    with pytest.raises(NtkvizError):
        sample_outputs("mlp", np.ones((2, 3)), width=4, draws=1, key=0)
