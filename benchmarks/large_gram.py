"""A kernel of 10,000 × 10,000 real images: how long it takes, how much memory it needs, and what a cluster adds.

    .venv/bin/python benchmarks/large_gram.py

The images are the 1,797 handwritten digits of 8 × 8 pixels that ship with scikit-learn, and copies shifted by one pixel
down, up, right, left and diagonally (pixels that leave on one side enter on the other), so 10,000 of them are different
images, but not independent ones. The architecture is an MLP of three hidden layers with relu. Prints, for the whole
kernel in blocks stored in a folder, the time, the time of a block and the peak memory of the process; then, for fewer
images, the time of this process and that of a Dask cluster of worker processes on the same machine. There, the workers
share the cores that a single process also uses: a cluster pays off where it adds machines. Takes a minute on two cores;
at 10,000 images the files need 1.6 GB on disk. `--images` and `--compare` set other sizes.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from distributed import LocalCluster
from sklearn.datasets import load_digits

import ntkviz as nv

ARCH = nv.architectures.mlp(depth=3, nonlinearity="relu")
MOVES = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1)]  # pixels down and to the right


def moved_digits(count: int) -> np.ndarray:
    """`(count, 64)`: the original digits, then all of them shifted, centred and scaled to mean square 1."""
    images = load_digits().images
    x = np.concatenate([np.roll(images, move, axis=(1, 2)) for move in MOVES]).reshape(-1, 64)[:count]
    if len(x) < count:
        raise SystemExit(f"There are {len(x)} images with all shifts; ask for at most that many.")
    x = x - x.mean(axis=0)
    return x / np.sqrt(np.mean(x**2, axis=1, keepdims=True))


def peak_memory() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def whole(count: int, block: int, folder: Path) -> None:
    """Compute the large kernel, stored in a folder."""
    nv.gram(ARCH, moved_digits(block), block=block, progress=False)  # compiles
    x, before, times = moved_digits(count), peak_memory(), [time.perf_counter()]
    kernels = nv.gram(ARCH, x, block=block, folder=folder, progress=lambda *_: times.append(time.perf_counter()))
    blocks = np.diff(times[1:])
    size = (kernels.nngp.nbytes + kernels.ntk.nbytes) / 1e6
    print(f"{count:,} × {count:,} in {len(blocks)} blocks of {block} × {block}, {size:,.0f} MB on disk")
    print(f"  total      {times[-1] - times[0]:7.1f} s")
    print(f"  a block    {1e3 * np.median(blocks):7.1f} ms, the slowest {1e3 * np.max(blocks):.1f} ms")
    print(f"  peak memory{peak_memory():7.0f} MB, of which {before:.0f} MB after the first block", flush=True)


def side_by_side(count: int, block: int, workers: int) -> None:
    """Compute one kernel in this process and on a local cluster, each after compilation."""
    x = moved_digits(count)
    print(f"{count:,} × {count:,} in memory, blocks of {block} × {block}")
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster:
        found = []
        for name, scheduler in (("one process", None), (f"{workers} workers", cluster.scheduler_address)):
            nv.gram(ARCH, x, block=block, scheduler=scheduler, progress=False)  # every worker compiles
            start = time.perf_counter()
            found.append(nv.gram(ARCH, x, block=block, scheduler=scheduler, progress=False))
            print(f"  {name:11}{time.perf_counter() - start:7.1f} s", flush=True)
    print(f"  equal to the last bit: {all(map(np.array_equal, *(kernels[:2] for kernels in found)))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000, help="for the large kernel")
    parser.add_argument("--compare", type=int, default=4_000, help="images for the comparison")
    parser.add_argument("--block", type=int, default=500, help="images along each side of a block")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole(options.images, options.block, Path(folder) / "kernels")
    side_by_side(options.compare, options.block, options.workers)


if __name__ == "__main__":
    main()
