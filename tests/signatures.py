"""During tests, calls in the engine are checked against the types and shapes in their signatures.

So are the arrays in the fields of results, which are subclasses of `NamedTuple`.

`conftest.py` installs this before any test imports the engine. jaxtyping's own hook would also check nested functions,
which costs milliseconds each time that one is created.
"""

import ast
import re
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

import jax
import numpy as np
from beartype import BeartypeConf, beartype
from beartype.door import is_bearable
from jaxtyping import AbstractArray, AbstractDtype, TypeCheckError, jaxtyped

TYPES = ("ntkviz.gaussian",)
"""Modules in which all types are checked."""
SHAPES = ("ntkviz.networks", "ntkviz.calculus", "ntkviz.kernels", "ntkviz.regression")
"""Modules in which only shapes are checked: they refuse wrong user input by name, and tests pass such input."""
NAME = "checked_while_testing"
NAME_OF_FIELDS = "fields_checked_while_testing"

_types = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for mypy


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which raises `jaxtyping.TypeCheckError` for calls that violate its signature."""
    annotations = function.__annotations__
    shapes = {name: text for name, text in annotations.items() if _has_shape(str(text), function.__globals__)}
    if not function.__module__.startswith(TYPES):
        function.__annotations__ = shapes
    return jaxtyped(function, typechecker=_types) if shapes else _types(function)


def _has_shape(annotation: str, names: dict[str, Any]) -> bool:
    """Whether an annotation contains a type of jaxtyping, such as `Float64` or an alias of `Float64[Array, "rows"]`."""
    used = (names.get(name) for name in re.findall(r"\w+", annotation))
    return any(isinstance(value, type) and issubclass(value, AbstractArray | AbstractDtype) for value in used)


def checked_fields(record: type) -> type:
    """The same class of `NamedTuple`, which raises `TypeCheckError` for arrays that do not match its fields.

    JAX also creates such records with other contents than arrays, which are not checked.
    """
    names = {"Array": jax.Array | np.ndarray, **vars(sys.modules[record.__module__])}  # light kernels hold NumPy's
    fields = {name: text.__forward_arg__ for name, text in record.__annotations__.items()}
    shapes = {name: eval(text, names) for name, text in fields.items() if _has_shape(text, names)}
    make = record.__new__

    def new(kind: type, *args: Any, **kwargs: Any) -> Any:
        made = make(kind, *args, **kwargs)
        values = {name: getattr(made, name) for name in shapes}
        if all(value is None or isinstance(value, jax.Array | np.ndarray) for value in values.values()):
            with jaxtyped("context"):  # in which axes of one name have one length
                for name, value in values.items():
                    if not is_bearable(value, shapes[name]):
                        raise TypeCheckError(f"{record.__name__}.{name} is {value.shape}, not {shapes[name]}.")
        return made

    record.__new__ = new  # type: ignore[method-assign, assignment]
    return record


class _Decorated(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.decorator_list.append(ast.copy_location(ast.Name(NAME, ast.Load()), node))
        return node  # and nothing inside it

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        if any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in node.bases):
            node.decorator_list.append(ast.copy_location(ast.Name(NAME_OF_FIELDS, ast.Load()), node))
        return node


class _Loader(SourceFileLoader):
    def path_stats(self, path: str) -> Any:
        raise OSError  # neither reads nor writes what Python keeps of the module as it is

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        tree = ast.fix_missing_locations(_Decorated().visit(ast.parse(data)))
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[NAME] = checked
        returned = module.__name__.endswith((".results", ".regression"))
        vars(module)[NAME_OF_FIELDS] = checked_fields if returned else lambda record: record
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name.startswith(TYPES + SHAPES) else None
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(name, spec.origin)
        return spec


def install() -> None:
    """Check all modules imported from now on."""
    sys.meta_path.insert(0, _Finder())
