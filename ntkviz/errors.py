"""The deliberate errors of ntkviz: each message says in one sentence what is wrong and what to do."""

import reprlib
from typing import Any


def shown(value: Any) -> str:
    """A value as quoted in an error message: short, and on one line.

    Args:
        value: Any object.

    Returns:
        Its abbreviated `repr`.
    """
    return " ".join(reprlib.repr(value).split())


def phrase(text: str) -> str:
    """A part of an error message that is in words, marked so that the app can translate it where it fills it in.

    Args:
        text: The words.

    Returns:
        The same words.
    """
    return text


class NtkvizError(ValueError):
    """Base class of all deliberate errors. Its message is one sentence that can be shown to users."""


class InputError(NtkvizError):
    """The data cannot be used: they have a wrong shape, are not numbers, not finite, or empty."""


class HyperparameterError(NtkvizError):
    """A hyper-parameter, width or other option has an invalid value."""


class StructuralHyperparameterError(HyperparameterError):
    """A hyper-parameter decides the form of the program, so that it cannot be a number that JAX traces."""


class ProgramError(NtkvizError):
    """An architecture breaks a rule of the language; the message names the instruction."""


class NoForwardLimitError(NtkvizError):
    """The forward kernels do not determine this program's limit; the general reading may."""


class NotFiniteError(NtkvizError):
    """The result is infinite or NaN."""


class DivergenceError(NotFiniteError):
    """Training diverges, or comes so close to it that its limit cannot be told."""


class ClusterError(NtkvizError):
    """The Dask cluster cannot be reached, or failed during the computation."""


class TooLargeError(NtkvizError):
    """A computation would need more memory than is free; it was not started."""


class NotIntegrableError(NtkvizError):
    """A Gaussian expectation of a nonlinearity does not exist, or its error cannot be bounded."""


class NoGradientError(NtkvizError):
    """A kernel was differentiated where its derivative is not known."""


class TraceError(ProgramError):
    """A model cannot be traced: it is not a tensor program, or it is one whose limit would not be the model's."""
