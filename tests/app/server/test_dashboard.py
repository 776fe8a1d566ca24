"""How many pages a dashboard opens at most, and that its kernels leave nothing in the server."""

import logging

import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, ServerKernelManager

from ntkviz import machine
from ntkviz.app.server.dashboard import ENGINE, Dashboard


@pytest.mark.parametrize(("engine", "memory", "pages"), [(False, 24e9, 43), (True, 24e9, 166), (True, 4e9, 1)])
def test_pages_are_as_many_as_fit(monkeypatch, engine, memory, pages):
    """A page takes 550 MB; for a class it takes 120, and the engine 4 GB."""
    monkeypatch.setattr(machine, "memory_total", lambda: memory)
    monkeypatch.delenv(ENGINE, raising=False)
    if engine:
        monkeypatch.setenv(ENGINE, "tcp://somewhere")
    assert Dashboard().most_pages == pages


def test_a_kernel_leaves_no_logger_behind():
    """Python keeps each logger that was ever named; with the kernels' own, a server would grow with every page."""
    manager = AsyncMappingKernelManager(parent=Dashboard())
    kernels, loggers = [], []
    for _ in range(3):
        kernels.append(ServerKernelManager(parent=manager))
        assert kernels[-1].event_logger.schemas, "it knows what kernels report"
        loggers.append(len(logging.root.manager.loggerDict))
    assert loggers[0] == loggers[-1]
