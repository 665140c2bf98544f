"""Worker processes: what dies costs one asset of one item, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable
from dataclasses import replace
from multiprocessing.connection import Pipe
from pathlib import Path
from threading import Thread

import psutil
import pytest

from audio_assets.engine import Item, ItemAsset, Outcome
from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.declare.roles import BackendSettings, Player
from audio_assets.engine.workers import child as worker
from audio_assets.engine.workers import process as worker_process
from audio_assets.engine.workers.local import LocalWorkers, after_death
from audio_assets.engine.workers.process import WorkerDied, WorkerError, WorkerProcess
from audio_assets.engine.workers.tasks import REST, ItemTask, Limits, Task, Upstream, WorkerSetup
from audio_assets.resources.objects import Objects
from tests.engine.gpu_toys import SIGHT, sights
from tests.engine.toys import bombs, copies, lengths, ratios, remarks, words

CHECKOUT = Path(__file__).resolve().parents[2]
CHOICES = {"sight": Player(SIGHT, "published", BackendSettings(weights=Path("w"), cache=Path("c")))}


class Yard:
    """A folder of notes, and workers for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def item(self, key: str, text: str, **record: object) -> Item:
        path = self.folder / f"{key}.txt"
        path.write_text(text)
        return Item(key, f"hash of {text[:50]}", str(path), 1.0, record)

    def task(self, notes: dict[str, str], assets: Iterable[ItemAsset]) -> Task:
        fingerprints = {asset.name: "f" * 24 for asset in assets}
        return Task(tuple(ItemTask(self.item(key, text), fingerprints) for key, text in notes.items()))

    def setup(self, *assets: ItemAsset) -> WorkerSetup:
        return WorkerSetup(
            assets=tuple(asset.reference for asset in assets),
            code={asset.name: asset.code({}).digest for asset in assets},
            parameters={},
            backends={},
            objects=Objects(str(self.folder / "objects")),
        )

    @staticmethod
    def limits(*assets: ItemAsset, time_s: float = 60, memory_gib: float = 4) -> Limits:
        names = [asset.name for asset in assets]
        return Limits(dict.fromkeys(names, time_s), dict.fromkeys(names, memory_gib * 2**30))

    def workers(self, *assets: ItemAsset, count: int = 1, **limits: float) -> LocalWorkers:
        return LocalWorkers(count, self.setup(*assets), self.limits(*assets, **limits))

    def run(self, notes: dict[str, str], *assets: ItemAsset, batch: int = 1, **options) -> dict:
        """All results by asset and item; every one must come exactly once."""
        keys = list(notes)
        batches = [keys[start : start + batch] for start in range(0, len(keys), batch)]
        tasks = [self.task({key: notes[key] for key in part}, assets) for part in batches]
        with self.workers(*assets, **options) as workers:
            results = list(workers.run(tasks))
        found = {(result.asset, result.item): result for result in results}
        assert len(found) == len(results) == len(notes) * len(assets)
        return found


@pytest.fixture
def yard(tmp_path):
    return Yard(tmp_path)


def children() -> list[psutil.Process]:
    """The workers of this process; other tests may have left a resource tracker."""
    found = psutil.Process().children(recursive=True)
    name = "audio_assets.engine.workers.child"
    return [process for process in found if any(name in part for part in process.cmdline())]


def test_every_way_to_fail_costs_one_item_and_says_why(yard):
    notes = {
        "good": "two words",
        "fail": "fail",
        "silent": "silent",
        "unreadable": "unreadable",
        "huge": "huge",
        "crash": "crash",
        "segfault": "segfault",
        "leave": "leave",
    }
    found = yard.run(notes, lengths, words, count=2)
    reasons = {key: found["lengths", key].reason for key in notes}
    assert reasons == {
        "good": None,
        "fail": "ValueError: the note says fail",
        "silent": "nothing to measure",
        "unreadable": f"ValueError: {yard.folder}/unreadable.txt is unreadable",
        "huge": "characters is 1e+06, outside 0..1000",
        "crash": "the worker died: killed by SIGKILL",
        "segfault": "the worker died: killed by SIGSEGV",
        "leave": "the worker died: it ended with exit code 3",
    }
    assert found["lengths", "good"].rows == [{"characters": 9}]
    assert found["lengths", "silent"].outcome is Outcome.NOT_APPLICABLE
    failed = {key for key in notes if found["lengths", key].outcome is Outcome.FAILED}
    assert failed == set(notes) - {"good", "silent"}
    assert {key for key in notes if found["lengths", key].died} == {"crash", "segfault", "leave"}
    assert "in lengths" in found["lengths", "segfault"].detail
    assert "raise ValueError" in found["lengths", "fail"].detail
    assert {key for key in notes if found["words", key].outcome is not Outcome.OK} == {"unreadable"}


