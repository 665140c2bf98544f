"""Where values stand, why they are computed, and what a run is to compute besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """Where an item stands for an asset. ``stale``: something it was made from has changed.

    ``drifted``: only the code or a library has, under the same code version.
    """

    OK = "ok"
    NOT_APPLICABLE = "not_applicable"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    STALE = "stale"
    DRIFTED = "drifted"
    MISSING = "missing"


class Why(StrEnum):
    """Why a value is computed: there is none, or what of it has changed, or it was asked for."""

    NEW = "new"
    SOUND = "sound"
    CODE = "code"
    WEIGHTS = "weights"
    PARAMETERS = "parameters"
    READS = "reads"
    UPSTREAM = "upstream"
    RETRY = "retry"
    DRIFTED = "drifted"
    ASKED = "asked"


@dataclass(frozen=True)
class RunOptions:
    """What a run computes besides missing and stale values; with `only_failed` what failed, and nothing besides.

    `asked` are assets that were chosen by name: a training among them trains again though nothing but its data
    has changed. What was `tried` by these runs already is not tried again.
    """

    failed: bool = False
    drifted: bool = False
    everything: bool = False
    only_failed: bool = False
    asked: frozenset[str] = field(default_factory=frozenset)
    tried: frozenset[str] = field(default_factory=frozenset)


DEFAULT = RunOptions()
