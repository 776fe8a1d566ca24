"""What a page and its translation must have in common: their blocks, code, links and numbers."""

import re

from ntkviz.app.translation.invariants import faults

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"^(?:#+|[|!]|```\w*)|\n\n", re.MULTILINE)  # of a heading, a row, a picture, code or a paragraph
BLOCK = re.compile(r"\n\n|\n(?=[|#-])")  # what lies between two paragraphs, rows or items


def differences(english: str, translation: str) -> list[str]:
    """What a page and its translation do not share, in words; empty if nothing is found."""
    if MARK.findall(english) != MARK.findall(translation):
        return ["headings, rows, pictures, code or paragraphs"]
    here, there = ([re.sub(r" *#.*", "", block) for block in FENCED.findall(text)] for text in (english, translation))
    blocks = (BLOCK.split(FENCED.sub("", text).strip()) for text in (english, translation))
    found = [f"{two[:40]}: {fault}" for one, two in zip(*blocks, strict=True) for fault in faults(one, two)]
    return found + (["code differs in more than its comments"] if here != there else [])
