"""What plots of sequences, walkthroughs, files, cards and pages of errors say is translated.

In the language of tests all words have accents, also those that are filled in: a word of English letters is none of it.
"""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from ntkviz import app
from ntkviz.app.course import approach
from ntkviz.app.pages.csv_files import csv_file
from ntkviz.app.server.lesson import FULL
from ntkviz.app.server.page_policy import ADVICE, TITLES
from ntkviz.app.translation.words import CODE, say
from ntkviz.calculus.results import Law
from ntkviz.calculus.walkthrough import Average, Cloud, Step
from ntkviz.errors import TooLargeError
from ntkviz.language import GIAReport

pytestmark = pytest.mark.usefixtures("spoken")

WORDS = ["thé", "dóg"]
SHOWN = {"name", "text", "hovertemplate", "customdata"}
"""The parts of a figure that readers see."""


def english(text: str) -> list[str]:
    """The words of a text that are not in the language of tests; its tags, fields and code are no words."""
    plain = re.sub(r"<code>.*?</code>|<[^>]*>|%\{[^}]*\}", " ", text)
    return re.findall(r"\b(?=[a-zA-Z]*[aeiou])[a-zA-Z]{2,}\b", plain)


def words_of(panel) -> list[str]:
    """The English words that a panel shows."""
    texts = [panel.reading.value, panel.left_out, *(part.name for part in panel.parts)]
    texts += _texts(panel.figure.to_plotly_json()) if hasattr(panel, "figure") else []
    return [word for text in texts for word in english(text)]


def _texts(part: object, key: str = "") -> list[str]:
    if isinstance(part, dict):
        return [text for name, inner in part.items() for text in _texts(inner, name)]
    if isinstance(part, np.ndarray):
        part = part.ravel().tolist()
    if isinstance(part, list | tuple):
        return [text for inner in part for text in _texts(inner, key)]
    return [part] if isinstance(part, str) and key in SHOWN else []


def test_attention():
    maps, cloud = app.AttentionPair("léft", "ríght", WORDS), app.WeightCloud("heáding", WORDS)
    maps.show(left=np.eye(2), right=np.eye(2), chosen=1)
    cloud.restart([0.5, 0.5], width=100)
    assert words_of(cloud) == []
    for weights in ([0.4, 0.6], [0.5, 0.5]):
        cloud.add(weights)
    assert "2" in cloud.reading.value
    assert [*words_of(maps), *words_of(cloud)] == []


def test_pairs_of_time_steps():
    maps = app.ContributionMaps("nétwork", "límit", WORDS, WORDS)
    maps.restart({"U": np.eye(2), "v": np.array([[0.5]])}, 2, 2, unit=1.0)
    assert words_of(maps) == []
    maps.add({"U": np.eye(2), "v": np.array([[0.5]])})
    assert words_of(maps) == []
    assert "<br>U: 1.0000" in maps.figure.data[0].text[0, 0]


@pytest.mark.parametrize("gate", [0.5, 1.0])
def test_gates(gate):
    plot = app.GatePlot("heáding", 3, shown=2)
    plot.restart(np.full((3, 4), gate), keeps=True)
    plot.add(np.full((3, 2), gate))
    assert words_of(plot) == []


@pytest.mark.parametrize("limit", [[4, 2, 1], [1, 2, 3], [1, 1, 1], [1, 0, 0]])
def test_memory(limit):
    plot = app.MemoryPlot("heáding", 3)
    plot.restart(limit, [4, 2, 1])
    assert words_of(plot) == []
    for _ in range(2):
        plot.add(limit)
        assert words_of(plot) == []


@pytest.mark.parametrize("lags", [(0, 0), (1, 2), (3, 4)])
def test_running_sums(lags):
    plot = app.RunningSum("heáding")
    plot.restart(1.0, width=2, lags=lags)
    assert words_of(plot) == []
    plot.add([0.5, -0.25])
    assert words_of(plot) == []


