"""`predict`: trained models on files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from audio_assets.command.app import app, open_platform
from audio_assets.command.output import err, friendly


@app.command()
def predict(
    what: Annotated[str, typer.Argument(help="What to tell, e.g. laughter, or the training that learns it.")],
    file: Annotated[Path, typer.Argument(help="Audio file; it need not be in the catalog.")],
    form: Annotated[
        Literal["table", "json", "audacity"], typer.Option("--format", help="How to print it.")
    ] = "table",
) -> None:
    """Apply the adopted checkpoint of a trained model to a file."""
    from audio_assets.audio.decode import AudioError
    from audio_assets.command.predictions import print_predictions
    from audio_assets.engine.declare.outcomes import NotApplicable
    from audio_assets.engine.declare.predictor import PredictError
    from audio_assets.engine.run.predict import find_predictor
    from audio_assets.engine.run.predict import predict as predict_file

    with friendly():
        platform = open_platform()
        _, predictor = find_predictor(platform, what)
        try:
            rows = predict_file(platform, what, file)
        except (AudioError, NotApplicable, PredictError) as error:
            err.print(f"No {predictor.tells} can be told: {error}", markup=False)
            raise typer.Exit(2) from error
        print_predictions(predictor, rows, form)
