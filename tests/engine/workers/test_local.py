"""Worker processes of this machine: their start, rest, limits and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from dataclasses import replace
from multiprocessing.connection import Pipe
from pathlib import Path
from threading import Thread

import psutil
import pytest

from audio_assets.engine.workers import child as worker
from audio_assets.engine.workers import local, process
from audio_assets.engine.workers.local import LocalSession
from audio_assets.engine.workers.messages import Began, Emitted, Here, Load, Ready, Rest, Returned, Take
from audio_assets.engine.workers.process import WorkerDied, WorkerProcess
from audio_assets.engine.workers.session import Cause, Crew, Died, Done, Limits, Part, Work, WorkerError
from tests.engine.workers.test_session import FAIR, OBEY, endings, gone, run

CHECKOUT = Path(__file__).resolve().parents[3]
TOYS = Path(__file__).with_name("toys.py")


@pytest.fixture
def session():
    with LocalSession() as session:
        yield session


def workers_of(session, *words, work=OBEY, **crew) -> list[int]:
    """The processes that obeyed."""
    events = session.map(work, [("pid", *words)], Crew(limits=FAIR, **crew))
    return [event.value for event in events if isinstance(event, Part)]


@pytest.fixture
def started(monkeypatch) -> list[int]:
    """Grows by one with each process that is started."""
    found = []
    start = WorkerProcess.__init__
    monkeypatch.setattr(WorkerProcess, "__init__", lambda *a: found.append(1) or start(*a))
    return found


@pytest.fixture
def one(session):
    """A process that obeys."""
    found = session._opened().take(OBEY, 1, None)
    found.await_ready()
    yield found
    found.close()


@pytest.mark.parametrize("ahead", [1, 100])
def test_a_taker_that_takes_its_time_costs_no_input_its_own_and_no_worker(session, started, ahead):
    inputs = [("sleep 0.2", f"part {n}", "step again 1.0", "sleep 0.1") for n in range(6)]
    events = []
    for event in session.map(OBEY, inputs, Crew(2, Limits(time_s=1.0)), ahead=ahead):
        events.append(event)
        time.sleep(2.0 if len(events) == 3 else 0)
    assert len(started) == 2
    assert sum(isinstance(event, Done) for event in events) == 6


def test_a_worker_that_waited_longer_than_a_limit_for_its_next_input_has_done_no_wrong(one):
    heavy = ("part x", HeavyWord("part y"))
    brief = Limits(time_s=1.0)
    list(one.compute(("part a",), brief))
    time.sleep(1.2)
    assert list(one.compute(heavy, brief))[-1] == Done(heavy, 2)


class HeavyWord(str):
    """A word that takes longer to receive than it may take to compute."""

    def __reduce__(self):
        return (_received, (str(self),))


def _received(text):
    time.sleep(1.5)
    return text


def test_a_worker_that_cannot_even_be_killed_is_given_up(one, monkeypatch):
    monkeypatch.setattr(process, "END_LIMIT_S", 0.5)
    with monkeypatch.context() as patch:
        patch.setattr(WorkerProcess, "kill", lambda self: None)
        with pytest.raises(WorkerDied, match=r"took longer than 0\.5 s"):
            list(one.compute(("sleep 600",), Limits(time_s=0.5)))


def test_a_death_in_the_middle_of_a_message_is_a_death(one):
    word = f"part {'x' * 1_000_000}"
    events = one.compute(("part a", "step big 60", word), FAIR)
    assert next(events).value == "a"
    time.sleep(1.0)  # the worker waits by then for someone to read the rest of its second part
    one.kill()
    with pytest.raises(WorkerDied, match="killed by SIGKILL") as death:
        list(events)
    assert death.value.of("it", ()) == Died(
        "it", (), "big", Cause.ITSELF, "the worker died: killed by SIGKILL", ""
    )


def test_a_child_that_has_left_the_group_of_a_worker_ends_with_it(session):
    died = endings(run(session, ("runaway 600", "sleep 600"), limits=Limits(time_s=1.5)))
    assert gone(died["runaway 600", "sleep 600"].parts[0])


def test_workers_that_end_while_they_load_end_the_work_with_their_last_words(
    session, tmp_path, monkeypatch, children
):
    (tmp_path / "hasty.py").write_text("import sys; sys.exit('not today')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WorkerError, match=r"it ended with exit code 1\. not today"):
        run(session, ("part a",), work=Work("hasty:obey"))
    assert children() == set()


def test_an_input_that_kills_workers_before_it_begins_ends_the_work_instead_of_going_round(session, started):
    class Unreadable:
        def __reduce__(self):
            return (sys.exit, ("cannot be read",))

    with pytest.raises(WorkerError, match=r"before they compute anything: .*cannot be read"):
        list(session.map(OBEY, [(Unreadable(),)], Crew(1, FAIR)))
    assert len(started) == 3


def test_whoever_still_waits_for_events_when_the_session_is_closed_is_told(session, children):
    with closing(session.map(OBEY, [("pid", "sleep 600"), ("pid",)], Crew(2, FAIR))) as events:
        next(events)
        session.close()
        assert children() == set()
        with pytest.raises(WorkerError, match="closed while they worked"):
            list(events)


def test_no_worker_outlives_a_program_that_is_killed_and_the_next_session_removes_what_it_left(tmp_path):
    script = textwrap.dedent(
        """
        from tests.engine.workers.test_session import FAIR, OBEY, Crew
        from audio_assets.engine.workers.local import LocalSession
        inputs = [("file left.flac", "pid"), ("file right.flac", "pid", "sleep 600")]
        for event in LocalSession().map(OBEY, inputs, Crew(2, FAIR)):
            print(event.value, flush=True)
        """
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    program = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=CHECKOUT, env=environment, text=True
    )
    pids = {int(program.stdout.readline()) for _ in range(3)} - {2}  # 2: words, of the input that is done
    assert len(pids) == 2
    program.kill()
    program.communicate()
    assert all(gone(pid) for pid in pids)
    assert sorted(path.name for path in tmp_path.rglob("*.flac")) == ["left.flac", "right.flac"]
    subprocess.run(
        [sys.executable, "-c", script.replace("sleep 600", "sleep 0")],
        cwd=CHECKOUT, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_each_device_has_one_worker(session, monkeypatch):
    monkeypatch.setattr(process, "gpu_environment", lambda gpu: {"CUDA_VISIBLE_DEVICES": gpu})
    inputs = [("sleep 0.2", "gpu") for _ in range(8)]
    events = session.map(OBEY, inputs, Crew(2, FAIR, devices=("2", "GPU-8932f937", "4")))  # two at most
    seen = {event.value for event in events if isinstance(event, Part)}
    assert sorted(gpu for _, gpu in seen) == ["2", "GPU-8932f937"]
    assert len({pid for pid, _ in seen}) == 2


def test_a_worker_sets_what_rocm_wants_before_it_loads_a_function(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTORCH_TUNABLEOP_ENABLED", raising=False)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/kfd").touch()
    (tmp_path / "early.py").write_text(
        "import os\n"
        "TUNABLE = os.environ.get('PYTORCH_TUNABLEOP_ENABLED')\n"
        "def tell(setup, emit):\n"
        "    return lambda _: emit(TUNABLE)\n"
    )
    script = textwrap.dedent(
        """
        import pathlib, sys
        from audio_assets.resources import accelerator
        accelerator.MACHINE = pathlib.Path(sys.argv.pop())
        sys.path.insert(0, str(accelerator.MACHINE))
        from audio_assets.engine.workers import child
        child.main()
        """
    )
    ours, theirs = Pipe()
    arguments = [str(theirs.fileno()), str(os.getpid()), str(tmp_path)]
    program = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], pass_fds=[theirs.fileno()], cwd=CHECKOUT
    )
    theirs.close()
    try:
        ours.send(Load(Work("early:tell")))
        assert (ours.recv(), ours.recv()) == (Here(), Ready())
        ours.send(Take(None))
        assert (ours.recv(), ours.recv()) == (Began(), Emitted("1"))
    finally:
        ours.close()
        program.kill()
        program.wait()


def test_a_worker_that_rests_does_whatever_comes_next(session):
    first = workers_of(session)
    assert session.resting == first
    assert workers_of(session, work=Work("tests.engine.workers.toys:obey", setup=os.devnull)) == first
    run(session, ("raise an exception is no reason to end",))
    assert workers_of(session) == first
    assert workers_of(session, keep=False) == first
    assert session.resting == []


def test_sessions_share_no_workers_and_end_theirs(session, children):
    with LocalSession() as other:
        assert workers_of(session) != workers_of(other)
    assert children() == set(session.resting) != set()
    session.close()
    assert children() == set()


def test_a_session_that_nobody_holds_any_more_ends_its_workers(children):
    workers_of(LocalSession())
    assert children() == set()


def test_a_worker_that_was_killed_while_it_rested_is_replaced(session):
    first = workers_of(session)
    psutil.Process(first[0]).kill()
    second = workers_of(session)
    assert len(second) == 1
    assert second != first


def test_a_worker_that_rests_and_does_not_answer_is_replaced(session, monkeypatch):
    monkeypatch.setattr(process, "ANSWER_LIMIT_S", 0.5)
    first = workers_of(session, "deaf 600")
    time.sleep(1.0)
    assert workers_of(session) != first
    assert gone(first[0])


@pytest.fixture
def child():
    """A worker process and our end of its pipe, with nobody between."""
    ours, theirs = Pipe()
    program = subprocess.Popen(
        [sys.executable, "-m", "audio_assets.engine.workers.child", str(theirs.fileno()), str(os.getpid())],
        pass_fds=[theirs.fileno()], cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    theirs.close()
    ours.send(Load(OBEY))
    yield program, ours
    program.kill()
    program.wait()


def test_a_thread_of_the_function_keeps_no_worker_alive(child):
    program, pipe = child
    pipe.send(Take(("thread 600",)))
    assert [pipe.recv() for _ in range(4)] == [Here(), Ready(), Began(), Returned(1)]
    pipe.close()  # nothing more is wanted
    assert program.wait(timeout=10) == 0


def test_what_a_thread_emits_when_its_input_has_ended_is_dropped(child):
    _, pipe = child
    pipe.send(Take(("late 0.2",)))
    assert [pipe.recv() for _ in range(4)] == [Here(), Ready(), Began(), Returned(1)]
    assert not pipe.poll(1.0)


def test_a_worker_rests_for_a_while_only(monkeypatch):
    monkeypatch.setattr(worker, "LONGEST_REST_S", 0.1)
    _, theirs = pipe = Pipe()
    thread = Thread(target=worker.Server(theirs).serve)
    thread.start()
    pipe[0].send(Rest())
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.fixture
def toys():
    """The file of the toys, whose time of change is put back."""
    times = TOYS.stat()
    yield TOYS
    os.utime(TOYS, ns=(times.st_atime_ns, times.st_mtime_ns))


OF_TESTS = replace(OBEY, packages=frozenset({"tests"}))


def test_a_worker_from_before_an_edit_is_not_used_again(session, toys):
    first = workers_of(session, work=OF_TESTS)
    os.utime(toys)
    assert set(workers_of(session, work=OF_TESTS)).isdisjoint(first)


def test_a_file_that_was_changed_in_the_future_hinders_nobody(session, toys):
    os.utime(toys, (time.time() + 3600, time.time() + 3600))
    first = workers_of(session)
    assert workers_of(session) == first


def test_a_worker_in_another_environment_or_grown_large_is_not_used_again(session, monkeypatch):
    first = workers_of(session)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    second = workers_of(session)
    assert second != first
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")  # is nothing to a worker
    assert workers_of(session) == second
    assert workers_of(session, devices=("1",)) != second
    third = session.resting
    assert workers_of(session, threads=None) != third
    monkeypatch.setattr(local, "LARGEST_RESTING_BYTES", 2**20)
    workers_of(session)
    assert session.resting == []


def test_a_forked_child_has_workers_of_its_own_and_leaves_those_of_its_parent(session):
    first = workers_of(session)
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)  # it is not to hang for ever
        code = 1
        try:
            code = 0 if workers_of(session, keep=False) != first else 2
            session.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert workers_of(session) == first