def step(kind: str, line_type: str, *, std: float = 1.0, gaussian: bool = True, backward: bool = False, returns=()):
    """A line of a program with its limit, whose formula has no words."""
    line = SimpleNamespace(index=0, name="h", formula_text="Wg", type=line_type)
    law = Law(np.array([-std, std]), 0.0, std, gaussian, ())
    return Step(line, kind, backward, (), law, ("x",) * len(returns), 1.0 if returns else None, None, returns)


STEPS = {
    "what is given": step("given", "G-var"),
    "what a matrix makes": step("MatMul", "G-var"),
    "what returns": step("MatMul", "G-var", returns=((0, 2.0),)),
    "what a function makes": step("Nonlin", "X-var", gaussian=False),
    "a constant": step("Nonlin", "X-var", std=0.0),
    "a number": step("Moment", "scalar", std=0.0),
    "what stays random": step("output", "output"),
    "where the backward pass starts": step("given", "G-var", backward=True),
}


@pytest.mark.parametrize("one", STEPS.values(), ids=STEPS)
def test_what_a_line_does(one):
    plot, values = app.LineCloud(), np.array([-1.0, 1.0])
    cloud = Cloud("g", values, values, np.zeros(2))
    plot.restart(one, cloud)
    assert words_of(plot) == []
    plot.add(cloud)
    assert words_of(plot) == []


def test_rows_of_a_program():
    plot, steps = app.ScorePlot(on_pick=print), list(STEPS.values())
    for number in range(len(steps)):
        plot.show(steps, number)
        assert words_of(plot) == []


@pytest.mark.parametrize("of", ["vector", "Moment", "output"])
def test_running_averages(of):
    plot = app.RunningAverage()
    plot.restart(Average(of, 1.0, 1.0), "h")
    assert words_of(plot) == []
    plot.add([1.0, 2.0])
    assert words_of(plot) == []
    plot.restart(None, "h")
    assert words_of(plot) == []


@pytest.mark.parametrize("reasons", [(), ("The readout v (instruction 3) has a nonzero mean.",)])
def test_listings_with_their_verdicts(reasons):
    listing = app.Listing("prógram")
    types = ["data", "initial G-var", "G-var", "X-var", "scalar", "output"]
    lines = [SimpleNamespace(index=0, name="h", formula_text="Wg", type=one) for one in types]
    listing.show(SimpleNamespace(lines=lambda: lines), GIAReport(not reasons, reasons))
    body = listing._body.value
    assert [*words_of(listing), *english(body)] == []
    assert 'aria-label="⟦' in body


@pytest.mark.parametrize("mark", ["wrong", "changed"])
def test_marks_of_a_source(mark):
    listing = app.SourceListing()
    listing.show("modél", "x", marked=[1], mark=mark)
    assert english(listing._body.value) == []


def test_comments_of_a_file():
    plot = app.RunningSum("heáding", name="n")
    plot.restart(1.0, 1, (1, 1))
    plot.add([1.0])
    plot.outdate()
    text = csv_file(plot, app.Controls(), "02", "#")["text"]
    comments = [line for line in text.splitlines() if line.startswith("# ")][1:]
    assert len(comments) == 6
    assert [word for line in comments for word in english(line.replace("pandas.read_csv(file, comment", ""))] == []


def test_descriptions_of_drawings(root):
    found = re.findall('aria-label="([^"]*)"', app.Cards(root / "notebooks")._repr_html_())
    assert len(found) > 15
    assert [word for text in found for word in english(text)] == []


def test_why_a_prediction_is_refused(monkeypatch):
    def refuse(*given):
        raise TooLargeError("The readout v (instruction 3) has a nonzero mean.")

    monkeypatch.setattr(approach, "read", refuse)
    told = approach._prediction(SimpleNamespace(predict=None, refuse=print), None, None).args
    assert english(*told) == []


@pytest.mark.parametrize("text", [*TITLES.values(), *ADVICE.values(), FULL])
def test_pages_of_errors(text, spoken):
    assert english(say(text, spoken, CODE)) == []
