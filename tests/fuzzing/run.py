"""Evaluates thousands of generated programs by every reading, and counts: agreed, refused by name, or failed.

    python -m tests.fuzzing.run --programs 10000 --seed 0 --failures .cache/failures

A failed program is written into the folder, as Python source that reproduces the failure, with what went wrong.
`--only 4711` runs one program again.
"""

import argparse
import functools
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import jax

from .agreement import Outcome, check
from .derivatives import check_derivatives
from .programs import program_number
from .training import check_training


def main() -> None:
    """Read the command line, then the programs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="the number of the first program")
    parser.add_argument("--only", type=int, help="read one program, and print it")
    parser.add_argument("--readers", type=int, default=1, help="how many processes read at one time")
    parser.add_argument("--failures", type=Path, default=Path(".cache/fuzzing"), help="where failures are written")
    parser.add_argument("--check", choices=CHECKS, default="kernels", help="what is compared")
    options = parser.parse_args()
    if options.only is not None:
        example = program_number(options.only, options.seed)
        print(example)
        print(CHECKS[options.check](example))
        return
    numbers = range(options.start, options.start + options.programs)
    sys.exit(read_all(numbers, options.seed, options.failures, options.readers, options.check))


CHECKS = {"kernels": check, "training": check_training, "derivatives": check_derivatives}
CHUNK = 200  # programs one process reads: what it compiles is forgotten with it
COMPILED = Path(".cache/fuzzing_operations")


def read_all(numbers: range, seed: int, folder: Path, at_once: int = 1, what: str = "kernels") -> int:
    """The number of failures, after all else was printed. Fresh processes, so many at a time, do the reading."""
    folder.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    started = time.monotonic()
    with ProcessPoolExecutor(at_once, max_tasks_per_child=1, mp_context=get_context("spawn")) as readers:
        chunks = [numbers[first : first + CHUNK] for first in range(0, len(numbers), CHUNK)]
        read = functools.partial(_read, seed=seed, folder=folder, what=what)
        for done, found in enumerate(readers.map(read, chunks), start=1):
            counts += found
            _report(counts, min(done * CHUNK, len(numbers)), time.monotonic() - started)
    return counts["FAILED"]


def _read(numbers: range, seed: int, folder: Path, what: str) -> Counter[str]:
    _keep_operations()
    counts: Counter[str] = Counter()
    for number in numbers:
        example = program_number(number, seed)
        try:
            counts[_verdict(CHECKS[what](example))] += 1
        except Exception as problem:
            counts["FAILED"] += 1
            text = f"{example}\n'''\n{traceback.format_exc()}\n'''\n"
            (folder / f"{seed}_{number}.py").write_text(text, encoding="utf-8")
            print(f"program {number}: {type(problem).__name__}: {str(problem)[:300]}", flush=True)
    return counts


def _keep_operations() -> None:
    """Keep all compiled operations, however quickly compiled, for the next process."""
    jax.config.update("jax_compilation_cache_dir", str(COMPILED.absolute()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _verdict(outcome: Outcome) -> str:
    agreed = "+".join(outcome.agreed[1:]) or "nothing"
    refused = ", ".join(f"{reading}: {error}" for reading, error in outcome.refused.items())
    return f"agreed {agreed}" + (f" | refused {refused}" if refused else "")


def _report(counts: Counter[str], done: int, seconds: float) -> None:
    print(f"--- {done} programs, {seconds:.0f} s, {counts['FAILED']} failed")
    for verdict, count in counts.most_common():
        print(f"{count:7} {verdict}", flush=True)


if __name__ == "__main__":
    main()
