"""Pages in a browser: MLflow on this home's trainings."""

from __future__ import annotations

import os


def test_mlflow_opens_on_trainings_of_this_home_or_names_their_server(typed, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: started.append([program, *arguments]))
    said = typed("mlflow", "--port", "5001")
    assert said.code == 0 and "http://127.0.0.1:5001/#/experiments?workflowType=machine_learning" in said.err
    store = tmp_path / "home" / "mlflow"
    ((program, *arguments),) = started
    assert arguments == [
        program, "-m", "mlflow", "ui", "--backend-store-uri", f"sqlite:///{store}/mlflow.db",
        "--workers", "1", "--default-artifact-root", f"file://{store}/artifacts",
        "--host", "127.0.0.1", "--port", "5001",
    ]  # fmt: skip
    said = typed("mlflow", MLFLOW_URI="http://tracking:5000")
    assert (
        "http://tracking:5000/#/experiments?workflowType=machine_learning" in said.out and len(started) == 1
    )
