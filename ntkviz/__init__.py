"""Watch the Neural Tangent Kernel of any architecture converge to its infinite-width limit.

Write an architecture once, as a tensor program (Yang, *Tensor Programs II*, arXiv:2006.14548). At
finite width it is a random network with an empirical NTK; at infinite width it gives the limit NTK;
as text it gives its program and its Simple GIA Check.

The public names are listed in `__init__.pyi`. Each is loaded on first use, and JAX with the first that needs it, so
importing this package is fast.
"""

import lazy_loader as _lazy

from .distant.readings import READINGS as _READINGS
from .distant.readings import reading as _reading

_attribute, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
__all__.remove("abs")  # `nv.abs` is public, but `from ntkviz import *` must not shadow Python's own


def __getattr__(name: str) -> object:
    return _reading(name) if name in _READINGS and name in __all__ else _attribute(name)
