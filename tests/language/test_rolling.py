"""Loops over time in a written-out program: found, and written once."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.language.rolling import Delayed, roll


def program(fn, steps, **hyper):
    arch = fn if isinstance(fn, nv.Architecture) else nv.architecture(fn)
    return arch(**hyper).trace((np.zeros((1, steps, 3)),)).unrolled()


def both_ways(net, x):
    u, W = net.input("U", x), net.matrix("W")
    there, back = [nv.erf(u[:, 0])], [nv.erf(u[:, -1])]
    for t in range(1, x.shape[1]):
        there.append(nv.erf(u[:, t] + W @ there[-1]))
    for t in reversed(range(x.shape[1] - 1)):
        back.append(nv.erf(u[:, t] + W @ back[-1]))
    return net.readout("v", there[-1] + back[-1])


@pytest.mark.parametrize("pooling", ["last", "average"])
def test_the_length_of_a_rolled_program_does_not_grow_with_its_loop(pooling):
    short, long = (roll(program(nv.architectures.rnn, steps, pooling=pooling)) for steps in (8, 80))
    assert len(short.program) == len(long.program)
    assert [loop.steps for loop in long.loops] == [79]
    assert sum(isinstance(i.op, Delayed) for i in long.program.instructions) == 1


def test_two_loops_in_turn_are_two_though_their_steps_are_alike():
    assert [loop.steps for loop in roll(program(both_ways, 9)).loops] == [8, 8]


def test_numbers_and_indices_may_change_from_step_to_step():
    def annealed(net, x):
        u, W = net.input("U", x), net.matrix("W")
        s = nv.erf(u[:, 0])
        for t in range(1, x.shape[1]):
            s = nv.erf(u[:, t] + (0.5 + t) * (W @ s))
        return net.readout("v", s)

    rolled = roll(program(annealed, 9))
    assert [loop.steps for loop in rolled.loops] == [8]
    assert len(rolled.program.constants) == len(program(annealed, 9).constants)


@pytest.mark.parametrize(
    "arch",
    [
        nv.architectures.mlp(depth=9),
        nv.architectures.transformer(depth=3),
        nv.architectures.attention(heads=5),
        nv.architectures.rnn,
    ],
    ids=str,
)
def test_what_is_no_loop_of_shared_matrices_stays_as_it_is(arch):
    x = np.zeros((1, 3)) if arch.fn.__name__ == "mlp" else np.zeros((1, 4, 3))  # four tokens: three steps are too few
    assert roll(arch.trace((x,)).unrolled()) is None
