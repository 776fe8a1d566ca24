"""What all tests share: where the repository is, and room for what they compile."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
import signatures

signatures.install()  # before any test imports the engine

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


@pytest.fixture
def rng():
    """The same random numbers in every run."""
    return np.random.default_rng(0)


@pytest.fixture
def compilations():
    """`with compilations() as count:` counts what XLA compiles inside; read `count()`."""

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
