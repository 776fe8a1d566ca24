"""Which reading is used, and what its error means: the plan announced in advance is carried out."""

import pickle
import re

import numpy as np
import pytest
from outside_gia import there_and_back

import ntkviz as nv
from ntkviz.errors import NoForwardLimitError
from ntkviz.gaussian.error import Error
from ntkviz.gaussian.error_kind import weaker

a = nv.architectures
X, SEQUENCES, LONG = np.eye(2, 3), np.ones((2, 3, 2)), np.ones((1, 8, 2))


@nv.architecture
def skip(net, x):
    """Repeated layers that are added to what precedes them."""
    start = net.input("U", x)
    deep = net.repeat(2, lambda net, h: net.matrix("W") @ nv.erf(h), start)
    return net.readout("v", nv.erf(deep) + nv.erf(start))


PLANS = {
    "closed forms": (a.mlp(depth=3), X, "forward kernels", "rounding", ""),
    "quadrature": (a.mlp(nonlinearity="tanh"), X, "forward kernels", "estimate", ""),
    "quadrature in repeated layers": (a.mlp(nonlinearity="tanh", depth=3), X, "forward kernels", "estimate", ""),
    "a loop": (a.rnn, LONG, "forward kernels over time", "rounding", ""),
    "layers written out": (skip, X, "forward kernels", "rounding", "written out"),
    "mean readout": (a.mean_readout_mlp, X, "symbolic Z", "rounding", "mean readout 1ᵀx/n"),
    "the transpose": (there_and_back, X, "symbolic Z", "estimate", "mean"),
    "gates": (a.gru, SEQUENCES, "sampled Z", "standard error", r"Instruction \d+ \(multiply\) is not a function"),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_plan_is_carried_out(name, compilations):
    arch, x, reading, error, reason = PLANS[name]
    with compilations() as count:
        plan = nv.explain(arch, x)
    assert count() == 0 or not reading.startswith("forward")  # the algebra reads maps of axes off small matrices
    assert (plan.reading, plan.error_kind) == (reading, error)
    assert re.search(reason, str(plan))
    assert nv.infinite_ntk(arch, x).error_kind == error


def test_a_plan_gives_the_reason_why_a_better_reading_is_not_used():
    refused = nv.explain(a.gru, SEQUENCES)
    assert len(refused.reasons) == 2
    with pytest.raises(NoForwardLimitError) as problem:
        nv.infinite_ntk(a.gru, SEQUENCES, method="forward")
    assert str(problem.value) == refused.reasons[0]
    assert "Exact algebra does not cover" in refused.reasons[1]
    assert nv.explain(a.mlp, X).reasons == ()
    assert nv.explain(a.mlp, X, assume_gia=True).reading == "symbolic Z"


def test_an_error_is_a_number_with_a_kind():
    _, ntk, error = kernels = nv.infinite_ntk(a.mlp, X)
    assert isinstance(error, float)
    assert 0 < error < 1e-12 * np.max(ntk)
    assert pickle.loads(pickle.dumps(kernels)).error_kind == kernels.error_kind == "rounding"
    assert kernels._replace(error=0.5).error_kind == "estimate"


def test_errors_add_up_and_have_the_weakest_kind():
    both = Error(0.1) + Error(0.2, "standard error")
    assert both.value == pytest.approx(0.3)
    assert both.kind == "standard error"
    assert weaker("estimate", "rounding") == "estimate"


def test_batches_of_several_shapes_have_the_error_of_the_weakest():
    kernels = nv.infinite_ntk(a.rnn(nonlinearity="tanh"), [np.ones((3, 2)), np.ones((2, 2))])
    assert kernels.error_kind == "estimate"


def test_kernels_in_blocks_have_the_error_of_the_blocks(tmp_path):
    arch = a.gru(sigma_b=0.2)
    for folder in (None, tmp_path, tmp_path):  # the second time, it finds all done
        assert nv.gram(arch, SEQUENCES, block=1, folder=folder, progress=False).error_kind == "standard error"
