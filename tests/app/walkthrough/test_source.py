"""The source of a model: every character is shown, some words are coloured, and marked lines are named."""

import html
import re

from ntkviz.app import SourceListing, changed_lines
from ntkviz.app.walkthrough.source import coloured
from ntkviz.gallery import MODELS

from ..conftest import csv_rows

TEXT = 'import a\n\n\ndef f(x):  # <b>\n    """Two\n    lines."""\n    return x["k"] + 1\n'


def plain(line):
    return html.unescape(re.sub(r"<[^>]+>", "", line))


def shown(**options):
    listing = SourceListing()
    listing.show("a <file>", TEXT, "a <b>note</b>", **options)
    return listing, listing.widget.children[0].children[1].value


def test_no_character_is_lost():
    for text in [TEXT, *(model.text for model in MODELS.values())]:
        assert [plain(line) for line in coloured(text)] == text.splitlines()


def test_words_have_their_colours_also_within_texts_of_several_lines():
    lines = coloured(TEXT)
    assert '<span class="nv-keyword">def</span>' in lines[3]
    assert '<span class="nv-comment"># &lt;b&gt;</span>' in lines[3]
    assert lines[5] == '<span class="nv-string">    lines.&quot;&quot;&quot;</span>'


def test_marked_lines_are_marked_for_eye_and_ear():
    assert "nv-wrong-line" not in shown()[1]
    listing, body = shown(marked=[4])
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    assert len(rows) == 7
    assert [k + 1 for k, row in enumerate(rows) if "nv-wrong-line" in row] == [4]
    assert '<span class="nv-heard">wrong: </span>' in rows[3]
    assert listing.reading.value == "a <b>note</b>"
    assert listing.widget.children[0].children[0].value == "<h3>a &lt;file&gt;</h3>"
    assert "nv-changed-line" in shown(marked=[1], mark="changed")[1]


def test_it_is_exported_line_by_line():
    rows = csv_rows(shown()[0])
    assert rows[0] == ["line", "code"]
    assert rows[4] == ["4", "def f(x):  # <b>"]


def test_changed_lines_are_those_that_are_new():
    assert changed_lines("a\nb\nc\n", "a\nx\n\nc\nd\n") == [2, 5]
    assert changed_lines("a\n", "a\n") == []
