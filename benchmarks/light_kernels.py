"""A kernel that computes by itself, compared with a light one that uses a shared engine: memory, and slider latency.

    .venv/bin/python benchmarks/light_kernels.py [09_mlp 11_rnn …]

Each chapter runs from top to bottom in a kernel of each kind, one after the other, until its first picture is ready:
the first finite network is drawn, and everything that the chapter compiles ahead is compiled. Then the kernel's memory
is read (PSS: memory shared with other processes is counted proportionally), and thirty moves of a slider are timed. All
chapters take ten minutes on two cores.
"""

import json
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from ntkviz.app import chapters
from ntkviz.app.classroom import engine

ROOT = Path(__file__).parents[1]
REMEMBER = """
from ntkviz import app
all_pictures, picture_made = [], app.Picture.__init__
def remembered(self, *args, **kwargs):
    all_pictures.append(self)
    picture_made(self, *args, **kwargs)
app.Picture.__init__ = remembered
"""
MEASURE = """
import asyncio, json, time
from itertools import cycle, islice
import numpy as np
[picture] = all_pictures
stop = time.monotonic() + 180
while (picture._progress.value < 1 or picture._background._idle) and time.monotonic() < stop:
    await asyncio.sleep(0.2)
await asyncio.sleep(1)
memory = sum(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Pss:")) / 1024
controls = picture.controls._controls.items()
sliders = [(name, control.widget) for name, control in controls if isinstance(control, app.Slider)]
name, slider = next((pair for pair in sliders if isinstance(pair[1].value, float)), sliders[0])
places = np.arange(slider.min, slider.max + slider.step / 2, slider.step)
times = []
for place in islice(cycle(places), 35):
    picture.controls.set(**{name: type(slider.value)(min(place, slider.max))})
    start = time.perf_counter()
    picture._at_once(picture.controls)
    times.append(1000 * (time.perf_counter() - start))
median, p95 = np.quantile(times[5:], [0.5, 0.95])
print(json.dumps({"memory": memory, "slider": name, "median": median, "p95": p95}))
"""


def measured(chapter: Path, environment: dict[str, str]) -> dict:
    """One chapter in a kernel of its own."""
    notebook = nbformat.read(chapter, 4)
    first, last = (nbformat.v4.new_code_cell(source) for source in (REMEMBER, MEASURE))
    notebook.cells = [first, *notebook.cells, last]
    folder = {"metadata": {"path": str(chapter.parent)}}
    NotebookClient(notebook, timeout=300, resources=folder).execute(env=os.environ | environment)
    return json.loads(last.outputs[-1]["text"].splitlines()[-1])


def main(names: list[str]) -> None:
    """Print a row for each chapter."""
    folder = ROOT / "notebooks"
    lessons = [folder / chapter.file for chapter in chapters(folder) if chapter.number]
    print(f"{'chapter':<26}{'MB':>16}{'ratio':>7}   {'slider, ms: median and 95 %':>28}")
    print(f"{'':<26}{'itself':>8}{'light':>8}{'':>10}{'itself':>15}{'light':>15}")
    with engine() as far:
        for chapter in lessons:
            if names and chapter.stem not in names:
                continue
            itself, light = measured(chapter, {}), measured(chapter, far)
            times = "".join(f"{found['median']:>8.0f}{found['p95']:>7.0f}" for found in (itself, light))
            both = itself["memory"], light["memory"]
            ratio = both[0] / both[1]
            print(
                f"{chapter.stem:<26}{both[0]:>8.0f}{both[1]:>8.0f}{ratio:>7.1f}   {times}  {light['slider']}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
