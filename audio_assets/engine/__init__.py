"""How assets run: declared once, planned by the lake, computed in isolation, recorded in a ledger.

Knows neither audio nor Dagster. What an asset's author needs is importable from here.
"""

from audio_assets.engine.declare.asset import DeclarationError, ParameterError
from audio_assets.engine.declare.collection_asset import Collection, CollectionAsset, collection_asset
from audio_assets.engine.declare.item_asset import ItemAsset, item_asset
from audio_assets.engine.declare.outcomes import NotApplicable, Outcome
from audio_assets.engine.declare.predictor import PredictError, Predictor, predictor
from audio_assets.engine.declare.roles import Backend, Role
from audio_assets.engine.declare.splits import split_items
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
    Size,
    Table,
)
from audio_assets.engine.declare.training_asset import (
    ALWAYS,
    ASKED,
    SPLITS,
    Gate,
    Trained,
    Training,
    TrainingAsset,
    TrainingError,
    changed,
    training_asset,
)

__all__ = [
    "ALWAYS",
    "ASKED",
    "BOOLEAN",
    "FLOAT",
    "INTEGER",
    "OBJECT",
    "SPLITS",
    "TEXT",
    "TIMESTAMP",
    "Backend",
    "Blob",
    "Collection",
    "CollectionAsset",
    "Column",
    "DeclarationError",
    "Gate",
    "Item",
    "ItemAsset",
    "ItemKind",
    "NotApplicable",
    "Outcome",
    "ParameterError",
    "PredictError",
    "Predictor",
    "Role",
    "Size",
    "Table",
    "Trained",
    "Training",
    "TrainingAsset",
    "TrainingError",
    "changed",
    "collection_asset",
    "item_asset",
    "predictor",
    "split_items",
    "training_asset",
]
