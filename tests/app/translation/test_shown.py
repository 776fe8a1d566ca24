"""What the app's widgets show is translated: in the language of tests, all texts are in brackets."""

import re

import numpy as np
import pytest

from ntkviz import app
from ntkviz.app import upstream
from ntkviz.app.pages.background import sentence
from ntkviz.app.style.theme import Figure
from ntkviz.app.style.wording import about, as_predicted, law, one_over_root, share, slope_alone, width_needed
from ntkviz.errors import HyperparameterError

from .pseudo import CODE
from .states import ALL, REFUSAL

GRID = np.linspace(0.5, 3.0, 3)
PLAIN = r"[^\W\d_][aeiouAEIOU]|[aeiouAEIOU][^\W\d_]"  # in words of the language for tests, all vowels have accents


@pytest.fixture
def shown(spoken):
    """Returns all texts that the widgets made in a test show, without numbers and tags."""
    before = set(upstream.live_widgets())

    def texts() -> list[str]:
        made = [widget for name, widget in upstream.live_widgets().items() if name not in before]
        return [text for widget in made for text in _texts(widget)]

    return texts


def _texts(widget) -> list[str]:
    if isinstance(widget, Figure):
        figure = widget.to_plotly_json()
        axes = [axis for name, axis in figure["layout"].items() if name.startswith(("xaxis", "yaxis"))]
        of_traces = ("name", "hovertemplate", "text", "customdata", "x", "y")
        found = [text for trace in figure["data"] for name in of_traces for text in _flat(trace.get(name))]
        found += [text for axis in axes for text in _flat([axis.get("title", {}).get("text"), axis.get("ticktext")])]
        found += [one.text for one in widget.layout.annotations] + [handle["label"] for handle in widget.handles]
        found += widget._config["locales"][CODE]["dictionary"].values()
    else:
        labels = getattr(widget, "_options_labels", None)  # then its value is none that is shown
        found = [getattr(widget, name, None) for name in ("description", "tooltip", "question", "answer")]
        found += [getattr(widget, "value", None)] if labels is None else list(labels)
    plain = [re.sub(r"<[^>]*>|%\{[^}]*\}", "", text) for text in found if isinstance(text, str)]
    return [text for text in plain if re.search(r"[^\W\d_]{2,}", text)]


def _flat(value) -> list:
    """What is in nested lists or arrays, in one list."""
    value = value.tolist() if isinstance(value, np.ndarray) else value
    return [one for part in value for one in _flat(part)] if isinstance(value, list | tuple) else [value]


def untranslated(texts: list[str]) -> list[str]:
    """Those with words that have no accents, but for what a test itself has put in brackets."""
    own = re.compile(r"⟦[^⟦⟧]*(?<!êêêê)⟧")
    return [text for text in texts if re.search(PLAIN, own.sub("", text))]


def test_a_picture(shown):
    controls = app.Controls(which=app.Choice("⟦which⟧", ["relu", "every pair"], start="relu"))
    diagram, curves = app.PhaseDiagram(GRID, GRID), app.LayersPlot(range(1, 4))

    def at_once(c):
        field = np.ones((3, 3))
        diagram.show(field, field, field, 1, (1.0, 1.0), 0.5, 1.0, lengths=c.which == "relu")
        curves.restart([1, 0.5, 0.2], [1, 0.4, 0.1], 2)

    def as_it_comes(c):
        yield lambda: curves.add([1, 0.5, 0.3])
        yield lambda: curves.add([1, 0.5, 0.1])

    picture = app.Picture(controls, [diagram, curves], at_once=at_once, as_it_comes=as_it_comes, steps=2, play="which")
    picture.complete(lambda number: False)
    assert controls.which == "relu"
    assert len(shown()) > 15
    assert untranslated(shown()) == []
    curves.outdate()
    curves.settle()
    assert untranslated(_texts(curves.reading)) == []
    assert "⟦" in controls.from_link("which=neither&other=1")


def test_exercises(shown):
    exercise = app.Exercise(
        "⟦How many?⟧", "⟦many⟧", app.near(3.0), start=1.0, hints=["⟦It is odd.⟧"] * 3, solution="⟦3⟧"
    )
    for verdict in (exercise._check_number(3.0), exercise._check_number(1.0)):
        assert untranslated([verdict[1]]) == []
    exercise._field.value = "⟦much⟧"
    exercise._hints.open(1)
    quiz = app.Quiz("⟦Which?⟧", [("⟦This⟧", lambda: ("passes", "⟦So.⟧"))], ["passes", "fails"], ["⟦so⟧"], ["⟦not so⟧"])
    quiz._items[0]["choice"].value = "fails"
    quiz._items[0]["reason"].value = "⟦so⟧"
    assert "⟦Thé" in quiz._items[0]["verdict"].value
    assert len(shown()) > 15
    assert untranslated(shown()) == []


def test_an_unexpected_error_and_a_refusal(spoken):
    assert sentence(KeyError("x")).startswith("⟦")
    assert sentence(HyperparameterError(REFUSAL)).startswith("⟦")


@pytest.mark.parametrize("states", ALL, ids=lambda states: states.__name__)
def test_a_plot_in_all_its_states(states, spoken):
    found = []
    for plot in states():
        found += [*_texts(plot.figure), *_texts(plot.reading)]
        found += [part.name for part in plot.parts] + [handle.label for handle in plot.handles]
    assert len(found) > 3
    assert untranslated(found) == []


def test_numbers_and_verdicts_in_words(spoken):
    few, some = np.array([0.9, 1.1]), np.array([0.99, 1.0, 1.01])
    laws = [{64: some, 256: some * factor} for factor in (1.0, 0.5, 0.3)]
    bent = {n: 0.1 * some * min(1.0, (n / 256) ** -0.5) for n in (16, 64, 256, 1024, 4096)}
    rough, unlucky = np.array([0.3, 1.0, 1.7]), np.array([0.9, 1.0, 1.1])
    deviations = [{64: few}, {64: few, 256: few}, *laws, bent, {64: rough, 128: rough / 1.4}]
    deviations += [{64: 0.1 * unlucky, 256: 0.0616 * unlucky}, {64: 0.1 * some, 256: 0.07 * some}]
    said = [one_over_root(found) for found in deviations] + [slope_alone(laws[0]), law(2.0, 0.1), share(58.5)]
    said += [about(8e6), about(8e9), width_needed(0.1, 0.01, [0.1, 0.01])]
    for ratios in ((1.0,), (1.1, 1.0, 0.9), (1.3, 1.2, 1.1, 1.2), (1.3, 1.2, 1.1) * 4, (0.6, 1.0, 1.4)):
        said.append(as_predicted({(10**4, seed): 0.02 * ratio for seed, ratio in enumerate(ratios)}, 2.0, 0.07))
    said.append(as_predicted({(64, 0): 0.2}, 2.0, 0.07))
    assert len(set(said)) > 18
    assert untranslated([re.sub(r"<[^>]*>", "", text) for text in said]) == []


def test_a_table(spoken):
    html = app.table("⟦what⟧", ["⟦check⟧"], [("⟦MLP⟧", "passes"), ("⟦mean⟧", "fails")]).data
    assert untranslated([re.sub(r"<[^>]*>", " ", html)]) == []
    assert html.count('class="nv-right"') == html.count('class="nv-wrong"') == 1
