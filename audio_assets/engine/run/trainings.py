"""Running a training: choose its items, keep its checkpoint, tell where everything came from.

The tables `checkpoints`, `training_items` and `training_sources` lead from it to the lake snapshot, the
items and their split, and to what computed all values upstream, under which licence: written down when it
was trained, so that it stays true when those values are computed again. The ledger has how the last
training ended.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from pydantic import BaseModel

from audio_assets.engine.declare.collection_asset import EVERY_ITEM
from audio_assets.engine.declare.item_asset import Recipe
from audio_assets.engine.declare.outcomes import ItemResult, Outcome, ended
from audio_assets.engine.declare.tables import Item
from audio_assets.engine.declare.training_asset import SPLITS, Trained, Training, TrainingAsset, TrainingError
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.model_card import model_card
from audio_assets.engine.state.checkpoints import (
    CHECKPOINT_COLUMNS,
    CHECKPOINT_FILES,
    MODEL_CARD,
    TRAINING_ITEM_COLUMNS,
    TRAINING_SOURCE_COLUMNS,
    Checkpoint,
    latest_checkpoint,
)
from audio_assets.engine.state.ledger import (
    arrow_table,
    entry_of_all,
    insert_rows,
    read_entries,
    replace_entry,
)
from audio_assets.engine.state.plan import DEFAULT, RunOptions, State
from audio_assets.resources.lake import quoted
from audio_assets.resources.system_metrics import system_metrics
from audio_assets.resources.tracking import Tracker, training_root

SNAPSHOT = "snapshot.json"


def run_training(
    platform: Platform,
    asset: TrainingAsset,
    config: BaseModel,
    *,
    seed: int,
    device: str,
    dtype: str,
    run_id: str,
    log: Callable[[str], None],
) -> tuple[Checkpoint, bool]:
    """Train, unless a checkpoint made from the same is there; the checkpoint, and whether it is new.

    A training that was killed resumes from the state it kept in its folder. A training that raises is
    marked FAILED in MLflow, and its folder is kept.

    Raises:
        TrainingError: no item has all upstream values, or the result is incomplete.
    """
    snapshot = platform.lake.snapshot()
    items, upstream = _ready_items(platform, asset, snapshot)
    name = asset.fingerprint(config, seed, upstream)
    done = latest_checkpoint(platform.lake, asset.name)
    if done is not None and done.checkpoint == name:
        return done, False
    folder = training_root(platform.settings) / asset.name / name
    kept = kept_snapshot(folder)
    if kept is None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SNAPSHOT).write_text(json.dumps(snapshot))
    else:
        snapshot = kept
    tracker = Tracker(platform.settings.mlflow_uri, folder)
    training = Training(
        asset.name, name, snapshot, items, asset.upstream, seed, device, dtype, folder, tracker,
        platform.lake, platform.objects, log,
    )  # fmt: skip
    tags = {"checkpoint": name, "lake_snapshot": str(snapshot), "dagster_run_id": run_id}
    tracker.start(asset.name, f"{asset.name}-{name}", tags)
    tracker.params({**config.model_dump(mode="json"), "seed": seed, "device": device, "dtype": dtype})
    profile = {"items": len(items), "snapshot": snapshot, "upstream": list(asset.upstream)}
    tracker.dataset(asset.item.plural, name, platform.settings.lake_catalog.partition(":")[0], profile)
    started = time.monotonic()
    try:
        with system_metrics(tracker):
            trained = asset.fn(training, config)
        _check(asset, trained, items)
        checkpoint = _keep(platform, asset, config, training, trained, upstream=upstream, run_id=run_id)
    except BaseException as error:
        tracker.end("FAILED")
        if isinstance(error, Exception):  # what was only interrupted goes on the next time
            result = ended(asset.name, EVERY_ITEM, error, time.monotonic() - started)
            _note_outcome(platform, asset, config, name, result, run_id=run_id)
        raise
    tracker.end("FINISHED")
    _note_mlflow_run(platform, name, tracker)
    result = ItemResult(asset.name, EVERY_ITEM, Outcome.OK, [], seconds=time.monotonic() - started)
    _note_outcome(platform, asset, config, name, result, run_id=run_id)
    return checkpoint, True


def needs_training(platform: Platform, asset: TrainingAsset, options: RunOptions = DEFAULT) -> bool:
    """Whether training with default configuration would make a checkpoint that is not there.

    False where there is nothing to learn from yet, and where the same training has failed before, unless
    `options` ask for what failed.
    """
    try:
        _, upstream = _ready_items(platform, asset, platform.lake.snapshot())
    except TrainingError:
        return False
    wanted = asset.fingerprint(asset.config(), 0, upstream)
    done = latest_checkpoint(platform.lake, asset.name)
    if done is not None and done.checkpoint == wanted:
        return False
    entry = read_entries(platform.lake, [asset.name])[asset.name].get(EVERY_ITEM)
    has_failed = entry is not None and entry.outcome is Outcome.FAILED and entry.fingerprint == wanted
    return options.failed or options.everything or not has_failed


def training_states(platform: Platform) -> dict[str, dict[str, State]]:
    """Where trainings stand, as `Platform.states` says it of item assets.

    Stale if the data have changed, missing while there is no checkpoint, failed if nothing but asking for
    what failed makes one.
    """
    return {
        training.name: {EVERY_ITEM: training_state(platform, training)} for training in platform.trainings
    }


def training_state(platform: Platform, training: TrainingAsset) -> State:
    """Where one training stands."""
    is_there = latest_checkpoint(platform.lake, training.name) is not None
    if needs_training(platform, training):
        return State.STALE if is_there else State.MISSING
    if needs_training(platform, training, RunOptions(failed=True)):
        return State.FAILED
    return State.OK if is_there else State.MISSING


def _ready_items(
    platform: Platform, asset: TrainingAsset, snapshot: int
) -> tuple[dict[str, Item], dict[str, dict[str, str]]]:
    """Items with a value for every upstream asset at the snapshot, and those values' fingerprints."""
    entries = read_entries(platform.lake, asset.upstream, snapshot=snapshot)
    values = {
        name: {key: entry.fingerprint for key, entry in found.items() if entry.outcome is Outcome.OK}
        for name, found in entries.items()
    }
    items = platform.items(asset.item)
    for name in {collection.name for collection in platform.collections} & values.keys():
        values[name] = dict.fromkeys(items, values[name][EVERY_ITEM]) if values[name] else {}
    upstream = {
        key: {name: values[name][key] for name in asset.upstream}
        for key in items
        if all(key in values[name] for name in asset.upstream)
    }
    if len(upstream) < asset.min_items:
        raise TrainingError(
            f"{asset.name} has too little to learn from: {len(upstream)} {asset.item.plural} have a value "
            f"for all of {', '.join(asset.upstream)}, wanted at least {asset.min_items}. "
            "`audio-assets status` shows what is missing."
        )
    return {key: items[key] for key in upstream}, upstream


