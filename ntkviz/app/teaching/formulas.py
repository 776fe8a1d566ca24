"""The short formulas of steps as HTML, for pages that load no MathJax."""

from __future__ import annotations

import re
import unicodedata

from ...errors import InputError

FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$]+)\$", re.DOTALL)
TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[A-Za-z]|\d|\s+|.", re.DOTALL)
HALF = {("1", "2"): "½", ("1", "3"): "⅓", ("1", "4"): "¼", ("3", "4"): "¾"}
WORDS = {"top": "⊤", "to": "→", "approx": "≈", "cdot": "·", "times": "×", ";": " ", "lambda": "λ", "Lambda": "Λ"}
BAR = "\u0304"  # combining


def with_formulas(text: str) -> str:
    """A text whose formulas, `$…$` and `$$…$$`, are written in HTML."""
    return FORMULA.sub(lambda found: html(found[1] or found[2]), text)


def html(latex: str) -> str:
    """A formula: Greek and Latin letters, indices, powers, roots, bars and simple fractions.

    Raises:
        InputError: It has any other command, which would be lost.
    """
    tokens = TOKEN.findall(latex)
    return _sequence(tokens, "") if tokens else ""


def _sequence(tokens: list[str], end: str) -> str:
    """What stands up to `end`; takes its tokens off the list."""
    written = ""
    while tokens and tokens[0] != end:
        written += _one(tokens)
    if end:
        if not tokens:
            raise InputError(f"A formula lacks its “{end}”.")
        tokens.pop(0)
    return written


def _one(tokens: list[str]) -> str:
    token = tokens.pop(0)
    if token == "{":
        return _sequence(tokens, "}")
    if token in ("_", "^"):
        tag = "sub" if token == "_" else "sup"
        return f"<{tag}>{_argument(tokens)}</{tag}>"
    if token[0] == "\\":
        return _command(token[1:], tokens)
    if token.isascii() and token.isalpha():
        return f"<i>{token}</i>"
    return {"-": "−", "<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(token, "" if token.isspace() else token)


def _argument(tokens: list[str]) -> str:
    while tokens and tokens[0].isspace():
        tokens.pop(0)
    if not tokens:
        raise InputError("A formula ends where a command still needs its argument.")
    return _one(tokens)


def _command(name: str, tokens: list[str]) -> str:
    if name == "class":  # of a term that stands for a part of the picture
        _argument(tokens)
        return _argument(tokens)
    if name == "bar":
        return re.sub(r"(\w)(</i>)?$", rf"\1{BAR}\2", _argument(tokens))
    if name == "sqrt":
        under = _argument(tokens)
        return f"√{under}" if len(re.sub("<[^>]*>", "", under)) == 1 or under.isdigit() else f"√({under})"
    if name in ("tfrac", "frac"):
        above, below = _argument(tokens), _argument(tokens)
        return HALF.get((above, below), f"({above}/{below})")
    return WORDS.get(name) or _greek(name)


def _greek(name: str) -> str:
    case, letter = "CAPITAL" if name[0].isupper() else "SMALL", name.removeprefix("var").upper()
    try:
        return unicodedata.lookup(f"GREEK {case} LETTER {letter}")
    except KeyError:
        raise InputError(
            f"The command \\{name} cannot be written without MathJax; add it to ntkviz/app/teaching/formulas.py, or "
            "move the formula into the text below the steps."
        ) from None
