"""Remote requests are answered like local calls: the same values, the same refusals, and one request for each call."""

import importlib
import pickle
import subprocess
import sys

import jax
import numpy as np
import pytest
from selection import full, full_among

import ntkviz as nv
from ntkviz import regression
from ntkviz.distant import readings
from ntkviz.distant.pickling import pickled
from ntkviz.distant.readings import READINGS, answer, read

X = np.random.default_rng(0).normal(size=(3, 4))
SEQUENCES = np.random.default_rng(0).normal(size=(2, 3, 4))
A = nv.architectures


@pytest.fixture
def trips(connect, monkeypatch) -> list[str]:
    """The readings requested so far; the cluster computes everything in between."""
    made: list[str] = []
    ask = readings.ask
    monkeypatch.setattr(readings, "ask", lambda answer, name, args: (made.append(name), ask(answer, name, args))[1])
    return made


def same(found, expected):
    """Whether two values are equal, where one may be an array of NumPy and the other one of JAX."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            same(found[key], value)
    elif isinstance(expected, tuple):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(expected, np.ndarray | jax.Array):
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


program = nv.program(A.mlp(depth=2, nonlinearity="tanh"), X).backward()  # whose slope JAX makes
CALLS = {
    "coordinates": ((program,), {"width": 16, "key": 0}),
    "deviation": ((A.mlp, X), {"widths": [8, 32], "seeds": 2}),
    "empirical_contributions": ((A.rnn, SEQUENCES[:1]), {"width": 16, "key": 0}),
    "empirical_ntk": ((A.mlp, X), {"width": 16, "key": 0}),
    "explain": ((A.gru, SEQUENCES), {}),
    "feature_learning": ((A.mlp(depth=1), X, [1.0, 0.0, 2.0]), {"steps": 1, "learning_rate": 0.1}),
    "fluctuation": ((A.mlp, X), {}),
    "gram": ((A.mlp, X), {"progress": False}),
    "infinite_contributions": ((A.rnn, SEQUENCES[:1]), {}),
    "infinite_ntk": ((A.mlp(depth=2), X), {}),
    "limit_law": ((program,), {}),
    "limit_scalars": ((nv.program(A.layernorm_mlp, X),), {}),
    "master_theorem": ((program, lambda x: x**2, [("x1", 0)]), {"width": 16, "key": 0}),
    "recurrence": ((A.gru, SEQUENCES), {"width": 16, "key": 0}),
    "recurrence_limit": ((A.gru, SEQUENCES), {}),
    "sample_outputs": ((A.mlp, X), {"width": 16, "draws": 3, "key": 0}),
    "sweep": ((A.mlp, X), {"sigma_w": [1.0, 2.0]}),
    "train": ((A.mlp, X, [1.0, 0.0, 2.0]), {"width": 16, "key": 0, "learning_rate": 0.1, "steps": [0, 2]}),
    "training_program": ((A.mlp, X, [1.0, 0.0, 2.0]), {"steps": 1, "learning_rate": 0.1}),
    "virtual_coordinates": ((program,), {"width": 64, "key": 0}),
    "virtual_ntk": ((A.mlp, X), {"width": 64, "key": 0}),
    "virtual_outputs": ((A.mlp, X), {"width": 64, "draws": 3, "key": 0}),
    "width_for": ((A.mlp, X), {"relative": 0.1}),
    "assumptions": (("jax_tied", (2, 64)), {}),
    "model_ntk": (("jax_tied", np.ones((2, 64))), {"width": 64, "key": 0}),
    "backward": ((nv.program(A.mlp, X),), {}),
    "nonlinearity_values": ((nv.gelu, X), {}),
    "recorded": ((A.mlp, (X.shape,)), {}),
}


DEAR = "deviation", "fluctuation", "recurrence", "coordinates", "sample_outputs", "empirical_contributions"
VIRTUAL = "virtual_coordinates", "virtual_ntk", "virtual_outputs"
"""What travels is the same as for the others, and their computations have tests of their own."""


@pytest.mark.parametrize("name", full_among(CALLS, *DEAR, *VIRTUAL))
def test_an_answer_is_what_a_local_computation_gives(name, trips, monkeypatch):
    args, kwargs = CALLS[name]
    found = read(name, *args, **kwargs)
    assert trips == [name]
    monkeypatch.delenv(readings.ENGINE)
    same(found, read(name, *args, **kwargs))


def test_every_public_reading_is_listed_where_it_is_defined():
    assert {*CALLS, "cost"} == {*READINGS}
    for name, module in READINGS.items():
        function = getattr(importlib.import_module(module), name)
        assert function.__module__ == module
        if hasattr(nv, name):
            assert getattr(nv, name) is function  # where no cluster is named


def test_what_is_not_listed_needs_no_jax():
    """Except what traces models, and kernels as functions of JAX: whoever uses these has JAX."""
    check = """
import sys, ntkviz, ntkviz.app, ntkviz.gallery
from ntkviz.distant.readings import READINGS
jax_itself = {"trace", "Traced", "TracedParameter", "Report", "Check", "AssumptionWarning"}
jax_itself |= {"kernel_fn", "KernelFunction"}
for name in dir(ntkviz):
    if name not in {*READINGS, *jax_itself}:
        getattr(ntkviz, name)
        assert "jax" not in sys.modules and "scipy" not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.parametrize(
    "name", ["deviation", full("explain"), full("infinite_ntk"), "limit_law", full("recurrence_limit"), "train"]
)
def test_an_answer_needs_no_jax(name):
    """Nor does the program that a request is about."""
    args, kwargs = CALLS[name]
    asked = pickled((args, kwargs))
    answered = answer(name, asked)
    check = "import pickle, sys; [pickle.load(sys.stdin.buffer) for _ in range(2)]; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], input=answered + asked, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "False"


