"""`gram`: kernels on many inputs, block by block, with a progress bar, resumable, and optionally on a cluster.

A kernel entry depends only on two inputs, so the Gram matrix of thousands of inputs splits into blocks that can be
computed in any order, on any machine, at any time. Storage and computation are separate: `ntkviz.kernels.gram_folder`
keeps blocks on disk, and `ntkviz.cluster` distributes them over a Dask cluster.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from ..cluster import connected, on_cluster
from ..errors import HyperparameterError, InputError, shown
from ..execution.examples import block_slices, separate_in_parts
from ..execution.ragged import Data, Group, group_by_shape
from ..language.architecture import Architecture, check_architecture, whole_number
from .gram_folder import Folder, Layout, Memory
from .infinite import infinite_ntk
from .results import Kernels

if TYPE_CHECKING:
    from distributed import Client

SCHEDULER = "NTKVIZ_DASK_SCHEDULER"  # the environment variable that names a cluster for every call


def gram(
    arch: Architecture,
    x1: Any,
    x2: Any = None,
    *,
    block: int = 500,
    folder: str | os.PathLike[str] | None = None,
    scheduler: str | Client | None = None,
    progress: bool | Callable[[int, int], None] = True,
) -> Kernels:
    """The limit NNGP and NTK on many inputs, as `infinite_ntk` gives them, computed block by block.

    ```python
    nv.gram(nv.architectures.mlp(depth=3), x, folder="kernels").ntk   # killed? call again: it resumes
    ```

    For one batch with itself, only the blocks on and above the diagonal are computed. The memory needed is that of the
    inputs, of one block, and of the result, unless a `folder` keeps it on disk.

    Args:
        arch: An architecture that treats its inputs separately, without batch normalisation or anything else that
            mixes the examples of a batch.
        x1: A batch of inputs, an array or a list.
        x2: Another batch; `None` means `x1` again.
        block: Inputs per side of a block, ≥ 1. If the process is killed, the blocks in progress are lost: one or, on
            a cluster, several. Choose smaller blocks for architectures whose kernels are slow; below a few hundred,
            starting a block of an MLP takes longer than computing it.
        folder: The folder for the result, in the files `nngp.npy` and `ntk.npy`; created if it does not exist.
            Repeating the call computes only the missing blocks. `None` keeps the result in memory.
        scheduler: The address of a Dask scheduler (`"tcp://…:8786"`) or a `distributed.Client`, whose workers compute
            the blocks; ntkviz must be installed there. Blocks of a worker that dies are repeated. `None` means that of
            the environment variable `NTKVIZ_DASK_SCHEDULER`; if that is not set, this process computes.
        progress: `True` draws a progress bar on stderr; a function `(done, total)` is called instead, at the start
            and after every block.

    Returns:
        Kernels `(|x1|, |x2|)`, float64: NumPy arrays, or read-only memory maps of the files in `folder`. Where
        expectations have to be sampled, each block has its own samples, the same in every run: an entry then depends on
        `block`, and agrees with that of `infinite_ntk` only to within a few times `error`.

    Raises:
        InputError: The architecture treats a batch as one input, the data cannot be used, or the folder cannot be used
            or holds the kernels of another computation.
        HyperparameterError: An option has an invalid value.
        ClusterError: The cluster cannot be reached, or failed.
        NtkvizError: Whatever else `infinite_ntk` raises.
    """
    check_architecture(arch)
    side = whole_number(block, "The block", at_least=1)
    if not (isinstance(progress, bool) or callable(progress)):
        raise HyperparameterError(f"progress is {shown(progress)}; it must be True, False or a function (done, total).")
    groups1 = _groups(arch, x1, "x1", side)
    groups2 = None if x2 is None else _groups(arch, x2, "x2", side)
    work = _split(arch, groups1, groups2, side)
    layout = work.layout()
    store: Memory | Folder = Memory(layout)
    if folder is not None:
        probe = infinite_ntk(arch, _one(groups1[0].data, 0), _one((groups2 or groups1)[-1].data, -1))
        store = Folder(folder, layout, _identity(arch, groups1, groups2, side, probe), probe.error_kind)
    missing, total = store.missing(), len(work.pairs)
    with (
        contextlib.closing(_calculated(work, missing, scheduler)) as blocks,
        tqdm(total=total, initial=total - len(missing), unit="block", disable=progress is not True) as bar,
    ):
        done = total - len(missing)
        _report_progress(progress, done, total)
        for number, kernels in blocks:
            store.write(number, kernels)
            bar.update()
            done += 1
            _report_progress(progress, done, total)
    return store.kernels()


def _report_progress(progress: bool | Callable[[int, int], None], done: int, total: int) -> None:
    if callable(progress):
        progress(done, total)


# --- the blocks ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """The whole computation: a block for each pair in `pairs` of one piece of `rows` and one of `columns`.

    All inputs of a piece have the same shape. `columns` is `None` for a batch with itself; the pairs are then those on
    and above the diagonal.
    """

    arch: Architecture
    rows: list[Group]
    columns: list[Group] | None
    pairs: list[tuple[int, int]]

    def block(self, number: int) -> Kernels:
        """The kernels of one block."""
        i, j = self.pairs[number]
        if self.columns is None and i == j:
            return infinite_ntk(self.arch, self.rows[i].data)
        return infinite_ntk(self.arch, self.rows[i].data, (self.columns or self.rows)[j].data)

    def layout(self) -> Layout:
        """The places of the blocks in the result."""
        columns = self.columns or self.rows
        shape = tuple(sum(len(piece.members) for piece in pieces) for pieces in (self.rows, columns))
        places = [(self.rows[i].members, columns[j].members) for i, j in self.pairs]
        return Layout((shape[0], shape[1]), places, self.columns is None)


def _split(arch: Architecture, groups1: list[Group], groups2: list[Group] | None, side: int) -> Work:
    rows = _pieces(groups1, side)
    if groups2 is None:
        return Work(arch, rows, None, [(i, j) for i in range(len(rows)) for j in range(i, len(rows))])
    columns = _pieces(groups2, side)
    return Work(arch, rows, columns, [(i, j) for i in range(len(rows)) for j in range(len(columns))])


def _pieces(groups: list[Group], side: int) -> list[Group]:
    """The groups, cut into pieces of at most `side` inputs."""
    return [
        Group(members[part], tuple(d[part] for d in data))
        for members, data in groups
        for part in block_slices(len(members), side)
    ]


def _groups(arch: Architecture, x: Any, what: str, side: int) -> list[Group]:
    """The inputs grouped by shape; refuses an architecture that does not accept them, or that mixes examples."""
    groups = group_by_shape(x, what)
    if not separate_in_parts(
        arch, groups, lambda count: {len(range(count)[part]) for part in block_slices(count, side)}
    ):
        raise InputError(
            f"{arch.fn.__name__} treats a batch as one input, because of batch normalisation or the like, so its "
            "kernels cannot be computed in blocks; use infinite_ntk."
        )
    return groups


def _identity(
    arch: Architecture, groups1: list[Group], groups2: list[Group] | None, side: int, probe: Kernels
) -> dict[str, Any]:
    """The facts that identify this computation, each under its name for error messages; a folder resumes no other.

    A name such as `<lambda>` does not identify a function, and its address changes from run to run, but the kernels
    `probe` of two inputs do identify it.
    """
    return {
        "architecture": re.sub(r" at 0x[0-9a-fA-F]+", "", repr(arch)),
        "x1": _digest(groups1),
        "x2": groups2 and _digest(groups2),
        "block": side,
        "kernels": [float(probe.nngp[0, 0]), float(probe.ntk[0, 0])],
    }


def _one(data: Data, place: int) -> Data:
    return tuple(d[[place]] for d in data)


def _digest(groups: list[Group]) -> str:
    digest = hashlib.sha256()
    for members, data in groups:
        for array in (members, *data):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


# --- execution -------------------------------------------------------------------------------------------


def _calculated(
    work: Work, numbers: list[int], scheduler: str | Client | None
) -> Generator[tuple[int, Kernels], None, None]:
    """The blocks with their numbers, as they are finished."""
    named = os.environ.get(SCHEDULER) if scheduler is None else scheduler
    if named and numbers:
        with connected(named) as client:
            yield from on_cluster(client, work.block, numbers)
    else:
        for number in numbers:
            yield number, work.block(number)
