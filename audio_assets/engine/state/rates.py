"""What values have taken so far, and so what a plan will take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from audio_assets.engine.platform import Platform
from audio_assets.engine.state.ledger import LEDGER
from audio_assets.engine.state.plans import AssetPlan
from audio_assets.resources.lake import quoted


@dataclass(frozen=True)
class Rate:
    """Seconds of a worker, and bytes of objects, of so many values of so much size in all."""

    items: int
    size: float
    seconds: float
    bytes: float


@dataclass(frozen=True)
class Estimate:
    """What a part of a plan will take: seconds of one worker, and bytes of objects."""

    seconds: float
    bytes: float


def measured_rates(platform: Platform, names: Iterable[str]) -> dict[str, Rate]:
    """What good values of the assets `names` took; an asset that has none yet is left out."""
    assets = [platform.graph.by_name[name] for name in names]
    sizes = [
        f'SELECT item, "{kind.size.column}" AS size FROM "{kind.plural}"'
        for kind in {kind.name: kind for asset in assets for kind in asset.items}.values()
        if kind.size
    ]
    items = " UNION ALL ".join(sizes) or "SELECT NULL::VARCHAR AS item, NULL::DOUBLE AS size"
    rows = platform.lake.rows(
        "SELECT asset, count(*), coalesce(sum(size), 0), sum(seconds), coalesce(sum(bytes), 0) "
        f"FROM {LEDGER.name} LEFT JOIN ({items}) USING (item) WHERE outcome = 'ok' "
        f"AND asset IN (SELECT unnest({quoted(asset.name for asset in assets)})) GROUP BY asset"
    )
    return {asset: Rate(*rest) for asset, *rest in rows}


def estimate(part: AssetPlan, rate: Rate | None) -> Estimate | None:
    """What a part will take at the measured rate: by size where items have one, else by their number."""
    if rate is None:
        return None
    share = part.size / rate.size if rate.size and part.size else part.count / rate.items
    return Estimate(share * rate.seconds, share * rate.bytes)
