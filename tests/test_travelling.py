"""All objects that users hold can be pickled, copied and sent to other processes, and behave the same there."""

import concurrent.futures
import copy
import functools
import inspect
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import types

import cloudpickle
import jax.numpy as jnp
import joblib
import numpy as np
import pytest

import ntkviz as nv
from ntkviz import errors
from ntkviz.distant import pickling

A = nv.architectures
X = np.random.default_rng(0).normal(size=(3, 2))
SEQUENCES = X[:, :, None]
IMAGES = np.random.default_rng(0).normal(size=(2, 4, 4, 2))
GRAPHS = np.random.default_rng(0).normal(size=(2, 3, 2)), np.ones((2, 3, 3))


@nv.nonlinearity
def bent(x):
    """A nonlinearity that is defined under the name of its function."""
    return x * jnp.tanh(x)


nameless = nv.nonlinearity(lambda x: jnp.log1p(x * x))


def plain_bend(x):
    return jnp.arctan(x)


beside_its_function = nv.nonlinearity(plain_bend)


@nv.architecture
def deep(net, x, *, sigma_w=1.5, phi=bent):
    """An architecture of a module."""
    return net.readout("v", phi(net.matrix("W", std=sigma_w) @ nv.erf(net.input("U", x))))


def plain_function(net, x):
    return net.readout("v", nameless(net.input("U", x)))


of_a_function = nv.architecture(plain_function)
of_a_lambda = nv.architecture(lambda net, x: net.readout("v", beside_its_function(net.input("U", x))))


class Lab:
    """A place that is not the module."""

    @nv.architecture
    def inside(net, x):
        return net.readout("v", nv.tanh(net.input("U", x)))


def made_here(gain):
    @nv.architecture
    def local(net, x, *, sigma_v=1.0):
        return net.readout("v", nv.nonlinearity(lambda h: jnp.tanh(gain * h))(net.input("U", x)), std=sigma_v)

    return local


ARCHITECTURES = {
    "library": A.mlp,
    "with hyper-parameters": A.mlp(depth=3, nonlinearity="tanh", parametrization="ntk4a"),
    "of a module": deep,
    "of a module, set": deep(sigma_w=2.0, phi=nameless),
    "of a plain function": of_a_function,
    "of a lambda": of_a_lambda,
    "in a class": Lab.inside,
    "in a function": made_here(1.5),
    "with a function": A.mlp(nonlinearity=plain_bend),
    "with a lambda": A.mlp(nonlinearity=lambda x: jnp.sin(2 * x)),
}


def through(dumps, value):
    return pickle.loads(dumps(value))


