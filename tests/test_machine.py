"""Memory and processors are those of the container, in whichever form its limits are given."""

import math
import os
import platform
from types import SimpleNamespace

import psutil
import pytest

import ntkviz as nv
from ntkviz import machine
from ntkviz.app.server.dashboard import ENGINE, Dashboard
from ntkviz.errors import TooLargeError
from ntkviz.execution import memory_limit as bounded

GB = 10**9
NONE_V1 = 9223372036854771712  # version 1's notation for no limit


@pytest.fixture(autouse=True)
def host(monkeypatch, tmp_path):
    """A machine with 256 GB, of which 200 are free, and 64 processors, with only those groups that a test creates."""
    memory = SimpleNamespace(total=256 * GB, available=200 * GB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(machine, "GROUPS", tmp_path / "sys")
    monkeypatch.setattr(machine, "MEMBERSHIP", tmp_path / "cgroup")
    return memory


@pytest.fixture
def write(tmp_path):
    """Write `/proc/self/cgroup`, and files below `/sys/fs/cgroup`."""

    def writing(membership, files):
        (tmp_path / "cgroup").write_text(membership)
        for name, text in files.items():
            file = tmp_path / "sys" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")

    return writing


def figures():
    return machine.memory_total() / GB, machine.memory_available() / GB, machine.cores()


V2 = "0::/kubepods/pod7/page\n"
POD = "kubepods/pod7"


def test_without_groups_the_figures_are_the_machines():
    assert figures() == (256, 200, 64)


def test_where_there_is_no_linux(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert figures() == (256, 200, 1)


def test_processors_are_those_that_the_process_may_run_on(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7})
    assert machine.cores() == 3


def test_version_2(write):
    write(
        V2,
        {
            f"{POD}/page/memory.max": 2 * GB,
            f"{POD}/page/memory.current": 1500 * 10**6,
            f"{POD}/page/memory.stat": f"anon 5\ninactive_file {400 * 10**6}\nfile 7",
            f"{POD}/page/cpu.max": "150000 100000",
        },
    )
    assert figures() == (2, pytest.approx(0.9), 2)


@pytest.mark.parametrize("nearest", ["", "kubepods/", f"{POD}/", f"{POD}/page/"])
def test_the_smallest_limit_counts_at_whatever_level(write, nearest):
    above = {f"{level}memory.max": "max" for level in ("kubepods/", f"{POD}/", f"{POD}/page/")}
    above |= {f"{level}cpu.max": "max 100000" for level in ("kubepods/", f"{POD}/", f"{POD}/page/")}
    above |= {f"{nearest}memory.max": 3 * GB, f"{nearest}memory.current": GB, f"{nearest}cpu.max": "400000 100000"}
    write(V2, above)
    assert figures() == (3, 2, 4)


def test_free_memory_may_be_smallest_where_the_limit_is_not(write):
    """Sibling groups use most of a pod of 8 GB; the page itself may have 2 GB and uses 1."""
    write(
        V2,
        {
            f"{POD}/page/memory.max": 2 * GB,
            f"{POD}/page/memory.current": GB,
            f"{POD}/memory.max": 8 * GB,
            f"{POD}/memory.current": 7500 * 10**6,
        },
    )
    assert figures()[:2] == (2, 0.5)


def test_a_group_is_slowed_down_above_its_high_mark(write):
    write(V2, {f"{POD}/page/memory.max": 4 * GB, f"{POD}/page/memory.high": 3 * GB})
    assert figures()[:2] == (3, 3)


def test_a_group_that_is_full_has_nothing_left(write):
    write(V2, {f"{POD}/page/memory.max": 2 * GB, f"{POD}/page/memory.current": 2 * GB + 4096})
    assert machine.memory_available() == 0


@pytest.mark.parametrize("path", ["/", "/docker/0123", "/../other"])
def test_inside_a_container_its_own_group_looks_like_the_root(write, path):
    write(f"0::{path}\n", {"memory.max": 2 * GB, "memory.current": GB, "cpu.max": "200000 100000"})
    assert figures() == (2, 1, 2)


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("path", ["docker/0123/", ""])
def test_version_1(write, folder, path):
    write(
        "9:memory:/docker/0123\n4:cpu,cpuacct:/docker/0123\n1:name=systemd:/docker/0123\n",
        {
            f"memory/{path}memory.limit_in_bytes": 2 * GB,
            f"memory/{path}memory.usage_in_bytes": GB,
            f"memory/{path}memory.stat": f"inactive_file 1\ntotal_inactive_file {250 * 10**6}",
            f"{folder}/{path}cpu.cfs_quota_us": 50000,
            f"{folder}/{path}cpu.cfs_period_us": 100000,
        },
    )
    assert figures() == (2, 1.25, 1)


def test_version_1_without_limits(write):
    write(
        "9:memory:/\n4:cpu:/\n",
        {
            "memory/memory.limit_in_bytes": NONE_V1,
            "memory/memory.usage_in_bytes": GB,
            "cpu/cpu.cfs_quota_us": -1,
            "cpu/cpu.cfs_period_us": 100000,
        },
    )
    assert figures() == (256, 200, 64)


def test_both_versions_at_once(write):
    """Memory limited by version 1, processors by version 2, mounted beside it."""
    write(
        "9:memory:/a\n0::/b\n",
        {
            "memory/a/memory.limit_in_bytes": 2 * GB,
            "memory/a/memory.usage_in_bytes": 0,
            "unified/b/cpu.max": "300000 100000",
        },
    )
    assert figures() == (2, 2, 3)


@pytest.mark.parametrize("text", ["", "nonsense", "12 apples", "-5"])
def test_invalid_numbers_are_ignored(write, text):
    write(V2, {f"{POD}/page/cpu.max": text, f"{POD}/page/memory.stat": text})
    assert figures() == (256, 200, 64)


def test_a_machine_with_less_than_its_groups_allow(write, host):
    host.total, host.available = 8 * GB, 3 * GB
    write(V2, {f"{POD}/memory.max": 16 * GB, f"{POD}/memory.current": GB, f"{POD}/cpu.max": "9000000 100000"})
    assert figures() == (8, 3, 64)


# --- what depends on it ------------------------------------------------------------------------------------------


@pytest.fixture
def small_pod(write):
    """A pod of 2 GB and 2 processors."""
    write(V2, {f"{POD}/memory.max": 2 * GB, f"{POD}/memory.current": GB, f"{POD}/cpu.max": "200000 100000"})


def test_a_calculation_too_large_for_the_pod_is_refused(small_pod, monkeypatch):
    monkeypatch.delenv(bounded.LIMIT, raising=False)
    bounded.check_fits(0.9 * GB)
    with pytest.raises(TooLargeError, match="only 1 GB are free"):
        bounded.check_fits(1.5 * GB)
    with pytest.raises(TooLargeError):
        nv.empirical_ntk(nv.architectures.mlp(depth=2), [[1.0, 2.0]], width=2**15, key=0)  # 4 GB


def test_a_server_opens_as_many_pages_as_fit_into_the_pod(small_pod, monkeypatch):
    monkeypatch.delenv(ENGINE, raising=False)
    assert Dashboard().most_pages == math.floor(2 * GB / 550e6)


def test_threads_are_as_many_as_the_pod_has_processors(small_pod):
    from ntkviz.kernels import infinite

    infinite._threads.cache_clear()
    bounded.quicker_code.cache_clear()
    try:
        assert infinite._threads()._max_workers == 2
        assert bounded.quicker_code().get("xla_cpu_parallel_codegen_split_count") == 2
    finally:
        infinite._threads.cache_clear()
        bounded.quicker_code.cache_clear()


@pytest.mark.parametrize(
    ("memory", "expected"),
    [(8, {"quick": (3, 8 * GB), "background": (1, 4 * GB)}), (2, {"one": (4, GB)})],
    ids=["room for two workers", "room for one"],
)
def test_the_engines_threads_and_memory_are_the_pods(write, memory, expected):
    from ntkviz.distant import host

    write(V2, {f"{POD}/memory.max": memory * GB, f"{POD}/memory.current": GB, f"{POD}/cpu.max": "200000 100000"})
    workers = {name: worker["options"] for name, worker in host.workers("somewhere", None).items()}
    assert {name: (w["nthreads"], w["memory_limit"]) for name, w in workers.items()} == expected


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no function for it")
def test_freed_memory_is_returned_although_some_beyond_it_is_in_use():
    own = psutil.Process()
    blocks = [bytearray(b"x") * (64 * 1024) for _ in range(2000)]  # 131 MB, in blocks that glibc keeps when freed
    last = blocks.pop()
    blocks.clear()
    before = own.memory_info().rss
    machine.return_freed_memory()
    assert before - own.memory_info().rss > 100e6
    assert len(last) == 64 * 1024
