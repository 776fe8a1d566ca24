"""The messages of the course, and catalogues in which all of them are translated."""

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from ntkviz.app.translation import refusals, words
from ntkviz.app.translation.extraction import templates

from . import pseudo


@pytest.fixture(scope="session")
def found(root) -> dict[str, Catalog]:
    """All messages, by the catalogue to which they belong."""
    return templates(root / "notebooks")


@pytest.fixture(scope="session")
def catalogues(found, tmp_path_factory) -> Path:
    """A folder with a language into which everything is translated."""
    folder = tmp_path_factory.mktemp("catalogues")
    for part, template in found.items():
        pseudo.write(folder, template, part)
    return folder


@pytest.fixture
def spoken(catalogues, monkeypatch) -> str:
    """The code of that language, which is that of this process."""
    monkeypatch.setattr(words, "CATALOGUES", catalogues)
    monkeypatch.setenv(words.LANGUAGE, pseudo.CODE)
    yield pseudo.CODE
    words.catalogue.cache_clear()
    refusals._templates.cache_clear()
