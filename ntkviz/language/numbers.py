"""Conversion of callers' numbers to arrays of floats."""

from typing import Any

import numpy as np

from ..errors import InputError, NtkvizError


def real_array(given: Any, what: str, otherwise: str, refusal: type[NtkvizError] = InputError) -> np.ndarray:
    """`given` as an array of floats; unchanged if it is one.

    Raises `refusal` with the sentence `otherwise` for anything but an array of numbers, and with the name `what` for
    complex numbers, whose imaginary part NumPy would drop.
    """
    try:
        array = np.asarray(given)
        if not np.iscomplexobj(array):
            return array.astype(float, copy=False)
    except (TypeError, ValueError) as problem:
        raise refusal(otherwise) from problem
    raise refusal(f"{what} contains complex numbers; every number must be real.")
