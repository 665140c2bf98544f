"""The platform of this environment: the assets there are, and the storage they are kept in."""

from __future__ import annotations

from functools import cache

from audio_assets.engine.declare.graph import AssetGraph, find_assets
from audio_assets.engine.platform import Platform
from audio_assets.ingest.catalog import CATALOG_TABLES
from audio_assets.resources.lake import Lake
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings, get_settings, shipped
from audio_assets.settings_file import check_roles

ASSET_PACKAGE = "audio_assets.assets"


@cache
def current_platform() -> Platform:
    """The platform under this process's settings, which commands and Dagster's definitions share."""
    return build_platform(get_settings())


def build_platform(settings: Settings, *, read_only: bool = False) -> Platform:
    """Settings, all assets, lake and objects; nothing is opened yet."""
    folder = shipped("sql")
    modules = [ASSET_PACKAGE, *settings.modules]
    graph = AssetGraph.of(find_assets(modules))
    check_roles(settings.home, graph.roles)
    return Platform(
        settings=settings,
        graph=graph,
        lake=Lake.from_settings(settings, read_only=read_only),
        objects=Objects.from_settings(settings),
        tables=CATALOG_TABLES,
        views=sorted(folder.glob("views/*.sql")),
    )
