"""What a session promises, whoever keeps it: every input ends exactly once, and costs no other."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from dataclasses import replace

import psutil
import pytest

from audio_assets.engine.workers.local import LocalSession
from audio_assets.engine.workers.session import (
    Cause,
    Crew,
    Died,
    Done,
    Limits,
    Part,
    Raised,
    Step,
    Work,
    WorkerError,
)
from tests.engine.workers.forking import ForkingSession
from tests.engine.workers.toys import Sour

OBEY = Work("tests.engine.workers.toys:obey")
FAIR = Limits(time_s=60, memory_bytes=4 * 2**30)


@pytest.fixture(params=[LocalSession, ForkingSession])
def session(request):
    with request.param() as session:
        yield session


def run(session, *inputs, work=OBEY, limits=FAIR, count=1, **options):
    """All that comes of the inputs, each a tuple of words; every one must end exactly once."""
    events = list(session.map(work, iter(inputs), Crew(count, limits), **options))
    ends = Counter(event.input for event in events if isinstance(event, Done | Raised | Died))
    assert set(ends.values()) == {1} and set(inputs) <= set(ends)
    return events


def endings(events):
    return {event.input: event for event in events if not isinstance(event, Part)}


def test_a_function_that_returns_is_done_and_one_that_raises_says_what_and_of_which_class(session):
    events = run(session, ("part a", "part b"), ("raise too sour",), ("part c",), count=2)
    found = endings(events)
    assert found["part a", "part b"] == Done(("part a", "part b"), 2)
    raised = found[("raise too sour",)]
    assert raised.reason == "too sour"
    assert "raise Sour(text)" in raised.detail
    assert raised.is_a(Sour) and raised.is_a(ValueError) and not raised.is_a(KeyError)
    parts = [(event.input, event.value) for event in events if isinstance(event, Part)]
    assert sorted(parts) == [
        (("part a", "part b"), "a"), (("part a", "part b"), "b"), (("part c",), "c"),
    ]  # fmt: skip


def test_the_parts_of_an_input_come_in_their_order_and_before_its_end(session):
    words = tuple(f"part {n}" for n in range(50))
    assert [event.value for event in run(session, words)] == [*(str(n) for n in range(50)), 50]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("kill", "the worker died: killed by SIGKILL"),
        ("segfault", "the worker died: killed by SIGSEGV"),
        ("exit 3", "the worker died: it ended with exit code 3"),
    ],
)
def test_a_death_keeps_the_parts_and_the_last_words_and_costs_no_other_input(session, word, reason):
    doomed = ("step first 60", "part a", "step second 60", "talk the end is near", word)
    found = endings(run(session, ("part x",), doomed, ("part y",)))
    died = found.pop(doomed)
    assert (died.parts, died.step, died.cause, died.reason) == (("a",), "second", Cause.ITSELF, reason)
    assert died.detail.startswith("the end is near")
    assert [type(event) for event in found.values()] == [Done, Done]


def test_the_last_words_are_of_the_input_that_died_not_of_those_before(session):
    died = endings(run(session, ("talk first",), ("talk second", "kill")))["talk second", "kill"]
    assert died.detail == "second"


def test_the_limit_of_a_step_begins_with_the_step_and_is_that_of_the_input_before_the_first(session):
    brief = replace(FAIR, time_s=1.0)
    patient = ("step one 60", "sleep 1.5", "step two 60", "sleep 0.1")
    found = endings(run(session, patient, ("sleep 600",), ("step hasty 0.5", "sleep 600"), limits=brief))
    assert found[patient] == Done(patient, 4)
    died = found[("sleep 600",)]
    assert (died.step, died.cause, died.reason) == (None, Cause.TIME, "the worker took longer than 1 s")
    died = found["step hasty 0.5", "sleep 600"]
    assert (died.step, died.cause, died.reason) == ("hasty", Cause.TIME, "the worker took longer than 0.5 s")


def test_memory_is_that_of_a_worker_and_its_children_together(session):
    tight = replace(FAIR, memory_bytes=2**29)
    found = endings(run(session, ("grow",), ("breed 200",), ("part x",), limits=tight))
    for doomed in (("grow",), ("breed 200",)):
        died = found[doomed]
        assert (died.cause, died.reason) == (Cause.MEMORY, "the worker used more than 0.5 GiB of memory")
    assert isinstance(found[("part x",)], Done)


@pytest.mark.parametrize("word", ["fork 600", "child 600"])
def test_a_death_is_noticed_though_a_child_of_the_worker_lives_and_the_child_ends_too(session, word):
    died = endings(run(session, (word, "kill"), limits=replace(FAIR, time_s=600)))[word, "kill"]
    assert died.reason == "the worker died: killed by SIGKILL"
    assert gone(died.parts[0])


def gone(pid):
    """Whether a process ends within ten seconds."""
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_what_is_left_of_an_input_after_a_death_comes_before_other_inputs_with_a_new_worker(session):
    def left(died):
        return [(f"part {word}",) for word in died.input if word not in ("kill", *died.parts)]

    inputs = [("part a", "kill", "b", "c"), ("part d",)]
    events = list(session.map(OBEY, iter(inputs), Crew(1, FAIR), left=left))
    ends = [event.input for event in events if not isinstance(event, Part)]
    assert ends == [inputs[0], ("part part a",), ("part b",), ("part c",), ("part d",)]


def test_inputs_are_taken_one_by_one_and_no_further_than_may_wait(session):
    taken = []

    def inputs():
        for number in range(60):
            taken.append(number)
            yield ("pid", f"part {number}")

    with closing(session.map(OBEY, inputs(), Crew(1, FAIR), ahead=12)) as events:
        next(events)
        time.sleep(0.5)
        assert len(taken) <= 7  # of three events each, and the one in hand
        ends = [event for event in events if isinstance(event, Done)]
    assert len(ends) == 60


def test_while_nothing_comes_there_are_ticks(session):
    events = list(session.map(OBEY, [("sleep 1.0", "part a")], Crew(1, FAIR), tick_s=0.2))
    assert [event.value for event in events if isinstance(event, Part)] == ["a"]
    assert events.count(None) >= 2


def test_inputs_and_parts_larger_than_a_pipe_holds_do_not_block_each_other(session):
    words = tuple(f"part {'x' * 500_000}{n}" for n in range(8))
    events = run(session, words, (*words, "part y"), limits=replace(FAIR, time_s=20))
    assert sum(isinstance(event, Part) for event in events) == 17


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (replace(OBEY, setup="refuse"), "there is nothing to be set up"),
        (replace(OBEY, setup="explain"), "Install the weights"),
        (Work("tests.engine.workers.nowhere:obey"), r"No module named 'tests\.engine\.workers\.nowhere'"),
        (Work("tests.engine.workers.toys:nobody"), "nobody"),
    ],
)
def test_a_function_that_cannot_be_loaded_ends_the_work_with_the_reason(session, work, reason):
    with pytest.raises(WorkerError, match=reason):
        run(session, ("part a",), work=work)


@pytest.mark.parametrize("where", ["inputs", "left"])
def test_an_error_in_making_inputs_reaches_whoever_takes_the_events(session, where):
    def fail(*_):
        raise RuntimeError("the lake is gone")
        yield

    def inputs():
        yield ("kill",)
        if where == "inputs":
            fail().send(None)

    options = {"left": fail} if where == "left" else {}
    with pytest.raises(RuntimeError, match="the lake is gone"):
        list(session.map(OBEY, inputs(), Crew(2, FAIR), **options))


def test_what_cannot_be_handed_on_is_the_functions_error(session):
    found = endings(run(session, ("mess",), ("part a",)))
    assert isinstance(found[("mess",)], Raised) and "pickle" in found[("mess",)].reason
    assert isinstance(found[("part a",)], Done)


def test_no_process_is_left_when_the_taker_stops_early(session):
    before = set(psutil.Process().children(recursive=True))
    with closing(session.map(OBEY, (("pid", "sleep 0.05") for _ in range(500)), Crew(2, FAIR))) as events:
        next(events)
        assert set(psutil.Process().children(recursive=True)) > before
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_worker_with_a_device_sees_no_other_and_neither_does_its_successor(session, monkeypatch):
    monkeypatch.setattr(
        "audio_assets.engine.workers.process.gpu_environment", lambda gpu: {"CUDA_VISIBLE_DEVICES": gpu}
    )
    crew = Crew(3, FAIR, devices=("GPU-8932f937",))
    events = list(session.map(OBEY, [("gpu",), ("gpu", "kill"), ("gpu", "part b")], crew))
    seen = [event.value for event in events if isinstance(event, Part) and event.value != "b"]
    assert [gpu for _, gpu in seen] == ["GPU-8932f937"] * 3
    assert seen[0][0] != seen[2][0]


def test_a_session_that_was_closed_may_be_used_again(session):
    run(session, ("part a",))
    session.close()
    assert endings(run(session, ("part b",)))[("part b",)] == Done(("part b",), 1)


def test_a_step_is_no_part(session):
    events = run(session, ("step one 60", "part a"))
    assert not any(isinstance(event.value, Step) for event in events)