def test_an_item_over_its_time_or_memory_is_stopped_and_its_successor_goes_on(yard):
    notes = {"hang": "hang", "grow": "grow", "good": "good"}
    started = time.monotonic()
    found = yard.run(notes, lengths, time_s=3, memory_gib=0.5)
    assert time.monotonic() - started < 20
    assert found["lengths", "hang"].reason.startswith(
        "the worker took longer than 3 s (AUDIO_ASSETS_TIME_LIMIT_S"
    )
    assert found["lengths", "grow"].reason.startswith("the worker used more than 0.5 GiB of memory")
    assert found["lengths", "hang"].died
    assert found["lengths", "good"].outcome is Outcome.OK


def test_a_worker_that_cannot_even_be_killed_is_given_up(yard, monkeypatch):
    monkeypatch.setattr(worker_process, "END_LIMIT_S", 0.5)
    process = WorkerProcess(1)
    process.load(yard.setup(lengths), yard.limits(lengths, time_s=0.5))
    try:
        process.await_ready()
        with monkeypatch.context() as patch:
            patch.setattr(WorkerProcess, "kill", lambda self: None)
            with pytest.raises(WorkerDied, match=r"took longer than 0\.5 s"):
                list(process.compute(yard.task({"a": "hang"}, [lengths])))
    finally:
        process.close()
    assert children() == []


@pytest.mark.parametrize("ahead", [1, 100])
def test_a_consumer_that_takes_its_time_costs_no_item_its_own_and_no_worker(yard, ahead, monkeypatch):
    started = []
    start = WorkerProcess.__init__
    monkeypatch.setattr(WorkerProcess, "__init__", lambda *a: started.append(1) or start(*a))
    tasks = [yard.task({str(n): "slow 0.2"}, [lengths, words]) for n in range(6)]
    results = []
    with yard.workers(lengths, words, count=2, time_s=1.5) as workers:
        for result in workers.run_ticking(tasks, None, ahead):
            results.append(result)
            time.sleep(2.5 if len(results) == 3 else 0)
    assert len(started) == 2
    assert [result.outcome for result in results] == [Outcome.OK] * 12


def test_a_worker_that_waited_longer_than_a_limit_for_its_next_task_has_done_no_wrong(yard):
    record = {"table": {str(n): [n, str(n)] for n in range(400_000)}}
    heavy = Task((ItemTask(yard.item("b", "heavy to receive", **record), {"lengths": "f"}),))
    process = WorkerProcess(1)
    process.load(yard.setup(lengths), yard.limits(lengths, time_s=1.0))
    try:
        process.await_ready()
        list(process.compute(yard.task({"a": "light"}, [lengths])))
        time.sleep(1.2)
        assert [result.outcome for result in process.compute(heavy)] == [Outcome.OK]
    finally:
        process.close()


def test_what_a_dead_worker_had_computed_is_kept_and_given_to_its_successor(yard):
    found = yard.run({"a": "a bomb"}, lengths, words, bombs, ratios, remarks)
    assert found["bombs", "a"].reason == "the worker died: killed by SIGKILL"
    assert found["ratios", "a"].rows == [{"characters_per_word": 3.0}]
    assert found["remarks", "a"].rows == [{"measured": True}]


