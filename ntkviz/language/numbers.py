"""Numbers of a program: converting callers' numbers to arrays of floats, and comparing them."""

from typing import Any

import numpy as np

from ..errors import InputError, NtkvizError
from .lazy_jax import jax


def real_array(given: Any, what: str, otherwise: str, refusal: type[NtkvizError] = InputError) -> np.ndarray:
    """`given` as an array of floats; returned unchanged if it already is one.

    Raises an error of class `refusal`: with the message `otherwise` for anything but an array of numbers, and with a
    message about `what` for complex numbers, whose imaginary part NumPy would drop.
    """
    try:
        array = np.asarray(given)
        if not np.iscomplexobj(array):
            return array.astype(float, copy=False)
    except (TypeError, ValueError) as problem:
        raise refusal(otherwise) from problem
    raise refusal(f"{what} contains complex numbers; every number must be real.")


def same_number(one: Any, other: Any) -> bool:
    """Whether two arrays of a program are equal; for JAX tracers, whether they are the same object."""
    if one is other:
        return True
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, jax.core.Tracer) or isinstance(other, jax.core.Tracer):
        return False
    if isinstance(one, jax.ShapeDtypeStruct) or isinstance(other, jax.ShapeDtypeStruct):
        return bool(one == other)
    return np.array_equal(one, other)
