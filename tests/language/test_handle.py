"""Handles have leading axes only, which are indexed like those of NumPy arrays."""

import numpy as np
import pytest

from ntkviz.errors import ProgramError


@pytest.mark.parametrize(
    "key",
    [
        np.s_[:, 1],
        np.s_[:, -1],
        np.s_[:, 1:3],
        np.s_[:, ::-2],
        np.s_[..., 2, :],
        np.s_[:, None],
        np.s_[:, 0, 1],
        np.s_[:, [2, 0, 2]],
        np.s_[:, np.array([[0, 1], [3, -1]])],
        np.s_[:, 1:, np.array([0, 2])],
        np.s_[:, np.int64(2)],
        np.s_[...],
    ],
    ids=str,
)
def test_indexing(same_as_numpy, key):
    keys = key if isinstance(key, tuple) else (key,)
    has_ellipsis = any(k is Ellipsis for k in keys)
    with_width = (*keys, slice(None)) if has_ellipsis else (*keys, Ellipsis)
    same_as_numpy(lambda x: x[key], (4, 3), lambda x: x[with_width])


def test_a_truth_value_is_no_index(trace):
    """`True == 1`, but the cached rule for the index 1 must not answer for the mask `True`."""

    def arch(key):
        return lambda net, x: net.readout("v", net.input("U", x[:, None] * [[1.0], [2.0]])[:, key])

    trace(arch(1))
    with pytest.raises(ProgramError, match=r"returns shape \(2, 1, 2\)"):
        trace(arch(True))


def test_handles_have_the_leading_shape_only(trace):
    seen = []

    def arch(net, x):
        h = net.input("U", x)
        seen.append((h.shape, h.ndim, len(h), [row.shape for row in h], repr(h)))
        return net.readout("v", h)

    trace(arch)
    assert seen[0] == ((2,), 1, 2, [(), ()], "Vector(leading shape (2,))")
