"""While tests run, each call in the engine is compared with the types and the shapes of its signature.

`conftest.py` installs this before any test imports the engine. jaxtyping's own hook would check functions inside
functions too, which costs milliseconds each time that one is made.
"""

import ast
import re
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, AbstractDtype, jaxtyped

ROOMS = ("ntkviz.gaussian",)
_types = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for mypy


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which refuses what its signature does not say."""
    names = re.findall(r"\w+", " ".join(map(str, function.__annotations__.values())))
    shaped = any(_is_shape(function.__globals__.get(name)) for name in names)
    return jaxtyped(function, typechecker=_types) if shaped else _types(function)


def _is_shape(value: Any) -> bool:
    """Whether it is jaxtyping's, such as `Float64` or `Float64[Array, "rows columns"]`."""
    return isinstance(value, type) and issubclass(value, AbstractArray | AbstractDtype)


class _Decorated(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.decorator_list.append(ast.copy_location(ast.Name(checked.__name__, ast.Load()), node))
        return node  # and nothing inside it


class _Loader(SourceFileLoader):
    def path_stats(self, path: str) -> Any:
        raise OSError  # neither reads nor writes what Python keeps of the module as it is

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        tree = ast.fix_missing_locations(_Decorated().visit(ast.parse(data)))
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[checked.__name__] = checked
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name.startswith(ROOMS) else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin)
        return spec


def install() -> None:
    """Check the modules that are imported from now on."""
    sys.meta_path.insert(0, _Finder())
