"""A bundle's run against a lake: what is stored, replaced, redone, given up, and read from upstream."""

from __future__ import annotations

import importlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from audio_assets.engine import Outcome
from audio_assets.engine.code import source
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.run.isolated import crew_of
from audio_assets.engine.run.items import BundleRun
from audio_assets.engine.run.progress import watching
from audio_assets.engine.state.kept import StalePlanError, keep_plan, kept_plan
from audio_assets.engine.state.ledger import forget
from audio_assets.engine.state.states import DEFAULT, RunOptions, State
from audio_assets.engine.workers.process import WorkerProcess
from tests.engine import toys
from tests.engine.conftest import ALL, Bench, make_bench
from tests.engine.gpu_toys import sights
from tests.engine.workers.forking import ForkingSession

NOTES = {"a": "two words", "b": "fail now", "c": "silent here", "d": "three small words"}
EVERY = ["lengths", "words", "ratios", "remarks", "copies"]


def outcomes(bench: Bench) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for asset, item, outcome in bench.query("SELECT asset, item, outcome FROM ledger"):
        assert item not in found.setdefault(asset, {}), "one ledger row per asset and item"
        found[asset][item] = outcome
    return found


def test_a_run_stores_rows_and_ledger_entries_together_and_a_second_does_nothing(bench):
    bench.add(NOTES)
    summaries = bench.run(EVERY)
    assert summaries["lengths"].outcomes == {Outcome.OK: 2, Outcome.FAILED: 1, Outcome.NOT_APPLICABLE: 1}
    assert summaries["ratios"].left == 1, "its upstream failed in this very run"
    assert outcomes(bench) == {
        "lengths": {"a": "ok", "b": "failed", "c": "not_applicable", "d": "ok"},
        "words": dict.fromkeys("abcd", "ok"),
        "ratios": {"a": "ok", "c": "not_applicable", "d": "ok"},
        "remarks": {"a": "ok", "c": "ok", "d": "ok"},
        "copies": dict.fromkeys("abcd", "ok"),
    }
    assert bench.query("SELECT item, characters FROM lengths ORDER BY item") == [("a", 9), ("d", 17)]
    assert bench.query("SELECT item, measured FROM remarks ORDER BY item") == [
        ("a", True),
        ("c", False),
        ("d", True),
    ]
    text = "SELECT item, string_agg(word, ' ' ORDER BY position) FROM words GROUP BY item ORDER BY item"
    assert bench.query(text) == list(NOTES.items())
    assert bench.query(
        "SELECT count(*) FROM lengths JOIN ledger USING (item, fingerprint) WHERE asset = 'lengths'"
    ) == [(2,)]
    again = bench.run(EVERY)
    assert all(summary.computed == 0 for summary in again.values())
    assert again["lengths"].up_to_date == 3
    assert again["lengths"].not_retried == 1


def test_the_ledger_says_what_a_value_was_made_from(bench):
    bench.add({"a": "two words"})
    bench.with_settings(parameters={"ratios": {"scale": 2.0}}).run(["lengths", "words", "ratios"])
    names = (
        "fingerprint",
        "upstream_json",
        "content_hash",
        "code_version",
        "parameters_json",
        "run_id",
        "reason",
    )
    rows = bench.query(f"SELECT asset, {', '.join(names)}, libraries_json, seconds, deaths FROM ledger")
    found = {
        asset: dict(zip((*names, "libraries", "seconds", "deaths"), rest, strict=True))
        for asset, *rest in rows
    }
    upstream = json.loads(found["ratios"]["upstream_json"])
    assert upstream == {name: found[name]["fingerprint"] for name in ("lengths", "words")}
    assert json.loads(found["ratios"]["parameters_json"]) == {"scale": 2.0}
    assert found["ratios"]["content_hash"] == bench.platform.items(toys.NOTE)["a"].content_hash
    assert found["ratios"]["run_id"] == "test-run"
    assert found["lengths"]["code_version"] == "1"
    assert 0 <= found["lengths"]["seconds"] < 1
    assert bench.query("SELECT characters_per_word FROM ratios") == [(9.0,)]


