"""The planner answers what an oracle in plain Python answers, whatever graph, ledger and edits there are."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from audio_assets.engine import FLOAT, TEXT, Column, ItemKind, Outcome, Table
from audio_assets.engine.code.state import CodeState
from audio_assets.engine.declare.asset import Recipe, fingerprint
from audio_assets.engine.declare.collection_asset import CollectionAsset
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.declare.tables import Item, Size
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.state.catalog import catalog_tables
from audio_assets.engine.state.ledger import LEDGER, Computed
from audio_assets.engine.state.ledger import _entries as ledger_entries
from audio_assets.engine.state.planner import make_plan
from audio_assets.engine.state.plans import Question
from audio_assets.engine.state.rows import arrow_table, insert_rows
from audio_assets.engine.state.states import RunOptions, State, Why
from audio_assets.resources.lake import Lake
from tests.engine.planning_oracle import CatalogRow, Ledger, LedgerRow, verdicts

CATALOG = (
    Column("item", TEXT, doc="Key"),
    Column("content_hash", TEXT, doc="Hash"),
    Column("title", TEXT, doc="Title"),
    Column("length", FLOAT, doc="Length"),
)
NOTE = ItemKind("note", "notes", str, size=Size("length", "h", 3600))
TALK = ItemKind("talk", "talks", str, size=Size("length", "h", 3600))
KINDS = (NOTE, TALK)


class Nothing(BaseModel):
    """No parameters."""


def function(*_: object) -> None:
    """Stands for the function of every asset here."""


@dataclass(frozen=True)
class World:
    """Assets, how they are computed now, and what catalog and ledger hold."""

    graph: AssetGraph
    recipes: dict[str, Recipe]
    code: dict[str, CodeState]
    catalog: dict[str, CatalogRow]
    ledger: Ledger


def recipe_of(asset, version: str, parameter: int, revision: str) -> Recipe:
    return Recipe(asset, version, json.dumps({"p": parameter}), "b", revision, None, ())


@st.composite
def worlds(draw) -> World:
    count = draw(st.integers(1, 6))
    assets = []
    for n in range(count):
        kind = draw(st.sampled_from(KINDS))
        same = [a for a in assets if isinstance(a, ItemAsset) and a.item is kind]
        upstream = draw(st.lists(st.sampled_from(same), unique=True, max_size=3)) if same else []
        reads = draw(st.sampled_from([(), ("title",), ("title", "length")]))
        assets.append(
            ItemAsset(
                fn=function, name=f"a{n}", tables=(Table(f"a{n}", kind),), items=(kind,), bundle=f"b{n}",
                upstream=tuple(a.name for a in upstream), reads=reads, group="g", code_version="1",
            )
        )  # fmt: skip
    wholes = draw(st.integers(0, 3))
    for n in range(wholes):
        items = draw(st.sampled_from([(NOTE,), (TALK,), KINDS]))
        fitting = [a for a in assets if set(a.items) & set(items) and not isinstance(a, TrainingAsset)]
        upstream = draw(st.lists(st.sampled_from(fitting), unique=True, max_size=3)) if fitting else []
        optional = frozenset(a.name for a in upstream if draw(st.booleans()))
        common = {
            "fn": function,
            "name": f"w{n}",
            "tables": (Table(f"w{n}"),),
            "items": items,
            "group": "g",
            "code_version": "1",
            "upstream": tuple(a.name for a in upstream),
            "optional_upstream": optional,
            "reads": draw(st.sampled_from([(), ("title",)])),
        }
        if draw(st.booleans()):
            assets.append(CollectionAsset(**common))
        else:
            assets.append(TrainingAsset(**common, config=Nothing, min_items=draw(st.integers(1, 3))))
    graph = AssetGraph(tuple(assets))
    recipes = {a.name: recipe_of(a.name, "1", 0, "r") for a in assets}
    code = {a.name: CodeState("code", {}) for a in assets}
    catalog = {}
    for n in range(draw(st.integers(0, 5))):
        title = draw(st.sampled_from([None, '"x"', '"y"', "ü|:"]))
        catalog[f"item-{n}"] = CatalogRow(
            draw(st.sampled_from(KINDS)).name, f"sound {n}", {"title": title, "length": "1.0"}
        )
    return World(graph, recipes, code, catalog, {})


@st.composite
def computed_worlds(draw) -> World:
    """A world in which some values are there: as they would be computed, and then with some edits."""
    world = draw(worlds())
    everything = question_of(world)
    ledger: Ledger = {}
    for asset, per_item in verdicts(everything, world.catalog, {}).items():
        for item, verdict in per_item.items():
            fate = draw(
                st.sampled_from(
                    ["ok", "ok", "ok", "n/a", "failed", "died", "bad", "none", "old", "drifted", "tried"]
                )
            )
            if fate == "none" or verdict.fingerprint is None:
                continue
            row = world.catalog.get(item)
            reads = world.graph.by_name[asset].reads
            recipe = world.recipes[asset]
            if fate == "old" and not world.graph.by_name[asset].upstream:
                recipe = recipe_of(asset, "0", 0, "r")
            outcome = {
                "n/a": Outcome.NOT_APPLICABLE, "failed": Outcome.FAILED, "died": Outcome.FAILED,
                "bad": Outcome.QUARANTINED,
            }.get(fate, Outcome.OK)  # fmt: skip
            ledger[asset, item] = LedgerRow(
                outcome=outcome,
                fingerprint=verdict.fingerprint if fate != "old" else fingerprint(["old"]),
                recipe=recipe.digest,
                code_version=recipe.code_version,
                parameters_json=recipe.parameters_json,
                revision=recipe.revision,
                code_hash="other" if fate == "drifted" else "code",
                content_hash=row.content_hash if row else "",
                reads_hash=fingerprint(row.texts[n] for n in reads) if row and reads else None,
                deaths=draw(st.integers(1, 3)) if fate == "died" else 0,
                run_id="this" if fate == "tried" else "before",
            )
    world = replace(world, ledger=ledger)
    return draw(st.sampled_from(EDITS))(draw, world)


def unedited(draw, world: World) -> World:
    return world


def edited_recipe(draw, world: World) -> World:
    name = draw(st.sampled_from(sorted(world.recipes)))
    version, parameter, revision = draw(st.sampled_from([("2", 0, "r"), ("1", 1, "r"), ("1", 0, "s")]))
    assets = tuple(replace(a, code_version=version) if a.name == name else a for a in world.graph.assets)
    recipes = world.recipes | {name: recipe_of(name, version, parameter, revision)}
    return replace(world, graph=AssetGraph(assets), recipes=recipes)


def edited_item(draw, world: World) -> World:
    if not world.catalog:
        return world
    item = draw(st.sampled_from(sorted(world.catalog)))
    row = world.catalog[item]
    changed = draw(
        st.sampled_from(
            [replace(row, content_hash="new sound"), replace(row, texts={**row.texts, "title": '"new"'})]
        )
    )
    return replace(world, catalog=world.catalog | {item: changed})


def lost_item(draw, world: World) -> World:
    if not world.catalog:
        return world
    item = draw(st.sampled_from(sorted(world.catalog)))
    return replace(world, catalog={k: v for k, v in world.catalog.items() if k != item})


EDITS = (unedited, edited_recipe, edited_item, lost_item)


def question_of(world: World, selected=None, options=RunOptions()) -> Question:  # noqa: B008
    names = [a.name for a in world.graph.assets] if selected is None else selected
    return Question(world.graph, world.recipes, world.code, names, None, options)


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Lake:
    folder = tmp_path_factory.mktemp("planner")
    lake = Lake(
        f"sqlite:{folder}/catalog.sqlite",
        str(folder / "data"),
        connection_config={"allow_unsigned_extensions": "true", "threads": "1"},
    )
    tables = [LEDGER, *(table for kind in KINDS for table in catalog_tables(kind.plural, CATALOG))]

    def create(connection: duckdb.DuckDBPyConnection) -> None:
        for table in tables:
            columns = ", ".join(f'"{c.name}" {c.sql_type}' for c in table.all_columns)
            connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
        connection.execute("CREATE TABLE training_items (checkpoint VARCHAR, item VARCHAR, digest VARCHAR)")

    lake.write(create)
    return lake


def fill(lake: Lake, world: World) -> None:
    """Make catalog and ledger those of the world."""

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        for kind in KINDS:
            there = {item: row for item, row in world.catalog.items() if row.kind == kind.name}
            rows = [{"item": k, "content_hash": r.content_hash, "length": 1.0} for k, r in there.items()]
            texts = [{"item": item, **row.texts} for item, row in there.items()]
            for table, values in zip(catalog_tables(kind.plural, CATALOG), (rows, texts), strict=True):
                connection.execute(f"DELETE FROM {table.name}")
                if values:
                    insert_rows(connection, table.name, arrow_table(table.columns, values))
        connection.execute("DELETE FROM ledger")
        insert_rows(connection, "ledger", arrow_table(LEDGER.columns, entries_of(world)))

    lake.write(change)


def entries_of(world: World) -> list[dict[str, object]]:
    """Ledger rows as the platform writes them; upstream sums are of what they were made from then."""
    made_from = verdicts(question_of(replace_all_new(world)), world.catalog, {})
    rows = []
    for (asset, item), row in world.ledger.items():
        names = world.graph.by_name[asset].upstream
        upstream = {
            n: v.fingerprint for n in names if (v := made_from[n].get(item)) is not None and v.fingerprint
        }
        if row.fingerprint == fingerprint(["old"]):
            upstream = dict.fromkeys(names, fingerprint(["older"]))
        (entry,) = ledger_entries(
            [
                Computed(
                    ItemResult(asset, item, row.outcome, []),
                    recipe_of(asset, row.code_version, json.loads(row.parameters_json)["p"], row.revision),
                    CodeState(row.code_hash, {}),
                    row.fingerprint,
                    upstream,
                    Item(item, row.content_hash, "") if row.content_hash else None,
                    row.reads_hash,
                    row.deaths,
                )
            ],
            row.run_id,
        )
        rows.append(entry)
    return rows


def replace_all_new(world: World) -> World:
    """The world as it was before its edit: every recipe as entries were written with."""
    recipes = {name: recipe_of(name, "1", 0, "r") for name in world.recipes}
    return replace(world, recipes=recipes)


EXAMPLES = 30
OPTIONS = st.builds(
    RunOptions,
    failed=st.booleans(),
    drifted=st.booleans(),
    everything=st.sampled_from([False, False, True]),
    asked=st.sampled_from([frozenset(), frozenset({"w0", "w1"})]),
    tried=st.sampled_from([frozenset(), frozenset({"this"})]),
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=computed_worlds(), options=OPTIONS, data=st.data())
def test_the_planner_answers_as_the_oracle_does(lake: Lake, tmp_path_factory, world, options, data):
    names = [asset.name for asset in world.graph.assets]
    selected = data.draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
    fill(lake, world)
    question = question_of(world, selected, options)
    expected = verdicts(question, world.catalog, world.ledger)
    folder = tmp_path_factory.mktemp("kept")
    plan = make_plan(lake, question, keep=folder)
    for name, part in plan.assets.items():
        told = expected[name].values()
        assert part.states == Counter(v.state for v in told), name
        assert part.left == Counter(v.state for v in told if not v.is_computed), name
        todo = Counter(v.why for v in told if v.is_computed)
        assert {why: amount.items for why, amount in part.todo.items()} == todo, name
        if "*" not in expected[name]:
            waiting = Counter(v.waits for v in told if v.waits and not v.is_computed)
            assert part.waiting == waiting, name
    assert kept_rows(folder) == {
        (name, item): verdict.fingerprint
        for name, per_item in expected.items()
        for item, verdict in per_item.items()
        if verdict.is_computed and item != "*"
    }


def kept_rows(folder: Path) -> dict[tuple[str, str], str]:
    found = {}
    for file in folder.glob("*.parquet"):
        for asset, item, value in duckdb.execute(
            "SELECT asset, item, fingerprint FROM read_parquet(?)", [str(file)]
        ).fetchall():
            found[asset, item] = value
    return found


def test_a_plan_of_no_assets_is_empty(lake: Lake, tmp_path):
    plan = make_plan(lake, Question(AssetGraph.of([]), {}, {}, selected=[]), tmp_path / "kept")
    assert plan.is_empty and plan.assets == {} and plan.snapshot == lake.snapshot()


def test_fingerprints_are_those_of_the_test_vectors():
    recipe = Recipe("tempo", "1", '{"p": 1}', "b", "r", None, (("tempo.bpm", "DOUBLE"),))
    assert fingerprint([]) == "e3b0c44298fc1c149afbf4c8996fb924"  # sha256 of nothing
    assert recipe.digest == fingerprint(["tempo", "1", '{"p": 1}', "b", "r", '[["tempo.bpm", "DOUBLE"]]'])
    assert fingerprint(["é", None, ""]) == "".join(
        __import__("hashlib").sha256("2:é-0:".encode()).hexdigest()[:32]
    )


def test_states_and_reasons_have_names_that_people_read():
    assert [why.value for why in Why][:8] == [
        "new", "sound", "code", "weights", "parameters", "reads", "upstream", "retry",
    ]  # fmt: skip
    assert State.STALE.value == "stale"
