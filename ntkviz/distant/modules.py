"""The engine's modules without the engine: importing one gives a module whose names are `Remote`s."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .remote import Remote

PARTS = (
    "architectures",
    "calculus",
    "execution",
    "gaussian",
    "kernels",
    "language",
    "networks",
    "regression",
)


class DistantModule(ModuleType):
    """A module whose every name stands for what the cluster's module calls so."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"the distant module {self.__name__} has no {name}")
        remote = Remote.named(self.__name__, name)
        setattr(self, name, remote)
        return remote


class Finder(MetaPathFinder, Loader):
    """Finds a distant module for each of the engine's."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A distant module's spec; a package's, so that modules are found inside it."""
        package, _, inside = fullname.partition(".")
        if package != "ntkviz" or inside.partition(".")[0] not in PARTS:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty one."""
        return DistantModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is executed."""


def keep_the_engine_away() -> None:
    """From now on importing a part of the engine gives a distant module."""
    sys.meta_path.insert(0, Finder())
