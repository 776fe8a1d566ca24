"""The map of order and chaos and the correlations by layer: what is drawn, what the text says, what is exported."""

import csv
import io

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import LayersPlot, PhaseDiagram

from ..conftest import csv_records, reading, text

GRID = [1.0, 2.0, 3.0], [0.1, 0.2]
CORRELATION = np.array([[0.9, 0.95], [0.5, 0.6], [0.1, 0.2]])
SQUARE = np.array([[0.01, 0.02], [1.0, 1.1], [1e3, 1e6]])
SLOPE = np.array([[0.5, 0.4], [1.0, 0.9], [2.0, 1.9]])


def diagram(slope=1.44, growth=1.0, lengths=False):
    plot = PhaseDiagram(*GRID)
    plot.show(CORRELATION, SQUARE, SLOPE, 7, (2.0, 0.1), slope, growth, lengths=lengths)
    return plot


def test_the_map_has_weights_across_and_biases_upwards():
    field, edge, marker = diagram().figure.data
    assert np.array_equal(field.z, CORRELATION.T)
    assert np.array_equal(edge.z, SLOPE.T)
    assert edge.contours.start == edge.contours.end == 1
    assert (*marker.x, *marker.y) == (2.0, 0.1)
    assert diagram().figure.layout.annotations[0].text == "Correlation after 7 layers"


@pytest.mark.parametrize(
    ("slope", "growth", "said"),
    [
        (1.44, 1.0, "χ₁ = 1.44, chaos: a layer multiplies gradients by 1.20."),
        (0.81, 1.0, "χ₁ = 0.81, order: a layer multiplies gradients by 0.90."),
        (1.004, 1.0, "χ₁ = 1.00, the edge: gradients keep their size."),
        (2.0, 2.0, "χ₁ = 2.00, and each layer multiplies the mean square by 2.00: lengths explode."),
    ],
)
def test_map_names_the_phase(slope, growth, said):
    assert text(diagram(slope, growth).reading.value).endswith(said)


def test_map_csv():
    rows = list(csv.reader(io.StringIO(diagram().to_csv())))
    assert rows[0] == ["sigma_w", "sigma_b", "correlation", "mean_square", "slope"]
    assert rows[3] == ["2.0", "0.1", "0.5", "1.0", "1.0"]
    assert len(rows) == 7


def test_the_map_can_show_lengths_instead_of_correlations():
    plot = diagram(lengths=True)
    field, edge, _ = plot.figure.data
    assert field.z == pytest.approx(np.log10(SQUARE.T))
    assert (field.zmin, field.zmax) == (-4, 4)
    assert np.array_equal(edge.z, SLOPE.T)
    assert plot.figure.layout.annotations[0].text == "Mean square after 7 layers"
    assert reading(plot).endswith("Correlations on the map: 0.10 to 0.95.")
    plot.show(CORRELATION, SQUARE, SLOPE, 7, (2.0, 0.1), 1.44, 1.0)  # and back
    assert np.array_equal(field.z, CORRELATION.T)
    assert (field.zmin, field.zmax) == (0, 1)
    assert list(field.colorbar.tickvals) == [0, 0.5, 1]
    assert plot.figure.layout.annotations[0].text == "Correlation after 7 layers"


@pytest.fixture
def layers():
    plot = LayersPlot([1, 2, 3])
    plot.restart([0.9, 0.5, 0.25], [0.8, 0.3, 0.1], layer=2)
    return plot


def test_lines_then_points_with_their_spread(layers):
    limit, tangent, networks = layers.figure.data
    assert limit.y == pytest.approx([0.9, 0.5, 0.25])
    assert tangent.y == pytest.approx([0.8, 0.3, 0.1])
    assert len(networks.x) == 0
    assert reading(layers) == "Layer 2: correlation of the inputs 0.50, of the NTK 0.30."
    assert layers.figure.layout.shapes[0].x0 == 2
    layers.add([1.0, 0.4, 0.0])
    layers.add([0.8, 0.6, -0.4])
    assert networks.y == pytest.approx([0.9, 0.5, -0.2])
    assert networks.error_y.array == pytest.approx(np.sqrt(2) * np.array([0.1, 0.1, 0.2]))
    assert layers.figure.layout.yaxis.range[0] < -0.2 - 0.2 * 2**0.5
    assert "of the inputs 0.50 (in networks 0.50 ± 0.14), of the NTK" in reading(layers)
    layers.restart([0.9, 0.5, 0.25], [0.8, 0.3, 0.1], layer=3)
    assert len(networks.x) == 0


def test_layers_csv(layers):
    layers.add([1.0, 0.4, 0.0])
    rows = csv_records(layers)
    assert [row["layer"] for row in rows] == ["1", "2", "3"]
    assert (rows[1]["correlation"], rows[1]["ntk_correlation"], rows[1]["networks_mean"]) == ("0.5", "0.3", "0.4")


# Near c = 1, a layer of relu maps 1 − c to 1 − c′ = 1 − c − (2√2/3π)(1 − c)^{3/2} + …, which is solved by
# 1 − c ≈ (9π²/2)/ℓ². (The map is in Cho and Saul, 2009: c′ = (√(1 − c²) + c(π − arccos c))/π.)
def test_relu_forgets_like_the_square_of_the_depth():
    @nv.architecture
    def hidden(net, xi, *, layer=1):
        h = net.input("W1", xi)
        h = net.repeat(layer - 1, lambda net, h: net.matrix("W", std=2**0.5) @ nv.relu(h), h)
        return net.readout("v", h)

    x = 2**0.5 * np.array([[1, 0], [0.5, 0.75**0.5]])
    for layer, within in ((1000, 0.04), (4000, 0.01)):
        left = 1 - correlation(nv.infinite_ntk(hidden(layer=layer), x).nngp)
        assert left * layer**2 == pytest.approx(9 * np.pi**2 / 2, rel=within)
    for layer, ntk in ((40, 0.306), (4000, 0.251)):  # on the way to 1/4
        kernels = nv.infinite_ntk(hidden(layer=layer), x)
        assert correlation(kernels.ntk - kernels.nngp) == pytest.approx(ntk, abs=1e-3)


def correlation(kernel):
    return kernel[0, 1] / np.sqrt(kernel[0, 0] * kernel[1, 1])
