"""The messages of a Markdown text: its headings, paragraphs and items of lists, one by one.

What frames a message (the sign of a heading or of an item, the state of a step, the tags of its question and of the
teacher's note) is no part of it, so that no translation can break it. Displayed formulas and code are no messages, but
for the words in `\\text{}` and the comments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

BLOCK = re.compile(
    r"""
    ^```.*?^```[^\n]*                                    # code
    | ^\$\$.*?\$\$[^\n]*                                 # a displayed formula
    | ^\#{1,6}[ ][^\n]+                                   # a heading
    | ^[^\n]*\S[^\n]*(?:\n(?![-*+][ ]|\d+\.[ ]|\#|>|```|\$\$|</?details|[ \t]*$)[^\n]+)*   # a paragraph, or an item
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
FRAMED = re.compile(
    r"""
    (?P<before>\s*(?:\#{1,6}[ ]+|[-*+][ ]+|\d+\.[ ]+|>[ ]+)?(?:<a[ ]id="[\w-]+"></a>)?
        (?:<details>)?(?:<summary>|<aside>)?)
    (?P<message>.*?)
    (?P<after>(?:</summary>|</aside>)?(?:</details>)?\s*)
    """,
    re.DOTALL | re.VERBOSE,
)
STEP = re.compile(
    r"(?P<before>\#{1,6} +\[)(?P<message>.+)(?P<after>\]\(\#[^)]*\))"
)  # the heading of one, and its state
IN_FORMULA = re.compile(r"(?P<before>.*?\\text\{\s*)(?P<message>[^{}]*?)(?P<after>\s*\})", re.DOTALL)  # words
COMMENT = re.compile(r"(?P<before>.*?(?:^|\s)# )(?P<message>.*)")  # in a line of code
CLOSED = re.compile(r"(?<!\$)\$[^$\n]+\$[，。：；、！？）」”]+")
NO_WORDS = re.compile(r"\$[^$]*\$|`[^`]*`|<[^>]*>|\]\([^)]*\)|\{[^{}]*\}")
WORD = re.compile(r"[^\W\d_]{2,}")


def in_words(text: str) -> bool:
    """Whether there are words in a text besides formulas, code, tags and fields to be filled in."""
    return bool(WORD.search(NO_WORDS.sub(" ", text)))


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """A text cut into pieces, each with whether it is a message; together they are the text."""
    end = 0
    for block in BLOCK.finditer(text):
        yield text[end : block.start()], False
        yield from _of_code(block[0]) if block[0].startswith("```") else _of_block(block[0])
        end = block.end()
    yield text[end:], False


def messages(text: str) -> list[str]:
    """The messages of a text, in order."""
    return [piece for piece, is_message in pieces(text) if is_message]


def translated(text: str, say: Callable[[str], str]) -> str:
    """A text with what `say` says in place of each message."""
    return "".join(_together(say(piece)) if is_message else piece for piece, is_message in pieces(text))


def _together(message: str) -> str:
    """A message whose formulas stay on the line of the punctuation after them.

    Browsers break lines on either side of a formula, even before a full-width comma.
    """
    return CLOSED.sub(r'<span class="nv-together">\g<0></span>', message)


def _of_block(block: str) -> Iterator[tuple[str, bool]]:
    if block.startswith("$$"):
        yield from _of_formula(block)
        return
    framed = STEP.fullmatch(block) or FRAMED.fullmatch(block)
    assert framed
    yield framed["before"], False
    yield framed["message"], in_words(framed["message"])
    yield framed["after"], False


def _of_formula(block: str) -> Iterator[tuple[str, bool]]:
    end = 0
    for words in IN_FORMULA.finditer(block):
        yield words["before"], False
        yield words["message"], in_words(words["message"])
        yield words["after"], False
        end = words.end()
    yield block[end:], False


def _of_code(block: str) -> Iterator[tuple[str, bool]]:
    for line in block.splitlines(keepends=True):
        comment = COMMENT.fullmatch(line.rstrip("\n"))
        if comment is None:
            yield line, False
            continue
        yield comment["before"], False
        yield comment["message"], in_words(comment["message"])
        yield line[comment.end() :], False