def test_a_cost_takes_one_request(trips):
    cost = nv.cost(nv.empirical_ntk, A.mlp, X, width=4096, key=0)
    assert trips == ["cost"]
    assert cost.memory > 4096**2
    assert cost.repeated(3).seconds == 3 * cost.seconds


def test_describing_makes_no_request_and_asking_makes_one(trips):
    arch = A.mlp(depth=2)(sigma_w=1.2)
    assert repr(arch) == repr(A.mlp(depth=2, sigma_w=1.2))
    assert arch == A.mlp(sigma_w=1.2, depth=2) != A.mlp(depth=3)
    assert len({arch, A.mlp()(depth=2, sigma_w=1.2), A.mlp}) == 2
    assert not trips
    kernels = nv.infinite_ntk(arch, X)
    assert trips == ["infinite_ntk"]
    assert kernels.error_kind == "rounding"


def test_a_program_is_listed_locally(trips):
    sent = nv.program(A.layernorm_mlp, X)
    assert trips == ["recorded"]
    assert sent.lines()[3].name in str(sent)
    assert sent.to_graph()["nodes"]
    assert nv.simple_gia_check(A.mlp, X).passes
    assert not nv.simple_gia_check(A.tied_readout, X).passes
    assert trips == ["recorded"] * 3
    gradients = sent.backward()
    assert gradients.gradients
    assert "dx1" in gradients.to_text()
    assert trips == ["recorded"] * 3 + ["backward"]


def test_programs_are_equal_and_hashed_alike_on_both_sides(trips, monkeypatch):
    sent = nv.program(A.rnn, SEQUENCES).backward()
    monkeypatch.delenv(readings.ENGINE)
    here = nv.program(A.rnn, SEQUENCES).backward()
    assert (sent, hash(sent)) == (here, hash(here))
    assert "_hash" not in vars(pickle.loads(pickle.dumps(here)))


def test_nonlinearities_calculate_on_arrays(trips):
    np.testing.assert_array_equal(1 + nv.relu(X) * 2, 1 + np.maximum(X, 0) * 2)
    assert trips == ["nonlinearity_values"]


def test_a_function_written_here_travels_with_what_it_uses(trips, monkeypatch):
    gain = 1.5

    @nv.architecture
    def written_here(net, x, *, sigma=1.0):
        return net.readout("v", nv.relu(net.input("U", x, std=gain * sigma)))

    found = nv.infinite_ntk(written_here(sigma=0.5), X).ntk
    assert trips == ["infinite_ntk"]
    monkeypatch.delenv(readings.ENGINE)

    @nv.architecture
    def like_it(net, x, *, sigma=1.0):
        return net.readout("v", nv.relu(net.input("U", x, std=1.5 * sigma)))

    np.testing.assert_array_equal(found, nv.infinite_ntk(like_it(sigma=0.5), X).ntk)


def test_regression_asks_for_its_kernels_and_for_nothing_else(trips, monkeypatch):
    wide = regression.fit(A.mlp, X, [1.0, 0.0, -1.0])
    asked = list(trips)
    assert asked == ["recorded", "infinite_ntk"]
    flow, bound = wide.gradient_flow(0.3).mean, wide.learning_rate_bound()
    remade = regression.Regression(np.ones(3), wide.train, wide.cross)
    np.testing.assert_array_equal(remade.y_train, np.ones(3))
    assert trips == asked
    monkeypatch.delenv(readings.ENGINE)
    real = regression.fit(A.mlp, X, [1.0, 0.0, -1.0])
    np.testing.assert_array_equal(flow, real.gradient_flow(0.3).mean)
    assert bound == real.learning_rate_bound()


def test_a_walkthrough_asks_once_for_its_limit_and_for_each_network(trips):
    walk = nv.Walkthrough(A.mlp(depth=1), X)
    names = [step.line.name for step in walk.steps]
    assert names == [line.name for line in walk.lines]
    assert len(walk) == len(names)
    assert trips == ["recorded", "backward", "limit_law"]
    assert walk.average(0, lambda h, g: h * h).settles
    network = walk.network(32, 0)
    assert walk.value(0, network).shape == walk.terms(0, network, lambda h, g: h).shape == (32,)
    assert trips == ["recorded", "backward", "limit_law", "coordinates"]


def test_refusals_arrive_unchanged(connect):
    with pytest.raises(nv.HyperparameterError, match="Expected an architecture"):
        nv.infinite_ntk(3, X)
    with pytest.raises(nv.HyperparameterError, match="mlp has no hyper-parameter 'deph'"):
        A.mlp(deph=3)
    with pytest.raises(nv.HyperparameterError, match="depth"):
        nv.program(A.mlp(depth=0), X)
    with pytest.raises(AttributeError, match="no attribute 'perceptron'"):
        nv.infinite_ntk(A.perceptron, X)
    with pytest.raises(TypeError, match="x3"):
        nv.infinite_ntk(A.mlp, x3=X)


@pytest.mark.parametrize("progress", [True, print])
def test_progress_cannot_be_told_from_afar(connect, progress):
    with pytest.raises(nv.HyperparameterError, match="leave out progress"):
        nv.feature_learning(A.mlp, X, [1.0, 0.0, 2.0], steps=1, learning_rate=0.1, progress=progress)


def test_other_errors_arrive_by_name(connect):
    @nv.architecture
    def broken(net, x):
        return net.readout("v", np.linalg.inv(np.zeros((2, 2))))

    with pytest.raises(RuntimeError, match="LinAlgError: Singular matrix"):
        nv.infinite_ntk(broken, X)
