"""The matrix products that a calculation asks JAX for, and how exactly."""

from collections.abc import Iterator

from jax.extend.core import Jaxpr, JaxprEqn, jaxprs_in_params
from jax.lax import Precision


def some_products(jaxpr: Jaxpr) -> list[JaxprEqn]:
    """All matrix products in a calculation, those within its loops too; there must be some."""
    found = list(_products(jaxpr))
    assert found
    return found


def _products(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from _products(inner)


def is_in_full(product: JaxprEqn) -> bool:
    """Whether a GPU, too, would multiply float32 numbers as they are."""
    return product.params["precision"] == (Precision.HIGHEST, Precision.HIGHEST)
