"""The text that goes with a checkpoint: what it is, what it was made from, how good it is."""

from __future__ import annotations

from pydantic import BaseModel

from audio_assets.engine.declare.training_asset import SPLITS, Trained, Training, TrainingAsset


def model_card(
    asset: TrainingAsset, config: BaseModel, training: Training, trained: Trained, licences: str
) -> str:
    """The checkpoint's model card, Markdown with the metadata block that model hubs read."""
    parts = {part: [k for k, p in trained.split.items() if p == part] for part in SPLITS}
    metrics = "\n".join(f"| {name} | {value:.4g} |" for name, value in trained.metrics.items())
    settings = "\n".join(f"| {k} | {v} |" for k, v in config.model_dump(mode="json").items())
    members = "\n".join(f"- {part}: {len(keys)} {asset.item.plural}" for part, keys in parts.items())
    return f"""---
library_name: pytorch
tags: [audio, {asset.name}]
---
# {asset.name} {training.checkpoint}

{asset.description}

{trained.summary}

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

| setting | value |
|---|---|
{settings}
"""
