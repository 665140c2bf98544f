"""Running a training: choose its items, keep its checkpoint, tell where everything came from, adopt it or not.

The tables `checkpoints`, `training_items` and `training_sources` lead from it to the lake snapshot, the
items and their split, and to what computed all values upstream, under which licence: written down when it
was trained, so that it stays true when those values are computed again. The ledger has how each training
ended.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from pydantic import BaseModel

from audio_assets.engine.declare.asset import EVERY_ITEM, Recipe, fingerprint
from audio_assets.engine.declare.outcomes import ItemResult, Outcome, ended
from audio_assets.engine.declare.tables import Item
from audio_assets.engine.declare.training_asset import (
    SEED,
    SPLITS,
    Trained,
    Training,
    TrainingAsset,
    TrainingError,
)
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.collections import reading
from audio_assets.engine.run.isolated_whole import TrainingFailed, train
from audio_assets.engine.run.model_card import model_card
from audio_assets.engine.run.progress import observer
from audio_assets.engine.run.tracked import note_mlflow_run, track_adoption, track_checkpoint, track_start
from audio_assets.engine.state.adoption import adopt, adopted_checkpoints, candidate_because, is_adopted
from audio_assets.engine.state.checkpoints import (
    CHECKPOINT_FILES,
    CHECKPOINTS,
    MODEL_CARD,
    TRAINING_ITEMS,
    TRAINING_SOURCES,
    Checkpoint,
    CheckpointError,
    checkpoints_of,
)
from audio_assets.engine.state.ledger import (
    LEDGER,
    Computed,
    checkpoints_made,
    of_checkpoints,
    replace_entry,
)
from audio_assets.engine.state.planner import read_training
from audio_assets.engine.state.plans import TrainingItem
from audio_assets.engine.state.rows import arrow_table, insert_rows
from audio_assets.engine.workers.session import WorkerError
from audio_assets.resources.files import write_file
from audio_assets.resources.lake import quote, quoted
from audio_assets.resources.system_metrics import system_metrics
from audio_assets.resources.tracking import FAILED, FINISHED, Tracker, training_root

SNAPSHOT = "snapshot.json"


@dataclass(frozen=True)
class Execution:
    """How a training runs, whatever it trains; no part of what its checkpoint is made from."""

    device: str
    dtype: str
    run_id: str
    log: Callable[[str], None]


@dataclass(frozen=True)
class _Job:
    """A training that is under way, and all that is written down about it in the end."""

    platform: Platform
    asset: TrainingAsset
    config: BaseModel
    recipe: Recipe
    training: Training
    members: Sequence[TrainingItem]
    execution: Execution
    fingerprint: str
    is_in_force: bool


def run_training(
    platform: Platform,
    asset: TrainingAsset,
    parameters: Mapping[str, Any],
    execution: Execution,
    *,
    again: bool = False,
) -> tuple[Checkpoint, bool]:
    """Train, unless a checkpoint made from the same is there; the checkpoint, and whether it is new.

    With `again` it is trained all the same, e.g. because the code was edited, and has a name of its own.
    `parameters` take the place of those in force: such a checkpoint is a candidate. It is a worker that trains;
    this process watches. A training that was killed or interrupted resumes from the state it kept in its
    folder. One that raises, or whose worker dies, is marked FAILED in MLflow, and its folder is kept.

    Raises:
        ParameterError: a parameter that the training does not have, or of a wrong type.
        TrainingError: too few items have all upstream values, the training raised, its worker died, or the
            result is incomplete.
        WorkerError: the training cannot be imported.
    """
    question = platform.question([asset.name], parameters={asset.name: parameters})
    plan, members = read_training(platform.lake, question)
    part = plan[asset.name]
    value, recipe = part.fingerprint, question.recipes.get(asset.name)
    if value is None or recipe is None:
        raise TrainingError(
            f"{asset.name} cannot begin: it waits for {', '.join(part.waiting)}. "
            "`audio-assets status` shows what is missing."
        )
    is_in_force = recipe.parameters_json == platform.recipes[asset.name].parameters_json
    made = checkpoints_made(platform.lake, asset.name, value)
    there = checkpoints_of(platform.lake, made)
    done = next((there[name] for name in reversed(made) if name in there), None)
    if done is not None and not again:
        return (_adopt_again(platform, asset, done) if is_in_force else done), False
    name = fingerprint([value, str(len(made))]) if made else value
    folder = training_root(platform.settings) / asset.name / name
    snapshot = kept_snapshot(folder)
    if snapshot is None:
        snapshot = plan.snapshot  # what is written from here on is not read
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / SNAPSHOT, json.dumps(snapshot).encode())
    items = _items(platform, asset, members, plan.snapshot)
    training = Training(
        asset.name, name, snapshot, items, asset.upstream, recipe.parameters[SEED],
        execution.device, execution.dtype, folder, Tracker(platform.settings.mlflow_uri, folder),
        platform.lake, platform.objects, execution.log, platform.checkpoints_upstream(asset.name),
    )  # fmt: skip
    config = asset.configured(recipe.parameters)
    job = _Job(platform, asset, config, recipe, training, members, execution, value, is_in_force)
    return _train(job), True


def _items(
    platform: Platform, asset: TrainingAsset, members: Sequence[TrainingItem], snapshot: int
) -> dict[str, Item]:
    keys = [member.item for member in members]
    items = {
        key: item
        for kind in asset.items
        for key, item in platform.items(kind, keys, snapshot=snapshot).items()
    }
    return {key: items[key] for key in keys}


def _train(job: _Job) -> Checkpoint:
    training, tracker = job.training, job.training.tracker
    upstream = {member.item: member.upstream for member in job.members}
    track_start(job.platform, job.asset, job.config, training, upstream=upstream, run_id=job.execution.run_id)
    read = replace(training, items=reading(training.items, job.asset.name, job.asset.reads))
    started = time.monotonic()
    try:
        with system_metrics(tracker):
            trained = train(job.platform, job.asset, read, job.config)
        _check(job.asset, trained, training.items)
        result = ItemResult(job.asset.name, EVERY_ITEM, Outcome.OK, [], seconds=time.monotonic() - started)
        checkpoint = _keep(job, trained, result)
    except BaseException as error:
        tracker.end(FAILED)
        # What was interrupted, or found no worker or no checkpoint to start from, goes on the next time.
        if isinstance(error, Exception) and not isinstance(error, WorkerError | CheckpointError):
            result = (
                error.result
                if isinstance(error, TrainingFailed)
                else ended(job.asset.name, EVERY_ITEM, error)
            )
            entry = _entry(job, replace(result, seconds=time.monotonic() - started))
            job.platform.lake.write(lambda c: replace_entry(c, entry, job.execution.run_id))
            observer().finished(result)
        raise
    observer().finished(result)
    tracker.end(FINISHED)
    note_mlflow_run(job.platform, training.checkpoint, tracker)
    if checkpoint.candidate_because is None:
        track_adoption(job.platform, job.asset.name, checkpoint.checkpoint)
    return checkpoint


def _adopt_again(platform: Platform, asset: TrainingAsset, checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint, adopted if it may be: it is there already, and made with what is in force again."""
    adopted = adopted_checkpoints(platform.lake, [asset.name])
    if is_adopted(checkpoint, adopted):
        return replace(checkpoint, candidate_because=None)
    because = candidate_because(
        asset, checkpoint.metrics, checkpoint.items, adopted.get(asset.name), is_in_force=True
    )
    if because is None:
        platform.lake.write(lambda c: adopt(c, checkpoint, is_pinned=False))
        track_adoption(platform, asset.name, checkpoint.checkpoint)
    return replace(checkpoint, candidate_because=because)