def test_values_computed_again_replace_their_rows_and_no_others(bench):
    bench.add({"a": "one two", "b": "three"})
    bench.run(["lengths", "words"])
    bench.add({"a": "one two three four"})
    summaries = bench.run(["lengths", "words"])
    assert summaries["words"].computed == 1
    assert bench.query("SELECT item, count(*) FROM words GROUP BY item ORDER BY item") == [("a", 4), ("b", 1)]
    assert bench.query("SELECT item, characters FROM lengths ORDER BY item") == [("a", 18), ("b", 5)]


def test_a_value_that_fails_when_computed_again_leaves_no_old_row(bench):
    bench.add({"a": "fine"})
    bench.run(["lengths", "words"])
    (bench.folder / "a.txt").write_text("fail")
    bench.run(["lengths"], RunOptions(everything=True))
    assert bench.query("SELECT * FROM lengths") == []
    assert outcomes(bench)["lengths"] == {"a": "failed"}
    bench.run(["ratios"])
    assert "ratios" not in outcomes(bench)


def test_the_third_death_quarantines_an_item_until_it_is_released(bench):
    bench.add({"a": "crash", "b": "calm"})
    expected = [("failed", 1), ("failed", 2), ("quarantined", 3)]
    for outcome, deaths in expected:
        summaries = bench.run(["lengths"])
        assert summaries["lengths"].computed == (2 if deaths == 1 else 1)
        assert bench.query("SELECT outcome, deaths FROM ledger WHERE item = 'a'") == [(outcome, deaths)]
    ((reason,),) = bench.query("SELECT reason FROM ledger WHERE item = 'a'")
    assert (
        reason
        == "the worker died: killed by SIGKILL (3 times; `audio-assets release` lets it be tried again)"
    )
    for options in (DEFAULT, RunOptions(failed=True, everything=True)):
        assert bench.run(["lengths"], options, items=["a"])["lengths"].computed == 0
    assert forget(bench.platform.lake, ["words"], None, Outcome.QUARANTINED) == 0
    assert forget(bench.platform.lake, ["lengths"], ["b"], Outcome.QUARANTINED) == 0
    assert forget(bench.platform.lake, ["lengths"], ["a"], Outcome.QUARANTINED) == 1
    assert bench.run(["lengths"])["lengths"].computed == 1
    assert bench.query("SELECT outcome, deaths FROM ledger WHERE item = 'a'") == [("failed", 1)]


def test_deaths_are_counted_in_a_row(bench):
    bench.add({"a": "crash"})
    bench.run(["lengths"])
    (bench.folder / "a.txt").write_text("calm")
    bench.run(["lengths"])
    assert bench.query("SELECT outcome, deaths FROM ledger") == [("ok", 0)]


def test_a_new_code_version_is_computed_with_all_that_depends_on_it(bench):
    bench.add({"a": "two words"})
    bench.run(EVERY)
    newer = [replace(a, code_version="2") if a.name == "words" else a for a in ALL]
    bench.platform = replace(bench.platform, graph=AssetGraph.of(newer))
    summaries = bench.run(EVERY)
    assert {name for name, summary in summaries.items() if summary.computed} == {"words", "ratios"}


def test_what_code_that_drifted_returns_is_stored_although_the_fingerprint_is_the_same(bench):
    bench.add({"a": "first"})
    bench.run(["copies"])
    ((before, fingerprint),) = bench.query("SELECT copy, fingerprint FROM copies")
    (bench.folder / "a.txt").write_text("second")
    bench.run(["copies"], RunOptions(everything=True))
    ((after, same),) = bench.query("SELECT copy, fingerprint FROM copies")
    assert same == fingerprint
    assert bench.platform.objects.get(after) == b"second"
    assert bench.platform.objects.get(before) == b"first", "older snapshots still name it"


def test_an_object_that_does_not_fit_on_the_disk_fails_its_item_and_leaves_no_part_of_itself(bench):
    bench.add({"a": "full", "b": "small", "c": "small too"})
    bench.run(["copies"])
    ledger = dict(bench.query("SELECT item, reason FROM ledger"))
    assert re.fullmatch(
        r"Object copies/a/.*\.txt \(2097152 bytes\) could not be written to .*File too large.*",
        ledger.pop("a"),
    )
    assert ledger == {"b": None, "c": None}
    objects = bench.platform.objects
    stored = dict(bench.query("SELECT item, copy FROM copies"))
    assert {key for key, _ in objects.modified() if key.startswith("copies/")} == set(stored.values())
    files = [path for path in Path(objects.root, "copies").rglob("*") if path.is_file()]
    assert len(files) == 2
    assert {item: objects.get(key) for item, key in stored.items()} == {"b": b"small", "c": b"small too"}


