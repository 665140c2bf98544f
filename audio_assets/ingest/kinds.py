"""Is a recording a track (music) or an episode (long speech)? By the first of these that tells:

1. what the user said (`--as track`);
2. the nearest folder named for a kind (`podcasts/`, `music/`, …, see `folders`);
3. the genre tag: one of speech makes an episode, any other but "Other" or "Unknown" a track;
4. an ISRC, which only music has: a track;
5. the duration: from 10 min in mono or from 30 min in stereo an episode, else a track.

The last is a guess from habit (hardly any song is that long, podcasts are often mono): a live set
or an audio drama needs one of the first three. Nothing is decoded for it, and it never changes its
mind.
"""

from __future__ import annotations

from dataclasses import dataclass

from audio_assets.ingest.folders import FolderHints, Kind
from audio_assets.ingest.tags import Tags

EPISODE_FROM_S = {"mono": 600.0, "stereo": 1800.0}

_SPEECH = ("podcast", "speech", "spoken", "audiobook", "audio book", "interview", "talk radio")
_TELLS_NOTHING = ("other", "unknown", "misc", "none")


@dataclass(frozen=True)
class KindChoice:
    """The kind, and the reason in a few words, for people who wonder."""

    kind: Kind
    reason: str


def choose_kind(
    *,
    said: Kind | None,
    folders: FolderHints,
    tags: Tags,
    duration_s: float,
    channels: int,
) -> KindChoice:
    """The kind of a recording, by the rules above."""
    if said:
        return KindChoice(said, "as given")
    if folders.kind:
        return KindChoice(folders.kind, f"in a folder named {folders.kind_folder}")
    genre = (tags.genre or "").casefold()
    if any(word in genre for word in _SPEECH):
        return KindChoice("episode", f"its genre is {tags.genre}")
    if genre and not genre.startswith(_TELLS_NOTHING):
        return KindChoice("track", f"its genre is {tags.genre}")
    if tags.isrc:
        return KindChoice("track", f"it has the ISRC {tags.isrc}")
    width = "mono" if channels == 1 else "stereo"
    kind: Kind = "episode" if duration_s >= EPISODE_FROM_S[width] else "track"
    return KindChoice(kind, f"{duration_s:.0f} s of {width}")
