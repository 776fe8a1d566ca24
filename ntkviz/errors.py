"""The errors ntkviz raises: each says in one sentence what is wrong and what to do."""

import reprlib
from typing import Any


def shown(value: Any) -> str:
    """A value as an error message quotes it: on one line, and short.

    Args:
        value: Any object.

    Returns:
        Its `repr`, cut short.
    """
    return " ".join(reprlib.repr(value).split())


class NtkvizError(ValueError):
    """Base class of every deliberate error. Its message is one sentence, fit to be shown to a reader."""


class InputError(NtkvizError):
    """The data cannot be used: wrong shape, not numbers, not finite, empty."""


class HyperparameterError(NtkvizError):
    """A hyper-parameter, width or other option has a value that makes no sense."""


class ProgramError(NtkvizError):
    """An architecture breaks a rule of the language; the message names the instruction."""


class NoForwardLimitError(NtkvizError):
    """The forward kernels alone do not determine this program's limit; the general reading may."""


class NotFiniteError(NtkvizError):
    """What was asked for is infinite or NaN."""


class ClusterError(NtkvizError):
    """The named Dask cluster cannot be reached, or cannot do the work."""


class TooLargeError(NtkvizError):
    """A calculation would need more memory than is free; it was not started."""


class NotIntegrableError(NtkvizError):
    """A nonlinearity has an expectation that cannot be bounded, or that does not exist."""
