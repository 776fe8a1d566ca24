"""Alike layers of a written-out program, each with its own parameters, are found and written once."""

import itertools

import jax
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from selection import full

import ntkviz as nv
from ntkviz.execution.trace_signature import trace_signature
from ntkviz.kernels.forward.kernels import kernels_of, layer_by_layer, pair_by_pair
from ntkviz.language.instructions import Repeat
from ntkviz.language.rewriting.folding import fold

SIGMAS = (0.5, 0.7, 0.9, 1.0, 1.2, 1.4, 2.0, 0.8)


def dense(net, name, h, std=1.0):
    return net.matrix(f"W{name}", std=std) @ h + net.bias(f"b{name}", std=0.1)


def layers(layer, depth, *, joined=(1,)):
    """An architecture of `depth` layers, written out by a Python loop, whose vectors have an axis of positions."""

    @nv.architecture
    def arch(net, x):
        h = dense(net, "first", nv.erf(net.input("U", x)))
        for k in range(depth):
            h = layer(net, h, k)
        return net.readout("v", nv.relu(h + net.bias("last", std=0.3)).mean(joined))

    return arch


def mlp_layer(net, h, k):
    return dense(net, k, nv.relu(h), std=SIGMAS[k])


def residual(net, h, k):
    return h + (0.5 + k) * dense(net, f"{k}out", nv.relu(dense(net, f"{k}in", nv.relu(h))))


def attention(net, name, z):
    q, v = (net.matrix(f"{kind}{name}") @ z for kind in "QV")
    return nv.softmax(nv.inner(q[:, :, None], q[:, None, :])) @ v


def pre_norm(net, h, k):
    h = h + attention(net, k, nv.layernorm(h))
    return h + dense(net, f"{k}out", nv.relu(dense(net, f"{k}in", nv.layernorm(h))))


def post_norm(net, h, k):
    h = nv.layernorm(h + attention(net, k, h))
    return nv.layernorm(h + dense(net, f"{k}out", nv.relu(dense(net, f"{k}in", h))))


def convolution(net, h, k):
    W, padded = net.matrix(f"W{k}", shape=(3,), fan=3), nv.relu(h).pad([(0, 0), (1, 1)])
    return sum((W[o] @ padded[:, o : o + 3] for o in range(3)), start=net.bias(f"b{k}", std=0.1))


def shared_in_a_layer(net, h, k):
    W = net.matrix(f"W{k}")
    return W @ nv.relu(W @ nv.relu(h)) + net.bias(f"b{k}", std=0.1)


FOLDED = [
    full((mlp_layer, 8)),
    (residual, 3),
    (pre_norm, 2),
    full((post_norm, 2)),
    (convolution, 3),
    (shared_in_a_layer, 3),
]


def program(arch, positions=3):
    return nv.program(arch, np.random.default_rng(0).normal(size=(1, positions, 4)))


def repeats(folded):
    return [i.op for i in folded.program.instructions if isinstance(i.op, Repeat)]


@pytest.mark.parametrize(("layer", "depth"), FOLDED, ids=lambda case: getattr(case, "__name__", None))
def test_limits_are_those_of_the_layers_written_out(layer, depth):
    one = program(layers(layer, depth))
    other = one.with_data(np.random.default_rng(1).normal(size=(1, 3, 4)))
    (repeat,) = repeats(fold(one))
    assert len(repeat.body.parameters) < len(one.parameters)
    found, expected = layer_by_layer(one, other), pair_by_pair(one, other)
    assert not found.refused
    assert float(found.nngp[0, 0]) == pytest.approx(float(expected.nngp[0, 0]), rel=1e-12)
    assert float(found.ntk[0, 0]) == pytest.approx(float(expected.ntk[0, 0]), rel=1e-12)
    assert found.error.kind == expected.error.kind
    assert float(found.error.value) == pytest.approx(float(expected.error.value), rel=0.1)


