"""Bundles in Dagster: exactly the good partitions are materialized, and the rest is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import dagster as dg
import pytest

from audio_assets.engine import Column
from audio_assets.engine.declare.outcomes import ItemResult, Outcome
from audio_assets.orchestration import events, reporter
from audio_assets.orchestration.dagster_private import failed_partitions
from audio_assets.orchestration.partitions import Partitions
from audio_assets.orchestration.run_items import ITEMS_TAG, items_tag
from audio_assets.orchestration.steps import release_run
from tests.engine.conftest import Bench, make_bench
from tests.engine.toys import NOTE, lengths

NOTES = {"a": "two words", "b": "fail now", "c": "silent here", "d": "three small words"}
ALL_ASSETS = ("lengths", "words", "ratios", "remarks", "copies")


@dataclass
class Desk:
    """A bench, a Dagster instance, and runs of one in the other."""

    bench: Bench
    instance: dg.DagsterInstance

    def run(
        self,
        assets: Iterable[str] = ALL_ASSETS,
        keys: tuple[str, str] = ("a", "d"),
        tags: dict[str, str] | None = None,
        parent: str | None = None,
        **config: bool,
    ) -> dg.JobExecutionResult:
        known = self.instance.get_dynamic_partitions("notes")
        catalog = self.bench.platform.items(NOTE)
        self.instance.add_dynamic_partitions("notes", [key for key in catalog if key not in known])
        graph = self.bench.platform.graph
        bundles = {graph.by_name[name].bundle for name in assets}
        job = dg.build_reconstructable_job(
            "tests.engine.conftest", "toy_job", reconstructable_args=(str(self.bench.folder.parent),)
        )
        return dg.execute_job(
            job,
            self.instance,
            asset_selection=[dg.AssetKey(name) for name in assets],
            tags={
                "dagster/asset_partition_range_start": keys[0],
                "dagster/asset_partition_range_end": keys[1],
                **(tags or {}),
            },
            run_config={
                "ops": {bundle: {"config": config} for bundle in bundles},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            reexecution_options=dg.ReexecutionOptions(parent) if parent else None,
        )

    def materialized(self, result: dg.JobExecutionResult) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for entry in self.instance.all_logs(result.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION):
            event = entry.get_dagster_event()
            found.setdefault(event.asset_key.to_user_string(), []).append(event.partition)
        return {asset: sorted(partitions) for asset, partitions in found.items()}

    def data_versions(self, asset: str) -> dict[str, str]:
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records
        versions: dict[str, str] = {}
        for record in reversed(records):
            materialization = record.asset_materialization
            versions[materialization.partition] = materialization.tags["dagster/data_version"]
        return versions


@pytest.fixture
def desk(bench: Bench) -> Iterator[Desk]:
    with dg.instance_for_test() as instance:
        yield Desk(bench, instance)


def ledger_versions(bench: Bench, asset: str) -> dict[str, str]:
    query = "SELECT item, fingerprint FROM ledger WHERE asset = '{}' AND outcome IN ('ok', 'not_applicable')"
    return dict(bench.query(query.format(asset)))


def test_exactly_the_good_partitions_are_materialized_with_their_fingerprint_as_data_version(desk):
    desk.bench.add(NOTES)
    result = desk.run()
    assert desk.materialized(result) == {
        "lengths": ["a", "c", "d"],
        "words": ["a", "b", "c", "d"],
        "ratios": ["a", "c", "d"],
        "remarks": ["a", "c", "d"],
        "copies": ["a", "b", "c", "d"],
    }
    for asset in ALL_ASSETS:
        assert desk.data_versions(asset) == ledger_versions(desk.bench, asset)
    records = desk.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey("ratios"), asset_partitions=["a"]), limit=1
    ).records
    tags = records[0].asset_materialization.tags
    assert tags["dagster/code_version"] == "1"
    assert tags["dagster/input_data_version/lengths"] == ledger_versions(desk.bench, "lengths")["a"]
    assert not desk.instance.get_materialized_partitions(dg.AssetKey("lengths")) & {"b"}


def test_a_step_with_failed_items_fails_with_their_table_and_later_steps_still_compute(desk):
    desk.bench.add(NOTES)
    result = desk.run(["lengths", "words", "ratios"])
    assert not result.success
    failures = {e.step_key: e.step_failure_data for e in result.all_events if e.is_step_failure}
    assert set(failures) == {"note_toys"}
    failure = failures["note_toys"].user_failure_data
    assert failure.description == "1 of the values could not be computed; all others are stored."
    assert "| lengths | b | failed | ValueError: the note says fail |" in failure.metadata["failed"].value
    assert desk.bench.query("SELECT count(*) FROM ratios") == [(2,)]


def test_only_selected_assets_are_computed_and_materialized(desk):
    desk.bench.add({"a": "two words"})
    result = desk.run(["words"], keys=("a", "a"))
    assert result.success
    assert desk.materialized(result) == {"words": ["a"]}
    assert desk.bench.query("SELECT DISTINCT asset FROM ledger") == [("words",)]


def test_only_the_partitions_of_the_range_are_computed_and_of_those_only_the_named(desk):
    desk.bench.add(dict.fromkeys("abcd", "note"))
    assert desk.materialized(desk.run(["words"], keys=("b", "c"))) == {"words": ["b", "c"]}
    assert desk.materialized(desk.run(["words"], tags={ITEMS_TAG: "a,nowhere"})) == {"words": ["a"]}
    assert ledger_versions(desk.bench, "words").keys() == set("abc")


def test_a_run_with_nothing_to_do_materializes_nothing_and_succeeds(desk):
    desk.bench.add({key: NOTES[key] for key in "acd"})
    assert desk.run().success
    again = desk.run()
    assert again.success
    assert desk.materialized(again) == {}
    assert [e for e in again.all_events if e.event_type == dg.DagsterEventType.ASSET_OBSERVATION] == []


def test_a_backfill_is_told_of_values_that_were_up_to_date(desk):
    desk.bench.add(NOTES)
    desk.run()
    versions = desk.data_versions("words")
    desk.bench.add({"e": "one more"})
    result = desk.run(["words"], keys=("a", "e"), tags={"dagster/backfill": "someid"})
    assert desk.materialized(result) == {"words": ["a", "b", "c", "d", "e"]}
    assert {key: desk.data_versions("words")[key] for key in versions} == versions
    assert desk.bench.query("SELECT count(DISTINCT run_id) FROM ledger WHERE asset = 'words'") == [(2,)]


def test_failed_items_are_tried_again_from_the_ui_and_not_where_the_configuration_says_so(desk):
    desk.bench.add({"a": "two words", "b": "fail"})
    desk.run(["lengths"], keys=("a", "b"))
    (desk.bench.folder / "b.txt").write_text("mended")
    unasked = desk.run(["lengths"], keys=("a", "b"), failed=False)
    assert unasked.success
    assert desk.materialized(unasked) == {}
    assert desk.materialized(desk.run(["lengths"], keys=("a", "b"))) == {"lengths": ["b"]}


def test_what_a_killed_run_had_stored_but_not_reported_is_reported_by_the_next(desk):
    desk.bench.add(dict.fromkeys("abcd", "note"))
    desk.run(["words"], keys=("a", "b"))
    desk.bench.run(["words"])  # stores all, without Dagster knowing
    result = desk.run(["words"])
    assert desk.materialized(result) == {"words": ["c", "d"]}
    assert desk.data_versions("words") == ledger_versions(desk.bench, "words")
    assert desk.materialized(desk.run(["words"])) == {}


def test_what_a_step_that_was_broken_off_had_stored_is_reported_by_the_next_over_any_items(desk, monkeypatch):
    desk.bench.add(dict.fromkeys("abcd", "note"))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(reporter.Reporter, "chunk", killed)
        desk.run(["words"], keys=("a", "b"))
    stored = {item for (item,) in desk.bench.query("SELECT item FROM words")}
    assert stored == {"a", "b"} and not desk.data_versions("words")
    with monkeypatch.context() as patch:  # as long as it lives it is left to itself, and not forgotten
        patch.setattr(reporter, "is_alive", lambda settings, run: True)
        assert desk.materialized(desk.run(["words"], keys=("c", "c"))) == {"words": ["c"]}
    leave(desk)
    assert desk.materialized(desk.run(["words"], keys=("d", "d"))) == {"words": ["a", "b", "d"]}
    assert desk.materialized(desk.run(["words"], keys=("c", "c"))) == {}


def leave(desk: Desk) -> None:
    """Let go of the leases of all runs, as the end of their process does."""
    for run in desk.instance.get_runs():
        release_run(desk.bench.platform.settings, run.run_id)


def test_a_value_computed_anew_behind_dagsters_back_gets_its_new_data_version(desk):
    desk.bench.add({"a": "one"})
    desk.run(["words"], keys=("a", "a"))
    before = desk.data_versions("words")
    desk.bench.add({"a": "another"})
    desk.bench.run(["words"])
    desk.run(["words"], keys=("a", "a"))
    assert desk.data_versions("words") == ledger_versions(desk.bench, "words") != before


def test_what_is_reported_late_is_bounded(desk, monkeypatch):
    desk.bench.add(dict.fromkeys("abcd", "note"))
    desk.bench.run(["words"])
    monkeypatch.setattr(reporter, "REPORTED_LATER", 3)
    assert len(desk.materialized(desk.run(["words"]))["words"]) == 3
    assert len(desk.materialized(desk.run(["words"]))["words"]) == 1


def results_by_partition(desk: Desk) -> list[tuple[str | None, bool]]:
    """What the check of `lengths` has said in the runs so far, oldest first, by partition."""
    key = dg.AssetCheckKey(dg.AssetKey("lengths"), "values_in_range")
    records = desk.instance.event_log_storage.get_asset_check_execution_history(key, 100)
    events = [record.event.get_dagster_event().event_specific_data for record in reversed(records)]
    return sorted((event.partition or "", event.passed) for event in events)


def within_ten(monkeypatch) -> None:
    """Have this process, but not the workers, find lengths above 10 outside."""
    monkeypatch.setattr(Column, "outside_sql", lambda column: f'"{column.name}" > 10')


def test_a_check_looks_at_the_rows_that_a_step_has_written_and_at_no_others(desk, monkeypatch):
    desk.bench.add({"a": "two words", "b": "short"})
    desk.run(["lengths", "words"], keys=("a", "b"))
    desk.bench.platform.lake.write(lambda c: c.execute("UPDATE lengths SET characters = 5000"))
    desk.bench.add({"c": "three small words", "d": "four"})
    (check,) = desk.run(["lengths"]).get_asset_check_evaluations()
    assert (check.asset_key.to_user_string(), check.check_name, check.passed) == (
        "lengths",
        "values_in_range",
        True,
    )
    assert {name: value.value for name, value in check.metadata.items()} == {
        "rows": 2,
        "partitions outside": 0,
    }


def test_each_partition_that_fails_a_check_is_named_and_all_that_pass_by_one_result(desk, monkeypatch):
    within_ten(monkeypatch)
    desk.bench.add({"a": "two words", "b": "quite a long note", "c": "short", "d": "three small words"})
    result = desk.run(["lengths"])
    assert not result.success  # the check is blocking
    (check,) = result.get_asset_check_evaluations()
    assert {name: value.value for name, value in check.metadata.items()} == {
        "rows": 4,
        "partitions outside": 2,
        "characters outside": 2,
    }
    assert results_by_partition(desk) == [("", False), ("b", False), ("d", False)]


def test_a_partition_that_failed_a_check_is_looked_at_again_until_it_is_mended(desk, monkeypatch):
    within_ten(monkeypatch)
    desk.bench.add({"a": "two words", "b": "quite a long note"})
    desk.run(["lengths"], keys=("a", "b"))
    (still,) = desk.run(["lengths"], keys=("a", "b")).get_asset_check_evaluations()  # nothing is computed
    assert (still.passed, still.metadata["rows"].value) == (False, 1)
    desk.bench.add({"b": "short"})
    (mended,) = desk.run(["lengths"], keys=("a", "b")).get_asset_check_evaluations()
    assert (mended.passed, mended.metadata["rows"].value) == (True, 1)
    assert results_by_partition(desk)[-1] == ("b", True)
    key = dg.AssetCheckKey(dg.AssetKey("lengths"), "values_in_range")
    assert failed_partitions(desk.instance, key) == set()
    (again,) = desk.run(["lengths"], keys=("a", "b")).get_asset_check_evaluations()
    assert (again.passed, again.metadata["rows"].value) == (True, 0)


def test_a_run_tells_outcomes_throughput_and_the_first_rows(desk):
    desk.bench.add(NOTES)
    result = desk.run(["lengths"])
    (observed,) = [e for e in result.all_events if e.event_type == dg.DagsterEventType.ASSET_OBSERVATION]
    metadata = observed.asset_observation_data.asset_observation.metadata
    assert {name: metadata[name].value for name in metadata if name.startswith("items")} == {
        "items ok": 2,
        "items failed": 1,
        "items not_applicable": 1,
        "items up to date": 0,
        "items waiting": 0,
        "items left": 0,
    }
    assert metadata["s per hour"].value > 0
    assert "| item | characters |" in metadata["preview"].value
    assert "| d | 17 |" in metadata["preview"].value


def test_definitions_show_columns_ranges_backends_and_checks(bench):
    repository = bench.definitions().get_repository_def()
    node = repository.asset_graph.get(dg.AssetKey("lengths"))
    columns = node.metadata["dagster/column_schema"].columns
    assert [(c.name, c.type) for c in columns] == [
        ("item", "VARCHAR"),
        ("fingerprint", "VARCHAR"),
        ("characters", "BIGINT"),
    ]
    assert columns[2].description == "Length (0..1000)"
    assert node.code_version == "1"
    assert node.parent_keys == {dg.AssetKey("notes")}
    assert repository.asset_graph.get(dg.AssetKey("ratios")).parent_keys == {
        dg.AssetKey("notes"),
        dg.AssetKey("lengths"),
        dg.AssetKey("words"),
    }


@pytest.fixture
def sharded(tmp_path) -> Iterator[Desk]:
    with dg.instance_for_test() as instance:
        yield Desk(make_bench(tmp_path, partitions="shards:4"), instance)


def test_a_shard_is_materialized_when_all_its_items_are_good(sharded):
    notes = {f"n{index}": f"note {index}" for index in range(12)} | {"bad": "fail"}
    sharded.bench.add(notes)
    partitions = Partitions(NOTE, 4)
    items = sharded.bench.platform.items(NOTE)
    shards = {key: partitions.of(item) for key, item in items.items()}
    assert set(shards.values()) == {"00000", "00001", "00002", "00003"}
    result = sharded.run(["lengths", "words"], keys=("00000", "00003"))
    good = sorted(set(shards.values()) - {shards["bad"]})
    assert sharded.materialized(result) == {"lengths": good, "words": sorted(set(shards.values()))}
    assert len(set(sharded.data_versions("words").values())) == 4
    again = sharded.run(["lengths", "words"], keys=("00000", "00003"), failed=False)
    assert again.success
    assert sharded.materialized(again) == {}
    sharded.bench.add({"n0": "another note"})
    moved = partitions.of(sharded.bench.platform.items(NOTE)["n0"])
    changed = sharded.run(["words"], keys=("00000", "00003"))
    assert set(sharded.materialized(changed)["words"]) == {moved, shards["n0"]}


def test_a_shard_of_which_only_some_items_were_asked_for_is_materialized_when_it_is_whole(sharded):
    sharded.bench.add({f"n{index}": f"note {index}" for index in range(6)})
    partitions = Partitions(NOTE, 4)
    shards: dict[str, list[str]] = {}
    for key, item in sharded.bench.platform.items(NOTE).items():
        shards.setdefault(partitions.of(item), []).append(key)
    shard, (first, *others) = max(shards.items(), key=lambda entry: len(entry[1]))
    assert others
    part = sharded.run(["words"], keys=(shard, shard), tags={ITEMS_TAG: first})
    assert sharded.materialized(part) == {}
    assert sharded.bench.query("SELECT item FROM ledger") == [(first,)]
    rest = sharded.run(["words"], keys=(shard, shard), tags={ITEMS_TAG: ",".join(others)})
    assert sharded.materialized(rest) == {"words": [shard]}


def test_many_items_are_kept_for_a_run_and_its_tag_stays_short(desk):
    keys = [f"n{index:03}" for index in range(40)]
    desk.bench.add(dict.fromkeys(keys, "note"))
    chosen = keys[3:30:2]
    tags = items_tag(desk.bench.platform, chosen)
    assert len(tags[ITEMS_TAG]) < 40
    result = desk.run(["words"], keys=(keys[0], keys[-1]), tags=tags)
    assert desk.materialized(result) == {"words": chosen}
    assert items_tag(desk.bench.platform, chosen) == tags


def test_a_run_whose_items_are_gone_says_so_and_computes_nothing(desk):
    desk.bench.add(dict.fromkeys("abcd", "note"))
    result = desk.run(["words"], tags={ITEMS_TAG: "stored:nowhere"})
    (failure,) = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    assert "runs/nowhere.items cannot be read" in failure.cause.message
    assert desk.bench.query("SELECT * FROM words") == []


def test_a_shard_with_a_stale_value_is_not_reported(sharded):
    sharded.bench.add({f"n{index}": f"note {index}" for index in range(8)})
    sharded.bench.run(["words"])
    sharded.bench.add({"n0": "another note"})
    partitions = Partitions(NOTE, 4)
    stale = partitions.of(sharded.bench.platform.items(NOTE)["n0"])
    items = sharded.bench.platform.items(NOTE)
    others = {partitions.of(item) for item in items.values()} - {stale}
    asked = ",".join(key for key in items if key != "n0")
    result = sharded.run(["words"], keys=("00000", "00003"), tags={ITEMS_TAG: asked})
    assert sharded.materialized(result) == {"words": sorted(others)}


def test_a_table_of_failures_is_bounded_and_keeps_to_its_cells():
    results = [ItemResult(lengths.name, f"n{index}", Outcome.FAILED, [], "a | b\nc") for index in range(25)]
    lines = events.failure_table(results).splitlines()
    assert lines[2] == r"| lengths | n0 | failed | a \| b c |"
    assert len(lines) == 2 + 20 + 2
    assert lines[-1] == "and 5 more."
