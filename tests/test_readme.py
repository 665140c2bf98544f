"""What README tells newcomers to do works as it stands there."""

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