def test_each_layer_has_parameters_of_its_own():
    written = program(layers(mlp_layer, 8))
    (parameters,) = fold(written).parameters
    names = [{written.parameters[p].name for p in own} for own in parameters]
    assert [f"W{k}" in own for k, own in enumerate(names)] == [True] * 8
    assert len(set.union(*names)) == sum(map(len, names)) == 16


def equations(jaxpr):
    return sum(1 + sum(map(equations, jaxprs_in_params(e.params))) for e in jaxpr.eqns)


def test_what_is_compiled_does_not_grow_with_depth():
    def size(depth):
        one = program(layers(mlp_layer, depth))
        return len(repeats(fold(one))[0].body), equations(jax.make_jaxpr(layer_by_layer)(one, one).jaxpr)

    assert size(4) == size(8)


def test_stages_of_layers_are_folded_one_by_one():
    def stages(net, x):
        h = net.input("U", x)
        for k in range(4):
            h = dense(net, k, nv.relu(h))
        h = h[:, :2]
        for k in range(4, 8):
            h = dense(net, k, nv.relu(h))
        return net.readout("v", nv.relu(h).mean(1))

    assert len(repeats(fold(program(nv.architecture(stages))))) == 2


# --- what is not folded --------------------------------------------------------------------------------


def tied(net, x, layer, count=6):
    h, W = net.input("U", x), net.matrix("W")
    for k in range(count):
        h = layer(net, h, W, k)
    return net.readout("v", nv.relu(h).mean(1))


def same_matrix(net, h, W, k):
    return W @ nv.relu(dense(net, k, nv.relu(h)))


def injected(net, x):
    e = h = net.input("U", x)
    for k in range(6):
        h = dense(net, k, nv.relu(h)) + e
    return net.readout("v", nv.relu(h).mean(1))


def neighbours_share(net, x):
    matrices, h = [net.matrix(f"W{k}") for k in range(8)], net.input("U", x)
    for k, (W, V) in enumerate(itertools.pairwise(matrices)):
        h = W @ nv.relu(V @ nv.relu(h)) + net.bias(f"b{k}", std=0.1)
    return net.readout("v", nv.relu(h).mean(1))


def alternating(net, x):
    matrices, h = [net.matrix(f"W{k}") for k in range(2)], net.input("U", x)
    for k in range(8):
        h = matrices[k % 2] @ nv.relu(h) + net.bias(f"b{k}", std=0.1)
    return net.readout("v", nv.relu(h).mean(1))


def densely_connected(net, x):
    before, h = net.input("V", x), net.input("U", x)
    for k in range(6):
        before, h = h, dense(net, k, nv.relu(h)) + before
    return net.readout("v", nv.relu(h).mean(1))


def different_functions(net, x):
    h = net.input("U", x)
    for k, phi in enumerate((nv.relu, nv.erf, nv.cos, nv.sin)):
        h = dense(net, k, phi(h))
    return net.readout("v", nv.relu(h).mean(1))


@pytest.mark.parametrize(
    "fn",
    [
        lambda net, x: tied(net, x, same_matrix),
        injected,
        neighbours_share,
        alternating,
        densely_connected,
        different_functions,
    ],
    ids=["a matrix of all layers", "injected", "neighbours share", "alternating", "densely connected", "functions"],
)
def test_other_layers_are_left_as_they_are(fn):
    assert fold(program(nv.architecture(fn))) is None


def test_a_stream_that_is_used_again_is_evaluated_written_out():
    def skipped(net, x):
        e = h = net.input("U", x)
        for k in range(5):
            h = residual(net, h, k)
        return net.readout("v", nv.relu(h + e).mean(1))

    written = program(nv.architecture(skipped))
    assert fold(written) is not None
    assert kernels_of(trace_signature(written, written)) is pair_by_pair


def test_a_layer_whose_value_is_used_at_the_end_is_not_folded():
    def skipped(net, x):
        e = h = dense(net, "first", nv.relu(net.input("U", x)))
        for k in range(5):
            h = dense(net, k, nv.relu(h))
        return net.readout("v", nv.relu(h + e).mean(1))

    folded = fold(program(nv.architecture(skipped)))
    assert [len(own) for own in folded.parameters] == [4]
