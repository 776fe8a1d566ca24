"""A chapter is run once in each language, and again only when something that it depends on has changed."""

import json
import os
import time

import nbformat
import pytest

from ntkviz.app.server.kept import Kept
from ntkviz.app.site import chapter
from ntkviz.app.site.recorder import number, plain
from ntkviz.app.translation import words

TEXT = "### [A step](#width=64&draw=2)\nLook, then [here](#width=8).\n\n### [The start](#start)\n"


@pytest.fixture
def notebook(tmp_path):
    file = tmp_path / "02_ntk.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(TEXT)]), file)
    return file


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """The notebooks that were run, in other languages with the language; each imports one module."""
    module = tmp_path / "module.py"
    module.write_text("1")
    counted = []
    known = {
        "modules": [str(module)],
        "seconds": 1.0,
        "models": {},
        "exercises": [],
        "pictures": [{"states": [{}, {}], "settings": [[1], [2]], "sampled": [3, 0]}],
    }

    def run(kept, executed, record, seconds, chosen, answers):
        name = kept.notebook.name
        counted.append(name if kept.language == "en" else (kept.language, name, chosen))
        nbformat.write(nbformat.read(kept.notebook, as_version=4), executed)
        record.write_text(json.dumps(known))

    monkeypatch.setattr(chapter, "_run", run)
    return counted


def test_the_settings_of_steps_are_told_from_those_in_the_text(notebook):
    assert chapter.links(notebook) == (["width=64&draw=2"], ["width=8"])


def test_the_settings_that_another_chapter_names_are_known_and_a_new_one_is_a_change(notebook, runs, tmp_path):
    chapter.recorded(notebook, tmp_path / "cache", 1.0)
    text = "See [there](02_ntk.ipynb#width=9) and [elsewhere](03_training.ipynb#width=7)."
    other = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    nbformat.write(other, tmp_path / "01_gaussian.ipynb")
    assert chapter.links(notebook)[1] == ["width=8", "width=9"]
    assert chapter.recorded(notebook, tmp_path / "cache", 1.0)[1]


@pytest.mark.parametrize("changed", ["module.py", "02_ntk.ipynb"])
def test_it_is_run_again_only_after_a_change(notebook, runs, tmp_path, changed):
    for expected in (True, False):
        assert chapter.recorded(notebook, tmp_path / "cache", 1.0)[1] is expected
    (tmp_path / changed).write_text((tmp_path / changed).read_text() + "\n")
    assert chapter.recorded(notebook, tmp_path / "cache", 1.0)[1]
    assert not chapter.recorded(notebook, tmp_path / "cache", 1.0)[1]
    assert chapter.recorded(notebook, tmp_path / "cache", 2.0)[1], "more time, more settings"
    assert len(runs) == 3


@pytest.fixture
def catalogues(tmp_path, monkeypatch):
    """A folder of catalogues of a language."""
    folder = tmp_path / "catalogues" / "de"
    folder.mkdir(parents=True)
    monkeypatch.setattr(words, "CATALOGUES", folder.parent)
    return folder


def test_a_changed_catalogue_makes_the_notebook_to_which_it_belongs_run_again_in_its_language(
    notebook, runs, catalogues, tmp_path
):
    other = tmp_path / "01_gaussian.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), other)

    def rerun():
        known = [(file, language) for file in (notebook, other) for language in ("en", "de")]
        found = [chapter.recorded(file, tmp_path / "cache", 1.0, language)[1] for file, language in known]
        return [(file.stem, language) for (file, language), was_run in zip(known, found, strict=True) if was_run]

    both = [("02_ntk", "de"), ("01_gaussian", "de")]
    assert len(rerun()) == 4
    for part, expected in [("02_ntk", both[:1]), ("app", both), ("page", both), ("glossary", [])]:
        assert rerun() == []
        (catalogues / f"{part}.po").write_text('msgid ""\nmsgstr ""\n')
        assert rerun() == expected
    notebook.write_text(notebook.read_text() + "\n")
    assert rerun() == [("02_ntk", "en"), ("02_ntk", "de")]


