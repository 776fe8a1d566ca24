"""Handles have leading axes only, which are indexed like those of NumPy arrays."""

import numpy as np
import pytest


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


def test_handles_have_the_leading_shape_only(trace):
    seen = []

    def arch(net, x):
        h = net.input("U", x)
        seen.append((h.shape, h.ndim, len(h), [row.shape for row in h], repr(h)))
        return net.readout("v", h)

    trace(arch)
    assert seen[0] == ((2,), 1, 2, [(), ()], "Vector(leading shape (2,))")
