"""The memory and CPUs that this process may use, with the limits of its container, and memory that it gives back.

A container, a pod or a systemd service is a Linux *control group*, whose limits do not show in the machine's own
figures. Groups are nested, and each limits everything in it, so the smallest limit applies. There are two interfaces,
version 1 with a tree of folders for each resource and version 2 with one tree for all; some machines have both. (Linux
kernel documentation, admin-guide/cgroup-v2.rst and admin-guide/cgroup-v1/.)
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

GROUPS = Path("/sys/fs/cgroup")
"""The mount point of control groups."""
MEMBERSHIP = Path("/proc/self/cgroup")
"""Lists the groups that this process is in, one line `number:resources:path` for each tree."""


def memory_total() -> float:
    """Bytes of memory of the machine, or of the smallest group that this process is in."""
    limits = (limit for group in _groups("memory") if (limit := _memory_limit(group)) is not None)
    return min(float(psutil.virtual_memory().total), *limits, math.inf)


def memory_available() -> float:
    """Bytes of memory that this process can still allocate, limited by the machine and by each of its groups.

    Cached files that were not read recently do not count as used by a group: they are evicted when necessary.
    """
    left = (limit - in_use(group) for group in _groups("memory") if (limit := _memory_limit(group)) is not None)
    return max(0.0, min(float(psutil.virtual_memory().available), *left, math.inf))


def cores() -> int:
    """CPUs that this process may use at a time, at least 1; fractions are rounded up."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = (share for group in _groups("cpu") if (share := _cpu_share(group)) is not None)
    return max(1, math.ceil(min(allowed, *shares, math.inf)))


def return_freed_memory() -> None:
    """Give memory that was freed back to the system. It takes milliseconds; only glibc has a function for it.

    After compilations and large networks, glibc keeps tens of megabytes between what is still in use (malloc_trim(3)).
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


# --- one group ---------------------------------------------------------------------------------------


def _memory_limit(group: Path) -> float | None:
    """The memory beyond which the kernel throttles or kills the group's processes, in bytes."""
    limits = [_number(group / name) for name in ("memory.max", "memory.high", "memory.limit_in_bytes")]
    return min((limit for limit in limits if limit is not None), default=None)


def in_use(group: Path) -> float:
    """The memory of the group's processes without evictable files, in bytes: the *working set* of a container."""
    held = next((n for f in ("memory.current", "memory.usage_in_bytes") if (n := _number(group / f)) is not None), 0.0)
    parts = dict(line.split(maxsplit=1) for line in _text(group / "memory.stat").splitlines() if " " in line)
    # Version 1 counts nested groups only in the entries named `total_…`.
    files = parts.get("total_inactive_file", parts.get("inactive_file", "0"))
    return max(0.0, held - (_as_number(files) or 0.0))


def _cpu_share(group: Path) -> float | None:
    """The CPU time per second that the group may use, in seconds; `None` without a limit."""
    quota, _, period = _text(group / "cpu.max").partition(" ")
    if not quota:
        quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
    time, of = _as_number(quota), _as_number(period)
    return time / of if time is not None and of and time > 0 else None


def _number(file: Path) -> float | None:
    return _as_number(_text(file))


def _as_number(text: str) -> float | None:
    """The number; `None` for `max` and for the empty text of a missing file."""
    try:
        return float(int(text))
    except ValueError:
        return None


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, ValueError):
        return ""


# --- which groups ------------------------------------------------------------------------------------


def _groups(resource: str) -> Iterator[Path]:
    """The folders of the groups that limit a resource of this process, from its own up to the root.

    Inside a container the path may begin outside it: missing folders are skipped, and the apparent root is the
    container's own group.
    """
    for line in _text(MEMBERSHIP).splitlines():
        number, _, rest = line.partition(":")
        resources, _, path = rest.partition(":")
        if number == "0" and not resources:
            trees = [GROUPS, GROUPS / "unified"]
        elif resource in resources.split(","):
            trees = [GROUPS / name for name in dict.fromkeys((resources, resource))]
        else:
            continue
        inside = PurePosixPath(path.lstrip("/"))
        inner = PurePosixPath() if ".." in inside.parts else inside
        yield from (tree / part for tree in trees for part in (inner, *inner.parents))
