"""How per-item assets run: declared once, computed in isolation, recorded in a ledger.

Knows nothing of audio. What an asset's author needs is importable from here.
"""

from audio_assets.engine.declare.item_asset import ItemAsset, item_asset
from audio_assets.engine.declare.outcomes import NotApplicable, Outcome
from audio_assets.engine.declare.roles import Backend, Role
from audio_assets.engine.declare.tables import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    OBJECT,
    TEXT,
    TIMESTAMP,
    Blob,
    Column,
    Item,
    ItemKind,
    Table,
)

__all__ = [
    "BOOLEAN",
    "FLOAT",
    "INTEGER",
    "OBJECT",
    "TEXT",
    "TIMESTAMP",
    "Backend",
    "Blob",
    "Column",
    "Item",
    "ItemAsset",
    "ItemKind",
    "NotApplicable",
    "Outcome",
    "Role",
    "Table",
    "item_asset",
]
