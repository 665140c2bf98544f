"""Polite requests to a web service: one a second from all worker processes together, answers kept.

The service's folder holds the answers, a file for each address, and the time of the last request behind
a lock that all processes on the machine share.
"""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from filelock import FileLock

from audio_assets.engine.declare.outcomes import NotApplicable
from audio_assets.resources.files import write_file

ATTEMPTS = 4
"""Requests for one answer at most; a service that is asked too often says so with status 503 or 429."""

LONGEST_WAIT_S = 60.0


class ServiceError(RuntimeError):
    """The service answered with an error or with what is no answer; the message says which."""


class WebService:
    """A JSON service behind HTTP.

    Args:
        folder: of answers and of the lock; made if it is not there.
        user_agent: name, version and contact of this program, as services ask for.
        interval_s: least time between the beginnings of two requests.
        timeout_s: longest wait for an answer.
    """

    def __init__(
        self, folder: Path, user_agent: str, interval_s: float = 1.0, timeout_s: float = 10.0
    ) -> None:
        self._folder = folder
        self._user_agent = user_agent
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        (folder / "answers").mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / "lock")

    def get(self, url: str) -> dict[str, Any]:
        """The JSON object at `url`, from the folder if it was asked for before.

        Raises:
            NotApplicable: the machine is off-line.
            ServiceError: an error status, a time-out, or no JSON object.
        """
        path = self._folder / "answers" / f"{hashlib.blake2b(url.encode(), digest_size=16).hexdigest()}.json"
        known = _read(path)
        if known is not None:
            return known
        answer = self._ask(url)
        write_file(path, json.dumps(answer).encode())
        return answer

    def _ask(self, url: str) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._request(url)
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503) or attempt == ATTEMPTS:
                    raise ServiceError(
                        f"{url}: found status {error.code} ({error.reason}); try again later"
                    ) from error
                wait_s = _retry_after(error, default=self._interval_s * 2**attempt)
            except TimeoutError as error:
                raise ServiceError(
                    f"{url}: found no answer within {self._timeout_s} s; try again later"
                ) from error
            except urllib.error.URLError as error:
                if isinstance(error.reason, TimeoutError):
                    raise ServiceError(
                        f"{url}: found no answer within {self._timeout_s} s; try again later"
                    ) from error
                raise NotApplicable(
                    f"off-line: {url.split('/')[2]} cannot be reached ({error.reason})"
                ) from error
            except (OSError, ValueError) as error:
                raise ServiceError(f"{url}: found {error}; wanted a JSON object") from error
            time.sleep(min(wait_s, LONGEST_WAIT_S))
        raise AssertionError("the last attempt returns or raises")

    def _request(self, url: str) -> dict[str, Any]:
        headers = {"User-Agent": self._user_agent, "Accept": "application/json"}
        self._await_turn()
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=self._timeout_s
        ) as response:
            body = response.read()
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise ValueError(f"no JSON ({error})") from error
        if not isinstance(answer, dict):
            raise ValueError(f"a JSON {type(answer).__name__}")
        return answer

    def _await_turn(self) -> float:
        """Wait until the last request of any process is `interval_s` ago, and be the last one: the time."""
        stamp = self._folder / "last_request"
        with self._lock:
            try:
                last_s = float(stamp.read_text())
            except (OSError, ValueError):
                last_s = 0.0
            # A clock that was set back must not make anyone wait for it.
            wait_s = min(last_s + self._interval_s - time.time(), self._interval_s)
            if wait_s > 0:
                time.sleep(wait_s)
            now_s = time.time()
            write_file(stamp, repr(now_s).encode())
            return now_s


def _retry_after(error: urllib.error.HTTPError, default: float) -> float:
    try:
        return max(float(error.headers.get("Retry-After", "")), 0.0)
    except ValueError:
        return default


def _read(path: Path) -> dict[str, Any] | None:
    """A kept answer; None if there is none, or it was damaged."""
    try:
        answer = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None
