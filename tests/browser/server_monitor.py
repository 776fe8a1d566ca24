"""The kernels, files, sockets and memory of a server, none of which a closed page may leave behind."""

import os
import time
from pathlib import Path
from typing import NamedTuple

import psutil


def own_folder(folder: str | Path) -> tuple[str, dict[str, str]]:
    """The option and the environment with which a server keeps all files of its kernels in this folder."""
    place = str(folder)
    return f"--Voila.connection_dir_root={place}", {**os.environ, "TMPDIR": place, "JUPYTER_RUNTIME_DIR": place}


class Resources(NamedTuple):
    """What a server uses: kernels, their files, open files and sockets, and memory in MB.

    `server` is the private memory of its own process, `altogether` the memory of all its processes.
    """

    kernels: int
    files: int
    open_files: int
    server: float
    altogether: float


class ServerMonitor:
    """Measures a server's processes and the folder of its kernels' files."""

    def __init__(self, process: int, folder: Path):
        self.server, self.folder = psutil.Process(process), folder

    def resources(self) -> Resources:
        """What the server uses now; memory that processes share is divided among them (PSS)."""
        return Resources(
            sum(map(self._is_kernel, self.processes())),
            sum(1 for path in self.folder.rglob("*") if not path.is_dir()),
            self.server.num_fds(),
            self.memory_of_server(),
            sum(map(_memory, self.processes())),
        )

    def memory_of_server(self) -> float:
        """The private memory of the server's own process, in MB; shared libraries depend on who else uses them."""
        memory = self.server.memory_info()
        return (memory.rss - memory.shared) / 1e6

    def processes(self) -> list[psutil.Process]:
        """The server and all processes that it has started."""
        return [self.server, *self.server.children(recursive=True)]

    def rest(self, patience: float = 90, idle: float = 0.2) -> None:
        """Wait until the server uses less than `idle` seconds of CPU time in two: its kernels are then ready."""
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
