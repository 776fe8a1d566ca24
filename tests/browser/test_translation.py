"""Pages in the language of tests, whose texts are in brackets and longer: all is translated, and nothing is cut off."""

import json
import os

import pytest
from app.translation import pseudo
from pages import LAPTOP, open_chapter

from ntkviz.app.translation.extraction import templates

CHAPTER = "09_mlp"
SHOWN = """
    [...document.querySelectorAll('h1, h2, h3, main p, main li, summary, button, .nv-menu :is(a, span), .nv-turn a')]
    .filter(e => !e.matches('.nv-code *') && !e.querySelector('p, li'))
    .map(e => { const copy = e.cloneNode(true); copy.querySelectorAll('mjx-container, code').forEach(x => x.remove());
                return copy.textContent.replace(/\\$[^$]+\\$|\\$\\$[^]+?\\$\\$/g, '').trim(); })
    .filter(text => /\\p{L}{2,}/u.test(text))
"""
"""The texts of a page, without formulas and code."""


@pytest.fixture(scope="module")
def spoken(root, serve, tmp_path_factory):
    """A dashboard of the home page and of a chapter without its code, with a language for tests."""
    folder, catalogues = (tmp_path_factory.mktemp(name) for name in ("notebooks", "catalogues"))
    for name in ("00_home", CHAPTER):
        notebook = json.loads((root / "notebooks" / f"{name}.ipynb").read_text())
        notebook["cells"] = [cell for cell in notebook["cells"] if name != CHAPTER or cell["cell_type"] == "markdown"]
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook))
    for part, template in templates(folder).items():
        pseudo.write(catalogues, template, part)
    environment = os.environ | {"NTKVIZ_CATALOGUES": str(catalogues)}
    with serve(folder, "--VoilaConfiguration.preheat_kernel=False", environment=environment) as server:
        yield server


@pytest.mark.parametrize("name", ["00_home", CHAPTER])
def test_every_text_is_translated_and_none_is_cut_off(page, spoken, name, assert_nothing_is_cut_off):
    open_chapter(page, spoken.chapter(f"{pseudo.CODE}/{name}.ipynb"))
    texts = page.evaluate(SHOWN)
    assert len(texts) > 15
    assert [text for text in texts if "⟦" not in text] == []
    for size in (LAPTOP, {"width": 390, "height": 844}):
        page.set_viewport_size(size)
        assert_nothing_is_cut_off(page)
