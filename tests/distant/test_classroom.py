"""The command for a class: light kernels get their answers, and nothing is left running when it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

CELL = """
import os, sys
import ntkviz as nv
ntk = nv.infinite_ntk(nv.architectures.mlp, [[1.0]]).ntk
print("answered", ntk.shape, "jax" in sys.modules, "at", os.environ["NTKVIZ_ENGINE"], "!")
"""
KILLED = """
import os
from ntkviz.app.classroom import engine
running = engine()
print(running.__enter__()["NTKVIZ_ENGINE"], flush=True)
os.kill(os.getpid(), 9)
"""


def assert_ends(address: str) -> None:
    """Assert that within seconds nothing on this machine listens at an address any more."""
    host, port = address.split("://")[1].split(":")
    assert host == "127.0.0.1"
    for _ in range(200):
        with socket.socket() as knock:
            if knock.connect_ex((host, int(port))):
                return
        time.sleep(0.1)
    pytest.fail("the engine still listens")


def test_a_class_is_served_by_light_kernels(tmp_path: Path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(notebook, tmp_path / "00_home.ipynb")
    command = [sys.executable, "-m", "ntkviz.app.classroom", str(tmp_path), "--port=9310"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as server:
        try:
            assert server.stdout
            line = next(line for line in server.stdout if "ntkviz is open at" in line)
            url = next(word for word in line.split() if word.startswith("http"))
            with urllib.request.urlopen(url, timeout=60) as page:
                _, _, answered = page.read().decode().rpartition("answered")
            assert answered.startswith(" (1, 1) False at ")
            address = answered.split()[4]
        finally:
            os.killpg(server.pid, signal.SIGINT)  # as Ctrl-C does: every process of the terminal receives it
            server.wait(60)
    assert server.returncode == 0
    assert_ends(address)


def test_an_engine_ends_with_the_process_that_started_it():
    started = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, timeout=60)
    assert_ends(started.stdout.strip())