def kept_snapshot(folder: Path) -> int | None:
    """The snapshot of the training in `folder`, which it goes on with when it is resumed; None: a new one."""
    file = folder / SNAPSHOT
    return int(json.loads(file.read_text())) if file.exists() else None


def _check(asset: TrainingAsset, trained: Trained, items: Mapping[str, Item]) -> None:
    missing = [name for name in CHECKPOINT_FILES if not (trained.folder / name).is_file()]
    if missing:
        raise TrainingError(f"{asset.name} left no {', '.join(missing)} in {trained.folder}")
    unknown = sorted(set(trained.split) - set(items))
    wrong = sorted(set(trained.split.values()) - set(SPLITS))
    if unknown or wrong or not trained.split:
        raise TrainingError(
            f"{asset.name} returned a split of {len(trained.split)} items"
            + (f" with unknown items {', '.join(unknown[:3])}" if unknown else "")
            + (f" with parts {', '.join(wrong)}; wanted {', '.join(SPLITS)}" if wrong else "")
        )
    for table in asset.evaluation:
        table.check_rows(trained.evaluation.get(table.name, ()))


def _keep(
    platform: Platform,
    asset: TrainingAsset,
    config: BaseModel,
    training: Training,
    trained: Trained,
    *,
    upstream: Mapping[str, Mapping[str, str]],
    run_id: str,
) -> Checkpoint:
    """Store the checkpoint's objects, then its rows in one transaction."""
    name = training.checkpoint
    sources = _sources(platform, asset, training, trained.split)
    named = {row["licence"] for row in sources} - {None}
    licences = ", ".join(sorted({part for text in named for part in text.split("+")}))
    prefix = f"{asset.name}/{name}"
    card = model_card(asset, config, training, trained, licences)
    (trained.folder / MODEL_CARD).write_text(card, encoding="utf-8")
    for file in (*CHECKPOINT_FILES, MODEL_CARD):
        platform.objects.put(f"{prefix}/{file}", (trained.folder / file).read_bytes())
    for figure in trained.figures:
        training.tracker.file(figure, "figures")
        platform.objects.put(f"{prefix}/{figure.name}", figure.read_bytes())
    training.tracker.metrics(dict(trained.metrics), 0)
    training.tracker.model(asset.name, trained.folder, {"checkpoint": name, "licences": licences})
    row = {
        "checkpoint": name,
        "asset": asset.name,
        "snapshot": training.snapshot,
        "code_version": asset.code_version,
        "code_hash": asset.code.digest,
        "libraries_json": asset.code.libraries_json,
        "config_json": config.model_dump_json(),
        "seed": training.seed,
        "device": training.device,
        "dtype": training.dtype,
        "metrics_json": json.dumps(dict(trained.metrics)),
        "licences": licences,
        "folder": prefix,
        "mlflow_run_id": training.tracker.run_id or "",
        "run_id": run_id,
        "created_at": datetime.now(UTC),
    }
    members = [
        {
            "checkpoint": name,
            "item": item,
            "split": part,
            "content_hash": training.items[item].content_hash,
            "licence": training.items[item].record.get("licence"),
            "upstream_json": json.dumps(upstream[item], sort_keys=True),
        }
        for item, part in trained.split.items()
    ]
    tables = {
        "checkpoints": arrow_table(CHECKPOINT_COLUMNS, [row]),
        "training_items": arrow_table(TRAINING_ITEM_COLUMNS, members),
        "training_sources": arrow_table(TRAINING_SOURCE_COLUMNS, sources),
    }
    for table in asset.evaluation:
        rows = table.check_rows(trained.evaluation.get(table.name, ()))
        tables[table.name] = arrow_table(table.all_columns, [{"checkpoint": name, **r} for r in rows])

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        for table, rows in tables.items():
            connection.execute(f'DELETE FROM "{table}" WHERE checkpoint = ?', [name])
            insert_rows(connection, table, rows)

    platform.lake.write(change)
    return Checkpoint(name, asset.name, prefix, licences, dict(trained.metrics))


