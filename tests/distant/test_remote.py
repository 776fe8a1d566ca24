"""A Remote behaves as what it stands for: the same answers, the same refusals, and no trip for a description."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.distant import remote
from ntkviz.distant.remote import Remote

X = np.random.default_rng(0).normal(size=(3, 4))

mlp = Remote.named("ntkviz.architectures", "mlp")
architecture = Remote.named("ntkviz.language.architecture", "architecture")
program = Remote.named("ntkviz.language.architecture", "program")
check = Remote.named("ntkviz.language.gradients.gia", "simple_gia_check")
relu = Remote.named("ntkviz.language.nonlinearities.nonlinearity", "relu")
infinite_ntk = Remote.named("ntkviz.kernels.infinite", "infinite_ntk")
deviation = Remote.named("ntkviz.kernels.deviation", "deviation")
Walkthrough = Remote.named("ntkviz.calculus.walkthrough", "Walkthrough")
fit = Remote.named("ntkviz.regression", "fit")


@pytest.fixture
def trips(connect, monkeypatch) -> list[bytes]:
    """The requests so far."""
    made: list[bytes] = []
    ask = remote.ask
    monkeypatch.setattr(remote, "ask", lambda request: (made.append(request), ask(request))[1])
    return made


def test_a_description_costs_nothing_and_an_answer_one_trip(trips):
    arch = mlp(depth=2)(sigma_w=1.2)
    described = program(arch, X).backward()
    assert callable(described.lines)
    assert not trips
    kernels = infinite_ntk(arch, X)
    assert len(trips) == 1
    expected = nv.infinite_ntk(nv.architectures.mlp(depth=2, sigma_w=1.2), X)
    np.testing.assert_array_equal(kernels.ntk, expected.ntk)
    nngp, ntk, error = kernels
    np.testing.assert_array_equal(nngp, expected.nngp)
    assert (type(ntk), error) == (np.ndarray, expected.error)
    assert len(trips) == 1  # its public data came with it


def test_what_needs_a_value_gets_it(connect):
    real, line = nv.program(nv.architectures.mlp, X), program(mlp, X).lines()[1]
    assert str(program(mlp, X)) == real.to_text() == f"{program(mlp, X)}"
    assert [shown.name for shown in program(mlp, X).lines()] == [shown.name for shown in real.lines()]
    assert (line.index, len(program(mlp, X).lines())) == (real.lines()[1].index, len(real.lines()))
    assert {real.lines()[1].index: "found"}[line.index] == "found"
    assert repr(mlp(depth=2)) == repr(nv.architectures.mlp(depth=2))
    assert dict(mlp(depth=2).hyper)["depth"] == 2
    assert check(mlp, X).passes
    assert not check(Remote.named("ntkviz.architectures", "tied_readout"), X).passes
    assert " ".join(check(mlp, X).reasons) == ""


def test_nonlinearities_calculate_on_arrays(connect):
    np.testing.assert_array_equal(np.asarray(relu(X)), np.maximum(X, 0))
    np.testing.assert_array_equal(1 + relu(X) * 2, 1 + np.maximum(X, 0) * 2)


def test_a_function_written_here_travels_with_what_it_uses(connect):
    gain = 1.5

    @architecture
    def written_here(net, x, *, sigma=1.0):
        return net.readout("v", relu(net.input("U", x, std=gain * sigma)))

    @nv.architecture
    def same(net, x, *, sigma=1.0):
        return net.readout("v", nv.relu(net.input("U", x, std=1.5 * sigma)))

    found = infinite_ntk(written_here(sigma=0.5), X).ntk
    np.testing.assert_array_equal(found, nv.infinite_ntk(same(sigma=0.5), X).ntk)


def test_an_object_answers_further_questions(trips):
    table = deviation(mlp, X, widths=[8, 32], seeds=2)
    expected = nv.deviation(nv.architectures.mlp, X, widths=[8, 32], seeds=2)
    assert [tuple(row) for row in table] == [tuple(row) for row in expected]
    assert table[1].width == 32
    assert len(trips) == 1
    assert table.means() == expected.means()
    wide = fit(mlp, X, [1.0, 0.0, -1.0])
    real = nv.regression.fit(nv.architectures.mlp, X, [1.0, 0.0, -1.0])
    np.testing.assert_allclose(wide.gradient_flow(0.3).mean, real.gradient_flow(0.3).mean, rtol=1e-12)
    np.testing.assert_array_equal(wide.train.ntk, real.train.ntk)
    remade = Remote.named("ntkviz.regression", "Regression")(np.ones(3), wide.train, wide.cross)
    np.testing.assert_array_equal(remade.y_train, np.ones(3))


def test_a_property_is_asked_for_once(trips):
    walk = Walkthrough(mlp(depth=1), X)
    before = len(trips)
    names = [step.line.name for step in walk.steps]
    assert names == [line.name for line in walk.lines]
    assert len(walk) == len(names)
    assert walk.steps[2].limit.gaussian in (True, False)
    assert len(trips) <= before + 2
    average = walk.average(0, lambda h, g: h * h)
    assert average.settles
    assert walk.average(len(names) - 1, lambda h, g: h) is None or average.of == "vector"


def test_architectures_are_equal_if_written_alike(trips):
    assert mlp(depth=2)(sigma_w=1.0) == mlp(sigma_w=1.0, depth=2)
    assert mlp(sigma_w=1.7)(sigma_w=1.0) == mlp(sigma_w=1.0)
    assert mlp(depth=2) != mlp(depth=3)
    assert len({mlp(depth=2), mlp()(depth=2), mlp(depth=3)}) == 2
    assert not trips


def test_refusals_arrive_as_they_are(connect):
    with pytest.raises(nv.HyperparameterError, match="An architecture is needed"):
        infinite_ntk(3, X)
    with pytest.raises(nv.HyperparameterError, match="mlp has no hyper-parameter 'deph'"):
        infinite_ntk(mlp(deph=3), X)
    with pytest.raises(AttributeError, match="no attribute 'perceptron'"):
        infinite_ntk(Remote.named("ntkviz.architectures", "perceptron"), X)
    assert not hasattr(infinite_ntk(mlp, X), "_repr_html_")  # which IPython would ask every object for
