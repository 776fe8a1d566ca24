"""Catalogues are up to date; what changes in English is flagged, and what is gone is dropped."""

import warnings

import pytest
from babel.messages.catalog import Catalog

from ntkviz.app.translation import words
from ntkviz.app.translation.update import counts, report, updated


def template(*texts: str) -> Catalog:
    made = Catalog(fuzzy=False)
    for text in texts:
        made.add(text, auto_comments=["a step"])
    return made


@pytest.fixture
def file(tmp_path):
    found = tmp_path / "zh" / "09_mlp.po"
    found.parent.mkdir()
    found.write_bytes(updated(found, template("The network is wide.", "It is deep.")))
    found.write_text(found.read_text().replace('wide."\nmsgstr ""', 'wide."\nmsgstr "网络很宽。"'))
    return found


def test_translations_are_kept(file):
    again = template("The network is wide.", "It is deep.")
    assert updated(file, again) == file.read_bytes()
    assert counts(file, again) == (1, 2)


def test_a_text_that_changed_is_flagged_and_shown_in_english(file, monkeypatch):
    changed = template("The network is very wide.", "It is deep.")
    file.write_bytes(updated(file, changed))
    assert '#, fuzzy\nmsgid "The network is very wide."\nmsgstr "网络很宽。"' in file.read_text()
    assert counts(file, changed) == (0, 2)
    monkeypatch.setattr(words, "CATALOGUES", file.parent.parent)
    assert (
        words.catalogue.__wrapped__("zh", "09_mlp").gettext("The network is very wide.") == "The network is very wide."
    )


def test_a_text_that_is_gone_is_dropped(file):
    file.write_bytes(updated(file, template("Something else altogether, without a likeness.")))
    assert "网络很宽" not in file.read_text()


def test_the_catalogues_of_the_course_are_up_to_date(found):
    files = sorted(words.CATALOGUES.rglob("*.po"))
    assert {file.stem for file in files} <= found.keys(), "a catalogue of nothing: delete it"
    stale = [
        f"{file.parent.name}/{file.name}" for file in files if updated(file, found[file.stem]) != file.read_bytes()
    ]
    assert stale == [], "run `make words`"
    warnings.warn("translated: " + "; ".join(report(found)), stacklevel=1)
