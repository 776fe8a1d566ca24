"""The committed results of the benchmarks agree with theory."""

import csv
import math
from pathlib import Path

import pytest

import ntkviz as nv
from ntkviz.kernels.results import Deviation, DeviationTable

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
WIDTHS = [64, 128, 256, 512, 1024, 2048, 4096]
FAILS_THE_CHECK = {"mean_readout_mlp", "tied_readout"}


def tables(file: str, *keys: str, deviation: str = "relative_frobenius") -> dict[tuple[str, ...], DeviationTable]:
    """The tables in a file, by the columns `keys`, of the rows that have a `deviation`."""
    found: dict[tuple[str, ...], list[Deviation]] = {}
    with (BENCHMARKS / file).open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row[deviation]:
                point = Deviation(int(row["width"]), int(row["seed"]), float(row[deviation]))
                found.setdefault(tuple(row[key] for key in keys), []).append(point)
    return {key: DeviationTable(points) for key, points in found.items()}


TABLE = tables("deviation_table.csv", "parametrization", "architecture")
FROM_GIA = tables("deviation_table.csv", "parametrization", "architecture", deviation="from_gia_answer")
FIGURE_1 = {name: table for (name,), table in tables("figure_1.csv", "network").items()}
# Where the original's curves start, at width 64; at width 8192 they have come down to about a tenth.
ORIGINAL_AT_64 = {"RNN": 0.2, "Transformer": 0.15, "BatchNorm+ReLU": 0.5}


def seeds(table: DeviationTable) -> set[int]:
    """How many networks were sampled, one number for each width."""
    return {sum(row.width == width for row in table) for width in table.widths()}


def test_the_table_has_every_architecture_in_both_parametrizations():
    for form in ("ntk", "ntk4a"):
        rows = {name.replace(",", "").split()[0] for parametrization, name in TABLE if parametrization == form}
        assert rows == set(nv.architectures.__all__)


@pytest.mark.parametrize("row", TABLE, ids=" ".join)
def test_every_row_falls_as_one_over_root_width(row):
    assert TABLE[row].widths() == WIDTHS
    assert min(seeds(TABLE[row])) >= 10
    assert TABLE[row].slope() == pytest.approx(-0.5, abs=0.1)


def test_the_table_agrees_with_chapter_11():
    """34 slopes from −0.44 to −0.56, of 20 networks at each width."""
    slopes = [table.slope() for table in TABLE.values()]
    assert len(slopes) == 34
    assert (round(max(slopes), 2), round(min(slopes), 2)) == (-0.44, -0.56)
    assert all(seeds(table) == {20} for table in TABLE.values())


def test_only_rows_that_fail_the_check_are_compared_with_the_answer_of_gia():
    assert {name for _, name in FROM_GIA} == FAILS_THE_CHECK


@pytest.mark.parametrize("row", FROM_GIA, ids=" ".join)
def test_networks_do_not_approach_the_answer_of_gia_where_the_check_fails(row):
    means, correct = FROM_GIA[row].means(), TABLE[row].means()
    assert means[4096] > 0.75 * means[1024]  # 1/√n would halve it
    assert means[4096] > 3 * correct[4096]


def lines_of(file: str) -> list[dict[str, str]]:
    with (BENCHMARKS / file).open(newline="") as lines:
        return list(csv.DictReader(lines))


FLUCTUATIONS = lines_of("fluctuation_table.csv")


def test_fluctuations_are_predicted_and_measured_for_every_architecture():
    assert {row["architecture"] for row in FLUCTUATIONS if row["width"] == "256"} == {name for _, name in TABLE}
    assert min(int(row["seeds"]) for row in FLUCTUATIONS) >= 400


@pytest.mark.parametrize("row", FLUCTUATIONS, ids=lambda row: f"{row['architecture']} {row['width']}")
def test_predicted_fluctuations_are_those_measured(row):
    predicted, measured = float(row["predicted"]), float(row["measured"])
    error = math.hypot(float(row["error"]), float(row["standard_error"]))
    assert abs(predicted - measured) < 3 * error


def test_networks_of_the_required_width_are_as_close_as_required():
    lines = lines_of("required_width.csv")
    assert len(lines) == 3
    for line in lines:
        error = math.hypot(float(line["standard_error"]), 0.5 * float(line["error"]) / int(line["width"]))
        assert error < 0.04
        assert abs(float(line["percent"]) - 1) < 3 * error


TRAINING = lines_of("training_limits.csv")


def test_limits_of_training_are_compared_for_every_architecture_and_richness():
    architectures = "mlp", "mlp tanh", "rnn", "tied_autoencoder", "transformer"
    found = sorted((row["architecture"], float(row["richness"])) for row in TRAINING)
    assert found == [(name, richness) for name in architectures for richness in (0.25, 1.0, 2.0)]
    assert {row["pairs"] for row in TRAINING} == {"32"}


@pytest.mark.parametrize("row", TRAINING, ids=lambda row: f"{row['architecture']} {row['richness']}")
def test_limits_of_training_are_those_of_networks(row):
    """The largest of 36 numbers that hang together, in units of standard errors from 32 pairs and 8 scrambles."""
    assert float(row["deviation"]) < 3


@pytest.mark.parametrize("network", ORIGINAL_AT_64)
def test_figure_1_lies_near_the_original(network):
    table = FIGURE_1[network]
    assert table.widths() == [*WIDTHS, 8192]
    assert min(seeds(table)) >= 10
    assert table.slope() == pytest.approx(-0.5, abs=0.1)
    for width, mean in table.means().items():
        original = ORIGINAL_AT_64[network] * (64 / width) ** 0.5
        assert original / 2 < mean < original * 2
