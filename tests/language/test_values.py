"""Handles behave as NumPy arrays do, on leading axes; the width axis cannot be reached."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntkviz as nv
from ntkviz.errors import HyperparameterError, ProgramError
from ntkviz.language.nonlinearities.nonlinearity import as_nonlinearity, multiply


@pytest.mark.parametrize(
    ("expression", "against"),
    [
        (lambda x: x + x[:, :1], None),
        (lambda x: x - 2 * x[:, 1, None], lambda x: x - 2 * x[:, 1, None]),
        (lambda x: 1 - x / 4, None),
        (lambda x: -x + 0.5, None),
        (lambda x: x**2 * x, None),
        (lambda x: x * np.array([1.0, 0.0, 1.0]), lambda x: x * np.array([1.0, 0.0, 1.0])[:, None]),
        (lambda x: np.array([[1.0], [2.0], [3.0], [4.0]]) * x, lambda x: x * np.arange(1.0, 5)[:, None, None]),
        (lambda x: x.sum(1), None),
        (lambda x: x.sum((1, 2)), None),
        (lambda x: x.mean(-1), lambda x: x.mean(2)),
        (lambda x: x.reshape(2, -1), lambda x: x.reshape(2, 12, -1)),
        (lambda x: x.transpose(0, 2, 1), lambda x: x.transpose(0, 2, 1, 3)),
        (lambda x: x[:, None].broadcast_to((2, 5, 4, 3)), lambda x: np.broadcast_to(x[:, None], (2, 5, *x.shape[1:]))),
        (lambda x: x.pad([(0, 0), (1, 2), (0, 0)]), lambda x: np.pad(x, [(0, 0), (1, 2), (0, 0), (0, 0)])),
        (lambda x: nv.stack([x, x * 2], axis=1), lambda x: np.stack([x, x * 2], axis=1)),
        (lambda x: nv.stack([x, x * 2], axis=-1), lambda x: np.stack([x, x * 2], axis=3)),
        (lambda x: nv.concatenate([x, x[:, :2]], axis=1), lambda x: np.concatenate([x, x[:, :2]], axis=1)),
        (lambda x: nv.stack(list(x[0])), lambda x: x[0]),
        (
            lambda x: nv.einsum("tsk,bts->bk", np.ones((4, 3, 2)), x),
            lambda x: np.einsum("tsk,btsn->bkn", np.ones((4, 3, 2)), x),
        ),
        (lambda x: nv.cos(x), np.cos),
        (lambda x: nv.batchnorm(x), lambda x: (x - x.mean(0)) / x.std(0)),
        (lambda x: nv.layernorm(x), lambda x: (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)),
        (lambda x: x * nv.moment(x), lambda x: x * x.mean(-1, keepdims=True)),
        (lambda x: x + nv.softmax(nv.inner(x, x)), lambda x: x + _softmax((x * x).mean(-1))[..., None]),
    ],
)
def test_arithmetic_rearranging_and_joining(same_as_numpy, expression, against):
    same_as_numpy(expression, (4, 3), against)


def _softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def test_scalars_compute_as_numbers_do(same_as_numpy):
    def expression(x):
        theta = nv.moment(x**2)
        return x * (1 / nv.sqrt(theta + 1) - theta[:, ::-1] ** 2 / 3) + (2 - theta)

    def against(x):
        theta = (x**2).mean(-1, keepdims=True)
        return x * (1 / np.sqrt(theta + 1) - theta[:, ::-1] ** 2 / 3) + (2 - theta)

    same_as_numpy(expression, (4,), against)


def test_a_nonlinearity_is_known_by_its_name_or_is_any_function():
    assert as_nonlinearity("relu") is as_nonlinearity(nv.relu) is nv.relu
    assert as_nonlinearity(jnp.tan).fn is jnp.tan
    for unknown in ("relo", 3, ["relu"]):
        with pytest.raises(HyperparameterError, match=r"unknown; use one of abs, cos, .*, or a JAX function"):
            as_nonlinearity(unknown)


def test_a_nonlinearity_of_arrays_is_its_function():
    np.testing.assert_array_equal(nv.relu(np.array([-1.0, 2.0])), [0.0, 2.0])
    assert (repr(nv.relu), repr(nv.nonlinearity(jnp.tan))) == ("nv.relu", "<nonlinearity tan>")


@pytest.mark.parametrize("phi", [nv.relu, nv.leaky_relu, nv.abs], ids=str)
def test_at_a_kink_networks_have_the_slope_of_the_limit(phi):
    assert jax.grad(phi.fn)(0.0) == phi.derivative().fn(0.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fn": 3}, "takes a JAX function such as jnp.tanh, not 3"),
        ({"fn": jnp.tanh, "arity": 0}, "arity is 0; it must be a whole number ≥ 1"),
        ({"fn": jnp.tanh, "smooth": "no"}, "smooth is 'no'; it must be True or False"),
    ],
)
def test_invalid_nonlinearities_are_refused(options, says):
    with pytest.raises(HyperparameterError, match=says):
        nv.nonlinearity(**options)


def test_attention_weights_times_vectors(same_as_numpy):
    same_as_numpy(
        lambda x: nv.inner(x[:, :, None], x[:, None]) @ x,
        (4,),
        lambda x: np.einsum("bin,bjn,bjm->bim", x, x, x) / x.shape[-1],
    )


def test_a_nonlinearity_of_several_vectors_with_parameters(same_as_numpy):
    gate = nv.nonlinearity(lambda a, b, c: a * b + c, arity=2)
    same_as_numpy(lambda x: gate(x, x[:, :1], nv.moment(x)), (3,), lambda x: x * x[:, :1] + x.mean(-1, keepdims=True))


MISTAKES = {
    "the width axis indexed": (lambda net, h: h[:, 0], "width axis is not visible and cannot be indexed"),
    "the width axis summed": (lambda net, h: h.sum(1), "Axis 1 does not exist in the leading shape .*use nv.moment"),
    "the width axis averaged": (lambda net, h: h.mean((0, 2)), "Axis 2 does not exist"),
    "the width axis iterated": (lambda net, h: list(h[0]), "no leading axis to iterate over"),
    "an index too large": (lambda net, h: h[2], r"index does not fit the leading shape \(2,\)"),
    "an index array too large": (lambda net, h: h[np.array([0, 5])], "index does not fit"),
    "an index of the program": (lambda net, h: h[nv.moment(h)], "cannot be indexed by its own values"),
    "a wrong reshape": (lambda net, h: h.reshape(3), r"reshape does not fit the leading shape \(2,\)"),
    "zeros along too few axes": (lambda net, h: h[:, None].pad([(1, 1)]), "pair of numbers for each of the 2 leading"),
    "shapes that do not broadcast": (
        lambda net, h: h + net.vector("a", shape=(3,)),
        r"\+ cannot combine leading shapes",
    ),
    "a mask of the wrong length": (lambda net, h: h * np.ones(3), r"\* cannot combine leading shapes"),
    "einsum that does not fit": (
        lambda net, h: nv.einsum("ij,j->i", np.ones((2, 5)), h),
        "einsum 'ij,j->i' does not fit",
    ),
    "einsum with an ellipsis": (lambda net, h: nv.einsum("...,i->i", np.ones(2), h), "name every leading axis"),
    "einsum without output": (lambda net, h: nv.einsum("i,i", np.ones(2), h), "einsum 'i,i' does not fit"),
    "a stack of unlike shapes": (lambda net, h: nv.stack([h, h[0]]), "do not fit together"),
    "a stack of nothing": (lambda net, h: nv.stack([]), "non-empty list of vectors, or of scalars"),
    "a stack of unlike kinds": (lambda net, h: nv.stack([h, nv.moment(h)]), "of vectors, or of scalars, not both"),
    "branching on a value": (lambda net, h: h if h else -h, "cannot branch on its own values"),
    "dividing by a vector": (lambda net, h: h / h, "write it as a function of both, with nv.nonlinearity"),
    "a high power": (lambda net, h: h**4, "use nv.nonlinearity"),
    "a matrix on data": (lambda net, h: net.matrix("W") @ np.ones(2), "apply an input matrix to data with net.input"),
    "an array of matrices unindexed": (
        lambda net, h: net.matrix("W", shape=(2,)) @ h,
        "not an array of matrices of shape .*index it first",
    ),
    "a readout used further": (lambda net, h: net.readout("v", h) + 1, "does not converge to a constant"),
    "a readout averaged": (lambda net, h: net.readout("v", h).mean(0), "combine the vectors before reading them out"),
    "a readout indexed": (lambda net, h: net.readout("v", h)[0], "does not converge to a constant"),
    "readouts stacked": (lambda net, h: nv.stack([net.readout("v", h)]), "of vectors, or of scalars, not both"),
    "a nonlinearity of a scalar": (lambda net, h: nv.relu(nv.moment(h)), "relu is for vectors of a program"),
    "scalars times scalars": (lambda net, h: nv.moment(h) @ nv.moment(h), "scalars on the left and vectors on the"),
    "subscripts that are no text": (lambda net, h: nv.einsum(3, np.ones(2), h), "takes its subscripts as a string"),
    "softmax of vectors": (lambda net, h: nv.softmax(h), r"softmax is for scalars of a program.*, not for Vector"),
    "layernorm of a number": (lambda net, h: nv.layernorm(1.0), "layernorm is for vectors .* a value of type float"),
    "a readout of axes that are not there": (lambda net, h: net.readout("v", h, axes=2), "readout with axes=2 does"),
    "a moment of a number": (lambda net, h: nv.moment(3.0), "averages the coordinates of vectors"),
    "too few vectors": (lambda net, h: multiply(h, 2.0), "multiply takes 2 vector"),
    "text for a number": (lambda net, h: h * "two", "Expected a number, not a value of type str"),
    "a complex number": (lambda net, h: h * np.array(1j), "contains complex numbers; every number must be real"),
    "batchnorm of one row": (lambda net, h: nv.batchnorm(h[:1]), "divides by zero"),
    "a parameter declared twice": (lambda net, h: h + net.bias("U"), "Parameter U is declared twice; to share it"),
    "a readout of the wrong shape": (
        lambda net, h: net.readout(net.vector("v", shape=(3,)), h),
        "does not fit vectors",
    ),
    "reading out a number": (lambda net, h: net.readout("v", nv.moment(h)), "net.readout takes vectors"),
    "an input matrix on vectors": (lambda net, h: net.input("V", h), "Expected a number or a scalar, not Vector"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_authors_mistake_is_one_sentence_that_names_the_instruction(trace, mistake):
    write, message = MISTAKES[mistake]

    def author(net, x):
        h = net.input("U", x)
        write(net, h)
        return net.readout("readout", h)

    with pytest.raises(ProgramError, match=message) as caught:
        trace(author)
    assert str(caught.value).startswith("Instruction ")
    assert " of author: " in str(caught.value)


def test_the_instruction_named_is_the_one_that_was_being_written(trace):
    def author(net, x):
        h = net.input("U", x)
        return net.readout("v", h + net.vector("a", shape=(5,)))

    with pytest.raises(ProgramError) as caught:
        trace(author)
    number = int(str(caught.value).split()[1])

    def corrected(net, x):
        h = net.input("U", x)
        return net.readout("v", h + net.vector("a", shape=(2,)))

    assert type(trace(corrected).instructions[number].op).__name__ == "Add"


def test_iteration_over_an_array_of_matrices_ends(trace):
    def arch(net, x):
        W, h = net.matrix("W", shape=(2,)), net.input("U", x)
        with pytest.raises(IndexError, match="does not fit an array of matrices of shape"):
            W[2]
        return net.readout("v", sum(w @ h for w in W))

    assert sum(type(i.op).__name__ == "MatMul" for i in trace(arch).instructions) == 2
