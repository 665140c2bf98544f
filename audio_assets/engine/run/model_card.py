"""The text that goes with a checkpoint: what it is, what it was made from, how good it is."""

from __future__ import annotations

from pydantic import BaseModel

from audio_assets.engine.declare.asset import Recipe
from audio_assets.engine.declare.training_asset import SPLITS, Trained, Training, TrainingAsset
from audio_assets.resources.tracking import ADOPTED


def model_card(  # noqa: PLR0917
    asset: TrainingAsset,
    config: BaseModel,
    training: Training,
    trained: Trained,
    licences: str,
    recipe: Recipe,
) -> str:
    """The checkpoint's model card, Markdown with the metadata block that model hubs read."""
    kinds = " and ".join(kind.plural for kind in asset.items)
    parts = {part: [k for k, p in trained.split.items() if p == part] for part in SPLITS}
    metrics = "\n".join(f"| {name} | {value:.4g} |" for name, value in trained.metrics.items())
    settings = "\n".join(f"| {k} | {v} |" for k, v in config.model_dump(mode="json").items())
    members = "\n".join(f"- {part}: {len(keys)} {kinds}" for part, keys in parts.items())
    return f"""---
library_name: pytorch
tags: [audio, {asset.name}]
---
# {asset.name} {training.checkpoint}

{asset.description}

{trained.summary}

## Use

{_use(asset)}

## Data

Lake snapshot {training.snapshot}; upstream assets {", ".join(asset.upstream)}. Licences upstream:
{licences or "none recorded"}.

{members}

`SELECT * FROM training_items WHERE checkpoint = '{training.checkpoint}'` lists them.

## Metrics

| metric | value |
|---|---|
{metrics}

## Training

Seed {training.seed}, {training.device}, {training.dtype}; code version {asset.code_version}.
{_starts_from(recipe)}
| setting | value |
|---|---|
{settings}
"""


def _use(asset: TrainingAsset) -> str:
    if asset.predict is None:
        return (
            "This training declares no `predict`: MLflow has the checkpoint as files, which "
            f'`mlflow.artifacts.download_artifacts("models:/{asset.name}@{ADOPTED}")` gets.'
        )
    return f"""`audio-assets predict {asset.predict.tells} FILE`, or in Python with audio-assets installed:

    mlflow.pyfunc.load_model("models:/{asset.name}@{ADOPTED}").predict([{{"path": FILE}}])"""


def _starts_from(recipe: Recipe) -> str:
    if recipe.backend is None:
        return ""
    return f"With {recipe.backend} (revision {recipe.revision}; licence {recipe.licence or 'not known'}).\n"
