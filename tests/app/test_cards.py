"""The cards of the home page: one for each chapter, with its drawing, which is what its chapter's code draws."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from ntkviz.app import Cards, chapters
from ntkviz.app.chapter import DRAWINGS
from ntkviz.app.thumbnails import THUMBNAILS

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def test_home_has_a_card_for_every_chapter_but_itself(root):
    home, *found = chapters(root / "notebooks")
    assert home.number == 0
    page = ElementTree.fromstring(Cards(root / "notebooks")._repr_html_())
    assert [card.get("href") for card in page] == [f"{one.name}.ipynb" for one in found]
    for one, card in zip(found, page, strict=True):
        drawing, words = card
        assert drawing.tag == "svg"
        assert len(drawing)
        assert drawing.get("aria-label")
        assert one.summary
        assert "".join(words.itertext()) == f"{one.number} · {one.title}{one.summary}"
    assert [one.name for one in found] == list(THUMBNAILS)


def test_a_chapter_without_a_drawing_has_a_card(tmp_path):
    for name in ("00_home", "01_mine"):
        (tmp_path / f"{name}.ipynb").write_text('{"metadata": {"title": "Mine <3"}}')
    card = Cards(tmp_path)._repr_html_()
    assert "1 · Mine &lt;3" in card
    assert "svg" not in card


@pytest.mark.parametrize("name", THUMBNAILS)
def test_a_drawing_is_as_its_code_draws_it(name):
    """`make thumbnails` renews it. Another machine may round otherwise: coordinates to a tenth, colours to one."""
    kept, drawn = (DRAWINGS / f"{name}.svg").read_text("utf-8").strip(), THUMBNAILS[name]()
    assert NUMBER.sub("0", kept) == NUMBER.sub("0", drawn)
    numbers = (np.array(NUMBER.findall(text), dtype=float) for text in (kept, drawn))
    np.testing.assert_allclose(*numbers, atol=1)
