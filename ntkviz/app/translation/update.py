"""Brings the catalogues up to date with the course, or starts one: `make words`, or

    python -m ntkviz.app.translation.update zh 02_ntk

A translation of a text that has changed is kept, but marked as fuzzy: readers see the English text until a translator
has looked at it. Texts that exist no more are dropped.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from .extraction import templates
from .words import CATALOGUES, ENGLISH, languages

NOTEBOOKS = Path("notebooks")
HEADER = "# {name}: the course ntkviz in {language}. Run `make words` after a change; docs/translating.md says how.\n#"


def updated(file: Path, template: Catalog) -> bytes:
    """What a catalogue should contain, with the translations that it has."""
    language = file.parent.name
    if file.is_file():
        with file.open("rb") as source:
            known = read_po(source, language)
    else:
        known = Catalog(language)
    known.update(template, update_header_comment=False)
    made = Catalog(language, header_comment=HEADER.format(name=file.stem, language=language), fuzzy=False)
    for one in known:
        if one.id:
            made.add(one.id, one.string, flags=one.flags - {"python-format"}, auto_comments=one.auto_comments)
    text = io.BytesIO()
    write_po(text, made, width=110, ignore_obsolete=True, omit_header=False)
    return _without_dates(text.getvalue())


def _without_dates(text: bytes) -> bytes:
    """A catalogue changes only when its messages do."""
    kept = (b'"Content-Type', b'"Content-Transfer', b'"Language:', b'"MIME', b'"Plural', b'"Project-Id')
    head, _, rest = text.partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if not line.startswith(b'"') or line.startswith(kept)]
    return b"\n".join(lines).replace(b"PROJECT VERSION", b"ntkviz") + b"\n\n" + rest


def counts(file: Path, template: Catalog) -> tuple[int, int]:
    """How many messages are translated, and how many there are."""
    with file.open("rb") as source:
        known = [one for one in read_po(source, file.parent.name) if one.id and not one.fuzzy]
    return sum(all([one.string] if isinstance(one.string, str) else one.string or [""]) for one in known), len(template)


def report(found: dict[str, Catalog]) -> Iterator[str]:
    """A line for each catalogue of each language: how much of it is translated."""
    for language in languages():
        for part, template in found.items() if language != ENGLISH else ():
            file = CATALOGUES / language / f"{part}.po"
            done, whole = counts(file, template) if file.is_file() else (0, len(template))
            yield f"{language} {part}: {done} of {whole}"


def main(argv: Sequence[str]) -> None:
    """Update all catalogues, after adding those that are named: a language, and its parts."""
    found = templates(NOTEBOOKS)
    started = [CATALOGUES / argv[0] / f"{part}.po" for part in argv[1:]]
    for file in sorted({*CATALOGUES.rglob("*.po"), *started}):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(updated(file, found[file.stem]))
    print("\n".join(report(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
