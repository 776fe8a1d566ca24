"""Loops over time in a written-out program are found and written once."""

import jax
import numpy as np
import pytest

import ntkviz as nv
from ntkviz.language.instructions import Join
from ntkviz.language.rewriting.rolling import Delayed, roll
from ntkviz.networks.sampling import run, sample_parameters


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


def test_what_precedes_a_loop_is_unchanged():
    def after_a_join(net, x):
        u, W = nv.concatenate([net.input("U", x), net.input("V", x)], axis=1), net.matrix("W")
        s = u[:, 0]
        for t in range(1, u.shape[1]):
            s = nv.erf(u[:, t] + W @ s)
        return net.readout("v", s)

    written_out = program(after_a_join, 4)
    joined = next(k for k, i in enumerate(written_out.instructions) if isinstance(i.op, Join))
    assert roll(written_out).program.instructions[: joined + 1] == written_out.instructions[: joined + 1]


def loop_over(entry, read=lambda states: states[-1], first=lambda u: u[:, 0, 0]):
    """An architecture whose step t reads `entry(u, t)` of u = Uξ, of leading shape (batch, 6, 6)."""

    def arch(net, x):
        u, W = net.input("U", x), net.matrix("W", std=1.3)
        states = [first(u)]
        for t in range(5):
            states.append(nv.erf(entry(u, t) + W @ states[-1]))
        return net.readout("v", read(states))

    return arch


ORDER = (3, 0, 4, 1, 5)
MIX = np.random.default_rng(1).normal(size=(6, 6))
LOOPS = {
    "entries in any order": loop_over(lambda u, t: u[:, ORDER[t], 2]),
    "entries along a diagonal": loop_over(lambda u, t: u[:, t, t]),
    "entries from the right": loop_over(lambda u, t: u[..., 0, t]),
    "entries from the end": loop_over(lambda u, t: u[:, 4 - t, 1], lambda s: nv.stack([s[2], s[0]], axis=1).mean(1)),
    "windows": loop_over(lambda u, t: u[:, 2, t : t + 2].sum(1)),
    "the same twice": loop_over(lambda u, t: u[:, (0, 1, 1, 2, 3)[t], 0]),
    "mixed by numbers and by scalars": loop_over(
        lambda u, t: nv.einsum("ps,bs->bp", MIX, nv.softmax(nv.inner(u[:, t, :, None], u[:, t, None])) @ u[:, t]),
        lambda s: s[-1].mean(1),
        lambda u: u[:, 0],
    ),
    "states beside a longer array": loop_over(
        lambda u, t: u[:, t], lambda s: nv.concatenate([s[-1], s[2], s[0][:, :1]], axis=1).mean(1), lambda u: u[:, 0]
    ),
    "some states in another order": loop_over(
        lambda u, t: u[:, t, 1], lambda s: nv.stack([s[4], s[2], s[0], s[5]], axis=1).mean(1)
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_rolled_program_makes_the_same_network(name):
    data = np.random.default_rng(0).normal(size=(2, 6, 6, 3))
    written_out = nv.architecture(LOOPS[name]).trace((data,)).unrolled()
    rolled, parameters = roll(written_out), sample_parameters(written_out, 7, jax.random.key(0), np.float64)
    assert [loop.steps for loop in rolled.loops] == [5]
    once = run(rolled.program, parameters, loops=rolled.loops).output
    np.testing.assert_allclose(once, run(written_out, parameters).output, rtol=1e-12)


def normalised_by_the_batch(net, x):
    u, W = net.input("U", x), net.matrix("W")
    s = nv.erf(u[:, 0])
    for t in range(1, x.shape[1]):
        s = nv.erf(nv.batchnorm(u[:, t] + W @ s))
    return net.readout("v", s)


def one_matrix_side_by_side(net, x):
    u, W = net.input("U", x), net.matrix("W")
    tokens = [u[:, t] for t in range(x.shape[1])]
    return net.readout("v", nv.stack([W @ token for token in tokens], axis=1).mean(1))


@pytest.mark.parametrize("fn", [normalised_by_the_batch, one_matrix_side_by_side])
def test_loops_that_mix_a_batch_or_carry_no_state_are_unchanged(fn):
    assert roll(nv.architecture(fn).trace((np.zeros((2, 9, 3)),)).unrolled()) is None


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
def test_programs_without_a_loop_of_shared_matrices_are_unchanged(arch):
    x = np.zeros((1, 3)) if arch.fn.__name__ == "mlp" else np.zeros((1, 4, 3))  # four tokens: three steps are too few
    assert roll(arch.trace((x,)).unrolled()) is None
