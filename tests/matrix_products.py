"""The matrix products that a computation requests from JAX, and their precision."""

from collections.abc import Iterator

from jax.extend.core import Jaxpr, JaxprEqn, jaxprs_in_params
from jax.lax import Precision


def some_products(jaxpr: Jaxpr) -> list[JaxprEqn]:
    """All matrix products in a computation, including those in its loops; fails if there is none."""
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
    """Whether a GPU, too, would multiply in full float32 precision."""
    return product.params["precision"] == (Precision.HIGHEST, Precision.HIGHEST)
