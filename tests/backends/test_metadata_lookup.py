"""Metadata look-up: the rule of scoring, and MusicBrainz as a server on this machine plays it."""

import itertools
import json
import multiprocessing
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from audio_assets.backends.metadata_lookup import Candidate, Query
from audio_assets.backends.metadata_lookup.embedded import NoLookup
from audio_assets.backends.metadata_lookup.musicbrainz import MusicBrainz, lucene
from audio_assets.backends.metadata_lookup.scoring import (
    artist_score,
    duration_score,
    score_candidate,
    year_score,
)
from audio_assets.backends.metadata_lookup.web import ATTEMPTS, ServiceError, WebService
from audio_assets.engine.declare.outcomes import NotApplicable

QUERY = Query("Song", "The Band", 1998, 181.0)

RECORDING = {
    "id": "rec-1",
    "score": 100,
    "title": "Song",
    "length": 181_400,
    "first-release-date": "1998-03",
    "isrcs": ["GBXXX9800001"],
    "artist-credit": [
        {"name": "The Band", "joinphrase": " feat. ", "artist": {"id": "art-1", "name": "The Band"}},
        {"name": "Guest", "artist": {"id": "art-2", "name": "Guest"}},
    ],
    "releases": [{"id": "rel-1", "title": "Album"}, {"id": "rel-2", "title": "Compilation"}],
}


# --- scoring


@pytest.mark.parametrize(
    ("difference", "score"),
    [
        (0, 0.5),
        (1.999, 0.5),
        (2, 0.5),
        (3, 0.45),
        (6, 0.3),
        (9.999, 0.10005),
        (10, 0.05),
        (29.999, 0.05),
        (30, 0),
        (500, 0),
    ],
)
def test_length_counts_a_half_up_to_two_seconds_and_nothing_from_thirty(difference, score):
    assert duration_score(181.0, 181.0 + difference) == pytest.approx(score)
    assert duration_score(1000.0, 1000.0 - difference) == pytest.approx(score)


@pytest.mark.parametrize(("difference", "score"), [(0, 0.3), (1, 0.2), (2, 0.1), (3, 0.1), (4, 0), (40, 0)])
def test_the_year_counts_three_tenths_and_nothing_from_four_years_on(difference, score):
    assert year_score(1998, 1998 + difference) == score
    assert year_score(1998, 1998 - difference) == score


@pytest.mark.parametrize(
    ("name", "other", "score"),
    [
        ("The Band", "the band", 0.2),
        ("abcd", "bcde", 0.2 * 0.75),
        ("abcd", "wxyz", 0),
        (None, "a", 0),
        ("a", None, 0),
        ("", "", 0),
    ],
)
def test_the_artist_counts_two_tenths_of_the_similarity_of_the_names(name, other, score):
    assert artist_score(name, other) == pytest.approx(score)


def test_the_score_is_the_sum_and_the_unknown_counts_nothing():
    assert score_candidate(QUERY, Candidate("id", "Song", "the band", (), 1998, 181.0)) == pytest.approx(1)
    assert score_candidate(QUERY, Candidate("id", "Song", "the band", (), 1999, 184.0)) == pytest.approx(0.85)
    assert score_candidate(QUERY, Candidate("id", "Song")) == 0
    assert score_candidate(Query(None, None, None, 181.0), Candidate("id", "x", "y", (), 1998, 181.5)) == 0.5


# --- the service


class Service:
    """A server whose answers are taken from a list, the last one for good."""

    def __init__(self):
        self.answers = [(200, {}, json.dumps({"recordings": [RECORDING]}))]
        self.requests = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                service.requests.append((time.monotonic(), self.path, dict(self.headers)))
                status, headers, body = service.answers[0]
                if len(service.answers) > 1:
                    service.answers.pop(0)
                if body is None:
                    time.sleep(1.0)
                    body = "{}"
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.site = f"http://127.0.0.1:{self.server.server_port}/ws/2"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def service():
    service = Service()
    yield service
    service.server.shutdown()
    service.server.server_close()


@pytest.fixture
def lookup(service, tmp_path):
    return MusicBrainz(tmp_path, site=service.site, interval_s=0.0, timeout_s=0.5)


def test_a_recording_is_read_as_the_service_writes_it(lookup, service):
    (found,) = lookup.candidates(QUERY)
    assert found == Candidate(
        "rec-1",
        "Song",
        "The Band feat. Guest",
        ("art-1", "art-2"),
        1998,
        181.4,
        ("GBXXX9800001",),
        "rel-1",
        "Album",
    )
    ((_, path, headers),) = service.requests
    asked = parse_qs(urlsplit(path).query)
    assert asked == {"query": ['recording:"Song" AND artist:"The Band"'], "limit": ["10"], "fmt": ["json"]}
    assert headers["User-Agent"].startswith("audio-assets/")


def test_what_a_recording_does_not_say_is_none(lookup, service):
    bare = {"id": "r", "title": "T", "length": None, "first-release-date": "", "artist-credit": None}
    service.answers = [(200, {}, json.dumps({"recordings": [bare]}))]
    assert lookup.candidates(QUERY) == [Candidate("r", "T")]


