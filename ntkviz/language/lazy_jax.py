"""JAX, imported on first use, because defining an architecture and printing its listing do not need it.

Modules that only compute import JAX directly.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import TYPE_CHECKING


class _Lazy:
    """A module that is imported when one of its names is first looked up."""

    def __init__(self, name: str):
        self._name = name

    @functools.cached_property
    def _module(self) -> ModuleType:
        return importlib.import_module(self._name)

    def __getattr__(self, name: str) -> object:
        return getattr(self._module, name)


__all__ = ["core", "jax", "jnp", "norm", "special"]

if TYPE_CHECKING:
    import jax
    import jax.extend.core as core
    import jax.numpy as jnp
    import jax.scipy.special as special
    import jax.scipy.stats.norm as norm
else:
    jax, jnp = _Lazy("jax"), _Lazy("jax.numpy")
    core, norm, special = _Lazy("jax.extend.core"), _Lazy("jax.scipy.stats.norm"), _Lazy("jax.scipy.special")
