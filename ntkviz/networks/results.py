"""Results about networks: records of numbers, which need no JAX."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..convergence import relative_frobenius


class Training(NamedTuple):
    """The outputs and kernels of one network before, during and after its training, float32.

    Attributes:
        train: Its outputs on the training inputs, `(*times, train)`.
        test: Its outputs on the test inputs, `(*times, test)`.
        ntk_before: Its NTK between training inputs at the start, `(train, train)`.
        ntk_after: The same after the last step.
    """

    train: Float[np.ndarray, "*times train"]
    test: Float[np.ndarray, "*times test"]
    ntk_before: Float[np.ndarray, "train train"]
    ntk_after: Float[np.ndarray, "train train"]

    def ntk_change(self) -> float:
        """The relative change of the kernel during training.

        Returns:
            ‖Θ_after − Θ_before‖_F / ‖Θ_before‖_F; 0 for a network linear in its parameters.
        """
        return relative_frobenius(self.ntk_after, self.ntk_before)
