"""The language of tensor programs, and the programs that are recorded in it."""

import os as _os
import sys as _sys

from .. import machine as _machine

# XLA starts a thread for each CPU that it sees, so it is told how many this container may use.
_os.environ.setdefault("PJRT_NPROC", str(_machine.cores()))

# Limits are computed in float64, which JAX has only as a setting of the whole process. Every module that computes
# imports this package first. JAX reads the setting from the environment; if it is already imported, it is updated.
_os.environ["JAX_ENABLE_X64"] = "True"
if "jax" in _sys.modules:
    _sys.modules["jax"].config.update("jax_enable_x64", True)

# Some of these modules are imported for registering methods of `Program` and rules of the listing.
from .architecture import Architecture, architecture, number, one_of, program, whole_number
from .functions import batchnorm, concatenate, einsum, inner, layernorm, moment, softmax, sqrt, stack
from .gradients import backward
from .gradients.gia import GIAReport, simple_gia_check
from .maximum import maximum
from .network import Network
from .nonlinearities.nonlinearity import Nonlinearity, as_nonlinearity, nonlinearity
from .program import Program
from .rewriting import several, unrolling
from .text import gradients as gradient_listing
from .values import Matrix, Output, Scalar, Vector

__all__ = [
    "Architecture",
    "GIAReport",
    "Matrix",
    "Network",
    "Nonlinearity",
    "Output",
    "Program",
    "Scalar",
    "Vector",
    "architecture",
    "as_nonlinearity",
    "batchnorm",
    "concatenate",
    "einsum",
    "inner",
    "layernorm",
    "maximum",
    "moment",
    "nonlinearity",
    "number",
    "one_of",
    "program",
    "simple_gia_check",
    "softmax",
    "sqrt",
    "stack",
    "whole_number",
]
