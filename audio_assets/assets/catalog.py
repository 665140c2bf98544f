"""The kinds of items that assets are computed on; `audio_assets.ingest` writes their catalogs."""

from audio_assets.ingest.catalog import EPISODE, TRACK

__all__ = ["EPISODE", "TRACK"]
