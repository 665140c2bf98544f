"""`backup` and `restore` by the command."""

from __future__ import annotations

from tests.command.conftest import Library


def test_a_home_is_backed_up_and_restored_elsewhere(library: Library, tmp_path):
    library.add(a="one", b="two two")
    assert library("run", "key:lengths").code == 0
    assert "of them new" in library("backup", str(tmp_path / "backup")).out
    assert library("restore", str(tmp_path / "backup")).code == 2
    mlflow = f"sqlite:///{tmp_path}/new/mlflow/mlflow.db"
    new = {"HOME": str(tmp_path / "new"), "MLFLOW_URI": mlflow}
    said = library("restore", str(tmp_path / "backup"), **new)
    assert said.code == 0 and f"{tmp_path / 'new'} is as" in said.out
    assert library.states("lengths") == {"ok": 2}
    assert library.query("SELECT item FROM lengths ORDER BY item") == [("a",), ("b",)]
