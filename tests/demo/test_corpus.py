import hashlib
import json
import shutil
import time

import pytest

from audio_assets.audio.signal import Signal
from audio_assets.demo import load_truth, make_corpus
from audio_assets.demo.corpus import MANIFEST, generator
from audio_assets.demo.podcasts.recording import make_episode


def hashes(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_in_one_process_or_two(corpus, tmp_path):
    make_corpus(tmp_path, size="tiny", workers=2)
    assert hashes(tmp_path) == hashes(corpus.folder)


def test_another_seed_gives_another_conversation(corpus, truth, tmp_path):
    key = truth.episodes[0].key
    make_episode(key, tmp_path, generator(1, key), tiny=True)
    other = load_truth(tmp_path).episodes[0]
    assert other.turns != truth.episodes[0].turns


def test_a_second_call_makes_nothing(corpus):
    def fail(*_):
        raise AssertionError("something was made")

    before = hashes(corpus.folder)
    assert make_corpus(corpus.folder, size="tiny", progress=fail) == corpus
    assert hashes(corpus.folder) == before


def test_what_is_missing_is_made_again_with_the_same_bytes_and_nothing_else(corpus, truth, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(corpus.folder, copy)
    (copy / truth.episodes[0].path).unlink()
    remade = []
    make_corpus(copy, size="tiny", progress=lambda *report: remade.append(report))
    assert remade == [(6, 6, truth.episodes[0].key)]
    assert hashes(copy) == hashes(corpus.folder)


def test_the_manifest_has_the_hash_of_every_file(corpus):
    recordings = json.loads((corpus.folder / MANIFEST).read_text())["recordings"]
    listed = {path: sha for files in recordings.values() for path, sha in files.items()}
    found = hashes(corpus.folder)
    del found[MANIFEST]
    assert listed == found


@pytest.mark.parametrize("other", [{"seed": 1}, {"size": "demo"}])
def test_a_folder_with_another_corpus_is_refused_not_overwritten(corpus, other):
    with pytest.raises(FileExistsError, match=r"holds a demo corpus with .*choose another folder"):
        make_corpus(corpus.folder, **{"size": "tiny", "seed": 0, **other})


def test_progress_counts_every_recording(made):
    assert [done for done, _, _ in made.reported] == [1, 2, 3, 4, 5, 6]
    assert {total for _, total, _ in made.reported} == {6}


def test_making_it_costs_not_much_more_than_hearing_it(made):
    """Ten times is measured; a loop over samples would take hundreds of times as long."""
    started = time.process_time()
    for path in made.corpus.folder.rglob("*"):
        if path.suffix in (".flac", ".mp3", ".ogg"):
            assert Signal(path).samples.size
    assert made.cpu_s < 40 * (time.process_time() - started)


def test_a_folder_without_truth_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="make one with make_corpus"):
        load_truth(tmp_path)


def test_truth_finds_a_recording_by_its_path(truth):
    for recording in (*truth.tracks, *truth.episodes):
        assert truth.by_path[recording.path] == recording