def test_another_language_stores_the_settings_that_are_stored_in_english(notebook, runs, catalogues, tmp_path):
    chapter.run(notebook, tmp_path / "cache", 1.0, "de")
    chapter.run(notebook, tmp_path / "cache", 1.0)
    chapter.run(notebook, tmp_path / "cache", 1.0, "de")
    notebook.write_text(notebook.read_text() + "\n")  # with controls that may have other values
    chapter.run(notebook, tmp_path / "cache", 1.0, "de")
    assert [chosen for _, _, chosen in [run for run in runs if run[0] == "de"]] == [[], [[([1], 3), ([2], 0)]], []]


def test_the_notebook_that_is_run_is_the_translated_one(notebook, catalogues, tmp_path, monkeypatch):
    catalogue = (
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "A step"\nmsgstr "Ein Schritt"\n'
    )
    (catalogues / "02_ntk.po").write_text(catalogue)
    found = []

    class Client:
        def __init__(self, book, **options):
            self.book = book

        def execute(self, env):
            assert words.LANGUAGE not in env
            found.extend(cell.source for cell in self.book.cells)

    monkeypatch.setenv(words.LANGUAGE, "fr")
    monkeypatch.setattr(chapter, "NotebookClient", Client)
    words.catalogue.cache_clear()
    chapter._run(
        Kept(notebook, tmp_path, "de"), tmp_path / "executed.ipynb", tmp_path / "record", 1.0, [[([1], 3)]], ""
    )
    assert found[0].startswith("### [Ein Schritt](#width=64&draw=2)")
    assert found[1].endswith(f"['width=64&draw=2'], ['width=8'], {str(tmp_path / 'record')!r}, 1.0, [[([1], 3)]])")
    assert nbformat.read(tmp_path / "executed.ipynb", as_version=4).metadata.language == "de"
    words.catalogue.cache_clear()


def test_what_changed_while_it_ran_makes_it_run_again(notebook, runs, tmp_path, monkeypatch):
    """It may have been read before the change, or after it."""
    run, late = chapter._run, time.time_ns() + 10**9

    def run_while_a_module_changes(*arguments):
        run(*arguments)
        os.utime(tmp_path / "module.py", ns=(late, late))

    monkeypatch.setattr(chapter, "_run", run_while_a_module_changes)
    assert [chapter.recorded(notebook, tmp_path / "cache", 1.0)[1] for _ in range(2)] == [True, True]


def test_of_two_runs_the_later_is_kept(notebook, runs, tmp_path):
    for seconds in (1.0, 2.0):
        chapter.recorded(notebook, tmp_path / "cache", seconds)
    kept = Kept(notebook, tmp_path / "cache")
    assert kept.valid().settings == 2
    names = {"02_ntk.json", *(kept.file(kept.known, part).name for part in ("notebook.ipynb", "start.gz", "states.gz"))}
    assert {file.name for file in kept.folder.iterdir()} == names
    kept.file(kept.known, "states.gz").unlink()
    assert kept.valid() is None


def test_the_home_page_changes_with_the_titles_on_its_cards(notebook, runs, tmp_path):
    home = tmp_path / "00_home.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), home)
    for expected in (True, False):
        assert chapter.recorded(home, tmp_path / "cache", 1.0)[1] is expected
    book = nbformat.read(notebook, as_version=4)
    nbformat.write(nbformat.v4.new_notebook(cells=book.cells, metadata={"title": "Another"}), notebook)
    assert chapter.recorded(home, tmp_path / "cache", 1.0)[1]


def test_a_run_that_fails_leaves_no_record(notebook, runs, tmp_path, monkeypatch):
    chapter.recorded(notebook, tmp_path / "cache", 1.0)
    notebook.write_text(notebook.read_text() + " ")

    def fail(*arguments):
        raise RuntimeError("a cell fails")

    with monkeypatch.context() as patched:
        patched.setattr(chapter, "_run", fail)
        with pytest.raises(RuntimeError):
            chapter.recorded(notebook, tmp_path / "cache", 1.0)
    assert chapter.recorded(notebook, tmp_path / "cache", 1.0)[1]


def test_numbers_of_plots_keep_six_digits_and_others_all():
    assert [number(x) for x in (1 / 3, 2.0, 1e-12 / 3, float("nan"), float("inf"))] == [
        0.333333,
        2,
        3.33333e-13,
        None,
        None,
    ]
    assert plain({"step": 1 / 3}, rounded=False) == {"step": 1 / 3}
