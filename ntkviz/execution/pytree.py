"""Programs as JAX sees them: their numbers are the leaves of a pytree, all else is static."""

import jax

from ..language.program import Program

jax.tree_util.register_dataclass(
    Program, data_fields=["constants", "data"], meta_fields=["instructions", "parameters", "output", "gradients"]
)
