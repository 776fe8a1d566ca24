"""Answers that are kept in a folder while a notebook is run in several languages: only the first run computes them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

KEPT = "NTKVIZ_ANSWERS"
"""The environment variable with the folder. It must not outlive the code: file names depend on requests alone."""


def kept_answer(answer: Callable[[str, bytes], bytes], name: str, arguments: bytes) -> bytes:
    """An answer, computed here unless it is kept; of equal arguments the bytes are equal, as on a cluster."""
    file = Path(os.environ[KEPT]) / f"{name}-{hashlib.sha256(arguments).hexdigest()}"
    if not file.exists():
        found = answer(name, arguments)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as written:
            written.write(found)
        Path(written.name).replace(file)  # another thread may be writing the same
    return file.read_bytes()