def test_an_item_that_kills_two_workers_is_given_up_with_all_that_is_left_of_it(yard):
    found = yard.run({"a": "crash bomb", "b": "calm"}, lengths, bombs, words)
    assert found["lengths", "a"].reason == "the worker died: killed by SIGKILL"
    assert found["bombs", "a"].reason == "the worker died: killed by SIGKILL"
    expected = "not computed, since 2 workers died of this item: the worker died: killed by SIGKILL"
    assert found["words", "a"].reason == expected
    assert found["words", "a"].died
    assert all(found[name, "b"].outcome is Outcome.OK for name in ("lengths", "bombs", "words"))


def test_only_the_culprit_of_a_batch_dies_and_small_batches_are_tried_when_memory_runs_out(yard):
    notes = {"a": "one", "b": "crash", "c": "three", "d": "four", "e": "five", "f": "six", "g": "seven"}
    found = yard.run(notes, copies, batch=4)
    bad = {key for key in notes if found["copies", key].outcome is not Outcome.OK}
    assert bad == {"b"}
    assert found["copies", "b"].died
    key = found["copies", "g"].rows[0]["copy"]
    assert Objects(str(yard.folder / "objects")).get(key) == b"seven"


def test_downstream_of_a_failed_upstream_fails_and_of_one_not_applicable_is_not_applicable(yard):
    found = yard.run({"a": "fail", "b": "silent"}, lengths, words, ratios, remarks)
    assert (found["ratios", "a"].outcome, found["ratios", "a"].reason) == (
        Outcome.FAILED,
        "upstream lengths failed",
    )
    assert found["ratios", "b"].outcome is Outcome.NOT_APPLICABLE
    assert found["ratios", "b"].reason == "lengths: nothing to measure"
    assert found["remarks", "a"].outcome is Outcome.FAILED
    assert found["remarks", "b"].rows == [{"measured": False}]


def test_tasks_and_results_larger_than_a_pipe_holds_do_not_block_each_other(yard):
    text = "word " * 60_000
    upstream = {"lengths": Upstream([{"characters": 5, "filler": "x" * 3_000_000}])}
    fingerprints = {"words": "f", "remarks": "f"}
    tasks = [Task((ItemTask(yard.item(str(n), text), fingerprints, upstream),)) for n in range(4)]
    with yard.workers(words, remarks, time_s=20) as workers:
        results = list(workers.run(tasks))
    assert [len(r.rows) for r in results if r.asset == "words"] == [60_000] * 4
    assert [r.rows for r in results if r.asset == "remarks"] == [[{"measured": True}]] * 4


NAP = f"60.{os.getpid()}"  # tells our child from other programs


