"""A stored page is shown in its language while it belongs to the notebook and the code; its scripts find its data."""

import asyncio
import re

import nbformat
import pytest

from ntkviz.app.server.kept import Kept, Known
from ntkviz.app.server.shelf import DATA, Shelf


class Printer:
    """Notes what is printed."""

    def __init__(self):
        self.printed = []

    def page(self, name, executed, store):
        self.printed.append(name)
        return f"{name} with {len(executed.cells)} cells and data in {store}"


@pytest.fixture
def notebook(tmp_path):
    file = tmp_path / "02_ntk.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), file)
    return file


@pytest.fixture
def keep(notebook, tmp_path):
    """`keep(digest)`: a run of the notebook that used one module is kept."""
    (tmp_path / "module.py").write_text("1")
    executed = nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Text")])).encode()

    def keep(digest, language="en"):
        known = Known([str(tmp_path / "module.py")], 1.0, 1.0, 2, digest)
        contents = {"notebook.ipynb": executed, "start.gz": b"", "states.gz": b""}
        Kept(notebook, tmp_path / "store", language).write(known, contents, began=2e10)

    return keep


@pytest.fixture
def printer():
    return Printer()


@pytest.fixture
def shelf(tmp_path, printer):
    return Shelf(tmp_path, tmp_path / "store", lambda: printer, "/course/")


def test_a_page_is_printed_once(shelf, keep, printer):
    keep("one")
    for _ in range(3):
        page = asyncio.run(shelf.page("02_ntk.ipynb"))
        assert page == "02_ntk with 1 cells and data in /course/voila/stored/02_ntk-one"
    assert printer.printed == ["02_ntk"]


@pytest.mark.parametrize("changed", ["module.py", "02_ntk.ipynb"])
def test_it_is_shown_until_something_has_changed_and_again_when_it_was_run(shelf, keep, tmp_path, changed):
    keep("one")
    assert asyncio.run(shelf.page("02_ntk.ipynb"))
    (tmp_path / changed).write_text((tmp_path / changed).read_text() + "\n")
    assert asyncio.run(shelf.page("02_ntk.ipynb")) is None
    keep("two")
    assert asyncio.run(shelf.page("02_ntk.ipynb")).endswith("02_ntk-two")


def test_a_reader_of_a_language_never_gets_the_page_of_another(shelf, keep):
    def pages():
        found = [asyncio.run(shelf.page(f"{place}02_ntk.ipynb")) for place in ("", "zh/")]
        return [page and page.rpartition(" ")[2].removeprefix("/course/voila/stored/") for page in found]

    keep("one")
    assert pages() == ["02_ntk-one", None]
    keep("two", "zh")
    assert pages() == ["02_ntk-one", "zh/02_ntk-two"]
    keep("three")
    assert pages() == ["02_ntk-three", "zh/02_ntk-two"]
    assert all(re.fullmatch(DATA, f"voila/stored/{page}-start.gz") for page in pages())


@pytest.mark.parametrize(
    "name",
    [
        "fr/02_ntk.ipynb",
        "zh/zh/02_ntk.ipynb",
        "en/02_ntk.ipynb",
        "",
        "03_training.ipynb",
        "../02_ntk.ipynb",
        "store/02_ntk.ipynb",
        "module.py",
        "a" * 300 + ".ipynb",
    ],
)
def test_there_is_none_of_what_is_no_notebook(shelf, keep, name):
    keep("one")
    assert asyncio.run(shelf.page(name)) is None


def test_without_a_folder_there_is_none(shelf):
    assert asyncio.run(shelf.page("02_ntk.ipynb")) is None