WAYS = {
    "pickle": functools.partial(through, pickle.dumps),
    "oldest pickle": lambda value: pickle.loads(pickle.dumps(value, protocol=4)),
    "cloudpickle": functools.partial(through, cloudpickle.dumps),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
every_way = pytest.mark.parametrize("send", WAYS.values(), ids=WAYS)


@every_way
@pytest.mark.parametrize("arch", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_architectures_are_the_same_afterwards(send, arch):
    again = send(arch)
    assert again == arch
    assert hash(again) == hash(arch)
    assert repr(again) == repr(arch)
    assert again.__doc__ == arch.__doc__


def test_the_library_as_a_whole():
    for name in A.__all__:
        value = getattr(A, name)
        if isinstance(value, nv.Architecture):
            assert pickle.loads(pickle.dumps(value)) == value


def test_a_redefined_name_does_not_replace_the_original_function():
    """As in a notebook in which a cell has been run again: the old function is pickled by value."""
    namespace = {"__name__": "two_versions", "nv": nv}
    module = type(sys)("two_versions")
    module.__dict__.update(namespace)
    sys.modules["two_versions"] = module
    try:
        code = "@nv.architecture\ndef arch(net, x):\n    return net.readout('v', nv.relu(net.input('U', x)), std={})"
        exec(code.format(1.0), module.__dict__)
        old = module.arch
        exec(code.format(2.0), module.__dict__)
        for version, std in ((old, 1.0), (module.arch, 2.0)):
            again = pickle.loads(pickle.dumps(version))
            nngp = nv.infinite_ntk(nv.architectures.mlp(depth=1, sigma_w=1.0, sigma_b=0.0, sigma_v=std), X).nngp
            np.testing.assert_allclose(nv.infinite_ntk(again, X).nngp, nngp, rtol=1e-6)
    finally:
        del sys.modules["two_versions"]


def test_a_function_that_changed_since_arrives_unchanged():
    namespace = {"__name__": "changing", "nv": nv, "std": 1.0}
    exec("arch = nv.architecture(lambda net, x: net.readout('v', net.input('U', x), std=std))", namespace)
    text = pickle.dumps(namespace["arch"])
    assert pickle.loads(text) == namespace["arch"]
    namespace["std"] = 3.0
    before, now = (nv.infinite_ntk(arch, X).nngp for arch in (pickle.loads(text), namespace["arch"]))
    np.testing.assert_allclose(now, 9 * before)


def _of_a_notebook(*cells):
    """The architecture of the function `f` of these cells, and the notebook's variables."""
    known = {"__name__": "__main__", "nv": nv}
    for cell in cells:
        exec(textwrap.dedent(cell), known)
    return nv.architecture(known["f"]), known


SCALED = """
    def f(net, x, *, sigma_v=1.0, name="v"):
        std = lambda: scale * float(sigma_v)
        return net.readout(name, nv.relu(net.input("U", x)), std=std())
"""


def test_a_function_whose_parts_are_constant_is_written_once(monkeypatch):
    arch, _ = _of_a_notebook("scale = 2.0", SCALED)
    written, write = [], pickling.pickled
    monkeypatch.setattr(pickling, "pickled", lambda value: written.append(value) or write(value))
    texts = {pickle.dumps(arch) for _ in range(3)}
    assert (len(texts), written) == (1, [arch.fn])
    assert pickle.loads(texts.pop()) == arch


OTHER_PARTS = {
    "global": "scale = 5.0",
    "hidden builtin": "float = int",
    "module": "import numpy as nv",
    "default of a keyword": "f.__kwdefaults__['sigma_v'] = 5.0",
    "default": "f.__defaults__ = (5.0,)",
    "annotation": "f.__annotations__['x'] = 'float'",
    "attribute": "f.about = 'text'",
    "documentation": "f.__doc__ = 'Text.'",
    "name": "f.__name__ = 'other'",
    "qualified name": "f.__qualname__ = 'other'",
    "name of its module": "f.__module__ = 'other'",
    "code": "f.__code__ = f.__code__.replace(co_consts=tuple('T' if c == 'U' else c for c in f.__code__.co_consts))",
}


@pytest.mark.parametrize("change", OTHER_PARTS.values(), ids=OTHER_PARTS)
def test_a_function_is_written_again_once_a_part_is_another(change):
    arch, known = _of_a_notebook("scale = 2.0", SCALED)
    before = pickle.dumps(arch)
    assert pickle.dumps(arch) == before
    exec(change, known)
    assert pickle.dumps(arch) != before


def test_a_function_is_written_again_once_more_of_a_package_is_imported(monkeypatch):
    arch, _ = _of_a_notebook("scale = 2.0", SCALED)
    before = pickle.dumps(arch)
    monkeypatch.setitem(sys.modules, "ntkviz.relu", types.ModuleType("ntkviz.relu"))
    assert pickle.dumps(arch) != before


CHANGES_WITHIN = {
    "list": ("scale = [2.0]", "scale[0]", "scale[0] = 5.0"),
    "list in a tuple": ("scale = ([2.0],)", "scale[0][0]", "scale[0][0] = 5.0"),
    "function": ("s = 2.0\nscale = lambda: s", "scale()", "s = 5.0"),
    "class": ("class Scale:\n    of = 2.0", "Scale.of", "Scale.of = 5.0"),
}


@pytest.mark.parametrize(("define", "use", "change"), CHANGES_WITHIN.values(), ids=CHANGES_WITHIN)
def test_a_function_is_written_again_once_a_part_has_changed_within(define, use, change):
    arch, known = _of_a_notebook(define, SCALED.replace("scale", use))
    before = pickle.dumps(arch)
    exec(change, known)
    assert pickle.dumps(arch) != before


def test_a_function_is_written_again_once_a_variable_around_it_has_another_value():
    scale = 2.0
    arch = nv.architecture(lambda net, x: net.readout("v", net.input("U", x), std=scale * late))
    texts = [pickle.dumps(arch)]
    for scale, late in ((2.0, None), (2.0, 1.0), (5.0, 1.0)):  # noqa: B007 (the function uses them)
        texts += [pickle.dumps(arch), pickle.dumps(arch)]
    assert len(set(texts)) == 4


def test_the_contents_of_a_registered_module_are_written_every_time(monkeypatch):
    lab = types.ModuleType("lab")
    monkeypatch.setitem(sys.modules, "lab", lab)
    cloudpickle.register_pickle_by_value(lab)
    try:
        arch, _ = _of_a_notebook("import lab; lab.scale = 2.0", SCALED.replace("scale", "lab.scale"))
        before = pickle.dumps(arch)
        lab.scale = 5.0
        assert pickle.dumps(arch) != before
    finally:
        cloudpickle.unregister_pickle_by_value(lab)


def test_without_cloudpickle_an_anonymous_function_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    assert pickle.loads(pickle.dumps(A.mlp(depth=2))) == A.mlp(depth=2)
    with pytest.raises((pickle.PicklingError, AttributeError), match="local object"):
        pickle.dumps(made_here(1.0))


# --- nonlinearities --------------------------------------------------------------------------------------

NONLINEARITIES = {
    "ready": nv.relu,
    "under its function's name": bent,
    "of a lambda": nameless,
    "of a function": beside_its_function,
    "of JAX": nv.nonlinearity(jnp.tanh),
    "derivative": nv.relu.derivative(),
    "by JAX": nv.tanh.derivative(),
    "twice": bent.derivative().derivative(),
    "of a polynomial": nv.cube.derivative().derivative(),
    "local": nv.nonlinearity(lambda x: jnp.cos(3 * x)),
}


@every_way
@pytest.mark.parametrize("phi", NONLINEARITIES.values(), ids=NONLINEARITIES)
def test_nonlinearities_are_the_same_object_afterwards(send, phi):
    assert send(phi) is phi


# --- programs ------------------------------------------------------------------------------------------

PROGRAMS = {
    "mlp": (A.mlp(depth=2, nonlinearity="tanh"), X),
    "own": (deep(phi=nameless), X),
    "transformer": (A.transformer(), SEQUENCES),
    "lstm": (A.lstm(), SEQUENCES),
    "cnn": (A.cnn(), IMAGES),
    "gcn": (A.gcn(), GRAPHS),
    "batchnorm": (A.batchnorm_mlp(), np.random.default_rng(0).normal(size=(5, 2))),
    "tied": (A.tied_readout(), X),
}


@every_way
@pytest.mark.parametrize(("arch", "x"), PROGRAMS.values(), ids=PROGRAMS)
def test_programs_are_the_same_afterwards(send, arch, x):
    program = nv.program(arch, x)
    for one in (arch.trace(x if isinstance(x, tuple) else (x,)), program, program.backward()):
        again = send(one)
        assert again == one
        assert hash(again) == hash(one)
        assert again.to_text() == one.to_text()
        assert len({one, again}) == 1


def test_programs_with_different_numbers_are_different():
    program = nv.program(A.mlp(), X)
    assert program != nv.program(A.mlp(), X + 1)
    assert program != nv.program(A.mlp(sigma_w=0.1), X)
    assert program != nv.program(A.mlp(depth=3), X)


def test_functions_of_scalars_travel():
    arch = nv.architecture(
        lambda net, x: net.readout("v", net.input("U", x) * net.scalar_function(lambda a: a + 1, 2.0, name="next"))
    )
    for program in (nv.program(arch, X), nv.program(arch, X).backward()):
        assert pickle.loads(pickle.dumps(program)) == program
        assert copy.deepcopy(program) == program


# --- results ---------------------------------------------------------------------------------------------


def _same(one, other):
    """Whether two objects are equal, including their contents."""
    if isinstance(one, np.ndarray) or hasattr(one, "__array__"):
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, tuple | list):
        assert type(one) is type(other)
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            _same(a, b)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            _same(one[key], other[key])
    elif isinstance(one, nv.regression.Regression):
        _same(vars(one), vars(other))
        _same(one.gradient_flow(1.0), other.gradient_flow(1.0))
    else:
        assert one == other


RESULTS = {
    "kernels": lambda: nv.infinite_ntk(deep, X),
    "finite": lambda: nv.empirical_ntk(deep, X, width=8, key=0),
    "fit": lambda: nv.regression.fit(A.mlp(), X, np.ones(3)),
    "prediction": lambda: nv.regression.fit(A.mlp(), X, np.ones(3)).nngp_posterior(0.1),
    "law": lambda: nv.limit_law(nv.program(A.mlp(), X)),
    "theorem": lambda: nv.master_theorem(nv.program(A.mlp(), X), lambda h: h, [("g1", 0)], width=8, key=0),
    "cost": lambda: nv.cost(nv.infinite_ntk, A.mlp(), X),
    "deviation": lambda: nv.deviation(A.mlp(), X, widths=[8], seeds=2),
    "report": lambda: nv.simple_gia_check(A.tied_readout(), X),
    "training": lambda: nv.train(A.mlp(), X, np.ones(3), width=8, key=0, learning_rate=0.1, steps=2),
    "sweep": lambda: nv.sweep(A.mlp(), X, sigma_w=[1.0, 2.0]),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_the_same_afterwards(name):
    result = RESULTS[name]()
    for send in WAYS.values():
        _same(result, send(result))


def _every_error():
    return [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, errors.NtkvizError)]


@every_way
@pytest.mark.parametrize("error", _every_error())
def test_refusals_keep_their_arguments(send, error):
    again = send(error("One sentence.", 3))
    assert type(again) is error
    assert again.args == ("One sentence.", 3)


@every_way
def test_a_refusal_as_it_was_raised(send):
    with pytest.raises(errors.InputError) as caught:
        nv.infinite_ntk(A.mlp(), [[np.nan]])
    assert str(send(caught.value)) == str(caught.value)


# --- other processes -------------------------------------------------------------------------------------


def _outputs(arch):
    """Of a network, which compiles faster than a limit and calls the same functions."""
    return nv.sample_outputs(arch, X, width=8, draws=2, key=0)


@functools.cache
def _expected():
    return [_outputs(arch) for arch in ARCHITECTURES.values()]


def test_processes_that_are_spawned():
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        for found, expected in zip(pool.map(_outputs, ARCHITECTURES.values()), _expected(), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5)  # single precision
        assert all(pool.submit(_round_trip).result())


def _round_trip():
    """In another process: an object that arrives twice is one object, and stays the same when sent on from there."""
    return [pickle.loads(pickle.dumps(arch)) == arch for arch in ARCHITECTURES.values()]


def test_joblib():
    results = joblib.Parallel(n_jobs=2)(joblib.delayed(_outputs)(arch) for arch in ARCHITECTURES.values())
    for found, expected in zip(results, _expected(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


SCRIPT = """
    import concurrent.futures, multiprocessing, pickle, subprocess, sys
    import cloudpickle, jax.numpy as jnp, numpy as np
    import ntkviz as nv

    @nv.nonlinearity
    def bent(x):
        return x * jnp.tanh(x)

    scale = 2.0

    @nv.architecture
    def arch(net, x, *, sigma_v=1.0):
        return net.readout("v", scale * bent(net.input("U", x)), std=sigma_v)

    def kernel(arch):
        return nv.infinite_ntk(arch, np.eye(2)).ntk

    if __name__ == "__main__":
        for dumps in (pickle.dumps, cloudpickle.dumps):
            assert pickle.loads(pickle.dumps(arch(sigma_v=3.0))) == arch(sigma_v=3.0)
            assert pickle.loads(pickle.dumps(bent)) is bent
            ask = "import pickle, sys, numpy as np, ntkviz as nv; arch = pickle.load(sys.stdin.buffer); "
            ask += "print(nv.infinite_ntk(arch, np.eye(2)).ntk[0, 0])"
            there = subprocess.run([sys.executable, "-c", ask], input=dumps(arch), capture_output=True, check=True)
            assert abs(float(there.stdout) - kernel(arch)[0, 0]) < 1e-9
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            assert np.allclose(pool.submit(kernel, arch).result(), kernel(arch))
        print("done")
"""


def test_architectures_of_a_script_or_notebook(tmp_path):
    """Definitions in `__main__` reach processes with a different `__main__`."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=os.environ)
    assert done.stdout == "done\n", done.stderr
