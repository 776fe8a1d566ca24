"""Long computations: the newest request wins, cancelling is immediate, errors become one sentence."""

import asyncio
import threading
import time

import pytest

from ntkviz import machine
from ntkviz.app.pages.background import Background, sentence
from ntkviz.errors import HyperparameterError

from ..conftest import wait_for


@pytest.fixture
def background():
    return Background()


def endless(seen, label):
    def steps():
        while True:
            time.sleep(0.005)
            yield lambda: seen.append(label)

    return steps


def test_steps_run_in_order_and_the_end_is_reported_once(background):
    seen, ends, counted = [], [], []
    background.run(lambda: iter([lambda k=k: seen.append(k) for k in range(5)]), lambda: counted.append(1), ends.append)
    wait_for(lambda: ends)
    assert (seen, len(counted), ends) == ([0, 1, 2, 3, 4], 5, [None])


def test_newest_request_wins(background):
    seen = []
    background.run(endless(seen, "old"))
    wait_for(lambda: seen)
    background.run(endless(seen, "new"))
    count = seen.count("old")
    wait_for(lambda: seen.count("new") > 5)
    assert seen.count("old") == count
    background.cancel()


def test_of_many_requests_only_the_last_is_served(background):
    ends = []
    for k in range(50):
        background.run(lambda k=k: iter([lambda: None]), on_end=lambda error, k=k: ends.append(k))
    wait_for(lambda: 49 in ends)
    assert ends == sorted(ends)


def test_cancel_stops_within_a_step_and_reports_no_end(background):
    seen, ends = [], []
    background.run(endless(seen, 1), on_end=ends.append)
    wait_for(lambda: seen)
    background.cancel()
    count = len(seen)
    time.sleep(0.1)
    assert (len(seen), ends) == (count, [])


def test_the_result_of_a_superseded_step_is_dropped(background):
    started, go, seen = threading.Event(), threading.Event(), []

    def slow():
        started.set()
        go.wait()
        yield lambda: seen.append("stale")

    background.run(slow)
    started.wait()
    background.run(lambda: iter([lambda: seen.append("new")]))
    go.set()
    wait_for(lambda: seen)
    assert seen == ["new"]


def test_an_error_becomes_a_sentence_and_the_worker_survives(background):
    def refuses():
        raise HyperparameterError("The width is 0; it must be a whole number ≥ 1.")
        yield

    ends = []
    background.run(refuses, on_end=ends.append)
    wait_for(lambda: ends)
    background.run(lambda: iter([]), on_end=ends.append)
    wait_for(lambda: len(ends) == 2)
    assert ends == ["The width is 0; it must be a whole number ≥ 1.", None]


def test_an_unexpected_error_shows_its_type_and_logs_the_details(caplog):
    said = sentence(FileNotFoundError(2, "No such file or directory", "/srv/ntkviz/secret"))
    assert said == "This could not be computed because of an unexpected FileNotFoundError."
    assert "/srv/ntkviz/secret" in caplog.text


def test_updates_run_on_the_event_loop():
    async def page():
        background, threads = Background(), []
        done = asyncio.Event()

        def on_end(error):
            done.set()

        background.run(lambda: iter([lambda: threads.append(threading.current_thread())]), on_end=on_end)
        await asyncio.wait_for(done.wait(), 5)
        return threads

    assert asyncio.run(page()) == [threading.current_thread()]


def test_a_request_that_waits_for_an_uninterruptible_one_says_so():
    """Cancelling a compilation drops its result at once; the next request says that it is waiting, and then begins."""
    finished, said = threading.Event(), []

    def compiles():
        finished.wait()
        yield lambda: said.append("stale")

    async def page():
        background, done = Background(), asyncio.Event()
        background.run(compiles)
        await asyncio.sleep(0.05)
        background.cancel()
        background.run(
            lambda: iter([lambda: said.append("new")]),
            on_end=lambda error: done.set(),
            on_wait=lambda waiting: said.append("waits" if waiting else "begins"),
        )
        await asyncio.sleep(0.95)
        assert said == ["waits"]
        finished.set()
        await asyncio.wait_for(done.wait(), 5)

    asyncio.run(page())
    assert said == ["waits", "begins", "new"]


