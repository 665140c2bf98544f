"""Triplets of a batch to learn from: anchor, positive (of its class) and negative (of another).

Conventions: `distances` [B, B] of all examples of a batch, `labels` [B]. A pair of an anchor and a positive
is ordered; nothing is its own positive.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Triplets:
    """Numbers [n] of the examples of each; there may be none."""

    anchor: torch.Tensor
    positive: torch.Tensor
    negative: torch.Tensor

    def __len__(self) -> int:
        return len(self.anchor)


def random_negatives(labels: torch.Tensor) -> Triplets:
    """Every pair, with any negative, drawn by PyTorch's random numbers."""
    pairs, is_negative = _pairs(labels), labels[:, None] != labels
    pairs = pairs[is_negative[pairs[:, 0]].any(dim=1)]
    if not len(pairs):
        return _triplets(pairs, pairs[:, 0])
    return _triplets(pairs, torch.multinomial(is_negative[pairs[:, 0]].double(), 1)[:, 0])


def hard_negatives(distances: torch.Tensor, labels: torch.Tensor) -> Triplets:
    """Every pair, with the negative that is nearest to its anchor."""
    pairs = _pairs(labels)
    return _nearest(distances, pairs, labels[pairs[:, 0], None] != labels)


def semi_hard_negatives(distances: torch.Tensor, labels: torch.Tensor, margin: float) -> Triplets:
    """Pairs with the nearest negative that is farther than the positive, but by less than `margin`.

    Pairs that have none are left out (Schroff et al., FaceNet, 2015, section 3.2).
    """
    pairs = _pairs(labels)
    beyond = distances[pairs[:, 0]] - distances[pairs[:, 0], pairs[:, 1], None]
    return _nearest(
        distances, pairs, (labels[pairs[:, 0], None] != labels) & (beyond > 0) & (beyond < margin)
    )


def batch_hard(distances: torch.Tensor, labels: torch.Tensor) -> Triplets:
    """For every anchor its farthest positive and its nearest negative (Hermans et al. 2017)."""
    same, own = labels[:, None] == labels, torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive, negative = same & ~own, ~same
    anchors = (positive.any(dim=1) & negative.any(dim=1)).nonzero()[:, 0]
    farthest = distances.masked_fill(~positive, -torch.inf)[anchors].argmax(dim=1)
    nearest = distances.masked_fill(~negative, torch.inf)[anchors].argmin(dim=1)
    return Triplets(anchors, farthest, nearest)


def _nearest(distances: torch.Tensor, pairs: torch.Tensor, fits: torch.Tensor) -> Triplets:
    """The nearest of the examples that fit each pair [n, 2], by `fits` [n, B]."""
    found = fits.any(dim=1)
    nearest = distances[pairs[:, 0]].masked_fill(~fits, torch.inf).argmin(dim=1)
    return _triplets(pairs[found], nearest[found])


def _pairs(labels: torch.Tensor) -> torch.Tensor:
    same = labels[:, None] == labels
    return (same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)).nonzero()


def _triplets(pairs: torch.Tensor, negative: torch.Tensor) -> Triplets:
    return Triplets(pairs[:, 0], pairs[:, 1], negative)
