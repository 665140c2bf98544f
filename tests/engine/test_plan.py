"""What a run computes, and why: planning from ledger entries, without a lake."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from audio_assets.engine import FLOAT, Column, Item, Outcome
from audio_assets.engine.code.state import CodeState
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.state.ledger import Entries, Entry
from audio_assets.engine.state.plan import DEFAULT, AssetPlan, Plan, RunOptions, State, make_plan
from audio_assets.settings import Settings
from tests.engine.toys import lengths, ratios, remarks, words

NAMES = ("lengths", "words", "ratios", "remarks")


@dataclass
class Book:
    """A ledger in memory; `assets` and `settings` can be exchanged between plans."""

    settings: Settings
    assets: tuple = (lengths, words, ratios, remarks)
    items: dict[str, Item] = field(
        default_factory=lambda: {key: Item(key, f"hash of {key}", "") for key in ("a", "b")}
    )
    entries: Entries = field(default_factory=lambda: {name: {} for name in NAMES})

    def plan(self, names=NAMES, options=DEFAULT, code=None) -> Plan:
        graph = AssetGraph.of(self.assets)
        return make_plan(
            graph,
            names,
            self.items,
            entries=self.entries,
            recipes=graph.recipes(self.settings),
            code=self.code(graph) | (code or {}),
            options=options,
        )

    def code(self, graph: AssetGraph) -> dict[str, CodeState]:
        states = graph.code(self.settings)
        return {asset.name: states[asset.name] for asset in graph.assets}

    def compute(self, names=NAMES, options=DEFAULT, outcomes=None, deaths=0) -> Plan:
        """Plan, and note every planned value with its outcome: ok, unless `outcomes` has another."""
        plan = self.plan(names, options)
        code = AssetGraph.of(self.assets).code(self.settings)
        for name, asset_plan in plan.items():
            for key, fingerprint in asset_plan.fingerprints.items():
                outcome = (outcomes or {}).get((name, key), Outcome.OK)
                entry = Entry(outcome, fingerprint, code[name].digest, deaths, None)
                self.entries[name][key] = entry
        return plan

    def exchange(self, **changes) -> None:
        """Put assets with changed fields in the place of those of the same name."""
        self.assets = tuple(changes.get(asset.name, asset) for asset in self.assets)


@pytest.fixture
def book(tmp_path):
    return Book(Settings(home=tmp_path))


def states(plan: Plan) -> dict[str, dict[str, str]]:
    return {name: dict(asset_plan.states) for name, asset_plan in plan.items()}


def planned(plan: Plan) -> dict[str, list[str]]:
    found = {name: sorted(asset_plan.fingerprints) for name, asset_plan in plan.items()}
    return {name: keys for name, keys in found.items() if keys}


EVERYTHING = {name: ["a", "b"] for name in NAMES}


def test_what_is_missing_is_computed_once_and_then_up_to_date(book):
    assert planned(book.plan()) == EVERYTHING
    assert book.plan()["ratios"].states == {"a": State.MISSING, "b": State.MISSING}
    book.compute()
    plan = book.plan()
    assert planned(plan) == {}
    assert states(plan) == {name: {"a": "ok", "b": "ok"} for name in NAMES}


def test_a_new_item_leaves_the_others_alone(book):
    book.compute()
    book.items["c"] = Item("c", "hash of c", "")
    assert planned(book.plan()) == {name: ["c"] for name in NAMES}


def test_other_bytes_make_an_item_stale_in_all_assets(book):
    book.compute()
    book.items["a"] = Item("a", "another hash", "")
    plan = book.plan()
    assert planned(plan) == {name: ["a"] for name in NAMES}
    assert plan["words"].states["a"] is State.STALE


def test_a_parameter_makes_its_asset_stale_and_no_other(book):
    book.compute()
    book.settings = Settings(home=book.settings.home, parameters={"ratios": {"scale": 2.0}})
    assert planned(book.plan()) == {"ratios": ["a", "b"]}
    book.settings = Settings(home=book.settings.home, parameters={"ratios": {"scale": 1.0}})
    assert planned(book.plan()) == {}


def test_a_code_version_makes_the_asset_and_all_downstream_stale(book):
    book.compute()
    book.exchange(words=replace(words, code_version="2"))
    plan = book.plan()
    assert planned(plan) == {"words": ["a", "b"], "ratios": ["a", "b"]}
    assert plan["ratios"].states["a"] is State.STALE
    assert plan["ratios"].upstream["a"]["words"] == plan["words"].fingerprints["a"]


@pytest.mark.parametrize(
    "column", [Column("share", FLOAT, doc="New"), Column("characters", FLOAT, doc="Retyped")]
)
def test_another_set_of_columns_makes_stored_rows_stale(book, column):
    book.compute()
    kept = [c for c in lengths.table.columns if c.name != column.name]
    book.exchange(lengths=replace(lengths, table=replace(lengths.table, columns=[*kept, column])))
    assert planned(book.plan(["lengths"])) == {"lengths": ["a", "b"]}


def test_a_column_that_is_only_documented_or_bounded_otherwise_changes_nothing(book):
    book.compute()
    columns = [replace(c, doc="Other words", high=5000) for c in lengths.table.columns]
    book.exchange(lengths=replace(lengths, table=replace(lengths.table, columns=columns)))
    assert planned(book.plan()) == {}


def test_a_catalog_column_that_the_asset_reads_is_part_of_the_fingerprint(book):
    reading = replace(words, reads=("language",))
    book.exchange(words=reading)
    book.items = {key: replace(item, record={"language": "en"}) for key, item in book.items.items()}
    book.compute()
    book.items["a"] = replace(book.items["a"], record={"language": "de"})
    assert planned(book.plan()) == {"words": ["a"], "ratios": ["a"]}


def test_values_of_edited_code_have_drifted_with_all_downstream_and_are_redone_only_if_asked(book):
    book.compute()
    book.entries["words"]["a"] = replace(book.entries["words"]["a"], code_hash="older")
    book.entries["ratios"]["a"] = replace(book.entries["ratios"]["a"], code_hash="older")
    plan = book.plan()
    assert planned(plan) == {}
    assert plan["words"].states == {"a": State.DRIFTED, "b": State.OK}
    redone = book.plan(options=RunOptions(drifted=True))
    assert planned(redone) == {"words": ["a"], "ratios": ["a"]}


def test_the_code_of_downstream_assets_changes_with_that_of_their_upstream(book):
    graph = AssetGraph.of(book.assets)
    before = graph.code(book.settings)
    edited = AssetGraph.of([replace(words, fn=lengths.fn), lengths, ratios, remarks]).code(book.settings)
    changed = {name for name in NAMES if before[name].digest != edited[name].digest}
    assert changed == {"words", "ratios"}


def test_failed_items_wait_until_asked_for_and_block_what_needs_them(book):
    book.compute(outcomes={("lengths", "a"): Outcome.FAILED})
    book.entries["ratios"].pop("a")
    book.entries["remarks"].pop("a")
    plan = book.plan()
    assert planned(plan) == {}
    assert plan["lengths"].states["a"] is State.FAILED
    assert plan["ratios"].blocked == {"a": "waits for lengths"}
    assert plan["remarks"].blocked == {"a": "waits for lengths"}
    again = book.plan(options=RunOptions(failed=True))
    assert planned(again) == {"lengths": ["a"], "ratios": ["a"], "remarks": ["a"]}


def test_an_item_whose_worker_died_is_tried_again_unasked_until_the_third_death(book):
    for deaths, tried in ((1, ["a"]), (2, ["a"]), (3, [])):
        book.entries = {name: {} for name in NAMES}
        book.compute(["words"])
        entry = book.entries["words"]["a"]
        outcome = Outcome.FAILED if deaths < 3 else Outcome.QUARANTINED
        book.entries["words"]["a"] = replace(entry, outcome=outcome, deaths=deaths)
        assert planned(book.plan(["words"])).get("words", []) == tried


def test_a_quarantined_item_is_never_computed_and_blocks_what_needs_it(book):
    book.compute(outcomes={("lengths", "a"): Outcome.QUARANTINED})
    book.exchange(lengths=replace(lengths, code_version="2"))
    for options in (DEFAULT, RunOptions(failed=True), RunOptions(everything=True)):
        plan = book.plan(options=options)
        assert "a" not in plan["lengths"].fingerprints
        assert plan["lengths"].states["a"] is State.QUARANTINED
        assert plan["ratios"].blocked == {"a": "waits for lengths"}
        assert plan["ratios"].states["a"] is State.STALE


def test_a_quarantined_item_stays_so_called_while_its_upstream_is_missing(book):
    book.compute(outcomes={("ratios", "a"): Outcome.QUARANTINED})
    book.entries["words"].pop("a")
    plan = book.plan(["ratios"])
    assert plan["ratios"].states["a"] is State.QUARANTINED


def test_not_applicable_is_final_and_a_value_for_those_downstream(book):
    book.compute(outcomes={("lengths", "a"): Outcome.NOT_APPLICABLE, ("ratios", "a"): Outcome.NOT_APPLICABLE})
    plan = book.plan()
    assert planned(plan) == {}
    assert plan["ratios"].states["a"] is State.NOT_APPLICABLE
    book.entries["ratios"].pop("a")
    assert planned(book.plan()) == {"ratios": ["a"]}


def test_an_optional_upstream_may_be_not_applicable_but_not_missing(book):
    book.compute(outcomes={("lengths", "a"): Outcome.NOT_APPLICABLE})
    book.entries["remarks"].clear()
    book.entries["lengths"].pop("b")
    plan = book.plan(["remarks"])
    assert planned(plan) == {"remarks": ["a"]}
    assert plan["remarks"].blocked == {"b": "waits for lengths"}


def test_upstream_that_is_not_selected_counts_as_it_stands_in_the_ledger(book):
    book.compute()
    book.exchange(words=replace(words, code_version="2"))
    assert planned(book.plan(["ratios"])) == {}
    assert planned(book.plan(["words", "ratios"])) == {"words": ["a", "b"], "ratios": ["a", "b"]}


def test_everything_computes_what_is_up_to_date_too(book):
    book.compute()
    assert planned(book.plan(options=RunOptions(everything=True))) == EVERYTHING


def test_a_failure_of_an_older_fingerprint_is_tried_again_unasked(book):
    book.compute(outcomes={("words", "a"): Outcome.FAILED})
    book.exchange(words=replace(words, code_version="2"))
    assert planned(book.plan(["words"])) == {"words": ["a", "b"]}


def test_a_plan_of_nothing_is_empty(book):
    assert book.plan([]) == {}
    book.items = {}
    assert book.plan() == {name: AssetPlan() for name in ("lengths", "words", "ratios", "remarks")}
