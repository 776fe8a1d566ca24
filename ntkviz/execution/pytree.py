"""Programs as JAX sees them: their numbers are the leaves of a pytree, all else is static. So is all of `ZERO`."""

import jax

from ..language.program import Program
from ..language.zero import ZERO, Zero

jax.tree_util.register_dataclass(
    Program, data_fields=["constants", "data"], meta_fields=["instructions", "parameters", "output", "gradients"]
)
jax.tree_util.register_pytree_node(Zero, lambda _: ((), None), lambda *_: ZERO)
