"""Files of data of a page, which `static/stored/connection.js` reads: compressed JSON.

A value that occurs several times, such as the curve of a limit under many settings of the width, is stored once: in a
pool, to which `{"$": k}` refers.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

SHORT = 40  # characters of JSON below which a value is written in its place


def packed(value: Any) -> bytes:
    """A value as such a file."""
    pool = _Pool()
    whole = {"value": pool.add(value), "pool": pool.parts}
    text = json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)  # the same data give the same file


def unpacked(data: bytes) -> Any:
    """The value of such a file."""
    known = json.loads(gzip.decompress(data))
    pool: list[Any] = []

    def whole(part: Any) -> Any:
        if isinstance(part, list):
            return [whole(one) for one in part]
        if isinstance(part, dict):
            return pool[part["$"]] if "$" in part else {name: whole(one) for name, one in part.items()}
        return part

    for part in known["pool"]:  # each refers to earlier ones alone
        pool.append(whole(part))
    return whole(known["value"])


def script(name: str, data: bytes) -> str:
    """A script that gives a page such a file in base64: a page opened from a disk may load nothing but scripts."""
    return f'ntkvizData("{name}","{base64.b64encode(data).decode()}");\n'


class _Pool:
    """The parts of a value that are long enough to be shared."""

    def __init__(self) -> None:
        self.parts: list[Any] = []
        self._places: dict[str, int] = {}

    def add(self, value: Any) -> Any:
        """The value, or a reference to it."""
        if isinstance(value, dict):
            value = {name: self.add(part) for name, part in value.items()}
        elif isinstance(value, list):
            value = [self.add(part) for part in value]
        elif not isinstance(value, str):
            return value
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if len(text) < SHORT:
            return value
        if text not in self._places:
            self._places[text] = len(self.parts)
            self.parts.append(value)
        return {"$": self._places[text]}
