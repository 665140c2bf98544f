"""The package as Python finds it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import CHECKOUT


def test_a_module_that_shadows_the_networks_is_named_when_the_package_is_imported(tmp_path: Path):
    (tmp_path / "models.py").write_text("SECRET = 1")
    paths = os.pathsep.join([str(tmp_path), str(CHECKOUT)])
    done = subprocess.run(
        [sys.executable, "-c", "import audio_assets"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError") and str(tmp_path / "models.py") in last and "rename" in last
