"""What all tests share: where the repository is, and room for what they compile."""

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="module", autouse=True)
def forget_compiled_code() -> Iterator[None]:
    """Each file of tests compiles anew: all files' code at once would take gigabytes."""
    yield
    jax.clear_caches()
