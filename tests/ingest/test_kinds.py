"""The rules for kind and genre, first to last."""

from pathlib import Path

import pytest

from audio_assets.ingest.folders import FolderHints, folder_hints
from audio_assets.ingest.kinds import choose_kind
from audio_assets.ingest.tags import Tags


def chosen(said=None, folder="x", tags=None, minutes=4.0, channels=2):
    folders = folder_hints(Path("/data") / folder / "a.mp3", Path("/data"))
    return choose_kind(
        said=said, folders=folders, tags=tags or Tags(), duration_s=60 * minutes, channels=channels
    ).kind


def test_what_the_user_says_wins():
    assert chosen("track", "podcasts", Tags(genre="Podcast"), 90, 1) == "track"
    assert chosen("episode", "music", Tags(genre="Rock"), 3, 2) == "episode"


def test_then_the_folder():
    assert chosen(folder="Podcasts/show", tags=Tags(genre="Rock")) == "episode"
    assert chosen(folder="music/live", tags=Tags(genre="Podcast"), minutes=90) == "track"


def test_then_the_genre():
    assert chosen(tags=Tags(genre="Podcast")) == "episode"
    assert chosen(tags=Tags(genre="Spoken Word")) == "episode"
    assert chosen(tags=Tags(genre="Drone"), minutes=90, channels=1) == "track"
    assert chosen(tags=Tags(genre="Other"), minutes=90) == "episode"


def test_then_an_isrc():
    assert chosen(tags=Tags(isrc="USRC17607839"), minutes=90) == "track"


@pytest.mark.parametrize(
    ("minutes", "channels", "kind"),
    [
        (9.99, 1, "track"),
        (10, 1, "episode"),
        (10, 2, "track"),
        (29.99, 2, "track"),
        (30, 2, "episode"),
        (30, 6, "episode"),
    ],
)
def test_then_the_duration(minutes, channels, kind):
    assert chosen(minutes=minutes, channels=channels) == kind


def test_the_reason_is_told():
    folders = folder_hints(Path("/data/Podcasts/a.mp3"), Path("/data"))
    choice = choose_kind(said=None, folders=folders, tags=Tags(), duration_s=60.0, channels=1)
    assert choice.reason == "in a folder named Podcasts"


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        ("/d/a.mp3", "/d", (None, None, None, None)),
        ("/d/rock/a.mp3", "/d", ("rock", None, None, None)),
        ("/d/rock/indie/a.mp3", "/d", ("rock", "indie", None, None)),
        ("/d/2024/rock/indie/a.mp3", "/d", ("rock", "indie", None, None)),
        ("/d/music/rock/a.mp3", "/d", ("rock", None, "track", "music")),
        ("/d/music/a.mp3", "/d", (None, None, "track", "music")),
        ("/podcasts/show/a.mp3", "/podcasts", ("show", None, "episode", "podcasts")),
        ("/podcasts/music/a.mp3", "/podcasts", (None, None, "track", "music")),
        ("/d/rock/a.mp3", "/d/rock", (None, None, None, None)),
    ],
)
def test_folders_below_the_root_name_genre_and_kind(path, root, expected):
    assert folder_hints(Path(path), Path(root)) == FolderHints(*expected)
