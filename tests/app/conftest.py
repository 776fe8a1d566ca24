"""Helpers for the tests of the app: they read texts and numbers off widgets, and wait for a worker."""

import csv
import io
import re
import time
from collections.abc import Callable


def text(html: str) -> str:
    """HTML without its tags."""
    return re.sub("<[^>]*>", "", html)


def reading(panel) -> str:
    """The visible line of text below a panel."""
    return text(panel.reading.value)


def csv_rows(panel) -> list[list[str]]:
    """The rows of a panel's CSV file, the headings first."""
    return list(csv.reader(io.StringIO(panel.to_csv())))


def csv_records(panel) -> list[dict[str, str]]:
    """The rows of a panel's CSV file, each by heading."""
    return list(csv.DictReader(io.StringIO(panel.to_csv())))


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for a worker; fails the test if the condition does not hold in time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)