DRIFTING = """
from audio_assets.engine import TEXT, Column, Table, item_asset
from tests.engine.toys import NOTE

SHOUTS = Table("shouts", NOTE, [Column("shout", TEXT, doc="Loud")])
MARK = "!"

def louder(note):
    return note.upper() + MARK

@item_asset(table=SHOUTS, group="toys", code_version="1")
def shouts(note):
    return {"shout": louder(note)}
"""


def test_values_of_code_that_was_edited_are_found_and_redone_only_when_asked(tmp_path, monkeypatch):
    (tmp_path / "drifting.py").write_text(DRIFTING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def reopened() -> Bench:
        """What a new process would see."""
        sys.modules.pop("drifting", None)
        importlib.invalidate_caches()
        source.parse.cache_clear()
        source.definition.cache_clear()
        return make_bench(tmp_path, [importlib.import_module("drifting").shouts])

    bench = reopened()
    bench.add({"a": "one", "b": "two"})
    bench.run(["shouts"], items=["a"])
    (tmp_path / "drifting.py").write_text(DRIFTING.replace('"!"', '"!!!"'))
    bench = reopened()
    assert [bench.state("shouts", item) for item in "ab"] == [State.DRIFTED, State.MISSING]
    bench.run(["shouts"])
    assert bench.query("SELECT item, shout FROM shouts ORDER BY item") == [("a", "ONE!"), ("b", "TWO!!!")]
    assert [bench.state("shouts", item) for item in "ab"] == [State.DRIFTED, State.OK]
    bench.run(["shouts"], RunOptions(drifted=True))
    assert bench.query("SELECT item, shout FROM shouts ORDER BY item") == [("a", "ONE!!!"), ("b", "TWO!!!")]
    assert [bench.state("shouts", item) for item in "ab"] == [State.OK, State.OK]


def test_a_value_whose_upstream_another_run_computes_anew_meanwhile_is_left_to_the_next_plan(bench):
    bench.add({"a": "two words"})
    bench.run(["lengths", "words"])
    _, kept = keep_plan(bench.platform, "slow", ["ratios"], None, DEFAULT)
    newer = [replace(a, code_version="2") if a.name == "lengths" else a for a in ALL]
    other = Bench(replace(bench.platform, graph=AssetGraph.of(newer)), bench.folder)
    (bench.folder / "a.txt").write_text("two other words")
    other.run(["lengths"])
    (bundle,) = [b for b in bench.platform.graph.bundles if b.name == "note_more_toys"]
    run = BundleRun(bench.platform, bundle, ["ratios"], kept, run_id="slow run")
    assert list(run) == []
    assert run.summaries["ratios"].left == 1
    assert bench.query("SELECT * FROM ratios") == []
    other.run(["ratios"])
    assert bench.query("SELECT characters_per_word FROM ratios") == [(7.5,)], "15 characters, 2 words"


def test_a_value_whose_upstream_changes_while_it_is_computed_is_not_stored(bench):
    bench.add({"a": "slow 1", "b": "quick"})
    bench.run(["lengths"])
    _, kept = keep_plan(bench.platform, "slow", ["lengths", "remarks"], None, RunOptions(everything=True))
    (bundle,) = [b for b in bench.platform.graph.bundles if b.name == "note_more_toys"]
    run = BundleRun(bench.platform, bundle, ["remarks"], kept, run_id="slow run")
    chunks = iter(run)
    compute, run._store = run._store, lambda chunk: (forget_lengths(bench), compute(chunk))[1]
    assert [one for chunk in chunks for one in chunk] == []
    assert run.summaries["remarks"].left == 2
    assert bench.query("SELECT * FROM remarks") == []


def forget_lengths(bench: Bench) -> None:
    bench.platform.lake.write(lambda c: c.execute("DELETE FROM ledger WHERE asset = 'lengths'"))


def test_a_plan_is_refused_once_the_code_or_the_parameters_are_others(bench):
    bench.add({"a": "two words"})
    names = ["lengths", "words", "ratios"]
    _, kept = keep_plan(bench.platform, "old", names, None, DEFAULT)
    other = bench.with_settings(parameters={"ratios": {"scale": 2.0}})
    reread = kept_plan(other.platform, "old")
    reread.check(["lengths", "words"])
    with pytest.raises(StalePlanError, match=r"recipe .* of ratios is not what this run was planned with"):
        reread.check(names)
    edited = replace(reread, counts={n: replace(c, code="other") for n, c in kept.counts.items()})
    with pytest.raises(StalePlanError, match="The code of lengths is not what"):
        edited.check(names)


def test_an_upstream_of_many_rows_keeps_its_order_when_read_from_the_lake(tmp_path):
    bench = make_bench(tmp_path, [toys.words, toys.sentences])
    texts = {key: " ".join(f"{key}{n}" for n in range(3000)) for key in "abc"}
    bench.add(texts)
    bench.run(["words", "sentences"])
    assert dict(bench.query("SELECT item, sentence FROM sentences")) == texts


def test_chunks_are_stored_before_they_are_handed_out_and_are_no_larger_than_set(tmp_path):
    bench = make_bench(tmp_path, chunk_items=4)
    bench.add({f"n{index:02d}": f"note {index}" for index in range(11)})
    sizes = []

    def look(chunk):
        sizes.append(len(chunk))
        stored = {(a, i) for a, i in bench.query("SELECT asset, item FROM ledger")}
        assert {one.key[:2] for one in chunk} <= stored
        assert len(stored) == sum(sizes)

    bench.run(["lengths", "words"], on_chunk=look)
    assert sum(sizes) == 22
    assert max(sizes) == 4, "2 items × 2 assets: half a chunk, while the other half is computed"


def test_no_worker_is_left_after_a_run_nor_after_one_whose_consumer_raises(bench, children):
    bench.add(dict.fromkeys("abcdef", "slow 0.1"))

    def fail(chunk):
        raise KeyError("the consumer fails")

    with pytest.raises(KeyError):
        bench.with_settings(chunk_items=1).run(["lengths"], on_chunk=fail)
    assert children() == set()
    assert bench.run(["lengths"])["lengths"].computed == 5
    assert children() == set(bench.platform.session.resting)  # for a minute, in case there is more to do
    bench.platform.session.close()
    assert children() == set()


def test_results_are_stored_after_the_set_time_although_the_chunk_is_not_full(tmp_path):
    bench = make_bench(tmp_path, chunk_seconds=0.5)
    bench.add({"a": "quick", "b": "slow 2"})
    seen = []
    bench.run(["lengths"], on_chunk=lambda chunk: seen.append([one.result.item for one in chunk]))
    assert seen == [["a"], ["b"]]


def test_whoever_watches_is_told_of_each_result(bench):
    bench.add(NOTES)

    class Watcher:
        seen: list = []  # noqa: RUF012

        def finished(self, result):
            self.seen.append((result.asset, result.item))

        def stored(self, count):
            self.safe += count

        safe = 0

    watcher = Watcher()
    with watching(watcher):
        bench.run(["lengths", "words"])
    assert sorted(Watcher.seen) == sorted((asset, item) for asset in ("lengths", "words") for item in NOTES)
    assert watcher.safe == len(Watcher.seen)


def test_a_summary_has_the_throughput_in_size_per_hour(bench):
    bench.add({str(n): "slow 0.1" for n in range(4)})
    summary = bench.run(["lengths"])["lengths"]
    assert summary.size == 4.0
    assert summary.size_per_hour == pytest.approx(3600 * 4.0 / summary.wall_s)
    assert bench.run(["lengths"])["lengths"].size_per_hour is None


def test_an_item_that_the_catalog_no_longer_has_is_left_alone(bench):
    bench.add(NOTES)
    bench.run(["words"])
    bench.platform.lake.write(lambda c: c.execute("DELETE FROM notes WHERE item = 'a'"))
    assert bench.run(["words"])["words"].up_to_date == 3
    assert bench.query("SELECT count(*) FROM words WHERE item = 'a'") == [(2,)]


def test_with_gpus_a_bundle_of_their_pool_has_one_worker_for_each_and_not_one_for_each_core(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.delenv("HIP_VISIBLE_DEVICES", raising=False)
    bench = make_bench(tmp_path, [sights], profile="published").with_settings(workers=6)
    bench.add({str(n): "look" for n in range(6)})
    assert bench.run(["sights"])["sights"].outcomes == {Outcome.OK: 6}
    assert bench.query("SELECT DISTINCT gpus FROM sights ORDER BY gpus") == [("0",), ("1",)]
    assert bench.query("SELECT count(DISTINCT process) FROM sights") == [(2,)]


@pytest.mark.parametrize(
    ("asset", "profile", "gpus", "items", "devices"),
    [
        (sights, "published", "0,1", 8, (4, "0", "1")),
        (sights, "published", "0,1", 1, (1, "0", "1")),  # a crew of one: the first
        (sights, "published", "", 8, (4,)),
        (sights, "embedded", "0,1", 8, (4,)),
        (replace(toys.lengths, pool="gpu"), "embedded", "0,1", 8, (4, "0", "1")),
        (replace(toys.lengths, pool="disk"), "published", "0,1", 8, (4,)),
        (toys.lengths, "published", "0,1", 8, (4,)),
    ],
    ids=[
        "gpus",
        "one item",
        "no gpu",
        "embedded backend",
        "no backend",
        "another pool",
        "no pool",
    ],
)
def test_who_gets_gpus(tmp_path, monkeypatch, asset, profile, gpus, items, devices):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    monkeypatch.delenv("HIP_VISIBLE_DEVICES", raising=False)
    bench = make_bench(tmp_path, [asset], profile=profile).with_settings(workers=4)
    crew = crew_of(bench.platform, [asset], items)
    assert (crew.count, *crew.devices) == devices
    assert crew.keep == (asset.pool is None)  # what computes on a GPU would hold its memory


def test_a_run_stores_the_same_rows_whoever_computes_them(tmp_path, monkeypatch):
    ours, theirs = (make_bench(tmp_path / name) for name in ("ours", "theirs"))
    for bench in (ours, theirs):
        bench.add(NOTES)
    ours.run(EVERY)
    monkeypatch.setattr(WorkerProcess, "__init__", None)
    Bench(replace(theirs.platform, session=ForkingSession()), theirs.folder).run(EVERY)
    for table, columns in [
        ("lengths", "characters"),
        ("words", "position, word"),
        ("ratios", "characters_per_word"),
        ("remarks", "measured"),
        ("copies", "copy"),
        ("ledger", "asset, fingerprint, outcome, reason"),
    ]:
        query = f"SELECT item, {columns} FROM {table} ORDER BY ALL"
        assert ours.query(query) == theirs.query(query) != []


def run_of_plan(bench: Bench, run_id: str, options: RunOptions = DEFAULT) -> BundleRun:
    """A run of `words` that was planned now, and is yet to begin."""
    (bundle,) = [b for b in bench.platform.graph.bundles if "words" in {asset.name for asset in b.assets}]
    _, plan = keep_plan(bench.platform, run_id, ["words"], None, options)
    return BundleRun(bench.platform, bundle, ["words"], plan, run_id=run_id)


def makers(bench: Bench) -> set[str]:
    return {run_id for (run_id,) in bench.query("SELECT run_id FROM ledger")}


def test_what_another_run_has_made_since_the_plan_is_not_made_again(bench):
    bench.add({"a": "two words", "b": "three small words"})
    first, second = run_of_plan(bench, "first"), run_of_plan(bench, "second")
    for run in (first, second):
        list(run)
    assert makers(bench) == {"first"}
    assert (second.summaries["words"].computed, second.summaries["words"].left) == (0, 2)


def test_what_was_there_before_the_plan_is_made_again_where_all_is_asked_for(bench):
    bench.add({"a": "two words", "b": "three small words"})
    list(run_of_plan(bench, "first"))
    list(run_of_plan(bench, "second", RunOptions(everything=True)))
    assert makers(bench) == {"second"}
