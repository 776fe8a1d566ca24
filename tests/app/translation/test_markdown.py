"""Markdown is cut into messages without losing a character, and frames are no part of them."""

import json

import pytest

from ntkviz.app.translation import markdown


def test_the_pieces_of_every_cell_are_the_cell(root):
    for path in (root / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            text = "".join(cell["source"])
            assert "".join(piece for piece, _ in markdown.pieces(text)) == text


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("### [Twins](#a=1)\nTwo.\n\n<aside>3 min. Say so.</aside>", ["Twins", "Two.", "3 min. Say so."]),
        ('## <a id="idea"></a>The idea\n\nOne.\nTwo.', ["The idea", "One.\nTwo."]),
        ("<details><summary>Which?</summary>\n\nThis one.\n\n</details>", ["Which?", "This one."]),
        ("So:\n\n$$x\\text{ words }\\text{)}$$\n\nand\n- one $x$\n- two", ["So:", "words", "and", "one $x$", "two"]),
        ("1. First\n2. $x^2$\n\n> **So.** It is.", ["First", "**So.** It is."]),
        ("```python\nx = 1  # the number of inputs\ny = 'not prose'\n```", ["the number of inputs"]),
        ("`code` $x$ [a](b)", []),
    ],
)  # fmt: skip
def test_what_is_a_message(text, messages):
    assert markdown.messages(text) == messages
    assert markdown.translated(text, lambda message: message) == text
    assert markdown.messages(markdown.translated(text, str.upper)) == [one.upper() for one in messages]


def test_full_width_punctuation_stays_on_the_line_of_its_formula():
    told = markdown.translated("Take $x$, then $y$. $$z$$", lambda message: "取 $x$，再取 $y$。$$z$$，$w$")
    assert told == '取 <span class="nv-together">$x$，</span>再取 <span class="nv-together">$y$。</span>$$z$$，$w$'
