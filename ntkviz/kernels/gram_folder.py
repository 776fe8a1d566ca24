"""Storage for the blocks of a large kernel: in memory, or in a folder that stays valid if the process is killed.

A folder holds

- `calculation.json`: the identity of the computation;
- `nngp.npy`, `ntk.npy`: the kernels, at full size from the start;
- `finished.npy`: a mark for each block: −1, or its error once its entries are on disk.

Every file appears under its name only when it is complete. A block's entries are flushed before its mark is written,
and the mark is one aligned number, which is written atomically. So a half-written block is not marked, and is computed
again.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.format import open_memmap, write_array_header_1_0

from ..errors import InputError
from ..gaussian.error_kind import AbsoluteError, ErrorKind
from .results import Kernels

KERNELS = ("nngp", "ntk")
TO_DO = -1.0  # errors are ≥ 0
_ITEM = np.dtype(np.float64).itemsize


class Layout(NamedTuple):
    """A matrix in blocks.

    Attributes:
        shape: The shape of the matrix.
        places: The row and column indices of each block.
        symmetric: Whether each block also determines its mirror image.
    """

    shape: tuple[int, int]
    places: list[tuple[np.ndarray, np.ndarray]]
    symmetric: bool

    def put(
        self,
        matrix: Float[np.ndarray, "rows columns"],
        number: int,
        values: Float[np.ndarray, "block_rows block_columns"],
    ) -> None:
        """Write one block into the matrix."""
        rows, columns = self.places[number]
        matrix[np.ix_(rows, columns)] = values
        if self.symmetric and rows is not columns:
            matrix[np.ix_(columns, rows)] = values.T

    def ends(self) -> Int[np.ndarray, "blocks"]:
        """For each block, the number of entries of the matrix, in row-major order, up to its last one, `(blocks,)`."""
        both = [((r, c), (c, r)) if self.symmetric else ((r, c),) for r, c in self.places]
        return np.array([max(int(r.max()) * self.shape[1] + int(c.max()) + 1 for r, c in pair) for pair in both])


class Memory:
    """Kernels in memory."""

    def __init__(self, layout: Layout):
        self._layout = layout
        self._matrices = {name: np.empty(layout.shape) for name in KERNELS}
        self._errors: list[float] = []

    def missing(self) -> list[int]:
        """The blocks that are still to be computed."""
        return list(range(len(self._layout.places)))

    def write(self, number: int, kernels: Kernels) -> None:
        """Store a block."""
        for name, matrix in self._matrices.items():
            self._layout.put(matrix, number, getattr(kernels, name))
        self._errors.append(kernels.error)

    def kernels(self) -> Kernels:
        """The result."""
        return Kernels(**self._matrices, error=AbsoluteError.largest(self._errors))


class Folder:
    """Kernels in a folder, with errors of `error_kind`; only a computation of the same `identity` can be resumed.

    Raises `InputError` for a folder that cannot be created or written, is too small for the result, or holds other
    files or the kernels of another computation.
    """

    def __init__(self, path: str | os.PathLike[str], layout: Layout, identity: dict[str, Any], error_kind: ErrorKind):
        self._layout, self._path, self._error_kind = layout, Path(path), error_kind
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._claim(identity)
            self._prepare()
        except OSError as problem:
            raise InputError(f"The folder {str(path)!r} cannot hold the kernels: {problem.strerror}.") from problem

    def _claim(self, identity: dict[str, Any]) -> None:
        file = self._path / "calculation.json"
        others = InputError(f"The folder {str(self._path)!r} holds other files; give a new one.")
        if not file.exists():
            if any(other.name != _unfinished(file).name for other in self._path.iterdir()):
                raise others
            _make(file, lambda new: new.write_text(json.dumps(identity, indent=1)))
        try:
            known = json.loads(file.read_text())
        except ValueError as problem:
            raise others from problem
        if not isinstance(known, dict) or known.keys() != identity.keys():
            raise others
        differ = [what for what in known if what != "kernels" and known[what] != identity[what]]
        # Other machines round differently.
        if not np.allclose(known["kernels"], identity["kernels"], rtol=1e-6, atol=1e-12, equal_nan=True):
            differ = differ or ["architecture"]
        if differ:
            raise InputError(
                f"The folder {str(self._path)!r} holds kernels of another {' and another '.join(differ)}; give a new "
                "folder, or delete this one."
            )

    def _prepare(self) -> None:
        """Create missing files; blocks that were lost because a file was truncated are marked as missing."""
        marks, blocks = self._file("finished"), len(self._layout.places)
        if _size(marks) != _full_size((blocks,)):
            _make(marks, lambda new: _new_array(new, (blocks,), TO_DO))
        for name in KERNELS:
            file, full = self._file(name), _full_size(self._layout.shape)
            lost = full - _size(file)
            if lost == 0:
                continue
            kept = math.prod(self._layout.shape) - math.ceil(lost / _ITEM)
            finished = open_memmap(marks, mode="r+")
            finished[self._layout.ends() > kept] = TO_DO
            finished.flush()
            if kept > 0:
                _allocate(file, full)
            else:
                _make(file, lambda new: _new_array(new, self._layout.shape))

    def missing(self) -> list[int]:
        """The blocks that are still to be computed."""
        return np.flatnonzero(np.load(self._file("finished")) == TO_DO).tolist()

    def write(self, number: int, kernels: Kernels) -> None:
        """Store a block: its entries first, then the mark that it is finished."""
        for name in KERNELS:
            # Mapped anew for each block, since pages count as memory of this process until they are unmapped.
            matrix = open_memmap(self._file(name), mode="r+")
            self._layout.put(matrix, number, getattr(kernels, name))
            matrix.flush()
        finished = open_memmap(self._file("finished"), mode="r+")
        finished[number] = kernels.error
        finished.flush()

    def kernels(self) -> Kernels:
        """The result, as read-only memory maps."""
        nngp, ntk = (open_memmap(self._file(name), mode="r") for name in KERNELS)
        return Kernels(nngp, ntk, AbsoluteError(np.max(np.load(self._file("finished"))), self._error_kind))

    def _file(self, name: str) -> Path:
        return self._path / f"{name}.npy"


def _make(file: Path, write: Callable[[Path], Any]) -> None:
    """Create a file that appears under its name only when it is complete and on disk."""
    new = _unfinished(file)
    write(new)
    with new.open("rb") as written:
        os.fsync(written.fileno())
    new.replace(file)


def _unfinished(file: Path) -> Path:
    return file.with_name(f"{file.name}.unfinished")


def _new_array(file: Path, shape: tuple[int, ...], fill: float = 0.0) -> None:
    """Create an array on disk; writing zeros takes neither time nor memory."""
    array = open_memmap(file, mode="w+", dtype=np.float64, shape=shape)
    _allocate(file, _full_size(shape))
    if fill:
        array[:] = fill
        array.flush()


def _allocate(file: Path, size: int) -> None:
    """Reserve the space on disk now, since the process would be killed if a memory map found the disk full later."""
    with file.open("r+b") as opened:
        opened.truncate(size)
        if hasattr(os, "posix_fallocate"):  # missing on some systems
            os.posix_fallocate(opened.fileno(), 0, size)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _full_size(shape: tuple[int, ...]) -> int:
    """The size of a .npy file of float64, in bytes."""
    header = io.BytesIO()
    write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return len(header.getvalue()) + _ITEM * math.prod(shape)
