"""Large kernels in blocks: equal to the whole, resumable after a kill, on a cluster, in bounded memory."""

import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path

import distributed
import numpy as np
import pytest

import ntkviz as nv
from ntkviz import cluster
from ntkviz.errors import ClusterError, HyperparameterError, InputError
from ntkviz.kernels import gram

mlp, rnn = nv.architectures.mlp, nv.architectures.rnn


@pytest.fixture
def calculated(monkeypatch):
    """The numbers of the blocks that this process computes."""
    numbers = []
    original = gram.Work.block

    def counted(work, number):
        numbers.append(number)
        return original(work, number)

    monkeypatch.setattr(gram.Work, "block", counted)
    return numbers


def _quiet(*args, **options):
    return nv.gram(*args, progress=False, **options)


def _assert_equal(one, other):
    for part in ("nngp", "ntk", "error"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


# --- equal to the whole ------------------------------------------------------------------------------


def _vectors(rng, count):
    return rng.normal(size=(count, 3))


def _pairs(rng, count):
    return rng.normal(size=(count, 2)), rng.normal(size=(count, 4))


def _sequences(rng, count):
    return [rng.normal(size=(1 + k % 2, 3)) for k in range(count)]


@nv.architecture
def two_inputs(net, inputs):
    """An example is a tuple of two arrays."""
    left, right = inputs
    return net.readout("v", nv.relu(net.input("U", left) + net.input("V", right)))


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "folder"])
@pytest.mark.parametrize(
    ("arch", "inputs"),
    [(mlp(depth=3), _vectors), (two_inputs, _pairs), (rnn(), _sequences)],
    ids=["vectors", "pairs", "lengths"],
)
def test_blocks_equal_the_whole(rng, tmp_path, arch, inputs, stored):
    x, y = inputs(rng, 4), inputs(rng, 3)
    for k, (one, other) in enumerate([(x, None), (x, y)]):
        whole = nv.infinite_ntk(arch, one, other)
        in_blocks = _quiet(arch, one, other, block=2, folder=tmp_path / str(k) if stored else None)
        assert in_blocks.nngp.dtype == in_blocks.ntk.dtype == np.float64
        np.testing.assert_allclose(in_blocks.nngp, whole.nngp, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(in_blocks.ntk, whole.ntk, rtol=1e-10, atol=1e-13)


def test_a_block_for_everything_is_the_whole(rng):
    x = _vectors(rng, 5)
    _assert_equal(_quiet(mlp(), x), nv.infinite_ntk(mlp(), x))


def test_of_a_batch_with_itself_one_triangle_is_calculated(rng, calculated):
    kernels = _quiet(mlp(), _vectors(rng, 5), block=2)
    np.testing.assert_array_equal(kernels.ntk, kernels.ntk.T)
    assert len(calculated) == 6


@nv.architecture
def tied_by_tanh(net, x):
    """Its expectations are sampled."""
    v = net.vector("v")
    return net.readout(v, nv.relu(net.input("U", x) + nv.tanh(v)))


def test_sampled_blocks_agree_within_the_error_and_reproducibly(rng):
    x = _vectors(rng, 4)
    whole, one, again = nv.infinite_ntk(tied_by_tanh, x), *(_quiet(tied_by_tanh, x, block=2) for _ in range(2))
    assert one.error > 1e-4  # it is sampled
    assert np.max(np.abs(one.ntk - whole.ntk)) < 4 * max(one.error, whole.error)
    _assert_equal(one, again)


def test_progress_is_reported_or_displayed(rng, capsys):
    x, told = _vectors(rng, 5), []
    nv.gram(mlp(), x, block=3, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert capsys.readouterr().err == ""
    nv.gram(mlp(), x, block=3)
    assert "3/3" in capsys.readouterr().err


# --- resumable ---------------------------------------------------------------------------------------

INTERRUPTED = """
import os, signal, sys
import numpy as np
import ntkviz as nv
from ntkviz.kernels.gram_folder import Layout

x = np.random.default_rng(0).normal(size=(20, 3))
put, calls = Layout.put, []

def half(layout, matrix, number, values):
    calls.append(number)
    if len(calls) < 2 * 10:  # the tenth block's NTK
        return put(layout, matrix, number, values)
    rows, columns = layout.places[number]
    matrix[np.ix_(rows[:1], columns)] = -1.0
    matrix.flush()
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "in a block":
    Layout.put = half

def told(done, total):
    print(done, flush=True)
    if sys.argv[2] == "between blocks" and done == 11:
        sys.stdin.readline()  # the kill comes from outside

nv.gram(nv.architectures.mlp(), x, block=4, folder=sys.argv[1], progress=told)
"""


@pytest.mark.parametrize("when", ["between blocks", "in a block"])
def test_a_killed_computation_resumes_where_it_stopped(rng, tmp_path, calculated, when):
    x, folder = _vectors(rng, 20), tmp_path / "kernels"
    expected = _quiet(mlp(), x, block=4)
    command = [sys.executable, "-c", INTERRUPTED, str(folder), when]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        finished = 0
        while finished < 11 and (line := process.stdout.readline()):
            finished = int(line)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert finished == (11 if when == "between blocks" else 9)
    calculated.clear()
    told = []
    resumed = nv.gram(mlp(), x, block=4, folder=folder, progress=lambda done, total: told.append(done))
    assert len(calculated) == 15 - finished
    assert told == list(range(finished, 16))
    _assert_equal(resumed, expected)
    calculated.clear()
    _assert_equal(_quiet(mlp(), x, block=4, folder=folder), expected)
    assert calculated == []


@pytest.mark.parametrize(("file", "lost"), [("nngp.npy", 4), ("ntk.npy", 4), ("finished.npy", 6)])
def test_entries_lost_from_a_truncated_file_are_computed_again(rng, tmp_path, calculated, file, lost):
    x = _vectors(rng, 6)
    expected = _quiet(mlp(), x, block=2, folder=tmp_path)
    values = [np.array(expected.nngp), np.array(expected.ntk)]
    calculated.clear()
    os.truncate(tmp_path / file, (tmp_path / file).stat().st_size - 8 * 16)  # of 36 entries 20 are left
    again = _quiet(mlp(), x, block=2, folder=tmp_path)
    assert len(calculated) == lost
    for part, value in zip((again.nngp, again.ntk), values, strict=True):
        np.testing.assert_array_equal(part, value)


@pytest.mark.parametrize("file", ["nngp.npy", "ntk.npy", "finished.npy"])
def test_a_missing_file_is_created_again(rng, tmp_path, file):
    x = _vectors(rng, 6)
    expected = np.array(_quiet(mlp(), x, block=2, folder=tmp_path).ntk)
    (tmp_path / file).unlink()
    np.testing.assert_array_equal(_quiet(mlp(), x, block=2, folder=tmp_path).ntk, expected)


@nv.architecture
def scaled(net, x, *, scale=float, sigma_w=1.2):
    """One hyper-parameter is a function, of which the architecture's printed form shows only an address."""
    return net.readout("v", nv.relu(net.input("U", x, std=scale(sigma_w))))


def test_a_folder_of_another_computation_is_refused(rng, tmp_path):
    x = _vectors(rng, 4)

    def lesson(scale):
        return scaled(scale=lambda std: scale * std)

    first = _quiet(lesson(1), x, x, block=2, folder=tmp_path)
    for what, arch, one, other, block in [
        ("x1", lesson(1), x + 1, x, 2),
        ("x2", lesson(1), x, x[:3], 2),
        ("x2", lesson(1), x, None, 2),
        ("block", lesson(1), x, x, 3),
        ("architecture", lesson(1)(sigma_w=1.5), x, x, 2),
        ("architecture", lesson(2), x, x, 2),  # printed alike
    ]:
        with pytest.raises(InputError, match=f"holds kernels of another {what}; give a new folder"):
            _quiet(arch, one, other, block=block, folder=tmp_path)
    _assert_equal(_quiet(lesson(1), x, x, block=2, folder=tmp_path), first)


def test_an_unusable_folder_is_refused(rng, tmp_path):
    x = _vectors(rng, 2)
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=re.escape(f"The folder {str(tmp_path)!r} holds other files; give a new one.")):
        _quiet(mlp(), x, folder=tmp_path)
    with pytest.raises(InputError, match="cannot hold the kernels: File exists"):
        _quiet(mlp(), x, folder=tmp_path / "thesis.txt")
    (tmp_path / "calculation.json").write_text("{}")
    with pytest.raises(InputError, match="holds other files"):
        _quiet(mlp(), x, folder=tmp_path)


# --- on a cluster --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workers():
    """A real cluster of two worker processes; a worker that dies is replaced, as in a classroom."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as running:
        yield running


@nv.architecture
def written_here(net, x, *, sigma_w=1.2):
    """Not importable by the workers, so it is sent with its code."""
    return net.readout("v", nv.relu(net.matrix("W", std=sigma_w) @ nv.relu(net.input("U", x))))


def _not_here(*args):
    raise AssertionError("the caller calculates")


def test_the_environment_names_a_cluster_and_a_folder_keeps_its_work(rng, workers, monkeypatch, tmp_path):
    x, y, arch = _vectors(rng, 7), _vectors(rng, 5), mlp(nonlinearity=nv.relu)
    expected = _quiet(arch, x, y, block=3)
    monkeypatch.setenv("NTKVIZ_DASK_SCHEDULER", workers.scheduler_address)
    _assert_equal(_quiet(arch, x, y, block=3, folder=tmp_path), expected)
    monkeypatch.setattr(gram, "on_cluster", _not_here)  # nothing is left to do
    _assert_equal(_quiet(arch, x, y, block=3, folder=tmp_path), expected)


def test_a_client_stays_open_and_the_workers_errors_arrive(rng, workers):
    x = _vectors(rng, 6)
    with distributed.Client(workers) as client:
        _assert_equal(_quiet(mlp(), x, block=3, scheduler=client), _quiet(mlp(), x, block=3))
        with pytest.raises(HyperparameterError, match=r"standard deviation of parameter W1 is -1\.0"):
            _quiet(mlp(sigma_w=-1.0), x, block=3, scheduler=client)
        assert client.status == "running"


def test_a_cluster_gives_the_same_and_survives_a_killed_worker(rng, workers, monkeypatch):
    x = _vectors(rng, 60)
    expected = _quiet(written_here, x, block=5)
    monkeypatch.setattr(gram, "infinite_ntk", _not_here)
    pid, told = next(iter(workers.workers.values())).pid, []

    def half_way(done, total):
        told.append(done)
        if done == total // 2:
            os.kill(pid, signal.SIGKILL)

    found = nv.gram(written_here, x, block=5, scheduler=workers.scheduler_address, progress=half_way)
    assert told == list(range(78 + 1))
    _assert_equal(found, expected)


def test_a_call_that_kills_its_workers_is_given_up(workers, monkeypatch):
    monkeypatch.setattr(workers.scheduler, "allowed_failures", 1)
    with distributed.Client(workers) as client, pytest.raises(ClusterError, match=r"failed \(KilledWorker\)"):
        list(cluster.on_cluster(client, _deadly, [0]))


def _deadly(argument):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_cluster_that_cannot_be_used_is_refused(rng, monkeypatch):
    x = _vectors(rng, 2)
    monkeypatch.setattr(cluster, "TIMEOUT", 1)
    with pytest.raises(ClusterError, match=r"No Dask scheduler answers at 'tcp://127\.0\.0\.1:9' within 1 seconds"):
        _quiet(mlp(), x, scheduler="tcp://127.0.0.1:9")
    for wrong in ("somewhere", 8786):
        with pytest.raises(HyperparameterError, match=f"The scheduler is {wrong!r}; it must be an address such as"):
            _quiet(mlp(), x, scheduler=wrong)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r'needs the package distributed: pip install "ntkviz\[cluster\]"'):
        _quiet(mlp(), x, scheduler="tcp://127.0.0.1:9")


def test_built_in_nonlinearities_are_the_same_after_pickling():
    assert pickle.loads(pickle.dumps(nv.relu)) is nv.relu


# --- memory --------------------------------------------------------------------------------------------

PEAKS = """
import sys
import numpy as np
import ntkviz as nv

def peak():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

x = np.random.default_rng(0).normal(size=(3000, 8))
for inputs, folder in ((x[:1000], None), (x, sys.argv[1]), (x, None)):
    nv.gram(nv.architectures.mlp(), inputs, folder=folder, progress=False)
    print(peak())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read where Linux shows it")
def test_memory_grows_only_by_the_size_of_the_result(tmp_path):
    command = [sys.executable, "-c", PEAKS, str(tmp_path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    small, on_disk, in_memory = map(float, done.stdout.split())
    result = 2 * 8 * 3000**2 / 2**20  # 137 MiB; the small case's are 15
    assert on_disk - small < result / 3
    assert result / 3 < in_memory - small < result + result / 3  # it does measure


# --- refusals ------------------------------------------------------------------------------------------


def test_refusals_say_what_to_do(rng, tmp_path):
    x = _vectors(rng, 4)
    with pytest.raises(InputError, match=r"treats a batch as one input.*use infinite_ntk"):
        nv.gram(nv.architectures.batchnorm_mlp(), x)
    with pytest.raises(HyperparameterError, match="The block is 0; it must be a whole number ≥ 1"):
        nv.gram(mlp(), x, block=0)
    with pytest.raises(HyperparameterError, match="progress is 'bar'; it must be True, False or a function"):
        nv.gram(mlp(), x, progress="bar")
    with pytest.raises(HyperparameterError, match="Expected an architecture"):
        nv.gram("mlp", x)
    with pytest.raises(InputError, match="x1 contains NaN or infinity"):
        nv.gram(mlp(), x * np.nan, folder=tmp_path / "none")
    assert not (tmp_path / "none").exists()