def _sources(
    platform: Platform, asset: TrainingAsset, training: Training, items: Iterable[str]
) -> list[dict[str, Any]]:
    """What computed each value upstream of the training's items, however far, when they were read."""
    collections = {collection.name: collection for collection in platform.collections}
    waiting, names = list(asset.upstream), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            waiting += (platform.graph.by_name.get(name) or collections[name]).upstream
    columns = [column.name for column in TRAINING_SOURCE_COLUMNS[1:]]
    rows = platform.lake.rows(
        f"SELECT {', '.join(columns)} FROM ledger AT (VERSION => {training.snapshot}) "
        f"WHERE asset IN (SELECT unnest({quoted(sorted(names))})) AND outcome = 'ok' "
        f"AND item IN (SELECT unnest({quoted([*items, EVERY_ITEM])})) ORDER BY item, asset"
    )
    return [{"checkpoint": training.checkpoint, **dict(zip(columns, row, strict=True))} for row in rows]


def _note_outcome(
    platform: Platform, asset: TrainingAsset, config: BaseModel, name: str, result: ItemResult, *, run_id: str
) -> None:
    """Have the ledger say how the training ended."""
    recipe = Recipe(asset.name, asset.code_version, config.model_dump_json(), None, None, None, ())
    entry = entry_of_all(result, recipe, asset.code, name, upstream={}, run_id=run_id)
    platform.lake.write(lambda connection: replace_entry(connection, asset.name, entry))


def note_mlflow_runs(platform: Platform) -> None:
    """Write down the MLflow runs of checkpoints that the server had not heard of when they were made."""
    rows = platform.lake.rows("SELECT asset, checkpoint FROM checkpoints WHERE mlflow_run_id = ''")
    for asset, name in rows:
        folder = training_root(platform.settings) / asset / name
        if folder.is_dir():
            _note_mlflow_run(platform, name, Tracker(platform.settings.mlflow_uri, folder))


def _note_mlflow_run(platform: Platform, name: str, tracker: Tracker) -> None:
    query = f"UPDATE checkpoints SET mlflow_run_id = '{tracker.run_id}' WHERE checkpoint = '{name}'"
    stored = platform.lake.rows(f"SELECT mlflow_run_id FROM checkpoints WHERE checkpoint = '{name}'")
    if tracker.run_id and stored != [(tracker.run_id,)]:
        platform.lake.write(lambda connection: connection.execute(query))
