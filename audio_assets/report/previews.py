"""Previews made by workers: a file that crashes a decoder costs its page the sound, and no more."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from audio_assets.audio.signal import Signal
from audio_assets.engine.declare.tables import Item, ItemKind
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.isolated import usual_limits
from audio_assets.engine.workers.session import Crew, Died, Done, Emit, Raised, Work
from audio_assets.report.sound import Preview, mix_preview, stem_preview
from audio_assets.resources.objects import Objects
from audio_assets.settings import available_cores

PREVIEWER = f"{__name__}:previewer"


@dataclass(frozen=True)
class Source:
    """Something to listen to on a page."""

    name: str
    preview: Preview


@dataclass(frozen=True)
class Wanted:
    """A recording to be heard: the item itself, or the object `key` that is one of so many `stems` of it."""

    name: str
    item: Item
    key: str | None
    stems: int


@dataclass(frozen=True)
class Origin:
    """Where recordings are: what opens an item, by module and name, and the objects."""

    module: str
    name: str
    objects: Objects


def previews(platform: Platform, kind: ItemKind, wanted: Sequence[Wanted]) -> tuple[list[Source], str]:
    """The recordings to listen to, in their order, or none and why."""
    origin = Origin(kind.open.__module__, kind.open.__qualname__, platform.objects)
    crew = Crew(min(available_cores(), len(wanted)), usual_limits(platform.settings))
    found: dict[str, Source] = {}
    with closing(platform.session.map(Work(PREVIEWER, origin), wanted, crew)) as events:
        for event in events:
            match event:
                case Done(Wanted(name), Preview() as preview):
                    found[name] = Source(name, preview)
                case Raised() | Died():
                    return [], event.reason
    return [found[one.name] for one in wanted], ""


def previewer(origin: Origin, _: Emit) -> Callable[[Wanted], Preview]:
    """For workers: what makes a preview."""
    open_item: Callable[[Item], Signal] = getattr(importlib.import_module(origin.module), origin.name)

    def preview(wanted: Wanted) -> Preview:
        duration_s = wanted.item.size
        if wanted.key is None:
            return mix_preview(open_item(wanted.item), duration_s, wanted.stems)
        with tempfile.TemporaryDirectory() as folder:
            file = origin.objects.local_file(wanted.key, Path(folder))
            return stem_preview(Signal(file), duration_s, wanted.stems)

    return preview
