"""The `audio-assets` command in processes that begin with everything loaded that most commands load.

To start Python and to import what a command needs is most of what a short command takes. A server (that of
multiprocessing) has done both once; each command is a process forked from it, with its own environment, working
directory and output, which ends as a command does.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.forked_modules"])


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def run_command(arguments: Sequence[str], environment: Mapping[str, str], timeout: float) -> Ended:
    """Run the command and wait for its end."""
    with tempfile.TemporaryDirectory(prefix="command-") as folder:
        files = [Path(folder) / name for name in ("stdout", "stderr")]
        process = _CONTEXT.Process(
            target=_be_the_command,
            args=(list(arguments), dict(environment), str(Path.cwd()), *map(str, files)),
        )
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise TimeoutError(f"{arguments} took longer than {timeout} s")
        texts = [file.read_text(encoding="utf-8", errors="replace") for file in files]
        return Ended(process.exitcode, *texts)


def _be_the_command(
    arguments: list[str], environment: dict[str, str], folder: str, stdout: str, stderr: str
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in ((1, stdout), (2, stderr)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # as long as the process
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [path for path in paths if path]
    sys.argv = ["audio-assets", *arguments]
    code = 1
    try:
        from audio_assets.command.main import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
