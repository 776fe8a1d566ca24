"""A server in a separate process: the dashboard, or Jupyter as Binder starts it."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

BINDER = "http://127.0.0.1:8950"
"""Where the tests start Binder's Jupyter."""


@dataclass
class Server:
    """A dashboard in a separate process."""

    process: subprocess.Popen
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address, as it announced it, without the slash at the end."""
        return next(word for line in self.lines for word in line.split() if word.startswith("http")).rstrip("/")

    def chapter(self, name: str) -> str:
        """The address of one notebook."""
        return f"{self.url}/voila/render/{name}"


@contextmanager
def serving(
    folder: Path, *options: str, module: str = "ntkviz.app.serve", environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Serve `folder` on a free port until the block ends; the server is interrupted as Ctrl-C does.

    It shows no stored states, unless an option says which, since this machine's user may have some.
    """
    stored = [] if any(option.startswith("--Dashboard.stored") for option in options) else ["--Dashboard.stored="]
    command = [sys.executable, "-m", module, str(folder), "--port=8900", *stored, *options]
    with _running(command, environment, signal.SIGINT) as server:
        yield server


@contextmanager
def on_binder(checkout: Path, workspaces: Path, limit: Sequence[str] = ()) -> Iterator[Server]:
    """The Jupyter that Binder starts in a checkout, at `BINDER` until the block ends.

    - `workspaces`: a folder for JupyterLab's, instead of this machine's, whose documents it would open again.
    - `limit`: a command that starts it with limits, if any.
    """
    where = urlsplit(BINDER)
    options = ["--no-browser", "--allow-root", "--ServerApp.token=", "--ServerApp.port_retries=0"]
    options += [f"--ServerApp.ip={where.hostname}", f"--ServerApp.port={where.port}"]
    command = [*limit, str(checkout / "binder" / "start"), sys.executable, "-m", "jupyterlab", *options]
    command.append(f"--LabApp.workspaces_dir={workspaces}")
    with _running(command, {**os.environ, "REPO_DIR": str(checkout)}, signal.SIGTERM) as server:
        deadline = time.monotonic() + 60
        while not _listens(BINDER):  # it names its address before it listens
            assert server.process.poll() is None, "\n".join(server.lines)
            assert time.monotonic() < deadline, "Jupyter does not listen"
            time.sleep(0.2)
        yield server


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str] | None, end: signal.Signals) -> Iterator[Server]:
    """A server that announces its address, until the block ends; `end` stops it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    server = Server(process)
    announced = threading.Event()

    def read() -> None:
        assert process.stdout
        for line in process.stdout:
            server.lines.append(line.rstrip())
            if "http" in line:
                announced.set()
        announced.set()  # it has ended

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert announced.wait(60), "the server printed nothing for a minute"
        yield server
    finally:
        process.send_signal(end)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        reader.join(10)


def _listens(address: str) -> bool:
    where = urlsplit(address)
    with socket.socket() as trial:
        return trial.connect_ex((where.hostname, where.port)) == 0


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
    """The answer to a request whose path is sent exactly as it is written, dots included."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return (
        answer.status,
        {name.lower(): value for name, value in answer.getheaders()},
        answer.read().decode(errors="replace"),
    )


def reveals_paths(text: str) -> bool:
    """Whether a text contains a traceback or a path of the server."""
    return bool(re.search(r"Traceback|site-packages|/(tmp|home|root|work|usr)/|\.py\b", text))
