"""The memory that a computation needs is known before it starts, and one that would not fit is not started."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import full

import ntkviz as nv
from ntkviz.execution import memory_limit as bounded
from ntkviz.execution.cost import Cost
from ntkviz.execution.traced_cost import cost_of, looped, work_of
from ntkviz.networks import finite
from ntkviz.networks import sampling as networks


def inputs(count, *shape):
    return np.random.default_rng(0).standard_normal((count, *shape))


def one_example(arch, x):
    """The program as the readings trace it: for one example, with the data of all."""
    return arch.trace((x[:1],)).unrolled().with_data(x)


@pytest.mark.parametrize(
    ("arch", "x", "width"),
    [
        full((nv.architectures.mlp(depth=3), inputs(16, 64), 2048)),
        (nv.architectures.mlp(depth=1), inputs(256, 64), 1024),
        full((nv.architectures.transformer(), inputs(4, 10, 8), 512)),
        (nv.architectures.rnn(), inputs(4, 6, 8), 512),
    ],
    ids=["mlp", "many examples", "transformer", "rnn"],
)
def test_memory_is_what_the_compiler_allocates(arch, x, width):
    program, other = one_example(arch, x), one_example(arch, x[::-1])
    compiled = jax.jit(finite.ntk_of_examples, static_argnums=3)
    parameters = networks.sample_parameters(program, width, jax.random.key(0))
    traced = compiled.trace(program, other, parameters, width)
    stats = traced.lower().compile().memory_analysis()
    allotted = stats.temp_size_in_bytes + stats.argument_size_in_bytes + stats.output_size_in_bytes
    assert allotted / 3 < cost_of(traced.jaxpr.jaxpr).memory < 3 * allotted


def test_memory_of_a_product_of_matrices_by_hand():
    traced = jax.jit(lambda a, b: (jnp.sin(a) @ b).sum()).trace(jnp.ones((100, 200)), jnp.ones((200, 300)))
    inputs_, sine, product = 100 * 200 + 200 * 300, 100 * 200, 100 * 300  # numbers of 8 bytes
    copies = 2 * (100 + 300) * 200  # of two products at a time
    assert cost_of(traced.jaxpr.jaxpr).memory == pytest.approx(1.1 * 8 * (inputs_ + sine + product + copies), rel=0.01)


def test_a_sum_of_one_term_takes_no_memory():
    def sums(terms):
        return jax.jit(lambda a: (jnp.concatenate([a[:0], a.reshape(-1, terms, 50).sum(1)]) ** 2).sum()).trace(
            jnp.ones((1000, 50))
        )

    one, two = (cost_of(sums(terms).jaxpr.jaxpr).memory for terms in (1, 2))
    assert one == pytest.approx(1.1 * 8 * 1000 * 50, rel=0.01)
    assert two > 1.4 * one


def test_work_counts_the_multiplications_of_a_loop():
    def loop(a):
        return jax.lax.scan(lambda x, _: (x @ x, None), a, length=7)[0]

    traced = jax.jit(loop).trace(jnp.ones((40, 40)))
    assert work_of(traced.jaxpr.jaxpr).products == 7 * 40**3


def test_a_loop_of_unknown_length_counts_as_often_as_expected():
    def step(x, last):
        with looped(2.5):
            return jax.lax.fori_loop(0, last, lambda _, y: y @ y, x), None

    traced = jax.jit(lambda a, lengths: jax.lax.scan(step, a, lengths)).trace(jnp.ones((40, 40)), jnp.arange(4))
    assert work_of(traced.jaxpr.jaxpr).products == 4 * 2.5 * 40**3


def test_estimating_computes_nothing_and_counts_every_network():
    x, arch = inputs(5, 3), nv.architectures.mlp(depth=2)
    one = nv.cost(nv.empirical_ntk, arch, x, width=4096, key=0)
    assert one.memory > 4 * 4096**2  # the matrix between the hidden layers
    nv.empirical_ntk(arch, x, width=4096, key=0)  # afterwards everything is computed again
    compiled = nv.cost(nv.empirical_ntk, arch, x, width=4096, key=1)
    assert 0.3 < one.compiling < 2  # about 300 operations at 2 ms
    assert compiled.compiling == 0
    nv.infinite_ntk(arch, x)
    many = nv.cost(nv.deviation, arch, x, widths=[4096], seeds=100)
    assert many.memory == pytest.approx(one.memory, rel=0.01)
    assert many.seconds == pytest.approx(100 * compiled.seconds, rel=0.1)
    assert one.repeated(100).compiling == one.compiling
    assert one.repeated(100).seconds == pytest.approx(many.seconds, rel=0.1)


def test_a_width_that_does_not_fit_is_refused_at_once():
    with pytest.raises(nv.TooLargeError, match=r"needs about \d+ TB of memory, but only \d+ GB are free"):
        nv.empirical_ntk(nv.architectures.mlp(depth=2), inputs(2, 3), width=10**7, key=0)


def test_a_server_can_allow_less_than_the_machine_has(monkeypatch):
    arch, x = nv.architectures.mlp(depth=2), inputs(2, 3)
    monkeypatch.setenv(bounded.LIMIT, "0.1")
    with pytest.raises(nv.TooLargeError, match="only 100 MB are free"):
        nv.empirical_ntk(arch, x, width=8192, key=0)
    assert nv.cost(nv.empirical_ntk, arch, x, width=8192, key=0).memory > 1e8  # an estimate costs nothing
    assert nv.empirical_ntk(arch, x, width=64, key=0).shape == (2, 2)
    monkeypatch.setenv(bounded.LIMIT, "plenty")
    with pytest.raises(nv.HyperparameterError, match="must be a number of GB"):
        nv.empirical_ntk(arch, x, width=8192, key=0)


@pytest.mark.parametrize(
    ("memory", "seconds", "words"),
    [
        (3.4e9, 41.0, "about 3 GB and 41 s"),
        (1.27e8, 0.2, "about 130 MB and 1 s"),
        (2e3, 130.0, "about 1 MB and 2 min"),
        (4.2e14, 8000.0, "about 420 TB and 2 h"),
    ],
)
def test_a_cost_in_words(memory, seconds, words):
    assert str(Cost(memory, seconds)) == words


def test_a_cost_says_when_it_may_be_less_after_an_earlier_run():
    assert str(Cost(3e8, seconds=2.0, compiling=9.0)) == "about 300 MB and 11 s, less if done before"
    assert str(Cost(3e8, seconds=9.0, compiling=2.0)) == "about 300 MB and 11 s"


def test_depth_and_length_are_bounded():
    with pytest.raises(nv.HyperparameterError, match="at most 100,000"):
        nv.infinite_ntk(nv.architectures.mlp(depth=10**9), inputs(2, 3))
    with pytest.raises(nv.ProgramError, match="more than 20,000 instructions"):
        nv.empirical_ntk(nv.architectures.mlp(depth=10**5), inputs(2, 3), width=8, key=0)
    with pytest.raises(nv.ProgramError, match="inputs shorter"):
        nv.infinite_ntk(nv.architectures.rnn(), inputs(1, 10**4, 2))


def test_an_xla_without_the_option_is_not_given_it(monkeypatch):
    options = bounded.quicker_code()
    assert options["xla_cpu_use_fusion_emitters"] is False  # else the class compiles for longer
    assert bounded._is_known(options)
    assert not bounded._is_known({"xla_cpu_of_another_time": True})
    monkeypatch.setattr(bounded, "_HAS_ALL", (0, 1))
    assert bounded.quicker_code.__wrapped__() == options
    monkeypatch.setattr(bounded, "_is_known", lambda options: False)
    assert bounded.quicker_code.__wrapped__() == {}
