"""What all tests share: the path of the repository, and limits on the memory of compiled code."""

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
import signatures

signatures.install()  # before any test imports the engine

ROOT = Path(__file__).parents[1]


def pytest_collection_finish() -> None:
    """Garbage collections need not go through all that is imported, which took a tenth of the time of the tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="module", autouse=True)
def forget_compiled_code() -> Iterator[None]:
    """Forget compiled code after each file of tests: the code of all files together would take gigabytes."""
    yield
    jax.clear_caches()


@pytest.fixture
def rng():
    """The same random numbers in every run."""
    return np.random.default_rng(0)


@pytest.fixture
def compilations():
    """`with compilations() as count:` counts XLA compilations in the block; `count()` reads the counter."""

    @contextlib.contextmanager
    def counting():
        counted = [0]

        def listen(event: str, duration: float, **_):
            if event == "/jax/core/compile/backend_compile_duration":
                counted[0] += 1

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            yield lambda: counted[0]
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)

    return counting
