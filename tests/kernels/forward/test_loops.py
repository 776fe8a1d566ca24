"""Long sequences: the moments of loops, beside NumPy and beside the rules applied to each pair of steps."""

import jax
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from selection import full

import ntkviz as nv
from ntkviz.errors import NoForwardLimitError
from ntkviz.kernels.forward.kernels import forward_kernels, kernels_from
from ntkviz.kernels.forward.loops import Loops
from ntkviz.kernels.forward.moments import Moments
from ntkviz.kernels.forward.views import View
from ntkviz.language.rewriting.rolling import roll
from ntkviz.networks.finite import ntk_of_examples
from ntkviz.networks.sampling import run, sample_parameters

SIGMA_W, SIGMA_U, SIGMA_B, SIGMA_V = 1.4, 0.9, 0.3, 1.1
RNN = nv.architectures.rnn(sigma_w=SIGMA_W, sigma_u=SIGMA_U, sigma_b=SIGMA_B, sigma_v=SIGMA_V)


def by_numpy(x, y, pooling):
    """NNGP and NTK of an RNN with erf, pair of steps by pair of steps."""

    def tables(x, y, of_x, of_y):
        given = SIGMA_U**2 * x @ y.T / x.shape[1] + SIGMA_B**2
        h, s, theta = np.zeros((3, len(x), len(y)))
        for t in range(len(x)):
            for u in range(len(y)):
                before = (s[t - 1, u - 1], theta[t - 1, u - 1]) if t and u else (0.0, 0.0)
                h[t, u] = given[t, u] + SIGMA_W**2 * before[0]
                variances = (h[t, t], h[t, t]) if of_x is None else (of_x[t], of_y[u])
                if of_x is None and t != u:
                    continue
                norm = (1 + 2 * variances[0]) * (1 + 2 * variances[1])
                s[t, u] = 2 / np.pi * np.arcsin(2 * h[t, u] / np.sqrt(norm))
                slope = 4 / np.pi / np.sqrt(norm - 4 * h[t, u] ** 2)
                theta[t, u] = slope * (h[t, u] + SIGMA_W**2 * before[1])
        return h, s, theta

    of_x, of_y = (np.diagonal(tables(z, z, None, None)[0]) for z in (x, y))
    _, s, theta = tables(x, y, of_x, of_y)
    pool = np.mean if pooling == "average" else lambda m: m[-1, -1]
    return SIGMA_V**2 * pool(s), SIGMA_V**2 * pool(s + theta)


@pytest.mark.parametrize(
    ("pooling", "lengths"), [full(("average", (30, 30))), ("average", (30, 21)), ("last", (30, 30))]
)
def test_thirty_steps_are_those_of_a_recursion_in_numpy(rng, pooling, lengths):
    x, y = (rng.normal(size=(n, 4)) for n in lengths)
    kernels = nv.infinite_ntk(RNN(pooling=pooling), x[None], y[None])
    np.testing.assert_allclose([kernels.nngp[0, 0], kernels.ntk[0, 0]], by_numpy(x, y, pooling), rtol=1e-12)


@nv.architecture
def fourth_state(net, x):
    u, W = net.input("U", x, std=SIGMA_U) + net.bias("b", std=SIGMA_B), net.matrix("W", std=SIGMA_W)
    s = [nv.erf(u[:, 0])]
    for t in range(1, x.shape[1]):
        s.append(nv.erf(u[:, t] + W @ s[-1]))
    return net.readout("v", s[3], std=SIGMA_V)


def test_a_state_does_not_depend_on_the_length_of_its_sequence(rng):
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(9, 4))
    kernels = nv.infinite_ntk(fourth_state, x[None], y[None])
    np.testing.assert_allclose([kernels.nngp[0, 0], kernels.ntk[0, 0]], by_numpy(x[:4], y[:4], "last"), rtol=1e-12)


def operations(jaxpr):
    """Equations of a traced function, those inside its loops and functions included."""
    inner = [sub for eqn in jaxpr.eqns for sub in jaxprs_in_params(eqn.params)]
    return len(jaxpr.eqns) + sum(operations(getattr(sub, "jaxpr", sub)) for sub in inner)


@pytest.mark.parametrize("pooling", ["last", "average"])
def test_longer_sequences_trace_no_more_operations(pooling):
    counts = []
    for steps in (10, 20):
        program = RNN(pooling=pooling).trace((np.zeros((1, steps, 2)),))
        counts.append(operations(jax.make_jaxpr(forward_kernels)(program, program).jaxpr))
    assert counts[0] == counts[1]


