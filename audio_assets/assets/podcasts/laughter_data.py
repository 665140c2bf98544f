"""What the laughter trainings learn from and are measured on: parts of the split, frames and targets.

Frames of one episode are never in two parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audio_assets.engine.declare.splits import split_items
from audio_assets.engine.declare.training_asset import SPLITS, Training, TrainingError

if TYPE_CHECKING:
    from models.training.shards import Shard

UPSTREAM = ("annotations", "dialogue_frames", "laughter_labels")
TIME = "time"
"""Targets that are no kind of label: seconds to the next laugh."""


@dataclass(frozen=True)
class Part:
    """The shards of one part of the split, and for each of them what it is measured by.

    `episode_of` is the number of its episode among `episodes`; `laughing` are its labels of the kind
    ``detection``; `lookahead_s` is how far its targets look ahead.
    """

    shards: Sequence[Shard]
    episode_of: Sequence[int]
    episodes: Sequence[str]
    laughing: Sequence[NDArray[np.float32]]
    lookahead_s: float


def split_episodes(training: Training) -> dict[str, str]:
    """By episode: as the annotations say, and by chance where they say nothing."""
    rows = training.rows("annotations").select("item", "split").unique().drop_nulls()
    known = dict(rows.filter(rows["split"].is_in(SPLITS)).iter_rows())
    rest = [item for item in training.items if item not in known]
    return {**known, **split_items(rest, seed=training.seed)}


def read_parts(training: Training, split: Mapping[str, str], kind: str, cap_s: float) -> dict[str, Part]:
    """The parts of the split, with labels of a kind, or times up to `cap_s` for the kind ``time``.

    Raises:
        TrainingError: a part has no episode.
    """
    parts = {name: _read_part(training, split, name, kind, cap_s) for name in SPLITS}
    empty = [name for name, part in parts.items() if not part.shards]
    if empty:
        raise TrainingError(
            f"{training.name} found no episodes for {' and '.join(empty)} among {len(split)}; wanted "
            "at least one in each part: add episodes, or give them parts in `annotations.split`"
        )
    return parts


def _read_part(training: Training, split: Mapping[str, str], name: str, kind: str, cap_s: float) -> Part:
    from models.laughter.events import find_events
    from models.laughter.labels import FRAME_RATE_HZ, time_to_laugh
    from models.training.shards import Shard

    labels = training.rows("laughter_labels")
    keys = ["item", "user_speaker"]
    detection = labels.filter(kind="detection").select(*keys, laughing="labels")
    wanted = labels.filter(kind="detection" if kind == TIME else kind)
    joined = wanted.join(training.rows("dialogue_frames"), on=keys, suffix="_frames").join(detection, on=keys)
    episodes = sorted(item for item, part in split.items() if part == name)
    shards, episode_of, laughing, lookahead_frames = [], [], [], 0
    for number, item in enumerate(episodes):
        for row in joined.filter(item=item).sort("user_speaker").iter_rows(named=True):
            targets = np.asarray(row["labels"], np.float32)
            laughs = np.asarray(row["laughing"], np.float32)
            if kind == TIME:
                events = [(laugh.start_s, laugh.end_s) for laugh in find_events(laughs, 0.5)]
                targets = time_to_laugh(events, len(laughs), cap_s=cap_s)
            opened = partial(_open_frames, training.object(row["frames"]), row["context_frames"])
            shards.append(Shard(f"{item}/{row['user_speaker']}", targets, opened))
            episode_of.append(number)
            laughing.append(laughs)
            lookahead_frames = row["lookahead_frames"]
    return Part(shards, episode_of, episodes, laughing, lookahead_frames / FRAME_RATE_HZ)


def _open_frames(path: Path, context: int) -> Any:
    from audio_assets.backends.dialogue_frames.context import ContextFrames
    from models.training.shards import SafetensorsFrames

    frames = SafetensorsFrames(path)
    return ContextFrames(frames, context) if context else frames
