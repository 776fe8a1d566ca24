"""How long a reader waits for the first picture: after the dashboard is started, and with preheated kernels.

    .venv/bin/python benchmarks/start_up.py

Without preheated kernels, starts the dashboard three times with an empty folder for compiled code, and each time once
more with the folder that this start has filled, and opens a chapter in headless Chromium: seconds from the start of the
process until it listens, until the page has arrived, until its plots are drawn, and until its controls are there, too.
Then every chapter is opened once at a dashboard whose preheated kernels are ready, in a browser with an empty cache:
the same times, from the request for the page. `--chapter` and `--runs` set another chapter and number of starts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests" / "browser"))

from pages import FLAGS, PATIENCE  # noqa: E402
from server_monitor import ServerMonitor  # noqa: E402
from serving import serving  # noqa: E402

from ntkviz.app import chapters  # noqa: E402
from ntkviz.app.server.lesson import DRAWING  # noqa: E402

# Records, in milliseconds since the page was requested, the first frame in which all plots are drawn, by the page's
# preview or by its widgets, and the first in which its widgets have drawn them.
WATCH = """{
    const look = () => {
        const plots = [...document.querySelectorAll('.nv-plot')];
        if (plots.length && plots.every(plot => plot.querySelector('.main-svg'))) {
            window.drawn ??= performance.now();
            if (!document.querySelector('.nv-preview')) return window.ready = performance.now();
        }
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""


class Start(NamedTuple):
    """Seconds from the start of the process until it listens, and until page, picture and controls are there."""

    listening: float
    page: float
    picture: float
    controls: float


def first_picture(browser: Browser, address: str) -> tuple[float, float, float]:
    """Seconds from requesting a page until it has arrived, its plots are drawn, and its controls are there."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(address, timeout=PATIENCE)
    while not page.evaluate("window.ready"):
        page.wait_for_timeout(50)
    answered = page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd")
    drawn, ready = page.evaluate("[window.drawn, window.ready]")
    page.goto("about:blank")  # ends the kernel
    context.close()
    return answered / 1000, drawn / 1000, ready / 1000


def start(browser: Browser, chapter: str, compiled: str) -> Start:
    """One start with a folder for compiled code, without preheated kernels."""
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": compiled,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    began = time.perf_counter()
    with serving(ROOT / "notebooks", "--preheat_kernel=False", environment=environment) as server:
        listening = time.perf_counter() - began
        return Start(listening, *(listening + wait for wait in first_picture(browser, server.chapter(chapter))))


def from_nothing(browser: Browser, chapter: str, runs: int) -> None:
    """Starts with and without compiled code, side by side."""
    empty, filled = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as compiled:
            empty.append(start(browser, chapter, compiled))
            filled.append(start(browser, chapter, compiled))
    print(f"From the start of the process, {chapter}, without preheated kernels: medians of {runs}")
    report("nothing compiled", empty)
    report("second start", filled)
    ratio = statistics.median(a.picture / b.picture for a, b in zip(empty, filled, strict=True))
    print(f"  after the second start, the picture comes {ratio:.2f} times as fast", flush=True)


def report(name: str, starts: Sequence[Start]) -> None:
    """One line of medians."""
    listening, page, picture, controls = (statistics.median(column) for column in zip(*starts, strict=True))
    print(
        f"  {name:17} listening {listening:4.1f} s   page {page:5.1f} s   picture {picture:5.1f} s   "
        f"controls {controls:5.1f} s"
    )


def with_waiting_kernels(browser: Browser) -> None:
    """Every chapter once, when its preheated kernel is ready."""
    with serving(ROOT / "notebooks") as server:
        monitor = ServerMonitor(server.process.pid, Path("/tmp"))
        monitor.rest()
        print("From the request for the page, with a preheated kernel")
        pictures, controls = [], []
        for chapter in chapters(ROOT / "notebooks")[1:]:
            time.sleep(DRAWING)
            monitor.rest()  # until the kernel that replaces the last one is ready, too
            page, *seconds = first_picture(browser, server.chapter(chapter.file))
            pictures.append(seconds[0])
            controls.append(seconds[1])
            print(
                f"  {chapter.name:25} page {page:5.2f} s   picture {seconds[0]:5.2f} s   controls {seconds[1]:5.2f} s",
                flush=True,
            )
        for name, found in (("picture", pictures), ("controls", controls)):
            print(f"  {name}: median {statistics.median(found):.2f} s, slowest {max(found):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chapter", default="11_rnn.ipynb")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        from_nothing(browser, options.chapter, options.runs)
        with_waiting_kernels(browser)
        browser.close()


if __name__ == "__main__":
    main()
