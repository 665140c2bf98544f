"""What `audio-assets predict` prints."""

from __future__ import annotations

from collections.abc import Sequence

from audio_assets.command.output import print_rows
from audio_assets.engine.declare.predictor import PredictError, Predictor
from audio_assets.engine.declare.tables import FLOAT, TEXT, Row

SPAN = ("start_s", "end_s")


def print_predictions(predictor: Predictor, rows: Sequence[Row], form: str) -> None:
    """Rows as a table, as JSON, or as a label track of Audacity.

    Raises:
        PredictError: a label track of what has no beginning and end.
    """
    names = tuple(column.name for column in predictor.columns)
    if form == "audacity":
        if not set(SPAN) <= set(names):
            raise PredictError(f"{predictor.tells} has no times for a label track: choose table or json.")
        texts = [column.name for column in predictor.columns if column.type is TEXT]
        for row in rows:
            label = " ".join([predictor.tells, *(row[name] for name in texts if row[name])])
            print(f"{row['start_s']:.3f}\t{row['end_s']:.3f}\t{label}")
        return
    decimals = {column.name for column in predictor.columns if column.type is FLOAT and not column.length}
    shown = [
        tuple(
            f"{row[name]:.2f}"
            if form == "table" and name in decimals and row[name] is not None
            else row[name]
            for name in names
        )
        for row in rows
    ]
    print_rows(names, shown, form)