def test_details_add_isrcs_and_the_place_on_spotify(lookup, service):
    relations = [
        {"url": {"resource": "https://example.org/track/1"}},
        {"url": {"resource": "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"}},
    ]
    service.answers = [(200, {}, json.dumps({"isrcs": ["A", "B"], "relations": relations}))]
    found = lookup.details(Candidate("rec-1", "Song", isrcs=("C",)))
    assert (found.isrcs, found.spotify_id) == (("A", "B"), "4uLU6hMCjMI75M1A2tKUQC")
    assert service.requests[0][1] == "/ws/2/recording/rec-1?inc=isrcs+url-rels&fmt=json"
    service.answers = [(200, {}, "{}")]
    found = lookup.details(Candidate("rec-2", "Song", isrcs=("C",)))
    assert (found.isrcs, found.spotify_id) == (("C",), None)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (Query("Song", None, None, 1.0), 'recording:"Song"'),
        (Query('Say "Hi"', "AC/DC", None, 1.0), r'recording:"Say \"Hi\"" AND artist:"AC\/DC"'),
        (Query("Song", "Band", None, 1.0, isrc="gb-xxx-98-00001"), "isrc:GBXXX9800001"),
    ],
)
def test_a_search_is_by_isrc_or_by_title_and_artist(query, text):
    assert lucene(query) == text


def test_an_untitled_track_is_not_asked_for(lookup, service):
    with pytest.raises(NotApplicable, match="no title"):
        lookup.candidates(Query(None, "The Band", 1998, 181.0))
    assert service.requests == []


def test_an_answer_is_asked_for_once_and_kept(lookup, service, tmp_path):
    first = lookup.candidates(QUERY)
    service.answers = [(500, {}, "")]
    again = MusicBrainz(tmp_path, site=service.site, timeout_s=0.5)
    assert again.candidates(QUERY) == first
    assert len(service.requests) == 1


def test_a_kept_answer_that_is_damaged_is_asked_for_again(lookup, service, tmp_path):
    first = lookup.candidates(QUERY)
    (kept,) = (tmp_path / "musicbrainz" / "answers").iterdir()
    kept.write_text('{"recordings": [')
    assert lookup.candidates(QUERY) == first
    assert len(service.requests) == 2


def test_asked_too_often_it_waits_as_long_as_it_is_told_and_asks_again(lookup, service):
    answer = service.answers[0]
    service.answers = [(503, {"Retry-After": "0.3"}, ""), (429, {"Retry-After": "0.2"}, ""), answer]
    assert len(lookup.candidates(QUERY)) == 1
    times = [at for at, _, _ in service.requests]
    assert times[1] - times[0] >= 0.3
    assert times[2] - times[1] >= 0.2


def test_a_service_that_stays_busy_fails_the_track_and_is_not_kept(lookup, service):
    service.answers = [(503, {"Retry-After": "0"}, "")]
    with pytest.raises(ServiceError, match=r"found status 503 .*try again later"):
        lookup.candidates(QUERY)
    assert len(service.requests) == ATTEMPTS
    service.answers = [(200, {}, '{"recordings": []}')]
    assert lookup.candidates(QUERY) == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, {}, '{"recordings": ['), "found no JSON"),
        ((200, {}, "<html>"), "found no JSON"),
        ((200, {}, "[]"), "found a JSON list; wanted a JSON object"),
        ((200, {}, '{"recordings": 3}'), "found recordings that are no list"),
        ((200, {}, '{"recordings": [{"title": "x"}]}'), r"cannot be read \(KeyError: 'id'\)"),
        ((200, {}, '{"recordings": [{"id": 1, "title": "x", "length": "?"}]}'), "cannot be read"),
        ((404, {}, "{}"), "found status 404"),
        ((200, {}, None), r"found no answer within 0\.5 s"),
    ],
)
def test_what_is_no_answer_fails_the_track_with_the_address(lookup, service, answer, reason):
    service.answers = [answer]
    with pytest.raises(ServiceError, match=reason) as error:
        lookup.candidates(QUERY)
    assert str(error.value).startswith(service.site)


def test_off_line_is_no_failure(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    lookup = MusicBrainz(tmp_path, site=f"http://127.0.0.1:{port}/ws/2", interval_s=0.0)
    with pytest.raises(NotApplicable, match=rf"off-line: 127\.0\.0\.1:{port} cannot be reached"):
        lookup.candidates(QUERY)


def test_switched_off_it_asks_nobody():
    with pytest.raises(
        NotApplicable, match="look-up is off: set AUDIO_ASSETS_METADATA_LOOKUP_BACKEND=published"
    ):
        NoLookup()


def take_turns(folder, turns):
    web = WebService(folder, "test", interval_s=0.2)
    for _ in range(2):
        turns.put(web._await_turn())


def test_all_worker_processes_together_ask_no_more_often_than_allowed(tmp_path):
    context = multiprocessing.get_context("fork")
    turns = context.Queue()
    workers = [context.Process(target=take_turns, args=(tmp_path, turns)) for _ in range(3)]
    for worker in workers:
        worker.start()
    times = sorted(turns.get(timeout=20) for _ in range(6))
    for worker in workers:
        worker.join(20)
    assert min(after - before for before, after in itertools.pairwise(times)) > 0.199


def test_every_request_takes_its_turn(service, tmp_path, monkeypatch):
    turns = []
    monkeypatch.setattr(WebService, "_await_turn", lambda web: turns.append(len(service.requests)))
    service.answers = [(503, {"Retry-After": "0"}, ""), (200, {}, "{}")]
    web = WebService(tmp_path, "test")
    for _ in range(2):
        web.get(f"{service.site}/x")
    assert turns == [0, 1]


def test_a_clock_that_was_set_back_holds_nobody_up(service, tmp_path, monkeypatch):
    service.answers = [(200, {}, "{}")]
    web = WebService(tmp_path, "test", interval_s=0.1)
    (tmp_path / "last_request").write_text(repr(time.time() + 3600))
    slept = []
    clock = SimpleNamespace(time=time.time, sleep=slept.append)
    monkeypatch.setattr("audio_assets.backends.metadata_lookup.web.time", clock)
    web.get(f"{service.site}/x")
    assert slept == [0.1]
