"""`predictor`: how the model of a training is used on a file that is in no catalog.

The decorated function loads a checkpoint and returns a function of one file. Its first parameter is the
checkpoint's folder; keyword-only parameters named like a role receive that role's backend. The function it
returns takes a path and gives rows of `columns`:

    @predictor(tells="laughter", columns=[Column("start_s", FLOAT), …], roles=[VOICE_ACTIVITY])
    def laughs(model: Path, *, voice_activity: VoiceActivity) -> Callable[[Path], list[dict[str, Any]]]:
        network = load(model)
        return lambda path: …

A training that names it (`training_asset(predict=laughs)`) answers to `audio-assets predict`, by its own name
and by what it `tells`, and each of its checkpoints can be loaded with `mlflow.pyfunc.load_model`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_assets.engine.declare.roles import Player, Role
from audio_assets.engine.declare.tables import Column, Row, Table
from audio_assets.errors import UserError

Rows = Sequence[Mapping[str, Any]]


class PredictError(UserError, ValueError):
    """A model cannot be used, or there is none; the message says what to do."""


@dataclass(frozen=True)
class Predictor:
    """How a model is used; made by the `predictor` decorator."""

    fn: Callable[..., Callable[[Path], Rows]]
    tells: str
    columns: tuple[Column, ...]
    roles: tuple[Role, ...] = ()

    @property
    def reference(self) -> str:
        """``module:name``, by which another process finds it."""
        return f"{self.fn.__module__}:{self.fn.__qualname__}"

    def backends(self, players: Mapping[str, Player]) -> dict[str, Any]:
        """The backends that `players` are, with their weights, by role.

        Raises:
            PredictError: one cannot be loaded, e.g. for want of its weights.
        """
        return {role.name: _loaded(players[role.name]) for role in self.roles}

    def load(self, model: Path, backends: Mapping[str, Any]) -> Callable[[Path], list[Row]]:
        """The function of one file that the checkpoint in `model` makes; its rows are checked."""
        table = Table(self.tells, columns=self.columns, rows="many")
        tell = self.fn(model, **backends)
        return lambda path: table.check_rows(tell(path))


def predictor(
    *, tells: str, columns: Sequence[Column], roles: Sequence[Role] = ()
) -> Callable[[Callable[..., Callable[[Path], Rows]]], Predictor]:
    """Make a function that loads a checkpoint the way its model is used; see the module."""

    def decorate(fn: Callable[..., Callable[[Path], Rows]]) -> Predictor:
        return Predictor(fn, tells, tuple(columns), tuple(roles))

    return decorate


def _loaded(player: Player) -> Any:
    try:
        return player.make()
    except (RuntimeError, OSError, ImportError) as error:
        raise PredictError(
            f"the backend {player.choice!r} of {player.role.name} cannot be loaded: {error}"
        ) from error
