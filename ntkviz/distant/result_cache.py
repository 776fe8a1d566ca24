"""The result cache of a scheduler: finished answers stay on the cluster, for the next identical request."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from distributed import SchedulerPlugin

if TYPE_CHECKING:
    from distributed import Scheduler


class ResultCache(SchedulerPlugin):
    """Keeps the newest answers, up to `limit` bytes in all; Dask by itself drops results that no client holds."""

    CLIENT = "ntkviz-results"  # the client that holds them

    def __init__(self, limit: int):
        self.limit, self.held = limit, 0
        self._order: deque[tuple[str, int]] = deque()

    async def start(self, scheduler: Scheduler) -> None:
        """Called when the scheduler starts."""
        self._scheduler = scheduler

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Hold an answer that has just been computed."""
        if finish != "memory" or start == "memory":
            return
        size = self._scheduler.tasks[key].get_nbytes()
        self._scheduler.client_desires_keys([key], self.CLIENT)
        self._order.append((key, size))
        self.held += size
        if self.held > self.limit:  # not inside a transition: releasing starts another one
            self._scheduler.loop.add_callback(self._forget)

    def _forget(self) -> None:
        while self.held > self.limit:
            key, size = self._order.popleft()
            self.held -= size
            self._scheduler.client_releases_keys([key], self.CLIENT)
