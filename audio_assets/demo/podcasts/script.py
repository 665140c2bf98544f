"""What is said in an episode: lines drawn from a small grammar of chat and jokes.

A script is a list of ``Say``. A joke is a set-up, then a punchline of two phrases with a pause between
them; whether anybody laughs is decided when it is performed. The manner of a line decides how it is
spoken, and so what can be heard coming: punchlines are livelier, but so is plain excitement.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_SLOT = re.compile(r"\{(\w+)\}")
_EXCHANGES = {"chat": 0.36, "question": 0.26, "joke": 0.24, "excitement": 0.14}


@dataclass(frozen=True)
class Show:
    """A podcast: its hosts (voices), how it is recorded, and what its makers leave beside it."""

    name: str
    hosts: tuple[str, str]
    layout: str  # mono, stereo, split
    format: str
    jingle: bool
    sidecars: tuple[str, ...]


@dataclass(frozen=True)
class Say:
    """A phrase by host 0 or 1. Manners: plain, agree, exciting, filler, setup, lead, punch."""

    host: int
    text: str
    manner: str = "plain"


@cache
def _grammar() -> dict[str, Any]:
    path = Path(__file__).parent.parent / "data" / "dialogue.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def load_shows() -> tuple[Show, ...]:
    """The shows of the corpus."""
    shows = []
    for row in _grammar()["shows"]:
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}
        shows.append(Show(**fields))
    return tuple(shows)


class Writer:
    """Draws lines without repeating one before the others of its kind have been used."""

    def __init__(self, show: Show, rng: np.random.Generator) -> None:
        self._show = show
        self._rng = rng
        self._unused: dict[str, list[Any]] = {}

    def _draw(self, kind: str, choices: Sequence[Any]) -> Any:
        unused = self._unused.get(kind)
        if not unused:
            unused = [choices[index] for index in self._rng.permutation(len(choices))]
        self._unused[kind] = unused[1:]
        return unused[0]

    def _fill(self, *templates: str) -> list[str]:
        """Fill slots; one word per slot across all ``templates``."""
        chosen = {"show": self._show.name}
        for name in _SLOT.findall(" ".join(templates)):
            if name not in chosen:
                chosen[name] = self._draw(f"slot {name}", _grammar()["slots"][name])
        return [_SLOT.sub(lambda match: chosen[match[1]], text) for text in templates]

    def line(self, kind: str) -> str:
        """A line of ``kind``, slots filled."""
        return self._fill(self._draw(kind, _grammar()["lines"][kind]))[0]

    def exchange(self) -> Iterator[Say]:
        """A few lines that belong together, led by either host."""
        kinds = list(_EXCHANGES)
        kind = kinds[self._rng.choice(len(kinds), p=list(_EXCHANGES.values()))]
        first = int(self._rng.integers(2))
        yield from {
            "chat": self._chat,
            "question": self._question,
            "joke": self.joke,
            "excitement": self._excitement,
        }[kind](first)

    def _chat(self, first: int) -> Iterator[Say]:
        if self._rng.random() < 0.35:
            yield Say(first, str(self._rng.choice(["Um.", "Uh."])), "filler")
        yield Say(first, self.line("statement"))
        if self._rng.random() < 0.4:
            yield Say(1 - first, self.line("agree"), "agree")
            yield Say(first, self.line("statement"))
        yield Say(1 - first, self.line("reply"))

    def _question(self, first: int) -> Iterator[Say]:
        yield Say(first, self.line("question"))
        if self._rng.random() < 0.3:
            yield Say(1 - first, str(self._rng.choice(["Um.", "Uh."])), "filler")
        yield Say(1 - first, self.line("answer"))

    def _excitement(self, first: int) -> Iterator[Say]:
        yield Say(first, self.line("exciting"), "exciting")
        yield Say(1 - first, self.line("agree"), "agree")

    def joke(self, first: int) -> Iterator[Say]:
        """Set-up, perhaps a sign of attention, punchline in two phrases, an afterthought."""
        joke = self._draw("joke", _grammar()["jokes"])
        setup, punch = self._fill(joke["setup"], joke["punch"])
        yield Say(first, setup, "setup")
        if self._rng.random() < 0.4:
            yield Say(1 - first, self.line("agree"), "agree")
        lead, _, last = punch.partition(" / ")
        yield Say(first, lead, "lead")
        yield Say(first, last, "punch")
        yield Say(1 - first, self.line("recover"))

    def opening(self) -> Iterator[Say]:
        """Both hosts say hello."""
        yield Say(0, self.line("welcome"))
        yield Say(1, self.line("welcome_reply"))

    def closing(self) -> Iterator[Say]:
        """Both hosts say good-bye."""
        yield Say(0, self.line("closing"))
        yield Say(1, self.line("closing_reply"))
