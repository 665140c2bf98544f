"""Training assets as Dagster assets: a checkpoint and the evaluation tables that come with it."""

# No `from __future__ import annotations` here: Dagster reads the annotations of steps and needs the types.
from collections.abc import Iterator
from copy import copy
from typing import Any

import dagster as dg
from pydantic import BaseModel, create_model
from pydantic.fields import FieldInfo

from audio_assets.engine.declare.training_asset import SEED, TrainingAsset, TrainingError
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.trainings import Execution, run_training
from audio_assets.engine.state.checkpoints import CHECKPOINTS, MODEL_CARD, Checkpoint
from audio_assets.orchestration.adoptions import adopted_version, tags_of_version
from audio_assets.orchestration.catalog import keys_read
from audio_assets.orchestration.inputs import Inputs
from audio_assets.orchestration.steps import step
from audio_assets.resources.accelerator import choose_accelerator


class Device(BaseModel):
    """Where a training runs, whatever it trains, and whether it does although its checkpoint is there."""

    device: str = "auto"
    dtype: str = "auto"
    again: bool = False


def config_class(platform: Platform, asset: TrainingAsset) -> type[dg.Config]:
    """The asset's parameters, those in force as defaults, and `Device` together, as Dagster configuration."""
    in_force = platform.recipes[asset.name].parameters
    fields: dict[str, Any] = {
        name: (field.annotation, _with_default(field, in_force[name]))
        for name, field in asset.config.model_fields.items()
    }
    fields[SEED] = (int, in_force[SEED])
    fields |= {name: (field.annotation, field) for name, field in Device.model_fields.items()}
    return create_model(f"{asset.name}_config", __base__=dg.Config, **fields)


def _with_default(field: FieldInfo, default: Any) -> FieldInfo:
    copied = copy(field)
    copied.default = default
    return copied


def build_training_asset(platform: Platform, asset: TrainingAsset) -> dg.AssetsDefinition:
    """The multi-asset of a training."""
    configuration = config_class(platform, asset)
    kinds = set(asset.kinds)
    owners = list(asset.owners) or ["team:audio-assets"]
    deps: list[str | dg.AssetKey] = [*asset.upstream, *([asset.model] if asset.model else [])]
    deps += [key for kind in asset.items for key in keys_read(kind, asset.reads)[1:]]

    @dg.multi_asset(
        name=asset.name,
        specs=[
            dg.AssetSpec(
                asset.name, deps=deps, description=asset.description, kinds=kinds,
                group_name=asset.group, code_version=asset.code_version, owners=owners,
                metadata={"dagster/column_schema": _schema(CHECKPOINTS.columns)},
            ),
            *(
                dg.AssetSpec(
                    table.name, deps=[asset.name], description=table.doc, kinds={"duckdb"},
                    group_name=asset.group, code_version=asset.code_version, owners=owners,
                    metadata={"dagster/column_schema": _schema(table.all_columns)},
                )
                for table in asset.tables
            ),
        ],
    )  # fmt: skip
    def train(context: dg.AssetExecutionContext, config: configuration) -> Iterator[Any]:  # type: ignore[valid-type]
        with step(context, platform):
            yield from trained(context, config.model_dump())  # type: ignore[attr-defined]

    def trained(context: dg.AssetExecutionContext, values: dict[str, Any]) -> Iterator[Any]:
        inputs = Inputs(context, platform)
        device = Device(**{name: values.pop(name) for name in Device.model_fields})
        accelerator = choose_accelerator(device.device, device.dtype)
        execution = Execution(accelerator.device, accelerator.dtype, context.run_id, context.log.info)
        try:
            checkpoint, is_new = run_training(platform, asset, values, execution, again=device.again)
        except TrainingError as error:
            raise dg.Failure(f"{asset.name}: {error}", allow_retries=False) from error
        metadata = _metadata(platform, checkpoint, is_new)
        version = adopted_version(platform, asset) or checkpoint.checkpoint
        is_of_another = version != checkpoint.checkpoint
        for name in (asset.name, *(table.name for table in asset.tables)):
            tags = inputs.mended_tags(name)
            if is_of_another:  # what Dagster compares stays that of the adopted checkpoint
                tags |= tags_of_version(context.instance, name, version)
            yield dg.MaterializeResult(
                name,
                metadata=metadata if name == asset.name else None,
                data_version=dg.DataVersion(version),
                tags=tags,
            )

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
        "adopted": checkpoint.candidate_because is None,
        **({"candidate because": checkpoint.candidate_because} if checkpoint.candidate_because else {}),
        "model card": dg.MetadataValue.md(card.split("---", 2)[-1]),
    }