def test_a_request_that_begins_at_once_does_not_say_that_it_is_waiting():
    async def page():
        background, said, ended = Background(), [], asyncio.Event()
        background.run(lambda: iter([]), on_end=lambda error: ended.set(), on_wait=said.append)
        await asyncio.wait_for(ended.wait(), 5)
        await asyncio.sleep(0.8)
        return said

    assert asyncio.run(page()) == []


def test_requests_take_precedence_over_preparation(background):
    order, hold = [], threading.Event()
    background.prepare([hold.wait, lambda: order.append("prepared")])
    background.run(lambda: iter([lambda: order.append("asked")]))
    hold.set()
    wait_for(lambda: len(order) == 2)
    assert order == ["asked", "prepared"]


def test_an_unopened_page_stops_after_the_first_step_and_prepares():
    background, seen, prepared, ends = Background(watched=False), [], [], []
    background.run(lambda: iter([lambda k=k: seen.append(k) for k in range(3)]), on_end=ends.append)
    background.prepare([lambda k=k: prepared.append(k) for k in range(4)])
    wait_for(lambda: len(prepared) == 4)
    time.sleep(0.3)
    assert (seen, ends) == ([0], [])
    background.watch()
    wait_for(lambda: ends)
    assert (seen, ends) == ([0, 1, 2], [None])


def test_a_forecast_is_made_only_if_the_first_step_takes_long(background):
    asked, said, go = [], [], threading.Event()

    def forecast():
        asked.append(1)
        return lambda: said.append("long")

    background.run(lambda: iter([lambda: said.append("step")]), forecast=forecast)
    wait_for(lambda: said)
    time.sleep(0.9)
    assert (asked, said) == ([], ["step"])

    def slow():
        go.wait()
        yield lambda: said.append("step")

    background.run(slow, forecast=forecast)
    wait_for(lambda: "long" in said)
    go.set()
    wait_for(lambda: said == ["step", "long", "step"])


def test_a_request_that_waits_for_another_announces_its_forecast_too(background):
    said, started, go = [], threading.Event(), threading.Event()

    def compiles():
        started.set()
        go.wait()
        yield lambda: None

    background.run(compiles)
    started.wait()
    background.run(lambda: iter([lambda: said.append("step")]), forecast=lambda: lambda: said.append("long"))
    wait_for(lambda: said == ["long"])
    go.set()
    wait_for(lambda: said == ["long", "step"])


def test_no_forecast_of_a_cancelled_request_is_made(background):
    asked, go = [], threading.Event()
    background.run(lambda: iter([go.wait]), forecast=lambda: asked.append(1))
    background.cancel()
    time.sleep(0.9)
    go.set()
    assert not asked


def test_memory_is_returned_when_nothing_is_left_to_do(background, monkeypatch):
    seen = []
    monkeypatch.setattr(machine, "return_freed_memory", lambda: seen.append("returned"))
    background.run(lambda: iter([lambda: seen.append("step"), lambda: seen.append("step")]))
    wait_for(lambda: "returned" in seen)
    assert seen == ["step", "step", "returned"]
    seen.clear()
    background.prepare([lambda: seen.append("task"), lambda: seen.append("task")])
    wait_for(lambda: "returned" in seen)
    assert seen == ["task", "task", "returned"]


def test_memory_is_returned_while_a_prepared_page_waits_for_a_reader(monkeypatch):
    seen = []
    monkeypatch.setattr(machine, "return_freed_memory", lambda: seen.append("returned"))
    background = Background(watched=False)
    background.run(lambda: iter([lambda: seen.append("step"), lambda: seen.append("step")]))
    wait_for(lambda: seen)
    background.prepare([lambda: seen.append("task")])
    wait_for(lambda: "returned" in seen)
    assert seen == ["step", "task", "returned"]
