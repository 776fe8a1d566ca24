"""The steps in which a plot of deviations is filled: their order, what is not repeated, and what is left out."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import ConvergencePlot, approach, costs
from ntkviz.app.course import approach as module
from ntkviz.errors import TooLargeError
from ntkviz.execution.cost import Cost

from ..conftest import csv_records, reading

ARCH, X = nv.architectures.mlp(depth=1), np.array([[0.6, 0.8], [1.0, -0.5]])


@pytest.fixture
def plot():
    made = ConvergencePlot([16, 32], seeds=2, virtual=[200, 400])
    made.restart(ARCH, 16)
    return made


def run(plot, arch=ARCH, x=X):
    return [update() for update in approach(plot, arch, x)]


def test_the_prediction_comes_before_the_first_network_and_all_are_counted(plot):
    steps = approach(plot, ARCH, X)
    next(steps)()
    assert plot.is_predicted
    assert not plot.means()
    assert 1 + sum(1 for step in steps if step() is None) == plot.steps
    assert sorted(plot.means()) == [16, 32, 200, 400]


def test_the_measured_networks_are_those_of_the_package(plot):
    run(plot)
    limit = nv.infinite_ntk(ARCH, X).ntk
    samples = {"random network": nv.empirical_ntk, "virtual network": nv.virtual_ntk}
    for row in csv_records(plot):
        if row["kind"] == "predicted":
            expected = nv.fluctuation(ARCH, X).c / int(row["width"]) ** 0.5
        else:
            sample = samples[row["kind"]](ARCH, X, width=int(row["width"]), key=int(row["seed"]))
            expected = np.linalg.norm(sample - limit) / np.linalg.norm(limit)
        assert float(row["relative_frobenius"]) == pytest.approx(expected, rel=1e-4)


def test_networks_with_matrices_may_be_sampled_by_the_page(plot):
    """They may be those of the model from which the program was traced."""
    limit, asked = nv.infinite_ntk(ARCH, X).ntk, []

    def twice_the_limit(width, seed):
        asked.append(width)
        return 2 * limit

    for step in approach(plot, ARCH, X, real=twice_the_limit):
        step()
    assert sorted(asked) == [16, 16, 32, 32]
    assert {width: mean == pytest.approx(1) for width, mean in plot.means().items()} == {
        16: True,
        32: True,
        200: False,
        400: False,
    }


def test_nothing_is_computed_twice(plot):
    run(plot)
    plot.restart(ARCH, 32)
    assert run(plot) == []


def test_where_there_is_no_law_the_plot_says_so_and_shows_networks():
    """Batch normalisation of four rows: the NTK of wide networks has no finite variance."""
    arch, x = nv.architectures.batchnorm_mlp(depth=1), np.random.default_rng(0).normal(size=(4, 3))
    plot = ConvergencePlot([16, 32], seeds=1, virtual=[])
    plot.restart(arch, 16)
    run(plot, arch, x)
    assert "There is no prediction. With batchnorm over 4 rows" in reading(plot)
    assert sorted(plot.means()) == [16, 32]


@pytest.mark.parametrize("cost", [Cost(seconds=60.0), Cost(memory=1e12)])
def test_virtual_networks_that_take_too_much_are_left_out(plot, cost, monkeypatch):
    usual = module.network_cost
    monkeypatch.setattr(module, "network_cost", lambda *args, **kw: cost if args[2] == 400 else usual(*args, **kw))
    assert len(costs(plot, ARCH, X)) == 1 + 2 + 1
    run(plot)
    assert sorted(plot.means()) == [16, 32, 200]
    assert "Width 400 is too large for this machine." in reading(plot)


def test_virtual_networks_that_the_machine_refuses_are_left_out(plot, monkeypatch):
    usual = module.read

    def small_machine(name, *args, **kwargs):
        if name == "virtual_ntk" and kwargs["width"] == 400:
            raise TooLargeError("Too large.")
        return usual(name, *args, **kwargs)

    monkeypatch.setattr(module, "read", small_machine)
    run(plot)
    assert sorted(plot.means()) == [16, 32, 200]


def test_the_cost_is_that_of_the_prediction_and_of_every_network(plot):
    prediction, *networks = costs(plot, ARCH, X)
    assert prediction.seconds == nv.cost(nv.fluctuation, ARCH, X).seconds
    assert [cost.seconds for cost in networks] == [
        2 * nv.cost(calculation, ARCH, X, width=width, key=0).seconds
        for calculation, width in zip([nv.empirical_ntk] * 2 + [nv.virtual_ntk] * 2, [16, 32, 200, 400], strict=True)
    ]


def test_a_prediction_that_is_refused_costs_nothing():
    """Otherwise the refusal would end the picture's computation before any network is sampled."""
    rows = np.random.default_rng(0).normal(size=(4, 5))
    prediction, *networks = costs(ConvergencePlot([16], seeds=1, virtual=[]), nv.architectures.batchnorm_mlp, rows)
    assert prediction == Cost()
    assert len(networks) == 1
