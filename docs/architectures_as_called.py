"""Shows architectures in the API reference as users call them: with their hyper-parameters only."""

from __future__ import annotations

import ast
from typing import Any

import griffe


class ArchitecturesAsCalled(griffe.Extension):
    """Drops `net` and the inputs, which a caller never passes, from functions decorated with `@architecture`."""

    def on_function_instance(self, *, node: ast.AST | griffe.ObjectNode, func: griffe.Function, **_: Any) -> None:
        """Called for each function that griffe visits."""
        if any(str(decorator.value).split(".")[-1] == "architecture" for decorator in func.decorators):
            keyword_only = [p for p in func.parameters if p.kind is griffe.ParameterKind.keyword_only]
            parametrization = griffe.Parameter(
                "parametrization", kind=griffe.ParameterKind.keyword_only, default="'ntk'"
            )
            func.parameters = griffe.Parameters(*keyword_only, parametrization)
            func.returns = "Architecture"
            func.decorators = []
