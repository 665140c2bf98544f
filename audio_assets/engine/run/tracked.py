"""What MLflow is told of a training, all in one place: where it begins, its checkpoint, its adoption."""

from __future__ import annotations

import getpass
import hashlib
import json
from collections.abc import Mapping

from pydantic import BaseModel

from audio_assets.engine.code.commit import commit_of
from audio_assets.engine.declare.training_asset import Trained, Training, TrainingAsset
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.predict import players_of
from audio_assets.engine.run.pyfunc import pyfunc_of
from audio_assets.resources.tracking import FINISHED, Pyfunc, Tracker, training_root

Upstream = Mapping[str, Mapping[str, str]]
"""Of each item the fingerprints of the values that are read, by asset."""


def track_start(
    platform: Platform,
    asset: TrainingAsset,
    config: BaseModel,
    training: Training,
    *,
    upstream: Upstream,
    run_id: str,
) -> None:
    """Begin the run, or go on with it: where it comes from, its parameters and its data."""
    tracker, name = training.tracker, training.checkpoint
    code = _code_tags(asset)
    tags = {
        "checkpoint": name,
        "lake_snapshot": str(training.snapshot),
        "dagster_run_id": run_id,
        "mlflow.source.name": ":".join(asset.reference),
        "mlflow.source.type": "LOCAL",
        **({"mlflow.user": user} if (user := _user()) else {}),
        **({"mlflow.source.git.commit": code["git_commit"]} if "git_commit" in code else {}),
        **({"mlflow.source.git.dirty": code["git_dirty"]} if "git_dirty" in code else {}),
    }
    tracker.start(asset.name, f"{asset.name}-{name}", tags)
    execution = {"seed": training.seed, "device": training.device, "dtype": training.dtype}
    source = {**code, "code_hash": platform.code[asset.name].digest, "lake_snapshot": training.snapshot}
    tracker.params({**config.model_dump(mode="json"), **execution, **source})
    profile = {"items": len(upstream), "snapshot": training.snapshot, "upstream": list(asset.upstream)}
    tracker.dataset(
        "+".join(kind.plural for kind in asset.items),
        data_digest(upstream),
        platform.settings.lake_data,
        profile,
    )


def track_checkpoint(
    platform: Platform,
    asset: TrainingAsset,
    training: Training,
    trained: Trained,
    *,
    card: str,
    licences: str,
) -> None:
    """Log the figures, the final metrics and the model, which becomes a version of the registered model."""
    for figure in trained.figures:
        training.tracker.file(figure, "figures")
    training.tracker.metrics(dict(trained.metrics), 0)
    tags = {"checkpoint": training.checkpoint, "licences": licences, **_code_tags(asset)}
    training.tracker.model(
        asset.name,
        trained.folder,
        tags,
        summary=asset.description,
        description=card.split("---\n", 2)[-1].lstrip(),  # without the metadata, which no page shows well
        pyfunc=_pyfunc(platform, asset, training, trained),
    )


def _pyfunc(platform: Platform, asset: TrainingAsset, training: Training, trained: Trained) -> Pyfunc | None:
    if asset.predict is None:
        return None
    unheard = [item for item, part in trained.split.items() if part == "test"] or list(trained.split)
    choices = {name: player.choice for name, player in players_of(platform, asset.predict).items()}
    return pyfunc_of(asset.predict, choices, training.items[unheard[0]].path)


def data_digest(upstream: Upstream) -> str:
    """A digest of the data alone: the items and their values, whatever is learned from them."""
    return hashlib.sha256(json.dumps(upstream, sort_keys=True).encode()).hexdigest()[:32]


def _code_tags(asset: TrainingAsset) -> dict[str, str]:
    """The declared version of the code, and its commit where there is one."""
    commit = commit_of(asset.fn)
    if commit is None:
        return {"code_version": asset.code_version}
    dirty = str(commit.is_changed).lower()
    return {"code_version": asset.code_version, "git_commit": commit.sha, "git_dirty": dirty}


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return None


def track_adoption(platform: Platform, asset: str, checkpoint: str) -> None:
    """Let ``models:/<asset>@adopted`` be the checkpoint's version, now or when the server is back."""
    _tracker(platform, asset, checkpoint).alias(asset, checkpoint)


def settle_mlflow_runs(platform: Platform) -> None:
    """End the runs of checkpoints whose training was killed before it could, and write down their ids.

    A run has no id while the server has not heard of it. The alias of an adopted one is made up for, too.
    """
    adopted = platform.adopted(training.name for training in platform.graph.trainings)
    for asset, name in platform.lake.rows("SELECT asset, checkpoint FROM checkpoints"):
        if (training_root(platform.settings) / asset / name).is_dir():
            tracker = _tracker(platform, asset, name)
            if tracker.has_begun and not tracker.is_finished:
                tracker.end(FINISHED)
                if asset in adopted and adopted[asset].checkpoint.checkpoint == name:
                    track_adoption(platform, asset, name)
            note_mlflow_run(platform, name, tracker)


def note_mlflow_run(platform: Platform, name: str, tracker: Tracker) -> None:
    """Write down the MLflow run of a checkpoint, once it is known."""
    query = f"UPDATE checkpoints SET mlflow_run_id = '{tracker.run_id}' WHERE checkpoint = '{name}'"
    stored = platform.lake.rows(f"SELECT mlflow_run_id FROM checkpoints WHERE checkpoint = '{name}'")
    if tracker.run_id and stored != [(tracker.run_id,)]:
        platform.lake.write(lambda connection: connection.execute(query))


def _tracker(platform: Platform, asset: str, checkpoint: str) -> Tracker:
    return Tracker(platform.settings.mlflow_uri, training_root(platform.settings) / asset / checkpoint)
