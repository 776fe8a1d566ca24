"""Limits of generated programs have the derivatives that differences show. `run.py --check derivatives` reads many."""

from unittest.mock import patch

import pytest
from selection import full

from . import derivatives
from .agreement import DisagreementError
from .programs import Example

INSIDE = (
    "    h = net.matrix('W') @ nv.relu(net.input('U', x))\n    return net.readout('v', nv.erf(h + net.bias('b')))\n"
)


@pytest.mark.parametrize("inputs", ["random", "equal", full("opposite"), full("one is zero")])
def test_derivatives_agree_with_differences(inputs):
    example = Example(f"def network(net, x):\n{INSIDE}", "ntk", (3, 2), inputs)
    assert derivatives.check_derivatives(example).agreed == ["program", "forward", "inputs", "scale"]


def test_wrong_derivatives_are_noticed():
    """The check of the check: derivatives that are off by a thousandth."""
    example = Example(f"def network(net, x):\n{INSIDE}", "ntk4a", (3, 2), "random")
    right = derivatives._slope
    off = lambda *args: (right(*args)[0], 1.001 * right(*args)[1])  # noqa: E731
    with patch.object(derivatives, "_slope", off), pytest.raises(DisagreementError, match="by differences"):
        derivatives.check_derivatives(example)
