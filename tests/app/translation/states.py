"""Plots with small data in all states that they describe in different words; titles of the caller's are in brackets."""

from types import SimpleNamespace

import numpy as np

from ntkviz import app
from ntkviz.kernels.results import Fluctuation

GRID = np.linspace(0.5, 3.0, 3)
ONES = np.ones((2, 2))
PICTURES = np.zeros((2, 3, 3))
IMAGES = ["⟦zero⟧", "⟦one⟧"]
TRAINED = [0.0, 0.2, 0.3]
DRAWS = np.array([[[1.0]], [[-2.0]], [[3.0]]])
PREDICTION = Fluctuation(2.0, 0.1, np.ones((1, 1, 1, 1)), DRAWS, DRAWS)
GAUSSIAN = SimpleNamespace(mean=0.0, std=1.0, gaussian=True)  # all that a plot needs of a law
REFUSAL = "blocks is 3; it must be a list of at most 8 names."


def coordinates():
    yield (plot := app.CoordinateHistogram("⟦heading⟧", "⟦x⟧"))
    plot.restart(std=1.0)
    yield plot
    for networks in (1, 2):
        plot.add(np.ones((networks, 4)))
        yield plot


def functions():
    plot = app.FunctionDraws("⟦heading⟧", GRID, "⟦x⟧")
    plot.restart(std=GRID)
    yield plot
    for networks in (1, 2):
        plot.add(np.ones((networks, 3)))
        yield plot


def one_entry():
    plot = app.EntryLaw("⟦heading⟧")
    for kinds in (["real"], ["virtual"], ["real", "virtual"]):
        plot.restart("every pair", limit=3.0, std=0.5, usual=1.0)
        yield plot
        for kind in kinds:
            plot.add(kind, [3.1, 3.2])
        yield plot
    plot.restart("every pair", limit=3.0, std=None, usual=1.0)
    yield plot


def influence():
    plot = app.InfluenceHistogram("⟦heading⟧")
    plot.show(np.arange(-10.0, 10.0), 4.0)
    yield plot
    plot.show(None, np.nan)
    yield plot


def deviation():
    for goals in ([], [0.1]):
        plot = app.ConvergencePlot([64, 256], seeds=2, virtual=[10_000], goals=goals)
        plot.restart("a", 64)
        yield plot
        plot.predict(PREDICTION)
        yield plot
        plot.add(64, 0, 0.2)
        plot.leave_out(256)
        yield plot
    for network, is_law in (("b", True), ("c", False)):
        plot.restart(network, 64)
        plot.refuse(REFUSAL, law=is_law)
        plot.add(64, 0, 0.2)
        plot.add(256, 1, 0.1)
        yield plot


def two_answers():
    plot = app.CurvesPlot(GRID, "⟦heading⟧", "⟦x⟧", "⟦y⟧")
    for factor in (1.0, 2.0, -1.0, 0.0):
        plot.restart(GRID, factor * GRID, at=1.0, note="⟦note⟧")
        yield plot
        plot.add(GRID)
        yield plot


def two_laws():
    plot = app.LawPlot("⟦heading⟧", "⟦x⟧")
    plot.restart(GAUSSIAN, GAUSSIAN)
    yield plot
    plot.add([0.5, 1.0])
    yield plot


def figure_1():
    plot = app.DeviationCurves([64, 128, 256, 10_000], most=4, real=256)
    for names in (["graph network"], ["tied readout", "mean readout"]):
        plot.restart(names, "ntk4a", [64, 128, 10_000], range(2), times_root=names == ["graph network"])
        yield plot
        for name in names:
            plot.predict(name, PREDICTION)
        yield plot
        for number, (name, width, seeds) in enumerate(plot.remaining()):
            plot.add(name, width, dict.fromkeys(seeds[: 1 if number == 0 else None], (2 / width**0.5, 0.4)))
            yield plot
        plot.leave_out(names[0], 256)
        yield plot


def slopes():
    plot = app.SlopePlot()
    yield plot
    for power, count in ((0.5, 1), (0.5, 3), (0.2, 3)):
        curves = [
            app.Curve(name, gia, {n: list(n**-power * np.linspace(0.99, 1.01, count)) for n in (64, 128, 256)})
            for name, gia in (("graph network", False), ("mean readout", True), ("attention", False))
        ]
        for shown_curves in (curves[:1], curves):
            plot.show(shown_curves, [("#000000", "circle")] * len(shown_curves))
            yield plot


def shift():
    plot = app.ShiftPlot([-1, 0, 1], ("⟦flat⟧", "⟦average⟧"))
    plot.restart(GRID, GRID, at=1)
    yield plot
    for _ in range(2):
        plot.add(0, GRID)
        yield plot


def pixel_maps():
    plot = app.PixelMaps(np.eye(2), PICTURES, IMAGES)
    plot.show(np.eye(2))
    yield plot


