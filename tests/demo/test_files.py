import mutagen
import numpy as np
import pytest
import soundfile

from audio_assets.demo.files import write_audio, write_tags

RATE = 24_000


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    smooth = np.convolve(rng.standard_normal(3 * RATE), np.hanning(64), "same")
    return np.round(np.stack([smooth, smooth[::-1]]) * 2000).astype(np.int16)


@pytest.mark.parametrize("suffix", ["flac", "wav", "ogg", "mp3"])
def test_a_file_written_twice_has_the_same_bytes(tmp_path, samples, suffix):
    for name in ("a", "b"):
        write_audio(tmp_path / f"{name}.{suffix}", samples, RATE)
        if suffix != "wav":
            write_tags(tmp_path / f"{name}.{suffix}", {"title": "Noche de sal", "artist": "Malecón"})
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_lossless_files_keep_every_sample(tmp_path, samples, suffix):
    write_audio(tmp_path / f"x.{suffix}", samples, RATE)
    back, rate = soundfile.read(tmp_path / f"x.{suffix}", dtype="int16")
    assert rate == RATE
    assert np.array_equal(back.T, samples)


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_lossy_files_sound_alike_and_begin_at_the_same_sample(tmp_path, samples, suffix, channels):
    write_audio(tmp_path / f"x.{suffix}", samples[:channels], RATE)
    back, _ = soundfile.read(tmp_path / f"x.{suffix}", always_2d=True)
    assert back.shape[1] == channels
    count = min(len(back), samples.shape[1])
    assert abs(len(back) - samples.shape[1]) < 1200
    assert np.corrcoef(back[:count, 0], samples[0, :count])[0, 1] > 0.98


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_tags_are_read_back_with_their_accents(tmp_path, samples, suffix):
    path = tmp_path / f"x.{suffix}"
    write_audio(path, samples, RATE)
    write_tags(path, {"title": "Petite valse d'été", "artist": "Bal Perdu", "date": "1999"})
    assert mutagen.File(path, easy=True)["title"] == ["Petite valse d'été"]
    assert soundfile.read(path)[0].shape[1] == 2


def test_a_file_that_cannot_be_tagged_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no audio")
    with pytest.raises(ValueError, match=r"notes\.txt is of no format that mutagen can tag"):
        write_tags(path, {"title": "x"})
