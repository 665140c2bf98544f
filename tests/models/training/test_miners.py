"""Triplets of a batch, against a search through all of them."""

from itertools import product

import pytest
import torch

from models.training.miners import batch_hard, hard_negatives, random_negatives, semi_hard_negatives

LABELS = torch.tensor([0, 0, 0, 1, 1, 2])


@pytest.fixture
def distances():
    torch.manual_seed(3)
    points = torch.randn(6, 2)
    return torch.cdist(points, points)


def found(triplets):
    return set(
        zip(*(t.tolist() for t in (triplets.anchor, triplets.positive, triplets.negative)), strict=True)
    )


def pairs():
    return [(a, p) for a, p in product(range(6), repeat=2) if a != p and LABELS[a] == LABELS[p]]


def negatives(anchor):
    return [n for n in range(6) if LABELS[n] != LABELS[anchor]]


def test_the_hard_negative_is_the_nearest_to_the_anchor(distances):
    wanted = {(a, p, min(negatives(a), key=lambda n: distances[a, n])) for a, p in pairs()}
    assert found(hard_negatives(distances, LABELS)) == wanted
    assert len(wanted) == 8


@pytest.mark.parametrize("margin", [0.3, 1.0])
def test_the_semi_hard_negative_is_the_nearest_beyond_the_positive_within_the_margin(distances, margin):
    wanted = set()
    for a, p in pairs():
        fit = [n for n in negatives(a) if distances[a, p] < distances[a, n] < distances[a, p] + margin]
        wanted |= {(a, p, min(fit, key=lambda n: distances[a, n]))} if fit else set()
    assert 0 < len(wanted) < 8
    assert found(semi_hard_negatives(distances, LABELS, margin)) == wanted


def test_batch_hard_has_the_farthest_positive_and_the_nearest_negative_of_every_anchor(distances):
    wanted = set()
    for a in range(5):
        positives = [p for b, p in pairs() if b == a]
        positive = max(positives, key=lambda p: distances[a, p])
        wanted.add((a, positive, min(negatives(a), key=lambda n: distances[a, n])))
    assert found(batch_hard(distances, LABELS)) == wanted


def test_random_negatives_are_any_of_another_class_for_every_pair():
    torch.manual_seed(0)
    seen = set().union(*(found(random_negatives(LABELS)) for _ in range(100)))
    assert seen == {(a, p, n) for a, p in pairs() for n in negatives(a)}


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_without_a_pair_or_a_negative_there_are_no_triplets(labels):
    labels, distances = torch.tensor(labels), torch.zeros(len(labels), len(labels))
    assert len(random_negatives(labels)) == 0
    assert len(hard_negatives(distances, labels)) == 0
    assert len(semi_hard_negatives(distances, labels, 1.0)) == 0
    assert len(batch_hard(distances, labels)) == 0