def pixels():
    plot = app.PixelPlot(np.eye(3) + 0.1 * np.arange(9.0).reshape(3, 3), [0, 0, 1])
    for kernel in (np.arange(9.0).reshape(3, 3), -np.arange(9.0).reshape(3, 3)):
        plot.show(kernel)
        yield plot


def positions():
    plot = app.PositionTable("⟦heading⟧", (2, 2))
    plot.show(np.eye(4), row=1, unit=1.0)
    yield plot


def side_by_side():
    for names in (None, IMAGES):
        plot = app.SideBySideKernels("⟦left⟧", "⟦right⟧", PICTURES, "⟦hint⟧", names=names)
        plot.show(np.eye(2), 30 * np.eye(2))
        yield plot
        plot.show(30 * np.eye(2), np.eye(2))
        yield plot


def extra_point():
    plot = app.KernelRowPlot(GRID, "⟦heading⟧", "⟦x⟧", "⟦y⟧")
    for together in ([1.0, 1, 1, 1], [2.0, 1, 1, 1]):
        plot.restart([1.0, 1, 1], together, chosen=0, extra=0.6)
        yield plot
        plot.add(np.ones(4))
        yield plot


def two_batches():
    plot = app.TwoBatches(1, "⟦heading⟧")
    plot.show(np.ones((1, 1)), np.ones((1, 2)), ONES)
    yield plot


def fit():
    plot = app.FitPlot(GRID, [("x1", "y1")])
    for steps, end in ((1, 1.0), (2, np.inf)):
        plot.restart([0.0], [1.0], GRID, step=steps, width=64)
        yield plot
        plot.add(np.array([0.0, 1.0, end]))
        yield plot


def modes():
    plot = app.ModesPlot(2)
    plot.restart([0.0, 1.0], np.array([1.0, 5.0]), np.eye(2), np.ones(2), np.ones(2))
    yield plot
    plot.add(np.ones(2))
    yield plot


def pull():
    plot = app.PullPlot(PICTURES, IMAGES)
    plot.restart((0, 1), [4.0, 2.0], rate=0.1, target=1.0)
    yield plot
    plot.add([5.0, 2.0])
    yield plot


def one_row():
    plot = app.RowPlot(PICTURES, IMAGES)
    plot.restart(0, np.array([0.8, 0.5]))
    yield plot


def richness():
    plot = app.RichnessPlot(2, np.eye(2), np.array([1.0, -1.0]), networks=3, reach=1.5)
    for limit, ends in ((False, [0.5, 99.0]), (True, [99.0, 0.5, 0.7])):
        for steps in (1, 2):
            plot.restart(np.array(TRAINED), time=steps, width=64)
            if limit:
                plot.show_limit(np.array(TRAINED), np.zeros(3))
            yield plot
            for end in ends:
                plot.add([0.0, end, end])
                yield plot


def features():
    plot = app.FeaturesPlot(np.array([1.0, -1.0]))
    for moved in (0.1, 1e9):
        plot.restart(np.eye(2), time=1, width=64)
        yield plot
        plot.show_after(np.stack([np.eye(2)] * 2), moved=0.1)
        yield plot
        plot.add(moved)
        yield plot


def training():
    plot = app.TrainingCurves([0, 1, 4], PICTURES, ("9", "5"))
    plot.restart(0, [0.0, 0.5, 0.7], [1.0, 0.5, 0.2], (0.8, 0.4), [16, 256, 4096])
    plot.add(16, [0.1, 0.2, np.inf], TRAINED)
    plot.add(256, [0.1, 0.2, 0.3], TRAINED)
    yield plot


def linearisation():
    plot = app.LinearisationErrorPlot([16, 64, 256])
    yield plot
    for slope in (-0.5, 0.0, 0.3, -0.2):
        for stable in (True, False):
            plot.restart(stable=stable)
            yield plot
            for seed, factor in enumerate((0.9, 1.1)):
                for n in (16, 64, 256):
                    plot.add(n, seed, factor * n**slope / 10, factor * n**slope / 9)
                yield plot
    plot.add(16, 9, np.inf, np.nan)
    yield plot


def certainty():
    for spread in (0.0, 9.0):
        means = np.array([1.0, 0.1])
        yield app.CertaintyPlot(PICTURES, [1, -1], {"⟦NTK⟧": (means, means * spread)}, ("9", "5"), shown=[0])
    yield app.CertaintyPlot(PICTURES, [1, -1], {"⟦NTK⟧": (means, np.array([0.1, 9.0]))}, ("9", "5"), shown=[0])


ALL = [
    *(coordinates, functions, one_entry, influence, deviation, two_answers, two_laws, figure_1, slopes, shift),
    *(pixel_maps, pixels, positions, side_by_side, extra_point, two_batches),
    *(fit, modes, pull, one_row, richness, features, training, linearisation, certainty),
]
