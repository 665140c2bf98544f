"""The asset `musicbrainz_matches`: the best of the candidates, or why there is none."""

from dataclasses import replace

import numpy as np
import pytest

from audio_assets.assets.music.metadata_lookup import musicbrainz_matches
from audio_assets.audio.signal import Signal
from audio_assets.backends.metadata_lookup import Candidate
from audio_assets.backends.metadata_lookup.embedded import NoLookup
from audio_assets.engine import NotApplicable

TRACK = Signal.from_array(np.ones(10), 44_100)
RECORD = {"title": "Song", "artist": "The Band", "year": 1998, "duration_s": 181.0, "isrc": None}
LIVE = Candidate("live", "Song", "The Band", ("a",), 2004, 240.0)
SINGLE = Candidate("single", "Song", "The Band", ("a",), 1998, 182.5)
ALBUM = Candidate("album", "Song", "The Band", ("a",), 1998, 182.0)


class Known:
    """A service that knows these recordings."""

    def __init__(self, *candidates):
        self.known = list(candidates)

    def candidates(self, query):
        return self.known

    def details(self, candidate):
        return replace(candidate, isrcs=("GBXXX9800001",))


def test_the_best_candidate_is_taken_and_of_equals_the_first():
    found = musicbrainz_matches(TRACK, metadata_lookup=Known(LIVE, SINGLE, ALBUM), record=RECORD)
    (row,) = musicbrainz_matches.table.check_rows(found)
    assert (row["recording_id"], row["score"], row["candidate_count"]) == ("single", pytest.approx(1.0), 3)
    assert row["runner_up_score"] == pytest.approx(1.0)
    assert (row["isrcs"], row["year"], row["spotify_id"]) == (["GBXXX9800001"], 1998, None)


def test_a_poor_match_is_told_by_its_score():
    found = musicbrainz_matches(TRACK, metadata_lookup=Known(LIVE), record=RECORD)
    assert (found["score"], found["runner_up_score"]) == (pytest.approx(0.2), None)


def test_unknown_recordings_and_a_look_up_that_is_off_are_not_applicable():
    with pytest.raises(NotApplicable, match="no recording"):
        musicbrainz_matches(TRACK, metadata_lookup=Known(), record=RECORD)
    with pytest.raises(NotApplicable, match="look-up is off"):
        musicbrainz_matches(TRACK, metadata_lookup=NoLookup(), record=RECORD)


def test_a_match_depends_on_the_tags_that_are_asked_by():
    assert set(musicbrainz_matches.reads) == set(RECORD)
