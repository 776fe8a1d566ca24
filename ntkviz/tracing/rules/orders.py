"""Orders in n: the order of the result of an elementwise primitive, given those of its arguments."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from ..jaxprs import Equation
from ..values import ZERO, Numbers, Vectors

if TYPE_CHECKING:
    from ..walk import Walk

_COMPARISONS = {"gt", "lt", "ge", "le", "eq", "ne"}
_ALIKE = {"add", "sub", "add_any", "max", "min", "select_n", "clamp", "rem"}
_SAME = {"neg", "abs", "copy", "copy_p", "convert_element_type", "stop_gradient", "real", "reduce_precision"}
_POWERS = {"square": Fraction(2), "sqrt": Fraction(1, 2), "rsqrt": Fraction(-1, 2), "cbrt": Fraction(1, 3)}


def order_of(walk: Walk, eq: Equation, given: list[Numbers | Vectors]) -> Fraction:
    """The order of the result of an elementwise primitive.

    Raises `TraceError` for a function that is not homogeneous, if an argument vanishes or grows with the width.
    """
    name = eq.name
    orders = [g.order for g in given]
    cases = given[1:] if name == "select_n" else given
    live = [g.order for g in cases if not (isinstance(g, Numbers) and g.is_zero)]
    if not any(orders) or (not any(live) and name != "select_n"):
        return ZERO
    one = len(set(live)) == 1
    if name == "mul":
        return sum(orders, ZERO)
    if name == "div":
        return orders[0] - orders[1]
    if name in _SAME and not is_truncating(eq):
        return orders[0]
    if name in _POWERS:
        return orders[0] * _POWERS[name]
    if name == "integer_pow":
        return orders[0] * int(eq.params["y"])
    if name in ("pow", "sign") and not (name == "pow" and orders[1]):
        exponent = given[-1].number if isinstance(given[-1], Numbers) else None
        if name == "sign":
            return ZERO
        if exponent is not None:
            return orders[0] * Fraction(exponent).limit_denominator(24)
    if name in _COMPARISONS and one:
        return ZERO
    if name in _ALIKE and one and not (name == "select_n" and orders[0]):
        return live[0]
    _refuse(walk, eq, next(g for g in given if g.order))


def is_truncating(eq: Equation) -> bool:
    """Whether a conversion changes values: to integers, or to booleans."""
    if eq.name != "convert_element_type":
        return False
    old, new = eq.kinds[0], np.dtype(eq.params["new_dtype"]).kind
    return (new in "iu" and old == "f") or (new == "b" and old != "b")


def _refuse(walk: Walk, eq: Equation, worst: Numbers | Vectors) -> NoReturn:
    if isinstance(worst, Numbers) and worst.order > 0:
        walk.refuse(
            f"Numbers of order n^{worst.order} reach {eq.name}{{where}}: inner products of vectors grow like n, and "
            "with 1/√d attention, scores stay random in the limit or grow, so they are not scalars of a tensor "
            "program; divide by d, let the number of heads grow with the width instead of their size d, or trace with "
            "scores='1/d'; see the guide 'Your own model'."
        )
    if isinstance(worst, Numbers):
        walk.refuse(
            f"Numbers of order n^{worst.order} reach {eq.name}{{where}} and vanish as the width grows, so the limit "
            "does not depend on them; scale them so that they do not vanish."
        )
    walk.refuse(
        f"Vectors with entries of order n^{worst.order} reach {eq.name}{{where}} and "
        f"{'vanish' if worst.order < 0 else 'grow'} with the width, so the model has no limit as it is; draw their "
        "parameters with a standard deviation (std=) that gives entries of order 1."
    )
