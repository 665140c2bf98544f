"""The assets of tags: their rows, the view of the likely ones, and one pass for all."""

import duckdb
import numpy as np
import pytest

from audio_assets.assets.music.tags import binary_labels, tag_embeddings, tags
from audio_assets.audio.signal import Signal
from audio_assets.backends.tags import TAGS_ROLE
from audio_assets.backends.tags.embedded import NoTags
from audio_assets.backends.tags.published import EssentiaTags
from audio_assets.engine import NotApplicable
from audio_assets.settings import Settings
from tests.backends.essentia_models import write_models
from tests.conftest import CHECKOUT

VIEW = CHECKOUT / "sql" / "views" / "top_tags.sql"


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    write_models(folder)
    return EssentiaTags(folder)


def noise(seconds=6.0, rate=44_100, channels=2):
    samples = np.random.default_rng(0).normal(0, 0.1, (channels, int(seconds * rate)))
    return Signal.from_array(samples, rate)


def test_rows_fit_their_tables(tagger):
    rows = tags.table.check_rows(tags(noise(), tags=tagger))
    assert len(rows) == len({(row["family"], row["label"]) for row in rows}) == 496
    (row,) = binary_labels.table.check_rows(binary_labels(noise(), tags=tagger))
    assert (row["female_probability"] is None) == (row["voice_probability"] < 0.5)
    (row,) = tag_embeddings.table.check_rows(tag_embeddings(noise(), tags=tagger))
    assert row["patch_count"] == 5


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 1), (48_000, 8), (96_000, 2)])
def test_any_rate_and_number_of_channels_has_tags(tagger, rate, channels):
    assert len(tags(noise(rate=rate, channels=channels), tags=tagger)) == 496


def test_the_networks_hear_a_track_once_for_all_three_tables(tagger):
    calls = []

    class Counting:
        def tags(self, samples):
            calls.append(samples.shape)
            return tagger.tags(samples)

    track, counting = noise(), Counting()
    for asset in (tags, binary_labels, tag_embeddings):
        asset(track, tags=counting)
    assert calls == [(96_000,)]
    assert {asset.bundle for asset in (tags, binary_labels, tag_embeddings)} == {"track_tags"}


@pytest.mark.parametrize("asset", [tags, binary_labels, tag_embeddings])
def test_what_has_no_tags_is_not_applicable(asset, tagger):
    with pytest.raises(NotApplicable, match="weights not installed"):
        asset(noise(), tags=NoTags())
    with pytest.raises(NotApplicable, match="shorter than"):
        asset(noise(1.0), tags=tagger)
    with pytest.raises(NotApplicable, match="silent"):
        asset(Signal.from_array(np.zeros((2, 200_000)), 44_100), tags=tagger)


def test_top_tags_are_the_ten_likeliest_of_a_family_from_a_tenth_on():
    lake = duckdb.connect()
    lake.execute("CREATE TABLE tags (item VARCHAR, family VARCHAR, label VARCHAR, probability DOUBLE)")
    rows = [("a", "genre", f"g{i:02}", 0.9 - i * 0.01) for i in range(15)]
    rows += [
        ("a", "instrument", "piano", 0.1),
        ("a", "instrument", "flute", 0.0999),
        ("b", "genre", "x", 0.2),
    ]
    lake.executemany("INSERT INTO tags VALUES (?, ?, ?, ?)", rows)
    lake.execute(VIEW.read_text())
    found = lake.execute("SELECT item, family, rank, label FROM top_tags ORDER BY ALL").fetchall()
    genres = [("a", "genre", rank, f"g{rank - 1:02}") for rank in range(1, 11)]
    assert found == [*genres, ("a", "instrument", 1, "piano"), ("b", "genre", 1, "x")]


def test_the_licence_of_the_weights_reaches_the_ledger(tmp_path):
    settings = Settings(home=tmp_path, tags_backend="published")
    recipe = tags.recipe({}, {"tags": TAGS_ROLE.player(settings)})
    assert (recipe.backend, recipe.licence) == ("essentia-discogs-effnet+vggish", "CC-BY-NC-SA-4.0")
    assert TAGS_ROLE.backend("embedded") is NoTags
