"""`predict`: what can be told of a file, and how it is printed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from audio_assets.assets.podcasts.predict import laughs
from audio_assets.command.predictions import print_predictions
from audio_assets.engine import PredictError


def test_what_cannot_be_predicted_is_told_with_what_can(typed, tmp_path):
    said = typed("predict", "age", str(tmp_path / "a.wav"))
    assert said.code == 2 and "No training tells 'age'; there are: laughter (laughter_predictor)." in said.err
    for name in ("laughter", "laughter_predictor"):
        said = typed("predict", name, str(tmp_path / "a.wav"))
        assert (
            said.code == 2 and "No laughter can be told: No laughter_predictor has been trained" in said.err
        )


def test_predictions_are_printed_as_a_table_as_json_or_as_labels(capsys):
    rows = [{"start_s": 1.25, "end_s": 2.0, "speaker": "left", "confidence": 0.987654}]
    print_predictions(laughs, rows, "audacity")
    assert capsys.readouterr().out == "1.250\t2.000\tlaughter left\n"
    print_predictions(laughs, rows, "json")
    assert json.loads(capsys.readouterr().out) == rows
    print_predictions(laughs, rows, "table")
    assert capsys.readouterr().out.split() == [
        "start_s", "end_s", "speaker", "confidence", "1.25", "2.00", "left", "0.99",
    ]  # fmt: skip
    timeless = replace(laughs, columns=laughs.columns[1:])
    with pytest.raises(PredictError, match="laughter has no times for a label track"):
        print_predictions(timeless, rows, "audacity")
