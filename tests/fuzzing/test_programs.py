"""Generated programs: the readings agree within their errors, or refuse by name. `run.py` reads thousands."""

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import ntkviz as nv

from .agreement import DisagreementError, Estimate, check, is_sentence
from .programs import Example, program_number, programs


@given(programs())
@settings(
    max_examples=4,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # what fails is kept small by its length; to shorten it further, add Phase.shrink
)
def test_readings_agree_or_refuse_by_name(example):
    check(example)


def test_every_mistake_is_refused_when_it_is_written():
    broken = [example for example in map(program_number, range(600)) if example.broken]
    assert len(broken) > 20
    for example in broken:
        with pytest.raises(nv.NtkvizError) as refusal:
            nv.program(example.arch, example.data)
        assert is_sentence(str(refusal.value)), refusal.value


def test_a_wrong_limit_is_detected(monkeypatch):
    """The check itself detects a limit that is a tenth too large."""
    import ntkviz.kernels.infinite as infinite

    right = infinite._as_kernels
    monkeypatch.setattr(infinite, "_as_kernels", lambda k: right(k)._replace(ntk=1.1 * np.asarray(k.ntk)))
    source = "def network(net, x):\n    return net.readout('v', nv.relu(net.input('U', x)))\n"
    with pytest.raises(DisagreementError):
        check(Example(source, "ntk", (2, 2), "random"))


NOTHING_TRAINED = """
def network(net, x):
    h = net.input("U", x, trainable=False)
    return nv.inner(h, h)
"""
ZERO_NORMALISED = """
def network(net, x):
    return net.readout("v", nv.layernorm(net.input("U", x)))
"""


def test_a_program_that_trains_nothing_has_kernel_zero():
    example = Example(NOTHING_TRAINED, "ntk", (2, 2), "random")
    assert np.all(np.asarray(nv.empirical_ntk(example.arch, example.data, width=4, key=0)) == 0)
    assert np.all(nv.infinite_ntk(example.arch, example.data).ntk == 0)


def test_a_zero_vector_cannot_be_normalised():
    example = Example(ZERO_NORMALISED, "ntk", (2, 2), "one is zero")
    with jax.disable_jit():
        for read in (nv.infinite_ntk, lambda *a: nv.empirical_ntk(*a, width=4, key=0)):
            with pytest.raises(nv.NotFiniteError):
                read(example.arch, example.data)


@pytest.mark.parametrize("rows", [2, 3])
def test_a_batch_that_is_too_small_has_an_infinite_ntk(rows):
    with pytest.raises(nv.NotFiniteError, match="4 rows or more"):
        nv.infinite_ntk(nv.architectures.batchnorm_mlp, np.eye(4)[:rows])


def test_estimates_compare_with_their_errors():
    from .agreement import near

    one = Estimate(np.ones((2, 2)), np.full((2, 2), 0.1))
    assert near(one, Estimate(np.full((2, 2), 1.3), np.zeros((2, 2))), standard_errors=4)
    assert not near(one, Estimate(np.full((2, 2), 1.5), np.zeros((2, 2))), standard_errors=4)
