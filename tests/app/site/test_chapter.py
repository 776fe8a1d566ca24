"""A chapter is run once, and again only when something that it depends on has changed."""

import json
import os
import time

import nbformat
import pytest

from ntkviz.app.server.kept import Kept
from ntkviz.app.site import chapter
from ntkviz.app.site.recorder import number, plain

TEXT = "### [A step](#width=64&draw=2)\nLook, then [here](#width=8).\n\n### [The start](#start)\n"


@pytest.fixture
def notebook(tmp_path):
    file = tmp_path / "02_ntk.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(TEXT)]), file)
    return file


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """The number of times that a notebook was run; each imports one module."""
    module = tmp_path / "module.py"
    module.write_text("1")
    counted = []
    known = {
        "modules": [str(module)],
        "seconds": 1.0,
        "models": {},
        "exercises": [],
        "pictures": [{"states": [{}, {}]}],
    }

    def run(notebook, executed, record, seconds):
        counted.append(notebook.name)
        nbformat.write(nbformat.read(notebook, as_version=4), executed)
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
