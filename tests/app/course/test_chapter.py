"""The chapters, in the parts of the course, and the cards of the home page: one for each, with its drawing."""

from xml.etree import ElementTree

import pytest

from ntkviz.app import Cards, chapters
from ntkviz.app.course.chapter import parts

PARTS = ["Why width", "Theory", "Architectures", "Guides"]


@pytest.fixture
def found(root):
    return chapters(root / "notebooks")


def test_chapters_are_in_order_and_guides_come_last(found):
    home, *rest = found
    assert home.number == 0
    numbers = [one.number for one in rest if one.number]
    assert numbers == sorted(numbers)
    assert [one.number for one in rest[len(numbers) :]] == [None] * (len(rest) - len(numbers))
    assert {one.part for one in rest[len(numbers) :]} == {"Guides"}


def test_every_chapter_but_home_is_in_one_of_the_parts(found):
    by_part = parts(found)
    assert list(by_part) == PARTS
    assert [one for part in by_part.values() for one in part] == found[1:]


def test_home_has_a_card_for_every_chapter_but_itself(found, root):
    page = ElementTree.fromstring(Cards(root / "notebooks")._repr_html_())
    assert [heading.text for heading in page.iter("h2")] == PARTS
    cards = list(page.iter("a"))
    assert [card.get("href") for card in cards] == [f"{one.name}.ipynb" for one in found[1:]]
    for one, card in zip(found[1:], cards, strict=True):
        assert one.summary
        assert "".join(card.find("div").itertext()) == f"{one.heading}{one.summary}"
        if one.number:
            assert len(card.find("svg"))
            assert card.find("svg").get("aria-label")


def test_a_chapter_without_a_drawing_still_has_a_card(tmp_path):
    for name in ("00_home", "01_mine"):
        (tmp_path / f"{name}.ipynb").write_text('{"metadata": {"title": "Mine <3"}}')
    card = Cards(tmp_path)._repr_html_()
    assert "1 · Mine &lt;3" in card
    assert "svg" not in card