@pytest.mark.parametrize("text", ["fork", f"child {NAP}"], ids=["fork", "child"])
def test_a_death_is_noticed_at_once_though_a_child_of_the_worker_lives_and_the_child_ends_too(yard, text):
    started = time.monotonic()
    found = yard.run({"a": text}, lengths)
    assert found["lengths", "a"].reason == "the worker died: killed by SIGKILL"
    assert time.monotonic() - started < 20
    naps = [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", NAP]]
    assert psutil.wait_procs(naps, timeout=10)[1] == []


def test_a_death_in_the_middle_of_a_message_is_a_death(yard):
    process = WorkerProcess(1)
    process.load(yard.setup(lengths, words), yard.limits(lengths, words))
    try:
        process.await_ready()
        results = process.compute(yard.task({"a": "word " * 100_000}, [lengths, words]))
        assert next(results).asset == "lengths"
        time.sleep(1.5)  # the worker waits by then for someone to read the rest of its second result
        process.kill()
        with pytest.raises(WorkerDied, match="killed by SIGKILL") as death:
            list(results)
        assert death.value.asset == "words"
    finally:
        process.close()


def test_the_detail_of_a_death_is_from_the_item_that_died_not_from_those_before(yard):
    found = yard.run({"a": "talk", "b": "crash"}, lengths)
    assert "the note says talk" not in found["lengths", "b"].detail


def test_reasons_with_broken_text_are_made_storable(yard):
    found = yard.run({"a": "broken"}, lengths)
    assert found["lengths", "a"].reason == r"ValueError: no\udcffsuch\0file"
    assert "\0" not in found["lengths", "a"].detail
    assert found["lengths", "a"].detail.encode()


def test_workers_that_cannot_load_the_assets_end_the_run_with_the_reason(yard):
    setup = yard.setup(lengths)
    wrong = WorkerSetup((("tests.engine.nowhere", "lengths"),), {}, {}, {}, setup.objects)
    with (
        LocalWorkers(2, wrong, yard.limits(lengths)) as workers,
        pytest.raises(WorkerError, match=r"No module named 'tests\.engine\.nowhere'"),
    ):
        list(workers.run([yard.task({"a": "a"}, [lengths])] * 3))
    assert children() == []


def test_workers_refuse_code_that_was_edited_after_the_run_began(yard):
    setup = yard.setup(lengths)
    older = WorkerSetup(setup.assets, {"lengths": "older"}, {}, {}, setup.objects)
    with (
        LocalWorkers(1, older, yard.limits(lengths)) as workers,
        pytest.raises(
            WorkerError, match="the code of lengths was edited during the run; start the run again"
        ),
    ):
        list(workers.run([yard.task({"a": "a"}, [lengths])]))


def test_workers_that_end_while_they_load_end_the_run_with_their_last_words(yard, monkeypatch):
    (yard.folder / "hasty.py").write_text("import sys; sys.exit('not today')")
    monkeypatch.syspath_prepend(yard.folder)
    setup = WorkerSetup((("hasty", "lengths"),), {}, {}, {}, Objects(str(yard.folder)))
    with (
        LocalWorkers(1, setup, yard.limits(lengths)) as workers,
        pytest.raises(WorkerError, match=r"it ended with exit code 1\. not today"),
    ):
        list(workers.run([yard.task({"a": "a"}, [lengths])]))


def test_a_task_that_kills_workers_before_they_begin_it_ends_the_run_instead_of_going_round(yard):
    class Unreadable:
        def __reduce__(self):
            return (sys.exit, ("cannot be read",))

    item = yard.item("a", "a", field=Unreadable())
    with yard.workers(lengths) as workers, pytest.raises(WorkerError, match="before they compute anything"):
        list(workers.run([Task((ItemTask(item, {"lengths": "f"}),))]))


def test_an_error_in_making_tasks_reaches_whoever_takes_the_results(yard):
    def tasks():
        yield yard.task({"a": "a"}, [lengths])
        raise RuntimeError("the lake is gone")

    with yard.workers(lengths, count=2) as workers, pytest.raises(RuntimeError, match="the lake is gone"):
        list(workers.run(tasks()))
    assert children() == []


def test_no_worker_is_left_when_a_run_ends_or_its_consumer_raises(yard):
    with yard.workers(lengths, count=2) as workers:
        list(workers.run(yard.task({str(n): "slow 0.1"}, [lengths]) for n in range(4)))
    assert children() == []

    def stop_early() -> None:
        with yard.workers(lengths, count=2) as workers:
            for _ in workers.run(yard.task({str(n): "slow 0.1"}, [lengths]) for n in range(50)):
                assert len(children()) == 2
                raise KeyError("the consumer fails")

    with pytest.raises(KeyError):
        stop_early()
    assert children() == []


def test_no_worker_outlives_a_run_that_is_killed(yard, tmp_path):
    script = textwrap.dedent(
        f"""
        import pathlib
        from tests.engine.test_workers import Yard, lengths
        yard = Yard(pathlib.Path({str(tmp_path)!r}))
        with yard.workers(lengths, count=2) as workers:
            notes = {{"0": "a", "1": "hang", "2": "hang"}}
            for result in workers.run(yard.task({{key: notes[key]}}, [lengths]) for key in notes):
                print(result.item, flush=True)
        """
    )
    run = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=CHECKOUT)
    assert run.stdout.readline() == b"0\n"
    workers = psutil.Process(run.pid).children(recursive=True)
    assert len(workers) == 2
    run.kill()
    run.wait()
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    run.stdout.close()


def result(asset: str, item: str = "a") -> ItemResult:
    return ItemResult(asset, item, Outcome.OK, [])


