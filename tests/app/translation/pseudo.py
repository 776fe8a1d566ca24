"""A language for tests: every word has accents, every text is in brackets and 40 % longer. What a page shows without
brackets is not translated."""

import re
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

KEPT = re.compile(r"\$[^$]*\$|`[^`]*`|<[^>]*>|\]\([^)]*\)|\{[^{}]*\}|&\w+;")
ACCENTS = str.maketrans("aeiouyAEIOUYcnsz", "áéíóúýÁÉÍÓÚÝçñšž")
CODE = "de"
"""Its code: that of a language with two forms of plurals, which the course does not have."""


def pseudo(text: str) -> str:
    """A text in this language; formulas, code, tags, links and fields are as they were."""
    kept = KEPT.findall(text)
    parts = [part.translate(ACCENTS) for part in KEPT.split(text)]
    longer = " ".join(["êêêê"] * max(1, round(0.4 * sum(map(len, parts)) / 5)))
    spoken = "".join(a + b for a, b in zip(parts, [*kept, ""], strict=True))
    body = spoken.strip()
    return spoken.replace(body, f"⟦{body} {longer}⟧") if body else text


def write(folder: Path, template: Catalog, part: str) -> None:
    """Write a catalogue in which everything is translated into this language."""
    made = Catalog(CODE)
    for one in template:
        if one.id:
            made.add(one.id, tuple(map(pseudo, one.id)) if isinstance(one.id, tuple) else pseudo(one.id))
    file = folder / CODE / f"{part}.po"
    file.parent.mkdir(exist_ok=True)
    with file.open("wb") as target:
        write_po(target, made)
