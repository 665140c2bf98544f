"""The one place where the parts meet for Dagster: assets, resources, jobs, schedules and sensors."""

from __future__ import annotations

import logging
import os
from functools import cache, lru_cache

import dagster as dg

from audio_assets.assemble import current_platform
from audio_assets.engine.platform import Platform
from audio_assets.orchestration.catalog import catalog_specs
from audio_assets.orchestration.catalog_changes import sync_catalog
from audio_assets.orchestration.collections import build_collection_asset
from audio_assets.orchestration.instance import ENVIRONMENT, surrounding_instance
from audio_assets.orchestration.items import EXECUTOR_CONFIG, build_bundle_asset
from audio_assets.orchestration.lake_resource import LakeResource
from audio_assets.orchestration.maintenance import build_maintenance_job
from audio_assets.orchestration.schedules import COLLECTION_JOB, build_automation, job_name
from audio_assets.orchestration.trainings import build_training_asset
from audio_assets.orchestration.up_to_date import build_up_to_date_checks


def build_definitions(platform: Platform) -> dg.Definitions:
    """All of the platform, for Dagster."""
    bundles = [build_bundle_asset(platform, bundle) for bundle in platform.graph.bundles]
    jobs = {
        kind.name: dg.define_asset_job(
            job_name(kind),
            selection=dg.AssetSelection.assets(
                *(asset.name for asset in platform.graph.item_assets if asset.item is kind)
            ),
            description=f"Everything that is computed per {kind.name}.",
        )
        for kind in platform.graph.kinds
    }
    collections = [build_collection_asset(platform, collection) for collection in platform.graph.collections]
    collection_jobs = (
        [
            dg.define_asset_job(
                COLLECTION_JOB,
                selection=dg.AssetSelection.assets(*collections),
                description="Everything that is computed from all items together.",
            )
        ]
        if collections
        else []
    )
    trainings = [build_training_asset(platform, training) for training in platform.graph.trainings]
    training_jobs = [
        dg.define_asset_job(
            training.job_name,
            selection=dg.AssetSelection.assets(training.name, *(t.name for t in training.tables)),
            description=training.description,
        )
        for training in platform.graph.trainings
    ]
    schedules, sensors = build_automation(platform, jobs)
    return dg.Definitions(
        assets=[*catalog_specs(platform), *bundles, *collections, *trainings],
        jobs=[*jobs.values(), *collection_jobs, *training_jobs, build_maintenance_job(platform)],
        asset_checks=build_up_to_date_checks(platform),
        schedules=schedules,
        sensors=sensors,
        resources={"lake": LakeResource()},
        executor=dg.in_process_executor.configured(EXECUTOR_CONFIG),
    )


@lru_cache(maxsize=1)
def definitions() -> dg.Definitions:
    """The definitions under the settings of the environment."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _sync_partitions(current_platform())
    return build_definitions(current_platform())


def _sync_partitions(platform: Platform) -> None:
    """Give the instance that loads the definitions the items of the catalog, to choose partitions from.

    Without a lake or an instance that can be opened there is nothing to choose, and the definitions load.
    """
    try:
        instance = surrounding_instance()
        if instance is not None:
            with instance:
                sync_catalog(platform, instance)
    except Exception as error:
        message = "The partitions were not brought to the catalog's: %s: %s"
        logging.getLogger("audio_assets").warning(message, type(error).__name__, error)


@cache
def find_job(name: str) -> dg.JobDefinition:
    """A job by name, for `dagster.build_reconstructable_job`, which asks several times in each run."""
    return definitions().resolve_job_def(name)