def test_after_a_death_between_two_assets_nobody_is_blamed_but_the_next_death_is_the_last(yard):
    task = yard.task({"a": "a"}, [lengths, words])
    death = WorkerDied("lengths", "it died", "")
    lost, again = after_death(task, [result("lengths")], death)
    assert lost == []
    assert [t.items[0].fingerprints.keys() for t in again] == [{"words"}]
    lost, again = after_death(again[0], [], WorkerDied("words", "it died", ""))
    assert [r.asset for r in lost] == ["words"]
    assert again == []


def test_after_a_death_at_the_very_end_of_a_task_nothing_is_left_to_do(yard):
    task = yard.task({"a": "a"}, [lengths])
    assert after_death(task, [result("lengths")], WorkerDied("lengths", "it died", "")) == ([], [])


def test_workers_go_on_while_nobody_takes_results_but_not_beyond_what_may_wait(yard):
    notes = {str(n): "note" for n in range(40)}
    taken = []

    def tasks():
        for key, text in notes.items():
            taken.append(key)
            yield yard.task({key: text}, [lengths])

    with yard.workers(lengths) as workers:
        results = workers.run_ticking(tasks(), None, ahead=10)
        next(results)
        time.sleep(1.0)
        assert 10 < len(taken) <= 13
        assert len(list(results)) == 39


def test_results_come_with_a_tick_while_nothing_is_ready(yard):
    with yard.workers(lengths, count=1) as workers:
        ticks = list(workers.run_ticking([yard.task({"a": "slow 1.0"}, [lengths])], 0.3))
    assert len([tick for tick in ticks if tick is None]) >= 2
    assert [tick.item for tick in ticks if tick is not None] == ["a"]


def sights_setup(yard: Yard) -> WorkerSetup:
    return replace(
        yard.setup(),
        assets=(sights.reference,),
        code={"sights": sights.code(CHOICES).digest},
        backends=CHOICES,
    )


def seen(yard: Yard, devices: Iterable[str], notes: dict[str, str]) -> dict[str, tuple[int, str]]:
    """By note, the process that computed it and the GPUs this saw; notes that killed theirs are left out."""
    tasks = [yard.task({key: text}, [sights]) for key, text in notes.items()]
    with LocalWorkers(8, sights_setup(yard), yard.limits(sights), devices=list(devices)) as workers:
        results = list(workers.run(tasks))
    assert {r.item for r in results if r.died} == {key for key, text in notes.items() if text == "crash"}
    return {r.item: (r.rows[0]["process"], r.rows[0]["gpus"]) for r in results if not r.died}


def test_each_gpu_has_one_worker_which_sees_no_other_gpu(yard):
    found = seen(yard, ["2", "GPU-8932f937"], {str(n): "look" for n in range(8)})
    assert sorted(gpus for _, gpus in set(found.values())) == ["2", "GPU-8932f937"]
    assert len({process for process, _ in found.values()}) == 2


def test_the_successor_of_a_worker_that_died_has_its_gpu(yard):
    found = seen(yard, ["7"], {"a": "look", "b": "crash", "c": "look"})
    assert found["a"][1] == found["c"][1] == "7"
    assert found["a"][0] != found["c"][0]


def test_a_worker_with_a_gpu_does_not_serve_whoever_wants_another_or_none(resting):
    first = WorkerProcess.take(1, "0")
    try:
        first.rest()
        second = WorkerProcess.take(1, "0")
        assert second is first
        second.rest()
        third = WorkerProcess.take(1, "1")
        assert third is not first
        third.rest()
        first = WorkerProcess.take(1)
        assert first is not third
    finally:
        first.close()


