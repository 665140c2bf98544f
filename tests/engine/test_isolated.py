"""Items on workers: what dies costs one asset of one item, and what had been computed is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audio_assets.engine import Item, ItemAsset, Outcome
from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.run.compute import Computer
from audio_assets.engine.run.isolated import lost_results, run_tasks, tasks_left
from audio_assets.engine.run.tasks import ItemTask, Task, Upstream, WorkerSetup
from audio_assets.engine.workers.local import LocalSession
from audio_assets.engine.workers.session import Cause, Crew, Died, Limits, Session, Step, WorkerError
from audio_assets.resources.objects import Objects
from tests.engine.toys import bombs, copies, lengths, ratios, remarks, words
from tests.engine.workers.forking import ForkingSession


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

    def setup(self, *assets: ItemAsset, time_s: float = 60, memory_gib: float = 4) -> WorkerSetup:
        return WorkerSetup(
            assets=tuple(asset.reference for asset in assets),
            code={asset.name: asset.code({}).digest for asset in assets},
            parameters={},
            backends={},
            objects=Objects(str(self.folder / "objects")),
            limits={asset.name: Limits(time_s, memory_gib * 2**30) for asset in assets},
        )

    def results(
        self, setup: WorkerSetup, tasks: Iterable[Task], session: Session | None = None, count: int = 1
    ) -> Iterator[ItemResult | None]:
        with session or LocalSession() as chosen:
            yield from run_tasks(chosen, setup, Crew(count), tasks)

    def run(self, notes: dict[str, str], *assets: ItemAsset, batch: int = 1, **options) -> dict:
        """All results by asset and item; every one must come exactly once."""
        keys = list(notes)
        batches = [keys[start : start + batch] for start in range(0, len(keys), batch)]
        tasks = [self.task({key: notes[key] for key in part}, assets) for part in batches]
        chosen = {name: options.pop(name) for name in ("session", "count") if name in options}
        results = list(self.results(self.setup(*assets, **options), tasks, **chosen))
        found = {(result.asset, result.item): result for result in results}
        assert len(found) == len(results) == len(notes) * len(assets)
        return found


@pytest.fixture
def yard(tmp_path):
    return Yard(tmp_path)


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


def test_an_item_over_its_time_or_memory_is_stopped_with_the_setting_to_change_and_the_next_goes_on(yard):
    slow = yard.run({"hang": "hang", "good": "good"}, lengths, time_s=2)
    assert slow["lengths", "hang"].reason == (
        "the worker took longer than 2 s (AUDIO_ASSETS_TIME_LIMIT_S, or time_limit_s of the asset)"
    )
    # With time enough: on a busy machine it takes a while to grow.
    large = yard.run({"grow": "grow", "good": "good"}, lengths, memory_gib=0.5)
    assert large["lengths", "grow"].reason == (
        "the worker used more than 0.5 GiB of memory (AUDIO_ASSETS_MEMORY_LIMIT_GIB, or memory_limit_gib "
        "of the asset)"
    )
    assert slow["lengths", "hang"].died and large["lengths", "grow"].died
    assert slow["lengths", "good"].outcome is large["lengths", "good"].outcome is Outcome.OK


def test_a_batch_may_take_as_long_as_its_items_would_one_by_one(yard):
    setup = yard.setup(lengths, copies, time_s=2.0)
    emitted = []
    Computer(setup, emitted.append)(yard.task({"a": "one", "b": "two", "c": "three"}, [lengths, copies]))
    steps = [part for part in emitted if isinstance(part, Step)]
    assert [(step.name, step.limits.time_s) for step in steps] == [("lengths", 6.0), ("copies", 6.0)]
    assert {step.limits.memory_bytes for step in steps} == {4 * 2**30}


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
    results = list(yard.results(yard.setup(words, remarks, time_s=20), tasks))
    assert [len(r.rows) for r in results if r.asset == "words"] == [60_000] * 4
    assert [r.rows for r in results if r.asset == "remarks"] == [[{"measured": True}]] * 4


def test_reasons_with_broken_text_are_made_storable(yard):
    found = yard.run({"a": "broken"}, lengths)
    assert found["lengths", "a"].reason == r"ValueError: no\udcffsuch\0file"
    assert "\0" not in found["lengths", "a"].detail
    assert found["lengths", "a"].detail.encode()


def test_workers_that_cannot_load_the_assets_end_the_run_with_the_reason(yard):
    setup = replace(yard.setup(lengths), assets=(("tests.engine.nowhere", "lengths"),))
    with pytest.raises(WorkerError, match=r"No module named 'tests\.engine\.nowhere'"):
        list(yard.results(setup, [yard.task({"a": "a"}, [lengths])] * 3, count=2))


def test_workers_refuse_code_that_was_edited_after_the_run_began(yard):
    setup = replace(yard.setup(lengths), code={"lengths": "older"})
    message = r"load what it should do: the code of lengths was edited during the run; start the run again$"
    with pytest.raises(WorkerError, match=message):
        list(yard.results(setup, [yard.task({"a": "a"}, [lengths])]))


def death(task: Task, finished: Iterable[str], step: str | None) -> Died:
    parts = tuple(ItemResult(asset, "a", Outcome.OK, []) for asset in finished)
    return Died(task, parts, step, Cause.ITSELF, "it died", "")


def test_after_a_death_between_two_assets_nobody_is_blamed_but_the_next_death_is_the_last(yard):
    task = yard.task({"a": "a"}, [lengths, words])
    first = death(task, ["lengths"], "lengths")
    assert lost_results(first) == []
    (again,) = tasks_left(first)
    assert again.items[0].fingerprints.keys() == {"words"}
    second = death(again, [], "words")
    assert [result.asset for result in lost_results(second)] == ["words"]
    assert tasks_left(second) == []


def test_an_item_that_kills_workers_before_any_asset_begins_is_given_up_after_two(yard):
    task = yard.task({"a": "a"}, [lengths, words])
    first = death(task, [], None)
    assert lost_results(first) == []
    (again,) = tasks_left(first)
    assert [result.asset for result in lost_results(death(again, [], None))] == ["lengths", "words"]
    assert tasks_left(death(again, [], None)) == []


def test_after_a_death_at_the_very_end_of_a_task_nothing_is_left_to_do(yard):
    last = death(yard.task({"a": "a"}, [lengths]), ["lengths"], "lengths")
    assert (lost_results(last), tasks_left(last)) == ([], [])


def test_a_death_costs_the_same_whoever_has_the_workers(yard):
    notes = {"a": "crash bomb", "b": "calm", "c": "silent", "d": "a bomb"}
    ours, theirs = (
        yard.run(notes, lengths, bombs, words, session=session)
        for session in (LocalSession(), ForkingSession())
    )
    said = [
        {key: (result.outcome, result.reason, result.rows) for key, result in found.items()}
        for found in (ours, theirs)
    ]
    assert said[0] == said[1]
