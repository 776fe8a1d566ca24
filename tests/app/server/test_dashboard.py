"""The largest number of open pages, and that kernels leave nothing behind in the server."""

import logging

import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, ServerKernelManager

from ntkviz import machine
from ntkviz.app.server.dashboard import ENGINE, Dashboard


@pytest.mark.parametrize(("engine", "memory", "pages"), [(False, 24e9, 43), (True, 24e9, 166), (True, 4e9, 1)])
def test_the_number_of_pages_is_limited_by_memory(monkeypatch, engine, memory, pages):
    """A page takes 550 MB; for a class it takes 120, and the engine 4 GB."""
    monkeypatch.setattr(machine, "memory_total", lambda: memory)
    monkeypatch.delenv(ENGINE, raising=False)
    if engine:
        monkeypatch.setenv(ENGINE, "tcp://somewhere")
    assert Dashboard().most_pages == pages


def test_a_kernel_leaves_no_logger_behind():
    """Python never releases a logger; if each kernel had its own, the server would grow with every page."""
    manager = AsyncMappingKernelManager(parent=Dashboard())
    kernels, loggers = [], []
    for _ in range(3):
        kernels.append(ServerKernelManager(parent=manager))
        assert kernels[-1].event_logger.schemas, "it has the schemas of kernels' events"
        loggers.append(len(logging.root.manager.loggerDict))
    assert loggers[0] == loggers[-1]
