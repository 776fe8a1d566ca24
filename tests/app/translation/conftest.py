"""The messages of the course, and catalogues in which all of them are translated."""

import pytest
from babel.messages.catalog import Catalog

from ntkviz.app.translation import refusals, words
from ntkviz.app.translation.extraction import templates

from . import pseudo


@pytest.fixture(scope="session")
def found(root) -> dict[str, Catalog]:
    """All messages, by the catalogue to which they belong."""
    return templates(root / "notebooks")


@pytest.fixture
def spoken(found, tmp_path, monkeypatch) -> str:
    """The code of a language into which everything is translated, which is that of this process."""
    for part, template in found.items():
        pseudo.write(tmp_path, template, part)
    monkeypatch.setattr(words, "CATALOGUES", tmp_path)
    monkeypatch.setenv(words.LANGUAGE, pseudo.CODE)
    yield pseudo.CODE
    words.catalogue.cache_clear()
    refusals._templates.cache_clear()
