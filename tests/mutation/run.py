"""Changes the engine's mathematics in one place at a time, and counts the changes that no test notices.

    python -m tests.mutation.run --sample 300 --seed 0
    python -m tests.mutation.run --module readings/loops
    python -m tests.mutation.run --again          # those that survived last time

Each mutant is a copy of the repository with one small change (`mutants.py`), on which the tests of the changed module
run, those of `TESTS` and no others, until one fails. A mutant that is waited for too long counts as killed. Those of
`equivalent.toml` calculate the same as the original, and are not counted.
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
    "gaussian/adaptive": "gaussian/test_certified gaussian/test_quadrature",
    "gaussian/adaptive_pairs": "gaussian/test_certified gaussian/test_quadrature",
    "gaussian/arctangent": "gaussian/test_arctangent gaussian/test_closed_forms",
    "gaussian/batchnorm": "gaussian/test_batchnorm",
    "gaussian/cells": "gaussian/test_enclosures gaussian/test_certified",
    "gaussian/closed_forms": "gaussian/test_closed_forms",
    "gaussian/enclosures": "gaussian/test_enclosures gaussian/test_certified",
    "gaussian/expectation": "gaussian/test_closed_forms gaussian/test_quadrature",
    "gaussian/exponential_sums": "gaussian/test_families",
    "gaussian/families": "gaussian/test_families test_names",
    "gaussian/functions": "gaussian/test_enclosures",
    "gaussian/host": "gaussian/test_certified",
    "gaussian/jumps": "gaussian/test_certified",
    "gaussian/pieces": "gaussian/test_enclosures gaussian/test_certified",
    "gaussian/quadrature": "gaussian/test_quadrature",
    "gaussian/sobol": "gaussian/test_sobol",
    "gaussian/strips": "gaussian/test_enclosures gaussian/test_certified",
    "language/backward": "language/test_backward",
    "language/gia": "language/test_gia",
    "language/nonlinearities": "language/test_values gaussian/test_closed_forms gaussian/test_quadrature",
    "language/rolling": "language/test_rolling readings/test_loops",
    "language/steps_axis": "language/test_rolling readings/test_loops",
    "readings/contributions": "readings/test_contributions",
    "readings/deviation": "readings/test_deviation",
    "readings/exact": "readings/test_general",
    "readings/expressions": "readings/test_expressions readings/test_general",
    "readings/finite": "readings/test_finite readings/test_recurrence readings/test_loops",
    "readings/forward": "readings/test_forward readings/test_loops readings/test_infinite",
    "readings/forward_rules": "readings/test_aligned readings/test_forward readings/test_infinite readings/test_loops "
    "architectures/test_oracles",
    "readings/gaussianity": "readings/test_master",
    "readings/general": "readings/test_general readings/test_sampled",
    "readings/loops": "readings/test_loops readings/test_infinite",
    "readings/master": "readings/test_master",
    "readings/moments": "readings/test_aligned readings/test_forward readings/test_infinite readings/test_loops "
    "architectures/test_oracles",
    "readings/networks": "readings/test_finite readings/test_loops readings/test_outputs",
    "readings/outputs": "readings/test_outputs",
    "readings/recurrence": "readings/test_recurrence",
    "readings/repeats": "readings/test_aligned readings/test_forward readings/test_infinite",
    "readings/rows": "readings/test_rows readings/test_forward",
    "readings/sampled": "readings/test_sampled readings/test_general",
    "readings/training": "readings/test_training",
    "readings/uses": "readings/test_finite readings/test_sampled readings/test_contributions",
}
"""The modules that are changed, and the tests of each, the nearest first."""


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
    """killed, survived or equivalent, for each mutant. Every worker has a copy of the repository to itself."""
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
        """Several times what the tests take on the original, which they have to pass."""
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
