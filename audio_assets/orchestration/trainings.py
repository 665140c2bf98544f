"""Training assets as Dagster assets: a checkpoint and the evaluation tables that come with it."""

# No `from __future__ import annotations` here: Dagster reads the annotations of steps and needs the types.
from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import BaseModel, create_model

from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.trainings import run_training
from audio_assets.engine.state.checkpoints import CHECKPOINT_COLUMNS, MODEL_CARD, Checkpoint
from audio_assets.orchestration.inputs import Inputs
from audio_assets.resources.accelerator import choose_accelerator


class Execution(BaseModel):
    """How a training runs, whatever it trains."""

    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"


def config_class(asset: TrainingAsset) -> type[dg.Config]:
    """The asset's configuration and `Execution` together, as Dagster configuration."""
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for model in (asset.config, Execution)
        for name, field in model.model_fields.items()
    }
    return create_model(f"{asset.name}_config", __base__=dg.Config, **fields)


def build_training_asset(platform: Platform, asset: TrainingAsset) -> dg.AssetsDefinition:
    """The multi-asset of a training."""
    configuration = config_class(asset)
    kinds = {"pytorch", "mlflow"}
    owners = ["team:audio-assets"]

    @dg.multi_asset(
        name=asset.name,
        specs=[
            dg.AssetSpec(
                asset.name, deps=list(asset.upstream), description=asset.description, kinds=kinds,
                group_name=asset.group, code_version=asset.code_version, owners=owners,
                metadata={"dagster/column_schema": _schema(CHECKPOINT_COLUMNS)},
            ),
            *(
                dg.AssetSpec(
                    table.name, deps=[asset.name], description=table.doc, kinds={"duckdb"},
                    group_name=asset.group, code_version=asset.code_version, owners=owners,
                    metadata={"dagster/column_schema": _schema(table.all_columns)},
                )
                for table in asset.evaluation
            ),
        ],
        pool=asset.pool,
    )  # fmt: skip
    def train(context: dg.AssetExecutionContext, config: configuration) -> Iterator[Any]:  # type: ignore[valid-type]
        platform.prepare()
        inputs = Inputs(context, platform)
        values = config.model_dump()  # type: ignore[attr-defined]
        execution = Execution(**{name: values.pop(name) for name in Execution.model_fields})
        accelerator = choose_accelerator(execution.device, execution.dtype)
        checkpoint, is_new = run_training(
            platform,
            asset,
            asset.config(**values),
            seed=execution.seed,
            device=accelerator.device,
            dtype=accelerator.dtype,
            run_id=context.run_id,
            log=context.log.info,
        )
        version = dg.DataVersion(checkpoint.checkpoint)
        metadata = _metadata(platform, checkpoint, is_new)
        yield dg.MaterializeResult(
            asset.name, metadata=metadata, data_version=version, tags=inputs.mended_tags(asset.name)
        )
        for table in asset.evaluation:
            yield dg.MaterializeResult(table.name, data_version=version)

    return train


def _schema(columns: Any) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[dg.TableColumn(c.name, type=c.sql_type, description=c.doc) for c in columns]
    )


def _metadata(platform: Platform, checkpoint: Checkpoint, is_new: bool) -> dict[str, Any]:
    card = platform.objects.get(f"{checkpoint.folder}/{MODEL_CARD}").decode()
    return {
        **{name: float(value) for name, value in checkpoint.metrics.items()},
        "checkpoint": checkpoint.checkpoint,
        "folder": checkpoint.folder,
        "newly trained": is_new,
        "model card": dg.MetadataValue.md(card.split("---", 2)[-1]),
    }
