"""Giving memory back: compiled code that will not run again, and what the allocator keeps of it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys


def release() -> None:
    """Forget all compiled code of this process and return its memory to the machine (the latter where glibc is)."""
    if jax := sys.modules.get("jax"):  # where a cluster calculates there is none
        jax.clear_caches()
    gc.collect()
    with contextlib.suppress(
        OSError, AttributeError
    ):  # another C library, which returns memory by itself or not at all
        ctypes.CDLL("libc.so.6").malloc_trim(0)
