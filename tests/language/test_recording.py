"""What is recorded belongs to one program."""

import pytest

from ntkviz.errors import ProgramError


def test_programs_cannot_be_mixed(trace):
    kept = []

    def first(net, x):
        kept.append((net.input("U", x), net.matrix("W")))
        return net.readout("v", kept[0][0])

    trace(first)
    with pytest.raises(ProgramError, match="A value of another program is used"):
        trace(lambda net, x: net.readout("v", net.input("U", x) + kept[0][0]))
    with pytest.raises(ProgramError, match="A matrix of another program is used"):
        trace(lambda net, x: net.readout("v", kept[0][1] @ net.input("U", x)))
