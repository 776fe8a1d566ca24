"""The dashboard for a class: students get light kernels, and one engine computes for all of them.

    python -m ntkviz.app.classroom notebooks --port=8866

Every option of `ntkviz.app.serve` works here, too. The engine is that of `ntkviz.distant.host`, started here; or, where
the environment variable `NTKVIZ_ENGINE` names a Dask cluster, that one.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

from ..distant.requests import ENGINE
from . import serve

PATIENCE = 30  # seconds within which the engine must shut down


@contextlib.contextmanager
def engine() -> Iterator[dict[str, str]]:
    """Run our own engine; yields the environment variables that point to it."""
    command = [sys.executable, "-m", "ntkviz.distant.host"]
    # In a separate session: Ctrl-C stops the dashboard, and the engine stops when the dashboard does, for any reason.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as host:
        assert host.stdin
        assert host.stdout
        announced = host.stdout.readline()
        if not announced:
            raise SystemExit("The engine of the class did not start; its messages are above.")
        try:
            yield json.loads(announced)
        finally:
            host.stdin.close()
            try:
                host.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                host.kill()


def main(argv: list[str] | None = None) -> None:
    """Serve a class until interrupted."""
    serve.keep_compiled_code()  # the engine's, too
    if ENGINE in os.environ:
        serve.main(argv)
        return
    with engine() as environment:
        os.environ.update(environment)  # for the kernels; the engine's processes are already running
        if environment[ENGINE].startswith("tcp://"):
            print(
                "The package cryptography is not installed, so anyone with an account on this machine can run code in "
                "the engine with your permissions; install it, or use a machine of your own.",
                flush=True,
            )
        serve.main(argv)


if __name__ == "__main__":
    main()
