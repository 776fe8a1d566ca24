"""The cards of the home page: one for each chapter, with its drawing."""

from xml.etree import ElementTree

from ntkviz.app import Cards, chapters


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


def test_a_chapter_without_a_drawing_has_a_card(tmp_path):
    for name in ("00_home", "01_mine"):
        (tmp_path / f"{name}.ipynb").write_text('{"metadata": {"title": "Mine <3"}}')
    card = Cards(tmp_path)._repr_html_()
    assert "1 · Mine &lt;3" in card
    assert "svg" not in card
