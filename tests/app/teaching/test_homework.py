"""The homework: solutions pass all tests, blanks fail all of them, and nothing of the solutions is left in them."""

import re

import nbformat
import pytest
from babel.messages.catalog import Catalog
from selection import full_except

from app.translation import pseudo
from ntkviz import __main__ as command
from ntkviz.app.teaching import homework
from ntkviz.app.translation import markdown, words

NOTEBOOKS = homework.sources()
NAMES = [notebook.stem for notebook in NOTEBOOKS]


def run(book, *, stop=True):
    """Run the cells of a notebook; the ids of those that fail, the first one only if it is to `stop` there."""
    names, failed = {}, []
    for cell in book.cells:
        if cell.cell_type == "code":
            try:
                exec(compile(cell.source, cell.id, "exec"), names)
            except Exception as error:
                if stop:
                    raise AssertionError(f"{cell.id}: {error!r}") from error
                failed.append(cell.id)
    return failed


def ids(book, **wanted):
    """The cells whose metadata have these values."""
    marked = [(cell, cell.metadata.nbgrader) for cell in book.cells]
    return [cell.id for cell, known in marked if wanted.items() <= known.items()]


@pytest.mark.parametrize("notebook", full_except(NOTEBOOKS, NOTEBOOKS[0]), ids=NAMES)
def test_the_solutions_pass_all_tests(notebook):
    run(nbformat.read(notebook, as_version=4))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=NAMES)
def test_blanks_fail_every_test(notebook):
    book = homework.released(notebook)
    code = [cell.id for cell in book.cells if cell.cell_type == "code"]
    failed = run(book, stop=False)
    assert set(ids(book, grade=True)) & set(code) <= set(failed)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=NAMES)
def test_students_get_nothing_of_the_solutions(notebook):
    source, book = nbformat.read(notebook, as_version=4), homework.released(notebook)
    nbformat.validate(book)
    text = "\n".join(cell.source for cell in book.cells)
    assert not re.search("BEGIN|END |Model answer", text)
    answers = [cell for cell in source.cells if cell.metadata.nbgrader["solution"]]
    blanks = [cell for cell in book.cells if cell.metadata.nbgrader["solution"]]
    hidden = [part for cell in source.cells for part in homework.HIDDEN.findall(cell.source)]
    assert len(hidden) == len([cell for cell in source.cells if cell.id.startswith("test-")])
    for part in [*hidden, *(found[0] for cell in answers for found in homework.SOLUTION.finditer(cell.source))]:
        assert part.strip() not in text
    for answer, blank in zip(answers, blanks, strict=True):
        expected = homework.BLANK_TEXT if answer.cell_type == "markdown" else "raise NotImplementedError()"
        assert expected in blank.source
        assert answer.id == blank.id


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=NAMES)
def test_the_metadata_are_those_of_nbgrader(notebook):
    book = nbformat.read(notebook, as_version=4)
    for cell in book.cells:
        known = cell.metadata.nbgrader
        assert known["grade_id"] == cell.id
        assert known["schema_version"] == 3
        assert known["locked"] != known["solution"], "students edit their answers and nothing else"
        assert ("points" in known) == known["grade"]
    assert sum(cell.metadata.nbgrader.get("points", 0) for cell in book.cells) == 20
    assert len(set(ids(book))) == len(book.cells)


def test_the_command_writes_both_versions(tmp_path, capsys):
    command.main(["homework", str(tmp_path / "course")])
    written = sorted(str(path.relative_to(tmp_path / "course")) for path in tmp_path.rglob("*.ipynb"))
    assert written == sorted(f"{version}/{name}/{name}.ipynb" for version in ("release", "source") for name in NAMES)
    assert "For students" in capsys.readouterr().out


def test_homework_in_another_language_has_other_words_and_the_same_code(tmp_path, monkeypatch):
    source, template = NOTEBOOKS[0], Catalog()
    for cell in nbformat.read(source, as_version=4).cells:
        for text in markdown.messages(cell.source) if cell.cell_type == "markdown" else ():
            template.add(text)
    pseudo.write(tmp_path, template, source.stem)
    monkeypatch.setattr(words, "CATALOGUES", tmp_path)
    command.main(["homework", str(tmp_path / "course"), f"--language={pseudo.CODE}"])
    words.catalogue.cache_clear()
    for version, english in (("source", homework.worded(source)), ("release", homework.released(source))):
        book = nbformat.read(tmp_path / "course" / version / source.stem / source.name, as_version=4)
        for cell, before in zip(book.cells, english.cells, strict=True):
            is_text = cell.cell_type == "markdown" and before.source != homework.BLANK_TEXT
            assert cell.metadata == before.metadata
            assert ("⟦" in cell.source) == (cell.source != before.source) == is_text
        assert book.cells[0].source.startswith("# ⟦Hóméwórk 1")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit):
        command.main(["homework", str(tmp_path / "file")])
    assert "name another folder" in capsys.readouterr().err
