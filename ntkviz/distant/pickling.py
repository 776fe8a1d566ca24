"""Requests and answers as bytes: equal ones are equal bytes, whichever process wrote them, and none needs JAX."""

from __future__ import annotations

import io
import sys
import types
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np


class _Pickler(cloudpickle.Pickler):
    """Functions of a notebook by value, and JAX's arrays as NumPy's.

    Of the file that Jupyter makes of a cell the folder is left out, which names the process; the name is a hash of the
    cell. So two kernels that run the same notebook write the same bytes.
    """

    def reducer_override(self, thing: Any) -> Any:
        """Called before anything is pickled."""
        if isinstance(thing, types.CodeType):
            return self.dispatch_table[types.CodeType](thing.replace(co_filename=Path(thing.co_filename).name))
        if (jax := sys.modules.get("jax")) and isinstance(thing, jax.Array):
            return np.asarray, (np.asarray(thing),)
        return super().reducer_override(thing)


def pickled(value: Any) -> bytes:
    """A value as bytes."""
    written = io.BytesIO()
    _Pickler(written).dump(value)
    return written.getvalue()
