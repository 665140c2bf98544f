"""The asset `aesthetics`: its row, and when there is none."""

from pathlib import Path

import numpy as np
import pytest

from audio_assets.assets.music.aesthetics import aesthetics
from audio_assets.audio.signal import Signal
from audio_assets.backends.aesthetics.embedded import NoAesthetics
from audio_assets.backends.aesthetics.published import AudioboxAesthetics
from audio_assets.backends.weights import Weights
from audio_assets.engine import NotApplicable
from tests.backends.audiobox_model import write_model

NOWHERE = Path("no folder of weights")


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    return AudioboxAesthetics(NOWHERE, model=Weights(str(write_model(tmp_path_factory.mktemp("audiobox")))))


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 8)])
def test_the_row_fits_the_table_at_any_rate_and_number_of_channels(judge, rate, channels):
    noise = np.random.default_rng(0).normal(0, 0.1, (channels, 12 * rate))
    (row,) = aesthetics.table.check_rows(aesthetics(Signal.from_array(noise, rate), aesthetics=judge))
    assert all(1 <= value <= 10 for value in row.values())


def test_silence_and_missing_weights_are_not_applicable(judge):
    silence = Signal.from_array(np.zeros((2, 88_200)), 44_100)
    with pytest.raises(NotApplicable, match="silent"):
        aesthetics(silence, aesthetics=judge)
    with pytest.raises(NotApplicable, match="weights not installed"):
        aesthetics(silence, aesthetics=NoAesthetics())
