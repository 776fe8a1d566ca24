"""What the page's search knows: every section and step of every chapter, and the glossary."""

import json
import re

import pytest

from ntkviz.app import chapters
from ntkviz.app.course.search import glossary, search_data

TEXT = """# The NTK

Digits.

```python
# not a heading
```

## <a id="idea"></a>Where *it* comes from

**So** $\\class{mjx-nv-limit}{\\tfrac{\\sigma_w}{n}}\\Theta$:

$$\\Theta$$
"""

STEP = """### [Narrow networks disagree](#width=64)

They do."""


@pytest.fixture(scope="module")
def notebooks(root):
    return root / "notebooks"


def test_a_step_is_found_with_its_state_and_a_section_with_its_anchor(tmp_path):
    cells = [{"cell_type": "markdown", "source": text.splitlines(keepends=True)} for text in (TEXT, STEP)]
    notebook = {"metadata": {"title": "The NTK"}, "cells": cells}
    (tmp_path / "02_ntk.ipynb").write_text(json.dumps(notebook))
    page = {"chapter": "2 · The NTK", "page": "02_ntk.ipynb"}
    assert search_data(tmp_path)["sections"] == [
        page | {"title": "The NTK", "link": "#The-NTK", "text": "Digits."},
        page | {"title": "Where it comes from", "link": "#idea", "text": "So σ_wnΘ:"},
        page | {"title": "Narrow networks disagree", "link": "#width=64", "text": "They do."},
    ]


def test_every_chapter_is_searched(notebooks):
    sections = search_data(notebooks)["sections"]
    assert {section["page"] for section in sections} == {chapter.file for chapter in chapters(notebooks)}
    assert not [section for section in sections if re.search(r"</?\w+>|\]\(|\\[A-Za-z]", section["text"])]


def test_every_entry_of_the_glossary_leads_to_a_chapter_and_a_symbol_has_one_meaning_on_a_page(notebooks):
    entries = glossary(chapters(notebooks))
    assert all(entry["home"] and entry["meaning"].endswith(".") for entry in entries)
    for name in (chapter.name for chapter in chapters(notebooks)):
        for special in (True, False):
            valid = [entry for entry in entries if (name in entry["in"] if special else not entry["in"])]
            symbols = [symbol for entry in valid for symbol in entry["symbols"]]
            assert len(symbols) == len(set(symbols)), f"two meanings in {name}"
