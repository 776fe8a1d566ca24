"""The API reference, made from the docstrings: `make docs` writes it to `.cache/docs`.

There is a page for each of `PAGES`, with its public names and nothing else. The pages need no network: the formulas
of the docstrings are plain text, and the search is a script beside them.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pdoc import doc, render

from ntkviz.language import Architecture

PAGES = ("ntkviz", "ntkviz.architectures", "ntkviz.regression", "ntkviz.app")


def public(module: ModuleType) -> dict[str, Any]:
    """What a module offers: a package all that it names, a file all that it defines."""
    names = {name: value for name, value in vars(module).items() if name[0] != "_" and not inspect.ismodule(value)}
    if hasattr(module, "__path__"):
        return names
    return {name: value for name, value in names.items() if getattr(value, "__module__", None) == module.__name__}


def documented(value: Any) -> Any:
    """What the reference shows of a name: architectures as the functions they are called like."""
    if isinstance(value, Architecture):
        return as_function(value)
    if inspect.isclass(value) and hasattr(value, "_fields"):
        value.__new__.__module__ = value.__module__  # where the names of a NamedTuple's types are known
    return inspect.unwrap(value) if callable(value) else value


def as_function(arch: Architecture) -> Callable[..., Architecture]:
    """A function with an architecture's name, docstring and hyper-parameters."""

    def call(**hyper: Any) -> Architecture:
        return arch(**hyper)

    settings = dict(arch.hyper) | {"parametrization": arch.parametrization}
    keywords = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=at) for name, at in settings.items()]
    functools.update_wrapper(call, arch.fn)
    del call.__wrapped__  # its signature has `net` and the inputs, which a caller does not give
    call.__signature__ = inspect.Signature(keywords, return_annotation=Architecture)
    return call


class Page(doc.Module):
    """A module with its public names only, wherever they are defined."""

    @cached_property
    def _member_objects(self) -> dict[str, Any]:
        return {name: documented(value) for name, value in public(self.obj).items()}

    @cached_property
    def members(self) -> dict[str, doc.Doc]:
        """Its names; the source of an architecture is what its author wrote."""
        found = super().members
        for name, value in public(self.obj).items():
            if isinstance(value, Architecture):
                written = doc.Function(self.modulename, name, value.fn, found[name].taken_from)
                found[name].source, found[name].source_lines = written.source, written.source_lines
                found[name].source_file = written.source_file
        return found

    @cached_property
    def submodules(self) -> list[doc.Module]:
        """The other pages, listed on the first."""
        return [Page(import_module(name)) for name in PAGES if name.startswith(f"{self.fullname}.")]


def build(folder: Path) -> None:
    """Write all pages, and the index of the search, into `folder`."""
    render.configure(docformat="markdown", math=False, mermaid=False)
    pages: dict[str, doc.Module] = {name: Page(import_module(name)) for name in PAGES}
    for name, page in pages.items():
        write(folder / f"{name.replace('.', '/')}.html", render.html_module(page, pages))
    write(folder / "index.html", render.html_index(pages))
    write(folder / "search.js", render.search_index(pages))


def write(path: Path, text: str) -> None:
    """Write a file, and its folder first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
