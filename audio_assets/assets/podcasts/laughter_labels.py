"""`laughter_labels`: what is to be predicted from each dialogue frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audio_assets.assets.catalog import EPISODE
from audio_assets.audio.signal import Signal
from audio_assets.dialogue.channels import APART_DB, loudness_db, speaker_channels
from audio_assets.dialogue.turns import Spans, Turn, floor, held_s, named_speaker, own_channels, turns_of
from audio_assets.engine import INTEGER, TEXT, Column, NotApplicable, Table, item_asset
from models.laughter.labels import FRAME_RATE_HZ, LabelKind, frame_labels

LAUGHTER_LABELS = Table(
    "laughter_labels",
    EPISODE,
    [
        Column("user_speaker", TEXT, nullable=False, doc="The speaker whose laughs are positive"),
        Column("kind", TEXT, nullable=False, doc="detection, shifted or onset; see `models.laughter.labels`"),
        Column("lookahead_frames", INTEGER, low=0, nullable=False, doc="How far ahead the label looks"),
        Column("frame_count", INTEGER, low=0, nullable=False, doc="Number of frames"),
        Column("positives", INTEGER, low=0, nullable=False, doc="Number of frames with label 1"),
        Column("labels", INTEGER, low=0, high=1, length="any", nullable=False, doc="Label of each frame"),
    ],
    doc="Laughter labels of the frames in `dialogue_frames`, a row for each user and kind of label.",
    rows="many",
)

Laugh = tuple[float, float]
"""Start and end, seconds."""

_KINDS: tuple[LabelKind, ...] = ("detection", "shifted", "onset")


@item_asset(table=LAUGHTER_LABELS, group="podcasts", bundle="laughter_labels", code_version="1")
def laughter_labels(
    episode: Signal,
    annotations: list[dict[str, Any]],
    speaker_turns: list[dict[str, Any]],
    dialogue_frames: list[dict[str, Any]],
    *,
    lookahead_frames: int = 12,
    laughter: Sequence[str] = ("laughter", "laugh", "laughing"),
) -> list[dict[str, Any]]:
    """Labels of each user's frames.

    A laugh is the user's if it can be heard in the user's stream: on their channel, where they have
    one; else if they have the floor for at least half of it. A laugh in a pause, which turns ascribe
    to nobody, is then everybody's.

    Args:
        episode, annotations, speaker_turns, dialogue_frames: the episode and its upstream rows.
        lookahead_frames: of the kinds ``shifted`` and ``onset``.
        laughter: annotations with these labels are laughs, in lower or upper case.
    """
    if all(named_speaker(row["label"]) is not None for row in annotations):
        raise NotApplicable("the annotations name speakers only, no events")
    users = {row["user_speaker"]: row["frame_count"] for row in dialogue_frames}
    wanted = {label.casefold() for label in laughter}
    laughs = [(a["start_s"], a["end_s"]) for a in annotations if a["label"].casefold() in wanted]
    own_laughs = _by_speaker(episode, laughs, turns_of(speaker_turns), list(users))
    rows = []
    for user, frame_count in users.items():
        own = own_laughs[user]
        for kind in _KINDS:
            lookahead = 0 if kind == "detection" else lookahead_frames
            labels = frame_labels(own, frame_count, kind=kind, lookahead_frames=lookahead)
            rows.append(
                {
                    "user_speaker": user,
                    "kind": kind,
                    "lookahead_frames": lookahead,
                    "frame_count": frame_count,
                    "positives": int(labels.sum()),
                    "labels": labels.astype(int).tolist(),
                }
            )
    return rows


def _by_speaker(
    episode: Signal, laughs: Sequence[Laugh], turns: Sequence[Turn], users: Sequence[str]
) -> dict[str, list[Laugh]]:
    channels = own_channels(turns, users)
    levels_db = speaker_channels(episode) if channels else None
    if channels is None or levels_db is None:
        floors = floor(turns, users)
        return {user: [laugh for laugh in laughs if _is_within(laugh, floors[user])] for user in users}
    heard_db = [loudness_db(levels_db, *laugh) for laugh in laughs]
    return {
        user: [
            laugh
            for laugh, level_db in zip(laughs, heard_db, strict=True)
            if level_db[channel] > level_db.max() - APART_DB
        ]
        for user, channel in zip(users, channels, strict=True)
    }


def _is_within(laugh: Laugh, floor: Spans) -> bool:
    """Whether a laugh, or the frame that one without length begins in, lies at least half in `floor`."""
    start_s, end_s = laugh[0], max(laugh[1], laugh[0] + 1 / FRAME_RATE_HZ)
    return held_s(floor, start_s, end_s) >= (end_s - start_s) / 2
