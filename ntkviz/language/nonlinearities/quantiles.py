"""Laws of the entries of vector-like parameters, whose limits depend on more than the variance of their entries.

The law of a matrix makes no difference, since its fan-in grows with the width. A vector (a bias, an embedding) has the
law of its entries at any width, and a unit of the first layer sums d entries at any width. An entry of a law other than
the normal one is φ(z) + c: a quantile function φ of a Gaussian z that is not trained, and its change c in training,
which starts at 0. So its gradient is that of c, and every reading applies.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...errors import HyperparameterError, shown
from ..lazy_jax import special
from .nonlinearity import Nonlinearity, nonlinearity, sign

_CUT = 2.0
"""Where the initialisers of JAX libraries truncate a normal variable, in its own standard deviations."""
_INSIDE = math.erf(_CUT / math.sqrt(2))
_STD_INSIDE = math.sqrt(1 - 2 * _CUT * math.exp(-(_CUT**2) / 2) / math.sqrt(2 * math.pi) / _INSIDE)


def _uniform(z: Any) -> Any:
    return math.sqrt(3) * special.erf(z / math.sqrt(2))


def _truncated_normal(z: Any) -> Any:
    return math.sqrt(2) * special.erfinv(_INSIDE * special.erf(z / math.sqrt(2))) / _STD_INSIDE


_QUANTILES: dict[str, Callable[[Any], Any]] = {"uniform": _uniform, "truncated normal": _truncated_normal}
LAWS = ("normal", *_QUANTILES, "sign")


def quantiles(law: str) -> Nonlinearity | None:
    """The odd function φ with φ(z) of a law, of mean 0 and variance 1, for z ~ N(0, 1); `None` for the normal law.

    Raises:
        HyperparameterError: There is no such law.
    """
    if law not in LAWS:
        raise HyperparameterError(f"law is {shown(law)}; it must be {' or '.join(map(repr, LAWS))}.")
    if law == "normal":
        return None
    return sign if law == "sign" else nonlinearity(_QUANTILES[law])
