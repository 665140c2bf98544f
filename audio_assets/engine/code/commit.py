"""The git commit that a function's source file belongs to, where it is under git."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Commit:
    """`sha` is the whole hash; `is_changed` says that the working tree holds other code than the commit."""

    sha: str
    is_changed: bool


def commit_of(fn: Callable[..., Any]) -> Commit | None:
    """The commit of the working tree that has `fn`'s file; None without git, or if git does not track it.

    A file that git does not track, e.g. of a package installed within a checkout, has no commit.
    """
    source = inspect.getsourcefile(fn)
    if source is None:
        return None
    file = Path(source).resolve()
    if not file.parent.is_dir() or _git(file.parent, "ls-files", "--error-unmatch", file.name) is None:
        return None
    sha = _git(file.parent, "rev-parse", "HEAD")
    changes = _git(file.parent, "status", "--porcelain", "--untracked-files=no")
    return Commit(sha, changes != "") if sha else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
