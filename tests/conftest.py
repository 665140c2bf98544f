"""What tests of the whole share: a home of their own and the `audio-assets` command in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from filelock import FileLock

from tests.forked import Ended, run_command

CHECKOUT = Path(__file__).resolve().parent.parent

# Librosa compiles to a cache beside its own files. Two test processes that fill it at the same time can
# each load half of what the other wrote and crash (numba issue 10128), so each has one of its own.
NUMBA_CACHE = tempfile.TemporaryDirectory(prefix="numba-cache-")
os.environ["NUMBA_CACHE_DIR"] = NUMBA_CACHE.name

# Test processes of xdist are told the width of a terminal; what is printed here goes into no terminal.
os.environ.pop("COLUMNS", None)


@dataclass
class Command:
    """The `audio-assets` command with a home and settings of its own."""

    home: Path
    settings: dict[str, str]

    def __call__(self, *arguments: str, code: int | None = 0) -> str:
        """Run the command; its standard output. With `code` None any exit code will do."""
        return self._ended(run_command(arguments, self.environment(), 240), code)

    def from_scratch(self, *arguments: str, code: int | None = 0) -> str:
        """The same by a Python that has nothing loaded, as a user's has."""
        return self._python(["-m", "audio_assets", *arguments], code)

    def python(self, source: str, *arguments: str) -> str:
        """Run Python code in the command's environment; its standard output."""
        return self._python(["-c", source, *arguments], 0)

    def _python(self, arguments: list[str], code: int | None) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return self._ended(Ended(done.returncode, done.stdout, done.stderr), code)

    def _ended(self, done: Ended, code: int | None) -> str:
        assert code is None or done.returncode == code, f"{done.stdout}\n{done.stderr}"
        self.errors = done.stderr
        return done.stdout

    def environment(self) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AUDIO_ASSETS_", "DAGSTER_"))}
        paths = os.pathsep.join([str(self.home), str(CHECKOUT)])
        settings = {f"AUDIO_ASSETS_{k.upper()}": v for k, v in self.settings.items()}
        return {
            **clean,
            "PYTHONPATH": paths,
            "AUDIO_ASSETS_HOME": str(self.home / "state"),
            "AUDIO_ASSETS_WORKERS": "2",
            **settings,
        }

    def sql(self, query: str) -> list[dict[str, object]]:
        """The rows of a query."""
        return json.loads(self("sql", query, "--format", "json"))

    def states(self) -> dict[str, dict[str, int]]:
        """What `status` says, by asset."""
        return {row["asset"]: row for row in json.loads(self("status", "--format", "json"))}


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path, {})


def write_tone(path: Path, hertz: float, seconds: float = 2.0, rate: int = 22_050) -> Path:
    """A stereo file with a tone of its own and a little noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(int(hertz)).normal(0, 0.01, (2, time_s.size))
    soundfile.write(path, (0.3 * np.sin(2 * np.pi * hertz * time_s) + noise).T, rate)
    return path


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database with nothing in it: making one takes its dozens of migrations: all copy this."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of all test processes
    database = folder / "empty_mlflow.db"
    with FileLock(f"{database}.lock"):
        if not database.exists():
            from mlflow import MlflowClient

            being_made = database.with_suffix(".new")
            MlflowClient(f"sqlite:///{being_made}").search_experiments()
            being_made.rename(database)
    return database


@pytest.fixture
def new_mlflow(empty_mlflow: Path) -> Callable[[Path], str]:
    """Puts an MLflow database of its own at a path; its address."""

    def new(path: Path) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(empty_mlflow, path)
        return f"sqlite:///{path}"

    return new


@pytest.fixture
def tones(tmp_path: Path) -> Iterator[Path]:
    """A folder with three tracks."""
    folder = tmp_path / "audio"
    for hertz in (220, 440, 880):
        write_tone(folder / f"tone {hertz}.wav", hertz)
    yield folder


@pytest.fixture
def children() -> Callable[[], set[int]]:
    """A function that tells the workers which this process has had since the test began."""

    def workers() -> set[int]:
        name = "audio_assets.engine.workers.child"
        found = psutil.Process().children(recursive=True)
        return {child.pid for child in found if any(name in part for part in child.cmdline())}

    before = workers()
    return lambda: workers() - before
