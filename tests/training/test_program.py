"""The program of training: at finite width it agrees with gradient descent by `jax.grad`, up to rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import full_except

import ntkviz as nv
from ntkviz.errors import HyperparameterError, InputError, ProgramError
from ntkviz.networks.sampling import random_key, run, sample_parameters

from .sgd import descend

A = nv.architectures
SEQUENCES = (3, 3, 4)
X, Y = np.array([[1.0, 0.5], [-0.7, 1.0], [0.3, -1.2]]), np.array([1.0, -1.0, 0.5])


@nv.architecture
def partly_trained(net, x, *, rate=0.5):
    """One matrix is not trained, and one has a separate factor; v is also a bias."""
    v = net.vector("v", lr=rate)
    h = net.matrix("W", trainable=False) @ nv.tanh(net.input("U", x, lr=rate))
    return net.readout(v, nv.tanh(net.matrix("A", std=1.5, lr=rate) @ nv.tanh(h) + v))


@jax.jit
def outputs_with(program, parameters):
    return run(program, parameters).output


def outputs(program, *, width, key):
    """The outputs of one network in double precision."""
    return np.asarray(outputs_with(program, sample_parameters(program, width, random_key(key), jnp.float64)))


CASES = {
    "mlp": (A.mlp, (3, 5), {}),
    "mlp, batches": (A.mlp(nonlinearity="tanh"), (3, 5), {"batches": [[0], [2, 1, 1]]}),
    "mlp ntk4a, logistic": (A.mlp(parametrization="ntk4a"), (3, 5), {"loss": "logistic"}),
    "cnn": (A.cnn(depth=2, sigma_b=0.3), (3, 4, 2), {"richness": 0.5}),
    "rnn, batches": (A.rnn, SEQUENCES, {"loss": "logistic", "batches": [[0, 1], [1, 2]]}),
    "tied autoencoder": (A.tied_autoencoder, (3, 5), {}),
    "transformer": (A.transformer, SEQUENCES, {}),
    "batchnorm": (A.batchnorm_mlp, (4, 5), {}),
    "mean readout": (A.mean_readout_mlp, (3, 5), {"learning_rate": 0.01}),
    "tied readout": (A.tied_readout, (3, 5), {}),
    "partly trained": (partly_trained, (3, 5), {}),
}


ALWAYS = "mlp, batches", "mlp ntk4a, logistic", "tied autoencoder", "mean readout", "partly trained"


@pytest.mark.parametrize("case", full_except(CASES, *ALWAYS))
def test_at_finite_width_it_is_gradient_descent(case, rng):
    arch, shape, options = CASES[case]
    x, x_test, y = rng.normal(size=shape), rng.normal(size=shape), np.sign(rng.normal(size=shape[0]))
    options = {"steps": 2, "learning_rate": 0.3, **options}
    program = nv.training_program(arch, x, y, x_test=x_test, **options)
    expected = descend(arch, x, y, x_test, width=16, key=1, **options)
    assert np.min(np.ptp(expected, axis=1)) > 0.01
    assert np.max(np.abs(np.diff(expected, axis=0))) > 0.01
    assert outputs(program, width=16, key=1) == pytest.approx(np.asarray(expected), abs=1e-13)


def test_graphs_and_layers_that_repeat(rng):
    """Inputs that are a pair of arrays, and a test set of another size."""
    edges = np.triu(rng.random((5, 4, 4)) < 0.5, 1).astype(float)
    graphs = rng.normal(size=(5, 4, 3)), edges + edges.transpose(0, 2, 1)
    x, x_test = ((graphs[0][part], graphs[1][part]) for part in (slice(0, 3), slice(3, 5)))
    options = {"steps": 2, "learning_rate": 0.3}
    program = nv.training_program(A.gcn(depth=3), x, Y, x_test=x_test, **options)
    expected = descend(A.gcn(depth=3), x, Y, x_test, width=16, key=1, **options)
    assert expected.shape == (3, 5)
    assert outputs(program, width=16, key=1) == pytest.approx(np.asarray(expected), abs=1e-13)


def test_the_program_of_training_is_an_ordinary_program():
    """Its first step is that of the limit kernel, to the accuracy of 2¹⁴ coordinates."""
    arch = A.mlp(depth=1, nonlinearity="tanh", sigma_b=0.0)
    program = nv.training_program(arch, X, Y, steps=1, learning_rate=0.4, richness=0.05)
    assert "∂squared" in program.to_text()
    f0, f1 = map(np.asarray, nv.virtual_coordinates(program, width=2**14, key=0)[program.output])
    assert f1 - f0 == pytest.approx(0.4 * np.asarray(nv.infinite_ntk(arch, X).ntk) @ (Y - f0), abs=0.05)


@nv.architecture
def reshaped(net, x):
    """Positions in a square, which are put into a row."""
    h = nv.tanh(net.matrix("W") @ net.input("U", x))
    return net.readout("v", (net.matrix("A") @ h.reshape(h.shape[0], 4)).mean(1))


def test_gradients_are_put_back_into_the_shape_that_they_are_written_with(rng):
    """They are those of the loss, so that their first axis has the length 1."""
    program = nv.training_program(reshaped, rng.normal(size=(3, 2, 2, 5)), Y, steps=1, learning_rate=0.1)
    assert [line.shape for line in program.lines() if "; (1, 3, 2, 2))" in line.formula_text] == [(1, 3, 2, 2)]


def test_hyper_parameters_are_numbers_and_change_nothing_else():
    programs = [
        nv.training_program(A.mlp(sigma_w=s), X, Y, steps=2, learning_rate=e, richness=g)
        for s, e, g in ((1.0, 0.1, 1.0), (2.0, 0.3, 0.2))
    ]
    assert programs[0].structure == programs[1].structure
    assert programs[0] != programs[1]


@nv.architecture
def reads_its_own_moment(net, x):
    """Data of an input matrix that depend on parameters."""
    u = net.input("U", x)
    return net.readout("v", net.input("A", nv.stack([nv.moment(u), nv.moment(u * u)], 1)))


@pytest.mark.parametrize(
    ("arch", "change", "error", "match"),
    [
        (A.mlp, {"y": [1.0, 2.0]}, InputError, r"y has shape \(2,\)"),
        (A.mlp, {"loss": "logistic"}, InputError, "±1"),
        (A.mlp, {"loss": "hinge"}, HyperparameterError, "The loss is 'hinge'"),
        (A.mlp, {"steps": -1}, HyperparameterError, "steps is -1"),
        (A.mlp, {"richness": 0.0}, HyperparameterError, "richness is 0.0"),
        (A.mlp, {"learning_rate": -1.0}, HyperparameterError, "learning_rate"),
        (A.mlp, {"batches": [[0]]}, HyperparameterError, "1 batches for 2 steps"),
        (A.mlp, {"batches": [[0], [3]]}, HyperparameterError, "from 0 to 2"),
        (A.mlp, {"batches": [[0, [1]], [1]]}, HyperparameterError, "A batch is"),
        (A.mlp, {"batches": 3}, HyperparameterError, "batches is 3"),
        (A.mlp, {"x_test": np.ones((2, 3))}, InputError, "the same network"),
        (A.mlp, {"steps": 2000}, ProgramError, "take fewer steps"),
        (A.batchnorm_mlp, {"batches": [[0], [1]]}, InputError, "leave out batches"),
        (A.mlp(nonlinearity="sign"), {}, ProgramError, "derivative of sign is not a function"),
        (reads_its_own_moment, {}, ProgramError, "apply it to data"),
        (nv.relu, {}, HyperparameterError, "Expected an architecture"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(arch, change, error, match):
    arguments = {"x": X, "y": Y, "steps": 2, "learning_rate": 0.1} | change
    with pytest.raises(error, match=match):
        nv.training_program(arch, arguments.pop("x"), arguments.pop("y"), **arguments)
