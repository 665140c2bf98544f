"""A commit is named only where git has the code that runs."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

from audio_assets.engine.code.commit import Commit, commit_of


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def module(tmp_path: Path):
    """A module of a repository, and its function."""
    file = tmp_path / "repository" / "package" / "training.py"
    file.parent.mkdir(parents=True)
    file.write_text("def train():\n    return 1\n")
    git(file.parent, "init", "--quiet")
    spec = importlib.util.spec_from_file_location("training_of_a_repository", file)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return file, loaded.train


def test_a_file_that_git_does_not_track_has_no_commit(module):
    file, train = module
    git(file.parent, "commit", "--quiet", "--allow-empty", "-m", "others")
    assert commit_of(train) is None


def test_the_commit_is_that_of_the_working_tree_and_changes_in_it_are_told(module):
    file, train = module
    git(file.parent, "add", "training.py")
    git(file.parent, "commit", "--quiet", "-m", "first")
    sha = git(file.parent, "rev-parse", "HEAD")
    assert len(sha) == 40 and commit_of(train) == Commit(sha, is_changed=False)
    (file.parent / "notes.txt").write_text("not code of anything")
    assert commit_of(train) == Commit(sha, is_changed=False)
    file.write_text("def train():\n    return 2\n")
    assert commit_of(train) == Commit(sha, is_changed=True)


def test_without_git_there_is_no_commit(module, monkeypatch):
    file, train = module
    git(file.parent, "add", "training.py")
    git(file.parent, "commit", "--quiet", "-m", "first")
    monkeypatch.setenv("PATH", "")
    assert commit_of(train) is None
