"""Requests and answers as bytes: equal values give equal bytes in every process, and unpickling needs no JAX."""

from __future__ import annotations

import io
import sys
import types
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np


class _Pickler(cloudpickle.Pickler):
    """Pickles a notebook's functions by value, and JAX arrays as NumPy arrays.

    Jupyter compiles each cell under a file name whose folder contains the process id and whose last part is a hash of
    the cell. Only that last part is kept, so two kernels that run the same notebook write the same bytes.
    """

    def reducer_override(self, thing: Any) -> Any:
        """Called for every object before it is pickled."""
        if isinstance(thing, types.CodeType):
            return self.dispatch_table[types.CodeType](thing.replace(co_filename=Path(thing.co_filename).name))
        jax = sys.modules.get("jax")
        if isinstance(thing, getattr(jax, "Array", ())):  # another thread may be importing it: then nothing is one yet
            return np.asarray, (np.asarray(thing),)
        return super().reducer_override(thing)


def pickled(value: Any) -> bytes:
    """A value as bytes."""
    written = io.BytesIO()
    _Pickler(written).dump(value)
    return written.getvalue()
