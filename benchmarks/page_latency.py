"""How soon every page shows its first picture and answers a move of each slider, in headless Chromium.

    .venv/bin/python benchmarks/page_latency.py [02_ntk ...]

The dashboard has a waiting kernel for each page, and nothing else runs. `first picture` is the time from the request of
the page to its first drawn plot; `first answer` that of the page's own kernel, when the widgets have replaced the
preview. A move is answered once the first frame is painted in which a visible plot shows other data or, if what it
shows is still to be computed, is dimmed; a slider gets ten moves.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from ntkviz.app import chapters

MOVES = 10
PATIENCE = 5000  # ms
ROOT = Path(__file__).parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FIRST_PICTURE = """
    new MutationObserver((_, observer) => {
        if (!document.querySelector('.nv-plot .main-svg')) return;
        window.nvFirstPicture = performance.now();
        observer.disconnect();
    }).observe(document, { childList: true, subtree: true });
"""
# A number for all data of the visible plots: positions, heights, colours, texts, and which of them are out of date.
DIGEST = """
    window.nvDigest = () => {
        let digest = 0, place = 1;
        const add = value => {
            if (value === null || value === undefined) return;
            if (typeof value === 'number') digest += (Number.isFinite(value) ? value : 1e3) * Math.sin(place++);
            else if (typeof value === 'string') for (const c of value) digest += c.charCodeAt() * Math.sin(place++);
            else if (typeof value === 'object') for (const part of value) add(part);
        };
        for (const plot of document.querySelectorAll('.nv-plot:not(.nv-hidden) .js-plotly-plot')) {
            for (const trace of plot._fullData ?? []) {
                [trace.x, trace.y, trace.z, trace.text, trace.marker?.color, trace.opacity].forEach(add);
            }
            add(plot.closest('.nv-outdated') ? 1e3 : 0);
            for (const shape of plot.layout?.shapes ?? []) [shape.x0, shape.x1, shape.y0, shape.y1].forEach(add);
        }
        return digest;
    };
"""
MOVE = f"""key => new Promise(resolve => {{
    const before = window.nvDigest(), slider = document.activeElement, start = performance.now();
    const keyCode = key === 'ArrowRight' ? 39 : 37;
    slider.dispatchEvent(new KeyboardEvent('keydown', {{ key, code: key, keyCode, bubbles: true }}));
    const look = () => window.nvDigest() !== before
        ? setTimeout(() => resolve(performance.now() - start)) // after this frame
        : performance.now() - start > {PATIENCE} ? resolve(NaN) : requestAnimationFrame(look);
    requestAnimationFrame(look);
}})"""


def wait_until_idle(seconds: float = 4.0, most: float = 240.0) -> None:
    """Wait until the processors have had next to nothing to do for some seconds, or too long."""

    def busy() -> float:
        user, nice, system, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
        return (user + nice + system) / 100

    start = time.monotonic()
    while time.monotonic() - start < most:
        before = busy()
        time.sleep(seconds)
        if busy() - before < 0.25 * seconds:
            return


def moves(page: Page) -> dict[str, list[float]]:
    """Milliseconds from key press to answer, for each slider of the picture."""
    page.evaluate(DIGEST)
    times = {}
    for slider in page.locator(".nv-controls").get_by_role("slider").all():
        if not slider.is_visible():
            continue
        slider.focus()
        at_end = slider.evaluate("e => +e.ariaValueNow + (e.ariaValueMax - e.ariaValueMin) / 2 > +e.ariaValueMax")
        there, back = ("ArrowLeft", "ArrowRight") if at_end else ("ArrowRight", "ArrowLeft")
        found = []
        for move in range(MOVES):
            found.append(page.evaluate(MOVE, there if move % 4 < 2 else back))
            page.wait_for_timeout(1500)  # let what the last move started come to an end
        times[slider.evaluate("e => e.ariaLabel")] = found
    return times


def measure(page: Page, address: str) -> tuple[float, float, dict[str, list[float]]]:
    """The first picture and the first answer in milliseconds, and those of the moves."""
    page.add_init_script(FIRST_PICTURE)
    page.goto(address, timeout=120_000)
    page.locator(".nv-preview").wait_for(state="detached", timeout=120_000)
    page.locator(".nv-plot:not(.nv-hidden) .main-svg").first.wait_for(timeout=120_000)
    first, answered = page.evaluate("[window.nvFirstPicture, performance.now()]")
    wait_until_idle()
    return first, answered, moves(page)


def main(names: list[str]) -> None:
    """Print a line for each page and slider."""
    command = [sys.executable, "-m", "ntkviz.app.serve", str(ROOT / "notebooks"), "--port=8950"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
        try:
            assert server.stdout
            url = next(word for word in server.stdout.readline().split() if word.startswith("http")).rstrip("/")
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            everything = []
            for name in names:
                wait_until_idle()
                page = browser.new_page(viewport={"width": 1366, "height": 768})
                first, answered, times = measure(page, f"{url}/voila/render/{name}.ipynb")
                print(f"{name:<24} first picture {first:5.0f} ms   first answer {answered:6.0f} ms", flush=True)
                for label, found in times.items():
                    answers = [t for t in found if not np.isnan(t)]
                    everything += answers
                    silent = len(found) - len(answers)
                    numbers = (
                        f"median {np.median(answers):6.0f} ms   p95 {np.percentile(answers, 95):6.0f} ms"
                        if answers
                        else ""
                    )
                    print(f"    {label:<34} {numbers}{f'   {silent} changed nothing' if silent else ''}", flush=True)
                page.goto("about:blank")
                page.close()
            print(f"all moves: median {np.median(everything):.0f} ms, p95 {np.percentile(everything, 95):.0f} ms")
            browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main(sys.argv[1:] or [c.name for c in chapters(ROOT / "notebooks") if c.number])
