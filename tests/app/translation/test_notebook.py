"""A notebook in another language has all words in that language, and everything else as it was."""

import json

import pytest

from ntkviz.app.server.kept import LINK
from ntkviz.app.translation import literals, markdown, notebook

from .pseudo import pseudo


@pytest.fixture(scope="session")
def books(root) -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in sorted((root / "notebooks").glob("*.ipynb"))}


def test_every_word_is_translated_and_nothing_else(books, spoken):
    for name, book in books.items():
        other = notebook.translated(book, name, spoken)
        assert other["metadata"]["title"] == pseudo(book["metadata"]["title"])
        first = next(cell for cell in other["cells"] if cell["cell_type"] == "code")
        first["source"] = first["source"].removeprefix(notebook.SPOKEN.format(language=spoken))
        known = notebook._values(book)
        for before, after in zip(book["cells"], other["cells"], strict=True):
            source = "".join(before["source"])
            if before["cell_type"] == "markdown":
                assert markdown.translated(source, pseudo) == after["source"]
                assert LINK.findall(after["source"]) == LINK.findall(source)
            elif not name.startswith("guide_"):
                found, spoken_there = (literals.messages(text, known) for text in (source, after["source"]))
                assert [one.text for one in spoken_there] == [pseudo(one.text) for one in found]
                assert blanked(after["source"], spoken_there) == blanked(source, found)


def blanked(source: str, found: list[literals.Found]) -> str:
    """Code without its messages."""
    for one in reversed(found):
        source = f"{source[: one.start]}…{source[one.end :]}"
    return source


def test_english_is_the_notebook_itself(books):
    assert notebook.translated(books["09_mlp"], "09_mlp", "en") is books["09_mlp"]


def test_the_language_is_set_before_anything_is_imported(books, spoken):
    other = notebook.translated(books["09_mlp"], "09_mlp", spoken)
    code = next(cell["source"] for cell in other["cells"] if cell["cell_type"] == "code")
    assert code.startswith('import os\n\nos.environ["NTKVIZ_LANGUAGE"] = "de"\nimport functools\n')
    assert other["metadata"]["language"] == "de"


def test_place_names_the_step(books):
    places = {one.text: one.place for one in notebook.messages(books["09_mlp"], "09_mlp")}
    assert places["2 min. The butterfly effect, with layers in place of days."] == "09-mlp-step-3, Almost twins"
    assert places["width n"] == "09-mlp-01, code"


def test_choices_are_words_that_the_app_translates(books):
    assert {"pixels", "two images", "one row", "every pair"} < set(notebook.choices(books["02_ntk"]))
    assert "random draw" not in notebook.choices(books["02_ntk"])


def test_what_is_no_notebook_has_no_messages():
    book = {"metadata": {}}
    assert not list(notebook.messages(book, "02_unreadable"))
    assert notebook.translated(book, "02_unreadable", "zh") == {"metadata": {"language": "zh"}}
