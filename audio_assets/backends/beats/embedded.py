"""Beats by Essentia's RhythmExtractor2013 and a search for the bars: no weights, no download."""

from __future__ import annotations

from audio_assets.audio.signal import Signal
from audio_assets.backends.beats import Beats
from audio_assets.features import shared
from audio_assets.features.beats import track_beats
from audio_assets.features.downbeats import find_bars


class EssentiaBeats:
    """Essentia's pulse on the attacks (`features.beats`), bars of one metre (`features.downbeats`)."""

    name = "essentia"
    revision = "RhythmExtractor2013 degara"
    licence = "AGPL-3.0"

    def beats(self, track: Signal) -> Beats:
        """As `BeatTracker.beats`; all positions are None where the bar is unclear."""
        accents = track.once(shared.accents)
        times_s = track_beats(track.once(shared.pulse).ticks_s, accents)
        mel_power = track.once(shared.frames).mel_power
        magnitudes = track.once(shared.constant_q_magnitudes)
        bars = find_bars(times_s, accents, mel_power, magnitudes, track.duration_s)
        return Beats(times_s, bars.positions if bars else (None,) * len(times_s))
