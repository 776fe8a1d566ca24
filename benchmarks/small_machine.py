"""A reader goes through all chapters on a machine of 2 GB and one core, as on mybinder.org, with three pages open.

    .venv/bin/python benchmarks/small_machine.py [--memory 2] [09_mlp ...]

Binder's Jupyter runs in a control group with this memory (version 1 or 2, which takes root). The reader opens chapter
after chapter, closes the oldest of more than three pages, follows all steps of a page and moves each of its sliders.
Prints when a chapter's picture was there, how long its calculations took, the peak of the memory in use (all processes,
with the cached files that they read, as Kubernetes counts it), and how many processes were killed. The browser runs
outside the group. Chapters are stored as in an image of Binder if ``make site`` was run before. Takes half an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests" / "browser"))

from pages import FLAGS, LAPTOP, PATIENCE, open_chapter  # noqa: E402
from serving import BINDER, on_binder  # noqa: E402

from ntkviz.app import chapters  # noqa: E402
from ntkviz.machine import in_use  # noqa: E402

OPEN = 3  # pages
AT_REST = 120  # seconds after which the reader goes on to the next chapter, whatever is still computed
GROUPS = Path("/sys/fs/cgroup")


class Group:
    """A control group with a limit on memory, for the processes of one command."""

    def __init__(self, memory: float):
        first = (GROUPS / "memory").is_dir()
        self.folder = (GROUPS / "memory" if first else GROUPS) / "ntkviz_small"
        self.folder.mkdir(exist_ok=True)
        limit = self.folder / ("memory.limit_in_bytes" if first else "memory.max")
        limit.write_text(str(int(memory * 1e9)))
        self._events = self.folder / ("memory.oom_control" if first else "memory.events")
        self.peak = 0.0

    def command(self) -> list[str]:
        """What starts a command in it, on one core."""
        return ["bash", "-c", f'echo $$ > {self.folder}/cgroup.procs; exec taskset -c 0 "$@"', "limited"]

    def killed(self) -> int:
        """How many processes were killed for memory."""
        lines = dict(line.split() for line in self._events.read_text().splitlines())
        return int(lines["oom_kill"])

    def watch(self, until: threading.Event) -> None:
        """Note the peak of the memory in use, without files that can be dropped."""
        while not until.wait(0.2):
            self.peak = max(self.peak, in_use(self.folder))


@contextlib.contextmanager
def watching(group: Group) -> Iterator[None]:
    """Watch a group until the block ends."""
    done = threading.Event()
    thread = threading.Thread(target=group.watch, args=(done,))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def go_through(page: Page, address: str) -> tuple[float, int]:
    """Open a chapter, follow its steps, and move each slider: when its picture was there, and the number of moves."""
    began = time.monotonic()
    open_chapter(page, address)
    seen = time.monotonic() - began
    steps = page.locator(".nv-step h3 a[href*='=']").all()
    for step in steps:
        step.click()
        page.wait_for_timeout(1000)
    sliders = [one for one in page.locator(".nv-controls").get_by_role("slider").all() if one.is_visible()]
    for slider in sliders:
        at_end = slider.evaluate("e => e.ariaValueNow === e.ariaValueMax")
        slider.press("ArrowLeft" if at_end else "ArrowRight")
        page.wait_for_timeout(1500)
    return seen, len(steps) + len(sliders)


def at_rest(page: Page) -> tuple[float, str]:
    """Wait until a page has no kernel to wait for and nothing to compute: how long that took, and what it says then."""
    began = time.monotonic()
    while "…" in (status := page.locator(".nv-status").first.inner_text()) and time.monotonic() - began < AT_REST:
        page.wait_for_timeout(1000)
    return time.monotonic() - began, status


def main() -> None:
    """Print a line for each chapter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", type=float, default=2.0, help="in GB (10⁹ bytes)")
    parser.add_argument("chapters", nargs="*", default=[c.name for c in chapters(ROOT / "notebooks") if c.number])
    given = parser.parse_args()
    group = Group(given.memory)
    os.environ["MEM_LIMIT"] = str(int(given.memory * 1e9))  # as on Binder
    most = 0.0
    with (
        tempfile.TemporaryDirectory() as workspaces,
        on_binder(ROOT, Path(workspaces), group.command()),
        sync_playwright() as playwright,
        watching(group),
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        pages: list[Page] = []
        for name in given.chapters:
            group.peak = 0.0
            pages.append(page := browser.new_page(viewport=LAPTOP))
            page.set_default_timeout(PATIENCE)
            page.on("pageerror", lambda error: print(f"    {error}", flush=True))
            if len(pages) > OPEN:
                oldest = pages.pop(0)
                oldest.goto("about:blank")
                oldest.close()
            seen, moves = go_through(page, f"{BINDER}/voila/render/{name}.ipynb")
            rest, status = at_rest(page)
            most = max(most, group.peak)
            print(
                f"{name:<24} picture {seen:5.1f} s   {moves:2d} moves, at rest after {rest:4.0f} s   "
                f"memory {group.peak / 1e6:5.0f} MB   killed {group.killed()}   {status}",
                flush=True,
            )
    print(f"peak {most / 1e6:.0f} MB of {given.memory * 1e3:.0f}; {group.killed()} processes were killed")


if __name__ == "__main__":
    main()
