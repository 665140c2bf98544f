"""Podcasts the whole way: episodes and a collection's annotations in, a trained model and its use out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_assets.demo.podcasts.labels import write_podcast_fillers_csv
from audio_assets.demo.podcasts.recording import episode_keys, make_episode
from audio_assets.demo.truth import TRACKS, load_truth
from tests.conftest import Command


@pytest.fixture
def podcasts(tmp_path: Path) -> Path:
    """Episodes of two shows, in every part of the split; the last is one that nobody will annotate."""
    folder = tmp_path / "corpus"
    keys = episode_keys(tiny=False)
    for index in (0, 1, 3, 6, 2):
        make_episode(keys[index], folder, np.random.default_rng(index), tiny=False)
    (folder / TRACKS).mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.timeout(600)
def test_episodes_are_annotated_learnt_from_and_predicted(command: Command, podcasts: Path):
    truth = load_truth(podcasts)
    new = next(episode for episode in truth.episodes if episode.key == episode_keys(tiny=False)[2])
    known = tuple(episode for episode in truth.episodes if episode is not new)
    table = podcasts / "PodcastFillers.csv"
    write_podcast_fillers_csv(replace(truth, episodes=known), table, np.random.default_rng(0))
    fresh = podcasts / new.path
    aside = podcasts / f"unheard{fresh.suffix}"
    fresh.rename(aside)
    command("predict", "laughter", str(aside), code=2)
    assert "No laughter_predictor has been trained" in command.errors

    command("ingest", str(podcasts / "podcasts"), "--as", "episode")
    said = command("import", "podcastfillers", str(table))
    assert "events for 4 episodes imported" in said
    command("run", "*laughter_predictions")
    states = command.states()
    assert states["laughter_predictions"]["ok"] == 4

    (checkpoint,) = command.sql("SELECT * FROM checkpoints")
    members = command.sql("SELECT item, split FROM training_items")
    assert {row["split"] for row in members} == {"train", "validation", "test"}
    lineage = command("sql", "-f", "sql/queries/checkpoint_lineage.sql", "--format", "json")
    assert {row["checkpoint"] for row in json.loads(lineage)} == {checkpoint["checkpoint"]}
    evaluation = command.sql(
        "SELECT value, base_rate FROM laughter_evaluation WHERE metric = 'auprc' AND split = 'test'"
    )
    assert all(row["value"] > row["base_rate"] for row in evaluation) and evaluation

    laughs = json.loads(command("predict", "laughter", str(aside), "--format", "json"))
    true = [event for event in new.events if event.label.casefold() == "laughter"]
    near = [
        event
        for event in true
        if any(laugh["start_s"] - 1 < event.start_s < laugh["end_s"] + 1 for laugh in laughs)
    ]
    assert len(near) >= len(true) / 2 > 0
    in_mlflow = command.python(
        "import json, os, sys, mlflow\n"
        "mlflow.set_tracking_uri(f'sqlite:///{os.environ[\"AUDIO_ASSETS_HOME\"]}/mlflow/mlflow.db')\n"
        "model = mlflow.pyfunc.load_model('models:/laughter_predictor@adopted')\n"
        "found = model.predict([{'path': sys.argv[1]}]).drop(columns='path')\n"
        "print(json.dumps(found.to_dict('records')))\n",
        str(aside),
    )
    assert json.loads(in_mlflow) == laughs and laughs
    track = command("predict", "laughter", str(aside), "--format", "audacity").splitlines()
    assert len(track) == len(laughs)
    assert all(float(line.split("\t")[0]) < float(line.split("\t")[1]) for line in track)
