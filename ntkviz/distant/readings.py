"""The one entry point to all computations: runs a reading by name, here or on the cluster named by `NTKVIZ_ENGINE`.

Only values are exchanged: the arguments are sent, and an answer comes back that needs no JAX.
"""

from __future__ import annotations

import functools
import os
import pickle
from collections.abc import Callable
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from ..errors import HyperparameterError, NtkvizError
from .kept_answers import KEPT, kept_answer
from .requests import ENGINE, GivenUp, ask

READINGS = {
    "coordinates": "ntkviz.calculus.master",
    "cost": "ntkviz.execution.memory_limit",
    "deviation": "ntkviz.kernels.deviation",
    "empirical_contributions": "ntkviz.kernels.contributions",
    "empirical_ntk": "ntkviz.networks.finite",
    "explain": "ntkviz.kernels.infinite",
    "feature_learning": "ntkviz.training.limit",
    "fluctuation": "ntkviz.kernels.fluctuation",
    "gram": "ntkviz.kernels.gram",
    "infinite_contributions": "ntkviz.kernels.contributions",
    "infinite_ntk": "ntkviz.kernels.infinite",
    "limit_law": "ntkviz.calculus.master",
    "limit_scalars": "ntkviz.kernels.constants",
    "master_theorem": "ntkviz.calculus.master",
    "recurrence": "ntkviz.calculus.recurrence",
    "recurrence_limit": "ntkviz.calculus.recurrence",
    "sample_outputs": "ntkviz.networks.outputs",
    "sweep": "ntkviz.kernels.sweep",
    "train": "ntkviz.networks.training",
    "training_program": "ntkviz.training.program",
    "virtual_coordinates": "ntkviz.calculus.virtual",
    "virtual_ntk": "ntkviz.calculus.virtual",
    "virtual_outputs": "ntkviz.calculus.virtual",
    "width_for": "ntkviz.kernels.fluctuation",
    # The computations behind methods of architectures, programs, nonlinearities, and the models of the gallery.
    "assumptions": "ntkviz.gallery.traced",
    "backward": "ntkviz.language.gradients.backward",
    "model_ntk": "ntkviz.gallery.traced",
    "nonlinearity_values": "ntkviz.language.nonlinearities.nonlinearity",
    "recorded": "ntkviz.language.architecture",
}
"""Every reading by name, with the module that defines it; a cluster runs nothing else."""

_answering: ContextVar[bool] = ContextVar("whether this thread is answering a request", default=False)


def read(name: str, /, *args: Any, **kwargs: Any) -> Any:
    """The result of a reading, computed here or on the cluster, or kept. Raises what the reading raises."""
    if not _is_distant():
        return _function(name)(*args, **kwargs)
    if ENGINE in os.environ and kwargs.get("progress", False) is not False:
        raise HyperparameterError(
            "The computation runs on a cluster (NTKVIZ_ENGINE), which does not report progress; leave out progress."
        )
    from .pickling import pickled

    asked = ask if ENGINE in os.environ else kept_answer
    found = pickle.loads(asked(answer, name, pickled((args, kwargs))))
    if isinstance(found, NtkvizError):
        raise found
    return found


def reading(name: str) -> Callable[..., Any]:
    """A reading as a function; in a process that uses a cluster, a function that sends the request there."""
    return functools.partial(read, name) if _is_distant() else _function(name)


def answer(name: str, arguments: bytes) -> bytes:
    """Run a reading, on a worker of the cluster or where answers are kept; returns its result, pickled.

    An `NtkvizError` is returned, not raised, so that it is cached like any other answer. Built-in exceptions are raised
    as they are; any other becomes a `RuntimeError` that names it, since a kernel might have to import much of the
    engine to unpickle it.
    """
    from .pickling import pickled

    token = _answering.set(True)
    try:
        args, kwargs = pickle.loads(arguments)
        return pickled(_function(name)(*args, **kwargs))
    except GivenUp:
        raise  # it is no answer: whoever asks next may want one
    except NtkvizError as refusal:
        return pickled(refusal)
    except Exception as problem:
        if type(problem).__module__ == "builtins":
            raise
        raise RuntimeError(f"{type(problem).__name__}: {problem}") from None
    finally:
        _answering.reset(token)


def _is_distant() -> bool:
    return (ENGINE in os.environ or KEPT in os.environ) and not _answering.get()


def _function(name: str) -> Any:
    return getattr(import_module(READINGS[name]), name)
