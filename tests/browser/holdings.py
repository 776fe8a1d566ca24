"""What a server has: kernels, files, sockets and memory, none of which a page that is closed may leave behind."""

import os
import time
from pathlib import Path
from typing import NamedTuple

import psutil


def apart(folder: str | Path) -> tuple[str, dict[str, str]]:
    """The option and the environment with which a server keeps all its kernels' files in a folder of its own."""
    place = str(folder)
    return f"--Voila.connection_dir_root={place}", {**os.environ, "TMPDIR": place, "JUPYTER_RUNTIME_DIR": place}


class Holdings(NamedTuple):
    """What a server has: kernels, files of theirs, files and sockets it keeps open, and MB of memory.

    `server` is what its own process wrote, `altogether` the memory of all its processes.
    """

    kernels: int
    files: int
    open_files: int
    server: float
    altogether: float


class Household:
    """A server's processes and the folder of its kernels' files."""

    def __init__(self, process: int, folder: Path):
        self.server, self.folder = psutil.Process(process), folder

    def holdings(self) -> Holdings:
        """What the server has now; memory that processes share is shared out among them (PSS)."""
        return Holdings(
            sum(map(self._is_kernel, self.processes())),
            sum(1 for path in self.folder.rglob("*") if not path.is_dir()),
            self.server.num_fds(),
            self.memory_of_server(),
            sum(map(_memory, self.processes())),
        )

    def memory_of_server(self) -> float:
        """MB that the server's own process wrote; its share of libraries depends on who else uses them."""
        memory = self.server.memory_info()
        return (memory.rss - memory.shared) / 1e6

    def processes(self) -> list[psutil.Process]:
        """The server and all it has started."""
        return [self.server, *self.server.children(recursive=True)]

    def rest(self, patience: float = 90, idle: float = 0.2) -> None:
        """Wait until it computes for less than `idle` seconds in two: waiting kernels are ready then."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            before = self._computed()
            time.sleep(2)
            if self._computed() - before < idle:
                return

    def _computed(self) -> float:
        return sum(_cpu_seconds(process) for process in self.processes())

    def _is_kernel(self, process: psutil.Process) -> bool:
        try:
            return any(str(self.folder) in argument for argument in process.cmdline()) and process != self.server
        except psutil.Error:  # it has just ended
            return False


def _memory(process: psutil.Process) -> float:
    try:
        return process.memory_full_info().pss / 1e6
    except psutil.Error:
        return 0.0


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:2])
    except psutil.Error:
        return 0.0
