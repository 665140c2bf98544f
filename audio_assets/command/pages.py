"""`ui` and `mlflow`: the web pages of Dagster and MLflow."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from audio_assets.command.app import app, open_platform
from audio_assets.command.output import err, friendly, out
from audio_assets.settings import get_settings


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of the web server.")] = 3000,
    host: Annotated[
        str, typer.Option(help="Address; beyond 127.0.0.1 anyone there can run code.")
    ] = "127.0.0.1",
) -> None:
    """Open the Dagster UI on the same instance and data."""
    from audio_assets.orchestration.instance import ENVIRONMENT, prepare_dagster_home
    from audio_assets.settings import shipped

    with friendly():
        platform = open_platform()
        folder = prepare_dagster_home(platform.settings)
    os.environ.update(ENVIRONMENT, DAGSTER_HOME=str(folder), AUDIO_ASSETS_HOME=str(platform.settings.home))
    platform.lake.close()
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(shipped("workspace.yaml"))]
    err.print(f"Dagster UI on http://{host}:{port} (instance {folder}); stop with Ctrl-C")
    os.execv(sys.executable, [*command, "-h", host, "-p", str(port)])


@app.command()
def mlflow(
    port: Annotated[int, typer.Option(help="Port of the web server.")] = 5000,
    host: Annotated[
        str, typer.Option(help="Address; beyond 127.0.0.1 anyone there can change runs and models.")
    ] = "127.0.0.1",
) -> None:
    """Open MLflow's pages: curves, figures and models of this home's trainings."""
    from audio_assets.command.mlflow_pages import ENVIRONMENT, mlflow_pages, mlflow_server, serve_command
    from audio_assets.resources.moved import settle_mlflow

    with friendly():
        settings = get_settings()
        settle_mlflow(settings)
    server = mlflow_server(settings)
    if server is not None:
        out.print(f"A server has them: {mlflow_pages(server)}", markup=False, soft_wrap=True)
        return
    os.environ.update(ENVIRONMENT)
    pages = mlflow_pages(f"http://{host}:{port}")
    err.print(f"MLflow on {pages}; stop with Ctrl-C", markup=False, soft_wrap=True)
    os.execv(sys.executable, serve_command(settings, host, port))
