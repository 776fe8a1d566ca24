"""Mutation testing: changes the engine's mathematics in one place at a time, and counts changes that no test detects.

    python -m tests.mutation.run --sample 300 --seed 0
    python -m tests.mutation.run --module kernels/forward/loops
    python -m tests.mutation.run --again          # those that survived last time

Each mutant is a copy of the repository with one small change (`mutants.py`), on which the tests that `TESTS` lists for
the changed module run until one fails. A mutant that exceeds the time limit counts as killed. The mutants in
`equivalent.toml` compute the same as the original, and are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from .mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / ".cache" / "mutation"

TESTS = {
    "gaussian/certified/adaptive": "gaussian/certified/test_adaptive gaussian/test_quadrature",
    "gaussian/certified/adaptive_pairs": "gaussian/certified/test_adaptive gaussian/test_quadrature",
    "gaussian/arctangent": "gaussian/test_arctangent gaussian/test_closed_forms",
    "gaussian/batchnorm": "gaussian/test_batchnorm",
    "gaussian/certified/boxes": "gaussian/certified/test_boxes",
    "gaussian/certified/cells": "gaussian/certified/test_enclosures gaussian/certified/test_adaptive",
    "gaussian/closed": "gaussian/test_closed_forms gaussian/test_differentiable",
    "gaussian/closed_forms": "gaussian/test_closed_forms gaussian/test_differentiable",
    "gaussian/differentiable": "gaussian/test_differentiable",
    "gaussian/certified/enclosures": "gaussian/certified/test_enclosures gaussian/certified/test_adaptive",
    "gaussian/expectation": "gaussian/test_closed_forms gaussian/test_quadrature",
    "gaussian/error": "kernels/test_plan kernels/test_infinite",
    "gaussian/error_kind": "kernels/test_plan kernels/test_infinite",
    "gaussian/exponential_sums": "gaussian/test_families",
    "gaussian/families": "gaussian/test_families test_names",
    "gaussian/certified/functions": "gaussian/certified/test_enclosures",
    "gaussian/certified/host": "gaussian/certified/test_adaptive",
    "gaussian/certified/jumps": "gaussian/certified/test_adaptive",
    "gaussian/certified/pieces": "gaussian/certified/test_enclosures gaussian/certified/test_adaptive",
    "gaussian/geometry": "gaussian/test_closed_forms gaussian/test_differentiable",
    "gaussian/quadrature": "gaussian/test_quadrature",
    "gaussian/sobol": "gaussian/test_sobol",
    "gaussian/certified/strips": "gaussian/certified/test_enclosures gaussian/certified/test_adaptive",
    "language/gradients/backward": "language/gradients/test_backward",
    "language/gradients/gia": "language/gradients/test_gia",
    "language/nonlinearities/nonlinearity": "language/test_values gaussian/test_closed_forms gaussian/test_quadrature",
    "language/rewriting/rolling": "language/rewriting/test_rolling kernels/forward/test_loops",
    "language/rewriting/steps_axis": "language/rewriting/test_rolling kernels/forward/test_loops",
    "kernels/contributions": "kernels/test_contributions",
    "kernels/deviation": "kernels/test_deviation",
    "calculus/symbolic/exact": "calculus/test_general",
    "calculus/symbolic/expressions": "calculus/symbolic/test_expressions calculus/test_general",
    "networks/finite": "networks/test_finite calculus/test_recurrence kernels/forward/test_loops",
    "kernels/forward/kernels": "kernels/forward/test_kernels kernels/forward/test_loops kernels/test_infinite",
    "kernels/forward/rules": "kernels/forward/test_moments kernels/forward/test_kernels "
    "kernels/test_infinite kernels/forward/test_loops architectures/test_oracles",
    "calculus/gaussianity": "calculus/test_master",
    "calculus/general": "calculus/test_general calculus/test_sampled",
    "kernels/forward/loops": "kernels/forward/test_loops kernels/test_infinite",
    "calculus/master": "calculus/test_master",
    "kernels/forward/moments": "kernels/forward/test_moments kernels/forward/test_kernels "
    "kernels/test_infinite kernels/forward/test_loops architectures/test_oracles",
    "networks/sampling": "networks/test_finite kernels/forward/test_loops networks/test_outputs",
    "networks/outputs": "networks/test_outputs",
    "calculus/recurrence": "calculus/test_recurrence",
    "kernels/forward/repeats": "kernels/forward/test_moments kernels/forward/test_kernels kernels/test_infinite",
    "kernels/forward/row_blocks": "kernels/forward/test_row_blocks kernels/forward/test_kernels",
    "calculus/gaussian_sums": "calculus/test_gaussian_sums",
    "calculus/influence": "calculus/test_influence kernels/test_fluctuation",
    "calculus/sampled": "calculus/test_virtual calculus/test_sampled calculus/test_general",
    "calculus/smoothed_jumps": "calculus/test_smoothed_jumps",
    "kernels/fluctuation": "kernels/test_fluctuation",
    "networks/training": "networks/test_training",
    "networks/uses": "networks/test_finite calculus/test_sampled kernels/test_contributions",
}
"""The modules that are changed, and the tests of each, the most specific first."""


def main() -> None:
    """Read the command line, then run the tests on each mutant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, help="how many mutants, drawn from all; all of them if left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--module", choices=TESTS, action="append", help="mutants of this module only")
    parser.add_argument("--again", action="store_true", help="the mutants that survived last time")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    chosen = _chosen(options)
    with tempfile.TemporaryDirectory(prefix="mutation_bulk_") as folder:
        verdicts = _try_all(chosen, Path(folder), options.workers)
    _remember(verdicts)
    _report(verdicts)
    sys.exit("survived" in verdicts.values())


