"""What this installation has and lacks: versions, memory, processors, GPU, cache, optional packages."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from . import machine

_OPTIONAL = re.compile(r"^([A-Za-z0-9._-]+).*;\s*extra == ['\"]([a-z]+)['\"]")
_FOR = {
    "app": "the course",
    "cluster": "large kernels and classes on a Dask cluster",
    "flax": "models in Flax",
    "equinox": "models in Equinox",
    "haiku": "models in Haiku",
    "torch": "models in PyTorch",
    "tinygp": "Gaussian processes with tinygp",
}
ENOUGH = 2e9  # bytes of memory that a page and its computations fit into
GB = 1e9


def report() -> Iterator[str]:
    """The lines of the report; nothing is changed, and nothing is fetched."""
    yield f"ntkviz {metadata.version('ntkviz')}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    yield from _memory()
    yield f"processors: {machine.cores()}"
    yield from _jax()
    yield _cache()
    yield from _extras()


def _memory() -> Iterator[str]:
    free, total = machine.memory_available(), machine.memory_total()
    yield f"memory: {free / GB:.1f} GB of {total / GB:.1f} GB are free"
    if free < ENOUGH:
        yield f"  ! less than {ENOUGH / GB:.0f} GB: close other programs, or limit a computation by NTKVIZ_MEMORY_GB=1"


def _jax() -> Iterator[str]:
    import jax

    devices = ", ".join(sorted({f"{d.device_kind} ({d.platform})" for d in jax.devices()}))
    yield f"JAX {jax.__version__} computes on: {devices}"
    if shutil.which("nvidia-smi") and jax.default_backend() == "cpu":
        yield '  ! there is an NVIDIA GPU that JAX does not use: pip install "jax[cuda13]"'


def _cache() -> str:
    """The folder of compiled code that the course keeps; `JAX_COMPILATION_CACHE_DIR` chooses another."""
    chosen = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if chosen is None:
        try:
            import platformdirs
        except ModuleNotFoundError:
            return "compiled code: not kept between runs (the course would keep it)"
        chosen = str(platformdirs.user_cache_path("ntkviz") / "jax")
    size = sum(file.stat().st_size for file in Path(chosen).rglob("*") if file.is_file())
    return f"compiled code: {size / 1e6:.0f} MB in {chosen}"


def _extras() -> Iterator[str]:
    """A line for each optional part of the package: whether all that it needs is installed."""
    needed: dict[str, list[str]] = {extra: [] for extra in _FOR}
    for line in metadata.requires("ntkviz") or []:
        if (found := _OPTIONAL.match(line)) and found[2] in needed:
            needed[found[2]].append(found[1])
    for extra, names in needed.items():
        missing = [name for name in names if not _installed(name)]
        what = _FOR[extra]
        yield (
            f'  ! {what}: {", ".join(missing)} missing: pip install "ntkviz[{extra}]"'
            if missing
            else f"{what}: installed"
        )


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
