"""What the tests of the app share: words and numbers read off a page's widgets, and waiting for a worker."""

import csv
import io
import re
import time
from collections.abc import Callable


def text(html: str) -> str:
    """HTML without its tags."""
    return re.sub("<[^>]*>", "", html)


def reading(panel) -> str:
    """What a panel says to the eye."""
    return text(panel.reading.value)


def csv_rows(panel) -> list[list[str]]:
    """The numbers in a panel, as its CSV file has them, the headings first."""
    return list(csv.reader(io.StringIO(panel.to_csv())))


def csv_records(panel) -> list[dict[str, str]]:
    """The numbers in a panel by heading."""
    return list(csv.DictReader(io.StringIO(panel.to_csv())))


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for what a worker does; fails the test if it is not done in time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)
