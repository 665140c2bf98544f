"""`dialogue_frames`: the dialogue as vectors at 12.5 Hz, with each main speaker as the user."""

from __future__ import annotations

from typing import Any

from audio_assets.assets.catalog import EPISODE
from audio_assets.audio.signal import Signal
from audio_assets.backends.dialogue_frames import DIALOGUE_FRAMES_ROLE, FRAME_RATE_HZ, DialogueFrames
from audio_assets.dialogue.streams import speaker_streams
from audio_assets.dialogue.turns import main_speakers, turns_of
from audio_assets.engine import FLOAT, INTEGER, OBJECT, TEXT, Blob, Column, Table, item_asset

DIALOGUE_FRAMES = Table(
    "dialogue_frames",
    EPISODE,
    [
        Column("user_speaker", TEXT, nullable=False, doc="The speaker who is asked about"),
        Column("other_speaker", TEXT, doc="The speaker beside; none in a monologue"),
        Column("frames", OBJECT, nullable=False, doc="safetensors: `frames` [frame_count, dimensions]"),
        Column("frame_count", INTEGER, low=0, nullable=False, doc="Number of frames"),
        Column("dimensions", INTEGER, low=1, nullable=False, doc="Values of a stored frame"),
        Column("frame_rate_hz", FLOAT, unit="Hz", nullable=False, doc="Frames per second"),
        Column(
            "context_frames",
            INTEGER,
            low=0,
            nullable=False,
            doc="Stored frames on either side that a reader joins to each frame, by `ContextFrames`",
        ),
    ],
    doc="Vectors of a dialogue, one table row for each of its two main speakers as the user.",
    rows="many",
)


@item_asset(
    table=DIALOGUE_FRAMES,
    group="podcasts",
    bundle="dialogue_frames",
    code_version="1",
    roles=(DIALOGUE_FRAMES_ROLE,),
    pool="gpu",
    time_limit_s=4 * 3600,
    memory_limit_gib=48,
)
def dialogue_frames(
    episode: Signal, speaker_turns: list[dict[str, Any]], *, dialogue_frames: DialogueFrames
) -> list[dict[str, Any]]:
    """Frames of the episode's two streams, in memory independent of its length but for the frames."""
    from safetensors.numpy import save

    turns = turns_of(speaker_turns)
    speakers = main_speakers(turns)
    streams = speaker_streams(episode, turns, speakers, dialogue_frames.sample_rate)
    rows = []
    for user, frames in zip(speakers, dialogue_frames.frames(streams), strict=False):
        others = [speaker for speaker in speakers if speaker != user]
        rows.append(
            {
                "user_speaker": user,
                "other_speaker": others[0] if others else None,
                "frames": Blob(save({"frames": frames}), "safetensors"),
                "frame_count": frames.shape[0],
                "dimensions": frames.shape[1],
                "frame_rate_hz": FRAME_RATE_HZ,
                "context_frames": dialogue_frames.context_frames,
            }
        )
    return rows
