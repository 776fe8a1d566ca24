"""Texts are looked up by their English words; what is missing, or marked as fuzzy, stays English."""

import subprocess
import sys

import pytest

from ntkviz.app.translation import words

GERMAN = """
msgid ""
msgstr ""
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"Content-Type: text/plain; charset=utf-8\\n"

msgid "width"
msgstr "Breite"

#, fuzzy
msgid "depth"
msgstr "Länge"

msgid "a network"
msgid_plural "{n} networks"
msgstr[0] "ein Netz"
msgstr[1] "{n} Netze"
"""


@pytest.fixture
def german(tmp_path, monkeypatch):
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "app.po").write_text(GERMAN)
    monkeypatch.setattr(words, "CATALOGUES", tmp_path)
    monkeypatch.setenv(words.LANGUAGE, "de")
    words.catalogue.cache_clear()
    yield
    words.catalogue.cache_clear()


@pytest.mark.usefixtures("german")
def test_words_of_a_language():
    assert [words._(text) for text in ("width", "depth", "height", "")] == ["Breite", "depth", "height", ""]
    said = [words.counted("a network", "{n} networks", n).format(n=n) for n in (0, 1, 2)]
    assert said == ["0 Netze", "ein Netz", "2 Netze"]
    assert words.say("width", "de", "page") == "width"
    assert words.pairs("de", "app") == {"width": "Breite"}


def test_english_is_the_language_unless_another_is_named(monkeypatch):
    monkeypatch.delenv(words.LANGUAGE, raising=False)
    assert words._("width") == "width"
    assert [words.counted("one", "many", n) for n in (1, 2)] == ["one", "many"]


def test_english_needs_no_library_for_catalogues():
    code = "import sys; from ntkviz.app.translation import words; words._('width'); assert 'babel' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_language_has_a_name_of_its_own():
    assert set(words.languages()) <= words.NAMES.keys()


def test_sentences_are_joined_by_spaces_unless_their_stop_is_full_width():
    assert words.joined(["One.", "", "<b>Two</b>."]) == "One. <b>Two</b>."
    assert words.joined(["第一句。", "", "<b>第二句</b>；", "σ = 1 的"]) == "第一句。<b>第二句</b>；σ = 1 的"


def test_items_are_separated_as_a_language_does(monkeypatch):
    assert (words.listed(["a", "b", "c"]), words.clauses(iter("ab")), words.listed([])) == ("a, b, c", "a; b", "")
    monkeypatch.setenv(words.LANGUAGE, "zh")
    assert (words.listed(["a", "b", "c"]), words.clauses(["a", "b"])) == ("a、b、c", "a；b")