def by_pairs(program, program_bar=None):
    """The kernels with every pair of steps computed separately; compiling this would take ten times as long."""
    return kernels_from(Moments(View((program, program_bar or program))))


def by_loops(program, program_bar):
    """The kernels by one pass over the steps."""
    return kernels_from(Moments(Loops((roll(program), roll(program_bar)))))


def two_layers(net, x):
    """The second layer reads the first at every step, and is written after it."""
    u, b = net.input("U", x), net.bias("b", std=0.3)
    V, W1, W2 = (net.matrix(name, std=1.2) for name in ("V", "W1", "W2"))
    first = [nv.relu(u[:, 0] + b)]
    for t in range(1, x.shape[1]):
        first.append(nv.relu(u[:, t] + W1 @ first[-1] + b))
    second = [nv.relu(V @ first[0])]
    for t in range(1, x.shape[1]):
        second.append(nv.relu(V @ first[t] + W2 @ second[-1]))
    return net.readout("v", nv.stack(second, axis=1).mean(1))


def there_and_back_with_one_matrix(net, x):
    u, W = net.input("U", x), net.matrix("W", std=1.2)
    there, back = [nv.relu(u[:, 0])], [nv.relu(u[:, -1])]
    for t in range(1, x.shape[1]):
        there.append(nv.relu(u[:, t] + W @ there[-1]))
    for t in reversed(range(x.shape[1] - 1)):
        back.append(nv.relu(u[:, t] + W @ back[-1]))
    return net.readout("v", nv.stack(there, axis=1).mean(1) + back[-1])


def normalised(net, x):
    """Two tokens per step, read in both orders, each with its own scalars."""
    u, W = net.input("U", nv.stack([x, x[:, ::-1]], axis=2)), net.matrix("W", std=1.3)
    s = [nv.erf(nv.layernorm(u[:, 0]))]
    for t in range(1, x.shape[1]):
        s.append(nv.erf(nv.layernorm(u[:, t] + W @ s[-1])))
    return net.readout("v", s[-1].mean(1))


def gaussian_states(net, x):
    """What the next step reads is Gaussian; numbers and indices change from step to step."""
    u, W = net.input("U", x), net.matrix("W", std=1.3)
    h = [u[:, 0]]
    for t in range(1, x.shape[1]):
        h.append((1.0 + 0.1 * t) * u[:, t] + 0.5 * u[:, t - 1] + W @ nv.relu(h[-1]))
    return net.readout("v", nv.erf(nv.stack(h, axis=1).mean(1)))


@pytest.mark.parametrize("fn", [full(two_layers), there_and_back_with_one_matrix, normalised, gaussian_states])
def test_loops_give_what_pairs_of_steps_give(rng, fn):
    programs = [nv.architecture(fn).trace((rng.normal(size=(1, 5, 3)),)) for _ in range(2)]
    loops = jax.jit(by_loops)(*programs)
    assert not loops.refused
    pairs = by_pairs(*programs)
    np.testing.assert_allclose(loops.nngp, pairs.nngp, rtol=1e-12)
    np.testing.assert_allclose(loops.ntk, pairs.ntk, rtol=1e-12)
    assert 0 < loops.error.value < 1e-9


@nv.architecture
def normalised_before(net, x):
    """The matrix multiplies what the step before made, less its mean and over its standard deviation."""
    u, W = net.input("U", x), net.matrix("W", std=SIGMA_W)
    s = [nv.relu(u[:, 0])]
    for t in range(1, x.shape[1]):
        s.append(nv.relu(u[:, t] + W @ nv.layernorm(s[-1])))
    return net.readout("v", nv.stack(s, axis=1).mean(1))


def test_states_less_their_mean_are_those_of_a_recursion_in_numpy(rng):
    """E[LN(s) LN(s̄)] is the correlation of s and s̄; with h of variance k, relu(h) has mean √(k/2π)."""

    def tables(x, y, of_x, of_y):
        h, s, theta = np.zeros((3, len(x), len(y)))
        for t in range(len(x)):
            for u in range(len(y)):
                h[t, u] = x[t] @ y[u] / x.shape[1]
                below = 0.0
                if t and u:
                    root = np.sqrt(of_x[t - 1] * of_y[u - 1])
                    spread = root * (1 / 2 - 1 / (2 * np.pi))
                    h[t, u] += SIGMA_W**2 * (s[t - 1, u - 1] - root / (2 * np.pi)) / spread
                    below = SIGMA_W**2 * theta[t - 1, u - 1] / spread
                root = np.sqrt(of_x[t] * of_y[u])
                angle = np.arccos(np.clip(h[t, u] / root, -1, 1))
                s[t, u] = root * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
                theta[t, u] = (np.pi - angle) / (2 * np.pi) * (h[t, u] + below)
        return s, theta

    x, y = rng.normal(size=(2, 6, 3))
    of_x, of_y = ((z * z).sum(1) / 3 + SIGMA_W**2 * (np.arange(6) > 0) for z in (x, y))
    s, theta = tables(x, y, of_x, of_y)
    kernels = nv.infinite_ntk(normalised_before, x[None], y[None])
    np.testing.assert_allclose([kernels.nngp[0, 0], kernels.ntk[0, 0]], [s.mean(), (s + theta).mean()], rtol=1e-12)


