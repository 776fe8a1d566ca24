"""Generated programs are trained as networks are, or refused by name. `run.py --check training` reads thousands."""

from unittest.mock import patch

import numpy as np
import pytest

from . import training
from .agreement import DisagreementError, Estimate
from .programs import program_number


def test_training_agrees_with_networks():
    assert training.check_training(program_number(3)).agreed == ["learning rate", "program", "limit"]


def test_wrong_training_is_noticed():
    """The check of the check: a program of another learning rate, and a limit that is off by a tenth."""
    example = program_number(3)
    arch, x = example.arch, example.data
    options = training._options(arch, x)
    faster = options | {"learning_rate": 1.01 * options["learning_rate"]}
    program = training.nv.training_program(arch, x, training._targets(x), **faster)
    with pytest.raises(DisagreementError, match="not gradient descent"):
        training._compare_with_gradients(program, arch, x, options)
    few = [(Estimate(np.ones((3, 2)), np.full((3, 2), 0.01)), 0, 0.03)]
    off = Estimate(np.full((3, 2), 1.2), np.full((3, 2), 0.01))
    with (
        patch.object(training, "_dearer_and_dearer", lambda *_: few),
        pytest.raises(DisagreementError, match="do not approach"),
    ):
        training._compare_with_networks(off, arch, x, options)
