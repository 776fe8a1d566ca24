"""What all adapters share: a limit kernel as a function of two inputs, for libraries that know kernels as such."""

from __future__ import annotations

from typing import Any, Literal

import jax
import numpy as np
from jax import Array

from ..errors import InputError
from ..execution.examples import examples_are_separate
from ..kernels.function import KernelFunction
from ..language.architecture import Architecture
from ..language.axes import Shape

Kind = Literal["ntk", "nngp"]
KINDS = ("ntk", "nngp")


def check_separate(arch: Architecture, shape: Shape) -> None:
    """Raise `InputError` for an architecture that mixes the examples of a batch: it has no kernel of two inputs."""
    two = np.broadcast_to(0.0, (2, *shape))
    with jax.ensure_compile_time_eval():  # the program is recorded now, whatever is being traced around it
        separate = examples_are_separate(arch, (two,))
    if not separate:
        raise InputError(
            f"{arch.fn.__name__} treats a batch as one input, because of batch normalisation or the like, so it has no "
            "kernel of two inputs; use nv.kernel_fn on whole batches."
        )


def between(kernel: KernelFunction, kind: str, x1: Any, x2: Any, hyper: dict[str, Any]) -> Array:
    """The NTK or the NNGP between two batches, `(|x1|, |x2|)`."""
    found: Array = getattr(kernel(x1, x2, **hyper), kind)
    return found