def test_a_worker_sets_what_rocm_wants_before_it_loads_assets(yard, monkeypatch):
    monkeypatch.delenv("PYTORCH_TUNABLEOP_ENABLED", raising=False)
    (yard.folder / "dev").mkdir()
    (yard.folder / "dev/kfd").touch()
    script = textwrap.dedent(
        """
        import pathlib, sys
        from audio_assets.resources import accelerator
        accelerator.MACHINE = pathlib.Path(sys.argv.pop())
        from audio_assets.engine.workers import child as worker
        worker.main()
        """
    )
    ours, theirs = Pipe()
    arguments = [str(theirs.fileno()), str(os.getpid()), str(yard.folder)]
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], pass_fds=[theirs.fileno()], cwd=CHECKOUT
    )
    theirs.close()
    try:
        ours.send(sights_setup(yard))
        assert ours.recv() == ("ready",)
        ours.send(yard.task({"a": "look"}, [sights]))
        assert ours.recv() == ("start", "sights")
        assert ours.recv().rows[0]["tunable"] == "1"
    finally:
        ours.close()
        process.kill()
        process.wait()


@pytest.fixture
def resting():
    """Nobody rests before, and what rests after is ended."""
    while worker_process.RESTING:
        worker_process.RESTING.pop().close()
    yield worker_process.RESTING
    while worker_process.RESTING:
        worker_process.RESTING.pop().close()


def use_and_keep(yard: Yard, asset: ItemAsset = lengths, text: str = "two words") -> set[int]:
    """Compute an item with a worker that is kept; the workers there are afterwards."""
    with LocalWorkers(1, yard.setup(asset), yard.limits(asset), keep=True) as workers:
        (result,) = workers.run([yard.task({"a": text}, [asset])])
    assert result.outcome is (Outcome.OK if text == "two words" else Outcome.FAILED)
    return {process.pid for process in children()}


def test_a_worker_that_rests_serves_the_next_run_whatever_it_computes(yard, resting):
    first = use_and_keep(yard)
    assert len(first) == 1
    assert use_and_keep(yard, words) == first
    assert use_and_keep(yard, lengths, "fail") == first  # an exception is no reason to end


def test_a_worker_that_died_or_was_killed_while_it_rested_is_replaced(yard, resting):
    first = use_and_keep(yard)
    for process in children():
        process.kill()
    second = use_and_keep(yard)
    assert len(second) == 1
    assert second != first


def test_a_worker_rests_for_a_while_only(yard, resting, monkeypatch):
    monkeypatch.setattr("audio_assets.engine.workers.child.LONGEST_REST_S", 0.1)
    ours, theirs = Pipe()
    thread = Thread(target=worker._serve, args=(theirs,))
    thread.start()
    ours.send(REST)
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_a_file_that_was_changed_in_the_future_hinders_nobody(yard, resting):
    toys = Path(sys.modules["tests.engine.toys"].__file__)
    times = toys.stat()
    try:
        os.utime(toys, (time.time() + 3600, time.time() + 3600))
        first = use_and_keep(yard)
        assert use_and_keep(yard) == first
    finally:
        os.utime(toys, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_forked_child_has_workers_of_its_own(yard, resting):
    use_and_keep(yard)
    child = os.fork()
    if not child:
        ok = not worker_process.RESTING and worker_process.STARTER.submit(int).result(10) == 0
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_temporary_files_of_a_worker_that_was_killed_go_with_it(yard):
    process = WorkerProcess(1)
    try:
        process.load(yard.setup(lengths), yard.limits(lengths))
        process.await_ready()
        folder = Path(psutil.Process(process._process.pid).environ()["TMPDIR"])
        (folder / "left.flac").write_bytes(b"x")
    finally:
        process.close()
    assert not folder.exists()


def test_a_worker_from_before_an_edit_is_not_used_again(yard, resting):
    first = use_and_keep(yard)
    toys = Path(sys.modules["tests.engine.toys"].__file__)
    times = toys.stat()
    try:
        os.utime(toys)
        second = use_and_keep(yard)
    finally:
        os.utime(toys, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert second.isdisjoint(first)


def test_a_worker_in_another_environment_or_grown_large_is_not_used_again(yard, resting, monkeypatch):
    first = use_and_keep(yard)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    second = use_and_keep(yard)
    assert second.isdisjoint(first)
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")  # is nothing to a worker
    assert use_and_keep(yard) == second
    monkeypatch.setattr(worker_process, "LARGEST_RESTING_BYTES", 2**20)
    assert use_and_keep(yard) == set()
