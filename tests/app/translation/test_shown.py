"""What the app's widgets show is translated: in the language of tests, all texts are in brackets."""

import re

import numpy as np
import pytest

from ntkviz import app
from ntkviz.app import upstream
from ntkviz.app.pages.background import sentence
from ntkviz.app.style.theme import Figure
from ntkviz.errors import HyperparameterError

GRID = np.linspace(0.5, 3.0, 3)


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
        found = [text for trace in figure["data"] for text in (trace.get("name"), trace.get("hovertemplate"))]
        layout = widget.layout
        found += [one.text for one in layout.annotations] + [layout.xaxis.title.text, layout.yaxis.title.text]
    else:
        labels = getattr(widget, "_options_labels", None)  # then its value is none that is shown
        found = [getattr(widget, name, None) for name in ("description", "tooltip", "question", "answer")]
        found += [getattr(widget, "value", None)] if labels is None else list(labels)
    plain = [re.sub(r"<[^>]*>|%\{[^}]*\}", "", text) for text in found if isinstance(text, str)]
    return [text for text in plain if re.search(r"[^\W\d_]{2,}", text)]


def untranslated(texts: list[str]) -> list[str]:
    return [text for text in texts if not text.strip().startswith("⟦") or not text.strip().endswith("⟧")]


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
    picture.complete(1.0)
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
    exercise._field.value = "many"
    exercise._hints.open(1)
    quiz = app.Quiz("⟦Which?⟧", [("⟦This⟧", lambda: ("passes", "⟦So.⟧"))], ["passes", "fails"], ["⟦so⟧"], ["⟦not so⟧"])
    quiz._items[0]["choice"].value = "fails"
    quiz._items[0]["reason"].value = "⟦so⟧"
    assert "⟦Thé" in quiz._items[0]["verdict"].value
    found = [text for text in shown() if text != "many"]
    assert len(found) > 15
    assert untranslated(found) == []


def test_an_unexpected_error_and_a_refusal(spoken):
    assert sentence(KeyError("x")).startswith("⟦")
    assert sentence(HyperparameterError("blocks is 3; it must be a list of at most 8 names.")).startswith("⟦")
