"""The latency from a slider to the infinite-width limit: in the kernel, and on screen in headless Chromium.

    .venv/bin/python benchmarks/slider_latency.py

Thirty moves each, through all depths and several σ_w; nothing should be compiled after the first answer.
"""

import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
from playwright.sync_api import Page, sync_playwright

import ntkviz as nv
from ntkviz import app

MOVES = 30
ROOT = Path(__file__).parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
LIMIT = "document.querySelector('.nv-plot:not(.nv-hidden) .js-plotly-plot')?._fullData?.[5]?.z"
# From the key press to the first frame after the limit's heatmap holds other numbers.
MOVE = f"""key => new Promise(resolve => {{
    const before = JSON.stringify(Array.from({LIMIT}, row => Array.from(row)));
    const slider = document.activeElement;
    const start = performance.now();
    const keyCode = key === 'ArrowRight' ? 39 : 37;
    slider.dispatchEvent(new KeyboardEvent('keydown', {{key, code: key, keyCode, bubbles: true}}));
    const look = () => JSON.stringify(Array.from({LIMIT}, row => Array.from(row))) !== before
        ? requestAnimationFrame(() => resolve(performance.now() - start))
        : performance.now() - start > 10000 ? resolve(NaN) : requestAnimationFrame(look);
    requestAnimationFrame(look);
}})"""


class Compilations(logging.Handler):
    """Counts what JAX compiles."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.getMessage().startswith("Compiling")


def in_kernel() -> tuple[list[float], int]:
    """Milliseconds of `infinite_ntk` for each move, and how many compilations the moves caused."""
    x = app.digits(classes=(0, 1, 4, 6), each=4).x
    nv.infinite_ntk(nv.architectures.mlp(), x)
    counter = Compilations()
    logging.getLogger("jax").addHandler(counter)
    times = []
    with jax.log_compiles():
        for move in range(MOVES):
            arch = nv.architectures.mlp(depth=1 + move % 10, sigma_w=0.5 + move / 15)
            start = time.perf_counter()
            nv.infinite_ntk(arch, x)
            times.append(1e3 * (time.perf_counter() - start))
    return times, counter.count


def on_screen(page: Page) -> list[float]:
    """Milliseconds from key press to the frame that shows the new limit, for each move."""
    while not page.evaluate(f"{LIMIT}?.length > 0"):  # `wait_for_function` would call `eval`, which pages refuse
        page.wait_for_timeout(100)
    page.wait_for_timeout(150_000)  # let this kernel, and the preheated ones, finish compiling ahead
    page.get_by_role("slider", name="hidden layers", exact=True).focus()
    keys = ["ArrowRight"] * 7 + ["ArrowLeft"] * 9 + ["ArrowRight"] * 9 + ["ArrowLeft"] * 5
    times = []
    for key in keys[:MOVES]:
        times.append(page.evaluate(MOVE, key))
        page.wait_for_timeout(100)
    return times


def served() -> list[float]:
    """The same moves in a served page."""
    command = [sys.executable, "-m", "ntkviz.app.serve", str(ROOT / "notebooks"), "--port=8950"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
        try:
            assert server.stdout
            url = next(word for word in server.stdout.readline().split() if word.startswith("http"))
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_page(viewport={"width": 1366, "height": 768})
            page.goto(f"{url.rstrip('/')}/voila/render/02_ntk.ipynb#view=every+pair", timeout=120_000)
            times = on_screen(page)
            browser.close()
        finally:
            server.terminate()
    return times


def report(where: str, times: list[float]) -> None:
    """One line of medians."""
    print(
        f"{where:<12} median {np.median(times):6.1f} ms   p95 {np.percentile(times, 95):6.1f} ms   {len(times)} moves"
    )


if __name__ == "__main__":
    kernel_times, compilations = in_kernel()
    report("in kernel", kernel_times)
    print(f"             {compilations} compilations")
    report("on screen", served())