def kept_snapshot(folder: Path) -> int | None:
    """The snapshot of the training in `folder`, which it goes on with when it is resumed; None: a new one."""
    try:
        return int(json.loads((folder / SNAPSHOT).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):  # damaged is as good as not there
        return None


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
    for table in asset.tables:
        table.check_rows(trained.evaluation.get(table.name, ()))


def _keep(job: _Job, trained: Trained, result: ItemResult) -> Checkpoint:
    """Store the checkpoint's objects, then its rows, its ledger entry and its adoption in one transaction."""
    platform, asset, training = job.platform, job.asset, job.training
    name = training.checkpoint
    sources = _sources_query(job, trained)
    found = {licence for (licence,) in platform.lake.rows(f"SELECT DISTINCT licence FROM ({sources})")}
    licences = ", ".join(
        sorted({part for text in (*found, job.recipe.licence) if text for part in text.split("+")})
    )
    prefix = f"{asset.name}/{name}"
    card = model_card(asset, job.config, training, trained, licences, recipe=job.recipe)
    write_file(trained.folder / MODEL_CARD, card.encode())
    digests: dict[str, str] = {}
    for file in (*CHECKPOINT_FILES, MODEL_CARD):
        data = (trained.folder / file).read_bytes()
        digests[file] = hashlib.sha256(data).hexdigest()
        platform.objects.put(f"{prefix}/{file}", data)
    for figure in trained.figures:
        platform.objects.put(f"{prefix}/{figure.name}", figure.read_bytes())
    track_checkpoint(platform, asset, training, trained, card=card, licences=licences)
    adopted = adopted_checkpoints(platform.lake, [asset.name]).get(asset.name)
    because = candidate_because(
        asset, trained.metrics, len(trained.split), adopted, is_in_force=job.is_in_force
    )
    checkpoint = Checkpoint(
        name,
        asset.name,
        prefix,
        licences,
        dict(trained.metrics),
        len(trained.split),
        job.recipe.digest,
        because,
    )
    code = platform.code[asset.name]
    row = {
        "checkpoint": name,
        "asset": asset.name,
        "snapshot": training.snapshot,
        "recipe": job.recipe.digest,
        "code_version": asset.code_version,
        "code_hash": code.digest,
        "libraries_json": code.libraries_json,
        "config_json": job.recipe.parameters_json,
        "seed": training.seed,
        "device": training.device,
        "dtype": training.dtype,
        "backend": job.recipe.backend,
        "revision": job.recipe.revision,
        "metrics_json": json.dumps(dict(trained.metrics)),
        "items": len(trained.split),
        "licences": licences,
        "candidate_because": because,
        "folder": prefix,
        "files_json": json.dumps(digests),
        "mlflow_run_id": training.tracker.run_id or "",
        "run_id": job.execution.run_id,
        "created_at": datetime.now(UTC),
    }
    members = [
        {
            "checkpoint": name,
            "item": member.item,
            "split": trained.split[member.item],
            "content_hash": training.items[member.item].content_hash,
            "licence": training.items[member.item].record.get("licence"),
            "upstream_json": json.dumps(member.upstream, sort_keys=True),
            "digest": member.digest,
        }
        for member in job.members
        if member.item in trained.split
    ]
    tables = {
        CHECKPOINTS.name: arrow_table(CHECKPOINTS.columns, [row]),
        TRAINING_ITEMS.name: arrow_table(TRAINING_ITEMS.columns, members),
    }
    for table in asset.tables:
        rows = table.check_rows(trained.evaluation.get(table.name, ()))
        tables[table.name] = arrow_table(table.all_columns, [{"checkpoint": name, **r} for r in rows])

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        if gone := platform.objects.missing(f"{prefix}/{file}" for file in (*CHECKPOINT_FILES, MODEL_CARD)):
            raise CheckpointError(f"Maintenance has deleted {min(gone)} meanwhile; train {asset.name} again.")
        for table, rows in tables.items():
            connection.execute(f'DELETE FROM "{table}" WHERE checkpoint = {quote(name)}')
            insert_rows(connection, table, rows)
        connection.execute(f"DELETE FROM {TRAINING_SOURCES.name} WHERE checkpoint = {quote(name)}")
        connection.execute(f"INSERT INTO {TRAINING_SOURCES.name} BY NAME {sources}")
        replace_entry(connection, _entry(job, result), job.execution.run_id)
        if because is None:
            adopt(connection, checkpoint, is_pinned=False)

    platform.lake.write(change)
    return checkpoint


def _sources_query(job: _Job, trained: Trained) -> str:
    """SQL of what computed each value upstream of the training's items, however far, when they were read."""
    checkpoints = job.training.checkpoints
    upstream = job.platform.graph.upstream_of([job.asset.name])
    columns = ", ".join(column.name for column in TRAINING_SOURCES.columns[1:])
    return (
        f"SELECT {quote(job.training.checkpoint)} AS checkpoint, {columns} "
        f"FROM {LEDGER.name} AT (VERSION => {job.training.snapshot}) "
        f"WHERE {of_checkpoints({name: checkpoints.get(name, '') for name in upstream})} AND outcome = 'ok' "
        f"AND item IN (SELECT unnest({quoted([*trained.split, EVERY_ITEM])}))"
    )


def _entry(job: _Job, result: ItemResult) -> Computed:
    """The ledger's entry of the training: one for each checkpoint there is or could have been."""
    code = job.platform.code[job.asset.name]
    return Computed(result, job.recipe, code, job.fingerprint, {}, checkpoint=job.training.checkpoint)
