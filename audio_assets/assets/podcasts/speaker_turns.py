"""`speaker_turns`: who speaks when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_assets.assets.catalog import EPISODE
from audio_assets.audio.signal import Signal
from audio_assets.backends.dialogue_frames.acoustic import static_frames
from audio_assets.backends.voice_activity import SAMPLE_RATE, VOICE_ACTIVITY_ROLE, VoiceActivity
from audio_assets.backends.voice_activity.segments import speech_segments
from audio_assets.dialogue.channels import assign_channels, channel_turns, speaker_channels
from audio_assets.dialogue.diarization import diarize
from audio_assets.dialogue.turns import Turn, imported_turns
from audio_assets.engine import FLOAT, INTEGER, TEXT, Column, NotApplicable, Table, item_asset

SPEAKER_TURNS = Table(
    "speaker_turns",
    EPISODE,
    [
        Column("start_s", FLOAT, unit="s", low=0, nullable=False, doc="When the turn begins"),
        Column("end_s", FLOAT, unit="s", low=0, nullable=False, doc="When it ends"),
        Column("speaker", TEXT, nullable=False, doc="Who speaks: a name that was given, or one made up"),
        Column("source", TEXT, nullable=False, doc="How it is known: imported, channels or clusters"),
        Column("channel", INTEGER, low=0, doc="The speaker's own channel; NULL where voices are mixed"),
    ],
    doc="Turns of the speakers of an episode; those of different speakers may overlap.",
    rows="many",
)

BLOCK_S = 10.0


@item_asset(
    table=SPEAKER_TURNS,
    group="podcasts",
    code_version="1",
    roles=(VOICE_ACTIVITY_ROLE,),
    reads=("duration_s",),
)
def speaker_turns(
    episode: Signal,
    annotations: list[dict[str, Any]] | None = None,
    *,
    speakers: int = 2,
    voice_activity: VoiceActivity,
    record: dict[str, Any],
) -> list[dict[str, Any]]:
    """From annotations that name speakers, where there are any; else found by listening.

    Where each speaker has a channel, voice activity on the channels tells; else voices are clustered
    into `speakers` speakers.
    """
    turns = imported_turns(annotations or ())
    levels_db = speaker_channels(episode)
    if turns and levels_db is not None:
        turns = assign_channels(turns, levels_db)
    elif levels_db is not None:
        turns = channel_turns(episode, levels_db, voice_activity, record["duration_s"])
    elif not turns:
        turns = _clustered_turns(episode, record["duration_s"], speakers, voice_activity)
    if not turns:
        raise NotApplicable("no speech")
    return [asdict(turn) for turn in turns]


def _clustered_turns(
    episode: Signal, duration_s: float, speakers: int, voice_activity: VoiceActivity
) -> list[Turn]:
    probabilities = voice_activity.probabilities(block[0] for block in _mono(episode))
    segments = speech_segments(probabilities, duration_s)
    return diarize(static_frames(_mono(episode))[0], segments, speakers) if segments else []


def _mono(episode: Signal) -> Iterator[NDArray[np.float32]]:
    return episode.blocks(BLOCK_S, SAMPLE_RATE, mono=True)
