"""The Python that runs a side of a comparison: this one, or that of an environment created here for a peer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".cache" / "peers"


def ourselves() -> Path:
    """The Python that runs this code, which has ntkviz."""
    return Path(sys.executable)


def neural_tangents() -> Path:
    """A Python 3.11 or 3.12 with neural-tangents, a JAX version that it supports, and NumPy 1."""
    return _python_with(HERE / "neural_tangents.txt")


def _python_with(requirements: Path) -> Path:
    """The Python of `.cache/peers/NAME`, created if it is missing or its requirements have changed."""
    folder = ENVIRONMENTS / requirements.stem
    python, made_from = folder / "bin" / "python", folder / "made_from.txt"
    if not made_from.exists() or made_from.read_text() != requirements.read_text():
        print(f"Installing {requirements.stem} into {folder} (once) ...", file=sys.stderr)
        uv = Path(sys.executable).with_name("uv")  # one of the locked build tools
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
        _run(uv, "pip", "install", "--quiet", "--no-deps", "--python", python, "--requirement", requirements)
        shutil.copyfile(requirements, made_from)
    return python


def _run(*command: str | Path) -> None:
    subprocess.run(list(map(str, command)), check=True)
