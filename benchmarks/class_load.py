"""A class at the dashboard: 300 readers who read, 30 who come at once and play, then a hundred pages in turn.

    .venv/bin/python benchmarks/class_load.py --Dashboard.stored=.cache/chapters     # class mode: light kernels
    .venv/bin/python benchmarks/class_load.py                                        # without stored states
    .venv/bin/python benchmarks/class_load.py --module ntkviz.app.serve --readers 4  # a whole engine in each kernel

Readers are sockets, not browsers, which would compete with the server for the machine. Where chapters are stored
(``make site``), first come readers who only read, and the memory of all processes of the server is printed before and
after. Then a class opens the stored chapters at the same moment. A picture counts as seen when all that draws it has
arrived; drawing it takes a browser about a second more.

Then readers play, for which each gets a kernel: they come within a few seconds, and each moves a slider ten times, with
two to three seconds between moves. Prints how long kernels took to be there and moves to be answered, and the memory of
the server with all processes that it started. Then pages are opened one after the other, and each repeats moves of one
reader of the class: alone now, it must get the same numbers, which shows that no reader was given another's. At the end
the server must have no more kernels, files and open sockets than before, and its memory must have stopped growing: the
first 150 pages or so fill caches (``--turns 400`` shows it).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests" / "browser"))

from reader import Answer, reading_over_websocket, seconds_to_picture  # noqa: E402
from server_monitor import Resources, ServerMonitor, own_folder  # noqa: E402
from serving import serving  # noqa: E402

from ntkviz.app.server.kept import Kept  # noqa: E402
from ntkviz.app.server.lesson import DRAWING  # noqa: E402

IDLE = 0.6  # seconds of CPU time, out of two seconds, that the dashboard may use at rest: half of it is the engine's
PREHEATING = 600  # seconds in which a kernel of each chapter, with nothing compiled yet, is certainly ready
ARRIVAL = 5.0  # seconds in which a class arrives
THINKING = 2.0, 3.0  # seconds between two moves
REPEATED = 3  # moves repeated by each page that is opened alone
SLIDERS = {
    "01_gaussian": "sigma_w",
    "02_ntk": "sigma_w",
    "06_tensor_programs": "line",
    "07_gradient_independence": "xi",
    "09_mlp": "sigma_w",
    "10_cnn": "sigma_w",
    "11_rnn": "sigma_w",
    "12_gru_lstm": "forget_bias",
    "13_batchnorm": "extra",
    "14_transformer": "sigma_w",
    "05_figure_1": "draw",
    "03_training": "rate",
    "15_playground": "sigma_w",
    "16_your_own_model": "mix",
}


@dataclass
class Visit:
    """What one reader did and saw: the seconds that the page took to load, and the answer to each value requested.

    `picture` is the seconds until a stored picture was there.
    """

    chapter: str
    picture: float | None = None
    loading: float = np.nan
    moves: list[tuple[float, Answer]] = field(default_factory=list)
    failure: str = ""


@dataclass(frozen=True)
class Course:
    """A dashboard: the chapters that its readers open, and whether these are stored."""

    url: str
    chapters: list[str]
    stored: bool

    def chapter(self, number: int) -> str:
        """The chapter of a reader by their number."""
        return self.chapters[number % len(self.chapters)]


def course(url: str, options: Sequence[str]) -> Course:
    """The stored chapters of a dashboard with these options, or all chapters if none is stored."""
    folders = [option.partition("=")[2] for option in options if option.startswith("--Dashboard.stored=")]
    stored = [name for name in SLIDERS for folder in folders if folder and _is_stored(name, folder)]
    return Course(url, stored or list(SLIDERS), bool(stored))


def _is_stored(name: str, folder: str) -> bool:
    return Kept(ROOT / "notebooks" / f"{name}.ipynb", Path(folder)).valid() is not None


async def reading(course: Course, monitor: ServerMonitor, readers: int) -> tuple[list[float], Resources]:
    """Readers who only read, within the time in which a class arrives: their waits, and what the server holds then."""

    async def read(number: int) -> float:
        await asyncio.sleep(np.random.default_rng(number).uniform(0, ARRIVAL))
        return await seconds_to_picture(course.url, f"{course.chapter(number)}.ipynb") or np.nan

    waits = await asyncio.gather(*map(read, range(readers)))
    return waits, monitor.resources()


async def visit(course: Course, number: int, moves: int) -> Visit:
    """Reader `number` of a class: opens a chapter, moves its slider with pauses, and leaves.

    A stored chapter is opened by all at the same moment, and the first move comes after a pause.
    """
    url, chapter, among = course.url, course.chapter(number), len(course.chapters)
    random, found = np.random.default_rng(number), Visit(chapter)
    try:
        found.picture = await seconds_to_picture(url, f"{chapter}.ipynb") if course.stored else None
        await asyncio.sleep(random.uniform(0, ARRIVAL))
        async with reading_over_websocket(url, f"{chapter}.ipynb") as reader:
            found.loading = reader.seconds
            values = np.random.default_rng(0).permutation(reader.values(SLIDERS[chapter]))
            for move in range(moves):
                await asyncio.sleep(random.uniform(*THINKING))
                # Neighbours in the same chapter ask for different values.
                value = values[(moves * (number // among) + move) % len(values)].item()
                found.moves.append((value, await reader.move(SLIDERS[chapter], value)))
    except Exception as problem:
        found.failure = f"{type(problem).__name__}: {problem}"
    return found


async def together(course: Course, monitor: ServerMonitor, readers: int, moves: int) -> tuple[list[Visit], Resources]:
    """A class all at once: its visits, and what the server held when its memory was largest."""
    found = [monitor.resources()]

    async def watch() -> None:
        while True:
            await asyncio.sleep(5)
            found.append(await asyncio.to_thread(monitor.resources))

    watching = asyncio.create_task(watch())
    visits = await asyncio.gather(*(visit(course, number, moves) for number in range(readers)))
    watching.cancel()
    return visits, max(found, key=lambda used: used.altogether)


async def again(url: str, before: Visit, first: int) -> tuple[int, int]:
    """Repeat `REPEATED` moves of a visit alone: how many arrays of numbers could be compared, and how many differ."""
    compared = different = 0
    async with reading_over_websocket(url, f"{before.chapter}.ipynb") as reader:
        for value, answer in before.moves[first : first + REPEATED]:
            numbers = (await reader.move(SLIDERS[before.chapter], value)).numbers
            for place in numbers.keys() & answer.numbers.keys():
                compared += 1
                different += not np.array_equal(numbers[place], answer.numbers[place], equal_nan=True)
    return compared, different


def report_reading(waits: Sequence[float], after: Resources, before: Resources) -> None:
    """Print what those who read have cost."""
    print(f"{len(waits)} readers who read")
    print(f"  pictures  {np.isfinite(waits).sum()} seen: {_summary(waits, 's', 1)}")
    print(
        f"  memory    {before.altogether:,.0f} MB before, {after.altogether:,.0f} MB while they read, in all processes"
    )
    print(f"            {before.server:,.0f} MB before, {after.server:,.0f} MB, in the server itself")
    print(f"  kernels   {before.kernels} before, {after.kernels} while they read")


def report_class(visits: Sequence[Visit], asked: int, most: Resources) -> None:
    """Print what the class measured."""
    loading = [visit.loading for visit in visits if np.isfinite(visit.loading)]
    waiting = [1e3 * answer.seconds for visit in visits for _, answer in visit.moves]
    print(f"{len(visits)} readers at once")
    if pictures := [visit.picture for visit in visits if visit.picture is not None]:
        print(f"  pictures  {len(pictures)} seen: {_summary(pictures, 's', 1)}")
    print(f"  kernels   {len(loading)} given: {_summary(loading, 's', 1)}")
    print(f"  answers   {len(waiting)} to {asked} moves: {_summary(waiting, 'ms', 0)}")
    print(f"  memory    peak {most.altogether:,.0f} MB: {most.kernels} kernels, the server ({most.server:,.0f} MB), …")
    for visit in visits:
        if visit.failure:
            print(f"  FAILED    {visit.chapter}: {visit.failure}")


def _summary(numbers: Sequence[float], unit: str, digits: int) -> str:
    median, p95, worst = np.percentile(numbers, [50, 95, 100]) if numbers else [np.nan] * 3
    return f"median {median:,.{digits}f} {unit}, p95 {p95:,.{digits}f} {unit}, slowest {worst:,.{digits}f} {unit}"


def in_turn(url: str, monitor: ServerMonitor, visits: Sequence[Visit], turns: int) -> Iterator[tuple[int, int, float]]:
    """Open and close pages: arrays compared with the class's, arrays that differ, and the server's MB after each."""
    for turn in range(turns):
        round_, reader = divmod(turn, len(visits))
        try:
            compared, different = asyncio.run(again(url, visits[reader], REPEATED * round_))
        except Exception as problem:
            print(f"  FAILED    {visits[reader].chapter}, page {turn + 1}: {type(problem).__name__}: {problem}")
            compared = different = 0
        yield compared, different, monitor.memory_of_server()


def report_turns(turns: Sequence[tuple[int, int, float]], before: Resources, after: Resources) -> None:
    """Print whether pages left anything behind."""
    compared, different, server = zip(*turns, strict=True)
    print(f"{len(turns)} pages opened and closed one after the other")
    print(f"  numbers   {sum(compared):,} plotted arrays compared with the class's, {sum(different)} different")
    for name, had, has in zip(("kernels", "files", "open files"), before, after, strict=False):
        print(f"  {name:10}{had} before, {has} after")
    growth = ", ".join(f"{_growth(quarter):+.0f}" for quarter in np.array_split(server, 4))
    print(f"  server    {before.server:.1f} MB before, {after.server:.1f} MB after; kB per page, by quarters: {growth}")
    print(f"  all       {before.altogether:,.0f} MB before, {after.altogether:,.0f} MB after")


def _growth(megabytes: np.ndarray) -> float:
    """kB per page, by linear regression."""
    return 1e3 * np.polyfit(np.arange(len(megabytes)), megabytes, 1)[0] if len(megabytes) > 1 else np.nan


def settle(monitor: ServerMonitor) -> None:
    """Wait until each chapter has a preheated kernel, and then until the server is idle."""
    deadline, chapters = time.monotonic() + PREHEATING, len(list((ROOT / "notebooks").glob("[0-9]*.ipynb")))
    while monitor.resources().kernels < chapters and time.monotonic() < deadline:
        time.sleep(5)
    monitor.rest(PREHEATING, IDLE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", default="ntkviz.app.classroom", help="the dashboard to start")
    parser.add_argument("--reading", type=int, default=300, help="readers who only read, where chapters are stored")
    parser.add_argument("--readers", type=int, default=30)
    parser.add_argument("--moves", type=int, default=10)
    parser.add_argument("--turns", type=int, default=100)
    options, others = parser.parse_known_args()  # the others are the dashboard's
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="nv-") as folder:
        place, environment = own_folder(folder)
        with serving(ROOT / "notebooks", place, *others, module=options.module, environment=environment) as server:
            monitor = ServerMonitor(server.process.pid, Path(folder))
            settle(monitor)
            before = monitor.resources()
            print(f"{options.module}: {before.kernels} kernels ready, {before.altogether:,.0f} MB in all", flush=True)
            opened = course(server.url, others)
            if opened.stored:
                print(f"{len(opened.chapters)} of {len(SLIDERS)} chapters are stored, and are opened here", flush=True)
                report_reading(*asyncio.run(reading(opened, monitor, options.reading)), before)
            visits, most = asyncio.run(together(opened, monitor, options.readers, options.moves))
            report_class(visits, options.readers * options.moves, most)
            turns = list(in_turn(server.url, monitor, visits, options.turns))
            time.sleep(2 * DRAWING)  # then the server starts kernels again
            settle(monitor)
            report_turns(turns, before, monitor.resources())


if __name__ == "__main__":
    main()