def leaky(net, x):
    u, W = net.input("U", x), net.matrix("W", std=1.3)
    s = nv.erf(u[:, 0])
    for t in range(1, x.shape[1]):
        s = 0.5 * s + 0.5 * nv.erf(u[:, t] + W @ s)
    return net.readout("v", s)


def test_what_loops_refuse_is_computed_pair_by_pair(rng):
    x = rng.normal(size=(1, 5, 3))
    program = nv.architecture(leaky).trace((x,))
    assert jax.eval_shape(by_loops, program, program).refused
    here, there = forward_kernels(program, program), by_pairs(program)
    np.testing.assert_allclose(here.ntk, there.ntk, rtol=1e-12)


def adding_up(net, x):
    u, W = net.input("U", x), net.matrix("W", std=0.7)
    h = u[:, 0]
    for t in range(1, x.shape[1]):
        h = h + u[:, t] + W @ nv.relu(h)
    return net.readout("v", nv.erf(h))


def test_loops_refuse_states_that_share_all_that_was_added(rng):
    """E[h^t (W relu(h^t))] depends on what W gave at all earlier steps."""
    program = nv.architecture(adding_up).trace((rng.normal(size=(1, 6, 3)),))
    refused = jax.eval_shape(by_loops, program, program).refused
    assert [reason.instead for reason in refused] == ["pair by pair"]


def test_a_refusal_names_the_instruction_of_the_program_as_written(rng):
    arch, x = nv.architectures.gru, rng.normal(size=(1, 6, 3))
    with pytest.raises(NoForwardLimitError, match=r"Instruction \d+ \(multiply\)") as refusal:
        nv.infinite_ntk(arch, x, method="forward")
    place = int(str(refusal.value).split()[1])
    assert nv.program(arch, x).instructions[place].op.phi.name == "multiply"


def test_a_network_of_finite_width_runs_its_loops_as_written(rng):
    program = nv.architecture(two_layers).trace((rng.normal(size=(2, 7, 3)),))
    rolled, parameters = roll(program), sample_parameters(program, 20, jax.random.key(0))
    written_out = run(program, parameters).output
    np.testing.assert_allclose(run(rolled.program, parameters, loops=rolled.loops).output, written_out, rtol=1e-5)


def product_used_again(net, x):
    """Not for the sum with what comes from outside alone."""
    u, W, s = net.input("U", x), net.matrix("W", std=1.2), []
    for t in range(x.shape[1]):
        product = W @ s[-1] if s else 0.0 * u[:, t]
        s.append(nv.erf(product + u[:, t]) + 0.5 * product)
    return net.readout("v", nv.stack(s, axis=1).mean(1))


def input_used_again(net, x):
    u, W, s = net.input("U", x), net.matrix("W", std=1.2), []
    for t in range(x.shape[1]):
        here = u[:, t]
        product = W @ s[-1] if s else 0.0 * here
        s.append(nv.erf(product + here) + 0.5 * here)
    return net.readout("v", nv.stack(s, axis=1).mean(1))


@pytest.mark.parametrize("fn", [full(None), two_layers, product_used_again, input_used_again])
def test_the_empirical_kernel_of_a_loop_is_that_of_all_gradients(rng, fn):
    arch = nv.architecture(fn) if fn else RNN(pooling="average")
    x = rng.normal(size=(3, 8, 2))
    program = arch.trace((x,))
    parameters = sample_parameters(program, 12, jax.random.key(1))
    gradients = jax.tree.leaves(jax.jacobian(lambda p: run(program, p).output)(parameters))
    rows = np.concatenate([np.asarray(g).reshape(3, -1) for g in gradients], axis=1)
    one = arch.trace((x[:1],)).with_data(x)
    assert roll(one) is not None
    np.testing.assert_allclose(ntk_of_examples(one, one, parameters, 12), rows @ rows.T, rtol=1e-4)
