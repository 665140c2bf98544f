"""Retrieval metrics against published code, scikit-learn and rankings worked out by hand."""

import json
from pathlib import Path

import pytest
import torch
from sklearn.metrics import average_precision_score

from models.metrics.retrieval import ranking_metrics, retrieval_metrics

GOLDEN = json.loads((Path(__file__).resolve().parents[2] / "data" / "livi_retrieval.json").read_text())


def test_metrics_are_those_of_published_code_for_version_identification():
    embeddings, cliques = torch.tensor(GOLDEN["embeddings"]), torch.tensor(GOLDEN["clique_id"])
    found, wanted = retrieval_metrics(embeddings, cliques), GOLDEN["metrics"]
    assert found.n_queries == 53  # of 60: seven cliques have one version
    assert found.mr1 == pytest.approx(wanted["MR1"], abs=1e-9)
    assert found.map_at_10 == pytest.approx(wanted["MAP10"], abs=1e-6)
    assert found.hit_rates == pytest.approx({1: wanted["HR1"], 10: wanted["HR10"], 100: wanted["HR100"]})


@pytest.mark.parametrize("rows", [1, 7, None])
def test_the_full_average_precision_agrees_with_scikit_learn_however_many_are_ranked_at_a_time(rows):
    torch.manual_seed(0)
    embeddings, labels = torch.randn(60, 5), torch.randint(0, 6, (60,))
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    similarity = unit @ unit.T
    others = ~torch.eye(60, dtype=torch.bool)
    wanted = [
        average_precision_score(labels[others[q]] == labels[q], similarity[q, others[q]]) for q in range(60)
    ]
    found = retrieval_metrics(embeddings, labels, rows=rows)
    assert found.mean_ap == pytest.approx(sum(wanted) / 60, abs=1e-6)


def test_a_ranking_worked_out_by_hand():
    # Relevant items come at places 2 and 4 for the first query, at 1 for the second; the third has none.
    similarity = torch.tensor([[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4], [1.0, 2.0, 3.0, 4.0]])
    relevant = torch.tensor([[0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=torch.bool)
    found = ranking_metrics(similarity, relevant, hits=(1, 2))
    assert (found.n_queries, found.mr1) == (2, 1.5)
    assert found.mean_ap == pytest.approx(((1 / 2 + 2 / 4) / 2 + 1) / 2)
    assert found.hit_rates == {1: 0.5, 2: 1.0}
    assert found.values("val_")["val_hr_1"] == 0.5


def test_precision_at_10_is_divided_by_what_ten_places_could_hold():
    similarity, relevant = torch.arange(30.0).flip(0)[None], torch.ones(1, 30, dtype=torch.bool)
    relevant[0, 5:10] = False
    found = ranking_metrics(similarity, relevant)
    assert found.map_at_10 == pytest.approx(5 / 10)  # places 1 to 5 are right, 6 to 10 wrong, 15 lie behind


def test_what_is_no_candidate_is_neither_found_nor_missed():
    similarity = torch.tensor([[-torch.inf, 0.5, 0.4]])
    found = ranking_metrics(similarity, torch.tensor([[True, False, True]]))
    assert (found.mr1, found.mean_ap) == (2, 0.5)


def test_embeddings_that_tell_nothing_apart_score_as_the_worst_ranking_whatever_the_order():
    labels = torch.tensor([0, 0, 1, 1])
    found = retrieval_metrics(torch.ones(4, 3), labels)
    assert (found.mr1, found.hit_rates[1]) == (3.0, 0.0)
    assert found.mean_ap == pytest.approx(1 / 3)


def test_perfect_embeddings_score_one():
    labels = torch.arange(5).repeat(4)
    found = retrieval_metrics(torch.nn.functional.one_hot(labels).double(), labels)
    assert (found.mr1, found.mean_ap, found.map_at_10, found.hit_rates[1]) == (1, 1, 1, 1)


@pytest.mark.parametrize("n", [0, 3])
def test_without_a_pair_nothing_is_defined(n):
    found = retrieval_metrics(torch.ones(n, 2), torch.arange(n))
    assert (found.n_queries, found.mr1, found.mean_ap, found.map_at_10) == (0, None, None, None)
    assert found.hit_rates == {1: None, 10: None, 100: None}


def test_what_is_no_set_of_embeddings_is_refused():
    with pytest.raises(ValueError, match=r"embeddings \[3, 2\] and labels \[2\]"):
        retrieval_metrics(torch.ones(3, 2), torch.arange(2))
    with pytest.raises(ValueError, match="a similarity is NaN"):
        retrieval_metrics(torch.full((2, 2), torch.nan), torch.zeros(2))
    with pytest.raises(ValueError, match=r"similarity \[1, 2\] and relevant \[2, 1\]"):
        ranking_metrics(torch.ones(1, 2), torch.ones(2, 1, dtype=torch.bool))
