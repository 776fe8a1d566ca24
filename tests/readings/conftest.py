"""What the tests of the readings share."""

import contextlib

import jax
import numpy as np
import pytest


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
