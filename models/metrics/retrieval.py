"""How well a similarity ranks what belongs together.

Conventions: a row of `similarity` [Q, C] ranks the corpus for one query, the highest first. An irrelevant
item ranks before a relevant one that is as similar, so a similarity that tells nothing apart scores as the
worst ranking does, not as the order of the corpus happens to. Queries without a relevant item are left out,
but stay in the corpus of the others. What nothing can be said of is None.

Metrics (as in the literature on version identification): mean rank of the first relevant item (MR1), the
share of queries with one among the first k (hit rate), mean average precision of the full ranking and of
its first 10.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

MAP_DEPTH = 10
_ELEMENTS = 2**23  # of a similarity, several of which are in memory together


@dataclass(frozen=True)
class RetrievalMetrics:
    """Over the `n_queries` queries that have a relevant item.

    `mr1` counts from 1; `map_at_10` divides by the relevant items that 10 places could hold; `hit_rates` are
    by k.
    """

    n_queries: int
    mr1: float | None
    mean_ap: float | None
    map_at_10: float | None
    hit_rates: dict[int, float | None]

    def values(self, prefix: str = "") -> dict[str, float | None]:
        """As numbers to log: `mr1`, `map`, `map_at_10`, `hr_1` and so on."""
        named = {"mr1": self.mr1, "map": self.mean_ap, "map_at_10": self.map_at_10}
        hits = {f"hr_{k}": rate for k, rate in self.hit_rates.items()}
        return {f"{prefix}{name}": value for name, value in (named | hits).items()}


def retrieval_metrics(
    embeddings: torch.Tensor,
    labels: torch.Tensor,
    *,
    hits: Sequence[int] = (1, 10, 100),
    rows: int | None = None,
) -> RetrievalMetrics:
    """Every item queries all others, by cosine; those of its label are relevant.

    Args:
        embeddings: [n, D] of any length but 0.
        labels: [n] integers.
        hits: k of the hit rates.
        rows: queries that are ranked at a time; None: as many as take half a gigabyte.
    """
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"embeddings {list(embeddings.shape)} and labels {list(labels.shape)}; wanted [n, D] and [n]"
        )
    unit = torch.nn.functional.normalize(embeddings.double(), dim=1)
    rows = rows or max(_ELEMENTS // max(len(unit), 1), 1)
    parts = []
    for start in range(0, len(unit), rows):
        queries = torch.arange(start, min(start + rows, len(unit)), device=unit.device)
        similarity = unit[queries] @ unit.T
        relevant = labels[queries, None] == labels
        own = (queries - start, queries)
        similarity[own], relevant[own] = -torch.inf, False
        parts.append(_of_queries(similarity, relevant, hits))
    return _mean(parts, hits)


def ranking_metrics(
    similarity: torch.Tensor, relevant: torch.Tensor, *, hits: Sequence[int] = (1, 10, 100)
) -> RetrievalMetrics:
    """Of any similarity.

    Args:
        similarity: [Q, C]; -inf for what is no candidate, such as the query itself.
        relevant: [Q, C] bool.
        hits: k of the hit rates.
    """
    if similarity.ndim != 2 or similarity.shape != relevant.shape:
        raise ValueError(
            f"similarity {list(similarity.shape)} and relevant {list(relevant.shape)}; wanted [Q, C] of both"
        )
    return _mean([_of_queries(similarity, relevant, hits)], hits)


def _of_queries(similarity: torch.Tensor, relevant: torch.Tensor, hits: Sequence[int]) -> torch.Tensor:
    """MR1, AP, AP@10 and hits [queries with a relevant item, 3 + hits]."""
    if similarity.isnan().any():
        raise ValueError("a similarity is NaN; wanted numbers: look for embeddings that are not finite")
    relevant = relevant & (similarity > -torch.inf)
    asked = relevant.any(dim=1)
    similarity, relevant = similarity[asked], relevant[asked]
    n_relevant = relevant.sum(dim=1)
    most = int(n_relevant.max()) if len(n_relevant) else 0
    # The j-th best relevant item comes after j - 1 others, and after what is irrelevant and not less similar.
    irrelevant = similarity.masked_fill(relevant, -torch.inf).sort(dim=1).values
    best = similarity.masked_fill(~relevant, -torch.inf).topk(most, dim=1).values
    before = similarity.shape[1] - torch.searchsorted(irrelevant, best)
    number = torch.arange(1, most + 1, device=similarity.device)
    rank = before + number
    precision = torch.where(number <= n_relevant[:, None], number.double() / rank, 0.0)
    within = precision.masked_fill(rank > MAP_DEPTH, 0.0)
    first = rank[:, :1].double().sum(dim=1)
    columns = [
        first,
        precision.sum(dim=1) / n_relevant,
        within.sum(dim=1) / n_relevant.clamp(max=MAP_DEPTH),
        *((first <= k).double() for k in hits),
    ]
    return torch.stack(columns, dim=1).cpu()


def _mean(parts: Sequence[torch.Tensor], hits: Sequence[int]) -> RetrievalMetrics:
    values = torch.cat([*parts, torch.empty(0, 3 + len(hits), dtype=torch.float64)])
    if not len(values):
        return RetrievalMetrics(0, None, None, None, dict.fromkeys(hits))
    mr1, mean_ap, map_at_10, *rates = values.mean(dim=0).tolist()
    return RetrievalMetrics(len(values), mr1, mean_ap, map_at_10, dict(zip(hits, rates, strict=True)))