def _chosen(options: argparse.Namespace) -> list[Mutant]:
    modules = options.module or list(TESTS)
    every = [m for module in modules for m in mutants(module, _source(ROOT, module).read_text(encoding="utf-8"))]
    if options.again:
        last = {tuple(key) for *key, verdict in _remembered() if verdict == "survived"}
        return [m for m in every if m.same_change() in last]
    if options.sample is not None and options.sample < len(every):
        every = random.Random(options.seed).sample(every, options.sample)
    print(f"{len(every)} mutants", flush=True)
    return every


def _source(tree: Path, module: str) -> Path:
    return tree / "ntkviz" / f"{module}.py"


def _try_all(chosen: list[Mutant], folder: Path, workers: int) -> dict[Mutant, str]:
    """Whether each mutant was killed, survived or is equivalent. Every worker has its own copy of the repository."""
    known = tomllib.loads((Path(__file__).parent / "equivalent.toml").read_text(encoding="utf-8"))
    equivalent = {(m["module"], m["was"], m["now"]) for m in known["mutant"]}
    trees: SimpleQueue[Path] = SimpleQueue()
    for number in range(workers):
        trees.put(_copy_of_tree(folder / str(number)))

    def verdict(mutant: Mutant) -> str:
        if mutant.same_change() in equivalent:
            return "equivalent"
        tree = trees.get()
        source = _source(tree, mutant.module)
        original = source.read_text(encoding="utf-8")
        source.write_text(mutant.text, encoding="utf-8")
        started = time.monotonic()
        try:
            found = "survived" if _passes(tree, mutant.module, limit[mutant.module]) else "killed"
        finally:
            source.write_text(original, encoding="utf-8")
            trees.put(tree)
        print(f"{found} after {time.monotonic() - started:.0f} s: {mutant}", flush=True)
        return found

    def time_limit(module: str) -> float:
        """Several times the duration of the tests on the original, which must pass them."""
        tree, started = trees.get(), time.monotonic()
        passed = _passes(tree, module, 1800)
        trees.put(tree)
        print(f"{time.monotonic() - started:4.0f} s for the tests of {module}", flush=True)
        if not passed:
            raise SystemExit(f"the tests of {module} fail without a mutant")
        return 60 + 5 * (time.monotonic() - started)

    with ThreadPoolExecutor(workers) as pool:
        modules = sorted({m.module for m in chosen})
        limit = dict(zip(modules, pool.map(time_limit, modules), strict=True))
        return dict(zip(chosen, pool.map(verdict, chosen), strict=True))


def _copy_of_tree(to: Path) -> Path:
    to.mkdir()
    for part in ("ntkviz", "tests"):
        shutil.copytree(ROOT / part, to / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", to)
    return to


def _passes(tree: Path, module: str, seconds: float) -> bool:
    files = [str(tree / "tests" / f"{name}.py") for name in TESTS[module].split()]
    environment = os.environ | {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "JAX_COMPILATION_CACHE_DIR": str(RESULTS / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files]
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _remembered() -> list[list[str]]:
    return json.loads((RESULTS / "verdicts.json").read_text(encoding="utf-8"))


def _remember(verdicts: dict[Mutant, str]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    lines = [[*mutant.same_change(), verdict] for mutant, verdict in verdicts.items()]
    (RESULTS / "verdicts.json").write_text(json.dumps(lines, ensure_ascii=False, indent=1), encoding="utf-8")


def _report(verdicts: dict[Mutant, str]) -> None:
    for mutant, verdict in verdicts.items():
        if verdict == "survived":
            print(f"survived: {mutant}")
    counts = Counter((mutant.module, verdict) for mutant, verdict in verdicts.items())
    for module in [*sorted({module for module, _ in counts}), ""]:
        killed, survived, equivalent = (
            sum(n for (of, found), n in counts.items() if found == verdict and module in (of, ""))
            for verdict in ("killed", "survived", "equivalent")
        )
        share = 100 * killed / max(killed + survived, 1)
        print(f"{module or 'all':24} {killed:4} killed {survived:4} survived {equivalent:4} equivalent {share:5.0f} %")


if __name__ == "__main__":
    main()
