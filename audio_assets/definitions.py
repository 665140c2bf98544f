"""The one place where the parts meet: item assets, resources, jobs, schedules and sensors."""

from __future__ import annotations

from functools import lru_cache

import dagster as dg

from audio_assets.assets.catalog import CATALOG_TABLES, KINDS, catalog_specs
from audio_assets.automation.maintenance import build_maintenance_job
from audio_assets.automation.schedules import build_automation, job_name
from audio_assets.engine.dagster_assets import EXECUTOR_CONFIG, build_bundle_asset
from audio_assets.engine.graph import AssetGraph, find_item_assets
from audio_assets.engine.platform import Platform
from audio_assets.instance import shipped
from audio_assets.resources.lake import Lake
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings, get_settings


def build_platform(settings: Settings, *, read_only: bool = False) -> Platform:
    """Settings, all item assets, lake and objects; nothing is opened yet."""
    folder = shipped("sql")
    return Platform(
        settings=settings,
        graph=AssetGraph.of(find_item_assets(["audio_assets.assets", *settings.modules])),
        lake=Lake.from_settings(settings, read_only=read_only),
        objects=Objects.from_settings(settings),
        tables=CATALOG_TABLES,
        views=[*sorted(folder.glob("views/*.sql")), *sorted(folder.glob("macros/*.sql"))],
    )


def build_definitions(settings: Settings) -> dg.Definitions:
    """All of the platform under `settings`, for Dagster."""
    platform = build_platform(settings)
    bundles = [build_bundle_asset(platform, bundle) for bundle in platform.graph.bundles]
    jobs = {
        kind.name: dg.define_asset_job(
            job_name(kind),
            selection=dg.AssetSelection.assets(
                *(asset.name for asset in platform.graph.assets if asset.item is kind)
            ),
            description=f"Everything that is computed per {kind.name}.",
        )
        for kind in platform.graph.kinds
    }
    schedules, sensors = build_automation(platform, jobs)
    return dg.Definitions(
        assets=[*catalog_specs(KINDS), *bundles],
        jobs=[*jobs.values(), build_maintenance_job(platform)],
        schedules=schedules,
        sensors=sensors,
        executor=dg.in_process_executor.configured(EXECUTOR_CONFIG),
    )


@lru_cache(maxsize=1)
def definitions() -> dg.Definitions:
    """The definitions under the settings of the environment."""
    return build_definitions(get_settings())


def materialize_job(kind: str) -> dg.JobDefinition:
    """The job of an item kind, for `dagster.build_reconstructable_job`."""
    item = next(item for item in KINDS if item.name == kind)
    return definitions().resolve_job_def(job_name(item))


defs = definitions()
