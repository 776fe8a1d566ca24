"""The library: one short function a family, written in the language alone."""

from .mlp import mlp

__all__ = ["mlp"]
