"""What README and the documents tell newcomers to do works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import CHECKOUT, Command


def test_the_feature_in_ten_lines_computes_a_table(command: Command, tones: Path):
    readme = (CHECKOUT / "README.md").read_text()
    code = re.search(r"<!-- executed by tests/test_readme.py -->\n```python\n(.*?)```", readme, re.S)
    assert code is not None
    lines = [line for line in code.group(1).splitlines() if line.strip()]
    assert len(lines) <= 10
    (command.home / "my_features.py").write_text(code.group(1))
    command.settings["modules"] = '["my_features"]'
    command("ingest", str(tones), "--as", "track")
    command("run", "zero_crossings")
    rows = command.sql("SELECT path, rate_hz FROM zero_crossings JOIN tracks USING (item) ORDER BY path")
    expected = {"tone%20220.wav": 440, "tone%20440.wav": 880, "tone%20880.wav": 1760}
    for row in rows:
        wanted = expected[str(row["path"]).rsplit("/", 1)[-1]]
        assert abs(row["rate_hz"] - wanted) < 0.05 * wanted
    assert len(rows) == 3


def test_a_role_of_ones_own_is_two_files_and_its_variable_chooses_who_plays_it(command: Command, tones: Path):
    document = (CHECKOUT / "docs" / "assets.md").read_text()
    for name in ("moods.py", "mood_backends.py"):
        code = re.search(
            rf"<!-- executed by tests/test_readme.py: {name} -->\n```python\n(.*?)```", document, re.S
        )
        assert code is not None
        (command.home / name).write_text(code.group(1))
    command.settings["modules"] = '["moods"]'
    query = (
        "SELECT m.item, energy, backend, revision, licence FROM moods m JOIN ledger l USING (item) ORDER BY 1"
    )
    command("ingest", str(tones), "--as", "track", "--run", "moods")
    loud = command.sql(query)
    assert {(row["backend"], row["revision"], row["licence"]) for row in loud} == {
        ("loud", "1", "Apache-2.0")
    }

    command.settings["mood_backend"] = "scaled"
    (command.home / "state" / "weights").mkdir()
    (command.home / "state" / "weights" / "scale.txt").write_text("3")
    command("run", "moods")
    assert "is no setting" not in command.errors
    scaled = command.sql(query)
    made_by = {(row["backend"], row["revision"], row["licence"]) for row in scaled}
    assert made_by == {("scaled", "4e07408562be", "CC0-1.0")}
    assert len(loud) == len(scaled) == 3
    for one, other in zip(loud, scaled, strict=True):
        assert abs(other["energy"] - 3 * one["energy"]) < 1e-6 and one["energy"] > 0.01
