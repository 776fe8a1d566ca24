"""How many pages a dashboard opens at most."""

from types import SimpleNamespace

import psutil
import pytest

from ntkviz.app.serve import ENGINE, Dashboard


@pytest.mark.parametrize(("engine", "memory", "pages"), [(False, 24e9, 43), (True, 24e9, 166), (True, 4e9, 1)])
def test_pages_are_as_many_as_fit(monkeypatch, engine, memory, pages):
    """A page takes 550 MB; for a class it takes 120, and the engine 4 GB."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=memory))
    monkeypatch.delenv(ENGINE, raising=False)
    if engine:
        monkeypatch.setenv(ENGINE, "tcp://somewhere")
    assert Dashboard().most_pages == pages
