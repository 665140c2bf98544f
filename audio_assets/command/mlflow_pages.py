"""Where MLflow's pages are: on a server, or served from this home's database by `audio-assets mlflow`."""

from __future__ import annotations

import sys
from pathlib import Path

from audio_assets.resources.tracking import ARTIFACTS
from audio_assets.settings import Settings

ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Nobody is told of what is done here, and no processes are started for jobs of GenAI evaluations."""
VIEW = "#/experiments?workflowType=machine_learning"
"""MLflow opens on GenAI applications otherwise, where trainings have no curves."""


def mlflow_server(settings: Settings) -> str | None:
    """The server that has this home's trainings, None if they are in a database."""
    uri = settings.mlflow_uri
    return uri if uri.startswith(("http://", "https://")) else None


def mlflow_pages(address: str) -> str:
    """The page of the trainings on the server at `address`."""
    return f"{address.rstrip('/')}/{VIEW}"


def serve_command(settings: Settings, host: str, port: int) -> list[str]:
    """The command that serves MLflow's pages from the database."""
    uri = settings.mlflow_uri
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--workers", "1"]
    if uri.startswith("sqlite:///"):
        folder = Path(uri.removeprefix("sqlite:///")).parent
        folder.mkdir(parents=True, exist_ok=True)
        command += ["--default-artifact-root", (folder / ARTIFACTS).as_uri()]
    return [*command, "--host", host, "--port", str(port)]
